package user

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestEnsureAdmin_OnceAndWithAOneTimeLink(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			o := AdminOptions{EmailPrefix: "test", MailDomain: "example.com", ScreenName: "test"}
			_, _, err := a.EnsureAdmin(context.Background(), instance, o)
			wantKind(t, "by nobody", err, stoa.KindForbidden)
			var tokens []string
			var mu sync.Mutex
			var wg sync.WaitGroup
			for _, n := range []*node{a, b} { // nodes start together
				wg.Go(func() {
					token, created, err := n.EnsureAdmin(asSystem(), instance, o)
					if err != nil || token == "" { // each start gets a link as long as there is no password
						t.Errorf("%v %q %v", created, token, err)
					}
					mu.Lock()
					defer mu.Unlock()
					if created {
						tokens = append(tokens, token)
					}
				})
			}
			wg.Wait()
			if len(tokens) != 1 {
				t.Fatalf("%d administrators were made", len(tokens))
			}
			a.wire.deliver()
			p, err := a.List(asSystem(), instance, Filter{})
			if err != nil || len(p.Items) != 1 {
				t.Fatalf("%v %v", p, err)
			}
			a.clock.pass(61 * time.Minute)
			wantKind(t, "after an hour", a.UseSetup(context.Background(), tokens[0], passphrase), stoa.KindInvalid)
			token, err := b.NewSetupToken(asSystem(), p.Items[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			wantKind(t, "a setup token at the reset", a.ResetPassword(context.Background(), token, passphrase), stoa.KindInvalid)
			wantKind(t, "a bad password", a.UseSetup(context.Background(), token, "short"), stoa.KindInvalid)
			if err := a.CheckSetup(context.Background(), token); err != nil {
				t.Errorf("the bad password used the link up: %v", err)
			}
			if err := a.UseSetup(context.Background(), token, passphrase); err != nil {
				t.Fatal(err)
			}
			wantKind(t, "a second time", b.UseSetup(context.Background(), token, passphrase+"2"), stoa.KindInvalid)
			_, err = b.NewSetupToken(asSystem(), p.Items[0].ID)
			wantKind(t, "a link when there is a password", err, stoa.KindConflict)
			b.signIn(t, "test", passphrase)
		})
	}
}

// Every node of a new cluster prints a link, and whoever takes any of them is right; the others end with it.
func TestEnsureAdmin_LinkOfEachNodeWorksUntilOneIsUsed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		o := AdminOptions{EmailPrefix: "test", MailDomain: "example.com", ScreenName: "test"}
		var tokens [3]string
		for i := range tokens {
			var err error
			if tokens[i], _, err = n.EnsureAdmin(asSystem(), instance, o); err != nil {
				t.Fatal(err)
			}
		}
		for _, token := range tokens {
			if err := n.CheckSetup(context.Background(), token); err != nil {
				t.Errorf("a link of a start: %v", err)
			}
		}
		if err := n.UseSetup(context.Background(), tokens[0], passphrase); err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			wantKind(t, "a link after one was used", n.UseSetup(context.Background(), token, passphrase+"2"), stoa.KindInvalid)
		}
	})
}

func TestResetPassword_ByMail(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		person(t, n, "ann")
		session := n.signIn(t, "ann", passphrase)
		first := n.resetToken(t, "Ann@example.com")
		token := n.resetToken(t, "ann@example.com")
		if err := n.ResetPassword(context.Background(), token, "a new password"); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "the older link", n.ResetPassword(context.Background(), first, "another password"), stoa.KindInvalid)
		wantKind(t, "the link again", n.ResetPassword(context.Background(), token, "another password"), stoa.KindInvalid)
		_, _, err := n.Authenticate(context.Background(), session)
		wantKind(t, "an old session", err, stoa.KindUnauthorized)
		_, _, err = n.SignIn(context.Background(), credentials("ann", passphrase), instance)
		wantKind(t, "the old password", err, stoa.KindUnauthorized)
		n.signIn(t, "ann", "a new password")

		late := n.resetToken(t, "ann@example.com")
		n.clock.pass(61 * time.Minute)
		wantKind(
			t,
			"a link that is too old",
			n.ResetPassword(context.Background(), late, "another password"),
			stoa.KindInvalid,
		)

		// Nobody's address gets the same answer and no mail.
		before := len(n.mails(t))
		if err := n.RequestReset(context.Background(), instance, "nobody@example.com", "https://portal.example.com"); err != nil {
			t.Errorf("for nobody: %v", err)
		}
		n.resetToken(t, "test@example.com") // the one before was handled by now
		if got := len(n.mails(t)); got != before+1 {
			t.Errorf("%d mails more, want 1", got-before)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{first, token, late} {
			if strings.Contains(n.log.String(), token) {
				t.Error("a token is in the log")
			}
		}
		wantKind(
			t,
			"after Close",
			n.RequestReset(context.Background(), instance, "ann@example.com", "https://portal.example.com"),
			stoa.KindUnavailable,
		)
	})
}

func TestRequestReset_RefusesBadAddresses(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	for _, email := range []string{"", "x", "a@b\r\nBcc: c@d", "a@b,c@d", "<a@b>", "a@", "@b", strings.Repeat("a", 300) + "@b.c"} {
		wantKind(t, email, n.RequestReset(context.Background(), instance, email, "https://p.example.com"), stoa.KindInvalid)
	}
	for _, base := range []string{"", "portal", "javascript:alert(1)", "https://", "https://a@b.example.com", "https://x.example.com/?q=1"} {
		if err := n.RequestReset(context.Background(), instance, "a@example.com", base); err == nil {
			t.Errorf("%q was taken as the address of the portal", base)
		}
	}
}

// Requests of others neither use up the links of a person nor end those that are on their way.
func TestRequestReset_LimitsTheRequesterAndNotThePerson(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b := two(t, e)
			admin(t, a)
			from := func(address string) context.Context {
				return stoa.WithRequester(context.Background(), netip.MustParseAddr(address))
			}
			mine := a.resetToken(t, "test@example.com")
			for i := range resetsPerRequester {
				n := []*node{a, b}[i%2]
				if err := n.RequestReset(from("2001:db8:1:2::1"), instance, "test@example.com",
					"https://p.example.com"); err != nil {
					t.Fatal(err)
				}
			}
			for _, email := range []string{"test@example.com", "nobody@example.com"} {
				err := b.RequestReset(from("2001:db8:1:2::2"), instance, email, "https://p.example.com")
				wantKind(t, "one more for "+email, err, stoa.KindTooMany)
			}
			if err := a.CheckReset(context.Background(), mine); err != nil {
				t.Errorf("the link from before: %v", err)
			}
			again := a.resetToken(t, "test@example.com")
			a.clock.pass(59 * time.Minute)
			if err := b.ResetPassword(context.Background(), again, passphrase+" 2"); err != nil {
				t.Errorf("a link after those of others: %v", err)
			}
			wantKind(t, "the other link", b.CheckReset(context.Background(), mine), stoa.KindInvalid)
			last := a.resetToken(t, "test@example.com")
			a.clock.pass(time.Hour)
			wantKind(t, "a link of an hour ago", b.CheckReset(context.Background(), last), stoa.KindInvalid)
		})
	}
}

// waitForMails waits until so many messages that hold the word were written, and gives them.
func (n *node) waitForMails(t *testing.T, count int, word string) []string {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		got = slices.DeleteFunc(n.mails(t), func(m string) bool { return !strings.Contains(m, word) })
		if len(got) >= count {
			return got
		}
	}
	t.Fatalf("%d mails with %q came, want %d", len(got), word, count)
	return nil
}

func TestChanges_AreToldByMail(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	admin(t, n)
	ann := person(t, n, "ann")
	ctx := stoa.WithRequester(n.as(t, n.signIn(t, "ann", passphrase)), netip.MustParseAddr("203.0.113.9"))
	if err := n.SetPassword(ctx, ann.ID, passphrase, passphrase+" 2"); err != nil {
		t.Fatal(err)
	}
	if m := n.waitForMails(t, 1, "password of your account was changed")[0]; !strings.Contains(m, "203.0.113.9") {
		t.Errorf("the mail does not say from where: %q", m)
	}
	if err := n.AdminSetPassword(asSystem(), ann.ID, passphrase+" 3"); err != nil {
		t.Fatal(err)
	}
	if err := n.ResetPassword(context.Background(), n.resetToken(t, "ann@example.com"), passphrase+" 4"); err != nil {
		t.Fatal(err)
	}
	n.waitForMails(t, 3, "password of your account was changed")
	ann, err := n.Get(asSystem(), ann.ID)
	if err != nil {
		t.Fatal(err)
	}
	ann.Email = "ann@new.example"
	if _, err := n.Update(asSystem(), ann); err != nil {
		t.Fatal(err)
	}
	n.waitForMails(t, 2, "is now ann@new.example") // at the old address and at the new one
	names, _ := filepath.Glob(filepath.Join(n.dir, "*.eml"))
	to := map[string]int{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?m)^To: <?([^>\r\n]+)`).FindSubmatch(raw); m != nil &&
			strings.Contains(string(raw), "e-mail address of your account") {
			to[string(m[1])]++
		}
	}
	if to["ann@example.com"] != 1 || to["ann@new.example"] != 1 {
		t.Errorf("the change of the address was told to %v", to)
	}
}

func TestPolicy_RefusesWhatIsTriedFirst(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	u := User{ScreenName: "ann.miller", Email: "ann@example.com"}
	for _, bad := range []string{
		"aaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaa", "abababababab", "passwordpassword", "Password2026!", "password1234",
		"123456789012",
		"abcdefghijkl", "lkjihgfedcba", "1qaz2wsx3edc", "Qwertyuiop12", "QWERTY123456", "ann.miller", "Ann.Miller2026",
		"justinbieber", "short",
		"            ", "112233445566", "correct-ho",
	} {
		if err := n.checkPolicy(u, bad); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q is taken as a password", bad)
		}
	}
	for _, good := range []string{"correct horse battery", "violet-kettle-9", "ein langer Satz über Käse", "x7!Qp2#mZ9vT",
		"пароль из пяти слов", "password for my garden house"} {
		if err := n.checkPolicy(u, good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestAdminSetPassword_IsNotForTheOwnAccount(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	boss := admin(t, n)
	ctx := n.as(t, n.signIn(t, "test", passphrase))
	wantKind(
		t,
		"the own password without the old one",
		n.AdminSetPassword(ctx, boss.ID, passphrase+" 2"),
		stoa.KindForbidden,
	)
	n.signIn(t, "test", passphrase)
}

func TestEnsureAdmin_TakesThePasswordOfAFileAsItIs(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	o := AdminOptions{
		EmailPrefix: "test",
		MailDomain:  "example.com",
		ScreenName:  "test",
		First:       "T",
		Last:        "T",
		Password:    "test",
	}
	_, _, err := n.EnsureAdmin(asSystem(), instance, o)
	wantKind(t, "from a form", err, stoa.KindInvalid)
	o.AsItIs = true
	if _, _, err := n.EnsureAdmin(asSystem(), instance, o); err != nil {
		t.Fatal(err)
	}
	n.signIn(t, "test", "test")
	if said := n.log.String(); !strings.Contains(said, "taken as it is") || strings.Contains(said, "password=test") {
		t.Errorf("the log says %q", said)
	}
}

func TestSetPassword_NeedsTheOldOneAndEndsOtherSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		boss := admin(t, n)
		ann := person(t, n, "ann")
		mine, other := n.signIn(t, "ann", passphrase), n.signIn(t, "ann", passphrase)
		ctx := n.as(t, mine)
		wantKind(t, "a stranger's", n.SetPassword(ctx, boss.ID, passphrase, "a new password"), stoa.KindForbidden)
		for _, bad := range []string{"short", "ann@example.com", "ANN@example.com ", strings.Repeat("x", 2000), "not text \xff\xff"} {
			wantKind(t, fmt.Sprintf("%.20q", bad), n.SetPassword(ctx, ann.ID, passphrase, bad), stoa.KindInvalid)
		}
		wantKind(t, "wrong old one", n.SetPassword(ctx, ann.ID, "wrong wrong wrong", "a new password"), stoa.KindInvalid)
		if err := n.SetPassword(ctx, ann.ID, passphrase, "a new password"); err != nil {
			t.Fatal(err)
		}
		n.as(t, mine)
		_, _, err := n.Authenticate(context.Background(), other)
		wantKind(t, "the other session", err, stoa.KindUnauthorized)
		for range 3 {
			wantKind(t, "guess", n.SetPassword(ctx, ann.ID, "guess guess guess", "a newer password"), stoa.KindInvalid)
		}
		wantKind(t, "guess too often", n.SetPassword(ctx, ann.ID, "guess guess guess", "a newer password"), stoa.KindTooMany)
	})
}

func TestUpdate_VersionsLocksAndNames(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		boss := admin(t, n)
		ann, bob := person(t, n, "ann"), person(t, n, "bob")
		token := n.signIn(t, "ann", passphrase)
		ctx := n.as(t, token)

		ann, err := n.Get(ctx, ann.ID)
		if err != nil {
			t.Fatal(err)
		}
		own := ann
		own.FirstName, own.Email, own.ScreenName, own.Status = "Anna", "evil@example.com", "root", StatusLocked
		got, err := n.Update(ctx, own)
		if err != nil || got.FirstName != "Anna" || got.Email != ann.Email || got.ScreenName != "ann" ||
			got.Status != StatusActive {
			t.Fatalf("own change: %+v %v", got, err)
		}
		if stoa.ActorFrom(n.as(t, token)).Name != "Anna" {
			t.Error("the actor still has the old name")
		}
		_, err = n.Update(ctx, own)
		wantKind(t, "stale version", err, stoa.KindConflict)
		bob.FirstName = "x"
		if _, err = n.Update(ctx, bob); !stoa.Is(err, stoa.KindForbidden) && !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("change of a stranger: %v", err)
		}
		got.Email = "bob@example.com"
		_, err = n.Update(asSystem(), got)
		wantKind(t, "taken address", err, stoa.KindConflict)
		got.Email, got.Status = "ann@example.com", StatusLocked
		if _, err = n.Update(asSystem(), got); err != nil {
			t.Fatal(err)
		}
		_, _, err = n.Authenticate(context.Background(), token)
		wantKind(t, "session of a locked account", err, stoa.KindUnauthorized)

		boss.Status = StatusLocked
		_, err = n.Update(asSystem(), boss)
		wantKind(t, "lock the last administrator", err, stoa.KindConflict)
		wantKind(t, "delete the last administrator", n.Delete(asSystem(), boss.ID), stoa.KindConflict)
		wantKind(t, "take the role from the last administrator", n.SetRoles(asSystem(), boss.ID, nil), stoa.KindConflict)
		if err := n.Delete(asSystem(), bob.ID); err != nil {
			t.Fatal(err)
		}
		_, err = n.Get(asSystem(), bob.ID)
		wantKind(t, "a deleted account", err, stoa.KindNotFound)
	})
}

func TestManagers_CannotBecomeAdministrators(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	boss := admin(t, n)
	role, err := n.access.CreateRole(asSystem(), access.Role{Instance: instance, Name: "People"})
	if err != nil {
		t.Fatal(err)
	}
	home := access.InstancePath(instance)
	if err := n.access.SetGrants(asSystem(), home, []access.Grant{{Role: role.ID, Action: access.Manage}}); err != nil {
		t.Fatal(err)
	}
	mo := person(t, n, "mo", role.ID)
	bob := person(t, n, "bob")
	ctx := n.as(t, n.signIn(t, "mo", passphrase))
	adminRole := []stoa.ID{n.role(t, access.RoleAdministrator)}
	admins, err := n.CreateGroup(asSystem(), Group{Instance: instance, Name: "Admins", Roles: adminRole})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "own role", n.SetRoles(ctx, mo.ID, adminRole), stoa.KindForbidden)
	wantKind(t, "own group", n.AddMembers(ctx, admins.ID, mo.ID), stoa.KindForbidden)
	wantKind(t, "boss's password", n.AdminSetPassword(ctx, boss.ID, "a new password"), stoa.KindForbidden)
	boss.Email = "mo2@example.com"
	_, err = n.Update(ctx, boss)
	wantKind(t, "boss's address", err, stoa.KindForbidden)
	_, err = n.CreateGroup(ctx, Group{Instance: instance, Name: "Ours", Roles: adminRole})
	wantKind(t, "a group", err, stoa.KindForbidden)
	_, err = n.Create(
		ctx,
		User{Instance: instance, ScreenName: "x", Email: "x@example.com", Groups: []stoa.ID{admins.ID}},
		passphrase,
	)
	wantKind(t, "an account in the group", err, stoa.KindForbidden)
	_, err = n.Create(ctx, User{Instance: instance + 1, ScreenName: "x", Email: "x@example.com"}, passphrase)
	wantKind(t, "another instance", err, stoa.KindNotFound)
	if err := n.AdminSetPassword(ctx, bob.ID, "a new password"); err != nil {
		t.Errorf("what the manager may do: %v", err)
	}
}

func TestGuestsAndNobody_AreRefusedEverything(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t))
	boss := admin(t, n)
	g, err := n.CreateGroup(asSystem(), Group{Instance: instance, Name: "G"})
	if err != nil {
		t.Fatal(err)
	}
	guest, err := n.access.GuestActor(context.Background(), instance)
	if err != nil {
		t.Fatal(err)
	}
	for who, ctx := range map[string]context.Context{"nobody": context.Background(), "guest": stoa.WithActor(context.Background(), guest)} {
		for what, do := range map[string]func() error{
			"Create":           func() error { _, err := n.Create(ctx, User{Instance: instance}, passphrase); return err },
			"Get":              func() error { _, err := n.Get(ctx, boss.ID); return err },
			"List":             func() error { _, err := n.List(ctx, instance, Filter{}); return err },
			"Update":           func() error { _, err := n.Update(ctx, boss); return err },
			"Delete":           func() error { return n.Delete(ctx, boss.ID) },
			"SetRoles":         func() error { return n.SetRoles(ctx, boss.ID, nil) },
			"SetPassword":      func() error { return n.SetPassword(ctx, 0, passphrase, passphrase) },
			"AdminSetPassword": func() error { return n.AdminSetPassword(ctx, boss.ID, passphrase) },
			"Sessions":         func() error { _, err := n.Sessions(ctx, boss.ID); return err },
			"NewSetupToken":    func() error { _, err := n.NewSetupToken(ctx, boss.ID); return err },
			"CreateGroup":      func() error { _, err := n.CreateGroup(ctx, Group{Instance: instance, Name: "x"}); return err },
			"UpdateGroup":      func() error { _, err := n.UpdateGroup(ctx, g); return err },
			"TrashGroup":       func() error { return n.TrashGroup(ctx, g.ID) },
			"Group":            func() error { _, err := n.Group(ctx, g.ID); return err },
			"Groups":           func() error { _, err := n.Groups(ctx, instance); return err },
			"Members":          func() error { _, err := n.Members(ctx, g.ID, "", 0); return err },
			"AddMembers":       func() error { return n.AddMembers(ctx, g.ID, boss.ID) },
			"RemoveMembers":    func() error { return n.RemoveMembers(ctx, g.ID, boss.ID) },
		} {
			if err := do(); !stoa.Is(err, stoa.KindUnauthorized) && !stoa.Is(err, stoa.KindForbidden) {
				t.Errorf("%s as %s: %v", what, who, err)
			}
		}
	}
}

func TestList_FiltersAndPages(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		for i := range 5 {
			person(t, n, fmt.Sprintf("p_%d", i))
		}
		var names []string
		f := Filter{Limit: 2, Query: "P_"}
		for {
			p, err := n.List(asSystem(), instance, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range p.Items {
				names = append(names, u.ScreenName)
			}
			if f.After = p.Next; p.Next == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != "p_0 p_1 p_2 p_3 p_4" {
			t.Errorf("got %q", got)
		}
		for q, want := range map[string]int{"test test": 1, "%": 0, "p!": 0, "example.com p_3": 1, "' OR 1=1 --": 0} {
			if p, err := n.List(asSystem(), instance, Filter{Query: q}); err != nil || len(p.Items) != want {
				t.Errorf("%q: %d users, want %d (%v)", q, len(p.Items), want, err)
			}
		}
	})
}

func TestCreateAll_MakesWhatCreateDoes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		admin(t, n)
		role, err := n.access.CreateRole(asSystem(), access.Role{Instance: instance, Name: "Writers"})
		if err != nil {
			t.Fatal(err)
		}
		ids, err := n.access.RoleIDs(asSystem(), instance)
		if err != nil {
			t.Fatal(err)
		}
		all := func(ctx context.Context, inst stoa.ID, list ...User) (made []User, err error) {
			return made, d.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
				made, err = n.CreateAll(ctx, tx, inst, list)
				return err
			})
		}
		var list []User
		for i := range 1200 { // more than a statement has
			name := fmt.Sprintf("p%d", i)
			list = append(list, User{ScreenName: strings.ToUpper(name), Email: name + "@Example.com", FirstName: "P",
				LastName: name,
				Roles:    []stoa.ID{role.ID}})
		}
		made, err := all(asSystem(), instance, list...)
		if err != nil || len(made) != len(list) {
			t.Fatalf("%d, %v", len(made), err)
		}
		got, err := n.Get(asSystem(), made[1100].ID)
		want := made[1100]
		if err != nil || got.ScreenName != "p1100" || got.Email != "p1100@example.com" ||
			!slices.Equal(got.Roles, want.Roles) ||
			got.Status != StatusActive || got.Version != 1 || !got.Created.Equal(want.Created) {
			t.Errorf("%+v, want %+v (%v)", got, want, err)
		}
		if found, err := n.ByLogin(asSystem(), instance, "P1100@example.com"); err != nil || found.ID != got.ID {
			t.Errorf("found %+v (%v)", found, err)
		}
		one := User{ScreenName: "one", Email: "one@example.com", FirstName: "One"}
		taken := one
		taken.Email = "p3@example.com"
		if _, err := all(asSystem(), instance, taken); !db.IsDuplicate(err) {
			t.Errorf("a taken address: %v", err)
		}
		bad := one
		bad.Roles = []stoa.ID{ids[access.RoleUser]}
		if _, err := all(asSystem(), instance, bad); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("a role that the portal gives itself: %v", err)
		}
		if _, err := all(asSystem(), instance+1, bad); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("a role of another instance: %v", err)
		}
		stranger := stoa.WithActor(context.Background(), stoa.Actor{User: 5, Instance: instance + 1, Admin: true})
		if _, err := all(stranger, instance, one); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance: %v", err)
		}
	})
}
