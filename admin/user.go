package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/user"
)

func (h *Handler) mountUsers(get, post register) {
	get("/control/users", manageInstance, h.users)
	get("/control/users/new", manageInstance, h.newUser)
	post("/control/users/new", manageInstance, h.newUser)
	get("/control/users/{id}", manageInstance, h.user)
	post("/control/users/{id}", manageInstance, h.user)
	post("/control/users/{id}/password", manageInstance, h.userPassword)
	post("/control/users/{id}/delete", manageInstance, h.deleteUser)
}

// users lists the people of the instance.
func (h *Handler) users(q *request) error {
	type view struct {
		Query, Status, Role string
		Roles, Statuses     []option
		List                []user.User
		First, Next         string
	}
	in := q.URL.Query()
	v := view{Query: clip(in.Get("q"), 200), Status: clip(in.Get("status"), 20), Role: clip(in.Get("role"), 20)}
	roles, err := h.roleOptions(q)
	if err != nil {
		return err
	}
	v.Roles = append([]option{{Label: "All roles"}}, roles...)
	v.Statuses = []option{{Label: "All states"}, {Value: user.StatusActive, Label: "Active"}, {Value: user.StatusLocked, Label: "Locked"}}
	for i := range v.Roles {
		v.Roles[i].On = v.Roles[i].Value == v.Role
	}
	for i := range v.Statuses {
		v.Statuses[i].On = v.Statuses[i].Value == v.Status
	}
	list, err := shown(h, q, func(ctx context.Context) (user.Page[user.User], error) {
		return h.o.Users.List(ctx, q.instance.ID,
			user.Filter{Query: v.Query, Status: v.Status, Role: v.Role, After: in.Get("after"), Limit: 50})
	})
	if err != nil {
		return err
	}
	v.List = list.Items
	u := url.Values{"q": {v.Query}, "status": {v.Status}, "role": {v.Role}}
	if in.Get("after") != "" {
		v.First = "/control/users?" + u.Encode()
	}
	if list.Next != "" {
		u.Set("after", list.Next)
		v.Next = "/control/users?" + u.Encode()
	}
	return h.show(q, http.StatusOK, "users", frame{Title: "Users", Purpose: "Everybody who can sign in.",
		Actions: []link{{Title: "New user", URL: "/control/users/new", Icon: "plus", Primary: true}}, Body: v})
}

// roleOptions are the roles that somebody can be given.
func (h *Handler) roleOptions(q *request) ([]option, error) {
	list, err := h.o.Access.Roles(q.Context(), q.instance.ID)
	if err != nil {
		return nil, err
	}
	var out []option
	for _, r := range list {
		if r.System && (r.Name == access.RoleUser || r.Name == access.RoleGuest) {
			continue // everybody holds them, nobody is given them
		}
		out = append(out, option{Value: r.ID.String(), Label: r.Name, Help: r.Description})
	}
	return out, nil
}

// userForm gives the form of an account; the zero user is for a new one.
func (h *Handler) userForm(q *request, u user.User) (*form, error) {
	roles, err := h.roleOptions(q)
	if err != nil {
		return nil, err
	}
	groups, err := h.o.Users.Groups(q.Context(), q.instance.ID)
	if err != nil {
		return nil, err
	}
	f := &form{Version: u.Version, Fields: []*field{
		{Name: "screenName", Label: "Screen name", Kind: "text", Value: u.ScreenName, Autofill: "off", Help: "To sign in with, besides the e-mail address."},
		{Name: "email", Label: "E-mail address", Kind: "email", Value: u.Email, Autofill: "off"},
		{Name: "first_name", Label: "First name", Kind: "text", Value: u.FirstName, Optional: true},
		{Name: "last_name", Label: "Last name", Kind: "text", Value: u.LastName, Optional: true},
		{Name: "locale", Label: "Language", Kind: "text", Value: string(u.Locale), Optional: true, Help: "A code such as en or de-AT; that of the site when empty."},
		{Name: "timeZone", Label: "Time zone", Kind: "text", Value: u.TimeZone, Optional: true, Help: "Such as Europe/Vienna; that of the instance when empty."},
		rolesField(roles, u.Roles, ""),
	}}
	if u.ID == 0 {
		var list []option
		for _, g := range groups {
			list = append(list, option{Value: g.ID.String(), Label: g.Name, Help: g.Description})
		}
		if len(list) > 0 {
			f.Fields = append(f.Fields, &field{Name: "groups", Label: "User groups", Kind: "checks", Options: list})
		}
		f.Fields = append(f.Fields, &field{Name: "password", Label: "Password", Kind: "password", Optional: true, Autofill: "new-password",
			Help: "Without one, nobody can sign in until a link has set it."})
		return f, nil
	}
	f.Fields = append(f.Fields, &field{Name: "status", Label: "State", Kind: "select", Value: u.Status,
		Options: []option{{Value: user.StatusActive, Label: "Active"}, {Value: user.StatusLocked, Label: "Locked: cannot sign in"}}})
	return f, nil
}

// fill puts what the form says into u.
func (f *form) fill(u *user.User) {
	u.ScreenName, u.Email, u.FirstName, u.LastName = f.text("screenName"), f.text("email"), f.text("first_name"), f.text("last_name")
	u.Locale, u.TimeZone, u.Roles = stoa.Locale(f.text("locale")), f.text("timeZone"), f.ids("roles")
	if f.has("groups") {
		u.Groups = f.ids("groups")
	}
	if f.has("status") {
		u.Status = f.text("status")
	}
}

// userEditing is what the screen of an account shows.
type userEditing struct {
	Form     *form
	User     user.User
	New      bool
	Self     bool
	Password *form
}

func (h *Handler) newUser(q *request) error {
	f, err := h.userForm(q, user.User{})
	if err != nil {
		return err
	}
	e := userEditing{Form: f, New: true}
	if q.Method != http.MethodPost {
		return h.showUser(q, e)
	}
	f.read(q)
	u := user.User{Instance: q.instance.ID, Status: user.StatusActive}
	f.fill(&u)
	made, err := h.o.Users.Create(q.Context(), u, f.text("password"))
	if err == nil {
		return q.done("/control/users/"+made.ID.String(), "created")
	}
	if !f.fail(err) {
		return err
	}
	return h.showUser(q, e)
}

// openedUser gives the account of the address with the forms of its screen.
func (h *Handler) openedUser(q *request) (userEditing, error) {
	id, err := q.id()
	if err != nil {
		return userEditing{}, err
	}
	u, err := h.o.Users.Get(q.Context(), id)
	if err != nil {
		return userEditing{}, err
	}
	f, err := h.userForm(q, u)
	return userEditing{Form: f, User: u, Self: u.ID == q.actor.User, Password: &form{Fields: []*field{
		{Name: "password", Label: "New password", Kind: "password", Autofill: "new-password", Help: "All sessions of this user end."}}}}, err
}

// user shows the form of an account and saves it.
func (h *Handler) user(q *request) error {
	e, err := h.openedUser(q)
	if err != nil {
		return err
	}
	if q.Method != http.MethodPost {
		return h.showUser(q, e)
	}
	f, u := e.Form, e.User
	f.read(q)
	f.fill(&u)
	u.Version = f.Version
	add, remove, err := rolesWanted(q.PostForm, f.Field("roles"))
	if err != nil {
		f.fail(err)
		return h.showUser(q, e)
	}
	saved, err := h.o.Users.Update(q.Context(), u)
	if err == nil {
		f.Version = saved.Version
		if len(add)+len(remove) > 0 { // those alone: what others gave and took meanwhile stays
			err = inField("roles", h.o.Users.ChangeRoles(q.Context(), u.ID, add, remove))
		}
	} else if stoa.Is(err, stoa.KindConflict) && u.Version != e.User.Version {
		newest, ferr := h.userForm(q, e.User)
		if ferr != nil {
			return ferr
		}
		f.stale(newest)
		f.Field("roles").rebase(newest.Field("roles"), add, remove)
		return h.showUser(q, e)
	}
	if err == nil {
		return q.done("/control/users/"+u.ID.String(), "saved")
	}
	if !f.fail(err) {
		return err
	}
	return h.showUser(q, e)
}

func (h *Handler) showUser(q *request, e userEditing) error {
	f := frame{Title: "New user", Back: &link{Title: "Users", URL: "/control/users"}, Narrow: true, Body: e}
	status := e.Form.Status()
	if !e.New {
		f.Title = e.User.FullName()
		if e.User.Status == user.StatusLocked {
			f.Pill = &pill{"warn", "Locked"}
		}
		status = max(status, e.Password.Status())
	}
	return h.show(q, status, "user", f)
}

func (h *Handler) userPassword(q *request) error {
	e, err := h.openedUser(q)
	if err != nil {
		return err
	}
	e.Password.read(q)
	err = h.o.Users.AdminSetPassword(q.Context(), e.User.ID, e.Password.text("password"))
	if err == nil {
		return q.done("/control/users/"+e.User.ID.String(), "password")
	}
	if !e.Password.fail(err) {
		return err
	}
	return h.showUser(q, e)
}

func (h *Handler) deleteUser(q *request) error {
	id, err := q.id()
	if err != nil {
		return err
	}
	if err := h.o.Users.Delete(q.Context(), id); err != nil {
		return err
	}
	return q.done("/control/users", "deleted")
}
