package pages

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/render"
)

// versionRow is a published layout in the list, with what it changed in words.
type versionRow struct {
	page.Version
	Name string // the title of the page at that time
	What []string
	Live bool
}

// versions lists what was published of a page, when and by whom.
func (h *screens) versions(q *admin.Request) error {
	p, err := h.openedPage(q)
	if err != nil {
		return err
	}
	list, err := h.o.Pages.Versions(q.Context(), p.ID)
	if err != nil {
		return err
	}
	type view struct {
		Page page.Page
		Rows []versionRow
	}
	v := view{Page: p}
	for _, x := range list {
		v.Rows = append(v.Rows, versionRow{x, x.In(q.Site.Locale, q.Site.Locale), changeWords(q, x),
			p.Published && x.Number == p.Number})
	}
	return h.Show(q, http.StatusOK, "page_versions", admin.Screen{
		Title: q.Word("layout.versions"), Purpose: q.Word("layout.versions.purpose"),
		Back: &admin.Link{Title: p.In(q.Site.Locale, q.Site.Locale), URL: "/control/pages/" + p.ID.String()}, Body: v})
}

func changeWords(q *admin.Request, v page.Version) []string {
	if v.Oldest {
		return []string{q.Word("layout.versions.oldest")}
	}
	var out []string
	if n := v.Change.Added; n > 0 {
		out = append(out, q.Word("layout.versions.added", n))
	}
	if n := v.Change.Removed; n > 0 {
		out = append(out, q.Word("layout.versions.removed", n))
	}
	if n := v.Change.Changed; n > 0 {
		out = append(out, q.Word("layout.versions.changed", n))
	}
	if v.Change.Arranged {
		out = append(out, q.Word("layout.versions.arranged"))
	}
	if len(out) == 0 {
		out = []string{q.Word("layout.versions.same")}
	}
	return out
}

// restoreVersion makes a version the draft of the page. The form says which draft was seen, so that one that another
// person saved meanwhile is not lost.
func (h *screens) restoreVersion(q *admin.Request, p page.Page) error {
	number, err := strconv.Atoi(q.PostFormValue("number"))
	if err != nil || number < 1 {
		return stoa.Invalid("number", "the number of a version is expected")
	}
	draft, _ := strconv.ParseInt(q.PostFormValue("draft"), 10, 64) // what is no number is stale
	if _, err := h.o.Pages.RestoreVersion(q.Context(), p.ID, number, draft); err != nil {
		return err
	}
	to := "/control/pages/" + p.ID.String()
	if p.Type == page.TypeWidgets {
		to += "/edit"
	}
	return q.Done(to, "version-drafted")
}

// showVersion puts a version in the place of the draft that a preview shows, and says above the page what it is.
func (h *screens) showVersion(q *admin.Request, in *render.Input) error {
	number, err := strconv.Atoi(q.URL.Query().Get("version"))
	if err != nil {
		return stoa.NotFound("version", q.URL.Query().Get("version"))
	}
	p := *in.Page
	v, layout, err := h.o.Pages.Version(q.Context(), p.ID, number)
	if err != nil {
		return err
	}
	p.Draft, p.Title = &layout, v.Title
	in.Page, in.Edit = &p, false
	words := lang.From(q.Context())
	said := q.Word("layout.versions.shown", strconv.Itoa(number), lang.Moment(words.Locale(), v.At.In(q.Zone())))
	if strings.TrimSpace(v.Author) != "" {
		said = q.Word("layout.versions.shown-by", strconv.Itoa(number),
			lang.Moment(words.Locale(), v.At.In(q.Zone())), v.Author)
	}
	in.Bar = &render.Bar{Label: q.Word("bar.preview"), Lang: string(words.Locale()), Note: said,
		End: []render.BarLink{{Title: q.Word("layout.versions"), Icon: "history",
			URL: "/control/pages/" + p.ID.String() + "/versions"}}}
	return nil
}
