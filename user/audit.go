package user

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
)

// thing is the account as the audit log names it.
func (u User) thing() audit.Thing {
	return audit.Thing{Kind: "user", ID: u.ID, Instance: u.Instance, Title: u.ScreenName}
}

// thing is the group as the audit log names it.
func (g Group) thing() audit.Thing {
	return audit.Thing{Kind: "usergroup", ID: g.ID, Instance: g.Instance, Title: g.Name}
}

// triedInVain notes a sign-in that failed or was throttled. What was typed as a name that is not known is not
// kept: people type passwords there.
func (s *Service) triedInVain(ctx context.Context, outcome string, instance stoa.ID, a account, known bool) {
	t := audit.Thing{Kind: "user", Instance: instance}
	if known {
		t = a.thing()
	}
	s.o.Audit.Count(ctx, outcome, audit.SignIn, t)
}
