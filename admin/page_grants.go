package admin

import (
	"net/http"

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
	if err := h.o.Access.Check(q.Context(), access.Manage, path); err != nil {
		return err
	}
	b, err := h.grantBox(q.Context(), path)
	if err != nil {
		return err
	}
	if q.Method == http.MethodPost {
		saved, err := h.saveGrants(q.Context(), q.PostForm, &b)
		if err != nil {
			return err
		}
		if saved {
			return q.done("/control/pages/"+p.ID.String()+"/permissions", "saved")
		}
	}
	purpose := "What roles may do here and on the pages below, besides what the site grants them."
	if p.Restricted {
		purpose = "Only what is granted here counts on this page and those below: permission on the site does not reach it."
	}
	name := p.In(q.site.Locale, q.site.Locale)
	return h.show(
		q,
		b.Form.Status(),
		"page_grants",
		frame{
			Title:   "Permissions",
			Purpose: purpose,
			Back:    &link{Title: name, URL: "/control/pages/" + p.ID.String()},
			Narrow:  true,
			Body:    pageGrants{b.Form, p},
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
