package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A new page asks three things and keeps the rest for later; what is wrong in a further language is marked there.
func TestNewPage_AsksThreeThings(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	st := nodes[0].Site(t)
	st.Locales = append(st.Locales, "de")
	if _, err := nodes[0].Sites.UpdateSite(servertest.System(), st); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Poll(t)
	}
	b := open(t, address)
	b.signIn(t)
	const shown = `[...document.querySelectorAll("main .form .field")].filter(f => f.checkVisibility())
		.map(f => f.querySelector("[name]").name).join(" ")`
	b.visit(t, "/control/pages/new", 390)
	b.fits(t, "a new page on a phone")
	b.shoot(t, "page-new-390")
	b.visit(t, "/control/pages/new", 1440)
	if got, want := eval[string](t, b, shown), "title."+string(st.Locale)+" parent type"; got != want {
		t.Errorf("the form asks for %s, want %s", got, want)
	}
	b.shoot(t, "page-new-1440")
	b.do(t, "choose a link", chromedp.Evaluate[chromedp.Void](`document.querySelector("[name=type]").value = "link";
		document.querySelector("[name=type]").dispatchEvent(new Event("change", {bubbles: true}))`))
	if got := eval[string](t, b, shown); !strings.HasSuffix(got, "type target") {
		t.Errorf("for a link the form asks for %s", got)
	}
	b.do(t, "a German title that is too long",
		chromedp.SendKeys(chromedp.CSS(`[name="title.`+string(st.Locale)+`"]`), "Harbour"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("[name=target]").value = "/harbour";
			document.querySelector("[name='title.de']").value = "x".repeat(2000)`),
		chromedp.Click(chromedp.CSS(`button[value="save"]`)), chromedp.WaitVisible(chromedp.CSS(".errors")))
	if got := eval[string](t, b,
		`[...document.querySelectorAll("[aria-invalid=true]")].map(f => f.name).join(" ")`); got != "title.de" {
		t.Errorf("marked as wrong are %q, want title.de", got)
	}
	if !eval[bool](t, b, `document.querySelector("[name='title.de']").checkVisibility()`) {
		t.Error("the field that is wrong is out of sight")
	}
	b.shoot(t, "page-new-wrong-1440")
	b.do(t, "mend it", chromedp.Evaluate[chromedp.Void](`document.querySelector("[name='title.de']").value = "Hafen"`),
		chromedp.Click(chromedp.CSS(`button[value="save"]`)), chromedp.WaitVisible(chromedp.CSS(".screen__title .pill")))
	if got := b.text(t); !strings.Contains(got, "A draft: visitors do not see it yet.") {
		t.Errorf("the page is no draft in words:\n%s", got)
	}
	b.do(t, "publish", chromedp.Click(chromedp.CSS(`button[value="publish"]`)),
		chromedp.WaitVisible(chromedp.CSS(".pill--ok")))
	if got := b.text(t); !strings.Contains(got, "Published: what you change here") {
		t.Errorf("the page is not published in words:\n%s", got)
	}
}

// The screen of an article says on top what visitors see and when, in the zone of the person, and the button says what
// it will do.
func TestState_IsSaidInWordsAndByTheButton(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	st, sys := n.Site(t), servertest.System()
	who, err := n.Users.ByLogin(sys, st.Instance, servertest.AdminLogin)
	must(t, err)
	who, err = n.Users.Get(sys, who.ID)
	must(t, err)
	who.TimeZone = "Pacific/Kiritimati" // 14 hours ahead: another day than that of the browser mostly
	_, err = n.Users.Update(sys, who)
	must(t, err)
	a, err := n.Content.Create(sys, st, content.Draft{Slug: "tide", Kind: content.KindPost, Default: st.Locale,
		Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Tide", Body: "<p>High.</p>"}}})
	must(t, err)
	b := open(t, n.URL)
	b.signIn(t)
	path, button := "/control/content/"+a.ID.String(), `document.querySelector("button[value=publish]").textContent.trim()`
	b.visit(t, path, 1440)
	if got := b.text(t); !strings.Contains(got, "A draft: visitors do not see it yet.") {
		t.Errorf("a draft says:\n%s", got)
	}
	if got := eval[string](t, b, button); got != "Publish" {
		t.Errorf("the button of a draft says %q", got)
	}
	set := func(at time.Time) {
		t.Helper()
		b.do(t, "type a time", chromedp.Evaluate[chromedp.Void](`(() => { const f = document.getElementById("f-publish");
			f.value = "`+at.Format("2006-01-02T15:04")+`"; f.dispatchEvent(new Event("input", {bubbles: true})); })()`))
	}
	zone, err := time.LoadLocation(who.TimeZone)
	must(t, err)
	now := time.Now().In(zone)
	set(now.Add(-time.Hour)) // later than now in the zone of the browser
	if got := eval[string](t, b, button); got != "Publish" {
		t.Errorf("for a time that is past for the person the button says %q", got)
	}
	later := time.Date(now.Year()+1, time.May, 4, 9, 30, 0, 0, zone)
	set(later)
	if got := eval[string](t, b, button); !strings.HasPrefix(got, "Schedule for May 4") || !strings.Contains(got, "9:30") {
		t.Errorf("for a time that is to come the button says %q", got)
	}
	b.shoot(t, "article-schedule-1440")
	b.do(t, "schedule", chromedp.Click(chromedp.CSS(`button[value="publish"]`)),
		chromedp.WaitVisible(chromedp.CSS(".screen__title .pill--info")))
	purpose := eval[string](t, b, `document.querySelector(".screen__purpose").textContent`)
	if !strings.HasPrefix(purpose, "Scheduled for") || !strings.Contains(purpose, "4") ||
		!strings.Contains(purpose, "9:30") {
		t.Errorf("the state is %q", purpose)
	}
	if got := eval[string](t, b, button); !strings.HasPrefix(got, "Schedule for") {
		t.Errorf("the button of what is scheduled says %q", got)
	}
	a, err = n.Content.Get(sys, a.ID)
	must(t, err)
	if !a.Publish.Equal(later) {
		t.Errorf("it is scheduled for %s, want %s", a.Publish, later)
	}
	a, err = n.Content.Publish(sys, a.ID, a.Version, time.Time{})
	must(t, err)
	_, err = n.Content.Save(sys, a.ID, content.Draft{Slug: "tide", Kind: content.KindPost, Default: st.Locale,
		Text: map[stoa.Locale]content.Text{st.Locale: {Title: "Tide", Body: "<p>Low.</p>"}}}, a.Version)
	must(t, err)
	b.visit(t, path, 390)
	b.fits(t, "an article with a draft on a phone")
	if got := b.text(t); !strings.Contains(got, "Published, with a draft") ||
		!strings.Contains(got, "Visitors see version 1; version 2 is not published yet.") {
		t.Errorf("a draft that waits is told as:\n%s", got)
	}
	b.shoot(t, "article-draft-waits-390")
	b.visit(t, "/control/", 1440)
	if got := b.text(t); !strings.Contains(got, "Published, with a draft") {
		t.Errorf("the overview does not tell of the draft:\n%s", got)
	}
}

// Where the navigation is longer than the window the open screen stands in sight in it, and on a phone there is room to
// type a search.
func TestPanel_OpenScreenAndSearchAreInSight(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	b := open(t, n.URL)
	b.signIn(t)
	b.visit(t, "/control/audit", 1440)
	if !eval[bool](t, b, `(() => { const nav = document.querySelector(".rail__nav").getBoundingClientRect(),
		here = document.querySelector(".rail [aria-current]").getBoundingClientRect();
		return here.top >= nav.top && here.bottom <= nav.bottom && scrollY === 0; })()`) {
		t.Error("the entry of the screen that is open is out of sight")
	}
	b.shoot(t, "rail-1440")
	b.visit(t, "/control/", 390)
	b.do(t, "go to the search", chromedp.Focus(chromedp.CSS("[data-search]")))
	if got := eval[float64](t, b, `document.activeElement.getBoundingClientRect().width`); got < 300 {
		t.Errorf("on a phone the search is %.0f px wide", got)
	}
	b.fits(t, "the search on a phone")
	b.shoot(t, "search-390")
}
