package access

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
)

// The names of the roles that every instance has.
const (
	RoleAdministrator = "Administrator" // may do everything in the instance
	RoleEditor        = "Editor"        // may publish everywhere in the instance
	RoleUser          = "User"          // held by everybody who is signed in
	RoleGuest         = "Guest"         // held by everybody, signed in or not
)

// Role is what actions are granted to.
type Role struct {
	ID, Instance stoa.ID
	Name         string // unique in the instance, 120 characters at most
	Description  string
	System       bool // made by the portal: can neither be renamed nor deleted
	Version      int64
}

// EnsureInstance makes the roles that every instance has, with their first grants, and gives their
// ids by name. Roles that are there already are left as they are. It is part of the transaction
// that makes an instance, and only the portal itself calls it.
func (s *Service) EnsureInstance(ctx context.Context, tx *db.Tx, instance stoa.ID) (map[string]stoa.ID, error) {
	if instance <= 0 {
		return nil, fmt.Errorf("access: %d is not an instance", instance)
	}
	ids := map[string]stoa.ID{}
	for _, r := range []struct {
		name, description string
		action            Action
	}{
		{RoleAdministrator, "May do everything.", Manage},
		{RoleEditor, "May edit and publish everything.", Publish},
		{RoleUser, "Everybody who is signed in.", 0},
		{RoleGuest, "Everybody, signed in or not.", View},
	} {
		id, err := tx.NewID(ctx)
		if err != nil {
			return nil, err
		}
		made, err := tx.InsertIgnore(ctx, "access_role", db.Row{
			"id": id, "instance": instance, "name": r.name, "description": r.description, "builtin": true, "version": 1,
		})
		if err != nil {
			return nil, fmt.Errorf("make the role %s: %w", r.name, err)
		}
		if !made {
			// A locking read sees what a concurrent transaction has just committed.
			if err := tx.QueryRow(ctx, "SELECT id FROM access_role WHERE instance = ? AND name = ?"+tx.Dialect().ForUpdate(), instance, r.name).Scan(&id); err != nil {
				return nil, fmt.Errorf("find the role %s: %w", r.name, err)
			}
			ids[r.name] = id
			continue
		}
		ids[r.name] = id
		tx.Changed("role", id, instance, 1)
		if r.action != 0 {
			g := Grant{Role: id, Resource: Resource{Kind: KindInstance, ID: instance}, Action: r.action}
			if err := insertGrant(ctx, tx, g, instance); err != nil {
				return nil, err
			}
			tx.Changed("grant", instance, instance, 1)
		}
	}
	return ids, nil
}

// Roles gives the roles of the instance by name. It is for everybody who is signed in there, since
// whoever manages a page chooses among them.
func (s *Service) Roles(ctx context.Context, instance stoa.ID) ([]Role, error) {
	if err := member(ctx, instance); err != nil {
		return nil, err
	}
	list, err := s.cachedRoles(ctx, instance)
	return slices.Clone(list), err
}

// Role gives one role of the actor's instance, or NotFound.
func (s *Service) Role(ctx context.Context, id stoa.ID) (Role, error) {
	r, err := s.role(ctx, s.db, id)
	if err != nil {
		return Role{}, err
	}
	if err := member(ctx, r.Instance); err != nil {
		return Role{}, stoa.NotFound("role", id)
	}
	return r, nil
}

// RoleIDs gives the ids of the roles of an instance by name, from the cache. It asks for no
// permission: it is for the services that make actors.
func (s *Service) RoleIDs(ctx context.Context, instance stoa.ID) (map[string]stoa.ID, error) {
	list, err := s.cachedRoles(ctx, instance)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]stoa.ID, len(list))
	for _, r := range list {
		ids[r.Name] = r.ID
	}
	return ids, nil
}

// CreateRole makes a role in r.Instance and gives it back with its id. It needs Manage on the
// instance; a name that is taken is a Conflict.
func (s *Service) CreateRole(ctx context.Context, r Role) (Role, error) {
	if err := s.Check(ctx, Manage, InstancePath(r.Instance)); err != nil {
		return Role{}, err
	}
	if err := stoa.ActorFrom(ctx).Fresh(s.now(), "change roles"); err != nil {
		return Role{}, err
	}
	if err := r.validate(); err != nil {
		return Role{}, err
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		id, err := tx.NewID(ctx)
		if err != nil {
			return err
		}
		r.ID, r.System, r.Version = id, false, 1
		if err := tx.Insert(ctx, "access_role", db.Row{
			"id": id, "instance": r.Instance, "name": r.Name, "description": r.Description, "builtin": false, "version": 1,
		}); err != nil {
			return err
		}
		tx.Changed("role", id, r.Instance, 1)
		audit.Note(tx, audit.Made, r.thing())
		return nil
	})
	if err != nil {
		return Role{}, taken(err, r.Name)
	}
	return r, nil
}

// UpdateRole saves name and description of a role whose Version is the one that was read, and gives
// it back with the next. It needs Manage on the instance; a stale version is a Conflict. The roles
// that every instance has keep their names.
func (s *Service) UpdateRole(ctx context.Context, r Role) (Role, error) {
	old, err := s.manageable(ctx, r.ID)
	if err != nil {
		return Role{}, err
	}
	r.Instance, r.System = old.Instance, old.System
	if err := r.validate(); err != nil {
		return Role{}, err
	}
	if old.System && r.Name != old.Name {
		return Role{}, stoa.Invalid("name", "the role %s belongs to the portal and keeps its name", old.Name)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(
			ctx,
			"UPDATE access_role SET name = ?, description = ?, version = version + 1 WHERE id = ? AND version = ?",
			r.Name,
			r.Description,
			r.ID,
			r.Version,
		)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.Conflict("the role %s was changed by another person meanwhile: load it again and repeat the change",
				old.Name)
		}
		tx.Changed("role", r.ID, r.Instance, r.Version+1)
		audit.Note(tx, audit.Changed, r.thing())
		return nil
	})
	if err != nil {
		return Role{}, taken(err, r.Name)
	}
	r.Version++
	return r, nil
}

// Assign replaces the roles that an account or a user group holds and gives those it took away, which
// Unassign takes once more. A holder that shall hold none does not get back those either that are in the recycle bin.
// It checks that all belong to the holder's instance; the caller has checked the actor and notes the change of the
// holder.
func (s *Service) Assign(
	ctx context.Context,
	tx *db.Tx,
	holder audit.Thing,
	roles []stoa.ID,
) (removed []stoa.ID, err error) {
	names := map[stoa.ID]string{}
	for _, id := range inOrder(roles) {
		r, err := s.given(ctx, tx, holder.Instance, id)
		if err != nil {
			return nil, err
		}
		names[id] = r.Name
	}
	held, err := s.Held(ctx, tx, holder.ID)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM access_holder WHERE holder = ?", holder.ID); err != nil {
		return nil, err
	}
	for _, id := range roles {
		if _, err := tx.InsertIgnore(ctx, "access_holder", db.Row{"holder": holder.ID, "role": id}); err != nil {
			return nil, err
		}
		if !slices.Contains(held, id) {
			audit.Note(tx, audit.RoleGiven, holder, names[id])
		}
	}
	if len(roles) == 0 { // what a user group itself has kept in the recycle bin stays
		if _, err := tx.Exec(ctx, "DELETE FROM access_trashed WHERE holder = ? AND cause <> ?", holder.ID,
			holder.ID); err != nil {
			return nil, err
		}
	}
	removed = slices.DeleteFunc(held, func(id stoa.ID) bool { return slices.Contains(roles, id) })
	for _, id := range removed {
		r, err := s.role(ctx, tx, id)
		if stoa.Is(err, stoa.KindNotFound) { // it has come into the recycle bin at this moment
			if _, err := s.Unassign(ctx, tx, holder.ID, []stoa.ID{id}); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		audit.Note(tx, audit.RoleTaken, holder, r.Name)
	}
	return removed, nil
}

// AssignNew gives roles to accounts or user groups that the transaction has made, by their ids, in few statements. What
// Assign says of the caller holds here too; the audit log tells nothing of single roles.
func (s *Service) AssignNew(ctx context.Context, tx *db.Tx, instance stoa.ID, roles map[stoa.ID][]stoa.ID) error {
	for _, id := range inOrder(slices.Concat(slices.Collect(maps.Values(roles))...)) {
		if _, err := s.given(ctx, tx, instance, id); err != nil {
			return err
		}
	}
	var rows []db.Row
	for _, holder := range slices.Sorted(maps.Keys(roles)) {
		for _, id := range roles[holder] {
			rows = append(rows, db.Row{"holder": holder, "role": id})
		}
	}
	return tx.InsertAll(ctx, "access_holder", rows)
}

// inOrder gives each id once, in the order in which rows are locked.
func inOrder(ids []stoa.ID) []stoa.ID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// given reads a role that is to be assigned and refuses one that cannot be. It does not come into the recycle bin until
// the transaction ends; those of the portal never do.
func (s *Service) given(ctx context.Context, tx *db.Tx, instance, id stoa.ID) (Role, error) {
	r, err := s.role(ctx, tx, id)
	if err == nil && !r.System {
		r, err = s.readRole(ctx, tx, id, tx.Dialect().ForShare())
	}
	if err == nil && r.Instance != instance {
		err = stoa.NotFound("role", id)
	}
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return r, err
	}
	if err != nil {
		return r, stoa.Invalid("roles", "there is no role %s: choose among the roles of the instance", id)
	}
	if r.System && (r.Name == RoleUser || r.Name == RoleGuest) {
		return r, stoa.Invalid("roles", "the portal itself gives the role %s: it cannot be given or taken away", r.Name)
	}
	return r, nil
}

// Unassign takes roles from an account or a user group, also those that are in the recycle bin by now, and gives how
// many of them it held. What Assign says of the caller holds here too.
func (s *Service) Unassign(ctx context.Context, tx *db.Tx, holder stoa.ID, roles []stoa.ID) (int64, error) {
	const these = " WHERE holder = ? AND role IN "
	args := append([]any{holder}, db.Args(roles)...)
	if _, err := tx.Exec(ctx, "DELETE FROM access_trashed"+these+db.In(len(roles)), args...); err != nil {
		return 0, err
	}
	return tx.Affected(ctx, "DELETE FROM access_holder"+these+db.In(len(roles)), args...)
}

// Held gives the roles assigned to an account or a user group, in order of their ids.
func (s *Service) Held(ctx context.Context, q db.Queryer, holder stoa.ID) ([]stoa.ID, error) {
	return db.All(
		ctx,
		q,
		scanID,
		"SELECT h.role FROM access_holder h JOIN access_role r ON r.id = h.role WHERE h.holder = ? ORDER BY h.role",
		holder,
	)
}

func (s *Service) manageable(ctx context.Context, id stoa.ID) (Role, error) {
	r, err := s.role(ctx, s.db, id)
	if err != nil {
		return Role{}, err
	}
	if err := s.Check(ctx, Manage, InstancePath(r.Instance)); err != nil {
		return Role{}, err
	}
	return r, stoa.ActorFrom(ctx).Fresh(s.now(), "change roles")
}

func (s *Service) cachedRoles(ctx context.Context, instance stoa.ID) ([]Role, error) {
	return s.roles.Get(ctx, instance.String(), func(ctx context.Context, l *cache.Load) ([]Role, error) {
		l.Scope("role", instance)
		return db.All(ctx, s.db, scanRole, roleColumns+" WHERE instance = ? ORDER BY name", instance)
	})
}

func (s *Service) roleID(ctx context.Context, instance stoa.ID, name string) (stoa.ID, error) {
	list, err := s.cachedRoles(ctx, instance)
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		if r.Name == name {
			return r.ID, nil
		}
	}
	return 0, stoa.NotFound("role", name)
}

const roleColumns = "SELECT id, instance, name, description, builtin, version FROM access_role"

func (s *Service) role(ctx context.Context, q db.Queryer, id stoa.ID) (Role, error) {
	return s.readRole(ctx, q, id, "")
}

func (s *Service) readRole(ctx context.Context, q db.Queryer, id stoa.ID, lock string) (Role, error) {
	r, err := db.One(ctx, q, scanRole, roleColumns+" WHERE id = ? AND instance < ?"+lock, id, recycle.Hidden)
	if db.IsNoRows(err) {
		return Role{}, stoa.NotFound("role", id)
	}
	return r, err
}

func scanRole(row db.Scanner) (Role, error) {
	var r Role
	err := row.Scan(&r.ID, &r.Instance, &r.Name, &r.Description, &r.System, &r.Version)
	return r, err
}

func scanID(row db.Scanner) (stoa.ID, error) {
	var id stoa.ID
	err := row.Scan(&id)
	return id, err
}

// thing is the role as the audit log names it.
func (r Role) thing() audit.Thing {
	return audit.Thing{Kind: "role", ID: r.ID, Instance: r.Instance, Title: r.Name}
}

func (r *Role) validate() error {
	r.Name = strings.TrimSpace(r.Name)
	if n := utf8.RuneCountInString(r.Name); n == 0 || n > 120 || !utf8.ValidString(r.Name) ||
		strings.ContainsFunc(r.Name, func(c rune) bool { return c < ' ' }) {
		return stoa.Invalid("name", "the name of a role has 1 to 120 characters")
	}
	if len(r.Description) > 4000 || !utf8.ValidString(r.Description) || strings.ContainsRune(r.Description, 0) {
		return stoa.Invalid("description", "the description of a role is text of at most 4000 bytes")
	}
	return nil
}

func taken(err error, name string) error {
	if db.IsDuplicate(err) {
		return stoa.Conflict("there is a role %q already: choose another name", name)
	}
	return err
}

// member refuses everybody who is not signed in at the instance.
func member(ctx context.Context, instance stoa.ID) error {
	switch a := stoa.ActorFrom(ctx); {
	case a.System, a.SignedIn() && a.Instance == instance:
		return nil
	case !a.SignedIn():
		return stoa.Unauthorized("sign in to see the roles and grants")
	}
	return stoa.NotFound("instance", instance)
}
