package admin

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
)

// maxMenuRows is how many entries the form of a menu takes; spareRows are empty ones at its end.
const (
	maxMenuRows = 300
	spareRows   = 5
	menuDepth   = 4
)

func (h *Handler) mountMenus(get, post register) {
	get("/control/menus", editSite, h.menus)
	get("/control/menus/new", editSite, h.menu)
	post("/control/menus/new", editSite, h.menu)
	get("/control/menus/{id}", editSite, h.menu)
	post("/control/menus/{id}", editSite, h.menu)
	post("/control/menus/{id}/delete", editSite, h.deleteMenu)
}

func (h *Handler) menus(q *request) error {
	list, err := h.o.Pages.Menus(q.Context(), q.site.ID)
	if err != nil {
		return err
	}
	return h.show(q, http.StatusOK, "menus", frame{Title: "Menus", Purpose: "Links that people put together. The theme shows the menus main and footer.",
		Actions: []link{{Title: "New menu", URL: "/control/menus/new", Icon: "plus", Primary: true}}, Body: listOf(q, list, "Filter by name", func(m page.Menu) string { return m.Name + " " + m.Slug })})
}

// menuRow is one entry of a menu as the form shows it: the tree is told by how deep each row is.
type menuRow struct {
	Number int // from 1, for labels
	Was    int // which row of the saved menu it was, from 1; 0 for a new one
	Label  string
	Page   string // id of a page; empty for none
	URL    string
	Depth  int // from 0

	before map[stoa.Locale]string // titles in all languages
}

// menuRows flattens the entries of a menu.
func menuRows(items []page.Item, l stoa.Locale, depth int) (out []menuRow) {
	for _, it := range items {
		r := menuRow{Label: it.Title[l], URL: it.URL, Depth: depth, before: it.Title}
		if it.Page != 0 {
			r.Page = it.Page.String()
		}
		out = append(append(out, r), menuRows(it.Children, l, depth+1)...)
	}
	return out
}

// menuItems builds the tree that rows tell, and the number of rows used. A row that is indented further than
// one step below the row before it goes one step below that.
func menuItems(rows []menuRow, l stoa.Locale, depth int) (items []page.Item, used int, err error) {
	for used < len(rows) {
		r := rows[used]
		if r.Depth < depth {
			break
		}
		used++
		it := page.Item{URL: r.URL, Title: maps.Clone(r.before)}
		if it.Title == nil {
			it.Title = map[stoa.Locale]string{}
		}
		if delete(it.Title, l); r.Label != "" {
			it.Title[l] = r.Label
		}
		if r.Page != "" {
			if it.Page, err = stoa.ParseID(r.Page); err != nil {
				return nil, 0, stoa.Invalid("items", "row %d: choose a page of the list", r.Number)
			}
			if it.URL != "" {
				return nil, 0, stoa.Invalid("items", "row %d: a page or an address is expected, not both", r.Number)
			}
		}
		if depth+1 < menuDepth {
			children, n, err := menuItems(rows[used:], l, depth+1)
			if err != nil {
				return nil, 0, err
			}
			it.Children, used = children, used+n
		}
		items = append(items, it)
	}
	return items, used, nil
}

// menuEditing is what the screen of a menu shows.
type menuEditing struct {
	Form  *form
	Menu  page.Menu
	Rows  []menuRow
	Pages []option
	Steps []option // how deep an entry stands
}

func menuForm(m page.Menu) *form {
	return &form{Version: m.Version, Fields: []*field{
		{Name: "name", Label: "Name", Kind: "text", Value: m.Name},
		{Name: "slug", Label: "Short name", Kind: "mono", Value: m.Slug, SlugFrom: "f-name", Optional: true, Help: "By which themes and widgets find the menu, such as main or footer."},
	}}
}

// sentRows reads the rows of the form, without empty ones. Titles in languages that the form does not show
// come from the row that stood there when the form was opened.
func sentRows(q *request, before []menuRow) (out []menuRow, err error) {
	labels, pages, urls, depths, was := q.PostForm["label"], q.PostForm["page"], q.PostForm["url"], q.PostForm["depth"], q.PostForm["was"]
	n := len(labels)
	if n > maxMenuRows || len(pages) != n || len(urls) != n || len(depths) != n || len(was) != n {
		return nil, stoa.Invalid("items", "the rows of the menu could not be read: up to %d complete rows are expected", maxMenuRows)
	}
	for i := range n {
		r := menuRow{Number: i + 1, Label: strings.TrimSpace(strings.ToValidUTF8(labels[i], "�")), Page: pages[i], URL: strings.TrimSpace(urls[i])}
		if r.Depth, err = strconv.Atoi(depths[i]); err != nil || r.Depth < 0 || r.Depth >= menuDepth {
			return nil, stoa.Invalid("items", "row %d: a level from 1 to %d is expected", i+1, menuDepth)
		}
		if k, err := strconv.Atoi(was[i]); err == nil && k > 0 && k <= len(before) {
			r.Was, r.before = k, before[k-1].before
		}
		if r.Label != "" || r.Page != "" || r.URL != "" {
			out = append(out, r)
		}
	}
	return out, nil
}

// openedMenu gives the menu of the address, which must be one of the site, or an empty one.
func (h *Handler) openedMenu(q *request) (m page.Menu, err error) {
	if q.Method == http.MethodPost {
		if err := h.at(q, q.PostForm.Get("site")); err != nil {
			return m, err
		}
	}
	if q.PathValue("id") == "" {
		return page.Menu{Site: q.site.ID}, nil
	}
	id, err := q.id()
	if err != nil {
		return m, err
	}
	m, err = h.o.Pages.Menu(q.Context(), id)
	if err == nil && m.Site != q.site.ID {
		err = stoa.NotFound("menu", id)
	}
	return m, err
}

// menu shows the form of a menu and saves it.
func (h *Handler) menu(q *request) error {
	m, err := h.openedMenu(q)
	if err != nil {
		return err
	}
	e := menuEditing{Form: menuForm(m), Menu: m, Rows: menuRows(m.Items, q.site.Locale, 0)}
	for i := range e.Rows {
		e.Rows[i].Was = i + 1
	}
	if q.Method == http.MethodPost {
		e.Form.read(q)
		rows, err := sentRows(q, e.Rows)
		if err == nil {
			e.Rows = rows
			m.Items, _, err = menuItems(rows, q.site.Locale, 0)
		}
		if err == nil {
			m.Name, m.Slug, m.Version = e.Form.text("name"), e.Form.text("slug"), e.Form.Version
			m, err = h.o.Pages.SaveMenu(q.Context(), m)
		}
		if err == nil {
			return q.done("/control/menus/"+m.ID.String(), "saved")
		}
		if !e.Form.fail(err) {
			return err
		}
	}
	return h.showMenu(q, e)
}

func (h *Handler) showMenu(q *request, e menuEditing) (err error) {
	if e.Pages, err = h.pageOptions(q); err != nil {
		return err
	}
	e.Pages[0].Label = "No page"
	for _, r := range e.Rows { // a page that the actor may not see stays what it is
		if r.Page != "" && !slices.ContainsFunc(e.Pages, func(o option) bool { return o.Value == r.Page }) {
			e.Pages = append(e.Pages, option{Value: r.Page, Label: "Page " + r.Page})
		}
	}
	for i := range menuDepth {
		e.Steps = append(e.Steps, option{Value: strconv.Itoa(i), Label: strconv.Itoa(i + 1)})
	}
	for range spareRows {
		e.Rows = append(e.Rows, menuRow{})
	}
	for i := range e.Rows {
		e.Rows[i].Number = i + 1
	}
	f := frame{Title: "New menu", Back: &link{Title: "Menus", URL: "/control/menus"}, Body: e}
	if e.Menu.ID != 0 {
		f.Title = e.Menu.Name
	}
	return h.show(q, e.Form.Status(), "menu", f)
}

func (h *Handler) deleteMenu(q *request) error {
	m, err := h.openedMenu(q)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(q.PostForm.Get("version"), 10, 64) // a version that is no number is stale
	if err := h.o.Pages.DeleteMenu(q.Context(), m.ID, version); err != nil {
		return err
	}
	return q.done("/control/menus", "deleted")
}
