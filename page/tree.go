package page

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// tree is all pages of a site without their layouts.
type tree struct {
	roots []stoa.ID
	nodes map[stoa.ID]Node // Children is empty here
	below map[stoa.ID][]stoa.ID
	texts map[stoa.ID][]stoa.ID // pages by the article that is their text
}

func (t *tree) size() int {
	n := 64
	for _, v := range t.nodes {
		n += 300 + len(v.Path) + len(v.Slug) + len(v.Target)
		for _, s := range v.Title {
			n += len(s) + 32
		}
	}
	return n
}

// ancestors gives the ids above the page, the nearest first.
func (t *tree) ancestors(id stoa.ID) []stoa.ID {
	var out []stoa.ID
	for n, ok := t.nodes[id]; ok && n.Parent != 0 && len(out) < maxDepth; n, ok = t.nodes[n.Parent] {
		out = append(out, n.Parent)
	}
	return out
}

// build makes the nested form of the pages that keep allows; what is below a page that is left out is
// left out too.
func (t *tree) build(parent stoa.ID, depth int, keep func(Node) bool) []Node {
	if depth > maxDepth {
		return nil
	}
	var out []Node
	for _, id := range t.below[parent] {
		n := t.nodes[id]
		if !keep(n) {
			continue
		}
		n.Children = t.build(id, depth+1, keep)
		out = append(out, n)
	}
	return out
}

const nodeColumns = "id, site, parent, slug, path, title, place, page_type, target, hidden, published, restricted, password, seo, version, modified, CASE WHEN draft = '' THEN 0 ELSE 1 END"

func scanNode(r db.Scanner) (Node, error) {
	var n Node
	var title, password, rawSEO string
	var modified int64
	var draft int
	err := r.Scan(&n.ID, &n.Site, &n.Parent, &n.Slug, &n.Path, &title, &n.Position, &n.Type, &n.Target, &n.Hidden, &n.Published, &n.Restricted, &password, &rawSEO, &n.Version, &modified, &draft)
	if err != nil {
		return n, err
	}
	var seo SEO
	if err := json.Unmarshal([]byte(rawSEO), &seo); err != nil {
		return n, fmt.Errorf("search settings of page %d: %w", n.ID, err)
	}
	n.Protected, n.NoIndex, n.HasDraft, n.Modified = password != "", seo.NoIndex, draft == 1, db.Time(modified)
	return n, json.Unmarshal([]byte(title), &n.Title)
}

func loadTree(ctx context.Context, q db.Queryer, siteID stoa.ID) (*tree, error) {
	nodes, err := db.All(ctx, q, scanNode, "SELECT "+nodeColumns+" FROM page_page WHERE site = ? ORDER BY place, id", siteID)
	if err != nil {
		return nil, err
	}
	t := &tree{nodes: make(map[stoa.ID]Node, len(nodes)), below: map[stoa.ID][]stoa.ID{}, texts: map[stoa.ID][]stoa.ID{}}
	for _, n := range nodes {
		if n.Type == TypeArticle {
			if id, err := stoa.ParseID(n.Target); err == nil {
				t.texts[id] = append(t.texts[id], n.ID)
			}
		}
		t.nodes[n.ID] = n
		t.below[n.Parent] = append(t.below[n.Parent], n.ID)
	}
	t.roots = t.below[0]
	return t, nil
}

// tree gives the pages of the site from the cache.
func (s *Service) tree(ctx context.Context, siteID stoa.ID) (*tree, error) {
	return s.trees.Get(ctx, siteID.String(), func(ctx context.Context, l *cache.Load) (*tree, error) {
		l.Scope(kindPage, siteID)
		t, err := loadTree(ctx, s.d, siteID)
		if err != nil {
			return nil, err
		}
		for id, n := range t.nodes { // which pages have one is kept by itself (drafted)
			n.HasDraft = false
			t.nodes[id] = n
		}
		return t, nil
	})
}

// pathOf gives the place of a page for permissions: the page, those above it, the site, the instance. Where not all
// above it are known or they are too many, grants beyond those that are known do not reach it: one that is left out
// could be restricted.
func (s *Service) pathOf(t *tree, n Node, above access.Path) access.Path {
	path := access.Path{{Kind: "page", ID: n.ID, Own: n.Restricted}}
	up := n.Parent
	if known, ok := t.nodes[n.ID]; ok {
		up = known.Parent
	}
	for up != 0 {
		next, ok := t.nodes[up]
		if !ok || len(path) > maxDepth {
			path[len(path)-1].Own = true
			break
		}
		path = append(path, access.Resource{Kind: "page", ID: up, Own: next.Restricted})
		up = next.Parent
	}
	return append(path, above...)
}

// Path gives the place of a page for permission checks: the page, the pages above it, the site, the
// instance.
func (s *Service) Path(ctx context.Context, p Page) (access.Path, error) {
	st, err := s.sites.Site(ctx, p.Site)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(ctx, p.Site)
	if err != nil {
		return nil, err
	}
	return s.pathOf(t, Node{ID: p.ID, Parent: p.Parent, Restricted: p.Restricted}, st.Path()), nil
}

// Tree gives the pages of the site that the actor may view, in order; unpublished ones only to those
// who may edit them. It is what lists of pages for editors show.
func (s *Service) Tree(ctx context.Context, siteID stoa.ID) ([]Node, error) {
	return s.filtered(ctx, siteID, true)
}

// Visible gives the pages that navigation shows the actor: published, not hidden, and open to them.
func (s *Service) Visible(ctx context.Context, siteID stoa.ID) ([]Node, error) {
	actor := stoa.ActorFrom(ctx)
	if actor.System || actor.SignedIn() {
		return s.filtered(ctx, siteID, false)
	}
	// Guests all see the same, on each page of the site: it is found out once. None changes what is shared.
	key := siteID.String() + "/" + actor.Instance.String()
	return s.seen.Get(ctx, key, func(ctx context.Context, l *cache.Load) ([]Node, error) {
		l.Scope(kindPage, siteID)
		return s.filtered(ctx, siteID, false)
	})
}

// nodesSize is how much a list of pages with all below it holds, besides what it has from the tree.
func nodesSize(list []Node) int {
	n := 0
	for _, node := range list {
		n += 300 + nodesSize(node.Children)
	}
	return n
}

func (s *Service) filtered(ctx context.Context, siteID stoa.ID, editor bool) ([]Node, error) {
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(ctx, siteID)
	if err != nil {
		return nil, err
	}
	var drafts map[stoa.ID]bool // the tree, which visitors' pages hang on, does not follow drafts
	if editor {
		if drafts, err = s.drafted(ctx, siteID); err != nil {
			return nil, err
		}
	}
	may := s.reach(ctx, t, st.Path())
	list := t.build(0, 0, func(n Node) bool {
		if !editor && (!n.Published || n.Hidden) {
			return false
		}
		if !n.Published {
			return may(access.Edit, n)
		}
		return may(access.View, n)
	})
	mark(list, drafts)
	return list, nil
}

// Lines gives the pages of a site with these ids, in the order of the ids and without their children, leaving out those
// that are not there and those on which the actor has not Edit.
func (s *Service) Lines(ctx context.Context, siteID stoa.ID, ids []stoa.ID) ([]Node, error) {
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(ctx, siteID)
	if err != nil {
		return nil, err
	}
	drafts, err := s.drafted(ctx, siteID)
	if err != nil {
		return nil, err
	}
	var out []Node
	for _, id := range ids {
		n, ok := t.nodes[id]
		if ok && s.access.Can(ctx, access.Edit, s.pathOf(t, n, st.Path())) {
			n.HasDraft = drafts[id]
			out = append(out, n)
		}
	}
	return out, nil
}

// mark says which pages have a draft.
func mark(list []Node, drafts map[stoa.ID]bool) {
	for i := range list {
		list[i].HasDraft = drafts[list[i].ID]
		mark(list[i].Children, drafts)
	}
}

// drafted gives the pages of the site that have a draft.
func (s *Service) drafted(ctx context.Context, siteID stoa.ID) (map[stoa.ID]bool, error) {
	return s.drafts.Get(ctx, siteID.String(), func(ctx context.Context, l *cache.Load) (map[stoa.ID]bool, error) {
		l.Scope(kindPage, siteID)
		l.Scope(kindDraft, siteID)
		out := map[stoa.ID]bool{}
		return out, db.Each(ctx, s.d, func(r db.Scanner) error {
			var id stoa.ID
			err := r.Scan(&id)
			out[id] = true
			return err
		}, "SELECT id FROM page_page WHERE site = ? AND draft <> ''", siteID)
	})
}

// Ancestors gives the published pages above a page that the actor may view, the topmost first.
func (s *Service) Ancestors(ctx context.Context, p Page) ([]Node, error) {
	st, err := s.sites.Site(ctx, p.Site)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(ctx, p.Site)
	if err != nil {
		return nil, err
	}
	var out []Node
	for _, id := range t.ancestors(p.ID) {
		n, ok := t.nodes[id]
		if ok && n.Published && s.access.Can(ctx, access.View, s.pathOf(t, n, st.Path())) {
			out = append(out, n)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// hashOf names an address of any length for an index.
func hashOf(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:])
}

// cleanPath gives the stored form of an address: one leading slash, none at the end.
func cleanPath(path string) string { return "/" + strings.Trim(path, "/") }

// pick chooses the text for a locale: exactly it, the same language, the fallback, the first by code.
func pick(texts map[stoa.Locale]string, l, fallback stoa.Locale) string {
	text, _ := pickIn(texts, l, fallback)
	return text
}

// pickIn is pick that also says which language the text is in.
func pickIn(texts map[stoa.Locale]string, l, fallback stoa.Locale) (string, stoa.Locale) {
	if v := texts[l]; v != "" {
		return v, l
	}
	keys := make([]stoa.Locale, 0, len(texts))
	for k, v := range texts {
		if v != "" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if l != "" && k.Language() == l.Language() {
			return texts[k], k
		}
	}
	if v := texts[fallback]; v != "" {
		return v, fallback
	}
	if len(keys) > 0 {
		return texts[keys[0]], keys[0]
	}
	return "", ""
}
