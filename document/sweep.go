package document

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
)

const (
	// sweepBatch is how many files are looked up in the database at once.
	sweepBatch = 500
	// uploadAge is how old bytes are before they can be an orphan: those of an upload come before its row.
	uploadAge = 24 * time.Hour
	// folder is what the keys of files begin with in the store, which other parts use as well.
	folder = "document/"
)

// Swept is what Sweep has found and done.
type Swept struct {
	Held     string // why nothing was looked at; empty when it was
	Files    int    // whose bytes are in the store
	Found    int    // orphans that were not known before
	Returned int    // orphans to which a file refers again
	Removed  int    // orphans whose bytes are gone now
	Freed    int64  // bytes of these, as far as known
	Waiting  int    // orphans whose bytes are kept for the time being
}

// Sweep looks for bytes that no file refers to, such as those of a deleted file or of an upload whose node died, notes
// since when that is known, and removes those that were noted longer than Options.OrphanAge ago and after the oldest
// backup that is kept was begun. While a backup or a move runs, and for Options.OrphanAge after the database got
// another incarnation, it does nothing: rows may yet come back. Bytes older than the portal's own database stay: a
// store may be given a new database by mistake, and must not be emptied for that. It reads the write source. now is the
// cluster's time. Only the portal itself may ask.
func (s *Service) Sweep(ctx context.Context, now time.Time) (w Swept, err error) {
	if !stoa.ActorFrom(ctx).System {
		return w, stoa.Forbidden("only the portal itself sweeps the file store")
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("sweep the file store: %w", err)
		}
	}()
	before, held, err := s.mayRemove(ctx, now)
	if err != nil || held != "" {
		w.Held = held
		return w, err
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "DELETE FROM document_orphan WHERE file_key IN (SELECT file_key FROM document_file)")
		w.Returned = int(n)
		return err
	})
	if err != nil {
		return w, err
	}
	if err := s.findOrphans(ctx, now, &w); err != nil {
		return w, err
	}
	for {
		more, err := s.removeOrphans(ctx, before, &w)
		if err != nil {
			return w, err
		}
		if !more {
			break
		}
		if before, held, err = s.mayRemove(ctx, now); err != nil || held != "" {
			w.Held = held
			return w, err
		}
	}
	return w, s.opt.DB.QueryRow(ctx, "SELECT COUNT(*) FROM document_orphan").Scan(&w.Waiting)
}

// mayRemove gives the time before which an orphan was noted whose bytes may go now; held says why none may.
func (s *Service) mayRemove(ctx context.Context, now time.Time) (before time.Time, held string, err error) {
	before = now.Add(-s.opt.OrphanAge)
	if s.opt.Incarnated != nil {
		at, err := s.opt.Incarnated(ctx)
		if err != nil {
			return before, "", err
		}
		if !at.IsZero() && at.After(before) {
			return before, fmt.Sprintf("the database has had another incarnation since %s", at.UTC().Format(time.DateTime)), nil
		}
	}
	if s.opt.Spare == nil {
		return before, "", nil
	}
	oldest, running, err := s.opt.Spare(ctx)
	switch {
	case err != nil:
		return before, "", err
	case running:
		return before, "a backup, a restore or a move is running", nil
	case !oldest.IsZero() && oldest.Before(before):
		before = oldest
	}
	return before, "", nil
}

// findOrphans compares what is in the store with the rows.
func (s *Service) findOrphans(ctx context.Context, now time.Time, w *Swept) error {
	var first int64
	if err := s.opt.DB.QueryRow(ctx, "SELECT COALESCE(MIN(created), 0) FROM site_site").Scan(&first); err != nil {
		return err
	}
	birth := db.Time(first)
	if birth.IsZero() {
		return nil
	}
	batch := map[string]int64{} // file key → bytes
	err := s.opt.Store.List(ctx, folder, func(i filestore.Info) error {
		if !i.Modified.Before(now.Add(-uploadAge)) || !i.Modified.After(birth) {
			return nil
		}
		key, _, _ := strings.Cut(strings.TrimPrefix(i.Key, folder), "-")
		if key == "" || len(key) > maxKey || strings.Contains(key, "/") {
			return nil // not of a file
		}
		batch[key] += i.Size
		if len(batch) < sweepBatch {
			return nil
		}
		err := s.noteOrphans(ctx, batch, now, w)
		clear(batch)
		return err
	})
	if err != nil {
		return err
	}
	return s.noteOrphans(ctx, batch, now, w)
}

// noteOrphans notes those keys that no row has.
func (s *Service) noteOrphans(ctx context.Context, batch map[string]int64, now time.Time, w *Swept) error {
	if len(batch) == 0 {
		return nil
	}
	w.Files += len(batch)
	keys := make([]any, 0, len(batch))
	for key := range batch {
		keys = append(keys, key)
	}
	found := 0
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		found = 0 // it may run again
		used, err := referenced(ctx, tx, keys)
		if err != nil {
			return err
		}
		known, err := column(ctx, tx, "SELECT file_key FROM document_orphan WHERE file_key IN "+db.In(len(keys)), keys)
		if err != nil {
			return err
		}
		skip := map[any]bool{}
		for _, key := range append(used, known...) {
			skip[key] = true
		}
		for key, size := range batch {
			if skip[key] {
				continue
			}
			if err := noteOrphan(ctx, tx, key, size, now); err != nil {
				return err
			}
			found++
		}
		return nil
	})
	w.Found += found
	return err
}

// removeOrphans removes some of the orphans noted before the given time, and reports whether there may be more.
func (s *Service) removeOrphans(ctx context.Context, before time.Time, w *Swept) (more bool, err error) {
	type orphan struct {
		key  string
		size int64
	}
	due, err := db.All(ctx, s.opt.DB, func(r db.Scanner) (o orphan, err error) { return o, r.Scan(&o.key, &o.size) },
		fmt.Sprintf("SELECT file_key, size FROM document_orphan WHERE found < ? ORDER BY found LIMIT %d", sweepBatch),
		db.Micros(before))
	if err != nil || len(due) == 0 {
		return false, err
	}
	keys := make([]any, len(due))
	for i, o := range due {
		keys[i] = o.key
	}
	used, err := referenced(ctx, s.opt.DB, keys)
	if err != nil {
		return false, err
	}
	skip := map[any]bool{}
	for _, key := range used {
		skip[key] = true
	}
	var gone []any
	var freed int64
	var failed error
	for _, o := range due {
		if skip[o.key] {
			continue
		}
		if failed = s.deleteBytes(ctx, o.key); failed != nil {
			break
		}
		gone, freed = append(gone, o.key), freed+o.size
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return forgetOrphans(ctx, tx, append(used, gone...))
	})
	if err == nil {
		w.Returned += len(used)
		w.Removed += len(gone)
		w.Freed += freed
	}
	return err == nil && failed == nil, errors.Join(failed, err)
}

// deleteBytes removes the bytes of a file and of its variants.
func (s *Service) deleteBytes(ctx context.Context, key string) error {
	if err := s.opt.Store.Delete(ctx, storeKey(key, 0)); err != nil {
		return fmt.Errorf("remove the bytes of file %s: %w", key, err)
	}
	for _, width := range Widths() {
		if err := s.opt.Store.Delete(ctx, storeKey(key, width)); err != nil {
			return fmt.Errorf("remove the bytes of file %s: %w", key, err)
		}
	}
	return nil
}

// noteOrphan writes down that no file refers to a key, unless that is known.
func noteOrphan(ctx context.Context, tx *db.Tx, key string, size int64, found time.Time) error {
	_, err := tx.InsertIgnore(ctx, "document_orphan", db.Row{"file_key": key, "size": size, "found": db.Micros(found)})
	return err
}

func forgetOrphans(ctx context.Context, tx *db.Tx, keys []any) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, "DELETE FROM document_orphan WHERE file_key IN "+db.In(len(keys)), keys...)
	return err
}

// referenced gives those of the keys that a file has.
func referenced(ctx context.Context, q db.Queryer, keys []any) ([]any, error) {
	return column(ctx, q, "SELECT file_key FROM document_file WHERE file_key IN "+db.In(len(keys)), keys)
}

func column(ctx context.Context, q db.Queryer, query string, args []any) ([]any, error) {
	return db.All(ctx, q, func(r db.Scanner) (any, error) {
		var key string
		err := r.Scan(&key)
		return key, err
	}, query, args...)
}
