package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// hidden is a refusal as package access makes it.
type hidden struct{}

func (hidden) Error() string { return "hidden" }
func (hidden) Refused() (string, string, stoa.ID, stoa.ID) {
	return "view", "page", 77, quay
}

func TestRefused_TheSameOnTwoNodesIsOneRow(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := dbtest.Nodes(t, e, 2)
			now := noon().Add(7 * time.Second)
			var logs []*audit.Log
			for i, d := range nodes {
				l, err := audit.New(audit.Options{DB: d, Node: func() string { return fmt.Sprint("node-", i) },
					Now: func() time.Time { return now.Add(time.Duration(i) * 20 * time.Second) }})
				must(t, err)
				logs = append(logs, l)
			}
			ctx := from(as(t.Context(), ada()), "192.0.2.7")
			for _, l := range logs {
				l.Refused(ctx, stoa.Forbidden("you may view this page but not edit it"))
				l.Refused(ctx, stoa.Invalid("x", "this is no refusal"))
				l.Refused(ctx, stoa.NotFound("page", 5)) // nor is this
				l.Refused(as(ctx, stoa.Actor{Instance: harbour}), stoa.Unauthorized("sign in"))
			}
			var wg sync.WaitGroup
			failed := make(chan error, 2)
			for _, l := range logs {
				wg.Go(func() { failed <- l.Flush(t.Context()) })
			}
			wg.Wait()
			must(t, errors.Join(<-failed, <-failed))
			list := all(t, logs[0], audit.Filter{})
			if len(list) != 1 || list[0].Times != 2 || list[0].Outcome != audit.Refused || !list[0].At.Equal(noon()) ||
				!list[0].Until.Equal(now.Add(20*time.Second)) || list[0].Instance != harbour {
				t.Fatalf("%+v", list)
			}
			// The next minute is another row; so is another person.
			now = now.Add(time.Minute)
			logs[0].Refused(ctx, stoa.Forbidden("you may view this page but not edit it"))
			logs[1].Refused(as(ctx, otto()), stoa.Forbidden("you may view this page but not edit it"))
			must(t, errors.Join(logs[0].Flush(t.Context()), logs[1].Flush(t.Context())))
			if list := all(t, logs[1], audit.Filter{}); len(list) != 3 {
				t.Errorf("%+v", list)
			}
		})
	}
}

func TestRefused_WhatIsHiddenIsOne(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	l := open(t, d, "a")
	l.Refused(as(t.Context(), ada()), &stoa.Error{Kind: stoa.KindNotFound, Message: "there is no page", Err: hidden{}})
	must(t, l.Flush(t.Context()))
	list := all(t, l, audit.Filter{})
	if len(list) != 1 || list[0].Thing.ID != 77 || list[0].Thing.Kind != "page" || list[0].Instance != harbour {
		t.Errorf("%+v", list)
	}
}

func TestCount_AFloodIsFewRows(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	l := open(t, d, "a")
	const tries = 1000
	flood := func(ctx context.Context) {
		for i := range tries {
			l.Count(ctx, audit.Refused, audit.Access, audit.Thing{Kind: "page", ID: stoa.ID(i + 1)}, "no")
		}
	}
	sum := func(list []audit.Event) (times int64) {
		for _, e := range list {
			times += e.Times
		}
		return times
	}
	flood(as(t.Context(), ada())) // one person and many things
	must(t, l.Flush(t.Context()))
	if list := all(t, l, audit.Filter{Limit: 500}); len(list) != 21 || sum(list) != tries {
		t.Fatalf("one person: %d rows of %d", len(list), sum(list))
	}
	flood(as(t.Context(), otto())) // has a budget of his own
	must(t, l.Flush(t.Context()))
	if list := all(t, l, audit.Filter{Limit: 500, Instance: quay}); len(list) != 21 || sum(list) != tries {
		t.Fatalf("another: %d rows of %d", len(list), sum(list))
	}
	// Many guests, of whom each has a network of its own.
	guest := as(t.Context(), stoa.Actor{Instance: quay})
	for i := range tries {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		l.Count(stoa.WithRequester(guest, a), audit.Throttled, audit.SignIn, audit.Thing{Kind: "user"})
	}
	// And one that has billions of addresses.
	for i := range tries {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)})
		l.Count(stoa.WithRequester(as(t.Context(), stoa.Actor{Instance: harbour}), a), audit.Throttled, audit.SignIn,
			audit.Thing{Kind: "user"})
	}
	must(t, l.Flush(t.Context()))
	list := all(t, l, audit.Filter{Limit: 500, Instance: quay})
	if len(list) > 203 || sum(list) != 2*tries {
		t.Errorf("an instance: %d rows of %d", len(list), sum(list))
	}
	if list := all(t, l, audit.Filter{Outcome: audit.Throttled, Instance: harbour}); len(list) != 1 ||
		list[0].Times != tries {
		t.Errorf("one network: %+v", list)
	}
}

func TestFlush_WaitsForADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	l := open(t, d, "a")
	ctx := as(t.Context(), ada())
	rename := func(from, to string) {
		must(t, d.Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
			return err
		}))
	}
	rename("audit_event", "away")
	l.Refused(ctx, stoa.Forbidden("no"))
	if l.Flush(t.Context()) == nil {
		t.Fatal("it was written nowhere")
	}
	l.Refused(ctx, stoa.Forbidden("no"))
	if l.Flush(t.Context()) == nil {
		t.Fatal("it was written nowhere")
	}
	rename("away", "audit_event")
	must(t, l.Flush(t.Context()))
	must(t, l.Flush(t.Context()))
	if list := all(t, l, audit.Filter{}); len(list) != 1 || list[0].Times != 2 {
		t.Errorf("%+v", list)
	}
}
