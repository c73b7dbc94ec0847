package pages

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/page"
)

// maxMenuRows is how many entries the form of a menu takes.
const (
	maxMenuRows = 300
	menuDepth   = 4
)

func (h *screens) mountMenus(r *admin.Routes) {
	r.Get("/control/menus", admin.EditSite, h.menus)
	r.Get("/control/menus/new", admin.EditSite, h.menu)
	r.Post("/control/menus/new", admin.EditSite, h.menu)
	r.Get("/control/menus/{id}", admin.EditSite, h.menu)
	r.Post("/control/menus/{id}", admin.EditSite, h.menu)
	r.Post("/control/menus/{id}/delete", admin.EditSite, h.deleteMenu)
}

func (h *screens) menus(q *admin.Request) error {
	list, err := h.o.Pages.Menus(q.Context(), q.Site.ID)
	if err != nil {
		return err
	}
	body := admin.ListOf(q, list, q.Word("pages.menu.filter"), func(m page.Menu) string { return m.Name + " " + m.Slug })
	return h.Show(q, http.StatusOK, "menus", admin.Screen{
		Title:   q.Word("pages.menus"),
		Purpose: q.Word("pages.menu.purpose"),
		Actions: []admin.Link{{Title: q.Word("pages.menu.new"), URL: "/control/menus/new", Icon: "plus", Primary: true}},
		Body:    body,
	})
}

// menuRow is one entry of a menu as the form shows it: the tree is told by how deep each row is.
type menuRow struct {
	Number int // from 1, for labels
	Label  string
	Page   string // id of a page; empty for none
	URL    string
	Depth  int    // from 0
	Kept   string // titles in all languages as JSON: they travel with the row, since the form shows one

	Up, Down, In, Out bool // how it can be moved
}

// keptTitles writes titles as they travel with a row.
func keptTitles(titles map[stoa.Locale]string) string {
	if len(titles) == 0 {
		return ""
	}
	raw, err := json.Marshal(titles)
	if err != nil {
		return "" // a map of strings can be written always
	}
	return string(raw)
}

// titles gives the titles of the row in all languages: those that travelled with it, and the label in l.
func (r menuRow) titles(l stoa.Locale) (map[stoa.Locale]string, error) {
	var sent map[string]string
	if r.Kept != "" && json.Unmarshal([]byte(r.Kept), &sent) != nil {
		return nil, stoa.Invalid("items", "row %d: its titles in other languages could not be read", r.Number)
	}
	out := map[stoa.Locale]string{}
	for code, title := range sent {
		if other, err := stoa.ParseLocale(code); err == nil && title != "" {
			out[other] = strings.ToValidUTF8(title, "�")
		}
	}
	if delete(out, l); r.Label != "" {
		out[l] = r.Label
	}
	return out, nil
}

// menuRows flattens the entries of a menu.
func menuRows(items []page.Item, l stoa.Locale, depth int) (out []menuRow) {
	for _, it := range items {
		r := menuRow{Label: it.Title[l], URL: it.URL, Depth: depth, Kept: keptTitles(it.Title)}
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
		it := page.Item{URL: r.URL}
		if it.Title, err = r.titles(l); err != nil {
			return nil, 0, err
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
	Form  *admin.Form
	Menu  page.Menu
	Rows  []menuRow
	Pages []admin.Option
	Blank menuRow // what the button adds
	Depth int     // how many levels there can be
}

func menuForm(q *admin.Request, m page.Menu) *admin.Form {
	return &admin.Form{Version: m.Version, Fields: []*admin.Field{
		{Name: "name", Label: q.Word("pages.menu.name"), Kind: "text", Value: m.Name},
		{Name: "slug", Label: q.Word("pages.menu.slug"), Kind: "mono", Value: m.Slug, SlugFrom: "f-name", Optional: true,
			Help: q.Word("pages.menu.slug.help")},
	}}
}

// sentRows reads the rows of the form.
func sentRows(q *admin.Request) (out []menuRow, err error) {
	labels, pages, urls := q.PostForm["label"], q.PostForm["page"], q.PostForm["url"]
	depths, kept := q.PostForm["depth"], q.PostForm["kept"]
	n := len(labels)
	if n > maxMenuRows || len(pages) != n || len(urls) != n || len(depths) != n || len(kept) != n {
		return nil, stoa.Invalid("items", "the rows of the menu could not be read: up to %d complete rows are expected",
			maxMenuRows)
	}
	for i := range n {
		r := menuRow{
			Number: i + 1,
			Label:  strings.TrimSpace(strings.ToValidUTF8(labels[i], "�")),
			Page:   pages[i],
			URL:    strings.TrimSpace(strings.ToValidUTF8(urls[i], "�")),
			Kept:   kept[i],
		}
		if r.Depth, err = strconv.Atoi(depths[i]); err != nil || r.Depth < 0 || r.Depth >= menuDepth {
			return nil, stoa.Invalid("items", "row %d: a level from 1 to %d is expected", i+1, menuDepth)
		}
		out = append(out, r)
	}
	level(out)
	return out, nil
}

// openedMenu gives the menu of the address, which must be one of the site, or an empty one.
func (h *screens) openedMenu(q *admin.Request) (m page.Menu, err error) {
	if q.Method == http.MethodPost {
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return m, err
		}
	}
	if q.PathValue("id") == "" {
		return page.Menu{Site: q.Site.ID}, nil
	}
	id, err := q.ID()
	if err != nil {
		return m, err
	}
	m, err = h.o.Pages.Menu(q.Context(), id)
	if err == nil && m.Site != q.Site.ID {
		err = stoa.NotFound("menu", id)
	}
	return m, err
}

// menu shows the form of a menu and saves it.
func (h *screens) menu(q *admin.Request) error {
	m, err := h.openedMenu(q)
	if err != nil {
		return err
	}
	e := menuEditing{Form: menuForm(q, m), Menu: m, Rows: menuRows(m.Items, q.Site.Locale, 0)}
	if q.Method == http.MethodPost {
		e.Form.Read(q)
		rows, err := sentRows(q)
		if err == nil {
			e.Rows = rows
			if do := q.PostForm.Get("arrange"); do != "" { // a browser without script moves a row
				if e.Rows, err = arranged(rows, do); err != nil {
					return err
				}
				return h.showMenu(q, e)
			}
			m.Items, _, err = menuItems(filled(rows), q.Site.Locale, 0)
		}
		if err == nil {
			m.Name, m.Slug, m.Version = e.Form.Text("name"), e.Form.Text("slug"), e.Form.Version
			m, err = h.o.Pages.SaveMenu(q.Context(), m)
		}
		if err == nil {
			return q.Done("/control/menus/"+m.ID.String(), "saved")
		}
		if stoa.Is(err, stoa.KindConflict) {
			err = stoa.AtField("slug", err) // one that is taken
			if e.Menu.ID != 0 {             // the person's entries stay; what differs is said
				now, err := h.o.Pages.Menu(q.Context(), e.Menu.ID)
				if err != nil {
					return err
				}
				if now.Version != e.Form.Version {
					e.Form.Stale(menuForm(q, now))
					return h.showMenu(q, e)
				}
			}
		}
		if !e.Form.Fail(err) {
			return err
		}
	}
	return h.showMenu(q, e)
}

func (h *screens) showMenu(q *admin.Request, e menuEditing) (err error) {
	if e.Pages, err = h.pageOptions(q); err != nil {
		return err
	}
	e.Pages[0].Label = q.Word("pages.menu.no-page")
	for _, r := range e.Rows { // a page that the actor may not see stays what it is
		if r.Page != "" && !slices.ContainsFunc(e.Pages, func(o admin.Option) bool { return o.Value == r.Page }) {
			e.Pages = append(e.Pages, admin.Option{Value: r.Page, Label: q.Word("pages.menu.page-number", r.Page)})
		}
	}
	if len(e.Rows) == 0 {
		e.Rows = []menuRow{{}}
	}
	ways(e.Rows)
	for i := range e.Rows {
		e.Rows[i].Number = i + 1
	}
	e.Blank.Number, e.Depth = len(e.Rows)+1, menuDepth
	back := &admin.Link{Title: q.Word("pages.menus"), URL: "/control/menus"}
	f := admin.Screen{Title: q.Word("pages.menu.new"), Back: back, Body: e}
	if e.Menu.ID != 0 {
		f.Title = e.Menu.Name
	}
	return h.Show(q, e.Form.Status(), "menu", f)
}

func (h *screens) deleteMenu(q *admin.Request) error {
	m, err := h.openedMenu(q)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(q.PostForm.Get("version"), 10, 64) // a version that is no number is stale
	if err := h.o.Pages.TrashMenu(q.Context(), m.ID, version); err != nil {
		return err
	}
	return q.Trashed("/control/menus", "menu", m.ID)
}
