package document_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/site"
)

func TestSweep_RemovesOnlyBytesThatNobodyRefersTo(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		f := n.upload(t, st, "kept.txt", []byte("kept"))
		orphan := filestore.NewKey()
		for _, key := range []string{"document/" + orphan, "document/" + orphan + "-w320", "document/" + f.Key + "-w160"} {
			_, err := n.store.Put(t.Context(), key, strings.NewReader("bytes"), -1)
			must(t, err)
		}
		if removed, err := n.Sweep(system(t), time.Now().Add(-time.Hour)); err != nil || removed != 0 {
			t.Errorf("bytes that are young: %d removed, %v", removed, err)
		}
		_, err := n.Sweep(t.Context(), time.Now())
		wantKind(t, err, stoa.KindForbidden, "somebody who sweeps")
		later := time.Now().Add(time.Minute)
		if removed, err := n.Sweep(system(t), later); err != nil || removed != 2 {
			t.Errorf("%d removed, %v; want 2", removed, err)
		}
		var left []string
		must(t, n.store.List(t.Context(), "", func(i filestore.Info) error { left = append(left, i.Key); return nil }))
		if len(left) != 2 || !strings.Contains(strings.Join(left, " "), f.Key) {
			t.Errorf("left: %v", left)
		}
		// A database that is younger than the bytes does not know whose they are.
		_, err = n.store.Put(t.Context(), "document/"+orphan, strings.NewReader("older"), -1)
		must(t, err)
		must(t, n.d.Write(system(t), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE site_site SET created = ?", db.Micros(later))
			return err
		}))
		if removed, err := n.Sweep(system(t), later); err != nil || removed != 0 {
			t.Errorf("older than the database: %d removed, %v", removed, err)
		}
	})
}
