package admin

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/lock"
)

const articlesPerPage = 50

func (h *Handler) mountArticles(get, post register) {
	get("/control/content", editSite, h.articles)
	post("/control/content/bulk", editSite, h.articlesBulk)
	get("/control/content/new", editSite, h.newArticle)
	post("/control/content/new", editSite, h.newArticle)
	get("/control/content/{id}", editSite, h.article)
	post("/control/content/{id}", editSite, h.article)
	post("/control/content/{id}/unpublish", editSite, h.unpublishArticle)
	post("/control/content/{id}/delete", editSite, h.deleteArticle)
	get("/control/content/{id}/versions", editSite, h.articleVersions)
	get("/control/content/{id}/compare", editSite, h.compareArticle)
	post("/control/content/{id}/restore", editSite, h.restoreArticle)
	get(autosavePath, somebody, h.compareAutosave)
	post(autosavePath, somebody, h.autosave)
}

// articles lists the web content of the site.
func (h *Handler) articles(q *request) error {
	type row struct {
		content.Article
		Title string
		Pill  pill
		Draft bool
	}
	type view struct {
		Query, Status, Kind string
		Statuses, Kinds     []option
		Rows                []row
		Total, From, To     int
		Back, Next          string
		Filtered, Publishes bool
	}
	in := q.URL.Query()
	page, _ := strconv.Atoi(in.Get("page")) // what is no number is the first page
	v := view{Query: clip(in.Get("q"), 200), Status: clip(in.Get("status"), 20), Kind: clip(in.Get("kind"), 20)}
	list, err := shown(h, q, func(ctx context.Context) (content.List, error) {
		return h.o.Content.List(ctx, q.site,
			content.Filter{Query: v.Query, Status: v.Status, Kind: v.Kind, Page: page, PerPage: articlesPerPage})
	})
	if err != nil {
		return err
	}
	for _, a := range list.Items {
		v.Rows = append(v.Rows, row{a, a.In(q.site.Locale).Title, statusPill(a), a.Live > 0 && a.HasDraft()})
	}
	v.Total, v.From, v.To = list.Total, (list.Page-1)*list.PerPage+1, (list.Page-1)*list.PerPage+len(list.Items)
	to := func(page int) string {
		u := url.Values{"page": {strconv.Itoa(page)}}
		for k, val := range map[string]string{"q": v.Query, "status": v.Status, "kind": v.Kind} {
			if val != "" {
				u.Set(k, val)
			}
		}
		return "/control/content?" + u.Encode()
	}
	if list.Page > 1 {
		v.Back = to(min(list.Page-1, list.Pages()))
	}
	if list.Page < list.Pages() {
		v.Next = to(list.Page + 1)
	}
	v.Filtered = v.Query != "" || v.Status != "" || v.Kind != ""
	v.Publishes = h.publishes(q.Context(), q.site.Path())
	v.Statuses = []option{{Value: "", Label: "All states"}, {Value: content.StatusDraft, Label: "Draft"}, {Value: content.StatusScheduled, Label: "Scheduled"},
		{Value: content.StatusPublished, Label: "Published"}, {Value: content.StatusExpired, Label: "Expired"}}
	v.Kinds = []option{{Value: "", Label: "All kinds"}, {Value: content.KindArticle, Label: "Articles"}, {Value: content.KindPost, Label: "Blog posts"}, {Value: content.KindPage, Label: "Texts of pages"}}
	for i := range v.Statuses {
		v.Statuses[i].On = v.Statuses[i].Value == v.Status
	}
	for i := range v.Kinds {
		v.Kinds[i].On = v.Kinds[i].Value == v.Kind
	}
	return h.show(q, http.StatusOK, "articles", frame{Title: "Web content", Purpose: "The articles and blog posts of this site.",
		Actions: []link{{Title: "New article", URL: "/control/content/new", Icon: "plus", Primary: true}}, Body: v})
}

func statusPill(a content.Article) pill {
	switch a.Status {
	case content.StatusPublished:
		return pill{"ok", "Published"}
	case content.StatusScheduled:
		return pill{"info", "Scheduled"}
	case content.StatusExpired:
		return pill{"warn", "Expired"}
	}
	return pill{"", "Draft"}
}

// articlesBulk does one thing with all articles that were ticked, or with none.
func (h *Handler) articlesBulk(q *request) error {
	done := map[string]string{content.BulkPublish: "published", content.BulkUnpublish: "unpublished",
		content.BulkDelete: "deleted"}
	var ids []stoa.ID
	for _, s := range q.PostForm["id"] {
		id, err := stoa.ParseID(s)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	do := q.PostForm.Get("do")
	if err := h.o.Content.Bulk(q.Context(), do, ids); err != nil {
		return err
	}
	return q.done("/control/content", done[do])
}

// editing is what the screen of an article shows.
type editing struct {
	Form      *form
	Article   content.Article
	New       bool
	Lang      stoa.Locale
	Languages []link
	Main      []*field
	Side      []*field
	Publishes bool
	Site      stoa.ID
	Lock      lockView
	Action    string // where the form is sent

	Tab      string  // name of the window, under which what is typed in it is kept
	Person   stoa.ID // whose window it is
	Typed    []typed // what the person has typed in other windows and not saved
	Restored bool    // the form has what was typed in another window
	Link     string  // to the draft, for people without an account; empty: none
	LinkHelp string
}

// newArticle shows the form for a new article and makes it.
func (h *Handler) newArticle(q *request) error {
	if q.Method == http.MethodPost { // the site of the form, whichever is chosen elsewhere by now
		if err := h.at(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	kind := content.KindArticle
	if q.URL.Query().Get("kind") == content.KindPost {
		kind = content.KindPost
	}
	lang := q.site.Locale
	publishes := h.publishes(q.Context(), q.site.Path())
	f, err := h.articleForm(q.Context(), q.site, h.zone(q), content.Article{Kind: kind}, lang, publishes)
	if err != nil {
		return err
	}
	e := editing{Form: f, New: true, Lang: lang, Publishes: publishes, Site: q.site.ID}
	if q.Method != http.MethodPost {
		return h.showArticle(q, e)
	}
	f.read(q)
	d, err := h.draft(q.Context(), q.site, f, content.Article{}, lang)
	if d.Autosave = tabOf(q); err == nil {
		var a content.Article
		if a, err = h.o.Content.Create(q.Context(), q.site, d); err == nil {
			return h.afterSave(q, e, a, "created")
		}
	}
	if stoa.Is(err, stoa.KindConflict) {
		err = inField("slug", err)
	}
	if !f.fail(err) {
		return err
	}
	return h.showArticle(q, e)
}

// at makes q work on the site with the id.
func (h *Handler) at(q *request, site string) error {
	id, err := stoa.ParseID(site)
	if err != nil || id == q.site.ID {
		return nil
	}
	st, err := h.o.Sites.Site(q.Context(), id)
	if err != nil {
		return err
	}
	if st.Instance != q.instance.ID {
		return stoa.NotFound("site", id)
	}
	q.site = st
	return nil
}

// opened gives the article of the address and makes q work on its site.
func (h *Handler) opened(q *request) (content.Article, error) {
	id, err := q.id()
	if err != nil {
		return content.Article{}, err
	}
	a, err := h.o.Content.Get(q.Context(), id)
	if err != nil {
		return a, err
	}
	return a, h.at(q, a.Site.String())
}

// article shows the form of an article and saves it.
func (h *Handler) article(q *request) error {
	a, err := h.opened(q)
	if err != nil {
		return err
	}
	all := languages(q.site, a)
	lang := stoa.Locale(q.URL.Query().Get("lang"))
	if !slices.Contains(all, lang) {
		lang = a.Default
	}
	publishes := h.o.Content.May(q.Context(), access.Publish, a) == nil
	f, err := h.articleForm(q.Context(), q.site, h.zone(q), a, lang, publishes)
	if err != nil {
		return err
	}
	if !publishes && (a.Live > 0 || a.Pending > 0) { // visitors would see the rest at once
		f.keep("title", "summary", "body", "image", "comment")
	}
	e := editing{Form: f, Article: a, Lang: lang, Publishes: publishes, Site: q.site.ID}
	for _, l := range all {
		x := link{Title: string(l), URL: "/control/content/" + a.ID.String() + "?lang=" + url.QueryEscape(string(l)), Current: l == lang}
		if _, ok := a.Text[l]; !ok {
			x.Count = "none yet"
		}
		e.Languages = append(e.Languages, x)
	}
	if q.Method != http.MethodPost {
		return h.showArticle(q, e)
	}
	f.read(q)
	if e.Lock, err = h.holdArticle(q, a); err != nil {
		return err
	}
	if e.Lock.Status != lock.Mine {
		e.Lock.Lost, f.status = true, http.StatusConflict
		return h.showArticle(q, e)
	}
	if q.PostForm.Get("do") == "again" { // back from the screen of a conflict, with the text of the person
		return h.showArticle(q, e)
	}
	d, err := h.draft(q.Context(), q.site, f, a, lang)
	d.Autosave = tabOf(q)
	if err == nil && f.Version != a.Version {
		return h.conflict(q, e)
	}
	if err == nil && q.PostForm.Get("do") == "publish" && same(d, a, lang) {
		if err := h.o.Content.DropAutosave(q.Context(), d.Autosave); err != nil {
			return err
		}
		return h.afterSave(q, e, a, "saved")
	}
	if err == nil {
		var saved content.Article
		if saved, err = h.o.Content.Save(q.Context(), a.ID, d, f.Version); err == nil {
			return h.afterSave(q, e, saved, "saved")
		}
	}
	if stoa.Is(err, stoa.KindConflict) {
		now, gerr := h.o.Content.Get(q.Context(), a.ID)
		if gerr != nil {
			return gerr
		}
		if now.Version != f.Version { // somebody saved between our two looks at it
			e.Article = now
			return h.conflict(q, e)
		}
		err = inField("slug", err)
	}
	if !f.fail(err) {
		return err
	}
	return h.showArticle(q, e)
}

// afterSave does what the button of the form says besides saving.
func (h *Handler) afterSave(q *request, e editing, a content.Article, done string) error {
	back := "/control/content/" + a.ID.String()
	if !e.New && e.Lang != a.Default {
		back += "?lang=" + url.QueryEscape(string(e.Lang))
	}
	if !e.Publishes {
		return q.done(back, done)
	}
	z := h.zone(q)
	expire, err := e.Form.moment("expire", z)
	if err == nil && e.Form.text("expire") != clock(a.Expire, z) {
		var x content.Article
		if x, err = h.o.Content.SetExpiry(q.Context(), a.ID, a.Version, expire); err == nil {
			a = x
		}
	}
	if err == nil && q.PostForm.Get("do") == "publish" {
		var at time.Time
		if at, err = e.Form.moment("publish", z); err == nil {
			var p content.Article
			if p, err = h.o.Content.Publish(q.Context(), a.ID, a.Version, at); err == nil {
				if done = "published"; p.Status == content.StatusScheduled {
					done = "scheduled"
				}
			}
		}
	}
	if err == nil {
		return q.done(back, done)
	}
	if !e.Form.fail(err) {
		return err
	}
	// What was written is saved: the screen of the article that is there by now goes on.
	e.New, e.Article, e.Form.Version, e.Form.Field("slug").Value = false, a, a.Version, a.Slug
	e.Tab = rand.Text()
	return h.showArticle(q, e)
}

// holdArticle asks, before the article is saved, whether the window has its lock; the form may order to take
// it over.
func (h *Handler) holdArticle(q *request, a content.Article) (lockView, error) {
	t, token := articleThing(a, q.site.Locale), q.PostForm.Get("lock")
	if h.o.Locks != nil && q.URL.Query().Has("over") {
		if _, err := h.o.Locks.TakeOver(q.Context(), t, clip(token, 40)); err != nil {
			return lockView{}, err
		}
	}
	return h.holdLock(q, t, token)
}

// openArticle takes the lock for the window that is shown now, which is not the one that sent the form. What
// was written there is not made something to read when somebody else is faster.
func (h *Handler) openArticle(q *request, e *editing) error {
	if e.Lock.Lost {
		return nil
	}
	v, err := h.openLock(q, articleThing(e.Article, q.site.Locale))
	if v.Lost = q.Method == http.MethodPost && v.Status != lock.Mine; v.Lost {
		v.Token = q.PostForm.Get("lock")
	}
	e.Lock = v
	return err
}

func (h *Handler) showArticle(q *request, e editing) error {
	e.Action = "/control/content/new"
	if !e.New {
		e.Action = "/control/content/" + e.Article.ID.String() + "?lang=" + url.QueryEscape(string(e.Lang))
		if err := h.openArticle(q, &e); err != nil {
			return err
		}
		if e.Lock.Reads() {
			e.Form.lock()
		}
	}
	if err := h.typed(q, &e); err != nil {
		return err
	}
	for _, f := range e.Form.Fields {
		switch f.Name {
		case "title", "summary", "body", "slug":
			e.Main = append(e.Main, f)
		default:
			e.Side = append(e.Side, f)
		}
	}
	h.previews(q, e.Form)
	f := frame{Title: "New article", Purpose: "It stays a draft until you publish it.", Back: &link{Title: "Web content", URL: "/control/content"}, Rich: true, Locks: e.Lock.URL != "", Body: e}
	if !e.New {
		p := statusPill(e.Article)
		if f.Title, f.Pill, f.Purpose = "Edit article", &p, ""; e.Lock.Reads() {
			f.Title = "Article"
		}
		if e.Article.Live > 0 && e.Article.HasDraft() {
			f.Purpose = "Visitors see version " + strconv.Itoa(e.Article.Live) + "; version " + strconv.Itoa(e.Article.Number) + " is not published yet."
		}
		id := e.Article.ID.String()
		f.Actions = []link{{Title: "Versions", URL: "/control/content/" + id + "/versions", Icon: "history"}}
		if e.Article.Live > 0 {
			f.Actions = append(f.Actions, link{Title: "View", URL: content.Address(e.Article.Slug), Icon: "external"})
		}
		preview := url.Values{"lang": {string(e.Lang)}}
		to := "/w/preview/" + id + "?"
		f.Actions = append(f.Actions, link{Title: lang.Word("bar.preview"), URL: to + preview.Encode(), Icon: "eye"})
		key, until, err := h.o.Content.PreviewKey(q.Context(), e.Article.ID)
		if err != nil {
			h.log.WarnContext(q.Context(), "a link to a draft cannot be made", "article", id, "error", err)
		}
		if key != "" {
			preview.Set("key", key)
			e.Link = httpd.Origin(q.Request) + to + preview.Encode()
			e.LinkHelp = lang.Word("bar.link.help", until.In(h.zone(q)).Format("2 January 2006, 15:04"))
		}
		if len(e.Languages) > 1 {
			f.Tabs = e.Languages
		}
	}
	f.Body = e
	return h.show(q, e.Form.Status(), "article", f)
}

func (h *Handler) unpublishArticle(q *request) error {
	a, err := h.opened(q)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(q.PostFormValue("version"), 10, 64) // what is no number is stale
	if _, err := h.o.Content.Unpublish(q.Context(), a.ID, version); err != nil {
		return err
	}
	return q.done("/control/content/"+a.ID.String(), "unpublished")
}

func (h *Handler) deleteArticle(q *request) error {
	id, err := q.id()
	if err != nil {
		return err
	}
	if err := h.o.Content.Delete(q.Context(), id); err != nil {
		return err
	}
	return q.done("/control/content", "deleted")
}
