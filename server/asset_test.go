package server_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// What one node writes the other lists, and knows what refers to what.
func TestAsset_WrittenOnOneNodeListedOnTheOther(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		f, err := a.Files.Upload(sys, st, document.Upload{Name: "tides.txt", Body: strings.NewReader("High water.")})
		ok(t, err)
		p, err := a.Pages.Create(sys, st, page.NewPage{Slug: "harbour", Title: map[stoa.Locale]string{st.Locale: "Harbour"},
			Publish: true, Position: -1, Layout: page.Single(page.Placed{Widget: "html",
				Settings: map[string]string{"html": `<a href="` + document.URL(st.Slug, f) + `">table</a>`}})})
		ok(t, err)
		text := `<p><a href="/harbour?from=tides">Harbour</a> <a href="/nowhere">gone</a> <a href="/w/nothing">none</a>` +
			`<img src="` + document.URL(st.Slug, f) + `?w=160" alt=""></p>`
		art, err := a.Content.Create(sys, st, content.Draft{
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Tides of the harbour", Body: text}}})
		ok(t, err)
		listed := func(n *servertest.Node, filter asset.Filter) (out []string) {
			t.Helper()
			filter.Sort = asset.ByTitle
			l, err := n.Assets.List(sys, st, filter)
			ok(t, err)
			for _, e := range l.Items {
				out = append(out, e.Kind+" "+e.Title("en"))
			}
			return out
		}
		want := func(what string, got []string, want ...string) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		want("found by words", listed(b, asset.Filter{Words: "harb"}), "page Harbour", "article Tides of the harbour")
		drafts := asset.Filter{Status: []asset.Status{asset.Draft}, Kinds: []string{"article"}, Words: "tides"}
		want("drafts", listed(b, drafts), "article Tides of the harbour")
		uses := func(kind string, id stoa.ID) (out []string) {
			t.Helper()
			u, err := b.Assets.Uses(sys, kind, id)
			ok(t, err)
			for _, e := range u.Items {
				out = append(out, e.Kind+" "+e.Title("en"))
			}
			return out
		}
		broken := func() (out []string) {
			t.Helper()
			list, err := a.Assets.Broken(sys, st, "")
			ok(t, err)
			for _, x := range list.Items {
				if x.From.ID == art.ID {
					out = append(out, x.Address)
				}
			}
			slices.Sort(out)
			return out
		}
		want("who uses the file", uses("file", f.ID), "article Tides of the harbour", "page Harbour")
		want("who uses the page", uses("page", p.ID), "article Tides of the harbour")
		want("broken", broken(), "/nowhere", "/w/nothing")
		b.Poll(t)
		ok(t, b.Pages.Delete(sys, p.ID, p.Version))
		want("broken after the page was deleted", broken(), "/harbour", "/nowhere", "/w/nothing")
		a.Poll(t)
		// Visitors keep what they have while a draft is written: its references stay until the next publication.
		art, err = a.Content.Publish(sys, art.ID, art.Version, time.Time{})
		ok(t, err)
		art, err = a.Content.Save(sys, art.ID, content.Draft{
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Tides", Body: "<p>No link.</p>"}}}, art.Version)
		ok(t, err)
		want("used by what is published", uses("file", f.ID), "article Tides")
		_, err = a.Content.Publish(sys, art.ID, art.Version, time.Time{})
		ok(t, err)
		want("used by what is published then", uses("file", f.ID))
		for change, kind := range map[string]string{"article": "article", "article-draft": "article", "page": "page",
			"page-draft": "page", "file": "file", "grant": ""} {
			if got, _ := a.Assets.Of(change); got != kind {
				t.Errorf("a change of the kind %s is of the kind %q", change, got)
			}
		}
		followed(t, a, b)
		for _, typ := range a.Assets.Types() {
			assettest.Same(t, b.DB, typ)
			if n := a.Assets.Filled(typ.Kind) + b.Assets.Filled(typ.Kind); n != 0 {
				t.Errorf("%d entries of the kind %s were left to the follower", n, typ.Kind)
			}
		}
	})
}

// The job fills what is older than the entries, and lists may be made of them when the schema is finished.
func TestAsset_JobFillsWhatIsThere(t *testing.T) {
	t.Parallel()
	n := servertest.StartOn(t, dbtest.SQLite, 1)[0]
	followed(t, n) // or it fills them
	sys, st := servertest.System(), n.Site(t)
	entries := func() (count int) {
		t.Helper()
		ok(t, n.DB.QueryRow(sys, "SELECT count(*) FROM asset_entry").Scan(&count))
		return count
	}
	before := entries()
	ok(t, n.DB.Write(sys, func(ctx context.Context, tx *db.Tx) error {
		for _, table := range []string{"asset_entry", "asset_word", "asset_fill"} {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	}))
	// Until they are there, lists have the same of the owners' rows.
	if list, err := n.Assets.List(sys, st, asset.Filter{}); err != nil || entries() > 0 || len(list.Items) != before {
		t.Fatalf("%d entries are left of %d, the list has %d, %v", entries(), before, len(list.Items), err)
	}
	for range 2 {
		ok(t, n.Assets.Job().Run(sys, job.Run{}))
	}
	mustSee(t, n.Get(t, "/metrics"), http.StatusOK, `stoa_asset_mended_total{kind="page"} 0`, "stoa_asset_compared_total")
	if after := entries(); after != before {
		t.Errorf("%d entries were filled, there were %d", after, before)
	}
	if ready, err := n.Assets.Ready(sys, "page", "article", "file"); err != nil || ready {
		t.Errorf("ready while older nodes may come: %v, %v", ready, err)
	}
}

// What a person does on one node is on the screens of another at once: lists, who edits, calendar, activity, broken
// links and what refers; whether they are made of rows or of entries.
func TestAsset_ScreensOfAnotherNodeShowWhatWasDone(t *testing.T) {
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		b.SignIn(t)
		instance, err := a.Sites.Instance(sys, st)
		ok(t, err)
		write := func(title, refers string) content.Article {
			t.Helper()
			art, err := a.Content.Create(sys, st, content.Draft{Text: map[stoa.Locale]content.Text{
				st.Locale: {Title: title, Body: `<p><a href="` + refers + `">x</a></p>`}}})
			ok(t, err)
			return art
		}
		see := func(path string, words ...string) {
			t.Helper()
			b.Poll(t)
			mustSee(t, b.Get(t, path), http.StatusOK, words...)
		}
		look := func(title string) {
			t.Helper()
			art := write(title, "/nowhere")
			other := write("Refers to "+title, content.Address(art.Slug))
			at := time.Now().Add(time.Hour)
			art, err := a.Content.Publish(sys, art.ID, art.Version, at)
			ok(t, err)
			list := "/control/content?sort=title&q=" + url.QueryEscape(title)
			see(list, title)
			see(list+"&status=scheduled", ">1<", title)
			see("/control/calendar?day="+at.In(instance.Zone()).Format(time.DateOnly), title)
			see("/control/activity", title, "Scheduled")
			see("/control/links", title, "/nowhere")
			see("/control/uses/article/"+art.ID.String(), other.Text[st.Locale].Title)
			a.SignIn(t)
			mustSee(t, a.Get(t, "/control/content/"+art.ID.String()), http.StatusOK, title)
			see(list, "You are editing")
			ok(t, a.Content.Trash(sys, art.ID))
			see(list+"&status=scheduled", ">0<")
			see("/control/activity", "into the recycle bin")
		}
		mustSee(t, b.Get(t, "/control/calendar"), http.StatusOK)
		if page := b.Get(t, "/control/calendar").Body; strings.Contains(page, "After an update") {
			t.Error("a new portal speaks of an update")
		}
		if ready, err := a.Assets.Ready(sys, "article", "page", "file"); err != nil || !ready {
			t.Fatalf("entries of a new portal are not whole: %v, %v", ready, err)
		}
		look("Ebb tide")
		ok(t, a.DB.Write(sys, func(ctx context.Context, tx *db.Tx) error { // as after an update
			_, err := tx.Exec(ctx, "DELETE FROM asset_fill")
			return err
		}))
		mustSee(t, b.Get(t, "/control/calendar"), http.StatusOK, "After an update")
		look("Spring tide")
		_, err = a.DB.Finish(sys, db.Finish{Others: func(context.Context, func(int64) bool) error { return nil }})
		ok(t, err)
		ok(t, b.Assets.Job().Run(sys, job.Run{}))
		if ready, err := a.Assets.Ready(sys, "article", "page", "file"); err != nil || !ready {
			t.Fatalf("lists are not made of entries: %v, %v", ready, err)
		}
		look("Neap tide")
	})
}
