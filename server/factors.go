package server

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa/user"
)

// ResetFactors takes all second factors from the person with this login in the default instance, and ends their
// sessions; it gives a sentence for the operator of the node, who alone may do that.
func (s *Server) ResetFactors(ctx context.Context, login string) (string, error) {
	u, err := s.personWith(ctx, login)
	if err != nil {
		return "", err
	}
	if err := s.Users.ResetFactors(ctx, u.ID); err != nil {
		return "", err
	}
	s.log.InfoContext(ctx, "second factors were reset by the operator", "user", u.ID, "name",
		u.ScreenName) // package audit hooks in here
	return fmt.Sprintf(
		"%s has no second factor any more and is signed out everywhere. The password alone signs in now.",
		u.FullName()), nil
}

// personWith gives the one account of the default instance that signs in with login, for commands.
func (s *Server) personWith(ctx context.Context, login string) (user.User, error) {
	inst, _, err := s.Sites.Resolve(ctx, "")
	if err != nil {
		return user.User{}, err
	}
	return s.Users.ByLogin(ctx, inst.ID, login)
}
