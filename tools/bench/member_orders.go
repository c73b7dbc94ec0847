package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// call asks one other member in turn, or all others, n times over the threads together.
func (m *member) call(ctx context.Context, all bool, n, threads, size int) (string, error) {
	others, body := m.others(), make([]byte, size)
	took := make([]float64, n) // microseconds
	errs := make([]error, threads)
	var next atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for t := range threads {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && errs[t] == nil; i = next.Add(1) - 1 {
				asked := time.Now()
				if all {
					for _, a := range m.echo.Others(ctx, body) {
						if a.Err != nil {
							errs[t] = a.Err
						}
					}
				} else {
					_, errs[t] = m.echo.Node(ctx, others[int(i)%len(others)], body)
				}
				took[i] = float64(time.Since(asked).Nanoseconds()) / 1000
			}
		})
	}
	wg.Wait()
	seconds := time.Since(begun).Seconds()
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("rate=%g p50=%g p99=%g", float64(n)/seconds, quantile(took, 0.5), quantile(took, 0.99)), nil
}

// commit writes transactions of k rows each for as long as told, over the threads together; perSecond
// bounds their number, 0 does not. k = 0 writes the same without the change log.
func (m *member) commit(ctx context.Context, k, threads int, length time.Duration, perSecond int) (string, error) {
	errs := make([]error, threads)
	var next atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for t := range threads {
		wg.Go(func() {
			for errs[t] == nil {
				i := next.Add(1) - 1
				if perSecond > 0 {
					pause := time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(perSecond)))
					if pause > 0 {
						time.Sleep(pause)
					}
				}
				if time.Since(begun) >= length {
					next.Add(-1)
					return
				}
				errs[t] = m.save(ctx, int(i), k)
			}
		})
	}
	wg.Wait()
	seconds := time.Since(begun).Seconds()
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("transactions=%d seconds=%g", next.Load(), seconds), nil
}

// save is a small transaction as editors make them: one row of a table, and the rows of the change log.
func (m *member) save(ctx context.Context, i, k int) error {
	return m.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		name := fmt.Sprintf("bench %d", (m.log.Writer()+int64(i))%1000)
		if err := tx.Upsert(ctx, "cluster_fact", []string{"name"}, db.Row{"name": name, "value": strconv.Itoa(i)}); err != nil {
			return err
		}
		for j := range k {
			tx.Changed(thingKind, stoa.ID(1+(i*k+j)%thingCount), thingScope, int64(i))
		}
		return nil
	})
}

// applied waits until everything committed before is applied here, and counts the rows since the start.
func (m *member) applied(ctx context.Context) (string, error) {
	if err := m.log.Poll(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("rows=%d", m.rows.Load()), nil
}

// control gives the server processes behind the two connections that are kept for the change log,
// heartbeat and leases. It is for PostgreSQL.
func (m *member) control(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var met, wg sync.WaitGroup
	met.Add(2)
	pids, errs := make([]int, 2), make([]error, 2)
	for i := range pids {
		wg.Go(func() {
			arrived := sync.OnceFunc(met.Done)
			defer arrived()
			errs[i] = m.d.Control(ctx, func(tx *db.Tx) error {
				err := tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pids[i])
				arrived()
				met.Wait() // so that each has a connection of its own
				return err
			})
		})
	}
	wg.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return "", errs[i]
	}
	return fmt.Sprintf("first=%d second=%d", pids[0], pids[1]), nil
}
