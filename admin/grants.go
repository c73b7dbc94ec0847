package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
)

// GrantField asks for what a role may do, and carries what was shown.
func GrantField(q *Request, name, label string, m access.Standing) *Field {
	x := &Field{Name: name, Label: label, Kind: "select", Options: actionOptions(q), Value: "none", Was: m.Token()}
	if m.Action != 0 {
		x.Value = m.Action.String()
	}
	return x
}

// seen is what the form that was sent had shown in the field; ok is false when it does not say.
func seen(sent url.Values, name string) (m access.Standing, ok bool) {
	action, version, ok := strings.Cut(sent.Get("was-"+name), ".")
	if !ok {
		return m, false
	}
	var err error
	if action != access.Action(0).String() {
		if m.Action, err = access.ParseAction(action); err != nil {
			return m, false
		}
	}
	m.Version, err = strconv.ParseInt(version, 10, 64)
	return m, err == nil
}

// WantedGrant is the change of a role that the field of a form asks for, from what the form had shown; ok is false
// when it asks for none. What the editor did not touch is never written, so that what was taken away meanwhile does
// not come back.
func WantedGrant(sent url.Values, x *Field, role stoa.ID) (c access.Change, ok bool, err error) {
	value := sent.Get(x.Name)
	if value == "" {
		return c, false, nil
	}
	was, known := seen(sent, x.Name)
	if !known {
		return c, false, stoa.AtField(x.Name,
			stoa.Conflict("the form does not say what it had shown: open it again and repeat the change"))
	}
	c = access.Change{Role: role, From: was.Action, Version: was.Version}
	if value != "none" {
		if c.To, err = access.ParseAction(value); err != nil {
			return c, false, InField(x.Name, err)
		}
	}
	return c, c.To != c.From, nil
}

// Late makes the form of a change that came too late one that can be sent again: what the editor changed stays as it
// was chosen, with what is granted now beside it; the rest shows what is granted now. fields are those of the newest
// form.
func (f *Form) Late(sent url.Values) {
	for _, x := range f.Fields {
		was, ok := seen(sent, x.Name)
		value := sent.Get(x.Name)
		before := "none"
		if was.Action != 0 {
			before = was.Action.String()
		}
		if !ok || value == "" || value == before {
			continue // the editor did not touch it
		}
		if x.Was != was.Token() && x.Error == "" {
			x.fail(said("panel.grants.changed", x.shown()))
		}
		x.Value = value
	}
}

// grantBox is the form of what each role may do with one thing, for the screens of pages, folders and files.
type grantBox struct {
	Form  *Form
	path  access.Path
	roles []access.Role
}

// grantBox has a field for each role but the administrator's, which may do everything anyway; under it stands what the role
// may do by what is above.
func (h *Panel) grantBox(q *Request, path access.Path) (grantBox, error) {
	b, ctx := grantBox{Form: &Form{}, path: path}, q.Context()
	all, err := h.o.Access.Roles(ctx, path.Instance())
	if err != nil {
		return b, err
	}
	here, err := h.o.Access.Standings(ctx, path[0])
	if err != nil {
		return b, err
	}
	above := map[stoa.ID]access.Action{}
	for _, r := range path[1:] {
		if path[0].Own {
			break
		}
		grants, err := h.o.Access.Grants(ctx, r)
		if err != nil {
			return b, err
		}
		for _, g := range grants {
			above[g.Role] = max(above[g.Role], g.Action)
		}
		if r.Own {
			break
		}
	}
	for _, r := range all {
		if r.System && r.Name == access.RoleAdministrator {
			continue
		}
		x := GrantField(q, "role-"+r.ID.String(), r.Name, here[r.ID])
		if a := above[r.ID]; a != 0 {
			x.Help = q.granted(a, path[0].Kind)
		}
		b.Form.Fields, b.roles = append(b.Form.Fields, x), append(b.roles, r)
	}
	return b, nil
}

// granted says what a role may do with a thing by what is granted above it.
func (q *Request) granted(a access.Action, kind string) string {
	var may string
	switch a {
	case access.View:
		may = q.Word("panel.grants.may-view")
	case access.Edit:
		may = q.Word("panel.grants.may-edit")
	case access.Publish:
		may = q.Word("panel.grants.may-publish")
	default:
		may = q.Word("panel.grants.may-manage")
	}
	switch kind {
	case "page":
		return q.Word("panel.grants.above-page", may)
	case "folder":
		return q.Word("panel.grants.above-folder", may)
	}
	return q.Word("panel.grants.above-file", may)
}

// saveGrants writes what the form that was sent changes. When it came too late, or something in it is wrong, b has the newest
// form with the editor's choices, and saved is false.
func (h *Panel) saveGrants(q *Request, sent url.Values, b *grantBox) (saved bool, err error) {
	var changes []access.Change
	for _, r := range b.roles {
		c, ok, err := WantedGrant(sent, b.Form.Field("role-"+r.ID.String()), r.ID)
		if err != nil {
			return false, b.refuse(sent, err)
		}
		if ok {
			changes = append(changes, c)
		}
	}
	if err = h.o.Access.ChangeGrants(q.Context(), b.path, changes...); err == nil {
		return true, nil
	}
	if stoa.Is(err, stoa.KindConflict) {
		newest, formErr := h.grantBox(q, b.path)
		if formErr != nil {
			return false, formErr
		}
		*b = newest
	}
	return false, b.refuse(sent, err)
}

// refuse shows an error in the form, with what was chosen; what the person cannot mend there is given back.
func (b *grantBox) refuse(sent url.Values, err error) error {
	if !b.Form.Fail(err) {
		return err
	}
	b.Form.Late(sent)
	return nil
}

// RolesField asks for the roles that a person or a group holds, and carries those that it shows.
func RolesField(q *Request, options []Option, held []stoa.ID, help string) *Field {
	ids := IDStrings(held)
	return &Field{
		Name:    "roles",
		Label:   q.Word("panel.roles"),
		Kind:    "checks",
		Options: options,
		Values:  ids,
		Was:     "," + strings.Join(ids, ","),
		Help:    help,
	}
}

// RolesWanted is what the form that was sent changes of the roles that it had shown.
func RolesWanted(sent url.Values, x *Field) (add, remove []stoa.ID, err error) {
	if !sent.Has("was-" + x.Name) {
		return nil, nil, stoa.AtField(x.Name,
			stoa.Conflict("the form does not say which roles it had shown: open it again and repeat the change"))
	}
	was := strings.Split(strings.Trim(sent.Get("was-"+x.Name), ","), ",")
	for _, o := range x.Options {
		id, err := stoa.ParseID(o.Value)
		if err != nil {
			continue
		}
		switch before, now := slices.Contains(was, o.Value), slices.Contains(x.Values, o.Value); {
		case now && !before:
			add = append(add, id)
		case before && !now:
			remove = append(remove, id)
		}
	}
	return add, remove, nil
}

// WithRoles gives the roles that are held after a change of them.
func WithRoles(held, add, remove []stoa.ID) []stoa.ID {
	out := slices.DeleteFunc(
		slices.Clone(held),
		func(id stoa.ID) bool { return slices.Contains(remove, id) || slices.Contains(add, id) },
	)
	return append(out, add...)
}

// Rebase puts the change of roles of a form that came too late on what is held by now.
func (x *Field) Rebase(newest *Field, add, remove []stoa.ID) {
	var held []stoa.ID
	for _, v := range newest.Values {
		if id, err := stoa.ParseID(v); err == nil {
			held = append(held, id)
		}
	}
	x.Values, x.Was = IDStrings(WithRoles(held, add, remove)), newest.Was
}

// actionOptions are the actions that a form can grant.
func actionOptions(q *Request) []Option {
	return []Option{
		{Value: "none", Label: q.Word("panel.action.none")},
		{Value: access.View.String(), Label: q.Word("panel.action.view")},
		{Value: access.Edit.String(), Label: q.Word("panel.action.edit")},
		{Value: access.Publish.String(), Label: q.Word("panel.action.publish")},
		{Value: access.Manage.String(), Label: q.Word("panel.action.manage")},
	}
}

// ChangedGrants asks for Manage, reads the grants on a thing and saves those that were sent. done says that the answer
// is given: where to look next. The thing is called as back calls it, also in the audit log.
func (h *Panel) ChangedGrants(q *Request, path access.Path, back Link) (f *Form, done bool, err error) {
	path[0].Title = back.Title
	if err := h.o.Access.Check(q.Context(), access.Manage, path); err != nil {
		return nil, false, err
	}
	b, err := h.grantBox(q, path)
	if err != nil || q.Method != http.MethodPost {
		return b.Form, false, err
	}
	saved, err := h.saveGrants(q, q.PostForm, &b)
	if err != nil || !saved {
		return b.Form, false, err
	}
	return nil, true, q.Done(back.URL+"/permissions", "saved")
}
