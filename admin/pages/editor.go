package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/widget"
)

func (h *screens) mountPageEditor(r *admin.Routes) {
	r.Get("/control/pages/{id}/edit", admin.SignedIn, h.pageEditor)
	r.Post("/control/pages/{id}/edit", admin.SignedIn, h.publishFromEditor)
	r.Get("/control/pages/{id}/canvas", admin.SignedIn, h.canvas)
	r.Get("/control/pages/{id}/part", admin.SignedIn, h.partSettings)
	r.Post("/control/pages/{id}/draft", admin.SignedIn, h.changeDraft)
}

// widgetPage gives the page of the address when it is one with a layout.
func (h *screens) widgetPage(q *admin.Request) (page.Page, error) {
	p, err := h.openedPage(q)
	if err == nil && p.Type != page.TypeWidgets {
		err = stoa.Invalid("type", "this page shows no widgets, so it has no layout to edit; "+
			"change its type in its settings first")
	}
	return p, err
}

// newest is what the page editor works on: the draft, or what visitors see.
func newest(p page.Page) page.Layout {
	if p.Draft != nil {
		return *p.Draft
	}
	return p.Layout
}

// layoutChoice is a division into columns that the palette offers.
type layoutChoice struct {
	Name   string
	Widths []int
}

// Parts gives the widths in thirds or halves for the little picture.
func (c layoutChoice) Parts() []string {
	out := make([]string, len(c.Widths))
	for i, w := range c.Widths {
		if smallest := slices.Min(c.Widths); w > smallest {
			out[i] = "w" + strconv.Itoa(w/smallest)
		}
	}
	return out
}

// List is how the widths stand in an attribute.
func (c layoutChoice) List() string {
	words := make([]string, len(c.Widths))
	for i, w := range c.Widths {
		words[i] = strconv.Itoa(w)
	}
	return strings.Join(words, ",")
}

func layoutChoices(q *admin.Request) []layoutChoice {
	return []layoutChoice{
		{q.Word("pages.columns.one"), []int{12}},
		{q.Word("pages.columns.two"), []int{6, 6}},
		{q.Word("pages.columns.two-one"), []int{8, 4}},
		{q.Word("pages.columns.one-two"), []int{4, 8}},
		{q.Word("pages.columns.three"), []int{4, 4, 4}},
		{q.Word("pages.columns.four"), []int{3, 3, 3, 3}},
	}
}

// pageEditorView is what the page editor is shown with.
type pageEditorView struct {
	Language  stoa.Locale // that the editor speaks
	Page      page.Page
	Name      string
	Pill      *admin.Pill
	Types     []widget.Type
	Kinds     string // names, titles and icons of the widgets, as JSON
	Choices   []layoutChoice
	Layout    string // as JSON
	Publishes bool
	Drafted   bool // there is something that can be discarded
	Note      string
	Lock      admin.LockView
	Open      []admin.Link // articles that are open by themselves, while the page is not
	Actor     stoa.Actor
}

// pageEditor shows the page editor.
func (h *screens) pageEditor(q *admin.Request) error {
	p, err := h.widgetPage(q)
	if err != nil {
		return err
	}
	path, err := h.o.Pages.Path(q.Context(), p)
	if err != nil {
		return err
	}
	layout, err := json.Marshal(newest(p))
	if err != nil {
		return fmt.Errorf("layout of page %d: %w", p.ID, err)
	}
	words := lang.From(q.Context())
	v := pageEditorView{
		Language:  words.Locale(),
		Page:      p,
		Name:      p.In(q.Site.Locale, q.Site.Locale),
		Pill:      pagePill(q, p.Published, p.HasDraft),
		Types:     h.types(words),
		Choices:   layoutChoices(q),
		Layout:    string(layout),
		Publishes: h.o.Access.Can(q.Context(), access.Publish, path),
		Drafted:   p.HasDraft && p.Number > 0,
		Note:      q.Note(),
		Actor:     q.Actor,
	}
	if v.Lock, err = h.OpenLock(q, pageThing(q, p)); err != nil {
		return err
	}
	if v.Open, err = h.openArticles(q.Context(), q.Site, p, path); err != nil {
		return err
	}
	kinds := map[string][2]string{}
	for _, t := range v.Types {
		kinds[t.Name] = [2]string{t.Title, t.Icon}
	}
	raw, err := json.Marshal(kinds)
	if err != nil {
		return err
	}
	v.Kinds = string(raw)
	return h.Part(q, http.StatusOK, "pageeditor", "pageeditor", v)
}

// canvas shows the page with its draft: in the editor with marks on its parts, or as a preview.
func (h *screens) canvas(q *admin.Request) error {
	p, err := h.openedPage(q)
	if err != nil {
		return err
	}
	in := render.Input{Instance: q.Instance, Site: q.Site, Page: &p, Locale: q.Site.Locale, Actor: q.Actor,
		Query: q.URL.Query(), Path: p.Path, Draft: true, Edit: !q.URL.Query().Has("preview"), NoIndex: true}
	in.Prefix = admin.Prefix(q.Here, q.Site)
	l, err := stoa.ParseLocale(q.URL.Query().Get("locale"))
	if err == nil && l != q.Site.Locale && slices.Contains(q.Site.Locales, l) {
		in.Locale, in.Prefix = l, in.Prefix+"/"+string(l)
	}
	if q.URL.Query().Has("version") {
		if err := h.showVersion(q, &in); err != nil {
			return err
		}
	}
	out, err := h.o.Render.Page(q.Context(), in)
	if err != nil {
		return err
	}
	doc := out.HTML
	if in.Edit { // the frames around widgets and the places to drop them
		sheet := template.HTMLEscapeString(h.o.Assets.URL("pageeditor.css"))
		link := `<link rel="stylesheet" href="` + sheet + "\">\n</head>"
		doc = bytes.Replace(doc, []byte("</head>"), []byte(link), 1)
	}
	q.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = q.W.Write(doc)
	return err
}

// partView is the form of one widget or section.
type partView struct {
	ID, Name, Icon, Text string
	Fields               []*admin.Field
	Hidden               bool
	Section              bool
}

// partSettings gives the form of a widget or a section, for the panel at the side.
func (h *screens) partSettings(q *admin.Request) error {
	p, err := h.widgetPage(q)
	if err != nil {
		return err
	}
	id, layout := q.URL.Query().Get("id"), newest(p)
	for _, s := range layout.Sections {
		if s.ID == id {
			style := &admin.Field{Name: "style", Label: q.Word("pages.style"), Kind: "select", Value: s.Style,
				Options: styleOptions(q)}
			if !slices.ContainsFunc(style.Options, func(o admin.Option) bool { return o.Value == s.Style }) {
				style.Options = append(style.Options, admin.Option{Value: s.Style, Label: s.Style})
			}
			return h.Part(q, http.StatusOK, "pageeditor", "part", partView{ID: id, Name: q.Word("pages.editor.section"),
				Icon: "columns", Section: true, Fields: []*admin.Field{style}})
		}
	}
	w, ok := layout.Widget(id)
	if !ok {
		return stoa.NotFound("widget on this page with the id", id)
	}
	v := partView{ID: id, Name: w.Widget, Icon: "widget", Hidden: w.Hidden, Text: q.Word("pages.editor.not-installed")}
	if kind, ok := h.o.Catalogue.Get(w.Widget); ok {
		t := translated(lang.From(q.Context()), kind.Type())
		v.Name, v.Icon, v.Text = t.Title, t.Icon, t.Description
		if v.Fields, err = h.settingFields(q, t, w); err != nil {
			return err
		}
	}
	return h.Part(q, http.StatusOK, "pageeditor", "part", v)
}

// draftAnswer is what the page editor hears after a change.
type draftAnswer struct {
	DraftVersion int64        `json:"draftVersion"`
	Layout       *page.Layout `json:"layout,omitempty"`
	Selected     string       `json:"selected,omitempty"`
	Message      string       `json:"message,omitempty"` // what went wrong
	// Field is the setting that it is about; "lock" when the window lost its lock.
	Field string `json:"field,omitempty"`
}

// changeDraft applies one change to the draft and answers with JSON, also when it could not.
func (h *screens) changeDraft(q *admin.Request) error {
	answer, err := h.applyDraft(q)
	status := http.StatusOK
	if err != nil {
		var e *stoa.Error
		var big *http.MaxBytesError
		switch {
		case errors.As(err, &big):
			status, answer = http.StatusRequestEntityTooLarge, draftAnswer{Message: q.Word("pages.editor.too-large")}
		case errors.As(err, &e) && draftStatus(e.Kind) != 0:
			h.o.Audit.Refused(q.Context(), err)
			status = draftStatus(e.Kind)
			answer = draftAnswer{Message: admin.Sentence(lang.From(q.Context()).Error(e)), Field: e.Field}
		default:
			return err
		}
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	q.W.Header().Set("Content-Type", "application/json")
	q.W.WriteHeader(status)
	_, err = q.W.Write(raw)
	return err
}

// draftStatus is the status of errors that the page editor tells the person; 0 for others.
func draftStatus(k stoa.Kind) int {
	switch k {
	case stoa.KindInvalid, stoa.KindNotFound, stoa.KindForbidden, stoa.KindConflict, stoa.KindTooLarge:
		return httpd.StatusOf(k)
	}
	return 0
}

func (h *screens) applyDraft(q *admin.Request) (draftAnswer, error) {
	p, err := h.widgetPage(q)
	if err != nil {
		return draftAnswer{}, err
	}
	if kind := q.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return draftAnswer{}, stoa.Invalid("", "changes of a page are sent as application/json, not %.60q", kind)
	}
	var op layoutOp
	if err := json.NewDecoder(q.Body).Decode(&op); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return draftAnswer{}, err
		}
		return draftAnswer{}, stoa.Invalid("", "the change could not be read: %v", err)
	}
	if err := h.holdPage(q, p, op.Lock); err != nil {
		return draftAnswer{}, err
	}
	if op.DraftVersion != p.DraftVersion {
		return draftAnswer{}, stoa.Conflict("another person has changed this page since you opened it; load it again")
	}
	e := &layoutEditor{layout: copyLayout(newest(p)), catalogue: h.o.Catalogue, known: func(name string) bool {
		on := false
		for _, l := range []page.Layout{p.Layout, newest(p)} {
			l.Each(func(w page.Placed) { on = on || w.Widget == name })
		}
		return on
	}}
	selected, err := e.apply(op)
	if err != nil {
		return draftAnswer{}, err
	}
	version, err := h.o.Pages.SaveDraft(q.Context(), p.ID, e.layout, op.DraftVersion)
	if err != nil {
		return draftAnswer{}, err
	}
	saved, err := h.o.Pages.Get(q.Context(), p.ID) // as it was put in order
	if err != nil {
		return draftAnswer{}, err
	}
	layout := newest(saved)
	return draftAnswer{DraftVersion: version, Layout: &layout, Selected: selected}, nil
}

// holdPage asks, before something of the page is saved, whether the window has its lock: a Conflict when
// it has not.
func (h *screens) holdPage(q *admin.Request, p page.Page, token string) error {
	v, err := h.HoldLock(q, pageThing(q, p), token)
	if err == nil && v.Status != lock.Mine {
		return v.NotSaved()
	}
	return err
}

// publishFromEditor publishes or discards the draft that the person saw.
func (h *screens) publishFromEditor(q *admin.Request) error {
	p, err := h.widgetPage(q)
	if err != nil {
		return err
	}
	version, verr := strconv.ParseInt(q.PostFormValue("version"), 10, 64)
	draft, derr := strconv.ParseInt(q.PostFormValue("draft"), 10, 64)
	if verr != nil || derr != nil {
		return httpd.Malformed("the form has no version of the page: load the page editor again")
	}
	if err := h.holdPage(q, p, q.PostFormValue("lock")); err != nil {
		return err
	}
	if draft != p.DraftVersion {
		return stoa.Conflict("another person has changed the draft of this page since you opened it; " +
			"go back and look at it first")
	}
	here := "/control/pages/" + p.ID.String() + "/edit"
	switch q.PostFormValue("do") {
	case "publish":
		if _, err := h.o.Pages.Publish(q.Context(), p.ID, version); err != nil {
			return err
		}
		return q.Done(here, "published")
	case "discard":
		if _, err := h.o.Pages.DiscardDraft(q.Context(), p.ID, draft); err != nil {
			return err
		}
		return q.Done(here, "discarded")
	}
	return stoa.NotFound("action", q.PostFormValue("do"))
}
