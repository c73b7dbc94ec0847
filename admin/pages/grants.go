package pages

import (
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/page"
)

// pageGrants is what the screen of a page's permissions shows.
type pageGrants struct {
	Form *admin.Form
	Page page.Page
}

// permissions shows what each role may do with a page and what is below it, and saves it.
func (h *screens) permissions(q *admin.Request) error {
	p, err := h.openedPage(q)
	if err != nil {
		return err
	}
	path, err := h.o.Pages.Path(q.Context(), p)
	if err != nil {
		return err
	}
	back := admin.Link{Title: p.In(q.Site.Locale, q.Site.Locale), URL: "/control/pages/" + p.ID.String()}
	f, done, err := h.ChangedGrants(q, path, back)
	if done || err != nil {
		return err
	}
	purpose := q.Word("pages.grants.beside")
	if p.Restricted {
		purpose = q.Word("pages.grants.own")
	}
	return h.Show(
		q,
		f.Status(),
		"page_grants",
		admin.Screen{
			Title:   q.Word("pages.permissions"),
			Purpose: purpose,
			Back:    &back,
			Narrow:  true,
			Body:    pageGrants{f, p},
		},
	)
}
