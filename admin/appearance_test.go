package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func TestAppearance_IsPreviewedWithoutBeingSavedThenSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open := w.get(w.admin, "/control/appearance")
	w.want("the screen", open, http.StatusOK, `name="light.accent"`, "Style sheet", "/control/appearance/preview")
	form := []string{"version", w.version(open), "site", w.site.ID.String(), "light.accent", "#8a1c1c", "text", "serif",
		"css", ".site { margin: 3px }", "search", "on"}

	preview := w.post(w.admin, "/control/appearance/preview", form...)
	w.want(
		"the preview",
		preview,
		http.StatusOK,
		"<style>:root{",
		"--accent:light-dark(#8a1c1c,",
		".site { margin: 3px }\n</style>",
	)
	w.without("the preview", preview, `href="/sign-in"`, "/site-style/")
	if st, err := w.sites.Site(as(w.admin), w.site.ID); err != nil || st.StylePath() != "" {
		t.Errorf("the preview saved %+v, %v", st.Appearance, err)
	}
	w.want(
		"a preview of what is wrong",
		w.post(w.admin, "/control/appearance/preview", "site", w.site.ID.String(), "light.ink", "#999"),
		http.StatusOK,
		"2.72:1",
	)

	w.want("of an editor", w.post(w.editor, "/control/appearance", form...), http.StatusForbidden)
	w.want("a preview of an editor", w.post(w.editor, "/control/appearance/preview", form...), http.StatusForbidden)
	tired := w.admin
	tired.Proven = time.Now().Add(-time.Hour)
	if a := w.post(tired, "/control/appearance", form...); a.status < 400 {
		t.Errorf("CSS without a proof: %d", a.status)
	}
	w.want(
		"too pale",
		w.post(w.admin, "/control/appearance", append(form, "light.ink", "#999")...),
		http.StatusUnprocessableEntity,
		`id="f-light.ink-error"`,
		"2.72:1",
		".site { margin: 3px }",
	)
	w.want("with an import", w.post(w.admin, "/control/appearance", "version", w.version(open), "site", w.site.ID.String(),
		"css", "@import 'x';"), http.StatusUnprocessableEntity, `id="f-css-error"`, "@import")
	w.want("saved", w.post(w.admin, "/control/appearance", form...), http.StatusSeeOther)
	w.want("stale", w.post(w.admin, "/control/appearance", form...), http.StatusConflict, "Another person changed this")
	st, err := w.sites.Site(as(w.admin), w.site.ID)
	if a := st.Appearance; err != nil || a.Light.Accent != "#8a1c1c" || !a.HideSignIn || a.HideSearch ||
		a.CSS != ".site { margin: 3px }" {
		t.Errorf("%+v, %v", a, err)
	}
	w.want(
		"the screen after",
		w.get(w.admin, "/control/appearance"),
		http.StatusOK,
		`value="#8a1c1c"`,
		".site { margin: 3px }",
	)
}

// The policy of the preview lets in the one style sheet that stands in it, and no other.
func TestAppearance_PreviewAllowsItsOwnStyleOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := url.Values{"site": {w.site.ID.String()}, "css": {".a > .b { content: \"&<é\" }"}}
	r := httptest.NewRequest(http.MethodPost, "/control/appearance/preview", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'self'; img-src 'self'")
	w.mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), w.admin)))
	_, style, _ := strings.Cut(rec.Body.String(), "<style>")
	style, _, ok := strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'self'; style-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(
		sum[:],
	) + "'; img-src 'self'"
	if got := rec.Header().Get("Content-Security-Policy"); !ok || got != want ||
		rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%q, want %q\n%q", got, want, style)
	}
}
