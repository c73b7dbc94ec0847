package change

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// counters are what the Log has done since it was opened.
type counters struct {
	committed, rolledBack, unknown                atomic.Uint64
	read, applied, overruns                       atomic.Uint64
	hintsSent, hintsReceived, hintsLost, hintsBad atomic.Uint64
	tookAway, unconfirmed                         atomic.Uint64

	mu       sync.Mutex
	polls    uint64
	failed   uint64
	lastTook time.Duration
	lastErr  string
}

func (c *counters) poll(took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.polls++
	c.lastTook, c.lastErr = took, ""
	if err != nil {
		c.failed++
		c.lastErr = err.Error()
	}
}

// Status is what the control panel and the metrics show of the change log of one node.
type Status struct {
	Writer      int64
	Low         uint64        // every own number below it is settled
	Doubtful    int           // own numbers whose outcome is not known
	ProofAge    time.Duration // since the newest proof was sent; −1 without one
	Writers     []WriterStatus
	Polls       uint64
	PollsFailed uint64
	PollTook    time.Duration // the newest one
	PollError   string        // of the newest one; for administrators
	Committed   uint64        // transactions of this process
	RolledBack  uint64
	Unknown     uint64 // COMMITs without an answer whose settlement failed
	Read        uint64 // rows read from the log
	Applied     uint64 // rows given to the caches
	Overruns    uint64 // times the log was pruned before this node had read it
	HintsSent   uint64 // messages
	HintsGot    uint64
	HintsLost   uint64
	HintsBad    uint64
	Confirmed   uint64 // transactions that the log showed after their hint
	Repaired    uint64 // transactions that no hint had brought
	TookAway    uint64 // own writes that took something away
	Unconfirmed uint64 // of these, those that not every live node confirmed in time
	Lost        []Lost // own commits that a replaced database does not have, the newest 1000
	Losses      uint64 // how many there were
}

// Lost is a row of an own commit that a replaced database does not have.
type Lost struct {
	Row
	By         stoa.ID // who made it; 0: the portal itself
	TakenAgain bool    // it took something away, and that was done again
}

// WriterStatus is how far this node has followed one other writer.
type WriterStatus struct {
	Writer int64
	Head   uint64
	Gaps   int
	Hinted int // transactions that came as hints and that the log has not shown yet
}

// Status gives the present numbers.
func (l *Log) Status() Status {
	c := l.core
	s := Status{
		Writer: l.Writer(), Low: c.Low(), Doubtful: len(c.own.doubtful()), ProofAge: -1,
		Committed: c.stats.committed.Load(), RolledBack: c.stats.rolledBack.Load(), Unknown: c.stats.unknown.Load(),
		Read: c.stats.read.Load(), Applied: c.stats.applied.Load(), Overruns: c.stats.overruns.Load(),
		HintsSent: c.stats.hintsSent.Load(), HintsGot: c.stats.hintsReceived.Load(), HintsLost: c.stats.hintsLost.Load(), HintsBad: c.stats.hintsBad.Load(),
		TookAway: c.stats.tookAway.Load(), Unconfirmed: c.stats.unconfirmed.Load(),
	}
	if p := l.Proof(); p != 0 {
		s.ProofAge = l.opt.Clock() - p
	}
	c.stats.mu.Lock()
	s.Polls, s.PollsFailed, s.PollTook, s.PollError = c.stats.polls, c.stats.failed, c.stats.lastTook, c.stats.lastErr
	c.stats.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Confirmed, s.Repaired, s.Lost, s.Losses = c.reader.again, c.reader.repaired, slices.Clone(c.lost), c.losses
	for w, st := range c.reader.streams {
		s.Writers = append(s.Writers, WriterStatus{Writer: w, Head: st.head, Gaps: len(st.gaps), Hinted: len(st.hinted)})
	}
	slices.SortFunc(s.Writers, func(a, b WriterStatus) int { return cmp.Compare(a.Writer, b.Writer) })
	return s
}

// Filter narrows Recent; zero fields match everything.
type Filter struct {
	Kind  string
	ID    stoa.ID
	Scope stoa.ID
	// Without leaves out rows of these kinds.
	Without []string
	// Scopes, if not nil, narrows the list to these scopes, as those of an instance and its sites.
	Scopes []stoa.ID
}

// mostRecent is how many of the newest rows are looked through for those that a filter chooses: the log of a busy
// portal has millions.
const mostRecent = 20_000

// Recent gives the newest rows of the log by the writers' clocks, at most limit (1 to 1000) of them, of the newest
// 20,000. They tell of people and things of all instances, so it is for operators.
func (l *Log) Recent(ctx context.Context, limit int, f Filter) ([]Row, error) {
	if err := stoa.ActorFrom(ctx).Operates("read the change log"); err != nil {
		return nil, err
	}
	if limit < 1 || limit > 1000 {
		return nil, stoa.Invalid("limit", "%d rows were asked for: 1 to 1000 can be shown", limit)
	}
	const columns = "SELECT writer, n, part, low, kind, thing, scope, version, at FROM "
	query, args := columns+"("+columns+"change_log ORDER BY at DESC LIMIT ?) newest WHERE kind <> ''", []any{mostRecent}
	if f.Kind != "" {
		query, args = query+" AND kind = ?", append(args, f.Kind)
	}
	if f.ID != 0 {
		query, args = query+" AND thing = ?", append(args, f.ID)
	}
	if f.Scope != 0 {
		query, args = query+" AND scope = ?", append(args, f.Scope)
	}
	if len(f.Without) > 0 {
		query += " AND kind NOT IN " + db.In(len(f.Without))
		for _, kind := range f.Without {
			args = append(args, kind)
		}
	}
	if f.Scopes != nil {
		if len(f.Scopes) == 0 {
			return nil, nil
		}
		query, args = query+" AND scope IN "+db.In(len(f.Scopes)), append(args, db.Args(f.Scopes)...)
	}
	return db.All(ctx, db.Reader(ctx, l.d), scanRow, query+" ORDER BY at DESC, writer, n DESC, part LIMIT ?",
		append(args, limit)...)
}

// Look is Recent for a person: operators see all rows; administrators of an instance those of the instance itself
// and of its sites, which the caller names. Others are refused.
func (l *Log) Look(ctx context.Context, limit int, f Filter, sites []stoa.ID) ([]Row, error) {
	switch a := stoa.ActorFrom(ctx); {
	case a.System, a.Operator:
		return l.Recent(ctx, limit, f)
	case !a.SignedIn() || !a.Admin || a.Instance == 0:
		return nil, stoa.Forbidden("only administrators may see the change log")
	default:
		f.Scopes = append([]stoa.ID{a.Instance}, sites...)
		return l.Recent(ctx, limit, f)
	}
}
