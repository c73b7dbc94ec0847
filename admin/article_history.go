package admin

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
)

// articleVersions lists the versions of an article.
func (h *Handler) articleVersions(q *request) error {
	a, err := h.opened(q)
	if err != nil {
		return err
	}
	list, err := h.o.Content.Versions(q.Context(), a.ID)
	if err != nil {
		return err
	}
	type view struct {
		Article content.Article
		List    []content.Version // all, to compare
		listBody[content.Version]
	}
	return h.show(q, http.StatusOK, "article_versions", frame{Title: "Versions", Purpose: "Every save made one. Restoring an older one makes it the newest; nothing is lost.",
		Back: &link{Title: a.In(q.site.Locale).Title, URL: "/control/content/" + a.ID.String()}, Body: view{a, list, listOf(q, list, "Filter by person or comment", func(v content.Version) string { return v.ByName + " " + v.Comment })}})
}

// compareArticle shows what changed between two versions in one language.
func (h *Handler) compareArticle(q *request) error {
	a, err := h.opened(q)
	if err != nil {
		return err
	}
	in := q.URL.Query()
	to, err := strconv.Atoi(in.Get("to"))
	if err != nil {
		to = a.Number
	}
	from, err := strconv.Atoi(in.Get("from"))
	if err != nil {
		from = max(1, to-1)
	}
	lang := stoa.Locale(in.Get("lang"))
	all := languages(q.site, a)
	if !slices.Contains(all, lang) {
		lang = a.Default
	}
	c, err := h.o.Content.Compare(q.Context(), a.ID, from, to, lang)
	if err != nil {
		return err
	}
	type view struct {
		Article  content.Article
		From, To int
		Lang     stoa.Locale
		C        content.Comparison
	}
	base := "/control/content/" + a.ID.String()
	f := frame{Title: "Compare versions", Purpose: "What version " + strconv.Itoa(to) + " changed against version " + strconv.Itoa(from) + ".",
		Back: &link{Title: "Versions", URL: base + "/versions"}, Body: view{a, from, to, lang, c}}
	if len(all) > 1 {
		for _, l := range all {
			u := url.Values{"from": {strconv.Itoa(from)}, "to": {strconv.Itoa(to)}, "lang": {string(l)}}
			f.Tabs = append(f.Tabs, link{Title: string(l), URL: base + "/compare?" + u.Encode(), Current: l == lang})
		}
	}
	return h.show(q, http.StatusOK, "article_compare", f)
}

// restoreArticle makes an older version the newest.
func (h *Handler) restoreArticle(q *request) error {
	a, err := h.opened(q)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(q.PostFormValue("number"))
	if err != nil || n < 1 {
		return stoa.Invalid("number", "the number of a version is expected")
	}
	version, _ := strconv.ParseInt(q.PostFormValue("version"), 10, 64) // what is no number is stale
	if _, err := h.o.Content.Restore(q.Context(), a.ID, n, version); err != nil {
		return err
	}
	return q.done("/control/content/"+a.ID.String(), "restored")
}

// side is one of the two texts of a conflict, ready to be read.
type side struct {
	Title, Summary string
	Body           template.HTML
}

// conflict shows what somebody else saved beside what this person wrote, and lets the person choose. Nothing is
// lost: the other text is a version, the person's own travels in the form.
func (h *Handler) conflict(q *request, e editing) error {
	if err := h.openArticle(q, &e); err != nil {
		return err
	}
	theirs := e.Article.Text[e.Lang]
	mine := content.Text{Title: e.Form.text("title"), Summary: e.Form.text("summary"), Body: e.Form.text("body")}
	e.Tab = tabOf(q)
	type view struct {
		editing
		Theirs, Mine  side
		By            string
		Title, Body   []content.DiffPart
		SameText      bool
		LangParameter string
	}
	v := view{editing: e, LangParameter: "?lang=" + url.QueryEscape(string(e.Lang)),
		Theirs: side{theirs.Title, theirs.Summary, template.HTML(h.policy.Sanitize(theirs.Body))},
		Mine:   side{mine.Title, mine.Summary, template.HTML(h.policy.Sanitize(mine.Body))},
		Title:  content.Diff(theirs.Title, mine.Title),
		Body:   content.Diff(h.policy.Text(theirs.Body), h.policy.Text(mine.Body)),
	}
	v.SameText = theirs.Title == mine.Title && theirs.Summary == mine.Summary && theirs.Body == mine.Body
	if list, err := h.o.Content.Versions(q.Context(), e.Article.ID); err == nil && len(list) > 0 {
		v.By = list[0].ByName
	}
	return h.show(q, http.StatusConflict, "article_conflict", frame{Title: "Changed by somebody else", Back: &link{Title: "Web content", URL: "/control/content"}, Locks: e.Lock.URL != "",
		Purpose: "This article was changed while you were writing. Nothing is lost: choose how to go on.", Body: v})
}
