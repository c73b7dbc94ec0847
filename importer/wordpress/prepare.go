package wordpress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/page"
)

// A run has two halves. The first reads: it decides about every item, asks the domain about everything that it could
// refuse, and fills the report. A dry run ends there. The second writes what was decided.

// The comments of the versions that imports write. An article whose newest version has another belongs to the editor
// who made that.
const (
	commentNew     = "Imported from WordPress"
	commentPicture = "Files brought over from WordPress" // of older programs
	commentAgain   = "Brought up to date from WordPress"
)

// Limits of what is written, below those of the domain so that a number fits behind.
const (
	maxArticleSlug = 150
	maxPageSlug    = 160
	maxTerms       = 100 // categories and tags of an article, each
)

// article is a post or page of the plan and what becomes of it.
type article struct {
	item   *Item
	kind   string // content.KindPost or content.KindPage
	title  string
	slug   string        // of the article
	id     stoa.ID       // of the article, when it is written
	before bool          // an earlier run wrote it
	gone   bool          // an earlier run wrote it, and an editor deleted it
	skip   bool          // the domain would refuse it
	draft  content.Draft // made ready just before it is written

	// Of pages only.
	up       *article // the page above; nil at the top
	path     string
	pageSlug string
	depth    int     // pages above it
	node     stoa.ID // the page, when it is written
	move     bool    // an earlier run put it at the top, for want of its parent
	template string
	widgets  []page.Placed // what it shows instead of an article
	after    []*article    // those that come behind it below the same page
}

// written reports whether the article is here, or will be at the end of the run.
func (a *article) written() bool { return !a.gone && !a.skip }

// stock is what the site has before the run.
type stock struct {
	articles map[stoa.ID]content.Stocked
	slugs    map[string]bool
	nodes    map[stoa.ID]page.Node
	depth    map[stoa.ID]int // pages above
	paths    map[string]bool
	terms    map[stoa.ID]bool   // categories and tags
	bySlug   map[string]stoa.ID // "category/slug" and "post_tag/slug"
	slugOf   map[stoa.ID]string // of terms
	menus    map[string]page.Menu
}

func (r *run) prepare(ctx context.Context, e *Export) error {
	e.name()
	if err := r.load(ctx, e); err != nil {
		return err
	}
	var err error
	if r.kept, err = r.remember(ctx); err != nil {
		return err
	}
	if r.export, err = e.with(r.kept); err != nil {
		return err
	}
	r.plan = r.export.Plan()
	r.account(e)
	for _, step := range []func(context.Context) error{r.takeStock, r.prepareSite, r.prepareAuthors,
		r.prepareMedia, r.prepareTerms,
		r.prepareArticles, r.preparePages, r.prepareLinks, r.prepareMenus, r.prepareUpdates, r.prepareHome} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// load reads what earlier runs wrote.
func (r *run) load(ctx context.Context, e *Export) error {
	r.source, r.known = stoa.Clip(e.Site.BaseURL, 190), map[string]stoa.ID{}
	sources, err := db.All(ctx, r.DB, func(row db.Scanner) (s string, err error) { return s, row.Scan(&s) },
		"SELECT DISTINCT source FROM importer_item WHERE site = ? ORDER BY source", r.site.ID)
	if err != nil {
		return err
	}
	if !slices.Contains(sources, r.source) {
		for _, s := range sources {
			if sameSource(s, r.source) {
				r.source = s
				break
			}
		}
	}
	return db.Each(ctx, r.DB, func(row db.Scanner) error {
		var kind, key string
		var thing stoa.ID
		err := row.Scan(&kind, &key, &thing)
		r.known[kind+"/"+key] = thing
		return err
	}, "SELECT kind, source_key, thing FROM importer_item WHERE site = ? AND source = ?", r.site.ID, r.source)
}

func (r *run) takeStock(ctx context.Context) error {
	s := stock{
		articles: map[stoa.ID]content.Stocked{},
		slugs:    map[string]bool{},
		nodes:    map[stoa.ID]page.Node{},
		depth:    map[stoa.ID]int{},
		paths:    map[string]bool{},
		terms:    map[stoa.ID]bool{},
		bySlug:   map[string]stoa.ID{},
		slugOf:   map[stoa.ID]string{},
		menus:    map[string]page.Menu{},
	}
	r.stock = s
	if r.site.ID == 0 { // a dry run of a site that is still to be made
		return nil
	}
	articles, err := r.Content.Stock(ctx, r.site)
	if err != nil {
		return err
	}
	for _, a := range articles {
		s.articles[a.ID], s.slugs[a.Slug] = a, true
	}
	tree, err := r.Pages.Tree(ctx, r.site.ID)
	if err != nil {
		return err
	}
	var walk func(list []page.Node, depth int)
	walk = func(list []page.Node, depth int) {
		for _, n := range list {
			s.nodes[n.ID], s.depth[n.ID], s.paths[n.Path] = n, depth, true
			walk(n.Children, depth+1)
		}
	}
	walk(tree, 0)
	categories, tags, err := r.Taxonomy.All(ctx, r.site.ID)
	if err != nil {
		return err
	}
	for _, c := range categories {
		s.terms[c.ID], s.bySlug["category/"+c.Slug], s.slugOf[c.ID] = true, c.ID, c.Slug
	}
	for _, t := range tags {
		s.terms[t.ID], s.bySlug["post_tag/"+t.Slug], s.slugOf[t.ID] = true, t.ID, t.Slug
	}
	menus, err := r.Pages.Menus(ctx, r.site.ID)
	for _, m := range menus {
		s.menus[m.Slug] = m
	}
	return err
}

// warn puts a line about an item into the report, unless an earlier file told of it.
func (r *run) warn(w Weight, it *Item, format string, args ...any) {
	if it != nil && it.past {
		return
	}
	warning := Warning{Weight: w, Message: fmt.Sprintf(format, args...)}
	if it != nil {
		warning.Line, warning.Item = it.Line, it.ID
	}
	r.report.Warnings = append(r.report.Warnings, warning)
}

// refusal reports whether an error of the domain is about what was asked for, and not about the portal.
func refusal(err error) bool {
	return stoa.Is(err, stoa.KindInvalid) || stoa.Is(err, stoa.KindTooLarge) || stoa.Is(err, stoa.KindConflict) ||
		stoa.Is(err, stoa.KindNotFound)
}

func fieldOf(err error) string {
	var e *stoa.Error
	if errors.As(err, &e) {
		return e.Field
	}
	return ""
}

// sentence is what an error says to people.
func sentence(err error) string {
	var e *stoa.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// prepareArticles decides about the posts and about the texts of the pages.
func (r *run) prepareArticles(context.Context) error {
	r.byItem = map[*Item]*article{}
	for _, it := range r.plan.Posts {
		r.posts = append(r.posts, &article{item: it, kind: content.KindPost})
	}
	above := map[*PageNode]*article{}
	for _, top := range r.plan.Pages {
		for _, n := range flatten(top) {
			a := &article{item: n.Item, kind: content.KindPage, template: n.Template, up: above[n]}
			for _, c := range n.Children {
				above[c] = a
			}
			r.pages = append(r.pages, a)
		}
	}
	for _, a := range slices.Concat(r.posts, r.pages) {
		it := a.item
		r.byItem[it] = a
		a.title = shorten(it.Title, content.MaxTitle)
		if a.title == "" {
			a.title = "Untitled"
		}
		if r.known["widgets/"+it.key] != 0 {
			a.before, a.widgets = true, []page.Placed{{}}
			r.count(it, &r.report.Before)
			continue
		}
		a.id = r.known[it.Type+"/"+it.key]
		if a.id != 0 {
			have, ok := r.stock.articles[a.id]
			a.before, a.gone, a.slug = true, !ok, have.Slug
			r.count(it, &r.report.Before)
			continue
		}
		if it.past {
			a.skip = true // it was kept, but the run ended before it was written
			continue
		}
		if a.title != it.Title && it.Title != "" {
			r.warn(Changed, it, "the title %q is longer than %d bytes and was shortened", stoa.Short(it.Title, 60),
				content.MaxTitle)
		}
		if summary := plain(it.Excerpt); len(summary) > content.MaxSummary {
			r.warn(
				Changed,
				it,
				"the excerpt of %q is longer than %d bytes and was shortened",
				stoa.Short(it.Title, 60),
				content.MaxSummary,
			)
		}
		for what, n := range map[string]int{"categories": len(it.Categories()), "tags": len(it.Tags())} {
			if n > maxTerms {
				r.warn(Changed, it, "%q has %d %s; the first %d were kept", stoa.Short(it.Title, 60), n, what, maxTerms)
			}
		}
		if len(it.Password) > 255 {
			r.warn(Changed, it, "the password of %q is longer than 255 bytes: it is a draft now", stoa.Short(it.Title, 60))
		}
		if a.widgets = r.plan.widgets(it); len(a.widgets) > 0 {
			r.warn(Changed, it, "the page %q showed lists of posts: widgets show them now", stoa.Short(it.Title, 60))
			r.count(it, &r.report.New)
			continue
		}
		d, _ := r.draft(a, false)
		d.Slug = "check"
		if _, err := r.Content.CheckDraft(r.site, d); refusal(err) {
			a.skip = true
			r.warn(Missing, it, "%q was not brought over: %s", stoa.Short(it.Title, 60), sentence(err))
			r.count(it, &r.report.Refused)
			continue
		} else if err != nil {
			return err
		}
		r.count(it, &r.report.New)
		if a.kind == content.KindPost {
			r.claimSlug(a)
		}
	}
	return nil
}

func (r *run) count(it *Item, n *int) {
	if !it.past {
		*n++
	}
}

// slugOf is the address of an article, category or tag with these words.
func slugOf(words string) string { return cmp.Or(stoa.Slug(words, maxArticleSlug), "untitled") }

// claimSlug gives a new article the address that it had, with the number of its item behind when that is taken. The
// texts of pages, which are reached through their page, have names of their own, and never take that of a post.
func (r *run) claimSlug(a *article) {
	want := a.item.Slug
	base := slugOf(cmp.Or(want, a.title))
	if a.kind == content.KindPage {
		base += "-page"
	}
	slug := base
	if r.stock.slugs[slug] && a.item.ID != 0 {
		slug = base + "-" + strconv.FormatInt(a.item.ID, 10)
	}
	for n := 2; r.stock.slugs[slug]; n++ {
		slug = base + "-" + strconv.Itoa(n)
	}
	r.stock.slugs[slug], a.slug = true, slug
	if a.kind == content.KindPost && want != "" && slug != want && slugOf(want) != slug {
		r.warn(
			Changed,
			a.item,
			"%q is at /w/%s: its address %q was taken or cannot be one",
			stoa.Short(a.item.Title, 60),
			slug,
			stoa.Short(want, 60),
		)
	}
}

// preparePages finds the place and the address of every page.
func (r *run) preparePages(ctx context.Context) error {
	r.place()
	below := map[*article][]*article{}
	for _, a := range r.pages {
		if !a.written() {
			continue
		}
		for a.up != nil && !a.up.written() {
			a.up = a.up.up
		}
		if a.before {
			r.placed(a)
		} else if err := r.claimPath(ctx, a); err != nil {
			return err
		}
		if a.written() {
			below[a.up] = append(below[a.up], a)
		}
	}
	for _, list := range below {
		for i, a := range list {
			a.after = list[i+1:]
		}
	}
	return nil
}

// place leaves out the pages that an earlier run wrote and an editor deleted.
func (r *run) place() {
	for _, a := range r.pages {
		if a.before && !a.gone {
			a.node = r.known["node/"+a.item.key]
			_, ok := r.stock.nodes[a.node]
			a.gone = !ok
		}
	}
}

// placed reads where a page of an earlier run is. One that is at the top because its parent came later goes below it,
// unless it was touched since.
func (r *run) placed(a *article) {
	n := r.stock.nodes[a.node]
	a.path, a.pageSlug, a.depth = n.Path, n.Slug, r.stock.depth[n.ID]
	if a.up == nil {
		return
	}
	if n.Parent == a.up.node && n.Parent != 0 { // the pages above may move
		a.path, a.depth = a.up.path+"/"+n.Slug, a.up.depth+1
		return
	}
	if n.Parent != 0 || n.Version != 1 {
		return
	}
	to := a.up.path + "/" + n.Slug
	if r.stock.paths[to] || a.up.depth+1+height(n) >= page.MaxDepth {
		r.warn(Changed, a.item, "the page %q stays at the top: it does not fit below %s", stoa.Short(a.item.Title, 60),
			a.up.path)
		return
	}
	r.stock.paths[to] = true
	a.move, a.path, a.depth = true, to, a.up.depth+1
	r.report.Moved++
}

func height(n page.Node) int {
	most := 0
	for _, c := range n.Children {
		most = max(most, 1+height(c))
	}
	return most
}

// claimPath gives a new page the nearest place and address that the domain takes.
func (r *run) claimPath(ctx context.Context, a *article) error {
	want := a.item.Slug
	slug := cmp.Or(want, stoa.Slug(a.title, maxPageSlug), "page")
	wished := a.up
	for try := 0; try < 5*page.MaxDepth; try++ {
		prefix, depth := "", 0
		if a.up != nil {
			prefix, depth = a.up.path, a.up.depth+1
		}
		n := page.NewPage{Slug: slug, Title: r.text(a.title), Type: page.TypeArticle, Target: "1", Template: a.template}
		err := r.Pages.CheckNew(ctx, r.site, n, prefix, depth)
		switch field := fieldOf(err); {
		case err == nil:
			r.claimFree(a, prefix, slug)
			a.depth = depth
			if wished != a.up {
				r.warn(
					Changed,
					a.item,
					"the page %q is deeper than %d levels and went up, to %s",
					stoa.Short(a.item.Title, 60),
					page.MaxDepth,
					a.path,
				)
			}
			return nil
		case !refusal(err):
			return err
		case field == "parent" && a.up != nil:
			a.up = a.up.up
		case field == "template" && a.template != "":
			a.template = "" // the old theme's file, under a name that no template can have
		case field == "slug" && !slices.Contains([]string{"", slug}, stoa.Slug(slug, maxPageSlug)):
			slug = stoa.Slug(slug, maxPageSlug)
		case field == "slug" && prefix == "" && !strings.HasSuffix(slug, "-page"):
			slug += "-page"
		default:
			a.skip = true
			r.report.New--
			r.report.Refused++
			r.warn(Missing, a.item, "the page %q was not brought over: %s", stoa.Short(a.item.Title, 60), sentence(err))
			return nil
		}
	}
	return fmt.Errorf("page %d in line %d: no place was found", a.item.ID, a.item.Line)
}

// claimFree takes the address, with a number when it is taken.
func (r *run) claimFree(a *article, prefix, slug string) {
	free := slug
	for n := 2; r.stock.paths[prefix+"/"+free]; n++ {
		free = stoa.Clip(slug, maxPageSlug) + "-" + strconv.Itoa(n)
	}
	a.pageSlug, a.path = free, prefix+"/"+free
	r.stock.paths[a.path] = true
	if len(a.widgets) == 0 {
		r.claimSlug(a)
	}
	if want := a.item.Slug; want != "" && want != free {
		r.warn(
			Changed,
			a.item,
			"the page %q is at %s: its address %q was taken, or belongs to the portal",
			stoa.Short(a.item.Title, 60),
			a.path,
			stoa.Short(want, 60),
		)
	}
}

// text is a text in the language of the site.
func (r *run) text(s string) map[stoa.Locale]string { return map[stoa.Locale]string{r.site.Locale: s} }

// prepareTerms finds out which categories and tags there are, and how the new ones are called.
func (r *run) prepareTerms(context.Context) error {
	r.terms = map[string]*term{}
	for _, list := range [][]Term{r.export.Categories, r.export.Tags} {
		for i := range list {
			t := &list[i]
			key := t.Taxonomy + "/" + t.Slug
			if t.Slug == "" && t.Name == "" || r.terms[key] != nil {
				continue
			}
			have := &term{Term: t, id: r.known["term/"+sourceKey(key)]}
			r.terms[key] = have
			if have.id != 0 && !r.stock.terms[have.id] {
				have.gone = true
				continue
			}
			if have.id != 0 {
				have.slug = r.stock.slugOf[have.id]
				continue
			}
			have.name = shorten(strings.Join(strings.Fields(cmp.Or(t.Name, t.Slug)), " "), 190)
			if have.name != t.Name && len(t.Name) > 190 {
				r.report.Warnings = append(r.report.Warnings, Warning{Line: t.Line, Weight: Changed,
					Message: fmt.Sprintf("the name of %s is longer than 190 bytes and was shortened", stoa.Short(t.Name, 60))})
			}
			base := slugOf(cmp.Or(t.Slug, have.name))
			have.slug = base
			for n := 2; r.claimed[t.Taxonomy+"/"+have.slug]; n++ {
				have.slug = base + "-" + strconv.Itoa(n)
			}
			if r.claimed == nil {
				r.claimed = map[string]bool{}
			}
			r.claimed[t.Taxonomy+"/"+have.slug] = true
			if have.id = r.stock.bySlug[t.Taxonomy+"/"+have.slug]; have.id == 0 {
				r.report.Terms++
			}
		}
	}
	return nil
}

// term is a category or tag and what becomes of it.
type term struct {
	*Term
	id   stoa.ID // 0 while it is new
	slug string
	name string
	gone bool // an editor deleted it
}

// termsOf gives the terms of an item in a taxonomy, those left out that an editor deleted.
func (r *run) termsOf(it *Item, taxonomy string) []*term {
	var out []*term
	for _, slug := range it.refs(taxonomy) {
		if t := r.terms[taxonomy+"/"+slug]; t != nil && !t.gone && len(out) < maxTerms {
			out = append(out, t)
		}
	}
	return out
}
