package content

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

// Publish shows the newest version to visitors: now, or at a time to come. What visitors see until
// then stays. It needs Publish; a stale version is a Conflict, an expiry that has passed Invalid.
func (s *Service) Publish(ctx context.Context, id stoa.ID, version int64, at time.Time) (Article, error) {
	return s.write(ctx, "publish", id, func(ctx context.Context, tx *db.Tx) error {
		return s.PublishTx(ctx, tx, id, version, at)
	})
}

// PublishTx is Publish in the caller's transaction, for imports.
func (s *Service) PublishTx(ctx context.Context, tx *db.Tx, id stoa.ID, version int64, at time.Time) error {
	a, err := s.change(ctx, tx, id, version, access.Publish)
	if err != nil {
		return err
	}
	now := s.o.Now()
	later := at.After(now)
	if !later {
		at = now
	}
	if !a.Expire.IsZero() && !a.Expire.After(at) {
		return stoa.Invalid("expire", "the article would expire before it is published: change its expiry first")
	}
	if later {
		audit.Note(tx, audit.Scheduled, a.thing(), at.UTC().Format("2006-01-02 15:04 UTC"))
		err := s.updateAs(ctx, tx, kindDraft, a, "status = ?, publish_at = ?, pending = number", StatusScheduled,
			db.Micros(at))
		if err != nil {
			return err
		}
		return enter(ctx, tx, id)
	}
	return s.show(ctx, tx, a, a.Number, now)
}

// show makes a version the one that visitors see. The date that is shown is kept once it is set.
func (s *Service) show(ctx context.Context, tx *db.Tx, a row, number int, now time.Time) error {
	date := a.Published
	if date.IsZero() {
		date = now
	}
	tx.Changed(kindShown, a.ID, a.Site, a.Article.Version+1)
	err := s.update(
		ctx,
		tx,
		a,
		"status = ?, publish_at = 0, pending = 0, live = ?, published = ?",
		StatusPublished,
		number,
		db.Micros(date),
	)
	if err != nil {
		return err
	}
	audit.Note(tx, audit.Published, a.thing())
	return s.keepLinks(ctx, tx, a.ID, a.Number, number)
}

// update sets columns of a row that must not have changed since it was read, and notes the change.
func (s *Service) update(ctx context.Context, tx *db.Tx, a row, set string, args ...any) error {
	if err := s.updateAs(ctx, tx, kindArticle, a, set, args...); err != nil {
		return err
	}
	return enter(ctx, tx, a.ID)
}

// updateAs is update that says what kind of change it is, and leaves the entry to the caller.
func (s *Service) updateAs(ctx context.Context, tx *db.Tx, kind string, a row, set string, args ...any) error {
	args = append(args, a.ID, a.Article.Version)
	n, err := tx.Affected(
		ctx,
		"UPDATE content_article SET "+set+", version = version + 1 WHERE id = ? AND version = ?",
		args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return stale()
	}
	tx.Changed(kind, a.ID, a.Site, a.Article.Version+1)
	return nil
}

func (s *Service) write(
	ctx context.Context,
	what string,
	id stoa.ID,
	fn func(ctx context.Context, tx *db.Tx) error,
) (Article, error) {
	if err := s.o.DB.Write(ctx, fn); err != nil {
		return Article{}, fmt.Errorf("content: %s an article: %w", what, err)
	}
	return s.Get(ctx, id)
}

// Unpublish takes the article away from visitors and cancels what was scheduled. It needs Publish;
// a stale version is a Conflict.
func (s *Service) Unpublish(ctx context.Context, id stoa.ID, version int64) (Article, error) {
	return s.write(ctx, "withdraw", id, func(ctx context.Context, tx *db.Tx) error {
		return s.unpublishTx(ctx, tx, id, version)
	})
}

func (s *Service) unpublishTx(ctx context.Context, tx *db.Tx, id stoa.ID, version int64) error {
	a, err := s.change(ctx, tx, id, version, access.Publish)
	if err != nil {
		return err
	}
	const hide = "status = ?, publish_at = 0, pending = 0, live = 0"
	if a.Live > 0 { // what no visitor has seen is taken away from none
		tx.Changed(kindShown, a.ID, a.Site, a.Article.Version+1)
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
			n, err := tx.Affected(ctx,
				"UPDATE content_article SET "+hide+", version = version + 1 WHERE id = ? AND live > 0",
				StatusDraft, id)
			if err != nil || n == 0 {
				return err
			}
			tx.Changed("article", id, a.Site, 0)
			tx.Changed(kindShown, id, a.Site, 0)
			return enter(ctx, tx, id)
		})
	}
	audit.Note(tx, audit.Withdrawn, a.thing())
	return s.update(ctx, tx, a, hide, StatusDraft)
}

// SetExpiry says when the article stops being visible; the zero time means never. It needs Publish;
// a time that has passed is Invalid, a stale version a Conflict.
func (s *Service) SetExpiry(ctx context.Context, id stoa.ID, version int64, at time.Time) (Article, error) {
	return s.write(ctx, "set the expiry of", id, func(ctx context.Context, tx *db.Tx) error {
		return s.setExpiry(ctx, tx, id, version, at)
	})
}

// dueAtOnce bounds how many articles one transaction publishes or expires; the job runs again soon.
const dueAtOnce = 200

// PublishDue publishes what is scheduled and expires what is over, at the database's time, in a
// transaction of its own. Only the portal itself may.
func (s *Service) PublishDue(ctx context.Context) error {
	now, err := job.DatabaseNow(ctx, s.o.DB)
	if err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.PublishDueTx(ctx, tx, now) })
}

// Job is the job that publishes and expires: its transaction is that of the run's completion.
func (s *Service) Job() job.Job {
	return job.Job{
		Name:     "content.publish",
		Does:     "Publishes and expires articles on time",
		Kind:     job.Once,
		Schedule: "@every 15s",
		Timeout:  time.Minute,
		Run: func(ctx context.Context, run job.Run) error {
			return run.Commit(ctx, func(ctx context.Context, tx *db.Tx) error { return s.PublishDueTx(ctx, tx, run.Now) })
		},
	}
}

// PublishDueTx is PublishDue in the caller's transaction and at the caller's time.
func (s *Service) PublishDueTx(ctx context.Context, tx *db.Tx, now time.Time) error {
	if !stoa.ActorFrom(ctx).System {
		return stoa.Forbidden("only the portal itself publishes by time")
	}
	due, err := db.All(
		ctx,
		tx,
		scanRow,
		columns+"WHERE a.status = ? AND a.publish_at > 0 AND a.publish_at <= ? ORDER BY a.publish_at, a.id LIMIT ?",
		StatusScheduled,
		db.Micros(now),
		dueAtOnce,
	)
	if err != nil {
		return fmt.Errorf("content: look for articles to publish: %w", err)
	}
	for _, a := range due {
		if a.Published.IsZero() || a.Live == 0 && a.Published.Before(a.Publish) {
			a.Published = a.Publish // the time that was promised, not the one of the job
		}
		if err := s.show(ctx, tx, a, a.Pending, now); err != nil && !stoa.Is(err, stoa.KindConflict) {
			return fmt.Errorf("content: publish article %s: %w", a.ID, err)
		}
	}
	over, err := db.All(
		ctx,
		tx,
		scanRow,
		columns+"WHERE a.expire_at > 0 AND a.expire_at <= ? AND a.live > 0 ORDER BY a.expire_at, a.id LIMIT ?",
		db.Micros(now),
		dueAtOnce,
	)
	if err != nil {
		return fmt.Errorf("content: look for articles that expire: %w", err)
	}
	for _, a := range over {
		tx.Changed(kindShown, a.ID, a.Site, a.Article.Version+1)
		// A Conflict means that an editor was faster: the next run looks again.
		err := s.update(ctx, tx, a, "status = ?, live = 0, pending = 0, publish_at = 0", StatusExpired)
		if err != nil && !stoa.Is(err, stoa.KindConflict) {
			return fmt.Errorf("content: expire article %s: %w", a.ID, err)
		}
		if err == nil {
			audit.Note(tx, audit.Expired, a.thing())
		}
	}
	return nil
}

// NextDue is the next time at which PublishDue has something to do; zero when nothing is planned.
func (s *Service) NextDue(ctx context.Context) (time.Time, error) {
	var publish, expire int64
	err := s.o.DB.QueryRow(ctx, "SELECT COALESCE(MIN(publish_at), 0) FROM content_article WHERE status = ? AND "+
		"publish_at > 0", StatusScheduled).
		Scan(&publish)
	if err == nil {
		err = s.o.DB.QueryRow(ctx, "SELECT COALESCE(MIN(expire_at), 0) FROM content_article WHERE expire_at > 0 AND "+
			"live > 0").
			Scan(&expire)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("content: look for what is due next: %w", err)
	}
	if publish == 0 || expire != 0 && expire < publish {
		publish = expire
	}
	return db.Time(publish), nil
}
