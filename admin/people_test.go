package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
)

func (w *world) idOf(at, prefix string) stoa.ID {
	w.t.Helper()
	id, err := stoa.ParseID(strings.TrimPrefix(at, prefix))
	must(w.t, err)
	return id
}

func TestUsers_CreateEditRolesPasswordDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	roles, err := w.access.RoleIDs(context.Background(), w.instance.ID)
	must(t, err)
	editor := roles[access.RoleEditor].String()
	a := w.post(
		w.admin,
		"/control/users/new",
		"screenName",
		"ida",
		"email",
		"not an address",
		"firstName",
		"<b>Ida</b>",
		"roles",
		editor,
	)
	w.want(
		"an address that is none",
		a,
		http.StatusUnprocessableEntity,
		`id="f-email-error"`,
		"&lt;b&gt;Ida&lt;/b&gt;",
		`value="`+editor+`" checked`,
	)
	w.want(
		"no screen name",
		w.post(w.admin, "/control/users/new", "screenName", "", "email", "ida@example.com"),
		http.StatusUnprocessableEntity,
		`id="f-screenName-error"`,
	)
	w.want(
		"no time zone",
		w.post(w.admin, "/control/users/new", "screenName", "ida", "email", "ida@example.com", "timeZone", "Moon/Base"),
		http.StatusUnprocessableEntity,
		`id="f-timeZone-error"`,
	)
	a = w.post(w.admin, "/control/users/new", "screenName", "ida", "email", "ida@example.com", "password", "short")
	w.want("a short password", a, http.StatusUnprocessableEntity, `id="f-password-error"`)
	w.without("a short password", a, `value="short"`)
	a = w.post(
		w.admin,
		"/control/users/new",
		"screenName",
		"ida",
		"email",
		"ida@example.com",
		"firstName",
		"Ida",
		"lastName",
		"Berg",
		"roles",
		editor,
		"password",
		secret,
	)
	w.want("create", a, http.StatusSeeOther)
	at := a.path()
	id := w.idOf(at, "/control/users/")
	w.want("list", w.get(w.admin, "/control/users?q=berg"), http.StatusOK, "Ida Berg", "ida@example.com")
	w.want("list by role", w.get(w.admin, "/control/users?role="+editor), http.StatusOK, "Ida Berg")
	w.want("list of the locked", w.get(w.admin, "/control/users?status=locked"), http.StatusOK, "No person fits")
	w.want(
		"taken",
		w.post(w.admin, "/control/users/new", "screenName", "ida", "email", "other@example.com"),
		http.StatusConflict,
		"taken",
	)

	a = w.get(w.admin, at)
	w.want("screen", a, http.StatusOK, `value="Berg"`, `value="`+editor+`" checked`)
	opened := w.version(a)
	form := append(
		[]string{"version", opened},
		append(a.shown(), "screenName", "ida", "email", "ida@example.com", "firstName", "Ida", "status", "active")...)
	w.want("save without roles", w.post(w.admin, at, append(form, "lastName", "Berger")...), http.StatusSeeOther)
	u, err := w.users.Get(as(w.admin), id)
	must(t, err)
	if u.LastName != "Berger" || len(u.Roles) != 0 {
		t.Errorf("saved %q with the roles %v", u.LastName, u.Roles)
	}
	a = w.post(w.admin, at, append(form, "lastName", "Bergson")...)
	w.want(
		"stale",
		a,
		http.StatusConflict,
		"Another person changed this",
		`value="Bergson"`,
		"Saved by another person: “Berger”",
	)
	w.want(
		"save again on purpose",
		w.post(w.admin, at, append([]string{"version", w.version(a)}, append(form[2:], "lastName", "Bergson")...)...),
		http.StatusSeeOther,
	)

	w.want("password", w.post(w.admin, at+"/password", "password", "another good one"), http.StatusSeeOther)
	w.want(
		"bad password",
		w.post(w.admin, at+"/password", "password", "x"),
		http.StatusUnprocessableEntity,
		`id="f-password-error"`,
	)
	self := "/control/users/" + w.admin.User.String()
	a = w.get(w.admin, self)
	w.without("the own account", a, self+"/delete")
	w.want(
		"lock the own account",
		w.post(
			w.admin,
			self,
			"version",
			w.version(a),
			"screenName",
			"ada",
			"email",
			"ada@example.com",
			"status",
			"locked",
			"roles",
			roles[access.RoleAdministrator].String(),
			"was-roles",
			","+roles[access.RoleAdministrator].String(),
		),
		http.StatusUnprocessableEntity,
		`id="f-status-error"`,
	)
	w.want("delete by an editor", w.post(w.editor, at+"/delete"), http.StatusForbidden)
	w.want("delete", w.post(w.admin, at+"/delete"), http.StatusSeeOther)
	w.want("deleted", w.get(w.admin, at), http.StatusNotFound)
}

func TestRoles_CreateGrantDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(
		"no name",
		w.post(w.admin, "/control/roles/new", "name", " ", "description", "kept"),
		http.StatusUnprocessableEntity,
		`id="f-name-error"`,
		"kept",
	)
	a := w.post(w.admin, "/control/roles/new", "name", "Proof reader", "description", "Reads")
	w.want("create", a, http.StatusSeeOther)
	at := a.path()
	id := w.idOf(at, "/control/roles/")
	w.want(
		"taken",
		w.post(w.admin, "/control/roles/new", "name", "Proof reader"),
		http.StatusConflict,
		`id="f-name-error"`,
	)
	w.want("list", w.get(w.admin, "/control/roles"), http.StatusOK, "Proof reader", "Administrator", "Of the portal")
	field := "site-" + w.site.ID.String()
	w.want("screen", w.get(w.admin, at), http.StatusOK, "Proof reader", field)
	w.want(
		"grant",
		w.post(w.admin, at+"/grants", append(w.get(w.admin, at).shown(), field, "edit")...),
		http.StatusSeeOther,
	)
	grants, err := w.access.Grants(as(w.admin), w.site.Path()[0])
	must(t, err)
	held := map[stoa.ID]access.Action{}
	for _, g := range grants {
		held[g.Role] = g.Action
	}
	if held[id] != access.Edit || len(held) != 2 {
		t.Errorf("grants on the site: %v; want edit for the new role beside the grant that was there", held)
	}
	w.want(
		"nonsense",
		w.post(w.admin, at+"/grants", append(w.get(w.admin, at).shown(), field, "rule the world")...),
		http.StatusUnprocessableEntity,
	)
	w.want(
		"save",
		w.post(w.admin, at, "version", w.version(w.get(w.admin, at)), "name", "Reader", "description", ""),
		http.StatusSeeOther,
	)
	w.want(
		"stale",
		w.post(w.admin, at, "version", "1", "name", "Reader two"),
		http.StatusConflict,
		"Another person changed this",
		"Reader two",
	)
	w.want(
		"take back",
		w.post(w.admin, at+"/grants", append(w.get(w.admin, at).shown(), field, "none")...),
		http.StatusSeeOther,
	)
	w.want("delete by an editor", w.post(w.editor, at+"/delete"), http.StatusForbidden)
	w.want("delete", w.post(w.admin, at+"/delete"), http.StatusSeeOther)
	w.want("deleted", w.get(w.admin, at), http.StatusNotFound)
	roles, err := w.access.RoleIDs(context.Background(), w.instance.ID)
	must(t, err)
	w.want(
		"a guest who edits",
		w.post(
			w.admin,
			"/control/roles/"+roles[access.RoleGuest].String()+"/grants",
			append(w.get(w.admin, "/control/roles/"+roles[access.RoleGuest].String()).shown(), field, "edit")...),
		http.StatusUnprocessableEntity,
		"can only be allowed to view",
	)
}

func TestSites_SettingsHostsAndChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.get(w.admin, "/control/settings")
	w.want("settings", a, http.StatusOK, "Quay &amp; Sons", `name="hosts"`)
	form := []string{
		"name",
		"Quay",
		"slug",
		"guest",
		"locale",
		"en",
		"locales",
		"de, fr",
		"hosts",
		"www.example.com\nexample.com",
		"site",
		w.site.ID.String(),
	}
	w.want("save", w.post(w.admin, "/control/settings", append(form, "version", w.version(a))...), http.StatusSeeOther)
	saved, err := w.sites.Site(as(w.admin), w.site.ID)
	must(t, err)
	if saved.Name != "Quay" || len(saved.Locales) != 3 {
		t.Errorf("saved %q with %v", saved.Name, saved.Locales)
	}
	w.want("hosts", w.get(w.admin, "/control/settings"), http.StatusOK, "example.com\nwww.example.com")
	w.want(
		"stale",
		w.post(w.admin, "/control/settings", append(form, "version", w.version(a), "tagline", "mine")...),
		http.StatusConflict,
		`value="mine"`,
	)
	a = w.get(w.admin, "/control/settings")
	w.want(
		"a host that is none",
		w.post(
			w.admin,
			"/control/settings",
			"name",
			"Quay",
			"slug",
			"guest",
			"locale",
			"en",
			"hosts",
			"http://x/",
			"version",
			w.version(a),
		),
		http.StatusUnprocessableEntity,
		`id="f-hosts-error"`,
	)
	w.want(
		"a language that is none",
		w.post(
			w.admin,
			"/control/settings",
			"name",
			"Quay",
			"slug",
			"guest",
			"locale",
			"<b>",
			"version",
			w.version(w.get(w.admin, "/control/settings")),
		),
		http.StatusUnprocessableEntity,
		`id="f-locale-error"`,
	)

	w.want(
		"new site",
		w.post(w.admin, "/control/sites/new", "name", "Intranet", "slug", "intranet", "locale", "de"),
		http.StatusSeeOther,
	)
	w.want(
		"taken",
		w.post(w.admin, "/control/sites/new", "name", "Intranet", "slug", "intranet", "locale", "de"),
		http.StatusConflict,
		`id="f-slug-error"`,
	)
	w.want("sites", w.get(w.admin, "/control/sites"), http.StatusOK, "Intranet", "/web/intranet")
	intranet, err := w.sites.BySlug(as(w.admin), w.instance.ID, "intranet")
	must(t, err)
	w.want("choose", w.post(w.admin, "/control/site/choose", "site", intranet.ID.String()), http.StatusSeeOther)
	w.want("choose what is not there", w.post(w.admin, "/control/site/choose", "site", "123456"), http.StatusNotFound)
	a = w.get(w.admin, "/control/content/new?site="+intranet.ID.String())
	w.want("form on the other site", a, http.StatusOK, `name="site" value="`+intranet.ID.String()+`"`, `lang="de"`)
	at := w.write(w.admin, "Kantine", "<p>x</p>", "site", intranet.ID.String())
	made, err := w.content.Get(as(w.admin), w.idOf(at, "/control/content/"))
	must(t, err)
	if made.Site != intranet.ID || made.Default != "de" {
		t.Errorf("made in site %d in %s", made.Site, made.Default)
	}
	w.want(
		"the author has no permission there",
		w.post(w.author, "/control/content/new", "title", "x", "kind", "article", "site", intranet.ID.String()),
		http.StatusForbidden,
	)
	w.want(
		"a site that is not there",
		w.post(w.admin, "/control/content/new", "title", "x", "kind", "article", "site", "999999"),
		http.StatusNotFound,
	)
}

func TestUserRoles_OneThatWasTakenAwayDoesNotComeBackFromAnOldForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	roles, err := w.access.RoleIDs(as(w.admin), w.instance.ID)
	must(t, err)
	editor, author := roles[access.RoleEditor], roles["Author"]
	at := "/control/users/" + w.editor.User.String()
	old := w.get(w.admin, at)
	must(t, w.users.ChangeRoles(as(w.admin), w.editor.User, nil, []stoa.ID{editor}))
	form := func(a answer) []string {
		return append(a.shown(), "version", w.version(a), "screenName", "ed", "email", "ed@example.com", "firstName", "ed",
			"lastName", "Brandt", "status", "active", "roles", author.String())
	}
	late := w.post(w.admin, at, append(form(old), "roles", editor.String())...)
	w.want("an old form", late, http.StatusConflict, "Another person changed this", `value="`+author.String()+`" checked`)
	w.without("an old form", late, `value="`+editor.String()+`" checked`)
	w.want("sent again", w.post(w.admin, at, form(late)...), http.StatusSeeOther)
	u, err := w.users.Get(as(w.admin), w.editor.User)
	must(t, err)
	if len(u.Roles) != 1 || u.Roles[0] != author {
		t.Errorf("the person holds %v, want the role %s alone", u.Roles, author)
	}
	w.want(
		"a form that does not say what it showed",
		w.post(w.admin, at, form(answer{body: late.body})[2:]...),
		http.StatusConflict,
	)
}
