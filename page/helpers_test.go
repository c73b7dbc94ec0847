package page

import (
	"context"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/change/changetest"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// node is the services of one node over a handle, with the real change log.
type node struct {
	*Service
	access *access.Service
	sites  *site.Service
	cache  *cache.Cache
	log    *change.Log
	d      *db.DB
}

func newNode(t *testing.T, d *db.DB) *node {
	t.Helper()
	c, log := changetest.Follow(t, d)
	var err error
	n := &node{cache: c, log: log, d: d}
	if n.access, err = access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf}); err != nil {
		t.Fatal(err)
	}
	if n.sites, err = site.New(site.Options{DB: d, Cache: c, Access: n.access}); err != nil {
		t.Fatal(err)
	}
	if n.Service, err = New(Options{DB: d, Cache: c, Access: n.access, Sites: n.sites}); err != nil {
		t.Fatal(err)
	}
	return n
}

// world is one node with a site of the languages en and de, and contexts of an editor and a guest.
type world struct {
	*node
	st            site.Site
	editor, guest context.Context
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	n := newNode(t, d)
	_, st, _, err := n.sites.EnsureDefault(
		t.Context(),
		site.Defaults{
			WebID:    "test.com",
			Name:     "Test",
			SiteSlug: "guest",
			SiteName: "Guest",
			TimeZone: "UTC",
			Locale:   "en",
			Locales:  []stoa.Locale{"en", "de"},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	return &world{node: n, st: st, editor: n.as(t, st, access.RoleEditor), guest: n.as(t, st, access.RoleGuest)}
}

// as gives a context of an actor with one role.
func (n *node) as(t *testing.T, st site.Site, role string) context.Context {
	t.Helper()
	if role == access.RoleGuest {
		a, err := n.access.GuestActor(t.Context(), st.Instance)
		if err != nil {
			t.Fatal(err)
		}
		return stoa.WithActor(t.Context(), a)
	}
	ids, err := n.access.RoleIDs(t.Context(), st.Instance)
	if err != nil {
		t.Fatal(err)
	}
	return stoa.WithActor(
		t.Context(),
		stoa.Actor{
			User:     900,
			Name:     "Ed",
			Instance: st.Instance,
			Roles:    []stoa.ID{ids[role]},
			Admin:    role == access.RoleAdministrator,
			Proven:   time.Now(),
		},
	)
}

func (w *world) make(t *testing.T, n NewPage) Page {
	t.Helper()
	if n.Title == nil {
		n.Title = map[stoa.Locale]string{"en": n.Slug}
	}
	n.Position = -1
	p, err := w.Create(w.editor, w.st, n)
	if err != nil {
		t.Fatalf("create %q: %v", n.Slug, err)
	}
	return p
}

func wantKind(t *testing.T, err error, k stoa.Kind) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Fatalf("got the error %v, want one of the kind %v", err, k)
	}
}

func html(text string) Layout {
	return Single(Placed{ID: "w1", Widget: "html", Settings: map[string]string{"html": text}})
}

func paths(nodes []Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Path)
		out = append(out, paths(n.Children)...)
	}
	return out
}
