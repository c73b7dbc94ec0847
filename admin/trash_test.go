package admin_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
)

func TestTrash_DeletedArticleIsOfferedBackAndListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Harbour", "<p>Ships.</p>", "do", "publish")
	ref := "article-" + strings.TrimPrefix(at, "/control/content/")
	gone := w.post(w.editor, at+"/delete")
	if want := "/control/content?undo=" + ref + "&done=trashed"; gone.location != want {
		t.Fatalf("deleting leads to %q, want %q", gone.location, want)
	}
	w.want("the notice", w.get(w.editor, gone.location), http.StatusOK, "In the recycle bin.", "Undo",
		`name="thing" value="`+ref+`"`)
	w.without("the notice of something else", w.get(w.editor, "/control/content?undo="+ref+"&done=saved"), "Undo")
	list := w.get(w.editor, "/control/trash")
	w.want("the bin", list, http.StatusOK, "Harbour", "/w/harbour", "ed Brandt", ">Article<", "Deleted for good",
		`value="`+ref+`"`)
	w.want("undo by a person who may not publish", w.post(w.author, "/control/trash/restore", "thing", ref),
		http.StatusForbidden)
	w.want("a stranger", w.get(w.member, "/control/trash"), http.StatusForbidden)
	w.want("nothing chosen", w.post(w.editor, "/control/trash/restore"), http.StatusUnprocessableEntity)
	w.want("nonsense", w.post(w.editor, "/control/trash/purge", "thing", "x"), http.StatusUnprocessableEntity)
	if a := w.post(w.editor, "/control/trash/restore", "thing", ref); a.location != at+"?done=recovered" {
		t.Fatalf("undo leads to %q", a.location)
	}
	w.want("restored", w.get(w.editor, at), http.StatusOK, "Ships.", "Published")
	w.want("the empty bin", w.get(w.editor, "/control/trash"), http.StatusOK, "The recycle bin is empty")

	other := w.write(w.editor, "Quay", "<p>Stones.</p>")
	ids := []string{"do", "delete", "id", strings.TrimPrefix(at, "/control/content/"), "id",
		strings.TrimPrefix(other, "/control/content/")}
	a := w.post(w.editor, "/control/content/bulk", ids...)
	if u, err := url.Parse(a.location); err != nil || len(strings.Fields(u.Query().Get("undo"))) != 2 {
		t.Fatalf("deleting two leads to %q", a.location)
	}
	w.write(w.editor, "Harbour", "<p>New.</p>") // takes the address
	if a := w.post(w.editor, "/control/trash/restore", "thing", ref); a.location != at+"?done=recovered-renamed" {
		t.Fatalf("restoring what has a new address leads to %q", a.location)
	}
	w.want("the number is told", w.get(w.editor, at+"?done=recovered-renamed"), http.StatusOK,
		"so it got a number", "harbour-2")
	ref = "article-" + strings.TrimPrefix(other, "/control/content/")
	if a := w.post(w.author, "/control/trash/purge", "thing", ref); a.location != "/control/trash?done=purged" {
		t.Fatalf("purging leads to %q, %d", a.location, a.status)
	}
	w.want("gone for good", w.post(w.editor, "/control/trash/restore", "thing", ref), http.StatusNotFound)
}

func TestTrash_DeletedPagesAndFilesAreOfferedBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := as(stoa.SystemActor())
	p, err := w.pages.Create(ctx, w.site, page.NewPage{Slug: "sea", Publish: true, Position: -1,
		Title: map[stoa.Locale]string{"en": "Sea"}})
	must(t, err)
	f, err := w.files.Upload(ctx, w.site, document.Upload{Name: "tides.txt", Body: strings.NewReader("High."), Size: 5})
	must(t, err)
	pageAt, fileAt := "/control/pages/"+p.ID.String(), "/control/files/"+f.ID.String()
	gone := w.post(w.editor, pageAt+"/delete", "version", strconv.FormatInt(p.Version, 10))
	if want := "/control/pages?undo=page-" + p.ID.String() + "&done=trashed"; gone.location != want {
		t.Fatalf("deleting a page leads to %q (%d), want %q", gone.location, gone.status, want)
	}
	w.want("the notice", w.get(w.editor, gone.location), http.StatusOK, "Undo")
	gone = w.post(w.editor, fileAt+"/delete")
	if want := "/control/files?undo=file-" + f.ID.String() + "&done=trashed"; gone.location != want {
		t.Fatalf("deleting a file leads to %q (%d), want %q", gone.location, gone.status, want)
	}
	w.want("the bin", w.get(w.editor, "/control/trash"), http.StatusOK, "Sea", "tides.txt", ">Page<", ">File<")
	w.want("of the page", w.get(w.editor, pageAt), http.StatusNotFound)
	if a := w.post(w.editor, "/control/trash/restore", "thing", "page-"+p.ID.String(), "thing",
		"file-"+f.ID.String()); a.location !=
		"/control/trash?done=recovered" {
		t.Fatalf("restoring leads to %q (%d)", a.location, a.status)
	}
	w.want("the page is back", w.get(w.editor, pageAt), http.StatusOK, "Sea")
	w.want("the file is back", w.get(w.editor, fileAt), http.StatusOK, "tides.txt")
}

func TestTrash_IsSearchedByNameKindAndPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, title := range []string{"Harbour master", "Quay"} {
		at := w.write(w.editor, title, "<p>Ships.</p>")
		w.want("delete", w.post(w.editor, at+"/delete"), http.StatusSeeOther)
	}
	m, err := w.pages.SaveMenu(as(w.admin), page.Menu{Site: w.site.ID, Name: "Harbour menu"})
	must(t, err)
	gone := w.post(w.admin, "/control/menus/"+m.ID.String()+"/delete", "version", "1")
	if want := "/control/menus?undo=menu-" + m.ID.String() + "&done=trashed"; gone.location != want {
		t.Fatalf("deleting a menu leads to %q (%d), want %q", gone.location, gone.status, want)
	}
	for query, has := range map[string][]bool{ // Harbour master, Quay, Harbour menu
		"":                           {true, true, true},
		"?q=harb":                    {true, false, true},
		"?q=master+harb":             {true, false, false},
		"?kind=menu":                 {false, false, true},
		"?who=ed":                    {true, true, false},
		"?q=harbour&kind=article":    {true, false, false},
		"?q=elephant":                {false, false, false},
		"?kind=article&who=no+one+x": {false, false, false},
	} {
		a := w.get(w.admin, "/control/trash"+query)
		w.want(query, a, http.StatusOK, "All kinds")
		for i, title := range []string{"Harbour master", "Quay", "Harbour menu"} {
			if strings.Contains(a.body, `class="table__name">`+title) != has[i] {
				t.Errorf("%q: %s is listed: %v", query, title, !has[i])
			}
		}
	}
	w.want("a kind that there is not", w.get(w.admin, "/control/trash?kind=ship"), http.StatusUnprocessableEntity)

	role, err := w.access.CreateRole(as(w.admin), access.Role{Instance: w.instance.ID, Name: "Keepers"})
	must(t, err)
	gone = w.post(w.admin, "/control/roles/"+role.ID.String()+"/delete")
	if want := "/control/roles?undo=role-" + role.ID.String() + "&done=trashed"; gone.location != want {
		t.Fatalf("deleting a role leads to %q (%d), want %q", gone.location, gone.status, want)
	}
	w.without("of the site", w.get(w.admin, "/control/trash"), "Keepers")
	w.want("of the instance", w.get(w.admin, "/control/trash?of=instance"), http.StatusOK, "Keepers", ">Role<")
	w.without("an editor's tabs", w.get(w.editor, "/control/trash"), "of=instance")
	w.want("of the instance, by an editor", w.get(w.editor, "/control/trash?of=instance"), http.StatusForbidden)
	if a := w.post(w.admin, "/control/trash/restore", "thing", "role-"+role.ID.String()); a.location !=
		"/control/roles/"+role.ID.String()+"?done=recovered" {
		t.Fatalf("undo leads to %q (%d)", a.location, a.status)
	}
}

func TestTrash_WhatHasNoPlaceAnyMoreAsksForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := as(stoa.SystemActor())
	title := func(s string) map[stoa.Locale]string { return map[stoa.Locale]string{"en": s} }
	sea, err := w.pages.Create(ctx, w.site, page.NewPage{Slug: "sea", Position: -1, Title: title("Sea")})
	must(t, err)
	tides, err := w.pages.Create(ctx, w.site, page.NewPage{Slug: "tides", Parent: sea.ID, Position: -1,
		Title: title("Tides")})
	must(t, err)
	land, err := w.pages.Create(ctx, w.site, page.NewPage{Slug: "land", Position: -1, Title: title("Land")})
	must(t, err)
	for _, p := range []page.Page{tides, sea} {
		now, err := w.pages.Get(ctx, p.ID)
		must(t, err)
		must(t, w.pages.Trash(ctx, p.ID, now.Version))
	}
	ref := "page-" + tides.ID.String()
	asked := w.post(w.editor, "/control/trash/restore", "thing", ref)
	if want := "/control/trash/elsewhere?gone=1&thing=" + ref; asked.location != want {
		t.Fatalf("restoring leads to %q (%d), want %q", asked.location, asked.status, want)
	}
	w.want("the question", w.get(w.editor, asked.location), http.StatusOK, "Tides", "Choose another one",
		`value="`+land.ID.String()+`"`, "At the top")
	w.want("by a stranger", w.get(w.member, asked.location), http.StatusForbidden)
	w.want("to what is not there", w.post(w.editor, "/control/trash/restore", "thing", ref, "place", "1", "parent",
		sea.ID.String()), http.StatusUnprocessableEntity)
	done := w.post(w.editor, "/control/trash/restore", "thing", ref, "place", "1", "to", w.site.ID.String(), "parent",
		land.ID.String())
	if want := "/control/pages/" + tides.ID.String() + "?done=recovered"; done.location != want {
		t.Fatalf("restoring leads to %q (%d), want %q", done.location, done.status, want)
	}
	if p, err := w.pages.Get(ctx, tides.ID); err != nil || p.Path != "/land/tides" {
		t.Errorf("restored at %q, %v", p.Path, err)
	}
	w.want("things of two kinds", w.get(w.editor, "/control/trash/elsewhere?thing="+ref+"&thing=file-7"),
		http.StatusUnprocessableEntity)
	w.want("what is not in the bin", w.get(w.editor, "/control/trash/elsewhere?thing="+ref), http.StatusNotFound)
}

func TestFiles_SeveralAreMovedAndDeletedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := as(stoa.SystemActor())
	var files []document.File
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		f, err := w.files.Upload(ctx, w.site, document.Upload{Name: name, Body: strings.NewReader(name), Size: 5})
		must(t, err)
		files = append(files, f)
	}
	list := w.get(w.editor, "/control/files")
	w.want("the list", list, http.StatusOK, `action="/control/files/bulk"`, "Select “a.txt”")
	w.without("without a folder there is nothing to move to", list, `value="move"`)
	dir, err := w.files.SaveFolder(ctx, w.site, document.Folder{Name: "Charts"})
	must(t, err)
	w.want("the list", w.get(w.editor, "/control/files"), http.StatusOK, `value="move"`, ">Charts</option>")
	site, to := w.site.ID.String(), dir.ID.String()
	ids := []string{"site", site, "id", files[0].ID.String(), "id", files[1].ID.String()}
	w.want("a member", w.post(w.member, "/control/files/bulk", append(ids, "do", "move", "to", to)...),
		http.StatusForbidden)
	w.want("nonsense", w.post(w.editor, "/control/files/bulk", append(ids, "do", "explode")...),
		http.StatusUnprocessableEntity)
	w.want("into no folder", w.post(w.editor, "/control/files/bulk", append(ids, "do", "move", "to", "4711")...),
		http.StatusUnprocessableEntity)
	if a := w.post(w.editor, "/control/files/bulk", append(ids, "do", "move", "to", to)...); a.location !=
		"/control/files?done=moved" {
		t.Fatalf("moving leads to %q, %d", a.location, a.status)
	}
	in := w.get(w.editor, "/control/files?folder="+to)
	w.want("the folder", in, http.StatusOK, "a.txt", "b.txt", `action="/control/files/bulk?folder=`+to)
	w.without("the folder", in, "c.txt")
	// All of the list that the form was sent from: that of the folder.
	a := w.post(w.editor, "/control/files/bulk?folder="+to, "site", site, "do", "delete", "all", "on")
	if u, err := url.Parse(a.location); err != nil || len(strings.Fields(u.Query().Get("undo"))) != 2 {
		t.Fatalf("deleting all of a folder leads to %q, %d", a.location, a.status)
	}
	list = w.get(w.editor, "/control/files")
	w.want("the rest", list, http.StatusOK, "c.txt")
	w.without("the rest", list, ">a.txt<", ">b.txt<")
}
