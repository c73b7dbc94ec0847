package asset_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/recycle"
)

// fillBin puts the entries that grow has made into the recycle bin: each fourth took the three behind it along. Beside
// them are as many things of the whole instance.
func (w *world) fillBin(t testing.TB, count int) {
	t.Helper()
	const portion, first = 500, 1 << 41
	for at := 0; at < count; at += portion {
		must(t, w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			var args []any
			n := 0
			for i := at; i < min(count, at+portion); i++ {
				id, root, gone, address := first+i, 0, "", fmt.Sprintf("/n/%d", i)
				if i%4 > 0 {
					root = first + i - i%4
				}
				if i%2 == 0 {
					gone = recycle.Hash(address)
				}
				args = append(args, "note", id, w.st.Instance, w.st.ID, root, address, gone, i*7%count+1, i%3, "Ann Brandt", "{}",
					"")
				args = append(args, "role", id+count, w.st.Instance, 0, root, "", "", i*7%count+1, i%3, "Ann Brandt", "{}",
					"A role")
				n += 2
			}
			_, err := tx.Exec(ctx, "INSERT INTO asset_trash (kind, id, instance, site, root, address, gone, trashed, "+
				"trashed_by, trashed_by_name, state, title) VALUES "+
				strings.TrimSuffix(strings.Repeat(db.In(12)+", ", n), ", "), args...)
			return err
		}))
	}
}

// Nothing that the recycle bin asks reads a large part of a table, on the first page and the next.
func TestTrash_ReadsLittleOnEveryEngine(t *testing.T) {
	const count, first = 20_000, 1 << 41
	// A page with a search looks at some two thousand things and their entries.
	const most = 10_000
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.grow(t, count, "")
		w.fillBin(t, count)
		analyze(t, d, "asset_entry", "asset_trash")
		ctx := system(t)
		measure := func(what string, most int, ask func(ctx context.Context, q db.Queryer) error) {
			t.Helper()
			must(t, d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				m := &meter{t: t, tx: tx}
				before := m.handlers(ctx)
				if err := ask(ctx, m); err != nil {
					return fmt.Errorf("%s: %w", what, err)
				}
				m.read += m.handlers(ctx) - before
				if m.read > most || m.scan != "" {
					t.Errorf("%s: %d rows read, at most %d are expected %s", what, m.read, most, m.scan)
				}
				return nil
			}))
		}
		for name, f := range map[string]asset.TrashFilter{
			"all": {}, "of the instance": {Whole: true}, "a word": {Words: "elephant"}, "a person": {Person: "ann"},
			"a kind": {Kind: "role"}, "a word of the instance": {Whole: true, Words: "elephant"},
		} {
			f.Limit = 50
			for range 2 {
				measure(name, most, func(ctx context.Context, q db.Queryer) error {
					l, err := w.TrashFrom(ctx, q, w.st, f)
					if f.After = l.Next; l.Next == "" {
						t.Errorf("%s: there is no next page", name)
					}
					return err
				})
			}
		}
		measure("what was at an address", 20, func(ctx context.Context, q db.Queryer) error {
			e, err := asset.GoneFrom(ctx, q, w.st.ID, "/n/4444")
			if e.ID != first+4444 {
				t.Errorf("at the address was %d", e.ID)
			}
			return err
		})
		measure("what is old", 2500, func(ctx context.Context, q db.Queryer) error {
			n, err := asset.OldTrashFrom(ctx, q, count-100, count/2)
			if n != asset.MaxTrash {
				t.Errorf("%d old things", n)
			}
			return err
		})
		measure("what came along", 20, func(ctx context.Context, q db.Queryer) error {
			rows, err := recycle.Along(ctx, q, first+40)
			if len(rows) != 6 {
				t.Errorf("%d things came along", len(rows))
			}
			return err
		})
		measure("one", 10, func(ctx context.Context, q db.Queryer) error {
			_, err := recycle.One(ctx, q, "role", stoa.ID(first+count+77))
			return err
		})
	})
}
