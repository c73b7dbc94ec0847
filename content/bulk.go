package content

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
)

// MaxBulk is how many articles Bulk may be for. It is one transaction, which others wait for. With more, the same is
// done by package bulk: BulkActions.
const MaxBulk = bulk.Portion

// The actions that can be done with several articles at once; for package bulk each stands behind BulkPrefix.
const (
	BulkPrefix    = "article."
	BulkPublish   = "publish"
	BulkUnpublish = "unpublish"
	BulkDelete    = "delete" // into the recycle bin
)

// Bulk does one thing with up to MaxBulk articles as they are now, with the permissions that it needs for each: with
// all or, where one refuses it, with none. The error names that one if the actor may edit it, and tells nothing of it
// otherwise. What it takes away is confirmed once for all.
func (s *Service) Bulk(ctx context.Context, do string, ids []stoa.ID) error {
	if !slices.Contains([]string{BulkPublish, BulkUnpublish, BulkDelete}, do) {
		return stoa.Invalid("do",
			"%.20q cannot be done with several articles: publish, unpublish or delete is expected", do)
	}
	ids = slices.Clone(ids)
	slices.Sort(ids) // in the same order as others, so that they wait for each other and not in a ring
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return stoa.Invalid("id", "choose at least one article")
	case len(ids) > MaxBulk:
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

// BulkActions are the actions as package bulk does them with any number of articles, each with the permission that it
// needs.
func (s *Service) BulkActions() []bulk.Action {
	of := func(do string, title stoa.Phrase) bulk.Action {
		return bulk.Action{Name: BulkPrefix + do, Title: title, Do: func(ctx context.Context, tx *db.Tx, t bulk.Thing) error {
			if t.Kind != kindArticle {
				return stoa.NotFound(kindArticle, t)
			}
			a, err := read(ctx, tx, t.ID)
			if err != nil {
				return err
			}
			return s.bulkDo(ctx, tx, do, a)
		}}
	}
	return []bulk.Action{
		of(BulkPublish, "bulk.article.publish"),
		of(BulkUnpublish, "bulk.article.unpublish"),
		of(BulkDelete, "bulk.article.delete"),
	}
}

func (s *Service) bulkDo(ctx context.Context, tx *db.Tx, do string, a row) error {
	switch do {
	case BulkPublish:
		return s.PublishTx(ctx, tx, a.ID, a.Article.Version, time.Time{})
	case BulkUnpublish:
		return s.unpublishTx(ctx, tx, a.ID, a.Article.Version)
	}
	return s.trashTx(ctx, tx, a.ID)
}

func (s *Service) bulkOne(ctx context.Context, tx *db.Tx, do string, id stoa.ID) error {
	a, err := read(ctx, tx, id)
	if err != nil {
		return err
	}
	err = s.bulkDo(ctx, tx, do, a)
	var e *stoa.Error
	if !errors.As(err, &e) || e.Kind == stoa.KindInternal || e.Kind == stoa.KindUnavailable {
		return err
	}
	// The ids are those of a form, so they may be of another site or instance.
	if e.Kind == stoa.KindNotFound || s.May(ctx, access.Edit, a.Article) != nil {
		return err
	}
	const because = "nothing was done, because of the article at %s: %s"
	return &stoa.Error{Kind: e.Kind, Field: e.Field, Err: e.Err, // the cause tells the audit log of a refusal
		Message: fmt.Sprintf(because, Address(a.Slug), e.Message), Sentence: because, Args: []any{Address(a.Slug), e}}
}
