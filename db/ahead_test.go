package db_test

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stoa-portal/stoa/db"
)

// A lease is renewed by Control. On SQLite it must get the one lock however many writers stand in line: after the one that has
// it, no further one comes before.
func TestControl_GoesBeforeTheQueueOfWriters_SQLite(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "stoa.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var commits atomic.Int64
	began := make(chan struct{}, 1000)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
					for range 200 { // a writer that takes its time
						if _, err := tx.Exec(ctx, "UPDATE page_tree SET touched = touched + 1"); err != nil {
							if ctx.Err() == nil {
								t.Error(err)
							}
							return err
						}
					}
					select {
					case began <- struct{}{}:
					default:
					}
					return nil
				})
				commits.Add(1)
			}
		})
	}
	worst := int64(0)
	for range 20 {
		<-began // the queue is full
		before := commits.Load()
		if err := d.Control(ctx, func(tx *db.Tx) error { worst = max(worst, commits.Load()-before); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	wg.Wait()
	if worst > 3 { // the one that has the lock, and one that saw no one waiting
		t.Errorf("%d writers of a queue went before Control", worst)
	}
	t.Logf("at most %d went before", worst)
}
