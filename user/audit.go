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

// factorInVain notes a second factor or a passkey that was wrong, or that was not looked at after too many; other
// errors it leaves alone. An account without id is one that is not known.
func (s *Service) factorInVain(ctx context.Context, err error, instance stoa.ID, a account) {
	outcome := audit.Failed
	switch {
	case stoa.Is(err, stoa.KindTooMany):
		outcome = audit.Throttled
	case !stoa.Is(err, stoa.KindInvalid) && !stoa.Is(err, stoa.KindUnauthorized):
		return
	}
	t := audit.Thing{Kind: "user", Instance: instance}
	if a.ID != 0 {
		t = a.thing()
	}
	s.o.Audit.Count(ctx, outcome, audit.FactorTried, t)
}
