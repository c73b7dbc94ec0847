package admin

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
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/widget"
)

func (h *Handler) mountPageEditor(get, post register) {
	get("/control/pages/{id}/edit", somebody, h.pageEditor)
	post("/control/pages/{id}/edit", somebody, h.publishFromEditor)
	get("/control/pages/{id}/canvas", somebody, h.canvas)
	get("/control/pages/{id}/part", somebody, h.partSettings)
	post("/control/pages/{id}/draft", somebody, h.changeDraft)
}

// widgetPage gives the page of the address when it is one with a layout.
func (h *Handler) widgetPage(q *request) (page.Page, error) {
	p, err := h.openedPage(q)
	if err == nil && p.Type != page.TypeWidgets {
		err = stoa.Invalid("type", "this page shows no widgets, so it has no layout to edit; change its type in its settings first")
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

func layoutChoices() []layoutChoice {
	return []layoutChoice{{"One column", []int{12}}, {"Two columns", []int{6, 6}}, {"Two thirds, one third", []int{8, 4}},
		{"One third, two thirds", []int{4, 8}}, {"Three columns", []int{4, 4, 4}}, {"Four columns", []int{3, 3, 3, 3}}}
}

// pageEditorView is what the page editor is shown with.
type pageEditorView struct {
	Page      page.Page
	Name      string
	Pill      *pill
	Types     []widget.Type
	Kinds     string // names, titles and icons of the widgets, as JSON
	Choices   []layoutChoice
	Layout    string // as JSON
	Publishes bool
	Drafted   bool // there is something that can be discarded
	Note      string
	Lock      lockView
}

// pageEditor shows the page editor.
func (h *Handler) pageEditor(q *request) error {
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
	v := pageEditorView{Page: p, Name: p.In(q.site.Locale, q.site.Locale), Pill: pagePill(p.Published, p.HasDraft), Types: h.o.Catalogue.Types(),
		Choices: layoutChoices(), Layout: string(layout), Publishes: h.o.Access.Can(q.Context(), access.Publish, path),
		Drafted: p.HasDraft && p.Number > 0, Note: note(q.URL.Query().Get("done"))}
	if v.Lock, err = h.openLock(q, pageThing(q, p)); err != nil {
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
	return h.write(q, http.StatusOK, "pageeditor", v)
}

// write executes a part of the page editor's templates, in memory first.
func (h *Handler) write(q *request, status int, name string, data any) error {
	var b bytes.Buffer
	if err := h.templates["pageeditor"].ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	_, err := q.w.Write(b.Bytes())
	return err
}

// canvas shows the page with its draft: in the editor with marks on its parts, or as a preview.
func (h *Handler) canvas(q *request) error {
	p, err := h.openedPage(q)
	if err != nil {
		return err
	}
	in := render.Input{Instance: q.instance, Site: q.site, Page: &p, Locale: q.site.Locale, Actor: q.actor, Query: q.URL.Query(),
		Path: p.Path, Draft: true, Edit: !q.URL.Query().Has("preview"), NoIndex: true}
	_, here, err := h.o.SiteOf(q.Request)
	if err != nil {
		return err
	}
	in.Prefix = prefix(here, q.site)
	if l, err := stoa.ParseLocale(q.URL.Query().Get("locale")); err == nil && l != q.site.Locale && slices.Contains(q.site.Locales, l) {
		in.Locale, in.Prefix = l, in.Prefix+"/"+string(l)
	}
	out, err := h.o.Render.Page(q.Context(), in)
	if err != nil {
		return err
	}
	doc := out.HTML
	if in.Edit { // the frames around widgets and the places to drop them
		link := `<link rel="stylesheet" href="` + template.HTMLEscapeString(h.o.Assets.URL("pageeditor.css")) + "\">\n</head>"
		doc = bytes.Replace(doc, []byte("</head>"), []byte(link), 1)
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = q.w.Write(doc)
	return err
}

// prefix stands before the addresses of a site in pages of the site here.
func prefix(here, st site.Site) string {
	if here.ID == st.ID {
		return ""
	}
	return "/web/" + st.Slug
}

// partView is the form of one widget or section.
type partView struct {
	ID, Name, Icon, Text string
	Fields               []*field
	Hidden               bool
	Section              bool
}

// partSettings gives the form of a widget or a section, for the panel at the side.
func (h *Handler) partSettings(q *request) error {
	p, err := h.widgetPage(q)
	if err != nil {
		return err
	}
	id, layout := q.URL.Query().Get("id"), newest(p)
	for _, s := range layout.Sections {
		if s.ID == id {
			style := &field{Name: "style", Label: "Look", Kind: "select", Value: s.Style, Options: sectionStyles()}
			if !slices.ContainsFunc(style.Options, func(o option) bool { return o.Value == s.Style }) {
				style.Options = append(style.Options, option{Value: s.Style, Label: s.Style})
			}
			return h.write(q, http.StatusOK, "part", partView{ID: id, Name: "Section", Icon: "columns", Section: true, Fields: []*field{style}})
		}
	}
	w, ok := layout.Widget(id)
	if !ok {
		return stoa.NotFound("widget on this page with the id", id)
	}
	v := partView{ID: id, Name: w.Widget, Icon: "widget", Hidden: w.Hidden, Text: "This widget is not installed. It can be moved and removed."}
	if kind, ok := h.o.Catalogue.Get(w.Widget); ok {
		t := kind.Type()
		v.Name, v.Icon, v.Text = t.Title, t.Icon, t.Description
		if v.Fields, err = h.settingFields(q, t, w); err != nil {
			return err
		}
	}
	return h.write(q, http.StatusOK, "part", v)
}

// draftAnswer is what the page editor hears after a change.
type draftAnswer struct {
	DraftVersion int64        `json:"draftVersion"`
	Layout       *page.Layout `json:"layout,omitempty"`
	Selected     string       `json:"selected,omitempty"`
	Message      string       `json:"message,omitempty"` // what went wrong
	Field        string       `json:"field,omitempty"`   // the setting that it is about; "lock" when the window lost its lock
}

// changeDraft applies one change to the draft and answers with JSON, also when it could not.
func (h *Handler) changeDraft(q *request) error {
	answer, err := h.applyDraft(q)
	status := http.StatusOK
	if err != nil {
		var e *stoa.Error
		var big *http.MaxBytesError
		switch {
		case errors.As(err, &big):
			status, answer = http.StatusRequestEntityTooLarge, draftAnswer{Message: "This is larger than a page may be."}
		case errors.As(err, &e) && draftStatus(e.Kind) != 0:
			status, answer = draftStatus(e.Kind), draftAnswer{Message: sentence(e.Message), Field: e.Field}
		default:
			return err
		}
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.WriteHeader(status)
	_, err = q.w.Write(raw)
	return err
}

// draftStatus is the status of errors that the page editor tells the person; 0 for others.
func draftStatus(k stoa.Kind) int {
	switch k {
	case stoa.KindInvalid:
		return http.StatusUnprocessableEntity
	case stoa.KindNotFound:
		return http.StatusNotFound
	case stoa.KindForbidden:
		return http.StatusForbidden
	case stoa.KindConflict:
		return http.StatusConflict
	case stoa.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	}
	return 0
}

func (h *Handler) applyDraft(q *request) (draftAnswer, error) {
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
		return draftAnswer{}, stoa.Conflict("somebody else changed this page since you opened it; load it again")
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
func (h *Handler) holdPage(q *request, p page.Page, token string) error {
	v, err := h.holdLock(q, pageThing(q, p), token)
	if err == nil && v.Status != lock.Mine {
		return &stoa.Error{Kind: stoa.KindConflict, Field: "lock", Message: "this was not saved: " + v.lost()}
	}
	return err
}

// publishFromEditor publishes or discards the draft that the person saw.
func (h *Handler) publishFromEditor(q *request) error {
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
		return stoa.Conflict("somebody else changed the draft of this page since you opened it; go back and look at it first")
	}
	here := "/control/pages/" + p.ID.String() + "/edit"
	switch q.PostFormValue("do") {
	case "publish":
		if _, err := h.o.Pages.Publish(q.Context(), p.ID, version); err != nil {
			return err
		}
		return q.done(here, "published")
	case "discard":
		if _, err := h.o.Pages.DiscardDraft(q.Context(), p.ID, draft); err != nil {
			return err
		}
		return q.done(here, "discarded")
	}
	return stoa.NotFound("action", q.PostFormValue("do"))
}
