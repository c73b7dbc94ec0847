package admin

import (
	"net/http"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/user"
)

func (h *Handler) mountGroups(get, post register) {
	get("/control/groups", manageInstance, h.groups)
	get("/control/groups/new", manageInstance, h.newGroup)
	post("/control/groups/new", manageInstance, h.newGroup)
	get("/control/groups/{id}", manageInstance, h.group)
	post("/control/groups/{id}", manageInstance, h.group)
	post("/control/groups/{id}/members", manageInstance, h.addMember)
	post("/control/groups/{id}/members/remove", manageInstance, h.removeMember)
	post("/control/groups/{id}/delete", manageInstance, h.deleteGroup)
}

func (h *Handler) groups(q *request) error {
	list, err := h.o.Users.Groups(q.Context(), q.instance.ID)
	if err != nil {
		return err
	}
	return h.show(q, http.StatusOK, "groups", frame{Title: "User groups", Purpose: "People who hold roles together.",
		Actions: []link{
			{Title: "New group", URL: "/control/groups/new", Icon: "plus", Primary: true},
		}, Body: listOf(q, list, "Filter by name", func(g user.Group) string { return g.Name + " " + g.Description })})
}

func (h *Handler) groupForm(q *request, g user.Group) (*form, error) {
	roles, err := h.roleOptions(q)
	if err != nil {
		return nil, err
	}
	return &form{Version: g.Version, Fields: []*field{
		{Name: "name", Label: "Name", Kind: "text", Value: g.Name},
		{Name: "description", Label: "Description", Kind: "textarea", Rows: 3, Value: g.Description, Optional: true},
		rolesField(roles, g.Roles, "All members hold them."),
	}}, nil
}

// groupEditing is what the screen of a group shows.
type groupEditing struct {
	Form    *form
	Group   user.Group
	New     bool
	Members []user.User
	Next    string // where the list of members goes on
	Add     *form
}

func (h *Handler) newGroup(q *request) error {
	f, err := h.groupForm(q, user.Group{})
	if err != nil {
		return err
	}
	e := groupEditing{Form: f, New: true}
	if q.Method != http.MethodPost {
		return h.showGroup(q, e)
	}
	f.read(q)
	g, err := h.o.Users.CreateGroup(
		q.Context(),
		user.Group{Instance: q.instance.ID, Name: f.text("name"), Description: f.text("description"), Roles: f.ids("roles")},
	)
	if err == nil {
		return q.done("/control/groups/"+g.ID.String(), "created")
	}
	if stoa.Is(err, stoa.KindConflict) {
		err = inField("name", err)
	}
	if !f.fail(err) {
		return err
	}
	return h.showGroup(q, e)
}

// openedGroup gives the group of the address with its members and forms.
func (h *Handler) openedGroup(q *request) (e groupEditing, err error) {
	id, err := q.id()
	if err != nil {
		return e, err
	}
	if e.Group, err = h.o.Users.Group(q.Context(), id); err != nil {
		return e, err
	}
	if e.Group.Instance != q.instance.ID {
		return e, stoa.NotFound("group", id)
	}
	if e.Form, err = h.groupForm(q, e.Group); err != nil {
		return e, err
	}
	members, err := h.o.Users.Members(q.Context(), id, q.URL.Query().Get("after"), 100)
	if err != nil {
		return e, err
	}
	e.Members, e.Next = members.Items, members.Next
	e.Add = &form{
		Fields: []*field{{Name: "person", Label: "Screen name or e-mail address", Kind: "text", Autofill: "off"}},
	}
	return e, nil
}

// group shows the form of a group and saves it.
func (h *Handler) group(q *request) error {
	e, err := h.openedGroup(q)
	if err != nil || q.Method != http.MethodPost {
		if err != nil {
			return err
		}
		return h.showGroup(q, e)
	}
	f, g := e.Form, e.Group
	f.read(q)
	add, remove, err := rolesWanted(q.PostForm, f.Field("roles"))
	if err != nil {
		f.fail(err)
		return h.showGroup(q, e)
	}
	g.Name, g.Description, g.Roles, g.Version = f.text(
		"name",
	), f.text(
		"description",
	), withRoles(
		g.Roles,
		add,
		remove,
	), f.Version
	_, err = h.o.Users.UpdateGroup(q.Context(), g)
	if err == nil {
		return q.done("/control/groups/"+g.ID.String(), "saved")
	}
	if stoa.Is(err, stoa.KindConflict) {
		if f.Version != e.Group.Version {
			newest, err := h.groupForm(q, e.Group)
			if err != nil {
				return err
			}
			f.stale(newest)
			f.Field("roles").rebase(newest.Field("roles"), add, remove)
			return h.showGroup(q, e)
		}
		err = inField("name", err)
	}
	if !f.fail(err) {
		return err
	}
	return h.showGroup(q, e)
}

// addMember finds one person by screen name or e-mail address and puts them into the group.
func (h *Handler) addMember(q *request) error {
	e, err := h.openedGroup(q)
	if err != nil {
		return err
	}
	e.Add.take(q.PostForm)
	id, err := h.person(q, e.Add.text("person"))
	if err == nil {
		err = h.o.Users.AddMembers(q.Context(), e.Group.ID, id)
	}
	if err == nil {
		return q.done("/control/groups/"+e.Group.ID.String(), "saved")
	}
	if !e.Add.fail(inField("person", err)) {
		return err
	}
	return h.showGroup(q, e)
}

// person gives the one account with that screen name or e-mail address.
func (h *Handler) person(q *request, name string) (stoa.ID, error) {
	if name == "" {
		return 0, stoa.Invalid("person", "a screen name or an e-mail address is expected")
	}
	list, err := h.o.Users.List(q.Context(), q.instance.ID, user.Filter{Login: name, Limit: 2})
	if err != nil {
		return 0, err
	}
	if len(list.Items) > 0 {
		return list.Items[0].ID, nil
	}
	return 0, stoa.Invalid("person", "nobody has the screen name or e-mail address %.100q", name)
}

func (h *Handler) removeMember(q *request) error {
	e, err := h.openedGroup(q)
	if err != nil {
		return err
	}
	id, err := stoa.ParseID(q.PostForm.Get("user"))
	if err != nil {
		return err
	}
	if err := h.o.Users.RemoveMembers(q.Context(), e.Group.ID, id); err != nil {
		return err
	}
	return q.done("/control/groups/"+e.Group.ID.String(), "saved")
}

func (h *Handler) showGroup(q *request, e groupEditing) error {
	f := frame{Title: "New group", Back: &link{Title: "User groups", URL: "/control/groups"}, Narrow: true, Body: e}
	status := e.Form.Status()
	if !e.New {
		f.Title, status = e.Group.Name, max(status, e.Add.Status())
	}
	return h.show(q, status, "group", f)
}

func (h *Handler) deleteGroup(q *request) error {
	e, err := h.openedGroup(q)
	if err != nil {
		return err
	}
	if err := h.o.Users.DeleteGroup(q.Context(), e.Group.ID); err != nil {
		return err
	}
	return q.done("/control/groups", "deleted")
}
