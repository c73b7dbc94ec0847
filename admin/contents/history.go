package contents

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
)

// articleVersions lists the versions of an article.
func (h *screens) articleVersions(q *admin.Request) error {
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
		admin.ListBody[content.Version]
	}
	return h.Show(q, http.StatusOK, "article_versions", admin.Screen{
		Title: q.Word("contents.versions"), Purpose: q.Word("contents.versions.purpose"),
		Back: &admin.Link{Title: a.In(q.Site.Locale).Title, URL: "/control/content/" + a.ID.String()},
		Body: view{a, list, admin.ListOf(q, list, q.Word("contents.versions.filter"),
			func(v content.Version) string { return v.ByName + " " + v.Comment })}})
}

// compareArticle shows what changed between two versions in one language.
func (h *screens) compareArticle(q *admin.Request) error {
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
	all := languages(q.Site, a)
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
	f := admin.Screen{Title: q.Word("contents.compare"),
		Purpose: q.Word("contents.compare.purpose", strconv.Itoa(to), strconv.Itoa(from)),
		Back:    &admin.Link{Title: q.Word("contents.versions"), URL: base + "/versions"}, Body: view{a, from, to, lang, c}}
	if len(all) > 1 {
		for _, l := range all {
			u := url.Values{"from": {strconv.Itoa(from)}, "to": {strconv.Itoa(to)}, "lang": {string(l)}}
			f.Tabs = append(f.Tabs, admin.Link{Title: string(l), URL: base + "/compare?" + u.Encode(), Current: l == lang})
		}
	}
	return h.Show(q, http.StatusOK, "article_compare", f)
}

// restoreArticle makes an older version the newest.
func (h *screens) restoreArticle(q *admin.Request) error {
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
	return q.Done("/control/content/"+a.ID.String(), "restored")
}

// side is one of the two texts of a conflict, ready to be read.
type side struct {
	Title, Summary string
	Body           template.HTML
}

// conflict shows what another person saved beside what this person wrote, and lets the person choose. Nothing is
// lost: the other text is a version, the person's own travels in the form.
func (h *screens) conflict(q *admin.Request, e editing) error {
	if err := h.openArticle(q, &e); err != nil {
		return err
	}
	theirs := e.Article.Text[e.Lang]
	mine := content.Text{Title: e.Form.Text("title"), Summary: e.Form.Text("summary"), Body: e.Form.Text("body")}
	e.Tab = tabOf(q)
	type view struct {
		editing
		Kept          bool // what is not saved is offered again to an editor who leaves the screen
		Theirs, Mine  side
		By            string
		Title, Body   []content.DiffPart
		SameText      bool
		LangParameter string
	}
	v := view{editing: e, Kept: h.keepText(q, e), LangParameter: "?lang=" + url.QueryEscape(string(e.Lang)),
		Theirs: side{theirs.Title, theirs.Summary, template.HTML(h.policy.Sanitize(theirs.Body))},
		Mine:   side{mine.Title, mine.Summary, template.HTML(h.policy.Sanitize(mine.Body))},
		Title:  content.Diff(theirs.Title, mine.Title),
		Body:   content.Diff(h.policy.Text(theirs.Body), h.policy.Text(mine.Body)),
	}
	v.SameText = theirs.Title == mine.Title && theirs.Summary == mine.Summary && theirs.Body == mine.Body
	if list, err := h.o.Content.Versions(q.Context(), e.Article.ID); err == nil && len(list) > 0 {
		v.By = list[0].ByName
	}
	return h.Show(q, http.StatusConflict, "article_conflict", admin.Screen{
		Title: q.Word("contents.conflict"), Purpose: q.Word("contents.conflict.purpose"),
		Back:  &admin.Link{Title: q.Word("contents.title"), URL: "/control/content"},
		Locks: e.Lock.URL != "", Body: v})
}
