package user

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
)

const kindGroup = "usergroup"

// BinKind says what user groups are in the recycle bin.
func (s *Service) BinKind() recycle.Kind {
	return recycle.Kind{Kind: kindGroup, Name: stoa.Phrase("asset.usergroup"),
		Screen:  func(id stoa.ID) string { return "/groups/" + id.String() },
		May:     func(ctx context.Context, r recycle.Row) error { return s.manage(ctx, r.Instance) },
		Restore: s.restoreGroupTx, Purge: s.purgeGroupTx}
}

// TrashGroup puts a group into the recycle bin: its members stay, and do not hold its roles by it until it is restored.
// It needs Manage on the instance, and for a group of administrators an administrator; the last one stays one.
func (s *Service) TrashGroup(ctx context.Context, id stoa.ID) error {
	g, err := s.manageGroup(ctx, id)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.guardGroup(ctx, tx, g); err != nil { // it may have become one of administrators since it was read
			return err
		}
		done, err := s.hideGroup(ctx, tx, id, recycle.Row{})
		if err == nil && !done {
			err = stoa.NotFound("user group", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("user: put a user group into the recycle bin: %w", err)
	}
	return nil
}

// hideGroup puts a group into the recycle bin, if it is not there, and does it again when that was lost. Its row is of
// no instance there; who is in it stays, and it holds no roles.
func (s *Service) hideGroup(ctx context.Context, tx *db.Tx, id stoa.ID, row recycle.Row) (bool, error) {
	g, err := s.group(ctx, tx, id)
	if stoa.Is(err, stoa.KindNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	wasAdmin, err := s.groupAdmin(ctx, tx, g.Instance, id)
	if err != nil {
		return false, err
	}
	state, err := recycle.KeepName(g.Name)
	if err != nil {
		return false, err
	}
	n, err := tx.Affected(ctx, "UPDATE user_group SET instance = ?, name = ?, version = version + 1 "+
		"WHERE id = ? AND version = ?", g.Instance+recycle.Hidden, ":"+id.String(), id, g.Version)
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, stoa.Conflict("the user group %s was changed by another person meanwhile: load it again and repeat "+
			"the change", g.Name)
	}
	if err := s.access.Shelve(ctx, tx, id); err != nil {
		return false, err
	}
	row.Kind, row.ID, row.Instance, row.Title, row.State = kindGroup, id, g.Instance, g.Name, state
	if row, err = recycle.Put(ctx, tx, row); err != nil {
		return false, err
	}
	tx.Changed(kindGroup, id, g.Instance, g.Version+1)
	audit.Note(tx, audit.Trashed, g.thing())
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		_, err := s.hideGroup(ctx, tx, id, row)
		return err
	})
	if wasAdmin {
		return true, s.keepOneAdmin(ctx, tx, g.Instance)
	}
	return true, nil
}

// takeGroup gives a group in the recycle bin with the name that it had and the roles that it gets again, and takes it
// out, if the actor may.
func (s *Service) takeGroup(ctx context.Context, tx *db.Tx, id stoa.ID) (Group, error) {
	row, err := recycle.Take(ctx, tx, kindGroup, id)
	if err != nil {
		return Group{}, err
	}
	if err := s.manage(ctx, row.Instance); err != nil {
		return Group{}, err
	}
	g, err := db.One(ctx, tx, scanGroup, groupColumns+" WHERE id = ?", id)
	if err != nil {
		return Group{}, fmt.Errorf("read user group %d in the recycle bin: %w", id, err)
	}
	if g.Roles, err = s.access.Shelved(ctx, tx, id); err != nil {
		return Group{}, err
	}
	if err := s.guardAdminRole(ctx, row.Instance, g.Roles); err != nil {
		return Group{}, err
	}
	if err := s.fresh(ctx, "change a user group"); err != nil {
		return Group{}, err
	}
	g.Instance = row.Instance
	g.Name, err = recycle.NameOf(row)
	return g, err
}

// restoreGroupTx takes a group out of the recycle bin, with its members and its roles. Where another group has its name
// by now, it gets a number.
func (s *Service) restoreGroupTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, _ *recycle.Place,
) (out recycle.Restored, err error) {
	g, err := s.takeGroup(ctx, tx, id)
	if err != nil {
		return out, err
	}
	name, err := recycle.FreeName(ctx, tx, "user_group", g.Instance, g.Name, 120)
	if err != nil {
		return out, err
	}
	if _, err := tx.Exec(ctx, "UPDATE user_group SET instance = ?, name = ?, version = version + 1 WHERE id = ?",
		g.Instance, name, id); err != nil {
		return out, groupTaken(err, name)
	}
	if err := s.access.Unshelve(ctx, tx, id); err != nil {
		return out, err
	}
	out.Renamed, g.Name = name != g.Name, name
	tx.Changed(kindGroup, id, g.Instance, g.Version+1)
	audit.Note(tx, audit.Recovered, g.thing())
	return out, nil
}

// purgeGroupTx deletes a group that is in the recycle bin; its members stay.
func (s *Service) purgeGroupTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	g, err := s.takeGroup(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM user_member WHERE usergroup = ?", "DELETE FROM access_holder WHERE holder = ?",
		"DELETE FROM user_group WHERE id = ?"} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return fmt.Errorf("delete user group %d: %w", id, err)
		}
	}
	if err := s.access.Unhold(ctx, tx, id); err != nil {
		return err
	}
	tx.Changed(kindGroup, id, g.Instance, g.Version+1)
	audit.Note(tx, audit.Deleted, g.thing())
	return nil
}
