package browsertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
)

// The screens that all kinds of content share, with much on them, in the languages with the longest and the tallest
// words.
func TestPanel_SharedScreensFitWithMuchOnThem(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	sys, st := servertest.System(), n.Site(t)
	who, err := n.Users.ByLogin(sys, st.Instance, servertest.AdminLogin)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	now := time.Now()
	month := time.Date(now.Year(), now.Month(), 1, 9, 0, 0, 0, time.UTC).AddDate(0, 1, 0)
	var last content.Article
	for i := range 56 {
		a, err := n.Content.Create(sys, st, content.Draft{Author: who.ID, AuthorName: "Maximiliane von Oberndorf",
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: fmt.Sprintf("The tides of the harbour in the year %d", 1900+i),
				Body: fmt.Sprintf(`<p><a href="/a/page/with/a/long/address/that/leads/nowhere/%d">x</a> `+
					`<a href="/w/tides">y</a></p>`, i)}}})
		must(err)
		if i < 20 {
			a, err = n.Content.Publish(sys, a.ID, a.Version, month.AddDate(0, 0, i*i%17).Add(time.Duration(i)*time.Hour/2))
			must(err)
			_, err = n.Content.SetExpiry(sys, a.ID, a.Version, month.AddDate(0, 0, 17+i/2))
			must(err)
		}
		last = a
	}
	_, err = n.Content.Create(sys, st, content.Draft{Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Refers",
		Body: `<p><a href="` + content.Address(last.Slug) + `">x</a></p>`}}})
	must(err)
	for i := range 4 {
		_, err := n.Pages.Create(sys, st, page.NewPage{Title: map[stoa.Locale]string{st.Locale: fmt.Sprintf("Harbour %d", i)},
			Position: -1})
		must(err)
	}
	script := axe(t)
	for _, l := range []stoa.Locale{"en", "de", "ja"} {
		t.Run(string(l), func(t *testing.T) {
			speak(t, n, who, l)
			b := open(t, n.URL)
			b.signIn(t)
			b.visit(t, "/control/content/"+last.ID.String(), 1440) // and so edits it
			for _, path := range []string{"/control/content", "/control/content?q=tides&sort=title&since=2020-01-01&tag=x",
				"/control/content?q=tides&sort=title&since=2020-01-01", "/control/pages?q=harbour", "/control/files",
				"/control/calendar?month=" + month.Format("2006-01"), "/control/calendar?day=" + month.Format(time.DateOnly),
				"/control/activity", "/control/links", "/control/uses/article/" + last.ID.String(), "/control/"} {
				b.lookAt(t, l, path, script)
			}
		})
	}
}
