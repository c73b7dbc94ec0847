package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
)

// leader shows the node to the jobs.
type leader struct {
	node  *cluster.Node
	mu    sync.Mutex
	asked map[int64]time.Duration // when a life without a row was first asked for
}

// IsMaster reports whether this node does what one node is enough for.
func (l *leader) IsMaster() bool { return l.node.IsMaster() }

// Writer is this life of the node.
func (l *leader) Writer() int64 { return l.node.Writer() }

// Alive is false for a life that is over: its row says so, its beat stands still, or it has had no row
// for longer than a node that has just joined needs to be seen.
func (l *leader) Alive(writer int64) bool {
	if writer == l.node.Writer() {
		return true
	}
	for _, m := range l.node.Members() {
		if m.Writer == writer {
			return m.Live
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := change.Boottime()
	first, known := l.asked[writer]
	if !known {
		if len(l.asked) > 1000 {
			clear(l.asked)
		}
		l.asked[writer], first = now, now
	}
	return now-first < 3*time.Second
}

// sweepNodes declares nodes dead that are gone, while this node is the master, and settles their part
// of the change log.
func (s *Server) sweepNodes() {
	for s.ctx.Err() == nil {
		err := s.Node.RunAsMaster(s.ctx, func(ctx context.Context, fence cluster.Fence) error {
			s.noticeMastery()
			t := time.NewTicker(time.Second)
			defer t.Stop()
			for {
				dead, err := s.Node.Sweep(ctx, fence)
				for _, m := range dead {
					n, tombstoneErr := s.Log.WriteTombstones(ctx, m.Writer)
					s.log.Warn("a node is gone", "node", m.Name, "address", m.Address, "unsettled", n)
					s.noticeDead(m)
					err = errors.Join(err, tombstoneErr)
				}
				if err != nil {
					return err
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-t.C:
				}
			}
		})
		if err != nil && s.ctx.Err() == nil {
			s.log.Warn("the nodes could not be swept", "error", err)
			select {
			case <-s.ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}
