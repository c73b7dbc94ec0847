package content_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

func TestBulk_IsAllOrNothingAndWaitsForTheOtherNodesOnce(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		var ids []stoa.ID
		for i := range 10 {
			a, err := n.Create(system(t), st, draft(fmt.Sprintf("Article %d", i), "<p>x</p>"))
			must(t, err)
			ids = append(ids, a.ID)
		}
		states := func(want string, many int) {
			t.Helper()
			l, err := n.List(system(t), st, content.Filter{Status: want, PerPage: 100})
			if err != nil || l.Total != many {
				t.Errorf("%d articles are %s, %v; want %d", l.Total, want, err, many)
			}
		}
		expiring, err := n.Get(system(t), ids[7])
		must(t, err)
		must(t, n.d.Write(system(t), expire(expiring.ID)))
		err = n.Bulk(system(t), content.BulkPublish, ids)
		wantKind(t, err, stoa.KindInvalid, "one that cannot be published")
		states(content.StatusDraft, 10)
		_, err = n.SetExpiry(system(t), ids[7], expiring.Version, time.Time{})
		must(t, err)
		before := n.confirmed.Load()
		must(t, n.Bulk(system(t), content.BulkPublish, append(ids, ids[0])))
		states(content.StatusPublished, 10)
		if n.confirmed.Load() != before {
			t.Error("publishing takes nothing away")
		}
		wantKind(t, n.Bulk(n.guest(t, st), content.BulkDelete, ids), stoa.KindUnauthorized, "a guest")
		must(t, n.Bulk(system(t), content.BulkUnpublish, ids))
		states(content.StatusDraft, 10)
		if got := n.confirmed.Load() - before; got != 1 {
			t.Errorf("the other nodes were waited for %d times for ten articles that were withdrawn; want once", got)
		}
		must(t, n.Bulk(system(t), content.BulkDelete, ids))
		states("", 0)
		if got := n.confirmed.Load() - before; got != 1 {
			t.Error("deleting drafts takes nothing away from visitors")
		}
		wantKind(t, n.Bulk(system(t), content.BulkDelete, make201()), stoa.KindInvalid, "more than can be chosen")
		wantKind(t, n.Bulk(system(t), "explode", nil), stoa.KindInvalid, "an unknown action")
	})
}

func make201() []stoa.ID {
	ids := make([]stoa.ID, 201)
	for i := range ids {
		ids[i] = stoa.ID(i + 1)
	}
	return ids
}

// expire gives an article an expiry that has passed.
func expire(id stoa.ID) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE content_article SET expire_at = 1 WHERE id = ?", id)
		return err
	}
}
