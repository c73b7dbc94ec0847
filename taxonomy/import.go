package taxonomy

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// All gives every category and every tag of a site, uncached and not cut, for imports. They are public words.
func (s *Service) All(ctx context.Context, site stoa.ID) ([]Category, []Tag, error) {
	categories, err := db.All(ctx, s.opt.DB, scanCategory, selectCategory+" WHERE site = ? ORDER BY id", site)
	if err != nil {
		return nil, nil, fmt.Errorf("taxonomy: list the categories: %w", err)
	}
	tags, err := db.All(ctx, s.opt.DB, scanTag, selectTag+" WHERE site = ? ORDER BY id", site)
	if err != nil {
		return nil, nil, fmt.Errorf("taxonomy: list the tags: %w", err)
	}
	return categories, tags, nil
}

// Complete gives a category that an import made from its mention alone the parent, the name and the description that a
// later file tells, in the caller's transaction, who has checked the permission. A category that was changed since
// stays.
func (s *Service) Complete(ctx context.Context, tx *db.Tx, c Category) error {
	if err := checkDescription(c.Description); err != nil {
		return err
	}
	n, err := tx.Affected(ctx, `UPDATE taxonomy_category SET parent = ?, name = ?, description = ?, version = version + 1
		WHERE id = ? AND site = ? AND version = 1 AND parent = 0 AND description = ''`, c.Parent, c.Name, c.Description,
		c.ID, c.Site)
	if n > 0 {
		tx.Changed("category", c.ID, c.Site, 2)
	}
	return err
}
