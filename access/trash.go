package access

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
)

const (
	kindRole  = "role"
	kindGroup = "usergroup" // package user has them; they hold roles
)

// BinKind says what roles are in the recycle bin.
func (s *Service) BinKind() recycle.Kind {
	return recycle.Kind{Kind: kindRole, Name: stoa.Phrase("asset.role"),
		Screen: func(id stoa.ID) string { return "/roles/" + id.String() },
		May: func(ctx context.Context, r recycle.Row) error {
			return s.Check(ctx, Manage, InstancePath(r.Instance))
		},
		Restore: s.restoreRoleTx, Purge: s.purgeRoleTx}
}

// TrashRole puts a role into the recycle bin: its grants count no more and its holders hold it no more, until it is
// restored. It needs Manage on the instance; the roles that every instance has cannot be deleted.
func (s *Service) TrashRole(ctx context.Context, id stoa.ID) error {
	r, err := s.manageable(ctx, id)
	if err != nil {
		return err
	}
	if r.System {
		return stoa.Invalid("id", "the role %s belongs to the portal and cannot be deleted", r.Name)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		done, err := s.hideRole(ctx, tx, id, recycle.Row{})
		if err == nil && !done {
			err = stoa.NotFound("role", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("access: put a role into the recycle bin: %w", err)
	}
	return nil
}

// hideRole puts a role into the recycle bin, if it is not there, and does it again when that was lost. Its row and its
// grants are of no instance there, and its holders are kept apart: an older binary asks neither of the instance of a
// role that is held.
func (s *Service) hideRole(ctx context.Context, tx *db.Tx, id stoa.ID, row recycle.Row) (bool, error) {
	r, err := s.role(ctx, tx, id)
	if stoa.Is(err, stoa.KindNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	state, err := recycle.KeepName(r.Name)
	if err != nil {
		return false, err
	}
	n, err := tx.Affected(ctx, "UPDATE access_role SET instance = ?, name = ?, version = version + 1 "+
		"WHERE id = ? AND version = ?", r.Instance+recycle.Hidden, ":"+id.String(), id, r.Version)
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, stoa.Conflict("the role %s was changed by another person meanwhile: load it again and repeat "+
			"the change",
			r.Name)
	}
	if err := changeGrants(ctx, tx, id, r.Instance, r.Instance+recycle.Hidden); err != nil {
		return false, err
	}
	if err := shelve(ctx, tx, "role", id); err != nil {
		return false, err
	}
	row.Kind, row.ID, row.Instance, row.Title, row.State = kindRole, id, r.Instance, r.Name, state
	if row, err = recycle.Put(ctx, tx, row); err != nil {
		return false, err
	}
	tx.Changed("role", id, r.Instance, r.Version+1)
	audit.Note(tx, audit.Trashed, r.thing())
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		_, err := s.hideRole(ctx, tx, id, row)
		return err
	})
	return true, nil
}

// changeGrants makes the grants of a role those of another instance, and notes which things that concerns; instance is
// the one that people know.
func changeGrants(ctx context.Context, tx *db.Tx, role, instance, to stoa.ID) error {
	things, err := db.All(ctx, tx, scanID, "SELECT thing FROM access_grant WHERE role = ?", role)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE access_grant SET instance = ? WHERE role = ?", to, role); err != nil {
		return fmt.Errorf("change the grants of role %d: %w", role, err)
	}
	for _, thing := range things {
		tx.Changed("grant", thing, instance, 0)
	}
	return nil
}

// shelve keeps apart who holds a role (column "role"), or which roles a user group holds ("holder"), because that
// role or that group came into the recycle bin.
func shelve(ctx context.Context, tx *db.Tx, column string, cause stoa.ID) error {
	_, err := tx.Exec(ctx, "INSERT INTO access_trashed (holder, role, cause) SELECT h.holder, h.role, ? "+
		"FROM access_holder h WHERE h."+column+" = ? AND NOT EXISTS "+
		"(SELECT 1 FROM access_trashed t WHERE t.holder = h.holder AND t.role = h.role)", cause, cause)
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM access_holder WHERE "+column+" = ?", cause)
	}
	if err != nil {
		return fmt.Errorf("keep apart who holds what for %d: %w", cause, err)
	}
	return nil
}

// unshelve puts back what was kept apart for a cause, once what else was in the way is the cause of what it keeps.
func unshelve(ctx context.Context, tx *db.Tx, cause stoa.ID) error {
	_, err := tx.Exec(ctx, "INSERT INTO access_holder (holder, role) SELECT t.holder, t.role FROM access_trashed t "+
		"WHERE t.cause = ? AND NOT EXISTS (SELECT 1 FROM access_holder h WHERE h.holder = t.holder AND h.role = t.role)",
		cause)
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM access_trashed WHERE cause = ?", cause)
	}
	if err != nil {
		return fmt.Errorf("put back who holds what for %d: %w", cause, err)
	}
	return nil
}

// takeRole gives the row of a role in the recycle bin with the name that it had, and takes it out, if the actor may.
func (s *Service) takeRole(ctx context.Context, tx *db.Tx, id stoa.ID) (Role, error) {
	row, err := recycle.Take(ctx, tx, kindRole, id)
	if err != nil {
		return Role{}, err
	}
	if err := s.Check(ctx, Manage, InstancePath(row.Instance)); err != nil {
		return Role{}, err
	}
	if err := stoa.ActorFrom(ctx).Fresh(s.now(), "change roles"); err != nil {
		return Role{}, err
	}
	r, err := db.One(ctx, tx, scanRole, roleColumns+" WHERE id = ?", id)
	if err != nil {
		return Role{}, fmt.Errorf("read role %d in the recycle bin: %w", id, err)
	}
	r.Instance = row.Instance
	r.Name, err = recycle.NameOf(row)
	return r, err
}

// restoreRoleTx takes a role out of the recycle bin, with its grants and for those who held it. Where another role has
// its name by now, it gets a number.
func (s *Service) restoreRoleTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, _ *recycle.Place,
) (out recycle.Restored, err error) {
	r, err := s.takeRole(ctx, tx, id)
	if err != nil {
		return out, err
	}
	name, err := recycle.FreeName(ctx, tx, "access_role", r.Instance, r.Name, 120)
	if err != nil {
		return out, err
	}
	if _, err := tx.Exec(ctx, "UPDATE access_role SET instance = ?, name = ?, version = version + 1 WHERE id = ?",
		r.Instance, name, id); err != nil {
		return out, taken(err, name)
	}
	if err := changeGrants(ctx, tx, id, r.Instance, r.Instance); err != nil {
		return out, err
	}
	// A user group that is in the recycle bin itself gets the role when it is restored.
	if _, err := tx.Exec(ctx, "UPDATE access_trashed SET cause = holder WHERE cause = ? AND holder IN "+
		"(SELECT id FROM asset_trash WHERE kind = ?)", id, kindGroup); err != nil {
		return out, err
	}
	if err := unshelve(ctx, tx, id); err != nil {
		return out, err
	}
	out.Renamed, r.Name = name != r.Name, name
	tx.Changed("role", id, r.Instance, r.Version+1)
	audit.Note(tx, audit.Recovered, r.thing())
	return out, nil
}

// purgeRoleTx deletes a role that is in the recycle bin, with its grants.
func (s *Service) purgeRoleTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	r, err := s.takeRole(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM access_grant WHERE role = ?", "DELETE FROM access_grant_mark WHERE role = ?",
		"DELETE FROM access_trashed WHERE role = ?", "DELETE FROM access_holder WHERE role = ?",
		"DELETE FROM access_role WHERE id = ?"} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return fmt.Errorf("delete the role %s: %w", r.Name, err)
		}
	}
	tx.Changed("role", id, r.Instance, r.Version+1)
	audit.Note(tx, audit.Deleted, r.thing())
	return nil
}

// Shelve takes all roles from a user group that comes into the recycle bin, and keeps them for Unshelve. The caller has
// checked the actor and notes the change of the group.
func (s *Service) Shelve(ctx context.Context, tx *db.Tx, group stoa.ID) error {
	return shelve(ctx, tx, "holder", group)
}

// Shelved gives the roles that Shelve has taken from a user group.
func (s *Service) Shelved(ctx context.Context, q db.Queryer, group stoa.ID) ([]stoa.ID, error) {
	return db.All(ctx, q, scanID, "SELECT role FROM access_trashed WHERE cause = ? ORDER BY role", group)
}

// Unshelve gives a user group the roles again that Shelve has taken, but for those that are in the recycle bin: these
// it gets with them.
func (s *Service) Unshelve(ctx context.Context, tx *db.Tx, group stoa.ID) error {
	_, err := tx.Exec(ctx, "UPDATE access_trashed SET cause = role WHERE cause = ? AND role IN "+
		"(SELECT id FROM asset_trash WHERE kind = ?)", group, kindRole)
	if err != nil {
		return fmt.Errorf("leave to roles in the recycle bin who holds them: %w", err)
	}
	return unshelve(ctx, tx, group)
}

// Unhold deletes what is kept of an account or a user group that is deleted: which roles it held that are in the
// recycle bin. The caller has checked the actor.
func (s *Service) Unhold(ctx context.Context, tx *db.Tx, holder stoa.ID) error {
	if _, err := tx.Exec(ctx, "DELETE FROM access_trashed WHERE holder = ?", holder); err != nil {
		return fmt.Errorf("delete which roles %d held: %w", holder, err)
	}
	return nil
}
