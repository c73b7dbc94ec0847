package admin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/site"
)

// maxFound is how many things of one kind a search of the panel shows.
const maxFound = 8

// Finder looks for one kind of things for the search of the panel.
type Finder struct {
	Title stoa.Phrase // the key of what the things are called
	Icon  string
	All   string // address of the list that shows more, to which q= is added; empty: there is none
	// Look gives what the actor may open, FoundLimit at most. Fits tells whether each word of the search is part of
	// one of the texts.
	Look func(q *Request, query string, fits func(texts ...string) bool) ([]Found, error)
	// Link gives what a text can lead to, with the addresses that visitors of the site have, below prefix, and of which
	// the actor may know; FoundLimit at most. nil: nothing of the kind.
	Link func(q *Request, prefix, query string, fits func(texts ...string) bool) ([]Found, error)
}

// FoundLimit is how many things a Finder gives at most: one more than are shown.
const FoundLimit = maxFound + 1

// Found is a thing that was found. Note is what tells it from others of the same title.
type Found struct{ Title, Note, URL string }

// foundKind is the things of one kind that a search of the panel has found.
type foundKind struct {
	Title, Icon string
	Rows        []Found
	All         string // address of the list that shows more; empty: there are no more
}

// asked gives the words of a search, and what tells whether each of them is part of one of some texts.
func asked(query string) (words []string, fits func(texts ...string) bool) {
	words = strings.Fields(strings.ToLower(query))
	return words, func(texts ...string) bool {
		text := strings.ToLower(strings.Join(texts, " "))
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
}

// Limits of a search for something to link to.
const (
	maxLinks     = 24
	maxLinkSites = 10 // further sites that are looked at
)

// links looks for what a text can lead to: pages, articles and files of the site that is worked on, then of others of
// the instance. The services ask for the rights.
func (h *Panel) links(q *Request) error {
	type link struct {
		Title string `json:"title"`
		URL   string `json:"url"`
		Kind  string `json:"kind"`
		Note  string `json:"note,omitempty"`
	}
	query := Clip(strings.TrimSpace(q.URL.Query().Get("q")), 100)
	words, fits := asked(query)
	sites := []site.Site{q.Site}
	if all, err := h.o.Sites.Sites(q.Context(), q.Instance.ID); err == nil && len(words) > 0 {
		for _, st := range all {
			if st.ID != q.Site.ID && len(sites) <= maxLinkSites {
				sites = append(sites, st)
			}
		}
	}
	out := []link{}
	for i, st := range sites {
		of, prefix := *q, ""
		if of.Site = st; i > 0 {
			prefix = Prefix(q.Site, st)
		}
		for _, f := range h.finders() {
			if f.Link == nil || len(out) >= maxLinks {
				continue
			}
			rows, err := f.Link(&of, prefix, query, fits)
			if stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			for _, r := range rows[:min(len(rows), maxFound, maxLinks-len(out))] {
				l := link{Title: r.Title, URL: r.URL, Kind: q.Word(string(f.Title)), Note: r.Note}
				if i > 0 {
					l.Note = strings.TrimSpace(st.Name + " " + r.Note)
				}
				out = append(out, l)
			}
		}
	}
	return q.JSON(http.StatusOK, map[string]any{"items": out})
}

func (h *Panel) finders() (out []Finder) {
	for _, a := range h.areas {
		out = append(out, a.Find...)
	}
	return out
}

// find looks for a text in all that the actor can open in the panel.
func (h *Panel) find(q *Request) error {
	type view struct {
		Query string
		Found []foundKind
	}
	v := view{Query: Clip(strings.TrimSpace(q.URL.Query().Get("q")), 100)}
	words, fits := asked(v.Query)
	finders := []Finder{{Title: stoa.Phrase("panel.find.screens"), Icon: "rail", Look: h.findScreens}}
	for _, f := range append(finders, h.finders()...) {
		if len(words) == 0 {
			break
		}
		if f.Look == nil {
			continue
		}
		rows, err := f.Look(q, v.Query, fits)
		if err != nil {
			return err
		}
		k := foundKind{q.Word(string(f.Title)), f.Icon, rows, ""}
		if len(rows) > maxFound {
			k.Rows = rows[:maxFound]
			if f.All != "" {
				k.All = f.All + "?" + url.Values{"q": {v.Query}}.Encode()
			}
		}
		if len(k.Rows) > 0 {
			v.Found = append(v.Found, k)
		}
	}
	return h.Show(q, http.StatusOK, "find", Screen{Title: q.Word("panel.find"),
		Purpose: q.Word("panel.find-purpose", q.Site.Name), Query: v.Query, Body: v})
}

func (h *Panel) findScreens(q *Request, _ string, fits func(...string) bool) ([]Found, error) {
	var out []Found
	for _, g := range h.rail(q) {
		for _, l := range g.Links {
			if fits(l.Title, g.Title) {
				out = append(out, Found{l.Title, g.Title, l.URL})
			}
		}
	}
	return out, nil
}
