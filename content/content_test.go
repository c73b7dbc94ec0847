package content_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

// node is what a node of the portal has, as far as articles need it.
type node struct {
	*content.Service
	d     *db.DB
	log   *change.Log
	acc   *access.Service
	words *taxonomy.Service
	sites *site.Service

	assets    *asset.Service
	confirmed atomic.Int32 // how often the other nodes were waited for
}

func newNode(t testing.TB, d *db.DB) *node {
	t.Helper()
	n := &node{d: d}
	var proof func() time.Duration
	c, err := cache.New(cache.Options{Proof: func() time.Duration { return proof() }, Clock: change.Boottime, InTransaction: db.InWrite, Incarnation: d.Incarnation})
	must(t, err)
	n.log, err = change.Open(t.Context(), change.Options{DB: d, PollInterval: 20 * time.Millisecond,
		Confirm: func(context.Context, change.Position) error { n.confirmed.Add(1); return nil },
		Apply: func(rows []change.Row) {
			out := make([]cache.Change, len(rows))
			for i, r := range rows {
				out[i] = cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope)}
			}
			c.Invalidate(out, nil)
		}})
	must(t, err)
	proof = n.log.Proof
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.log.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		_ = n.log.Close(context.Background())
		c.Close()
	})
	n.acc, err = access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	must(t, err)
	n.words, err = taxonomy.New(taxonomy.Options{DB: d, Cache: c, Access: n.acc})
	must(t, err)
	n.sites, err = site.New(site.Options{DB: d, Cache: c, Access: n.acc})
	must(t, err)
	n.assets, err = asset.New(asset.Options{DB: d, Access: n.acc, Cache: c})
	must(t, err)
	n.Service, err = content.New(content.Options{DB: d, Cache: c, Access: n.acc, Taxonomy: n.words, Assets: n.assets})
	must(t, err)
	must(t, n.assets.Register(n.AssetType()))
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// system is the context of the portal itself.
func system(t testing.TB) context.Context { return stoa.WithActor(t.Context(), stoa.SystemActor()) }

// firstSite makes the site that tests write to.
func (n *node) firstSite(t testing.TB) site.Site {
	t.Helper()
	_, st, _, err := n.sites.EnsureDefault(system(t), site.Defaults{WebID: "stoa.example", Name: "Stoa", SiteName: "Guest", Locale: "en", TimeZone: "UTC"})
	must(t, err)
	return st
}

func (n *node) guest(t *testing.T, st site.Site) context.Context {
	t.Helper()
	a, err := n.acc.GuestActor(system(t), st.Instance)
	must(t, err)
	return stoa.WithActor(t.Context(), a)
}

func draft(title, body string) content.Draft {
	return content.Draft{Text: map[stoa.Locale]content.Text{"en": {Title: title, Body: body}}}
}

// publish makes an article that visitors see.
func (n *node) publish(t *testing.T, st site.Site, d content.Draft) content.Article {
	t.Helper()
	a, err := n.Create(system(t), st, d)
	must(t, err)
	a, err = n.Publish(system(t), a.ID, a.Version, time.Time{})
	must(t, err)
	return a
}

func wantKind(t *testing.T, err error, k stoa.Kind, what string) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Fatalf("%s: got %v, want an error of kind %s", what, err, k)
	}
}

func each(t *testing.T, fn func(t *testing.T, n *node, st site.Site)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		fn(t, n, n.firstSite(t))
	})
}

func TestCreate_SanitizesAndMakesUniqueAddresses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		a, err := n.Create(ctx, st, draft("Grüße aus Ελλάδα!", `<p onclick="x()">Hi</p><script>alert(1)</script>`))
		must(t, err)
		if got := a.In("en").Body; got != "<p>Hi</p>" {
			t.Errorf("body %q", got)
		}
		if a.Slug != "grüße-aus-ελλάδα" || a.Status != content.StatusDraft || a.Number != 1 || a.Live != 0 {
			t.Errorf("%+v", a)
		}
		b, err := n.Create(ctx, st, draft("Grüße aus Ελλάδα!", ""))
		must(t, err)
		if b.Slug != a.Slug+"-2" {
			t.Errorf("second slug %q", b.Slug)
		}
		d := draft("Another", "")
		d.Slug = a.Slug
		_, err = n.Create(ctx, st, d)
		wantKind(t, err, stoa.KindConflict, "a chosen address that is taken")
		_, err = n.Create(ctx, st, draft(" ", ""))
		wantKind(t, err, stoa.KindInvalid, "no title")
		_, err = n.Create(ctx, st, draft("Long", strings.Repeat("x", content.MaxBody+1)))
		wantKind(t, err, stoa.KindTooLarge, "a body over the limit")
		_, err = n.Create(n.guest(t, st), st, draft("Guest", ""))
		wantKind(t, err, stoa.KindUnauthorized, "a guest who writes")
	})
}

func TestSave_StaleVersionConflicts(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			one, two := newNode(t, handles[0]), newNode(t, handles[1])
			st := one.firstSite(t)
			a, err := one.Create(system(t), st, draft("Title", "<p>0</p>"))
			must(t, err)
			var wg sync.WaitGroup
			errs := make([]error, 2)
			for i, n := range []*node{one, two} {
				wg.Go(func() { _, errs[i] = n.Save(system(t), a.ID, draft("Title", "<p>new</p>"), a.Version) })
			}
			wg.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("of two saves of the same version one must win: %v, %v", errs[0], errs[1])
			}
			for _, err := range errs {
				if err != nil {
					wantKind(t, err, stoa.KindConflict, "the save that lost")
				}
			}
			got, err := two.Get(system(t), a.ID)
			must(t, err)
			if got.Number != 2 || got.Version != 2 {
				t.Fatalf("number %d, version %d", got.Number, got.Version)
			}
		})
	}
}

func TestPublish_OtherNodeSeesIt(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			one, two := newNode(t, handles[0]), newNode(t, handles[1])
			st := one.firstSite(t)
			must(t, two.log.Poll(t.Context()))
			a, err := one.Create(system(t), st, draft("News", "<p>first</p>"))
			must(t, err)
			guest := two.guest(t, st)
			look := func() (content.Article, content.List, error) {
				must(t, two.log.Poll(t.Context()))
				list, err := two.LiveList(guest, st, content.Filter{})
				must(t, err)
				got, err := two.LiveBySlug(guest, st, "news")
				return got, list, err
			}
			_, list, err := look()
			wantKind(t, err, stoa.KindNotFound, "a draft")
			if list.Total != 0 {
				t.Fatalf("a draft is listed: %+v", list)
			}
			a, err = one.Publish(system(t), a.ID, a.Version, time.Time{})
			must(t, err)
			got, list, err := look()
			must(t, err)
			if got.In("en").Body != "<p>first</p>" || list.Total != 1 || list.Items[0].In("en").Title != "News" || list.Items[0].In("en").Body != "" {
				t.Fatalf("%+v, %+v", got, list)
			}
			a, err = one.Save(system(t), a.ID, draft("News", "<p>second</p>"), a.Version)
			must(t, err)
			if got, _, _ = look(); got.In("en").Body != "<p>first</p>" {
				t.Fatal("visitors see what was saved and not published")
			}
			a, err = one.Publish(system(t), a.ID, a.Version, time.Time{})
			must(t, err)
			if got, _, _ = look(); got.In("en").Body != "<p>second</p>" {
				t.Fatal("visitors do not see what was published")
			}
			must(t, one.Delete(system(t), a.ID))
			_, list, err = look()
			wantKind(t, err, stoa.KindNotFound, "a deleted article")
			if list.Total != 0 {
				t.Fatal("a deleted article is listed")
			}
		})
	}
}

func TestPublishDue_PublishesAndExpiresAtTheGivenTime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx, guest := system(t), n.guest(t, st)
		at := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		a, err := n.Create(ctx, st, draft("Later", "<p>approved</p>"))
		must(t, err)
		a, err = n.Publish(ctx, a.ID, a.Version, at)
		must(t, err)
		if a.Status != content.StatusScheduled || a.Live != 0 || !a.Publish.Equal(at) {
			t.Fatalf("%+v", a)
		}
		a, err = n.SetExpiry(ctx, a.ID, a.Version, at.Add(time.Hour))
		must(t, err)
		a, err = n.Save(ctx, a.ID, draft("Later", "<p>written after</p>"), a.Version)
		must(t, err)
		due := func(now time.Time) {
			must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return n.PublishDueTx(ctx, tx, now) }))
		}
		if next, err := n.NextDue(ctx); err != nil || !next.Equal(at) {
			t.Fatalf("next due %v, %v", next, err)
		}
		due(at.Add(-time.Second))
		_, err = n.Live(guest, a.ID)
		wantKind(t, err, stoa.KindNotFound, "before its time")
		due(at.Add(time.Second))
		got, err := n.Live(guest, a.ID)
		must(t, err)
		if got.In("en").Body != "<p>approved</p>" || !got.Published.Equal(at) || got.Status != content.StatusPublished {
			t.Fatalf("%+v: the version that was scheduled is expected", got)
		}
		due(at.Add(time.Hour))
		_, err = n.Live(guest, a.ID)
		wantKind(t, err, stoa.KindNotFound, "after its expiry")
		if got, err = n.Get(ctx, a.ID); err != nil || got.Status != content.StatusExpired {
			t.Fatalf("%+v, %v", got, err)
		}
		_, err = n.Publish(ctx, a.ID, a.Version, time.Time{})
		wantKind(t, err, stoa.KindConflict, "a stale version")
		err = n.d.Write(guest, func(ctx context.Context, tx *db.Tx) error { return n.PublishDueTx(ctx, tx, at) })
		wantKind(t, err, stoa.KindForbidden, "a guest who publishes by time")
		must(t, n.PublishDue(ctx))
	})
}

func TestVersions_CompareAndRestore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		a, err := n.Create(ctx, st, draft("Title", "<p>red fox</p>"))
		must(t, err)
		d := draft("Title", "<p>blue fox</p>")
		d.Comment = "colour"
		a, err = n.Save(ctx, a.ID, d, a.Version)
		must(t, err)
		c, err := n.Compare(ctx, a.ID, 1, 2, "en")
		must(t, err)
		var gone, added string
		for _, p := range c.Body {
			switch p.Op {
			case content.Delete:
				gone += p.Text
			case content.Insert:
				added += p.Text
			}
		}
		if !strings.Contains(gone, "r") || !strings.Contains(added, "blu") || len(c.Title) != 1 || c.Title[0].Op != content.Equal {
			t.Fatalf("%+v", c)
		}
		a, err = n.Restore(ctx, a.ID, 1, a.Version)
		must(t, err)
		if a.Number != 3 || a.In("en").Body != "<p>red fox</p>" {
			t.Fatalf("%+v", a)
		}
		list, err := n.Versions(ctx, a.ID)
		must(t, err)
		if len(list) != 3 || list[0].Number != 3 || list[1].Comment != "colour" {
			t.Fatalf("%+v", list)
		}
		_, err = n.Versions(n.guest(t, st), a.ID)
		wantKind(t, err, stoa.KindUnauthorized, "a guest who reads versions")
		_, err = n.Version(ctx, a.ID, 99)
		wantKind(t, err, stoa.KindNotFound, "a version that never was")
	})
}

func TestPassword_HidesTheTextUntilUnlocked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		guest := n.guest(t, st)
		d := draft("Secret", "<p>treasure</p>")
		pw := "sesame"
		d.Password = &pw
		a := n.publish(t, st, d)
		got, err := n.Live(guest, a.ID)
		must(t, err)
		if !got.Locked || got.In("en").Title != "Secret" || got.In("en").Body+got.In("en").Teaser != "" {
			t.Fatalf("%+v", got)
		}
		list, err := n.LiveList(guest, st, content.Filter{})
		must(t, err)
		if list.Items[0].In("en").Teaser != "" {
			t.Fatal("the list shows the beginning of a protected text")
		}
		_, err = n.Unlock(guest, a.ID, "simsim")
		wantKind(t, err, stoa.KindInvalid, "a wrong password")
		token, err := n.Unlock(guest, a.ID, pw)
		must(t, err)
		if got, err = n.Unlocked(guest, a.ID, token); err != nil || got.In("en").Body != "<p>treasure</p>" {
			t.Fatalf("%+v, %v", got, err)
		}
		if got, err = n.Unlocked(guest, a.ID, "x"+token); err != nil || !got.Locked {
			t.Fatalf("a forged token: %+v, %v", got, err)
		}
		other := "other"
		d.Password = &other
		_, err = n.Save(system(t), a.ID, d, a.Version)
		must(t, err)
		if got, err = n.Unlocked(guest, a.ID, token); err != nil || !got.Locked {
			t.Fatalf("the token outlived its password: %+v, %v", got, err)
		}
	})
}
