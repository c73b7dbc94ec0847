package server

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// CreateInstance makes a further virtual instance with a first site, a welcome page and an administrator, and gives
// the path at its host, with a one-time token, at which that one sets a password. It is for operators.
func (s *Server) CreateInstance(ctx context.Context, d site.Defaults) (setup string, err error) {
	inst, st, err := s.Sites.CreateInstance(ctx, d)
	if err != nil {
		return "", err
	}
	portal := stoa.WithActor(ctx, stoa.SystemActor())
	token, _, err := s.Users.EnsureAdmin(portal, inst.ID, user.AdminOptions{EmailPrefix: s.cfg.Admin.EmailAddressPrefix, MailDomain: inst.MailDomain,
		ScreenName: s.cfg.Admin.ScreenName, First: s.cfg.Admin.FirstName, Last: s.cfg.Admin.LastName})
	if err != nil {
		return "", err
	}
	return "/account/setup?token=" + token, s.welcome(portal, st)
}
