package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

// maxChoices is how many things a search for something to choose shows.
const maxChoices = 20

func (h *Handler) mountChoices(get register) { get("/control/choose", editSite, h.choose) }

// choose looks for what can be put into a field of the site: categories, tags or articles by a part of their names.
func (h *Handler) choose(q *request) error {
	in := q.URL.Query()
	kind, text := in.Get("kind"), clip(in.Get("q"), 100)
	type item struct {
		Value string `json:"value"`
		Label string `json:"label,omitempty"`
	}
	items := []item{}
	switch kind {
	case "tag":
		found, err := h.o.Taxonomy.SearchTags(q.Context(), q.site.ID, text, "", maxChoices)
		if err != nil {
			return err
		}
		for _, t := range found.Items {
			items = append(items, item{quoted(t.Name), ""})
		}
	case "category", "category-address":
		found, err := h.o.Taxonomy.Search(q.Context(), q.site.ID, text, "", maxChoices)
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
	case "article":
		found, err := h.o.Content.List(q.Context(), q.site, content.Filter{Query: text, PerPage: maxChoices})
		if err != nil {
			return err
		}
		for _, a := range found.Items {
			items = append(items, item{a.ID.String(), clip(a.In(q.site.Locale).Title, 80)})
		}
	default:
		return stoa.Invalid("kind", "%.30q cannot be chosen: tag, category, category-address or article is expected",
			kind)
	}
	return q.json(http.StatusOK, map[string]any{"items": items})
}

func chooseURL(st stoa.ID, kind string) string {
	return "/control/choose?kind=" + kind + "&site=" + st.String()
}

// termFields are the fields of an article's categories and tags. What was shown travels along, so that a save adds and
// takes away what the person did and leaves alone what the form never had. Of a tree that is too large to be shown
// whole only the article's own categories are, and others are named.
func (h *Handler) termFields(ctx context.Context, st site.Site, a content.Article) ([]*field, error) {
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
	was := idStrings(a.Categories)
	categories := &field{Name: "categories", Label: lang.Word("term.categories"), Kind: "checks", Options: tree(all),
		Values: was}
	names := make([]string, 0, len(terms.Tags))
	for _, t := range terms.Tags {
		names = append(names, quoted(t.Name))
	}
	tags := strings.Join(names, ", ")
	out := []*field{categories, {Name: "categories_was", Kind: "hidden", Value: strings.Join(was, " ")}}
	if !whole {
		out = append(out, &field{Name: "more_categories", Label: lang.Word("term.more-categories"), Kind: "text",
			Optional: true,
			Help:     lang.Word("term.more-categories-help"), ChooseURL: chooseURL(st.ID, "category"), ChooseMany: true})
	}
	return append(out,
		&field{Name: "tags", Label: lang.Word("term.tags"), Kind: "text", Value: tags, Optional: true,
			Help: lang.Word("term.tags-help"), ChooseURL: chooseURL(st.ID, "tag"), ChooseMany: true},
		&field{Name: "tags_was", Kind: "hidden", Value: tags}), nil
}

// quoted is how a name stands in a list separated by commas.
func quoted(name string) string {
	if strings.ContainsAny(name, `,"`) {
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return name
}

// unquoted reads such a list: the names in their order, each once.
func unquoted(list string) (names []string) {
	var name strings.Builder
	end := func() {
		if s := strings.Join(strings.Fields(name.String()), " "); s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
		name.Reset()
	}
	in := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case in && c == '"' && i+1 < len(list) && list[i+1] == '"':
			name.WriteByte('"')
			i++
		case in && c == '"':
			in = false
		case !in && c == '"' && strings.TrimSpace(name.String()) == "" && strings.Count(list[i:], `"`) > 1:
			in = true
		case !in && (c == ',' || c == '\n'):
			end()
		default:
			name.WriteByte(c)
		}
	}
	end()
	return names
}

// terms puts the categories and tags of the form into the draft: those of the article as it is now, without what the
// person took away, with what the person added. New tags are made.
func (h *Handler) terms(ctx context.Context, st site.Site, f *form, a content.Article, d *content.Draft) error {
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
	was, now := unquoted(f.text("tags_was")), unquoted(f.text("tags"))
	if len(now) > 100 {
		return stoa.Invalid("tags", "an article has at most 100 tags")
	}
	for _, t := range have {
		if slices.Contains(now, t.Name) || !slices.Contains(was, t.Name) {
			d.Tags = append(d.Tags, t.ID)
		}
	}
	for _, name := range now {
		if slices.Contains(was, name) {
			continue // it is among those above, unless another person took it away
		}
		id, err := h.o.Taxonomy.AddTag(ctx, st.Instance, st.ID, name)
		if stoa.Is(err, stoa.KindInvalid) {
			return stoa.Invalid("tags", "%.40q is no tag: a word of 1 to 190 bytes is expected", name)
		}
		if err != nil {
			return err
		}
		if !slices.Contains(d.Tags, id) {
			d.Tags = append(d.Tags, id)
		}
	}
	return nil
}

func (h *Handler) categoriesOf(ctx context.Context, st site.Site, f *form, a content.Article, d *content.Draft) error {
	was, now := strings.Fields(f.text("categories_was")), f.list("categories")
	for _, id := range a.Categories {
		if slices.Contains(now, id.String()) || !slices.Contains(was, id.String()) {
			d.Categories = append(d.Categories, id)
		}
	}
	for _, id := range f.ids("categories") {
		if !slices.Contains(was, id.String()) && !slices.Contains(d.Categories, id) {
			d.Categories = append(d.Categories, id)
		}
	}
	if !f.has("more_categories") {
		return nil
	}
	for _, name := range unquoted(f.text("more_categories")) {
		c, err := h.o.Taxonomy.CategoryNamed(ctx, st.ID, name)
		if stoa.Is(err, stoa.KindNotFound) {
			return stoa.Invalid("more_categories", "%s", lang.Word("term.gone", clip(name, 60)))
		}
		if err != nil {
			return err
		}
		if !slices.Contains(d.Categories, c.ID) {
			d.Categories = append(d.Categories, c.ID)
		}
	}
	return nil
}
