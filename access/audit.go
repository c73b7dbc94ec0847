package access

import (
	"context"
	"fmt"
	"maps"
	"slices"

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

// noteGrants says which grants on a thing are new, changed or gone. names has the roles that are granted something.
func (s *Service) noteGrants(ctx context.Context, tx *db.Tx, thing Resource, instance stoa.ID, before []Grant,
	now map[stoa.ID]Action, names map[stoa.ID]string) error {
	t := audit.Thing{Kind: thing.Kind, ID: thing.ID, Instance: instance, Title: thing.Title}
	was := map[stoa.ID]Action{}
	for _, g := range before {
		was[g.Role] = g.Action
		if now[g.Role] != 0 {
			continue
		}
		r, err := s.role(ctx, tx, g.Role)
		if err != nil && !stoa.Is(err, stoa.KindNotFound) {
			return err
		}
		audit.Note(tx, audit.GrantTaken, t, g.Action.String(), r.Name)
	}
	for _, role := range slices.Sorted(maps.Keys(now)) {
		if now[role] != was[role] {
			audit.Note(tx, audit.Granted, t, now[role].String(), names[role])
		}
	}
	return nil
}
