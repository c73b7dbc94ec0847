package user

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/throttle"
)

func TestSignIn_GivesASessionUntilSignOut(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		boss := admin(t, n)
		for _, login := range []string{"test", "TEST@example.com ", "Test"} {
			token := n.signIn(t, login, passphrase)
			actor, v, err := n.Authenticate(context.Background(), token)
			if err != nil || actor.User != boss.ID || !actor.Admin || actor.Instance != instance || actor.Session != v.ID ||
				actor.Name != "Test Test" {
				t.Fatalf("%s: %+v %v", login, actor, err)
			}
			if !actor.HasRole(n.role(t, access.RoleGuest)) || !actor.HasRole(n.role(t, access.RoleUser)) {
				t.Errorf("%s: roles %v lack Guest or User", login, actor.Roles)
			}
			if err := n.SignOut(context.Background(), token); err != nil {
				t.Fatal(err)
			}
			_, _, err = n.Authenticate(context.Background(), token)
			wantKind(t, "after sign-out", err, stoa.KindUnauthorized)
		}
		u, err := n.Get(asSystem(), boss.ID)
		if err != nil || !u.LastLogin.Equal(n.clock.now()) {
			t.Errorf("last login %v, want %v (%v)", u.LastLogin, n.clock.now(), err)
		}
	})
}

func TestSignIn_TokenIsNotInTheDatabase(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	admin(t, n)
	token := n.signIn(t, "test", passphrase)
	digest, _ := readToken(token)
	var stored string
	if err := n.db.QueryRow(context.Background(), "SELECT digest FROM user_session").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if stored != digest || strings.Contains(stored, token) || len(stored) != 64 {
		t.Errorf("stored %q for the token", stored)
	}
	_, _, err := n.Authenticate(context.Background(), stored)
	wantKind(t, "the stored digest as a token", err, stoa.KindUnauthorized)
}

func TestSessions_SlideAndEnd(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		token := n.signIn(t, "test", passphrase)
		for range 5 {
			n.clock.pass(20 * time.Minute)
			n.as(t, token)
		}
		n.clock.pass(31 * time.Minute)
		_, _, err := n.Authenticate(context.Background(), token)
		wantKind(t, "after the timeout", err, stoa.KindUnauthorized)

		c := credentials("test", passphrase)
		c.Remember = true
		_, long, err := n.SignIn(context.Background(), c, instance)
		if err != nil {
			t.Fatal(err)
		}
		n.clock.pass(20 * 24 * time.Hour)
		n.as(t, long)
		n.clock.pass(10*24*time.Hour - time.Minute)
		n.as(t, long)
		n.clock.pass(time.Minute)
		_, _, err = n.Authenticate(context.Background(), long)
		wantKind(t, "after the age of remember me, however busy", err, stoa.KindUnauthorized)

		if err := n.Sweep(asSystem()); err != nil {
			t.Fatal(err)
		}
		var left int
		if err := n.db.QueryRow(context.Background(), "SELECT (SELECT count(*) FROM user_session) + (SELECT count(*) "+
			"FROM user_attempt)").Scan(&left); err != nil ||
			left != 0 {
			t.Errorf("%d rows are left after the sweep (%v)", left, err)
		}
		wantKind(t, "sweep by nobody", n.Sweep(context.Background()), stoa.KindForbidden)
	})
}

func TestSessions_ListAndEndOwnOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		ann, bob := person(t, n, "ann"), person(t, n, "bob")
		one, other := n.signIn(t, "ann", passphrase), n.signIn(t, "ann", passphrase)
		bobs := n.as(t, n.signIn(t, "bob", passphrase))
		ctx := n.as(t, one)
		list, err := n.Sessions(ctx, ann.ID)
		if err != nil || len(list) != 2 || list[0].Address != "192.0.2.7" {
			t.Fatalf("sessions: %v %v", list, err)
		}
		for _, v := range list {
			wantKind(t, "end a stranger's session", n.EndSession(bobs, v.ID), stoa.KindNotFound)
			if v.ID != stoa.ActorFrom(ctx).Session {
				if err := n.EndSession(ctx, v.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := n.Sessions(ctx, bob.ID); err == nil {
			t.Error("ann sees bob's sessions")
		}
		n.as(t, one)
		_, _, err = n.Authenticate(context.Background(), other)
		wantKind(t, "the ended session", err, stoa.KindUnauthorized)
	})
}

func TestAuthenticate_ForgedTokens(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	admin(t, n)
	good := n.signIn(t, "test", passphrase)
	forged := []string{
		"", "x", good[:42], good + "A", good + "=", " " + good, strings.Repeat("A", 43), strings.Repeat("A", 1<<20),
		base64.RawURLEncoding.EncodeToString(
			[]byte("' OR '1'='1' -- 012345678901234 "),
		), "\x00" + good[1:], strings.ToUpper(good), good[:42] + "é",
	}
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[42])
	forged = append(
		forged,
		good[:42]+string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1]),
	) // same bits, other spelling
	for _, f := range forged {
		actor, _, err := n.Authenticate(context.Background(), f)
		if !stoa.Is(err, stoa.KindUnauthorized) || actor.User != 0 {
			t.Errorf("%.60q: %+v %v", f, actor, err)
		}
	}
	for _, r := range n.cache.Stats() {
		if r.Name == "session" && r.Negative != 0 {
			t.Errorf("%d forged tokens are kept in memory", r.Negative)
		}
	}
	n.as(t, good)
}

func TestSignIn_SameWorkForAllFailures(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	admin(t, n)
	ann := person(t, n, "ann")
	ann.Status = StatusLocked
	if _, err := n.Update(asSystem(), ann); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Create(asSystem(), User{Instance: instance, ScreenName: "new", Email: "new@example.com"}, ""); err != nil {
		t.Fatal(err)
	}
	message := ""
	for i, c := range []struct{ what, login, password string }{
		{"wrong password", "test", "not the right one"}, {"unknown name", "nobody", passphrase},
		{"unknown address", "nobody@example.com", passphrase},
		{"locked", "ann", passphrase}, {"no password yet", "new", ""}, {"no password yet, some given", "new", passphrase},
		{"nothing", "", ""},
		{"too long", "test", strings.Repeat("x", 5000)}, {"no text", "\xff\x00", passphrase},
	} {
		before := n.passwords.Runs()
		cr := credentials(c.login, c.password)
		cr.Address = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		_, token, err := n.SignIn(context.Background(), cr, instance)
		if !stoa.Is(err, stoa.KindUnauthorized) || token != "" {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if message == "" {
			message = err.Error()
		}
		if err.Error() != message {
			t.Errorf("%s: says %q, others %q", c.what, err, message)
		}
		if made := n.passwords.Runs() - before; made != 1 {
			t.Errorf("%s: %d hashes, want 1", c.what, made)
		}
	}
}

func TestSignIn_ThrottlesAccounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		person(t, n, "ann")
		for _, login := range []string{"ann", "nobody"} { // the same, whether there is an account or not
			var kinds []stoa.Kind
			for i := range 5 {
				c := credentials(login, "wrong wrong wrong")
				c.Address = netip.AddrFrom4([4]byte{203, 0, byte(len(login)), byte(i)})
				_, _, err := n.SignIn(context.Background(), c, instance)
				kinds = append(kinds, stoa.KindOf(err))
			}
			want := fmt.Sprint(
				[]stoa.Kind{
					stoa.KindUnauthorized,
					stoa.KindUnauthorized,
					stoa.KindUnauthorized,
					stoa.KindTooMany,
					stoa.KindTooMany,
				},
			)
			if got := fmt.Sprint(kinds); got != want {
				t.Errorf("%s: %s, want %s", login, got, want)
			}
		}
		for _, other := range []string{"ann@example.com", "nobody@example.com"} { // would tell that ann has this address
			_, _, err := n.SignIn(context.Background(), credentials(other, "wrong wrong wrong"), instance)
			wantKind(t, other+" while the other login is throttled", err, stoa.KindUnauthorized)
		}
		before := n.passwords.Runs()
		_, _, err := n.SignIn(context.Background(), credentials(" ANN", passphrase), instance)
		wantKind(t, "right password in another spelling of the login while throttled", err, stoa.KindTooMany)
		if n.passwords.Runs() != before {
			t.Error("a throttled sign-in still hashes")
		}
		n.clock.pass(16 * time.Minute)
		n.signIn(t, "ann", passphrase)
	})
}

func TestSignIn_ThrottlesAddresses(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		person(t, n, "ann")
		for i := range 8 {
			c := credentials(fmt.Sprintf("guess%d", i), passphrase)
			c.Address = netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", i+1)) // one /64
			_, _, err := n.SignIn(context.Background(), c, instance)
			wantKind(t, "guess", err, stoa.KindUnauthorized)
			if i == 4 { // an account of the thief's own does not win tries back
				c.Login = "ann"
				if _, _, err := n.SignIn(context.Background(), c, instance); err != nil {
					t.Fatal(err)
				}
			}
		}
		c := credentials("ann", passphrase)
		c.Address = netip.MustParseAddr("2001:db8:0:1:ffff::1")
		_, _, err := n.SignIn(context.Background(), c, instance)
		wantKind(t, "from the throttled network", err, stoa.KindTooMany)
		c.Address = netip.MustParseAddr("2001:db8:0:2::1")
		if _, _, err := n.SignIn(context.Background(), c, instance); err != nil {
			t.Errorf("from elsewhere: %v", err)
		}
	})
}

func TestSignIn_ThrottleHoldsForTriesAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			admin(t, a)
			var wg sync.WaitGroup
			before := a.passwords.Runs() + b.passwords.Runs()
			for i := range 12 {
				n := []*node{a, b}[i%2]
				wg.Go(func() {
					c := credentials("test", "wrong wrong wrong")
					c.Address = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
					if _, _, err := n.SignIn(context.Background(), c, instance); err == nil {
						t.Error("signed in with a wrong password")
					}
				})
			}
			wg.Wait()
			if made := a.passwords.Runs() + b.passwords.Runs() - before; made != 3 {
				t.Errorf("%d guesses were looked at, want 3", made)
			}
		})
	}
}

func TestSignIn_TriesAndSuccessesAtTheSameTimeDoNotFail(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			var wg sync.WaitGroup
			for i := range 6 {
				n := []*node{a, b}[i%2]
				wg.Go(func() {
					for range 40 {
						err := n.tries.Try(context.Background(), throttle.Limit{Subject: "test:who", Max: 1000})
						if err == nil {
							err = n.db.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
								return succeeded(ctx, tx, tried{own: "test:who", shared: []string{"test:from"}})
							})
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestTwoNodes_SessionsAndRolesHoldOnBoth(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			admin(t, a)
			ann := person(t, a, "ann", a.role(t, access.RoleEditor))
			token := a.signIn(t, "ann", passphrase)
			a.wire.deliver()

			home := access.InstancePath(instance)
			if ctx := b.as(t, token); !b.access.Can(ctx, access.Publish, home) {
				t.Fatal("the editor may not publish on the other node")
			}
			if err := a.SetRoles(asSystem(), ann.ID, nil); err != nil {
				t.Fatal(err)
			}
			if ctx := a.as(t, token); a.access.Can(ctx, access.Edit, home) {
				t.Error("the role is still there where it was taken")
			}
			a.wire.deliver()
			if ctx := b.as(t, token); b.access.Can(ctx, access.Edit, home) {
				t.Error("the role is still there on the other node")
			}

			g, err := b.CreateGroup(
				asSystem(),
				Group{Instance: instance, Name: "Writers", Roles: []stoa.ID{b.role(t, access.RoleEditor)}},
			)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.AddMembers(asSystem(), g.ID, ann.ID); err != nil {
				t.Fatal(err)
			}
			a.wire.deliver()
			if ctx := a.as(t, token); !a.access.Can(ctx, access.Publish, home) {
				t.Error("the role of the group does not reach the other node")
			}
			g.Roles = nil
			if _, err := b.UpdateGroup(asSystem(), g); err != nil {
				t.Fatal(err)
			}
			a.wire.deliver()
			if ctx := a.as(t, token); a.access.Can(ctx, access.Edit, home) {
				t.Error("the role of the group is still there on the other node")
			}
			if err := b.SignOut(context.Background(), token); err != nil {
				t.Fatal(err)
			}
			a.wire.deliver()
			_, _, err = a.Authenticate(context.Background(), token)
			wantKind(t, "signed out on the other node", err, stoa.KindUnauthorized)
		})
	}
}
