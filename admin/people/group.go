package people

import (
	"net/http"
	"strconv"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/user"
)

func (h *screens) mountGroups(r *admin.Routes) {
	r.Get("/control/groups", admin.ManageInstance, h.groups)
	r.Get("/control/groups/new", admin.ManageInstance, h.newGroup)
	r.Post("/control/groups/new", admin.ManageInstance, h.newGroup)
	r.Get("/control/groups/{id}", admin.ManageInstance, h.group)
	r.Post("/control/groups/{id}", admin.ManageInstance, h.group)
	r.Post("/control/groups/{id}/members", admin.ManageInstance, h.addMember)
	r.Post("/control/groups/{id}/members/remove", admin.ManageInstance, h.removeMember)
	r.Post("/control/groups/{id}/delete", admin.ManageInstance, h.deleteGroup)
}

func groupKind() kind {
	return kind{URL: "/control/groups", Icon: "users", Heading: "people.groups", About: "people.groups.purpose",
		New: "people.groups.new", Column: "people.groups.one", Last: "people.roles", Number: true,
		Empty: "people.groups.empty", EmptyText: "people.groups.empty.text", EmptyNew: "people.groups.empty.new",
		Delete: "people.groups.delete", DeleteText: "people.groups.delete.text"}
}

func (h *screens) groups(q *admin.Request) error {
	list, err := h.o.Users.Groups(q.Context(), q.Instance.ID)
	if err != nil {
		return err
	}
	rows := make([]named, len(list))
	for i, g := range list {
		rows[i] = named{ID: g.ID, Name: g.Name, Description: g.Description, Last: strconv.Itoa(len(g.Roles))}
	}
	return h.showList(q, groupKind(), rows)
}

func (h *screens) groupForm(q *admin.Request, g user.Group) (*admin.Form, error) {
	roles, err := h.roleOptions(q)
	if err != nil {
		return nil, err
	}
	return &admin.Form{Version: g.Version, Fields: append(nameFields(q, g.Name, g.Description),
		admin.RolesField(q, roles, g.Roles, q.Word("people.groups.roles.help")))}, nil
}

func (h *screens) newGroup(q *admin.Request) error {
	f, err := h.groupForm(q, user.Group{})
	if err != nil {
		return err
	}
	return h.create(q, &editing{Kind: groupKind(), Form: f}, func() (stoa.ID, error) {
		g, err := h.o.Users.CreateGroup(q.Context(), user.Group{Instance: q.Instance.ID, Name: f.Text("name"),
			Description: f.Text("description"), Roles: f.IDs("roles")})
		return g.ID, err
	})
}

// openedGroup gives the group of the address, and its screen with its members and forms.
func (h *screens) openedGroup(q *admin.Request) (g user.Group, e *editing, err error) {
	id, err := q.ID()
	if err != nil {
		return g, nil, err
	}
	if g, err = h.o.Users.Group(q.Context(), id); err != nil {
		return g, nil, err
	}
	if g.Instance != q.Instance.ID {
		return g, nil, stoa.NotFound("group", id)
	}
	e = &editing{Kind: groupKind(), ID: g.ID, Name: g.Name}
	if e.Form, err = h.groupForm(q, g); err != nil {
		return g, nil, err
	}
	members, err := h.o.Users.Members(q.Context(), id, q.URL.Query().Get("after"), 100)
	if err != nil {
		return g, nil, err
	}
	e.Members, e.Paging = members.Items, q.After(members.Next)
	e.Add = &admin.Form{Fields: []*admin.Field{{Name: "person", Label: q.Word("people.login"), Kind: "text",
		Autofill: "off"}}}
	return g, e, nil
}

// group shows the form of a group and saves it.
func (h *screens) group(q *admin.Request) error {
	g, e, err := h.openedGroup(q)
	if err != nil {
		return err
	}
	if q.Method != http.MethodPost {
		return h.showNamed(q, e)
	}
	f, before := e.Form, g
	f.Read(q)
	add, remove, err := admin.RolesWanted(q.PostForm, f.Field("roles"))
	if err != nil {
		return h.refuse(q, e, err)
	}
	g.Name, g.Description, g.Version = f.Text("name"), f.Text("description"), f.Version
	g.Roles = admin.WithRoles(g.Roles, add, remove)
	_, err = h.o.Users.UpdateGroup(q.Context(), g)
	return h.saved(q, e, err, before.Version, func() error {
		newest, err := h.groupForm(q, before)
		if err != nil {
			return err
		}
		f.Stale(newest)
		f.Field("roles").Rebase(newest.Field("roles"), add, remove)
		return nil
	})
}

// addMember finds one person by screen name or e-mail address and puts them into the group.
func (h *screens) addMember(q *admin.Request) error {
	g, e, err := h.openedGroup(q)
	if err != nil {
		return err
	}
	e.Add.Take(q.PostForm)
	id, err := h.person(q, e.Add.Text("person"))
	if err == nil {
		err = h.o.Users.AddMembers(q.Context(), g.ID, id)
	}
	if err == nil {
		return q.Done(e.url(), "saved")
	}
	if !e.Add.Fail(admin.InField("person", err)) {
		return err
	}
	return h.showNamed(q, e)
}

// person gives the one account with that screen name or e-mail address.
func (h *screens) person(q *admin.Request, name string) (stoa.ID, error) {
	if name == "" {
		return 0, stoa.Invalid("person", "a screen name or an e-mail address is expected")
	}
	u, err := h.o.Users.ByLogin(q.Context(), q.Instance.ID, name)
	if stoa.Is(err, stoa.KindNotFound) {
		return 0, stoa.Invalid("person", "no account has the screen name or e-mail address %.100q", name)
	}
	return u.ID, err
}

func (h *screens) removeMember(q *admin.Request) error {
	g, e, err := h.openedGroup(q)
	if err != nil {
		return err
	}
	id, err := stoa.ParseID(q.PostForm.Get("user"))
	if err != nil {
		return err
	}
	if err := h.o.Users.RemoveMembers(q.Context(), g.ID, id); err != nil {
		return err
	}
	return q.Done(e.url(), "saved")
}

func (h *screens) deleteGroup(q *admin.Request) error {
	g, _, err := h.openedGroup(q)
	if err != nil {
		return err
	}
	if err := h.o.Users.TrashGroup(q.Context(), g.ID); err != nil {
		return err
	}
	return q.Trashed("/control/groups", "usergroup", g.ID)
}
