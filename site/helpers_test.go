package site

import (
	"context"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/change/changetest"
	"github.com/stoa-portal/stoa/db"
)

// node is the service of one node over a handle, with the real change log.
type node struct {
	*Service
	access *access.Service
	log    *change.Log
}

func newNode(t *testing.T, d *db.DB, strict bool) *node {
	t.Helper()
	c, log := changetest.Follow(t, d)
	n, err := &node{log: log}, error(nil)
	if n.access, err = access.New(access.Options{DB: d, Cache: c, InstanceOf: InstanceOf}); err != nil {
		t.Fatal(err)
	}
	if n.Service, err = New(Options{DB: d, Cache: c, Access: n.access, StrictHosts: strict}); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) poll(t *testing.T) {
	t.Helper()
	if err := n.log.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func system(t *testing.T) context.Context { return stoa.WithActor(t.Context(), stoa.SystemActor()) }

func defaults() Defaults {
	return Defaults{WebID: "test.com", Name: "Test", SiteSlug: "guest", SiteName: "Guest", TimeZone: "UTC", Locale: "en"}
}

func (n *node) make(t *testing.T) Site {
	t.Helper()
	_, st, _, err := n.EnsureDefault(system(t), defaults())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func wantKind(t *testing.T, err error, k stoa.Kind) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Fatalf("got the error %v, want one of the kind %v", err, k)
	}
}
