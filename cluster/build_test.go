package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

func TestRefuseOthers_NamesWhoLivesAndExpelsWhoComesBack(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		own := cluster.Build{Version: "2", Schema: 90}
		named := func(name, version string, schema int64) func(o *cluster.NodeOptions) {
			return func(o *cluster.NodeOptions) { o.Name, o.Version, o.Schema = name, version, schema }
		}
		join(t, d[0], named("same", "2", 90))
		young := join(t, d[0], named("other-schema", "2", 89))
		old := join(t, d[0], named("other-version", "1", 90))
		all := func(int64) bool { return true }
		// beating lets the nodes live while fn runs.
		beating := func(fn func(), nodes ...*cluster.Node) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for ctx.Err() == nil {
					for _, n := range nodes {
						_ = beat(t.Context(), d[0], n) // whole ones: a beat that is cut off may come late
					}
				}
			}()
			fn()
			cancel()
			<-done
		}
		refuse := func() error { return cluster.RefuseOthers(t.Context(), d[1], own, 400*time.Millisecond, all) }
		beating(func() {
			eventually(t, "a Conflict that names both", func() bool { // a beat may be late for one look
				err := refuse()
				if err != nil && (!stoa.Is(err, stoa.KindConflict) || strings.Contains(err.Error(), "same")) {
					t.Fatalf("error %v, want a Conflict that names both", err)
				}
				return err != nil && strings.Contains(err.Error(), "other-schema (2), other-version (1)")
			})
		}, young, old)
		beating(func() {
			eventually(t, "a Conflict that names the one that beats", func() bool {
				err := refuse()
				if err != nil && (!stoa.Is(err, stoa.KindConflict) || strings.Contains(err.Error(), "other-schema")) {
					t.Fatalf("error %v, want a Conflict that names the one that beats", err)
				}
				return err != nil
			})
		}, old)
		// A node from before the column is of another build whatever it says.
		beating(func() {
			same, none := cluster.Build{Version: "1", Schema: 90}, func(int64) bool { return false }
			eventually(t, "a Conflict before the rows tell the schema", func() bool {
				err := cluster.RefuseOthers(t.Context(), d[1], same, 400*time.Millisecond, none)
				if err != nil && !stoa.Is(err, stoa.KindConflict) {
					t.Fatalf("error %v before the rows tell the schema, want a Conflict", err)
				}
				return err != nil
			})
		}, old)
		if err := refuse(); err != nil {
			t.Errorf("all others stand still: %v", err)
		}
		err := d[1].Control(t.Context(), func(tx *db.Tx) error { return cluster.ExpelOthers(t.Context(), tx, own) })
		if err != nil {
			t.Fatal(err)
		}
		if err := beat(t.Context(), d[0], old); !errors.Is(err, cluster.ErrExpelled) {
			t.Errorf("a node that only stood still: %v, want ErrExpelled", err)
		}
	})
}
