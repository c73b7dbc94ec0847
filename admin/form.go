package admin

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
)

// Field is an input of a form: what it asks, what is in it and what is wrong with that.
type Field struct {
	Name, Label, Help string
	// Kind is one of text, title, mono, email, password, datetime, number, textarea, editor, image, pick, gallery,
	// select, check, checks, color.
	Kind      string
	Value     string
	Values    []string // checks: what is chosen
	Options   []Option
	Rows      int
	Optional  bool
	Prefix    string // shown in front of the input
	SlugFrom  string // the input that an address is proposed from
	Error     string
	fault     *stoa.Error // what Error says, for other languages
	Off       bool        // cannot be changed
	Autofill  string      // autocomplete attribute
	UploadURL string      // editor and image: where pictures are sent; empty: none can be added
	ImagesURL string      // editor and image: where pictures are listed
	Preview   string      // image: address of a small version of what is chosen
	// Pick says what picker.js lets choose: for an image "address" makes the value its address instead of its key; for a
	// pick it is "video", whose value is an address, or "article", whose value is an id.
	Pick       string
	Shown      string // pick: the name of what is chosen
	ChooseURL  string // text, pick: where what is typed is looked for
	ChooseMany bool   // text: several, separated by commas
	Was        string // what a grant or a list of roles was when it was shown; sent along
}

// Option is one of those that a field offers.
type Option struct {
	Value, Label, Help string
	Depth              int
	On                 bool
	Group              string // select: the heading that it stands under; those of a heading stand together
}

// ID is the id of the input in the page.
func (f *Field) ID() string { return "f-" + f.Name }

// Describe lists the ids of the lines that belong to the input.
func (f *Field) Describe() string {
	var ids []string
	if f.Error != "" {
		ids = append(ids, f.ID()+"-error")
	}
	if f.Help != "" {
		ids = append(ids, f.ID()+"-help")
	}
	return strings.Join(ids, " ")
}

// Attrs are the attributes that all inputs have.
func (f *Field) Attrs() template.HTMLAttr {
	var b strings.Builder
	set := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + `="` + template.HTMLEscapeString(value) + `"`)
		}
	}
	set("id", f.ID())
	set("name", f.Name)
	set("aria-describedby", f.Describe())
	if f.Error != "" {
		set("aria-invalid", "true")
	}
	if f.Off {
		b.WriteString(" disabled")
	}
	set("autocomplete", f.Autofill)
	if f.SlugFrom != "" {
		set("data-slug-from", "#"+f.SlugFrom)
	}
	if f.Kind != "pick" {
		set("data-choose", f.ChooseURL)
	}
	if f.ChooseMany {
		b.WriteString(" data-choose-many")
	}
	return template.HTMLAttr(strings.TrimSpace(b.String()))
}

// Chosen gives the options with those marked that are chosen.
func (f *Field) Chosen() []Option {
	out := slices.Clone(f.Options)
	for i := range out {
		out[i].On = out[i].Value == f.Value
		if f.Kind == "checks" {
			out[i].On = slices.Contains(f.Values, out[i].Value)
		}
	}
	return out
}

// Groups gives the options of a select by their headings, with those marked that are chosen.
func (f *Field) Groups() (out [][]Option) {
	for _, o := range f.Chosen() {
		if len(out) == 0 || out[len(out)-1][0].Group != o.Group {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], o)
	}
	return out
}

// Picture gives a field that holds the key of a picture of the site, which the person chooses by sight.
func (h *Panel) Picture(q *Request, f Field) *Field {
	if h.o.Picture == nil {
		f.Kind = "mono"
		return &f
	}
	f.Kind = "image"
	f.UploadURL, f.ImagesURL = PictureURLs(q.Site.ID)
	h.preview(q, &f)
	return &f
}

// Pictures reports whether pictures can be chosen by sight.
func (h *Panel) Pictures() bool { return h.o.Picture != nil }

// PictureURLs are where fields of the site send pictures, and where they find those that there are.
func PictureURLs(site stoa.ID) (upload, images string) {
	return "/control/files/upload?site=" + site.String(), "/control/files/images?site=" + site.String()
}

// preview looks for the picture that a field holds; an address stands for itself.
func (h *Panel) preview(q *Request, f *Field) {
	if f.Preview = f.Value; h.o.Picture != nil && f.Value != "" && !strings.Contains(f.Value, "/") {
		f.Preview, _ = h.o.Picture(q.Context(), q.Site, f.Value, 320)
	}
}

// Previews is preview for all fields of a form that was sent.
func (h *Panel) Previews(q *Request, f *Form) {
	for _, x := range f.Fields {
		if x.Kind == "image" {
			h.preview(q, x)
		}
	}
}

// Form is a list of fields that keeps what a person typed, and says what is wrong with it.
type Form struct {
	Fields  []*Field
	Version int64  // of the thing when it was read
	General string // an error that belongs to no field
	fault   *stoa.Error
	status  int
}

// Field gives a field by its name; a form without it is a mistake of the program.
func (f *Form) Field(name string) *Field {
	for _, x := range f.Fields {
		if x.Name == name {
			return x
		}
	}
	panic("admin: the form has no field " + name)
}

// Wrong lists the fields with errors.
func (f *Form) Wrong() []*Field {
	var out []*Field
	for _, x := range f.Fields {
		if x.Error != "" {
			out = append(out, x)
		}
	}
	return out
}

// Read takes over what was sent. Text that is not UTF-8 is mended, since browsers send none.
func (f *Form) Read(q *Request) {
	f.Take(q.PostForm)
	f.Version, _ = strconv.ParseInt(q.PostForm.Get("version"), 10, 64) // a version that is no number is stale
}

// Take takes over values as Read does, of a form that was sent before.
func (f *Form) Take(sent url.Values) {
	for _, x := range f.Fields {
		if x.Off { // what cannot be changed is not sent, and stays
			continue
		}
		switch x.Kind {
		case "checks":
			x.Values = nil
			for _, v := range sent[x.Name] {
				if slices.ContainsFunc(x.Options, func(o Option) bool { return o.Value == v }) {
					x.Values = append(x.Values, v)
				}
			}
		case "check":
			x.Value = ""
			if sent.Get(x.Name) != "" {
				x.Value = "on"
			}
		case "hidden": // a form that was opened before there was such a field has none
			if sent.Has(x.Name) {
				x.Value = strings.ToValidUTF8(sent.Get(x.Name), "�")
			}
		default:
			v := strings.ReplaceAll(sent.Get(x.Name), "\r\n", "\n")
			if !utf8.ValidString(v) {
				v = strings.ToValidUTF8(v, "�")
			}
			if x.Kind != "textarea" && x.Kind != "editor" && x.Kind != "password" {
				v = strings.TrimSpace(v)
			}
			x.Value = v
		}
	}
}

// Fail puts an error beside the field that it is about, and reports whether the person can mend it in
// this form. Names that start with a field's name, such as "title.de", belong to that field.
func (f *Form) Fail(err error) bool {
	var e *stoa.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case stoa.KindInvalid, stoa.KindConflict, stoa.KindTooLarge, stoa.KindTooMany:
		f.status = httpd.StatusOf(e.Kind)
	default:
		return false
	}
	for _, x := range f.Fields {
		rest, ok := strings.CutPrefix(e.Field, x.Name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') || e.Field != "" && strings.HasPrefix(x.Name, e.Field+".") {
			x.fail(e)
			return true
		}
	}
	f.fail(e)
	return true
}

func (f *Form) fail(e *stoa.Error)  { f.General, f.fault = Sentence(e.Message), e }
func (f *Field) fail(e *stoa.Error) { f.Error, f.fault = Sentence(e.Message), e }

// Fault is what General says.
func (f *Form) Fault() *stoa.Error { return fault(f.General, f.fault) }

// Fault is what Error says.
func (f *Field) Fault() *stoa.Error { return fault(f.Error, f.fault) }

// fault gives the error that was put into words as text; a text that was written since stands for itself.
func fault(text string, e *stoa.Error) *stoa.Error {
	if e != nil && text == Sentence(e.Message) {
		return e
	}
	return &stoa.Error{Message: text}
}

// said is a sentence of the catalogue for a place that speaks no language yet.
func said(key string, args ...any) *stoa.Error {
	return &stoa.Error{Message: lang.Word(key, args...), Sentence: key, Args: args}
}

// Status is what the screen answers with: 200 unless something is wrong.
func (f *Form) Status() int {
	if f.status == 0 {
		return http.StatusOK
	}
	return f.status
}

// Conflict makes the answer to the form one that says that it was not saved.
func (f *Form) Conflict() { f.status = http.StatusConflict }

// Text, On and List give what is in a field: its text, whether it is ticked, and what is chosen of several.
func (f *Form) Text(name string) string   { return f.Field(name).Value }
func (f *Form) On(name string) bool       { return f.Field(name).Value != "" }
func (f *Form) List(name string) []string { return f.Field(name).Values }

// IDs reads the chosen values of a field as ids.
func (f *Form) IDs(name string) []stoa.ID {
	var out []stoa.ID
	for _, v := range f.Field(name).Values {
		if id, err := stoa.ParseID(v); err == nil {
			out = append(out, id)
		}
	}
	return out
}

// Keep makes fields ones that can only be read: all but those named.
func (f *Form) Keep(but ...string) {
	for _, x := range f.Fields {
		x.Off = x.Off || !slices.Contains(but, x.Name)
	}
}

// Lock makes the form one that can only be read.
func (f *Form) Lock() {
	for _, x := range f.Fields {
		x.Off = true
	}
}

// Keeping adds an option for what is chosen now, where it is none of those that the person is offered: without it the
// browser would send the first one.
func Keeping(offered []Option, now stoa.ID, label string) []Option {
	value := now.String()
	if slices.ContainsFunc(offered, func(o Option) bool { return o.Value == value }) {
		return offered
	}
	return append(offered, Option{Value: value, Label: label})
}

// Checked is the value of a field of kind check.
func Checked(on bool) string {
	if on {
		return "on"
	}
	return ""
}

// IDStrings is how ids stand in fields.
func IDStrings(ids []stoa.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

// Said is the sentence in an error that may be shown, in the language of the person; empty when there is none.
func (q *Request) Said(err error) string {
	var e *stoa.Error
	if errors.As(err, &e) {
		return lang.Sentence(lang.From(q.Context()).Error(e))
	}
	return ""
}

// Message is the sentence in an error that may be shown, in English; empty when there is none.
func Message(err error) string {
	var e *stoa.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}

// Stale says beside each field what another person saved since the form was opened. The input stays, and the
// form goes on from the newest version: sending it again is a decision.
func (f *Form) Stale(newest *Form) {
	f.status, f.Version = http.StatusConflict, newest.Version
	f.fail(said("panel.stale"))
	for _, x := range f.Fields {
		i := slices.IndexFunc(newest.Fields, func(n *Field) bool { return n.Name == x.Name })
		if i < 0 || x.Kind == "password" || x.Kind == "hidden" {
			continue
		}
		if n := newest.Fields[i]; n.Value != x.Value || !slices.Equal(n.Values, x.Values) {
			x.fail(said("panel.stale-field", n.shown()))
		}
	}
}

// shown is what is in a field, as an argument of a sentence.
func (f *Field) shown() any {
	var words []string
	for _, o := range f.Chosen() {
		if o.On {
			words = append(words, o.Label)
		}
	}
	switch {
	case len(words) > 0:
		return strings.Join(words, ", ")
	case f.Kind == "check" && f.Value != "":
		return stoa.Phrase("autosave.yes")
	case f.Kind == "check":
		return stoa.Phrase("autosave.no")
	case f.Value == "":
		return stoa.Phrase("panel.nothing")
	}
	return said("panel.quoted", Clip(f.Value, 300))
}

// InField says which field an error is about; what is no error stays none, and what has no words for
// people stays as it is.
func InField(name string, err error) error {
	if err == nil || stoa.KindOf(err) == stoa.KindInternal {
		return err
	}
	return stoa.AtField(name, err)
}

// Has reports whether the form asks for name.
func (f *Form) Has(name string) bool {
	return slices.ContainsFunc(f.Fields, func(x *Field) bool { return x.Name == name })
}

// ChooseURL is where a field looks for what can be chosen: a category, category-address, tag or article of the site.
func ChooseURL(st stoa.ID, kind string) string {
	return "/control/choose?kind=" + kind + "&site=" + st.String()
}

// Clip shortens what was sent to n bytes at most, without breaking a letter.
func Clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
