package contents

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/taxonomy"
)

func (h *screens) mountCategories(r *admin.Routes) {
	r.Get("/control/categories", admin.EditSite, h.categories)
	r.Post("/control/categories", admin.EditSite, h.categories)
	r.Get("/control/categories/{id}", admin.EditSite, h.category)
	r.Post("/control/categories/{id}", admin.EditSite, h.category)
	r.Post("/control/categories/{id}/merge", admin.ManageSite, h.mergeCategory)
	r.Post("/control/categories/{id}/delete", admin.EditSite, h.deleteCategory)
}

// categoryRow is a category in the tree.
type categoryRow struct {
	taxonomy.Category
	Depth int // from 0; at most 6, which is what the table can indent
}

// categories shows the tree of categories and adds one.
func (h *screens) categories(q *admin.Request) error {
	if q.Method == http.MethodPost {
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	list, whole, err := h.o.Taxonomy.Tree(q.Context(), q.Site.ID)
	if err != nil {
		return err
	}
	type view struct {
		admin.ListBody[categoryRow]
		Form    *admin.Form
		Deletes bool // the actor may delete categories
	}
	v := view{Deletes: h.o.Access.Can(q.Context(), access.Manage, q.Site.Path())}
	var rows []categoryRow
	byID := map[string]taxonomy.Category{}
	for _, c := range list {
		byID[c.ID.String()] = c
	}
	for _, o := range tree(list) {
		rows = append(rows, categoryRow{byID[o.Value], min(o.Depth, 6)})
	}
	if !whole { // too many for a tree: they are searched and come by name
		if v.Rows, v.Listing, err = h.searchCategories(q); err != nil {
			return err
		}
	} else {
		v.ListBody = admin.ListOf(q, rows, q.Word("contents.category.filter"), func(c categoryRow) string {
			return c.Name + " " + c.Slug + " " + c.Description
		})
	}
	v.Form = categoryForm(q, taxonomy.Category{}, list, whole)
	if q.Method == http.MethodPost {
		v.Form.Read(q)
		err := h.addCategory(q, v.Form, whole)
		if err == nil {
			return q.Done("/control/categories", "created")
		}
		if !v.Form.Fail(err) {
			return err
		}
	}
	return h.Show(q, v.Form.Status(), "categories", admin.Screen{Title: q.Word("term.categories"),
		Purpose: q.Word("contents.category.purpose"), Body: v})
}

// categoryForm is the form of a category; list are all, when they can be listed.
func categoryForm(q *admin.Request, c taxonomy.Category, list []taxonomy.Category, whole bool) *admin.Form {
	f := &admin.Form{Version: c.Version, Fields: []*admin.Field{
		{Name: "name", Label: q.Word("contents.category.name"), Kind: "text", Value: c.Name},
		{Name: "slug", Label: q.Word("contents.form.address"), Kind: "text", Prefix: "/categories/", SlugFrom: "f-name",
			Optional: true, Help: q.Word("contents.category.address-help"), Value: c.Slug},
		{Name: "parent", Label: q.Word("term.below"), Kind: "select", Value: c.Parent.String(),
			Options: append([]admin.Option{{Value: "0", Label: q.Word("contents.category.top")}}, tree(list)...)},
		{Name: "description", Label: q.Word("contents.category.description"), Kind: "textarea", Rows: 2,
			Optional: true, Value: c.Description},
	}}
	if c.ID != 0 {
		f.Field("slug").Help = q.Word("contents.term.address-help")
	}
	below := f.Field("parent")
	below.Options = slices.DeleteFunc(below.Options, func(o admin.Option) bool {
		return o.Value == c.ID.String() && c.ID != 0
	})
	if !whole {
		*below = admin.Field{Name: "parent", Label: q.Word("term.below"), Kind: "text", Optional: true,
			Help: q.Word("term.below-help"), ChooseURL: admin.ChooseURL(q.Site.ID, "category-address")}
	}
	return f
}

// searchCategories gives a page of categories by name: those that the filter finds.
func (h *screens) searchCategories(q *admin.Request) (rows []categoryRow, l admin.Listing, err error) {
	in := q.URL.Query()
	l = admin.Listing{Query: admin.Clip(strings.TrimSpace(in.Get("q")), 100), Label: q.Word("term.search"),
		Here: q.URL.Path, Open: true}
	l.Filtered = l.Query != ""
	found, err := h.o.Taxonomy.Search(q.Context(), q.Site.ID, l.Query, in.Get("after"), admin.ListPage)
	if err != nil {
		return nil, l, err
	}
	for _, c := range found.Items {
		rows = append(rows, categoryRow{Category: c})
	}
	l.Paging = q.After(found.Next)
	return rows, l, nil
}

// addCategory adds what the form says.
func (h *screens) addCategory(q *admin.Request, f *admin.Form, whole bool) error {
	c, err := h.readCategory(q, f, taxonomy.Category{Site: q.Site.ID}, whole)
	if err != nil {
		return err
	}
	_, err = h.o.Taxonomy.AddCategory(q.Context(), q.Instance.ID, c)
	return err
}

// readCategory puts what the form says into c. The category above is chosen from the whole tree, or named.
func (h *screens) readCategory(
	q *admin.Request, f *admin.Form, c taxonomy.Category, whole bool,
) (taxonomy.Category, error) {
	c.Name, c.Slug, c.Description = f.Text("name"), f.Text("slug"), f.Text("description")
	c.Parent = 0
	if c.Slug == "" {
		c.Slug = taxonomy.Slug(c.Name)
	}
	switch above := f.Text("parent"); {
	case !whole && above != "":
		p, err := h.o.Taxonomy.CategoryChosen(q.Context(), q.Site.ID, above)
		if stoa.Is(err, stoa.KindNotFound) {
			return c, noCategory("parent", above)
		}
		if err != nil {
			return c, err
		}
		c.Parent = p.ID
	case whole:
		parent, err := strconv.ParseInt(above, 10, 64)
		if err != nil {
			return c, stoa.Invalid("parent", "choose a category of the list")
		}
		if c.Parent = stoa.ID(parent); parent != 0 {
			have, err := h.o.Taxonomy.CategoriesByID(q.Context(), q.Site.ID, []stoa.ID{c.Parent})
			if err != nil {
				return c, err
			}
			if len(have) == 0 {
				return c, stoa.Invalid("parent", "this category is gone; choose another one")
			}
		}
	}
	if c.Name == "" || len(c.Name) > 190 {
		return c, stoa.Invalid("name", "a name of 1 to 190 bytes is expected")
	}
	if c.Slug == "" || c.Slug != stoa.Slug(c.Slug, 190) {
		return c, stoa.Invalid("slug", "%.60q cannot be an address: small letters, digits and single dashes are expected",
			c.Slug)
	}
	return c, nil
}

// termEditing is what the screen of a category or a tag shows.
type termEditing struct {
	Form, Merge *admin.Form
	Self        string // address of the screen
	Name        string
	Carried     string // how many things carry it
	Delete      admin.Link
	Publishes   bool // the actor may change it
	Manages     bool // the actor may merge and delete it
}

// termBody fills what both kinds of terms show besides their form.
func (h *screens) termBody(q *admin.Request, kind string, id stoa.ID, e termEditing) (termEditing, error) {
	n, err := h.o.Taxonomy.Carried(q.Context(), kind, id)
	if err != nil {
		return e, err
	}
	e.Carried = q.Word("contents.term.carried", n)
	if n > taxonomy.MostCarried {
		e.Carried = q.Word("contents.term.carried-more", taxonomy.MostCarried)
	}
	e.Publishes = h.o.Access.Can(q.Context(), access.Publish, q.Site.Path())
	e.Manages = h.o.Access.Can(q.Context(), access.Manage, q.Site.Path())
	if !e.Publishes {
		e.Form.Lock()
	}
	if e.Merge == nil {
		e.Merge = mergeForm(q, kind)
	}
	return e, nil
}

func mergeForm(q *admin.Request, kind string) *admin.Form {
	return &admin.Form{Fields: []*admin.Field{{Name: "into", Label: q.Word("contents.term.into"), Kind: "text",
		Help: q.Word("contents.term.into-help"), ChooseURL: admin.ChooseURL(q.Site.ID, kind+"-address")}}}
}

// openedCategory gives the category of the address.
func (h *screens) openedCategory(q *admin.Request) (c taxonomy.Category, err error) {
	id, err := q.ID()
	if err != nil {
		return c, err
	}
	if q.Method == http.MethodPost {
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return c, err
		}
	}
	list, err := h.o.Taxonomy.CategoriesByID(q.Context(), q.Site.ID, []stoa.ID{id})
	if err != nil {
		return c, err
	}
	if len(list) == 0 {
		return c, stoa.NotFound("category", id)
	}
	return list[0], nil
}

// category shows a category and gives it another name, address or place.
func (h *screens) category(q *admin.Request) error {
	c, err := h.openedCategory(q)
	if err != nil {
		return err
	}
	list, whole, err := h.o.Taxonomy.Tree(q.Context(), q.Site.ID)
	if err != nil {
		return err
	}
	e := termEditing{Form: categoryForm(q, c, list, whole)}
	if !whole && c.Parent != 0 {
		above, err := h.o.Taxonomy.CategoriesByID(q.Context(), q.Site.ID, []stoa.ID{c.Parent})
		if err != nil {
			return err
		}
		if len(above) > 0 {
			e.Form.Field("parent").Value = above[0].Slug
		}
	}
	if q.Method == http.MethodPost {
		newest := *e.Form
		newest.Fields = nil
		for _, x := range e.Form.Fields {
			y := *x
			newest.Fields = append(newest.Fields, &y)
		}
		e.Form.Read(q)
		changed, err := h.readCategory(q, e.Form, c, whole)
		if changed.Version = e.Form.Version; err == nil {
			_, err = h.o.Taxonomy.UpdateCategory(q.Context(), q.Instance.ID, changed)
		}
		switch {
		case err == nil:
			return q.Done("/control/categories/"+c.ID.String(), "saved")
		case stoa.Is(err, stoa.KindConflict) && e.Form.Version != c.Version:
			e.Form.Stale(&newest)
		case !e.Form.Fail(err):
			return err
		}
	}
	return h.showCategory(q, c, e)
}

func (h *screens) showCategory(q *admin.Request, c taxonomy.Category, e termEditing) (err error) {
	if e, err = h.termBody(q, "category", c.ID, e); err != nil {
		return err
	}
	e.Self, e.Name = "/control/categories/"+c.ID.String(), c.Name
	e.Delete = admin.Link{Ask: q.Word("contents.category.delete-ask", c.Name),
		AskText: q.Word("contents.category.delete-text")}
	return h.Show(q, max(e.Form.Status(), e.Merge.Status()), "term", admin.Screen{Title: c.Name, Body: e,
		Purpose: e.Carried, Back: &admin.Link{Title: q.Word("term.categories"), URL: "/control/categories"}})
}

// mergeCategory merges the category into another one.
func (h *screens) mergeCategory(q *admin.Request) error {
	c, err := h.openedCategory(q)
	if err != nil {
		return err
	}
	merge := mergeForm(q, "category")
	merge.Read(q)
	into, err := h.o.Taxonomy.CategoryChosen(q.Context(), q.Site.ID, merge.Text("into"))
	if stoa.Is(err, stoa.KindNotFound) {
		err = noCategory("into", merge.Text("into"))
	}
	if err == nil {
		err = h.o.Taxonomy.MergeCategory(q.Context(), q.Instance.ID, q.Site.ID, c.ID, into.ID)
	}
	if err == nil {
		return q.Done("/control/categories/"+into.ID.String(), "merged")
	}
	if !merge.Fail(err) {
		return err
	}
	list, whole, err := h.o.Taxonomy.Tree(q.Context(), q.Site.ID)
	if err != nil {
		return err
	}
	return h.showCategory(q, c, termEditing{Form: categoryForm(q, c, list, whole), Merge: merge})
}

func (h *screens) deleteCategory(q *admin.Request) error {
	id, err := q.ID()
	if err != nil {
		return err
	}
	if err := h.At(q, q.PostForm.Get("site")); err != nil {
		return err
	}
	if err := h.o.Taxonomy.TrashCategory(q.Context(), q.Instance.ID, q.Site.ID, id); err != nil {
		return err
	}
	return q.Trashed("/control/categories", "category", id)
}
