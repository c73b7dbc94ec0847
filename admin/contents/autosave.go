package contents

import (
	"crypto/rand"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
)

// autosavePath is where windows send what is typed in them.
const autosavePath = "/control/autosave"

// maxOffers is how many forms that were not saved a screen offers.
const maxOffers = 3

// typed is an offer to go on with what was typed in another window.
type typed struct {
	Tab, Title, Language string
	Saved                time.Time
	Restore, Compare     string // addresses
}

// tabOf is the name of the window that sent the form.
func tabOf(q *admin.Request) string { return admin.Clip(q.PostForm.Get("autosave"), 40) }

// autosaveScreen is the form of the article that was typed at.
func autosaveScreen(a content.Autosave) (path string, query url.Values) {
	if a.Article == 0 {
		return "/control/content/new", url.Values{"site": {a.Site.String()}}
	}
	return "/control/content/" + a.Article.String(), url.Values{"lang": {string(a.Locale)}}
}

func restoreURL(a content.Autosave) string {
	path, query := autosaveScreen(a)
	query.Set("draft", a.Tab)
	return path + "?" + query.Encode()
}

// typed gives the screen of an article the name of its window. It fills the form with what was typed in the window
// that the address names, or offers what was typed in others.
func (h *screens) typed(q *admin.Request, e *editing) error {
	e.Person = q.Actor.User
	if e.Tab == "" {
		e.Tab = tabOf(q)
	}
	if e.Tab == "" {
		e.Tab = rand.Text()
	}
	if q.Method != http.MethodGet || e.Lock.Reads() {
		return nil
	}
	if tab := q.URL.Query().Get("draft"); tab != "" {
		a, err := h.o.Content.Autosaved(q.Context(), admin.Clip(tab, 40))
		switch {
		case err == nil && a.Article == e.Article.ID && a.Site == q.Site.ID && (a.Article == 0 || a.Locale == e.Lang):
			e.restore(a)
			return nil
		case err != nil && !stoa.Is(err, stoa.KindNotFound): // what was saved or discarded meanwhile is not offered again
			return err
		}
	}
	var err error
	e.Typed, err = h.offers(q, e.Article.ID)
	return err
}

// restore fills the form with what was typed. Saving goes on from the version that was typed at, so that what was
// saved since is compared first.
func (e *editing) restore(a content.Autosave) {
	sent := url.Values(maps.Clone(a.Fields))
	for _, f := range e.Form.Fields {
		if f.Kind != "check" && f.Kind != "checks" && !sent.Has(f.Name) { // not asked for when it was typed
			sent.Set(f.Name, f.Value)
		}
	}
	e.Form.Take(sent)
	if a.Article != 0 {
		e.Form.Version = a.Version
	}
	e.Tab, e.Restored = a.Tab, true
}

func (h *screens) offers(q *admin.Request, article stoa.ID) ([]typed, error) {
	list, err := h.o.Content.Autosaves(q.Context(), q.Site, article)
	if err != nil {
		return nil, err
	}
	var out []typed
	for _, a := range list[:min(len(list), maxOffers)] {
		t := typed{Tab: a.Tab, Title: a.Title, Saved: a.Saved, Restore: restoreURL(a),
			Compare: autosavePath + "?" + url.Values{"draft": {a.Tab}}.Encode()}
		if len(q.Site.Locales) > 1 {
			t.Language = string(a.Locale)
		}
		out = append(out, t)
	}
	return out, nil
}

// sentText is what the form of an article holds, as it is kept. A password never is.
func sentText(in url.Values) content.Autosave {
	a := content.Autosave{Tab: in.Get("autosave"), Fields: map[string][]string{}}
	a.Version, _ = strconv.ParseInt(in.Get("version"), 10, 64) // what is no number is stale
	apart := []string{admin.PersonField, "password", "lock", "autosave", "version", "site", "do", "offer", "article",
		"lang"}
	for name, values := range in {
		if !slices.Contains(apart, name) {
			a.Fields[name] = values
		}
	}
	return a
}

// keepText keeps the text of a save that has to wait for a decision, under the version that it was typed at: an
// editor who leaves the screen that asks finds it offered. It reports whether it is kept.
func (h *screens) keepText(q *admin.Request, e editing) bool {
	a := sentText(q.PostForm)
	a.Article, a.Locale, a.Version = e.Article.ID, e.Lang, e.Form.Version
	if a.Tab == "" {
		return false
	}
	err := h.o.Content.Autosave(q.Context(), q.Site, a)
	if err != nil {
		h.Log.WarnContext(q.Context(), "a text that met a newer version is kept on the screen only",
			"article", e.Article.ID, "error", err)
	}
	return err == nil
}

// autosave keeps what a window has typed, or discards it. A window that sends what its browser has kept is answered
// with the offers of the article.
func (h *screens) autosave(q *admin.Request) error {
	in := q.PostForm
	if in.Get("do") == "discard" {
		a, err := h.o.Content.Autosaved(q.Context(), tabOf(q))
		if err != nil {
			return err
		}
		if err := h.o.Content.DropAutosave(q.Context(), a.Tab); err != nil {
			return err
		}
		path, query := autosaveScreen(a)
		return q.Done(path+"?"+query.Encode(), "discarded")
	}
	if err := h.At(q, in.Get("site")); err != nil {
		return err
	}
	a := sentText(in)
	a.Locale = stoa.Locale(in.Get("lang"))
	if s := in.Get("article"); s != "" && s != "0" {
		var err error
		if a.Article, err = stoa.ParseID(s); err != nil {
			return err
		}
	}
	if err := h.o.Content.Autosave(q.Context(), q.Site, a); err != nil {
		return err
	}
	if !in.Has("offer") {
		q.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	list, err := h.offers(q, a.Article)
	if err != nil {
		return err
	}
	return h.Part(q, http.StatusOK, "article", "autosave-offers", list)
}

// compareAutosave shows what was typed beside the article.
func (h *screens) compareAutosave(q *admin.Request) error {
	a, err := h.o.Content.Autosaved(q.Context(), admin.Clip(q.URL.Query().Get("draft"), 40))
	if err != nil {
		return err
	}
	if err := h.At(q, a.Site.String()); err != nil {
		return err
	}
	var now content.Text
	if a.Article != 0 {
		article, err := h.o.Content.Get(q.Context(), a.Article)
		if err != nil {
			return err
		}
		now = article.Text[a.Locale]
	}
	in := url.Values(a.Fields)
	type view struct {
		Typed       typed
		Lang        stoa.Locale
		New         bool
		Now, Mine   side
		Title, Body []content.DiffPart
	}
	path, query := autosaveScreen(a)
	v := view{Typed: typed{Tab: a.Tab, Title: a.Title, Saved: a.Saved, Restore: restoreURL(a)},
		Lang: a.Locale, New: a.Article == 0,
		Now:   side{now.Title, now.Summary, template.HTML(h.policy.Sanitize(now.Body))},
		Mine:  side{in.Get("title"), in.Get("summary"), template.HTML(h.policy.Sanitize(in.Get("body")))},
		Title: content.Diff(now.Title, in.Get("title")),
		Body:  content.Diff(h.policy.Text(now.Body), h.policy.Text(in.Get("body"))),
	}
	return h.Show(q, http.StatusOK, "autosave", admin.Screen{Title: q.Word("autosave.compare-title"),
		Purpose: q.Word("autosave.compare-purpose"),
		Back:    &admin.Link{Title: q.Word("autosave.article"), URL: path + "?" + query.Encode()}, Body: v})
}
