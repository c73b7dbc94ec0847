package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// followed waits until entries follow and nothing is left to do.
func followed(t *testing.T, nodes ...*servertest.Node) {
	t.Helper()
	eventually(t, "entries follow", func() bool {
		for _, n := range nodes {
			st := statusOf(t, n.Follow, "asset")
			if st.Name != "" && st.Looking == "" && st.Waiting+st.Failed+st.Unread == 0 {
				return true
			}
		}
		return false
	})
}

// older does what a node of the version before does: it writes rows and notes the change, and knows of no entries.
func older(t *testing.T, n *servertest.Node, change string, id, scope stoa.ID, statement string, args ...any) {
	t.Helper()
	ok(t, n.DB.Write(servertest.System(), func(ctx context.Context, tx *db.Tx) error {
		if change != "" {
			tx.Changed(change, id, scope, 0)
		}
		_, err := tx.Exec(ctx, statement, args...)
		return err
	}))
}

// entryVersion gives the version of an entry, 0 where there is none.
func entryVersion(t *testing.T, n *servertest.Node, kind string, id stoa.ID) (version int64) {
	t.Helper()
	err := n.DB.QueryRow(t.Context(), "SELECT version FROM asset_entry WHERE kind = ? AND id = ?", kind, id).Scan(&version)
	if err != nil && !db.IsNoRows(err) {
		t.Fatal(err)
	}
	return version
}

// post makes an article that is not published.
func post(t *testing.T, n *servertest.Node, title string) content.Article {
	t.Helper()
	st := n.Site(t)
	a, err := n.Content.Create(servertest.System(), st, content.Draft{
		Text: map[stoa.Locale]content.Text{st.Locale: {Title: title, Body: "<p>x</p>"}}})
	ok(t, err)
	return a
}

// leave stops a node.
func leave(t *testing.T, n *servertest.Node) {
	t.Helper()
	n.Left = true
	ok(t, n.Stop(context.Background()))
}

const raiseArticle = "UPDATE content_article SET version = version + 1 WHERE id = ?"

func TestAssetFollower_WhatTheVersionBeforeWritesIsListedOnTheOtherNode(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		art := post(t, a, "Tides")
		f, err := a.Files.Upload(sys, st, document.Upload{Name: "tides.txt", Body: strings.NewReader("High water.")})
		ok(t, err)
		p, err := a.Pages.Create(sys, st, page.NewPage{Slug: "harbour", Title: map[stoa.Locale]string{st.Locale: "Harbour"},
			Publish: true, Position: -1, Layout: page.Single()})
		ok(t, err)
		followed(t, a, b)
		found := func(words string, want int) {
			t.Helper()
			eventually(t, words, func() bool {
				l, err := b.Assets.List(sys, st, asset.Filter{Words: words})
				ok(t, err)
				return len(l.Items) == want
			})
		}
		older(t, a, "article", art.ID, st.ID, raiseArticle, art.ID)
		eventually(t, "the entry of the article follows", func() bool {
			return entryVersion(t, b, "article", art.ID) == art.Version+1
		})
		older(t, a, "page", p.ID, st.ID, "UPDATE page_page SET title = ?, version = version + 1 WHERE id = ?",
			`{"`+string(st.Locale)+`": "Lighthouse"}`, p.ID)
		found("lighthouse", 1)
		found("harbour", 0)
		older(t, a, "file", f.ID, st.ID, "UPDATE document_file SET version = version + 1 WHERE id = ?", f.ID)
		eventually(t, "the entry of the file follows", func() bool {
			return entryVersion(t, b, "file", f.ID) == f.Version+1
		})
		// What it made has no entry yet.
		made := post(t, a, "Breakwater")
		older(t, a, "article", made.ID, st.ID, "DELETE FROM asset_entry WHERE id = ?", made.ID)
		found("breakwater", 1)
		// A row that names the whole scope, and not the things.
		older(t, a, "", 0, 0, raiseArticle, art.ID)
		older(t, a, "article", 0, st.ID, "DELETE FROM content_article WHERE id = ?", made.ID)
		eventually(t, "the scope is looked at", func() bool {
			return entryVersion(t, b, "article", art.ID) == art.Version+2 && entryVersion(t, b, "article", made.ID) == 0
		})
		for kind, id := range map[string]stoa.ID{"article": art.ID, "file": f.ID, "page": p.ID} {
			table := map[string]string{"article": "content_article", "file": "document_file", "page": "page_page"}[kind]
			older(t, b, kind, id, st.ID, "DELETE FROM "+table+" WHERE id = ?", id)
			eventually(t, "what was deleted is listed no more: "+kind, func() bool {
				return entryVersion(t, a, kind, id) == 0
			})
		}
		found("breakwater", 0)
		followed(t, a, b)
		for _, typ := range a.Assets.Types() {
			assettest.Same(t, a.DB, typ)
		}
		seen := func(n *servertest.Node) bool {
			return strings.Contains(n.Get(t, "/metrics").Body, `stoa_asset_filled_total{kind="page"} 2`)
		}
		if !seen(a) && !seen(b) {
			t.Error("no node tells what it has filled")
		}
		mustSee(t, a.Get(t, "/metrics"), http.StatusOK, `stoa_asset_mended_total{kind="page"} 0`)
	})
}

// What could not be entered waits; when the node that tries dies, the other one goes on.
func TestAssetFollower_WhatWaitsIsDoneByAnotherNodeWhenTheHolderIsGone(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Breakable = true
			nodes := []*servertest.Node{g.Join(nil), g.Join(nil)}
			bad, good := post(t, nodes[0], "Bad"), post(t, nodes[0], "Good")
			followed(t, nodes...)
			holder, other := nodes[0], nodes[1]
			if statusOf(t, other.Follow, "asset").Here {
				holder, other = other, holder
			}
			site := holder.Site(t).ID
			// An article of no instance has no entry.
			older(t, holder, "article", bad.ID, site,
				"UPDATE content_article SET instance = 0, version = version + 1 WHERE id = ?", bad.ID)
			older(t, holder, "article", good.ID, site, raiseArticle, good.ID)
			eventually(t, "the other article is entered", func() bool {
				return entryVersion(t, other, "article", good.ID) == good.Version+1
			})
			eventually(t, "the bad one waits", func() bool { return statusOf(t, other.Follow, "asset").Waiting == 1 })
			if e == dbtest.SQLite { // nothing stands between a node and its file
				leave(t, holder)
			} else {
				g.Freeze(holder)
			}
			older(t, other, "", 0, 0, "UPDATE content_article SET instance = ? WHERE id = ?", bad.Instance, bad.ID)
			eventually(t, "what waited is entered", func() bool {
				return entryVersion(t, other, "article", bad.ID) == bad.Version+1
			})
			older(t, other, "article", good.ID, site, raiseArticle, good.ID)
			eventually(t, "the other node goes on", func() bool {
				return entryVersion(t, other, "article", good.ID) == good.Version+2
			})
			if !statusOf(t, other.Follow, "asset").Here {
				t.Error("the other node does not run it")
			}
		})
	}
}

func TestAssetFollower_APlaceThatWasPrunedLeadsToALookAtEverything(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			a := g.Join(nil)
			changed, gone := post(t, a, "Changed"), post(t, a, "Gone")
			followed(t, a)
			a.Follow.Stop()
			site := a.Site(t).ID
			older(t, a, "article", changed.ID, site, raiseArticle, changed.ID)
			older(t, a, "article", gone.ID, site, "DELETE FROM content_article WHERE id = ?", gone.ID)
			number := func(query string) (n int64) {
				t.Helper()
				ok(t, a.DB.QueryRow(t.Context(), query, a.Log.Writer()).Scan(&n))
				return n
			}
			// As after change.retention.
			newest := number("SELECT MAX(n) FROM change_log WHERE writer = ?")
			eventually(t, "what is settled is published", func() bool {
				return number("SELECT low FROM change_writer WHERE writer = ?") > newest
			})
			ok(t, a.DB.Control(servertest.System(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), "DELETE FROM change_log WHERE writer = ? AND n <= ?", a.Log.Writer(), newest)
				if err == nil {
					_, err = tx.Exec(t.Context(), "UPDATE change_writer SET horizon = ? WHERE writer = ?", newest+1, a.Log.Writer())
				}
				return err
			}))
			leave(t, a) // or it keeps the lease
			b := g.Join(nil)
			eventually(t, "everything is looked at", func() bool {
				return entryVersion(t, b, "article", changed.ID) == changed.Version+1 &&
					entryVersion(t, b, "article", gone.ID) == 0
			})
			followed(t, b)
			if n := b.Assets.Filled("article"); n != 2 {
				t.Errorf("%d entries were filled, want 2", n)
			}
		})
	}
}

// A database that is put back has the place, the entries and the log of the same moment, and what is written from then
// on is followed; one that was restored from a backup has no places, and everything is looked at.
func TestAssetFollower_GoesOnInADatabaseThatWasReplaced(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		art, site := post(t, a, "Tides"), a.Site(t).ID
		followed(t, nodes...)
		another := func() {
			t.Helper()
			_, err := a.DB.Adopt(servertest.System(), 0, nil)
			ok(t, err)
		}
		want := func(version int64, when string) {
			t.Helper()
			eventually(t, "the entry follows "+when, func() bool { return entryVersion(t, b, "article", art.ID) == version })
		}
		another()
		write := func(change string, scope stoa.ID) {
			t.Helper()
			eventually(t, "a write in the new history", func() bool {
				return b.DB.Write(servertest.System(), func(ctx context.Context, tx *db.Tx) error {
					if change != "" {
						tx.Changed(change, art.ID, scope, 0)
					}
					_, err := tx.Exec(ctx, raiseArticle, art.ID)
					return err
				}) == nil
			})
		}
		write("article", site)
		want(art.Version+1, "in a new history")
		followed(t, nodes...)
		write("", 0)
		ok(t, a.DB.Control(servertest.System(), func(tx *db.Tx) error {
			for _, table := range []string{"follow_task", "follow_follower", "change_reader"} {
				if _, err := tx.Exec(t.Context(), "DELETE FROM "+table); err != nil {
					return err
				}
			}
			return nil
		}))
		another()
		want(art.Version+2, "after a restore")
	})
}

// Owners of this version, a node of the one before and the follower write the entry of one thing: it is never put back.
func TestAssetFollower_AnEntryNeverGoesBackWhileAllWriteIt(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		art := post(t, a, "0")
		done := make(chan struct{})
		var wg, writers sync.WaitGroup
		wg.Go(func() { // as the follower does, without a moment between
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := b.DB.Write(sys, func(ctx context.Context, tx *db.Tx) error {
					_, err := b.Assets.Follow(ctx, tx, []asset.Named{{Change: "article", ID: art.ID}})
					return err
				}); err != nil {
					t.Errorf("the follower: %v", err)
					return
				}
			}
		})
		wg.Go(func() {
			newest := int64(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				switch v := entryVersion(t, a, "article", art.ID); {
				case v < newest:
					t.Errorf("the entry went back from version %d to %d", newest, v)
					return
				default:
					newest = v
				}
			}
		})
		writers.Go(func() {
			for range 30 {
				older(t, b, "article", art.ID, st.ID, raiseArticle, art.ID)
			}
		})
		writers.Go(func() {
			for saved := 0; saved < 30; {
				var version int64
				ok(t, a.DB.QueryRow(sys, "SELECT version FROM content_article WHERE id = ?", art.ID).Scan(&version))
				_, err := a.Content.Save(sys, art.ID, content.Draft{
					Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Saved", Body: "<p>x</p>"}}}, version)
				switch {
				case err == nil:
					saved++
				case !stoa.Is(err, stoa.KindConflict):
					t.Errorf("save: %v", err)
					return
				}
			}
		})
		writers.Wait()
		close(done)
		wg.Wait()
		followed(t, nodes...)
		if v := entryVersion(t, b, "article", art.ID); v != art.Version+60 {
			t.Errorf("the entry has version %d after 60 changes of %d", v, art.Version)
		}
	})
}
