package wordpress

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
)

// Action is what becomes of an item.
type Action string

// The actions. Every item of an export has exactly one.
const (
	Import Action = "import" // a post or page
	Media  Action = "media"  // a file of the library
	Menu   Action = "menu"   // an entry of a menu, or a menu
	Inline Action = "inline" // a reusable block: shown in the posts that use it
	Skip   Action = "skip"   // not brought over; Step.Reason says why
)

// Step says what becomes of one item.
type Step struct {
	Item   *Item
	Action Action
	Reason string // why it is skipped, or what is special; empty for the plain cases
}

// PageNode is a page with the pages below it.
type PageNode struct {
	Item     *Item
	Template string // of the old theme, empty for the usual one
	Children []*PageNode
}

// Address is an address the old site answered: a path, decoded, or a path with a query, and the item
// or term that was found there.
type Address struct {
	From string // "/2018/10/20/hello/", "/?p=7"
	Item *Item  // nil for terms
	Term *Term  // nil for items
}

// Comments counts the comments on imported items. They are not brought over yet.
type Comments struct {
	Total    int
	Approved int
	Pings    int // pingbacks and trackbacks among Total
}

// Plan is what becomes of an export.
type Plan struct {
	Steps     []Step      // one per item, in the order of the file
	Posts     []*Item     // to import, oldest first
	Pages     []*PageNode // to import, as trees in the order of their menu
	Media     []*Item
	Menus     []NavMenu
	Blocks    []*Item // reusable blocks
	Addresses []Address
	Comments  Comments
	Warnings  []Warning

	export *Export
	byID   map[int64]*Item // posts, pages, attachments and reusable blocks that are kept
}

// Count returns how many items have the action; types narrows it to items of these types.
func (p *Plan) Count(a Action, types ...string) int {
	n := 0
	for _, s := range p.Steps {
		if s.Action == a && (len(types) == 0 || slices.Contains(types, s.Item.Type)) {
			n++
		}
	}
	return n
}

// Item returns the kept post, page, attachment or reusable block with that id of the old site, or nil.
func (p *Plan) Item(id int64) *Item { return p.byID[id] }

// Plan accounts for every item of the export: it decides what is imported, builds the trees of pages
// and menus and lists the addresses to redirect. It changes nothing in e; the plan points into e.
func (e *Export) Plan() Plan {
	b := &planner{e: e, p: Plan{Steps: make([]Step, len(e.Items)), export: e, byID: map[int64]*Item{}}}
	b.sortItems()
	b.pages()
	b.menus()
	slices.SortStableFunc(b.p.Posts, func(x, y *Item) int {
		return cmp.Or(x.Date.Compare(y.Date), cmp.Compare(x.ID, y.ID), cmp.Compare(x.Line, y.Line))
	})
	b.addresses()
	return b.p
}

type planner struct {
	e     *Export
	p     Plan
	links []int // steps of menu entries, in the order of the file
	navs  []int // steps of menus of the block editor
	tree  []*Item

	byPath map[string]*Item // by old address, made when first asked for
	byTerm map[termKey]*Term
}

func (b *planner) warn(it *Item, format string, args ...any) {
	if it.past { // the file that told of it was warned of
		return
	}
	b.p.Warnings = append(b.p.Warnings, Warning{Line: it.Line, Item: it.ID, Message: fmt.Sprintf(format, args...)})
}

// changed is warn about something that arrives otherwise than it was.
func (b *planner) changed(it *Item, format string, args ...any) {
	n := len(b.p.Warnings)
	b.warn(it, format, args...)
	for i := range b.p.Warnings[n:] {
		b.p.Warnings[n+i].Weight = Changed
	}
}

// sortItems gives every item its step; menu entries get theirs when the menus are built.
func (b *planner) sortItems() {
	type key struct {
		kind string
		id   int64
	}
	first := map[key]*Item{}
	other := map[int64]*Item{} // menu entries by id, to say how many menus share ids
	shared := 0
	for i := range b.e.Items {
		it := &b.e.Items[i]
		k := key{it.Type, it.ID}
		if it.Type == TypeMenuItem {
			k.kind += "/" + firstRef(it, "nav_menu")
		}
		if old := first[k]; old != nil && it.ID != 0 {
			b.p.Steps[i] = Step{
				it,
				Skip,
				fmt.Sprintf("a second item of the type %s with the id %d; the first is on line %d", it.Type, it.ID, old.Line),
			}
			continue
		}
		first[k] = it
		if it.Type == TypeMenuItem {
			if other[it.ID] != nil {
				shared++
			}
			other[it.ID] = it
			b.links = append(b.links, i)
			b.p.Steps[i] = Step{it, Menu, ""}
			continue
		}
		if b.p.Steps[i] = b.step(it); it.Type == "wp_navigation" && b.p.Steps[i].Action == Menu {
			b.navs = append(b.navs, i)
		}
	}
	if shared > 0 {
		b.p.Warnings = append(
			b.p.Warnings,
			Warning{
				Message: fmt.Sprintf("%d menu entries have the id of an entry of another menu; each stays with its menu", shared),
			},
		)
	}
}

// step decides about an item that is no menu entry.
func (b *planner) step(it *Item) Step {
	switch it.Status {
	case StatusTrash:
		return Step{it, Skip, "it is in the trash"}
	case "auto-draft":
		return Step{it, Skip, "it was never saved by its author"}
	}
	switch it.Type {
	case TypePost, TypePage:
		b.article(it)
		return Step{it, Import, ""}
	case TypeAttachment:
		if it.AttachmentURL == "" {
			return Step{it, Skip, "it names no file"}
		}
		b.p.Media = append(b.p.Media, it)
		b.keep(it)
		return Step{it, Media, ""}
	case TypeBlock:
		b.p.Blocks = append(b.p.Blocks, it)
		b.keep(it)
		return Step{it, Inline, "a reusable block: it is shown in the posts that use it"}
	case "wp_navigation": // read when all pages it may lead to are known
		return Step{it, Menu, ""}
	case "revision":
		return Step{it, Skip, "an older version of another item"}
	case "wp_template",
		"wp_template_part",
		"wp_global_styles",
		"custom_css",
		"customize_changeset",
		"wp_font_family",
		"wp_font_face":
		return Step{it, Skip, "part of the WordPress theme"}
	case "oembed_cache", "user_request":
		return Step{it, Skip, "a record WordPress keeps for itself"}
	}
	return Step{it, Skip, fmt.Sprintf("of the type “%s”, which belongs to a plugin", stoa.Short(it.Type, 40))}
}

func (b *planner) keep(it *Item) {
	if it.ID != 0 && b.p.byID[it.ID] == nil {
		b.p.byID[it.ID] = it
	}
}

func (b *planner) article(it *Item) {
	b.keep(it)
	if it.Type == TypePost {
		b.p.Posts = append(b.p.Posts, it)
	} else {
		b.tree = append(b.tree, it)
	}
	if it.ID == 0 {
		b.warn(it, "%q has no id; nothing can refer to it", stoa.Short(it.Title, 80))
	}
	switch it.Status {
	case StatusPublish, StatusFuture, StatusDraft, StatusPending, StatusPrivate:
	default:
		b.changed(it, "%q has the unknown state %q; it is taken for a draft", stoa.Short(it.Title, 80),
			stoa.Short(it.Status, 40))
	}
	for _, c := range it.Comments {
		b.p.Comments.Total++
		if c.Approved {
			b.p.Comments.Approved++
		}
		if c.Type == "pingback" || c.Type == "trackback" {
			b.p.Comments.Pings++
		}
	}
}

// pages builds the trees. A page whose parent is not imported, or is below the page itself, goes to
// the top.
func (b *planner) pages() {
	nodes := map[int64]*PageNode{}
	broken := map[*PageNode]bool{}
	all := make([]*PageNode, 0, len(b.tree))
	for _, it := range b.tree {
		n := &PageNode{Item: it}
		if t := it.MetaValue("_wp_page_template"); t != "default" {
			n.Template = t
		}
		all = append(all, n)
		if it.ID != 0 {
			nodes[it.ID] = n
		}
	}
	for _, n := range all {
		parent := nodes[n.Item.Parent]
		if n.Item.Parent != 0 && parent == nil {
			b.changed(
				n.Item,
				"the parent of the page %q, item %d, is not imported; the page is at the top until it comes",
				stoa.Short(n.Item.Title, 80),
				n.Item.Parent,
			)
		}
		if parent != nil && circular(n, nodes, broken) {
			b.changed(n.Item, "the page %q is below itself; it goes to the top", stoa.Short(n.Item.Title, 80))
			broken[n] = true // and with it the circle, for the others in it
			parent = nil
		}
		if parent == nil {
			b.p.Pages = append(b.p.Pages, n)
			continue
		}
		parent.Children = append(parent.Children, n)
	}
	order := func(x, y *PageNode) int {
		return cmp.Or(
			cmp.Compare(x.Item.MenuOrder, y.Item.MenuOrder),
			cmp.Compare(x.Item.Title, y.Item.Title),
			cmp.Compare(x.Item.ID, y.Item.ID),
		)
	}
	slices.SortStableFunc(b.p.Pages, order)
	for _, n := range all {
		slices.SortStableFunc(n.Children, order)
	}
}

// circular reports whether following the parents from n comes back to n.
func circular(n *PageNode, nodes map[int64]*PageNode, broken map[*PageNode]bool) bool {
	p := nodes[n.Item.Parent]
	for range maxLevels {
		if p == n {
			return true
		}
		if p == nil || broken[p] {
			return false
		}
		p = nodes[p.Item.Parent]
	}
	return false // the circle is further up and is broken there, or the tree is merely deep
}

// addresses lists where the old site answered, each address once, the first claim counts.
func (b *planner) addresses() {
	seen := map[string]bool{}
	add := func(from string, it *Item, t *Term) {
		if from != "" && from != "/" && !seen[from] {
			seen[from] = true
			b.p.Addresses = append(b.p.Addresses, Address{from, it, t})
		}
	}
	base := "/"
	if u, err := url.Parse(b.e.Site.BaseURL); err == nil && u.Path != "" {
		base = strings.TrimRight(u.Path, "/") + "/"
	}
	for _, s := range b.p.Steps {
		if s.Action != Import && s.Action != Media {
			continue
		}
		it := s.Item
		from := b.e.path(it.Link)
		add(from, it, nil)
		for _, old := range it.Meta["_wp_old_slug"] {
			if i := strings.LastIndex(strings.TrimRight(from, "/"), "/"); i >= 0 && !strings.Contains(from, "?") && old != "" &&
				!strings.Contains(old, "/") {
				add(from[:i+1]+decodeSlug(old)+"/", it, nil)
			}
		}
	}
	// The short forms come second: they are sure, but visitors do not type them.
	for _, s := range b.p.Steps {
		if s.Action != Import && s.Action != Media || s.Item.ID == 0 {
			continue
		}
		keys := []string{"p"}
		switch s.Item.Type {
		case TypePage:
			keys = []string{"page_id", "p"}
		case TypeAttachment:
			keys = []string{"attachment_id", "p"}
		}
		for _, k := range keys {
			add(fmt.Sprintf("%s?%s=%d", base, k, s.Item.ID), s.Item, nil)
		}
	}
	parents := map[string]string{}
	for _, t := range b.e.Categories {
		parents[t.Slug] = t.Parent
	}
	for i := range b.e.Categories {
		t := &b.e.Categories[i]
		path := t.Slug
		for up, n := t.Parent, 0; up != "" && n < 20; up, n = parents[up], n+1 {
			path = up + "/" + path
		}
		add(base+"category/"+path+"/", nil, t)
		if t.ID != 0 {
			add(fmt.Sprintf("%s?cat=%d", base, t.ID), nil, t)
		}
	}
	for i := range b.e.Tags {
		t := &b.e.Tags[i]
		add(base+"tag/"+t.Slug+"/", nil, t)
		add(base+"?tag="+t.Slug, nil, t)
	}
}

// path returns the part of link behind the host, decoded and with single slashes; for addresses by
// id, the path and query. It is empty for addresses that are not of this site.
func (e *Export) path(link string) string {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil || u.Opaque != "" || u.Host != "" && !e.ownHost(u.Host) {
		return ""
	}
	p := "/" + strings.TrimLeft(u.Path, "/")
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	if u.RawQuery != "" {
		p += "?" + u.RawQuery
	}
	return p
}

func (e *Export) ownHost(host string) bool {
	for _, own := range []string{e.Site.BaseURL, e.Site.Link} {
		if u, err := url.Parse(own); err == nil &&
			strings.EqualFold(strings.TrimPrefix(u.Host, "www."), strings.TrimPrefix(host, "www.")) {
			return true
		}
	}
	return false
}

func firstRef(it *Item, taxonomy string) string {
	if s := it.refs(taxonomy); len(s) > 0 {
		return s[0]
	}
	return ""
}

// HTML turns the content of a kept item into HTML, with the files and reusable blocks of the export
// at hand. Like the result of Renderer.Blocks it must pass richtext.Policy before it is shown.
func (p *Plan) HTML(it *Item) (string, BlockReport) {
	r := Renderer{
		File: func(id int64) (File, bool) {
			if f := p.byID[id]; f != nil && f.Type == TypeAttachment {
				return f.file(), true
			}
			return File{}, false
		},
		Attached: func() []File {
			var out []File
			for _, f := range p.attached(it.ID) {
				out = append(out, f.file())
			}
			return out
		},
		Reusable: func(id int64) (string, bool) {
			if b := p.byID[id]; b != nil && b.Type == TypeBlock {
				return b.Content, true
			}
			return "", false
		},
	}
	return r.Blocks(it.Content)
}

// attached returns the files uploaded to an item, in the order WordPress shows them.
func (p *Plan) attached(id int64) []*Item {
	var out []*Item
	for _, f := range p.Media {
		if f.Parent == id && id != 0 {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(
		out,
		func(x, y *Item) int { return cmp.Or(cmp.Compare(x.MenuOrder, y.MenuOrder), cmp.Compare(x.ID, y.ID)) },
	)
	return out
}

// file gives the parts of an attachment that galleries show.
func (i *Item) file() File {
	return File{
		ID:      i.ID,
		URL:     i.AttachmentURL,
		Alt:     plain(i.MetaValue("_wp_attachment_image_alt")),
		Title:   i.Title,
		Caption: i.Excerpt,
	}
}

// Thumbnail returns the picture chosen for an item, nil when there is none or the export lacks it.
func (p *Plan) Thumbnail(it *Item) *Item {
	id, err := strconv.ParseInt(strings.TrimSpace(it.MetaValue("_thumbnail_id")), 10, 64)
	if err != nil || p.byID[id] == nil || p.byID[id].Type != TypeAttachment {
		return nil
	}
	return p.byID[id]
}
