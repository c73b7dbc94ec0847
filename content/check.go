package content

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// CheckDraft says, without writing, what Create would refuse in a draft for the site, other than an address that is
// taken. It returns the draft as it would be kept: texts cleaned, the slug in its form.
func (s *Service) CheckDraft(st site.Site, d Draft) (Draft, error) {
	if d.Kind == "" {
		d.Kind = KindArticle
	}
	if d.Default == "" {
		d.Default = st.Locale
	}
	if err := s.wash(&d); err != nil {
		return d, err
	}
	err := s.clean(&d)
	return d, err
}

// Stocked is an article without its texts, as imports need to know it.
type Stocked struct {
	ID         stoa.ID
	Slug       string
	Status     string
	Number     int
	ModifiedBy stoa.ID
	Comment    string // of the newest version
}

// Stock lists all articles of the site by id. It needs Edit on the site.
func (s *Service) Stock(ctx context.Context, st site.Site) ([]Stocked, error) {
	if err := s.o.Access.Check(ctx, access.Edit, st.Path()); err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.o.DB, func(r db.Scanner) (a Stocked, err error) {
		return a, r.Scan(&a.ID, &a.Slug, &a.Status, &a.Number, &a.ModifiedBy, &a.Comment)
	}, `SELECT a.id, a.slug, a.status, a.number, a.modified_by, v.note FROM content_article a
		JOIN content_version v ON v.article = a.id AND v.number = a.number WHERE a.site = ? ORDER BY a.id`, st.ID)
	if err != nil {
		return nil, fmt.Errorf("content: list the articles of a site: %w", err)
	}
	return list, nil
}
