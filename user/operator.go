package user

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// inDefault reports whether the instance is the default one. Without Options.DefaultInstance none is, so that
// there are no operators.
func (s *Service) inDefault(ctx context.Context, q db.Queryer, instance stoa.ID) (bool, error) {
	if s.o.DefaultInstance == nil || instance == 0 {
		return false, nil
	}
	id, err := s.o.DefaultInstance(ctx, q)
	if err != nil {
		return false, fmt.Errorf("find the default instance: %w", err)
	}
	return id == instance, nil
}

// named reports whether omniadmin.users names the account. A number is an id and never a screen name, which may
// consist of digits, too.
func (s *Service) named(u User) bool {
	return slices.ContainsFunc(s.o.Operators, func(name string) bool {
		if _, err := stoa.ParseID(name); err == nil {
			return u.ID != 0 && name == u.ID.String()
		}
		if strings.Contains(name, "@") {
			return strings.EqualFold(name, u.Email)
		}
		return strings.EqualFold(name, u.ScreenName)
	})
}

// operates reports whether an account operates the whole installation while it is active: an account of the default
// instance that omniadmin.users names or, where it names none, that holds the role Administrator.
func (s *Service) operates(ctx context.Context, q db.Queryer, u User, admin bool) (bool, error) {
	if in, err := s.inDefault(ctx, q, u.Instance); err != nil || !in {
		return false, err
	}
	if len(s.o.Operators) == 0 {
		return admin, nil
	}
	return s.named(u), nil
}

// mayTouchOperator refuses all but operators to change the account of one: who sets its password has its rights.
func (s *Service) mayTouchOperator(ctx context.Context, u User, admin bool) error {
	if actor := stoa.ActorFrom(ctx); actor.System || actor.Operator {
		return nil
	}
	if is, err := s.operates(ctx, s.db, u, admin); err != nil || !is {
		return err
	}
	return stoa.Forbidden("only an operator of the whole installation may change the account of an operator")
}

// guardNames refuses to give an account a name that makes it an operator, to all but operators, and to take away the
// name by which it is one: the property would go on to name the old one, which then waits for its next owner.
func (s *Service) guardNames(ctx context.Context, before, after User) error {
	if in, err := s.inDefault(ctx, s.db, after.Instance); err != nil || !in {
		return err
	}
	switch was, is := s.named(before), s.named(after); {
	case was && !is && strings.EqualFold(before.Email, after.Email):
		return stoa.Invalid("screenName", "omniadmin.users names this operator as %s: change the property first",
			before.ScreenName)
	case was && !is:
		return stoa.Invalid("email", "omniadmin.users names this operator as %s: change the property first", before.Email)
	case !was && is:
		return stoa.ActorFrom(ctx).Operates("give an account a name that omniadmin.users lists")
	}
	return nil
}

// keepOneOperator refuses a transaction that would leave no active account of those that omniadmin.users names. It
// is called after the change of an account that is named and was active; the lock on the role of administrators makes
// two such transactions take turns. Where the property is empty, keepOneAdmin does this.
func (s *Service) keepOneOperator(ctx context.Context, tx *db.Tx, u User) error {
	if len(s.o.Operators) == 0 || !s.named(u) {
		return nil
	}
	if in, err := s.inDefault(ctx, tx, u.Instance); err != nil || !in {
		return err
	}
	if _, err := s.lockAdminRole(ctx, tx, u.Instance); err != nil {
		return err
	}
	list, err := s.activeNamed(ctx, tx, u.Instance)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return stoa.Conflict("this would leave no operator of the installation: name another account in " +
			"omniadmin.users first")
	}
	return nil
}

// Operators gives the active accounts that operate the installation where omniadmin.users is set. Only the portal
// itself may ask.
func (s *Service) Operators(ctx context.Context) ([]User, error) {
	if !stoa.ActorFrom(ctx).System {
		return nil, stoa.Forbidden("only the portal itself lists the operators")
	}
	if s.o.DefaultInstance == nil {
		return nil, nil
	}
	instance, err := s.o.DefaultInstance(ctx, s.db)
	if err != nil {
		return nil, fmt.Errorf("find the default instance: %w", err)
	}
	return s.activeNamed(ctx, s.db, instance)
}

func (s *Service) activeNamed(ctx context.Context, q db.Queryer, instance stoa.ID) ([]User, error) {
	var ids, names []any
	for _, name := range s.o.Operators {
		if id, err := stoa.ParseID(name); err == nil {
			ids = append(ids, id)
		} else {
			names = append(names, strings.ToLower(name))
		}
	}
	args := append([]any{instance, StatusActive}, ids...)
	args = append(append(args, names...), names...)
	list, err := db.All(ctx, q, scanAccount, accountColumns+" WHERE instance = ? AND status = ? AND (id IN "+
		db.In(len(ids))+" OR screen_name IN "+db.In(len(names))+" OR email IN "+db.In(len(names))+")", args...)
	if err != nil {
		return nil, fmt.Errorf("look for the operators: %w", err)
	}
	var out []User
	for _, a := range list {
		if s.named(a.User) {
			out = append(out, a.User)
		}
	}
	return out, nil
}
