package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/job"
)

const (
	moveJobName = "file.move"
	moveRunFor  = 5 * time.Minute // of one run; the next one goes on, perhaps on another node
	movePause   = 2 * time.Second // before what failed is tried again
	moveNote    = time.Second     // between two notes of how far it is
	moveBatch   = 64              // files between two looks at the row
	moveAtOnce  = 4               // files that are copied at the same time

	// rowsPlace begins the place of a move that has copied all that the source lists, and now asks for each row whether
	// the target has its file.
	rowsPlace = "rows/"
	keyStarts = "0123456789abcdefghijklmnopqrstuvwxyz" // what the last part of a key begins with
)

// moveFiles is the job that brings files from one store to the other.
func (s *Server) moveFiles() job.Job {
	return job.Job{
		Name: moveJobName, Does: "Moves files to another file store", Kind: job.Once, Schedule: "@every 5m", Asked: true,
		Timeout: 2 * moveRunFor, Run: s.workOnMove,
	}
}

// workOnMove does what is to be done until the move needs the operator, or the time of the run is over.
func (s *Server) workOnMove(ctx context.Context, run job.Run) error {
	for until := time.Now().Add(moveRunFor); time.Now().Before(until); {
		m, err := readMove(ctx, s.DB)
		if err != nil {
			return err
		}
		if !m.copies() {
			return nil
		}
		switch err := s.moveOn(ctx, run, m, until); {
		case errors.Is(err, job.ErrLost), ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case err != nil && !errors.Is(err, errMoveOn):
			trouble := err.Error()
			if f := filestore.FaultOf(err); f != nil {
				trouble = f.Why + "; " + f.Fix
			}
			s.log.Warn("the move of the files waits", "step", m.Phase, "reason", trouble)
			if err := run.Step(ctx, func(ctx context.Context, tx *db.Tx) error { return m.note(ctx, tx, trouble) }); err != nil {
				return err
			}
			if err := pause(ctx, movePause); err != nil {
				return err
			}
		}
	}
	return run.Commit(ctx, func(ctx context.Context, tx *db.Tx) error { return s.Jobs.Soon(ctx, tx, moveJobName) })
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// moveOn does what the present step asks for, until it is done or the time of the run is over.
func (s *Server) moveOn(ctx context.Context, run job.Run, m fileMove, until time.Time) error {
	if err := s.adoptStore(ctx); err != nil {
		return err
	}
	st := s.files.standing.Load()
	if st.move.Version != m.Version {
		return errMoveOn
	}
	if m.Phase == moveReading {
		if err := s.allStand(ctx, m.Version); err != nil {
			return err
		}
		// From the commit on, new files go to the target; what is named by then is all that there is to be copied.
		return s.nextStep(ctx, run, m, moveCopying)
	}
	if err := s.checkStores(ctx); err != nil {
		return err
	}
	from, to := s.files.guards[st.force], s.files.guards[st.other] // the source is in force until the switch
	if m.Phase == moveReturning {
		from, to = to, from
	}
	c := &mover{s: s, run: run, m: m, from: from, to: to, until: until, noted: time.Now()}
	if done, err := c.work(ctx); err != nil || !done {
		return errors.Join(err, c.tell(ctx))
	}
	if m.Phase == moveReturning {
		return s.nextStep(ctx, run, c.m, moveNone)
	}
	return s.nextStep(ctx, run, c.m, moveSwitched)
}

// nextStep brings the move on, in a transaction that commits only while the run is this node's.
func (s *Server) nextStep(ctx context.Context, run job.Run, m fileMove, phase string) error {
	err := run.Step(ctx, func(ctx context.Context, tx *db.Tx) error {
		more := db.Row{"place": "", "files": m.Files, "size": m.Size, "damaged": m.Damaged, "missing": m.Missing}
		switch phase {
		case moveCopying:
			more, err := s.fresh(ctx, tx)
			if err != nil {
				return err
			}
			return m.step(ctx, tx, phase, more)
		case moveSwitched:
			n, err := tx.Affected(ctx, "UPDATE cluster_fact SET value = ? WHERE name = ? AND value = ?", m.Target, storeFact,
				m.Source)
			if err == nil && n != 1 {
				err = errMoveOn
			}
			if err != nil {
				return err
			}
		case moveNone:
			more["ended"] = db.Micros(tx.Now())
		}
		return m.step(ctx, tx, phase, more)
	})
	if err != nil {
		return err
	}
	return s.adoptStore(ctx)
}

// fresh is how far a step is that begins.
func (s *Server) fresh(ctx context.Context, tx *db.Tx) (db.Row, error) {
	var total int64
	err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM "+fileColumns()[0].Table).Scan(&total)
	return db.Row{"place": "", "files": 0, "size": 0, "damaged": 0, "missing": 0, "total": total}, err
}

// allStand asks every live node whether it has taken over the move as it is, and can do its part.
func (s *Server) allStand(ctx context.Context, version int64) error {
	ctx, cancel := context.WithTimeout(ctx, moveAsk)
	defer cancel()
	if err := s.Node.Look(ctx); err != nil { // one may have joined just now
		return err
	}
	var wait []string
	for _, a := range s.stands.All(ctx, moveQuestion{Version: version}) {
		switch {
		case a.Err != nil:
			wait = append(wait, a.Member.Name+" does not answer ("+a.Err.Error()+")")
		case a.Value.Why != "":
			wait = append(wait, a.Member.Name+": "+a.Value.Why)
		case a.Value.Version != version:
			wait = append(wait, a.Member.Name+" has not heard of it yet")
		}
	}
	if len(wait) > 0 {
		return stoa.Unavailable(nil, "not all nodes have taken that over: %s", strings.Join(wait, "; "))
	}
	return nil
}

// takeStand is what a node does when it is asked whether it can do its part.
func (s *Server) takeStand(ctx context.Context, _ cluster.Member, _ moveQuestion) (a moveAnswer, err error) {
	if !s.files.open() {
		return moveAnswer{Why: "it is starting"}, nil
	}
	if err := s.adoptStore(ctx); err != nil {
		return a, err
	}
	a.Version = s.files.standing.Load().move.Version
	if err := s.checkStores(ctx); err != nil {
		a.Why = err.Error()
		if f := filestore.FaultOf(err); f != nil {
			a.Why = f.Why + "; " + f.Fix
		}
	}
	return a, nil
}

// mover copies what there is from one store to the other.
type mover struct {
	s        *Server
	run      job.Run
	m        fileMove // with how far it is
	from, to filestore.Store
	until    time.Time
	noted    time.Time
}

// work goes on at the place that was noted. done says that nothing is left.
func (c *mover) work(ctx context.Context) (done bool, err error) {
	prefix := fileColumns()[0].Prefix
	if !strings.HasPrefix(c.m.Place, rowsPlace) {
		for _, start := range keyStarts {
			part := prefix + string(start)
			if c.m.Place > part && !strings.HasPrefix(c.m.Place, part) {
				continue
			}
			if done, err = c.part(ctx, part); err != nil || !done {
				return false, err
			}
		}
		c.m.Place = rowsPlace + "0"
	}
	return c.rows(ctx)
}

// part copies the files whose keys begin with a prefix. Stores list in no order, so names are gathered and sorted: the
// place then says what is done.
func (c *mover) part(ctx context.Context, prefix string) (done bool, err error) {
	var keys []string
	if err := c.from.List(ctx, prefix, func(i filestore.Info) error {
		if i.Key > c.m.Place {
			keys = append(keys, i.Key)
		}
		return nil
	}); err != nil {
		return false, err
	}
	slices.Sort(keys)
	for batch := range slices.Chunk(keys, moveBatch) {
		if err := c.copy(ctx, batch); err != nil {
			return false, err
		}
		c.m.Place = batch[len(batch)-1]
		if over, err := c.note(ctx); err != nil || over {
			return false, err
		}
	}
	return true, nil
}

// copy copies some files at the same time, and counts them when all are there.
func (c *mover) copy(ctx context.Context, keys []string) error {
	known, err := c.digests(ctx, keys)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var files, size, damaged int64
	err = atOnce(ctx, keys, func(ctx context.Context, key string) error {
		got, err := c.one(ctx, key, known)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && !got.Gone {
			size += got.Bytes
		}
		if err == nil && !got.Gone && !derived(key) {
			files++
		}
		if got.Damaged {
			damaged++
		}
		return err
	})
	if err == nil {
		c.m.Files, c.m.Size, c.m.Damaged = c.m.Files+files, c.m.Size+size, c.m.Damaged+damaged
	}
	return err
}

// atOnce does something with some keys at the same time, until one fails.
func atOnce(ctx context.Context, keys []string, do func(ctx context.Context, key string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan string)
	var wg sync.WaitGroup
	for range moveAtOnce {
		wg.Go(func() {
			for key := range next {
				if err := do(ctx, key); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, key := range keys {
		if ctx.Err() != nil {
			break
		}
		next <- key
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

func (c *mover) one(ctx context.Context, key string, known map[string]string) (filestore.Copied, error) {
	name := strings.TrimPrefix(key, fileColumns()[0].Prefix)
	return filestore.Copy(ctx, c.from, c.to, filestore.CopyOrder{
		Info:    filestore.Info{Key: key, SHA256: known[name]},
		Derived: derived(key),
		Trust:   c.m.Phase == moveReturning, // what was there before came from there
	})
}

// derived reports whether a key is that of a scaled picture.
func derived(key string) bool { return strings.Contains(key, "-") }

// digests gives what the rows say of files, by the ends of their keys.
func (c *mover) digests(ctx context.Context, keys []string) (map[string]string, error) {
	f := fileColumns()[0]
	names := make([]any, 0, len(keys))
	for _, key := range keys {
		names = append(names, strings.TrimPrefix(key, f.Prefix))
	}
	out := map[string]string{}
	_, err := db.All(ctx, c.s.DB, func(r db.Scanner) (_ struct{}, err error) {
		var name, sum string
		if err = r.Scan(&name, &sum); err == nil {
			out[name] = sum
		}
		return struct{}{}, err
	}, "SELECT "+f.Column+", "+f.SHA256+" FROM "+f.Table+" WHERE "+f.Column+" IN "+db.In(len(names)), names...)
	return out, err
}

// rows asks the target for the file of each row, and copies one that is not there after all.
func (c *mover) rows(ctx context.Context) (done bool, err error) {
	f := fileColumns()[0]
	for {
		after, err := strconv.ParseInt(strings.TrimPrefix(c.m.Place, rowsPlace), 10, 64)
		if err != nil {
			return false, fmt.Errorf("the place of the move is %q: %w", c.m.Place, err)
		}
		last := after
		keys, err := db.All(ctx, c.s.DB, func(r db.Scanner) (key string, err error) {
			err = r.Scan(&last, &key)
			return f.Prefix + key, err
		}, "SELECT id, "+f.Column+" FROM "+f.Table+" WHERE id > ? ORDER BY id LIMIT "+strconv.Itoa(moveBatch), after)
		if err != nil || len(keys) == 0 {
			return err == nil, err
		}
		var missing atomic.Int64
		if err := atOnce(ctx, keys, func(ctx context.Context, key string) error {
			b, err := c.to.Open(ctx, key)
			if err == nil {
				return b.Close()
			}
			if !stoa.Is(err, stoa.KindNotFound) {
				return err
			}
			got, err := c.one(ctx, key, nil)
			if err == nil && got.Gone {
				missing.Add(1)
				c.s.log.Warn("the bytes of a file are in no store: they were lost before it was to be moved", "key", key)
			}
			return err
		}); err != nil {
			return false, err
		}
		c.m.Missing += missing.Load()
		c.m.Place = rowsPlace + strconv.FormatInt(last, 10)
		if over, err := c.note(ctx); err != nil || over {
			return false, err
		}
	}
}

// note writes down how far the move is, now and then. over says that the time of the run is.
func (c *mover) note(ctx context.Context) (over bool, err error) {
	over = time.Now().After(c.until)
	if time.Since(c.noted) < moveNote && !over {
		return false, nil
	}
	c.noted = time.Now()
	return over, c.tell(ctx)
}

// tell writes down how far the move is; it fails when that has gone on.
func (c *mover) tell(ctx context.Context) error {
	return c.run.Step(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE file_move SET place = ?, files = ?, size = ?, damaged = ?, missing = ?, "+
			"trouble = '' WHERE id = 1 AND version = ?", c.m.Place, c.m.Files, c.m.Size, c.m.Damaged, c.m.Missing, c.m.Version)
		if err == nil && n != 1 {
			err = errMoveOn
		}
		return err
	})
}
