package admin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
)

// field is an input of a form: what it asks, what is in it and what is wrong with that.
type field struct {
	Name, Label, Help string
	Kind              string // text, title, mono, email, password, datetime, number, textarea, editor, image, select, check, checks, color
	Value             string
	Values            []string // checks: what is chosen
	Options           []option
	Rows              int
	Optional          bool
	Prefix            string // shown in front of the input
	SlugFrom          string // the input that an address is proposed from
	Error             string
	Off               bool   // cannot be changed
	Autofill          string // autocomplete attribute
	UploadURL         string // editor and image: where pictures are sent; empty: none can be added
	ImagesURL         string // editor and image: where pictures are listed
	Preview           string // image: address of a small version of what is chosen
	ChooseURL         string // text: where what is typed is looked for
	ChooseMany        bool   // text: several, separated by commas
	Was               string // what a grant or a list of roles was when it was shown; sent along
}

type option struct {
	Value, Label, Help string
	Depth              int
	On                 bool
}

// ID is the id of the input in the page.
func (f *field) ID() string { return "f-" + f.Name }

// Describe lists the ids of the lines that belong to the input.
func (f *field) Describe() string {
	var ids []string
	if f.Error != "" {
		ids = append(ids, f.ID()+"-error")
	}
	if f.Help != "" {
		ids = append(ids, f.ID()+"-help")
	}
	return strings.Join(ids, " ")
}

// Chosen gives the options with those marked that are chosen.
func (f *field) Chosen() []option {
	out := slices.Clone(f.Options)
	for i := range out {
		out[i].On = out[i].Value == f.Value
		if f.Kind == "checks" {
			out[i].On = slices.Contains(f.Values, out[i].Value)
		}
	}
	return out
}

// picture gives a field that holds the key of a picture of the site, which the person chooses by sight.
func (h *Handler) picture(q *request, f field) *field {
	if h.o.Files == nil {
		f.Kind = "mono"
		return &f
	}
	f.Kind = "image"
	f.UploadURL, f.ImagesURL = pictureURLs(q.site.ID)
	h.preview(q, &f)
	return &f
}

func pictureURLs(site stoa.ID) (upload, images string) {
	return "/control/files/upload?site=" + site.String(), "/control/files/images?site=" + site.String()
}

// preview looks for the picture that a field holds; an address stands for itself.
func (h *Handler) preview(q *request, f *field) {
	if f.Preview = f.Value; f.Value != "" && !strings.Contains(f.Value, "/") {
		f.Preview, _ = h.o.Files.Image(q.Context(), q.site, f.Value, 320)
	}
}

// previews is preview for all fields of a form that was sent.
func (h *Handler) previews(q *request, f *form) {
	for _, x := range f.Fields {
		if x.Kind == "image" {
			h.preview(q, x)
		}
	}
}

// form is a list of fields that keeps what somebody typed, and says what is wrong with it.
type form struct {
	Fields  []*field
	Version int64  // of the thing when it was read
	General string // an error that belongs to no field
	status  int
}

// Field gives a field by its name; a form without it is a mistake of the program.
func (f *form) Field(name string) *field {
	for _, x := range f.Fields {
		if x.Name == name {
			return x
		}
	}
	panic("admin: the form has no field " + name)
}

// Wrong lists the fields with errors.
func (f *form) Wrong() []*field {
	var out []*field
	for _, x := range f.Fields {
		if x.Error != "" {
			out = append(out, x)
		}
	}
	return out
}

// read takes over what was sent. Text that is not UTF-8 is mended, since browsers send none.
func (f *form) read(q *request) {
	f.take(q.PostForm)
	f.Version, _ = strconv.ParseInt(q.PostForm.Get("version"), 10, 64) // a version that is no number is stale
}

func (f *form) take(sent url.Values) {
	for _, x := range f.Fields {
		if x.Off { // what cannot be changed is not sent, and stays
			continue
		}
		switch x.Kind {
		case "checks":
			x.Values = nil
			for _, v := range sent[x.Name] {
				if slices.ContainsFunc(x.Options, func(o option) bool { return o.Value == v }) {
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

// fail puts an error beside the field that it is about, and reports whether the person can mend it in
// this form. Names that start with a field's name, such as "title.de", belong to that field.
func (f *form) fail(err error) bool {
	var e *stoa.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case stoa.KindInvalid:
		f.status = http.StatusUnprocessableEntity
	case stoa.KindConflict:
		f.status = http.StatusConflict
	case stoa.KindTooLarge:
		f.status = http.StatusRequestEntityTooLarge
	case stoa.KindTooMany:
		f.status = http.StatusTooManyRequests
	default:
		return false
	}
	for _, x := range f.Fields {
		rest, ok := strings.CutPrefix(e.Field, x.Name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') || e.Field != "" && strings.HasPrefix(x.Name, e.Field+".") {
			x.Error = sentence(e.Message)
			return true
		}
	}
	f.General = sentence(e.Message)
	return true
}

// Status is what the screen answers with: 200 unless something is wrong.
func (f *form) Status() int {
	if f.status == 0 {
		return http.StatusOK
	}
	return f.status
}

func (f *form) text(name string) string   { return f.Field(name).Value }
func (f *form) on(name string) bool       { return f.Field(name).Value != "" }
func (f *form) list(name string) []string { return f.Field(name).Values }

// ids reads the chosen values of a field as ids.
func (f *form) ids(name string) []stoa.ID {
	var out []stoa.ID
	for _, v := range f.Field(name).Values {
		if id, err := stoa.ParseID(v); err == nil {
			out = append(out, id)
		}
	}
	return out
}

// keep makes fields ones that can only be read: all but those named.
func (f *form) keep(but ...string) {
	for _, x := range f.Fields {
		x.Off = x.Off || !slices.Contains(but, x.Name)
	}
}

// lock makes the form one that can only be read.
func (f *form) lock() {
	for _, x := range f.Fields {
		x.Off = true
	}
}

func check(on bool) string {
	if on {
		return "on"
	}
	return ""
}

// idStrings is how ids stand in fields.
func idStrings(ids []stoa.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

// message is the sentence in an error that may be shown; empty when there is none.
func message(err error) string {
	var e *stoa.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}

// stale says beside each field what somebody else saved since the form was opened. The input stays, and the
// form goes on from the newest version: sending it again is a decision.
func (f *form) stale(newest *form) {
	f.status, f.Version = http.StatusConflict, newest.Version
	f.General = "Somebody else changed this since you opened it. What you wrote is still here and not saved; the fields that differ say what is saved now. Save again to replace it."
	for _, x := range f.Fields {
		i := slices.IndexFunc(newest.Fields, func(n *field) bool { return n.Name == x.Name })
		if i < 0 || x.Kind == "password" || x.Kind == "hidden" {
			continue
		}
		if n := newest.Fields[i]; n.Value != x.Value || !slices.Equal(n.Values, x.Values) {
			x.Error = "Saved by somebody else: " + n.shown()
		}
	}
}

// shown is what is in a field, for a message.
func (f *field) shown() string {
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
		return "yes"
	case f.Kind == "check":
		return "no"
	case f.Value == "":
		return "nothing"
	}
	return "“" + clip(f.Value, 300) + "”"
}

// inField says which field an error is about; what is no error stays none, and what has no words for
// people stays as it is.
func inField(name string, err error) error {
	if err == nil || stoa.KindOf(err) == stoa.KindInternal {
		return err
	}
	return &stoa.Error{Kind: stoa.KindOf(err), Field: name, Message: message(err)}
}
