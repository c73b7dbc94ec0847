package dbcheck

import (
	"context"
	"slices"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// commits is how many are measured: each is a flush of the server's log.
const commits = 10

// slowTrip is the time there and back beyond which the portal is slow: a page that is not in the cache takes some
// ten of them.
const slowTrip = 20 * time.Millisecond

// longCommit is the longest that a commit is waited for, in milliseconds.
const longCommit = "3000"

// trip measures the way to the server and back, and on a writable PostgreSQL how long a commit takes. What it
// commits is a message in the write-ahead log that nothing reads: no table changes.
func (l *look) trip(ctx context.Context) error {
	c, err := l.q.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var took []time.Duration
	for range l.trips {
		begun := time.Now()
		var one int
		if err := c.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
			return err
		}
		took = append(took, time.Since(begun))
	}
	l.host.Trip = span(took)
	if l.host.Trip.P50 > slowTrip {
		l.add("far", Warning, "run nodes and database in the same data centre", "the server %s is %s away: each page that is not in a cache takes several such trips",
			l.Name, l.host.Trip.P50.Round(100*time.Microsecond))
	}
	if l.Dialect != db.Postgres || l.host.Role != RoleWritable || l.host.Pooler == "statement" || l.report.Has("no-synchronous-replica") {
		return nil
	}
	took = nil
	for range commits {
		tx, err := c.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, "SET LOCAL statement_timeout = "+longCommit); err == nil {
			_, err = tx.ExecContext(ctx, "SELECT pg_logical_emit_message(true, 'stoa db check', '')")
		}
		if err != nil {
			_ = tx.Rollback()
			if refused(err) {
				return nil
			}
			return err
		}
		begun := time.Now()
		if err := tx.Commit(); err != nil {
			return err
		}
		took = append(took, time.Since(begun))
		if took[len(took)-1] > 2*time.Second {
			break
		}
	}
	l.host.Commit = span(took)
	if l.host.Commit.P50 > 250*time.Millisecond {
		l.add("slow-commit", Warning, "a faster disk for the write-ahead log, or a synchronous replica that is nearer",
			"a commit at %s takes %s: each save does at least that long", l.Name, l.host.Commit.P50.Round(time.Millisecond))
	}
	return nil
}

func span(took []time.Duration) *Span {
	slices.Sort(took)
	return &Span{P50: took[len(took)/2], P99: took[len(took)*99/100]}
}
