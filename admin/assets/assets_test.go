package assets_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

func system() stoa.Actor { return stoa.SystemActor() }

func article(w *admintest.World, st site.Site, title, body string) content.Article {
	w.T.Helper()
	a, err := w.Content.Create(admintest.As(system()), st, content.Draft{Slug: strings.ToLower(title),
		Text: map[stoa.Locale]content.Text{"en": {Title: title, Body: body}}})
	admintest.Must(w.T, err)
	return a
}

// at schedules an article.
func at(w *admintest.World, a content.Article, when time.Time) {
	w.T.Helper()
	_, err := w.Content.Publish(admintest.As(system()), a.ID, a.Version, when)
	admintest.Must(w.T, err)
}

// ledger makes a page that only administrators may edit.
func ledger(w *admintest.World, slug string) page.Page {
	w.T.Helper()
	p, err := w.Pages.Create(admintest.As(w.Manager()), w.Site, page.NewPage{Slug: slug, Restricted: true, Publish: true,
		Title: map[stoa.Locale]string{"en": "Ledger"},
		Layout: page.Single(page.Placed{ID: "w1", Widget: "html",
			Settings: map[string]string{"html": `<a href="/w/nowhere">x</a> <a href="/w/quay">y</a>`}})})
	admintest.Must(w.T, err)
	return p
}

func TestCalendar_HasWhatIsScheduledOfTheSiteInPages(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, st, _ := w.Other()
	day := time.Date(time.Now().Year()+1, time.March, 14, 12, 0, 0, 0, time.UTC)
	for i := range 60 {
		at(w, article(w, w.Site, fmt.Sprint("Tide-", i), "<p>x</p>"), day.Add(time.Duration(i)*time.Minute))
	}
	at(w, article(w, w.Site, "Later", "<p>x</p>"), day.AddDate(0, 0, 1))
	at(w, article(w, st, "Elsewhere", "<p>x</p>"), day)
	month := w.Get(w.Editor, "/control/calendar?month="+day.Format("2006-01"))
	w.Want("the month", month, http.StatusOK, "March", "Tide-0", "Later", "?day="+day.Format(time.DateOnly))
	w.Without("the month", month, "Elsewhere", ">Tide-59<") // a field has some, and says how many more there are
	w.Want("the month", month, http.StatusOK, "56 more")
	w.Want("the months beside it", month, http.StatusOK, "month="+day.AddDate(0, 1, -10).Format("2006-01"),
		"month="+day.AddDate(0, -1, 0).Format("2006-01"))
	seen := map[string]bool{}
	pages := 0
	for next := "/control/calendar?day=" + day.Format(time.DateOnly); next != "" && pages < 10; pages++ {
		a := w.Get(w.Editor, next)
		w.Without("the day", a, "Elsewhere", "Later")
		for i := range 60 {
			if name := fmt.Sprint("Tide-", i, "<"); strings.Contains(a.Body, name) {
				seen[name] = true
			}
		}
		_, rest, ok := strings.Cut(a.Main(), `rel="next" href="`)
		if next, _, _ = strings.Cut(rest, `"`); !ok {
			next = ""
		}
		next = strings.ReplaceAll(next, "&amp;", "&")
	}
	if len(seen) != 60 || pages != 2 {
		t.Errorf("%d of 60 are on %d pages of the day", len(seen), pages)
	}
	w.Want("another month", w.Get(w.Editor, "/control/calendar?month="+day.AddDate(0, 2, 0).Format("2006-01")),
		http.StatusOK, "Nothing is scheduled")
	w.Want("by a member", w.Get(w.Member, "/control/calendar"), http.StatusForbidden)
	w.Without("of their site", w.Get(w.Editor, "/control/calendar?site="+st.ID.String()+"&month="+
		day.Format("2006-01")), "Elsewhere")
}

func TestActivity_IsOfTheSiteAndOfWhatThePersonMayEdit(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, st, stranger := w.Other()
	ledger(w, "ledger")
	article(w, w.Site, "Quay", "<p>x</p>")
	article(w, st, "Elsewhere", "<p>x</p>")
	for name, c := range map[string]struct {
		who       stoa.Actor
		has, lack []string
	}{
		"an administrator": {w.Manager(), []string{"Quay", "Ledger"}, []string{"Elsewhere"}},
		"an editor":        {w.Editor, []string{"Quay"}, []string{"Elsewhere", "Ledger"}},
		"an author":        {w.Author, []string{"Quay"}, []string{"Elsewhere", "Ledger"}},
	} {
		a := w.Get(c.who, "/control/activity")
		w.Want(name, a, http.StatusOK, c.has...)
		w.Without(name, a, c.lack...)
		a = w.Get(c.who, "/control/activity?site="+st.ID.String())
		w.Without(name+" on their site", a, "Elsewhere")
	}
	w.Want("by a member", w.Get(w.Member, "/control/activity"), http.StatusForbidden)
	if a := w.Get(stranger, "/control/activity"); a.Status != http.StatusForbidden && a.Status != http.StatusNotFound {
		t.Errorf("a stranger: %d", a.Status)
	}
}

func TestActivity_GoesOnToItsEnd(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	for i := range 70 {
		article(w, w.Site, fmt.Sprint("Tide-", i), "<p>x</p>")
	}
	seen, pages := map[string]bool{}, 0
	for next := "/control/activity"; next != "" && pages < 10; pages++ {
		a := w.Get(w.Editor, next)
		for i := range 70 {
			if name := fmt.Sprint("Tide-", i, "<"); strings.Contains(a.Body, name) {
				seen[name] = true
			}
		}
		_, rest, ok := strings.Cut(a.Main(), `rel="next" href="`)
		if next, _, _ = strings.Cut(rest, `"`); !ok {
			next = ""
		}
	}
	if len(seen) != 70 || pages != 2 {
		t.Errorf("%d of 70 are on %d pages", len(seen), pages)
	}
}

// What refers to a thing, and what leads nowhere, is told of what the person may edit; the rest is a number.
func TestUsesAndLinks_AreOfWhatThePersonMayEdit(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, st, stranger := w.Other()
	quay := article(w, w.Site, "Quay", `<p><a href="/w/lost">x</a></p>`)
	article(w, w.Site, "Pier", `<p><a href="/w/quay">x</a></p>`)
	theirs := article(w, st, "Elsewhere", `<p><a href="/w/quay">x</a> <a href="/w/gone">x</a></p>`)
	hidden := ledger(w, "ledger")
	uses := "/control/uses/article/" + quay.ID.String()
	a := w.Get(w.Manager(), uses)
	w.Want("to an administrator", a, http.StatusOK, "Pier", "Ledger")
	w.Without("to an administrator", a, "Elsewhere")
	a = w.Get(w.Editor, uses)
	w.Want("to an editor", a, http.StatusOK, "Pier", "1")
	w.Without("to an editor", a, "Ledger", "Elsewhere")
	a = w.Get(w.Manager(), "/control/links")
	w.Want("broken, to an administrator", a, http.StatusOK, "/w/lost", "/w/nowhere", "Ledger")
	w.Without("broken, to an administrator", a, "/w/gone", "Elsewhere")
	a = w.Get(w.Editor, "/control/links")
	w.Want("broken, to an editor", a, http.StatusOK, "/w/lost", "Quay")
	w.Without("broken, to an editor", a, "/w/nowhere", "Ledger", "/w/gone")
	for name, who := range map[string]stoa.Actor{"an administrator": w.Manager(), "an operator": w.Admin,
		"an editor": w.Editor} {
		w.Want(name, w.Get(who, "/control/uses/article/"+theirs.ID.String()), http.StatusNotFound)
	}
	if a := w.Get(w.Editor, "/control/uses/page/"+hidden.ID.String()); a.Status != http.StatusForbidden &&
		a.Status != http.StatusNotFound {
		t.Errorf("of what an editor may not edit: %d", a.Status)
	}
	w.Want("to a stranger", w.Get(stranger, uses), http.StatusNotFound)
	// What was mended is not listed any more.
	now, err := w.Content.Get(admintest.As(system()), quay.ID)
	admintest.Must(t, err)
	admintest.Must(t, w.Content.Trash(admintest.As(system()), now.ID))
	w.Without("of what is in the bin", w.Get(w.Editor, "/control/links"), "/w/lost")
}
