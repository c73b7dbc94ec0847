package asset_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/testdata/note"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// What a bulk action is for is what the list has on all its pages.
func TestMatching_GivesWhatAllPagesHave(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for i := range 450 {
			w.save(t, note.Note{Title: fmt.Sprintf("Note %d", i)})
		}
		editor := w.as(t, 903, access.RoleEditor)
		shut := w.save(t, note.Note{Title: "Shut", Private: true})
		for who, want := range map[string]int{"an editor": 450, "the portal": 451} {
			ctx := editor
			if who == "the portal" {
				ctx = system(t)
			}
			list, err := w.Matching(ctx, w.st, asset.Filter{Limit: 7, After: "", Sort: asset.ByTitle})
			must(t, err)
			seen := map[bulk.Thing]bool{}
			for _, x := range list {
				seen[x] = true
			}
			if len(list) != want || len(seen) != want {
				t.Errorf("%s: %d things, %d of them different; want %d", who, len(list), len(seen), want)
			}
		}
		first, err := w.List(editor, w.st, asset.Filter{Limit: 7})
		must(t, err)
		next, err := w.List(editor, w.st, asset.Filter{Limit: 7, After: first.Next})
		must(t, err)
		ends, cancel := context.WithTimeout(editor, 20*time.Second)
		defer cancel()
		list, err := w.Matching(ends, w.st, asset.Filter{Before: next.Prev})
		if err != nil || len(list) != 450 {
			t.Errorf("before a place: %d things, %v", len(list), err)
		}
		known, err := w.Editable(editor, []bulk.Thing{{Kind: "note", ID: shut.ID}, {Kind: "note", ID: 1 << 40}})
		if err != nil || len(known) != 0 {
			t.Errorf("an editor is told of %v, %v", known, err)
		}
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 904, Instance: w.st.Instance + 1, Admin: true})
		if _, err := w.Matching(stranger, w.st, asset.Filter{}); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance chooses: %v", err)
		}
		if _, err := w.AllTrash(stranger, w.st, true); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance empties: %v", err)
		}
		if err := w.InOrder(editor, asset.BulkPurge, []bulk.Thing{{Kind: "note", ID: shut.ID}}); err == nil {
			t.Error("a kind without a recycle bin was purged")
		}
	})
}
