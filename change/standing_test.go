package change_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

func standingOf(n *node, writer int64) (s change.Standing) {
	for _, s := range n.Standing() {
		if s.Writer == writer {
			return s
		}
	}
	return s
}

func TestStanding_HoldsWhatIsAppliedHere_Rule23(t *testing.T) {
	t.Parallel()
	servers(t, 3, func(t *testing.T, d []*db.DB) {
		a, b := open(t, d[0]), open(t, d[1])
		b.poll()
		flying := a.hold(d[2], 1)
		a.write("article", 2)
		err := d[0].Write(t.Context(), func(_ context.Context, tx *db.Tx) error {
			tx.Changed("article", 3, 7, 1)
			tx.Fence(func(context.Context, *db.Tx) error { return errRollback })
			return nil
		})
		if !errors.Is(err, errRollback) {
			t.Fatal(err)
		}
		want := change.Standing{Writer: a.Writer(), Head: 3, Gaps: []uint64{1}}
		if got := standingOf(a, a.Writer()); !reflect.DeepEqual(got, want) {
			t.Errorf("of itself %+v, want %+v", got, want)
		}
		if got := standingOf(b, a.Writer()); got.Head != 0 {
			t.Errorf("before its read the other node has %+v", got)
		}
		b.poll()
		want.Head = 2 // that 3 was rolled back shows with the next change
		if got := standingOf(b, a.Writer()); !reflect.DeepEqual(got, want) {
			t.Errorf("after its read the other node has %+v, want %+v", got, want)
		}
		flying.commit(t)
		a.Done(t.Context(), flying.n, []db.Change{{Kind: "article", ID: 1, Scope: 7, Version: 1}}, true)
		a.write("article", 4)
		b.poll()
		for _, n := range []*node{a, b} {
			if got := standingOf(n, a.Writer()); got.Head != 4 || len(got.Gaps) != 0 {
				t.Errorf("at the end %+v", got)
			}
		}
	})
}

// What is not applied yet is not in the standing, also when a caller asks meanwhile.
func TestStanding_WaitsForWhatIsBeingApplied_Rule23(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a := open(t, d[0])
		begun, release := make(chan struct{}), make(chan struct{})
		b := open(t, d[1], func(o *change.Options) {
			apply := o.Apply
			o.Apply = func(rows []change.Row) { close(begun); <-release; apply(rows) }
		})
		b.Standing()
		p := a.write("article", 1)
		polled, asked := make(chan error, 1), make(chan change.Standing, 1)
		go func() { polled <- b.Poll(context.Background()) }()
		<-begun
		go func() { asked <- standingOf(b, a.Writer()) }()
		go close(release)
		if got := <-asked; got.Head != 1 || b.times(p) != 1 {
			t.Errorf("%+v, applied %d times", got, b.times(p))
		}
		if err := <-polled; err != nil {
			t.Fatal(err)
		}
	})
}

func TestStanding_HintsCountWhereTheyAreTrusted_Rule23(t *testing.T) {
	t.Parallel()
	engines(t, 3, func(t *testing.T, d []*db.DB) {
		hub := cluster.NewHub()
		a := link(t, hub.Join("a"), d[0])
		wary := link(t, hub.Join("b"), d[1])
		trusting := link(t, hub.Join("c"), d[2], func(o *change.Options) { o.TrustHints = true })
		wary.poll()
		trusting.poll()
		p := a.write("article", 42)
		eventually(t, "the hint arrives", func() bool { return wary.times(p) == 1 && trusting.times(p) == 1 })
		if got := standingOf(wary, a.Writer()); got.Head != 0 {
			t.Errorf("where hints are not trusted: %+v", got)
		}
		if got := standingOf(trusting, a.Writer()); got.Head != 1 || len(got.Gaps) != 0 {
			t.Errorf("where hints are trusted: %+v", got)
		}
		wary.poll()
		if got := standingOf(wary, a.Writer()); got.Head != 1 {
			t.Errorf("after the log: %+v", got)
		}
	})
}
