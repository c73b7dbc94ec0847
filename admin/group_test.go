package admin_test

import (
	"net/http"
	"testing"

	"github.com/stoa-portal/stoa/access"
)

func TestCategories_AddNestDelete(t *testing.T) {
	t.Parallel()
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
	w.want("by a member", w.post(w.member, "/control/categories", "name", "Port", "parent", "0"), http.StatusForbidden)
	w.without("what an editor may", w.get(w.editor, "/control/categories"), "/delete")
	at := "/control/categories/" + list[0].ID.String()
	a := w.get(w.editor, at)
	w.want("edit", a, http.StatusOK, "Carried by 0 things", `value="News"`)
	head := []string{"version", w.version(a), "slug", "news", "parent", "0"}
	w.want("rename", w.post(w.editor, at, append(head, "name", "Latest")...), http.StatusSeeOther)
	w.want("rename, stale", w.post(w.editor, at, append(head, "name", "Newest")...), http.StatusConflict,
		`value="Newest"`, "Saved by another person: “Latest”")
	w.want("rename by a guest", w.post(w.member, at, append(head, "name", "x")...), http.StatusForbidden)
	w.want("merge by an editor", w.post(w.editor, at+"/merge", "into", "harbour"), http.StatusForbidden)
	w.want("merge into nothing", w.post(w.admin, at+"/merge", "into", "nowhere"), http.StatusUnprocessableEntity,
		`id="f-into-error"`)
	w.want("merge into one below", w.post(w.admin, at+"/merge", "into", "harbour"), http.StatusUnprocessableEntity,
		"below it")
	w.want(
		"delete by an editor",
		w.post(w.editor, "/control/categories/"+list[0].ID.String()+"/delete"),
		http.StatusForbidden,
	)
	ref := "category-" + list[0].ID.String()
	gone := w.post(w.admin, "/control/categories/"+list[0].ID.String()+"/delete")
	if want := "/control/categories?undo=" + ref + "&done=trashed"; gone.location != want {
		t.Fatalf("deleting leads to %q (%d), want %q", gone.location, gone.status, want)
	}
	a = w.get(w.admin, gone.location)
	w.want("in the bin", a, http.StatusOK, "No categories yet", "Undo", `value="`+ref+`"`)
	w.want("undo by an editor", w.post(w.editor, "/control/trash/restore", "thing", ref), http.StatusForbidden)
	if a := w.post(w.admin, "/control/trash/restore", "thing", ref); a.location != "/control/categories?done=recovered" {
		t.Fatalf("undo leads to %q (%d)", a.location, a.status)
	}
	w.want("with those below", w.get(w.editor, "/control/categories"), http.StatusOK, "&lt;i&gt;Harbour", "depth-1",
		"Latest")
}

func TestTags_RenameMergeDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("none", w.get(w.editor, "/control/tags"), http.StatusOK, "No tags yet")
	one, err := w.tax.AddTag(as(w.admin), w.instance.ID, w.site.ID, "<b>Colour")
	must(t, err)
	two, err := w.tax.AddTag(as(w.admin), w.instance.ID, w.site.ID, "Color")
	must(t, err)
	w.want("list", w.get(w.editor, "/control/tags"), http.StatusOK, "&lt;b&gt;Colour", "/control/tags/"+two.String())
	at := "/control/tags/" + one.String()
	a := w.get(w.editor, at)
	w.want("edit", a, http.StatusOK, "&lt;b&gt;Colour")
	w.without("what an editor may", a, "/merge", "/delete")
	head := []string{"version", w.version(a), "slug", "colour"}
	w.want("a name that there is", w.post(w.editor, at, append(head, "name", "Color")...), http.StatusConflict,
		`id="f-name-error"`)
	w.want("rename", w.post(w.editor, at, append(head, "name", "Colour")...), http.StatusSeeOther)
	w.want("merge by an editor", w.post(w.editor, at+"/merge", "into", "Color"), http.StatusForbidden)
	merged := w.post(w.admin, at+"/merge", "into", "Color")
	w.want("merge", merged, http.StatusSeeOther)
	w.want("merged", w.get(w.admin, merged.location), http.StatusOK, "Merged.", "Color")
	w.want("gone", w.get(w.admin, at), http.StatusNotFound)
	w.want("delete", w.post(w.admin, "/control/tags/"+two.String()+"/delete"), http.StatusSeeOther)
}

func TestGroups_CreateEditMembersDelete(t *testing.T) {
	t.Parallel()
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
	w.want("screen", a, http.StatusOK, `value="`+role+`" checked`, "This group has no members yet")
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
		"no person of that name",
		w.post(w.admin, at+"/members", "person", "nin"),
		http.StatusUnprocessableEntity,
		`id="f-person-error"`,
	)
	w.want("add", w.post(w.admin, at+"/members", "person", "nina@example.com"), http.StatusSeeOther)
	id := w.idOf(at, "/control/groups/")
	members, err := w.users.Members(as(w.admin), id, "", 10)
	must(t, err)
	if len(members.Items) != 1 || members.Items[0].ID != w.member.User {
		t.Fatalf("members %+v", members.Items)
	}
	w.want("member", w.get(w.admin, at), http.StatusOK, "nina Brandt")
	w.want(
		"remove by an editor",
		w.post(w.editor, at+"/members/remove", "user", w.member.User.String()),
		http.StatusForbidden,
	)
	w.want("remove", w.post(w.admin, at+"/members/remove", "user", w.member.User.String()), http.StatusSeeOther)
	w.want("removed", w.get(w.admin, at), http.StatusOK, "This group has no members yet")
	w.want("delete", w.post(w.admin, at+"/delete"), http.StatusSeeOther)
	w.want("gone", w.get(w.admin, at), http.StatusNotFound)
}
