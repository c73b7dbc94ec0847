package admin

import (
	"net/http"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
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
	list, err := h.o.Taxonomy.Categories(q.Context(), q.site.ID)
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
	v.listBody = listOf(q, rows, "Filter by name", func(c categoryRow) string { return c.Name + " " + c.Slug + " " + c.Description })
	v.Form = &form{Fields: []*field{
		{Name: "name", Label: "Name", Kind: "text"},
		{Name: "slug", Label: "Address", Kind: "text", Prefix: "/categories/", SlugFrom: "f-name", Optional: true, Help: "Made from the name when empty."},
		{Name: "parent", Label: "Below", Kind: "select", Options: parents, Value: "0"},
		{Name: "description", Label: "Description", Kind: "textarea", Rows: 2, Optional: true},
	}}
	if q.Method == http.MethodPost {
		v.Form.read(q)
		err := h.addCategory(q, v.Form, list)
		if err == nil {
			return q.done("/control/categories", "created")
		}
		if !v.Form.fail(err) {
			return err
		}
	}
	return h.show(q, v.Form.Status(), "categories", frame{Title: "Categories", Purpose: "The tree of subjects by which the things of this site are found.", Body: v})
}

func (h *Handler) addCategory(q *request, f *form, have []taxonomy.Category) error {
	c := taxonomy.Category{Site: q.site.ID, Name: f.text("name"), Slug: f.text("slug"), Description: f.text("description")}
	if c.Slug == "" {
		c.Slug = taxonomy.Slug(c.Name)
	}
	parent, err := strconv.ParseInt(f.text("parent"), 10, 64)
	if err != nil {
		return stoa.Invalid("parent", "choose a category of the list")
	}
	c.Parent = stoa.ID(parent)
	found := c.Parent == 0
	for _, x := range have {
		if x.Slug == c.Slug {
			return &stoa.Error{Kind: stoa.KindConflict, Field: "slug", Message: "the category “" + x.Name + "” has this address"}
		}
		found = found || x.ID == c.Parent
	}
	if !found {
		return stoa.Invalid("parent", "this category is gone; choose another one")
	}
	if c.Name == "" || len(c.Name) > 190 {
		return stoa.Invalid("name", "a name of 1 to 190 bytes is expected")
	}
	if c.Slug != taxonomy.Slug(c.Slug) || c.Slug == "" || len(c.Slug) > 190 {
		return stoa.Invalid("slug", "%.60q cannot be an address: small letters, digits and single dashes are expected", c.Slug)
	}
	_, err = h.o.Taxonomy.AddCategory(q.Context(), q.instance.ID, c)
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
