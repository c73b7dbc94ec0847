package access

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
)

// Grant says that a role may do an action, and all lesser ones, with a resource and what is in it.
type Grant struct {
	Role     stoa.ID
	Resource Resource
	Action   Action
}

// Grants gives the grants made on exactly this resource, by role. Nothing is told about resources of
// instances other than the actor's; guests are refused.
func (s *Service) Grants(ctx context.Context, r Resource) ([]Grant, error) {
	actor := stoa.ActorFrom(ctx)
	if !actor.System && !actor.SignedIn() {
		return nil, stoa.Unauthorized("sign in to see the roles and grants")
	}
	q, args := "SELECT kind, thing, role, action FROM access_grant WHERE kind = ? AND thing = ?", []any{r.Kind, r.ID}
	if actor.System {
		q, args = q+" AND instance < ?", append(args, recycle.Hidden)
	} else {
		q, args = q+" AND instance = ?", append(args, actor.Instance)
	}
	list, err := db.All(ctx, s.db, scanGrant, q+" ORDER BY role", args...)
	if err != nil {
		return nil, fmt.Errorf("read the grants on %s %d: %w", r.Kind, r.ID, err)
	}
	for i := range list {
		list[i].Resource.Own = r.Own
	}
	return list, nil
}

// CheckGrants reports whether the actor of ctx may change who may use the first thing of p, by its grants or by whether
// those above reach it: that needs Manage on p and a fresh sign-in (stoa.Actor.Fresh), whose lack is told last.
func (s *Service) CheckGrants(ctx context.Context, p Path) error {
	if err := s.Check(ctx, Manage, p); err != nil {
		return err
	}
	return stoa.ActorFrom(ctx).Fresh(s.now(), "change permissions")
}

// SetGrants replaces the grants on the first thing of p, whatever they are by then: for programs. A person changes what
// they have seen, by ChangeGrants. It needs what CheckGrants asks for. The Resource of each
// grant may be left out; a grant with Action 0 is none. Unknown roles and actions are Invalid.
func (s *Service) SetGrants(ctx context.Context, p Path, grants []Grant) error {
	if err := s.CheckGrants(ctx, p); err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.write(ctx, tx, p, grants) })
}

// SetGrantsTx is SetGrants as a part of a transaction that is open already.
func (s *Service) SetGrantsTx(ctx context.Context, tx *db.Tx, p Path, grants []Grant) error {
	if err := s.CheckGrants(ctx, p); err != nil {
		return err
	}
	return s.write(ctx, tx, p, grants)
}

// Forget deletes the grants on a thing that the transaction deletes, those of roles in the recycle bin, too. The
// caller has checked that the actor may delete it.
func (s *Service) Forget(ctx context.Context, tx *db.Tx, instance stoa.ID, r Resource) error {
	if _, err := tx.Exec(ctx, "DELETE FROM access_grant WHERE kind = ? AND thing = ? AND instance IN (?, ?)",
		r.Kind, r.ID, instance, instance+recycle.Hidden); err != nil {
		return fmt.Errorf("delete the grants on %s %d: %w", r.Kind, r.ID, err)
	}
	if _, err := tx.Exec(ctx, "DELETE FROM access_grant_mark WHERE kind = ? AND thing = ?", r.Kind, r.ID); err != nil {
		return fmt.Errorf("delete how the grants on %s %d stand: %w", r.Kind, r.ID, err)
	}
	tx.Changed("grant", r.ID, instance, 0)
	return nil
}

func (s *Service) write(ctx context.Context, tx *db.Tx, p Path, grants []Grant) error {
	instance := p.Instance()
	if instance == 0 {
		return fmt.Errorf("access: the path %v does not lead to an instance", p)
	}
	thing := p[0]
	best := map[stoa.ID]Action{}
	var order []stoa.ID
	for _, g := range grants {
		if g.Action == 0 {
			continue
		}
		if g.Action > Manage {
			return stoa.Invalid("grants", "%d is not an action: view, edit, publish or manage is expected", g.Action)
		}
		if g.Resource.ID != 0 && (g.Resource.ID != thing.ID || g.Resource.Kind != thing.Kind) {
			return stoa.Invalid(
				"grants",
				"a grant is for %s %s, but those of %s %s are being set",
				g.Resource.Kind,
				g.Resource.ID,
				thing.Kind,
				thing.ID,
			)
		}
		if _, ok := best[g.Role]; !ok {
			order = append(order, g.Role)
		}
		best[g.Role] = max(best[g.Role], g.Action)
	}
	rows, err := db.All(
		ctx,
		tx,
		scanGrant,
		"SELECT kind, thing, role, action FROM access_grant WHERE kind = ? AND thing = ? AND instance = ?",
		thing.Kind,
		thing.ID,
		instance,
	)
	if err != nil {
		return fmt.Errorf("read the grants on %s %d: %w", thing.Kind, thing.ID, err)
	}
	before := map[stoa.ID]Action{}
	for _, g := range rows {
		if before[g.Role] = g.Action; best[g.Role] == 0 {
			order = append(order, g.Role)
		}
	}
	var less []Grant
	for _, role := range order {
		if err := s.grantable(ctx, tx, instance, role, best[role]); err != nil {
			return err
		}
		if best[role] == before[role] {
			continue
		}
		c := Change{Role: role, From: before[role], To: best[role]}
		if err := s.set(ctx, tx, thing, instance, c, nil); err != nil {
			return err
		}
		if err := s.noteGrant(ctx, tx, thing, instance, c); err != nil {
			return err
		}
		if best[role] < before[role] {
			less = append(less, Grant{Role: role, Resource: thing, Action: best[role]})
		}
	}
	tx.Changed("grant", thing.ID, instance, 0)
	takeLess(tx, less, instance)
	return nil
}

// lessen brings grants down to the given actions; 0 is none. Lesser ones stay as they are.
func lessen(ctx context.Context, tx *db.Tx, grants []Grant, instance stoa.ID) error {
	for _, g := range grants {
		n, err := tx.Affected(
			ctx,
			"DELETE FROM access_grant WHERE kind = ? AND thing = ? AND instance = ? AND role = ? AND action > ?",
			g.Resource.Kind,
			g.Resource.ID,
			instance,
			g.Role,
			int64(g.Action),
		)
		if err != nil {
			return fmt.Errorf("take away what role %d may do with %s %d: %w", g.Role, g.Resource.Kind, g.Resource.ID, err)
		}
		if n == 0 {
			continue
		}
		tx.Changed("grant", g.Resource.ID, instance, 0)
		if g.Action == 0 {
			continue
		}
		if err := insertGrant(ctx, tx, g, instance); err != nil {
			return err
		}
	}
	return nil
}

func insertGrant(ctx context.Context, tx *db.Tx, g Grant, instance stoa.ID) error {
	err := tx.Insert(ctx, "access_grant", db.Row{
		"kind": g.Resource.Kind, "thing": g.Resource.ID, "role": g.Role, "instance": instance, "action": int64(g.Action),
	})
	if err != nil {
		return fmt.Errorf("grant %s on %s %d: %w", g.Action, g.Resource.Kind, g.Resource.ID, err)
	}
	return nil
}
