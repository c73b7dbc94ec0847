package people

import (
	"net/http"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
)

func (h *screens) mountRoles(r *admin.Routes) {
	r.Get("/control/roles", admin.ManageInstance, h.roles)
	r.Get("/control/roles/new", admin.ManageInstance, h.newRole)
	r.Post("/control/roles/new", admin.ManageInstance, h.newRole)
	r.Get("/control/roles/{id}", admin.ManageInstance, h.role)
	r.Post("/control/roles/{id}", admin.ManageInstance, h.role)
	r.Post("/control/roles/{id}/grants", admin.ManageInstance, h.roleGrants)
	r.Post("/control/roles/{id}/delete", admin.ManageInstance, h.deleteRole)
}

func roleKind() kind {
	return kind{URL: "/control/roles", Icon: "role", Heading: "people.roles", About: "people.roles.purpose",
		New: "people.roles.new", Column: "people.roles.one", Last: "people.kind",
		Delete: "people.roles.delete", DeleteText: "people.roles.delete.text"}
}

// roleWords are the name and the description of a role; those that the portal gave its own are words of the interface.
func roleWords(q *admin.Request, r access.Role) (name, description string) {
	if r.System {
		return q.Word(r.Name), q.Word(r.Description)
	}
	return r.Name, r.Description
}

func (h *screens) roles(q *admin.Request) error {
	list, err := h.o.Access.Roles(q.Context(), q.Instance.ID)
	if err != nil {
		return err
	}
	rows := make([]named, len(list))
	for i, r := range list {
		rows[i] = named{ID: r.ID, Last: q.Word("people.roles.own")}
		rows[i].Name, rows[i].Description = roleWords(q, r)
		if r.System {
			rows[i].Pill = ofPortal(q)
		}
	}
	return h.showList(q, roleKind(), rows)
}

func roleForm(q *admin.Request, r access.Role) *admin.Form {
	f := &admin.Form{Version: r.Version, Fields: nameFields(q, r.Name, r.Description)}
	if r.System {
		f.Fields = f.Fields[1:]
	}
	return f
}

func (h *screens) newRole(q *admin.Request) error {
	f := roleForm(q, access.Role{})
	return h.create(q, &editing{Kind: roleKind(), Form: f}, func() (stoa.ID, error) {
		r, err := h.o.Access.CreateRole(q.Context(), access.Role{Instance: q.Instance.ID, Name: f.Text("name"),
			Description: f.Text("description")})
		return r.ID, err
	})
}

// place is something that actions can be granted on in the screen of a role.
type place struct {
	path access.Path
	name string
}

func (p place) field() string { return p.path[0].Kind + "-" + p.path[0].ID.String() }

// places are the instance and its sites.
func (h *screens) places(q *admin.Request) ([]place, error) {
	sites, err := h.o.Sites.Sites(q.Context(), q.Instance.ID)
	if err != nil {
		return nil, err
	}
	add := func(out []place, path access.Path, title, name string) []place {
		path[0].Title = title // as the audit log calls it
		return append(out, place{path, name})
	}
	out := add(nil, q.Instance.Path(), q.Instance.Name, q.Word("people.everything", q.Instance.Name))
	for _, s := range sites {
		out = add(out, s.Path(), s.Name, q.Word("people.the-site", s.Name))
	}
	return out, nil
}

// grantForm asks for what the role may do at each place.
func (h *screens) grantForm(q *admin.Request, role stoa.ID, places []place) (*admin.Form, error) {
	f := &admin.Form{}
	for _, p := range places {
		here, err := h.o.Access.Standings(q.Context(), p.path[0])
		if err != nil {
			return nil, err
		}
		f.Fields = append(f.Fields, admin.GrantField(q, p.field(), p.name, here[role]))
	}
	return f, nil
}

// openedRole gives the role of the address, and its screen with its forms.
func (h *screens) openedRole(q *admin.Request) (r access.Role, e *editing, places []place, err error) {
	id, err := q.ID()
	if err != nil {
		return r, nil, nil, err
	}
	if r, err = h.o.Access.Role(q.Context(), id); err != nil {
		return r, nil, nil, err
	}
	e = &editing{Kind: roleKind(), ID: r.ID, System: r.System, Form: roleForm(q, r)}
	e.Name, _ = roleWords(q, r)
	if places, err = h.places(q); err != nil {
		return r, nil, nil, err
	}
	e.Grants, err = h.grantForm(q, id, places)
	return r, e, places, err
}

// role shows the form of a role and saves it.
func (h *screens) role(q *admin.Request) error {
	r, e, _, err := h.openedRole(q)
	if err != nil {
		return err
	}
	if q.Method != http.MethodPost {
		return h.showNamed(q, e)
	}
	f, before := e.Form, r
	f.Read(q)
	r.Description, r.Version = f.Text("description"), f.Version
	if f.Has("name") {
		r.Name = f.Text("name")
	}
	_, err = h.o.Access.UpdateRole(q.Context(), r)
	return h.saved(q, e, err, before.Version, func() error {
		f.Stale(roleForm(q, before))
		return nil
	})
}

// roleGrants saves what the role may do, at the places where the form says something else than it had shown.
func (h *screens) roleGrants(q *admin.Request) error {
	r, e, places, err := h.openedRole(q)
	if err != nil {
		return err
	}
	var changes []access.PlaceChange
	for _, p := range places {
		c, ok, wrong := admin.WantedGrant(q.PostForm, e.Grants.Field(p.field()), r.ID)
		if err = wrong; err != nil {
			break
		}
		if ok {
			changes = append(changes, access.PlaceChange{Path: p.path, Change: c})
		}
	}
	if err == nil {
		if err = h.o.Access.ChangeGrantsAt(q.Context(), changes); err == nil {
			return q.Done(e.url(), "saved")
		}
	}
	newest, formErr := h.grantForm(q, r.ID, places) // with what is granted now
	if formErr != nil {
		return formErr
	}
	if e.Grants = newest; !e.Grants.Fail(err) {
		return err
	}
	e.Grants.Late(q.PostForm)
	return h.showNamed(q, e)
}

func (h *screens) deleteRole(q *admin.Request) error {
	id, err := q.ID()
	if err != nil {
		return err
	}
	if err := h.o.Access.TrashRole(q.Context(), id); err != nil {
		return err
	}
	return q.Trashed("/control/roles", "role", id)
}
