package document

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
)

// sweepBatch is how many files are looked up in the database at once.
const sweepBatch = 500

// Sweep removes bytes that no file refers to and that were put before the given time, such as those of an upload
// that died before its row was written, and gives their number. Bytes older than the portal's own database stay: a
// store may be given a new database by mistake, and must not be emptied for that. Only the portal itself may ask.
func (s *Service) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	if !stoa.ActorFrom(ctx).System {
		return 0, stoa.Forbidden("only the portal itself sweeps the file store")
	}
	var first int64
	if err := s.opt.DB.QueryRow(ctx, "SELECT COALESCE(MIN(created), 0) FROM site_site").Scan(&first); err != nil {
		return 0, fmt.Errorf("sweep the file store: %w", err)
	}
	birth := db.Time(first)
	if birth.IsZero() {
		return 0, nil
	}
	old := map[string][]string{} // file key → store keys
	clear := func() error {
		n, err := s.sweepKeys(ctx, old)
		removed += n
		old = map[string][]string{}
		return err
	}
	err = s.opt.Store.List(ctx, "document/", func(i filestore.Info) error {
		if !i.Modified.Before(before) || !i.Modified.After(birth) {
			return nil
		}
		key, _, _ := strings.Cut(strings.TrimPrefix(i.Key, "document/"), "-")
		old[key] = append(old[key], i.Key)
		if len(old) < sweepBatch {
			return nil
		}
		return clear()
	})
	if err == nil {
		err = clear()
	}
	if err != nil {
		return removed, fmt.Errorf("sweep the file store: %w", err)
	}
	return removed, nil
}

// sweepKeys deletes the bytes of those keys that no row has.
func (s *Service) sweepKeys(ctx context.Context, old map[string][]string) (removed int, err error) {
	if len(old) == 0 {
		return 0, nil
	}
	keys := make([]any, 0, len(old))
	for key := range old {
		keys = append(keys, key)
	}
	used, err := db.All(ctx, s.opt.DB, func(r db.Scanner) (key string, err error) { return key, r.Scan(&key) },
		"SELECT file_key FROM document_file WHERE file_key IN "+db.In(len(keys)), keys...)
	if err != nil {
		return 0, err
	}
	for _, key := range used {
		delete(old, key)
	}
	for _, list := range old {
		for _, key := range list {
			if err := s.opt.Store.Delete(ctx, key); err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}
