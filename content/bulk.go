package content

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// MaxBulk is how many articles one action may be for. It is one transaction, which others wait for.
const MaxBulk = 200

// The actions that can be done with several articles at once.
const (
	BulkPublish   = "publish"
	BulkUnpublish = "unpublish"
	BulkDelete    = "delete"
)

// Bulk does one thing with up to MaxBulk articles as they are now, with the permissions that it needs for each: with
// all or, where one refuses it, with none. The error names that one. What it takes away is confirmed once for all.
func (s *Service) Bulk(ctx context.Context, do string, ids []stoa.ID) error {
	if !slices.Contains([]string{BulkPublish, BulkUnpublish, BulkDelete}, do) {
		return stoa.Invalid("do",
			"%.20q cannot be done with several articles: publish, unpublish or delete is expected", do)
	}
	ids = slices.Clone(ids)
	slices.Sort(ids) // in the same order as others, so that they wait for each other and not in a ring
	ids = slices.Compact(ids)
	if len(ids) > MaxBulk {
		return stoa.Invalid("id", "at most %d articles can be chosen at once; %d are", MaxBulk, len(ids))
	}
	return s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, id := range ids {
			if err := s.bulkOne(ctx, tx, do, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) bulkOne(ctx context.Context, tx *db.Tx, do string, id stoa.ID) error {
	a, err := read(ctx, tx, id)
	if err != nil {
		return err
	}
	switch do {
	case BulkPublish:
		err = s.PublishTx(ctx, tx, id, a.Article.Version, time.Time{})
	case BulkUnpublish:
		err = s.unpublishTx(ctx, tx, id, a.Article.Version)
	default:
		err = s.deleteTx(ctx, tx, id)
	}
	var e *stoa.Error
	if !errors.As(err, &e) || e.Kind == stoa.KindInternal || e.Kind == stoa.KindUnavailable {
		return err
	}
	return &stoa.Error{Kind: e.Kind, Field: e.Field,
		Message: fmt.Sprintf("nothing was done, because of the article at %s: %s", Address(a.Slug), e.Message)}
}
