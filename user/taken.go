package user

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// rolesTaken says that the transaction takes roles from an account ("user") or a group ("usergroup").
func (s *Service) rolesTaken(tx *db.Tx, kind string, instance, holder stoa.ID, removed []stoa.ID) {
	if len(removed) == 0 {
		return
	}
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		n, err := s.access.Unassign(ctx, tx, holder, removed)
		if err != nil || n == 0 {
			return err
		}
		tx.Changed(kind, holder, instance, 0)
		return s.keepOneAdmin(ctx, tx, instance)
	})
}

// lockAgain locks an account that a lost transaction had locked.
func (s *Service) lockAgain(ctx context.Context, tx *db.Tx, u User) error {
	n, err := tx.Affected(ctx, "UPDATE user_account SET status = ?, version = version + 1 WHERE id = ? AND status = ?", u.Status, u.ID, StatusActive)
	if err != nil || n == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM user_link WHERE account = ?", u.ID); err != nil {
		return err
	}
	if err := dropChallenges(ctx, tx, u.ID); err != nil {
		return err
	}
	tx.Changed("user", u.ID, u.Instance, u.Version+1)
	if err := s.keepOneAdmin(ctx, tx, u.Instance); err != nil {
		return err
	}
	return s.keepOneOperator(ctx, tx, u)
}
