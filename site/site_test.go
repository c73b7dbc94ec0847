package site

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestEnsureDefault_TwoNodesAtOnceMakeOne(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			nodes := []*node{newNode(t, handles[0], false), newNode(t, handles[1], false)}
			var wg sync.WaitGroup
			sites, made, errs := [8]Site{}, [8]bool{}, [8]error{}
			for i := range sites {
				wg.Go(func() { _, sites[i], made[i], errs[i] = nodes[i%2].EnsureDefault(system(t), defaults()) })
			}
			wg.Wait()
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatal(err)
			}
			count := 0
			for i := range sites {
				if sites[i].ID != sites[0].ID || sites[i].ID == 0 {
					t.Errorf("call %d got the site %d, call 0 got %d", i, sites[i].ID, sites[0].ID)
				}
				if made[i] {
					count++
				}
			}
			if count != 1 {
				t.Errorf("%d calls say that they made the site, want 1", count)
			}
			instances, err := nodes[0].Instances(system(t))
			if err != nil || len(instances) != 1 {
				t.Fatalf("%d instances, %v", len(instances), err)
			}
			if all, err := nodes[1].Sites(system(t), instances[0].ID); err != nil || len(all) != 1 {
				t.Errorf("%d sites, %v", len(all), err)
			}
		})
	}
}

func TestUpdateSite_StaleVersionConflicts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, false)
		mine := n.make(t)
		theirs := mine
		theirs.Name = "Theirs"
		saved, err := n.UpdateSite(system(t), theirs)
		if err != nil || saved.Version != mine.Version+1 {
			t.Fatalf("version %d, %v", saved.Version, err)
		}
		mine.Name = "Mine"
		_, err = n.UpdateSite(system(t), mine)
		wantKind(t, err, stoa.KindConflict)
		n.poll(t)
		if got, err := n.Site(system(t), mine.ID); err != nil || got.Name != "Theirs" {
			t.Errorf("the site is called %q, %v", got.Name, err)
		}
		guest, err := n.access.GuestActor(t.Context(), mine.Instance)
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.UpdateSite(stoa.WithActor(t.Context(), guest), saved)
		wantKind(t, err, stoa.KindUnauthorized)
	})
}

func TestResolve_OtherNodeSeesNewHosts(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			a, b := newNode(t, handles[0], false), newNode(t, handles[1], true)
			def := a.make(t)
			other, err := a.CreateSite(system(t), Site{Instance: def.Instance, Slug: "intranet", Name: "Intranet", Locale: "en"})
			if err != nil {
				t.Fatal(err)
			}
			b.poll(t)
			_, _, err = b.Resolve(t.Context(), "intra.example.org") // the answer "none" is cached
			wantKind(t, err, stoa.KindNotFound)
			if _, st, err := a.Resolve(t.Context(), "intra.example.org"); err != nil || st.ID != def.ID {
				t.Fatalf("an unknown host leads to %d, %v; want the default site", st.ID, err)
			}
			if err := a.SetHosts(system(t), other.ID, []string{" Intra.Example.org", "", "intra.example.org"}); err != nil {
				t.Fatal(err)
			}
			for _, n := range []*node{a, b} {
				n.poll(t)
				for _, host := range []string{"intra.example.org", "INTRA.example.org", "intra.example.org."} {
					if _, st, err := n.Resolve(t.Context(), host); err != nil || st.ID != other.ID {
						t.Errorf("%s leads to %d, %v; want %d", host, st.ID, err, other.ID)
					}
				}
			}
			for _, st := range []stoa.ID{def.ID, other.ID} { // a name moves between the sites of its instance
				if err := a.SetHosts(system(t), st, []string{"intra.example.org"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.SetHosts(system(t), other.ID, nil); err != nil {
				t.Fatal(err)
			}
			for _, n := range []*node{a, b} {
				n.poll(t)
			}
			_, _, err = b.Resolve(t.Context(), "intra.example.org")
			wantKind(t, err, stoa.KindNotFound)
		})
	}
}

func TestResolve_HostileHosts(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.New(t), false)
	def := n.make(t)
	for _, host := range []string{"", ".", strings.Repeat("a", 5000), "' OR 1=1 --", "a\x00b", "\xff\xfe", "../..", "localhost:8080"} {
		if _, st, err := n.Resolve(t.Context(), host); err != nil || st.ID != def.ID {
			t.Errorf("%.30q leads to %d, %v", host, st.ID, err)
		}
	}
	for _, host := range []string{"http://x.org", "x.org/path", "x.org:80", "a b", "user@x", strings.Repeat("a", 191), "x?y", "x#y"} {
		wantKind(t, n.SetHosts(system(t), def.ID, []string{host}), stoa.KindInvalid)
	}
}

func TestSite_HostileInputIsRefusedByField(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, false)
		good := n.make(t)
		for field, list := range map[string][]func(s *Site){
			"name":    {func(s *Site) { s.Name = " \t" }, func(s *Site) { s.Name = strings.Repeat("x", 191) }},
			"slug":    {func(s *Site) { s.Slug = "" }, func(s *Site) { s.Slug = "a/b" }, func(s *Site) { s.Slug = "../x" }, func(s *Site) { s.Slug = "ä" }, func(s *Site) { s.Slug = "a b" }, func(s *Site) { s.Slug = strings.Repeat("x", 61) }, func(s *Site) { s.Slug = "x\x00" }},
			"tagline": {func(s *Site) { s.Tagline = strings.Repeat("x", 501) }},
			"footer":  {func(s *Site) { s.Footer = strings.Repeat("x", 20001) }},
			"home":    {func(s *Site) { s.Home = "https://evil.test" }, func(s *Site) { s.Home = "/" + strings.Repeat("x", 190) }},
		} {
			for i, spoil := range list {
				st := good
				spoil(&st)
				_, err := n.UpdateSite(system(t), st)
				var e *stoa.Error
				if !stoa.Is(err, stoa.KindInvalid) || !errors.As(err, &e) || e.Field != field {
					t.Errorf("%s %d: %v, want Invalid with the field", field, i, err)
				}
				if _, err := n.CreateSite(system(t), st); !stoa.Is(err, stoa.KindInvalid) {
					t.Errorf("create, %s %d: %v", field, i, err)
				}
			}
		}
		for _, l := range []stoa.Locale{"", "english", "e", "../", "en\x00"} {
			st := good
			st.Locale = l
			if _, err := n.UpdateSite(system(t), st); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("the language %q: %v", l, err)
			}
		}
		_, err := n.CreateSite(system(t), Site{Instance: good.Instance, Slug: "GUEST", Name: "Again", Locale: "en"})
		wantKind(t, err, stoa.KindConflict)
		if got, err := n.BySlug(system(t), good.Instance, "guest"); err != nil || got.Name != good.Name || got.Version != good.Version {
			t.Errorf("the site was changed: %+v, %v", got, err)
		}
		for _, slug := range []string{"", "none", strings.Repeat("x", 5000), "' OR 1=1 --"} {
			_, err := n.BySlug(system(t), good.Instance, slug)
			wantKind(t, err, stoa.KindNotFound)
		}
	})
}

func TestSites_TravelToOtherNodesAsTheyAre(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, false)
		n.make(t)
		inst, st, err := n.Resolve(system(t), "localhost")
		if err != nil {
			t.Fatal(err)
		}
		codec := cache.JSON[Resolved]()
		raw, err := codec.Encode(Resolved{Instance: inst, Site: st, Named: true})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := codec.Decode(raw); err != nil || !reflect.DeepEqual(got, Resolved{Instance: inst, Site: st, Named: true}) {
			t.Errorf("comes as %+v, %v; was sent as %+v, %+v", got, err, inst, st)
		}
	})
}
