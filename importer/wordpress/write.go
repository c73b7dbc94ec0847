package wordpress

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// batch is how many items are written in one transaction: a run that is cut off loses at most these.
const batch = 20

// Writer writes the plan of an export into a site.
type Writer struct {
	DB       *db.DB
	Sites    *site.Service
	Pages    *page.Service
	Content  *content.Service
	Taxonomy *taxonomy.Service
	Files    *document.Service // nil: no files are brought over
	Users    *user.Service     // nil: authors get no accounts
}

// WriteOptions say what is written where.
type WriteOptions struct {
	Site     site.Site
	HomePage string // slug of the imported page that becomes the home; empty: the list of posts
	MediaDir string // folder with the files of the old site's library, such as a copy of wp-content/uploads; empty: none are brought over
	DryRun   bool   // count only
	Progress func(done, total int)
}

// run is one import in progress.
type run struct {
	Writer
	opt    WriteOptions
	source string
	plan   Plan
	known  map[string]stoa.ID // kind/key → thing
	lib    library
	people map[string]person // by login
	report Report
	done   int
	total  int
}

// Write brings an export in, as the actor of ctx, who needs Manage on the site. It may be repeated: what
// an earlier run wrote is left alone.
func (w Writer) Write(ctx context.Context, e *Export, o WriteOptions) (Report, error) {
	r := &run{Writer: w, opt: o, plan: e.Plan(), known: map[string]stoa.ID{}, source: cut(e.Site.BaseURL, 190)}
	r.account(e)
	if err := r.load(ctx); err != nil {
		return r.report, err
	}
	var pages []*PageNode
	for _, n := range r.plan.Pages {
		pages = append(pages, flatten(n)...)
	}
	if o.HomePage != "" && !slices.ContainsFunc(pages, func(n *PageNode) bool { return n.Item.Slug == o.HomePage }) {
		return r.report, stoa.Invalid("home-page", "the export has no page with the slug %q", o.HomePage)
	}
	r.total = len(r.plan.Posts) + len(pages)
	if o.MediaDir != "" {
		r.total += len(r.plan.Media)
	}
	if o.DryRun {
		for _, it := range r.plan.Posts {
			r.count(it)
		}
		for _, n := range pages {
			r.count(n.Item)
		}
		return r.report, r.media(ctx)
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return r.authors(ctx, e) },
		r.media,
		func(ctx context.Context) error { return r.pictures(ctx, pages) },
		func(ctx context.Context) error { return r.terms(ctx, e) },
		r.posts,
		func(ctx context.Context) error { return r.pages(ctx, pages) },
		r.menus,
		r.addresses,
		func(ctx context.Context) error { return r.settings(ctx, e, pages) },
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return r.report, fmt.Errorf("import: %w", err)
		}
	}
	return r.report, nil
}

// account fills in what the plan alone tells.
func (r *run) account(e *Export) {
	r.report = Report{Items: len(e.Items), Skipped: map[string]int{}, Menus: r.plan.Count(Menu), Media: r.plan.Count(Media), Inline: r.plan.Count(Inline),
		Comments: r.plan.Comments.Total, Warnings: append(slices.Clone(e.Warnings), r.plan.Warnings...)}
	for _, s := range r.plan.Steps {
		if s.Action == Skip {
			r.report.Skipped[s.Reason]++
		}
	}
}

func flatten(n *PageNode) []*PageNode {
	out := []*PageNode{n}
	for _, c := range n.Children {
		out = append(out, flatten(c)...)
	}
	return out
}

func (r *run) load(ctx context.Context) error {
	return db.Each(ctx, r.DB, func(row db.Scanner) error {
		var kind, key string
		var thing stoa.ID
		err := row.Scan(&kind, &key, &thing)
		r.known[kind+"/"+key] = thing
		return err
	}, "SELECT kind, source_key, thing FROM importer_item WHERE site = ? AND source = ?", r.opt.Site.ID, r.source)
}

// note writes down in the transaction what became of an item, and tells the run after the commit.
func (r *run) note(ctx context.Context, tx *db.Tx, kind, key string, thing stoa.ID) error {
	tx.AfterCommit(func() { r.known[kind+"/"+key] = thing })
	return tx.Insert(ctx, "importer_item", db.Row{"site": r.opt.Site.ID, "source": r.source, "kind": kind, "source_key": key, "thing": thing})
}

func (r *run) terms(ctx context.Context, e *Export) error {
	return r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids := map[string]stoa.ID{}
		// Parents come first, however the file orders them; a circle ends at the depth limit.
		left := slices.Clone(e.Categories)
		for depth := 0; len(left) > 0 && depth < 50; depth++ {
			var later []Term
			for _, t := range left {
				parent, ok := ids[t.Parent]
				if t.Parent != "" && !ok && depth < 49 {
					later = append(later, t)
					continue
				}
				id, err := r.Taxonomy.EnsureCategory(ctx, tx, taxonomy.Category{Site: r.opt.Site.ID, Parent: parent, Slug: cut(t.Slug, 190), Name: cut(termName(t), 190), Description: t.Description})
				if err != nil {
					return err
				}
				ids[t.Slug] = id
			}
			left = later
		}
		for _, t := range e.Tags {
			id, err := r.Taxonomy.EnsureTag(ctx, tx, r.opt.Site.ID, cut(termName(t), 190), cut(t.Slug, 190))
			if err != nil {
				return err
			}
			ids["tag/"+t.Slug] = id
		}
		tx.AfterCommit(func() {
			for k, id := range ids {
				r.known["term/"+k] = id
			}
		})
		return nil
	})
}

func termName(t Term) string {
	if strings.TrimSpace(t.Name) == "" {
		return t.Slug
	}
	return t.Name
}

// draft turns an item into web content.
func (r *run) draft(it *Item, kind string) (content.Draft, BlockReport) {
	html, blocks := r.plan.HTML(it)
	html = r.rewrite(html)
	title := it.Title
	if strings.TrimSpace(title) == "" {
		title = "Untitled"
	}
	d := content.Draft{
		Kind: kind, Slug: it.Slug, Sticky: it.Sticky, Published: it.Date, Created: it.Date, Modified: it.Modified, Comment: "Imported from WordPress",
		Text: map[stoa.Locale]content.Text{r.opt.Site.Locale: {Title: title, Summary: it.Excerpt, Body: html}},
	}
	if p, ok := r.people[it.Author]; ok {
		d.Author, d.AuthorName = p.account, p.name
	}
	if pic := r.plan.Thumbnail(it); pic != nil {
		d.Image = r.lib.items[pic.ID].Key
	}
	for _, slug := range it.Categories() {
		if id := r.known["term/"+slug]; id != 0 {
			d.Categories = append(d.Categories, id)
		}
	}
	for _, slug := range it.Tags() {
		if id := r.known["term/tag/"+slug]; id != 0 {
			d.Tags = append(d.Tags, id)
		}
	}
	if it.Password != "" {
		d.Password = &it.Password
	}
	return d, blocks
}

// prepared is an item whose text is clean: work that is done before a transaction begins, for in one others wait.
type prepared struct {
	draft  content.Draft
	blocks BlockReport
}

func (r *run) prepare(ctx context.Context, it *Item, kind string) (p prepared, err error) {
	p.draft, p.blocks = r.draft(it, kind)
	if p.draft, err = r.Content.Prepare(ctx, p.draft); err != nil {
		return p, fmt.Errorf("item %d in line %d (%q): %w", it.ID, it.Line, cut(it.Title, 60), err)
	}
	return p, nil
}

// save writes one item as web content and publishes it as the old site had it.
func (r *run) save(ctx context.Context, tx *db.Tx, it *Item, kind string, p prepared) (content.Article, error) {
	d, blocks := p.draft, p.blocks
	if d.Slug != "" {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM content_article WHERE site = ? AND slug = ?", r.opt.Site.ID, taxonomy.Slug(d.Slug)).Scan(&n); err != nil {
			return content.Article{}, err
		}
		if n > 0 {
			d.Slug += "-" + strconv.FormatInt(it.ID, 10)
		}
	}
	a, err := r.Content.CreateTx(ctx, tx, r.opt.Site, d)
	if err != nil {
		return a, fmt.Errorf("item %d in line %d (%q): %w", it.ID, it.Line, cut(it.Title, 60), err)
	}
	switch it.Status {
	case StatusPublish:
		err = r.Content.PublishTx(ctx, tx, a.ID, a.Version, time.Time{})
	case StatusFuture:
		err = r.Content.PublishTx(ctx, tx, a.ID, a.Version, it.Date)
	}
	if err != nil {
		return a, fmt.Errorf("publish item %d in line %d: %w", it.ID, it.Line, err)
	}
	tx.AfterCommit(func() { r.report.Blocks.Add(blocks) })
	return a, r.note(ctx, tx, kind, key(it), a.ID)
}

func key(it *Item) string { return strconv.FormatInt(it.ID, 10) }

func (r *run) count(it *Item) {
	if r.known["post/"+key(it)] != 0 || r.known["page/"+key(it)] != 0 {
		r.report.Before++
	} else {
		r.report.New++
	}
}

func (r *run) progress() {
	r.done++
	if r.opt.Progress != nil {
		r.opt.Progress(r.done, r.total)
	}
}

func (r *run) posts(ctx context.Context) error {
	for chunk := range slices.Chunk(r.plan.Posts, batch) {
		todo := slices.DeleteFunc(slices.Clone(chunk), func(it *Item) bool { return r.known["post/"+key(it)] != 0 })
		if len(todo) > 0 {
			drafts := make([]prepared, len(todo))
			for i, it := range todo {
				var err error
				if drafts[i], err = r.prepare(ctx, it, content.KindPost); err != nil {
					return err
				}
			}
			if err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				for i, it := range todo {
					if _, err := r.save(ctx, tx, it, content.KindPost, drafts[i]); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		r.report.New += len(todo)
		r.report.Before += len(chunk) - len(todo)
		for range chunk {
			r.progress()
		}
	}
	return nil
}

// pages writes each page of the tree as an article that a page shows; parents come first.
func (r *run) pages(ctx context.Context, list []*PageNode) error {
	parents := map[int64]*Item{}
	for _, n := range list {
		for _, c := range n.Children {
			parents[c.Item.ID] = n.Item
		}
	}
	for _, n := range list {
		it := n.Item
		r.progress()
		if r.known["node/"+key(it)] != 0 {
			r.report.Before++
			continue
		}
		draft, err := r.prepare(ctx, it, content.KindPage)
		if err != nil {
			return err
		}
		err = r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			a, err := r.save(ctx, tx, it, content.KindPage, draft)
			if err != nil {
				return err
			}
			var parent stoa.ID
			if up := parents[it.ID]; up != nil {
				parent = r.known["node/"+key(up)]
			}
			title := it.Title
			if strings.TrimSpace(title) == "" {
				title = "Untitled"
			}
			p, err := r.Pages.CreateTx(ctx, tx, r.opt.Site, page.NewPage{Parent: parent, Slug: r.slug(it, parent), Title: map[stoa.Locale]string{r.opt.Site.Locale: cut(title, 190)}, Position: -1,
				Type: page.TypeArticle, Target: a.ID.String(), Publish: it.Status == StatusPublish, Template: n.Template, Created: it.Date})
			if err != nil {
				return fmt.Errorf("page %d in line %d (%q): %w", it.ID, it.Line, cut(it.Title, 60), err)
			}
			return r.note(ctx, tx, "node", key(it), p.ID)
		})
		if err != nil {
			return err
		}
		r.report.New++
	}
	return nil
}

// slug is the page's own, unless a page at the top would hide an address of the portal.
func (r *run) slug(it *Item, parent stoa.ID) string {
	if parent == 0 && slices.Contains(page.Reserved(), it.Slug) {
		return it.Slug + "-page"
	}
	return it.Slug
}

func (r *run) menus(ctx context.Context) error {
	for i, m := range r.plan.Menus {
		slug := m.Slug
		if i == 0 {
			slug = "main" // the theme shows this one in the header
		}
		if r.known["menu/"+m.Slug] != 0 || len(m.Entries) == 0 {
			continue
		}
		err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			saved, err := r.Pages.SaveMenuTx(ctx, tx, page.Menu{Site: r.opt.Site.ID, Name: cut(m.Name, 120), Slug: taxonomy.Slug(cut(slug, 100)), Items: r.items(m.Entries, 0)})
			if err != nil {
				return fmt.Errorf("menu %q: %w", m.Name, err)
			}
			return r.note(ctx, tx, "menu", cut(m.Slug, 190), saved.ID)
		})
		if stoa.Is(err, stoa.KindConflict) {
			r.report.Warnings = append(r.report.Warnings, Warning{Message: fmt.Sprintf("the menu %q was left out: the site has one with this name", m.Name)})
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// menuDepth is how deep menus may be nested (page.Menu); deeper entries follow the last one that fits.
const menuDepth = 4

func (r *run) items(entries []*MenuEntry, depth int) []page.Item {
	var out []page.Item
	for _, e := range entries {
		it := page.Item{}
		if e.Label != "" {
			it.Title = map[stoa.Locale]string{r.opt.Site.Locale: cut(e.Label, 190)}
		}
		switch {
		case e.Target != nil && r.known["node/"+key(e.Target)] != 0:
			it.Page = r.known["node/"+key(e.Target)]
		case e.Target != nil && e.Target.Type == TypePost:
			it.URL = "/w/" + e.Target.Slug
		case e.Term != nil && e.Term.Taxonomy == "category":
			it.URL = "/categories/" + e.Term.Slug
		case e.Term != nil:
			it.URL = "/tags/" + e.Term.Slug
		case e.URL != "" && strings.TrimSuffix(e.URL, "/") == strings.TrimSuffix(r.source, "/"):
			it.URL = "/" // the front page of the old site is the front page of this one
		case strings.HasPrefix(e.URL, "/") || strings.HasPrefix(e.URL, "http://") || strings.HasPrefix(e.URL, "https://"):
			it.URL = e.URL
		}
		below := r.items(e.Children, depth+1)
		if depth < menuDepth-1 {
			it.Children, below = below, nil
		}
		out = append(append(out, it), below...)
	}
	return out
}

// addresses lets the old site's addresses lead to the new ones.
func (r *run) addresses(ctx context.Context) error {
	targets := map[string]string{}
	for _, a := range r.plan.Addresses {
		var to string
		switch {
		case a.Term != nil && a.Term.Taxonomy == "category":
			to = "/categories/" + a.Term.Slug
		case a.Term != nil && a.Term.Taxonomy == "post_tag":
			to = "/tags/" + a.Term.Slug
		case a.Item != nil && a.Item.Status == StatusPublish:
			var err error
			if to, err = r.addressOf(ctx, a.Item); err != nil {
				return err
			}
		}
		if to != "" && strings.TrimSuffix(a.From, "/") != to && a.From != "/" {
			targets[a.From] = to
		}
	}
	froms := slices.Sorted(maps.Keys(targets))
	for chunk := range slices.Chunk(froms, 100) {
		todo := slices.DeleteFunc(slices.Clone(chunk), func(f string) bool { return r.known["redirect/"+cut(f, 190)] != 0 })
		if len(todo) == 0 {
			continue
		}
		if err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			seen := map[string]bool{}
			for _, f := range todo {
				if seen[cut(f, 190)] {
					continue
				}
				seen[cut(f, 190)] = true
				if err := r.Pages.AddRedirect(ctx, tx, r.opt.Site.ID, f, targets[f]); err != nil {
					if stoa.Is(err, stoa.KindInvalid) {
						continue // an address that leads to itself needs no redirect
					}
					return err
				}
				if err := r.note(ctx, tx, "redirect", cut(f, 190), 1); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		r.report.Redirects += len(todo)
	}
	return nil
}

func (r *run) addressOf(ctx context.Context, it *Item) (string, error) {
	if id := r.known["node/"+key(it)]; id != 0 {
		p, err := r.Pages.Get(ctx, id)
		if stoa.Is(err, stoa.KindNotFound) {
			return "", nil
		}
		return p.Path, err
	}
	if id := r.known["post/"+key(it)]; id != 0 {
		a, err := r.Content.Get(ctx, id)
		if stoa.Is(err, stoa.KindNotFound) {
			return "", nil
		}
		return "/w/" + a.Slug, err
	}
	return "", nil
}

// settings gives the site its old name and home, once.
func (r *run) settings(ctx context.Context, e *Export, pages []*PageNode) error {
	if r.known["settings/site"] != 0 {
		return nil
	}
	st, err := r.Sites.Site(ctx, r.opt.Site.ID)
	if err != nil {
		return err
	}
	if t := strings.TrimSpace(e.Site.Title); t != "" {
		st.Name = cut(t, 190)
	}
	st.Tagline, st.Home = cut(e.Site.Description, 500), site.HomePosts
	if r.opt.HomePage != "" {
		for _, n := range pages {
			if n.Item.Slug == r.opt.HomePage {
				if st.Home, err = r.addressOf(ctx, n.Item); err != nil {
					return err
				}
			}
		}
	}
	if _, err := r.Sites.UpdateSite(ctx, st); err != nil {
		return err
	}
	if err := r.dropWelcome(ctx); err != nil {
		return err
	}
	return r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return r.note(ctx, tx, "settings", "site", r.opt.Site.ID) })
}

// dropWelcome removes the page and the article of the first start while nobody has changed them.
func (r *run) dropWelcome(ctx context.Context) error {
	if p, err := r.Pages.ByPath(ctx, r.opt.Site.ID, "/home"); err == nil && p.Number == 1 && p.Type == page.TypeWidgets && !p.HasDraft {
		if err := r.Pages.Delete(ctx, p.ID, p.Version); err != nil && !stoa.Is(err, stoa.KindNotFound) && !stoa.Is(err, stoa.KindConflict) {
			return err
		}
	}
	a, err := r.Content.LiveBySlug(ctx, r.opt.Site, "welcome")
	if err != nil || a.Number != 1 || r.wrote(a.ID) {
		return nil
	}
	if err := r.Content.Delete(ctx, a.ID); err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return err
	}
	return nil
}

func (r *run) wrote(id stoa.ID) bool {
	for _, have := range r.known {
		if have == id {
			return true
		}
	}
	return false
}
