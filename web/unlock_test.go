package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/secret"
	"github.com/stoa-portal/stoa/server/servertest"
)

var unlockAction = regexp.MustCompile(`action="(/unlock[^"]*)"`)

// formOf gives the address of the password form of a page.
func formOf(t *testing.T, a servertest.Answer) string {
	t.Helper()
	m := unlockAction.FindStringSubmatch(a.Body)
	if a.Status != 200 || m == nil {
		t.Fatalf("no password form (%d)\n%.4000s", a.Status, a.Body)
	}
	return html.UnescapeString(m[1])
}

func password(s string) url.Values { return url.Values{"password": {s}} }

// protected writes an article and a page with passwords and gives their paths, by the words inside.
func protected(t *testing.T, n *servertest.Node) map[string]string {
	t.Helper()
	secret := "sesame"
	write(t, n, content.Draft{Slug: "cave", Kind: "post", Password: &secret, Text: text("The cave", "<p>forty thieves</p>")})
	p, err := n.Pages.Create(servertest.System(), n.Site(t), page.NewPage{Slug: "hidden-page", Position: -1, Publish: true, Password: secret, Title: map[stoa.Locale]string{"en-US": "Hidden"},
		Layout: page.Single(page.Placed{ID: "w1", Widget: "html", Settings: map[string]string{"html": "<p>buried gold</p>"}})})
	if err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	return map[string]string{"forty thieves": "/w/cave", "buried gold": p.Path}
}

func TestUnlock_RightPasswordOpensForThisVisitorOnly(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for words, path := range protected(t, n) {
		before := n.Get(t, path)
		without(t, before, words)
		action := formOf(t, before)
		got := n.Post(t, action, password("sesame"))
		if got.Status != 303 || got.Header.Get("Location") != path {
			t.Fatalf("unlock %s: %d to %q\n%.3000s", path, got.Status, got.Header.Get("Location"), got.Body)
		}
		if c := got.Header.Get("Set-Cookie"); !strings.HasPrefix(c, "stoa_open_") || !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || strings.Contains(c, "sesame") {
			t.Errorf("the cookie is %q", c)
		}
		open := n.Get(t, path)
		want(t, open, 200, words)
		if cc := open.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
			t.Errorf("%s, unlocked, has Cache-Control %q", path, cc)
		}
		// Neither the visit nor a made-up cookie opens it to others.
		without(t, n.Guest(t).Get(t, path), words)
		name, _, _ := strings.Cut(got.Header.Get("Set-Cookie"), "=")
		for _, value := range []string{"", "x", strings.Repeat("0", 64)} {
			forged := n.Guest(t).Get(t, path, "Cookie", name+"="+value)
			want(t, forged, 200)
			without(t, forged, words)
		}
	}
}

func TestUnlock_WrongPasswordShowsTheFormAgain(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for words, path := range protected(t, n) {
		got := n.Post(t, formOf(t, n.Get(t, path)), password("wrong"))
		want(t, got, http.StatusUnprocessableEntity, "That password is not right.", `type="password"`)
		without(t, got, words, `"wrong"`)
		if got.Header.Get("Set-Cookie") != "" {
			t.Errorf("a wrong password sets %q", got.Header.Get("Set-Cookie"))
		}
		// The form that is shown again works.
		again := unlockAction.FindStringSubmatch(got.Body)
		if again == nil {
			t.Fatal("the form is not shown again")
		}
		if got := n.Post(t, html.UnescapeString(again[1]), password("sesame")); got.Status != 303 || got.Header.Get("Location") != path {
			t.Errorf("the second try: %d to %q", got.Status, got.Header.Get("Location"))
		}
		want(t, n.Get(t, path), 200, words)
	}
}

func TestUnlock_NewPasswordClosesAgain(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	old, renewed := "sesame", "poppy"
	a := write(t, n, content.Draft{Slug: "cave", Kind: "post", Password: &old, Text: text("The cave", "<p>forty thieves</p>")})
	n.Poll(t)
	n.Post(t, formOf(t, n.Get(t, "/w/cave")), password(old))
	want(t, n.Get(t, "/w/cave"), 200, "forty thieves")
	if _, err := n.Content.Save(servertest.System(), a.ID, content.Draft{Password: &renewed, Text: a.Text}, a.Version); err != nil {
		t.Fatal(err)
	}
	n.Poll(t)
	without(t, n.Get(t, "/w/cave"), "forty thieves")
}

func TestUnlock_TriesAreLimitedAndRightOnesAreFree(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	protected(t, n)
	action := formOf(t, n.Get(t, "/w/cave"))
	for range 15 {
		if got := n.Post(t, action, password("sesame")); got.Status != 303 {
			t.Fatalf("a right password: %d", got.Status)
		}
	}
	wrong := 0
	for range 15 {
		if n.Guest(t).Post(t, action, password("wrong")).Status == http.StatusUnprocessableEntity {
			wrong++
		}
	}
	if wrong < 9 || wrong > 11 {
		t.Errorf("%d wrong passwords were checked, want about 10", wrong)
	}
	got := n.Guest(t).Post(t, action, password("sesame"))
	want(t, got, http.StatusTooManyRequests, "too many wrong passwords")
	if got.Header.Get("Retry-After") == "" {
		t.Error("429 does not say when trying again can help")
	}
}

func TestUnlock_HostileForms(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	protected(t, n)
	u, err := url.Parse(formOf(t, n.Get(t, "/w/cave")))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for _, next := range []string{"//evil.test", "https://evil.test", `/\evil.test`, "javascript:alert(1)"} {
		q.Set("next", next)
		if got := n.Post(t, "/unlock?"+q.Encode(), password("sesame")); got.Status != 303 || got.Header.Get("Location") != "/" {
			t.Errorf("next=%q: %d to %q", next, got.Status, got.Header.Get("Location"))
		}
	}
	for _, form := range []url.Values{{}, {"kind": {"page"}}, {"kind": {"page"}, "id": {"x"}}, {"kind": {"page"}, "id": {"-1"}}, {"kind": {"page"}, "id": {"999999"}}, {"kind": {"user"}, "id": {"1"}},
		{"kind": {"article"}, "id": {"99999999999999999999999"}}, {"kind": {"article"}, "id": {"424242"}, "password": {strings.Repeat("x", 60000)}}} {
		got := n.Post(t, "/unlock", form)
		if got.Status < 400 || got.Status >= 500 || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.80v: %d, cookie %q", form, got.Status, got.Header.Get("Set-Cookie"))
		}
	}
	if got := n.Post(t, "/unlock", password("x"), "Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test"); got.Status != http.StatusForbidden {
		t.Errorf("a form of another origin: %d", got.Status)
	}
}

// What stands in the row of a page or an article, and everything that is made of it alone, opens nothing.
func TestUnlock_CookieIsSignedForAllNodesAndNotMadeOfTheRow(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	paths := protected(t, a)
	b.Poll(t)
	for words, path := range paths {
		got := a.Post(t, formOf(t, a.Get(t, path)), password("sesame"))
		cookie, err := http.ParseSetCookie(got.Header.Get("Set-Cookie"))
		if err != nil {
			t.Fatal(err)
		}
		want(t, b.Guest(t).Get(t, path, "Cookie", cookie.Name+"="+cookie.Value), 200, words)
		kind, digits, _ := strings.Cut(strings.TrimPrefix(cookie.Name, "stoa_open_"), "_")
		id, err := stoa.ParseID(digits)
		if err != nil {
			t.Fatal(err)
		}
		var key string
		if kind == "page" {
			p, err := b.Pages.Live(servertest.System(), id)
			if err != nil {
				t.Fatal(err)
			}
			key = p.Unlock
		} else if key, err = b.Content.UnlockKey(servertest.System(), id); err != nil {
			t.Fatal(err)
		}
		if key == "" || strings.Contains(cookie.Value, key) {
			t.Errorf("%s: the cookie holds %q, which is made of the stored hash", path, key)
		}
		without(t, b.Guest(t).Get(t, path, "Cookie", cookie.Name+"="+key), words)
		for other := range paths {
			if other != words {
				without(t, b.Guest(t).Get(t, paths[other], "Cookie", cookie.Name+"="+cookie.Value), other)
			}
		}
		// A restore replaces the keys.
		if err := b.DB.Write(t.Context(), secret.Replace); err != nil {
			t.Fatal(err)
		}
		a.Poll(t)
		without(t, a.Guest(t).Get(t, path, "Cookie", cookie.Name+"="+cookie.Value), words)
	}
}

func TestUnlock_TriesCountOnAllNodesTogether(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	protected(t, nodes[0])
	nodes[1].Poll(t)
	action := formOf(t, nodes[0].Get(t, "/w/cave"))
	wrong := 0
	for i := range 24 {
		if nodes[i%2].Guest(t).Post(t, action, password("wrong")).Status == http.StatusUnprocessableEntity {
			wrong++
		}
	}
	if wrong != 10 {
		t.Errorf("%d wrong passwords were checked on two nodes, want 10", wrong)
	}
}
