package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/server/servertest"
)

func TestFiles_UploadedOnOneNodeAreServedByAllUntilDeleted(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a := nodes[0]
		f, err := a.Files.Upload(servertest.System(), a.Site(t), document.Upload{Name: "tides.txt", Type: "text/plain", Body: strings.NewReader("High water at noon.\n")})
		if err != nil {
			t.Fatal(err)
		}
		path := document.URL(a.Site(t).Slug, f)
		for _, n := range nodes {
			n.Poll(t)
			mustSee(t, n.Guest(t).Get(t, path), http.StatusOK, "High water at noon.")
		}
		if err := nodes[1].Files.Delete(servertest.System(), f.ID); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			n.Poll(t)
			mustSee(t, n.Guest(t).Get(t, path), http.StatusNotFound)
		}
	})
}

func TestDrain_LeavingNodeSaysSoAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 3)
	a, b := nodes[0], nodes[1]
	a.SignIn(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if res, err := b.Client.Get(b.URL + "/"); err == nil {
		_ = res.Body.Close()
		t.Errorf("the node that has left still answers: %d", res.StatusCode)
	}
	a.Publish(t, "after-b", "After B has left", "<p>Still here.</p>")
	for _, n := range []*servertest.Node{a, nodes[2]} {
		n.Poll(t)
		mustSee(t, n.Guest(t).Get(t, "/w/after-b"), http.StatusOK, "Still here.")
		mustSee(t, n.Get(t, "/readyz"), http.StatusOK)
	}
	mustSee(t, nodes[2].As(a.Client).Get(t, "/account"), http.StatusOK, servertest.AdminLogin)
}

func TestPassword_ChangedOnOneNodeEndsTheOtherSessionsOnAll(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1].Guest(t)
		a.SignIn(t)
		b.SignIn(t)
		mustSee(t, b.Get(t, "/account"), http.StatusOK, servertest.AdminLogin)
		const fresh = "another long enough phrase"
		mustSee(t, a.Post(t, "/account/password", url.Values{"old": {"wrong one, sorry"}, "new": {fresh}, "again": {fresh}}), http.StatusUnprocessableEntity)
		mustSee(t, a.Post(t, "/account/password", url.Values{"old": {servertest.AdminPassword}, "new": {fresh}, "again": {fresh}}), http.StatusOK, "Your password is changed.")
		for _, n := range nodes {
			n.Poll(t)
			if got := n.As(b.Client).Get(t, "/account"); got.Status != http.StatusSeeOther {
				t.Errorf("%s: the other session goes on: %d", n.URL, got.Status)
			}
			old := n.Guest(t).Post(t, "/sign-in", url.Values{"login": {servertest.AdminLogin}, "password": {servertest.AdminPassword}})
			if old.Status != http.StatusUnauthorized {
				t.Errorf("%s: the old password gets %d, want 401", n.URL, old.Status)
			}
			if got := n.Guest(t).Post(t, "/sign-in", url.Values{"login": {servertest.AdminLogin}, "password": {fresh}}); got.Status != http.StatusSeeOther {
				t.Errorf("%s: the new password gets %d", n.URL, got.Status)
			}
		}
	})
}

func TestEdit_NodesThatSaveTheSameVersionTogetherMakeOneNewVersion(t *testing.T) {
	t.Parallel()
	onEngines(t, 3, func(t *testing.T, nodes []*servertest.Node) {
		a := nodes[0]
		a.SignIn(t)
		id := a.Publish(t, "tides", "Tides", "<p>First.</p>")
		before, err := a.Content.Get(servertest.System(), id)
		if err != nil {
			t.Fatal(err)
		}
		errs := make([]error, len(nodes))
		var wg sync.WaitGroup
		for i, n := range nodes {
			wg.Go(func() {
				d := content.Draft{Slug: before.Slug, Kind: before.Kind, Text: map[stoa.Locale]content.Text{}}
				for l := range before.Text {
					d.Text[l] = content.Text{Title: "Tides", Body: "<p>From " + n.URL + ".</p>"}
				}
				_, errs[i] = n.Content.Save(servertest.System(), id, d, before.Version)
			})
		}
		wg.Wait()
		won := 0
		for i, err := range errs {
			switch {
			case err == nil:
				won++
			case !stoa.Is(err, stoa.KindConflict):
				t.Errorf("%s: %v, want a conflict", nodes[i].URL, err)
			}
		}
		after, err := nodes[2].Content.Get(servertest.System(), id)
		if err != nil {
			t.Fatal(err)
		}
		if won != 1 || after.Number != before.Number+1 {
			t.Errorf("%d nodes saved and the article is at version %d; want 1 and %d", won, after.Number, before.Number+1)
		}
	})
}

func TestPublish_ReachesNodesThatHearNoMessages(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Silent = true
			a, b := g.Join(nil), g.Join(nil)
			mustSee(t, b.Get(t, "/w/tides"), http.StatusNotFound)
			mustNotSee(t, b.Get(t, "/"), "Tides of the bay")
			a.SignIn(t)
			a.Publish(t, "tides", "Tides of the bay", "<p>High water at noon.</p>")
			b.Poll(t)
			mustSee(t, b.Get(t, "/w/tides"), http.StatusOK, "High water at noon.")
			mustSee(t, b.Get(t, "/"), http.StatusOK, "Tides of the bay")
		})
	}
}

func TestPublish_NodeFollowsByItselfAndNeverGoesBack(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	g.Silent = true
	a, b := g.Join(nil), g.Join(nil)
	a.SignIn(t)
	id := a.Publish(t, "tides", "Tides", "<p>Text 0.</p>")
	b.Poll(t)
	mustSee(t, b.Get(t, "/w/tides"), http.StatusOK, "Text 0.")
	const last = 5
	done := make(chan error, 1)
	go func() {
		ctx := servertest.System()
		for i := 1; i <= last; i++ {
			now, err := a.Content.Get(ctx, id)
			if err != nil {
				done <- err
				return
			}
			d := content.Draft{Slug: now.Slug, Kind: now.Kind, Text: map[stoa.Locale]content.Text{}}
			for l := range now.Text {
				d.Text[l] = content.Text{Title: "Tides", Body: fmt.Sprintf("<p>Text %d.</p>", i)}
			}
			saved, err := a.Content.Save(ctx, id, d, now.Version)
			if err == nil {
				_, err = a.Content.Publish(ctx, id, saved.Version, time.Time{})
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	words := regexp.MustCompile(`Text ([0-9]+)\.`)
	seen := 0
	for deadline := time.Now().Add(time.Minute); seen < last; {
		m := words.FindStringSubmatch(b.Get(t, "/w/tides").Body)
		if m == nil {
			t.Fatal("the page shows no text")
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if n < seen {
			t.Fatalf("the node shows text %d after text %d", n, seen)
		}
		seen = n
		if time.Now().After(deadline) {
			t.Fatalf("after a minute the node still shows text %d of %d", seen, last)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
