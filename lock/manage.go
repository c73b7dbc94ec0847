package lock

import (
	"context"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
)

// MaxList is how many locks List gives at most.
const MaxList = 500

// List gives the locks of the instance, the oldest first: of all nodes, since they are rows. It needs
// Manage on the instance.
func (s *Service) List(ctx context.Context, instance stoa.ID) ([]Lock, error) {
	if err := s.o.Access.Check(ctx, access.Manage, access.InstancePath(instance)); err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.o.DB, func(r db.Scanner) (Lock, error) { v, err := s.scan(r); return v.Lock, err },
		columns+" WHERE instance = ? AND released_by = '' ORDER BY taken, kind, thing LIMIT ?", instance, MaxList)
	if err != nil {
		return nil, fmt.Errorf("lock: list the locks: %w", err)
	}
	return list, nil
}

// Ref names a lock that an administrator saw in the list.
type Ref struct {
	Kind  string
	ID    stoa.ID
	Taken time.Time // tells it from one that was taken since
}

// Break takes locks away from their owners, who are told at their next Renew, and gives how many were
// still there. It needs Manage on the instance.
func (s *Service) Break(ctx context.Context, instance stoa.ID, refs []Ref) (int, error) {
	if err := s.o.Access.Check(ctx, access.Manage, access.InstancePath(instance)); err != nil {
		return 0, err
	}
	if len(refs) > MaxList {
		return 0, stoa.Invalid("lock", "at most %d locks can be released at once", MaxList)
	}
	by := clip(stoa.ActorFrom(ctx).Name)
	if by == "" {
		by = "an administrator"
	}
	broken := 0
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		broken = 0
		for _, r := range refs {
			n, err := tx.Affected(ctx, "UPDATE lock_held SET released_by = ?, beat = beat + 1 WHERE kind = ? AND thing = ? AND instance = ? AND taken = ? AND released_by = ''",
				by, r.Kind, r.ID, instance, db.Micros(r.Taken))
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			broken++
			v, _, err := s.read(ctx, tx, Thing{Kind: r.Kind, ID: r.ID}, "")
			if err != nil {
				return err
			}
			tx.Changed("lock", r.ID, v.Site, v.beat)
			audit.Note(tx, audit.LockBroken, audit.Thing{Kind: r.Kind, ID: r.ID, Instance: instance, Title: v.Title})
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("lock: release locks of others: %w", err)
	}
	return broken, nil
}

// Expire removes the locks that gave no sign of life for their lifetime, as this node has seen by its own
// clock, and gives their number. A node sees a lock for the first time when it first looks, so a lock
// never ends early. Only the portal itself may.
func (s *Service) Expire(ctx context.Context) (int, error) {
	if !stoa.ActorFrom(ctx).System {
		return 0, stoa.Forbidden("only the portal itself ends locks")
	}
	list, err := db.All(ctx, s.o.DB, s.scan, columns)
	if err != nil {
		return 0, fmt.Errorf("lock: look for locks that have ended: %w", err)
	}
	over := s.quiet(list)
	if len(over) == 0 {
		return 0, nil
	}
	ended := 0
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		ended = 0
		for _, v := range over {
			n, err := tx.Affected(ctx, "DELETE FROM lock_held WHERE kind = ? AND thing = ? AND token = ? AND beat = ?", v.Kind, v.ID, v.token, v.beat)
			if err != nil {
				return err
			}
			if n == 1 {
				ended++
				tx.Changed("lock", v.ID, v.Site, v.beat+1)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("lock: end locks: %w", err)
	}
	return ended, nil
}

// quiet notes what the rows show and gives those that have not changed for their lifetime.
func (s *Service) quiet(list []row) []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, seen := s.o.Clock(), make(map[key]sighting, len(list))
	var over []row
	for _, v := range list {
		k := key{v.Kind, v.ID}
		was, known := s.seen[k]
		if !known || was.token != v.token || was.beat != v.beat {
			was = sighting{v.token, v.beat, now}
		}
		seen[k] = was
		lifetime := s.Lifetime(v.Kind)
		if lifetime == 0 && v.releasedBy != "" {
			lifetime = defaultLifetime // it keeps no editor out and only waits to be told
		}
		if lifetime > 0 && now-was.since >= lifetime {
			over = append(over, v)
		}
	}
	s.seen = seen
	return over
}

// Job is the job that ends locks; each node does it for itself.
func (s *Service) Job() job.Job {
	return job.Job{Name: "lock.expire", Does: "Ends locks of windows that are gone", Kind: job.EveryNode, Schedule: "@every 10s", Timeout: time.Minute,
		Run: func(ctx context.Context, _ job.Run) error {
			_, err := s.Expire(ctx)
			return err
		}}
}
