package wordpress

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
)

// NavMenu is a navigation menu with its entries as a tree.
type NavMenu struct {
	Slug    string
	Name    string
	Entries []*MenuEntry
}

// MenuEntry is one entry of a menu. It leads to an item, to a term, to an address, or nowhere (a
// heading that only opens what is below it).
type MenuEntry struct {
	Item        *Item // the menu item, or the navigation it comes from
	Label       string
	Hint        string // title attribute
	Description string
	URL         string // for entries that lead to neither an item nor a term
	Target      *Item
	Term        *Term
	NewWindow   bool
	Classes     []string
	Children    []*MenuEntry
}

// menus builds every classic menu, those without entries too, and the menus of the block editor.
func (b *planner) menus() {
	var order []string
	names := map[string]string{}
	for _, t := range b.e.Terms {
		if _, dup := names[t.Slug]; t.Taxonomy == "nav_menu" && !dup {
			names[t.Slug] = t.Name
			order = append(order, t.Slug)
		}
	}
	members := map[string][]int{}
	for _, i := range b.links {
		s := &b.p.Steps[i]
		if s.Item.Status == StatusTrash || s.Item.Status == StatusDraft {
			*s = Step{s.Item, Skip, "a menu entry that was not published"}
			continue
		}
		slug := firstRef(s.Item, "nav_menu")
		if slug == "" {
			*s = Step{s.Item, Skip, "a menu entry that belongs to no menu"}
			continue
		}
		if _, known := names[slug]; !known {
			names[slug] = slug
			for _, r := range s.Item.Refs {
				if r.Taxonomy == "nav_menu" && r.Name != "" {
					names[slug] = r.Name
				}
			}
			order = append(order, slug)
			b.warn(s.Item, "the menu %q is not listed in the export; it is made from its entries", stoa.Short(slug, 60))
		}
		members[slug] = append(members[slug], i)
	}
	for _, slug := range order {
		b.p.Menus = append(b.p.Menus, NavMenu{Slug: slug, Name: names[slug], Entries: b.menu(members[slug])})
	}
	for _, i := range b.navs {
		s := &b.p.Steps[i]
		if m, ok := b.blockMenu(s.Item); ok {
			b.p.Menus = append(b.p.Menus, m)
		} else {
			*s = Step{s.Item, Skip, "a menu without entries of its own"}
		}
	}
}

// menu builds the tree of one menu. What hangs on an entry that is skipped moves up to where that
// entry hung.
func (b *planner) menu(steps []int) []*MenuEntry {
	slices.SortStableFunc(steps, func(x, y int) int {
		return cmp.Compare(b.p.Steps[x].Item.MenuOrder, b.p.Steps[y].Item.MenuOrder)
	})
	parent := map[int64]int64{}
	entries := map[int64]*MenuEntry{}
	var list []*MenuEntry
	for _, i := range steps {
		s := &b.p.Steps[i]
		up, _ := strconv.ParseInt(strings.TrimSpace(s.Item.MetaValue("_menu_item_menu_item_parent")), 10, 64)
		parent[s.Item.ID] = up
		e, reason := b.entry(s.Item)
		if e == nil {
			*s = Step{s.Item, Skip, reason}
			continue
		}
		entries[s.Item.ID] = e
		list = append(list, e)
	}
	var top []*MenuEntry
	for _, e := range list {
		up, steps := parent[e.Item.ID], 0
		for up != 0 && entries[up] == nil && steps <= maxLevels { // over skipped entries
			if _, known := parent[up]; !known {
				b.warn(e.Item, "the menu entry %q hangs on entry %d, which is not in its menu; it goes to the top",
					stoa.Short(e.Label, 60), up)
			}
			up, steps = parent[up], steps+1
		}
		if up != 0 && (entries[up] == nil || inCircle(e.Item.ID, parent)) {
			b.warn(e.Item, "the menu entry %q hangs on itself; it goes to the top", stoa.Short(e.Label, 60))
			parent[e.Item.ID], up = 0, 0
		}
		if up == 0 {
			top = append(top, e)
		} else {
			entries[up].Children = append(entries[up].Children, e)
		}
	}
	return top
}

// maxLevels bounds how deep pages and menus may nest.
const maxLevels = 200

func inCircle(id int64, parent map[int64]int64) bool {
	up := parent[id]
	for range maxLevels {
		if up == id {
			return true
		}
		if up == 0 {
			return false
		}
		up = parent[up]
	}
	return true // deeper than sites are: the same to us
}

// entry reads a menu item; when it leads nowhere any more, reason says why.
func (b *planner) entry(it *Item) (e *MenuEntry, reason string) {
	e = &MenuEntry{Item: it, Label: it.Title, Hint: plain(it.Excerpt), Description: plain(it.Content),
		NewWindow: it.MetaValue("_menu_item_target") == "_blank", Classes: phpStrings(it.MetaValue("_menu_item_classes"))}
	object := it.MetaValue("_menu_item_object")
	id, _ := strconv.ParseInt(strings.TrimSpace(it.MetaValue("_menu_item_object_id")), 10, 64)
	switch kind := it.MetaValue("_menu_item_type"); kind {
	case "custom":
		e.URL = strings.TrimSpace(it.MetaValue("_menu_item_url"))
		b.resolve(e)
		if e.Label == "" {
			e.Label = e.URL
		}
	case "post_type":
		if e.Target = b.p.byID[id]; e.Target == nil {
			return nil, fmt.Sprintf("its target, %s %d, is not in the export", stoa.Short(object, 40), id)
		}
		if e.Label == "" {
			e.Label = e.Target.Title
		}
	case "taxonomy":
		if e.Term = b.term(object, id); e.Term == nil {
			return nil, fmt.Sprintf("its target, %s %d, is not in the export", stoa.Short(object, 40), id)
		}
		if e.Label == "" {
			e.Label = e.Term.Name
		}
	default:
		return nil, fmt.Sprintf("it leads to something of the kind %q, for which there is no place", stoa.Short(kind, 40))
	}
	if e.Label == "" {
		return nil, "it has neither a label nor a target with a title"
	}
	return e, ""
}

// resolve finds the item a typed address leads to, so that the entry follows it to its new place.
func (b *planner) resolve(e *MenuEntry) {
	if e.URL == "" || strings.HasPrefix(e.URL, "#") || strings.Contains(e.URL, "#") {
		return
	}
	if p := b.e.path(e.URL); p != "" && p != "/" {
		if it := b.itemAt(p); it != nil {
			e.Target, e.URL = it, ""
		}
	}
}

// itemAt finds the kept post or page whose link has that path.
func (b *planner) itemAt(path string) *Item {
	if b.byPath == nil {
		b.byPath = map[string]*Item{}
		for i := range b.e.Items {
			it := &b.e.Items[i]
			if (it.Type == TypePost || it.Type == TypePage) && b.p.byID[it.ID] == it {
				if at := strings.TrimRight(b.e.path(it.Link), "/"); b.byPath[at] == nil {
					b.byPath[at] = it
				}
			}
		}
	}
	return b.byPath[strings.TrimRight(path, "/")]
}

type termKey struct {
	taxonomy string
	id       int64
}

func (b *planner) term(taxonomy string, id int64) *Term {
	if b.byTerm == nil {
		b.byTerm = map[termKey]*Term{}
		for _, list := range [][]Term{b.e.Categories, b.e.Tags, b.e.Terms} {
			for i := range list {
				if k := (termKey{list[i].Taxonomy, list[i].ID}); k.id != 0 && b.byTerm[k] == nil {
					b.byTerm[k] = &list[i]
				}
			}
		}
	}
	return b.byTerm[termKey{taxonomy, id}]
}

// blockMenu reads a menu of the block editor, which keeps it as blocks in an item of its own.
func (b *planner) blockMenu(it *Item) (NavMenu, bool) {
	var report BlockReport
	m := NavMenu{Slug: it.Slug, Name: it.Title, Entries: b.blockEntries(it, parseBlocks(it.Content, &report))}
	if m.Name == "" {
		m.Name = it.Slug
	}
	return m, len(m.Entries) > 0
}

func (b *planner) blockEntries(it *Item, in *block) []*MenuEntry {
	var out []*MenuEntry
	for _, p := range in.parts {
		if p.inner == nil {
			continue
		}
		x := p.inner
		switch x.name {
		case "navigation-link", "navigation-submenu":
			e := &MenuEntry{Item: it, Label: textOnly(x.text("label")), Hint: x.text("title"), Description: x.text("description"), URL: x.text("url"),
				NewWindow: x.attrs["opensInNewTab"] == true, Classes: strings.Fields(x.text("className"))}
			if id, err := strconv.ParseInt(x.text("id"), 10, 64); err == nil && x.text("kind") != "custom" {
				if x.text("kind") == "taxonomy" {
					e.Term = b.term(taxonomyName(x.text("type")), id)
				} else {
					e.Target = b.p.byID[id]
				}
			}
			if e.Target == nil && e.Term == nil {
				b.resolve(e)
			} else {
				e.URL = ""
			}
			e.Children = b.blockEntries(it, x)
			if e.Label != "" {
				out = append(out, e)
			}
		case "home-link":
			e := &MenuEntry{Item: it, Label: textOnly(x.text("label")), URL: b.e.Site.BaseURL + "/"}
			if e.Label == "" {
				e.Label = b.e.Site.Title
			}
			out = append(out, e)
		default:
			out = append(out, b.blockEntries(it, x)...)
		}
	}
	return out
}

// phpStrings returns the strings in a serialized PHP array of strings.
func phpStrings(s string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(s, `s:`)
		if !ok {
			return out
		}
		digits, after, ok := strings.Cut(rest, `:"`)
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 || n > len(after) {
			return out
		}
		if v := after[:n]; v != "" {
			out = append(out, v)
		}
		s = after[n:]
	}
}

// textOnly returns a label without the markup the editor may have put into it.
func textOnly(s string) string { return richtext.Summary(s, 100) }

// taxonomyName gives the block editor's name of a taxonomy as the export writes it.
func taxonomyName(s string) string {
	if s == "tag" {
		return "post_tag"
	}
	return s
}
