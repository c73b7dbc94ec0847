package admin

import (
	"net/http"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
)

func (h *Handler) mountRoles(get, post register) {
	get("/control/roles", manageInstance, h.roles)
	get("/control/roles/new", manageInstance, h.newRole)
	post("/control/roles/new", manageInstance, h.newRole)
	get("/control/roles/{id}", manageInstance, h.role)
	post("/control/roles/{id}", manageInstance, h.role)
	post("/control/roles/{id}/grants", manageInstance, h.roleGrants)
	post("/control/roles/{id}/delete", manageInstance, h.deleteRole)
}

func (h *Handler) roles(q *request) error {
	list, err := h.o.Access.Roles(q.Context(), q.instance.ID)
	if err != nil {
		return err
	}
	return h.show(q, http.StatusOK, "roles", frame{Title: "Roles", Purpose: "What people may do is granted to roles; users and user groups hold them.",
		Actions: []link{{Title: "New role", URL: "/control/roles/new", Icon: "plus", Primary: true}}, Body: listOf(q, list, "Filter by name", func(r access.Role) string { return r.Name + " " + r.Description })})
}

func roleForm(r access.Role) *form {
	f := &form{Version: r.Version}
	if !r.System {
		f.Fields = append(f.Fields, &field{Name: "name", Label: "Name", Kind: "text", Value: r.Name})
	}
	f.Fields = append(f.Fields, &field{Name: "description", Label: "Description", Kind: "textarea", Rows: 3, Value: r.Description, Optional: true})
	return f
}

// roleEditing is what the screen of a role shows.
type roleEditing struct {
	Form   *form
	Role   access.Role
	New    bool
	Grants *form
}

func (h *Handler) newRole(q *request) error {
	e := roleEditing{Form: roleForm(access.Role{}), New: true}
	if q.Method != http.MethodPost {
		return h.showRole(q, e)
	}
	e.Form.read(q)
	r, err := h.o.Access.CreateRole(q.Context(), access.Role{Instance: q.instance.ID, Name: e.Form.text("name"), Description: e.Form.text("description")})
	if err == nil {
		return q.done("/control/roles/"+r.ID.String(), "created")
	}
	if stoa.Is(err, stoa.KindConflict) {
		err = inField("name", err)
	}
	if !e.Form.fail(err) {
		return err
	}
	return h.showRole(q, e)
}

// place is something that actions can be granted on in the screen of a role.
type place struct {
	path access.Path
	name string
}

func (p place) field() string { return p.path[0].Kind + "-" + p.path[0].ID.String() }

// places are the instance and its sites.
func (h *Handler) places(q *request) ([]place, error) {
	sites, err := h.o.Sites.Sites(q.Context(), q.instance.ID)
	if err != nil {
		return nil, err
	}
	add := func(out []place, path access.Path, title, name string) []place {
		path[0].Title = title // as the audit log calls it
		return append(out, place{path, name})
	}
	out := add(nil, q.instance.Path(), q.instance.Name, "Everything in "+q.instance.Name)
	for _, s := range sites {
		out = add(out, s.Path(), s.Name, "The site "+s.Name)
	}
	return out, nil
}

// grantForm asks for what the role may do at each place.
func (h *Handler) grantForm(q *request, role stoa.ID, places []place) (*form, error) {
	f := &form{}
	for _, p := range places {
		here, err := h.o.Access.Standings(q.Context(), p.path[0])
		if err != nil {
			return nil, err
		}
		f.Fields = append(f.Fields, grantField(p.field(), p.name, here[role]))
	}
	return f, nil
}

// openedRole gives the role of the address with the forms of its screen.
func (h *Handler) openedRole(q *request) (e roleEditing, places []place, err error) {
	id, err := q.id()
	if err != nil {
		return e, nil, err
	}
	if e.Role, err = h.o.Access.Role(q.Context(), id); err != nil {
		return e, nil, err
	}
	e.Form = roleForm(e.Role)
	if places, err = h.places(q); err != nil {
		return e, nil, err
	}
	e.Grants, err = h.grantForm(q, id, places)
	return e, places, err
}

// role shows the form of a role and saves it.
func (h *Handler) role(q *request) error {
	e, _, err := h.openedRole(q)
	if err != nil {
		return err
	}
	if q.Method != http.MethodPost {
		return h.showRole(q, e)
	}
	f, r := e.Form, e.Role
	f.read(q)
	r.Description, r.Version = f.text("description"), f.Version
	if f.has("name") {
		r.Name = f.text("name")
	}
	_, err = h.o.Access.UpdateRole(q.Context(), r)
	if err == nil {
		return q.done("/control/roles/"+r.ID.String(), "saved")
	}
	if stoa.Is(err, stoa.KindConflict) {
		if f.Version != e.Role.Version {
			f.stale(roleForm(e.Role))
			return h.showRole(q, e)
		}
		err = inField("name", err)
	}
	if !f.fail(err) {
		return err
	}
	return h.showRole(q, e)
}

// roleGrants saves what the role may do, at the places where the form says something else than it had shown.
func (h *Handler) roleGrants(q *request) error {
	e, places, err := h.openedRole(q)
	if err != nil {
		return err
	}
	for _, p := range places {
		c, ok, err := wanted(q.PostForm, e.Grants.Field(p.field()), e.Role.ID)
		if err == nil && ok {
			err = inField(p.field(), h.o.Access.ChangeGrants(q.Context(), p.path, c))
		}
		if err == nil {
			continue
		}
		newest, formErr := h.grantForm(q, e.Role.ID, places) // with what is granted now, and by places before this one
		if formErr != nil {
			return formErr
		}
		if e.Grants = newest; !e.Grants.fail(err) {
			return err
		}
		e.Grants.late(q.PostForm)
		return h.showRole(q, e)
	}
	return q.done("/control/roles/"+e.Role.ID.String(), "saved")
}

func (h *Handler) showRole(q *request, e roleEditing) error {
	f := frame{Title: "New role", Back: &link{Title: "Roles", URL: "/control/roles"}, Narrow: true, Body: e}
	status := e.Form.Status()
	if !e.New {
		if f.Title = e.Role.Name; e.Role.System {
			f.Pill = &pill{"info", "Of the portal"}
		}
		status = max(status, e.Grants.Status())
	}
	return h.show(q, status, "role", f)
}

func (h *Handler) deleteRole(q *request) error {
	id, err := q.id()
	if err != nil {
		return err
	}
	if err := h.o.Access.DeleteRole(q.Context(), id); err != nil {
		return err
	}
	return q.done("/control/roles", "deleted")
}
