package wordpress

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

// on runs a test on each database: what a case of an import comes to must not depend on it.
func on(t *testing.T, fn func(t *testing.T, p *portal)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(t, newPortalOn(t, d)) })
}

func TestWrite_PageHomeTakesThePlaceOfTheWelcomePage(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		p.welcome(t)
		r := p.mustBring(
			t,
			wx("", pageItem(1, 0, "home", "Home"), pageItem(2, 0, "about", "About")),
			WriteOptions{HomePage: "home"},
		)
		d := p.dump(t)
		mustHave(
			t,
			d,
			"page /home map[en:Home] 1 article home-page published=true",
			"page /about",
			`site "Old & site" "It’s old" en [en] home "/home"`,
		)
		mustLack(t, d, "article welcome")
		if r.New != 2 || r.Refused != 0 {
			t.Errorf("%s", r)
		}
		if again := p.mustBring(t, wx("", pageItem(1, 0, "home", "Home"), pageItem(2, 0, "about", "About")),
			WriteOptions{}); again.New != 0 ||
			again.Before != 2 ||
			p.dump(t) != d {
			t.Errorf("a second run: %s%s", again, difference(d, p.dump(t)))
		}
	})
}

func TestWrite_PageOfAnEditorAtHomeStays(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		editor := stoa.WithActor(t.Context(), stoa.Actor{User: 77, System: true})
		n, err := p.Pages.Create(editor, p.st, page.NewPage{Slug: "home", Title: map[stoa.Locale]string{"en": "Mine"}})
		must(t, err)
		_, err = p.Pages.Publish(editor, n.ID, n.Version)
		must(t, err)
		r := p.mustBring(t, wx("", pageItem(1, 0, "home", "Home")), WriteOptions{})
		mustHave(t, p.dump(t), "page /home map[en:Mine]", "page /home-2 map[en:Home]", `site "Guest"`)
		if !strings.Contains(r.String(), `the page "Home" is at /home-2`) ||
			!strings.Contains(r.String(), "keeps its name") {
			t.Errorf("%s", r)
		}
	})
}

// TestWrite_WhatTheDomainWouldRefuseIsHelped brings everything in that stopped an import in the middle.
func TestWrite_WhatTheDomainWouldRefuseIsHelped(t *testing.T) {
	t.Parallel()
	on(t, testHelped)
}

func testHelped(t *testing.T, p *portal) {
	t.Helper()
	items := []wxItem{
		post(1, "long", strings.Repeat("Ä", 300), "<p>x</p>"), post(2, "no-title", "", "<p>x</p>"),
		pageItem(
			10,
			0,
			"sign-in",
			"Reserved",
		), pageItem(11, 0, "en", "A language"), pageItem(12, 0, "bad slug/with?signs", "Signs"),
		{
			kind:   TypePost,
			status: StatusPublish,
			title:  "Without id",
			body:   "<p>a</p>",
		}, {kind: TypePost, status: StatusPublish, title: "Without id", body: "<p>b</p>"},
		{kind: TypePage, status: StatusPublish, title: "Page without id", slug: "p"},
		{
			id:     20,
			kind:   TypePage,
			status: StatusDraft,
			title:  "Draft one",
			slug:   "same",
		}, {id: 21, kind: TypePage, status: StatusDraft, title: "Draft two", slug: "same"},
		{
			id:     22,
			kind:   TypePost,
			status: StatusDraft,
			title:  "Draft three",
			slug:   "same",
		}, {id: 23, kind: TypePost, status: StatusDraft, title: "Draft four", slug: "same"},
		post(30, "%e6%97%a5%e6%9c%ac%e8%aa%9e%e6%9", "Cut in a letter", "x"), post(31, "%e6%97%a5%e6", "Cut between", "x"),
		post(
			32,
			strings.Repeat("s", 300),
			"Long slug",
			"x",
		), post(33, "big", "Big", strings.Repeat("<p>many words here</p>", 300_000)),
		{
			id:       34,
			kind:     TypePost,
			status:   StatusPublish,
			title:    "Locked",
			slug:     "locked",
			body:     "SECRET",
			password: strings.Repeat("p", 300),
		},
		{
			id:     35,
			kind:   TypePost,
			status: StatusPublish,
			title:  "Terms",
			slug:   "terms",
			body:   "x",
			tags:   []string{"t=" + strings.Repeat("T", 400), strings.Repeat("u", 300) + "=U"},
		},
	}
	many := post(36, "many", "Many tags", "x")
	for i := range 130 {
		many.tags = append(many.tags, fmt.Sprintf("t%d=T%d", i, i))
	}
	items = append(items, many)
	for i := range 20 {
		items = append(
			items,
			pageItem(100+i, map[bool]int{true: 0, false: 99 + i}[i == 0], fmt.Sprintf("d%d", i), fmt.Sprintf("Deep %d", i)),
		)
	}
	r := p.mustBring(t, wx("", items...), WriteOptions{})
	if r.Refused != 1 || r.New != len(items)-1 {
		t.Errorf("%d new, %d refused of %d\n%s", r.New, r.Refused, len(items), r.Text(true))
	}
	d := p.dump(t)
	mustHave(
		t,
		d,
		`"`+strings.Repeat("Ä", 223)+"…\"",
		"page /sign-in-page map[en:Reserved]",
		"page /en-page",
		"page /bad-slug-with-signs",
		"page /same ",
		"page /same-2",
		"article same post draft",
		"article same-23 post draft",
		"article 日本語 ",
		"article 日 ",
		"Without id",
		"page /p ",
		"article locked post draft live=false",
		"tag t ",
		"d13/d14/d15 ",
		"d13/d14/d16 ",
		"d13/d14/d19 ",
	)
	if strings.Count(d, `"Without id"`) != 2 {
		t.Errorf("of two items without an id not both are here:\n%s", d)
	}
	text := r.String()
	for _, want := range []string{`"Big" was not brought over`, "longer than 450 bytes",
		"is deeper than 16 levels", "/sign-in-page", "130 tags; the first 100",
		"longer than 255 bytes: it is a draft now"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if strings.Index(text, "did not arrive") > strings.Index(text, "arrived otherwise") {
		t.Errorf("the most important is not first:\n%s", text)
	}
	if again := p.mustBring(t, wx("", items...), WriteOptions{}); again.New != 0 || p.dump(t) != d {
		t.Errorf("a second run: %s%s", again, difference(d, p.dump(t)))
	}
}

func TestWrite_NamesAreText(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		it := post(1, "rd", "Research &amp; Development", "<p>x</p>")
		it.excerpt = "<p>Salt &amp; <strong>pepper</strong></p>"
		it.categories, it.tags = []string{"food=Food &amp; Drink"}, []string{"rb=R&amp;B"}
		head := `<wp:author><wp:author_login>ann</wp:author_login>` +
			`<wp:author_display_name><![CDATA[Ann &amp; Bob]]></wp:author_display_name></wp:author>`
		p.mustBring(
			t,
			wx(
				head,
				it,
				post(2, "its", "It&#8217;s", "x"),
				post(3, "em", "With <em>emphasis</em> and &lt;em&gt;", "x"),
				post(4, "twice", "a &amp;amp; b", "x"),
				menuItem(9, "top", "Q&amp;A", "custom", "custom", 9, oldSite+"/rd/"),
			),
			WriteOptions{},
		)
		mustHave(
			t,
			p.dump(t),
			`"Research & Development" "Salt & pepper"`,
			`"Food & Drink"`,
			`"R&B"`,
			`"It’s"`,
			`"With emphasis and <em>"`,
			`"a &amp; b"`,
			`by "Ann & Bob"`,
			"map[en:Q&A]",
		)
	})
}

func TestWrite_MenusLeadToWhatWasWritten(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		draft := post(4, "draft", "Draft", "x")
		draft.status = StatusDraft
		taken := post(3, "twice", "Second twice", "x")
		taken.local = "2021-01-01 00:00:00"
		items := []wxItem{
			post(1, "Up_Case.html", "Upper", "x"),
			post(2, "twice", "First twice", "x"),
			taken,
			draft,
			pageItem(5, 0, "sign-in", "Page"),
			menuItem(
				11,
				"top",
				"",
				"post_type",
				"post",
				1,
				"",
			),
			menuItem(12, "top", "", "post_type", "post", 3, ""),
			menuItem(13, "top", "", "post_type", "post", 4, ""),
			menuItem(
				14,
				"top",
				"",
				"post_type",
				"page",
				5,
				"",
			),
			menuItem(15, "top", "Typed", "custom", "", 0, "https://www.old.example.org/?p=1"),
			menuItem(
				16,
				"top",
				"Away",
				"custom",
				"",
				0,
				"https://elsewhere.example/x",
			),
			menuItem(17, "top", "Start", "custom", "", 0, oldSite),
		}
		r := p.mustBring(t, wx("", items...), WriteOptions{})
		d := p.dump(t)
		mustHave(
			t,
			d,
			`0.0 map[en:Upper] "/w/up-case-html"`,
			`map[en:Second twice] "/w/twice-3"`,
			"map[en:Page] \"\" /sign-in-page",
			`map[en:Typed] "/w/up-case-html"`,
			`map[en:Away] "https://elsewhere.example/x"`,
			`map[en:Start] "/"`,
		)
		mustLack(t, d, "map[en:Draft] \"")
		if !strings.Contains(r.String(), `the menu entry "Draft" was left out`) {
			t.Errorf("%s", r)
		}
	})
}

func TestWrite_LinksOfTheOldSiteLeadHere(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		links := map[string]string{
			oldSite + "/2020/01/02/target/":                   "/w/target",
			"https://old.example.org/2020/01/02/target/#part": "/w/target#part",
			"//old.example.org/2020/01/02/target/":            "/w/target",
			"/2020/01/02/target/":                             "/w/target",
			"http://www.old.example.org/2020/01/02/target/":   "/w/target", oldSite +
				"/?p=1": "/w/target",
			oldSite + "/2020/01/02/target/?utm_source=a&b=c": "/w/target", oldSite + "/2020/01/02/target": "/w/target",
			oldSite + ":80/2020/01/02/target/":          "/w/target",
			"HTTP://OLD.example.org/2020/01/02/target/": "/w/target", oldSite + "/2020/01/02/": "/", oldSite: "/",
			"https://old.example.org/?page_id=3": "/team/anna",
			oldSite + "/team/anna/":              "/team/anna", oldSite + "/?attachment_id=5": "/documents/guest/a.png/KEY",
			oldSite + "/category/town/": "/categories/town",
			oldSite + "/shop/item/":     oldSite + "/shop/item/", "mailto:a@b.c": "mailto:a@b.c", "#top": "#top",
			"https://other.example/2020/01/02/target/":            "https://other.example/2020/01/02/target/",
			oldSite + "/wp-content/uploads/2020/01/a-300x200.png": "/documents/guest/a.png/KEY", "/?cat=7": "/categories/town",
		}
		var body strings.Builder
		i := 0
		for from := range links {
			fmt.Fprintf(&body, `<p><a href="%s">l</a></p>`, html.EscapeString(from))
			i++
		}
		target := post(1, "target", "Target", "x")
		target.link, target.categories = oldSite+"/2020/01/02/target/", []string{"town=Town"}
		anna := pageItem(3, 2, "anna", "Anna")
		anna.link = oldSite + "/team/anna/"
		src := wx(
			`<wp:category><wp:term_id>7</wp:term_id><wp:category_nicename>town</wp:category_nicename>`+
				`<wp:cat_name>Town</wp:cat_name></wp:category>`,
			target,
			post(4, "linker", "Linker", body.String()),
			pageItem(2, 0, "team", "Team"),
			anna,
			attachment(5, 1, "a.png"),
		)
		dir := t.TempDir()
		writePicture(t, filepath.Join(dir, "a.png"))
		r := p.mustBring(t, src, WriteOptions{MediaDir: dir})
		text := documentKey.ReplaceAllString(html.UnescapeString(p.bodies(t)["linker"]), "${1}KEY")
		for from, to := range links {
			if want := `href="` + to + `"`; !strings.Contains(text, want) &&
				!strings.Contains(text, strings.TrimSuffix(want, `"`)+"?w=") {
				t.Errorf("%s does not lead to %s:\n%s", from, to, text)
			}
		}
		if r.LinksLeft != 1 || r.Links < 15 || !strings.Contains(r.String(), "1 link to the old site") {
			t.Errorf("%s", r)
		}
	})
}

func TestWrite_OldAddressesRedirect(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		it := post(10, "a", "A", "x")
		it.categories, it.tags = []string{"town=Town"}, []string{"water=Water"}
		head := `<wp:author><wp:author_id>3</wp:author_id><wp:author_login>Ann Lee</wp:author_login></wp:author>`
		p.mustBring(t, wx(head, it, attachment(11, 10, "b.png")), WriteOptions{})
		for from, to := range map[string]string{"/feed/": "/feed.atom", "/feed": "/feed.atom",
			"/feed/atom/": "/feed.atom", "/comments/feed/": "/feed.atom", "/?feed=rss2": "/feed.atom",
			"/category/town/": "/categories/town", "/category/town/feed/": "/feed.atom", "/tag/water/": "/tags/water",
			"/author/ann-lee/": "/", "/?author=3": "/", "/2020/": "/",
			"/2020/01/": "/", "/2020/01/02/": "/", "/wp-sitemap.xml": "/sitemap.xml",
			"/sitemap_index.xml": "/sitemap.xml", "/?p=10": "/w/a", "/a/": "/w/a", "/file-11/": "/w/a",
			"/?attachment_id=11": "/w/a"} {
			got, ok, err := p.Pages.Redirect(t.Context(), p.st.ID, from)
			must(t, err)
			if !ok || got != to {
				t.Errorf("%s leads to %q, want %q", from, got, to)
			}
		}
		dir := t.TempDir()
		writePicture(t, filepath.Join(dir, "b.png"))
		p.mustBring(t, wx(head, it, attachment(11, 10, "b.png")), WriteOptions{MediaDir: dir})
		if got, _, _ := p.Pages.Redirect(t.Context(), p.st.ID, "/file-11/"); !strings.HasPrefix(
			got,
			"/documents/guest/b.png/",
		) {
			t.Errorf("the page of a file that came later leads to %q", got)
		}
	})
}

// TestWrite_AddressesEqualInTheBeginning has two old addresses that differ behind 190 bytes only.
func TestWrite_AddressesEqualInTheBeginning(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		a, b := post(1, "a", "A", "x"), post(2, "b", "B", "x")
		a.link, b.link = oldSite+"/"+strings.Repeat("long/", 60)+"a/", oldSite+"/"+strings.Repeat("long/", 60)+"b/"
		p.mustBring(t, wx("", a, b), WriteOptions{})
		for it, to := range map[string]string{a.link: "/w/a", b.link: "/w/b"} {
			if got, _, err := p.Pages.Redirect(t.Context(), p.st.ID, strings.TrimPrefix(it, oldSite)); got != to || err != nil {
				t.Errorf("%s leads to %q, %v", it, got, err)
			}
		}
	})
}

func TestWrite_NewSiteTakesLanguageAndTimeZone(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		p.welcome(t)
		winter, summer := post(1, "a", "A", "x"), post(2, "b", "B", "x")
		winter.local, winter.gmt = "2020-01-02 10:00:00", "2020-01-02 09:00:00"
		summer.local, summer.gmt = "2020-07-02 10:00:00", "2020-07-02 08:00:00"
		src := strings.Replace(wx("", winter, summer), "en-US", "fr-FR", 1)
		r := p.mustBring(t, src, WriteOptions{})
		mustHave(t, p.dump(t), " fr-FR [fr-FR] ", "live=true fr-FR")
		inst, _, err := p.Sites.Resolve(system(t), "")
		must(t, err)
		if inst.TimeZone != "Europe/Paris" || !strings.Contains(r.String(), "Europe/Paris") {
			t.Errorf("the time zone is %q\n%s", inst.TimeZone, r)
		}
	})
}

// Exports of WordPress come in several files when they are large; what an earlier run brought is found again.
func TestWrite_SecondFileFindsWhatTheFirstBrought(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		child := pageItem(2, 1, "child", "Child")
		child.meta = map[string]string{"_thumbnail_id": "3"}
		p.mustBring(t, wx("", pageItem(1, 0, "parent", "Parent"), post(4, "old", "Old", "x"), attachment(3, 1, "a.png")),
			WriteOptions{MediaDir: richMedia(t)})
		p.mustBring(t, wx("", child, menuItem(9, "top", "", "post_type", "post", 4, "")), WriteOptions{})
		mustHave(t, p.dump(t), "page /parent/child map[en:Child]", `map[en:Old] "/w/old"`)
	})
}

// An export of posts alone has its terms at the items only.
func TestWrite_TermsThatStandAtItemsAloneAreMade(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, p *portal) {
		it := post(1, "a", "A", "x")
		it.categories, it.tags = []string{"town=Town &amp; Quay"}, []string{"water=Water"}
		r := p.mustBring(t, wx("", it), WriteOptions{})
		mustHave(t, p.dump(t), `"Town & Quay"`, "tag water")
		for from, to := range map[string]string{"/category/town/": "/categories/town", "/tag/water/": "/tags/water"} {
			if got, _, err := p.Pages.Redirect(t.Context(), p.st.ID, from); got != to || err != nil {
				t.Errorf("%s leads to %q (%v), want %s", from, got, err, to)
			}
		}
		if r.Terms != 2 {
			t.Errorf("%s", r)
		}
	})
}

func writePicture(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "media", "2024", "05", "chart.png"))
	if err != nil {
		matches, _ := filepath.Glob(filepath.Join("testdata", "media", "*", "*", "*.png"))
		more, _ := filepath.Glob(filepath.Join("testdata", "media", "*.png"))
		matches = append(matches, more...)
		if len(matches) == 0 {
			t.Fatal(err)
		}
		raw, err = os.ReadFile(matches[0])
		must(t, err)
	}
	must(t, os.WriteFile(file, raw, 0o600))
}

// TestWrite_IsAskedForInTheDomain has a person of another instance, and one without rights, try an import.
func TestWrite_IsAskedForInTheDomain(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	other, _, err := p.Sites.CreateInstance(system(t), site.Defaults{
		WebID: "other.example", Name: "Other", HostName: "other.example", SiteSlug: "guest", SiteName: "Other", Locale: "en",
		TimeZone: "UTC",
	})
	must(t, err)
	before := p.dump(t)
	e, err := Read(strings.NewReader(wx("", post(1, "a", "A", "x"))), Limits{})
	must(t, err)
	for _, who := range []stoa.Actor{{}, {User: 5, Instance: p.st.Instance}, {User: 6, Instance: other.ID}} {
		ctx := stoa.WithActor(t.Context(), who)
		for _, dry := range []bool{true, false} {
			if _, err := p.Write(ctx, e, WriteOptions{Site: p.st, DryRun: dry}); !stoa.Is(err, stoa.KindForbidden) &&
				!stoa.Is(err, stoa.KindUnauthorized) && !stoa.Is(err, stoa.KindNotFound) {
				t.Errorf("%+v, dry run %v: %v", who, dry, err)
			}
		}
		inst, _, err := p.Sites.Resolve(ctx, "")
		must(t, err)
		if err := p.Sites.SetTimeZone(ctx, inst, "Europe/Paris"); err == nil {
			t.Errorf("%+v sets the time zone of another instance", who)
		}
		if _, err := p.Content.Stock(ctx, p.st); err == nil {
			t.Errorf("%+v lists all articles", who)
		}
	}
	if after := p.dump(t); after != before {
		t.Errorf("the site changed:\n%s", difference(before, after))
	}
}
