package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/page"
)

// drawing is somebody at the page editor of one page.
type drawing struct {
	*world
	who     stoa.Actor
	page    page.Page
	version int64
	layout  page.Layout
}

func (w *world) draw(who stoa.Actor) *drawing {
	w.t.Helper()
	p, err := w.pages.Create(as(w.admin), w.site, page.NewPage{Slug: "quay", Title: map[stoa.Locale]string{"en": "The quay"}, Position: -1, Publish: true})
	must(w.t, err)
	return &drawing{world: w, who: who, page: p, version: p.DraftVersion}
}

func (d *drawing) at(what string) string { return "/control/pages/" + d.page.ID.String() + what }

// send posts an order as the script does; the version is the newest unless the order has one.
func (d *drawing) send(order map[string]any) (int, draftAnswer) {
	d.t.Helper()
	if _, has := order["draftVersion"]; !has {
		order["draftVersion"] = d.version
	}
	raw, err := json.Marshal(order)
	must(d.t, err)
	return d.raw("application/json", strings.NewReader(string(raw)))
}

func (d *drawing) raw(kind string, body io.Reader) (int, draftAnswer) {
	d.t.Helper()
	r := httptest.NewRequest(http.MethodPost, d.at("/draft"), body)
	r.Header.Set("Content-Type", kind)
	rec := httptest.NewRecorder()
	d.mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), d.who)))
	var a draftAnswer
	if rec.Header().Get("Content-Type") == "application/json" {
		must(d.t, json.Unmarshal(rec.Body.Bytes(), &a))
	}
	if rec.Code == http.StatusOK {
		d.version, d.layout = a.DraftVersion, *a.Layout
	}
	return rec.Code, a
}

func (d *drawing) done(order map[string]any) draftAnswer {
	d.t.Helper()
	status, a := d.send(order)
	if status != http.StatusOK {
		d.t.Fatalf("%v: status %d, %s", order, status, a.Message)
	}
	return a
}

func (d *drawing) refused(what string, status int, word string, order map[string]any) {
	d.t.Helper()
	before := d.version
	got, a := d.send(order)
	if got != status || !strings.Contains(a.Message, word) {
		d.t.Errorf("%s: status %d %q, want %d with %q", what, got, a.Message, status, word)
	}
	if p, err := d.pages.Get(as(d.admin), d.page.ID); err != nil || p.DraftVersion != before {
		d.t.Errorf("%s: the draft changed, or is gone: version %d, want %d, %v", what, p.DraftVersion, before, err)
	}
}

// names lists the ids of the widgets of a column.
func (d *drawing) names(section, column int) string {
	var ids []string
	for _, w := range d.layout.Sections[section].Columns[column].Widgets {
		ids = append(ids, w.ID)
	}
	return strings.Join(ids, " ")
}

func TestPageEditor_AddConfigureMoveRemovePublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draw(w.editor)
	w.want("editor", w.get(d.who, d.at("/edit")), http.StatusOK, "data-page-editor", `data-add="html"`, `data-add="navigation"`, "The quay", "Publish", "pageeditor.js")
	first := d.done(map[string]any{"op": "add", "widget": "html", "index": -1}).Selected
	d.done(map[string]any{"op": "configure", "id": first, "settings": map[string]string{"title": "Tides", "html": "<p>High water</p>", "unknown": "x"}})
	if got, _ := d.layout.Widget(first); got.Settings["title"] != "Tides" || got.Settings["unknown"] != "" {
		t.Errorf("settings: %v", got.Settings)
	}
	section := d.done(map[string]any{"op": "section-add", "widths": []int{8, 4}, "index": -1}).Selected
	second := d.done(map[string]any{"op": "add", "widget": "navigation", "column": section + ":1", "index": 0}).Selected
	d.done(map[string]any{"op": "move", "id": first, "column": section + ":1", "index": 1})
	if got := d.names(1, 1); got != second+" "+first {
		t.Errorf("after the move the column holds %q, want %q", got, second+" "+first)
	}
	before := d.layout
	d.done(map[string]any{"op": "remove", "id": second})
	if got := d.names(1, 1); got != first {
		t.Errorf("after removing the column holds %q", got)
	}
	d.done(map[string]any{"op": "set", "layout": before}) // undo
	if got := d.names(1, 1); got != second+" "+first {
		t.Errorf("after undo the column holds %q", got)
	}
	w.want("canvas", w.get(d.who, d.at("/canvas")), http.StatusOK, `data-widget-id="`+first+`"`, `data-column="`+section+`:1"`, "<p>High water</p>", "pageeditor.css")
	preview := w.get(d.who, d.at("/canvas?preview=1"))
	w.want("preview", preview, http.StatusOK, "<p>High water</p>")
	w.without("preview", preview, "data-widget-id")
	w.want("settings", w.get(d.who, d.at("/part?id="+first)), http.StatusOK, `value="Tides"`, "High water", "data-editor", "Remove from page")
	w.want("section settings", w.get(d.who, d.at("/part?id="+section)), http.StatusOK, "Large beginning", "Remove the section")
	w.want("settings of nothing", w.get(d.who, d.at("/part?id=none")), http.StatusNotFound)

	live, err := w.pages.Live(as(w.member), d.page.ID)
	must(t, err)
	if _, ok := live.Layout.Widget(first); ok {
		t.Error("visitors see the draft before it is published")
	}
	a := w.post(d.who, d.at("/edit"), "do", "publish", "version", strconv.FormatInt(d.page.Version, 10), "draft", strconv.FormatInt(d.version, 10))
	w.want("publish", a, http.StatusSeeOther)
	if a.path() != d.at("/edit") {
		t.Errorf("publishing leads to %q", a.location)
	}
	live, err = w.pages.Live(as(w.member), d.page.ID)
	must(t, err)
	if got, ok := live.Layout.Widget(first); !ok || got.Settings["html"] != "<p>High water</p>" {
		t.Errorf("visitors do not see what was published: %v", live.Layout)
	}
	w.want("editor after publishing", w.get(d.who, d.at("/edit?done=published")), http.StatusOK, "Published.", "No changes")
}

func TestPageEditor_SectionsMoveAndGo(t *testing.T) {
	t.Parallel()
	d := newWorld(t).draw(stoa.Actor{})
	d.who = d.editor
	a := d.done(map[string]any{"op": "section-add", "widths": []int{12}, "index": -1}).Selected
	b := d.done(map[string]any{"op": "section-add", "widths": []int{4, 4, 4}, "index": 0}).Selected
	if d.layout.Sections[0].ID != b || d.layout.Sections[1].ID != a {
		t.Fatalf("sections: %v", d.layout.Sections)
	}
	d.done(map[string]any{"op": "section-move", "id": b, "index": 99})
	d.done(map[string]any{"op": "section-style", "id": b, "style": "hero"})
	if last := d.layout.Sections[1]; last.ID != b || last.Style != "hero" {
		t.Errorf("last section: %v", last)
	}
	d.done(map[string]any{"op": "section-remove", "id": b})
	if len(d.layout.Sections) != 1 || d.layout.Sections[0].ID != a {
		t.Errorf("sections: %v", d.layout.Sections)
	}
	d.refused("widths", 422, "12 wide together", map[string]any{"op": "section-add", "widths": []int{8, 8}})
	d.refused("no widths", 422, "12 wide together", map[string]any{"op": "section-add"})
	d.refused("a style of its own", 422, "no style", map[string]any{"op": "section-style", "id": a, "style": `x" onclick="`})
	d.refused("a section that is gone", 404, "no section", map[string]any{"op": "section-move", "id": b})
}

func TestPageEditor_StaleDraftConflicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draw(w.editor)
	old := d.version
	d.done(map[string]any{"op": "add", "widget": "html"})
	d.refused("stale", http.StatusConflict, "changed this page", map[string]any{"op": "add", "widget": "html", "draftVersion": old})
	d.refused("from the future", http.StatusConflict, "changed this page", map[string]any{"op": "add", "widget": "html", "draftVersion": d.version + 1})
	version := strconv.FormatInt(d.page.Version, 10)
	w.want("publishing what one has not seen", w.post(w.editor, d.at("/edit"), "do", "publish", "version", version, "draft", strconv.FormatInt(old, 10)), http.StatusConflict, "look at it first")
	w.want("publishing without a version", w.post(w.editor, d.at("/edit"), "do", "publish"), http.StatusUnprocessableEntity)
	if live, err := w.pages.Live(as(w.member), d.page.ID); err != nil || len(live.Layout.Sections) != 0 {
		t.Errorf("visitors see a draft that was not published: %v, %v", live.Layout, err)
	}
	w.want("discard", w.post(w.editor, d.at("/edit"), "do", "discard", "version", version, "draft", strconv.FormatInt(d.version, 10)), http.StatusSeeOther)
	p, err := w.pages.Get(as(w.editor), d.page.ID)
	must(t, err)
	if p.HasDraft {
		t.Error("the draft is still there")
	}
}

func TestPageEditor_WithoutPermissionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draw(w.member)
	for _, path := range []string{"/edit", "/canvas", "/canvas?preview=1", "/part?id=x"} {
		w.want(path+" for a member without Edit", w.get(w.member, d.at(path)), http.StatusForbidden)
	}
	if status, _ := d.send(map[string]any{"op": "add", "widget": "html"}); status != http.StatusForbidden {
		t.Errorf("a change by somebody without Edit: %d", status)
	}
	d.who = stoa.Actor{}
	if status, _ := d.send(map[string]any{"op": "add", "widget": "html"}); status != http.StatusSeeOther {
		t.Errorf("a change by a guest: %d", status)
	}
	// A page with grants of its own: an editor of the site may not touch it.
	p := d.page
	p.Restricted = true
	_, err := w.pages.Update(as(w.admin), p)
	must(t, err)
	d.who = w.editor
	for _, path := range []string{"/edit", "/canvas"} {
		if a := w.get(w.editor, d.at(path)); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			t.Errorf("%s of a restricted page: %d", path, a.status)
		}
	}
	d.refused("restricted", http.StatusNotFound, "", map[string]any{"op": "add", "widget": "html"})
	// Somebody who may edit but not publish.
	p, err = w.pages.Get(as(w.admin), d.page.ID)
	must(t, err)
	p.Restricted = false
	p, err = w.pages.Update(as(w.admin), p)
	must(t, err)
	d.who = w.author
	d.done(map[string]any{"op": "add", "widget": "html"})
	w.without("editor of an author", w.get(w.author, d.at("/edit")), `value="publish"`)
	w.want("publishing by an author", w.post(w.author, d.at("/edit"), "do", "publish", "version", strconv.FormatInt(p.Version, 10), "draft", strconv.FormatInt(d.version, 10)), http.StatusForbidden)
}

func TestPageEditor_HostileOrdersChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draw(w.editor)
	id := d.done(map[string]any{"op": "add", "widget": "html"}).Selected
	list := d.done(map[string]any{"op": "add", "widget": "content-list"}).Selected
	set := func(id, key, value string) map[string]any {
		return map[string]any{"op": "configure", "id": id, "settings": map[string]string{key: value}}
	}
	d.refused("unknown operation", 422, "drop-table", map[string]any{"op": "drop-table"})
	d.refused("unknown widget", 422, "no widget", map[string]any{"op": "add", "widget": "<script>"})
	d.refused("unknown widget by undo", 422, "no widget", map[string]any{"op": "set", "layout": page.Single(page.Placed{Widget: "root-shell"})})
	d.refused("no layout", 422, "missing", map[string]any{"op": "set"})
	d.refused("unknown column", 422, "no column", map[string]any{"op": "add", "widget": "html", "column": "x:99"})
	d.refused("negative column", 422, "no column", map[string]any{"op": "move", "id": id, "column": d.layout.Sections[0].ID + ":-1"})
	d.refused("widget that is gone", 404, "no widget", map[string]any{"op": "remove", "id": "gone"})
	d.refused("huge markup", 413, "at most 262,144", set(id, "html", strings.Repeat("abc", 100<<10)))
	d.refused("long line", 413, "at most 2,000", set(id, "title", strings.Repeat("x", 3000)))
	d.refused("not a choice", 422, "choose one", set(list, "style", "exploded"))
	d.refused("not a number", 422, "whole number", set(list, "count", "-5"))
	d.refused("not a yes", 422, "true or false", set(list, "paging", "perhaps"))
	if status, a := d.raw("application/json", strings.NewReader(`{"op":`)); status != 422 || a.Message == "" {
		t.Errorf("half a change: %d %q", status, a.Message)
	}
	if status, _ := d.raw("text/plain", strings.NewReader(`{"op":"add","widget":"html"}`)); status != 422 {
		t.Errorf("a change from a foreign form: %d", status)
	}
	if status, _ := d.raw("application/json",
		strings.NewReader(`{"op":"`+strings.Repeat("x", admin.MaxForm+10)+`"}`)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a change of more than a megabyte: %d", status)
	}

	d.done(set(id, "html", `<p onclick="steal()">Calm<script>steal()</script><img src="x" onerror="steal()"></p>`))
	canvas := w.get(w.editor, d.at("/canvas"))
	w.want("canvas", canvas, http.StatusOK, "Calm")
	w.without("canvas", canvas, "steal()", "onerror")
	d.done(set(id, "title", `"><script>steal()</script>`))
	if script := regexp.MustCompile(`<script>steal`); script.MatchString(w.get(w.editor, d.at("/edit")).body) || script.MatchString(w.get(w.editor, d.at("/canvas")).body) ||
		script.MatchString(w.get(w.editor, d.at("/part?id="+id)).body) {
		t.Error("a script came through")
	}
	link, err := w.pages.Create(as(w.admin), w.site, page.NewPage{Slug: "away", Title: map[stoa.Locale]string{"en": "Away"}, Type: page.TypeLink, Target: "https://example.org", Position: -1})
	must(t, err)
	w.want("editor of a link", w.get(w.editor, "/control/pages/"+link.ID.String()+"/edit"), http.StatusUnprocessableEntity, "no layout to edit")
}

// draftAnswer is what the page editor is answered with.
type draftAnswer struct {
	DraftVersion int64        `json:"draftVersion"`
	Layout       *page.Layout `json:"layout"`
	Selected     string       `json:"selected"`
	Message      string       `json:"message"`
	Field        string       `json:"field"`
}
