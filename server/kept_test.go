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

var keptField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// An editor's session ends on one node while an article is being written on another: what was written comes back with
// the answer, and is saved when it is sent again after the sign-in.
func TestKept_TextOutlivesTheSession(t *testing.T) {
	nodes := servertest.StartOn(t, dbtest.SQLite, 2)
	a, b := nodes[0], nodes[1]
	a.SignIn(t)
	editor := b.As(a.Client)
	// Another window with the same session.
	other := a.As(servertest.NewClient(t))
	at, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	other.Client.Jar.SetCookies(at, a.Client.Jar.Cookies(at))
	if got := other.Post(t, "/sign-out", nil); got.Status != http.StatusSeeOther {
		t.Fatalf("sign out: %d", got.Status)
	}
	const body = "<p>The \"high\" tide & the low one.</p>\r\n<p>Again.</p>"
	form := url.Values{"site": {a.Site(t).ID.String()}, "version": {"0"}, "kind": {"post"},
		"slug": {"tides"}, "title": {"Tides"}, "body": {body}, "do": {"publish"}}
	lost := editor.Post(t, "/control/content/new", form, "Accept", "text/html,*/*;q=0.8")
	if lost.Status != http.StatusUnauthorized || lost.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("without a session: %d, Cache-Control %q\n%s", lost.Status, lost.Header.Get("Cache-Control"), lost.Body)
	}
	again := url.Values{}
	for _, m := range keptField.FindAllStringSubmatch(lost.Body, -1) {
		again.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	if again.Encode() != form.Encode() || !strings.Contains(lost.Body, `action="/control/content/new"`) {
		t.Fatalf("kept is %s, not %s\n%s", again.Encode(), form.Encode(), lost.Body)
	}
	a.SignIn(t)
	if got := editor.Post(t, "/control/content/new", again); got.Status != http.StatusSeeOther {
		t.Fatalf("sent again: %d\n%s", got.Status, got.Body)
	}
	a.Poll(t)
	if got := a.Guest(t).Get(t, "/w/tides"); got.Status != http.StatusOK || !strings.Contains(got.Body, "Tides") {
		t.Errorf("the article is not there: %d\n%s", got.Status, got.Body)
	}
}

// A script that has lost its session gets no page, and what was not sent by a form of this site is not kept.
func TestKept_OnlyForPeopleOfThisSite(t *testing.T) {
	a := servertest.Start(t, 1)[0]
	form := url.Values{"title": {"Tides"}}
	if got := a.Post(t, "/control/content/new", form, "Accept", "*/*"); got.Status != http.StatusSeeOther {
		t.Errorf("a script: %d\n%s", got.Status, got.Body)
	}
	got := a.Post(t, "/control/content/new", form, "Accept", "text/html", "Sec-Fetch-Site", "cross-site")
	if got.Status != http.StatusForbidden || strings.Contains(got.Body, "Tides") {
		t.Errorf("from another site: %d\n%s", got.Status, got.Body)
	}
}
