package server_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// bound is how long after a write was acknowledged a request may still see what was before.
const bound = 2 * time.Second

// versionBefore is the program of the version before, which the test runner builds from the history of the source.
func versionBefore(t *testing.T) string {
	t.Helper()
	v := os.Getenv("STOA_TEST_BEFORE")
	if v == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatal("STOA_TEST_BEFORE is not set, so there is no version before to test with")
		}
		t.Skip("SKIPPED: no program of the version before: set STOA_TEST_BEFORE, " +
			"or run make test in a clone with history, which builds it")
	}
	return v
}

// program is a node as a process of its own.
type program struct {
	path, home, url string
	cmd             *exec.Cmd
	log             *os.File
	client          *http.Client
}

func newProgram(t *testing.T, path, dir, name, address string) *program {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	p := &program{path: path, home: filepath.Join(dir, name), url: "http://" + at, client: servertest.NewClient(t)}
	if err := os.MkdirAll(p.home, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("portal.instance.inet.socket.address=%s\njdbc.default.url=%s\n"+
		"jdbc.default.maximumPoolSize=8\njdbc.default.minimumIdle=1\n"+
		"dl.store.file.system.root.dir=%s\ndefault.admin.password=%s\nshutdown.drain.delay=0s\n"+
		"cluster.link.enabled=true\ncluster.link.port=0\n"+
		"cluster.link.channel.logic.name.control=%s\nvirtual.hosts.valid.hosts=*\n",
		at, address, filepath.Join(dir, "files"), servertest.AdminPassword, name)
	if err := os.WriteFile(filepath.Join(p.home, "portal-ext.properties"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.path, append(args, "--home", p.home)...)
	cmd.Dir, cmd.Env = p.home, append(os.Environ(), "HOME="+p.home)
	return cmd
}

func (p *program) run(args ...string) (string, error) {
	out, err := p.command(args...).CombinedOutput()
	return string(out), err
}

func (p *program) start(t *testing.T) {
	t.Helper()
	var err error
	if p.log, err = os.CreateTemp(p.home, "log"); err != nil {
		t.Fatal(err)
	}
	p.cmd = p.command("serve")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := p.client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		cancel()
		if err == nil && res.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			raw, _ := os.ReadFile(p.log.Name())
			t.Fatalf("%s is not ready: %v\n%s", p.home, err, raw)
		}
	}
}

func (p *program) end(how syscall.Signal) {
	if p.cmd != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(how)
		_ = p.cmd.Wait()
		_ = p.log.Close()
	}
	p.client.CloseIdleConnections()
}

// publish writes a post through the forms of one node, and sees that it is read on the other in time.
func publish(t *testing.T, on, other *program, site int64, slug string) {
	t.Helper()
	var a servertest.Answer
	see := func() bool {
		a = servertest.Do(t, other.client, http.MethodGet, other.url+"/w/"+slug, nil)
		return a.Status == http.StatusOK && strings.Contains(a.Body, "The text of "+slug)
	}
	form := func(path string, v url.Values) servertest.Answer {
		return servertest.Do(t, on.client, http.MethodPost, on.url+path, strings.NewReader(v.Encode()),
			"Content-Type", "application/x-www-form-urlencoded")
	}
	if see() {
		t.Fatalf("%s is there before it was written", slug)
	}
	form("/sign-in", url.Values{"login": {servertest.AdminLogin}, "password": {servertest.AdminPassword},
		"next": {"/control/"}})
	a = form("/control/content/new", url.Values{"site": {fmt.Sprint(site)}, "version": {"0"}, "kind": {"post"},
		"slug": {slug}, "title": {slug}, "body": {"The text of " + slug}, "do": {"publish"}})
	if a.Status != http.StatusSeeOther || !strings.Contains(a.Header.Get("Location"), "done=published") {
		t.Fatalf("publish on %s: %d to %q\n%s", on.home, a.Status, a.Header.Get("Location"), a.Body)
	}
	acknowledged := time.Now()
	for {
		asked := time.Now()
		if see() {
			return
		}
		if asked.Sub(acknowledged) > bound {
			t.Fatalf("%s, written on %s, was not seen on %s by a request %s later: %d\n%s",
				slug, on.home, other.home, asked.Sub(acknowledged), a.Status, a.Body)
		}
	}
}

func TestUpgrade_TheVersionBeforeServesBesideThisOneUntilItIsFinished(t *testing.T) {
	t.Parallel()
	before := versionBefore(t)
	now := filepath.Join(t.TempDir(), "stoa")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", now, "github.com/stoa-portal/stoa/cmd/stoa")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	for _, e := range dbtest.Servers() {
		t.Run(string(e), func(t *testing.T) {
			dir, address := t.TempDir(), dbtest.Empty(t, e)
			old, young := newProgram(t, before, dir, "old", address), newProgram(t, now, dir, "young", address)
			old.start(t)
			d, err := db.Open(t.Context(), db.Options{URL: address, MaxConns: 2, MinIdle: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			number := func(query string) (n int64) {
				t.Helper()
				if err := d.QueryRow(t.Context(), query).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			was := number("SELECT version FROM db_schema")
			text, err := young.run("migrate", "--dry-run")
			if err != nil || !strings.Contains(text, "Would run") || number("SELECT version FROM db_schema") != was {
				t.Fatalf("a dry run: %v %s", err, text)
			}
			young.start(t)
			target, err := d.SchemaVersion()
			if err != nil {
				t.Fatal(err)
			}
			if is := number("SELECT version FROM db_schema"); is != target || is <= was {
				t.Fatalf("schema %d after the start of the new version, %d before, want %d", is, was, target)
			}
			site := number("SELECT id FROM site_site")
			publish(t, old, young, site, "from-old")
			publish(t, young, old, site, "from-young")
			// The version before writes no entries: a follower does, of what the change log names.
			entries := func(slug string) int64 {
				return number("SELECT count(*) FROM asset_entry e JOIN content_article a ON a.id = e.id " +
					"AND a.version = e.version WHERE e.kind = 'article' AND a.slug = '" + slug + "'")
			}
			if entries("from-young") != 1 {
				t.Error("the new version writes no entry beside the one before")
			}
			entered := func(slug string) {
				t.Helper()
				eventually(t, "the entry of "+slug, func() bool { return entries(slug) == 1 })
			}
			entered("from-old")
			old.end(syscall.SIGKILL)
			old.start(t)
			publish(t, old, young, site, "from-old-again")
			entered("from-old-again")
			publish(t, young, old, site, "from-young-again")

			for _, args := range [][]string{{"migrate", "--finish", "--dry-run"}, {"migrate", "--finish"}} {
				text, err := young.run(args...)
				if err == nil || !strings.Contains(text, "old (") || strings.Contains(text, "young (") {
					t.Fatalf("%v while the version before lives: %v %s", args, err, text)
				}
			}
			if n := number("SELECT oldest FROM db_schema"); n != 0 {
				t.Fatalf("the oldest binary served is %d after a refusal", n)
			}
			publish(t, young, old, site, "after-the-refusal")
			old.end(syscall.SIGTERM)
			would, err := young.run("migrate", "--finish", "--dry-run")
			if err != nil || !strings.Contains(would, "could no longer start") {
				t.Fatalf("a dry run: %v %s", err, would)
			}
			did, err := young.run("migrate", "--finish")
			if err != nil || !strings.Contains(did, "can no longer start") {
				t.Fatalf("finish: %v %s", err, did)
			}
			if n := number("SELECT oldest FROM db_schema"); n != target {
				t.Errorf("the oldest binary served is %d, want %d", n, target)
			}
			// The version before says in a sentence why it does not start; this one goes on.
			out, err := old.run("serve")
			if err == nil || !regexp.MustCompile(`needs a stoa of schema [0-9]+ or newer`).MatchString(out) {
				t.Errorf("the version before after the end of the upgrade: %v %s", err, out)
			}
			young.end(syscall.SIGKILL)
			young.start(t)
			a := servertest.Do(t, young.client, http.MethodGet, young.url+"/w/from-old", nil)
			if a.Status != http.StatusOK || !strings.Contains(a.Body, "The text of from-old") {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
}
