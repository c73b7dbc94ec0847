package server

import (
	"context"
	"path/filepath"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/mail"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// mailOptions reads the settings of mail; without a host, mail becomes files in HOME/mail.
func mailOptions(c *config.Config, hold func() bool) mail.Options {
	return mail.Options{
		Host: c.Mail.Host, Port: c.Mail.Port, User: c.Mail.User, Password: c.Mail.Password,
		Implicit: c.Mail.Implicit, StartTLS: c.Mail.StartTLS, StartTLSRequired: c.Mail.StartTLSRequired,
		Timeout: c.Mail.Timeout, From: c.Mail.FromAddress, FromName: c.Mail.FromName,
		Dir: filepath.Join(c.Home, "mail"), Hold: hold,
	}
}

func userOptions(c *config.Config, s *Server, m *mail.Mailer) user.Options {
	remember := c.Session.AutoLoginMaxAge
	if !c.Session.AutoLogin { // those who asked for it before are not kept longer than others
		remember = min(remember, user.SessionMax)
	}
	return user.Options{
		DB: s.DB, Cache: s.Cache, Access: s.Access, Secrets: s.Secrets, Mail: m, Audit: s.Audit, Logger: s.log,
		DefaultInstance: site.DefaultInstance, Operators: c.Operators.Users,
		SessionTimeout: c.Session.Timeout, RememberAge: remember, ResetLifetime: c.Session.ResetTicketLifetime,
		ThrottleWindow: c.Session.ThrottleWindow, AccountMax: c.Session.ThrottleAccountMax, AddressMax: c.Session.ThrottleAddressMax, MinPassword: c.Passwords.MinLength,
		OperatorTwoFactor: c.Session.OperatorTwoFactor,
	}
}

func (s *Server) now() time.Time { return time.Now() }

// ResetPassword gives the one-time address at which the person with this login in the default instance
// sets a new password, good for an hour. It is for the operator of the node.
func (s *Server) ResetPassword(ctx context.Context, login string) (string, error) {
	u, err := s.personWith(ctx, login)
	if err != nil {
		return "", err
	}
	path, err := s.Users.OperatorLink(ctx, u.ID)
	if err != nil {
		return "", err
	}
	return s.PersonURL() + path, nil
}

// lockPath gives where a thing that is locked belongs, to those who may edit it.
func (s *Server) lockPath(ctx context.Context, kind string, id stoa.ID) (access.Path, error) {
	if kind == lock.Page {
		p, err := s.Pages.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		return s.Pages.Path(ctx, p)
	}
	a, err := s.Content.Get(ctx, id)
	return a.Path(), err
}

// siteHost reports whether a site has the host name, so that one which an editor gives to a site is answered
// without a word in virtual.hosts.valid.hosts.
func (s *Server) siteHost(host string) bool {
	known, err := s.Sites.KnownHost(s.ctx, host)
	return err == nil && known
}

// olderNodes reports whether a node of a version before is beside, as while versions roll.
func (s *Server) olderNodes() bool { return cluster.Older(s.Node.Members()) }
