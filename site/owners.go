package site

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Owners gives the instance that each site belongs to. It is for the portal itself.
func (s *Service) Owners(ctx context.Context) (map[stoa.ID]stoa.ID, error) {
	if !stoa.ActorFrom(ctx).System {
		return nil, stoa.Forbidden("only the portal itself asks which instance each site belongs to")
	}
	out := map[stoa.ID]stoa.ID{}
	_, err := db.All(ctx, s.opt.DB, func(r db.Scanner) (struct{}, error) {
		var id, instance stoa.ID
		err := r.Scan(&id, &instance)
		out[id] = instance
		return struct{}{}, err
	}, "SELECT id, instance FROM site_site")
	if err != nil {
		return nil, fmt.Errorf("read which instance each site belongs to: %w", err)
	}
	return out, nil
}
