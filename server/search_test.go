package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/follow"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/embedded"
	"github.com/stoa-portal/stoa/server/servertest"
)

// found gives what the actor of ctx finds on a node: kinds and titles, in order, and what is said of their number.
// While the index is behind, a hit that is no more is counted and not shown.
func found(t *testing.T, n *servertest.Node, ctx context.Context, typed string) (list []string, total, kinds int) {
	t.Helper()
	st := n.Site(t)
	a, err := n.Search.Search(ctx, st.Instance, index.Question{Typed: typed, Site: st.ID, Locale: st.Locale,
		Size: 50, Facets: search.Facets()})
	ok(t, err)
	for _, c := range a.Facets[search.FacetKind] {
		kinds += c.N
	}
	list = []string{}
	for _, h := range a.Hits {
		list = append(list, h.Kind+" "+h.Title.String())
	}
	slices.Sort(list)
	return list, a.Total, kinds
}

// finds waits until the actor finds just this.
func finds(t *testing.T, n *servertest.Node, ctx context.Context, typed string, want ...string) {
	t.Helper()
	slices.Sort(want)
	var got []string
	var total, kinds int
	right := func() bool { return slices.Equal(got, want) && total == len(want) && kinds == len(want) }
	defer func() {
		if !right() {
			t.Logf("%q finds %q (%d, by kind %d), want %q", typed, got, total, kinds, want)
		}
	}()
	eventually(t, "search for "+typed, func() bool {
		got, total, kinds = found(t, n, ctx, typed)
		return right()
	})
}

func publishDraft(t *testing.T, n *servertest.Node, d content.Draft) content.Article {
	t.Helper()
	sys := servertest.System()
	a, err := n.Content.Create(sys, n.Site(t), d)
	ok(t, err)
	a, err = n.Content.Publish(sys, a.ID, a.Version, time.Time{})
	ok(t, err)
	return a
}

func textIn(l stoa.Locale, title, body string) map[stoa.Locale]content.Text {
	return map[stoa.Locale]content.Text{l: {Title: title, Body: body}}
}

func TestSearch_WhatIsSavedOnOneNodeIsFoundOnAllUntilItIsGone(t *testing.T) {
	t.Parallel()
	onSearchEngines(t, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		guest := guestOf(t, b)
		one := publishDraft(t, a, content.Draft{Slug: "tides", Tags: nil,
			Text: textIn(st.Locale, "Tides of the Wadden Sea", "<h2>Gezeiten</h2><p>Twice a day the water leaves.</p>")})
		_, err := a.Content.Create(sys, st, content.Draft{Slug: "draft",
			Text: textIn(st.Locale, "Wadden draft", "<p>Not yet</p>")})
		ok(t, err)
		f, err := a.Files.Upload(sys, st, document.Upload{Name: "wadden-map.txt", Body: strings.NewReader("x"), Size: 1})
		ok(t, err)
		for _, n := range nodes {
			finds(t, n, guest, "wadden", "article Tides of the Wadden Sea", "file wadden-map.txt")
			finds(t, n, guest, "gezeiten", "article Tides of the Wadden Sea")
			finds(t, n, guest, "leave", "article Tides of the Wadden Sea")
			finds(t, n, guest, "nonesuch")
		}
		// What was found by its old words is found by the new ones.
		d := content.Draft{Slug: "tides", Text: textIn(st.Locale, "Currents", "<p>Something else</p>")}
		saved, err := b.Content.Save(sys, one.ID, d, one.Version)
		ok(t, err)
		finds(t, a, guest, "tides", "article Tides of the Wadden Sea") // a draft is no change
		_, err = b.Content.Publish(sys, one.ID, saved.Version, time.Time{})
		ok(t, err)
		for _, n := range nodes {
			finds(t, n, guest, "tides")
			finds(t, n, guest, "currents", "article Currents")
		}
		ok(t, a.Content.Trash(sys, one.ID))
		ok(t, b.Files.Trash(sys, f.ID))
		for _, n := range nodes {
			finds(t, n, guest, "currents")
			finds(t, n, guest, "wadden")
		}
		_, err = a.Assets.Restore(sys, []asset.Ref{{Kind: "article", ID: one.ID}})
		ok(t, err)
		finds(t, b, guest, "currents", "article Currents")
		ok(t, a.Content.Trash(sys, one.ID))
		ok(t, a.Assets.Purge(sys, []asset.Ref{{Kind: "article", ID: one.ID}, {Kind: "file", ID: f.ID}}))
		for _, n := range nodes {
			finds(t, n, guest, "currents")
		}
	})
}

func TestSearch_FindsForEachPersonWhatThatPersonMayView(t *testing.T) {
	t.Parallel()
	onSearchEngines(t, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		role, err := a.Access.CreateRole(sys, access.Role{Instance: st.Instance, Name: "Board"})
		ok(t, err)
		guest, member := guestOf(t, b), person(t, b, "Ada", role.ID)
		shut, err := a.Pages.Create(sys, st, page.NewPage{Slug: "board",
			Title: map[stoa.Locale]string{st.Locale: "Ledger board"}, Position: -1, Publish: true, Restricted: true})
		ok(t, err)
		_, err = a.Pages.Create(sys, st, page.NewPage{Slug: "minutes", Parent: shut.ID, Position: -1, Publish: true,
			Title: map[stoa.Locale]string{st.Locale: "Ledger minutes"}})
		ok(t, err)
		_, err = a.Pages.Create(sys, st, page.NewPage{Slug: "open", Position: -1, Publish: true,
			Title: map[stoa.Locale]string{st.Locale: "Ledger for all"}})
		ok(t, err)
		folder, err := a.Files.SaveFolder(sys, st, document.Folder{Name: "Board", Restricted: true})
		ok(t, err)
		_, err = a.Files.Upload(sys, st, document.Upload{Name: "ledger.txt", Body: strings.NewReader("x"), Size: 1,
			Folder: folder.ID})
		ok(t, err)
		finds(t, b, guest, "ledger", "page Ledger for all")
		finds(t, b, member, "ledger", "page Ledger for all")
		path, err := a.Pages.Path(sys, shut)
		ok(t, err)
		ok(t, a.Access.SetGrants(sys, path, []access.Grant{{Role: role.ID, Action: access.View}}))
		finds(t, b, member, "ledger", "page Ledger for all", "page Ledger board", "page Ledger minutes")
		finds(t, b, guest, "ledger", "page Ledger for all")
		if got, total, kinds := found(t, a, guest, "minutes board"); len(got)+total+kinds > 0 {
			t.Errorf("a guest finds %q, %d, %d", got, total, kinds)
		}
		ok(t, a.Access.SetGrants(sys, path, nil)) // taken away
		finds(t, b, member, "ledger", "page Ledger for all")
		// Grants end where a page has its own: without them the one below is everyone's again.
		now, err := a.Pages.Get(sys, shut.ID)
		ok(t, err)
		now.Restricted = false
		_, err = a.Pages.Update(sys, now)
		ok(t, err)
		finds(t, b, guest, "ledger", "page Ledger for all", "page Ledger board", "page Ledger minutes")
		open, err := a.Files.Folder(sys, st, folder.ID)
		ok(t, err)
		open.Restricted = false
		_, err = a.Files.SaveFolder(sys, st, open)
		ok(t, err)
		finds(t, b, guest, "ledger", "page Ledger for all", "page Ledger board", "page Ledger minutes", "file ledger.txt")
		// A person of another instance finds nothing, and a site of another one is not there.
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Instance: st.Instance + 1, Roles: []stoa.ID{role.ID}})
		for _, of := range []stoa.ID{st.ID, 0} {
			got, err := b.Search.Search(stranger, st.Instance, index.Question{Typed: "ledger", Site: of,
				Facets: search.Facets()})
			if err == nil && (len(got.Hits)+got.Total > 0 || len(got.Facets[search.FacetKind]) > 0) {
				t.Errorf("a person of another instance finds %+v", got)
			}
		}
		_, err = b.Search.Search(guest, st.Instance+1, index.Question{Typed: "ledger", Site: st.ID})
		refused(t, "a site of another instance", err, stoa.KindNotFound)
	})
}

func TestSearch_PagesAreFoundByTheTextThatTheyShow(t *testing.T) {
	t.Parallel()
	onSearchEngines(t, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		guest := guestOf(t, b)
		_, text := textPage(t, a, "lighthouse", page.NewPage{})
		textPage(t, a, "vault", page.NewPage{Password: "sesame"})
		shown := publishDraft(t, a, content.Draft{Slug: "shown",
			Text: textIn(st.Locale, "Shown elsewhere", "<p>Periwinkle</p>")})
		_, err := a.Pages.Create(sys, st, page.NewPage{Slug: "widgets", Position: -1, Publish: true,
			Title: map[stoa.Locale]string{st.Locale: "Widgets"}, Layout: page.Single(
				page.Placed{Widget: "html", Settings: map[string]string{"html": "<h2>Barnacle</h2><p>Limpet</p>"}},
				page.Placed{Widget: "html", Hidden: true, Settings: map[string]string{"html": "<p>Cuttlefish</p>"}},
				page.Placed{Widget: "web-content", Settings: map[string]string{"article": shown.ID.String()}})})
		ok(t, err)
		finds(t, b, guest, "words of lighthouse", "page Page lighthouse")
		finds(t, b, guest, "limpet", "page Widgets")
		finds(t, b, guest, "barnacle", "page Widgets")
		finds(t, b, guest, "cuttlefish")
		finds(t, b, guest, "periwinkle", "page Widgets", "article Shown elsewhere")
		finds(t, b, guest, `"page vault"`, "page Page vault")
		finds(t, b, guest, `"words of vault"`) // behind a password
		saved, err := a.Content.Save(sys, text.ID, content.Draft{Slug: text.Slug, Kind: content.KindPage,
			Text: textIn(st.Locale, "Text", "<p>Kittiwake</p>")}, text.Version)
		ok(t, err)
		_, err = a.Content.Publish(sys, text.ID, saved.Version, time.Time{})
		ok(t, err)
		finds(t, b, guest, "kittiwake", "page Page lighthouse")
	})
}

// A page is found by an article's words where a visitor of the page is shown the article, and not otherwise.
func TestSearch_WhatAPageDoesNotShowItIsNotFoundBy(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	guest := guestOf(t, b)
	_, shut := textPage(t, a, "shut", page.NewPage{Restricted: true})
	_, locked := textPage(t, a, "locked", page.NewPage{Password: "sesame"})
	_, err := a.Pages.Create(sys, st, page.NewPage{Slug: "open", Position: -1, Publish: true,
		Title: map[stoa.Locale]string{st.Locale: "Open"}, Layout: page.Single(
			page.Placed{Widget: "web-content", Settings: map[string]string{"article": shut.ID.String()}},
			page.Placed{Widget: "web-content", Settings: map[string]string{"article": locked.ID.String()}},
			page.Placed{Widget: "html", Settings: map[string]string{"html": "<p>Samphire</p>"}})})
	ok(t, err)
	finds(t, b, guest, "samphire", "page Open")
	finds(t, b, guest, `"words of shut"`)
	finds(t, b, guest, `"words of locked"`)
	// The other languages of its article are the page's, too.
	both := publishDraft(t, a, content.Draft{Slug: "both", Kind: content.KindPage, Text: map[stoa.Locale]content.Text{
		"en": {Title: "Both", Body: "<p>Cockle</p>"}, "fr": {Title: "Deux", Body: "<p>Palourde</p>"}}, Default: "en"})
	_, err = a.Pages.Create(sys, st, page.NewPage{Slug: "two", Position: -1, Publish: true, Type: page.TypeArticle,
		Target: both.ID.String(), Title: map[stoa.Locale]string{st.Locale: "Two"}})
	ok(t, err)
	finds(t, b, guest, "palourde", "page Two")
}

func TestSearch_ATermInTheBinIsNoWordOfItsArticles(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	guest := guestOf(t, b)
	publishDraft(t, a, content.Draft{Slug: "one", NewTags: []string{"Glasswort"},
		Text: textIn(st.Locale, "One", "<p>x</p>")})
	finds(t, b, guest, "glasswort", "article One")
	tag, err := a.Taxonomy.TagBySlug(sys, st.ID, "glasswort")
	ok(t, err)
	ok(t, a.Taxonomy.TrashTag(sys, st.Instance, st.ID, tag.ID))
	finds(t, b, guest, "glasswort")
	_, err = a.Assets.Restore(sys, []asset.Ref{{Kind: "tag", ID: tag.ID}})
	ok(t, err)
	finds(t, b, guest, "glasswort", "article One")
}

// An empty index in the place of another one is filled, and does not take over the place in the log that the other had.
func TestSearch_AnIndexThatIsMadeAnewIsFilled(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	st, guest := n.Site(t), guestOf(t, n)
	publishDraft(t, n, content.Draft{Slug: "one", Text: textIn(st.Locale, "Kelp", "<p>Laminaria</p>")})
	finds(t, n, guest, "kelp", "article Kelp")
	engine := n.Search.Engine().(*embedded.Index)
	anew, err := engine.Beside()
	ok(t, err)
	ok(t, engine.Replace(anew))
	publishDraft(t, n, content.Draft{Slug: "two", Text: textIn(st.Locale, "Kelp again", "<p>Laminaria</p>")})
	finds(t, n, guest, "kelp", "article Kelp", "article Kelp again")
	if p := n.Search.Proof(); p.Differed > 0 {
		t.Errorf("%d were mended by comparing: they were not filled in", p.Differed)
	}
}

// Whatever an index has that is not as the rows are is found by comparing, and mended.
func TestSearch_ComparingMendsAnIndexThatIsWrong(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	sys, st := servertest.System(), n.Site(t)
	guest := guestOf(t, n)
	one := publishDraft(t, n, content.Draft{Slug: "one", Text: textIn(st.Locale, "Kelp", "<p>Laminaria</p>")})
	finds(t, n, guest, "kelp", "article Kelp")
	eventually(t, "the new index has everything", func() bool { // what its filling mends is no difference
		list, err := n.Follow.Statuses(sys)
		ok(t, err)
		i := slices.IndexFunc(list, func(s follow.Status) bool { return strings.HasPrefix(s.Name, "search@") })
		return i >= 0 && list[i].Looking == "" && list[i].Waiting == 0
	})
	ghost := search.Document{Kind: "article", ID: one.ID + 1_000_000, Instance: st.Instance, Site: st.ID,
		ACL: "site:" + st.ID.String() + "/instance:" + st.Instance.String(), Modified: time.Now(),
		Texts: map[stoa.Locale]search.Text{st.Locale: {Title: "Ghost"}}}
	ghost.Sign()
	ok(t, n.Search.Engine().Apply(sys, []search.Document{ghost,
		{Kind: "article", ID: one.ID, Instance: st.Instance, Gone: true}}, nil, true))
	eventually(t, "both are mended", func() bool {
		ok(t, n.Search.Prove(sys))
		return n.Search.Proof().Differed >= 2
	})
	finds(t, n, guest, "kelp", "article Kelp")
	known, err := n.Search.Engine().Known(sys, st.Instance, []search.Key{ghost.Key()})
	if ok(t, err); len(known) > 0 {
		t.Errorf("the index still has %v", known)
	}
	eventually(t, "everything was compared", func() bool {
		ok(t, n.Search.Prove(sys))
		return !n.Search.Proof().Pass.IsZero()
	})
}

func TestSearch_PageForVisitors(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	a, b := nodes[0], nodes[1]
	st := a.Site(t)
	publishDraft(t, a, content.Draft{Slug: "a",
		Text: textIn(st.Locale, `Dune <grass> & "marram"`, "<p>Ammophila holds the dune.</p>")})
	for i := range 12 {
		publishDraft(t, a, content.Draft{Slug: "n" + stoa.ID(i+1).String(),
			Text: textIn(st.Locale, "Number "+stoa.ID(i+1).String(), "<p>one of the dozen</p>")})
	}
	finds(t, b, guestOf(t, b), "ammophila", `article Dune <grass> & "marram"`)
	guest := b.Guest(t)
	mustSee(t, guest.Get(t, "/search"), http.StatusOK, "What are you looking for?", `name="q"`)
	mustSee(t, guest.Get(t, "/search?q=ammophila"), http.StatusOK, "1 result", "Dune &lt;grass&gt; &amp;",
		"<mark>Ammophila</mark>", `href="/w/a"`, `content="noindex"`)
	mustSee(t, guest.Get(t, "/search?q=welcome"), http.StatusOK, `<a href="/">`) // the home page
	mustSee(t, guest.Get(t, "/search?q=zzzz"), http.StatusOK, "0 results", "Nothing was found.")
	mustSee(t, guest.Get(t, "/search?q=ammophyla"), http.StatusOK, "1 result")
	finds12 := guest.Get(t, "/search?q=dozen")
	mustSee(t, finds12, http.StatusOK, "12 results", "Next")
	_, rest, _ := strings.Cut(finds12.Body, `rel="next nofollow" href="`)
	next, _, _ := strings.Cut(rest, `"`)
	second := guest.Get(t, strings.ReplaceAll(next, "&amp;", "&"))
	mustSee(t, second, http.StatusOK, "12 results", "First page")
	if n := strings.Count(second.Body, `class="search__hit"`); n != 2 {
		t.Errorf("the second page has %d results, want 2", n)
	}
	for _, q := range []string{"q=dozen&kind=page", "q=dozen&kind=nonsense", "q=dozen&month=x", "q=dozen&after=%00%ff",
		"q=dozen&sort=%22", "q=%00", "q=%ff%fe", "q=" + strings.Repeat("a", 3000), "q=*%3A*", "q=%22", "q=-", "q=-dozen",
		"kind=article", "q=" + url.QueryEscape(`<script>alert(1)</script>`)} {
		got := guest.Get(t, "/search?"+q)
		odd := strings.Contains(q, "%00") || strings.Contains(q, "%ff") // no text at all
		if want := http.StatusOK; got.Status != want && got.Status != http.StatusSeeOther &&
			!(odd && got.Status == http.StatusBadRequest) || strings.Contains(got.Body, "<script>alert") {
			t.Errorf("%s: %d", q, got.Status)
		}
	}
	var list []struct{ Title, Kind, URL string }
	answer := guest.Get(t, "/search/suggest?q=du")
	ok(t, json.Unmarshal([]byte(answer.Body), &list))
	if len(list) != 1 || list[0].Title != `Dune <grass> & "marram"` || list[0].URL != "/w/a" || list[0].Kind != "Article" {
		t.Errorf("suggested is %+v", list)
	}
	// Without its index a node still serves everything else, and says what is away.
	ok(t, b.Search.Engine().Close())
	mustSee(t, guest.Get(t, "/search?q=ammophila"), http.StatusServiceUnavailable, "The search cannot answer just now.")
	mustSee(t, guest.Get(t, "/w/a"), http.StatusOK, "Ammophila")
	eventually(t, "both nodes to say so", func() bool {
		return strings.Contains(codes(t, a), "search.index") && strings.Contains(codes(t, b), "search.index")
	})
}
