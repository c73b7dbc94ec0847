package access

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Standing is what a role may do with exactly one thing, and since when: what a form shows, and what a change of it
// starts from.
type Standing struct {
	Role    stoa.ID
	Action  Action // 0: nothing
	Version int64  // raised by each change, also by one that takes the grant away; 0: never granted
	By      string // who changed it last; empty when that is not known
	At      time.Time
}

// Change makes what a role may do with a thing another action than the one that was seen.
type Change struct {
	Role    stoa.ID
	From    Action // as it was seen; 0: nothing
	Version int64  // as it was seen
	To      Action // 0 takes the grant away
}

// Standings gives how the grants on exactly this resource stand, by role; roles that never had one are left out. It asks
// for what Grants asks for.
func (s *Service) Standings(ctx context.Context, r Resource) (map[stoa.ID]Standing, error) {
	grants, err := s.Grants(ctx, r)
	if err != nil {
		return nil, err
	}
	out := map[stoa.ID]Standing{}
	if err := db.Each(ctx, s.db, func(row db.Scanner) error {
		var m Standing
		var at int64
		err := row.Scan(&m.Role, &m.Action, &m.Version, &m.By, &at)
		m.At = db.Time(at)
		out[m.Role] = m
		return err
	}, "SELECT role, action, version, changed_by_name, changed FROM access_grant_mark WHERE kind = ? AND thing = ?", r.Kind, r.ID); err != nil {
		return nil, fmt.Errorf("read how the grants on %s %d stand: %w", r.Kind, r.ID, err)
	}
	have := map[stoa.ID]Action{}
	for _, g := range grants {
		have[g.Role] = g.Action
		if _, ok := out[g.Role]; !ok {
			out[g.Role] = Standing{Role: g.Role, Action: g.Action}
		}
	}
	for role, m := range out {
		if m.Action != have[role] { // a node of the version before has changed it since
			m.Action, m.By, m.At = have[role], "", time.Time{}
			out[role] = m
		}
	}
	return out, nil
}

// ChangeGrants changes what roles may do with the first thing of p, each from what was seen: all of it, or nothing where one
// of them stands otherwise by now. That is a Conflict whose Field is "role-" and the id of the role. It needs what
// CheckGrants asks for. Unknown roles and actions are Invalid.
func (s *Service) ChangeGrants(ctx context.Context, p Path, changes ...Change) error {
	if err := s.CheckGrants(ctx, p); err != nil {
		return err
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.changeGrants(ctx, tx, p, changes) })
	if stoa.Is(err, stoa.KindConflict) {
		return s.since(ctx, p[0], changes, err)
	}
	return err
}

// PlaceChange is a Change of what a role may do with the first thing of Path.
type PlaceChange struct {
	Path Path
	Change
}

// ChangeGrantsAt is ChangeGrants for several things: all of it, or nothing where one of them is refused or stands
// otherwise by now. The Field of an error is the kind of that thing, "-" and its id.
func (s *Service) ChangeGrantsAt(ctx context.Context, changes []PlaceChange) error {
	field := func(c PlaceChange, err error) error {
		if err == nil || stoa.KindOf(err) == stoa.KindInternal {
			return err
		}
		return stoa.AtField(c.Path[0].Kind+"-"+c.Path[0].ID.String(), err)
	}
	for _, c := range changes {
		if err := s.CheckGrants(ctx, c.Path); err != nil {
			return field(c, err)
		}
	}
	var at PlaceChange
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, at = range changes {
			if err := s.changeGrants(ctx, tx, at.Path, []Change{at.Change}); err != nil {
				return err
			}
		}
		at = PlaceChange{}
		return nil
	})
	if err == nil || at.Path == nil {
		return err
	}
	if stoa.Is(err, stoa.KindConflict) {
		err = s.since(ctx, at.Path[0], []Change{at.Change}, err)
	}
	return field(at, err)
}

// changeGrants does what ChangeGrants does. The caller has asked for permission.
func (s *Service) changeGrants(ctx context.Context, tx *db.Tx, p Path, changes []Change) error {
	thing, instance := p[0], p.Instance()
	var less []Grant
	for _, c := range changes {
		if err := s.grantable(ctx, tx, instance, c.Role, c.To); err != nil {
			return err
		}
		version := c.Version
		if err := s.set(ctx, tx, thing, instance, c, &version); err != nil {
			return err
		}
		if err := s.noteGrant(ctx, tx, thing, instance, c); err != nil {
			return err
		}
		if c.To < c.From {
			less = append(less, Grant{Role: c.Role, Resource: thing, Action: c.To})
		}
	}
	if len(changes) > 0 {
		tx.Changed("grant", thing.ID, instance, 0)
	}
	takeLess(tx, less, instance)
	return nil
}

// since says who changed what, for a change that came too late.
func (s *Service) since(ctx context.Context, thing Resource, changes []Change, err error) error {
	now, lookErr := s.Standings(ctx, thing)
	if lookErr != nil {
		return err
	}
	for _, c := range changes {
		m := now[c.Role]
		if m.Version == c.Version && m.Action == c.From {
			continue
		}
		name, what := c.Role.String(), stoa.Phrase("nothing")
		var who any = m.By
		if r, err := s.role(ctx, s.db, c.Role); err == nil {
			name = r.Name
		}
		if m.By == "" {
			who = stoa.Phrase("another person")
		}
		if m.Action != 0 {
			what = stoa.Phrase(m.Action.String())
		}
		e := stoa.Conflict("%s has changed what %s may do here since you opened it: it is %s now", who, name, what)
		e.Field = "role-" + c.Role.String()
		return e
	}
	return err
}

// grantable refuses an action that there is not, a role of another instance, and more than to view for guests.
func (s *Service) grantable(ctx context.Context, q db.Queryer, instance, role stoa.ID, a Action) error {
	if a > Manage {
		return stoa.Invalid("grants", "%d is not an action: view, edit, publish or manage is expected", a)
	}
	if a == 0 {
		return nil
	}
	r, err := s.role(ctx, q, role)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return err
	}
	if err != nil || r.Instance != instance {
		return stoa.Invalid("grants", "there is no role %s: choose among the roles of the instance", role)
	}
	if r.System && r.Name == RoleGuest && a > View {
		return stoa.Invalid("grants", "the role %s can only be allowed to view", r.Name)
	}
	return nil
}

// set makes one grant another, if it stands as c says: the action always, and the version unless it is nil.
func (s *Service) set(
	ctx context.Context,
	tx *db.Tx,
	thing Resource,
	instance stoa.ID,
	c Change,
	version *int64,
) error {
	actor := stoa.ActorFrom(ctx)
	name := []rune(actor.Name)
	name = name[:min(len(name), 190)]
	q := "UPDATE access_grant_mark SET version = version + 1, action = ?, changed = ?, changed_by = ?, changed_by_name = ?" +
		" WHERE kind = ? AND thing = ? AND role = ?"
	args := []any{int64(c.To), db.Micros(tx.Now()), actor.User, string(name), thing.Kind, thing.ID, c.Role}
	if version != nil {
		q, args = q+" AND version = ?", append(args, *version)
	}
	n, err := tx.Affected(ctx, q, args...)
	if err != nil {
		return err
	}
	if n == 0 && version != nil && *version != 0 {
		return changed()
	}
	if n == 0 {
		err := tx.Insert(ctx, "access_grant_mark", db.Row{
			"kind": thing.Kind, "thing": thing.ID, "role": c.Role, "version": 1, "action": int64(c.To),
			"changed": db.Micros(tx.Now()), "changed_by": actor.User, "changed_by_name": string(name),
		})
		if db.IsDuplicate(err) {
			return changed()
		}
		if err != nil {
			return err
		}
	}
	const is = " WHERE kind = ? AND thing = ? AND role = ? AND instance = ? AND action = ?"
	have := []any{thing.Kind, thing.ID, c.Role, instance, int64(c.From)}
	switch {
	case c.From == 0 && c.To == 0:
		return nil
	case c.From == 0:
		err = insertGrant(ctx, tx, Grant{Role: c.Role, Resource: thing, Action: c.To}, instance)
		if db.IsDuplicate(err) {
			return changed()
		}
		return err
	case c.To == 0:
		n, err = tx.Affected(ctx, "DELETE FROM access_grant"+is, have...)
	case c.To == c.From: // a row that is left as it is counts as none on MariaDB
		return nil
	default:
		n, err = tx.Affected(ctx, "UPDATE access_grant SET action = ?"+is, append([]any{int64(c.To)}, have...)...)
	}
	if err == nil && n == 0 {
		return changed()
	}
	return err
}

func changed() error {
	return stoa.Conflict("these permissions were changed by another person: load them again and repeat the change")
}

// takeLess says which grants the transaction lessens.
func takeLess(tx *db.Tx, less []Grant, instance stoa.ID) {
	if len(less) > 0 {
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error { return lessen(ctx, tx, less, instance) })
	}
}

// Token is how a form carries what it shows of a standing.
func (m Standing) Token() string { return m.Action.String() + "." + strconv.FormatInt(m.Version, 10) }
