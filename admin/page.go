package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

func (h *Handler) mountPages(get, post register) {
	get("/control/pages", editSite, h.pages)
	get("/control/pages/new", editSite, h.newPage)
	post("/control/pages/new", editSite, h.newPage)
	get("/control/pages/{id}", editSite, h.page)
	post("/control/pages/{id}", editSite, h.page)
	post("/control/pages/{id}/{do}", editSite, h.pageAction)
}

// pageRow is a page in the list, with how deep it is.
type pageRow struct {
	page.Node
	Name       string
	Depth      int
	First      bool // among its siblings
	Last       bool
	PublicPath string
}

func pageRows(nodes []page.Node, st site.Site, depth int) []pageRow {
	var out []pageRow
	for i, n := range nodes {
		out = append(out, pageRow{n, n.In(st.Locale, st.Locale), depth, i == 0, i == len(nodes)-1, n.Path})
		out = append(out, pageRows(n.Children, st, depth+1)...)
	}
	return out
}

// pages lists the pages of the site as a tree.
func (h *Handler) pages(q *request) error {
	nodes, err := h.o.Pages.Tree(q.Context(), q.site.ID)
	if err != nil {
		return err
	}
	return h.show(q, http.StatusOK, "pages", frame{Title: "Pages", Purpose: "The pages of " + q.site.Name + " and their order in the navigation.",
		Actions: []link{{Title: "New page", URL: "/control/pages/new", Icon: "plus", Primary: true}},
		Body:    listOf(q, pageRows(nodes, q.site, 0), "Filter by title or address", func(r pageRow) string { return r.Name + " " + r.Path })})
}

// pageForm gives the form of what describes a page.
func (h *Handler) pageForm(q *request, p page.Page) (*form, error) {
	nodes, err := h.o.Pages.Tree(q.Context(), q.site.ID)
	if err != nil {
		return nil, err
	}
	parents := []option{{Value: "0", Label: "Top level"}}
	skip := -1 // below this depth, everything belongs to the page itself
	for _, r := range pageRows(nodes, q.site, 0) {
		if skip >= 0 && r.Depth > skip {
			continue
		}
		skip = -1
		if r.ID == p.ID {
			skip = r.Depth
			continue
		}
		parents = append(parents, option{Value: r.ID.String(), Label: strings.Repeat("– ", r.Depth) + r.Name})
	}
	f := &form{Version: p.Version}
	locales := q.site.Locales
	if len(locales) == 0 {
		locales = []stoa.Locale{q.site.Locale}
	}
	for i, l := range locales {
		x := &field{Name: "title." + string(l), Label: "Title in " + string(l), Kind: "text", Value: p.Title[l], Optional: i > 0}
		if len(locales) == 1 {
			x.Label = "Title"
		}
		f.Fields = append(f.Fields, x)
	}
	slug := &field{Name: "slug", Label: "Address", Kind: "text", Value: p.Slug, Optional: p.ID == 0, Help: "The last part of the address. Old addresses lead on to new ones."}
	if p.ID == 0 {
		slug.SlugFrom = "f-title." + string(locales[0])
	}
	f.Fields = append(f.Fields, slug,
		&field{Name: "parent", Label: "Below", Kind: "select", Options: parents, Value: p.Parent.String()},
		&field{Name: "type", Label: "Type", Kind: "select", Value: p.Type, Options: []option{{Value: page.TypeWidgets, Label: "Widgets"},
			{Value: page.TypeArticle, Label: "An article"}, {Value: page.TypeLink, Label: "A link"}}},
		&field{Name: "target", Label: "Target", Kind: "text", Value: p.Target, Optional: true, Help: "The number of the article, or the address that the link leads to. Empty for pages of widgets."},
		&field{Name: "hidden", Label: "Not in the navigation", Kind: "check", Value: check(p.Hidden)},
		&field{Name: "template", Label: "Template", Kind: "text", Value: p.Template, Optional: true, Help: "The name of a page template of the theme."},
		&field{Name: "seo.title", Label: "Title for search engines", Kind: "text", Value: p.SEO.Title, Optional: true},
		&field{Name: "seo.description", Label: "Description for search engines", Kind: "textarea", Rows: 3, Value: p.SEO.Description, Optional: true},
		&field{Name: "seo.image", Label: "Image for link previews", Kind: "text", Value: p.SEO.Image, Optional: true, Help: "An address."},
		&field{Name: "noindex", Label: "Keep search engines away", Kind: "check", Value: check(p.SEO.NoIndex)},
		&field{Name: "restricted", Label: "Only for those with permission on this page itself", Kind: "check", Value: check(p.Restricted), Help: "Permission on the site does not reach it then."},
		&field{Name: "password", Label: "Password for visitors", Kind: "password", Optional: true, Autofill: "new-password", Help: "Empty leaves it as it is."})
	if p.Protected {
		f.Fields = append(f.Fields, &field{Name: "open", Label: "Visitors need no password any more", Kind: "check"})
	}
	return f, nil
}

// titles reads the titles in all languages; those that the form does not show stay.
func titles(f *form, have map[stoa.Locale]string) map[stoa.Locale]string {
	out := map[stoa.Locale]string{}
	for l, t := range have {
		out[l] = t
	}
	for _, x := range f.Fields {
		if l, ok := strings.CutPrefix(x.Name, "title."); ok {
			delete(out, stoa.Locale(l))
			if x.Value != "" {
				out[stoa.Locale(l)] = x.Value
			}
		}
	}
	return out
}

func (f *form) seo() page.SEO {
	return page.SEO{Title: f.text("seo.title"), Description: f.text("seo.description"), Image: f.text("seo.image"), NoIndex: f.on("noindex")}
}

// parent reads the page above; 0 is the top.
func (f *form) parent() stoa.ID {
	id, _ := strconv.ParseInt(f.text("parent"), 10, 64) // what is no number is the top
	return stoa.ID(max(id, 0))
}

// pageEditing is what the screen of a page shows.
type pageEditing struct {
	Form      *form
	Page      page.Page
	New       bool
	Publishes bool
	Site      stoa.ID
}

func (h *Handler) newPage(q *request) error {
	if q.Method == http.MethodPost {
		if err := h.at(q, q.PostFormValue("site")); err != nil {
			return err
		}
	}
	p := page.Page{Type: page.TypeWidgets}
	if id, err := stoa.ParseID(q.URL.Query().Get("parent")); err == nil {
		p.Parent = id
	}
	f, err := h.pageForm(q, p)
	if err != nil {
		return err
	}
	e := pageEditing{Form: f, New: true, Site: q.site.ID, Publishes: h.publishes(q.Context(), q.site.Path())}
	if q.Method != http.MethodPost {
		return h.showPage(q, e)
	}
	f.read(q)
	made, err := h.o.Pages.Create(q.Context(), q.site, page.NewPage{Parent: f.parent(), Slug: f.text("slug"), Title: titles(f, nil), Position: -1,
		Hidden: f.on("hidden"), Type: f.text("type"), Target: f.text("target"), Publish: q.PostForm.Get("do") == "publish",
		Restricted: f.on("restricted"), Password: f.text("password"), SEO: f.seo(), Template: f.text("template")})
	if err == nil {
		return q.done("/control/pages/"+made.ID.String(), "created")
	}
	if !f.fail(err) {
		return err
	}
	return h.showPage(q, e)
}

// openedPage gives the page of the address and makes q work on its site.
func (h *Handler) openedPage(q *request) (page.Page, error) {
	id, err := q.id()
	if err != nil {
		return page.Page{}, err
	}
	p, err := h.o.Pages.Get(q.Context(), id)
	if err != nil {
		return p, err
	}
	return p, h.at(q, p.Site.String())
}

// page shows the form of a page and saves it.
func (h *Handler) page(q *request) error {
	p, err := h.openedPage(q)
	if err != nil {
		return err
	}
	path, err := h.o.Pages.Path(q.Context(), p)
	if err != nil {
		return err
	}
	f, err := h.pageForm(q, p)
	if err != nil {
		return err
	}
	e := pageEditing{Form: f, Page: p, Site: q.site.ID, Publishes: h.o.Access.Can(q.Context(), access.Publish, path)}
	if q.Method != http.MethodPost {
		return h.showPage(q, e)
	}
	f.read(q)
	saved, err := h.savePage(q, f, p)
	if err == nil && q.PostForm.Get("do") == "publish" {
		if saved, err = h.o.Pages.Publish(q.Context(), p.ID, saved.Version); err == nil {
			return q.done("/control/pages/"+p.ID.String(), "published")
		}
	}
	if err == nil {
		return q.done("/control/pages/"+p.ID.String(), "saved")
	}
	now, gerr := h.o.Pages.Get(q.Context(), p.ID)
	if gerr != nil {
		return gerr
	}
	if stoa.Is(err, stoa.KindConflict) && now.Version != f.Version && saved.ID == 0 {
		newest, ferr := h.pageForm(q, now)
		if ferr != nil {
			return ferr
		}
		f.stale(newest)
		return h.showPage(q, e)
	}
	if !f.fail(err) {
		return err
	}
	f.Version, e.Page = max(f.Version, saved.Version), now // what was saved before the error counts
	return h.showPage(q, e)
}

// savePage saves what describes the page, then its place and its password where the form changes them. The
// page that it gives together with an error is what was saved until then.
func (h *Handler) savePage(q *request, f *form, p page.Page) (page.Page, error) {
	p.Title, p.Slug, p.Hidden, p.Type, p.Target = titles(f, p.Title), f.text("slug"), f.on("hidden"), f.text("type"), f.text("target")
	p.Restricted, p.SEO, p.Template, p.Version = f.on("restricted"), f.seo(), f.text("template"), f.Version
	saved, err := h.o.Pages.Update(q.Context(), p)
	if err != nil {
		return page.Page{}, err
	}
	if parent := f.parent(); parent != saved.Parent {
		moved, err := h.o.Pages.Move(q.Context(), p.ID, parent, -1, saved.Version)
		if err != nil {
			return saved, err
		}
		saved = moved
	}
	password := f.text("password")
	if password == "" && !(f.has("open") && f.on("open")) {
		return saved, nil
	}
	if err := h.o.Pages.SetPassword(q.Context(), p.ID, password, saved.Version); err != nil {
		return saved, err
	}
	return h.o.Pages.Get(q.Context(), p.ID)
}

func (h *Handler) showPage(q *request, e pageEditing) error {
	f := frame{Title: "New page", Back: &link{Title: "Pages", URL: "/control/pages"}, Body: e}
	if !e.New {
		f.Title = e.Page.In(q.site.Locale, q.site.Locale)
		f.Pill = pagePill(e.Page.Published, e.Page.HasDraft)
		f.Actions = []link{{Title: "View", URL: e.Page.Path, Icon: "external"}}
		if e.Page.Type == page.TypeWidgets {
			f.Actions = append(f.Actions, link{Title: "Edit layout", URL: "/control/pages/" + e.Page.ID.String() + "/edit", Icon: "layout", Primary: true})
		}
	}
	return h.show(q, e.Form.Status(), "page", f)
}

func pagePill(published, draft bool) *pill {
	switch {
	case published && draft:
		return &pill{"info", "Published, with a draft"}
	case published:
		return &pill{"ok", "Published"}
	}
	return &pill{"", "Draft"}
}

// pageAction does one thing with a page: publish, unpublish, discard, delete, up or down.
func (h *Handler) pageAction(q *request) error {
	p, err := h.openedPage(q)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(q.PostFormValue("version"), 10, 64) // what is no number is stale
	here := "/control/pages/" + p.ID.String()
	switch q.PathValue("do") {
	case "publish":
		if _, err := h.o.Pages.Publish(q.Context(), p.ID, version); err != nil {
			return err
		}
		return q.done(here, "published")
	case "unpublish":
		if _, err := h.o.Pages.Unpublish(q.Context(), p.ID, version); err != nil {
			return err
		}
		return q.done(here, "unpublished")
	case "discard":
		if _, err := h.o.Pages.DiscardDraft(q.Context(), p.ID, p.DraftVersion); err != nil {
			return err
		}
		return q.done(here, "discarded")
	case "delete":
		if err := h.o.Pages.Delete(q.Context(), p.ID, version); err != nil {
			return err
		}
		return q.done("/control/pages", "deleted")
	case "up", "down":
		to := p.Position + 1
		if q.PathValue("do") == "up" {
			to = max(p.Position-1, 0)
		}
		if _, err := h.o.Pages.Move(q.Context(), p.ID, p.Parent, to, version); err != nil {
			return err
		}
		return q.done("/control/pages", "moved")
	}
	return stoa.NotFound("action", q.PathValue("do"))
}
