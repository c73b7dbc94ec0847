package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
)

// settle compares all content with its entries, so that lists are made from these.
func (w *world) settle() {
	w.t.Helper()
	_, err := w.db.Finish(w.t.Context(), db.Finish{Others: func(context.Context, func(int64) bool) error { return nil }})
	must(w.t, err)
	for _, of := range w.assets.Types() {
		for {
			st, err := w.assets.Compare(as(stoa.SystemActor()), of.Kind, nil)
			must(w.t, err)
			if st.Ready && st.Last == 0 {
				break
			}
		}
	}
}

// article makes an article with a title, and a text if there is one.
func (w *world) article(title string, more ...func(*content.Draft)) content.Article {
	w.t.Helper()
	d := content.Draft{Text: map[stoa.Locale]content.Text{"en": {Title: title}}}
	for _, fn := range more {
		fn(&d)
	}
	a, err := w.content.Create(as(w.editor), w.site, d)
	must(w.t, err)
	return a
}

// The screens of lists are the same whether the owners' rows are read or the entries, for each person.
func TestEntries_ScreensAreTheSameOfRowsAndOfEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.article("Low tide")
	for _, title := range []string{"Ebb and flow", "Ärger im Watt", "tide 10", "Tide 9"} {
		w.article(title, func(d *content.Draft) {
			if title != "tide 10" {
				d.Text["de"] = content.Text{Title: title}
			}
			if title == "Tide 9" {
				d.Kind = content.KindPost
			}
		})
	}
	_, err := w.content.Publish(as(w.editor), a.ID, a.Version, time.Time{})
	must(t, err)
	folder, err := w.files.SaveFolder(as(w.admin), w.site, document.Folder{Name: "Charts"})
	must(t, err)
	for i, name := range []string{"chart.txt", "tide.txt", "harbour.txt"} {
		u := document.Upload{Name: name, Body: strings.NewReader(name)}
		if i == 1 {
			u.Folder = folder.ID
		}
		_, err := w.files.Upload(as(w.editor), w.site, u)
		must(t, err)
	}
	for i, title := range []string{"Harbour", "Tide tables", "Zeebrugge"} {
		p, err := w.pages.Create(as(w.admin), w.site, page.NewPage{Title: map[stoa.Locale]string{"en": title}, Position: -1})
		must(t, err)
		if i == 1 {
			_, err = w.pages.Publish(as(w.admin), p.ID, p.Version)
			must(t, err)
		}
	}
	screens := []string{
		"/control/content", "/control/content?q=tide", "/control/content?q=arger", "/control/content?status=published",
		"/control/content?status=draft&kind=post", "/control/content?sort=title", "/control/content?sort=made&q=t",
		"/control/content?lacks=de", "/control/content?by=" + w.editor.User.String(), "/control/content?by=7",
		"/control/content?since=2026-01-01", "/control/content?until=2001-01-01", "/control/content?category=none",
		"/control/content?tag=none", "/control/content?status=x", "/control/files", "/control/files?q=tide",
		"/control/files?kind=images", "/control/files?sort=title", "/control/files?folder=" + folder.ID.String(),
		"/control/pages", "/control/pages?q=tide", "/control/pages?status=published",
		"/control/pages?status=draft&sort=title",
		"/control/pages?kind=widgets", "/control/pages?q=%2Ftide",
	}
	people := map[string]stoa.Actor{"ada": w.admin, "ed": w.editor, "tom": w.author}
	before := map[string]string{}
	for _, path := range screens {
		for who, actor := range people {
			a := w.get(actor, path)
			w.want(path+" of "+who, a, http.StatusOK, `class="filters__count"`)
			before[who+path] = a.rows()
		}
	}
	if !strings.Contains(before["ed/control/content?q=arger"], "Ärger") ||
		strings.Count(before["ed/control/content?lacks=de"], "href") != 2 ||
		!strings.Contains(before["ada/control/pages?q=tide"], "Tide tables") ||
		before["ed/control/content?until=2001-01-01"] != "" ||
		strings.Count(before["ed/control/files?folder="+folder.ID.String()], "href") != 1 {
		t.Fatalf("the lists are not what this test is about: %v", before)
	}
	w.settle()
	for _, path := range screens {
		for who, actor := range people {
			if got := w.get(actor, path).rows(); got != before[who+path] {
				t.Errorf("%s of %s has of entries\n%s\nand of rows\n%s", path, who, got, before[who+path])
			}
		}
	}
}

func TestEntries_ListsTellWhoEdits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.article("Low tide")
	_, err := w.locks.Open(as(w.editor), lock.Thing{Kind: lock.Article, ID: a.ID, Title: "Low tide"})
	must(t, err)
	p, err := w.pages.Create(as(w.admin), w.site,
		page.NewPage{Title: map[stoa.Locale]string{"en": "Harbour"}, Position: -1})
	must(t, err)
	_, err = w.locks.Open(as(w.editor), lock.Thing{Kind: lock.Page, ID: p.ID, Title: "Harbour"})
	must(t, err)
	for _, path := range []string{"/control/content", "/control/pages", "/control/pages?q=harbour"} {
		w.want(path, w.get(w.admin, path), http.StatusOK, "ed Brandt is editing")
		w.want(path+" of the editor", w.get(w.editor, path), http.StatusOK, "You are editing")
	}
	w.unlock()
	w.without("after the window was closed", w.get(w.admin, "/control/content"), "is editing")
}

func TestCalendar_ShowsWhatIsScheduledInTheZoneOfThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zone, err := time.LoadLocation("Europe/Vienna")
	must(t, err)
	// Half past midnight of the first in Vienna is still the month before in UTC.
	next := time.Now().AddDate(0, 2, 0).In(zone)
	first := time.Date(next.Year(), next.Month(), 1, 0, 30, 0, 0, zone)
	w.now = func() time.Time { return first }
	w.build()
	a := w.article("Spring tide")
	a, err = w.content.Publish(as(w.editor), a.ID, a.Version, first)
	must(t, err)
	_, err = w.content.SetExpiry(as(w.editor), a.ID, a.Version, first.AddDate(0, 0, 9))
	must(t, err)
	month := w.get(w.editor, "/control/calendar")
	w.want("the month", month, http.StatusOK, "Spring tide", "00:30", "Is published", "Expires",
		`href="/control/content/`+a.ID.String()+`"`, "After an update")
	day := "/control/calendar?day=" + first.Format(time.DateOnly)
	w.want("the day", w.get(w.editor, day), http.StatusOK, "Spring tide", "00:30", "Europe/Vienna")
	w.want("the day before", w.get(w.editor, "/control/calendar?day="+first.AddDate(0, 0, -1).Format(time.DateOnly)),
		http.StatusOK, "Nothing is scheduled")
	w.want("another month", w.get(w.editor, "/control/calendar?month=2020-02"), http.StatusOK, "February 2020",
		"Nothing is scheduled")
	for _, odd := range []string{"?month=x", "?month=0001-01", "?day=2026-02-31", "?month=2026-13"} {
		w.want(odd, w.get(w.editor, "/control/calendar"+odd), http.StatusOK, "Calendar")
	}
	w.want("a place that there is not", w.get(w.editor, day+"&after=x"), http.StatusUnprocessableEntity)
	w.want("a person who edits nothing", w.get(w.member, "/control/calendar"), http.StatusForbidden)
	w.settle()
	w.without("when all entries are made", w.get(w.editor, "/control/calendar"), "After an update")
	elsewhere := w.editor
	elsewhere.TimeZone = "America/New_York" // where it is the evening before
	w.want("in New York", w.get(elsewhere, "/control/calendar?day="+first.AddDate(0, 0, -1).Format(time.DateOnly)),
		http.StatusOK, "Spring tide")
}

func TestActivity_TellsOfWhatThePersonMayEdit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.article("Low tide")
	_, err := w.content.Publish(as(w.editor), a.ID, a.Version, time.Time{})
	must(t, err)
	p, err := w.pages.Create(as(w.admin), w.site,
		page.NewPage{Title: map[stoa.Locale]string{"en": "Ledger"}, Position: -1})
	must(t, err)
	path, err := w.pages.Path(as(w.admin), p)
	must(t, err)
	must(t, w.access.SetGrants(as(w.admin), path, []access.Grant{}))
	w.want("activity", w.get(w.admin, "/control/activity"), http.StatusOK, "Low tide", "ed Brandt", "Published", "Ledger",
		"ada Brandt")
	w.want("overview", w.get(w.editor, "/control/"), http.StatusOK, "changes in 24 hours, the last by")
	must(t, w.content.Trash(as(w.editor), a.ID))
	w.want("in the bin", w.get(w.admin, "/control/activity"), http.StatusOK, "into the recycle bin")
	w.want("a person who edits nothing", w.get(w.member, "/control/activity"), http.StatusForbidden)
	w.want("a place that there is not", w.get(w.admin, "/control/activity?after=x"), http.StatusUnprocessableEntity)
}

func TestLinks_AreListedWhereTheyLeadNowhereAndWhereTheyLeadTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := w.article("Target")
	from := w.article("Refers", func(d *content.Draft) {
		d.Text["en"] = content.Text{Title: "Refers", Body: `<p><a href="` + content.Address(target.Slug) +
			`">a</a> <a href="/w/nowhere">b</a></p>`}
	})
	uses := "/control/uses/article/" + target.ID.String()
	w.want("the article leads there", w.get(w.editor, "/control/content/"+target.ID.String()), http.StatusOK, uses)
	w.want("uses", w.get(w.editor, uses), http.StatusOK, "Where “Target” is used", "Refers", "After an update")
	w.want("unused", w.get(w.editor, "/control/uses/article/"+from.ID.String()), http.StatusOK, "Nothing refers to it")
	w.want("broken", w.get(w.editor, "/control/links"), http.StatusOK, "Refers", "/w/nowhere")
	w.want("uses for a person who edits nothing", w.get(w.member, uses), http.StatusForbidden)
	w.want("broken for a person who edits nothing", w.get(w.member, "/control/links"), http.StatusForbidden)
	w.want("uses of nothing", w.get(w.editor, "/control/uses/article/99999999"), http.StatusNotFound)
	w.want("uses of no kind", w.get(w.editor, "/control/uses/elephant/"+target.ID.String()), http.StatusNotFound)
	w.want("a place that there is not", w.get(w.editor, "/control/links?after=x"), http.StatusUnprocessableEntity)
	w.settle()
	w.without("when all entries are made", w.get(w.editor, uses), "After an update")
}
