package site

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// MainHost gives the host name of an instance that stands for all of them: the first one of its oldest site,
// localhost only when there is no other; "" when the instance has none. It checks no permission: names of hosts
// are what visitors type.
func (s *Service) MainHost(ctx context.Context, instance stoa.ID) (string, error) {
	h, err := db.One(ctx, s.opt.DB, scanHost, `SELECT name, instance, site FROM site_host WHERE instance = ?
ORDER BY CASE WHEN name = 'localhost' THEN 1 ELSE 0 END, site, name LIMIT 1`, instance)
	if db.IsNoRows(err) {
		return "", nil
	}
	return h.Name, err
}
