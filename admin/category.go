package admin

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/taxonomy"
)

func (h *Handler) mountCategories(get, post register) {
	get("/control/categories", editSite, h.categories)
	post("/control/categories", editSite, h.categories)
	post("/control/categories/{id}/delete", editSite, h.deleteCategory)
}

// categoryRow is a category in the tree.
type categoryRow struct {
	taxonomy.Category
	Depth int // from 0; at most 6, which is what the table can indent
}

// categories shows the tree of categories and adds one.
func (h *Handler) categories(q *request) error {
	if q.Method == http.MethodPost {
		if err := h.at(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	list, whole, err := h.o.Taxonomy.Tree(q.Context(), q.site.ID)
	if err != nil {
		return err
	}
	type view struct {
		listBody[categoryRow]
		Form    *form
		Deletes bool // the actor may delete categories
	}
	v := view{Deletes: h.o.Access.Can(q.Context(), access.Manage, q.site.Path())}
	parents := []option{{Value: "0", Label: "At the top"}}
	var rows []categoryRow
	byID := map[string]taxonomy.Category{}
	for _, c := range list {
		byID[c.ID.String()] = c
	}
	for _, o := range tree(list) {
		parents = append(parents, o)
		rows = append(rows, categoryRow{byID[o.Value], min(o.Depth, 6)})
	}
	if !whole { // too many for a tree: they are searched and come by name
		if v.Rows, v.listing, err = h.searchCategories(q); err != nil {
			return err
		}
	} else {
		v.listBody = listOf(q, rows, "Filter by name", func(c categoryRow) string {
			return c.Name + " " + c.Slug + " " +
				c.Description
		})
	}
	v.Form = &form{Fields: []*field{
		{Name: "name", Label: "Name", Kind: "text"},
		{Name: "slug", Label: "Address", Kind: "text", Prefix: "/categories/", SlugFrom: "f-name", Optional: true, Help: "Made from the name when empty."},
		{Name: "parent", Label: "Below", Kind: "select", Options: parents, Value: "0"},
		{Name: "description", Label: "Description", Kind: "textarea", Rows: 2, Optional: true},
	}}
	if !whole {
		*v.Form.Field("parent") = field{Name: "parent", Label: lang.Word("term.below"), Kind: "text", Optional: true,
			Help: lang.Word("term.below-help"), ChooseURL: chooseURL(q.site.ID, "category-address")}
	}
	if q.Method == http.MethodPost {
		v.Form.read(q)
		err := h.addCategory(q, v.Form, whole)
		if err == nil {
			return q.done("/control/categories", "created")
		}
		if !v.Form.fail(err) {
			return err
		}
	}
	return h.show(q, v.Form.Status(), "categories", frame{Title: "Categories", Purpose: "The tree of subjects by which the things of this site are found.", Body: v})
}

// searchCategories gives a page of categories by name: those that the filter finds.
func (h *Handler) searchCategories(q *request) (rows []categoryRow, l listing, err error) {
	in := q.URL.Query()
	l = listing{Query: clip(strings.TrimSpace(in.Get("q")), 100), Label: lang.Word("term.search"), Here: q.URL.Path}
	l.Filtered = l.Query != ""
	found, err := h.o.Taxonomy.Search(q.Context(), q.site.ID, l.Query, in.Get("after"), listPage)
	if err != nil {
		return nil, l, err
	}
	for _, c := range found.Items {
		rows = append(rows, categoryRow{Category: c})
	}
	address := func(after string) string {
		v := url.Values{}
		if l.Filtered {
			v.Set("q", l.Query)
		}
		if after != "" {
			v.Set("after", after)
		}
		return q.URL.Path + "?" + v.Encode()
	}
	if in.Get("after") != "" {
		l.Back = address("")
	}
	if found.Next != "" {
		l.Next = address(found.Next)
	}
	return rows, l, nil
}

// addCategory adds what the form says. The category above is chosen from the whole tree, or named by its address.
func (h *Handler) addCategory(q *request, f *form, whole bool) error {
	c := taxonomy.Category{Site: q.site.ID, Name: f.text("name"), Slug: f.text("slug"), Description: f.text("description")}
	if c.Slug == "" {
		c.Slug = taxonomy.Slug(c.Name)
	}
	switch above := f.text("parent"); {
	case !whole && above != "":
		p, err := h.o.Taxonomy.CategoryNamed(q.Context(), q.site.ID, above)
		if stoa.Is(err, stoa.KindNotFound) {
			return stoa.Invalid("parent", "%s", lang.Word("term.gone", clip(above, 60)))
		}
		if err != nil {
			return err
		}
		c.Parent = p.ID
	case whole:
		parent, err := strconv.ParseInt(above, 10, 64)
		if err != nil {
			return stoa.Invalid("parent", "choose a category of the list")
		}
		if c.Parent = stoa.ID(parent); parent != 0 {
			have, err := h.o.Taxonomy.CategoriesByID(q.Context(), q.site.ID, []stoa.ID{c.Parent})
			if err != nil {
				return err
			}
			if len(have) == 0 {
				return stoa.Invalid("parent", "this category is gone; choose another one")
			}
		}
	}
	if c.Name == "" || len(c.Name) > 190 {
		return stoa.Invalid("name", "a name of 1 to 190 bytes is expected")
	}
	if c.Slug != taxonomy.Slug(c.Slug) || c.Slug == "" || len(c.Slug) > 190 {
		return stoa.Invalid("slug", "%.60q cannot be an address: small letters, digits and single dashes are expected", c.Slug)
	}
	_, err := h.o.Taxonomy.AddCategory(q.Context(), q.instance.ID, c)
	return err
}

func (h *Handler) deleteCategory(q *request) error {
	id, err := q.id()
	if err != nil {
		return err
	}
	if err := h.at(q, q.PostForm.Get("site")); err != nil {
		return err
	}
	if err := h.o.Taxonomy.DeleteCategory(q.Context(), q.instance.ID, q.site.ID, id); err != nil {
		return err
	}
	return q.done("/control/categories", "deleted")
}
