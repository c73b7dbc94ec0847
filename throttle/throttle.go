// Package throttle counts tries in rows, so that the limits are the same for all nodes: of sign-ins, second factors,
// links for a forgotten password, passwords of pages and articles.
package throttle

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Limit is how many tries a subject has within the window. A subject names what is tried, and who or what tries it, in
// at most 190 bytes: "signin:ip:192.0.2.1".
type Limit struct {
	Subject string
	Max     int
}

// ByAddress names the address and the networks that it is in: in IPv6 a /64, which is what a home has, and a /48,
// which is what providers give to each customer. A /48 may try four times as often as one address.
func ByAddress(purpose string, a netip.Addr, most int) []Limit {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return []Limit{{purpose + ":ip:none", most}}
	case a.Is4():
		return []Limit{{purpose + ":ip:" + a.String(), most}}
	}
	var out []Limit
	for bits, max := range map[int]int{64: most, 48: 4 * most} {
		if p, err := a.Prefix(bits); err == nil {
			out = append(out, Limit{purpose + ":ip:" + p.String(), max})
		}
	}
	return out
}

// Service counts. It is safe for concurrent use.
type Service struct {
	db     *db.DB
	window time.Duration
	now    func() time.Time
}

// New gives a Service that forgets a subject's tries the window after the first of them.
func New(d *db.DB, window time.Duration, now func() time.Time) *Service {
	return &Service{db: d, window: window, now: now}
}

// Try counts one try for all limits before it is made, so that tries at the same time on several
// nodes cannot be more than the limit allows. When one limit is reached nothing is counted and the
// error is TooMany, with the time to wait. The rows are in no cache, so the change log is not told.
func (s *Service) Try(ctx context.Context, limits ...Limit) error {
	slices.SortFunc(limits, func(a, b Limit) int { return strings.Compare(a.Subject, b.Subject) })
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Repeatable() // but for a try that is counted twice, which is better than a person who is told nothing
		now := s.now()
		start := db.Micros(now.Add(-s.window))
		for _, l := range limits {
			tries, since, err := lock(ctx, tx, l.Subject, now)
			if err != nil {
				return err
			}
			if since <= start {
				tries, since = 0, db.Micros(now)
			}
			if tries >= l.Max {
				return refused(db.Time(since).Add(s.window).Sub(now))
			}
			if _, err := tx.Exec(ctx, "UPDATE user_attempt SET tries = ?, since = ? WHERE subject = ?", tries+1, since,
				l.Subject); err != nil {
				return err
			}
		}
		return nil
	})
}

func refused(wait time.Duration) error {
	err := stoa.TooMany("there were too many tries; try again in a minute")
	if wait >= time.Minute {
		err = stoa.TooMany("there were too many tries; try again in %d minutes", int(wait/time.Minute)+1)
	}
	err.Wait = wait
	return err
}

// lock makes the row of a subject, if there is none, and locks it: a sign-in that succeeds at the same time removes the
// one that was there before or after, not between.
func lock(ctx context.Context, tx *db.Tx, subject string, now time.Time) (tries int, since int64, err error) {
	if err := tx.InsertOrLock(ctx, "user_attempt", []string{"subject"},
		db.Row{"subject": subject, "tries": 0, "since": db.Micros(now)}); err != nil {
		return 0, 0, err
	}
	err = tx.QueryRow(ctx, "SELECT tries, since FROM user_attempt WHERE subject = ?"+tx.Dialect().ForUpdate(),
		subject).Scan(&tries, &since)
	return tries, since, err
}

// GiveBack takes one try of each subject back, in the caller's transaction.
func GiveBack(ctx context.Context, tx *db.Tx, subjects ...string) error {
	slices.Sort(subjects) // in one order everywhere, so that two do not wait for each other
	for _, subject := range subjects {
		if _, err := tx.Exec(ctx, "UPDATE user_attempt SET tries = tries - 1 WHERE subject = ? AND tries > 0",
			subject); err != nil {
			return err
		}
	}
	return nil
}

// Forget takes all tries of the subjects back, in the caller's transaction.
func Forget(ctx context.Context, tx *db.Tx, subjects ...string) error {
	slices.Sort(subjects)
	for _, subject := range subjects {
		if _, err := tx.Exec(ctx, "DELETE FROM user_attempt WHERE subject = ?", subject); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes, in the caller's transaction, the rows that count for nothing any more.
func (s *Service) Sweep(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, "DELETE FROM user_attempt WHERE since <= ?", db.Micros(s.now().Add(-s.window)))
	return err
}
