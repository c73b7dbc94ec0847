package page

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/site"
)

// MaxDepth is how many levels of pages a site can have.
const MaxDepth = maxDepth

// CheckNew says, without writing, what Create would refuse in n, whose Slug must be set, below the address prefix
// (empty at the top) with depth pages above it: everything but an address that is taken.
func (s *Service) CheckNew(ctx context.Context, st site.Site, n NewPage, prefix string, depth int) error {
	p := Page{Site: st.ID, Slug: n.Slug, Title: n.Title, Type: n.Type, Target: n.Target, SEO: n.SEO, Template: n.Template}
	if p.Type == "" {
		p.Type = TypeWidgets
	}
	if err := checkMeta(&p); err != nil {
		return err
	}
	if p.Slug == "" {
		return stoa.Invalid("slug", "the page has no address")
	}
	if _, err := s.slugFor(ctx, nil, p, st, prefix); err != nil { // a slug that is set is checked, not looked for
		return err
	}
	if depth >= maxDepth || len(prefix)+1+len(p.Slug) > maxPath {
		return stoa.Invalid("parent", "the page would be nested too deep: at most %d levels are possible", maxDepth)
	}
	_, err := n.Layout.check()
	return err
}

// CheckMenu says, without writing, what SaveMenu would refuse in m, other than a name that is taken.
func CheckMenu(m Menu) error {
	_, err := cleanMenu(&m)
	return err
}

// CheckRedirect says, without writing, what AddRedirect would refuse.
func CheckRedirect(from, to string) error { return checkRedirect(normalAddress(from), to) }
