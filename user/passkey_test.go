package user

import (
	"context"
	"errors"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func (n *node) addPasskey(t *testing.T, ctx context.Context, phone *authenticator) []string {
	t.Helper()
	question, err := n.AskNewPasskey(ctx, party())
	if err != nil {
		t.Fatalf("ask for a passkey: %v", err)
	}
	codes, err := n.AddPasskey(ctx, party(), "Phone", phone.create(t, question))
	if err != nil {
		t.Fatalf("add a passkey: %v", err)
	}
	return codes
}

func (n *node) passkeyIn(answer []byte) error {
	_, _, err := n.SignInWithPasskey(context.Background(), party(), instance, Credentials{}, answer)
	return err
}

func (n *node) askPasskey(t *testing.T) []byte {
	t.Helper()
	question, err := n.AskPasskey(context.Background(), party(), instance, Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	return question
}

// What was asked on one node is answered on the other, once.
func TestSignInWithPasskey_AskedOnOneNodeAnsweredOnTheOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		u := admin(t, a)
		ctx := a.as(t, a.signIn(t, "test", passphrase))
		phone := newAuthenticator(t)
		question, err := a.AskNewPasskey(ctx, party())
		if err != nil {
			t.Fatal(err)
		}
		made := phone.create(t, question)
		codes, err := b.AddPasskey(ctx, party(), "Phone", made)
		if err != nil || len(codes) != 10 {
			t.Fatalf("add it on the other node: %v, %d codes", err, len(codes))
		}
		if _, err := b.AddPasskey(ctx, party(), "Phone", made); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("the same answer again: %v", err)
		}
		answer := phone.get(t, a.askPasskey(t))
		session, cookie, err := b.SignInWithPasskey(context.Background(), party(), instance, Credentials{}, answer)
		if err != nil || session.User != u.ID || !session.TwoFactors {
			t.Fatalf("sign in: %v, %+v", err, session)
		}
		if actor := stoa.ActorFrom(a.as(t, cookie)); !actor.Admin || actor.Proven.IsZero() {
			t.Errorf("the actor is %+v", actor)
		}
		for _, n := range []*node{a, b} {
			wantKind(t, "the same answer again", n.passkeyIn(answer), stoa.KindInvalid)
		}
		question = b.askPasskey(t)
		a.clock.pass(challengeAge)
		wantKind(t, "five minutes later", a.passkeyIn(phone.get(t, question)), stoa.KindInvalid)
		if _, _, err := a.SignIn(context.Background(), credentials("test", passphrase), instance); !errors.As(err,
			new(*SecondStep)) {
			t.Errorf("with the password alone: %v", err)
		}
	})
}

func TestSignInWithPasskey_Refuses(t *testing.T) {
	t.Parallel()
	a := newNode(t, dbtest.New(t))
	a.o.AddressMax = 100
	u := admin(t, a)
	ctx := a.as(t, a.signIn(t, "test", passphrase))
	phone := newAuthenticator(t)
	a.addPasskey(t, ctx, phone)
	try := func(what string, change func(p *authenticator)) {
		t.Helper()
		other := *phone
		change(&other)
		wantKind(t, what, a.passkeyIn(other.get(t, a.askPasskey(t))), stoa.KindInvalid)
	}
	try("one that did not ask its person", func(p *authenticator) { p.verified = false })
	try("an answer given at another origin", func(p *authenticator) { p.origin = "https://evil.example" })
	try("another port", func(p *authenticator) { p.origin += ":8443" })
	try("another host's hash", func(p *authenticator) { p.host = "evil.example" })
	try("another key", func(p *authenticator) { p.key = newAuthenticator(t).key })
	try("another account's handle", func(p *authenticator) { p.user = []byte("another person") })
	if err := a.passkeyIn(phone.get(t, a.askPasskey(t))); err != nil {
		t.Fatalf("as it is: %v", err)
	}
	try("a copy whose counter is behind", func(p *authenticator) { p.count = 0 })
	wantKind(t, "another instance", func() error {
		_, _, err := a.SignInWithPasskey(context.Background(), party(), instance+1, Credentials{},
			phone.get(t, a.askPasskey(t)))
		return err
	}(), stoa.KindInvalid)
	proof, err := a.AskProof(ctx, party())
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "the answer to a proof", a.passkeyIn(phone.get(t, proof)), stoa.KindInvalid)
	for _, answer := range []string{"", "{}", "[]", `{"id":"` + base64url(phone.id) + `"}`} {
		wantKind(t, "an answer that is none: "+answer, a.passkeyIn([]byte(answer)), stoa.KindInvalid)
	}
	if err := a.db.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE user_account SET status = 'locked' WHERE id = ?", u.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "a locked account", a.passkeyIn(phone.get(t, a.askPasskey(t))), stoa.KindInvalid)
}

func TestProveWithPasskey_IsForTheSameSession(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		anna := person(t, a, "anna")
		cookie := a.signIn(t, "test", passphrase)
		ctx := a.as(t, cookie)
		phone, hers := newAuthenticator(t), newAuthenticator(t)
		a.addPasskey(t, ctx, phone)
		annas := a.as(t, a.signIn(t, anna.ScreenName, passphrase))
		a.addPasskey(t, annas, hers)
		a.clock.pass(stoa.ProofAge)
		ctx = a.as(t, cookie)
		ask := func(ctx context.Context) []byte {
			t.Helper()
			question, err := a.AskProof(ctx, party())
			if err != nil {
				t.Fatal(err)
			}
			return question
		}
		wantKind(t, "another person's passkey", b.ProveWithPasskey(ctx, party(), hers.get(t, ask(ctx))), stoa.KindInvalid)
		wantKind(t, "what another session was asked", b.ProveWithPasskey(ctx, party(), phone.get(t, ask(annas))),
			stoa.KindInvalid)
		wantKind(t, "what a sign-in was asked", b.ProveWithPasskey(ctx, party(), phone.get(t, a.askPasskey(t))),
			stoa.KindInvalid)
		wantKind(t, "before", a.SetRoles(ctx, anna.ID, nil), stoa.KindStale)
		if err := b.ProveWithPasskey(ctx, party(), phone.get(t, ask(ctx))); err != nil {
			t.Fatal(err)
		}
		a.wire.deliver()
		if err := a.SetRoles(a.as(t, cookie), anna.ID, nil); err != nil {
			t.Errorf("after: %v", err)
		}
	})
}

// The way to the main host and back: a ticket is good once, for a minute, at its origin, in its browser.
func TestSignInWithTicket_IsBoundToOriginAndBrowser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		a.o.AddressMax, b.o.AddressMax = 100, 100
		u := admin(t, a)
		phone := newAuthenticator(t)
		a.addPasskey(t, a.as(t, a.signIn(t, "test", passphrase)), phone)
		const news = "https://news.example"
		ticket := func() string {
			t.Helper()
			token, err := a.LeaveFor(context.Background(), instance, Away{Origin: news, Next: "/control/"}, "browser",
				Credentials{})
			if err != nil {
				t.Fatal(err)
			}
			if to, ok, err := b.ComesFrom(context.Background(), instance, token); err != nil || !ok ||
				to.Origin != news {
				t.Fatalf("on the main host: %+v, %v, %v", to, ok, err)
			}
			if _, ok, _ := b.ComesFrom(context.Background(), instance+1, token); ok {
				t.Error("another instance knows the token")
			}
			to, ticket, err := b.TicketWithPasskey(context.Background(), party(), instance, token,
				phone.get(t, a.askPasskey(t)))
			if err != nil || to.Origin != news {
				t.Fatalf("the ticket: %+v, %v", to, err)
			}
			if _, _, err := b.TicketWithPasskey(context.Background(), party(), instance, token,
				phone.get(t, a.askPasskey(t))); !stoa.Is(
				err,
				stoa.KindUnauthorized,
			) {
				t.Errorf("a second ticket: %v", err)
			}
			return ticket
		}
		use := func(n *node, instance stoa.ID, origin, passphrase, ticket string) (Session, string, error) {
			v, _, next, err := n.SignInWithTicket(context.Background(), instance, origin, passphrase, ticket, Credentials{})
			return v, next, err
		}
		good := ticket()
		for what, try := range map[string]func() error{
			"another origin": func() error {
				_, _,
					err := use(a, instance, "https://evil.example", "browser", good)
				return err
			},
			"another browser":  func() error { _, _, err := use(a, instance, news, "other", good); return err },
			"no browser":       func() error { _, _, err := use(a, instance, news, "", good); return err },
			"another instance": func() error { _, _, err := use(a, instance+1, news, "browser", good); return err },
			"no ticket":        func() error { _, _, err := use(a, instance, news, "browser", ""); return err },
		} {
			wantKind(t, what, try(), stoa.KindUnauthorized)
		}
		session, next, err := use(a, instance, news, "browser", good)
		if err != nil || session.User != u.ID || !session.TwoFactors || next != "/control/" {
			t.Fatalf("the ticket: %+v, %q, %v", session, next, err)
		}
		_, _, err = use(b, instance, news, "browser", good)
		wantKind(t, "again", err, stoa.KindUnauthorized)
		late := ticket()
		a.clock.pass(ticketAge)
		_, _, err = use(b, instance, news, "browser", late)
		wantKind(t, "a minute later", err, stoa.KindUnauthorized)
	})
}
