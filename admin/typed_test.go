package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
)

// What is typed in a form of the panel is given back to its person at that screen until it is saved there.
func TestTyped_IsGivenBackUntilItIsSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const screen, of = "/control/pages/new", "/control/typed?screen=%2Fcontrol%2Fpages%2Fnew"
	title := "title." + string(w.site.Locale)
	typing := []string{"_screen", screen, "_tab", "w1", title, "The quay", "password", "not-kept", "_person",
		w.editor.User.String()}
	w.want("typing", w.post(w.editor, "/control/typed", typing...), http.StatusNoContent)
	got := w.get(w.editor, of)
	w.want("at the screen", got, http.StatusOK, "The quay", `"tab":"w1"`)
	w.without("at the screen", got, "not-kept")
	w.without("another person", w.get(w.author, of), "The quay")
	if a := w.get(stoa.Actor{}, of); a.status != http.StatusSeeOther {
		t.Errorf("a guest: %d", a.status)
	}
	w.want("for another person", w.post(w.author, "/control/typed", typing...), http.StatusSeeOther)
	w.without("for another person", w.get(w.author, of), "The quay")

	w.want("refused", w.post(w.editor, screen, "_tab", "w1", title, "", "do", "save"), http.StatusUnprocessableEntity)
	w.want("after a refused save", w.get(w.editor, of), http.StatusOK, "The quay")
	a := w.post(w.editor, screen, "_tab", "w1", title, "The quay", "do", "save")
	if a.status != http.StatusSeeOther || !strings.Contains(a.location, "/control/pages/") {
		t.Fatalf("save: %d to %q\n%s", a.status, a.location, a.body)
	}
	w.without("saved", w.get(w.editor, of), "The quay")
	w.want("what comes late", w.post(w.editor, "/control/typed", typing...), http.StatusConflict)
	typing[3] = "w2"
	w.want("another window", w.post(w.editor, "/control/typed", typing...), http.StatusNoContent)
	w.want("discard", w.post(w.editor, "/control/typed", "_tab", "w2", "_do", "discard"), http.StatusNoContent)
	w.without("discarded", w.get(w.editor, of), "The quay")
}
