package people

import (
	"context"
	"net/http"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/user"
)

func (h *screens) mountUsers(r *admin.Routes) {
	r.Get("/control/users", admin.ManageInstance, h.users)
	r.Get("/control/users/new", admin.ManageInstance, h.newUser)
	r.Post("/control/users/new", admin.ManageInstance, h.newUser)
	r.Get("/control/users/{id}", admin.ManageInstance, h.user)
	r.Post("/control/users/{id}", admin.ManageInstance, h.user)
	r.Post("/control/users/{id}/password", admin.ManageInstance, h.userPassword)
	r.Post("/control/users/{id}/delete", admin.ManageInstance, h.deleteUser)
}

// users lists the people of the instance.
func (h *screens) users(q *admin.Request) error {
	type view struct {
		Query, Status, Role string
		Roles, Statuses     []admin.Option
		List                []user.User
		admin.Paging
	}
	in := q.URL.Query()
	v := view{Query: admin.Clip(in.Get("q"), 200), Status: admin.Clip(in.Get("status"), 20),
		Role: admin.Clip(in.Get("role"), 20)}
	roles, err := h.roleOptions(q)
	if err != nil {
		return err
	}
	v.Roles = append([]admin.Option{{Label: q.Word("people.all-roles")}}, roles...)
	v.Statuses = []admin.Option{{Label: q.Word("people.all-states")},
		{Value: user.StatusActive, Label: q.Word("people.active")},
		{Value: user.StatusLocked, Label: q.Word("people.locked")}}
	for i := range v.Roles {
		v.Roles[i].On = v.Roles[i].Value == v.Role
	}
	for i := range v.Statuses {
		v.Statuses[i].On = v.Statuses[i].Value == v.Status
	}
	list, err := admin.Shown(h.Panel, q, func(ctx context.Context) (user.Page[user.User], error) {
		return h.o.Users.List(ctx, q.Instance.ID,
			user.Filter{Query: v.Query, Status: v.Status, Role: v.Role, After: in.Get("after"), Limit: 50})
	})
	if err != nil {
		return err
	}
	v.List, v.Paging = list.Items, q.After(list.Next)
	return h.Show(q, http.StatusOK, "users", admin.Screen{Title: q.Word("people.users"),
		Purpose: q.Word("people.users.purpose"), Body: v,
		Actions: []admin.Link{{Title: q.Word("people.users.new"), URL: "/control/users/new", Icon: "plus", Primary: true}}})
}

// roleOptions are the roles that a person can be given.
func (h *screens) roleOptions(q *admin.Request) ([]admin.Option, error) {
	list, err := h.o.Access.Roles(q.Context(), q.Instance.ID)
	if err != nil {
		return nil, err
	}
	var out []admin.Option
	for _, r := range list {
		if r.System && (r.Name == access.RoleUser || r.Name == access.RoleGuest) {
			continue // all hold them, and none is given them
		}
		name, description := roleWords(q, r)
		out = append(out, admin.Option{Value: r.ID.String(), Label: name, Help: description})
	}
	return out, nil
}

// userForm gives the form of an account; the zero user is for a new one.
func (h *screens) userForm(q *admin.Request, u user.User) (*admin.Form, error) {
	roles, err := h.roleOptions(q)
	if err != nil {
		return nil, err
	}
	groups, err := h.o.Users.Groups(q.Context(), q.Instance.ID)
	if err != nil {
		return nil, err
	}
	f := &admin.Form{Version: u.Version, Fields: []*admin.Field{
		{Name: "screenName", Label: q.Word("people.screen-name"), Kind: "text", Value: u.ScreenName, Autofill: "off",
			Help: q.Word("people.screen-name.help")},
		{Name: "email", Label: q.Word("people.email"), Kind: "email", Value: u.Email, Autofill: "off"},
		{Name: "firstName", Label: q.Word("people.first-name"), Kind: "text", Value: u.FirstName, Optional: true},
		{Name: "lastName", Label: q.Word("people.last-name"), Kind: "text", Value: u.LastName, Optional: true},
		q.Language(admin.Field{Name: "locale", Label: q.Word("people.language"), Value: string(u.Locale)},
			q.Word("people.language.none")),
		q.TimeZone(admin.Field{Name: "timeZone", Label: q.Word("people.zone"), Value: u.TimeZone},
			q.Word("people.zone.none", q.Instance.Zone().String())),
		admin.RolesField(q, roles, u.Roles, ""),
	}}
	if u.ID == 0 {
		var list []admin.Option
		for _, g := range groups {
			list = append(list, admin.Option{Value: g.ID.String(), Label: g.Name, Help: g.Description})
		}
		if len(list) > 0 {
			f.Fields = append(f.Fields,
				&admin.Field{Name: "groups", Label: q.Word("people.groups"), Kind: "checks", Options: list})
		}
		f.Fields = append(f.Fields, &admin.Field{Name: "password", Label: q.Word("people.password"), Kind: "password",
			Optional: true, Autofill: "new-password", Help: q.Word("people.password.help")})
		return f, nil
	}
	f.Fields = append(f.Fields, &admin.Field{Name: "status", Label: q.Word("people.state"), Kind: "select",
		Value: u.Status, Options: []admin.Option{{Value: user.StatusActive, Label: q.Word("people.active")},
			{Value: user.StatusLocked, Label: q.Word("people.locked.long")}}})
	return f, nil
}

// fillUser puts what the form says into u.
func fillUser(f *admin.Form, u *user.User) {
	u.ScreenName, u.Email = f.Text("screenName"), f.Text("email")
	u.FirstName, u.LastName = f.Text("firstName"), f.Text("lastName")
	u.Locale, u.TimeZone, u.Roles = stoa.Locale(f.Text("locale")), f.Text("timeZone"), f.IDs("roles")
	if f.Has("groups") {
		u.Groups = f.IDs("groups")
	}
	if f.Has("status") {
		u.Status = f.Text("status")
	}
}

// userEditing is what the screen of an account shows.
type userEditing struct {
	Form     *admin.Form
	User     user.User
	New      bool
	Self     bool
	Password *admin.Form
}

func (h *screens) newUser(q *admin.Request) error {
	f, err := h.userForm(q, user.User{})
	if err != nil {
		return err
	}
	e := userEditing{Form: f, New: true}
	if q.Method != http.MethodPost {
		return h.showUser(q, e)
	}
	f.Read(q)
	u := user.User{Instance: q.Instance.ID, Status: user.StatusActive}
	fillUser(f, &u)
	made, err := h.o.Users.Create(q.Context(), u, f.Text("password"))
	if err == nil {
		return q.Done("/control/users/"+made.ID.String(), "created")
	}
	if !f.Fail(err) {
		return err
	}
	return h.showUser(q, e)
}

// openedUser gives the account of the address with the forms of its screen.
func (h *screens) openedUser(q *admin.Request) (userEditing, error) {
	id, err := q.ID()
	if err != nil {
		return userEditing{}, err
	}
	u, err := h.o.Users.Get(q.Context(), id)
	if err != nil {
		return userEditing{}, err
	}
	f, err := h.userForm(q, u)
	password := &admin.Form{Fields: []*admin.Field{{Name: "password", Label: q.Word("people.password.new"),
		Kind: "password", Autofill: "new-password", Help: q.Word("people.password.new.help")}}}
	return userEditing{Form: f, User: u, Self: u.ID == q.Actor.User, Password: password}, err
}

// user shows the form of an account and saves it.
func (h *screens) user(q *admin.Request) error {
	e, err := h.openedUser(q)
	if err != nil {
		return err
	}
	if q.Method != http.MethodPost {
		return h.showUser(q, e)
	}
	f, u := e.Form, e.User
	f.Read(q)
	fillUser(f, &u)
	u.Version = f.Version
	add, remove, err := admin.RolesWanted(q.PostForm, f.Field("roles"))
	if err != nil {
		f.Fail(err)
		return h.showUser(q, e)
	}
	// What others gave and took meanwhile stays.
	_, err = h.o.Users.UpdateWithRoles(q.Context(), u, add, remove)
	if stoa.Is(err, stoa.KindConflict) && u.Version != e.User.Version {
		newest, ferr := h.userForm(q, e.User)
		if ferr != nil {
			return ferr
		}
		f.Stale(newest)
		f.Field("roles").Rebase(newest.Field("roles"), add, remove)
		return h.showUser(q, e)
	}
	if err == nil {
		return q.Done("/control/users/"+u.ID.String(), "saved")
	}
	if !f.Fail(err) {
		return err
	}
	return h.showUser(q, e)
}

func (h *screens) showUser(q *admin.Request, e userEditing) error {
	f := admin.Screen{Title: q.Word("people.users.new"), Narrow: true, Body: e,
		Back: &admin.Link{Title: q.Word("people.users"), URL: "/control/users"}}
	status := e.Form.Status()
	if !e.New {
		f.Title = e.User.FullName()
		if e.User.Status == user.StatusLocked {
			f.Pill = &admin.Pill{Kind: "warn", Text: q.Word("people.locked")}
		}
		status = max(status, e.Password.Status())
	}
	return h.Show(q, status, "user", f)
}

func (h *screens) userPassword(q *admin.Request) error {
	e, err := h.openedUser(q)
	if err != nil {
		return err
	}
	e.Password.Read(q)
	err = h.o.Users.AdminSetPassword(q.Context(), e.User.ID, e.Password.Text("password"))
	if err == nil {
		return q.Done("/control/users/"+e.User.ID.String(), "password")
	}
	if !e.Password.Fail(err) {
		return err
	}
	return h.showUser(q, e)
}

func (h *screens) deleteUser(q *admin.Request) error {
	id, err := q.ID()
	if err != nil {
		return err
	}
	if err := h.o.Users.Delete(q.Context(), id); err != nil {
		return err
	}
	return q.Done("/control/users", "deleted")
}
