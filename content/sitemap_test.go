package content_test

import (
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestMap_DividesWhatIsShownAndKeepsTheTimeOfWhatIsShown(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		st := n.firstSite(t)
		var want []string
		for _, slug := range []string{"one", "two", "three", "four"} {
			n.publish(t, st, content.Draft{Slug: slug, Kind: content.KindPost,
				Text: map[stoa.Locale]content.Text{"en": {Title: slug}, "de": {Title: slug}}})
			want = append(want, slug)
		}
		if _, err := n.Create(system(t), st, content.Draft{Slug: "unseen",
			Text: map[stoa.Locale]content.Text{"en": {Title: "x"}}}); err != nil {
			t.Fatal(err)
		}
		guest := n.guest(t, st)
		starts, err := n.MapStarts(guest, st, 2)
		if err != nil || len(starts) != 2 {
			t.Fatalf("four articles in pieces of two begin after %v, %v", starts, err)
		}
		var got []string
		var first time.Time
		for _, after := range starts {
			places, err := n.MapPiece(guest, st, after, 2, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range places {
				if got = append(got, p.Slug); len(p.Locales) != 2 {
					t.Errorf("%s has the languages %v", p.Slug, p.Locales)
				}
			}
			if after == 0 {
				first = places[0].Modified
			}
		}
		if len(got) != 4 || got[0] != want[0] || got[3] != want[3] {
			t.Errorf("the pieces have %v; want %v", got, want)
		}
		live, err := n.LiveBySlug(guest, st, "one")
		must(t, err)
		a, err := n.Get(system(t), live.ID)
		must(t, err)
		_, err = n.Save(system(t), a.ID,
			content.Draft{Text: map[stoa.Locale]content.Text{"en": {Title: "one, changed"}}}, a.Version)
		must(t, err)
		places, err := n.MapPiece(guest, st, 0, 2, false)
		if err != nil || first.Sub(places[0].Modified).Abs() > time.Second || places[0].Modified.After(first) {
			t.Errorf("a draft changed the time from %v to %v, %v", first, places[0].Modified, err)
		}
	})
}
