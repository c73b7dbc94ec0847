// Package people has the screens of users, user groups and roles.
package people

import (
	"context"
	"embed"
	"errors"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the area works on; all are required.
type Options struct {
	Access *access.Service
	Sites  *site.Service
	Users  *user.Service
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Sites == nil || o.Users == nil {
		return errors.New("people: Options.Access, Sites and Users are required")
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Routes: func(r *admin.Routes) {
			h.mountUsers(r)
			h.mountGroups(r)
			h.mountRoles(r)
		},
		Rail: func(q *admin.Request) (out []admin.RailLink) {
			if !h.Rules(q) {
				return nil
			}
			return []admin.RailLink{
				{Group: admin.GroupPeople, Order: 10, Title: q.Word("people.users"), URL: "/control/users", Icon: "user"},
				{Group: admin.GroupPeople, Order: 20, Title: q.Word("people.groups"), URL: "/control/groups", Icon: "users"},
				{Group: admin.GroupPeople, Order: 30, Title: q.Word("people.roles"), URL: "/control/roles", Icon: "role"},
			}
		},
		Find: []admin.Finder{{Title: stoa.Phrase("people.users"), Icon: "user", All: "/control/users", Look: h.findUsers}},
	})
}

func (h *screens) findUsers(q *admin.Request, query string, _ func(...string) bool) (out []admin.Found, err error) {
	if !h.Rules(q) {
		return nil, nil
	}
	list, err := admin.Shown(h.Panel, q, func(ctx context.Context) (user.Page[user.User], error) {
		return h.o.Users.List(ctx, q.Instance.ID, user.Filter{Query: query, Limit: admin.FoundLimit})
	})
	for _, u := range list.Items {
		out = append(out, admin.Found{Title: u.FullName(), Note: u.Email, URL: "/control/users/" + u.ID.String()})
	}
	return out, err
}
