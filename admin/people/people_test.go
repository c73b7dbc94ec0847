package people_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/user"
)

// world has an administrator who is no operator, as most are.
type world struct {
	*admintest.World
	manager stoa.Actor
	roles   map[string]stoa.ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := admintest.New(t)
	roles, err := w.Access.RoleIDs(admintest.As(stoa.SystemActor()), w.Instance.ID)
	admintest.Must(t, err)
	return &world{w, w.Manager(), roles}
}

// account reads an account as the portal does.
func (w *world) account(id stoa.ID) user.User {
	w.T.Helper()
	u, err := w.Users.Get(admintest.As(stoa.SystemActor()), id)
	admintest.Must(w.T, err)
	return u
}

func (w *world) idOf(a admintest.Answer) stoa.ID {
	w.T.Helper()
	id, err := stoa.ParseID(a.Path()[strings.LastIndex(a.Path(), "/")+1:])
	if err != nil {
		w.T.Fatalf("no thing at %q (%d)\n%s", a.Location, a.Status, a.Main())
	}
	return id
}

func TestUser_IsMadeOrTheFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.Get(w.manager, "/control/users/new")
	editor := w.roles[access.RoleEditor].String()
	full := []string{"screenName", "ida", "email", "ida@example.com", "firstName", "Ida", "lastName", "Berg",
		"locale", "de", "timeZone", "Europe/Vienna", "roles", editor, "password", admintest.Secret}
	but := func(name, value string) []string {
		out := slices.Clone(full)
		out[slices.Index(out, name)+1] = value
		return out
	}
	for name, value := range map[string]string{"screenName": "ida berg", "email": "ida",
		"firstName": strings.Repeat("i", 121), "lastName": strings.Repeat("b", 121), "password": "short"} {
		a := w.Press(w.manager, form, "Save", but(name, value)...)
		w.Want(name, a, http.StatusUnprocessableEntity, `id="f-`+name+`-error"`, `value="`+editor+`" checked`,
			`value="de" selected`, `value="Europe/Vienna" selected`)
		for i := 0; i < len(full); i += 2 { // nothing is lost, but for the password, which no screen shows
			if k := full[i]; k != name && !slices.Contains([]string{"locale", "timeZone", "roles", "password"}, k) {
				w.Want(name+" keeps "+k, a, http.StatusUnprocessableEntity, `value="`+full[i+1]+`"`)
			}
		}
		w.Without(name, a, admintest.Secret, `value="short"`)
	}
	w.Want("a name that is taken", w.Press(w.manager, form, "Save", but("screenName", "ed")...), http.StatusConflict,
		`value="ida@example.com"`)
	w.Want("an address that is taken", w.Press(w.manager, form, "Save", but("email", "ed@example.com")...),
		http.StatusConflict, `value="ida"`)
	w.Want("by an editor", w.Press(w.Editor, form, "Save", full...), http.StatusForbidden)
	list, err := w.Users.List(admintest.As(w.manager), w.Instance.ID, user.Filter{Query: "berg"})
	admintest.Must(t, err)
	if len(list.Items) != 0 {
		t.Errorf("accounts were made: %+v", list.Items)
	}
	made := w.Press(w.manager, form, "Save", full...)
	u := w.account(w.idOf(made))
	if u.ScreenName != "ida" || u.Email != "ida@example.com" || u.FirstName != "Ida" || u.LastName != "Berg" ||
		u.Locale != "de" || u.TimeZone != "Europe/Vienna" || !slices.Equal(u.Roles, []stoa.ID{w.roles[access.RoleEditor]}) {
		t.Errorf("made %+v", u)
	}
	w.Want("its screen", w.Follow(w.manager, made), http.StatusOK, "Ida Berg", `value="`+editor+`" checked`)
}

func same(got []stoa.ID, want ...stoa.ID) bool {
	got = slices.Clone(got)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}

func TestUser_IsChangedOrTheFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/control/users/" + w.Author.User.String()
	second, err := w.Access.CreateRole(admintest.As(stoa.SystemActor()), access.Role{Instance: w.Instance.ID, Name: "Zoe"})
	admintest.Must(t, err)
	author, editor := w.roles["Author"], w.roles[access.RoleEditor]
	opened := w.Get(w.manager, at)
	w.Want("saved", w.Press(w.manager, opened, "Save", "roles", author.String(), "roles", second.ID.String(),
		"lastName", "Berger"), http.StatusSeeOther)
	late := w.Press(w.manager, opened, "Save", "lastName", "Bergson", "roles", editor.String())
	w.Want("stale", late, http.StatusConflict, `value="Bergson"`, "Saved by another person: “Berger”")
	if u := w.account(w.Author.User); u.LastName != "Berger" || !same(u.Roles, author, second.ID) {
		t.Errorf("an old form was saved: %+v", u)
	}
	w.Want("decided", w.Press(w.manager, late, "Save"), http.StatusSeeOther)
	u := w.account(w.Author.User)
	if u.LastName != "Bergson" || !same(u.Roles, editor, second.ID) { // what another person gave stays
		t.Errorf("saved as %+v", u)
	}
	now := w.Get(w.manager, at)
	wrong := w.Press(w.manager, now, "Save", "email", "none", "lastName", "Kept")
	w.Want("no address", wrong, http.StatusUnprocessableEntity, `id="f-email-error"`, `value="none"`, `value="Kept"`)
	w.Want("an address that is taken", w.Press(w.manager, now, "Save", "email", "ed@example.com", "lastName", "Kept"),
		http.StatusConflict, `value="Kept"`)
	w.Want("by an editor", w.Press(w.Editor, now, "Save", "lastName", "Mine"), http.StatusForbidden)
	w.Want("the own account is not locked", w.Press(w.manager, w.Get(w.manager, "/control/users/"+w.manager.User.String()),
		"Save", "status", "locked"), http.StatusUnprocessableEntity, `id="f-status-error"`)
	if again := w.account(w.Author.User); again.Version != u.Version {
		t.Errorf("something was saved: %+v", again)
	}
	w.Want("locked", w.Follow(w.manager, w.Press(w.manager, now, "Save", "status", "locked")), http.StatusOK, "Locked")
}

func TestUser_APasswordIsSetAndAnAccountDeletedByWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/control/users/" + w.Member.User.String()
	screen := w.Get(w.manager, at)
	signsIn := func(password string) bool {
		w.T.Helper()
		_, _, err := w.Users.SignIn(t.Context(), user.Credentials{Login: "nina", Password: password}, w.Instance.ID)
		return err == nil
	}
	for _, password := range []string{"", "short", "nina@example.com", strings.Repeat("p", 2000)} {
		wrong := w.Press(w.manager, screen, "Set the password", "password", password)
		w.Want("the password "+password, wrong, http.StatusUnprocessableEntity, `id="f-password-error"`)
	}
	w.Want("by an editor", w.Press(w.Editor, screen, "Set the password", "password", "another good one"),
		http.StatusForbidden)
	if !signsIn(admintest.Secret) {
		t.Error("the old password counts no more")
	}
	w.Want("set", w.Press(w.manager, screen, "Set the password", "password", "another good one"), http.StatusSeeOther)
	if signsIn(admintest.Secret) || !signsIn("another good one") {
		t.Error("the new password was not set")
	}
	own := w.Get(w.manager, "/control/users/"+w.manager.User.String())
	w.Without("the own account", own, ">Set the password<", "/delete")
	w.Want("the own password", w.Post(w.manager, "/control/users/"+w.manager.User.String()+"/password", "password",
		"another good one"), http.StatusForbidden)
	w.Want("deleted by oneself", w.Post(w.manager, "/control/users/"+w.manager.User.String()+"/delete"),
		http.StatusUnprocessableEntity)
	w.Want("deleted by an editor", w.Press(w.Editor, screen, "Delete"), http.StatusForbidden)
	w.Want("it is there", w.Get(w.manager, at), http.StatusOK)
	w.Want("deleted", w.Press(w.manager, screen, "Delete"), http.StatusSeeOther)
	w.Want("it is gone", w.Get(w.manager, at), http.StatusNotFound)
	w.Want("deleted again", w.Press(w.manager, screen, "Delete"), http.StatusNotFound)
}

func TestRole_IsMadeGrantedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := w.Get(w.manager, "/control/roles/new")
	for name, wrong := range map[string][]string{
		"name":        {"name", "", "description", "Kept"},
		"description": {"name", "Kept", "description", strings.Repeat("d", 4001)},
	} {
		w.Want("wrong "+name, w.Press(w.manager, form, "Save", wrong...), http.StatusUnprocessableEntity,
			`id="f-`+name+`-error"`, "Kept")
	}
	w.Want("taken", w.Press(w.manager, form, "Save", "name", "Author", "description", "Kept"), http.StatusConflict,
		`id="f-name-error"`, "Kept")
	w.Want("by an editor", w.Press(w.Editor, form, "Save", "name", "Mine"), http.StatusForbidden)
	made := w.Press(w.manager, form, "Save", "name", "Pilots")
	at, role := made.Path(), w.idOf(made)
	opened := w.Follow(w.manager, made)
	w.Want("described", w.Press(w.manager, opened, "Save", "description", "They steer."), http.StatusSeeOther)
	late := w.Press(w.manager, opened, "Save", "name", "Rowers")
	w.Want("stale", late, http.StatusConflict, `value="Rowers"`, "They steer.")
	w.Want("a name that is taken", w.Press(w.manager, w.Get(w.manager, at), "Save", "name", "Author"), http.StatusConflict,
		`id="f-name-error"`, `value="Author"`)
	w.Want("the name stays", w.Get(w.manager, at), http.StatusOK, `value="Pilots"`)

	site := "site-" + w.Site.ID.String()
	const save = "Save what it may do"
	has := func(want access.Action) {
		w.T.Helper()
		now, err := w.Access.Standings(admintest.As(stoa.SystemActor()), w.Site.Path()[0])
		admintest.Must(t, err)
		if got := now[role].Action; got != want {
			t.Errorf("the role may %v, want %v", got, want)
		}
	}
	w.Want("granted", w.Press(w.manager, opened, save, site, "edit"), http.StatusSeeOther)
	has(access.Edit)
	// The form that was opened shows nothing granted; it does not change what it did not show.
	old := w.Press(w.manager, opened, save, site, "publish")
	w.Want("from an old form", old, http.StatusConflict)
	has(access.Edit)
	w.Want("decided", w.Press(w.manager, old, save), http.StatusSeeOther)
	has(access.Publish)
	w.Want("untouched", w.Press(w.manager, opened, save), http.StatusSeeOther)
	has(access.Publish)
	w.Want("nonsense", w.Post(w.manager, at+"/grants", "was-"+site, "publish.9", site, "rule"),
		http.StatusUnprocessableEntity, `id="f-`+site+`-error"`)
	w.Want("by an editor", w.Press(w.Editor, opened, save, site, "manage"), http.StatusForbidden)
	has(access.Publish)

	portal := w.Get(w.manager, "/control/roles/"+w.roles[access.RoleEditor].String())
	w.Without("a role of the portal", portal, `name="name"`, "/delete")
	w.Want("a role of the portal is deleted", w.Post(w.manager, "/control/roles/"+w.roles[access.RoleEditor].String()+
		"/delete"), http.StatusUnprocessableEntity)
	w.Want("deleted by an editor", w.Press(w.Editor, opened, "Delete"), http.StatusForbidden)
	gone := w.Follow(w.manager, w.Press(w.manager, opened, "Delete"))
	w.Want("gone", w.Get(w.manager, at), http.StatusNotFound)
	has(0)
	w.Want("undo", w.Press(w.manager, gone, "Undo"), http.StatusSeeOther)
	has(access.Publish)
}

func TestGroup_IsMadeFilledChangedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	editor, author := w.roles[access.RoleEditor].String(), w.roles["Author"].String()
	form := w.Get(w.manager, "/control/groups/new")
	w.Want("no name", w.Press(w.manager, form, "Save", "description", "Kept", "roles", editor),
		http.StatusUnprocessableEntity, `id="f-name-error"`, "Kept", `value="`+editor+`" checked`)
	w.Want("too much", w.Press(w.manager, form, "Save", "name", "Kept", "description", strings.Repeat("d", 4001)),
		http.StatusUnprocessableEntity, `id="f-description-error"`, `value="Kept"`)
	w.Want("by an editor", w.Press(w.Editor, form, "Save", "name", "Mine"), http.StatusForbidden)
	made := w.Press(w.manager, form, "Save", "name", "Pilots", "roles", editor)
	at, id := made.Path(), w.idOf(made)
	opened := w.Follow(w.manager, made)
	w.Want("taken", w.Press(w.manager, form, "Save", "name", "Pilots", "description", "Kept"), http.StatusConflict,
		`id="f-name-error"`, "Kept")
	w.Want("another role", w.Press(w.manager, opened, "Save", "roles", author), http.StatusSeeOther)
	late := w.Press(w.manager, opened, "Save", "name", "Rowers")
	w.Want("stale", late, http.StatusConflict, `value="Rowers"`, `value="`+author+`" checked`)
	w.Want("decided", w.Press(w.manager, late, "Save"), http.StatusSeeOther)
	g, err := w.Users.Group(admintest.As(w.manager), id)
	admintest.Must(t, err)
	if g.Name != "Rowers" || !slices.Equal(g.Roles, []stoa.ID{w.roles["Author"]}) {
		t.Errorf("saved as %+v", g)
	}

	const add, remove = "Add to the group", "Remove nina Brandt from the group"
	now := w.Get(w.manager, at)
	for _, who := range []string{"", "nobody", "nin"} {
		w.Want("the person "+who, w.Press(w.manager, now, add, "person", who), http.StatusUnprocessableEntity,
			`id="f-person-error"`, `value="`+who+`"`)
	}
	w.Want("added by an editor", w.Press(w.Editor, now, add, "person", "nina"), http.StatusForbidden)
	w.Without("without members", w.Get(w.manager, at), "nina Brandt")
	filled := w.Follow(w.manager, w.Press(w.manager, now, add, "person", "NINA@example.com"))
	w.Want("with a member", filled, http.StatusOK, "nina Brandt")
	w.Want("added again", w.Press(w.manager, filled, add, "person", "nina"), http.StatusSeeOther)
	w.Want("removed by an editor", w.Press(w.Editor, filled, remove), http.StatusForbidden)
	w.Want("with a member", w.Get(w.manager, at), http.StatusOK, "nina Brandt")
	w.Want("removed", w.Press(w.manager, filled, remove), http.StatusSeeOther)
	w.Want("removed again", w.Press(w.manager, filled, remove), http.StatusSeeOther)
	w.Without("without members", w.Get(w.manager, at), "nina Brandt")
	w.Want("no number", w.Post(w.manager, at+"/members/remove", "user", "x"), http.StatusUnprocessableEntity)

	w.Want("deleted by an editor", w.Press(w.Editor, filled, "Delete"), http.StatusForbidden)
	gone := w.Follow(w.manager, w.Press(w.manager, filled, "Delete"))
	w.Want("gone", w.Get(w.manager, at), http.StatusNotFound)
	w.Want("undo", w.Press(w.manager, gone, "Undo"), http.StatusSeeOther)
	w.Want("it is back", w.Get(w.manager, at), http.StatusOK, "Rowers")
}

func TestPeople_OfAnotherInstanceAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in, _, stranger := w.Other()
	system := admintest.As(stoa.SystemActor())
	group, err := w.Users.CreateGroup(system, user.Group{Instance: in.ID, Name: "Theirs"})
	admintest.Must(t, err)
	role, err := w.Access.CreateRole(system, access.Role{Instance: in.ID, Name: "Theirs"})
	admintest.Must(t, err)
	own := w.Follow(w.manager, w.Press(w.manager, w.Get(w.manager, "/control/groups/new"), "Save", "name", "Ours"))
	person := "/control/users/" + stranger.User.String()
	group2, role2 := "/control/groups/"+group.ID.String(), "/control/roles/"+role.ID.String()
	for name, who := range map[string]stoa.Actor{"an administrator": w.manager, "an operator": w.Admin} {
		for _, at := range []string{person, group2, role2} {
			w.Want(name+" opens "+at, w.Get(who, at), http.StatusNotFound)
			w.Want(name+" saves "+at, w.Post(who, at, "version", "1", "name", "Mine", "screenName", "mine", "email",
				"mine@example.com", "status", "active", "was-roles", ""), http.StatusNotFound)
			w.Want(name+" deletes "+at, w.Post(who, at+"/delete"), http.StatusNotFound)
		}
		w.Want(name+" sets a password", w.Post(who, person+"/password", "password", "another good one"),
			http.StatusNotFound)
		w.Want(name+" grants", w.Post(who, role2+"/grants", "was-instance-"+w.Instance.ID.String(), "none.0",
			"instance-"+w.Instance.ID.String(), "manage"), http.StatusNotFound)
		w.Want(name+" adds a member to theirs", w.Post(who, group2+"/members", "person", "nina"), http.StatusNotFound)
		w.Want(name+" removes a member of theirs", w.Post(who, group2+"/members/remove", "user", "1"), http.StatusNotFound)
		w.Want(name+" adds a stranger", w.Press(who, own, "Add to the group", "person", "olga"),
			http.StatusUnprocessableEntity, `id="f-person-error"`)
		for _, at := range []string{"/control/users?q=olga", "/control/groups?q=theirs", "/control/roles?q=theirs"} {
			w.Without(name+" lists "+at, w.Get(who, at), person, group2, role2)
		}
		w.Want(name+" gives a role of theirs", w.Post(who, "/control/users/new", "screenName", "eva", "email",
			"eva@example.com", "roles", role.ID.String()), http.StatusSeeOther) // which the form does not offer
		u, err := w.Users.ByLogin(system, w.Instance.ID, "eva")
		admintest.Must(t, err)
		if len(u.Roles) != 0 {
			t.Errorf("%s gave %v", name, u.Roles)
		}
		admintest.Must(t, w.Users.Delete(system, u.ID))
	}
	for _, at := range []string{"/control/users", "/control/users/new", "/control/groups", "/control/roles",
		"/control/users/" + w.Member.User.String()} {
		w.Want("a stranger opens "+at, w.Get(stranger, at), http.StatusNotFound)
	}
}
