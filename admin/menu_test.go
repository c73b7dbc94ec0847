package admin_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
)

func TestMenus_CreateNestKeepLanguagesDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, err := w.pages.Create(as(w.admin), w.site, page.NewPage{Slug: "quay", Title: map[stoa.Locale]string{"en": "Quay"}})
	must(t, err)
	w.want("none", w.get(w.editor, "/control/menus"), http.StatusOK, "No menus yet")
	w.want("new", w.get(w.editor, "/control/menus/new"), http.StatusOK, "Quay", "Label of row 1", "Add entry")
	row := func(kept, depth, label, page, url string) []string {
		return []string{"kept", kept, "depth", depth, "label", label, "page", page, "url", url}
	}
	sent := func(head []string, rows ...[]string) []string {
		for _, r := range rows {
			head = append(head, r...)
		}
		return head
	}
	a := w.post(w.editor, "/control/menus/new", sent([]string{"name", "Main", "slug", "main"},
		row("", "0", "<About>", "", "/about"), row("", "1", "", p.ID.String(), ""),
		row("", "3", "Deep", "", ""), row("", "0", "", "", ""), row("", "0", "Last", "", "https://example.com/"))...)
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
	w.want("titles in other languages travel along", a, http.StatusOK, `{&#34;de&#34;:&#34;Über uns&#34;`)
	w.want("screen", a, http.StatusOK, "&lt;About&gt;", `<option value="`+p.ID.String()+`" selected`)
	head := []string{"version", w.version(a), "name", "Main", "slug", "main"}
	w.want("bad address", w.post(w.editor, at, sent(head, row("", "0", "Evil", "", "javascript:alert(1)"))...),
		http.StatusUnprocessableEntity, "not an address", `value="Evil"`)
	w.want("page and address", w.post(w.editor, at, sent(head, row("", "0", "", p.ID.String(), "/about"))...),
		http.StatusUnprocessableEntity, "not both")
	w.want("half a row", w.post(w.editor, at, append(head, "label", "Alone")...), http.StatusUnprocessableEntity, "complete rows")
	w.want("by a member", w.post(w.member, at, sent(head)...), http.StatusForbidden)
	w.want("save", w.post(w.editor, at, sent(head, row("", "0", "Last", "", "/last"),
		row(`{"de":"Über uns","en":"<About>"}`, "0", "About", "", "/about"))...), http.StatusSeeOther)
	if m, err = w.pages.Menu(as(w.editor), m.ID); err != nil || len(m.Items) != 2 || m.Items[1].Title["de"] != "Über uns" || m.Items[1].Title["en"] != "About" || m.Items[0].Title["de"] != "" {
		t.Errorf("saved %+v, %v", m.Items, err)
	}
	stale := w.post(w.editor, at, sent(head, row(`{"fr":"Vieux"}`, "0", "Old", "", "/old"))...)
	w.want("stale", stale, http.StatusConflict, `value="Old"`, "not saved")
	head[1] = w.version(stale)
	w.want("sent again", w.post(w.editor, at, sent(head, row(`{"fr":"Vieux"}`, "0", "Old", "", "/old"))...),
		http.StatusSeeOther)
	if m, err = w.pages.Menu(as(w.editor), m.ID); err != nil || len(m.Items) != 1 || m.Items[0].Title["fr"] != "Vieux" {
		t.Errorf("sent again: saved %+v, %v", m.Items, err)
	}
	w.want("titles that are none", w.post(w.editor, at, sent(head, row("{", "0", "Old", "", "/old"))...),
		http.StatusUnprocessableEntity, "could not be read")
	w.want("taken", w.post(w.editor, "/control/menus/new", "name", "Main", "slug", "main"), http.StatusConflict,
		"There already is a menu", `aria-invalid="true"`)
	w.want("delete", w.post(w.editor, at+"/delete", "version", w.version(w.get(w.editor, at))), http.StatusSeeOther)
	w.want("gone", w.get(w.editor, at), http.StatusNotFound)
}

// Where no script runs the buttons send the form, and nothing is saved until its own button is pressed.
func TestMenus_RowsMoveWithoutScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var rows []string
	for _, r := range [][2]string{{"0", "Fish"}, {"1", "Cod"}, {"1", "Eel"}, {"0", "Shells"}} {
		rows = append(rows, "kept", "", "depth", r[0], "label", r[1], "page", "", "url", "")
	}
	for _, x := range []struct{ arrange, want string }{
		{"down 0", "0Shells 0Fish 1Cod 1Eel"}, {"up 3", "0Shells 0Fish 1Cod 1Eel"}, {"in 3", "0Fish 1Cod 1Eel 1Shells"},
		{"out 1", "0Fish 1Eel 0Cod 0Shells"}, {"in 2", "0Fish 1Cod 2Eel 0Shells"}, {"remove 0", "0Cod 0Eel 0Shells"},
		{"up 1", "0Fish 1Cod 1Eel 0Shells"}, {"in 0", "0Fish 1Cod 1Eel 0Shells"}, {"add", "0Fish 1Cod 1Eel 0Shells 0"},
	} {
		a := w.post(w.editor, "/control/menus/new", append([]string{"name", "Main", "arrange", x.arrange}, rows...)...)
		w.want(x.arrange, a, http.StatusOK, `name="name"`)
		shown, _, _ := strings.Cut(a.main(), "<template")
		var got []string
		depths := regexp.MustCompile(`name="depth" value="(\d)"`).FindAllStringSubmatch(shown, -1)
		for i, m := range regexp.MustCompile(`name="label" value="(\w*)"`).FindAllStringSubmatch(shown, -1) {
			got = append(got, depths[i][1]+m[1])
		}
		if strings.Join(got, " ") != x.want {
			t.Errorf("%s: the rows are %q, want %s", x.arrange, got, x.want)
		}
	}
	w.want("no such row", w.post(w.editor, "/control/menus/new", append([]string{"arrange", "up 9"}, rows...)...),
		http.StatusUnprocessableEntity)
	if list, err := w.pages.Menus(as(w.admin), w.site.ID); err != nil || len(list) != 0 {
		t.Errorf("moving rows saved %+v, %v", list, err)
	}
}
