// Package assettest helps tests of the kinds of content: whatever they do, each entry is as its row.
package assettest

import (
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// Same fails when an entry of the kind is not as the row of its owner, or is missing, or is left over. It mends them
// too, so that the next failure is of what was done since. It gives the number of things.
func Same(t testing.TB, d *db.DB, of asset.Type) int {
	t.Helper()
	s := Service(t, d, of)
	ctx := stoa.WithActor(t.Context(), stoa.SystemActor())
	before, err := s.Standings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for {
		st, err := s.Compare(ctx, of.Kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if st.Last != 0 {
			continue
		}
		if n := st.Mended - before[0].Mended; n > 0 {
			t.Errorf("%d entries of the kind %s are not as the rows of their owner", n, of.Kind)
		}
		return int(st.Compared - before[0].Compared)
	}
}

// Service makes the service with the types over a database, with a cache that keeps nothing from other nodes.
func Service(t testing.TB, d *db.DB, types ...asset.Type) *asset.Service {
	t.Helper()
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	acc, err := access.New(access.Options{DB: d, Cache: c})
	if err != nil {
		t.Fatal(err)
	}
	s, err := asset.New(asset.Options{DB: d, Access: acc})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Register(types...); err != nil {
		t.Fatal(err)
	}
	return s
}
