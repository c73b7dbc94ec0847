package server_test

import (
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

var shownBefore = regexp.MustCompile(`name="(was-[^"]+|version)" value="([^"]*)"`)

// Who may use a page, a folder or a file is changed by who has just proved who they are, on whatever screen that is
// done.
func TestConfirm_PermissionsOfThingsAskWhoIsThere(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		a.SignIn(t)
		other := b.As(a.Client)
		p, err := a.Pages.Create(sys, st, page.NewPage{Slug: "board", Title: map[stoa.Locale]string{st.Locale: "Board"},
			Position: -1, Publish: true, Restricted: true})
		ok(t, err)
		folder, err := a.Files.SaveFolder(sys, st, document.Folder{Name: "Minutes", Restricted: true})
		ok(t, err)
		f, err := a.Files.Upload(sys, st, document.Upload{Name: "x.txt", Body: strings.NewReader("x"), Folder: folder.ID})
		ok(t, err)
		f, err = a.Files.Move(sys, f.ID, folder.ID, true, f.Version)
		ok(t, err)
		inner, err := a.Files.SaveFolder(sys, st, document.Folder{Name: "Drafts"})
		ok(t, err)
		roles, err := a.Access.RoleIDs(sys, st.Instance)
		ok(t, err)
		user := roles[access.RoleUser]
		granted := func(r access.Resource) func() bool {
			return func() bool {
				now, err := b.Access.Standings(sys, r)
				ok(t, err)
				return now[user].Action == access.View
			}
		}
		view := url.Values{"role-" + user.String(): {"view"}}
		for _, tc := range []struct {
			what, screen, action string
			change               url.Values
			done                 func() bool
		}{
			{"grants of a page", "/control/pages/" + p.ID.String() + "/permissions", "", view,
				granted(access.Resource{Kind: "page", ID: p.ID})},
			{"grants of a folder", "/control/folders/" + folder.ID.String() + "/permissions", "", view,
				granted(access.Resource{Kind: "folder", ID: folder.ID})},
			{"grants of a file", "/control/files/" + f.ID.String() + "/permissions", "", view,
				granted(access.Resource{Kind: "file", ID: f.ID})},
			{"grants of a role on the site", "/control/roles/" + user.String(), "/control/roles/" + user.String() + "/grants",
				url.Values{"site-" + st.ID.String(): {"view"}}, granted(st.Path()[0])},
			{"a page that is for all again", "/control/pages/" + p.ID.String(), "",
				url.Values{"title." + string(st.Locale): {"Board"}, "slug": {"board"}, "type": {page.TypeWidgets}, "parent": {"0"}},
				func() bool { now, err := b.Pages.Get(sys, p.ID); ok(t, err); return !now.Restricted }},
			{"a file that is for all again", "/control/files/" + f.ID.String(),
				"/control/files/" + f.ID.String() + "/move", url.Values{"folder": {folder.ID.String()}},
				func() bool { now, err := b.Files.Get(sys, f.ID); ok(t, err); return !now.Restricted }},
			{"a folder that is for all again", "/control/folders/" + folder.ID.String(), "",
				url.Values{"name": {"Minutes"}, "parent": {"0"}},
				func() bool { now, err := b.Files.Folder(sys, st, folder.ID); ok(t, err); return !now.Restricted }},
		} {
			t.Run(strings.ReplaceAll(tc.what, " ", "-"), func(t *testing.T) {
				if tc.action == "" {
					tc.action = tc.screen
				}
				form := maps.Clone(tc.change)
				for _, m := range shownBefore.FindAllStringSubmatch(a.Get(t, tc.screen).Body, -1) {
					if !form.Has(m[1]) {
						form.Set(m[1], m[2])
					}
				}
				stale(t, nodes...)
				asked := a.Post(t, tc.action, form, browserHeaders...)
				mustSee(t, asked, http.StatusForbidden, "Confirm that it is you", `action="`+tc.action+`"`)
				if tc.done() {
					t.Error("it was changed by a person who had not proved who they are")
				}
				kept := url.Values{}
				for _, m := range keptField.FindAllStringSubmatch(asked.Body, -1) {
					kept.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
				}
				proof := url.Values{"password": {servertest.AdminPassword}}
				if got := other.Post(t, "/account/confirm", proof, "Accept",
					"application/json"); got.Status != http.StatusNoContent {
					t.Fatalf("confirm on the other node: %d %s", got.Status, got.Body)
				}
				a.Poll(t)
				if got := a.Post(t, tc.action, kept, browserHeaders...); got.Status != http.StatusSeeOther {
					t.Errorf("the form that was kept, sent again: %d\n%s", got.Status, got.Body)
				}
				b.Poll(t)
				if !tc.done() {
					t.Error("sent again, it was not changed")
				}
			})
		}
		// To move something changes no grants, also where more people see it then.
		stale(t, nodes...)
		moved := a.Post(t, "/control/folders/"+inner.ID.String(), url.Values{"name": {"Drafts"},
			"parent": {folder.ID.String()}, "version": {"1"}}, browserHeaders...)
		if moved.Status != http.StatusSeeOther {
			t.Errorf("to move a folder: %d\n%s", moved.Status, moved.Body)
		}
	})
}

// A form that changes more than what asks who is there changes nothing before it is known, so that the form that was
// kept is as good as before.
func TestConfirm_NothingOfAFormIsSavedBefore(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		a.SignIn(t)
		me, err := a.Users.ByLogin(sys, st.Instance, servertest.AdminLogin)
		ok(t, err)
		me, err = a.Users.Get(sys, me.ID)
		ok(t, err)
		r, err := a.Access.CreateRole(sys, access.Role{Instance: st.Instance, Name: "Keepers"})
		ok(t, err)
		held := url.Values{"screenName": {me.ScreenName}, "email": {me.Email}, "firstName": {"Renamed"},
			"lastName": {me.LastName}, "status": {user.StatusActive}, "roles": {r.ID.String()}}
		for _, id := range me.Roles {
			held.Add("roles", id.String())
		}
		a.Poll(t)
		b.Poll(t)
		for _, tc := range []struct {
			what, screen string
			change       url.Values
			state        func() (saved, dangerous bool)
		}{
			{"host names with the settings of a site", "/control/settings", url.Values{"site": {st.ID.String()},
				"name": {"Renamed"}, "slug": {st.Slug}, "locale": {string(st.Locale)}, "locales": {""}, "home": {st.Home},
				"logo": {""}, "favicon": {""}, "footer": {""}, "tagline": {""}, "hosts": {"renamed.example"}},
				func() (bool, bool) {
					now, err := b.Sites.Site(sys, st.ID)
					ok(t, err)
					hosts, err := b.Sites.Hosts(sys, st.Instance)
					ok(t, err)
					return now.Name == "Renamed", slices.ContainsFunc(hosts,
						func(h site.Host) bool { return h.Name == "renamed.example" })
				}},
			{"own roles with the own name", "/control/users/" + me.ID.String(), held, func() (bool, bool) {
				now, err := b.Users.Get(sys, me.ID)
				ok(t, err)
				return now.FirstName == "Renamed", slices.Contains(now.Roles, r.ID)
			}},
		} {
			t.Run(strings.ReplaceAll(tc.what, " ", "-"), func(t *testing.T) {
				form := maps.Clone(tc.change)
				for _, m := range shownBefore.FindAllStringSubmatch(a.Get(t, tc.screen).Body, -1) {
					if !form.Has(m[1]) {
						form.Set(m[1], m[2])
					}
				}
				stale(t, nodes...)
				asked := a.Post(t, tc.screen, form, browserHeaders...)
				mustSee(t, asked, http.StatusForbidden, "Confirm that it is you", `action="`+tc.screen+`"`)
				b.Poll(t)
				if saved, dangerous := tc.state(); saved || dangerous {
					t.Errorf("before: saved %v, and what is dangerous %v", saved, dangerous)
				}
				kept := url.Values{}
				for _, m := range keptField.FindAllStringSubmatch(asked.Body, -1) {
					kept.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
				}
				proof := url.Values{"password": {servertest.AdminPassword}}
				if got := b.As(a.Client).Post(t, "/account/confirm", proof, "Accept",
					"application/json"); got.Status != http.StatusNoContent {
					t.Fatalf("confirm on the other node: %d %s", got.Status, got.Body)
				}
				a.Poll(t)
				if got := a.Post(t, tc.screen, kept, browserHeaders...); got.Status != http.StatusSeeOther {
					t.Errorf("the form that was kept, sent again: %d\n%s", got.Status, got.Body)
				}
				b.Poll(t)
				if saved, dangerous := tc.state(); !saved || !dangerous {
					t.Errorf("afterwards: saved %v, and what is dangerous %v", saved, dangerous)
				}
			})
		}
	})
}
