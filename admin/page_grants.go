package admin

import (
	"context"
	"net/http"

	"github.com/stoa-portal/stoa"
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
	f, roles, err := h.pageGrantForm(q.Context(), q.instance.ID, path)
	if err != nil {
		return err
	}
	if q.Method == http.MethodPost {
		f.take(q.PostForm)
		var grants []access.Grant
		for _, r := range roles {
			x := f.Field("role-" + r.ID.String())
			if x.Value == "none" || x.Value == "" {
				continue
			}
			a, err := access.ParseAction(x.Value)
			if err != nil {
				return err
			}
			grants = append(grants, access.Grant{Role: r.ID, Action: a})
		}
		if err := h.o.Access.SetGrants(q.Context(), path, grants); err != nil {
			return err
		}
		return q.done("/control/pages/"+p.ID.String()+"/permissions", "saved")
	}
	purpose := "What roles may do here and on the pages below, besides what the site grants them."
	if p.Restricted {
		purpose = "Only what is granted here counts on this page and those below: permission on the site does not reach it."
	}
	name := p.In(q.site.Locale, q.site.Locale)
	return h.show(q, http.StatusOK, "page_grants", frame{Title: "Permissions", Purpose: purpose, Back: &link{Title: name, URL: "/control/pages/" + p.ID.String()}, Narrow: true, Body: pageGrants{f, p}})
}

// pageGrantForm has a field for each role but the administrator's, which may do everything anyway; under it stands
// what the role may do by what is above.
func (h *Handler) pageGrantForm(ctx context.Context, instance stoa.ID, path access.Path) (*form, []access.Role, error) {
	all, err := h.o.Access.Roles(ctx, instance)
	if err != nil {
		return nil, nil, err
	}
	here, err := h.o.Access.Grants(ctx, path[0])
	if err != nil {
		return nil, nil, err
	}
	above := map[stoa.ID]access.Action{}
	for _, r := range path[1:] {
		if path[0].Own {
			break
		}
		grants, err := h.o.Access.Grants(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		for _, g := range grants {
			above[g.Role] = max(above[g.Role], g.Action)
		}
		if r.Own {
			break
		}
	}
	f := &form{}
	var roles []access.Role
	for _, r := range all {
		if r.System && r.Name == access.RoleAdministrator {
			continue
		}
		x := &field{Name: "role-" + r.ID.String(), Label: r.Name, Kind: "select", Options: actionOptions(), Value: "none"}
		for _, g := range here {
			if g.Role == r.ID {
				x.Value = g.Action.String()
			}
		}
		if a := above[r.ID]; a != 0 {
			x.Help = "May " + a.String() + " this page by what is granted above it."
		}
		f.Fields, roles = append(f.Fields, x), append(roles, r)
	}
	return f, roles, nil
}

// actionOptions are the actions that a form can grant.
func actionOptions() []option {
	return []option{{Value: "none", Label: "Nothing"}, {Value: access.View.String(), Label: "View"}, {Value: access.Edit.String(), Label: "Edit"},
		{Value: access.Publish.String(), Label: "Publish"}, {Value: access.Manage.String(), Label: "Manage"}}
}
