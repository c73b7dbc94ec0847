package admin

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/user"
)

// maxFound is how many things of one kind a search of the panel shows.
const maxFound = 8

// found is the things of one kind that a search of the panel has found.
type found struct {
	Title, Icon string
	Rows        []foundRow
	All         string // address of the list that shows more; empty: there are no more
}

// foundRow is one of them. Note is what tells it from others of the same title.
type foundRow struct{ Title, Note, URL string }

// find looks for a text in all that the actor can open in the panel.
func (h *Handler) find(q *request) error {
	type view struct {
		Query string
		Found []found
	}
	v := view{Query: clip(strings.TrimSpace(q.URL.Query().Get("q")), 100)}
	words := strings.Fields(strings.ToLower(v.Query))
	if len(words) > 0 {
		for _, look := range []func(*request, string, func(...string) bool) (found, error){
			h.findScreens, h.findArticles, h.findPages, h.findFiles, h.findUsers, h.findSites, h.findProperties} {
			f, err := look(q, v.Query, func(texts ...string) bool {
				text := strings.ToLower(strings.Join(texts, " "))
				for _, w := range words {
					if !strings.Contains(text, w) {
						return false
					}
				}
				return true
			})
			if err != nil {
				return err
			}
			if len(f.Rows) > maxFound {
				f.Rows = f.Rows[:maxFound]
			} else {
				f.All = ""
			}
			if f.All != "" {
				f.All += "?" + url.Values{"q": {v.Query}}.Encode()
			}
			if len(f.Rows) > 0 {
				v.Found = append(v.Found, f)
			}
		}
	}
	return h.show(q, http.StatusOK, "find", frame{Title: "Search", Purpose: "Screens, content of " + q.site.Name + ", people and settings by their names.", Query: v.Query, Body: v})
}

func (h *Handler) findScreens(q *request, _ string, fits func(...string) bool) (found, error) {
	f := found{Title: "Screens", Icon: "rail"}
	for _, g := range h.rail(q) {
		for _, l := range g.Links {
			if fits(l.Title, g.Title) {
				f.Rows = append(f.Rows, foundRow{l.Title, g.Title, l.URL})
			}
		}
	}
	return f, nil
}

func (h *Handler) findArticles(q *request, query string, _ func(...string) bool) (found, error) {
	f := found{Title: "Web content", Icon: "article", All: "/control/content"}
	if h.o.Content == nil || !h.o.Access.Can(q.Context(), access.Edit, q.site.Path()) {
		return f, nil
	}
	list, err := h.o.Content.List(q.Context(), q.site, content.Filter{Query: query, PerPage: maxFound + 1})
	for _, a := range list.Items {
		f.Rows = append(f.Rows, foundRow{a.In(q.site.Locale).Title, statusPill(a).Text, "/control/content/" + a.ID.String()})
	}
	return f, err
}

func (h *Handler) findPages(q *request, _ string, fits func(...string) bool) (found, error) {
	f := found{Title: "Pages", Icon: "page", All: "/control/pages"}
	rows, err := h.editablePages(q)
	for _, r := range rows {
		if fits(r.Name, r.Path) {
			f.Rows = append(f.Rows, foundRow{r.Name, r.Path, "/control/pages/" + r.ID.String()})
		}
	}
	return f, err
}

func (h *Handler) findFiles(q *request, query string, _ func(...string) bool) (found, error) {
	f := found{Title: "Files", Icon: "file", All: "/control/files"}
	if h.o.Files == nil || !h.o.Access.Can(q.Context(), access.Edit, q.site.Path()) {
		return f, nil
	}
	list, err := h.o.Files.List(q.Context(), q.site, document.Filter{Query: query, Limit: maxFound + 1})
	for _, x := range list {
		f.Rows = append(f.Rows, foundRow{x.Name, x.Type, "/control/files/" + x.ID.String()})
	}
	return f, err
}

// operates reports whether the actor operates the whole installation.
func (h *Handler) operates(q *request) bool { return q.actor.Operates("use this screen") == nil }

// rules reports whether the actor looks after the whole instance.
func (h *Handler) rules(q *request) bool {
	return h.o.Access.Can(q.Context(), access.Manage, q.instance.Path())
}

func (h *Handler) findUsers(q *request, query string, _ func(...string) bool) (found, error) {
	f := found{Title: "Users", Icon: "user", All: "/control/users"}
	if h.o.Users == nil || !h.rules(q) {
		return f, nil
	}
	list, err := shown(h, q, func(ctx context.Context) (user.Page[user.User], error) {
		return h.o.Users.List(ctx, q.instance.ID, user.Filter{Query: query, Limit: maxFound + 1})
	})
	for _, u := range list.Items {
		f.Rows = append(f.Rows, foundRow{u.FullName(), u.Email, "/control/users/" + u.ID.String()})
	}
	return f, err
}

func (h *Handler) findSites(q *request, _ string, fits func(...string) bool) (found, error) {
	f := found{Title: "Sites", Icon: "site", All: "/control/sites"}
	if !h.rules(q) {
		return f, nil
	}
	list, err := h.o.Sites.Sites(q.Context(), q.instance.ID)
	for _, s := range list {
		if fits(s.Name, s.Slug) {
			f.Rows = append(f.Rows, foundRow{s.Name, "/web/" + s.Slug, "/control/settings?site=" + s.ID.String()})
		}
	}
	return f, err
}

func (h *Handler) findProperties(q *request, _ string, fits func(...string) bool) (found, error) {
	f := found{Title: "Effective properties", Icon: "list", All: "/control/properties"}
	if h.o.Properties == nil || !h.operates(q) {
		return f, nil
	}
	list, err := h.o.Properties(q.Context())
	for _, p := range list {
		if fits(p.Name, p.Help) {
			f.Rows = append(f.Rows, foundRow{p.Name, p.Value, "/control/properties?" + url.Values{"q": {p.Name}}.Encode()})
		}
	}
	return f, err
}
