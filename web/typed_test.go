package web_test

import (
	"net/http"
	"testing"

	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// onEngines runs a test with n nodes on each database, where these may differ: in what is equal, in case and order.
func onEngines(t *testing.T, n int, fn func(t *testing.T, nodes []*servertest.Node)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, servertest.StartOn(t, e, n)) })
	}
}

func TestVisit_AddressesAsPeopleTypeThemLeadToTheRightOnes(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		write(t, nodes[0], content.Draft{Slug: "cafe", Kind: content.KindPost, Text: text("Café", "<p>x</p>")})
		for _, n := range nodes {
			n.Poll(t)
		}
		guest, signed := nodes[1].Guest(t), nodes[0]
		signed.SignIn(t)
		for typed, right := range map[string]string{
			"/sign-in/": "/sign-in", "/Sign-In": "/sign-in", "/feed.atom/": "/feed.atom", "/SITEMAP.xml": "/sitemap.xml",
			"/HOME": "/home", "/W/Cafe": "/w/cafe", "/w/CaFe": "/w/cafe", "/CONTROL": "/control",
		} {
			for who, a := range map[string]servertest.Answer{
				"a guest": guest.Get(t, typed), "an editor": signed.Get(t, typed),
			} {
				if a.Status != http.StatusMovedPermanently || a.Header.Get("Location") != right {
					t.Errorf("%s at %s: %d to %q, want 301 to %s", who, typed, a.Status, a.Header.Get("Location"), right)
				}
			}
		}
		// To lead there, no file of the site map is made: this one is not there.
		if a := guest.Get(t, "/SiteMap-4711.XML"); a.Status != http.StatusMovedPermanently ||
			a.Header.Get("Location") != "/sitemap-4711.xml" {
			t.Errorf("a file of the site map: %d to %q", a.Status, a.Header.Get("Location"))
		}
		for _, nothing := range []string{"/sitemap-4711.xml", "/x/SiteMap-1.xml", "/NOWHERE", "/w/NOTHING", "/sign-in/x/"} {
			if a := guest.Get(t, nothing); a.Status != http.StatusNotFound {
				t.Errorf("%s: %d, want 404", nothing, a.Status)
			}
		}
	})
}
