package server

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/search/remote"
)

// searchShared reports whether the nodes share the index of a search server.
func (s *Server) searchShared() bool { return s.cfg.Search.Engine == config.SearchServer }

// openSharedSearch prepares the use of a search server. It asks it nothing yet, so a node starts without it.
func (s *Server) openSharedSearch(ctx context.Context, o *index.Options) (err error) {
	c := s.cfg
	options := remote.Options{Hosts: c.Search.Hosts, User: c.Search.User, Password: c.Search.Password,
		APIKey: c.Search.APIKey, Prefix: c.Search.Prefix, Replicas: c.Search.Replicas, Shards: c.Search.Shards,
		Timeout: c.Search.Timeout, Logger: s.log}
	if c.Search.CAFile != "" {
		if options.CA, err = os.ReadFile(c.Search.CAFile); err != nil {
			return fmt.Errorf("search.server.ca: %w", err)
		}
	}
	if o.Engine, err = remote.Open(options); err != nil {
		return fmt.Errorf("open the search server: %w", err)
	}
	if o.Portal, err = s.identity(ctx); err != nil {
		return err
	}
	o.Held = func() error {
		if s.DB.Unproven() {
			return stoa.Unavailable(nil, "whether this is a copy of the portal's database is not known, and the indexes on the "+
				"search server are the portal's: run stoa db adopt")
		}
		return nil
	}
	o.Settle = s.settleShared
	o.Idle = func(ctx context.Context) error { return s.Follow.Idle(ctx, index.SharedName) }
	o.Refill = func(ctx context.Context) error { return s.Follow.Rebuild(ctx, index.SharedName) }
	s.unsearched = &unsearched{}
	return nil
}

// unsearched are the changes that this node has seen of what can be searched for, and that the shared index may not
// have yet. Who searches waits for those that were there before.
type unsearched struct {
	mu    sync.Mutex
	kinds []string
	rows  []unsearchedRow
}

type unsearchedRow struct {
	writer int64
	n      uint64
	seen   time.Time
}

const (
	// unsearchedAge is after what time a change is not waited for any more: the index cannot be written, which is told.
	unsearchedAge = 30 * time.Second
	// unsearchedMost are the newest changes that are waited for; of more, those before come first in any case.
	unsearchedMost = 1000
)

// hear notes changes. The log calls it before anyone who waits for them goes on.
func (u *unsearched) hear(rows []change.Row) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	for _, r := range rows {
		if r.Kind == change.Everything && r.Version != change.CachesOnly { // perhaps another history
			u.rows = nil
		} else if !slices.Contains(u.kinds, r.Kind) {
			continue
		}
		u.rows = append(u.rows, unsearchedRow{r.Writer, r.N, now})
	}
	if more := len(u.rows) - unsearchedMost; more > 0 {
		u.rows = slices.Delete(u.rows, 0, more)
	}
}

// pending gives what is waited for.
func (u *unsearched) pending() []unsearchedRow {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rows = slices.DeleteFunc(u.rows, func(r unsearchedRow) bool { return time.Since(r.seen) > unsearchedAge })
	return slices.Clone(u.rows)
}

// done takes changes off that a place has.
func (u *unsearched) done(place change.Place) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rows = slices.DeleteFunc(u.rows, func(r unsearchedRow) bool { return place.Has(r.writer, r.n) })
}

const (
	settleFirst = 25 * time.Millisecond // before the place of the follower is read once more, then twice as long each time
	settleLast  = 200 * time.Millisecond
)

// settleShared waits until the shared index has what this node has seen before, for a while: what takes longer is found
// later.
func (s *Server) settleShared(ctx context.Context) error {
	limit := time.NewTimer(settleLimit)
	defer limit.Stop()
	wanted := s.unsearched.pending()
	for wait := settleFirst; len(wanted) > 0; wait = min(2*wait, settleLast) {
		place, _, err := s.Log.Position(ctx, s.DB, index.SharedName)
		if err != nil {
			return err
		}
		s.unsearched.done(place)
		wanted = slices.DeleteFunc(wanted, func(r unsearchedRow) bool { return place.Has(r.writer, r.n) })
		if len(wanted) == 0 {
			return nil
		}
		again := time.NewTimer(wait)
		select {
		case <-again.C:
		case <-limit.C:
			again.Stop()
			return nil
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// nameSearch notes what the index that this node searches is kept by, for who looks at the cluster.
func (s *Server) nameSearch(ctx context.Context) {
	if !s.searchShared() {
		return
	}
	if name := s.searchName.Load(); name != nil && time.Since(s.searchNamed) < time.Hour {
		return
	}
	if st, err := s.Search.Engine().Status(ctx); err == nil {
		s.searchName.Store(&st.Engine)
		s.searchNamed = time.Now()
	}
}

// searchKept says what keeps the index that this node searches: cluster.SearchEmbedded or the name of a search server.
func (s *Server) searchKept() string {
	if !s.searchShared() {
		return cluster.SearchEmbedded
	}
	if name := s.searchName.Load(); name != nil {
		return *name
	}
	return cluster.SearchUnnamed
}
