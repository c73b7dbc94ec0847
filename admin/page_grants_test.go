package admin_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
)

func TestPagePermissions_GrantedOnOnePageReachIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	quay := w.newPage(w.editor, "Quay", "do", "publish")
	w.newPage(w.editor, "Other", "do", "publish")
	roles, err := w.access.RoleIDs(as(w.admin), w.instance.ID)
	must(t, err)
	everybody := "role-" + roles[access.RoleUser].String()

	w.want("before", w.get(w.member, quay), http.StatusForbidden)
	w.want("the list before", w.get(w.member, "/control/pages"), http.StatusForbidden)
	w.want("by an editor", w.get(w.editor, quay+"/permissions"), http.StatusForbidden)
	w.want("by an editor, sent", w.post(w.editor, quay+"/permissions", everybody, "manage"), http.StatusForbidden)
	a := w.get(w.admin, quay+"/permissions")
	w.want("form", a, http.StatusOK, "Editor", "May publish this page by what is granted above it.", "Guest")
	w.without("form", a, ">Administrator<")
	w.want("nonsense", w.grant(w.admin, quay+"/permissions", everybody, "rule"), http.StatusUnprocessableEntity)
	w.want("grant", w.grant(w.admin, quay+"/permissions", everybody, "edit"), http.StatusSeeOther)
	w.want("granted", w.get(w.admin, quay+"/permissions"), http.StatusOK, `value="edit" selected`)

	w.want("the page", w.get(w.member, quay), http.StatusOK, "Quay")
	list := w.get(w.member, "/control/pages")
	w.want("the list", list, http.StatusOK, "Quay")
	w.without("the list", list, "Other", "New page")
	w.want("the overview leads to the pages", w.get(w.member, "/control/"), http.StatusSeeOther)
	w.want("publish", w.post(w.member, quay+"/publish", "version", w.version(w.get(w.member, quay))), http.StatusForbidden)
	w.want("take away", w.grant(w.admin, quay+"/permissions", everybody, "none"), http.StatusSeeOther)
	w.want("after", w.get(w.member, quay), http.StatusForbidden)
}

func TestPages_ShowTheArticleThatWasChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.content.Create(
		as(w.editor),
		w.site,
		content.Draft{Text: map[stoa.Locale]content.Text{"en": {Title: "The pier", Body: "<p>x</p>"}}},
	)
	must(t, err)
	made := w.post(
		w.editor,
		"/control/pages/new",
		"title.en",
		"Pier",
		"type",
		"article",
		"article",
		a.ID.String(),
		"parent",
		"0",
	)
	w.want("create", made, http.StatusSeeOther)
	at := made.path()
	p, err := w.pages.Get(as(w.editor), w.idOf(at, "/control/pages/"))
	must(t, err)
	if p.Type != page.TypeArticle || p.Target != a.ID.String() {
		t.Errorf("the page is of the type %s and shows %q", p.Type, p.Target)
	}
	shown := w.get(w.editor, at)
	w.want("form", shown, http.StatusOK, `value="`+a.ID.String()+`" selected`, "The pier")
	w.want(
		"becomes a link",
		w.post(
			w.editor,
			at,
			"version",
			w.version(shown),
			"title.en",
			"Pier",
			"slug",
			"pier",
			"type",
			"link",
			"target",
			"/about",
			"article",
			a.ID.String(),
			"parent",
			"0",
		),
		http.StatusSeeOther,
	)
	if p, err = w.pages.Get(as(w.editor), p.ID); err != nil || p.Target != "/about" {
		t.Errorf("the link leads to %q, %v", p.Target, err)
	}
}

func TestSiteSettings_PicturesAndHomePageAreChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPage(w.editor, "Quay", "do", "publish")
	a := w.get(w.admin, "/control/settings")
	w.want("form", a, http.StatusOK, "data-image ", `value="/quay"`, "The list of posts")
	sent := []string{
		"version",
		w.version(a),
		"site",
		w.site.ID.String(),
		"name",
		"Quay",
		"slug",
		"guest",
		"locale",
		"en",
		"locales",
		"de",
		"home",
		"/quay",
		"logo",
		"/logo.svg",
		"favicon",
		"",
		"hosts",
		"",
	}
	w.want("save", w.post(w.admin, "/control/settings", sent...), http.StatusSeeOther)
	a = w.get(w.admin, "/control/settings")
	w.want("saved", a, http.StatusOK, `value="/quay" selected`, `src="/logo.svg"`)
	if got := strings.Count(a.body, "data-image "); got != 2 {
		t.Errorf("%d pictures can be chosen, want 2", got)
	}
}

var hiddenWas = regexp.MustCompile(`name="(was-[^"]+)" value="([^"]*)"`)

// shown gives what a form of grants carries of what it shows.
func (a answer) shown() []string {
	var out []string
	for _, m := range hiddenWas.FindAllStringSubmatch(a.body, -1) {
		out = append(out, m[1], m[2])
	}
	return out
}

// grant opens a screen of grants and sends it with one choice changed.
func (w *world) grant(actor stoa.Actor, at, name, value string) answer {
	w.t.Helper()
	return w.post(actor, at, append(w.get(actor, at).shown(), name, value)...)
}

func TestGrants_WhatWasTakenAwayDoesNotComeBackFromAnOldForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	quay := w.newPage(w.editor, "Quay", "do", "publish") + "/permissions"
	roles, err := w.access.RoleIDs(as(w.admin), w.instance.ID)
	must(t, err)
	user, author := "role-"+roles[access.RoleUser].String(), "role-"+roles["Author"].String()
	w.want("grant", w.grant(w.admin, quay, user, "edit"), http.StatusSeeOther)
	old := w.get(w.admin, quay).shown()
	w.want("revoke", w.grant(w.admin, quay, user, "none"), http.StatusSeeOther)
	// The old form shows edit for the role User still, and changes another role.
	w.want("from an old form", w.post(w.admin, quay, append(old, user, "edit", author, "view")...), http.StatusSeeOther)
	has := func(role stoa.ID) access.Action {
		p := w.idOf(strings.TrimSuffix(quay, "/permissions"), "/control/pages/")
		now, err := w.access.Standings(as(w.admin), access.Resource{Kind: "page", ID: p})
		must(t, err)
		return now[role].Action
	}
	if a := has(roles[access.RoleUser]); a != 0 {
		t.Errorf("a grant that was taken away came back: %s", a)
	}
	if a := has(roles["Author"]); a != access.View {
		t.Errorf("what the form changed was not saved: %s", a)
	}
	// Who changes what another one has changed meanwhile hears of it, and keeps the choice.
	a := w.post(w.admin, quay, append(old, user, "publish")...)
	w.want(
		"the same grant",
		a,
		http.StatusConflict,
		"Ada Brandt has changed what User may do here",
		"it is nothing now",
		`value="publish" selected`,
	)
	if a := has(roles[access.RoleUser]); a != 0 {
		t.Errorf("a conflict wrote %s", a)
	}
	w.want("again", w.post(w.admin, quay, append(a.shown(), user, "publish")...), http.StatusSeeOther)
	if a := has(roles[access.RoleUser]); a != access.Publish {
		t.Errorf("sent again: %s", a)
	}
	w.want("a form of before", w.post(w.admin, quay, user, "manage"), http.StatusConflict)
}

func TestRoleGrants_OnlyWhatChangedIsSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	roles, err := w.access.RoleIDs(as(w.admin), w.instance.ID)
	must(t, err)
	at := "/control/roles/" + roles["Author"].String()
	everything, here := "instance-"+w.instance.ID.String(), "site-"+w.site.ID.String()
	old := w.get(w.admin, at).shown()
	must(t, w.access.SetGrants(as(w.admin), w.site.Path(), nil)) // takes edit on the site away
	w.want("save", w.post(w.admin, at+"/grants", append(old, everything, "view", here, "edit")...), http.StatusSeeOther)
	if now, err := w.access.Standings(as(w.admin), w.site.Path()[0]); err != nil || now[roles["Author"]].Action != 0 {
		t.Errorf("the grant came back: %+v, %v", now, err)
	}
	a := w.post(w.admin, at+"/grants", append(old, everything, "edit", here, "publish")...)
	w.want("conflict", a, http.StatusConflict, "has changed what Author may do here", `value="publish" selected`)
}

func TestRoleGrants_WhatIsRefusedAtOnePlaceIsSavedAtNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	roles, err := w.access.RoleIDs(as(w.admin), w.instance.ID)
	must(t, err)
	role := roles["Author"]
	at := "/control/roles/" + role.String()
	everything, here := "instance-"+w.instance.ID.String(), "site-"+w.site.ID.String()
	old := w.get(w.admin, at).shown()
	must(t, w.access.SetGrants(as(w.admin), w.site.Path(), nil)) // the form shows edit on the site
	a := w.post(w.admin, at+"/grants", append(old, everything, "view", here, "publish")...)
	w.want("conflict", a, http.StatusConflict, "has changed what Author may do here", `value="view" selected`,
		`value="publish" selected`)
	if now, err := w.access.Standings(as(w.admin), w.instance.Path()[0]); err != nil || now[role].Action != 0 {
		t.Errorf("the grant at the other place was saved: %+v, %v", now[role], err)
	}
	w.want("again", w.post(w.admin, at+"/grants", append(a.shown(), everything, "view", here, "publish")...),
		http.StatusSeeOther)
	for _, p := range []access.Path{w.instance.Path(), w.site.Path()} {
		if now, err := w.access.Standings(as(w.admin), p[0]); err != nil || now[role].Action == 0 {
			t.Errorf("sent again, %v is %+v, %v", p[0], now[role], err)
		}
	}
}
