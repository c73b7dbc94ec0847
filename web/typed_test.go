package web_test

import (
	"net/http"
	"testing"

	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/server/servertest"
)

func TestVisit_AddressesAsPeopleTypeThemLeadToTheRightOnes(t *testing.T) {
	nodes := servertest.Start(t, 2)
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
	for _, nothing := range []string{"/NOWHERE", "/w/NOTHING", "/sign-in/x/"} {
		if a := guest.Get(t, nothing); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", nothing, a.Status)
		}
	}
}
