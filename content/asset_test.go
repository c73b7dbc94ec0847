package content_test

import (
	"context"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

func TestEntry_IsAsTheArticleAfterEachChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		same := func(what string, want int) {
			t.Helper()
			t.Log(what)
			if got := assettest.Same(t, n.d, n.AssetType()); got != want {
				t.Errorf("%s: %d things were compared, there are %d", what, got, want)
			}
		}
		a, err := n.Create(ctx, st, draft("The tides", "<p>High.</p>"))
		must(t, err)
		same("made", 1)
		a, err = n.Publish(ctx, a.ID, a.Version, time.Time{})
		must(t, err)
		same("published", 1)
		d := draft("The tides of March", "<p>Low.</p>")
		d.Text["de"] = content.Text{Title: "Gezeiten"}
		a, err = n.Save(ctx, a.ID, d, a.Version)
		must(t, err)
		same("saved", 1)
		a, err = n.Publish(ctx, a.ID, a.Version, time.Now().Add(time.Hour))
		must(t, err)
		same("scheduled", 1)
		a, err = n.SetExpiry(ctx, a.ID, a.Version, time.Now().Add(2*time.Hour))
		must(t, err)
		d.Author = 77
		a, err = n.Save(ctx, a.ID, d, a.Version)
		must(t, err)
		same("saved while scheduled", 1)
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return n.PublishDueTx(ctx, tx, time.Now().Add(90*time.Minute))
		}))
		same("published by time", 1)
		a, err = n.Get(ctx, a.ID)
		must(t, err)
		a, err = n.SetExpiry(ctx, a.ID, a.Version, time.Now().Add(time.Hour))
		must(t, err)
		same("expiry", 1)
		a, err = n.Restore(ctx, a.ID, 1, a.Version)
		must(t, err)
		same("restored", 1)
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return n.PublishDueTx(ctx, tx, time.Now().Add(3*time.Hour))
		}))
		same("expired", 1)
		a, err = n.Get(ctx, a.ID)
		must(t, err)
		a, err = n.SetExpiry(ctx, a.ID, a.Version, time.Time{})
		must(t, err)
		must(t, n.Bulk(ctx, content.BulkPublish, []stoa.ID{a.ID}))
		same("published with others", 1)
		a, err = n.Get(ctx, a.ID)
		must(t, err)
		_, err = n.Unpublish(ctx, a.ID, a.Version)
		must(t, err)
		same("withdrawn", 1)
		must(t, n.Delete(ctx, a.ID))
		same("deleted", 0)
	})
}
