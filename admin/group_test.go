package admin

import (
	"net/http"
	"testing"

	"github.com/stoa-portal/stoa/access"
)

func TestCategories_AddNestDelete(t *testing.T) {
	w := newWorld(t)
	w.want("none", w.get(w.editor, "/control/categories"), http.StatusOK, "No categories yet")
	w.want("add", w.post(w.editor, "/control/categories", "name", "News", "parent", "0"), http.StatusSeeOther)
	list, _, err := w.tax.Tree(as(w.editor), w.site.ID)
	must(t, err)
	w.want(
		"add below",
		w.post(w.editor, "/control/categories", "name", "<i>Harbour", "slug", "harbour", "parent", list[0].ID.String()),
		http.StatusSeeOther,
	)
	w.want("tree", w.get(w.editor, "/control/categories"), http.StatusOK, "News", "&lt;i&gt;Harbour", "depth-1")
	w.want(
		"taken",
		w.post(w.editor, "/control/categories", "name", "Port", "slug", "harbour", "parent", "0"),
		http.StatusConflict,
		`id="f-slug-error"`,
	)
	w.want(
		"no name",
		w.post(w.editor, "/control/categories", "name", "", "parent", "0"),
		http.StatusUnprocessableEntity,
		`id="f-name-error"`,
	)
	w.want(
		"no such parent",
		w.post(w.editor, "/control/categories", "name", "Port", "parent", "77"),
		http.StatusUnprocessableEntity,
		`id="f-parent-error"`,
	)
	w.want("by nobody", w.post(w.nobody, "/control/categories", "name", "Port", "parent", "0"), http.StatusForbidden)
	w.without("what an editor may", w.get(w.editor, "/control/categories"), "/delete")
	w.want(
		"delete by an editor",
		w.post(w.editor, "/control/categories/"+list[0].ID.String()+"/delete"),
		http.StatusForbidden,
	)
	w.want("delete", w.post(w.admin, "/control/categories/"+list[0].ID.String()+"/delete"), http.StatusSeeOther)
	a := w.get(w.editor, "/control/categories")
	w.want("moved up", a, http.StatusOK, "&lt;i&gt;Harbour")
	w.without("moved up", a, "depth-1", "News<span")
}

func TestGroups_CreateEditMembersDelete(t *testing.T) {
	w := newWorld(t)
	roles, err := w.access.RoleIDs(as(w.admin), w.instance.ID)
	must(t, err)
	role := roles[access.RoleEditor].String()
	w.want("by an editor", w.get(w.editor, "/control/groups"), http.StatusForbidden)
	w.want("none", w.get(w.admin, "/control/groups"), http.StatusOK, "No user groups yet")
	w.want(
		"no name",
		w.post(w.admin, "/control/groups/new", "name", ""),
		http.StatusUnprocessableEntity,
		`id="f-name-error"`,
	)
	a := w.post(w.admin, "/control/groups/new", "name", "Pilots", "roles", role)
	w.want("create", a, http.StatusSeeOther)
	at := a.path()
	w.want("list", w.get(w.admin, "/control/groups"), http.StatusOK, "Pilots")
	w.want("taken", w.post(w.admin, "/control/groups/new", "name", "Pilots"), http.StatusConflict, `id="f-name-error"`)
	a = w.get(w.admin, at)
	w.want("screen", a, http.StatusOK, `value="`+role+`" checked`, "Nobody is in this group yet")
	version := w.version(a)
	w.want(
		"save",
		w.post(w.admin, at, append(a.shown(), "version", version, "name", "Pilots", "description", "They steer.")...),
		http.StatusSeeOther,
	)
	w.want(
		"stale",
		w.post(w.admin, at, append(a.shown(), "version", version, "name", "Rowers")...),
		http.StatusConflict,
		"They steer.",
	)
	w.want(
		"nobody of that name",
		w.post(w.admin, at+"/members", "person", "nin"),
		http.StatusUnprocessableEntity,
		`id="f-person-error"`,
	)
	w.want("add", w.post(w.admin, at+"/members", "person", "nina@example.com"), http.StatusSeeOther)
	id := w.idOf(at, "/control/groups/")
	members, err := w.users.Members(as(w.admin), id, "", 10)
	must(t, err)
	if len(members.Items) != 1 || members.Items[0].ID != w.nobody.User {
		t.Fatalf("members %+v", members.Items)
	}
	w.want("member", w.get(w.admin, at), http.StatusOK, "nina Brandt")
	w.want(
		"remove by an editor",
		w.post(w.editor, at+"/members/remove", "user", w.nobody.User.String()),
		http.StatusForbidden,
	)
	w.want("remove", w.post(w.admin, at+"/members/remove", "user", w.nobody.User.String()), http.StatusSeeOther)
	w.want("removed", w.get(w.admin, at), http.StatusOK, "Nobody is in this group yet")
	w.want("delete", w.post(w.admin, at+"/delete"), http.StatusSeeOther)
	w.want("gone", w.get(w.admin, at), http.StatusNotFound)
}
