package user

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/passhash"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/throttle"
)

// Filter narrows a list of users; the zero value is the first page of all.
type Filter struct {
	Query  string // words that are all in screen name, address or name
	Login  string // the whole screen name or e-mail address, in any case: one account at most, as a rule
	Role   string // id or name of a role they hold, directly or by a group
	Status string // StatusActive or StatusLocked
	After  string // Page.Next of the page before
	Limit  int    // 1 to 200; 0 = 50
}

// Page is a part of a list. Next is what Filter.After asks for the next part with, "" at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// Create makes an account in u.Instance with the roles and groups of u and gives it back with its
// id. With an empty password nobody can sign in until a link has set one. It needs Manage on the
// instance; a name or address that is taken is a Conflict.
func (s *Service) Create(ctx context.Context, u User, password string) (User, error) {
	if err := s.manage(ctx, u.Instance); err != nil {
		return User{}, err
	}
	if err := u.validate(); err != nil {
		return User{}, err
	}
	hash, err := s.newHash(ctx, u, password)
	if err != nil {
		return User{}, err
	}
	roles := u.Roles
	for _, id := range u.Groups {
		g, err := s.group(ctx, s.db, id)
		if err != nil || g.Instance != u.Instance {
			return User{}, stoa.Invalid("groups", "there is no user group %s: choose among the groups of the instance", id)
		}
		roles = append(slices.Clone(roles), g.Roles...)
	}
	if err := s.guardAdminRole(ctx, u.Instance, roles); err != nil {
		return User{}, err
	}
	if err := s.guardNames(ctx, User{}, u); err != nil {
		return User{}, err
	}
	if err := s.fresh(ctx, "make an account"); err != nil {
		return User{}, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.insert(ctx, tx, &u, hash) })
	if err != nil {
		return User{}, taken(err)
	}
	return u, nil
}

// CreateAll makes accounts of an instance in the caller's transaction, with their roles, without passwords and groups,
// and gives them back with their ids: what Create does for each, in few statements for all. A name or address that is
// taken is a duplicate (db.IsDuplicate). It needs what Create does. The audit log tells their number.
func (s *Service) CreateAll(ctx context.Context, tx *db.Tx, instance stoa.ID, list []User) ([]User, error) {
	if err := s.manage(ctx, instance); err != nil {
		return nil, err
	}
	if err := s.fresh(ctx, "make an account"); err != nil {
		return nil, err
	}
	out, rows, roles := slices.Clone(list), []db.Row(nil), map[stoa.ID][]stoa.ID{}
	for i := range out {
		u := &out[i]
		u.Instance = instance
		if err := u.validate(); err != nil {
			return nil, err
		}
		if err := s.guardAdminRole(ctx, instance, u.Roles); err != nil {
			return nil, err
		}
		if s.named(*u) {
			if err := s.guardNames(ctx, User{}, *u); err != nil {
				return nil, err
			}
		}
		id, err := tx.NewID(ctx)
		if err != nil {
			return nil, err
		}
		u.ID, u.Version, u.Created = id, 1, db.Time(db.Micros(s.o.Now()))
		rows, roles[id] = append(rows, u.row("")), u.Roles
		tx.Changed("user", id, instance, 1)
	}
	if err := tx.InsertAll(ctx, "user_account", rows); err != nil {
		return nil, fmt.Errorf("make %d accounts: %w", len(out), err)
	}
	return out, s.access.AssignNew(ctx, tx, instance, roles)
}

// row is the row of a new account.
func (u User) row(hash string) db.Row {
	return db.Row{
		"id": u.ID, "instance": u.Instance, "screen_name": u.ScreenName, "email": u.Email, "first_name": u.FirstName,
		"last_name": u.LastName, "locale": string(u.Locale), "time_zone": u.TimeZone, "status": u.Status, "password": hash,
		"words": u.words(), "created": db.Micros(u.Created), "last_login": 0, "version": 1,
	}
}

// newHash gives the stored form of a new password after a look at the policy; "" for none.
func (s *Service) newHash(ctx context.Context, u User, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if err := s.checkPolicy(u, password); err != nil {
		return "", err
	}
	return s.passwords.Make(ctx, password)
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, u *User, hash string) error {
	id, err := tx.NewID(ctx)
	if err != nil {
		return err
	}
	u.ID, u.Version = id, 1
	u.Created = db.Time(db.Micros(s.o.Now()))
	if err := tx.Insert(ctx, "user_account", u.row(hash)); err != nil {
		return fmt.Errorf("make the account: %w", err)
	}
	audit.Note(tx, audit.Made, u.thing())
	if _, err := s.access.Assign(ctx, tx, u.thing(), u.Roles); err != nil {
		return err
	}
	for _, g := range u.Groups {
		if err := s.guardGroup(ctx, tx, Group{ID: g, Instance: u.Instance}); err != nil {
			return err
		}
		if _, err := tx.InsertIgnore(ctx, "user_member", db.Row{"usergroup": g, "account": id}); err != nil {
			return fmt.Errorf("put the account into a group: %w", err)
		}
		tx.Changed("usergroup", g, u.Instance, 0)
	}
	tx.Changed("user", id, u.Instance, 1)
	return nil
}

// guardAdminRole refuses the role Administrator to all actors but administrators and the portal.
func (s *Service) guardAdminRole(ctx context.Context, instance stoa.ID, roles []stoa.ID) error {
	if actor := stoa.ActorFrom(ctx); actor.System || actor.Admin || len(roles) == 0 {
		return nil
	}
	names, err := s.access.RoleIDs(ctx, instance)
	if err != nil {
		return err
	}
	if slices.Contains(roles, names[access.RoleAdministrator]) {
		return stoa.Forbidden("only an administrator may make another account an administrator")
	}
	return nil
}

// Get gives an account with its roles and groups. It is for the user and for who manages the instance.
func (s *Service) Get(ctx context.Context, id stoa.ID) (User, error) {
	a, err := s.account(ctx, s.db, id)
	actor := stoa.ActorFrom(ctx)
	if err != nil {
		if !actor.System && !actor.SignedIn() {
			return User{}, stoa.Unauthorized("sign in to see users")
		}
		return User{}, err
	}
	if actor.User != id || !actor.SignedIn() {
		if err := s.manage(ctx, a.Instance); err != nil {
			return User{}, err
		}
	}
	if a.Roles, err = s.access.Held(ctx, s.db, id); err != nil {
		return User{}, fmt.Errorf("read the roles of user %d: %w", id, err)
	}
	a.Groups, err = db.All(ctx, s.db, scanID, "SELECT m.usergroup FROM user_member m "+
		"JOIN user_group g ON g.id = m.usergroup WHERE m.account = ? AND g.instance < ? ORDER BY m.usergroup", id,
		recycle.Hidden)
	if err != nil {
		return User{}, fmt.Errorf("read the groups of user %d: %w", id, err)
	}
	return a.User, nil
}

// ByLogin gives the one account of the instance that signs in with login, its whole screen name or e-mail address in
// any case, with neither roles nor groups. It needs Manage on the instance; no such account is NotFound.
func (s *Service) ByLogin(ctx context.Context, instance stoa.ID, login string) (User, error) {
	if err := s.manage(ctx, instance); err != nil {
		return User{}, err
	}
	name := strings.ToLower(strings.TrimSpace(login))
	a, err := s.byLogin(ctx, instance, name)
	if err != nil && !db.IsNoRows(err) {
		return User{}, fmt.Errorf("look for the account: %w", err)
	}
	if err != nil || a.ScreenName != name && a.Email != name { // whatever the database takes for equal
		return User{}, stoa.NotFound("person with the e-mail address or screen name", login)
	}
	return a.User, nil
}

// List gives the accounts of the instance by screen name. It needs Manage on the instance.
func (s *Service) List(ctx context.Context, instance stoa.ID, f Filter) (Page[User], error) {
	if err := s.manage(ctx, instance); err != nil {
		return Page[User]{}, err
	}
	if f.Limit <= 0 || f.Limit > 200 {
		f.Limit = 50
	}
	q, args := accountColumns+" WHERE instance = ? AND screen_name > ?", []any{instance, clean(f.After, 80)}
	if f.Status != "" {
		q, args = q+" AND status = ?", append(args, clean(f.Status, 20))
	}
	if f.Login != "" {
		login := strings.ToLower(strings.TrimSpace(clean(f.Login, 200)))
		q, args = q+" AND (screen_name = ? OR email = ?)", append(args, login, login)
	}
	for i, word := range strings.Fields(strings.ToLower(clean(f.Query, 200))) {
		if i == 8 {
			break
		}
		word = db.Like(word)
		q, args = q+" AND words LIKE ? ESCAPE '!'", append(args, "%"+word+"%")
	}
	if f.Role != "" {
		role, err := stoa.ParseID(f.Role)
		if err != nil {
			names, err := s.access.RoleIDs(ctx, instance)
			if err != nil {
				return Page[User]{}, err
			}
			if role = names[f.Role]; role == 0 {
				return Page[User]{}, stoa.Invalid("role", "there is no role %.120q", f.Role)
			}
		}
		where, more, err := s.holding(ctx, role)
		if err != nil {
			return Page[User]{}, fmt.Errorf("list users by role: %w", err)
		}
		q, args = q+where, append(args, more...)
	}
	list, err := db.All(ctx, db.Reader(ctx, s.db), scanAccount, q+" ORDER BY screen_name LIMIT ?",
		append(args, f.Limit+1)...)
	if err != nil {
		return Page[User]{}, fmt.Errorf("list users: %w", err)
	}
	var p Page[User]
	for i, a := range list {
		if i == f.Limit {
			p.Next = p.Items[i-1].ScreenName
			break
		}
		p.Items = append(p.Items, a.User)
	}
	return p, nil
}

// mostHolders is how many holders of a role are looked up by their ids: MariaDB plans longer lists differently.
const mostHolders = 500

// holding gives the condition for accounts that hold a role, directly or by a group: the ids of a few, or a question to
// each account in the order of the list, where many have the role and so the next of them is near.
func (s *Service) holding(ctx context.Context, role stoa.ID) (where string, args []any, err error) {
	q := db.Reader(ctx, s.db)
	ids, err := db.All(ctx, q, scanID, "SELECT holder FROM access_holder WHERE role = ? LIMIT ?", role, mostHolders+1)
	if err != nil {
		return "", nil, err
	}
	groups, err := groupsHolding(ctx, q, role)
	if err != nil {
		return "", nil, err
	}
	for part := range slices.Chunk(groups, mostHolders) {
		members, err := db.All(ctx, q, scanID,
			"SELECT account FROM user_member WHERE usergroup IN "+db.In(len(part))+" LIMIT ?",
			append(db.Args(part), mostHolders+1)...)
		if err != nil {
			return "", nil, err
		}
		if ids = append(ids, members...); len(ids) > mostHolders {
			break
		}
	}
	if len(ids) <= mostHolders {
		return " AND id IN " + db.In(len(ids)), db.Args(ids), nil
	}
	// Counted, as EXISTS may be turned into a look at all holders.
	return ` AND ((SELECT count(*) FROM access_holder h WHERE h.holder = user_account.id AND h.role = ?) > 0
OR (SELECT count(*) FROM user_member m JOIN access_holder h ON h.holder = m.usergroup
WHERE m.account = user_account.id AND h.role = ?) > 0)`, []any{role, role}, nil
}

// Update saves the fields of an account whose Version is the one that was read, and gives it back
// with the next; Roles, Groups and the times are left alone. Users may change their own names,
// locale and time zone; the rest needs Manage on the instance. Locking ends all sessions.
func (s *Service) Update(ctx context.Context, u User) (User, error) { return s.update(ctx, u, nil) }

// UpdateWithRoles does what Update and ChangeRoles do in one transaction: all of it, or nothing. It needs what both
// need. What speaks against the roles is told at the field "roles".
func (s *Service) UpdateWithRoles(ctx context.Context, u User, add, remove []stoa.ID) (User, error) {
	if len(add)+len(remove) == 0 {
		return s.Update(ctx, u)
	}
	if _, err := s.mayGive(ctx, u.ID, add); err != nil {
		return User{}, atRoles(err)
	}
	return s.update(ctx, u, func(held []stoa.ID) []stoa.ID { return withRoles(held, add, remove) })
}

func atRoles(err error) error {
	if err == nil || stoa.KindOf(err) == stoa.KindInternal {
		return err
	}
	return stoa.AtField("roles", err)
}

// withRoles gives the roles that are held after some were given and others taken.
func withRoles(held, add, remove []stoa.ID) []stoa.ID {
	held = slices.DeleteFunc(slices.Clone(held), func(id stoa.ID) bool {
		return slices.Contains(remove, id) || slices.Contains(add, id)
	})
	return append(held, add...)
}

// update does what Update does. roles, unless nil, gives those that the account shall hold of those that it holds; the
// caller has asked for the permission to give them.
func (s *Service) update(ctx context.Context, u User, roles func(held []stoa.ID) []stoa.ID) (User, error) {
	actor := stoa.ActorFrom(ctx)
	old, err := s.account(ctx, s.db, u.ID)
	self := err == nil && actor.SignedIn() && actor.User == u.ID
	if !self || !s.access.Can(ctx, access.Manage, access.InstancePath(old.Instance)) {
		if !self {
			if old, err = s.manageAccount(ctx, u.ID); err != nil {
				return User{}, err
			}
		} else {
			u.ScreenName, u.Email, u.Status = old.ScreenName, old.Email, old.Status
		}
	}
	u.Instance, u.Created, u.LastLogin = old.Instance, old.Created, old.LastLogin
	if err := u.validate(); err != nil {
		return User{}, err
	}
	if self && u.Status != StatusActive {
		return User{}, stoa.Invalid("status", "you cannot lock your own account")
	}
	if err := s.guardNames(ctx, old.User, u); err != nil {
		return User{}, err
	}
	if !self || u.Email != old.Email || u.ScreenName != old.ScreenName {
		if err := s.fresh(ctx, "change an account"); err != nil {
			return User{}, err
		}
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		wasAdmin := false
		if roles != nil || u.Status != StatusActive && old.Status == StatusActive {
			role, err := s.lockAdminRole(ctx, tx, u.Instance)
			if err != nil {
				return err
			}
			if wasAdmin, err = s.isAdmin(ctx, tx, role, u.ID); err != nil {
				return err
			}
		}
		n, err := tx.Affected(
			ctx,
			`UPDATE user_account SET screen_name = ?, email = ?, first_name = ?, last_name = ?, locale = ?, time_zone = ?,
status = ?, words = ?, version = version + 1 WHERE id = ? AND version = ?`,
			u.ScreenName,
			u.Email,
			u.FirstName,
			u.LastName,
			string(u.Locale),
			u.TimeZone,
			u.Status,
			u.words(),
			u.ID,
			u.Version,
		)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.Conflict(
				"the account %s was changed by another person meanwhile: load it again and repeat the change",
				old.ScreenName,
			)
		}
		if u.Email != old.Email || u.Status != StatusActive { // a link went to an address that counts no more
			if _, err := tx.Exec(ctx, "DELETE FROM user_link WHERE account = ?", u.ID); err != nil {
				return err
			}
		}
		if u.Status != StatusActive {
			if err := dropChallenges(ctx, tx, u.ID); err != nil {
				return err
			}
			if err := endSessions(ctx, tx, "account = ?", u.ID); err != nil {
				return err
			}
			tx.TakesAway(func(ctx context.Context, tx *db.Tx) error { return s.lockAgain(ctx, tx, u) })
		}
		tx.Changed("user", u.ID, u.Instance, u.Version+1)
		action := audit.Changed
		switch {
		case u.Status != StatusActive && old.Status == StatusActive:
			action = audit.Locked
		case u.Status == StatusActive && old.Status != StatusActive:
			action = audit.Unlocked
		}
		audit.Note(tx, action, u.thing())
		if roles != nil {
			if err := s.assign(ctx, tx, old, roles); err != nil {
				return atRoles(err)
			}
		}
		if wasAdmin {
			if err := s.keepOneAdmin(ctx, tx, u.Instance); err != nil {
				if roles != nil {
					err = atRoles(err)
				}
				return err
			}
		}
		if u.Status != StatusActive && old.Status == StatusActive {
			return s.keepOneOperator(ctx, tx, u)
		}
		return nil
	})
	if err != nil {
		return User{}, taken(err)
	}
	if u.Email != old.Email {
		s.emailChanged(ctx, old.User, u)
	}
	u.Version++
	return u, nil
}

// Delete deletes an account with its sessions, links and memberships. It needs Manage on the
// instance; nobody deletes the own account or the last administrator.
func (s *Service) Delete(ctx context.Context, id stoa.ID) error {
	a, err := s.manageAccount(ctx, id)
	if err != nil {
		return err
	}
	if stoa.ActorFrom(ctx).User == id {
		return stoa.Invalid("id", "you cannot delete your own account")
	}
	if err := s.fresh(ctx, "delete an account"); err != nil {
		return err
	}
	remove := func(ctx context.Context, tx *db.Tx) error {
		role, err := s.lockAdminRole(ctx, tx, a.Instance)
		if err != nil {
			return err
		}
		admin, err := s.isAdmin(ctx, tx, role, id)
		if err != nil {
			return err
		}
		groups, err := db.All(ctx, tx, scanID, "SELECT usergroup FROM user_member WHERE account = ?", id)
		if err != nil {
			return err
		}
		if err := endSessions(ctx, tx, "account = ?", id); err != nil {
			return err
		}
		for _, q := range []string{"DELETE FROM user_link WHERE account = ?", "DELETE FROM user_member WHERE account = ?",
			"DELETE FROM user_factor WHERE account = ?", "DELETE FROM user_recovery WHERE account = ?",
			"DELETE FROM user_challenge WHERE account = ?",
			"DELETE FROM access_holder WHERE holder = ?", "DELETE FROM user_account WHERE id = ?"} {
			if _, err := tx.Exec(ctx, q, id); err != nil {
				return fmt.Errorf("delete user %d: %w", id, err)
			}
		}
		if err := s.access.Unhold(ctx, tx, id); err != nil {
			return err
		}
		for _, g := range groups {
			tx.Changed("usergroup", g, a.Instance, 0)
		}
		tx.Changed("user", id, a.Instance, a.Version+1)
		if admin {
			if err := s.keepOneAdmin(ctx, tx, a.Instance); err != nil {
				return err
			}
		}
		if a.Status == StatusActive {
			return s.keepOneOperator(ctx, tx, a.User)
		}
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.TakesAway(remove)
		audit.Note(tx, audit.Deleted, a.thing())
		return remove(ctx, tx)
	})
}

func (s *Service) mayGive(ctx context.Context, user stoa.ID, given []stoa.ID) (account, error) {
	a, err := s.manageAccount(ctx, user)
	if err != nil {
		return account{}, err
	}
	if err := s.guardAdminRole(ctx, a.Instance, given); err != nil {
		return account{}, err
	}
	return a, s.fresh(ctx, "change roles")
}

// ChangeRoles gives a user roles and takes others, and leaves alone those it does not name. It needs what SetRoles needs.
func (s *Service) ChangeRoles(ctx context.Context, user stoa.ID, add, remove []stoa.ID) error {
	return s.setRoles(ctx, user, add, func(held []stoa.ID) []stoa.ID { return withRoles(held, add, remove) })
}

// SetRoles replaces the roles that a user holds directly. It needs Manage on the instance; the role
// Administrator is given and taken by administrators only, and one of them has to stay.
func (s *Service) SetRoles(ctx context.Context, user stoa.ID, roles []stoa.ID) error {
	return s.setRoles(ctx, user, roles, func([]stoa.ID) []stoa.ID { return roles })
}

func (s *Service) setRoles(
	ctx context.Context,
	user stoa.ID,
	given []stoa.ID,
	roles func(held []stoa.ID) []stoa.ID,
) error {
	a, err := s.mayGive(ctx, user, given)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		role, err := s.lockAdminRole(ctx, tx, a.Instance)
		if err != nil {
			return err
		}
		admin, err := s.isAdmin(ctx, tx, role, user)
		if err != nil {
			return err
		}
		n, err := tx.Affected(ctx, "UPDATE user_account SET version = version + 1 WHERE id = ?", user)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.NotFound("user", user)
		}
		if err := s.assign(ctx, tx, a, roles); err != nil {
			return err
		}
		tx.Changed("user", user, a.Instance, 0)
		if admin {
			return s.keepOneAdmin(ctx, tx, a.Instance)
		}
		return nil
	})
}

// assign lets the account hold the roles that it shall hold of those that it holds.
func (s *Service) assign(ctx context.Context, tx *db.Tx, a account, roles func(held []stoa.ID) []stoa.ID) error {
	held, err := s.access.Held(ctx, tx, a.ID)
	if err != nil {
		return err
	}
	removed, err := s.access.Assign(ctx, tx, a.thing(), roles(held))
	if err != nil {
		return err
	}
	s.rolesTaken(tx, "user", a.Instance, a.ID, removed)
	return nil
}

// SetPassword changes the password of the user who is signed in, after a look at the old one, and
// ends the user's other sessions. A wrong old password is Invalid and counted.
func (s *Service) SetPassword(ctx context.Context, id stoa.ID, old, password string) error {
	actor := stoa.ActorFrom(ctx)
	if !actor.SignedIn() || actor.User != id {
		return stoa.Forbidden("you may change your own password only")
	}
	if err := s.fresh(ctx, "change your password"); err != nil {
		return err
	}
	a, err := s.account(ctx, s.db, id)
	if err != nil {
		return err
	}
	if err := s.checkPolicy(a.User, password); err != nil {
		return err
	}
	ctx = passhash.OfKnown(ctx)
	subject := byAccount("password", id)
	if err := s.tries.Try(ctx, throttle.Limit{Subject: subject, Max: s.o.AccountMax}); err != nil {
		if stoa.Is(err, stoa.KindTooMany) {
			s.o.Audit.Count(ctx, audit.Throttled, audit.PasswordOld, a.thing())
		}
		return err
	}
	ok, _, err := s.passwords.Check(ctx, a.password, old)
	if err != nil {
		return err
	}
	if !ok {
		s.o.Audit.Count(ctx, audit.Failed, audit.PasswordOld, a.thing())
		return stoa.Invalid("old", "this is not your present password")
	}
	hash, err := s.passwords.Make(ctx, password)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := throttle.Forget(ctx, tx, subject); err != nil {
			return err
		}
		return storePassword(ctx, tx, a, hash, actor.Session)
	})
	if err == nil {
		s.passwordChanged(ctx, a)
	}
	return err
}

// AdminSetPassword sets the password of another user and ends all sessions of that user. It needs
// Manage on the instance. The own password is Forbidden: a session that was left open must not be enough for it.
func (s *Service) AdminSetPassword(ctx context.Context, id stoa.ID, password string) error {
	a, err := s.manageAccount(ctx, id)
	if err != nil {
		return err
	}
	if actor := stoa.ActorFrom(ctx); actor.SignedIn() && actor.User == id {
		return stoa.Forbidden("your own password is changed under My account, with the present one")
	}
	if err := s.fresh(ctx, "change a password"); err != nil {
		return err
	}
	if err := s.checkPolicy(a.User, password); err != nil {
		return err
	}
	hash, err := s.passwords.Make(passhash.OfKnown(ctx), password)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return storePassword(ctx, tx, a, hash, 0)
	})
	if err == nil {
		s.passwordChanged(ctx, a)
	}
	return err
}

// storePassword also ends all sessions but one and all links: who knew the old password or has an
// old link is out.
func storePassword(ctx context.Context, tx *db.Tx, a account, hash string, keep stoa.ID) error {
	done, err := replacePassword(ctx, tx, a, hash)
	if err != nil {
		return err
	}
	if !done {
		return stoa.Conflict("the password was changed by another person at the same time; nothing was saved")
	}
	audit.Note(tx, audit.PasswordSet, a.thing())
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error { _, err := replacePassword(ctx, tx, a, hash); return err })
	return endSessions(ctx, tx, "account = ? AND id <> ?", a.ID, keep)
}

// replacePassword does nothing when the password is not the one of a any more.
func replacePassword(ctx context.Context, tx *db.Tx, a account, hash string) (done bool, err error) {
	n, err := tx.Affected(
		ctx,
		"UPDATE user_account SET password = ?, version = version + 1 WHERE id = ? AND password = ?",
		hash,
		a.ID,
		a.password,
	)
	if err != nil {
		return false, fmt.Errorf("save the password: %w", err)
	}
	if n == 0 {
		return false, nil
	}
	if _, err := tx.Exec(ctx, "DELETE FROM user_link WHERE account = ?", a.ID); err != nil {
		return false, err
	}
	if err := dropChallenges(ctx, tx, a.ID); err != nil {
		return false, err
	}
	if err := throttle.Forget(ctx, tx,
		byLogin("signin", a.Instance, a.ScreenName), byLogin("signin", a.Instance, a.Email)); err != nil {
		return false, err
	}
	tx.Changed("user", a.ID, a.Instance, a.Version+1)
	return true, nil
}

func taken(err error) error {
	if db.IsDuplicate(err) {
		return stoa.Conflict("the screen name or the e-mail address is taken: choose another one")
	}
	return err
}

func isName(s string) bool {
	n := utf8.RuneCountInString(s)
	return n > 0 && n <= 120 && isLine(s)
}
