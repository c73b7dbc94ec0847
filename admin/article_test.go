package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
)

// write makes an article with the panel and gives its address in the panel.
func (w *world) write(actor stoa.Actor, title, body string, more ...string) string {
	w.t.Helper()
	a := w.post(
		actor,
		"/control/content/new",
		append([]string{"title", title, "body", body, "kind", "article"}, more...)...)
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/control/content/") {
		w.t.Fatalf("create %q: %d %q\n%s", title, a.status, a.location, a.body)
	}
	return a.path()
}

func TestArticles_CreateIsListedAndEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("no articles", w.get(w.editor, "/control/content"), http.StatusOK, "No articles yet")
	w.want("form", w.get(w.editor, "/control/content/new"), http.StatusOK, "data-editor", `value="publish"`)
	at := w.write(
		w.editor,
		"The arcade",
		"<p>Stone by stone.</p><script>alert(1)</script>",
		"tags",
		"stone, lead ,stone",
		"summary",
		"On columns",
	)
	a := w.get(w.editor, "/control/content")
	w.want("list", a, http.StatusOK, "The arcade", "/w/the-arcade", at, `<span class="filters__count">1<`, "Draft")
	a = w.get(w.editor, at+"?done=created")
	w.want(
		"screen",
		a,
		http.StatusOK,
		`value="The arcade"`,
		"On columns",
		"lead, stone",
		"Created.",
		"&lt;p&gt;Stone by stone.&lt;/p&gt;",
	)
	w.without("screen", a, "alert(1)")

	w.want(
		"save",
		w.post(
			w.editor,
			at,
			"version",
			w.version(a),
			"title",
			"The arcade",
			"slug",
			"arcade",
			"kind",
			"post",
			"body",
			"<p>Lead in the joints.</p>",
			"do",
			"save",
		),
		http.StatusSeeOther,
	)
	a = w.get(w.editor, at)
	w.want("screen after the save", a, http.StatusOK, "Lead in the joints", `value="arcade"`)
	w.want(
		"filter by kind",
		w.get(w.editor, "/control/content?kind=post&q=ARCADE&status=draft"),
		http.StatusOK,
		"The arcade",
	)
	w.want("filter that fits nothing", w.get(w.editor, "/control/content?status=published"), http.StatusOK, "Nothing fits")
	w.want("overview", w.get(w.editor, "/control/"), http.StatusOK, "The arcade")

	w.want("delete", w.post(w.editor, at+"/delete"), http.StatusSeeOther)
	w.want("screen of a deleted article", w.get(w.editor, at), http.StatusNotFound, "This is not here")
}

func TestArticles_PublishScheduleUnpublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "News", "<p>One</p>", "do", "publish")
	a := w.get(w.editor, at)
	w.want("published", a, http.StatusOK, "Published", `href="/w/news"`)
	version := w.version(a)

	// Publishing what was saved before makes no further version.
	w.want(
		"publish again",
		w.post(
			w.editor,
			at,
			"version",
			version,
			"title",
			"News",
			"slug",
			"news",
			"kind",
			"article",
			"body",
			"<p>One</p>",
			"author",
			"ed Brandt",
			"do",
			"publish",
		),
		http.StatusSeeOther,
	)
	id, err := stoa.ParseID(strings.TrimPrefix(at, "/control/content/"))
	must(t, err)
	got, err := w.content.Get(as(w.editor), id)
	must(t, err)
	if got.Number != 1 || got.Live != 1 {
		t.Errorf("version %d, visitors see %d; want 1 and 1", got.Number, got.Live)
	}

	a = w.get(w.editor, at)
	w.want(
		"unpublish with a stale version",
		w.post(w.editor, at+"/unpublish", "version", "1"),
		http.StatusConflict,
		"Another person was faster",
	)
	w.want("unpublish", w.post(w.editor, at+"/unpublish", "version", w.version(a)), http.StatusSeeOther)
	if _, err := w.content.Live(as(w.editor), id); !stoa.Is(err, stoa.KindNotFound) {
		t.Errorf("visitors still see it: %v", err)
	}

	a = w.get(w.editor, at)
	w.want(
		"schedule",
		w.post(
			w.editor,
			at,
			"version",
			w.version(a),
			"title",
			"News",
			"slug",
			"news",
			"kind",
			"article",
			"body",
			"<p>Two</p>",
			"publish",
			"2099-07-01T09:30",
			"do",
			"publish",
		),
		http.StatusSeeOther,
	)
	got, err = w.content.Get(as(w.editor), id)
	must(t, err)
	if want := time.Date(2099, 7, 1, 7, 30, 0, 0, time.UTC); got.Status != content.StatusScheduled ||
		!got.Publish.Equal(want) {
		t.Errorf("%s at %s, want scheduled at %s", got.Status, got.Publish, want)
	}
	a = w.get(w.editor, at)
	w.want("scheduled", a, http.StatusOK, "Scheduled", `value="2099-07-01T09:30"`)
	a = w.post(
		w.editor,
		at,
		"version",
		w.version(a),
		"title",
		"News",
		"slug",
		"news",
		"kind",
		"article",
		"body",
		"<p>Three</p>",
		"publish",
		"soon",
		"do",
		"publish",
	)
	w.want(
		"a time that is none",
		a,
		http.StatusUnprocessableEntity,
		"is not a time",
		"&lt;p&gt;Three&lt;/p&gt;",
		`value="soon"`,
	)
	w.want(
		"an expiry that has passed",
		w.post(
			w.editor,
			at,
			"version",
			w.version(a),
			"title",
			"News",
			"slug",
			"news",
			"kind",
			"article",
			"body",
			"<p>Three</p>",
			"expire",
			"2001-01-01T00:00",
			"do",
			"save",
		),
		http.StatusUnprocessableEntity,
		`id="f-expire-error"`,
	)
}

// The form of an article is saved as a whole: what is wrong with its times leaves the text as it was, and no tag.
func TestArticles_AFormThatIsRefusedInPartSavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := []string{"title", "News", "slug", "news", "kind", "article", "body", "<p>One</p>", "do", "publish", "tags",
		"sea"}
	bad := []string{"expire", "2001-01-01T00:00"}
	w.want("a new one", w.post(w.editor, "/control/content/new", append(form, bad...)...),
		http.StatusUnprocessableEntity, `id="f-expire-error"`, `value="News"`)
	w.want("none was made", w.get(w.editor, "/control/content/new"), http.StatusOK)
	if list, err := w.content.List(as(w.editor), w.site, content.Filter{}); err != nil || len(list.Items) != 0 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	made := w.post(w.editor, "/control/content/new", form...)
	w.want("made", made, http.StatusSeeOther)
	at := made.path()
	opened := w.version(w.get(w.editor, at))
	form[1], form[7], form[11] = "Olds", "<p>Two</p>", "moon"
	refused := w.post(w.editor, at, append(append(form, "version", opened), bad...)...)
	w.want("changed", refused, http.StatusUnprocessableEntity, `id="f-expire-error"`, `value="Olds"`)
	id, err := stoa.ParseID(strings.TrimPrefix(at, "/control/content/"))
	must(t, err)
	got, err := w.content.Get(as(w.editor), id)
	must(t, err)
	if got.Number != 1 || got.Text["en"].Title != "News" || len(got.Tags) != 1 || w.version(refused) != opened {
		t.Errorf("something was saved: %+v; the form has the version %s", got, w.version(refused))
	}
	w.want("again", w.post(w.editor, at, append(form, "version", opened)...), http.StatusSeeOther)
	if got, err = w.content.Get(as(w.editor), id); err != nil || got.Number != 2 || got.Live != 2 {
		t.Errorf("saved as %+v, %v", got, err)
	}
}

// An editor writes times in the zone of the account, which the field names.
func TestArticle_TimesAreInTheZoneOfTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, err := w.users.Get(as(w.admin), w.editor.User)
	must(t, err)
	u.TimeZone = "GMT+05:30"
	_, err = w.users.Update(as(w.admin), u)
	must(t, err)
	w.editor.TimeZone = u.TimeZone
	w.want(
		"form",
		w.get(w.editor, "/control/content/new"),
		http.StatusOK,
		"Time in GMT&#43;05:30",
		`data-zone="GMT&#43;05:30"`,
	)
	w.want("another person", w.get(w.admin, "/control/content/new"), http.StatusOK, "Time in Europe/")
	at := w.write(w.editor, "News", "<p>One</p>", "publish", "2099-07-01T09:30", "do", "publish")
	got, err := w.content.Get(as(w.editor), w.idOf(at, "/control/content/"))
	must(t, err)
	if want := time.Date(2099, 7, 1, 4, 0, 0, 0, time.UTC); !got.Publish.Equal(want) {
		t.Errorf("scheduled at %s, want %s", got.Publish, want)
	}
	w.want("read again", w.get(w.editor, at), http.StatusOK, `value="2099-07-01T09:30"`)
	u, err = w.users.Get(as(w.admin), w.editor.User)
	must(t, err)
	u.TimeZone = "Europe/Berlin"
	_, err = w.users.Update(as(w.admin), u)
	must(t, err)
	w.editor.TimeZone = u.TimeZone
	a := w.get(w.editor, at)
	w.want(
		"an hour that is none",
		w.post(
			w.editor,
			at,
			"version",
			w.version(a),
			"title",
			"News",
			"slug",
			"news",
			"kind",
			"article",
			"body",
			"<p>Two</p>",
			"publish",
			"2099-03-29T02:30",
			"do",
			"publish",
		),
		http.StatusUnprocessableEntity,
		"jump over",
		"01:30 or 03:30",
		"&lt;p&gt;Two",
	)
}

func TestArticles_AuthorMaySaveNotPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.author, "From below", "<p>x</p>", "do", "publish")
	a := w.get(w.author, at)
	w.want("screen", a, http.StatusOK, "From below", "Draft")
	w.without("screen", a, `value="publish"`, `name="expire"`)
	id := strings.TrimPrefix(at, "/control/content/")
	w.want(
		"bulk publish",
		w.post(w.author, "/control/content/bulk", "id", id, "do", "publish"),
		http.StatusForbidden,
		"You may not do this",
	)
	w.want("still a draft", w.get(w.author, "/control/content?status=draft"), http.StatusOK, "From below")
	w.want(
		"bulk publish by an editor",
		w.post(w.editor, "/control/content/bulk", "id", id, "do", "publish"),
		http.StatusSeeOther,
	)
	w.want("published", w.get(w.author, "/control/content?status=published"), http.StatusOK, "From below")
	w.want(
		"bulk nonsense",
		w.post(w.editor, "/control/content/bulk", "id", id, "do", "explode"),
		http.StatusUnprocessableEntity,
	)
}

func TestArticles_StaleSaveShowsBothTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Harbour", "<p>The first text.</p>")
	opened := w.version(w.get(w.editor, at))
	w.unlock()
	w.want(
		"save by the author",
		w.post(
			w.author,
			at,
			"version",
			opened,
			"title",
			"Harbour by Tom",
			"slug",
			"harbour",
			"kind",
			"article",
			"body",
			"<p>Written by Tom.</p>",
		),
		http.StatusSeeOther,
	)
	w.unlock()

	mine := []string{
		"title",
		"Harbour by Ed",
		"slug",
		"harbour",
		"kind",
		"article",
		"body",
		`<p>Written by Ed.<img src=x onerror="alert(1)"></p>`,
		"tags",
		"quay",
	}
	a := w.post(w.editor, at, append([]string{"version", opened, "do", "publish"}, mine...)...)
	w.want(
		"conflict",
		a,
		http.StatusConflict,
		"Changed by another person",
		"Harbour by Tom",
		"Harbour by Ed",
		"Written by Tom.",
		"Written by Ed.",
		"Saved by tom Brandt",
		`value="quay"`,
		"<ins>",
		"<del>",
	)
	w.without("conflict", a, `onerror="alert`)

	form := append([]string{"version", w.version(a)}, mine...)
	again := w.post(w.editor, at, append(form, "do", "again")...)
	w.want("edit mine further", again, http.StatusOK, "Written by Ed.", `value="Harbour by Ed"`)
	w.want("save mine", w.post(w.editor, at, append(form, "do", "save")...), http.StatusSeeOther)
	w.want("mine is the newest", w.get(w.editor, at), http.StatusOK, "Harbour by Ed")
	w.want("theirs is a version", w.get(w.editor, at+"/compare?from=2&to=3"), http.StatusOK, "Tom", "Ed", "<del>", "<ins>")
}

func TestArticles_VersionsCompareRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Arcade", "<p>Seven columns.</p>")
	a := w.get(w.editor, at)
	w.want(
		"save",
		w.post(
			w.editor,
			at,
			"version",
			w.version(a),
			"title",
			"Arcade",
			"slug",
			"arcade",
			"kind",
			"article",
			"body",
			"<p>Four columns.</p>",
			"comment",
			"counted <again>",
		),
		http.StatusSeeOther,
	)
	a = w.get(w.editor, at+"/versions")
	w.want("versions", a, http.StatusOK, "counted &lt;again&gt;", "Newest", "ed Brandt")
	w.want("compare", w.get(w.editor, at+"/compare?from=1&to=2"), http.StatusOK, "<del>Seven</del><ins>Four</ins>")
	w.want("compare with what never was", w.get(w.editor, at+"/compare?from=1&to=9"), http.StatusNotFound)
	w.want(
		"restore with a stale version",
		w.post(w.editor, at+"/restore", "version", "1", "number", "1"),
		http.StatusConflict,
	)
	w.want(
		"restore nonsense",
		w.post(w.editor, at+"/restore", "version", "2", "number", "x"),
		http.StatusUnprocessableEntity,
	)
	w.want("restore", w.post(w.editor, at+"/restore", "version", w.version(a), "number", "1"), http.StatusSeeOther)
	w.want("restored", w.get(w.editor, at), http.StatusOK, "Seven columns.")
	w.want("versions by a member", w.get(w.member, at+"/versions"), http.StatusForbidden)
}

func TestArticles_LanguagesStayApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Harbour", "<p>English text</p>")
	a := w.get(w.editor, at+"?lang=de")
	w.want("German form", a, http.StatusOK, `lang="de"`, "none yet")
	w.without("German form", a, "English text")
	w.want(
		"save German",
		w.post(
			w.editor,
			at+"?lang=de",
			"version",
			w.version(a),
			"title",
			"Hafen",
			"slug",
			"harbour",
			"kind",
			"article",
			"body",
			"<p>Deutscher Text</p>",
		),
		http.StatusSeeOther,
	)
	w.want("German", w.get(w.editor, at+"?lang=de"), http.StatusOK, "Deutscher Text", "Hafen")
	w.want("English", w.get(w.editor, at), http.StatusOK, "English text", `value="Harbour"`)
	w.want("a language that is none", w.get(w.editor, at+"?lang=%22%3E%3Cscript%3E"), http.StatusOK, "English text")
}

func TestArticles_HostileInputIsKeptAndHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.editor, `<script>alert("t")</script>`, "<p>x</p>", "summary", `"><img src=x onerror=alert(2)>`)
	for _, path := range []string{"/control/content", "/control/"} {
		a := w.get(w.editor, path)
		w.want(path, a, http.StatusOK, "&lt;script&gt;alert(")
		w.without(path, a, `<script>alert("t")`, "<img src=x")
	}
	long := strings.Repeat("ä", 400)
	a := w.post(w.editor, "/control/content/new", "title", long, "body", "<p>kept</p>", "kind", "article")
	w.want("oversized title", a, http.StatusRequestEntityTooLarge, long, "&lt;p&gt;kept&lt;/p&gt;", "too long")
	a = w.post(w.editor, "/control/content/new", "title", " \t", "body", "<p>kept</p>", "kind", "article")
	w.want(
		"no title",
		a,
		http.StatusUnprocessableEntity,
		`id="f-title-error"`,
		"&lt;p&gt;kept&lt;/p&gt;",
		`aria-invalid="true"`,
	)
	w.want(
		"an unknown kind",
		w.post(w.editor, "/control/content/new", "title", "x", "kind", "<b>"),
		http.StatusUnprocessableEntity,
		`id="f-kind-error"`,
	)
	w.want(
		"bytes that are no text",
		w.post(w.editor, "/control/content/new", "title", "a\xff\x00b", "kind", "article"),
		http.StatusSeeOther,
	)
	a = w.post(w.editor, "/control/content/new", "title", "Second", "slug", "second", "kind", "article")
	w.want("first of an address", a, http.StatusSeeOther)
	w.want(
		"an address that is taken",
		w.post(w.editor, "/control/content/new", "title", "Other", "slug", "second", "kind", "article"),
		http.StatusConflict,
		`id="f-slug-error"`,
		`value="Other"`,
	)
	a = w.do(w.editor, http.MethodPost, "/control/site/choose", url.Values{"site": {strings.Repeat("9", admin.MaxForm)}})
	w.want("a form that is too large", a, http.StatusRequestEntityTooLarge)
	a = w.get(w.editor, "/control/content?page=-5&q="+strings.Repeat("%25", 300)+"&status=%3Cb%3E&kind=%22%3E")
	w.want("a hostile filter", a, http.StatusOK, "Nothing fits")
	w.without("a hostile filter", a, "<b>")
}

func TestArticles_ListHasPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := as(w.editor)
	for i := range 50 + 3 {
		_, err := w.content.Create(
			ctx,
			w.site,
			content.Draft{Text: map[stoa.Locale]content.Text{"en": {Title: "Entry " + string(rune('A'+i%26))}}},
		)
		must(t, err)
	}
	first := w.get(w.editor, "/control/content?q=entry")
	w.want("first page", first, http.StatusOK, "50 of 53", "q=entry")
	w.without("first page", first, `rel="prev"`)
	second := w.get(w.editor, first.link(t, "next"))
	w.want("second page", second, http.StatusOK, "3 of 53", "First page", `value="entry"`)
	w.without("second page", second, `rel="next"`)
	back := w.get(w.editor, second.link(t, "prev"))
	w.want("back again", back, http.StatusOK, "50 of 53")
	if back.rows() != first.rows() {
		t.Errorf("going back leads to other rows:\n%s\nthan before:\n%s", back.rows(), first.rows())
	}
	w.without("back again", back, `rel="prev"`)
}
