package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/secret"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A draft is shown to those who may edit it, on each node, and to no other, also not to those of another instance.
func TestPreview_OfADraftIsForItsEditors(t *testing.T) {
	t.Parallel()
	w := newRouteWalk(t, servertest.NewGroup(t, dbtest.SQLite))
	n, st := w.nodes[0], w.nodes[0].Site(t)
	a, err := n.Content.Create(servertest.System(), st, content.Draft{Kind: content.KindPost, Slug: "ebb",
		Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Ebb", Body: "<p>Words of the draft</p>"}}})
	ok(t, err)
	w.nodes[1].Poll(t)
	path := "/w/preview/" + a.ID.String()
	for _, k := range w.kinds {
		if k.letter == 't' {
			continue // what f asks for
		}
		may := strings.ContainsRune("esmao", rune(k.letter))
		for i, n := range w.nodes {
			status, doc := atHost(t, n, k.client, k.host, http.MethodGet, path, nil)
			if shown := strings.Contains(doc, "Words of the draft"); shown != may || may != (status == http.StatusOK) {
				t.Errorf("%c on node %d: %d, shown %v, want %v", k.letter, i+1, status, shown, may)
			}
			if may && !strings.Contains(doc, "Preview of a draft") {
				t.Errorf("%c on node %d is not told that it is a preview", k.letter, i+1)
			}
		}
	}
}

func TestPreview_LinkOpensTheDraftWithoutAnAccountUntilItEnds(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	a, b := g.Join(nil), g.Join(nil)
	sys, st := servertest.System(), a.Site(t)
	words := func(s string) map[stoa.Locale]content.Text {
		return map[stoa.Locale]content.Text{st.Locale: {Title: "Ebb", Body: "<p>" + s + "</p>"}}
	}
	draft := content.Draft{Kind: content.KindPost, Slug: "ebb", Text: words("First words")}
	x, err := a.Content.Create(sys, st, draft)
	ok(t, err)
	other, err := a.Content.Create(
		sys,
		st,
		content.Draft{Kind: content.KindPost, Slug: "flood", Text: words("Other words")},
	)
	ok(t, err)
	x, err = a.Content.Publish(sys, x.ID, x.Version, time.Time{})
	ok(t, err)
	draft.Text = words("Second words")
	_, err = a.Content.Save(sys, x.ID, draft, x.Version) // the link is not of one version
	ok(t, err)
	a.SignIn(t)
	form := a.Get(t, "/control/content/"+x.ID.String())
	if !strings.Contains(form.Body, "/w/preview/"+x.ID.String()+"?key=") {
		t.Fatalf("the editor of the article has no link to its draft\n%s", form.Body)
	}
	key, until, err := a.Content.PreviewKey(sys, x.ID)
	ok(t, err)
	if d := time.Until(until); d > content.PreviewFor || d < content.PreviewFor-time.Hour {
		t.Errorf("the link opens for %s", d)
	}
	link := func(id stoa.ID, more string) string {
		return "/w/preview/" + id.String() + "?key=" + url.QueryEscape(key) + more
	}
	for _, n := range []*servertest.Node{a, b} {
		n.Poll(t)
		guest := n.Guest(t)
		got := guest.Get(t, link(x.ID, ""))
		if got.Status != http.StatusOK || !strings.Contains(got.Body, "Second words") ||
			got.Header.Get("Cache-Control") != "private, no-store" || !strings.Contains(got.Body, `content="noindex"`) {
			t.Fatalf("%d, %v\n%s", got.Status, got.Header, got.Body)
		}
		links, _ := barLinks(got.Body)
		if len(links) != 2 {
			t.Fatalf("the ways from the preview are %v", links)
		}
		if got = guest.Get(t, links[1]); !strings.Contains(got.Body, "First words") {
			t.Errorf("the published version beside it: %d\n%s", got.Status, got.Body)
		}
		if got = guest.Get(t, link(other.ID, "")); got.Status != http.StatusNotFound {
			t.Errorf("the link opens another article: %d", got.Status)
		}
		if got = guest.Get(t, link(x.ID, "x")); got.Status != http.StatusNotFound {
			t.Errorf("a changed link: %d", got.Status)
		}
		if got = guest.Get(t, "/w/ebb"); strings.Contains(got.Body, "Second words") {
			t.Error("visitors see the draft")
		}
	}
	old, err := a.Secrets.Token(sys, "preview", fmt.Appendf(nil, "%s %d", x.ID, time.Now().Unix()-1))
	ok(t, err)
	_, err = a.Content.PreviewBy(t.Context(), x.ID, old, false)
	refused(t, "a link whose time is over", err, stoa.KindNotFound)
	ok(t, a.DB.Write(sys, func(ctx context.Context, tx *db.Tx) error { return secret.Replace(ctx, tx) }))
	b.Poll(t)
	if got := b.Guest(t).Get(t, link(x.ID, "")); got.Status != http.StatusNotFound {
		t.Errorf("the link after the keys are replaced: %d", got.Status)
	}
}
