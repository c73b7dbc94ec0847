package site

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestNormalHost_IsWhatBrowsersSendOrRefused(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"www.example.org": "www.example.org", " WWW.Example.org. ": "www.example.org", "localhost": "localhost",
		"bücher.example": "xn--bcher-kva.example", "BÜCHER.example": "xn--bcher-kva.example",
		"xn--bcher-kva.example": "xn--bcher-kva.example",
		"bu\u0308cher.example":  "xn--bcher-kva.example", "faß.example": "xn--fa-hia.example",
		"my_host.example": "my_host.example",
		"例え.テスト":          "xn--r8jz45g.xn--zckzah", "192.0.2.1": "192.0.2.1",
	} {
		if got, err := NormalHost(typed); err != nil || got != want {
			t.Errorf("%q is kept as %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, typed := range []string{"", ".", "*.example.org", "*", "a, b", "a b", "http://x.org", "x.org/path", "x.org:80",
		"user@x",
		"a..b", ".a", "-a.org", "a-.org", "xn--ls8h=.la", "a\x00b", "\xff.org", "ab%2f.org"} {
		if got, err := NormalHost(typed); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q is kept as %q, %v", typed, got, err)
		}
	}
	if h := (Host{Name: "xn--bcher-kva.example"}); h.Display() != "bücher.example" {
		t.Errorf("it is shown as %s", h.Display())
	}
}

// tenancy is a further instance beside the default one, with its administrator.
func tenancy(t *testing.T, n *node, host string) (Instance, Site, context.Context) {
	t.Helper()
	inst, st, err := n.CreateInstance(
		system(t),
		Defaults{WebID: host, Name: "Tenant", SiteSlug: "guest", SiteName: "Tenant",
			HostName: host, TimeZone: "UTC", Locale: "en"},
	)
	if err != nil {
		t.Fatal(err)
	}
	return inst, st, stoa.WithActor(t.Context(), stoa.Actor{User: 9, Instance: inst.ID, Admin: true, Proven: time.Now()})
}

func names(t *testing.T, n *node, instance stoa.ID) map[string]stoa.ID {
	t.Helper()
	list, err := n.Hosts(system(t), instance)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]stoa.ID{}
	for _, h := range list {
		out[h.Name] = h.Site
	}
	return out
}

func TestHosts_OperatorsGiveThemAndAdministratorsDistributeThem(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			a, b := newNode(t, handles[0], false), newNode(t, handles[1], false)
			a.opt.OwnHosts = []string{"portal.example", "*.intern.example", "*"}
			def := a.make(t)
			inst, first, tenant := tenancy(t, a, "tenant.example")
			operator := stoa.WithActor(
				t.Context(),
				stoa.Actor{User: 1, Instance: def.Instance, Admin: true, Operator: true, Proven: time.Now()},
			)
			manager := stoa.WithActor(t.Context(), stoa.Actor{User: 2, Instance: def.Instance, Admin: true, Proven: time.Now()})
			second, err := a.CreateSite(tenant, Site{Instance: inst.ID, Slug: "second", Name: "Second", Locale: "en"})
			if err != nil {
				t.Fatal(err)
			}
			// Neither a tenant nor an administrator of the default instance who is no operator gives names.
			for _, ctx := range []context.Context{tenant, manager} {
				wantKind(t, a.GiveHost(ctx, inst.ID, "new.example"), stoa.KindForbidden)
				wantKind(t, a.TakeHost(ctx, inst.ID, "tenant.example"), stoa.KindForbidden)
			}
			if _, _, err := a.CreateInstance(manager, Defaults{}); !stoa.Is(err, stoa.KindForbidden) {
				t.Errorf("an administrator who is no operator makes instances: %v", err)
			}
			for _, name := range []string{"new.example", "portal.example", "localhost", "192.0.2.1"} {
				wantKind(t, a.SetHosts(tenant, second.ID, []string{name}), stoa.KindInvalid)
			}
			// Operators do, but not the portal's own names, nor what another instance has.
			for _, name := range []string{"portal.example", "PORTAL.example.", "a.intern.example", "localhost", "192.0.2.1",
				"127.1", "::1"} {
				wantKind(t, a.GiveHost(operator, inst.ID, name), stoa.KindInvalid)
			}
			if err := a.GiveHost(operator, def.Instance, "portal.example"); err != nil {
				t.Fatal(err)
			}
			wantKind(t, a.GiveHost(operator, def.Instance, "tenant.example"), stoa.KindConflict)
			if err := a.GiveHost(operator, inst.ID, "bücher.example"); err != nil {
				t.Fatal(err)
			}
			b.poll(t)
			if i, st, err := b.Resolve(t.Context(), "xn--bcher-kva.example"); err != nil || i.ID != inst.ID ||
				st.ID != first.ID {
				t.Fatalf("a given name leads to %d, %v; want the first site", st.ID, err)
			}
			// The tenant's administrators say which site each leads to.
			if err := a.SetHosts(tenant, second.ID, []string{"bücher.example"}); err != nil {
				t.Fatal(err)
			}
			b.poll(t)
			if _, st, err := b.Resolve(t.Context(), "xn--bcher-kva.example"); err != nil || st.ID != second.ID {
				t.Fatalf("it leads to %d, %v; want the second site", st.ID, err)
			}
			wantKind(t, a.SetHosts(tenant, first.ID, nil), stoa.KindInvalid) // tenant.example would lead nowhere
			if err := a.SetHosts(tenant, second.ID, nil); err != nil {
				t.Fatal(err)
			}
			if got := names(t, a, inst.ID); len(got) != 2 || got["xn--bcher-kva.example"] != first.ID {
				t.Errorf("after the site gave it back: %v", got)
			}
			// Nothing of this reaches into the other instance.
			for _, err := range []error{
				a.SetHosts(tenant, def.ID, []string{"tenant.example"}), a.SetHosts(manager, second.ID, []string{"portal.example"}),
			} {
				wantKind(t, err, stoa.KindNotFound)
			}
			if _, err := a.Hosts(manager, inst.ID); !stoa.Is(err, stoa.KindNotFound) {
				t.Errorf("another instance's names are told: %v", err)
			}
			wantKind(t, a.TakeHost(operator, def.Instance, "tenant.example"), stoa.KindNotFound)
			if err := a.TakeHost(operator, inst.ID, "tenant.example"); err != nil {
				t.Fatal(err)
			}
			b.poll(t)
			if _, st, err := b.Resolve(t.Context(), "tenant.example"); err != nil || st.ID != def.ID {
				t.Errorf("a name that was taken leads to %d, %v", st.ID, err)
			}
		})
	}
}

func TestMisplaced_FindsThePortalsOwnNamesThatATenantHas(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t), false)
	n.make(t)
	_, _, tenant := tenancy(t, n, "portal.example")
	n.opt.OwnHosts = []string{"portal.example"}
	list, err := n.Misplaced(system(t))
	if err != nil || !slices.ContainsFunc(list, func(h Host) bool { return h.Name == "portal.example" }) {
		t.Errorf("%v %v", list, err)
	}
	if _, err := n.Misplaced(tenant); !stoa.Is(err, stoa.KindForbidden) {
		t.Error(err)
	}
}

func TestInstances_AreBelievedOfNoCaller(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, false)
		def := n.make(t)
		inst, own, tenant := tenancy(t, n, "tenant.example")
		lie := def
		lie.Instance, lie.Name = inst.ID, "Taken over"
		if _, err := n.UpdateSite(tenant, lie); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("the site of another instance is saved: %v", err)
		}
		if !n.access.Can(tenant, access.Manage, own.Path()) || n.access.Can(tenant, access.View, lie.Path()) {
			t.Error("a path that puts a site into another instance is believed")
		}
		role, err := n.access.CreateRole(system(t), access.Role{Instance: inst.ID, Name: "All"})
		if err == nil {
			err = n.access.SetGrants(
				system(t),
				access.InstancePath(inst.ID),
				[]access.Grant{{Role: role.ID, Action: access.Manage}},
			)
		}
		if err != nil {
			t.Fatal(err)
		}
		held := stoa.WithActor(
			t.Context(),
			stoa.Actor{User: 10, Instance: inst.ID, Roles: []stoa.ID{role.ID}, Proven: time.Now()},
		)
		page := append(access.Path{{Kind: "page", ID: 5, Own: true}}, lie.Path()...)
		if !n.access.Can(held, access.Manage, own.Path()) || n.access.Can(held, access.View, lie.Path()) ||
			n.access.Can(held, access.View, page) {
			t.Error("a path that puts a site into another instance is believed of a role")
		}
	})
}

// A binary from before the mark makes an instance without it.
func TestDefaultInstance_IsMarkedAndNoOtherBecomesIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, false)
		if id, err := DefaultInstance(t.Context(), d); err != nil || id != 0 {
			t.Fatal(id, err)
		}
		def := n.make(t)
		tenancy(t, n, "tenant.example")
		if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE site_instance SET id = ?, main = ? WHERE web_id = ?", 1, false, "tenant.example")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if id, err := DefaultInstance(t.Context(), d); err != nil || id != def.Instance {
			t.Errorf("the default instance is %d, %v; want %d", id, err, def.Instance)
		}
	})
}

// Settings and host names are one: what refuses the one leaves the other as it was, on each engine.
func TestUpdateSiteAndHosts_IsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			n := newNode(t, dbtest.Nodes(t, e, 1)[0], false)
			n.make(t)
			inst, _, boss := tenancy(t, n, "tenant.example")
			st, err := n.CreateSite(boss, Site{Instance: inst.ID, Slug: "second", Name: "Second", Locale: "en"})
			if err != nil {
				t.Fatal(err)
			}
			st.Name = "Renamed"
			_, err = n.UpdateSiteAndHosts(boss, st, []string{"unknown.example"})
			wantKind(t, err, stoa.KindInvalid)
			now, err := n.Site(boss, st.ID)
			if err != nil || now.Name == "Renamed" || now.Version != st.Version {
				t.Errorf("refused host names: %+v, %v", now, err)
			}
			st.Version--
			_, err = n.UpdateSiteAndHosts(boss, st, []string{"tenant.example"})
			wantKind(t, err, stoa.KindConflict)
			if got := names(t, n, inst.ID)["tenant.example"]; got == st.ID {
				t.Error("a stale form has moved a host name")
			}
			many := make([]string, 501)
			for i := range many {
				many[i] = "many.example"
			}
			wantKind(t, n.SetHosts(boss, st.ID, many), stoa.KindInvalid)
		})
	}
}
