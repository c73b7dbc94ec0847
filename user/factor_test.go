package user

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// The examples of RFC 6238, appendix B, cut to six digits.
func TestCodeAt_GivesTheExamplesOfTheStandard(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924",
		2000000000: "279037", 20000000000: "353130"} {
		if got := codeAt([]byte("12345678901234567890"), stepAt(time.Unix(at, 0))); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

// each runs a test on every engine.
func each(t *testing.T, fn func(t *testing.T, e dbtest.Engine)) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, e) })
	}
}

// phone is an app with the seed of one account.
type phone struct {
	n    *node
	seed []byte
}

func (p phone) code(later time.Duration) string {
	return codeAt(p.seed, stepAt(p.n.clock.now().Add(later)))
}

// seedOf is the seed of a key that was offered.
func seedOf(t *testing.T, key string) []byte {
	t.Helper()
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	if err != nil || len(seed) != 20 {
		t.Fatalf("the key %q: %v", key, err)
	}
	return seed
}

// addCodes gives the person of a session an app, and with it recovery codes.
func (n *node) addCodes(t *testing.T, ctx context.Context) (phone, []string) {
	t.Helper()
	offer, err := n.OfferSeed(ctx, "Portal")
	if err != nil {
		t.Fatalf("offer a seed: %v", err)
	}
	p := phone{n, seedOf(t, offer.Key)}
	if !strings.Contains(offer.Address, offer.Key) {
		t.Fatalf("the seed %q, %q", offer.Key, offer.Address)
	}
	if _, err := n.AddCodes(ctx, offer.Token, "Phone", "000000"); !stoa.Is(err, stoa.KindInvalid) &&
		p.code(0) != "000000" {
		t.Errorf("a wrong first code: %v", err)
	}
	codes, err := n.AddCodes(ctx, offer.Token, "Phone", p.code(0))
	if err != nil {
		t.Fatalf("add an app: %v", err)
	}
	if _, err := n.AddCodes(ctx, offer.Token, "Phone", p.code(0)); !stoa.Is(err, stoa.KindConflict) {
		t.Errorf("the same seed again: %v", err)
	}
	n.clock.pass(time.Minute) // the code is used; the next ones are not
	return p, codes
}

// half signs in with the password and gives the token of the second step.
func (n *node) half(t *testing.T, login string) string {
	t.Helper()
	_, _, err := n.SignIn(context.Background(), credentials(login, passphrase), instance)
	var second *SecondStep
	if !errors.As(err, &second) || !second.Codes || !stoa.Is(err, stoa.KindUnauthorized) {
		t.Fatalf("sign in as %s with the password alone: %v, want the second step", login, err)
	}
	return second.Token
}

func (n *node) finishSignIn(token, code string) error {
	_, _, err := n.FinishSignIn(context.Background(), Credentials{Address: netip.MustParseAddr("192.0.2.7")}, instance,
		token, code)
	return err
}

func TestSignIn_PasswordAloneIsNotEnoughWithAFactor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		p, codes := a.addCodes(t, a.as(t, a.signIn(t, "test", passphrase)))
		if len(codes) != 10 {
			t.Fatalf("%d recovery codes", len(codes))
		}
		wantKind(t, "no code", a.finishSignIn(a.half(t, "test"), ""), stoa.KindInvalid)
		token := a.half(t, "test")
		wantKind(t, "a code of half an hour later", b.finishSignIn(token, p.code(30*time.Minute)), stoa.KindInvalid)
		session, cookie, err := b.FinishSignIn(context.Background(),
			Credentials{Address: netip.MustParseAddr("192.0.2.7")}, instance, token, " "+p.code(0)[:3]+" "+p.code(0)[3:])
		if err != nil || !session.TwoFactors {
			t.Fatalf("the code, on the other node: %v, %+v", err, session)
		}
		b.as(t, cookie)
		wantKind(t, "the same sign-in again", b.finishSignIn(token, p.code(30*time.Second)), stoa.KindUnauthorized)
		wantKind(t, "the same code again", a.finishSignIn(a.half(t, "test"), p.code(0)), stoa.KindInvalid)
		if err := a.finishSignIn(a.half(t, "test"), p.code(30*time.Second)); err != nil {
			t.Errorf("a phone 30 seconds ahead: %v", err)
		}
		wantKind(t, "an older code than the last one", a.finishSignIn(a.half(t, "test"), p.code(0)), stoa.KindInvalid)
		if err := a.finishSignIn(a.half(t, "test"), strings.ToUpper(codes[3])); err != nil {
			t.Errorf("a recovery code: %v", err)
		}
		wantKind(t, "the same recovery code again", b.finishSignIn(b.half(t, "test"), codes[3]), stoa.KindInvalid)
		late := a.half(t, "test")
		a.clock.pass(challengeAge)
		wantKind(t, "five minutes later", a.finishSignIn(late, p.code(0)), stoa.KindUnauthorized)
		wantKind(t, "another instance", func() error {
			_, _, err := a.FinishSignIn(context.Background(), Credentials{}, instance+1, a.half(t, "test"), p.code(0))
			return err
		}(), stoa.KindUnauthorized)
	})
}

// At once on two nodes the same code opens one session, and so does the same recovery code.
func TestFinishSignIn_ACodeAtOnceOnTwoNodesOpensOneSession(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		p, codes := a.addCodes(t, a.as(t, a.signIn(t, "test", passphrase)))
		for _, code := range []string{p.code(0), codes[0]} {
			nodes, tokens, errs := []*node{a, b}, []string{a.half(t, "test"), b.half(t, "test")}, make([]error, 2)
			var wg sync.WaitGroup
			for i := range nodes {
				wg.Go(func() { errs[i] = nodes[i].finishSignIn(tokens[i], code) })
			}
			wg.Wait()
			slices.SortFunc(errs, func(x, _ error) int {
				if x == nil {
					return -1
				}
				return 1
			})
			if errs[0] != nil || !stoa.Is(errs[1], stoa.KindInvalid) {
				t.Errorf("at once: %v and %v, want one session and one refusal", errs[0], errs[1])
			}
		}
	})
}

func TestFinishSignIn_TriesCountOnAllNodes(t *testing.T) {
	t.Parallel()
	a, b := two(t, dbtest.SQLite)
	admin(t, a)
	p, _ := a.addCodes(t, a.as(t, a.signIn(t, "test", passphrase)))
	token := a.half(t, "test")
	for i, n := range []*node{a, b, a} {
		if err := n.finishSignIn(token, "000000"); !stoa.Is(err, stoa.KindInvalid) {
			t.Fatalf("try %d: %v", i+1, err)
		}
	}
	wantKind(t, "the right code after too many tries", b.finishSignIn(token, p.code(0)), stoa.KindTooMany)
}

func TestFinishSignIn_PasswordChangedMeanwhileEndsIt(t *testing.T) {
	t.Parallel()
	a := newNode(t, dbtest.New(t))
	admin(t, a)
	ctx := a.as(t, a.signIn(t, "test", passphrase))
	p, _ := a.addCodes(t, ctx)
	token := a.half(t, "test")
	if err := a.SetPassword(ctx, stoa.ActorFrom(ctx).User, passphrase, "another long password"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "the second step after the password was changed", a.finishSignIn(token, p.code(0)),
		stoa.KindUnauthorized)
}

func TestResetPassword_RemovesNoFactor(t *testing.T) {
	t.Parallel()
	a := newNode(t, dbtest.New(t))
	u := admin(t, a)
	a.addCodes(t, a.as(t, a.signIn(t, "test", passphrase)))
	if err := a.ResetPassword(context.Background(), a.resetToken(t, u.Email), passphrase+" two"); err != nil {
		t.Fatal(err)
	}
	_, _, err := a.SignIn(context.Background(), credentials("test", passphrase+" two"), instance)
	if second := new(SecondStep); !errors.As(err, &second) {
		t.Errorf("with the new password: %v, want the second step", err)
	}
}

// What is spent or removed says that it takes away, and does it again when a fail-over has lost it.
func TestFactors_LostSpendingIsDoneAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		a.o.AccountMax, b.o.AccountMax = 10, 10
		admin(t, a)
		ctx := a.as(t, a.signIn(t, "test", passphrase))
		p, codes := a.addCodes(t, ctx)
		token := a.half(t, "test")
		a.repeat(t, "a code", a.lose(t, "a code", func() error { return a.finishSignIn(token, p.code(0)) }))
		wantKind(t, "a code that was lost", b.finishSignIn(b.half(t, "test"), p.code(0)), stoa.KindInvalid)
		wantKind(t, "its sign-in", b.finishSignIn(token, p.code(30*time.Second)), stoa.KindUnauthorized)
		a.repeat(t, "a recovery code",
			a.lose(t, "a recovery code", func() error { return a.finishSignIn(a.half(t, "test"), codes[0]) }))
		wantKind(t, "a recovery code that was lost", b.finishSignIn(b.half(t, "test"), codes[0]), stoa.KindInvalid)
		list, err := a.Factors(ctx)
		if err != nil || len(list.List) != 1 || list.Codes != 9 {
			t.Fatalf("%+v, %v", list, err)
		}
		a.repeat(t, "a removal", a.lose(t, "a removal", func() error { return a.RemoveFactor(ctx, list.List[0].ID) }))
		if list, err = b.Factors(ctx); err != nil || len(list.List) != 0 || list.Codes != 0 {
			t.Errorf("after the removal: %+v, %v", list, err)
		}
	})
}

func TestRemoveFactor_RefusesOnTheOtherNodeAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e dbtest.Engine) {
		a, b := two(t, e)
		admin(t, a)
		ctx := a.as(t, a.signIn(t, "test", passphrase))
		p, _ := a.addCodes(t, ctx)
		phone := newAuthenticator(t)
		a.addPasskey(t, ctx, phone)
		asked, err := b.AskPasskey(context.Background(), party(), instance, Credentials{})
		if err != nil {
			t.Fatal(err)
		}
		half := b.half(t, "test")
		list, err := a.Factors(ctx)
		if err != nil || len(list.List) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, f := range list.List {
			if err := a.RemoveFactor(ctx, f.ID); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, "a passkey that is gone", b.passkeyIn(phone.get(t, asked)), stoa.KindInvalid)
		if err := b.finishSignIn(half, p.code(0)); err == nil {
			t.Error("a code of an app that is gone signs in")
		}
		wantKind(t, "again", a.RemoveFactor(ctx, list.List[0].ID), stoa.KindNotFound)
	})
}

func TestResetFactors_IsForThePortalAndEndsSessions(t *testing.T) {
	t.Parallel()
	a := newNode(t, dbtest.New(t))
	u := admin(t, a)
	cookie := a.signIn(t, "test", passphrase)
	ctx := a.as(t, cookie)
	a.addCodes(t, ctx)
	wantKind(t, "an administrator", a.ResetFactors(ctx, u.ID), stoa.KindForbidden)
	a.mailSays(t, `"Phone" was added`)
	if err := a.ResetFactors(asSystem(), u.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Authenticate(context.Background(), cookie); !stoa.Is(err, stoa.KindUnauthorized) {
		t.Errorf("the session afterwards: %v", err)
	}
	a.mailSays(t, "all passkeys, apps and recovery codes")
	a.signIn(t, "test", passphrase)
}

// mailSays waits for a mail with the words.
func (n *node) mailSays(t *testing.T, words string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if slices.ContainsFunc(n.mails(t), func(m string) bool { return strings.Contains(m, words) }) {
			return
		}
	}
	t.Errorf("no mail says %q", words)
}

func TestFactors_AskForAFreshProof(t *testing.T) {
	t.Parallel()
	a := newNode(t, dbtest.New(t))
	u := admin(t, a)
	cookie := a.signIn(t, "test", passphrase)
	p, codes := a.addCodes(t, a.as(t, cookie))
	stale := func() context.Context { a.clock.pass(stoa.ProofAge); return a.as(t, cookie) }
	ctx := stale()
	list, err := a.Factors(ctx)
	if err != nil {
		t.Fatal(err)
	}
	other := person(t, a, "anna")
	for what, call := range map[string]func(ctx context.Context) error{
		"add an app":    func(ctx context.Context) error { _, err := a.OfferSeed(ctx, "Portal"); return err },
		"add a passkey": func(ctx context.Context) error { _, err := a.AskNewPasskey(ctx, party()); return err },
		"new codes":     func(ctx context.Context) error { _, err := a.NewCodes(ctx); return err },
		"remove":        func(ctx context.Context) error { return a.RemoveFactor(ctx, list.List[0].ID) },
		"own password": func(ctx context.Context) error {
			return a.SetPassword(ctx, u.ID, passphrase,
				"another long password")
		},
		"password of Anna": func(ctx context.Context) error {
			return a.AdminSetPassword(ctx, other.ID,
				"another long password")
		},
		"account of Anna": func(ctx context.Context) error {
			other.Email = "b@example.com"
			_, err := a.Update(ctx, other)
			return err
		},
		"roles of Anna": func(ctx context.Context) error { return a.SetRoles(ctx, other.ID, nil) },
		"delete Anna":   func(ctx context.Context) error { return a.Delete(ctx, other.ID) },
		"setup link":    func(ctx context.Context) error { _, err := a.NewSetupToken(ctx, other.ID); return err },
		"make an account": func(ctx context.Context) error {
			_, err := a.Create(ctx, User{Instance: instance, ScreenName: "x", Email: "x@example.com"}, "")
			return err
		},
		"make a user group": func(ctx context.Context) error {
			_, err := a.CreateGroup(ctx, Group{Instance: instance, Name: "g"})
			return err
		},
	} {
		wantKind(t, what, call(ctx), stoa.KindStale)
	}
	wantKind(t, "prove with the password alone", a.Prove(ctx, passphrase, ""), stoa.KindInvalid)
	wantKind(t, "prove with the code alone", a.Prove(ctx, "wrong", p.code(0)), stoa.KindInvalid)
	if err := a.Prove(ctx, passphrase, p.code(0)); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "the code again", a.Prove(ctx, passphrase, p.code(0)), stoa.KindInvalid)
	if err := a.SetRoles(a.as(t, cookie), other.ID, nil); err != nil {
		t.Errorf("after a proof: %v", err)
	}
	ctx = stale()
	if err := a.Prove(ctx, passphrase, codes[9]); err != nil {
		t.Errorf("with a recovery code: %v", err)
	}
	fresh, err := a.NewCodes(a.as(t, cookie))
	if err != nil || len(fresh) != 10 {
		t.Fatalf("%d codes: %v", len(fresh), err)
	}
	wantKind(t, "an old code", a.Prove(a.as(t, cookie), passphrase, codes[0]), stoa.KindInvalid)
}

func TestOperatorTwoFactor_LimitsTheSessionUntilThereIsOne(t *testing.T) {
	t.Parallel()
	a, b := two(t, dbtest.SQLite)
	for _, n := range []*node{a, b} {
		n.o.OperatorTwoFactor = true
	}
	withOperators(nil, a, b)
	admin(t, a)
	cookie := a.signIn(t, "test", passphrase)
	for _, n := range []*node{a, b} {
		actor, session, err := n.Authenticate(context.Background(), cookie)
		if err != nil || !session.Limited || actor.Admin || actor.Operator ||
			slices.Contains(actor.Roles, a.role(t, "Administrator")) {
			t.Fatalf("without a factor: %v, %+v, %+v", err, session, actor)
		}
	}
	ctx := a.as(t, cookie)
	wantKind(t, "an administrator's act", a.SetRoles(ctx, stoa.ActorFrom(ctx).User, nil), stoa.KindForbidden)
	p, _ := a.addCodes(t, ctx)
	a.wire.deliver()
	ctx = b.as(t, cookie)
	if !stoa.ActorFrom(ctx).Admin {
		t.Error("with a factor the session is still limited on the other node")
	}
	list, err := a.Factors(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "remove the last one", b.RemoveFactor(ctx, list.List[0].ID), stoa.KindConflict)
	session, _, err := b.FinishSignIn(context.Background(), Credentials{}, instance, b.half(t, "test"), p.code(0))
	if err != nil || session.Limited {
		t.Errorf("signed in with both: %v, %+v", err, session)
	}
}

func TestAddCodes_SeedIsSealedAndBoundToItsAccount(t *testing.T) {
	t.Parallel()
	a := newNode(t, dbtest.New(t))
	u := admin(t, a)
	p, _ := a.addCodes(t, a.as(t, a.signIn(t, "test", passphrase)))
	if err := a.finishSignIn(a.half(t, "test"), p.code(0)); err != nil {
		t.Fatal(err)
	}
	data, err := db.One(context.Background(), a.db, scanText, "SELECT data FROM user_factor")
	if err != nil || strings.Contains(data, base64.RawStdEncoding.EncodeToString(p.seed)) {
		t.Errorf("the seed is kept as %q, %v", data, err)
	}
	if _, err := a.openSeed(context.Background(), u.ID+1, data); err == nil {
		t.Error("the seed of one account opens for another")
	}
}
