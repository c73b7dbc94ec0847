package contents

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lock"
)

func (h *screens) mountArticles(r *admin.Routes) {
	r.Get("/control/content", admin.EditSite, h.articles)
	r.PostUpTo(maxArticleForm, "/control/content/bulk", admin.EditSite, h.articlesBulk)
	r.Get("/control/content/new", admin.EditSite, h.newArticle)
	r.PostUpTo(maxArticleForm, "/control/content/new", admin.EditSite, h.newArticle)
	r.Get("/control/content/{id}", admin.EditSite, h.article)
	r.PostUpTo(maxArticleForm, "/control/content/{id}", admin.EditSite, h.article)
	r.PostUpTo(maxArticleForm, "/control/content/{id}/unpublish", admin.EditSite, h.unpublishArticle)
	r.PostUpTo(maxArticleForm, "/control/content/{id}/delete", admin.EditSite, h.deleteArticle)
	r.Get("/control/content/{id}/versions", admin.EditSite, h.articleVersions)
	r.Get("/control/content/{id}/compare", admin.EditSite, h.compareArticle)
	r.PostUpTo(maxArticleForm, "/control/content/{id}/restore", admin.EditSite, h.restoreArticle)
	r.Get(autosavePath, admin.SignedIn, h.compareAutosave)
	r.PostUpTo(maxArticleForm, autosavePath, admin.SignedIn, h.autosave)
}

// articles lists the web content of the site.
func (h *screens) articles(q *admin.Request) error {
	type row struct {
		content.Article
		Title   string
		Kind    string // in a word
		Pill    admin.Pill
		Draft   bool
		Editing *admin.Editing
	}
	type view struct {
		admin.Entries
		Rows      []row
		Publishes bool
	}
	var v view
	var err error
	if v.Entries, err = h.Entries(q, h.sift(q)); err != nil {
		return err
	}
	list, err := admin.Shown(h.Panel, q, func(ctx context.Context) ([]content.Article, error) {
		return h.o.Content.Lines(ctx, v.IDs())
	})
	if err != nil {
		return err
	}
	editing := h.Editors(q, lock.Article, v.IDs())
	for _, a := range list {
		v.Rows = append(v.Rows, row{a, a.In(q.Site.Locale).Title, kindWord(q, a.Kind), statusPill(q, a), a.Live > 0 &&
			a.HasDraft(), editing[a.ID]})
		v.Named(a.Author, a.AuthorName)
	}
	v.Publishes = h.Publishes(q.Context(), q.Site.Path())
	return h.Show(q, http.StatusOK, "articles",
		admin.Screen{Title: q.Word("contents.title"), Purpose: q.Word("contents.purpose"),
			Actions: []admin.Link{
				{Title: q.Word("contents.new"), URL: "/control/content/new", Icon: "plus", Primary: true},
			}, Body: v})
}

// sift is what the list of articles can be filtered by.
func (h *screens) sift(q *admin.Request) admin.Sift {
	return admin.Sift{Assets: h.o.Assets, Kind: "article", Label: q.Word("contents.filter"), Terms: h.o.Taxonomy,
		People: true,
		States: []admin.Choice{
			{Label: q.Word("contents.all-states")},
			{Value: content.StatusDraft, Label: q.Word("contents.state.draft"), Status: []asset.Status{asset.Draft}},
			{Value: content.StatusScheduled, Label: q.Word("contents.state.scheduled"),
				Status: []asset.Status{asset.Scheduled}},
			{Value: content.StatusPublished, Label: q.Word("contents.state.published"), Status: []asset.Status{asset.Live}},
			{Value: content.StatusExpired, Label: q.Word("contents.state.expired"), Status: []asset.Status{asset.Expired}},
		},
		Forms: []admin.Choice{
			{Label: q.Word("contents.all-kinds")},
			{Value: content.KindArticle, Label: q.Word("contents.kinds.article"), Form: content.KindArticle},
			{Value: content.KindPost, Label: q.Word("contents.kinds.post"), Form: content.KindPost},
			{Value: content.KindPage, Label: q.Word("contents.kinds.page"), Form: content.KindPage},
		},
	}
}

func statusPill(q *admin.Request, a content.Article) admin.Pill {
	switch a.Status {
	case content.StatusPublished:
		return admin.Pill{Kind: "ok", Text: q.Word("contents.state.published")}
	case content.StatusScheduled:
		return admin.Pill{Kind: "info", Text: q.Word("contents.state.scheduled")}
	case content.StatusExpired:
		return admin.Pill{Kind: "warn", Text: q.Word("contents.state.expired")}
	}
	return admin.Pill{Kind: "", Text: q.Word("contents.state.draft")}
}

// kindWord is what an article of the kind is called.
func kindWord(q *admin.Request, kind string) string {
	switch kind {
	case content.KindPost:
		return q.Word("contents.kind.post")
	case content.KindPage:
		return q.Word("contents.kind.page")
	}
	return q.Word("contents.kind.article")
}

// articlesBulk does one thing with all articles that were ticked, or with none; where there are more than one
// transaction holds, a bulk action does it in the background.
func (h *screens) articlesBulk(q *admin.Request) error {
	done := map[string]string{content.BulkPublish: "published", content.BulkUnpublish: "unpublished"}
	if err := h.At(q, q.PostForm.Get("site")); err != nil { // of the list, whichever is chosen elsewhere by now
		return err
	}
	do := q.PostForm.Get("do")
	ids, err := h.Ticked(q, h.sift(q))
	if err != nil {
		return err
	}
	if len(ids) > content.MaxBulk {
		things := make([]bulk.Thing, len(ids))
		for i, id := range ids {
			things[i] = bulk.Thing{Kind: "article", ID: id}
		}
		id, err := h.o.Bulk.Start(q.Context(), content.BulkPrefix+do, q.Site.ID, things)
		if err != nil {
			return err
		}
		return q.Done("/control/bulk/"+id.String(), "")
	}
	if err := h.o.Content.Bulk(q.Context(), do, ids); err != nil {
		return err
	}
	if do == content.BulkDelete {
		return q.Trashed("/control/content", "article", ids...)
	}
	return q.Done("/control/content", done[do])
}

// editing is what the screen of an article shows.
type editing struct {
	Form      *admin.Form
	Article   content.Article
	New       bool
	Lang      stoa.Locale
	Languages []admin.Link
	Main      []*admin.Field
	Side      []*admin.Field
	Publishes bool
	Site      stoa.ID
	Lock      admin.LockView
	Action    string // where the form is sent

	Tab      string  // name of the window, under which what is typed in it is kept
	Person   stoa.ID // whose window it is
	Typed    []typed // what the person has typed in other windows and not saved
	Restored bool    // the form has what was typed in another window
	Link     string  // to the draft, for people without an account; empty: none
	LinkHelp string
}

// newArticle shows the form for a new article and makes it.
func (h *screens) newArticle(q *admin.Request) error {
	if q.Method == http.MethodPost { // the site of the form, whichever is chosen elsewhere by now
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	kind := content.KindArticle
	if q.URL.Query().Get("kind") == content.KindPost {
		kind = content.KindPost
	}
	lang := q.Site.Locale
	publishes := h.Publishes(q.Context(), q.Site.Path())
	f, err := h.articleForm(q, content.Article{Kind: kind}, lang, publishes)
	if err != nil {
		return err
	}
	e := editing{Form: f, New: true, Lang: lang, Publishes: publishes, Site: q.Site.ID}
	if q.Method != http.MethodPost {
		return h.showArticle(q, e)
	}
	f.Read(q)
	d, err := h.draft(q.Context(), q.Site, f, content.Article{}, lang)
	if d.Autosave = tabOf(q); err == nil {
		var then content.Then
		if then, err = h.then(q, e); err == nil {
			var a content.Article
			if a, err = h.o.Content.CreateThen(q.Context(), q.Site, d, then); err == nil {
				return h.saved(q, e, a, then, "created")
			}
		}
	}
	if stoa.Is(err, stoa.KindConflict) {
		err = admin.InField("slug", err)
	}
	if !f.Fail(inLanguage(err, lang)) {
		return err
	}
	return h.showArticle(q, e)
}

// opened gives the article of the address and makes q work on its site.
func (h *screens) opened(q *admin.Request) (content.Article, error) {
	id, err := q.ID()
	if err != nil {
		return content.Article{}, err
	}
	a, err := h.o.Content.Get(q.Context(), id)
	if err != nil {
		return a, err
	}
	return a, h.At(q, a.Site.String())
}

// article shows the form of an article and saves it.
func (h *screens) article(q *admin.Request) error {
	a, err := h.opened(q)
	if err != nil {
		return err
	}
	all := languages(q.Site, a)
	lang := stoa.Locale(q.URL.Query().Get("lang"))
	if !slices.Contains(all, lang) {
		lang = a.Default
	}
	publishes := h.o.Content.May(q.Context(), access.Publish, a) == nil
	f, err := h.articleForm(q, a, lang, publishes)
	if err != nil {
		return err
	}
	if !publishes && (a.Live > 0 || a.Pending > 0) { // visitors would see the rest at once
		f.Keep("title", "summary", "body", "image", "comment")
	}
	e := editing{Form: f, Article: a, Lang: lang, Publishes: publishes, Site: q.Site.ID}
	for _, l := range all {
		x := admin.Link{Title: string(l), URL: "/control/content/" + a.ID.String() + "?lang=" + url.QueryEscape(string(l)),
			Current: l == lang}
		if _, ok := a.Text[l]; !ok {
			x.Count = q.Word("contents.no-language")
		}
		e.Languages = append(e.Languages, x)
	}
	if q.Method != http.MethodPost {
		return h.showArticle(q, e)
	}
	f.Read(q)
	if e.Lock, err = h.holdArticle(q, a); err != nil {
		return err
	}
	if e.Lock.Status != lock.Mine {
		e.Lock.Lost = true
		f.Conflict()
		return h.showArticle(q, e)
	}
	if q.PostForm.Get("do") == "again" { // back from the screen of a conflict, with the text of the person
		return h.showArticle(q, e)
	}
	d, err := h.draft(q.Context(), q.Site, f, a, lang)
	d.Autosave = tabOf(q)
	if err == nil && f.Version != a.Version {
		return h.conflict(q, e)
	}
	var then content.Then
	if err == nil {
		then, err = h.then(q, e)
	}
	if err == nil {
		var saved content.Article
		if q.PostForm.Get("do") == "publish" && same(d, a, lang) { // without a further version
			saved, err = h.o.Content.Do(q.Context(), a.ID, f.Version, d.Autosave, then)
		} else {
			saved, err = h.o.Content.SaveThen(q.Context(), a.ID, d, f.Version, then)
		}
		if err == nil {
			return h.saved(q, e, saved, then, "saved")
		}
	}
	if stoa.Is(err, stoa.KindConflict) {
		now, gerr := h.o.Content.Get(q.Context(), a.ID)
		if gerr != nil {
			return gerr
		}
		if now.Version != f.Version { // another person saved between our two looks at it
			e.Article = now
			return h.conflict(q, e)
		}
		err = admin.InField("slug", err)
	}
	if !f.Fail(inLanguage(err, lang)) {
		return err
	}
	return h.showArticle(q, e)
}

// then is what the button and the times of the form say besides saving.
func (h *screens) then(q *admin.Request, e editing) (then content.Then, err error) {
	if !e.Publishes {
		return then, nil
	}
	z := q.Zone()
	expire, err := e.Form.Moment("expire", z)
	if err != nil {
		return then, err
	}
	if e.Form.Text("expire") != admin.InputValue(e.Article.Expire, z) {
		then.Expire = &expire
	}
	if then.Publish = q.PostForm.Get("do") == "publish"; then.Publish {
		then.At, err = e.Form.Moment("publish", z)
	}
	return then, err
}

// saved goes back to the screen of the article that was saved.
func (h *screens) saved(q *admin.Request, e editing, a content.Article, then content.Then, done string) error {
	back := "/control/content/" + a.ID.String()
	if !e.New && e.Lang != a.Default {
		back += "?lang=" + url.QueryEscape(string(e.Lang))
	}
	switch {
	case then.Publish && a.Status == content.StatusScheduled:
		done = "scheduled"
	case then.Publish:
		done = "published"
	}
	return q.Done(back, done)
}

// holdArticle asks, before the article is saved, whether the window has its lock; the form may order to take
// it over.
func (h *screens) holdArticle(q *admin.Request, a content.Article) (admin.LockView, error) {
	t, token := articleThing(a, q.Site.Locale), q.PostForm.Get("lock")
	if q.URL.Query().Has("over") {
		if err := h.TakeLock(q, t, token); err != nil {
			return admin.LockView{}, err
		}
	}
	return h.HoldLock(q, t, token)
}

// openArticle takes the lock for the window that is shown now, which is not the one that sent the form. What
// was written there is not made something to read when another person is faster.
func (h *screens) openArticle(q *admin.Request, e *editing) error {
	if e.Lock.Lost {
		return nil
	}
	v, err := h.OpenLock(q, articleThing(e.Article, q.Site.Locale))
	if v.Lost = q.Method == http.MethodPost && v.Status != lock.Mine; v.Lost {
		v.Token = q.PostForm.Get("lock")
	}
	e.Lock = v
	return err
}

func (h *screens) showArticle(q *admin.Request, e editing) error {
	e.Action = "/control/content/new"
	if !e.New {
		e.Action = "/control/content/" + e.Article.ID.String() + "?lang=" + url.QueryEscape(string(e.Lang))
		if err := h.openArticle(q, &e); err != nil {
			return err
		}
		if e.Lock.Reads() {
			e.Form.Lock()
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
	h.Previews(q, e.Form)
	f := admin.Screen{Title: q.Word("contents.new"), Purpose: q.Word("contents.new-purpose"),
		Back: &admin.Link{Title: q.Word("contents.title"), URL: "/control/content"}, Rich: true,
		Locks: e.Lock.URL != "", Body: e}
	if !e.New {
		p := statePill(q, e.Article)
		if f.Title, f.Pill, f.Purpose = q.Word("contents.edit"), &p, stateOf(q, e.Article); e.Lock.Reads() {
			f.Title = q.Word("contents.read")
		}
		id := e.Article.ID.String()
		f.Actions = []admin.Link{
			admin.UsesLink(q, "article", e.Article.ID),
			{Title: q.Word("contents.versions"), URL: "/control/content/" + id + "/versions", Icon: "history"},
		}
		if e.Article.Live > 0 {
			f.Actions = append(f.Actions, admin.Link{Title: q.Word("contents.view"),
				URL: content.Address(e.Article.Slug), Icon: "external"})
		}
		preview := url.Values{"lang": {string(e.Lang)}}
		to := "/w/preview/" + id + "?"
		f.Actions = append(f.Actions, admin.Link{Title: q.Word("bar.preview"), URL: to + preview.Encode(), Icon: "eye"})
		key, until, err := h.o.Content.PreviewKey(q.Context(), e.Article.ID)
		if err != nil {
			h.Log.WarnContext(q.Context(), "a link to a draft cannot be made", "article", id, "error", err)
		}
		if key != "" {
			preview.Set("key", key)
			e.Link = httpd.SettledOrigin(q.Request) + to + preview.Encode()
			e.LinkHelp = q.Word("bar.link.help", q.Minute(until))
		}
		if len(e.Languages) > 1 {
			f.Tabs = e.Languages
		}
	}
	f.Body = e
	return h.Show(q, e.Form.Status(), "article", f)
}

func (h *screens) unpublishArticle(q *admin.Request) error {
	a, err := h.opened(q)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(q.PostFormValue("version"), 10, 64) // what is no number is stale
	if _, err := h.o.Content.Unpublish(q.Context(), a.ID, version); err != nil {
		return err
	}
	return q.Done("/control/content/"+a.ID.String(), "unpublished")
}

func (h *screens) deleteArticle(q *admin.Request) error {
	id, err := q.ID()
	if err != nil {
		return err
	}
	if err := h.o.Content.Trash(q.Context(), id); err != nil {
		return err
	}
	return q.Trashed("/control/content", "article", id)
}

func articleThing(a content.Article, l stoa.Locale) lock.Thing {
	return lock.Thing{Kind: lock.Article, ID: a.ID, Title: a.In(l).Title}
}
