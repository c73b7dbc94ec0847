package page

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
)

// Line is a page in a list that shows the tree.
type Line struct {
	Node        // without its children
	Depth       int
	First, Last bool // among the pages beside it
}

// Editable gives the pages of a site that the actor may edit, of those that Tree gives, in the order of the tree: each
// page is before those below it.
func (s *Service) Editable(ctx context.Context, siteID stoa.ID) ([]Line, error) {
	list, err := s.filtered(ctx, siteID, true)
	if err != nil {
		return nil, err
	}
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(ctx, siteID)
	if err != nil {
		return nil, err
	}
	may := s.reach(ctx, t, st.Path())
	out := make([]Line, 0, len(t.nodes))
	var walk func(list []Node, depth int)
	walk = func(list []Node, depth int) {
		for i, n := range list {
			below := n.Children
			n.Children = nil
			if may(access.Edit, n) {
				out = append(out, Line{Node: n, Depth: depth, First: i == 0, Last: i == len(list)-1})
			}
			walk(below, depth+1)
		}
	}
	walk(list, 0)
	return out, nil
}

// reach gives a function that says whether the actor may do something with a page of the tree, for many of them: what
// is granted on the whole site reaches every page that has not grants of its own only, and is asked once.
func (s *Service) reach(ctx context.Context, t *tree, above access.Path) func(access.Action, Node) bool {
	everywhere := map[access.Action]bool{}
	return func(a access.Action, n Node) bool {
		all, asked := everywhere[a]
		if !asked {
			all = s.access.Can(ctx, a, above)
			everywhere[a] = all
		}
		return all && t.inherits(n) || s.access.Can(ctx, a, s.pathOf(t, n, above))
	}
}

// inherits reports whether what is granted on the site reaches a page of the tree: neither the page nor one above it is
// restricted or unknown.
func (t *tree) inherits(n Node) bool {
	for range maxDepth {
		if n.Restricted {
			return false
		}
		if n.Parent == 0 {
			return true
		}
		up, ok := t.nodes[n.Parent]
		if !ok {
			return false
		}
		n = up
	}
	return false
}
