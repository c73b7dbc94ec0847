package admin_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
)

// A save that meets a newer version waits for a decision: the text is kept meanwhile, at the version it was typed at.
func TestAutosave_KeepsTheTextOfAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.content.Create(as(w.editor), w.site, content.Draft{
		Text: map[stoa.Locale]content.Text{w.site.Locale: {Title: "Tides", Body: "<p>High water</p>"}}})
	must(t, err)
	at := "/control/content/" + a.ID.String()
	lang := string(w.site.Locale)
	form := func(title, version, tab string) []string {
		return []string{"autosave", tab, "site", w.site.ID.String(), "version", version, "title", title, "summary", "",
			"body", "<p>" + title + "</p>", "slug", "tides", "kind", content.KindPost, "password", "not-kept", "do", "save"}
	}
	w.want("a save", w.post(w.editor, at+"?lang="+lang, form("Spring tides", "1", "one")...), http.StatusSeeOther)
	conflict := w.post(w.editor, at+"?lang="+lang, form("Neap tides", "1", "two")...)
	w.want("a later save", conflict, http.StatusConflict, "Neap tides", "kept for you on the server", `value="two"`)

	w.want("the screen, opened again", w.get(w.editor, at), http.StatusOK, "There is a draft that was not saved",
		"draft=two")
	w.without("another person", w.get(w.author, at), "There is a draft", "Neap tides")
	restored := w.get(w.editor, at+"?lang="+lang+"&draft=two")
	w.want("restored", restored, http.StatusOK, "Neap tides", `name="version" value="1"`)
	w.without("restored", restored, "not-kept")

	w.want("the decision", w.post(w.editor, at+"?lang="+lang, form("Neap tides", "2", "two")...), http.StatusSeeOther)
	w.without("saved", w.get(w.editor, at), "There is a draft")
}

func TestAutosave_IsOfferedRestoredComparedAndDiscarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.content.Create(as(w.editor), w.site, content.Draft{
		Text: map[stoa.Locale]content.Text{w.site.Locale: {Title: "Tides", Body: "<p>High water</p>"}}})
	must(t, err)
	at := "/control/content/" + a.ID.String()
	pairs := []string{"autosave", "window1", "article", a.ID.String(), "lang", string(w.site.Locale),
		"site", w.site.ID.String(), "version", "1", "title", "Tides tonight", "summary", "",
		"body", `<p onclick="x()">Low water</p><script>alert(1)</script>`,
		"slug", "tides", "kind", content.KindPost, "password", "not to be kept"}
	w.want("typing", w.post(w.editor, "/control/autosave", pairs...), http.StatusNoContent)
	w.want("a person without rights types", w.post(w.member, "/control/autosave", pairs...), http.StatusForbidden)

	screen := w.get(w.editor, at)
	w.want("the offer", screen, http.StatusOK, "There is a draft that was not saved", "draft=window1", "High water")
	w.without("the offer", screen, "Low water", `value="window1"><input`)
	w.without("another person", w.get(w.author, at), "There is a draft", "window1")
	w.without("another article", w.get(w.editor, "/control/content/new"), "There is a draft")

	compare := w.get(w.editor, "/control/autosave"+"?draft=window1")
	w.want("compare", compare, http.StatusOK, "Low water", "High water", "Tides tonight")
	w.without("compare", compare, "onclick=\"x", "alert(1)")
	w.want("another person compares", w.get(w.author, "/control/autosave"+"?draft=window1"), http.StatusNotFound)

	restored := w.get(w.editor, at+"?lang="+string(w.site.Locale)+"&draft=window1")
	w.want("restored", restored, http.StatusOK, "Tides tonight", "Low water",
		`name="autosave" value="window1"`, "data-autosave-restored")
	w.without("restored", restored, "alert(1)", "not to be kept", "There is a draft")
	w.without("another person restores", w.get(w.author, at+"?draft=window1"), "Low water")

	// Saving takes it away, discarding too.
	token := regexp.MustCompile(`name="lock" value="([^"]*)"`).FindStringSubmatch(w.get(w.editor, at).body)
	save := append([]string{"do", "save"}, pairs...)
	if token != nil {
		save = append(save, "lock", token[1])
	}
	w.want("save", w.post(w.editor, at, save...), http.StatusSeeOther)
	w.without("after the save", w.get(w.editor, at), "There is a draft that")
	w.want("a late request", w.post(w.editor, "/control/autosave", pairs...), http.StatusConflict)
	pairs[1] = "window2"
	w.want("what a browser kept", w.post(w.editor, "/control/autosave", append(pairs, "offer", "on")...),
		http.StatusOK, "draft=window2")
	w.want("another person discards", w.post(w.author, "/control/autosave", "do", "discard", "autosave", "window2"),
		http.StatusNotFound)
	w.want("discard", w.post(w.editor, "/control/autosave", "do", "discard", "autosave", "window2"), http.StatusSeeOther)
	w.without("after it was discarded", w.get(w.editor, at), "There is a draft that")
}

func TestAutosave_OfAnArticleThatIsNotMadeYetIsOfferedForTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pairs := []string{"autosave", "window1", "article", "0", "lang", string(w.site.Locale), "site", w.site.ID.String(),
		"title", "Not made yet", "body", "<p>Words</p>", "kind", content.KindPost}
	w.want("typing", w.post(w.editor, "/control/autosave", pairs...), http.StatusNoContent)
	w.want("the next", w.get(w.editor, "/control/content/new"), http.StatusOK,
		"There is a draft that was not saved", "Not made yet")
	w.want("restored", w.get(w.editor, "/control/content/new?draft=window1"), http.StatusOK, "Words", `value="window1"`)
	w.want("made", w.post(w.editor, "/control/content/new", append(pairs, "do", "save")...), http.StatusSeeOther)
	w.without("after it was made", w.get(w.editor, "/control/content/new"), "There is a draft that")
	list := w.get(w.editor, "/control/content")
	w.want("the list", list, http.StatusOK, "Not made yet")
}
