package admin

import (
	"net/http"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
)

func TestMenus_CreateNestKeepLanguagesDelete(t *testing.T) {
	w := newWorld(t)
	p, err := w.pages.Create(as(w.admin), w.site, page.NewPage{Slug: "quay", Title: map[stoa.Locale]string{"en": "Quay"}})
	must(t, err)
	w.want("none", w.get(w.editor, "/control/menus"), http.StatusOK, "No menus yet")
	w.want("new", w.get(w.editor, "/control/menus/new"), http.StatusOK, "Quay", "Label of row 5")
	row := func(was, depth, label, page, url string) []string {
		return []string{"was", was, "depth", depth, "label", label, "page", page, "url", url}
	}
	sent := func(head []string, rows ...[]string) []string {
		for _, r := range rows {
			head = append(head, r...)
		}
		return head
	}
	a := w.post(w.editor, "/control/menus/new", sent([]string{"name", "Main", "slug", "main"}, row("1", "0", "<About>", "", "/about"), row("2", "1", "", p.ID.String(), ""),
		row("3", "3", "Deep", "", ""), row("4", "0", "", "", ""), row("5", "0", "Last", "", "https://example.com/"))...)
	w.want("create", a, http.StatusSeeOther)
	at := a.path()
	m, err := w.pages.MenuBySlug(as(w.editor), w.site.ID, "main")
	must(t, err)
	if len(m.Items) != 2 || len(m.Items[0].Children) != 1 || m.Items[0].Children[0].Page != p.ID || len(m.Items[0].Children[0].Children) != 1 || m.Items[1].URL != "https://example.com/" {
		t.Fatalf("saved %+v", m.Items)
	}
	m.Items[0].Title["de"] = "Über uns"
	m, err = w.pages.SaveMenu(as(w.editor), m)
	must(t, err)
	a = w.get(w.editor, at)
	w.want("screen", a, http.StatusOK, "&lt;About&gt;", `<option value="`+p.ID.String()+`" selected`)
	head := []string{"version", w.version(a), "name", "Main", "slug", "main"}
	w.want("bad address", w.post(w.editor, at, sent(head, row("1", "0", "Evil", "", "javascript:alert(1)"))...), http.StatusUnprocessableEntity, "not an address", `value="Evil"`)
	w.want("page and address", w.post(w.editor, at, sent(head, row("1", "0", "", p.ID.String(), "/about"))...), http.StatusUnprocessableEntity, "not both")
	w.want("half a row", w.post(w.editor, at, append(head, "label", "Alone")...), http.StatusUnprocessableEntity, "complete rows")
	w.want("by nobody", w.post(w.nobody, at, sent(head)...), http.StatusForbidden)
	w.want("save", w.post(w.editor, at, sent(head, row("4", "0", "Last", "", "/last"), row("1", "0", "About", "", "/about"))...), http.StatusSeeOther)
	if m, err = w.pages.Menu(as(w.editor), m.ID); err != nil || len(m.Items) != 2 || m.Items[1].Title["de"] != "Über uns" || m.Items[1].Title["en"] != "About" || m.Items[0].Title["de"] != "" {
		t.Errorf("saved %+v, %v", m.Items, err)
	}
	w.want("stale", w.post(w.editor, at, sent(head, row("1", "0", "Old", "", "/old"))...), http.StatusConflict, `value="Old"`)
	w.want("delete", w.post(w.editor, at+"/delete", "version", w.version(w.get(w.editor, at))), http.StatusSeeOther)
	w.want("gone", w.get(w.editor, at), http.StatusNotFound)
}
