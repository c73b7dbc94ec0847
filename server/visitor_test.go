package server_test

import (
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

func version(v int64) string { return strconv.FormatInt(v, 10) }

func TestGuest_PageHasATagAndIsNotSentTwice(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	first := n.Get(t, "/")
	mustSee(t, first, http.StatusOK, "Welcome to Stoa")
	tag := first.Header.Get("ETag")
	if tag == "" {
		t.Fatalf("no ETag: %v", first.Header)
	}
	again := n.Get(t, "/", "If-None-Match", tag)
	if again.Status != http.StatusNotModified || again.Body != "" {
		t.Errorf("with its tag the page gets %d and %d bytes, want 304 and none", again.Status, len(again.Body))
	}
	zipped := n.Get(t, "/", "Accept-Encoding", "gzip")
	if zipped.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(zipped.Header.Get("Vary"), "Accept-Encoding") {
		t.Fatalf("not compressed: %v", zipped.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(zipped.Body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || string(plain) != first.Body {
		t.Errorf("unpacked it is another page (%d bytes, want %d): %v", len(plain), len(first.Body), err)
	}
	if first.Header.Get("Set-Cookie") != "" {
		t.Errorf("a guest gets a cookie: %s", first.Header.Get("Set-Cookie"))
	}
}

func TestGuest_CachedPageIsNotShownToOthers(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	own := n.Get(t, "/")
	mustSee(t, own, http.StatusOK, "Portal Administrator")
	if cc := own.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
		t.Errorf("the page of a person has Cache-Control %q", cc)
	}
	mustNotSee(t, n.Guest(t).Get(t, "/"), "Portal Administrator")
}

func TestGuest_MissingPageHasTheFaceOfTheSite(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	mustSee(t, n.Get(t, "/no/such/page"), http.StatusNotFound, "This page does not exist", "site-header")
	mustSee(t, n.Get(t, "/web/no-such-site/x"), http.StatusNotFound)
}

func TestGuest_OldAddressLeadsToTheNewOne(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	mustSee(t, b.Get(t, "/?p=12"), http.StatusOK)
	mustSee(t, b.Get(t, "/2024/old"), http.StatusNotFound)
	st := a.Site(t)
	if err := a.DB.Write(servertest.System(), func(ctx context.Context, tx *db.Tx) error {
		return a.Pages.AddRedirect(ctx, tx, st.ID, "/2024/old", "/w/welcome")
	}); err != nil {
		t.Fatal(err)
	}
	b.Poll(t)
	got := b.Get(t, "/2024/old")
	if got.Status != http.StatusMovedPermanently || got.Header.Get("Location") != "/w/welcome" {
		t.Errorf("%d to %q, want 301 to /w/welcome", got.Status, got.Header.Get("Location"))
	}
}

func TestGuest_FeedSiteMapAndRobotsAreWellFormed(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for path, want := range map[string]string{"/feed.atom": "feed", "/sitemap.xml": "sitemapindex",
		"/sitemap-1.xml": "urlset"} {
		got := n.Get(t, path)
		mustSee(t, got, http.StatusOK, n.URL)
		root := ""
		for dec := xml.NewDecoder(strings.NewReader(got.Body)); ; {
			tok, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", path, err, got.Body)
			}
			if s, ok := tok.(xml.StartElement); ok && root == "" {
				root = s.Name.Local
			}
		}
		if root != want {
			t.Errorf("%s is a %q, want %q", path, root, want)
		}
		if !strings.Contains(got.Header.Get("Content-Type"), "xml") {
			t.Errorf("%s has the type %q", path, got.Header.Get("Content-Type"))
		}
	}
	mustSee(t, n.Get(t, "/robots.txt"), http.StatusOK, "User-agent: *", "Disallow: /control/", "Sitemap: "+n.URL+"/sitemap.xml")
}

func TestHostile_SignInLeadsOnlyToPathsOfThePortal(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for _, next := range []string{"//evil.test", "https://evil.test/", `/\evil.test`, "/\tevil", "javascript:alert(1)", "///evil.test", "/%0d%0aX: y//../../"} {
		got := n.Guest(t).Post(t, "/sign-in", url.Values{"login": {servertest.AdminLogin}, "password": {servertest.AdminPassword}, "next": {next}})
		to, err := url.Parse(got.Header.Get("Location"))
		if got.Status != http.StatusSeeOther || err != nil || to.Host != "" || to.Scheme != "" || !strings.HasPrefix(to.Path, "/") || strings.HasPrefix(to.Path, "//") {
			t.Errorf("next=%q leads to %q (%d)", next, got.Header.Get("Location"), got.Status)
		}
	}
}

func TestHostile_OversizedFormsAreRefused(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	big := strings.Repeat("x", 100<<10)
	got := n.Guest(t).Post(t, "/sign-in", url.Values{"login": {big}, "password": {"x"}})
	if got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a sign-in form of 100 KiB gets %d, want 413", got.Status)
	}
	n.SignIn(t)
	got = n.Post(t, "/control/site/choose", url.Values{"site": {strings.Repeat("1", 2<<20)}})
	if got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 2 MiB in the panel gets %d, want 413", got.Status)
	}
	mustSee(t, n.Get(t, "/"), http.StatusOK)
}

func TestHostile_ForgedCookiesAreGuests(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for _, value := range []string{"x", strings.Repeat("A", 43), "../../etc/passwd", "%00", strings.Repeat("z", 4000), "' OR 1=1 --"} {
		g := n.Guest(t)
		got := g.Get(t, "/control/", "Cookie", "stoa_session="+value)
		if got.Status != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/sign-in") {
			t.Errorf("the cookie %.20q gets %d to %q", value, got.Status, got.Header.Get("Location"))
		}
		mustSee(t, g.Get(t, "/", "Cookie", "stoa_session="+value), http.StatusOK, "Welcome to Stoa")
	}
}

func TestHostile_FormsOfOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	got := n.Post(t, "/control/caches/clear", nil, "Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test")
	if got.Status != http.StatusForbidden {
		t.Errorf("a form of another origin gets %d, want 403", got.Status)
	}
}

func TestHostile_MarkupOfAnArticleIsCleaned(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	n.Publish(t, "evil", `<script>alert("t")</script>`, `<p onclick="alert(1)">Text<script>alert(2)</script><a href="javascript:alert(3)">x</a><img src=x onerror=alert(4)></p>`)
	n.Poll(t)
	for _, path := range []string{"/w/evil", "/", "/feed.atom"} {
		mustNotSee(t, n.Guest(t).Get(t, path), "<script>alert", "onclick=", "javascript:", "onerror=")
	}
}

func TestStore_NodeWithAnotherFolderIsNotReady(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	a := g.Join(nil)
	mustSee(t, a.Get(t, "/readyz"), http.StatusOK)
	b := g.Join(map[string]string{"dl.store.file.system.root.dir": filepath.Join(t.TempDir(), "other")})
	mustSee(t, b.Get(t, "/readyz"), http.StatusServiceUnavailable, "file store", "dl.store.file.system.root.dir")
	mustSee(t, a.Get(t, "/readyz"), http.StatusOK)
}

func TestHome_SecondProcessIsRefusedWithThePid(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	a := g.Join(nil)
	c, err := config.Load(config.Options{Home: a.Home, Flags: map[string]string{"portal.instance.inet.socket.address": "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(context.Background(), server.Options{Config: c})
	if err == nil {
		t.Fatal("a second node runs on the home", s.Stop(context.Background()))
	}
	if !stoa.Is(err, stoa.KindConflict) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), a.Home) {
		t.Errorf("the error does not name home and pid: %v", err)
	}
	mustSee(t, a.Get(t, "/"), http.StatusOK)
}

func TestConfig_WrongPropertyIsNamed(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Options{Home: t.TempDir(), Flags: map[string]string{"cache.fresh.limit": "soon"}})
	if err == nil || !strings.Contains(err.Error(), "cache.fresh.limit") || !strings.Contains(err.Error(), "soon") {
		t.Errorf("the error does not name property and value: %v", err)
	}
}

func TestStart_DatabaseThatCannotBeReachedIsNamed(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	c := g.Config(map[string]string{"jdbc.default.url": "postgres://stoa@127.0.0.1:1/none?sslmode=disable", "retry.jdbc.on.startup.max.retries": "0"})
	s, err := server.New(context.Background(), server.Options{Config: c})
	if err == nil {
		t.Fatal("a node runs without its database", s.Stop(context.Background()))
	}
	if !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("the error does not name the address: %v", err)
	}
	// What was begun is undone: the home is free for the next try.
	c.Database.Default.URL = "sqlite:" + filepath.Join(c.Home, "data", "stoa.db")
	s, err = server.New(context.Background(), server.Options{Config: c})
	if err != nil {
		t.Fatalf("second try: %v", err)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestPanel_EveryScreenOpensForTheAdministratorAndForNobodyElse(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	for _, path := range []string{"/control/", "/control/content", "/control/content/new", "/control/pages", "/control/properties", "/control/caches", "/control/changes", "/control/jobs"} {
		mustSee(t, n.Get(t, path), http.StatusOK, "Control panel")
		got := n.Guest(t).Get(t, path)
		if got.Status != http.StatusSeeOther || !strings.HasPrefix(got.Header.Get("Location"), "/sign-in?next=") {
			t.Errorf("%s: a guest gets %d to %q", path, got.Status, got.Header.Get("Location"))
		}
	}
	mustNotSee(t, n.Get(t, "/control/properties?q=password"), servertest.AdminPassword)
	mustSee(t, n.Get(t, "/control/no-such-screen"), http.StatusNotFound)
}

func TestBackup_RestoredHomeShowsTheSameSite(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Options{Home: filepath.Join(t.TempDir(), "old"), Flags: map[string]string{
		"portal.instance.inet.socket.address": "127.0.0.1:0", "default.admin.password": servertest.AdminPassword}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(context.Background(), server.Options{Config: c, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := s.Backup(context.Background(), io.Discard); !stoa.Is(err, stoa.KindUnauthorized) {
		t.Errorf("a guest's backup: %v", err)
	}
	_, _, err = server.BackupToDir(context.Background(), dir, nil, func(w io.Writer) error {
		_, err := s.Backup(servertest.System(), w)
		return err
	})
	if err := errors.Join(err, s.Stop(context.Background())); err != nil {
		t.Fatal(err)
	}
	if c, err = config.Load(config.Options{Home: filepath.Join(t.TempDir(), "new"), Flags: map[string]string{"portal.instance.inet.socket.address": "127.0.0.1:0"}}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if _, _, err := server.Restore(context.Background(), c, nil, dir, "", "", log, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Restore(context.Background(), c, nil, dir, "", "", log, nil); !stoa.Is(err, stoa.KindConflict) {
		t.Errorf("a second restore over the first: %v", err)
	}
	if s, err = server.New(context.Background(), server.Options{Config: c, NoSync: true}); err != nil {
		t.Fatal(err)
	}
	_, st, err := s.Sites.Resolve(servertest.System(), "localhost")
	if err == nil {
		_, err = s.Content.LiveBySlug(servertest.System(), st, "welcome")
	}
	if err != nil {
		t.Errorf("the restored site: %v", err)
	}
	if s.SetupPath != "" {
		t.Error("the restored administrator has lost the password")
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}
