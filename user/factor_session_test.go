package user

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// signedIn reports whether a token opens a session.
func (n *node) signedIn(t *testing.T, token string) bool {
	t.Helper()
	_, _, err := n.Authenticate(context.Background(), token)
	if err != nil && !stoa.Is(err, stoa.KindUnauthorized) {
		t.Fatal(err)
	}
	return err == nil
}

// withOneFactor makes all sessions ones that were opened with the password alone.
func withOneFactor(t *testing.T, nodes ...*node) {
	t.Helper()
	if err := nodes[0].db.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE user_session SET two_factors = ?", false)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.cache.DropAll("the test has changed sessions")
	}
}

// Who knew the password alone is out once there is a factor, on every node and after a fail-over, too.
func TestAddFactor_TheFirstEndsOtherSessions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		anna := person(t, a, "anna")
		mine, thief, hers := a.signIn(t, "test", passphrase), b.signIn(t, "test", passphrase),
			b.signIn(t, anna.ScreenName, passphrase)
		b.as(t, thief)
		a.addCodes(t, a.as(t, mine))
		a.wire.deliver()
		if a.signedIn(t, thief) || b.signedIn(t, thief) {
			t.Error("a session that was opened with the password alone lives on")
		}
		if !a.signedIn(t, mine) || !b.signedIn(t, hers) {
			t.Error("the session that added the factor has ended, or that of another person")
		}
		lost := b.signIn(t, anna.ScreenName, passphrase)
		ctx := b.as(t, hers)
		offer, err := b.OfferSeed(ctx, "Portal")
		if err != nil {
			t.Fatal(err)
		}
		b.repeat(t, "a first factor", b.lose(t, "a first factor", func() error {
			_, err := b.AddCodes(ctx, offer.Token, "Phone", phone{b, seedOf(t, offer.Key)}.code(0))
			return err
		}))
		if b.signedIn(t, lost) || !b.signedIn(t, hers) {
			t.Error("a first factor that a fail-over lost has left the other sessions, or ended its own")
		}
		// The second one ends none: all were opened with two.
		other := newAuthenticator(t)
		a.addPasskey(t, a.as(t, mine), other)
		_, second, err := b.SignInWithPasskey(context.Background(), party(), instance, Credentials{},
			other.get(t, b.askPasskey(t)))
		if err != nil {
			t.Fatal(err)
		}
		a.addPasskey(t, a.as(t, mine), newAuthenticator(t))
		a.wire.deliver()
		if !b.signedIn(t, second) || !a.signedIn(t, mine) {
			t.Error("the second factor ends sessions that were opened with two")
		}
	})
}

// A session that was opened with less changes nothing about the factors, however fresh it is.
func TestFactors_ChangedBySessionsWithTwoOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		cookie := a.signIn(t, "test", passphrase)
		ctx := a.as(t, cookie)
		question, err := a.AskNewPasskey(ctx, party())
		if err != nil {
			t.Fatal(err)
		}
		offer, err := a.OfferSeed(ctx, "Portal")
		if err != nil {
			t.Fatal(err)
		}
		_, codes := a.addCodes(t, ctx)
		withOneFactor(t, a, b)
		list, err := a.Factors(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ctx = b.as(t, cookie)
		made := newAuthenticator(t).create(t, question)
		for what, call := range map[string]func() error{
			"ask for a passkey": func() error { _, err := b.AskNewPasskey(ctx, party()); return err },
			"add a passkey":     func() error { _, err := b.AddPasskey(ctx, party(), "Phone", made); return err },
			"offer an app":      func() error { _, err := b.OfferSeed(ctx, "Portal"); return err },
			"add an app": func() error {
				_, err := b.AddCodes(ctx, offer.Token, "Phone", phone{b, seedOf(t, offer.Key)}.code(0))
				return err
			},
			"new codes": func() error { _, err := b.NewCodes(ctx); return err },
			"remove":    func() error { return b.RemoveFactor(ctx, list.List[0].ID) },
		} {
			wantKind(t, what, call(), stoa.KindStale)
		}
		if now, err := a.Factors(ctx); err != nil || len(now.List) != 1 || now.Codes != 10 {
			t.Errorf("afterwards there are %+v, %v", now, err)
		}
		// With both shown it may.
		if err := b.Prove(ctx, passphrase, codes[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddPasskey(ctx, party(), "Phone", made); err != nil {
			t.Errorf("after a proof with both: %v", err)
		}
		// A session that has ended adds nothing, though its actor is still at hand.
		if err := a.EndSession(ctx, stoa.ActorFrom(ctx).Session); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "an ended session", b.RemoveFactor(ctx, list.List[0].ID), stoa.KindUnauthorized)
	})
}

// A sign-in whose password was checked before the first factor was there opens no session after it.
func TestSignIn_AFactorAddedMeanwhileIsAskedFor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		c := credentials("test", passphrase)
		checked, fresh, tries, err := b.checkPassword(context.Background(), c, instance)
		if err != nil {
			t.Fatal(err)
		}
		a.addCodes(t, a.as(t, a.signIn(t, "test", passphrase)))
		_, _, err = b.open(context.Background(), checked, c, fresh, tries)
		wantKind(t, "the session", err, stoa.KindUnauthorized)
	})
}

// An account that operates keeps its last factor, whatever the node still believes of it; one that administers another
// instance may go without.
func TestRemoveFactor_AsksWhetherTheAccountOperates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		withOperators(nil, a, b)
		a.o.OperatorTwoFactor, b.o.OperatorTwoFactor = true, true
		admin(t, a)
		if _, _, err := a.EnsureAdmin(asSystem(), elsewhere, AdminOptions{EmailPrefix: "t", MailDomain: "else.test",
			ScreenName: "tenant", First: "T", Password: passphrase}); err != nil {
			t.Fatal(err)
		}
		anna := person(t, a, "anna")
		before := b.as(t, b.signIn(t, anna.ScreenName, passphrase))
		b.addCodes(t, before)
		if stoa.ActorFrom(before).Operator {
			t.Fatal("Anna operates already")
		}
		if err := a.SetRoles(asSystem(), anna.ID, []stoa.ID{a.role(t, access.RoleAdministrator)}); err != nil {
			t.Fatal(err)
		}
		remove := func(ctx context.Context) error {
			t.Helper()
			list, err := b.Factors(ctx)
			if err != nil || len(list.List) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			return b.RemoveFactor(ctx, list.List[0].ID)
		}
		wantKind(t, "an operator whom this node takes for none", remove(before), stoa.KindConflict)

		_, token, err := b.SignIn(context.Background(), credentials("tenant", passphrase), elsewhere)
		if err != nil {
			t.Fatal(err)
		}
		tenant := b.as(t, token)
		b.addCodes(t, tenant)
		if err := remove(tenant); err != nil {
			t.Errorf("an administrator of another instance: %v", err)
		}
		// What the session has shown counts no more once the factor is gone.
		if _, v, err := b.Authenticate(context.Background(), token); err != nil || v.TwoFactors {
			t.Errorf("the session afterwards: %+v, %v", v, err)
		}
		for _, ctx := range []context.Context{tenant, before, a.actorOf(t, anna.ID)} {
			wantKind(t, "reset of an operator", a.ResetFactors(ctx, anna.ID), stoa.KindForbidden)
		}
	})
}

// What was begun before an account was locked, or its password changed, is over, on every node.
func TestChallenges_EndWithTheLockAndTheOldPassword(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		a.o.AddressMax, b.o.AddressMax = 100, 100
		admin(t, a)
		anna := person(t, a, "anna")
		ctx := a.as(t, a.signIn(t, "anna", passphrase))
		p, _ := a.addCodes(t, ctx)
		key := newAuthenticator(t)
		a.addPasskey(t, ctx, key)
		ticket := func() string {
			t.Helper()
			token, err := a.LeaveFor(context.Background(), instance, Away{Origin: "https://news.example"}, "browser",
				Credentials{})
			if err != nil {
				t.Fatal(err)
			}
			_, ticket, err := b.TicketWithPasskey(context.Background(), party(), instance, token,
				key.get(t, a.askPasskey(t)))
			if err != nil {
				t.Fatal(err)
			}
			return ticket
		}
		for what, end := range map[string]func() error{
			"locked and unlocked": func() error {
				u, err := a.Get(asSystem(), anna.ID)
				for _, status := range []string{StatusLocked, StatusActive} {
					if err == nil {
						u.Status = status
						u, err = a.Update(asSystem(), u)
					}
				}
				return err
			},
			"a new password": func() error {
				if err := a.AdminSetPassword(asSystem(), anna.ID, "another long password"); err != nil {
					return err
				}
				return a.AdminSetPassword(asSystem(), anna.ID, passphrase)
			},
		} {
			half, ticket := b.half(t, "anna"), ticket()
			if err := end(); err != nil {
				t.Fatal(err)
			}
			wantKind(t, what+": the second step", b.finishSignIn(half, p.code(0)), stoa.KindUnauthorized)
			_, _, _, err := b.SignInWithTicket(context.Background(), instance, "https://news.example", "browser", ticket,
				Credentials{})
			wantKind(t, what+": the ticket", err, stoa.KindUnauthorized)
		}
	})
}

// At once on two nodes a ticket opens one session, and so does the answer of a passkey.
func TestTicket_AtOnceOnTwoNodesOpensOneSession(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		key := newAuthenticator(t)
		a.addPasskey(t, a.as(t, a.signIn(t, "test", passphrase)), key)
		both := func(what string, use func(n *node) error) {
			t.Helper()
			var wg sync.WaitGroup
			var opened atomic.Int32
			for _, n := range []*node{a, b} {
				wg.Go(func() {
					if use(n) == nil {
						opened.Add(1)
					}
				})
			}
			if wg.Wait(); opened.Load() != 1 {
				t.Errorf("%s opens %d sessions", what, opened.Load())
			}
		}
		answer := key.get(t, a.askPasskey(t))
		both("an answer", func(n *node) error { return n.passkeyIn(answer) })
		token, err := a.LeaveFor(context.Background(), instance, Away{Origin: "https://news.example"}, "browser",
			Credentials{})
		if err != nil {
			t.Fatal(err)
		}
		_, ticket, err := b.TicketWithPasskey(context.Background(), party(), instance, token, key.get(t, a.askPasskey(t)))
		if err != nil {
			t.Fatal(err)
		}
		both("a ticket", func(n *node) error {
			_, _, _, err := n.SignInWithTicket(context.Background(), instance, "https://news.example", "browser", ticket,
				Credentials{})
			return err
		})
	})
}

// Settings that are stricter than those of the time when a session began hold for it.
func TestAuthenticate_StricterSettingsHoldForOlderSessions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		anna := person(t, a, "anna")
		plain := a.signIn(t, anna.ScreenName, passphrase)
		c := credentials(anna.ScreenName, passphrase)
		c.Remember = true
		_, kept, err := a.SignIn(context.Background(), c, instance)
		if err != nil {
			t.Fatal(err)
		}
		b.o.SessionTimeout = 10 * time.Minute
		a.clock.pass(15 * time.Minute)
		if b.signedIn(t, plain) || !a.signedIn(t, plain) {
			t.Error("without use for longer than the node allows, or for less than the other does")
		}
		b.o.RememberAge = SessionMax
		a.clock.pass(SessionMax)
		if b.signedIn(t, kept) || !a.signedIn(t, kept) {
			t.Error("a session that was to be kept for longer than is allowed now")
		}
		if list, err := b.Sessions(asSystem(), anna.ID); err != nil || len(list) != 0 {
			t.Errorf("the list of sessions: %+v, %v", list, err)
		}
	})
}

// Recovery codes are ways to sign in: that they are made or used is told.
func TestRecoveryCodes_ThePersonIsTold(t *testing.T) {
	t.Parallel()
	a := newNode(t, dbtest.New(t))
	admin(t, a)
	ctx := a.as(t, a.signIn(t, "test", passphrase))
	_, codes := a.addCodes(t, ctx)
	if err := a.finishSignIn(a.half(t, "test"), codes[0]); err != nil {
		t.Fatal(err)
	}
	a.mailSays(t, "A recovery code was used")
	if _, err := a.NewCodes(ctx); err != nil {
		t.Fatal(err)
	}
	a.mailSays(t, "New recovery codes were made")
}
