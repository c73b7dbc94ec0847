package bulk_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/site"
)

const list = "/control/bulk"

func article(w *admintest.World, st site.Site, title string) bulk.Thing {
	w.T.Helper()
	a, err := w.Content.Create(admintest.As(stoa.SystemActor()), st, content.Draft{Slug: strings.ToLower(title),
		Text: map[stoa.Locale]content.Text{"en": {Title: title, Body: "<p>x</p>"}}})
	admintest.Must(w.T, err)
	return bulk.Thing{Kind: "article", ID: a.ID}
}

// started asks for an action as a screen does.
func started(w *admintest.World, who stoa.Actor, action string, things ...bulk.Thing) (at string, id stoa.ID) {
	w.T.Helper()
	id, err := w.Bulk.Start(admintest.As(who), action, w.Site.ID, things)
	admintest.Must(w.T, err)
	return list + "/" + id.String(), id
}

// over waits until an action has ended.
func over(w *admintest.World, who stoa.Actor, id stoa.ID) (r bulk.Record) {
	w.T.Helper()
	dbtest.Await(w.T, 5*time.Minute, func() (err error) {
		if r, err = w.Bulk.Get(admintest.As(who), id); err == nil && r.Open() {
			err = errors.New("it goes on")
		}
		return err
	})
	return r
}

const publish = content.BulkPrefix + content.BulkPublish

func TestBulk_AnActionIsStoppedByItsPersonAndByAdministrators(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	quay := article(w, w.Site, "Quay")
	first, id := started(w, w.Editor, publish, quay)
	screen := w.Get(w.Editor, first)
	w.Want("it waits", screen, http.StatusOK, "Waiting", "0 of 1", `data-refresh="1"`)
	for name, who := range map[string]stoa.Actor{"an author": w.Author, "a member": w.Member} {
		w.Want(name+" looks", w.Get(who, first), http.StatusNotFound)
		w.Want(name+" stops it", w.Press(who, screen, "Stop"), http.StatusNotFound)
		w.Without(name+" lists it", w.Get(who, list), first)
	}
	w.Want("it waits", w.Get(w.Editor, first), http.StatusOK, "Waiting")
	stopped := w.Follow(w.Editor, w.Press(w.Editor, screen, "Stop"))
	w.Want("stopped", stopped, http.StatusOK, "Stopped", "The rest was left as it was")
	w.Without("stopped", stopped, ">Stop<", "data-refresh")
	w.Want("stopped again", w.Press(w.Editor, screen, "Stop"), http.StatusConflict)
	second, _ := started(w, w.Editor, publish, quay)
	w.Want("by an administrator", w.Press(w.Manager(), w.Get(w.Manager(), second), "Stop"), http.StatusSeeOther)
	admintest.Must(t, w.Jobs.Start(t.Context()))
	third, last := started(w, w.Editor, publish, article(w, w.Site, "Pier"))
	over(w, w.Editor, last)
	w.Want("the third one", w.Get(w.Editor, third), http.StatusOK, "Done", "1 of 1")
	if r := over(w, w.Editor, id); r.State != bulk.Stopped || r.Worked != 0 {
		t.Errorf("what was stopped went on: %+v", r)
	}
	if a, err := w.Content.Get(admintest.As(stoa.SystemActor()), quay.ID); err != nil || a.Live != 0 {
		t.Errorf("the article is published: %+v, %v", a, err)
	}
	w.Want("no action", w.Get(w.Editor, list+"/4711"), http.StatusNotFound)
	w.Want("no number", w.Get(w.Editor, list+"/x"), http.StatusNotFound)
}

func TestBulk_OfAnotherInstanceIsNotThere(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, st, stranger := w.Other()
	theirs := article(w, st, "Merger")
	at, id := started(w, stranger, publish, theirs)
	for name, who := range map[string]stoa.Actor{"an administrator": w.Manager(), "an operator": w.Admin,
		"an editor": w.Editor} {
		w.Want(name+" looks", w.Get(who, at), http.StatusNotFound)
		w.Want(name+" stops it", w.Post(who, at+"/stop"), http.StatusNotFound)
		w.Without(name+" lists it", w.Get(who, list), at)
	}
	if r, err := w.Bulk.Get(admintest.As(stranger), id); err != nil || r.State != bulk.Waiting {
		t.Errorf("it is %+v, %v", r, err)
	}
	// Their article in a list of ours is refused, and neither its name nor a way to it is told.
	own, ours := started(w, w.Editor, publish, article(w, w.Site, "Quay"), theirs)
	admintest.Must(t, w.Jobs.Start(t.Context()))
	if r := over(w, w.Editor, ours); r.Done() != 1 || r.Refused != 1 {
		t.Errorf("it ended as %+v", r)
	}
	end := w.Get(w.Editor, own)
	w.Want("the end", end, http.StatusOK, "Done in part", "2 of 2", "Article "+theirs.ID.String())
	w.Without("the end", end, "Merger", `href="/control/content/`+theirs.ID.String())
}

// What was refused is listed to its end, with a name for what the person may edit now.
func TestBulk_ListsAllThatWasRefused(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	things := []bulk.Thing{article(w, w.Site, "Quay")} // which the author may edit, and not publish
	for i := range 120 {
		things = append(things, bulk.Thing{Kind: "article", ID: stoa.ID(1<<40 + i)})
	}
	at, id := started(w, w.Author, publish, things...)
	admintest.Must(t, w.Jobs.Start(t.Context()))
	if r := over(w, w.Author, id); r.Done() != 0 || r.Refused != 121 {
		t.Errorf("it ended as %+v", r)
	}
	first := w.Get(w.Author, at)
	w.Want("the first page", first, http.StatusOK, `<a href="/control/content/`+things[0].ID.String()+`">Quay</a>`,
		"may edit")
	seen, pages := map[string]bool{}, 0
	for next := at; next != "" && pages < 10; pages++ {
		a := w.Get(w.Author, next)
		for _, x := range things[1:] {
			if name := fmt.Sprint("Article ", x.ID); strings.Contains(a.Body, name) {
				seen[name] = true
			}
		}
		_, rest, ok := strings.Cut(a.Body, `rel="next" href="`)
		if next, _, _ = strings.Cut(rest, `"`); !ok {
			next = ""
		}
	}
	if len(seen) != 120 || pages != 3 {
		t.Errorf("%d of 120 refusals are on %d pages", len(seen), pages)
	}
	w.Want("to another person", w.Get(w.Editor, at), http.StatusNotFound)
}
