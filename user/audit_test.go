package user

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// audited is a node whose database has an auditor, as in production.
func audited(t *testing.T, d *db.DB) (*node, *audit.Log) {
	t.Helper()
	n := newNodes(t, d)[0]
	l, err := audit.New(audit.Options{DB: d, Now: n.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	d.SetAuditor(l)
	n.o.Audit = l
	return n, l
}

// told gives what the audit log says, one line each, sorted.
func told(t *testing.T, l *audit.Log) (out []string) {
	t.Helper()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := l.List(stoa.WithActor(t.Context(), stoa.SystemActor()), audit.Filter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Events {
		if e.Instance != instance {
			t.Errorf("%+v is of another instance", e)
		}
		who := e.Who
		if e.Guest {
			who = "guest"
		}
		out = append(out, fmt.Sprintf("%s %s: %s ×%d", who, e.Outcome, e.Sentence(), e.Times))
	}
	slices.Sort(out)
	return out
}

func TestAudit_TellsOfPeopleInWords(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n, l := audited(t, d)
		system := stoa.WithActor(t.Context(), stoa.SystemActor())
		if err := d.Write(system, func(ctx context.Context, tx *db.Tx) error {
			_, err := n.access.EnsureInstance(ctx, tx, instance)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		names, err := n.access.RoleIDs(system, instance)
		if err != nil {
			t.Fatal(err)
		}
		ada, err := n.Create(system, User{Instance: instance, ScreenName: "ada", Email: "ada@example.com",
			FirstName: "Ada", Roles: []stoa.ID{names[access.RoleAdministrator]}}, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		tom, err := n.Create(system, User{Instance: instance, ScreenName: "tom", Email: "tom@example.com"}, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM audit_event")
			return err
		}); err != nil {
			t.Fatal(err)
		}

		from := netip.MustParseAddr("192.0.2.1")
		guest := stoa.WithRequester(stoa.WithActor(t.Context(), stoa.Actor{Instance: instance}), from)
		as := stoa.WithActor(stoa.WithRequester(t.Context(), from),
			stoa.Actor{User: ada.ID, Name: "Ada", Instance: instance, Admin: true, Proven: n.clock.now()})
		in := func(login, password string) string {
			_, token, err := n.SignIn(guest, Credentials{Login: login, Password: password, Address: from}, instance)
			if (err != nil) != (password != passphrase) {
				t.Errorf("%s: %v", login, err)
			}
			return token
		}
		token := in("ada", passphrase)
		for range 5 { // three fail, two are throttled
			in("tom", "wrong")
		}
		in("my password, typed into the wrong field", "wrong")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(n.SignOut(as, token))
		must(n.SignOut(as, token)) // again is nothing
		must(n.AdminSetPassword(as, tom.ID, passphrase+" 2"))
		must(n.SetRoles(as, tom.ID, []stoa.ID{names[access.RoleEditor]}))
		must(n.SetRoles(as, tom.ID, nil))
		g, err := n.CreateGroup(as, Group{Instance: instance, Name: "Crew"})
		must(err)
		must(n.AddMembers(as, g.ID, tom.ID))
		must(n.RemoveMembers(as, g.ID, tom.ID))
		path := access.Path{{Kind: "page", ID: 9, Title: "Harbour"}, {Kind: access.KindInstance, ID: instance}}
		must(n.access.SetGrants(as, path, []access.Grant{{Role: names[access.RoleEditor], Action: access.View}}))
		must(n.access.SetGrants(as, path, nil))
		if err := n.SetPassword(as, ada.ID, "wrong", passphrase+" 3"); !stoa.Is(err, stoa.KindInvalid) {
			t.Error(err)
		}
		now, err := n.Get(as, tom.ID)
		must(err)
		now.Status = StatusLocked
		_, err = n.Update(as, now)
		must(err)
		must(n.Delete(as, tom.ID))
		if err := n.ResetPassword(guest, "x", passphrase); !stoa.Is(err, stoa.KindInvalid) {
			t.Error(err)
		}
		want := []string{
			"Ada done: Changed the password of user “tom” ×1",
			"Ada done: Deleted user “tom” ×1",
			"Ada done: Gave the role Editor to user “tom” ×1",
			"Ada done: Granted “view” of page “Harbour” to the role Editor ×1",
			"Ada done: Locked user “tom” ×1",
			"Ada done: Made user group “Crew” ×1",
			"Ada done: Put tom into user group “Crew” ×1",
			"Ada done: Signed in as user “ada” ×1",
			"Ada done: Signed out ×1",
			"Ada done: Took the role Editor from user “tom” ×1",
			"Ada done: Took tom out of user group “Crew” ×1",
			"Ada done: Took “view” of page “Harbour” from the role Editor ×1",
			"Ada failed: Gave a wrong present password for user “ada” ×1",
			"guest failed: Tried to sign in as user “tom” ×3",
			"guest failed: Tried to sign in with a name that is not known ×1",
			"guest failed: Used a link for a password that is wrong or too old ×1",
			"guest throttled: Tried to sign in as user “tom” ×2",
		}
		got := told(t, l)
		for _, line := range got {
			if !slices.Contains(want, line) {
				t.Errorf("too much: %s", line)
			}
		}
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("missing: %s", line)
			}
		}
	})
}

func TestAudit_ARefusalKnowsWhatWasRefused(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	n, l := audited(t, d)
	someone := stoa.WithActor(t.Context(), stoa.Actor{User: 5, Name: "Nina", Instance: instance, Roles: []stoa.ID{1}})
	err := n.access.Check(
		someone,
		access.Edit,
		access.Path{{Kind: "page", ID: 9}, {Kind: access.KindInstance, ID: instance}},
	)
	if !stoa.Is(err, stoa.KindNotFound) {
		t.Fatal(err)
	}
	l.Refused(someone, err)
	got := told(t, l)
	if len(got) != 1 || got[0] != "Nina refused: you may not see this page, nor edit it ×1" {
		t.Errorf("%q", got)
	}
}

// What is tried in vain after the password, or instead of it, is noted as well.
func TestAudit_TellsOfSecondFactorsInVain(t *testing.T) {
	t.Parallel()
	n, l := audited(t, dbtest.New(t))
	admin(t, n)
	cookie := n.signIn(t, "test", passphrase)
	ctx := n.as(t, cookie)
	phone := newAuthenticator(t)
	n.addPasskey(t, ctx, phone)
	n.addCodes(t, ctx)
	half := n.half(t, "test")
	for range 4 { // one too many
		_ = n.finishSignIn(half, "000000")
	}
	_ = n.Prove(ctx, "wrong", "000000")
	wrong := *phone
	wrong.origin = "https://evil.example"
	_ = n.passkeyIn(wrong.get(t, n.askPasskey(t)))
	_ = n.passkeyIn(newAuthenticator(t).get(t, n.askPasskey(t)))
	lines := told(t, l)
	for _, want := range []string{
		"guest failed: Gave a wrong second factor for user “test” ×4", // three codes and a passkey
		"guest throttled: Gave a wrong second factor for user “test” ×1",
		"Test Test failed: Gave a wrong second factor for user “test” ×1",
		"Test Test failed: Gave a wrong present password for user “test” ×1",
		"guest failed: Tried to sign in with a passkey that is not known ×1",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(lines, "\n"))
	}
}
