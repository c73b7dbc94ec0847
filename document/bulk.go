package document

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
)

// MaxBulk is how many files TrashAll and MoveAll may be for: one transaction, which others wait for.
const MaxBulk = bulk.Portion

// BulkTrash is the action of package bulk that puts any number of files into the recycle bin.
const BulkTrash = "file.delete"

// BulkActions are the actions as package bulk does them with any number of files, each with the permission that it
// needs.
func (s *Service) BulkActions() []bulk.Action {
	return []bulk.Action{{Name: BulkTrash, Title: "bulk.file.delete",
		Do: func(ctx context.Context, tx *db.Tx, t bulk.Thing) error {
			if t.Kind != kindFile {
				return stoa.NotFound(kindFile, t)
			}
			return s.trashTx(ctx, tx, t.ID)
		}}}
}

// TrashAll puts up to MaxBulk files into the recycle bin, with the permission that Trash needs for each: all or,
// where one refuses it, none. The error names that one if the actor may edit it.
func (s *Service) TrashAll(ctx context.Context, ids []stoa.ID) error {
	return s.all(ctx, ids, func(ctx context.Context, tx *db.Tx, f File) error { return s.trashTx(ctx, tx, f.ID) })
}

// MoveAll puts up to MaxBulk files into a folder of their site (0: none) as Move does, all or none. Each keeps its own
// grants, if it has some.
func (s *Service) MoveAll(ctx context.Context, ids []stoa.ID, folder stoa.ID) error {
	return s.all(ctx, ids, func(ctx context.Context, tx *db.Tx, f File) error {
		if f.Folder == folder {
			return s.may(ctx, access.Edit, f) // it is there
		}
		return s.moveTx(ctx, tx, f, folder, f.Restricted, f.Version)
	})
}

// all does one thing with files in one transaction.
func (s *Service) all(ctx context.Context, ids []stoa.ID, do func(context.Context, *db.Tx, File) error) error {
	ids = slices.Clone(ids)
	slices.Sort(ids) // in the same order as others, so that they wait for each other and not in a ring
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return stoa.Invalid("id", "choose at least one file")
	case len(ids) > MaxBulk:
		return stoa.Invalid("id", "at most %d files can be moved or deleted at once; %d are chosen", MaxBulk, len(ids))
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, id := range ids {
			f, err := s.read(ctx, tx, id)
			if err == nil {
				err = s.because(ctx, f, do(ctx, tx, f))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// because names the file that keeps the others from being changed, to those who may edit it: the ids are those of a
// form, so they may be of another site or instance.
func (s *Service) because(ctx context.Context, f File, err error) error {
	var e *stoa.Error
	if !errors.As(err, &e) || e.Kind == stoa.KindInternal || e.Kind == stoa.KindUnavailable ||
		e.Kind == stoa.KindNotFound || s.may(ctx, access.Edit, f) != nil {
		return err
	}
	const because = "nothing was done, because of the file %s: %s"
	return &stoa.Error{Kind: e.Kind, Field: e.Field, Err: e.Err, // the cause tells the audit log of a refusal
		Message: fmt.Sprintf(because, f.Name, e.Message), Sentence: because, Args: []any{f.Name, e}}
}
