package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/server/servertest"
)

// What is typed in either Unicode form is one text: one address, one tag, one result of a search, on every engine.
func TestText_EitherUnicodeFormIsOne(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		n := nodes[0]
		n.SignIn(t)
		const decomposed = "Pingu\u0308ino Nin\u0303o"
		a := n.Post(
			t,
			"/control/content/new",
			url.Values{"title": {decomposed}, "body": {"<p>Re\u0301sume\u0301</p>"}, "kind": {"post"},
				"tags": {"Re\u0301sume\u0301, Résumé"}, "do": {"publish"}},
		)
		if a.Status != http.StatusSeeOther {
			t.Fatalf("%d\n%s", a.Status, a.Body)
		}
		nodes[1].Poll(t)
		for _, node := range nodes {
			guest := node.Guest(t)
			mustSee(t, guest.Get(t, "/w/ping%C3%BCino-ni%C3%B1o"), http.StatusOK, "Pingüino Niño", "Résumé")
			moved := guest.Get(t, "/w/pingu%CC%88ino-nin%CC%83o")
			if moved.Status != http.StatusPermanentRedirect || moved.Header.Get("Location") != "/w/ping%C3%BCino-ni%C3%B1o" {
				t.Errorf("the other form: %d to %q", moved.Status, moved.Header.Get("Location"))
			}
		}
		for _, q := range []string{"pingüino", "PINGU\u0308INO", "Nin\u0303o"} {
			mustSee(t, n.Get(t, "/control/content?q="+url.QueryEscape(q)), http.StatusOK, "Pingüino Niño")
		}
	})
}

// Bytes that are no text, in any field of any form, are never a failure of the portal.
func TestText_BytesThatAreNoneNeverFail(t *testing.T) {
	t.Parallel()
	forms := map[string][]string{
		"/control/content/new":   {"title", "body", "summary", "slug", "kind", "tags", "image", "author"},
		"/control/pages/new":     {"title", "slug", "type", "target"},
		"/control/categories":    {"name", "description"},
		"/control/menus/new":     {"name"},
		"/control/sites/new":     {"name", "slug", "tagline", "footer", "hosts"},
		"/control/settings":      {"name", "tagline", "logo", "favicon", "footer", "hosts"},
		"/control/users/new":     {"screenName", "email", "firstName", "lastName", "password", "timeZone"},
		"/control/roles/new":     {"name", "description"},
		"/control/groups/new":    {"name", "description"},
		"/sign-in":               {"login", "password", "next"},
		"/account/forgot":        {"email"},
		"/control/instances/new": {"name", "webId", "host", "locale", "timeZone"},
	}
	onEngines(t, 1, func(t *testing.T, nodes []*servertest.Node) {
		n := nodes[0]
		n.SignIn(t)
		for path, fields := range forms {
			for _, bad := range []string{"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\xc0\xaf", "𝕏"} {
				for i := range fields {
					form := url.Values{}
					for j, f := range fields {
						form.Set(f, "x")
						if i == j {
							form.Set(f, bad)
						}
					}
					at := n
					if !strings.HasPrefix(path, "/control/") {
						at = n.Guest(t)
					}
					if a := at.Post(t, path, form, "User-Agent", "odd \xff agent"); a.Status >= 500 ||
						a.Status == http.StatusNotFound ||
						a.Status == http.StatusMethodNotAllowed {
						t.Errorf("%s with %s=%q: %d", path, fields[i], bad, a.Status)
					}
				}
			}
		}
		for _, path := range []string{"/w/%00", "/w/%ff", "/control/content?q=%00", "/control/content?q=%ff",
			"/search?q=%00a", "/%ED%A0%80"} {
			if a := n.Get(t, path); a.Status >= 500 {
				t.Errorf("%s: %d", path, a.Status)
			}
		}
	})
}
