package admin

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/widget"
)

// Limits of one setting, in bytes.
const (
	maxSettingName = 100
	maxSettingLine = 2000
	maxSettingText = 256 << 10
)

// maxArticleChoices is how many articles of a site a list for choosing still shows; more are searched.
const maxArticleChoices = 100

// sectionStyles are the styles that the theme has for a section.
func sectionStyles() []option {
	return []option{{Value: "", Label: "Plain"}, {Value: "hero", Label: "Large beginning"}}
}

// checkSetting checks one value that somebody gave for a field of a widget. Markup is cleaned by the widget
// at every rendering, not here.
func checkSetting(f widget.Field, v string) (string, error) {
	v = strings.ToValidUTF8(strings.ReplaceAll(v, "\r\n", "\n"), "�")
	limit := maxSettingLine
	if f.Kind == "html" || f.Kind == "textarea" {
		limit = maxSettingText
	} else {
		v = strings.TrimSpace(v)
	}
	if len(v) > limit {
		return "", &stoa.Error{Kind: stoa.KindTooLarge, Field: f.Key, Message: "“" + f.Label + "” has " + count(utf8.RuneCountInString(v)) + " characters; at most " + count(limit) + " are possible"}
	}
	if v == "" {
		return v, nil
	}
	switch f.Kind {
	case "select":
		if !slices.ContainsFunc(f.Options, func(o widget.Option) bool { return o.Value == v }) {
			return "", stoa.Invalid(f.Key, "“%s” cannot be %.40q; choose one of the list", f.Label, v)
		}
	case "bool":
		if v != "true" && v != "false" {
			return "", stoa.Invalid(f.Key, "“%s” is true or false, not %.40q", f.Label, v)
		}
	case "number":
		if n, err := strconv.Atoi(v); err != nil || n < 0 || n > 1_000_000 {
			return "", stoa.Invalid(f.Key, "“%s” is a whole number from 0, not %.40q", f.Label, v)
		}
	case "article", "page":
		if _, err := stoa.ParseID(v); err != nil {
			return "", stoa.Invalid(f.Key, "“%s” is the number of one, not %.40q", f.Label, v)
		}
	}
	return v, nil
}

// settingFields are the inputs of a placed widget. Names start with "s." so that no setting can take the
// place of another input.
func (h *Handler) settingFields(q *request, t widget.Type, w page.Placed) ([]*field, error) {
	var out []*field
	for _, f := range t.Fields {
		v, has := w.Settings[f.Key]
		if !has {
			v = f.Default
		}
		x := &field{Name: "s." + f.Key, Label: f.Label, Help: f.Help, Kind: "text", Value: v}
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
				x.Options = append(x.Options, option{Value: o.Value, Label: o.Label})
			}
		case "article":
			var whole bool
			if x.Options, whole, err = h.articleOptions(q, false); err == nil && !whole {
				err = h.findArticle(q, x)
			}
		case "category":
			var whole bool
			if x.Options, whole, err = h.categoryOptions(q); err == nil && !whole {
				x.Options, x.ChooseURL = nil, chooseURL(q.site.ID, "category-address")
				x.Help = lang.Word("term.choose-category-help")
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
			if v != "" && !slices.ContainsFunc(x.Options, func(o option) bool { return o.Value == v }) {
				x.Options = append(x.Options, option{Value: v, Label: v}) // what is chosen stays, also when the list does not reach it
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// articleOptions lists the articles, if they are few enough to be listed: whole says so. texts says whether those of
// pages are among them, which a widget of another page does not show.
func (h *Handler) articleOptions(q *request, texts bool) (out []option, whole bool, err error) {
	if h.o.Content == nil {
		return nil, true, nil
	}
	out = []option{{Label: "Choose an article"}}
	list, err := h.o.Content.List(q.Context(), q.site, content.Filter{PerPage: maxArticleChoices})
	if stoa.Is(err, stoa.KindForbidden) { // somebody who may edit this page alone
		return out, true, nil
	}
	if err != nil || list.Total > maxArticleChoices {
		return nil, false, err
	}
	for _, a := range list.Items {
		if a.Kind == content.KindPage && !texts {
			continue
		}
		text, _ := a.Find(q.site.Locale)
		out = append(out, option{Value: a.ID.String(), Label: clip(text.Title, 80)})
	}
	return out, true, nil
}

// findArticle makes a field one in which an article is looked for: there are more than a list shows.
func (h *Handler) findArticle(q *request, x *field) error {
	chosen := lang.Word("term.nothing")
	if id, err := stoa.ParseID(x.Value); err == nil {
		a, err := h.o.Content.Get(q.Context(), id)
		switch stoa.KindOf(err) {
		case stoa.KindForbidden, stoa.KindNotFound:
			chosen = x.Value
		default:
			if err != nil {
				return err
			}
			chosen = clip(a.In(q.site.Locale).Title, 80)
		}
	}
	x.Options, x.Kind, x.ChooseURL = nil, "text", chooseURL(q.site.ID, "article")
	x.Help = lang.Word("term.choose-article-help", chosen)
	return nil
}

// categoryOptions lists the categories, if they are few enough to be listed: whole says so.
func (h *Handler) categoryOptions(q *request) (list []option, whole bool, err error) {
	if h.o.Taxonomy == nil {
		return nil, true, nil
	}
	all, whole, err := h.o.Taxonomy.Tree(q.Context(), q.site.ID)
	if err != nil || !whole {
		return nil, false, err
	}
	list = []option{{Label: "All"}}
	for _, c := range all {
		list = append(list, option{Value: c.Slug, Label: c.Name})
	}
	return list, true, nil
}

func (h *Handler) menuOptions(q *request) ([]option, error) {
	all, err := h.o.Pages.Menus(q.Context(), q.site.ID)
	if err != nil {
		return nil, err
	}
	out := []option{{Label: "None"}}
	for _, m := range all {
		out = append(out, option{Value: m.Slug, Label: m.Name})
	}
	return out, nil
}

func (h *Handler) pageOptions(q *request) ([]option, error) {
	nodes, err := h.o.Pages.Tree(q.Context(), q.site.ID)
	if err != nil {
		return nil, err
	}
	out := []option{{Label: "None"}}
	for _, r := range pageRows(nodes, q.site, 0) {
		out = append(out, option{Value: r.ID.String(), Label: strings.Repeat("– ", r.Depth) + r.Name})
	}
	return out, nil
}
