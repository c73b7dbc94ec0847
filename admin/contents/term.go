package contents

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

// maxChoices is how many things a search for something to choose shows.
const maxChoices = 20

func (h *screens) mountChoices(r *admin.Routes) { r.Get("/control/choose", admin.EditSite, h.choose) }

// choose looks for what can be put into a field of the site: categories, tags or articles by a part of their names.
func (h *screens) choose(q *admin.Request) error {
	in := q.URL.Query()
	kind, text := in.Get("kind"), admin.Clip(in.Get("q"), 100)
	type item struct {
		Value string `json:"value"`
		Label string `json:"label,omitempty"`
	}
	items := []item{}
	switch kind {
	case "tag":
		found, err := h.o.Taxonomy.SearchTags(q.Context(), q.Site.ID, text, "", maxChoices)
		if err != nil {
			return err
		}
		for _, t := range found.Items {
			items = append(items, item{quoted(t.Name), ""})
		}
	case "tag-address":
		found, err := h.o.Taxonomy.SearchTags(q.Context(), q.Site.ID, text, "", maxChoices)
		if err != nil {
			return err
		}
		for _, t := range found.Items {
			items = append(items, item{t.Slug, t.Name})
		}
	case "category", "category-address":
		found, err := h.o.Taxonomy.Search(q.Context(), q.Site.ID, text, "", maxChoices)
		if err != nil {
			return err
		}
		for _, c := range found.Items {
			x := item{quoted(c.Name), c.Slug}
			if kind != "category" {
				x = item{c.Slug, c.Name}
			}
			items = append(items, x)
		}
	case "article", "free-article": // the second without the texts of pages, which no other page shows
		found, err := h.o.Content.List(q.Context(), q.Site, content.Filter{Query: text, PerPage: maxChoices})
		if err != nil {
			return err
		}
		for _, a := range found.Items {
			if kind == "free-article" && a.Kind == content.KindPage {
				continue
			}
			items = append(items, item{a.ID.String(), admin.Clip(a.In(q.Site.Locale).Title, 80)})
		}
	default:
		return stoa.Invalid("kind",
			"%.30q cannot be chosen: tag, tag-address, category, category-address or article is expected", kind)
	}
	return q.JSON(http.StatusOK, map[string]any{"items": items})
}

// termFields are the fields of an article's categories and tags. What was shown travels along, so that a save adds and
// takes away what the person did and leaves alone what the form never had. Of a tree that is too large to be shown
// whole only the article's own categories are, and others are named.
func (h *screens) termFields(q *admin.Request, a content.Article) ([]*admin.Field, error) {
	ctx, st := q.Context(), q.Site
	var terms taxonomy.Terms
	var err error
	if a.ID != 0 {
		if terms, err = h.o.Taxonomy.Of(ctx, "article", a.ID, a.Site); err != nil {
			return nil, err
		}
	}
	all, whole, err := h.o.Taxonomy.Tree(ctx, st.ID)
	if err != nil {
		return nil, err
	}
	if !whole {
		for _, c := range terms.Categories {
			c.Parent = 0
			all = append(all, c)
		}
	}
	was := admin.IDStrings(a.Categories)
	categories := &admin.Field{Name: "categories", Label: q.Word("term.categories"), Kind: "checks", Options: tree(all),
		Values: was}
	names := make([]string, 0, len(terms.Tags))
	for _, t := range terms.Tags {
		names = append(names, quoted(t.Name))
	}
	tags := strings.Join(names, ", ")
	out := []*admin.Field{categories, {Name: "categories_was", Kind: "hidden", Value: strings.Join(was, " ")}}
	if !whole {
		out = append(out, &admin.Field{Name: "more_categories", Label: q.Word("term.more-categories"), Kind: "text",
			Optional: true,
			Help:     q.Word("term.more-categories-help"), ChooseURL: admin.ChooseURL(st.ID, "category"), ChooseMany: true})
	}
	return append(out,
		&admin.Field{Name: "tags", Label: q.Word("term.tags"), Kind: "text", Value: tags, Optional: true,
			Help: q.Word("term.tags-help"), ChooseURL: admin.ChooseURL(st.ID, "tag"), ChooseMany: true},
		&admin.Field{Name: "tags_was", Kind: "hidden", Value: tags}), nil
}

// quoted is how a name stands in a list separated by commas.
func quoted(name string) string {
	if strings.ContainsAny(name, `,"`) {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return name
}

// Limits of a list of names that a person types or pastes: what a form may have is far more, and each name is looked
// for.
const (
	maxNameList = 64 << 10 // bytes
	maxNames    = 100
)

// unquoted reads such a list: the names in their order, each once. It stops after most names; 0 reads all.
func unquoted(list string, most int) (names []string) {
	var name strings.Builder // without the white space at its beginning
	have := map[string]bool{}
	end := func() {
		if s := strings.Join(strings.Fields(name.String()), " "); s != "" && !have[s] {
			have[s] = true
			names = append(names, s)
		}
		name.Reset()
	}
	in, last := false, strings.LastIndexByte(list, '"')
	for i := 0; i < len(list) && (most == 0 || len(names) < most); i++ {
		if name.Len() == 0 {
			if r, size := utf8.DecodeRuneInString(list[i:]); unicode.IsSpace(r) {
				i += size - 1
				continue
			}
		}
		switch c := list[i]; {
		case in && c == '"' && i+1 < len(list) && list[i+1] == '"':
			name.WriteByte('"')
			i++
		case in && c == '"':
			in = false
		case !in && c == '"' && name.Len() == 0 && i < last:
			in = true
		case !in && (c == ',' || c == '\n'):
			end()
		default:
			name.WriteByte(c)
		}
	}
	if most == 0 || len(names) < most {
		end()
	}
	return names
}

// namesIn reads a list of at most maxNames names from a field.
func namesIn(f *admin.Form, field string) ([]string, error) {
	list := f.Text(field)
	if len(list) > maxNameList {
		return nil, stoa.Invalid(field, "this list is longer than %d KiB: give fewer names at once", maxNameList>>10)
	}
	names := unquoted(list, maxNames+1)
	if len(names) > maxNames {
		return nil, stoa.Invalid(field, "at most %d can be given at once", maxNames)
	}
	return names, nil
}

// terms puts the categories and tags of the form into the draft: those of the article as it is now, without what the
// person took away, with what the person added. New tags are made.
func (h *screens) terms(ctx context.Context, st site.Site, f *admin.Form, a content.Article, d *content.Draft) error {
	if err := h.categoriesOf(ctx, st, f, a, d); err != nil {
		return err
	}
	var have []taxonomy.Tag
	if a.ID != 0 {
		terms, err := h.o.Taxonomy.Of(ctx, "article", a.ID, a.Site)
		if err != nil {
			return err
		}
		have = terms.Tags
	}
	now, err := namesIn(f, "tags")
	if err != nil {
		return err
	}
	was := unquoted(f.Text("tags_was"), 0) // more than 100 may have been imported
	for _, t := range have {
		if slices.Contains(now, t.Name) || !slices.Contains(was, t.Name) {
			d.Tags = append(d.Tags, t.ID)
		}
	}
	for _, name := range now {
		if slices.Contains(was, name) {
			continue // it is among those above, unless another person took it away
		}
		if !slices.ContainsFunc(have, func(t taxonomy.Tag) bool { return t.Name == name }) {
			d.NewTags = append(d.NewTags, name)
		}
	}
	return nil
}

// noCategory says that a field names a category that the site does not have.
func noCategory(field, name string) error {
	return stoa.Invalid(field, "the site has no category %q: choose one that is proposed", admin.Clip(name, 60))
}

func (h *screens) categoriesOf(ctx context.Context, st site.Site, f *admin.Form, a content.Article,
	d *content.Draft) error {
	// Sets, for a form may have many thousands.
	was, now, have := map[string]bool{}, map[string]bool{}, map[stoa.ID]bool{}
	for id := range strings.FieldsSeq(f.Text("categories_was")) {
		was[id] = true
	}
	for _, id := range f.List("categories") {
		now[id] = true
	}
	add := func(id stoa.ID) {
		if !have[id] {
			have[id] = true
			d.Categories = append(d.Categories, id)
		}
	}
	for _, id := range a.Categories {
		if now[id.String()] || !was[id.String()] {
			add(id)
		}
	}
	for _, id := range f.IDs("categories") {
		if !was[id.String()] {
			add(id)
		}
	}
	if !f.Has("more_categories") {
		return nil
	}
	names, err := namesIn(f, "more_categories")
	if err != nil {
		return err
	}
	for _, name := range names {
		c, err := h.o.Taxonomy.CategoryNamed(ctx, st.ID, name)
		if stoa.Is(err, stoa.KindNotFound) {
			return noCategory("more_categories", name)
		}
		if err != nil {
			return err
		}
		add(c.ID)
	}
	return nil
}
