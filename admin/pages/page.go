package pages

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

func (h *screens) mountPages(r *admin.Routes) {
	r.Get("/control/pages", admin.SignedIn, h.pages)
	r.Post("/control/pages/bulk", admin.SignedIn, h.pagesBulk)
	r.Get("/control/pages/choose", admin.SignedIn, h.choosePage)
	r.Get("/control/pages/new", admin.EditSite, h.newPage)
	r.Post("/control/pages/new", admin.EditSite, h.newPage)
	// Permission may be granted on a single page, so each of these asks for it there.
	r.Get("/control/pages/{id}", admin.SignedIn, h.page)
	r.Post("/control/pages/{id}", admin.SignedIn, h.page)
	r.Get("/control/pages/{id}/permissions", admin.SignedIn, h.permissions)
	r.Post("/control/pages/{id}/permissions", admin.SignedIn, h.permissions)
	r.Get("/control/pages/{id}/versions", admin.SignedIn, h.versions)
	r.Post("/control/pages/{id}/{do}", admin.SignedIn, h.pageAction)
}

// pageRow is a page in the list, with how deep it is.
type pageRow struct {
	page.Node
	Name       string
	Depth      int
	First      bool // among its siblings
	Last       bool
	PublicPath string
	Editing    *admin.Editing
}

// pageRows gives pages and all below them as rows.
func pageRows(nodes []page.Node, st site.Site) (out []pageRow) {
	var walk func(nodes []page.Node, depth int)
	walk = func(nodes []page.Node, depth int) {
		for i, n := range nodes {
			out = append(out, pageRow{Node: n, Name: n.In(st.Locale, st.Locale), Depth: depth, First: i == 0,
				Last: i == len(nodes)-1, PublicPath: n.Path})
			walk(n.Children, depth+1)
		}
	}
	walk(nodes, 0)
	return out
}

// editablePages gives the pages that the actor may edit, as rows of the tree.
func (h *screens) editablePages(q *admin.Request) ([]pageRow, error) {
	if h.o.Pages == nil {
		return nil, nil
	}
	list, err := h.o.Pages.Editable(q.Context(), q.Site.ID)
	rows := make([]pageRow, len(list))
	for i, n := range list {
		rows[i] = pageRow{Node: n.Node, Name: n.In(q.Site.Locale, q.Site.Locale), Depth: n.Depth, First: n.First,
			Last: n.Last, PublicPath: n.Path}
	}
	return rows, err
}

// pagesView is what the list of pages shows: the tree, or in no tree what a filter has found.
type pagesView struct {
	admin.Entries
	Rows      []pageRow
	Tree      admin.Listing
	Publishes bool
	Choose    string // where the page to move others below is looked for
}

// sift is what the list of pages can be filtered by.
func (h *screens) sift(q *admin.Request) admin.Sift {
	return admin.Sift{Assets: h.o.Entries, Kind: "page", Label: q.Word("pages.filter"),
		Otherwise: func(query string) bool { return query == "" || strings.HasPrefix(query, "/") },
		All: func(query string) (ids []stoa.ID, err error) {
			rows, err := h.editablePages(q)
			words := admin.Listing{Query: query}
			for _, r := range rows {
				if words.Finds(r.Path) {
					ids = append(ids, r.ID)
				}
			}
			return ids, err
		},
		States: []admin.Choice{
			{Label: q.Word("pages.all-states")},
			{Value: "published", Label: q.Word("pages.published"), Status: []asset.Status{asset.Live}},
			{Value: "draft", Label: q.Word("pages.draft"), Status: []asset.Status{asset.Draft}},
		},
		Forms: []admin.Choice{
			{Label: q.Word("pages.all-types")},
			{Value: page.TypeWidgets, Label: q.Word("pages.type.widgets"), Form: page.TypeWidgets},
			{Value: page.TypeArticle, Label: q.Word("pages.article"), Form: page.TypeArticle},
			{Value: page.TypeLink, Label: q.Word("pages.link"), Form: page.TypeLink},
		}}
}

// pages lists the pages of the site: as a tree, also when an address is looked for, which begins with a slash; else
// those that the filter finds, with the titles that begin with the words.
func (h *screens) pages(q *admin.Request) error {
	var v pagesView
	var err error
	v.Entries, err = h.Entries(q, h.sift(q))
	if err != nil {
		return err
	}
	any := true
	if v.Otherwise {
		rows, err := h.editablePages(q)
		if err != nil {
			return err
		}
		any = len(rows) > 0
		v.Rows, v.Tree = admin.Filter(q, rows, v.Label, func(r pageRow) string { return r.Path })
		v.Total = v.Tree.Total
	} else {
		nodes, err := h.o.Pages.Lines(q.Context(), q.Site.ID, v.IDs())
		if err != nil {
			return err
		}
		for _, n := range nodes {
			v.Rows = append(v.Rows, pageRow{Node: n, Name: n.In(q.Site.Locale, q.Site.Locale), First: true, Last: true,
				PublicPath: n.Path})
		}
	}
	ids := make([]stoa.ID, len(v.Rows))
	for i, r := range v.Rows {
		ids[i] = r.ID
	}
	for i, e := range h.Editors(q, lock.Page, ids[:min(len(ids), 200)]) {
		v.Rows[slices.Index(ids, i)].Editing = e
	}
	v.Publishes = h.Publishes(q.Context(), q.Site.Path())
	v.Choose = "/control/pages/choose?site=" + q.Site.ID.String()
	var actions []admin.Link
	if err := h.Permit(q, admin.EditSite); err == nil {
		actions = []admin.Link{{Title: q.Word("pages.new"), URL: "/control/pages/new", Icon: "plus", Primary: true}}
	} else if !any {
		return err
	}
	return h.Show(q, http.StatusOK, "pages", admin.Screen{Title: q.Word("pages.title"),
		Purpose: q.Word("pages.purpose", q.Site.Name), Actions: actions, Body: v})
}

// pageForm gives the form of what describes a page.
func (h *screens) pageForm(q *admin.Request, p page.Page) (*admin.Form, error) {
	nodes, err := h.o.Pages.Tree(q.Context(), q.Site.ID)
	if err != nil {
		return nil, err
	}
	parents := []admin.Option{{Value: "0", Label: q.Word("pages.top")}}
	skip := -1 // below this depth, everything belongs to the page itself
	for _, r := range pageRows(nodes, q.Site) {
		if skip >= 0 && r.Depth > skip {
			continue
		}
		skip = -1
		if r.ID == p.ID {
			skip = r.Depth
			continue
		}
		parents = append(parents, admin.Option{Value: r.ID.String(), Label: strings.Repeat("– ", r.Depth) + r.Name})
	}
	if p.ID != 0 { // below a page that the actor may not see, it stays there
		parents = admin.Keeping(parents, p.Parent, q.Word("pages.menu.page-number", p.Parent.String()))
	}
	f := &admin.Form{Version: p.Version}
	locales := q.Site.Locales
	if len(locales) == 0 {
		locales = []stoa.Locale{q.Site.Locale}
	}
	for i, l := range locales {
		x := &admin.Field{
			Name:     "title." + string(l),
			Label:    q.Word("pages.title-in", string(l)),
			Kind:     "text",
			Value:    p.Title[l],
			Optional: i > 0,
		}
		if len(locales) == 1 {
			x.Label = q.Word("pages.title-field")
		}
		f.Fields = append(f.Fields, x)
	}
	slug := &admin.Field{
		Name:     "slug",
		Label:    q.Word("pages.address"),
		Kind:     "text",
		Value:    p.Slug,
		Optional: p.ID == 0,
		Help:     q.Word("pages.address.help"),
	}
	if p.ID == 0 {
		slug.SlugFrom = "f-title." + string(locales[0])
	}
	articles := &admin.Field{Name: "article", Label: q.Word("pages.article"), Kind: "select",
		Help: q.Word("pages.article.help", stoa.Phrase("pages.type.article"))}
	whole := false
	if articles.Options, whole, err = h.articleOptions(q, true); err != nil {
		return nil, err
	}
	target := &admin.Field{
		Name:     "target",
		Label:    q.Word("pages.link"),
		Kind:     "text",
		Optional: true,
		Help:     q.Word("pages.link.help", stoa.Phrase("pages.type.link")),
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
		&admin.Field{
			Name:    "parent",
			Label:   q.Word("pages.below"),
			Kind:    "select",
			Options: parents,
			Value:   p.Parent.String(),
		},
		&admin.Field{
			Name:  "type",
			Label: q.Word("pages.type"),
			Help:  q.Word("pages.type.help"),
			Kind:  "select",
			Value: p.Type,
			Options: []admin.Option{{Value: page.TypeWidgets, Label: q.Word("pages.type.widgets")},
				{Value: page.TypeArticle, Label: q.Word("pages.type.article")},
				{Value: page.TypeLink, Label: q.Word("pages.type.link")}},
		},
		articles,
		target,
		&admin.Field{Name: "hidden", Label: q.Word("pages.no-nav"), Kind: "check", Value: admin.Checked(p.Hidden)},
		&admin.Field{Name: "hide-title", Label: q.Word("layout.hide-title"), Kind: "check", Value: admin.Checked(p.HideTitle),
			Help: q.Word("layout.hide-title.help", stoa.Phrase("pages.type.widgets"))},
		&admin.Field{Name: "seo.title", Label: q.Word("pages.seo.title"), Kind: "text", Value: p.SEO.Title, Optional: true},
		&admin.Field{
			Name:     "seo.description",
			Label:    q.Word("pages.seo.description"),
			Kind:     "textarea",
			Rows:     3,
			Value:    p.SEO.Description,
			Optional: true,
		},
		h.Picture(q, admin.Field{Name: "seo.image", Label: q.Word("pages.seo.image"), Value: p.SEO.Image, Optional: true}),
		&admin.Field{Name: "noindex", Label: q.Word("pages.seo.none"), Kind: "check", Value: admin.Checked(p.SEO.NoIndex)},
		&admin.Field{
			Name:  "restricted",
			Label: q.Word("pages.restricted"),
			Kind:  "check",
			Value: admin.Checked(p.Restricted),
			Help:  q.Word("pages.restricted.help"),
		},
		&admin.Field{
			Name:     "password",
			Label:    q.Word("pages.password"),
			Kind:     "password",
			Optional: true,
			Autofill: "new-password",
			Help:     q.Word("pages.password.help"),
		},
	)
	if p.Protected {
		f.Fields = append(f.Fields, &admin.Field{Name: "open", Label: q.Word("pages.open"), Kind: "check"})
	}
	return f, nil
}

// titles reads the titles in all languages; those that the form does not show stay.
func titles(f *admin.Form, have map[stoa.Locale]string) map[stoa.Locale]string {
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

func seoOf(f *admin.Form) page.SEO {
	return page.SEO{
		Title:       f.Text("seo.title"),
		Description: f.Text("seo.description"),
		Image:       f.Text("seo.image"),
		NoIndex:     f.On("noindex"),
	}
}

// targetOf is what the page leads to, by its type.
func targetOf(f *admin.Form) string {
	switch f.Text("type") {
	case page.TypeArticle:
		return f.Text("article")
	case page.TypeLink:
		return f.Text("target")
	}
	return ""
}

// chooseArticle marks the article with the number, which may be one that the list does not reach.
func (h *screens) chooseArticle(q *admin.Request, f *admin.Field, id string) {
	f.Value = id
	if id == "" || slices.ContainsFunc(f.Options, func(o admin.Option) bool { return o.Value == id }) {
		return
	}
	o := admin.Option{Value: id, Label: q.Word("pages.article-number", id)}
	if n, err := stoa.ParseID(id); err == nil {
		if a, err := h.o.Content.Get(q.Context(), n); err == nil {
			o.Label = admin.Clip(a.In(q.Site.Locale).Title, 80)
		}
	}
	f.Options = append(f.Options, o)
}

// parentOf reads the page above; 0 is the top.
func parentOf(f *admin.Form) stoa.ID {
	id, _ := strconv.ParseInt(f.Text("parent"), 10, 64) // what is no number is the top
	return stoa.ID(max(id, 0))
}

// pageEditing is what the screen of a page shows.
type pageEditing struct {
	Form      *admin.Form
	Page      page.Page
	New       bool
	Publishes bool
	Manages   bool
	Site      stoa.ID
	Main      []*admin.Field // of a new page: what has to be said
	More      []*admin.Field // and what can be said later
	MoreOpen  bool
	Open      []admin.Link // articles that the page shows and that are open by themselves, while the page is not
}

// firstAsked parts the form of a new page: its title in the language of the site, where it stands and what it shows are
// asked first, all else can wait.
func firstAsked(f *admin.Form, l stoa.Locale) (first, more []*admin.Field) {
	for _, x := range f.Fields {
		switch x.Name {
		case "title." + string(l), "parent", "type", "article", "target":
			first = append(first, x)
		default:
			more = append(more, x)
		}
	}
	return first, more
}

func (h *screens) newPage(q *admin.Request) error {
	if q.Method == http.MethodPost {
		if err := h.At(q, q.PostFormValue("site")); err != nil {
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
	e := pageEditing{Form: f, New: true, Site: q.Site.ID, Publishes: h.Publishes(q.Context(), q.Site.Path())}
	if q.Method != http.MethodPost {
		return h.showPage(q, e)
	}
	f.Read(q)
	made, err := h.o.Pages.Create(
		q.Context(),
		q.Site,
		page.NewPage{ // a draft: what is empty yet shall not stand in the navigation
			Parent: parentOf(f), Slug: f.Text("slug"), Title: titles(f, nil), Position: -1,
			Hidden: f.On("hidden"), Type: f.Text("type"), Target: targetOf(f),
			HideTitle:  f.On("hide-title"),
			Restricted: f.On("restricted"), Password: f.Text("password"), SEO: seoOf(f)},
	)
	if err == nil {
		return q.Done("/control/pages/"+made.ID.String(), "drafted")
	}
	if !f.Fail(err) {
		return err
	}
	return h.showPage(q, e)
}

// openedPage gives the page of the address and makes q work on its site.
func (h *screens) openedPage(q *admin.Request) (page.Page, error) {
	id, err := q.ID()
	if err != nil {
		return page.Page{}, err
	}
	p, err := h.o.Pages.Get(q.Context(), id)
	if err != nil {
		return p, err
	}
	return p, h.At(q, p.Site.String())
}

// page shows the form of a page and saves it.
func (h *screens) page(q *admin.Request) error {
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
	e := pageEditing{Form: f, Page: p, Site: q.Site.ID, Publishes: h.o.Access.Can(q.Context(), access.Publish, path),
		Manages: h.o.Access.Can(q.Context(), access.Manage, path)}
	if !e.Publishes && p.Published { // visitors would see it at once
		f.Keep()
	}
	if e.Open, err = h.openArticles(q.Context(), q.Site, p, path); err != nil {
		return err
	}
	if q.Method != http.MethodPost {
		return h.showPage(q, e)
	}
	f.Read(q)
	w := settingsOf(f, p)
	done := "saved"
	if w.Publish = q.PostForm.Get("do") == "publish"; w.Publish {
		done = "published"
	}
	if _, err = h.o.Pages.Save(q.Context(), w); err == nil {
		return q.Done("/control/pages/"+p.ID.String(), done)
	}
	now, gerr := h.o.Pages.Get(q.Context(), p.ID)
	if gerr != nil {
		return gerr
	}
	if stoa.Is(err, stoa.KindConflict) && now.Version != f.Version {
		newest, ferr := h.pageForm(q, now)
		if ferr != nil {
			return ferr
		}
		f.Stale(newest)
		return h.showPage(q, e)
	}
	if !f.Fail(err) {
		return err
	}
	e.Page = now
	return h.showPage(q, e)
}

// settingsOf is what the form makes of the page.
func settingsOf(f *admin.Form, p page.Page) page.Settings {
	p.Title, p.Slug, p.Hidden = titles(f, p.Title), f.Text("slug"), f.On("hidden")
	p.Type, p.Target, p.HideTitle = f.Text("type"), targetOf(f), f.On("hide-title")
	p.Restricted, p.SEO, p.Version = f.On("restricted"), seoOf(f), f.Version
	w := page.Settings{Page: p, Parent: parentOf(f)}
	if password := f.Text("password"); password != "" || f.Has("open") && f.On("open") {
		w.Password = &password
	}
	return w
}

func (h *screens) showPage(q *admin.Request, e pageEditing) error {
	h.Previews(q, e.Form)
	if e.Main = e.Form.Fields; e.New {
		e.Main, e.More = firstAsked(e.Form, q.Site.Locale)
		e.MoreOpen = slices.ContainsFunc(e.More, func(f *admin.Field) bool { return f.Error != "" })
	}
	f := admin.Screen{
		Title:   q.Word("pages.new"),
		Purpose: q.Word("bar.new-page-purpose"),
		Back:    &admin.Link{Title: q.Word("pages.title"), URL: "/control/pages"},
		Body:    e,
	}
	if !e.New {
		f.Title, f.Purpose = e.Page.In(q.Site.Locale, q.Site.Locale), pageState(q, e.Page)
		f.Pill = pagePill(q, e.Page.Published, e.Page.HasDraft)
		f.Actions = []admin.Link{admin.UsesLink(q, "page", e.Page.ID),
			{Title: q.Word("pages.view"), URL: e.Page.Path, Icon: "external"}}
		if e.Manages {
			f.Actions = append(
				f.Actions,
				admin.Link{
					Title: q.Word("pages.permissions"),
					URL:   "/control/pages/" + e.Page.ID.String() + "/permissions",
					Icon:  "key",
				},
			)
		}
		if e.Page.Type == page.TypeWidgets {
			f.Actions = append(f.Actions, admin.Link{Title: q.Word("layout.versions"), Icon: "history",
				URL: "/control/pages/" + e.Page.ID.String() + "/versions"})
			f.Actions = append(
				f.Actions,
				admin.Link{
					Title:   q.Word("pages.edit-layout"),
					URL:     "/control/pages/" + e.Page.ID.String() + "/edit",
					Icon:    "layout",
					Primary: true,
				},
			)
		}
	}
	return h.Show(q, e.Form.Status(), "page", f)
}

func pagePill(q *admin.Request, published, draft bool) *admin.Pill {
	switch {
	case published && draft:
		return &admin.Pill{Kind: "info", Text: q.Word("pages.published-draft")}
	case published:
		return &admin.Pill{Kind: "ok", Text: q.Word("pages.published")}
	}
	return &admin.Pill{Kind: "", Text: q.Word("pages.draft")}
}

// pageState says in words what visitors see of the page.
func pageState(q *admin.Request, p page.Page) string {
	switch {
	case !p.Published:
		return q.Word("pages.is.draft")
	case p.HasDraft:
		return q.Word("pages.is.published-draft")
	case p.Hidden:
		return q.Word("pages.is.hidden")
	}
	return q.Word("pages.is.published")
}

// pageAction does one thing with a page: publish, unpublish, discard, restore, delete, up or down.
func (h *screens) pageAction(q *admin.Request) error {
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
		return q.Done(here, "published")
	case "unpublish":
		if _, err := h.o.Pages.Unpublish(q.Context(), p.ID, version); err != nil {
			return err
		}
		return q.Done(here, "unpublished")
	case "discard":
		if _, err := h.o.Pages.DiscardDraft(q.Context(), p.ID, p.DraftVersion); err != nil {
			return err
		}
		return q.Done(here, "discarded")
	case "restore":
		return h.restoreVersion(q, p)
	case "delete":
		if err := h.o.Pages.Trash(q.Context(), p.ID, version); err != nil {
			return err
		}
		return q.Trashed("/control/pages", "page", p.ID)
	case "up", "down":
		to := p.Position + 1
		if q.PathValue("do") == "up" {
			to = max(p.Position-1, 0)
		}
		if _, err := h.o.Pages.Move(q.Context(), p.ID, p.Parent, to, version); err != nil {
			return err
		}
		return q.Done("/control/pages", "moved")
	}
	return stoa.NotFound("action", q.PathValue("do"))
}

func pageThing(q *admin.Request, p page.Page) lock.Thing {
	return lock.Thing{Kind: lock.Page, ID: p.ID, Title: p.In(q.Site.Locale, q.Site.Locale)}
}
