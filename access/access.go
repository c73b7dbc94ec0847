// Package access decides who may do what. Roles are granted actions on resources; a grant reaches
// everything inside the resource, until a thing says that it has grants of its own. What nobody
// granted is refused, and every domain method asks here.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// Action is what somebody wants to do with a resource. Each action includes the ones before it; the
// zero value is none and is never allowed.
type Action uint8

// The actions, from the least to the most.
const (
	View Action = iota + 1
	Edit
	Publish
	Manage
)

// String names the action in messages.
func (a Action) String() string {
	switch a {
	case View:
		return "view"
	case Edit:
		return "edit"
	case Publish:
		return "publish"
	case Manage:
		return "manage"
	}
	return "none"
}

// ParseAction reads the name of an action. It returns Invalid when s is not one.
func ParseAction(s string) (Action, error) {
	for a := View; a <= Manage; a++ {
		if a.String() == s {
			return a, nil
		}
	}
	return 0, stoa.Invalid("action", "%.40q is not an action: view, edit, publish or manage is expected", s)
}

// KindInstance is the kind of the resource that every path ends with.
const KindInstance = "instance"

// KindSite is the kind of a site, which belongs to one instance for ever.
const KindSite = "site"

// Resource is a thing that actions can be granted on.
type Resource struct {
	Kind  string // "instance", "site", "page", "folder", "article" …; 60 bytes at most
	ID    stoa.ID
	Title string // its name as people know it, for the audit log; may be empty
	Own   bool   // the thing has grants of its own: grants on what it is in do not reach it
}

// Path is a thing, what it is in, and so on to the instance, which is always last.
type Path []Resource

// InstancePath is the path of an instance itself.
func InstancePath(instance stoa.ID) Path {
	return Path{{Kind: KindInstance, ID: instance}}
}

// Instance is the instance that the path ends with; 0 when the path is not well formed.
func (p Path) Instance() stoa.ID {
	if len(p) == 0 {
		return 0
	}
	for i, r := range p {
		if r.ID <= 0 || r.Kind == "" || len(r.Kind) > 60 || (r.Kind == KindInstance) != (i == len(p)-1) {
			return 0
		}
	}
	return p[len(p)-1].ID
}

// Options are what a Service needs; DB and Cache are required.
type Options struct {
	DB    *db.DB
	Cache *cache.Cache
	// InstanceOf gives the instance that a site belongs to, NotFound when there is no such site. With it, a path
	// that puts a site into an instance of another portal is refused, also from a trusted caller; nil: paths are believed.
	InstanceOf func(ctx context.Context, q db.Queryer, site stoa.ID) (stoa.ID, error)
	Now        func() time.Time // decides whether a sign-in is fresh; nil = time.Now
}

// Service answers who may do what. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	now    func() time.Time
	roles  *cache.Region[[]Role]
	grants *cache.Region[[]Grant]
	owner  func(ctx context.Context, q db.Queryer, site stoa.ID) (stoa.ID, error)
}

// New gives a Service over the database. It returns an error that names the option that is missing.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil {
		return nil, errors.New("access: Options.DB and Options.Cache are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		db: o.DB, owner: o.InstanceOf, now: o.Now,
		roles: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "role", MaxBytes: 4 << 20}, func(list []Role) int {
			n := 24
			for _, r := range list {
				n += 80 + len(r.Name) + len(r.Description)
			}
			return n
		}),
		grants: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "grant", MaxBytes: 16 << 20}, func(list []Grant) int {
			return 24 + 64*len(list)
		}),
	}, nil
}

// Check reports whether the actor of ctx may do a with the first thing of p: nil when it may,
// Unauthorized for a guest, NotFound for a signed-in actor who may not even view the thing,
// Forbidden otherwise. A path that does not end with an instance is refused to all but the portal.
func (s *Service) Check(ctx context.Context, a Action, p Path) error {
	return s.check(ctx, stoa.ActorFrom(ctx), a, p)
}

// Can is Check as a yes or no; an error in finding out is a no.
func (s *Service) Can(ctx context.Context, a Action, p Path) bool {
	return s.Check(ctx, a, p) == nil
}

// GuestCan reports whether somebody who is not signed in may do a; an error in finding out is a no.
func (s *Service) GuestCan(ctx context.Context, instance stoa.ID, a Action, p Path) bool {
	guest, err := s.GuestActor(ctx, instance)
	return err == nil && s.check(ctx, guest, a, p) == nil
}

// GuestActor is the actor of a visitor of the instance who is not signed in. It returns NotFound when
// the instance has no role Guest.
func (s *Service) GuestActor(ctx context.Context, instance stoa.ID) (stoa.Actor, error) {
	id, err := s.roleID(ctx, instance, RoleGuest)
	if err != nil {
		return stoa.Actor{}, err
	}
	return stoa.Actor{Instance: instance, Roles: []stoa.ID{id}}, nil
}

func (s *Service) check(ctx context.Context, actor stoa.Actor, a Action, p Path) error {
	if a < View || a > Manage {
		return fmt.Errorf("access: %d is not an action", a)
	}
	if actor.System {
		return nil
	}
	instance := p.Instance()
	if instance == 0 {
		return fmt.Errorf("access: the path %v does not lead to an instance", p)
	}
	best, err := s.best(ctx, actor, instance, p, a)
	switch {
	case err != nil:
		return err
	case best >= a:
		return nil
	case !actor.SignedIn():
		return stoa.Unauthorized(signIn[a], This(p[0].Kind))
	case best < View:
		hidden := stoa.NotFound(p[0].Kind, p[0].ID)
		hidden.Err = refused{a, p[0], instance}
		return hidden
	}
	forbidden := stoa.Forbidden(falls[[2]Action{best, a}], This(p[0].Kind))
	forbidden.Err = refused{a, p[0], instance}
	return forbidden
}

// best is the greatest action that the actor may do, 0 when there is none; once it is enough nothing more is looked
// at. It begins at the outermost resource whose grants reach the first thing of p: most of what is allowed is
// granted on a whole site or instance, and what lies within can only add to that.
func (s *Service) best(ctx context.Context, actor stoa.Actor, instance stoa.ID, p Path, enough Action) (Action, error) {
	if actor.Instance != instance {
		return 0, nil
	}
	if ok, err := s.belong(ctx, p, instance); err != nil || !ok {
		return 0, err
	}
	if actor.Admin && actor.SignedIn() {
		return Manage, nil
	}
	var best Action
	if len(actor.Roles) == 0 {
		return 0, nil
	}
	if own := slices.IndexFunc(p, func(r Resource) bool { return r.Own }); own >= 0 {
		p = p[:own+1]
	}
	for _, r := range slices.Backward(p) {
		grants, err := s.on(ctx, r, instance)
		if err != nil {
			return 0, fmt.Errorf("find out who may use %s %d: %w", r.Kind, r.ID, err)
		}
		for _, g := range grants {
			if g.Action > best && actor.HasRole(g.Role) {
				best = g.Action
			}
		}
		if best >= enough {
			break
		}
	}
	return best, nil
}

// belong reports whether the sites of the path are sites of the instance. What the cache has of a site's grants was
// read with its row, so this costs no more than they do.
func (s *Service) belong(ctx context.Context, p Path, instance stoa.ID) (bool, error) {
	for _, r := range p {
		if r.Kind != KindSite || s.owner == nil {
			continue
		}
		_, err := s.on(ctx, r, instance)
		if stoa.Is(err, stoa.KindNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("find out where site %d belongs: %w", r.ID, err)
		}
	}
	return true, nil
}

// on gives the grants made on exactly this resource, from the cache. A site of another instance is NotFound.
func (s *Service) on(ctx context.Context, r Resource, instance stoa.ID) ([]Grant, error) {
	var room [96]byte // a page asks dozens of times
	b := append(append(room[:0], r.Kind...), ':')
	b = append(strconv.AppendInt(b, int64(r.ID), 36), ':')
	b = strconv.AppendInt(b, int64(instance), 36)
	return s.grants.Get(ctx, string(b), func(ctx context.Context, l *cache.Load) ([]Grant, error) {
		l.Thing("grant", r.ID) // also when there are none: the change of a resource's grants names the resource
		if r.Kind == KindSite && s.owner != nil {
			l.Thing(KindSite, r.ID)
			owner, err := s.owner(ctx, s.db, r.ID)
			if err == nil && owner != instance {
				err = stoa.NotFound(KindSite, r.ID)
			}
			if err != nil {
				return nil, err
			}
		}
		return db.All(ctx, s.db, scanGrant,
			"SELECT kind, thing, role, action FROM access_grant WHERE kind = ? AND thing = ? AND instance = ? ORDER BY role", r.Kind, r.ID, instance)
	})
}

func scanGrant(row db.Scanner) (Grant, error) {
	var g Grant
	err := row.Scan(&g.Resource.Kind, &g.Resource.ID, &g.Role, &g.Action)
	return g, err
}

// reach gives the greatest action that the grants along p allow each role with the first thing of p.
func (s *Service) reach(ctx context.Context, p Path) (map[stoa.ID]Action, error) {
	instance := p.Instance()
	if instance == 0 {
		return nil, fmt.Errorf("access: the path %v does not lead to an instance", p)
	}
	if own := slices.IndexFunc(p, func(r Resource) bool { return r.Own }); own >= 0 {
		p = p[:own+1]
	}
	out := map[stoa.ID]Action{}
	for _, r := range p {
		grants, err := s.on(ctx, r, instance)
		if err != nil {
			return nil, fmt.Errorf("find out who may use %s %d: %w", r.Kind, r.ID, err)
		}
		for _, g := range grants {
			out[g.Role] = max(out[g.Role], g.Action)
		}
	}
	return out, nil
}

// Widens reports whether a thing that stands at from and comes to stand at to could then be used by a role that could
// not use it, or not so much. Both paths begin with the thing.
func (s *Service) Widens(ctx context.Context, from, to Path) (bool, error) {
	before, err := s.reach(ctx, from)
	if err != nil {
		return false, err
	}
	after, err := s.reach(ctx, to)
	if err != nil {
		return false, err
	}
	// What guests may do, each person may; what User may do, each who is signed in: who gains no more than that
	// gains nothing.
	roles, err := s.RoleIDs(ctx, from.Instance())
	if err != nil {
		return false, err
	}
	guests, people := roles[RoleGuest], roles[RoleUser]
	for role, a := range after {
		had := max(before[role], before[guests])
		if role != guests {
			had = max(had, before[people])
		}
		if a > had {
			return true, nil
		}
	}
	return false, nil
}
