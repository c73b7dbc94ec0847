package admin_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
)

func (w *world) newPage(actor stoa.Actor, title string, more ...string) string {
	w.t.Helper()
	a := w.post(actor, "/control/pages/new", append([]string{"title.en", title, "type", "widgets"}, more...)...)
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/control/pages/") {
		w.t.Fatalf("create page %q: %d %q\n%s", title, a.status, a.location, a.main())
	}
	at := a.path()
	if strings.Contains(strings.Join(more, " "), "do publish") {
		w.want("publish it", w.post(actor, at+"/publish", "version", "1"), http.StatusSeeOther)
	}
	return at
}

// What a person has just named is empty yet: it is a draft, also for one who may publish, until it is published.
func TestPages_NewOnesAreDrafts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.get(w.editor, "/control/pages/new")
	w.want("the form", form, http.StatusOK, "Save as a draft", "until you publish it")
	w.without("the form", form, `value="publish"`)
	a := w.post(w.editor, "/control/pages/new", "title.en", "Pier", "type", "widgets", "do", "publish")
	w.want("made", a, http.StatusSeeOther)
	w.want("its screen", w.get(w.editor, a.location), http.StatusOK, "The draft is made", "Save and publish", ">Draft<")
}

// The form of a page is saved as a whole: what cannot be its place leaves the title, the password and what visitors
// see.
func TestPages_AFormThatIsRefusedInPartSavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	team := w.newPage(w.editor, "Team", "slug", "team")
	id := w.idOf(team, "/control/pages/")
	opened := w.version(w.get(w.editor, team))
	form := []string{"version", opened, "title.en", "Crew", "slug", "crew", "type", "widgets", "password", "secret",
		"do", "publish"}
	a := w.post(w.editor, team, append(form, "parent", id.String())...)
	w.want("below itself", a, http.StatusUnprocessableEntity, `id="f-parent-error"`, `value="Crew"`, `value="crew"`)
	p, err := w.pages.Get(as(w.editor), id)
	must(t, err)
	if p.Title["en"] != "Team" || p.Path != "/team" || p.Protected || p.Published || w.version(a) != opened {
		t.Errorf("something was saved: %+v; the form has the version %s", p, w.version(a))
	}
	w.want("at the top", w.post(w.editor, team, append(form, "parent", "0")...), http.StatusSeeOther)
	p, err = w.pages.Get(as(w.editor), id)
	must(t, err)
	if p.Title["en"] != "Crew" || p.Path != "/crew" || !p.Protected || !p.Published {
		t.Errorf("saved as %+v", p)
	}
}

func TestPages_CreateEditMovePublishDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("no pages", w.get(w.editor, "/control/pages"), http.StatusOK, "No pages yet")
	about := w.newPage(w.editor, `About <us> & "them"`, "slug", "about", "do", "publish")
	team := w.newPage(w.editor, "Team", "parent", strings.TrimPrefix(about, "/control/pages/"), "title.de", "Mannschaft")
	a := w.get(w.editor, "/control/pages")
	w.want("tree", a, http.StatusOK, "About &lt;us&gt; &amp;", "/about/team", "depth-1", "Published", "Draft")
	w.without("tree", a, "<us>")

	a = w.get(w.editor, team)
	w.want("form", a, http.StatusOK, `value="Mannschaft"`, `value="team"`)
	opened := w.version(a)
	w.want("taken", w.post(w.editor, "/control/pages/new", "title.en", "Other", "slug", "about", "type", "widgets"), http.StatusConflict, `id="f-slug-error"`, `value="Other"`)
	w.want("no title", w.post(w.editor, "/control/pages/new", "title.en", "", "type", "widgets", "seo.title", "kept"), http.StatusUnprocessableEntity, `id="f-title.en-error"`, `value="kept"`)
	w.want("a link to nowhere", w.post(w.editor, "/control/pages/new", "title.en", "Bad", "type", "link", "target", "javascript:alert(1)"), http.StatusUnprocessableEntity, `id="f-target-error"`)

	w.want("move to the top and rename", w.post(w.editor, team, "version", opened, "title.en", "The team", "slug", "crew", "type", "widgets", "parent", "0"), http.StatusSeeOther)
	p, err := w.pages.Get(as(w.editor), w.idOf(team, "/control/pages/"))
	must(t, err)
	if p.Path != "/crew" || p.Parent != 0 || len(p.Title) != 1 {
		t.Errorf("page at %s below %d with the titles %v", p.Path, p.Parent, p.Title)
	}
	a = w.post(w.author, team, "version", opened, "title.en", "Tom's team", "slug", "crew", "type", "widgets", "parent", "0")
	w.want("stale", a, http.StatusConflict, "Another person changed this", "Tom&#39;s team", "“The team”")
	w.want("publish by the author", w.post(w.author, team+"/publish", "version", w.version(a)), http.StatusForbidden)
	w.want("publish", w.post(w.editor, team, "version", w.version(a), "title.en", "Crew", "slug", "crew", "type", "widgets", "parent", "0", "do", "publish"), http.StatusSeeOther)
	a = w.get(w.editor, team)
	w.want("published", a, http.StatusOK, "Published", "Crew")
	w.want("up", w.post(w.editor, team+"/up", "version", w.version(a)), http.StatusSeeOther)
	list := w.get(w.editor, "/control/pages").main()
	if crew, us := strings.Index(list, "/crew"), strings.Index(list, `sub">/about`); crew < 0 || us < 0 || crew > us {
		t.Errorf("the page was not moved up: %d, %d", crew, us)
	}
	w.want("unpublish", w.post(w.editor, team+"/unpublish", "version", w.version(w.get(w.editor, team))), http.StatusSeeOther)
	w.want("nonsense", w.post(w.editor, team+"/explode", "version", "1"), http.StatusNotFound)
	w.want("delete with a stale version", w.post(w.editor, team+"/delete", "version", "1"), http.StatusConflict)
	w.want("delete", w.post(w.editor, team+"/delete", "version", w.version(w.get(w.editor, team))), http.StatusSeeOther)
	w.want("deleted", w.get(w.editor, team), http.StatusNotFound)
}

var (
	hrefs   = regexp.MustCompile(`href="(/control[^"]*)"`)
	inlines = regexp.MustCompile(`<[^>]*\s(style|on[a-z]+)="`)
	noIcons = regexp.MustCompile(`aria-label="[^"]+">\s*</(summary|button)>`)
)

// Every link of the panel leads to a screen, and no screen has what the content policy forbids.
func TestPanel_EveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Linked", "<p>One</p>", "do", "publish")
	w.want("save", w.post(w.editor, at, "version", w.version(w.get(w.editor, at)), "title", "Linked", "slug", "linked", "kind", "article", "body", "<p>Two</p>"), http.StatusSeeOther)
	w.newPage(w.editor, "Page", "do", "publish")
	seen, turned := map[string]bool{"/control/": true}, 0
	for queue := []string{"/control/"}; len(queue) > 0; queue = queue[1:] {
		a := w.get(w.admin, queue[0])
		if a.status != http.StatusOK {
			t.Errorf("%s: status %d", queue[0], a.status)
			continue
		}
		if bad := inlines.FindString(a.body); bad != "" {
			t.Errorf("%s has an inline style or handler: %s", queue[0], bad)
		}
		if bad := noIcons.FindString(a.main()); bad != "" {
			t.Errorf("%s has a control without an icon: %s", queue[0], bad)
		}
		for _, m := range hrefs.FindAllStringSubmatch(a.body, -1) {
			u := html.UnescapeString(m[1])
			if strings.HasPrefix(u, "/control/calendar?") {
				if turned++; turned > 100 {
					continue // time goes on without end
				}
			}
			if !seen[u] {
				seen[u] = true
				queue = append(queue, u)
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("found only %d screens: %v", len(seen), seen)
	}
}
