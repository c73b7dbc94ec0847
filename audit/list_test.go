package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// fill writes rows of two instances and of the installation.
func fill(t *testing.T, d *db.DB) {
	t.Helper()
	for i, a := range []stoa.Actor{ada(), otto(), {System: true, Name: "Stoa"}} {
		ctx := from(as(t.Context(), a), fmt.Sprintf("192.0.2.%d", 10+i))
		must(t, d.Write(ctx, func(_ context.Context, tx *db.Tx) error {
			audit.Note(tx, audit.PasswordSet, audit.Thing{Kind: "user", ID: stoa.ID(200 + i), Title: "Ünal_50%"})
			return nil
		}))
	}
}

func TestList_AdministratorsSeeTheirInstance(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l, err := audit.New(audit.Options{DB: d, Node: func() string { return "node-1" }})
		must(t, err)
		d.SetAuditor(l)
		fill(t, d)
		for _, c := range []struct {
			actor stoa.Actor
			f     audit.Filter
			rows  int
			node  string
			kind  stoa.Kind // of the error; Internal: none
		}{
			{actor: ada(), rows: 1},
			{actor: otto(), rows: 1},
			{actor: olga(), rows: 3, node: "node-1"},
			{actor: olga(), f: audit.Filter{Instance: quay}, rows: 1, node: "node-1"},
			{actor: stoa.SystemActor(), rows: 3, node: "node-1"},
			{actor: ada(), f: audit.Filter{Instance: harbour}, rows: 1},
			{actor: ada(), f: audit.Filter{Instance: quay}, kind: stoa.KindNotFound},
			{actor: stoa.Actor{User: 9, Instance: harbour}, kind: stoa.KindForbidden},
			{actor: stoa.Actor{User: 9, Admin: true}, kind: stoa.KindForbidden},
			{actor: stoa.Actor{Instance: harbour}, kind: stoa.KindUnauthorized},
			{actor: stoa.Actor{}, kind: stoa.KindUnauthorized},
		} {
			p, err := l.List(as(t.Context(), c.actor), c.f)
			if (err != nil) != (c.kind != 0) || err != nil && !stoa.Is(err, c.kind) {
				t.Errorf("%+v: %v", c.actor, err)
			}
			if len(p.Events) != c.rows || c.rows > 0 && p.Events[0].Node != c.node {
				t.Errorf("%+v: %+v", c.actor, p.Events)
			}
			given := 0
			err = l.Each(as(t.Context(), c.actor), c.f, func(e audit.Event) error {
				if e.Node != c.node {
					t.Errorf("%+v is told of the node", c.actor)
				}
				given++
				return nil
			})
			if (err != nil) != (c.kind != 0) || given < c.rows {
				t.Errorf("%+v is given %d: %v", c.actor, given, err)
			}
			must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { // what the export has left
				_, err := tx.Exec(ctx, "DELETE FROM audit_event WHERE action = 'exported'")
				return err
			}))
		}
	})
}

func TestList_Searches(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := open(t, d, "node-1")
		fill(t, d)
		l.Count(from(as(t.Context(), ada()), "2001:db8::1"), audit.Failed, audit.SignIn, audit.Thing{Kind: "user"})
		must(t, l.Flush(t.Context()))
		long := time.Now().Add(-time.Hour)
		for name, c := range map[string]struct {
			f    audit.Filter
			rows int
		}{
			"part of a name":        {audit.Filter{Who: "QUIST"}, 1},
			"two parts":             {audit.Filter{Who: "quist otto"}, 1},
			"number of a person":    {audit.Filter{Who: "101"}, 1},
			"words":                 {audit.Filter{What: "PASSWORD ünal"}, 3},
			"no wildcard":           {audit.Filter{What: "l_5"}, 3},
			"no wildcard either":    {audit.Filter{What: "l%5"}, 0},
			"number of a thing":     {audit.Filter{What: "201"}, 1},
			"address":               {audit.Filter{From: "192.0.2.10"}, 1},
			"begin of an address":   {audit.Filter{From: "192.0."}, 3},
			"another form of it":    {audit.Filter{From: "2001:0DB8:0::0001"}, 1},
			"outcome":               {audit.Filter{Outcome: audit.Failed}, 1},
			"since":                 {audit.Filter{Since: long}, 3},
			"until":                 {audit.Filter{Until: long}, 1},
			"all together":          {audit.Filter{Who: "otto", What: "password", From: "192", Outcome: audit.Done}, 1},
			"what a person types":   {audit.Filter{Who: "' OR 1=1 --"}, 0},
			"an unknown outcome":    {audit.Filter{Outcome: "x"}, 0},
			"a quote and an escape": {audit.Filter{What: `!'\"`}, 0},
		} {
			if list := all(t, l, c.f); len(list) != c.rows {
				t.Errorf("%s: %d rows: %+v", name, len(list), list)
			}
		}
		if _, err := l.List(as(t.Context(), olga()), audit.Filter{After: "x"}); !stoa.Is(err, stoa.KindInvalid) {
			t.Error(err)
		}
	})
}

func TestList_PagesMissNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := open(t, d, "node-1")
		ctx := as(t.Context(), ada())
		must(t, d.Write(ctx, func(_ context.Context, tx *db.Tx) error { // all of one moment
			for i := range 120 {
				audit.Note(tx, audit.PasswordSet, audit.Thing{Kind: "user", ID: stoa.ID(i + 1)})
			}
			return nil
		}))
		seen, f := map[stoa.ID]int{}, audit.Filter{Limit: 50}
		for pages := 1; ; pages++ {
			p, err := l.List(ctx, f)
			must(t, err)
			for _, e := range p.Events {
				seen[e.Thing.ID]++
			}
			if f.After = p.Next; p.Next == "" {
				if pages != 3 {
					t.Errorf("%d pages", pages)
				}
				break
			}
		}
		for i := range 120 {
			if seen[stoa.ID(i+1)] != 1 {
				t.Errorf("row %d was seen %d times", i+1, seen[stoa.ID(i+1)])
			}
		}
	})
}

func TestPrune_KeepsWhatIsYoung(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Now()
		l, err := audit.New(audit.Options{DB: d, Now: func() time.Time { return now }})
		must(t, err)
		d.SetAuditor(l)
		must(t, d.Write(as(t.Context(), ada()), func(_ context.Context, tx *db.Tx) error {
			for i := range 2300 {
				audit.Note(tx, audit.PasswordSet, audit.Thing{Kind: "user", ID: stoa.ID(i + 1)})
			}
			return nil
		}))
		must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { // of different moments
			_, err := tx.Exec(ctx, "UPDATE audit_event SET at = at - thing * 1000")
			return err
		}))
		fences := 0
		fence := func(*db.Tx) { fences++ }
		if _, err := l.Prune(as(t.Context(), ada()), time.Hour, fence); !stoa.Is(err, stoa.KindForbidden) {
			t.Error(err)
		}
		portal := as(t.Context(), stoa.SystemActor())
		if n, err := l.Prune(portal, time.Hour, fence); err != nil || n != 0 {
			t.Errorf("%d, %v", n, err)
		}
		now = now.Add(time.Hour - 200*time.Millisecond)
		n, err := l.Prune(portal, time.Hour, fence)
		if err != nil || n < 2050 || n > 2150 || fences < 4 {
			t.Errorf("%d deleted, fenced %d times: %v", n, fences, err)
		}
		if list := all(t, l, audit.Filter{Limit: 500}); int64(len(list)) != 2300-n {
			t.Errorf("%d are left", len(list))
		}
	})
}
