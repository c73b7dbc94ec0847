package admin

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

func (h *Handler) mountPages(get, post register) {
	get("/control/pages", somebody, h.pages)
	get("/control/pages/new", editSite, h.newPage)
	post("/control/pages/new", editSite, h.newPage)
	// Permission may be granted on a single page, so each of these asks for it there.
	get("/control/pages/{id}", somebody, h.page)
	post("/control/pages/{id}", somebody, h.page)
	get("/control/pages/{id}/permissions", somebody, h.permissions)
	post("/control/pages/{id}/permissions", somebody, h.permissions)
	post("/control/pages/{id}/{do}", somebody, h.pageAction)
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

// editablePages gives the pages that the actor may edit, as rows of the tree.
func (h *Handler) editablePages(q *request) ([]pageRow, error) {
	if h.o.Pages == nil {
		return nil, nil
	}
	nodes, err := h.o.Pages.Tree(q.Context(), q.site.ID)
	if err != nil {
		return nil, err
	}
	var failed error
	rows := slices.DeleteFunc(pageRows(nodes, q.site, 0), func(r pageRow) bool {
		path, err := h.o.Pages.Path(
			q.Context(),
			page.Page{ID: r.ID, Site: r.Site, Parent: r.Parent, Restricted: r.Restricted},
		)
		failed = errors.Join(failed, err)
		return err != nil || !h.o.Access.Can(q.Context(), access.Edit, path)
	})
	return rows, failed
}

// pages lists the pages of the site as a tree.
func (h *Handler) pages(q *request) error {
	rows, err := h.editablePages(q)
	if err != nil {
		return err
	}
	var actions []link
	if err := h.permit(q, editSite); err == nil {
		actions = []link{{Title: "New page", URL: "/control/pages/new", Icon: "plus", Primary: true}}
	} else if len(rows) == 0 {
		return err
	}
	return h.show(
		q,
		http.StatusOK,
		"pages",
		frame{
			Title:   "Pages",
			Purpose: "The pages of " + q.site.Name + " and their order in the navigation.",
			Actions: actions,
			Body:    listOf(q, rows, "Filter by title or address", func(r pageRow) string { return r.Name + " " + r.Path }),
		},
	)
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
		x := &field{
			Name:     "title." + string(l),
			Label:    "Title in " + string(l),
			Kind:     "text",
			Value:    p.Title[l],
			Optional: i > 0,
		}
		if len(locales) == 1 {
			x.Label = "Title"
		}
		f.Fields = append(f.Fields, x)
	}
	slug := &field{
		Name:     "slug",
		Label:    "Address",
		Kind:     "text",
		Value:    p.Slug,
		Optional: p.ID == 0,
		Help:     "The last part of the address. Old addresses lead on to new ones.",
	}
	if p.ID == 0 {
		slug.SlugFrom = "f-title." + string(locales[0])
	}
	articles := &field{Name: "article", Label: "Article", Kind: "select", Help: "For pages of the type An article."}
	whole := false
	if articles.Options, whole, err = h.articleOptions(q, true); err != nil {
		return nil, err
	}
	target := &field{
		Name:     "target",
		Label:    "Link",
		Kind:     "text",
		Optional: true,
		Help:     "For pages of the type A link: a path such as /about, or an address with https://.",
	}
	switch {
	case p.Type != page.TypeArticle:
		target.Value = p.Target
	case whole:
		h.chooseArticle(q, articles, p.Target)
	default:
		articles.Value = p.Target
	}
	if !whole {
		if err := h.findArticle(q, articles); err != nil {
			return nil, err
		}
	}
	f.Fields = append(
		f.Fields,
		slug,
		&field{Name: "parent", Label: "Below", Kind: "select", Options: parents, Value: p.Parent.String()},
		&field{
			Name:  "type",
			Label: "Type",
			Kind:  "select",
			Value: p.Type,
			Options: []option{{Value: page.TypeWidgets, Label: "Widgets"},
				{Value: page.TypeArticle, Label: "An article"}, {Value: page.TypeLink, Label: "A link"}},
		},
		articles,
		target,
		&field{Name: "hidden", Label: "Not in the navigation", Kind: "check", Value: check(p.Hidden)},
		&field{Name: "seo.title", Label: "Title for search engines", Kind: "text", Value: p.SEO.Title, Optional: true},
		&field{
			Name:     "seo.description",
			Label:    "Description for search engines",
			Kind:     "textarea",
			Rows:     3,
			Value:    p.SEO.Description,
			Optional: true,
		},
		h.picture(q, field{Name: "seo.image", Label: "Image for link previews", Value: p.SEO.Image, Optional: true}),
		&field{Name: "noindex", Label: "Keep search engines away", Kind: "check", Value: check(p.SEO.NoIndex)},
		&field{
			Name:  "restricted",
			Label: "Only for those with permission on this page itself",
			Kind:  "check",
			Value: check(p.Restricted),
			Help:  "Permission on the site does not reach it then.",
		},
		&field{
			Name:     "password",
			Label:    "Password for visitors",
			Kind:     "password",
			Optional: true,
			Autofill: "new-password",
			Help:     "Empty leaves it as it is.",
		},
	)
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
	return page.SEO{
		Title:       f.text("seo.title"),
		Description: f.text("seo.description"),
		Image:       f.text("seo.image"),
		NoIndex:     f.on("noindex"),
	}
}

// target is what the page leads to, by its type.
func (f *form) target() string {
	switch f.text("type") {
	case page.TypeArticle:
		return f.text("article")
	case page.TypeLink:
		return f.text("target")
	}
	return ""
}

// chooseArticle marks the article with the number, which may be one that the list does not reach.
func (h *Handler) chooseArticle(q *request, f *field, id string) {
	f.Value = id
	if id == "" || slices.ContainsFunc(f.Options, func(o option) bool { return o.Value == id }) {
		return
	}
	o := option{Value: id, Label: "Article " + id}
	if n, err := stoa.ParseID(id); err == nil {
		if a, err := h.o.Content.Get(q.Context(), n); err == nil {
			o.Label = clip(a.In(q.site.Locale).Title, 80)
		}
	}
	f.Options = append(f.Options, o)
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
	Manages   bool
	Site      stoa.ID
	Open      []link // articles that the page shows and that are open by themselves, while the page is not
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
	made, err := h.o.Pages.Create(
		q.Context(),
		q.site,
		page.NewPage{Parent: f.parent(), Slug: f.text("slug"), Title: titles(f, nil), Position: -1,
			Hidden: f.on(
				"hidden",
			), Type: f.text("type"), Target: f.target(), // a draft: what is empty yet shall not stand in the navigation
			Restricted: f.on("restricted"), Password: f.text("password"), SEO: f.seo()},
	)
	if err == nil {
		return q.done("/control/pages/"+made.ID.String(), "drafted")
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
	e := pageEditing{Form: f, Page: p, Site: q.site.ID, Publishes: h.o.Access.Can(q.Context(), access.Publish, path),
		Manages: h.o.Access.Can(q.Context(), access.Manage, path)}
	if !e.Publishes && p.Published { // visitors would see it at once
		f.keep()
	}
	if e.Open, err = h.openArticles(q.Context(), q.site, p, path); err != nil {
		return err
	}
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
	p.Title, p.Slug, p.Hidden, p.Type, p.Target = titles(
		f,
		p.Title,
	), f.text(
		"slug",
	), f.on(
		"hidden",
	), f.text(
		"type",
	), f.target()
	p.Restricted, p.SEO, p.Version = f.on("restricted"), f.seo(), f.Version
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
	h.previews(q, e.Form)
	f := frame{
		Title:   "New page",
		Purpose: lang.Word("bar.new-page-purpose"),
		Back:    &link{Title: "Pages", URL: "/control/pages"},
		Body:    e,
	}
	if !e.New {
		f.Title, f.Purpose = e.Page.In(q.site.Locale, q.site.Locale), ""
		f.Pill = pagePill(e.Page.Published, e.Page.HasDraft)
		f.Actions = []link{{Title: "View", URL: e.Page.Path, Icon: "external"}}
		if e.Manages {
			f.Actions = append(
				f.Actions,
				link{Title: "Permissions", URL: "/control/pages/" + e.Page.ID.String() + "/permissions", Icon: "key"},
			)
		}
		if e.Page.Type == page.TypeWidgets {
			f.Actions = append(
				f.Actions,
				link{Title: "Edit layout", URL: "/control/pages/" + e.Page.ID.String() + "/edit", Icon: "layout", Primary: true},
			)
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
