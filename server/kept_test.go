package server_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

var (
	keptAction = regexp.MustCompile(`<form class="form" method="post" action="(/control/[^"]*)">`)
	keptField  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// keptForm reads the form of a page that keeps what an editor wrote, as a browser would send it.
func keptForm(t *testing.T, a servertest.Answer) (action string, form url.Values) {
	t.Helper()
	_, at, _ := strings.Cut(a.Body, "error-page__code")
	m := keptAction.FindStringSubmatch(at)
	if m == nil {
		t.Fatalf("the page keeps no form: %d\n%s", a.Status, a.Body)
	}
	at, _, _ = strings.Cut(at, "</form>")
	form = url.Values{}
	for _, f := range keptField.FindAllStringSubmatch(at, -1) {
		form.Add(html.UnescapeString(f[1]), html.UnescapeString(f[2]))
	}
	return html.UnescapeString(m[1]), form
}

// browserHeaders are what a browser sends with a form of a page of this portal.
var browserHeaders = []string{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
	"Sec-Fetch-Site", "same-origin"}

// An editor's text is not lost when the session ended on another node: the page keeps it, and it is published after
// signing in, on any node.
func TestKept_SessionThatEndedElsewhere(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		a.SignIn(t)
		mine := b.As(a.Client)
		form := written(a, t)
		// The browser that writes signs out in another window, at node A; the request at node B still brings the cookie.
		at, err := url.Parse(b.URL)
		if err != nil {
			t.Fatal(err)
		}
		cookies := a.Client.Jar.Cookies(at)
		if got := a.Post(t, "/sign-out", nil); got.Status != http.StatusSeeOther {
			t.Fatalf("sign out: %d", got.Status)
		}
		a.Client.Jar.SetCookies(at, cookies)

		got := mine.Post(t, "/control/content/new?x=1&y=2", form, browserHeaders...)
		mustSee(t, got, http.StatusUnauthorized, "You are signed out", "Send again")
		if c := got.Header.Get("Cache-Control"); c != "no-store" {
			t.Errorf("Cache-Control: %q", c)
		}
		// Sending it again too early loses nothing either, though the cookie is gone by now.
		action, again := keptForm(t, got)
		got = mine.Post(t, action, again, browserHeaders...)
		mustSee(t, got, http.StatusUnauthorized, "You are signed out")
		action, again = keptForm(t, got)
		keptWhole(t, action, again, form)
		// A script gets no page, as before.
		if got := mine.Post(t, action, again, "Accept", "*/*"); got.Status != http.StatusSeeOther {
			t.Errorf("a script gets %d", got.Status)
		}
		// A page of another site cannot have this page filled.
		foreign := mine.Post(t, action, again, append(browserHeaders[:2:2],
			"Sec-Fetch-Site", "cross-site", "Origin", "https://elsewhere.example")...)
		mustSee(t, foreign, http.StatusForbidden)
		mustNotSee(t, foreign, "Send again", "High water")

		b.As(a.Client).SignIn(t)
		got = mine.Post(t, action, again, browserHeaders...)
		if got.Status != http.StatusSeeOther || !strings.Contains(got.Header.Get("Location"), "done=published") {
			t.Fatalf("sent again: %d to %q\n%s", got.Status, got.Header.Get("Location"), got.Body)
		}
		a.Poll(t)
		mustSee(t, a.Guest(t).Get(t, "/w/tides"), http.StatusOK, "High water &amp; low")
	})
}

// The same while the database is away from the node that the form came to.
func TestKept_DatabaseAway(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Servers() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Breakable = true
			a, b := g.Join(nil), g.Join(nil)
			a.SignIn(t)
			mine := b.As(a.Client)
			mustSee(t, mine.Get(t, "/control/content"), http.StatusOK)
			form := written(a, t)
			form.Set("password", "quite-so")
			g.Cut(b)
			eventually(t, "the node finds out", func() bool { return !b.Cache.Proven() && b.Log.Hangs() })
			got := mine.Post(t, "/control/content/new?x=1&y=2", form, browserHeaders...)
			mustSee(t, got, http.StatusServiceUnavailable, "Send again", `name="password" type="password" required`)
			mustNotSee(t, got, "quite-so")
			if c := got.Header.Get("Cache-Control"); c != "no-store" || got.Header.Get("Retry-After") == "" {
				t.Errorf("Cache-Control: %q, Retry-After: %q", c, got.Header.Get("Retry-After"))
			}
			g.Thaw(b)
			eventually(t, "the node finds back", func() bool { return mine.Get(t, "/account").Status == http.StatusOK })
			action, again := keptForm(t, got)
			form.Del("password")
			keptWhole(t, action, again, form)
			got = mine.Post(t, action, again, browserHeaders...)
			if got.Status != http.StatusSeeOther || !strings.Contains(got.Header.Get("Location"), "done=published") {
				t.Fatalf("sent again: %d to %q\n%s", got.Status, got.Header.Get("Location"), got.Body)
			}
			a.Poll(t)
			mustSee(t, a.Guest(t).Get(t, "/w/tides"), http.StatusOK, "High water &amp; low")
		})
	}
}

// written is what the form of an article sends.
func written(n *servertest.Node, t *testing.T) url.Values {
	t.Helper()
	return url.Values{"site": {n.Site(t).ID.String()}, "version": {"0"}, "kind": {"post"}, "slug": {"tides"},
		"title": {`The "tides"`}, "body": {"<p>High water &amp; low</p>\r\n<p>+ 100% €</p>"}, "do": {"publish"}}
}

// keptWhole checks that a form was kept whole.
func keptWhole(t *testing.T, action string, got, want url.Values) {
	t.Helper()
	if action != "/control/content/new?x=1&y=2" {
		t.Errorf("sent again to %s", action)
	}
	if got.Encode() != want.Encode() {
		t.Errorf("kept\n%s\nin place of\n%s", got.Encode(), want.Encode())
	}
}
