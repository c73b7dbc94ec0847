package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

func TestFind_OnlyWhatTheActorMayOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.write(w.editor, "Harbour & ships", "<p>Ships.</p>")
	p := w.harbour()
	w.send(w.editor, "/control/files", picture(t), "harbour.png")

	a := w.get(w.admin, "/control/find?q=HARBOUR")
	w.want("an administrator", a, http.StatusOK, "Harbour &amp; ships", `href="`+at+`"`, "/control/pages/"+p.ID.String(), "harbour.png", `value="HARBOUR"`)
	w.want("people, sites, settings and screens", w.get(w.admin, "/control/find?q=brandt"), http.StatusOK, "ada@example.com")
	w.want("settings", w.get(w.admin, "/control/find?q=session.timeout"), http.StatusOK, "/control/properties?q=session.timeout", "45m")
	w.want("sites", w.get(w.admin, "/control/find?q=quay"), http.StatusOK, "Quay &amp; Sons", "/web/guest")
	w.want("screens", w.get(w.admin, "/control/find?q=change+log"), http.StatusOK, `<a href="/control/changes">Change log</a>`)

	w.want("an editor", w.get(w.editor, "/control/find?q=harbour"), http.StatusOK, "Harbour &amp; ships", "harbour.png")
	for _, words := range []string{"brandt", "session.timeout", "change+log", "quay"} {
		w.want("an editor and "+words, w.get(w.editor, "/control/find?q="+words), http.StatusOK, "Nothing found")
	}
	w.want("a member", w.get(w.member, "/control/find?q=harbour"), http.StatusOK, "Nothing found")
	if guest := w.get(stoa.Actor{}, "/control/find?q=harbour"); guest.status != http.StatusSeeOther {
		t.Errorf("a guest gets %d", guest.status)
	}
	w.want("nothing asked", w.get(w.admin, "/control/find?q=+"), http.StatusOK, "What are you looking for?")
	w.without("markup", w.get(w.admin, "/control/find?q=%3Cscript%3E"+strings.Repeat("a", 5000)), "<script>a", strings.Repeat("a", 101))
}

func TestFind_ManyLeadToTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range (admin.FoundLimit - 1) + 1 {
		w.write(w.editor, "Mooring", "<p>Rope.</p>")
	}
	a := w.get(w.editor, "/control/find?q=mooring")
	w.want("many", a, http.StatusOK, `href="/control/content?q=mooring"`)
	if n := strings.Count(a.body, ">Mooring</a>"); n != (admin.FoundLimit - 1) {
		t.Errorf("%d are shown, want %d", n, (admin.FoundLimit - 1))
	}
}

func TestLinks_OwnSiteFirstAndOnlyWhatTheActorMaySee(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.editor, "Harbour & ships", "<p>Ships.</p>")
	p := w.harbour()
	w.send(w.editor, "/control/files", picture(t), "harbour.png")
	other, err := w.sites.CreateSite(as(w.admin),
		site.Site{Instance: w.instance.ID, Slug: "quay", Name: "The quay", Locale: "en"})
	must(t, err)
	_, err = w.pages.Create(as(w.admin), other,
		page.NewPage{Slug: "harbour", Title: map[stoa.Locale]string{"en": "Harbour of others"},
			Publish: true})
	must(t, err)
	_, err = w.pages.Create(as(w.admin), other,
		page.NewPage{Slug: "secret", Title: map[stoa.Locale]string{"en": "Harbour plans"},
			Publish: true, Restricted: true})
	must(t, err)
	a := w.get(w.editor, "/control/link-targets?q=HARBOUR")
	w.want("an editor", a, http.StatusOK, "Harbour \\u0026 ships", `"url":"`+p.Path+`"`, "harbour.png",
		`"url":"/documents/`,
		`"url":"/web/quay/harbour"`, "The quay")
	w.without("an editor", a, "Harbour plans")
	if strings.Index(a.body, p.Path) > strings.Index(a.body, "/web/quay") {
		t.Errorf("another site comes first: %s", a.body)
	}
	w.want("all of it", w.get(w.admin, "/control/link-targets?q=harbour"), http.StatusOK, "Harbour plans")
	w.want("nothing asked: the own site", w.get(w.editor, "/control/link-targets"), http.StatusOK, `"url":"`+p.Path+`"`)
	w.without("nothing asked", w.get(w.editor, "/control/link-targets"), "/web/quay")
	w.want("by a member", w.get(w.member, "/control/link-targets?q=harbour"), http.StatusForbidden)
}
