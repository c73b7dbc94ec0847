package content

import (
	"context"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// Then is what becomes of an article in the transaction that saves its text: what the button of a form says besides.
// The zero value is nothing.
type Then struct {
	Expire  *time.Time // when it stops being visible, as SetExpiry sets it; nil: that stays
	Publish bool       // shows visitors what is saved, as Publish does
	At      time.Time  // with Publish: when; now unless that is to come
}

// do does it to the article with a version, in that order.
func (s *Service) do(ctx context.Context, tx *db.Tx, id stoa.ID, version int64, then Then) error {
	if then.Expire != nil {
		if err := s.setExpiry(ctx, tx, id, version, *then.Expire); err != nil {
			return err
		}
		version++
	}
	if !then.Publish {
		return nil
	}
	return s.PublishTx(ctx, tx, id, version, then.At)
}

// Do does to an article whose text was saved before what else a form says, and takes away what the person has typed in
// a window (empty: nothing). It needs Edit, and Publish for what it does; a stale version is a Conflict.
func (s *Service) Do(ctx context.Context, id stoa.ID, version int64, autosave string, then Then) (Article, error) {
	return s.write(ctx, "publish", id, func(ctx context.Context, tx *db.Tx) error {
		if _, err := s.change(ctx, tx, id, version, access.Edit); err != nil {
			return err
		}
		if err := closeAutosave(ctx, tx, autosave); err != nil {
			return err
		}
		return s.do(ctx, tx, id, version, then)
	})
}

func (s *Service) setExpiry(ctx context.Context, tx *db.Tx, id stoa.ID, version int64, at time.Time) error {
	a, err := s.change(ctx, tx, id, version, access.Publish)
	if err != nil {
		return err
	}
	if !at.IsZero() && (!at.After(s.o.Now()) || !a.Publish.IsZero() && !at.After(a.Publish)) {
		return stoa.Invalid("expire", "a time after now and after the publication is expected")
	}
	audit.Note(tx, audit.ExpirySet, a.thing())
	return s.update(ctx, tx, a, "expire_at = ?", db.Micros(at))
}
