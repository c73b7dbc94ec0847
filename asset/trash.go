package asset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/recycle"
)

// kindTrash is the kind of change of what is in the recycle bin of a site.
const kindTrash = "trash"

// Hidden is added to the site of an owner's row while it is in the recycle bin (package recycle).
const (
	Hidden    = recycle.Hidden
	HiddenSQL = recycle.HiddenSQL
)

// ErrTrashed is the cause of a NotFound that says of a thing in the recycle bin that it is not there.
var ErrTrashed = errors.New("it is in the recycle bin")

// MaxTrash is how many things one transaction takes out of the recycle bin.
const MaxTrash = 200

// Trash is a thing in the recycle bin.
type Trash struct {
	Entry             // of a kind without entries: what is known of it
	Address string    // the path within its site that it had; empty: none
	Gone    bool      // visitors have seen it there, and are told that it is gone
	By      stoa.ID   // who put it there; 0: the portal itself
	ByName  string    // as that person was called then
	At      time.Time // when
	Root    stoa.ID   // the thing that took it along, and with which it comes back; 0: none
	State   string    // what its owner needs to put it back
	row     recycle.Row
}

// What package recycle has.
type (
	Ref      = recycle.Ref
	Place    = recycle.Place
	Restored = recycle.Restored
	Spot     = recycle.Spot
)

// ParseRef reads what Ref.String has written.
func ParseRef(s string) (Ref, error) { return recycle.ParseRef(s) }

// PutTrash writes that a thing is in the recycle bin, in the transaction in which its owner has hidden its row; the
// owner's entry with the status Trashed follows. By, ByName and At are those of the transaction unless At is set. It
// gives what it has written.
func PutTrash(ctx context.Context, tx *db.Tx, t Trash) (Trash, error) {
	r, err := recycle.Put(ctx, tx, recycle.Row{Kind: t.Kind, ID: t.ID, Instance: t.Instance, Site: t.Site, Root: t.Root,
		Address: t.Address, Gone: t.Gone, By: t.By, ByName: t.ByName, At: t.At, State: t.State})
	t.By, t.ByName, t.At = r.By, r.ByName, r.At
	return t, err
}

// TakeTrash takes a thing out of the recycle bin, in the transaction in which its owner puts its row back or deletes
// it. The result has no titles. A thing that is not there is NotFound.
func TakeTrash(ctx context.Context, tx *db.Tx, kind string, id stoa.ID) (Trash, error) {
	r, err := recycle.Take(ctx, tx, kind, id)
	return trashOf(r), err
}

func trashOf(r recycle.Row) Trash {
	return Trash{Entry: Entry{Kind: r.Kind, ID: r.ID, Instance: r.Instance, Site: r.Site, Status: Trashed},
		Address: r.Address, Gone: r.Gone, By: r.By, ByName: r.ByName, At: r.At, Root: r.Root, State: r.State, row: r}
}

// TrashOf gives the things that a thing in the recycle bin took along, in the order of their ids.
func TrashOf(ctx context.Context, q db.Queryer, kind string, root stoa.ID) ([]stoa.ID, error) {
	return readIDs(ctx, q, "SELECT id FROM asset_trash WHERE root = ? AND kind = ? ORDER BY id", root, kind)
}

// RegisterBin adds kinds that the recycle bin has and that are no content, before the service is used. It says what a
// kind lacks.
func (s *Service) RegisterBin(kinds ...recycle.Kind) error {
	for _, k := range kinds {
		if k.Kind == "" || k.Name == "" || k.Screen == nil || k.May == nil || k.Restore == nil || k.Purge == nil {
			return fmt.Errorf("asset: the kind %q of the recycle bin needs Kind, Name, Screen, May, Restore and Purge", k.Kind)
		}
		if _, ok := s.BinKind(k.Kind); ok {
			return fmt.Errorf("asset: the kind %s is registered twice", k.Kind)
		}
		s.bins = append(s.bins, k)
	}
	return nil
}

// BinKind gives what the recycle bin has to know of a kind; false where it has no such things.
func (s *Service) BinKind(kind string) (recycle.Kind, bool) {
	if i := slices.IndexFunc(s.bins, func(k recycle.Kind) bool { return k.Kind == kind }); i >= 0 {
		return s.bins[i], true
	}
	t, ok := s.Type(kind)
	if !ok || t.Restore == nil || t.Purge == nil {
		return recycle.Kind{}, false
	}
	return recycle.Kind{Kind: kind, Name: t.Name, Restore: t.Restore, Purge: t.Purge, Places: t.Places, Sites: t.Sites,
		Screen: func(id stoa.ID) string { return t.Screen(Entry{Kind: kind, ID: id}) }}, true
}

// BinKinds gives the kinds that the recycle bin has.
func (s *Service) BinKinds() []recycle.Kind {
	var out []recycle.Kind
	for _, t := range s.types {
		if k, ok := s.BinKind(t.Kind); ok {
			out = append(out, k)
		}
	}
	return append(out, s.bins...)
}

// Restore takes things out of the recycle bin, all or none, as they were before. What it needs, their owners ask for.
// One that is not there is NotFound, one whose place is not there any more a Conflict because of recycle.ErrNoPlace.
func (s *Service) Restore(ctx context.Context, things []Ref) ([]Restored, error) {
	return s.restore(ctx, things, nil)
}

// RestoreTo is Restore to another place: a folder, page or category, or another site of the instance. It needs also
// what moving a thing there needs.
func (s *Service) RestoreTo(ctx context.Context, things []Ref, to Place) ([]Restored, error) {
	return s.restore(ctx, things, &to)
}

func (s *Service) restore(ctx context.Context, things []Ref, to *Place) (out []Restored, err error) {
	err = s.eachTrash(ctx, things, func(ctx context.Context, tx *db.Tx, k recycle.Kind, id stoa.ID) error {
		r, err := k.Restore(ctx, tx, id, to)
		r.Ref = Ref{Kind: k.Kind, ID: id}
		out = append(out, r)
		return err
	}, func() { out = nil })
	if err != nil {
		return nil, fmt.Errorf("asset: restore from the recycle bin: %w", err)
	}
	return out, nil
}

// Purge deletes things in the recycle bin for good, all or none. What it needs, their owners ask for. One that is not
// there is NotFound. Lost in a fail-over, it is done again with what is in the bin then.
func (s *Service) Purge(ctx context.Context, things []Ref) error {
	err := s.eachTrash(ctx, things, purge, func() {})
	if err != nil {
		return fmt.Errorf("asset: delete from the recycle bin: %w", err)
	}
	return nil
}

// purge deletes a thing in the recycle bin for good; lost in a fail-over, once more.
func purge(ctx context.Context, tx *db.Tx, k recycle.Kind, id stoa.ID) error {
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		_, err := recycle.One(ctx, tx, k.Kind, id)
		if stoa.Is(err, stoa.KindNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return k.Purge(stoa.WithActor(ctx, stoa.SystemActor()), tx, id) // whose right was asked for then
	})
	return k.Purge(ctx, tx, id)
}

// eachTrash does something with each of the things in one transaction; again is called whenever that begins.
func (s *Service) eachTrash(ctx context.Context, things []Ref,
	fn func(ctx context.Context, tx *db.Tx, k recycle.Kind, id stoa.ID) error, again func()) error {
	things = slices.Clone(things)
	slices.SortFunc(things, func(a, b Ref) int { // in the same order as others, so that they wait and do not lock up
		if a.Kind != b.Kind {
			return strings.Compare(a.Kind, b.Kind)
		}
		return int(min(max(a.ID-b.ID, -1), 1))
	})
	things = slices.Compact(things)
	if len(things) > MaxTrash {
		return stoa.Invalid("thing", "at most %d things can be chosen at once; %d are", MaxTrash, len(things))
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		again()
		for _, r := range things {
			k, ok := s.BinKind(r.Kind)
			if !ok {
				return stoa.NotFound("thing in the recycle bin", r.ID)
			}
			if err := fn(ctx, tx, k, r.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// Gone reports whether at the address, a path within the site, was something that is in the recycle bin now and that
// the actor could see while it was not: its visitors are told that it is gone. It comes from the cache.
func (s *Service) Gone(ctx context.Context, site stoa.ID, address string) (bool, error) {
	if s.gone == nil {
		return false, nil
	}
	hash := recycle.Hash(address)
	e, err := s.gone.Get(ctx, site.String()+" "+hash, func(ctx context.Context, l *cache.Load) (Entry, error) {
		l.Scope(kindTrash, site)
		r, err := readGone(ctx, s.db, site, hash)
		if db.IsNoRows(err) {
			return Entry{}, nil
		}
		r.Titles = nil
		return r.Entry, err
	})
	if err != nil || e.ID == 0 {
		return false, err
	}
	return s.allowed(ctx, access.View, e)
}

// readGone gives the entry of what was at an address; hash is that of the address.
func readGone(ctx context.Context, q db.Queryer, site stoa.ID, hash string) (row, error) {
	return db.One(ctx, q, scanRow, "SELECT "+columns+" FROM asset_trash t "+
		"JOIN asset_entry e ON e.kind = t.kind AND e.id = t.id "+
		"WHERE t.site = ? AND t.gone = ? AND t.id = (SELECT min(id) FROM asset_trash WHERE site = ? AND gone = ?)",
		site, hash, site, hash)
}

// old is a thing that has been in the recycle bin since a moment, in microseconds.
type old struct {
	Ref
	at   int64
	root stoa.ID
}

// oldTrash gives the next things in the recycle bin behind last, the oldest first, also those that came along with
// others: their number is not a condition, so that each engine follows the index of the order.
func oldTrash(ctx context.Context, q db.Queryer, before int64, last old) ([]old, error) {
	return db.All(ctx, q, func(r db.Scanner) (o old, err error) {
		return o, r.Scan(&o.Kind, &o.ID, &o.at, &o.root)
	}, "SELECT kind, id, trashed, root FROM asset_trash WHERE trashed < ? AND trashed >= ? "+
		"AND NOT (trashed = ? AND id <= ?) ORDER BY trashed, id LIMIT ?", before, last.at, last.at, last.ID, MaxTrash)
}

// PurgeOld deletes what has been in the recycle bin for longer than age, each thing in a transaction of its own with
// fence (nil: none) as its last word, and gives their number. One that cannot be deleted does not hold up the others.
// Only for the portal itself.
func (s *Service) PurgeOld(ctx context.Context, age time.Duration, fence func(tx *db.Tx)) (purged int, err error) {
	if !stoa.ActorFrom(ctx).System {
		return 0, stoa.Forbidden("only the portal itself clears the recycle bin by time")
	}
	now, err := job.DatabaseNow(ctx, s.db)
	if err != nil {
		return 0, err
	}
	last := old{at: -1}
	var failed error
	for ctx.Err() == nil {
		batch, err := oldTrash(ctx, s.db, db.Micros(now.Add(-age)), last)
		if err != nil {
			return purged, errors.Join(failed, fmt.Errorf("asset: look for what is old in the recycle bin: %w", err))
		}
		for _, o := range batch {
			last = o
			if o.root != 0 { // goes with the thing that took it along
				continue
			}
			err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				if fence != nil {
					fence(tx)
				}
				k, ok := s.BinKind(o.Kind)
				if !ok {
					return stoa.NotFound("kind of content", o.Kind) // a newer version knows it
				}
				return k.Purge(ctx, tx, o.ID)
			})
			switch {
			case err == nil:
				purged++
			case !stoa.Is(err, stoa.KindNotFound): // else a person was faster
				failed = errors.Join(failed, fmt.Errorf("asset: delete %s %d from the recycle bin: %w", o.Kind, o.ID, err))
			}
		}
		if len(batch) < MaxTrash {
			break
		}
	}
	return purged, failed
}

// TrashJob is the job that deletes what has been in the recycle bin for longer than age, looking every so often.
func (s *Service) TrashJob(age, every time.Duration) job.Job {
	return job.Job{
		Name:     "asset.trash.purge",
		Does:     "Deletes what has been in the recycle bin for long enough",
		Kind:     job.Once,
		Schedule: "@every " + every.String(),
		Timeout:  10 * time.Minute,
		Run: func(ctx context.Context, run job.Run) error {
			_, err := s.PurgeOld(stoa.WithActor(ctx, stoa.SystemActor()), age, run.Fence)
			return err
		},
	}
}
