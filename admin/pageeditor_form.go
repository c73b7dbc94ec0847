package admin

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/widget"
)

// Limits of one setting, in bytes.
const (
	maxSettingName = 100
	maxSettingLine = 2000
	maxSettingText = 256 << 10
)

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
			x.Options, err = h.articleOptions(q, false)
		case "category":
			x.Options, err = h.categoryOptions(q)
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

// articleOptions are the articles that can be chosen; texts says whether those of pages are among them, which a widget
// of another page does not show.
func (h *Handler) articleOptions(q *request, texts bool) ([]option, error) {
	if h.o.Content == nil {
		return nil, nil
	}
	out := []option{{Label: "Choose an article"}}
	list, err := h.o.Content.List(q.Context(), q.site, content.Filter{PerPage: 100})
	if stoa.Is(err, stoa.KindForbidden) { // somebody who may edit this page alone
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, a := range list.Items {
		if a.Kind == content.KindPage && !texts {
			continue
		}
		text, _ := a.Find(q.site.Locale)
		out = append(out, option{Value: a.ID.String(), Label: clip(text.Title, 80)})
	}
	return out, nil
}

func (h *Handler) categoryOptions(q *request) ([]option, error) {
	if h.o.Taxonomy == nil {
		return nil, nil
	}
	all, err := h.o.Taxonomy.Categories(q.Context(), q.site.ID)
	if err != nil {
		return nil, err
	}
	out := []option{{Label: "All"}}
	for _, c := range all {
		out = append(out, option{Value: c.Slug, Label: c.Name})
	}
	return out, nil
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
