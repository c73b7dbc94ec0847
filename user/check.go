package user

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
)

// CheckNew says, without writing, what Create would refuse in an account that gets no password: needs Manage on the
// instance.
func (s *Service) CheckNew(ctx context.Context, u User) error {
	if err := s.manage(ctx, u.Instance); err != nil {
		return err
	}
	if err := u.validate(); err != nil {
		return err
	}
	for field, value := range map[string]string{"screen_name": u.ScreenName, "email": u.Email} {
		var n int
		err := s.db.QueryRow(ctx, "SELECT count(*) FROM user_account WHERE instance = ? AND "+field+" = ?", u.Instance,
			value).
			Scan(&n)
		if err != nil {
			return fmt.Errorf("look for the account %.80q: %w", value, err)
		}
		if n > 0 {
			return stoa.Conflict("there already is an account with the name or address %.100q", value)
		}
	}
	return nil
}
