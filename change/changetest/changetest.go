// Package changetest gives tests of a domain what a node has below it: a cache that follows the real change log.
package changetest

import (
	"context"
	"testing"

	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// Follow gives a cache and the change log that tells it what was changed, both of one node over the handle. They end
// with the test.
func Follow(t testing.TB, d *db.DB) (*cache.Cache, *change.Log) {
	t.Helper()
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	log, err := change.Open(t.Context(), change.Options{DB: d, Apply: func(rows []change.Row) {
		changes := make([]cache.Change, 0, len(rows))
		for _, r := range rows {
			changes = append(changes, cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope)})
		}
		c.Invalidate(changes, nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	return c, log
}
