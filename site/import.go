package site

import (
	"context"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
)

// Check says, without writing, what CreateSite would refuse in st, other than a name that is taken.
func Check(st Site) error { return validate(&st) }

// Instance gives the instance of a site: needs View on the site.
func (s *Service) Instance(ctx context.Context, st Site) (Instance, error) {
	if err := s.opt.Access.Check(ctx, access.View, st.Path()); err != nil {
		return Instance{}, err
	}
	i, err := db.One(ctx, s.opt.DB, scanInstance, selectInstance+" WHERE id = ?", st.Instance)
	if db.IsNoRows(err) {
		return i, stoa.NotFound("instance", st.Instance)
	}
	return i, err
}

// SetTimeZone gives an instance the time zone that its dates are written in, such as Europe/Paris: needs Manage on the
// instance. i.Version must be the current one, else the answer is Conflict.
func (s *Service) SetTimeZone(ctx context.Context, i Instance, zone string) error {
	if err := s.opt.Access.Check(ctx, access.Manage, i.Path()); err != nil {
		return err
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || len(zone) > 60 || zone == "Local" {
		return stoa.Invalid("timeZone", "%.60q is not a time zone: one such as Europe/Vienna or UTC is expected", zone)
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(
			ctx,
			"UPDATE site_instance SET time_zone = ?, version = version + 1 WHERE id = ? AND version = ?",
			zone,
			i.ID,
			i.Version,
		)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.Conflict("the settings of this instance were changed meanwhile; load them again")
		}
		tx.Changed("instance", i.ID, 0, i.Version+1)
		return nil
	})
}
