package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestTry_WhatFailsLeavesNothingAndTheRestIsCommitted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		put := func(ctx context.Context, tx *db.Tx, name string) error {
			tx.Changed("fact", 1, 7, int64(len(name)))
			return tx.Insert(ctx, "cluster_fact", db.Row{"name": name, "value": "x"})
		}
		attempts := 0
		refusal := stoa.Conflict("another person was faster")
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			attempts++
			ids := map[stoa.ID]bool{}
			for i, name := range []string{"one", "two", "one", "three"} { // "one" twice: the engine itself refuses
				undone, err := tx.Try(ctx, func(ctx context.Context, tx *db.Tx) error {
					id, err := tx.NewID(ctx)
					if err != nil {
						return err
					}
					if ids[id] {
						t.Errorf("the id %d was given twice", id)
					}
					if err := put(ctx, tx, name); err != nil {
						return err
					}
					if name == "two" {
						tx.TakesAway(nil)
						tx.Note(db.Note{Action: "deleted"})
						return refusal
					}
					ids[id] = true
					return nil
				})
				if failed := i == 1 || i == 2; failed != undone || (err != nil) != failed {
					t.Errorf("%s: undone %v, %v", name, undone, err)
				}
				if name == "two" && !errors.Is(err, refusal) {
					t.Errorf("the error is %v", err)
				}
			}
			if n := len(tx.Changes()); n != 2 {
				t.Errorf("%d changes are noted; want those of one and three", n)
			}
			if _, takes := tx.Taken(); takes || len(tx.Notes()) > 0 {
				t.Error("what was undone takes something away, or is noted")
			}
			return nil
		})
		if err != nil || attempts != 1 {
			t.Fatalf("%v after %d attempts", err, attempts)
		}
		var n int
		const count = "SELECT count(*) FROM cluster_fact WHERE name IN (?, ?)"
		if err := d.QueryRow(t.Context(), count, "one", "three").Scan(&n); err != nil || n != 2 {
			t.Errorf("%d rows, %v", n, err)
		}
		if err := d.QueryRow(t.Context(), count, "two", "two").Scan(&n); err != nil || n != 0 {
			t.Errorf("what was undone is there: %d, %v", n, err)
		}
	})
}

func TestTry_WhatIsNotDecidedEndsTheTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			undone, err := tx.Try(ctx, func(ctx context.Context, tx *db.Tx) error {
				return stoa.Unavailable(nil, "the store is away")
			})
			if undone {
				t.Error("it is said to be undone, so the caller would pass over it")
			}
			return err
		})
		if !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("%v", err)
		}
	})
}
