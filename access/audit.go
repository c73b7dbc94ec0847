package access

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// refused is the cause of an error that says no: what was asked for, for the audit log.
type refused struct {
	action   Action
	thing    Resource
	instance stoa.ID
}

func (r refused) Error() string {
	return fmt.Sprintf("%s of %s %d was refused", r.action, r.thing.Kind, r.thing.ID)
}

// Refused tells what was refused.
func (r refused) Refused() (action, kind string, id, instance stoa.ID) {
	return r.action.String(), r.thing.Kind, r.thing.ID, r.instance
}

// noteGrant says that what a role may do with a thing was changed.
func (s *Service) noteGrant(ctx context.Context, tx *db.Tx, thing Resource, instance stoa.ID, c Change) error {
	if c.From == c.To {
		return nil
	}
	r, err := s.role(ctx, tx, c.Role)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return err
	}
	t := audit.Thing{Kind: thing.Kind, ID: thing.ID, Instance: instance, Title: thing.Title}
	if c.To == 0 {
		audit.Note(tx, audit.GrantTaken, t, c.From.String(), r.Name)
	} else {
		audit.Note(tx, audit.Granted, t, c.To.String(), r.Name)
	}
	return nil
}
