package pages

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/widget"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// Limits of one setting, in bytes.
const (
	maxSettingName = 100
	maxSettingLine = 2000
	maxSettingText = 256 << 10
)

// maxArticleChoices is how many articles of a site a list for choosing still shows; more are searched.
const maxArticleChoices = 100

// styleHero is the style of a section at the beginning of a page; "" is the plain one. The theme has no others.
const styleHero = "hero"

func styleOptions(q *admin.Request) []admin.Option {
	return []admin.Option{
		{Value: "", Label: q.Word("pages.style.plain")},
		{Value: styleHero, Label: q.Word("pages.style.hero")},
	}
}

// translated puts what a person reads of a type into a language. The sentences are keys themselves, so that a widget
// without a translation is shown as it was written.
func translated(w *lang.Words, t widget.Type) widget.Type {
	t.Title, t.Description = w.Word(t.Title), w.Word(t.Description)
	t.Fields = slices.Clone(t.Fields)
	for i := range t.Fields {
		f := &t.Fields[i]
		f.Label, f.Help = w.Word(f.Label), w.Word(f.Help)
		f.Options = slices.Clone(f.Options)
		for j := range f.Options {
			f.Options[j].Label = w.Word(f.Options[j].Label)
		}
	}
	return t
}

// types gives the widgets of the palette by their titles in a language.
func (h *screens) types(w *lang.Words) []widget.Type {
	out := h.o.Catalogue.Types()
	for i, t := range out {
		out[i] = translated(w, t)
	}
	by := collate.New(language.Make(string(w.Locale())), collate.IgnoreCase)
	slices.SortStableFunc(out, func(a, b widget.Type) int { return by.CompareString(a.Title, b.Title) })
	return out
}

// checkSetting checks one value that was sent for a field of a widget. Markup is cleaned by the widget
// at every rendering, not here.
func checkSetting(f widget.Field, v string) (string, error) {
	v = strings.ToValidUTF8(strings.ReplaceAll(v, "\r\n", "\n"), "�")
	limit := maxSettingLine
	if f.Kind == "html" || f.Kind == "textarea" || f.Kind == "gallery" {
		limit = maxSettingText
	} else {
		v = strings.TrimSpace(v)
	}
	if len(v) > limit {
		const sentence = "pages.editor.too-long"
		args := []any{stoa.Phrase(f.Label), utf8.RuneCountInString(v), limit}
		return "", &stoa.Error{Kind: stoa.KindTooLarge, Field: f.Key, Message: lang.Word(sentence, args...),
			Sentence: sentence, Args: args}
	}
	if v == "" {
		return v, nil
	}
	switch f.Kind {
	case "select":
		if !slices.ContainsFunc(f.Options, func(o widget.Option) bool { return o.Value == v }) {
			return "", stoa.Invalid(f.Key, "“%s” cannot be %.40q; choose one of the list", stoa.Phrase(f.Label), v)
		}
	case "bool":
		if v != "true" && v != "false" {
			return "", stoa.Invalid(f.Key, "“%s” is true or false, not %.40q", stoa.Phrase(f.Label), v)
		}
	case "number":
		if n, err := strconv.Atoi(v); err != nil || n < 0 || n > 1_000_000 {
			return "", stoa.Invalid(f.Key, "“%s” is a whole number from 0, not %.40q", stoa.Phrase(f.Label), v)
		}
	case "link":
		if _, ok := (widget.Request{}).Link(v); !ok {
			return "", stoa.Invalid(f.Key, "“%s” is a path such as /about, an address with https://, or one with mailto: or "+
				"tel:, not %.60q", stoa.Phrase(f.Label), v)
		}
	case "image", "video":
		if document.KeyOf(v) == "" {
			return "", stoa.Invalid(f.Key, "“%s” is the address of a file of the site, not %.60q", stoa.Phrase(f.Label), v)
		}
	case "gallery":
		var list []document.Picture
		if err := json.Unmarshal([]byte(v), &list); err != nil || len(list) > 100 {
			return "", stoa.Invalid(f.Key, "“%s” is a list of at most 100 pictures", stoa.Phrase(f.Label))
		}
		for _, p := range list {
			if document.KeyOf(p.File) == "" {
				return "", stoa.Invalid(f.Key, "“%s” is the address of a file of the site, not %.60q", stoa.Phrase(f.Label), p.File)
			}
		}
	case "article", "page":
		if _, err := stoa.ParseID(v); err != nil {
			return "", stoa.Invalid(f.Key, "“%s” is the number of one, not %.40q", stoa.Phrase(f.Label), v)
		}
	}
	return v, nil
}

// settingFields are the inputs of a placed widget. Names start with "s." so that no setting can take the
// place of another input.
func (h *screens) settingFields(q *admin.Request, t widget.Type, w page.Placed) ([]*admin.Field, error) {
	var out []*admin.Field
	for _, f := range t.Fields {
		v, has := w.Settings[f.Key]
		if !has {
			v = f.Default
		}
		x := &admin.Field{Name: "s." + f.Key, Label: f.Label, Help: f.Help, Kind: "text", Value: v}
		var err error
		switch f.Kind {
		case "textarea":
			x.Kind = "textarea"
		case "html":
			x.Kind, x.Rows = "editor", 12
		case "number":
			x.Kind = "number"
		case "bool":
			x.Kind = "check"
			if v != "true" {
				x.Value = ""
			}
		case "select":
			x.Kind = "select"
			for _, o := range f.Options {
				x.Options = append(x.Options, admin.Option{Value: o.Value, Label: o.Label})
			}
		case "article":
			err = h.pickArticle(q, x)
		case "image":
			*x = *h.Picture(q, *x)
			if x.Kind == "image" {
				x.Pick = "address"
				h.filePreview(q, x)
			}
		case "video":
			if h.Pictures() {
				x.Kind, x.Pick = "pick", "video"
				x.UploadURL, x.ImagesURL = admin.PictureURLs(q.Site.ID)
			}
		case "gallery":
			x.Kind = "gallery"
			x.UploadURL, x.ImagesURL = admin.PictureURLs(q.Site.ID)
		case "category":
			var whole bool
			if x.Options, whole, err = h.categoryOptions(q); err == nil && !whole {
				x.Options, x.ChooseURL = nil, admin.ChooseURL(q.Site.ID, "category-address")
				x.Help = q.Word("term.choose-category-help")
			}
		case "menu":
			x.Options, err = h.menuOptions(q)
		case "page":
			x.Options, err = h.pageOptions(q)
		}
		if err != nil {
			return nil, err
		}
		if x.Options != nil {
			x.Kind = "select"
			if v != "" && !slices.ContainsFunc(x.Options, func(o admin.Option) bool { return o.Value == v }) {
				// It stays, also when the list does not reach it.
				x.Options = append(x.Options, admin.Option{Value: v, Label: v})
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// filePreview looks for the small version of a picture whose address a field holds.
func (h *screens) filePreview(q *admin.Request, x *admin.Field) {
	x.Preview = ""
	if key := document.KeyOf(x.Value); key != "" {
		small := &admin.Form{Fields: []*admin.Field{{Name: x.Name, Kind: "image", Value: key}}}
		h.Previews(q, small)
		x.Preview = small.Fields[0].Preview
	}
}

// pickArticle makes a field one in which an article is looked for by its title.
func (h *screens) pickArticle(q *admin.Request, x *admin.Field) error {
	x.Kind, x.Pick, x.ChooseURL = "pick", "article", admin.ChooseURL(q.Site.ID, "free-article")
	id, err := stoa.ParseID(x.Value)
	if err != nil || h.o.Content == nil {
		return nil
	}
	a, err := h.o.Content.Get(q.Context(), id)
	switch {
	case stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindNotFound):
		x.Shown = q.Word("pages.article-number", x.Value)
	case err != nil:
		return err
	default:
		x.Shown = admin.Clip(a.In(q.Site.Locale).Title, 80)
	}
	return nil
}

// articleOptions lists the articles, if they are few enough to be listed: whole says so. texts says whether those of
// pages are among them, which a widget of another page does not show.
func (h *screens) articleOptions(q *admin.Request, texts bool) (out []admin.Option, whole bool, err error) {
	if h.o.Content == nil {
		return nil, true, nil
	}
	out = []admin.Option{{Label: q.Word("pages.choose-article")}}
	list, err := h.o.Content.List(q.Context(), q.Site, content.Filter{PerPage: maxArticleChoices})
	if stoa.Is(err, stoa.KindForbidden) { // a person who may edit this page alone
		return out, true, nil
	}
	if err != nil || list.Total > maxArticleChoices {
		return nil, false, err
	}
	for _, a := range list.Items {
		if a.Kind == content.KindPage && !texts {
			continue
		}
		text, _ := a.Find(q.Site.Locale)
		out = append(out, admin.Option{Value: a.ID.String(), Label: admin.Clip(text.Title, 80)})
	}
	return out, true, nil
}

// findArticle makes a field one in which an article is looked for: there are more than a list shows.
func (h *screens) findArticle(q *admin.Request, x *admin.Field) error {
	chosen := q.Word("term.nothing")
	if id, err := stoa.ParseID(x.Value); err == nil {
		a, err := h.o.Content.Get(q.Context(), id)
		switch stoa.KindOf(err) {
		case stoa.KindForbidden, stoa.KindNotFound:
			chosen = x.Value
		default:
			if err != nil {
				return err
			}
			chosen = admin.Clip(a.In(q.Site.Locale).Title, 80)
		}
	}
	x.Options, x.Kind, x.ChooseURL = nil, "text", admin.ChooseURL(q.Site.ID, "article")
	x.Help = q.Word("term.choose-article-help", chosen)
	return nil
}

// categoryOptions lists the categories, if they are few enough to be listed: whole says so.
func (h *screens) categoryOptions(q *admin.Request) (list []admin.Option, whole bool, err error) {
	if h.o.Taxonomy == nil {
		return nil, true, nil
	}
	all, whole, err := h.o.Taxonomy.Tree(q.Context(), q.Site.ID)
	if err != nil || !whole {
		return nil, false, err
	}
	list = []admin.Option{{Label: q.Word("pages.all")}}
	for _, c := range all {
		list = append(list, admin.Option{Value: c.Slug, Label: c.Name})
	}
	return list, true, nil
}

func (h *screens) menuOptions(q *admin.Request) ([]admin.Option, error) {
	all, err := h.o.Pages.Menus(q.Context(), q.Site.ID)
	if err != nil {
		return nil, err
	}
	out := []admin.Option{{Label: q.Word("pages.none-chosen")}}
	for _, m := range all {
		out = append(out, admin.Option{Value: m.Slug, Label: m.Name})
	}
	return out, nil
}

func (h *screens) pageOptions(q *admin.Request) ([]admin.Option, error) {
	nodes, err := h.o.Pages.Tree(q.Context(), q.Site.ID)
	if err != nil {
		return nil, err
	}
	out := []admin.Option{{Label: q.Word("pages.none-chosen")}}
	for _, r := range pageRows(nodes, q.Site) {
		out = append(out, admin.Option{Value: r.ID.String(), Label: strings.Repeat("– ", r.Depth) + r.Name})
	}
	return out, nil
}
