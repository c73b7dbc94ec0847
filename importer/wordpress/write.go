package wordpress

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/richtext"
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
	// MediaDir is the folder with the files of the old site's library, such as a copy of wp-content/uploads; empty: none
	// are brought over.
	MediaDir string
	DryRun   bool // write nothing
	Progress func(done, total int)
}

// run is one import in progress.
type run struct {
	Writer
	opt    WriteOptions
	site   site.Site // as it is, or will be
	source string
	known  map[string]stoa.ID // kind/key → thing
	kept   kept
	export *Export // with what earlier files said
	plan   Plan
	stock  stock
	policy *richtext.Policy
	report Report
	done   int
	total  int

	// What was decided.
	fresh     bool   // the site takes name and language of the old one
	zone      string // that the instance takes; empty: it keeps its own
	prefix    string // before links in texts
	people    map[string]person
	accounts  map[string]user.User // to take or to make, by login
	dir       *folder
	bring     []bringing
	lib       library
	terms     map[string]*term
	claimed   map[string]bool // addresses of terms
	posts     []*article
	pages     []*article
	byItem    map[*Item]*article
	places    map[string]place // by old address
	redirects []string         // old addresses
	menus     []menuPlan
	updates   []*article
	home      *article
}

// Write brings an export in, as the actor of ctx, who needs Manage on the site. It may be repeated: what an earlier run
// wrote is only brought up to date, while no editor has touched it. A dry run gives the report of a run and writes
// nothing.
func (w Writer) Write(ctx context.Context, e *Export, o WriteOptions) (Report, error) {
	r := &run{Writer: w, opt: o, site: o.Site, policy: richtext.New()}
	defer func() {
		if r.dir != nil {
			_ = r.dir.root.Close() // it was only read
		}
	}()
	if err := r.prepare(ctx, e); err != nil || o.DryRun {
		return r.report, err
	}
	r.total = len(r.bring) + len(r.posts) + len(r.pages) + len(r.updates)
	for _, step := range []func(context.Context) error{r.begin, r.authors, r.keepRest, r.media, r.writeTerms,
		r.writePosts, r.writePages,
		r.movePages, r.update, r.writeMenus, r.writeRedirects, r.finish} {
		if err := step(ctx); err != nil {
			return r.report, fmt.Errorf("import: %w", err)
		}
	}
	return r.report, nil
}

// account fills in what the plan alone tells.
func (r *run) account(e *Export) {
	r.report = Report{Items: len(e.Items), Skipped: map[string]int{}, Comments: r.plan.Comments.Total,
		Warnings: append(slices.Clone(e.Warnings), r.plan.Warnings...)}
	for _, s := range r.plan.Steps {
		if s.Item.past {
			continue
		}
		switch s.Action {
		case Skip:
			r.report.Skipped[s.Reason]++
		case Menu:
			r.report.Menus++
		case Media:
			r.report.Media++
		case Inline:
			r.report.Inline++
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

// note writes down in the transaction what became of an item, and tells the run after the commit.
func (r *run) note(ctx context.Context, tx *db.Tx, kind, key string, thing stoa.ID) error {
	tx.AfterCommit(func() { r.known[kind+"/"+key] = thing })
	return tx.Upsert(ctx, "importer_item", []string{"site", "source", "kind", "source_key"},
		db.Row{"site": r.site.ID, "source": r.source, "kind": kind, "source_key": key, "thing": thing})
}

func (r *run) writeTerms(ctx context.Context) error {
	return r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		// Parents come first, however the file orders them; a circle ends at the depth limit.
		left := r.export.Categories
		done := map[string]bool{}
		for depth := 0; len(left) > 0 && depth < 50; depth++ {
			var later []Term
			for _, c := range left {
				t := r.terms["category/"+c.Slug]
				if t == nil || t.gone || done[c.Slug] {
					continue
				}
				up := r.terms["category/"+c.Parent]
				if c.Parent != "" && up != nil && !up.gone && !done[c.Parent] && depth < 49 {
					later = append(later, c)
					continue
				}
				done[c.Slug] = true
				if err := r.writeCategory(ctx, tx, t, up); err != nil {
					return err
				}
			}
			left = later
		}
		for _, c := range r.export.Tags {
			t := r.terms["post_tag/"+c.Slug]
			if t == nil || t.gone || t.name == "" {
				continue
			}
			id, err := r.Taxonomy.EnsureTag(ctx, tx, r.site.ID, t.name, t.slug)
			if err == nil {
				t.id = id
				err = r.note(ctx, tx, "term", sourceKey("post_tag/"+t.Slug), id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// writeCategory makes a category, or completes one that was made from its mention at an item.
func (r *run) writeCategory(ctx context.Context, tx *db.Tx, t, up *term) error {
	c := taxonomy.Category{ID: t.id, Site: r.site.ID, Slug: t.slug, Name: t.name,
		Description: shorten(t.Description, taxonomy.MaxDescription)}
	if up != nil && !up.gone && up != t {
		c.Parent = up.id
	}
	if t.name == "" { // noted by an earlier run
		c.Name = shorten(t.Name, 190)
		if c.Parent == 0 && c.Description == "" || c.Name == "" {
			return nil
		}
		return r.Taxonomy.Complete(ctx, tx, c)
	}
	id, err := r.Taxonomy.EnsureCategory(ctx, tx, c)
	if err != nil {
		return err
	}
	t.id = id
	return r.note(ctx, tx, "term", sourceKey("category/"+t.Slug), id)
}

// draft turns an item into web content; linked lets its links lead to what is here.
func (r *run) draft(a *article, linked bool) (content.Draft, drawn) {
	it := a.item
	html, blocks := r.plan.HTML(it)
	out := drawn{blocks: blocks}
	html = r.plan.named(html)
	if linked && len(html) <= content.MaxBody {
		html = r.policy.Sanitize(html) // pictures in styles become elements, whose addresses are rewritten
		html, out.links, out.left = r.rewrite(html)
	}
	d := content.Draft{
		Kind:      a.kind,
		Slug:      a.slug,
		Sticky:    it.Sticky,
		Published: it.Date,
		Created:   it.Date,
		Modified:  it.Modified,
		Comment:   commentNew,
		Text: map[stoa.Locale]content.Text{
			r.site.Locale: {Title: a.title, Summary: shorten(plain(it.Excerpt), content.MaxSummary), Body: html},
		},
	}
	if p, ok := r.people[it.Author]; ok {
		d.Author, d.AuthorName = p.account, p.name
	}
	if pic := r.plan.Thumbnail(it); pic != nil {
		d.Image = r.lib.items[pic.ID].Key
	}
	for _, t := range r.termsOf(it, "category") {
		d.Categories = append(d.Categories, t.id)
	}
	for _, t := range r.termsOf(it, "post_tag") {
		d.Tags = append(d.Tags, t.id)
	}
	if it.Password != "" && len(it.Password) <= 255 {
		d.Password = &it.Password
	}
	return d, out
}

// drawn is what was found while a text was drawn.
type drawn struct {
	blocks      BlockReport
	links, left int
}

// status is the state of an item here.
func status(it *Item) string {
	if len(it.Password) > 255 {
		return StatusDraft // without its password it must not be open
	}
	return it.Status
}

// ready cleans the text of an article before the transaction that writes it: inside, all other writers would wait.
func (r *run) ready(ctx context.Context, a *article) (err error) {
	d, _ := r.draft(a, true)
	if a.draft, err = r.Content.Prepare(ctx, d); err != nil {
		return fmt.Errorf("item %d in line %d (%q): %w", a.item.ID, a.item.Line, stoa.Clip(a.item.Title, 60), err)
	}
	return nil
}

// save writes one item as web content and publishes it as the old site had it.
func (r *run) save(ctx context.Context, tx *db.Tx, a *article) error {
	made, err := r.Content.CreateTx(ctx, tx, r.site, a.draft)
	if err != nil {
		return err
	}
	switch status(a.item) {
	case StatusPublish:
		err = r.Content.PublishTx(ctx, tx, made.ID, made.Version, time.Time{})
	case StatusFuture:
		err = r.Content.PublishTx(ctx, tx, made.ID, made.Version, a.item.Date)
	}
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	a.id = made.ID
	if err := r.keepItem(ctx, tx, a.item); err != nil {
		return err
	}
	return r.note(ctx, tx, a.item.Type, a.item.key, made.ID)
}

func (r *run) progress() {
	r.done++
	if r.opt.Progress != nil {
		r.opt.Progress(r.done, r.total)
	}
}

// refused accounts for an article that the domain refused although it had been asked: an editor was faster.
func (r *run) refused(a *article, err error) {
	a.skip = true
	r.report.New--
	r.report.Refused++
	r.warn(Missing, a.item, "%q was not brought over: %s", stoa.Short(a.item.Title, 60), sentence(err))
}

func (r *run) writePosts(ctx context.Context) error {
	for chunk := range slices.Chunk(r.posts, batch) {
		todo := slices.DeleteFunc(slices.Clone(chunk), func(a *article) bool { return a.before || !a.written() })
		err := r.savePosts(ctx, todo)
		if refusal(err) { // one must not stop the others
			for _, a := range todo {
				if err := r.savePosts(ctx, []*article{a}); refusal(err) {
					r.refused(a, err)
				} else if err != nil {
					return err
				}
			}
		} else if err != nil {
			return err
		}
		for range chunk {
			r.progress()
		}
	}
	return nil
}

func (r *run) savePosts(ctx context.Context, list []*article) error {
	if len(list) == 0 {
		return nil
	}
	for _, a := range list {
		if err := r.ready(ctx, a); err != nil {
			return err
		}
	}
	return r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, a := range list {
			if err := r.save(ctx, tx, a); err != nil {
				return fmt.Errorf("item %d in line %d (%q): %w", a.item.ID, a.item.Line, stoa.Clip(a.item.Title, 60), err)
			}
		}
		return nil
	})
}

// writePages writes each page of the tree as an article that a page shows; parents come first.
func (r *run) writePages(ctx context.Context) error {
	for _, a := range r.pages {
		r.progress()
		if a.before || !a.written() {
			continue
		}
		for a.up != nil && !a.up.written() { // refused just now
			a.up = a.up.up
		}
		position, err := r.position(ctx, a)
		if err != nil {
			return err
		}
		if len(a.widgets) == 0 {
			if err = r.ready(ctx, a); refusal(err) {
				r.refused(a, err)
				continue
			} else if err != nil {
				return err
			}
		}
		err = r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			n := page.NewPage{
				Slug: a.pageSlug, Title: r.text(a.title), Position: position, Template: a.template, Created: a.item.Date,
				Publish: status(a.item) == StatusPublish, Type: page.TypeWidgets, Layout: page.Single(a.widgets...),
			}
			var err error
			if len(a.widgets) == 0 {
				if err = r.save(ctx, tx, a); err != nil {
					return err
				}
				n.Type, n.Target, n.Layout = page.TypeArticle, a.id.String(), page.Layout{}
			} else if err = r.keepItem(ctx, tx, a.item); err == nil {
				err = r.note(ctx, tx, "widgets", a.item.key, 1)
			}
			if err != nil {
				return err
			}
			if a.up != nil {
				n.Parent = a.up.node
			}
			p, err := r.Pages.CreateTx(ctx, tx, r.site, n)
			if err != nil {
				return err
			}
			a.node, a.path = p.ID, p.Path
			return r.note(ctx, tx, "node", a.item.key, p.ID)
		})
		if refusal(err) {
			r.refused(a, err)
		} else if err != nil {
			return fmt.Errorf("page %d in line %d (%q): %w", a.item.ID, a.item.Line, stoa.Clip(a.item.Title, 60), err)
		}
	}
	return nil
}

// position is the place of a page among those beside it: before the first that is there and comes behind it, else the
// last.
func (r *run) position(ctx context.Context, a *article) (int, error) {
	for _, b := range a.after {
		if b.move || b.gone || b.node == 0 {
			continue
		}
		p, err := r.Pages.Get(ctx, b.node)
		if err == nil {
			return p.Position, nil
		}
		if !stoa.Is(err, stoa.KindNotFound) {
			return 0, err
		}
	}
	return -1, nil
}

// movePages puts the pages of an earlier run whose parents this one brought below them.
func (r *run) movePages(ctx context.Context) error {
	for _, a := range r.pages {
		if !a.move || a.up == nil || a.up.node == 0 {
			continue
		}
		n, err := r.Pages.Get(ctx, a.node)
		if err == nil && n.Parent == 0 {
			position, perr := r.position(ctx, a)
			if perr != nil {
				return perr
			}
			if position < 0 {
				position = 1 << 30
			}
			_, err = r.Pages.Move(ctx, a.node, a.up.node, position, n.Version)
		}
		if refusal(err) {
			r.report.Moved--
			r.warn(Changed, a.item, "the page %q stays at the top: %s", stoa.Short(a.item.Title, 60), sentence(err))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// writeRedirects lets the old site's addresses lead to the new ones.
func (r *run) writeRedirects(ctx context.Context) error {
	for chunk := range slices.Chunk(r.redirects, 100) {
		if err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, from := range chunk {
				to, _ := r.destination(r.places[from])
				if to == "" { // refused just now
					continue
				}
				if err := r.Pages.AddRedirect(ctx, tx, r.site.ID, from, to); err != nil && !stoa.Is(err, stoa.KindInvalid) {
					return err
				}
				if err := r.note(ctx, tx, "redirect", sourceKey(from), stoa.ID(fingerprint(to))); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
