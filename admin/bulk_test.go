package admin_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// fill makes articles, named by their number.
func (w *world) fill(n int) (ids []stoa.ID) {
	w.t.Helper()
	for i := range n {
		a, err := w.content.Create(as(stoa.SystemActor()), w.site, content.Draft{Slug: fmt.Sprint("leaf-", i),
			Text: map[stoa.Locale]content.Text{"en": {Title: fmt.Sprint("Leaf ", i), Body: "<p>Green.</p>"}}})
		must(w.t, err)
		ids = append(ids, a.ID)
	}
	return ids
}

// over waits for the end of the action whose screen is at the address.
func (w *world) over(who stoa.Actor, at string) bulk.Record {
	w.t.Helper()
	id, err := stoa.ParseID(strings.TrimPrefix(at, "/control/bulk/"))
	if err != nil {
		w.t.Fatalf("the screen of an action is expected, not %q", at)
	}
	var r bulk.Record
	dbtest.Await(w.t, 5*time.Minute, func() error {
		if r, err = w.bulk.Get(as(who), id); err == nil && r.Open() {
			err = errors.New("it goes on")
		}
		return err
	})
	return r
}

func TestBulk_AllOfAListIsDoneInTheBackgroundAndWhatWasRefusedIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.fill(230)
	w.write(w.editor, "Stone", "<p>Grey.</p>") // not in the list that is chosen
	must(t, w.db.Write(as(stoa.SystemActor()), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE content_article SET expire_at = 1 WHERE id = ?", ids[7])
		return err
	}))
	list := w.get(w.editor, "/control/content?q=leaf")
	w.want("the list", list, http.StatusOK, "All 230 of this list", `action="/control/content/bulk?q=leaf"`,
		`data-pick-rest="230"`)
	w.without("a list that is whole", w.get(w.editor, "/control/content?q=stone"), "of this list")
	form := []string{"do", "publish", "all", "on", "site", w.site.ID.String(), "id", ids[0].String()}
	w.want("a stranger", w.post(w.member, "/control/content/bulk?q=leaf", form...), http.StatusForbidden)
	a := w.post(w.editor, "/control/content/bulk?q=leaf", form...)
	w.want("before it begins", w.get(w.editor, a.location), http.StatusOK, "Publish articles", "Waiting", "0 of 230",
		`data-refresh="1"`, "Stop", "ed Brandt")
	w.want("another person", w.get(w.author, a.location), http.StatusNotFound)
	w.want("stopped by another person", w.post(w.author, a.location+"/stop"), http.StatusNotFound)
	w.want("the administrator", w.get(w.admin, a.location), http.StatusOK, "Waiting")
	must(t, w.jobs.Start(context.Background()))
	if r := w.over(w.editor, a.location); r.Done() != 229 || r.Refused != 1 {
		t.Errorf("at the end it is %+v", r)
	}
	end := w.get(w.editor, a.location)
	w.want("the end", end, http.StatusOK, "Done in part", "230 of 230", "Leaf 7",
		`href="/control/content/`+ids[7].String()+`"`, "The article would expire before it is published")
	w.without("the end", end, "data-refresh", "/stop")
	w.want("stopped too late", w.post(w.editor, a.location+"/stop"), http.StatusConflict)
	w.want("the list of actions", w.get(w.editor, "/control/bulk"), http.StatusOK, "Publish articles", "230 of 230")
	w.want("that of another person", w.get(w.author, "/control/bulk"), http.StatusOK, "No bulk actions yet")
	l, err := w.content.List(as(stoa.SystemActor()), w.site, content.Filter{Status: content.StatusPublished})
	if err != nil || l.Total != 229 {
		t.Errorf("%d articles are published, %v", l.Total, err)
	}
	w.want("the audit log", w.get(w.admin, "/control/audit"), http.StatusOK,
		"Ended the bulk action “Publish articles”: 229 done, 1 refused", "ed Brandt")

	// Up to 200 are one transaction, all or nothing, also when they are all of a list.
	a = w.post(w.editor, "/control/content/bulk?q=stone", "do", "publish", "all", "on")
	if a.location != "/control/content?done=published" {
		t.Errorf("publishing all of a short list leads to %q (%d)", a.location, a.status)
	}
}

// The list goes on to the oldest action, and so does its filter.
func TestBulk_TheListShowsAllActions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const all = 620
	must(t, w.db.Write(as(stoa.SystemActor()), func(ctx context.Context, tx *db.Tx) error {
		var rows []db.Row
		for i := range all {
			name, made := content.BulkPrefix+content.BulkPublish, db.Micros(time.Now().Add(-time.Duration(i)*time.Minute))
			if i == all-1 {
				name = content.BulkPrefix + content.BulkDelete
			}
			rows = append(rows, db.Row{"id": 7_000_000 + i, "instance": w.editor.Instance, "site": w.site.ID, "name": name,
				"person": w.editor.User, "person_name": "ed Brandt", "state": bulk.Ended, "total": 1000 + i,
				"worked": 1000 + i, "refused": 0, "place": 0, "made": made, "ended": made, "version": 1})
		}
		return tx.InsertAll(ctx, "bulk_action", rows)
	}))
	count, pages := 0, 0
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	for at := "/control/bulk"; at != "" && pages < 20; pages++ {
		a := w.get(w.editor, at)
		count += strings.Count(a.body, `href="/control/bulk/700`)
		at = ""
		if m := next.FindStringSubmatch(a.body); m != nil {
			at = html.UnescapeString(m[1])
		}
	}
	if count != all || pages != 13 {
		t.Errorf("%d actions are shown on %d pages; want %d on 13", count, pages, all)
	}
	w.want("the filter", w.get(w.editor, "/control/bulk?q=delete"), http.StatusOK, "1,619 of 1,619")
}

func TestBulk_EmptiesAndRestoresTheRecycleBin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.jobs.Start(context.Background()))
	w.fill(205)
	w.over(w.editor, w.post(w.editor, "/control/content/bulk", "do", "delete", "all", "on").location)
	bin := w.get(w.editor, "/control/trash")
	w.want("the bin", bin, http.StatusOK, "Everything in the recycle bin", "Empty the recycle bin",
		"/control/trash/empty?site="+w.site.ID.String())
	at := w.post(w.editor, "/control/trash/restore", "all", "on", "site", w.site.ID.String()).location
	if r := w.over(w.editor, at); r.Done() != 205 {
		t.Errorf("restored: %+v", r)
	}
	w.want("the empty bin", w.get(w.editor, "/control/trash"), http.StatusOK, "The recycle bin is empty")
	w.over(w.editor, w.post(w.editor, "/control/content/bulk", "do", "delete", "all", "on").location)
	w.want("emptied by a stranger", w.post(w.member, "/control/trash/empty"), http.StatusForbidden)
	at = w.post(w.editor, "/control/trash/empty?site="+w.site.ID.String()).location
	if r := w.over(w.editor, at); r.Done() != 205 || r.Refused != 0 {
		t.Errorf("emptied: %+v", r)
	}
	if l, err := w.content.List(as(stoa.SystemActor()), w.site, content.Filter{}); err != nil || l.Total != 0 {
		t.Errorf("%d articles are left, %v", l.Total, err)
	}
	w.want("the empty bin", w.get(w.editor, "/control/trash"), http.StatusOK, "The recycle bin is empty")
	one := w.write(w.editor, "Stone", "<p>Grey.</p>")
	w.post(w.editor, one+"/delete")
	if a := w.post(w.editor, "/control/trash/empty"); a.location != "/control/trash?done=purged" {
		t.Errorf("emptying a bin with one thing leads to %q (%d)", a.location, a.status)
	}
}
