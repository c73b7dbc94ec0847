package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/search"
)

const (
	searchPath  = "/search"
	suggestPath = "/search/suggest"
	searchSize  = 10
	// So many guests search at the same time on a node, and as many people who are signed in; who gets no place in time is
	// asked to try again. Suggestions have places of their own, and are left out without one.
	searchPlaces = 8
	searchWait   = time.Second
	searchLimit  = 5 * time.Second // of one question
)

// forSearch reports whether an address may be one of the search, whose answers are in no page cache.
func forSearch(path string) bool {
	return strings.HasSuffix(path, searchPath) || strings.HasSuffix(path, suggestPath)
}

type searchView struct {
	Typed      string
	Action     string
	Asked      bool // there is a question
	Away       bool // the index cannot be reached now
	Items      []foundView
	Total      int
	More       bool
	Instead    string
	InsteadURL string
	Filters    []filterView
	Chosen     []link // each leads to the results without it
	Orders     []choiceView
	Sort       string // what a new question keeps
	Next       string
	First      string // address of the first page, when this is a later one
}

type foundView struct {
	Kind    string
	Title   index.Excerpt
	Text    index.Excerpt
	Link    string
	Shown   string // the address as people read it
	Changed time.Time
	Mark    any
}

type filterView struct {
	Title   string
	Choices []choiceView
}

type choiceView struct {
	Title, URL string
	N          int
	Current    bool
}

// asked is the question of a request.
type asked struct {
	typed, kind, tag, month, order, after string
}

func askedBy(r *http.Request) asked {
	q := r.URL.Query()
	return asked{stoa.CleanText(q.Get("q")), q.Get("kind"), q.Get("tag"), q.Get("month"), q.Get("sort"), q.Get("after")}
}

// url is the address of a question on the search page of the visit.
func (a asked) url(v *visit) string {
	q := url.Values{}
	for name, value := range map[string]string{"q": a.typed, "kind": a.kind, "tag": a.tag, "month": a.month,
		"sort": a.order, "after": a.after} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return v.Prefix + searchPath
	}
	return v.Prefix + searchPath + "?" + q.Encode()
}

func (a asked) question(v *visit) index.Question {
	ask := index.Question{Typed: a.typed, Site: v.Site.ID, Locale: v.Locale, Size: searchSize, After: a.after,
		Narrow: map[search.Facet][]string{}, Facets: []search.Facet{search.FacetKind, search.FacetTag, search.FacetMonth}}
	for f, value := range map[search.Facet]string{search.FacetKind: a.kind, search.FacetTag: a.tag,
		search.FacetMonth: a.month} {
		if value != "" {
			ask.Narrow[f] = []string{value}
		}
	}
	switch order := search.Order(a.order); order {
	case search.ByNewest, search.ByOldest:
		ask.Order = order
	}
	return ask
}

// place waits for one of the places of those who search.
func (h *Handler) place(ctx context.Context, ask index.Question) (done func(), err error) {
	places, wait := h.searching[0], searchWait
	switch {
	case ask.Titles:
		places, wait = h.searching[2], 0
	case stoa.ActorFrom(ctx).SignedIn():
		places = h.searching[1]
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-timer.C:
		return nil, stoa.TooMany("very many people search just now; try again in a moment")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answerTo asks the index, within limits.
func (h *Handler) answerTo(ctx context.Context, v *visit, ask index.Question) (index.Answer, error) {
	done, err := h.place(ctx, ask)
	if err != nil {
		return index.Answer{}, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	return h.opt.Search.Search(ctx, v.Instance.ID, ask)
}

// search shows the search page.
func (h *Handler) search(w http.ResponseWriter, r *http.Request) error {
	v, a := visitOf(r), askedBy(r)
	data := searchView{Typed: a.typed, Action: v.Prefix + searchPath}
	ask := a.question(v)
	data.Asked = strings.TrimSpace(a.typed) != "" || len(ask.Narrow) > 0
	if data.Asked {
		found, err := h.answerTo(r.Context(), v, ask)
		switch {
		case stoa.Is(err, stoa.KindInvalid) && a.after != "": // a page of results that are no more
			a.after = ""
			http.Redirect(w, r, a.url(v), http.StatusSeeOther)
			return nil
		case stoa.Is(err, stoa.KindUnavailable) || errors.Is(err, context.DeadlineExceeded):
			h.opt.Logger.WarnContext(r.Context(), "a search could not be answered", "error", err)
			data.Away = true
		case err != nil:
			return err
		default:
			h.fill(r.Context(), v, a, found, &data)
		}
	}
	status := http.StatusOK
	if data.Away {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "10")
	}
	return h.framed(w, r, status, "Search", "search.html", data)
}

// fill makes of an answer what the page shows.
func (h *Handler) fill(ctx context.Context, v *visit, a asked, found index.Answer, data *searchView) {
	data.Total, data.More = found.Total, found.More
	data.Items = h.foundAll(ctx, v, found.Hits)
	if found.Instead != "" {
		data.Instead = found.Instead
		data.InsteadURL = asked{typed: found.Instead}.url(v)
	}
	first := a
	first.after = ""
	if a.after != "" {
		data.First = first.url(v)
	}
	if found.Next != "" {
		next := a
		next.after = found.Next
		data.Next = next.url(v)
	}
	for _, o := range []struct{ order, word string }{
		{"", "search.relevant"}, {"newest", "search.newest"}, {"oldest", "search.oldest"},
	} {
		to := first
		to.order = o.order
		data.Orders = append(data.Orders, choiceView{Title: v.word(o.word), URL: to.url(v), Current: a.order == o.order})
	}
	for _, f := range []struct {
		facet search.Facet
		word  string
		value *string
		label func(string) string
	}{
		{search.FacetKind, "search.kind", &first.kind, func(k string) string { return h.kindName(v, k) }},
		{search.FacetTag, "search.tags", &first.tag, func(s string) string { return s }},
		{search.FacetMonth, "search.time", &first.month, func(m string) string { return month(v.Locale, m) }},
	} {
		chosen := *f.value
		filter := filterView{Title: v.word(f.word)}
		for _, c := range found.Facets[f.facet][:min(8, len(found.Facets[f.facet]))] {
			*f.value = c.Value
			filter.Choices = append(filter.Choices, choiceView{f.label(c.Value), first.url(v), c.N, c.Value == chosen})
		}
		if *f.value = ""; chosen != "" {
			data.Chosen = append(data.Chosen, link{f.label(chosen), first.url(v)})
		}
		if *f.value = chosen; len(filter.Choices) > 1 {
			data.Filters = append(data.Filters, filter)
		}
	}
	data.Sort = a.order
}

// foundAll is what is shown of hits. The home page has one address, which is not that of its place in the tree.
func (h *Handler) foundAll(ctx context.Context, v *visit, hits []index.Found) (out []foundView) {
	home, err := h.home(ctx, v)
	for _, f := range hits {
		if err == nil && f.Kind == "page" && f.ID == home.ID {
			f.Address = "/"
		}
		out = append(out, h.foundOf(v, f))
	}
	return out
}

func (h *Handler) foundOf(v *visit, f index.Found) foundView {
	out := foundView{Kind: h.kindName(v, f.Kind), Title: f.Title, Text: f.Text, Changed: f.Changed,
		Mark: lang.Mark(lang.Other(f.Locale, v.Locale)), Shown: f.Address}
	out.Link = v.Prefix + escapePath(f.Address)
	if f.Kind == "file" { // its address is the same in every language
		out.Link, out.Shown = f.Address, ""
	}
	if f.Title.String() == "" {
		out.Title = index.Excerpt{{Text: v.word("Untitled")}}
	}
	return out
}

func (h *Handler) kindName(v *visit, kind string) string {
	if h.opt.Trash != nil {
		if t, ok := h.opt.Trash.Type(kind); ok {
			return v.word(string(t.Name))
		}
	}
	return kind
}

// month is a month as people of the language write it.
func month(l stoa.Locale, value string) string {
	t, err := time.Parse("2006-01", value)
	if err != nil {
		return value
	}
	return lang.Month(l, t)
}

// suggest gives the titles that what is typed may be the beginning of, for the search box.
func (h *Handler) suggest(w http.ResponseWriter, r *http.Request) error {
	v, a := visitOf(r), askedBy(r)
	type suggestion struct {
		Title string `json:"title"`
		Kind  string `json:"kind"`
		URL   string `json:"url"`
	}
	list := []suggestion{}
	if strings.TrimSpace(a.typed) != "" {
		found, err := h.answerTo(r.Context(), v, index.Question{Typed: a.typed, Site: v.Site.ID, Locale: v.Locale,
			Prefix: true, Titles: true, Size: 8})
		if err != nil {
			return err
		}
		for _, one := range h.foundAll(r.Context(), v, found.Hits) {
			list = append(list, suggestion{one.Title.String(), one.Kind, one.Link})
		}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Robots-Tag", "noindex")
	_, _ = w.Write(data) // a visitor who went away does not want it
	return nil
}

// searches answers when the address is one of the search.
func (h *Handler) searches(w http.ResponseWriter, r *http.Request) (done bool, err error) {
	if h.opt.Search == nil {
		return false, nil
	}
	switch visitOf(r).Path {
	case searchPath:
		return true, h.search(w, r)
	case suggestPath:
		return true, h.suggest(w, r)
	}
	return false, nil
}
