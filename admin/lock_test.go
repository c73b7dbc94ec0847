package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
)

var hiddenLock = regexp.MustCompile(`name="lock" value="([A-Z2-7]+)"`)

// window is the name of the window that a screen was opened in.
func (w *world) window(a answer) string {
	w.t.Helper()
	m := hiddenLock.FindStringSubmatch(a.body)
	if m == nil {
		w.t.Fatalf("the screen has no lock: status %d\n%s", a.status, a.main())
	}
	return m[1]
}

func TestLock_SecondEditorReadsAndAnAdministratorTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Harbour", "<p>Ships.</p>")
	place := "/control/locks/article/" + strings.TrimPrefix(at, "/control/content/")
	a := w.get(w.editor, at)
	version := w.version(a)
	w.without("the editor's screen", a, "is editing this article", " disabled")

	a = w.get(w.author, at+"?lang=de")
	w.want("the author's screen", a, http.StatusOK, "ed Brandt is editing this article", `id="f-title" name="title" disabled`, `data-lock-token=""`)
	w.without("the author's screen", a, `value="save"`, "Take over", at+"/delete")
	w.want("the author asks", w.get(w.author, place), http.StatusOK, "ed Brandt is editing this article")
	w.want("the author takes over", w.post(w.author, place, "do", "take"), http.StatusForbidden, "only an administrator")
	a = w.post(w.author, at, "version", version, "title", "Sneaked in", "slug", "harbour", "kind", "article", "body", "<p>x</p>", "do", "save")
	w.want("the author saves all the same", a, http.StatusConflict, "ed Brandt is editing this article now", `value="Sneaked in"`)
	w.want("the author takes over while saving", w.post(w.author, at+"?over=on", "version", version, "title", "Sneaked in", "slug", "harbour", "kind", "article", "do", "save"), http.StatusForbidden)
	w.without("the article", w.get(w.editor, at), "Sneaked in")

	ed := w.window(w.get(w.editor, at)) // opened once more: the newest window of a person has the lock
	a = w.get(w.admin, at+"?lang=de")
	w.want("the administrator's screen", a, http.StatusOK, "ed Brandt is editing this article", `action="`+place+`"`, `name="back" value="`+at+`?lang=de"`)
	a = w.post(w.admin, place, "do", "take", "back", at+"?lang=de")
	if a.status != http.StatusSeeOther || a.location != at+"?lang=de" {
		t.Errorf("taking over leads to %q: %d", a.location, a.status)
	}
	for _, back := range []string{"https://example.com/", at + "/delete", "//example.com", at + "0"} {
		if a := w.post(w.admin, place, "do", "take", "back", back); a.location != at {
			t.Errorf("taking over leads to %q for %q", a.location, back)
		}
	}
	ada := w.window(w.get(w.admin, at))

	// The one who lost it: told by a sign of life, and by saving. Nothing is saved and nothing lost.
	a = w.post(w.editor, place, "do", "renew", "token", ed)
	w.want("a sign of life", a, http.StatusConflict, "ada Brandt is editing this article now", "still here, and not saved")
	w.without("a sign of life", a, "data-lock-take")
	a = w.post(w.editor, at, "lock", ed, "version", version, "title", "Harbour of Ed", "slug", "harbour", "kind", "article", "body", "<p>Eds ships.</p>", "do", "save")
	w.want("the editor saves", a, http.StatusConflict, "ada Brandt is editing this article now", `value="Harbour of Ed"`, "Eds ships.", "data-lock-lost", `value="`+ed+`"`)
	w.want("the administrator saves", w.post(w.admin, at, "lock", ada, "version", version, "title", "Harbour of Ada", "slug", "harbour", "kind", "article", "body", "<p>Adas ships.</p>", "do", "save"), http.StatusSeeOther)

	// When it is given back, the editor's save is compared with what was saved meanwhile.
	ada = w.window(w.get(w.admin, at))
	w.want("the window closes", w.post(w.admin, place, "do", "release", "token", ada), http.StatusNoContent)
	w.want("the editor has it again", w.post(w.editor, place, "do", "renew", "token", ed), http.StatusNoContent)
	a = w.post(w.editor, at, "lock", ed, "version", version, "title", "Harbour of Ed", "slug", "harbour", "kind", "article", "body", "<p>Eds ships.</p>", "do", "save")
	w.want("both texts", a, http.StatusConflict, "Changed by another person", "Adas ships.", "Eds ships.", "data-lock=")

	ed = w.window(a)
	w.want("taken over meanwhile", w.post(w.admin, place, "do", "take"), http.StatusSeeOther)
	again := w.post(w.editor, at, "lock", ed, "version", w.version(a), "title", "Harbour of Ed", "slug", "harbour", "kind", "article", "body", "<p>Eds ships.</p>", "do", "again")
	w.want("edit mine further", again, http.StatusConflict, "ada Brandt is editing this article now", `value="Harbour of Ed"`, "Eds ships.")
	w.without("edit mine further", again, " disabled")
	w.unlock()

	// A person's own other window: taken over with the words that are in the form.
	ed = w.window(w.get(w.editor, at))
	w.get(w.editor, at)
	mine := []string{"lock", ed, "version", w.version(a), "title", "Harbour of Ed", "slug", "harbour", "kind", "article", "body", "<p>Eds ships.</p>", "do", "save"}
	a = w.post(w.editor, at, mine...)
	w.want("from the older window", a, http.StatusConflict, "You have opened this article in another window", "Take over and save", `formaction="`+at+`?lang=en&amp;over=on"`)
	w.want("taken over and saved", w.post(w.editor, at+"?lang=en&over=on", mine...), http.StatusSeeOther)
	w.want("saved", w.get(w.editor, at), http.StatusOK, "Harbour of Ed")
}

func TestLock_AdministratorSeesAndReleasesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("none", w.get(w.admin, "/control/locks"), http.StatusOK, "Nothing is locked", `href="/control/locks"`)
	at, other := w.write(w.editor, "Harbour <1>", "<p>Ships.</p>"), w.write(w.editor, "Quay", "<p>Stones.</p>")
	ed := w.window(w.get(w.editor, at))
	w.get(w.admin, other)
	p := w.harbour()
	w.get(w.editor, "/control/pages/"+p.ID.String()+"/edit")

	a := w.get(w.admin, "/control/locks")
	w.want("list", a, http.StatusOK, "Harbour &lt;1&gt;", `href="`+at+`"`, "ed Brandt", "Quay", "ada Brandt", `<span class="badge">you</span>`, "The harbour", "/control/pages/"+p.ID.String()+"/edit", "Page")
	refs := regexp.MustCompile(`name="one" value="([a-z]+:\d+:\d+)"`).FindAllStringSubmatch(a.body, -1)
	if len(refs) != 3 {
		t.Fatalf("%d locks in the list, want 3", len(refs))
	}
	w.want("released by an editor", w.post(w.editor, "/control/locks", "one", refs[0][1]), http.StatusForbidden)
	w.want("nonsense", w.post(w.admin, "/control/locks", "lock", "article"), http.StatusUnprocessableEntity)
	w.want("nonsense", w.post(w.admin, "/control/locks", "lock", "article:1:x"), http.StatusUnprocessableEntity)
	if a := w.post(w.admin, "/control/locks", "one", refs[0][1], "lock", refs[1][1]); a.location != "/control/locks?done=released" {
		t.Errorf("release leads to %q", a.location)
	}
	if a := w.post(w.admin, "/control/locks", "one", refs[0][1]); a.location != "/control/locks?done=gone" {
		t.Errorf("a second release leads to %q", a.location)
	}
	a = w.get(w.admin, "/control/locks")
	w.want("the others", a, http.StatusOK, refs[1][1], refs[2][1])
	w.without("the others", a, refs[0][1])
	w.want("the owner is told", w.post(w.editor, "/control/locks/"+strings.Join(strings.Split(refs[0][1], ":")[:2], "/"), "do", "renew", "token", ed), http.StatusConflict, "ada Brandt released your lock on this article", "Go on editing")
	w.want("both others", w.post(w.admin, "/control/locks", "lock", refs[1][1], "lock", refs[2][1]), http.StatusSeeOther)
	w.want("none any more", w.get(w.admin, "/control/locks"), http.StatusOK, "Nothing is locked")
	w.want("the owner goes on", w.post(w.editor, "/control/locks/"+strings.Join(strings.Split(refs[0][1], ":")[:2], "/"), "do", "take", "token", ed), http.StatusNoContent)
}

func TestLock_PlaceIsOnlyForWhoMayEdit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Harbour", "<p>Ships.</p>")
	id := strings.TrimPrefix(at, "/control/content/")
	place := "/control/locks/article/" + id
	ed := w.window(w.get(w.editor, at))
	for _, do := range []string{"renew", "take"} {
		if a := w.post(w.member, place, "do", do, "token", "x"); a.status != http.StatusForbidden &&
			a.status != http.StatusNotFound {
			t.Errorf("%s by somebody without permission: %d", do, a.status)
		}
	}
	w.want("release by somebody else", w.post(w.author, place, "do", "release", "token", ed), http.StatusNoContent)
	w.want("it stays", w.post(w.editor, place, "do", "renew", "token", ed), http.StatusNoContent)
	w.want("nonsense", w.post(w.editor, place, "do", "explode", "token", ed), http.StatusUnprocessableEntity)
	w.want("a window without a name", w.post(w.editor, place, "do", "renew"), http.StatusUnprocessableEntity)
	for _, path := range []string{"/control/locks/user/" + id, "/control/locks/article/1", "/control/locks/article/x", "/control/locks/page/" + id} {
		w.want(path, w.get(w.editor, path), http.StatusNotFound)
	}
	w.want("guest", w.get(stoa.Actor{Instance: w.instance.ID}, place), http.StatusSeeOther)
	w.want("deleted", w.post(w.editor, at+"/delete"), http.StatusSeeOther)
	w.want("a sign of life of what is gone", w.post(w.editor, place, "do", "renew", "token", ed), http.StatusNotFound)
	w.want("its release", w.post(w.editor, place, "do", "release", "token", ed), http.StatusNoContent)
	w.want("nothing is left", w.get(w.admin, "/control/locks"), http.StatusOK, "Nothing is locked")
}

func TestLock_PageEditorIsOnlyToReadForTheSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draw(w.editor)
	token := w.window(w.get(w.editor, d.at("/edit")))
	a := w.get(w.author, d.at("/edit"))
	w.want("the second", a, http.StatusOK, "ed Brandt is editing this page", "canvas?preview=1", "Only to read")
	w.without("the second", a, "pageeditor.js", `value="publish"`, "data-add=")
	d.who = w.author
	d.refused("a change by the second", http.StatusConflict, "ed Brandt is editing this page now", map[string]any{"op": "section-add", "widths": []int{6, 6}})
	d.who = w.editor
	d.done(map[string]any{"op": "section-add", "widths": []int{6, 6}, "lock": token})

	w.want("taken over", w.post(w.admin, "/control/locks/page/"+d.page.ID.String(), "do", "take"), http.StatusSeeOther)
	d.refused("a change by who lost it", http.StatusConflict, "ada Brandt is editing this page now", map[string]any{"op": "section-add", "widths": []int{12}, "lock": token})
	p, err := w.pages.Get(as(w.admin), d.page.ID)
	must(t, err)
	form := url.Values{"version": {"1"}, "draft": {stoa.ID(p.DraftVersion).String()}, "lock": {token}, "do": {"publish"}}
	w.want("published by who lost it", w.do(w.editor, http.MethodPost, d.at("/edit"), form), http.StatusConflict, "ada Brandt is editing this page now")
}

// Without a service of locks, editors work as before.
func TestLock_NotWithoutTheService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.locks = nil
	w.build()
	at := w.write(w.editor, "Harbour", "<p>Ships.</p>")
	for _, who := range []stoa.Actor{w.editor, w.author} {
		a := w.get(who, at)
		w.without("the screen", a, "data-lock=", "is editing", "lock.js")
		w.want("save", w.post(who, at, "version", w.version(a), "title", "Harbour of "+who.Name, "slug", "harbour", "kind", "article", "body", "<p>x</p>", "do", "save"), http.StatusSeeOther)
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/control/locks", nil)
	w.mux.ServeHTTP(rec, r.WithContext(stoa.WithActor(r.Context(), w.admin)))
	if rec.Code != http.StatusNotFound {
		t.Errorf("the list of locks: %d", rec.Code)
	}
}
