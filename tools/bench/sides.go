package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// side is one of what is compared.
type side struct {
	name string
	do   func(worker int) error // one operation; a worker does one at a time
}

// worked is what the workers of a side did.
type worked struct {
	rate      float64   // operations a second
	latencies []float64 // milliseconds
}

// work lets workers do as much as they can.
func work(ctx context.Context, s side, workers int, length time.Duration) (w worked, err error) {
	runtime.GC() // of what the side before left behind
	each, errs := make([][]float64, workers), make([]error, workers)
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range workers {
		wg.Go(func() {
			for time.Since(begun) < length && ctx.Err() == nil {
				at := time.Now()
				if errs[i] = s.do(i); errs[i] != nil {
					return
				}
				each[i] = append(each[i], float64(time.Since(at).Microseconds())/1000)
			}
		})
	}
	wg.Wait()
	took := time.Since(begun).Seconds()
	for _, l := range each {
		w.latencies = append(w.latencies, l...)
	}
	w.rate = float64(len(w.latencies)) / took
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return w, fmt.Errorf("%s: %w", s.name, err)
	}
	return w, nil
}

// inTurn lets the sides work in turn and gives the rates and the median latencies of each round, by side.
func (b *bed) inTurn(ctx context.Context, sides []side, workers int, length time.Duration) (
	rates, p50 [][]float64, err error) {
	rates, p50 = make([][]float64, len(sides)), make([][]float64, len(sides))
	for round := range b.rounds + 1 {
		for k := range sides {
			i := (k + round) % len(sides)
			w, err := work(ctx, sides[i], workers, length)
			if err != nil {
				return nil, nil, err
			}
			if round > 0 { // the first is to get warm
				rates[i], p50[i] = append(rates[i], w.rate), append(p50[i], quantile(w.latencies, 0.5))
			}
		}
	}
	return rates, p50, nil
}

// bareWriter writes what a save writes, and nothing else, in one transaction.
type bareWriter struct {
	p       *sql.DB
	dialect db.Dialect
	n       atomic.Int64 // of the row of the log
}

const (
	bareDraft = "UPDATE page_page SET draft = ?, draft_version = draft_version + 1, modified = ?, modified_by = ? " +
		"WHERE id = ? AND draft_version = ?"
	barePublish = "UPDATE page_page SET layout = ?, draft = '', published = ?, live_number = ?, modified = ?, " +
		"modified_by = ?, version = version + 1, draft_version = draft_version + 1 WHERE id = ? AND version = ? AND " +
		"draft_version = ?"
	bareVersion = "INSERT INTO page_version (author, created, created_by, layout, number, page, title) " +
		"VALUES (?,?,?,?,?,?,?)"
	bareForget = "DELETE FROM page_version WHERE page = ? AND number <= ?"
	bareLog    = "INSERT INTO change_log (writer, n, part, low, kind, thing, scope, version, at) " +
		"VALUES (?,?,?,?,?,?,?,?,?)"
)

// in runs statements in a transaction with a row of the log.
func (b *bareWriter) in(ctx context.Context, kind string, p *saved,
	fn func(exec func(q string, args ...any) error) error) error {
	tx, err := b.p.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	exec := func(q string, args ...any) error {
		_, err := tx.ExecContext(ctx, b.dialect.Rebind(q), args...)
		return err
	}
	if err := fn(exec); err != nil {
		return err
	}
	n := b.n.Add(1)
	if err := exec(bareLog, 1, n, 0, n, kind, p.id, 1, p.version, time.Now().UnixMicro()); err != nil {
		return err
	}
	return tx.Commit()
}

func (b *bareWriter) save(ctx context.Context, p *saved) error {
	p.serial++
	raw := bareLayout(p.serial)
	err := b.in(ctx, "page.draft", p, func(exec func(string, ...any) error) error {
		return exec(bareDraft, raw, time.Now().UnixMicro(), 900, p.id, p.draft)
	})
	p.draft++
	return err
}

func (b *bareWriter) publish(ctx context.Context, p *saved) error {
	if err := b.save(ctx, p); err != nil {
		return err
	}
	raw, now := bareLayout(p.serial), time.Now().UnixMicro()
	err := b.in(ctx, "page", p, func(exec func(string, ...any) error) error {
		number := p.version + 1
		return errors.Join(exec(barePublish, raw, true, number, now, 900, p.id, p.version, p.draft),
			exec(bareVersion, "Ed", now, 900, raw, number, p.id, "{}"), exec(bareForget, p.id, number-50))
	})
	p.version++
	p.draft++
	return err
}

// written reports whether every save of the bare side is there: a statement that matches no row is no error.
func (b *bareWriter) written(ctx context.Context, pages []saved) error {
	for _, p := range pages {
		var draft int64
		q := b.dialect.Rebind("SELECT draft_version FROM page_page WHERE id = ?")
		if err := b.p.QueryRowContext(ctx, q, p.id).Scan(&draft); err != nil {
			return err
		}
		if draft != p.draft {
			return fmt.Errorf("the bare side has written page %d %d times and counts %d", p.id, draft, p.draft)
		}
	}
	return nil
}

// bareLayout has the size of what Stoa stores for layout(serial).
func bareLayout(serial int) string {
	return fmt.Sprintf(`{"saved":%d,"text":"%*s"}`, serial, layoutBytes+60, "text")
}

// stand is Stoa and the bare driver on databases of the same server that are filled alike.
type stand struct {
	k    *desk
	bare *bareWriter
}

// open makes both with n pages each; writes says whether the bare side is going to write.
func (b *bed) open(ctx context.Context, e engine, n int, writes bool) (s *stand, err error) {
	s = &stand{bare: &bareWriter{}}
	home := func() string { return fmt.Sprintf("%s/desk-%d", b.dir, b.count) }
	address, err := b.fresh(ctx, e)
	if err != nil {
		return nil, err
	}
	other, err := openDesk(ctx, address, home(), n) // it only fills the database
	if err != nil {
		return nil, err
	}
	other.close()
	s.bare.dialect = other.d.Dialect()
	if s.bare.p, err = openBare(ctx, address, s.bare.dialect, writes); err != nil {
		return nil, err
	}
	if address, err = b.fresh(ctx, e); err == nil {
		s.k, err = openDesk(ctx, address, home(), n)
	}
	if err != nil {
		return nil, errors.Join(err, s.bare.p.Close())
	}
	return s, nil
}

func (s *stand) close() error {
	s.k.close()
	return s.bare.p.Close()
}
