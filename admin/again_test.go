package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/admin"
)

// What the screen of one person sends after another has signed in is neither saved nor shown.
func TestAgain_ScreenOfAnotherPersonIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.get(w.editor, "/control/me"); a.status != http.StatusOK || a.body != w.editor.User.String() {
		t.Errorf("who is there: %d %q", a.status, a.body)
	}
	form := []string{"title", "The Arcade", "body", "<p>Noon.</p>", "do", "save"}
	a := w.post(w.editor, "/control/content/new", append(form, admin.PersonField, w.author.User.String())...)
	if a.status != http.StatusSeeOther || a.location != "/control/?done=other" {
		t.Errorf("a form of another person: %d to %q", a.status, a.location)
	}
	w.want("the way out", w.get(w.editor, a.location), http.StatusOK, "another person signed in")
	a = w.post(w.editor, "/control/autosave", "autosave", "w1", "site", w.site.ID.String(), "article", "0", "lang", "en",
		"title", "The Arcade", admin.PersonField, w.author.User.String())
	if a.status != http.StatusSeeOther {
		t.Errorf("what another person typed: %d", a.status)
	}
	for _, path := range []string{"/control/content", "/control/content/new"} {
		w.without(path, w.get(w.editor, path), "The Arcade")
	}
	a = w.post(w.editor, "/control/content/new", append(form, admin.PersonField, w.editor.User.String())...)
	if a.status != http.StatusSeeOther || !strings.Contains(a.location, "done=") || strings.Contains(a.location, "other") {
		t.Errorf("a form of the same person: %d to %q", a.status, a.location)
	}
	w.want("the list", w.get(w.editor, "/control/content"), http.StatusOK, "The Arcade")
}
