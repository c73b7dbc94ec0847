package user

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
)

// Group is a set of users who hold roles together.
type Group struct {
	ID, Instance      stoa.ID
	Name, Description string    // the name is unique in the instance, 120 characters at most
	Roles             []stoa.ID // held by all members
	Version           int64
}

// CreateGroup makes a user group in g.Instance with its roles and gives it back with its id. It needs
// Manage on the instance; a name that is taken is a Conflict.
func (s *Service) CreateGroup(ctx context.Context, g Group) (Group, error) {
	if err := s.manage(ctx, g.Instance); err != nil {
		return Group{}, err
	}
	if err := g.validate(); err != nil {
		return Group{}, err
	}
	if err := s.guardAdminRole(ctx, g.Instance, g.Roles); err != nil {
		return Group{}, err
	}
	if err := s.fresh(ctx, "make a user group"); err != nil {
		return Group{}, err
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		id, err := tx.NewID(ctx)
		if err != nil {
			return err
		}
		g.ID, g.Version = id, 1
		if err := tx.Insert(ctx, "user_group", db.Row{"id": id, "instance": g.Instance, "name": g.Name, "description": g.Description, "version": 1}); err != nil {
			return err
		}
		tx.Changed("usergroup", id, g.Instance, 1)
		audit.Note(tx, audit.Made, g.thing())
		_, err = s.access.Assign(ctx, tx, g.thing(), g.Roles)
		return err
	})
	if err != nil {
		return Group{}, groupTaken(err, g.Name)
	}
	return g, nil
}

// UpdateGroup saves name, description and roles of a group whose Version is the one that was read,
// and gives it back with the next. It needs Manage on the instance; a stale version is a Conflict.
func (s *Service) UpdateGroup(ctx context.Context, g Group) (Group, error) {
	old, err := s.manageGroup(ctx, g.ID)
	if err != nil {
		return Group{}, err
	}
	g.Instance = old.Instance
	if err := g.validate(); err != nil {
		return Group{}, err
	}
	if err := s.guardAdminRole(ctx, g.Instance, g.Roles); err != nil {
		return Group{}, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		wasAdmin, err := s.groupAdmin(ctx, tx, g.Instance, g.ID)
		if err != nil {
			return err
		}
		n, err := tx.Affected(
			ctx,
			"UPDATE user_group SET name = ?, description = ?, version = version + 1 WHERE id = ? AND version = ?",
			g.Name,
			g.Description,
			g.ID,
			g.Version,
		)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.Conflict("the user group %s was changed by another person meanwhile: load it again and repeat "+
				"the change", old.Name)
		}
		audit.Note(tx, audit.Changed, g.thing())
		if len(g.Roles)+len(old.Roles) > 0 { // else no person has taken those from it that are in the recycle bin
			removed, err := s.access.Assign(ctx, tx, g.thing(), g.Roles)
			if err != nil {
				return err
			}
			s.rolesTaken(tx, "usergroup", g.Instance, g.ID, removed)
		}
		tx.Changed("usergroup", g.ID, g.Instance, g.Version+1)
		if wasAdmin {
			return s.keepOneAdmin(ctx, tx, g.Instance)
		}
		return nil
	})
	if err != nil {
		return Group{}, groupTaken(err, g.Name)
	}
	g.Version++
	return g, nil
}

// Group gives one group with its roles. It needs Manage on the instance.
func (s *Service) Group(ctx context.Context, id stoa.ID) (Group, error) {
	g, err := s.group(ctx, s.db, id)
	if err != nil {
		if actor := stoa.ActorFrom(ctx); !actor.System && !actor.SignedIn() {
			return Group{}, stoa.Unauthorized("sign in to see user groups")
		}
		return Group{}, err
	}
	if err := s.manage(ctx, g.Instance); err != nil {
		return Group{}, err
	}
	return g, nil
}

// Groups gives the groups of the instance by name, with their roles. It needs Manage on
// the instance.
func (s *Service) Groups(ctx context.Context, instance stoa.ID) ([]Group, error) {
	if err := s.manage(ctx, instance); err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.db, scanGroup, groupColumns+" WHERE instance = ? ORDER BY name", instance)
	if err != nil {
		return nil, fmt.Errorf("list user groups: %w", err)
	}
	held := map[stoa.ID][]stoa.ID{}
	_, err = db.All(ctx, s.db, func(row db.Scanner) (struct{}, error) {
		var group, role stoa.ID
		err := row.Scan(&group, &role)
		held[group] = append(held[group], role)
		return struct{}{}, err
	}, `SELECT h.holder, h.role FROM access_holder h JOIN user_group g ON g.id = h.holder WHERE g.instance = ? ORDER BY h.role`, instance)
	if err != nil {
		return nil, fmt.Errorf("read the roles of user groups: %w", err)
	}
	for i := range list {
		list[i].Roles = held[list[i].ID]
	}
	return list, nil
}

// Members gives the users in a group by screen name. It needs Manage on the instance.
func (s *Service) Members(ctx context.Context, group stoa.ID, after string, limit int) (Page[User], error) {
	if _, err := s.Group(ctx, group); err != nil {
		return Page[User]{}, err
	}
	if limit <= 0 || limit > 200 {
		limit = 50
	}
	list, err := db.All(ctx, s.db, scanAccount, accountColumns+
		" WHERE id IN (SELECT account FROM user_member WHERE usergroup = ?) AND screen_name > ? ORDER BY screen_name LIMIT ?", group, clean(after, 80), limit+1)
	if err != nil {
		return Page[User]{}, fmt.Errorf("list the members of group %d: %w", group, err)
	}
	var p Page[User]
	for i, a := range list {
		if i == limit {
			p.Next = p.Items[i-1].ScreenName
			break
		}
		p.Items = append(p.Items, a.User)
	}
	return p, nil
}

// AddMembers puts users of the group's instance into the group. It needs Manage on the instance, and
// for a group of administrators an administrator.
func (s *Service) AddMembers(ctx context.Context, group stoa.ID, users ...stoa.ID) error {
	g, err := s.manageGroup(ctx, group)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		// The group may have become one of administrators since it was read.
		if err := s.guardGroup(ctx, tx, g); err != nil {
			return err
		}
		for _, id := range users {
			a, err := s.account(ctx, tx, id)
			if err != nil && !stoa.Is(err, stoa.KindNotFound) {
				return err
			}
			if err != nil || a.Instance != g.Instance {
				return stoa.Invalid("members", "there is no user %s: choose among the users of the instance", id)
			}
			if _, err := tx.InsertIgnore(ctx, "user_member", db.Row{"usergroup": group, "account": id}); err != nil {
				return fmt.Errorf("put user %d into group %d: %w", id, group, err)
			}
			tx.Changed("user", id, g.Instance, a.Version)
			audit.Note(tx, audit.MemberAdded, g.thing(), a.ScreenName)
		}
		tx.Changed("usergroup", group, g.Instance, g.Version)
		return nil
	})
}

// RemoveMembers takes users out of the group. It needs what AddMembers needs; the last administrator
// stays one.
func (s *Service) RemoveMembers(ctx context.Context, group stoa.ID, users ...stoa.ID) error {
	g, err := s.manageGroup(ctx, group)
	if err != nil {
		return err
	}
	remove := func(ctx context.Context, tx *db.Tx) error {
		wasAdmin, err := s.groupAdmin(ctx, tx, g.Instance, group)
		if err != nil {
			return err
		}
		for _, id := range users {
			if _, err := tx.Exec(ctx, "DELETE FROM user_member WHERE usergroup = ? AND account = ?", group, id); err != nil {
				return fmt.Errorf("take user %d out of group %d: %w", id, group, err)
			}
			tx.Changed("user", id, g.Instance, 0)
		}
		tx.Changed("usergroup", group, g.Instance, g.Version)
		if wasAdmin {
			return s.keepOneAdmin(ctx, tx, g.Instance)
		}
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.TakesAway(remove)
		for _, id := range users {
			a, err := s.account(ctx, tx, id)
			if err != nil && !stoa.Is(err, stoa.KindNotFound) {
				return err
			}
			audit.Note(tx, audit.MemberRemoved, g.thing(), cmp.Or(a.ScreenName, id.String()))
		}
		return remove(ctx, tx)
	})
}

// manageGroup gives a group that the actor may change, having lately proved who they are.
func (s *Service) manageGroup(ctx context.Context, id stoa.ID) (Group, error) {
	g, err := s.Group(ctx, id)
	if err != nil {
		return Group{}, err
	}
	if err := s.guardAdminRole(ctx, g.Instance, g.Roles); err != nil {
		return Group{}, err
	}
	return g, s.fresh(ctx, "change a user group")
}

// guardGroup is guardAdminRole for the roles that a group has at this moment, and makes changes of them wait.
func (s *Service) guardGroup(ctx context.Context, tx *db.Tx, g Group) error {
	if _, err := s.lockAdminRole(ctx, tx, g.Instance); err != nil {
		return err
	}
	held, err := s.access.Held(ctx, tx, g.ID)
	if err != nil {
		return err
	}
	return s.guardAdminRole(ctx, g.Instance, held)
}

// groupAdmin reports whether members of the group are administrators by it, and makes such changes
// take turns.
func (s *Service) groupAdmin(ctx context.Context, tx *db.Tx, instance, group stoa.ID) (bool, error) {
	role, err := s.lockAdminRole(ctx, tx, instance)
	if err != nil {
		return false, err
	}
	held, err := s.access.Held(ctx, tx, group)
	if err != nil || !slices.Contains(held, role) {
		return false, err
	}
	n, err := countAdmins(ctx, tx, role) // a group without members may go even when there is no other
	return n > 0, err
}

const groupColumns = "SELECT id, instance, name, description, version FROM user_group"

func (s *Service) group(ctx context.Context, q db.Queryer, id stoa.ID) (Group, error) {
	g, err := db.One(ctx, q, scanGroup, groupColumns+" WHERE id = ? AND instance < ?", id, recycle.Hidden)
	if db.IsNoRows(err) {
		return Group{}, stoa.NotFound("user group", id)
	}
	if err != nil {
		return Group{}, err
	}
	g.Roles, err = s.access.Held(ctx, q, id)
	return g, err
}

func scanGroup(row db.Scanner) (Group, error) {
	var g Group
	err := row.Scan(&g.ID, &g.Instance, &g.Name, &g.Description, &g.Version)
	return g, err
}

func (g *Group) validate() error {
	g.Name = strings.TrimSpace(g.Name)
	if !isName(g.Name) {
		return stoa.Invalid("name", "the name of a user group is one line of 1 to 120 characters")
	}
	if len(g.Description) > 4000 || !utf8.ValidString(g.Description) || strings.ContainsRune(g.Description, 0) {
		return stoa.Invalid("description", "the description of a user group is text of at most 4000 bytes")
	}
	return nil
}

func groupTaken(err error, name string) error {
	if db.IsDuplicate(err) {
		return stoa.Conflict("there is a user group %q already: choose another name", name)
	}
	return err
}

// AdminOptions describes the first account of an instance.
type AdminOptions struct {
	EmailPrefix, MailDomain string // the address is prefix@domain
	ScreenName, First, Last string
	Password                string // "" = a link sets it
	// the password is from a file of the operator: one against the policy is logged and taken
	AsItIs bool
}

// EnsureAdmin makes the roles of the instance and its first administrator, unless there is an active
// one. While that one has no password it also gives the token for <base>/account/setup?token=…, good once within
// Options.SetupLifetime. Only the portal itself may call it.
func (s *Service) EnsureAdmin(
	ctx context.Context,
	instance stoa.ID,
	o AdminOptions,
) (setupToken string, created bool, err error) {
	setupToken, created, err = s.ensureAdmin(ctx, instance, o)
	if db.IsDuplicate(err) { // another node was first, on a server whose locks this one does not see (Galera)
		setupToken, created, err = s.ensureAdmin(ctx, instance, o)
	}
	return setupToken, created, taken(err)
}

// firstHash is newHash for the first administrator.
func (s *Service) firstHash(ctx context.Context, u User, o AdminOptions) (string, error) {
	if o.AsItIs {
		if err := s.checkPolicy(u, o.Password); err != nil {
			s.log.WarnContext(ctx, "the password of the first administrator is taken as it is; change it", "user", u.ScreenName,
				"why", err)
		}
		return s.passwords.Make(ctx, o.Password)
	}
	return s.newHash(ctx, u, o.Password)
}

func (s *Service) ensureAdmin(
	ctx context.Context, instance stoa.ID, o AdminOptions,
) (setupToken string, created bool, err error) {
	if !stoa.ActorFrom(ctx).System {
		return "", false, stoa.Forbidden("only the portal itself makes the first administrator")
	}
	u := o.account()
	u.Instance = instance
	if err := u.validate(); err != nil {
		return "", false, err
	}
	hash := ""
	made := false
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		setupToken, made = "", false
		roles, err := s.access.EnsureInstance(ctx, tx, instance)
		if err != nil {
			return err
		}
		role, err := s.lockAdminRole(ctx, tx, instance)
		if err != nil {
			return err
		}
		n, err := countAdmins(ctx, tx, role)
		if err != nil {
			return err
		}
		if n > 0 {
			// A first start that failed after this point has shown its link to nobody: as long as the
			// only administrator has no password, each start gives a new one. Those that other nodes
			// have shown work as well, until one is used.
			if n > 1 || o.Password != "" {
				return nil
			}
			var id stoa.ID
			err := tx.QueryRow(ctx, "SELECT a.id FROM user_account a JOIN access_holder r ON r.holder = a.id WHERE "+
				"a.instance = ? AND r.role = ? AND a.password = ''", instance, role).
				Scan(&id)
			if db.IsNoRows(err) {
				return nil
			}
			if err == nil {
				setupToken, err = s.anotherLink(ctx, tx, id, purposeSetup, s.o.SetupLifetime)
			}
			return err
		}
		if hash == "" && o.Password != "" {
			if hash, err = s.firstHash(ctx, u, o); err != nil {
				return err
			}
		}
		u.Roles = []stoa.ID{roles[access.RoleAdministrator]}
		if err := s.insert(ctx, tx, &u, hash); err != nil {
			return err
		}
		if hash == "" {
			if setupToken, err = s.link(ctx, tx, u.ID, purposeSetup, s.o.SetupLifetime); err != nil {
				return err
			}
		}
		made = true
		return nil
	})
	if err != nil {
		return "", false, err
	}
	return setupToken, made, nil
}
