package wordpress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

// rich is an export with everything in it that hangs together.
func rich() (head string, items []wxItem) {
	head = `<wp:category><wp:term_id>7</wp:term_id><wp:category_nicename>town</wp:category_nicename><wp:cat_name>Town</wp:cat_name></wp:category>` +
		`<wp:category><wp:term_id>8</wp:term_id><wp:category_nicename>quay</wp:category_nicename><wp:category_parent>town</wp:category_parent><wp:cat_name>Quay</wp:cat_name></wp:category>`
	one := post(
		1,
		"one",
		"One",
		`<p><a href="`+oldSite+`/parent/child/">child</a> <img src="`+oldSite+`/wp-content/uploads/2020/01/a.png"></p>[gallery ids="20,21"]`,
	)
	one.categories, one.tags = []string{"quay=Quay"}, []string{"water=Water"}
	one.meta = map[string]string{"_thumbnail_id": "21"}
	two := post(2, "two", "Two", `<p><a href="`+oldSite+`/?p=1">one</a></p><!-- wp:block {"ref":30} /-->`)
	two.password = "pw"
	child := pageItem(11, 10, "child", "Child")
	child.link = oldSite + "/parent/child/"
	grand := pageItem(12, 11, "grand", "Grand")
	grand.link = oldSite + "/parent/child/grand/"
	second := pageItem(13, 10, "second", "Second")
	second.order = 5
	return head, []wxItem{
		one,
		two,
		pageItem(10, 0, "parent", "Parent"),
		child,
		grand,
		second,
		pageItem(14, 0, "zebra", "Zebra"),
		attachment(20, 1, "a.png"),
		attachment(21, 1, "b.png"),
		{
			id:     30,
			kind:   TypeBlock,
			status: StatusPublish,
			title:  "Block",
			slug:   "block",
			body:   `<!-- wp:paragraph --><p>Shared</p><!-- /wp:paragraph -->`,
		},
		menuItem(
			41,
			"top",
			"",
			"post_type",
			"page",
			11,
			"",
		),
		menuItem(42, "top", "", "post_type", "post", 1, ""),
		menuItem(43, "top", "", "taxonomy", "category", 8, ""),
	}
}

func richMedia(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writePicture(t, filepath.Join(dir, "a.png"))
	writePicture(t, filepath.Join(dir, "b.png"))
	return dir
}

func TestWrite_StoppedRunEndsAsOneThatWasNot(t *testing.T) {
	t.Parallel()
	head, items := rich()
	src, dir := wx(head, items...), richMedia(t)
	whole := newPortal(t)
	whole.welcome(t)
	steps := 0
	_, err := whole.bringIn(t, src, WriteOptions{MediaDir: dir, HomePage: "zebra", Progress: func(int, int) { steps++ }})
	must(t, err)
	want := whole.dump(t)
	if steps < 8 {
		t.Fatalf("%d steps", steps)
	}
	for stop := 1; stop <= steps; stop++ {
		p := newPortal(t)
		p.welcome(t)
		ctx, cancel := context.WithCancel(system(t))
		e, err := Read(strings.NewReader(src), Limits{})
		must(t, err)
		_, err = p.Write(ctx, e, WriteOptions{Site: p.st, MediaDir: dir, HomePage: "zebra", Progress: func(done, _ int) {
			if done == stop {
				cancel()
			}
		}})
		cancel()
		if err == nil || !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		p.mustBring(t, src, WriteOptions{MediaDir: dir, HomePage: "zebra"})
		if got := p.dump(t); got != want {
			t.Fatalf("stopped at step %d of %d:\n%s", stop, steps, difference(want, got))
		}
	}
}

func TestWrite_SeveralFilesEndAsOne(t *testing.T) {
	t.Parallel()
	head, items := rich()
	dir := richMedia(t)
	whole := newPortal(t)
	whole.mustBring(t, wx(head, items...), WriteOptions{MediaDir: dir})
	want := whole.dump(t)
	random := rand.New(rand.NewPCG(1, 2))
	for try := range 12 {
		order := random.Perm(len(items))
		var parts [3][]wxItem
		for _, i := range order {
			n := random.IntN(len(parts))
			parts[n] = append(parts[n], items[i])
		}
		p := newPortal(t)
		for i, part := range parts {
			o := WriteOptions{}
			if i == try%3 {
				o.MediaDir = dir // in the middle: what comes later has no folder of media
			}
			h := head
			if i == 0 && try%2 == 0 {
				h = "" // an export of posts alone does not list the terms
			}
			p.mustBring(t, wx(h, part...), o)
		}
		p.mustBring(t, wx(head), WriteOptions{MediaDir: dir})
		got := movedAddresses(p.dump(t), want)
		if got != want {
			t.Fatalf("try %d, order %v:\n%s", try, order, difference(want, got))
		}
		if again := p.mustBring(t, wx(head, items...), WriteOptions{MediaDir: dir}); again.New != 0 || again.Updated != 0 ||
			again.Moved != 0 ||
			again.Redirects != 0 {
			t.Errorf("a further run: %s", again)
		}
	}
}

// movedAddresses leaves out the redirects that are left where a page stood until its parent came.
func movedAddresses(dump, want string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(dump, "\n"), func(l string) bool {
		return strings.HasPrefix(l, "redirect ") && !strings.Contains(want, l)
	}), "\n")
}

// TestWrite_DryRunTellsWhatTheRunDoes brings generated exports into sites that have something already.
func TestWrite_DryRunTellsWhatTheRunDoes(t *testing.T) {
	t.Parallel()
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 7))
		p := newPortal(t)
		if random.IntN(2) == 0 {
			p.welcome(t)
		}
		slugs := []string{
			"home",
			"about",
			"sign-in",
			"w",
			"en",
			"same",
			"welcome",
			"Up_Case",
			"%e6%97%a5%e6%9",
			"a b",
			"",
			strings.Repeat("l", 250),
			"日本",
			"-",
			"categories",
			"é",
		}
		some := func(list []string) string { return list[random.IntN(len(list))] }
		titles := []string{"Plain", "", "A &amp; B", strings.Repeat("ü", 400), "<b>x</b>", "&nbsp;", "Zoë"}
		if random.IntN(3) == 0 {
			_, err := p.Pages.Create(system(t), p.st, page.NewPage{Slug: "about", Title: map[stoa.Locale]string{"en": "Mine"}})
			must(t, err)
			_, err = p.Content.Create(
				system(t),
				p.st,
				content.Draft{Slug: "same", Text: map[stoa.Locale]content.Text{"en": {Title: "Mine"}}},
			)
			must(t, err)
		}
		var items []wxItem
		n := 5 + random.IntN(40)
		for i := range n {
			it := wxItem{
				id:   1 + random.IntN(n+5),
				kind: some([]string{TypePost, TypePage, TypePage, TypeAttachment, TypeMenuItem, TypeBlock, "product"}),
				status: some(
					[]string{StatusPublish, StatusPublish, StatusDraft, StatusPrivate, StatusFuture, StatusTrash},
				),
				title: some(titles),
				slug:  some(slugs),
				body: some(
					[]string{
						"",
						"<p>x</p>",
						`<a href="` + oldSite + `/?p=3">l</a>`,
						"<!-- wp:latest-posts /-->",
						`[gallery ids="1,2"]`,
						strings.Repeat("<p>words</p>", 400_000),
					},
				),
				local:  fmt.Sprintf("20%02d-0%d-02 10:00:00", random.IntN(40), 1+random.IntN(9)),
				parent: random.IntN(n),
				order:  i,
			}
			if random.IntN(8) == 0 {
				it.id = 0
			}
			if len(it.body) > 1000 && i != 3 { // one that is too large is enough
				it.body = "short"
			}
			switch it.kind {
			case TypeAttachment:
				it.file = oldSite + "/wp-content/uploads/" + some([]string{"a.png", "b.png", "c.txt"})
			case TypeMenuItem:
				it.menu = some([]string{"top", "Ünder", strings.Repeat("m", 300), "main"})
				it.meta = map[string]string{
					"_menu_item_type":      some([]string{"custom", "post_type", "taxonomy"}),
					"_menu_item_object":    "page",
					"_menu_item_object_id": fmt.Sprint(random.IntN(n)),
					"_menu_item_url": some(
						[]string{"", "#", "javascript:x", oldSite + "/about/", "https://x.example/"},
					),
					"_menu_item_menu_item_parent": fmt.Sprint(random.IntN(n)),
				}
			default:
				it.categories = []string{
					some([]string{"a=A", "GO=Go", "go=go", "%e6%97=Cut", strings.Repeat("c", 300) + "=Long"}),
				}
				it.tags = []string{some([]string{"a=A", "x=" + strings.Repeat("X", 300)})}
			}
			items = append(items, it)
		}
		dir := t.TempDir()
		writePicture(t, filepath.Join(dir, "a.png"))
		must(t, os.WriteFile(filepath.Join(dir, "b.png"), []byte("\x89PNG\r\n\x1a\nbroken"), 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "c.txt"), nil, 0o600))
		src := wx("", items...)
		first := p.mustBring(t, src, WriteOptions{})
		if got := first.New + first.Before + first.Refused + first.Menus + first.Media + first.Inline +
			total(first.Skipped); got != first.Items {
			t.Fatalf("seed %d: %d of %d items are accounted for\n%s", seed, got, first.Items, first)
		}
		p.mustBring(t, src, WriteOptions{MediaDir: dir})
		d := p.dump(t)
		if again := p.mustBring(t, src, WriteOptions{MediaDir: dir}); again.New != 0 || again.Updated != 0 ||
			again.Redirects != 0 ||
			again.Terms != 0 ||
			p.dump(t) != d {
			t.Fatalf("seed %d: one more run changes the site: %s%s", seed, again, difference(d, p.dump(t)))
		}
	}
}

func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// TestWrite_PicturesOfEveryKindComeFromHere brings texts and files in one run, in two, and in three.
func TestWrite_PicturesOfEveryKindComeFromHere(t *testing.T) {
	t.Parallel()
	const up = oldSite + "/wp-content/uploads/2020/01/"
	body := `<!-- wp:cover --><div class="wp-block-cover" style="background-image:url(` + up +
		`a.png)"><div class="wp-block-cover__inner-container"><p>On it</p></div></div><!-- /wp:cover -->` +
		`<!-- wp:cover --><div class="wp-block-cover"><img class="wp-block-cover__image-background wp-image-20" src="` +
		up + `a-300x200.png" srcset="` + up + `a.png 300w, ` + up + `a-150x150.png 150w"/></div><!-- /wp:cover -->` +
		`<!-- wp:media-text --><div class="wp-block-media-text"><figure><img src="//www.old.example.org/wp-content/uploads/2020/01/b.png"/></figure><div><p>x</p></div></div><!-- /wp:media-text -->` +
		`<!-- wp:file --><div class="wp-block-file"><a href="` + up +
		`b.png">b</a></div><!-- /wp:file -->[gallery ids="20,21"]<video poster="` + up +
		`b.png" src="https://x.example/v.mp4"></video>`
	it := post(1, "a", "A", body)
	it.meta = map[string]string{"_thumbnail_id": "20"}
	src := wx("", it, attachment(20, 0, "a.png"), attachment(21, 0, "b.png"))
	both, one := richMedia(t), t.TempDir()
	writePicture(t, filepath.Join(one, "a.png"))
	want := ""
	for _, folders := range [][]string{{both}, {"", both}, {"", one, both}, {one, "", both}} {
		p := newPortal(t)
		for _, dir := range folders {
			p.mustBring(t, src, WriteOptions{MediaDir: dir})
		}
		got := p.dump(t)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%d runs end in another way than one:\n%s", len(folders), difference(want, got))
		}
		mustLack(t, p.bodies(t)["a"], "old.example.org")
		mustHave(t, got, "image=a.png")
	}
}

func TestWrite_PageOfListsBecomesWidgets(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	news, mixed := pageItem(1, 0, "news", "News"), pageItem(2, 0, "mixed", "Mixed")
	news.body = `<!-- wp:group --><div class="wp-block-group"><!-- wp:heading --><h2>Last &amp; least</h2><!-- /wp:heading -->` +
		`<!-- wp:latest-posts {"postsToShow":3} /--></div><!-- /wp:group --><!-- wp:query {"query":{"perPage":7,"postType":"post"}} -->` +
		`<div class="wp-block-query"><!-- wp:post-template --><!-- wp:post-title /--><!-- /wp:post-template --></div>` +
		`<!-- /wp:query -->` +
		`<!-- wp:heading --><h2>Way</h2><!-- /wp:heading --><!-- wp:page-list /--><!-- wp:calendar /--><!-- wp:loginout /-->`
	mixed.body = `<!-- wp:paragraph --><p>Words</p><!-- /wp:paragraph --><!-- wp:latest-posts /-->`
	src := wx("", news, mixed, pageItem(3, 1, "below", "Below"), menuItem(9, "top", "", "post_type", "page", 1, ""))
	r := p.mustBring(t, src, WriteOptions{})
	d := p.dump(t)
	mustHave(
		t,
		d,
		"page /news map[en:News] 1 widgets",
		"page /mixed map[en:Mixed] 0 article",
		"page /news/below",
		"/news\n",
	)
	mustLack(t, d, "article news")
	n, err := p.Pages.ByPath(system(t), p.st.ID, "/news")
	must(t, err)
	var got []string
	n.Layout.Each(func(w page.Placed) { got = append(got, fmt.Sprint(w.Widget, w.Settings)) })
	if want := []string{"content-listmap[count:3 kind:post style:titles title:Last & least]",
		"content-listmap[count:7 kind:post paging:true style:list]",
		"navigationmap[source:tree title:Way]", "sign-inmap[]"}; !slices.Equal(got, want) {
		t.Errorf("the page shows %q, want %q", got, want)
	}
	if !strings.Contains(r.String(), `the page "News" showed lists of posts`) ||
		!strings.Contains(r.String(), `"Mixed" had parts`) {
		t.Errorf("%s", r)
	}
	if again := p.mustBring(t, src, WriteOptions{}); again.New != 0 || again.Before != 3 || p.dump(t) != d {
		t.Errorf("a second run: %s%s", again, difference(d, p.dump(t)))
	}
}

// TestWrite_TextsAreFitToBeShown looks at columns, buttons, linked pictures without a text and parts that are filled
// later.
func TestWrite_TextsAreFitToBeShown(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	image := attachment(5, 0, "harbour-at-dawn-1024x683.jpg")
	image.excerpt = "At &amp; after dawn"
	body := `<!-- wp:columns --><div class="wp-block-columns"><!-- wp:column {"width":"66.66%"} --><div class="wp-block-column" style="flex-basis:66.66%">` +
		`<!-- wp:paragraph --><p>Wide</p><!-- /wp:paragraph --></div><!-- /wp:column --></div><!-- /wp:columns -->` +
		`<!-- wp:buttons --><div class="wp-block-buttons"><!-- wp:button {"width":50} --><div class="wp-block-button has-custom-width wp-block-button__width-50">` +
		`<a class="wp-block-button__link" href="/x">Go</a></div><!-- /wp:button --></div><!-- /wp:buttons -->` +
		`<!-- wp:image --><figure class="wp-block-image"><a href="/y"><img src="/up/sun_set-300x200.jpg" alt=""/></a></figure><!-- /wp:image -->` +
		`<!-- wp:image --><figure class="wp-block-image"><a href="/z"><img class="wp-image-5" src="/up/5.jpg" alt=""/></a></figure><!-- /wp:image -->` +
		`<!-- wp:image --><figure class="wp-block-image"><a href="/q"><img src="/up/7.jpg" alt=""/></a><figcaption>Low <b>tide</b></figcaption></figure><!-- /wp:image -->` +
		`<!-- wp:heading --><h2>Latest</h2><!-- /wp:heading --><!-- wp:latest-posts /-->` +
		`<!-- wp:heading --><h2>Kept</h2><!-- /wp:heading --><!-- wp:paragraph --><p>Words</p><!-- /wp:paragraph --><!-- wp:calendar /-->` +
		`<!-- wp:heading --><h2>Archive</h2><!-- /wp:heading --><!-- wp:archives /--><!-- wp:tag-cloud /-->`
	r := p.mustBring(t, wx("", post(1, "a", "A", body), image), WriteOptions{})
	text := p.bodies(t)["a"]
	mustHave(
		t,
		text,
		"has-basis-66",
		"wp-block-button__width-50",
		`alt="sun set"`,
		`alt="At &amp; after dawn"`,
		`alt="Low tide"`,
		">Kept<",
		"Words",
	)
	mustLack(t, text, ">Latest<", ">Archive<")
	if s := r.String(); !strings.Contains(s, "fills when a page is shown") || strings.Contains(s, "latest-posts") {
		t.Errorf("%s", s)
	}
	if s := r.Text(true); !strings.Contains(s, "latest-posts 1") {
		t.Errorf("%s", s)
	}
}

func TestWrite_AllOfItOnEveryDatabase(t *testing.T) {
	t.Parallel()
	head, items := rich()
	want := ""
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := newPortalOn(t, d)
		p.mustBring(t, wx(head, items...), WriteOptions{})
		p.mustBring(t, wx(head, items...), WriteOptions{MediaDir: richMedia(t)})
		got := p.dump(t)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("ends in another way:\n%s", difference(want, got))
		}
	})
}

func TestWrite_DryRunOfASiteThatIsStillToBeMade(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	head, items := rich()
	dry, err := p.bringInto(
		t,
		wx(head, items...),
		site.Site{Instance: p.st.Instance, Slug: "new", Name: "new", Locale: "en", Locales: []stoa.Locale{"en"}},
		true,
	)
	must(t, err)
	st, err := p.Sites.CreateSite(system(t), site.Site{Instance: p.st.Instance, Slug: "new", Name: "new", Locale: "en"})
	must(t, err)
	report, err := p.bringInto(t, wx(head, items...), st, false)
	must(t, err)
	if !reflect.DeepEqual(dry, report) {
		t.Fatalf("the dry run reports\n%s\nand the run\n%s", dry, report)
	}
}

func (p *portal) bringInto(t *testing.T, src string, st site.Site, dry bool) (Report, error) {
	t.Helper()
	e, err := Read(strings.NewReader(src), Limits{})
	must(t, err)
	return p.Write(system(t), e, WriteOptions{Site: st, DryRun: dry})
}
