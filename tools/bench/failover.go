package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	goalFailover = 1.0 // seconds longer than psql
	// promoteAfter is how long after the end of the primary the standby is promoted: a manager of fail-overs takes longer.
	promoteAfter = time.Second
	tryAgain     = 50 * time.Millisecond
)

// outage is what one fail-over took, in seconds.
type outage struct {
	stoa, psql float64 // from the last acknowledged write on the old primary to the first on the new one
	promoted   float64 // from the kill until the standby took writes
	failed     [2]int  // tries, of Stoa and of psql
}

// measureFailover kills a primary while the portal and psql write to it.
func measureFailover(ctx context.Context, b *bed) (s section, err error) {
	psql := tool("STOA_BENCH_PSQL", "psql")
	if psql == "" || postgresBin() == "." {
		s.left = "there is no psql, or no PostgreSQL server"
		return s, nil
	}
	if b.stoa == "" {
		b.stoa = filepath.Join(b.dir, "stoa")
		if err := buildStoa(ctx, b.stoa); err != nil {
			return s, err
		}
	}
	rows := [][]string{{"Replication", "Round", "Stoa, s", "psql, s", "Stoa longer by, s",
		"Standby promoted after, s", "Stoa, tries that failed", "psql"}}
	worst, rounds := 0.0, b.pick(3, 1)
	for _, kind := range []string{"asynchronous", "synchronous"} {
		var stoa, plain, longer []float64
		for round := range rounds {
			o, err := b.failOver(ctx, psql, kind == "synchronous")
			if err != nil {
				return s, fmt.Errorf("%s, round %d: %w", kind, round+1, err)
			}
			stoa, plain, longer = append(stoa, o.stoa), append(plain, o.psql), append(longer, o.stoa-o.psql)
			rows = append(rows, []string{kind, fmt.Sprint(round + 1), fmt.Sprintf("%.2f", o.stoa), fmt.Sprintf("%.2f", o.psql),
				fmt.Sprintf("%+.2f", o.stoa-o.psql), fmt.Sprintf("%.2f", o.promoted),
				fmt.Sprint(o.failed[0]), fmt.Sprint(o.failed[1])})
		}
		worst = max(worst, quantile(longer, 1))
		s.rows = append(
			s.rows,
			[]string{"Seconds without writes at a fail-over, " + kind, "PostgreSQL", about(stoa, "%.2f s"),
				about(plain, "%.2f s"), about(ratios(stoa, plain), "%.2f ×")},
		)
	}
	what := fmt.Sprintf("Seconds without writes at a fail-over, longer than psql, slowest of %d", 2*rounds)
	s.findings = []finding{
		{what: what, goal: fmt.Sprintf("≤ %.0f s", goalFailover), measured: fmt.Sprintf("%.2f s", worst),
			met: worst <= goalFailover},
	}
	s.text = fmt.Sprintf("A primary and its standby, both in the address of a built node and in that of psql "+
		"(`host=a,b target_session_attrs=read-write`, a new psql for each row). An editor saves articles through the "+
		"forms of the control panel, and psql inserts, at the same time into the same server; what fails is tried again "+
		"%s later. The primary is killed, and %s later the standby is promoted, which both wait for. Seconds count from "+
		"the last acknowledged write before to the first after.\n\n%s",
		tryAgain, promoteAfter, table(rows...))
	return s, nil
}

// acks are the times of acknowledged writes.
type acks struct {
	mu     sync.Mutex
	at     []time.Time
	failed int
}

func (a *acks) add(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.failed++
		return
	}
	a.at = append(a.at, time.Now())
}

// around gives the time from the last write before t to the first after it; ok is false while there is none.
func (a *acks) around(t time.Time) (gap time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, at := range a.at {
		if at.After(t) {
			if i == 0 {
				return 0, false
			}
			return at.Sub(a.at[i-1]), true
		}
	}
	return 0, false
}

// failOver is one fail-over on a new pair.
func (b *bed) failOver(ctx context.Context, psql string, synchronous bool) (o outage, err error) {
	b.count++
	dir := filepath.Join(b.dir, fmt.Sprintf("pair-%d", b.count))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return o, err
	}
	p, err := startPair(ctx, dir, synchronous)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.primary.exec(ctx, "CREATE TABLE measured (at timestamptz NOT NULL DEFAULT now())"); err != nil {
		return o, err
	}
	c, err := b.startNodes(ctx, p.address(), 1, false)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	e, err := signIn(ctx, c.all[0].url)
	if err != nil {
		return o, err
	}
	defer e.c.CloseIdleConnections()
	article, err := e.create(ctx, "measured", "Article")
	if err != nil {
		return o, err
	}
	plain := fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d user=stoa dbname=postgres "+
		"target_session_attrs=read-write connect_timeout=2", p.primary.port, p.standby.port)
	writers := []struct {
		acks
		write func(ctx context.Context, n int) error
	}{
		{write: func(ctx context.Context, n int) error {
			err := e.save(ctx, article, fmt.Sprintf("Saved-%06d-times", n))
			if err != nil {
				_ = e.look(ctx, article) // it may have been saved, though the answer did not say so; else the next try tells
			}
			return err
		}},
		{write: func(ctx context.Context, _ int) error {
			return exec.CommandContext(ctx, psql, "-X", "-q", "-c", "INSERT INTO measured DEFAULT VALUES", plain).Run()
		}},
	}
	run, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range writers {
		w := &writers[i]
		wg.Go(func() {
			for n := 0; run.Err() == nil; n++ {
				err := w.write(run, n)
				if run.Err() != nil {
					return
				}
				if w.add(err); err != nil {
					_ = pause(run, tryAgain)
				}
			}
		})
	}
	defer func() { end(); wg.Wait() }()
	if err := pause(ctx, time.Duration(b.pick(4, 2))*time.Second); err != nil {
		return o, err
	}
	killed := time.Now()
	if err := p.primary.kill(); err != nil {
		return o, err
	}
	if err := pause(ctx, promoteAfter); err != nil {
		return o, err
	}
	if err := p.standby.exec(ctx, "SELECT pg_promote(true, 20)"); err != nil {
		return o, err
	}
	o.promoted = time.Since(killed).Seconds()
	for begun := time.Now(); ; {
		stoa, ok := writers[0].around(killed.Add(promoteAfter))
		plain, ok2 := writers[1].around(killed.Add(promoteAfter))
		if ok && ok2 {
			o.stoa, o.psql = stoa.Seconds(), plain.Seconds()
			break
		}
		if time.Since(begun) > time.Minute {
			return o, fmt.Errorf("a minute after the standby was promoted Stoa has written: %v, psql: %v\n%s",
				ok, ok2, c.all[0].logTail())
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return o, err
		}
	}
	end()
	wg.Wait()
	o.failed = [2]int{writers[0].failed, writers[1].failed}
	return o, nil
}
