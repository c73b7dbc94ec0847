package user

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// exhaust uses up the tries of strangers for a login.
func exhaust(t *testing.T, n *node, login string) {
	t.Helper()
	for i := range 20 {
		c := credentials(login, "wrong wrong wrong")
		c.Address = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if _, _, err := n.SignIn(context.Background(), c, instance); stoa.Is(err, stoa.KindTooMany) {
			return
		}
	}
	t.Fatal("strangers are not throttled")
}

func TestKnownBrowser_StrangersDoNotLockItOut(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			admin(t, a)
			ann, bob := person(t, a, "ann"), person(t, a, "bob")
			cookie, err := a.KnownBrowser(context.Background(), ann.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			if cookie, err = b.KnownBrowser(context.Background(), bob.ID, cookie); err != nil {
				t.Fatal(err)
			}
			exhaust(t, a, "ann")
			try := func(n *node, known, password string) error {
				c := credentials("ann", password)
				c.Known = known
				_, _, err := n.SignIn(context.Background(), c, instance)
				return err
			}
			if err := try(b, cookie, passphrase); err != nil {
				t.Fatalf("the person in a known browser, on another node: %v", err)
			}
			wantKind(t, "a stranger afterwards", try(a, "", passphrase), stoa.KindTooMany)

			only, err := a.KnownBrowser(context.Background(), bob.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			for what, known := range map[string]string{
				"known for another account": only, "forged": strings.Repeat("A", 70), "damaged": cookie[:len(cookie)-80] + "AAAA",
				"long": strings.Repeat("A.", 5000),
			} {
				wantKind(t, what, try(a, known, passphrase), stoa.KindTooMany)
			}

			// It is throttled by itself, on both nodes together, also when its tries are made at once.
			before := a.passwords.Runs() + b.passwords.Runs()
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() { _ = try([]*node{a, b}[i%2], cookie, "wrong wrong wrong") })
			}
			wg.Wait()
			if made := a.passwords.Runs() + b.passwords.Runs() - before; made != 3 {
				t.Errorf("%d guesses of a known browser were looked at, want 3", made)
			}
			wantKind(t, "the known browser after too many tries", try(a, cookie, passphrase), stoa.KindTooMany)
			again, err := a.KnownBrowser(context.Background(), ann.ID, cookie)
			if err != nil || strings.Count(again, ".") != 1 {
				t.Errorf("the cookie is known for %d accounts, want 2 (%v)", strings.Count(again, ".")+1, err)
			}
		})
	}
}

// Behind a proxy that is not trusted all visitors have one address.
func TestKnownBrowser_IsNotCountedWithItsAddress(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	admin(t, n)
	ann := person(t, n, "ann")
	for i := range 9 {
		_, _, _ = n.SignIn(context.Background(), credentials(fmt.Sprint("guess", i), passphrase), instance)
	}
	c := credentials("ann", passphrase)
	_, _, err := n.SignIn(context.Background(), c, instance)
	wantKind(t, "a stranger of the address", err, stoa.KindTooMany)
	if c.Known, err = n.KnownBrowser(context.Background(), ann.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.SignIn(context.Background(), c, instance); err != nil {
		t.Errorf("a known browser of the address: %v", err)
	}
}

func TestSignIn_ThrottlesALargeNetwork(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		looked := 0
		for i := range 40 {
			c := credentials(fmt.Sprint("guess", i), passphrase)
			c.Address = netip.MustParseAddr(fmt.Sprintf("2001:db8:7:%x::1", i)) // a /64 each, of one /48
			if _, _, err := n.SignIn(context.Background(), c, instance); stoa.Is(err, stoa.KindUnauthorized) {
				looked++
			}
		}
		if looked != 4*8 {
			t.Errorf("%d guesses out of one /48 were looked at, want %d", looked, 4*8)
		}
		c := credentials("test", passphrase)
		c.Address = netip.MustParseAddr("2001:db8:8::1")
		if _, _, err := n.SignIn(context.Background(), c, instance); err != nil {
			t.Errorf("from another /48: %v", err)
		}
	})
}

func TestSessions_EndAfterTwelveHoursHoweverBusy(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		token := n.signIn(t, "test", passphrase)
		made := n.clock.now()
		for range 35 {
			n.clock.pass(20 * time.Minute)
			n.as(t, token)
		}
		actor, v, err := n.Authenticate(context.Background(), token)
		if err != nil || !actor.Proven.Equal(made) || !v.Ends.Equal(made.Add(12*time.Hour)) || v.Expires.After(v.Ends) {
			t.Fatalf("after 11:40 h: %+v %+v %v", actor, v, err)
		}
		n.clock.pass(20 * time.Minute)
		_, _, err = n.Authenticate(context.Background(), token)
		wantKind(t, "after 12 h", err, stoa.KindUnauthorized)
	})
}

// A node of the version before writes neither of the two.
func TestSessions_OfTheVersionBeforeEndAsWell(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		token := n.signIn(t, "test", passphrase)
		if err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE user_session SET ends = 0, proven = 0, expires = ?",
				db.Micros(n.clock.now().Add(365*24*time.Hour)))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		made := n.clock.now()
		n.clock.pass(11 * time.Hour)
		actor, v, err := n.Authenticate(context.Background(), token)
		if err != nil || !actor.Proven.Equal(made) || !v.Ends.IsZero() {
			t.Fatalf("%+v %+v %v", actor, v, err)
		}
		n.clock.pass(time.Hour)
		_, _, err = n.Authenticate(context.Background(), token)
		wantKind(t, "after 12 h", err, stoa.KindUnauthorized)
		if list, err := n.Sessions(stoa.WithActor(context.Background(), actor), actor.User); err != nil || len(list) != 0 {
			t.Errorf("the list of sessions has %v (%v)", list, err)
		}
	})
}

func TestSignIn_EndsTheOlderSessionOfTheBrowser(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			admin(t, a)
			person(t, a, "ann")
			old, other := a.signIn(t, "ann", passphrase), a.signIn(t, "ann", passphrase)
			b.as(t, old)
			c := credentials("test", passphrase)
			c.Before = []string{old, "no token"}
			_, token, err := b.SignIn(context.Background(), c, instance)
			if err != nil {
				t.Fatal(err)
			}
			a.wire.deliver()
			for _, n := range []*node{a, b} {
				_, _, err = n.Authenticate(context.Background(), old)
				wantKind(t, "the older session", err, stoa.KindUnauthorized)
				n.as(t, other)
				n.as(t, token)
			}
		})
	}
}
