package audit_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

const (
	harbour = stoa.ID(10) // an instance
	quay    = stoa.ID(11) // another
)

// noon is the begin of a minute.
func noon() time.Time { return time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC) }

func open(t *testing.T, d *db.DB, node string) *audit.Log {
	t.Helper()
	l, err := audit.New(audit.Options{DB: d, Node: func() string { return node }, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	d.SetAuditor(l)
	return l
}

func as(ctx context.Context, a stoa.Actor) context.Context { return stoa.WithActor(ctx, a) }

// ada administers the harbour, otto the quay; olga operates both.
func ada() stoa.Actor {
	return stoa.Actor{User: 100, Name: "Ada Brandt", Instance: harbour, Admin: true}
}

func otto() stoa.Actor { return stoa.Actor{User: 101, Name: "Otto Quist", Instance: quay, Admin: true} }

func olga() stoa.Actor {
	return stoa.Actor{User: 102, Name: "Olga Ruiz", Instance: harbour, Admin: true, Operator: true}
}

func from(ctx context.Context, address string) context.Context {
	return stoa.WithRequester(ctx, netip.MustParseAddr(address))
}

func all(t *testing.T, l *audit.Log, f audit.Filter) []audit.Event {
	t.Helper()
	p, err := l.List(as(t.Context(), stoa.SystemActor()), f)
	if err != nil {
		t.Fatal(err)
	}
	return p.Events
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
