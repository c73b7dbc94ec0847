package admin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
)

func TestPage_SaysWhichArticlesItDoesNotProtect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.content.Create(
		as(w.editor),
		w.site,
		content.Draft{Slug: "tide", Text: map[stoa.Locale]content.Text{"en": {Title: "The tide", Body: "<p>x</p>"}}},
	)
	must(t, err)
	a, err = w.content.Publish(as(w.editor), a.ID, a.Version, time.Time{})
	must(t, err)
	layout := page.Single(page.Placed{Widget: "web-content", Settings: map[string]string{"article": a.ID.String()}})
	make := func(slug string, n page.NewPage) string {
		n.Slug, n.Title, n.Position, n.Publish, n.Layout = slug, map[stoa.Locale]string{"en": slug}, -1, true, layout
		p, err := w.pages.Create(as(w.admin), w.site, n)
		must(t, err)
		return "/control/pages/" + p.ID.String()
	}
	const warning = "visitors can read these articles at their own addresses"
	for slug, n := range map[string]page.NewPage{"locked": {Password: "sesame"}, "shut": {Restricted: true}} {
		at := make(slug, n)
		for _, screen := range []string{at, at + "/edit"} {
			w.want(slug, w.get(w.admin, screen), http.StatusOK, warning, "/w/tide", "The tide")
		}
	}
	w.without("a page that is open", w.get(w.admin, make("open", page.NewPage{})), warning)
}

func TestArticle_AuthorsWriteDraftsOfWhatIsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.content.Create(
		as(w.editor),
		w.site,
		content.Draft{Slug: "tide", Text: map[stoa.Locale]content.Text{"en": {Title: "The tide", Body: "<p>x</p>"}}},
	)
	must(t, err)
	_, err = w.content.Publish(as(w.editor), a.ID, a.Version, time.Time{})
	must(t, err)
	at := "/control/content/" + a.ID.String()
	shown := w.get(w.author, at)
	w.want("the form", shown, http.StatusOK, `id="f-sticky" name="sticky" disabled`)
	sent := w.post(w.author, at, "version", w.version(shown), "title", "High tide", "body", "<p>y</p>")
	w.want("save", sent, http.StatusSeeOther)
	now, err := w.content.Get(as(w.editor), a.ID)
	must(t, err)
	if now.Slug != "tide" || now.In("en").Title != "High tide" || now.Live != 1 {
		t.Errorf("saved %q at %s, live %d", now.In("en").Title, now.Slug, now.Live)
	}
	p := w.newPage(w.editor, "Quay", "do", "publish")
	shown = w.get(w.author, p)
	w.want("a page", shown, http.StatusOK, `name="slug"`, `id="f-noindex" name="noindex" disabled`)
	w.want("saved as it is", w.post(w.author, p, "version", w.version(shown)), http.StatusSeeOther)
}
