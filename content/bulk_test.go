package content_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
)

func TestBulk_IsAllOrNothingAndWaitsForTheOtherNodesOnce(t *testing.T) {
	t.Parallel()
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
		var e *stoa.Error
		if errors.As(err, &e) {
			if said := lang.In("de").Error(e); !strings.HasPrefix(said, "nichts wurde ausgeführt, ") ||
				!strings.Contains(said, ": der Artikel würde ablaufen") {
				t.Errorf("in German: %q", said)
			}
		}
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

// More than one transaction holds, a job does: what a portion takes away is confirmed once.
func TestBulkActions_WaitForTheOtherNodesOncePerPortion(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		var ids []stoa.ID
		for i := range 230 {
			a, err := n.Create(system(t), st, draft(fmt.Sprintf("Article %d", i), "<p>x</p>"))
			must(t, err)
			_, err = n.Publish(system(t), a.ID, a.Version, time.Time{})
			must(t, err)
			ids = append(ids, a.ID)
		}
		_, err := n.Create(system(t), st, draft("Draft", "<p>x</p>"))
		must(t, err)
		things := []bulk.Thing{{Kind: "file", ID: ids[0]}} // no article, whatever its number
		for _, id := range ids {
			things = append(things, bulk.Thing{Kind: "article", ID: id})
		}
		editor := n.editor(t, st, 71)
		jobs, err := job.New(job.Options{DB: n.d, Leader: alone{}, Poll: 5 * time.Millisecond})
		must(t, err)
		t.Cleanup(jobs.Stop)
		s, err := bulk.New(bulk.Options{DB: n.d, Jobs: jobs,
			Actor: func(context.Context, stoa.ID) (stoa.Actor, error) { return stoa.ActorFrom(editor), nil }})
		must(t, err)
		must(t, s.Register(n.BulkActions()...))
		must(t, jobs.Register(s.Job()))
		must(t, jobs.Start(t.Context()))
		before := n.confirmed.Load()
		id, err := s.Start(editor, content.BulkPrefix+content.BulkUnpublish, st.ID, things)
		must(t, err)
		var r bulk.Record
		dbtest.Await(t, time.Minute, func() error {
			if r, err = s.Get(editor, id); err == nil && r.Open() {
				err = errors.New("it goes on")
			}
			return err
		})
		if r.Done() != 230 || r.Refused != 1 {
			t.Errorf("it ended as %+v", r)
		}
		if got := n.confirmed.Load() - before; got != 2 {
			t.Errorf("the other nodes were waited for %d times; want once for each of the two transactions", got)
		}
		if l, err := n.List(system(t), st, content.Filter{Status: content.StatusDraft}); err != nil || l.Total != 231 {
			t.Errorf("%d drafts, %v", l.Total, err)
		}
	})
}

// alone is the only node there is.
type alone struct{}

func (alone) IsMaster() bool     { return true }
func (alone) Writer() int64      { return 1 }
func (alone) Alive(w int64) bool { return w == 1 }

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

// The ids that are sent are those of a form: an article of another instance, or one that the person may not edit, stays
// unknown to who sends its id, and the audit log is told what was refused.
func TestBulk_TellsNothingOfArticlesThatThePersonMayNotEdit(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			one, two := newNode(t, handles[0]), newNode(t, handles[1])
			st := one.firstSite(t)
			hidden := draft("Merger", "<p>x</p>")
			hidden.Slug = "secret-merger"
			a, err := one.Create(system(t), st, hidden)
			must(t, err)
			_, other, err := one.sites.CreateInstance(system(t), site.Defaults{WebID: "other.example", HostName: "other.example",
				Name: "Other", SiteName: "Guest", SiteSlug: "guest", Locale: "en", TimeZone: "UTC"})
			must(t, err)
			must(t, two.log.Poll(t.Context()))
			own, err := two.Create(system(t), other, draft("Own", "<p>x</p>"))
			must(t, err)
			roles, err := one.acc.RoleIDs(system(t), st.Instance)
			must(t, err)
			viewer := stoa.WithActor(t.Context(), stoa.Actor{User: 72, Instance: st.Instance,
				Roles: []stoa.ID{roles[access.RoleUser]}})
			authors, err := one.acc.CreateRole(system(t), access.Role{Instance: st.Instance, Name: "Authors"})
			must(t, err)
			must(t, one.acc.SetGrants(system(t), st.Path(), []access.Grant{{Role: roles[access.RoleUser], Action: access.View},
				{Role: authors.ID, Action: access.Edit}}))
			author := stoa.WithActor(t.Context(), stoa.Actor{User: 73, Instance: st.Instance, Roles: []stoa.ID{authors.ID}})
			for _, n := range []*node{one, two} {
				must(t, n.log.Poll(t.Context()))
				for who, c := range map[string]struct {
					ctx  context.Context
					kind stoa.Kind
				}{
					"an editor of another instance": {n.editor(t, other, 71), stoa.KindNotFound},
					"a person who may view":         {viewer, stoa.KindForbidden},
				} {
					for _, do := range []string{content.BulkPublish, content.BulkUnpublish, content.BulkDelete} {
						err := n.Bulk(c.ctx, do, []stoa.ID{a.ID, own.ID})
						wantKind(t, err, c.kind, who+" may "+do)
						if strings.Contains(err.Error(), "merger") {
							t.Errorf("%s is told by %s: %v", who, do, err)
						}
						var refused interface {
							Refused() (action, kind string, id, instance stoa.ID)
						}
						if !errors.As(err, &refused) {
							t.Errorf("%s by %s: the audit log is not told: %v", do, who, err)
						}
					}
				}
				// What the person may edit is named, and what was refused of it is told to the audit log.
				err := n.Bulk(author, content.BulkPublish, []stoa.ID{a.ID})
				wantKind(t, err, stoa.KindForbidden, "an author publishes")
				var refused interface {
					Refused() (action, kind string, id, instance stoa.ID)
				}
				if !strings.Contains(err.Error(), "/w/secret-merger") || !errors.As(err, &refused) {
					t.Errorf("an author is not told which article it is, or the audit log nothing: %v", err)
				}
			}
		})
	}
}
