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
						_ = beat(ctx, d[0], n)
					}
				}
			}()
			fn()
			cancel()
			<-done
		}
		refuse := func() error { return cluster.RefuseOthers(t.Context(), d[1], own, 400*time.Millisecond, all) }
		beating(func() {
			err := refuse()
			if !stoa.Is(err, stoa.KindConflict) || !strings.Contains(err.Error(), "other-schema (2), other-version (1)") || strings.Contains(err.Error(), "same") {
				t.Errorf("error %v, want a Conflict that names both", err)
			}
		}, young, old)
		beating(func() {
			if err := refuse(); !stoa.Is(err, stoa.KindConflict) || strings.Contains(err.Error(), "other-schema") {
				t.Errorf("error %v, want a Conflict that names the one that beats", err)
			}
		}, old)
		// A node from before the column is of another build whatever it says.
		beating(func() {
			err := cluster.RefuseOthers(t.Context(), d[1], cluster.Build{Version: "1", Schema: 90}, 400*time.Millisecond, func(int64) bool { return false })
			if !stoa.Is(err, stoa.KindConflict) {
				t.Errorf("error %v before the rows tell the schema, want a Conflict", err)
			}
		}, old)
		if err := refuse(); err != nil {
			t.Errorf("all others stand still: %v", err)
		}
		if err := d[1].Control(t.Context(), func(tx *db.Tx) error { return cluster.ExpelOthers(t.Context(), tx, own) }); err != nil {
			t.Fatal(err)
		}
		if err := beat(t.Context(), d[0], old); !errors.Is(err, cluster.ErrExpelled) {
			t.Errorf("a node that only stood still: %v, want ErrExpelled", err)
		}
	})
}
