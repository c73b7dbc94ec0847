package admin

import (
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/page"
)

// pageGrants is what the screen of a page's permissions shows.
type pageGrants struct {
	Form *form
	Page page.Page
}

// permissions shows what each role may do with a page and what is below it, and saves it.
func (h *Handler) permissions(q *request) error {
	p, err := h.openedPage(q)
	if err != nil {
		return err
	}
	path, err := h.o.Pages.Path(q.Context(), p)
	if err != nil {
		return err
	}
	back := link{Title: p.In(q.site.Locale, q.site.Locale), URL: "/control/pages/" + p.ID.String()}
	f, done, err := h.changedGrants(q, path, back)
	if done || err != nil {
		return err
	}
	purpose := "What roles may do here and on the pages below, besides what the site grants them."
	if p.Restricted {
		purpose = "Only what is granted here counts on this page and those below: permission on the site does not reach it."
	}
	return h.show(
		q,
		f.Status(),
		"page_grants",
		frame{
			Title:   "Permissions",
			Purpose: purpose,
			Back:    &back,
			Narrow:  true,
			Body:    pageGrants{f, p},
		},
	)
}

// actionOptions are the actions that a form can grant.
func actionOptions() []option {
	return []option{
		{Value: "none", Label: "Nothing"},
		{Value: access.View.String(), Label: "View"},
		{Value: access.Edit.String(), Label: "Edit"},
		{Value: access.Publish.String(), Label: "Publish"},
		{Value: access.Manage.String(), Label: "Manage"},
	}
}
