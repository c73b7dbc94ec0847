package admin

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/taxonomy"
)

// Sift says what a list of one kind of content can be filtered by.
type Sift struct {
	Assets *asset.Service
	Kind   string
	Need   access.Action // what the actor must be allowed to do with what is listed; 0: access.Edit
	Label  string        // of the search field, such as "Filter by title"
	States []Choice      // empty: not by state
	Forms  []Choice      // empty: not by form
	Terms  *taxonomy.Service
	People bool    // by who made it
	Parent stoa.ID // the page or folder that it is in
	// Otherwise reports that the area shows something else for a search, such as a tree where nothing is filtered;
	// then nothing is read. nil: it never does.
	Otherwise func(query string) bool
	// All gives what the area shows then, on all its pages, for Ticked. It is wanted beside Otherwise where things can
	// be ticked.
	All func(query string) ([]stoa.ID, error)
}

// Choice is a value of a filter in the address, in words, and what it chooses. The first one chooses everything.
type Choice struct {
	Value, Label string
	Status       []asset.Status
	Form         string
}

// Select is a filter that offers some values.
type Select struct {
	Name, Label string
	Options     []Option
}

// Entries is a page of a list of content that can grow without limit, with the filter above it and the ways to the
// neighbouring pages below it.
type Entries struct {
	Items               []asset.Entry
	Query, Label        string
	Selects, More       []Select // those that are always there, and those that come with more filters
	Terms               bool
	Category, Tag       string
	CategoryURL, TagURL string
	Since, Until        string // days as the browser writes them
	Total               int
	Beyond              bool   // there are more than Total
	First, Back, Next   string // addresses; empty at the ends
	Here                string // address of the whole list
	Filtered            bool
	Open                bool   // one of more filters is used
	Unsorted            bool   // titles have no order yet, so that the list is by time
	Otherwise           bool   // nothing was read: see Sift.Otherwise
	asked               string // the filter as the address has it, without the place in the list
}

// At gives an address with the filter of the list, where something is done with all that it has.
func (e Entries) At(path string) string {
	if e.asked == "" {
		return path
	}
	return path + "?" + e.asked
}

// values of the order in the address, as they are offered.
var sorts = [...]string{asset.ByModified: "", asset.ByCreated: "made", asset.ByTitle: "title"}

// Matching gives the filter of the list that the address asks for; ok is false when nothing can fit.
func (h *Panel) Matching(q *Request, s Sift) (f asset.Filter, ok bool, err error) {
	_, f, none, err := h.asked(q, s)
	return f, !none, err
}

// Ticked gives the things that were ticked in a list, or all of the list that the form was sent from.
func (h *Panel) Ticked(q *Request, s Sift) (ids []stoa.ID, err error) {
	if q.PostForm.Get("all") == "on" {
		e, f, none, err := h.asked(q, s) // the address of the form has the filter of the list
		switch {
		case err != nil || none:
			return nil, err
		case s.otherwise(q, e, f):
			return s.All(e.Query)
		}
		all, err := s.Assets.Matching(q.Context(), q.Site, f)
		for _, t := range all {
			ids = append(ids, t.ID)
		}
		return ids, err
	}
	for _, s := range q.PostForm["id"] {
		id, err := stoa.ParseID(s)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// asked reads the filter of a list from the address; none says that nothing fits.
func (h *Panel) asked(q *Request, s Sift) (e Entries, f asset.Filter, none bool, err error) {
	in := q.URL.Query()
	e = Entries{Query: Clip(strings.TrimSpace(in.Get("q")), 200), Label: s.Label, Here: q.URL.Path}
	f = asset.Filter{Kinds: []string{s.Kind}, Need: s.Need, Words: e.Query, Parent: s.Parent, Limit: ListPage,
		After: in.Get("after"), Before: in.Get("before")}
	choose := func(name, label string, choices []Choice) Choice {
		if len(choices) == 0 {
			return Choice{}
		}
		value, chosen := Clip(in.Get(name), 40), -1
		sel := Select{Name: name, Label: label}
		for i, c := range choices {
			if c.Value == value {
				chosen = i
			}
			sel.Options = append(sel.Options, Option{Value: c.Value, Label: c.Label, On: c.Value == value})
		}
		e.Selects = append(e.Selects, sel)
		e.Filtered = e.Filtered || value != ""
		if chosen < 0 {
			none = true
			return Choice{}
		}
		return choices[chosen]
	}
	f.Status = choose("status", q.Word("panel.list.state"), s.States).Status
	f.Form = choose("kind", q.Word("panel.list.kind"), s.Forms).Form
	order := Select{Name: "sort", Label: q.Word("panel.list.sort"), Options: []Option{
		{Label: q.Word("panel.list.sort.changed")},
		{Value: sorts[asset.ByCreated], Label: q.Word("panel.list.sort.made")},
		{Value: sorts[asset.ByTitle], Label: q.Word("panel.list.sort.title")},
	}}
	for i, value := range sorts {
		if order.Options[i].On = in.Get("sort") == value; order.Options[i].On {
			f.Sort = asset.Sort(i)
		}
	}
	e.Selects = append(e.Selects, order)
	err = h.further(q, s, &e, &f, &none)
	return e, f, none, err
}

// otherwise reports that the area shows something else than a list of entries, as nothing but words is asked for.
func (s Sift) otherwise(q *Request, e Entries, f asset.Filter) bool {
	sifted := e.Filtered || e.Open || q.URL.Query().Get("sort") != "" || f.After != "" || f.Before != ""
	return !sifted && s.Otherwise != nil && s.Otherwise(e.Query)
}

// Entries reads what the address asks for of a list.
func (h *Panel) Entries(q *Request, s Sift) (Entries, error) {
	in := q.URL.Query()
	e, f, none, err := h.asked(q, s)
	if err != nil {
		return e, err
	}
	kept := url.Values{}
	for key, list := range in {
		switch key {
		case "after", "before", "page", "done", "undo":
		default:
			kept[key] = list
		}
	}
	e.asked = kept.Encode()
	e.Otherwise = s.otherwise(q, e, f)
	e.Filtered = e.Filtered || e.Query != "" || e.Open
	if e.Otherwise || none {
		return e, nil
	}
	l, err := h.readEntries(q, s, &e, f)
	if errors.Is(err, asset.ErrUnsorted) {
		e.Unsorted = true
		f.Sort, f.After, f.Before = asset.ByModified, "", ""
		l, err = h.readEntries(q, s, &e, f)
	}
	if err != nil {
		return e, err
	}
	e.Items = l.Items
	to := func(name, place string) string {
		v := maps.Clone(kept)
		if place != "" {
			v.Set(name, place)
		}
		if len(v) == 0 {
			return q.URL.Path
		}
		return q.URL.Path + "?" + v.Encode()
	}
	if l.Next != "" {
		e.Next = to("after", l.Next)
	}
	if l.Prev != "" {
		e.Back = to("before", l.Prev)
	}
	if l.Prev != "" || f.After != "" && len(l.Items) == 0 {
		e.First = to("", "")
	}
	return e, nil
}

func (h *Panel) readEntries(q *Request, s Sift, e *Entries, f asset.Filter) (asset.List, error) {
	return Shown(h, q, func(ctx context.Context) (l asset.List, err error) {
		if l, err = s.Assets.List(ctx, q.Site, f); err != nil {
			return l, err
		}
		if e.Total, e.Beyond = len(l.Items), false; f.After != "" || f.Before != "" || l.Next != "" {
			e.Total, e.Beyond, err = s.Assets.Count(ctx, q.Site, f)
		}
		return l, err
	})
}

// further reads the filters that stand behind "More filters".
func (h *Panel) further(q *Request, s Sift, e *Entries, f *asset.Filter, none *bool) error {
	in := q.URL.Query()
	if s.People {
		who := Clip(in.Get("by"), 30)
		people := Select{Name: "by", Label: q.Word("panel.list.by"), Options: []Option{
			{Label: q.Word("panel.list.by.anyone"), On: who == ""},
			{Value: q.Actor.User.String(), Label: q.Word("panel.list.by.me"), On: who == q.Actor.User.String()},
		}}
		if who != "" {
			id, err := stoa.ParseID(who)
			if f.Owner = id; err != nil {
				*none = true
			}
			if id != q.Actor.User {
				people.Options = append(people.Options, Option{Value: who, Label: "#" + who, On: true})
			}
			e.Open = true
		}
		e.More = append(e.More, people)
	}
	if len(q.Site.Locales) > 1 {
		lacks := Select{Name: "lacks", Label: q.Word("panel.list.language"),
			Options: []Option{{Label: q.Word("panel.list.language.any")}}}
		for _, l := range q.Site.Locales {
			o := Option{Value: string(l), Label: q.Word("panel.list.language.lacks", lang.NameOf(l)),
				On: in.Get("lacks") == string(l)}
			if o.On {
				f.Missing, e.Open = l, true
			}
			lacks.Options = append(lacks.Options, o)
		}
		e.More = append(e.More, lacks)
	}
	z := q.Zone()
	if day, err := time.ParseInLocation(time.DateOnly, in.Get("since"), z); err == nil {
		e.Since, f.Since, e.Open = in.Get("since"), day, true
	}
	if day, err := time.ParseInLocation(time.DateOnly, in.Get("until"), z); err == nil {
		e.Until, f.Until, e.Open = in.Get("until"), day.AddDate(0, 0, 1), true
	}
	if s.Terms == nil {
		return nil
	}
	e.Terms = true
	e.CategoryURL, e.TagURL = ChooseURL(q.Site.ID, "category-address"), ChooseURL(q.Site.ID, "tag")
	e.Category, e.Tag = Clip(strings.TrimSpace(in.Get("category")), 190), Clip(strings.TrimSpace(in.Get("tag")), 190)
	e.Open = e.Open || e.Category != "" || e.Tag != ""
	if e.Category != "" {
		c, err := s.Terms.CategoryChosen(q.Context(), q.Site.ID, e.Category)
		if *none = *none || stoa.Is(err, stoa.KindNotFound); err != nil && !stoa.Is(err, stoa.KindNotFound) {
			return err
		}
		f.Category = c.ID
	}
	if e.Tag != "" {
		t, err := s.Terms.TagBySlug(q.Context(), q.Site.ID, taxonomy.Slug(strings.Trim(e.Tag, `"`)))
		if *none = *none || stoa.Is(err, stoa.KindNotFound); err != nil && !stoa.Is(err, stoa.KindNotFound) {
			return err
		}
		f.Tag = t.ID
	}
	return nil
}

// IDs gives the ids of what is on the page, in its order.
func (e Entries) IDs() []stoa.ID {
	out := make([]stoa.ID, len(e.Items))
	for i, one := range e.Items {
		out[i] = one.ID
	}
	return out
}

// Named gives the name of the person whose things the list has, once it is known from one of them.
func (e *Entries) Named(person stoa.ID, name string) {
	for i := range e.More {
		for j := range e.More[i].Options {
			if o := &e.More[i].Options[j]; e.More[i].Name == "by" && o.Label == "#"+person.String() && name != "" {
				o.Label = name
			}
		}
	}
}

// Editing tells who edits a thing of a list at this moment.
type Editing struct {
	Name string
	Own  bool // the person who looks at the list
}

// Editors gives who edits which of the things of a kind now. That it cannot be found out keeps no list from being
// shown.
func (h *Panel) Editors(q *Request, kind string, ids []stoa.ID) map[stoa.ID]*Editing {
	if h.o.Locks == nil {
		return nil
	}
	held, err := h.o.Locks.Held(q.Context(), kind, ids)
	if err != nil {
		h.Log.WarnContext(q.Context(), "a list cannot tell who edits what", "kind", kind, "error", err)
		return nil
	}
	out := make(map[stoa.ID]*Editing, len(held))
	for id, l := range held {
		out[id] = &Editing{l.OwnerName, l.Owner == q.Actor.User}
	}
	return out
}

// UsesLink leads to the screen that tells what refers to a thing.
func UsesLink(q *Request, kind string, id stoa.ID) Link {
	return Link{Title: q.Word("panel.list.uses"), URL: "/control/uses/" + kind + "/" + id.String(), Icon: "link"}
}
