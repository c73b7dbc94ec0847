package admin_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/page"
)

func TestPageVersions_ListShowAndGoBackAsADraft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draw(w.editor)
	text := func(s string) page.Layout {
		return page.Single(page.Placed{ID: "w", Widget: "html", Settings: map[string]string{"html": "<p>" + s + "</p>"}})
	}
	publish := func(l page.Layout) page.Page {
		t.Helper()
		p, err := w.pages.Get(as(w.editor), d.page.ID)
		must(t, err)
		_, err = w.pages.SaveDraft(as(w.editor), p.ID, l, p.DraftVersion)
		must(t, err)
		p, err = w.pages.Publish(as(w.editor), p.ID, p.Version)
		must(t, err)
		return p
	}
	publish(text("High water"))
	p := publish(text("Low water"))

	list := w.get(w.editor, d.at("/versions"))
	w.want("versions", list, http.StatusOK, "ed Brandt", "1 widget added", "1 widget changed", "The oldest that is kept",
		"Visitors see this", d.at("/canvas?version=2"))
	shown := w.get(w.editor, d.at("/canvas?version=2"))
	w.want("one of them", shown, http.StatusOK, "High water", "Version 2, published", "by ed Brandt",
		`name="robots" content="noindex"`)
	w.without("one of them", shown, "Low water", "data-widget-id")
	w.want("one that is not there", w.get(w.editor, d.at("/canvas?version=99")), http.StatusNotFound)
	w.want("one without a number", w.get(w.editor, d.at("/canvas?version=x")), http.StatusNotFound)
	w.want("a person who may not edit", w.get(w.member, d.at("/versions")), http.StatusForbidden)
	w.want("a person who may not edit", w.get(w.member, d.at("/canvas?version=2")), http.StatusForbidden)
	w.want("page", w.get(w.editor, d.at("")), http.StatusOK, d.at("/versions"))
	w.want("editor", w.get(w.editor, d.at("/edit")), http.StatusOK, d.at("/versions"))

	stale := w.post(w.editor, d.at("/restore"), "number", "2", "draft", "1")
	w.want("of a form that is too old", stale, http.StatusConflict)
	back := w.post(w.editor, d.at("/restore"), "number", "2", "draft", strconv.FormatInt(p.DraftVersion, 10))
	w.want("back", back, http.StatusSeeOther)
	if !strings.HasPrefix(back.location, d.at("/edit")) {
		t.Errorf("going back leads to %q, want the page editor", back.location)
	}
	w.want("the draft", w.get(w.editor, d.at("/canvas?preview=1")), http.StatusOK, "High water")
	w.want("told", w.get(w.editor, back.location), http.StatusOK, "The version is the draft now.")
	w.want("with a draft it asks first", w.get(w.editor, d.at("/versions")), http.StatusOK, "Replace the draft by "+
		"version 2?")
	live, err := w.pages.Live(as(w.member), d.page.ID)
	must(t, err)
	if got, _ := live.Layout.Widget("w"); got.Settings["html"] != "<p>Low water</p>" {
		t.Errorf("visitors see %q before it is published", got.Settings["html"])
	}
	w.want("a guest's role", w.post(w.member, d.at("/restore"), "number", "1", "draft", "1"), http.StatusForbidden)
}
