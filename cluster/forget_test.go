package cluster_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

// Only a dead node can be forgotten, and one that was only frozen is expelled when it comes back.
func TestForget_ExpelsADeadNode(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		a := join(t, d[0])
		b := join(t, d[1], func(o *cluster.NodeOptions) { o.Guest = true }) // the master is a, however slow it is
		beating(t, d[0], a)
		if err := a.Forget(t.Context(), b.Writer()); !stoa.Is(err, stoa.KindConflict) {
			t.Fatalf("a living node was forgotten: %v", err)
		}
		eventually(t, "b is declared dead", func() bool {
			err := a.RunAsMaster(t.Context(), func(ctx context.Context, f cluster.Fence) error {
				_, err := a.Sweep(ctx, f)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return member(a, b.Writer()).State == "dead"
		})
		if err := a.Forget(t.Context(), b.Writer()); err != nil {
			t.Fatal(err)
		}
		if m := member(a, b.Writer()); m.State != "left" || m.Live {
			t.Errorf("%+v", m)
		}
		err := d[1].Control(t.Context(), func(tx *db.Tx) error { return b.Beat(t.Context(), tx, 1) })
		if !errors.Is(err, cluster.ErrExpelled) {
			t.Errorf("the forgotten node beats again: %v", err)
		}
		if err := a.Forget(t.Context(), b.Writer()); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("forgotten twice: %v", err)
		}
	})
}
