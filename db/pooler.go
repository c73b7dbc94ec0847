package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// poolerAgain is after how long a pooler is examined anew: its mode can be changed while it runs.
	poolerAgain = time.Minute
	// poolerWait is how long the second client of an examination waits to be served: where each client has a
	// server connection of its own, there may be none left for it.
	poolerWait = time.Second
)

// sharedSessions says what is wrong with a pooler that shares server connections.
func (h host) sharedSessions() string {
	return fmt.Sprintf("%s is a pooler that shares its server connections between clients (pool_mode=transaction or "+
		"statement), and Stoa needs sessions of its own: "+
		"set pool_mode=session for this database, or give the address of the server itself", h)
}

// checkPooler examines what stands between: the process that answered is not the one that the greeting named.
// Where sessions are shared it is a refusal. pid is the process that answered first.
//
// A second client takes a transaction while the first stands still. Where server connections are shared, it is
// given the one of the first, or the first is given another one next.
func (h host) checkPooler(ctx context.Context, first *pgconn.PgConn, pid string) error {
	h.door.mu.Lock()
	known := !h.door.pooled.IsZero() && time.Since(h.door.pooled) < poolerAgain
	h.door.mu.Unlock()
	if known {
		_, err := simple(ctx, first, "DEALLOCATE ALL") // statements of a client before, where the pooler forgot to
		return err
	}
	shared, err := h.sharesSessions(ctx, first, pid)
	if err != nil {
		return err
	}
	if shared {
		return &refusal{sentence: h.sharedSessions()}
	}
	h.door.mu.Lock()
	h.door.pooled = time.Now()
	h.door.mu.Unlock()
	_, err = simple(ctx, first, "DEALLOCATE ALL")
	return err
}

func (h host) sharesSessions(ctx context.Context, first *pgconn.PgConn, pid string) (bool, error) {
	mark := rand.Text()
	if _, err := simple(ctx, first, "SELECT set_config('stoa.session', "+quoteSQL(mark)+", false)"); err != nil {
		return false, err
	}
	const ask = "SELECT pg_backend_pid(), coalesce(current_setting('stoa.session', true), '')"
	moved := func() (bool, error) {
		row, err := simple(ctx, first, ask)
		return err == nil && (len(row) != 2 || row[0] != pid || row[1] != mark), err
	}
	if is, err := moved(); is || err != nil {
		return is, err
	}
	cfg := *h.pg
	var err error
	if cfg.Password, err = h.secret(cfg.Password); err != nil {
		return false, err
	}
	wait, cancel := context.WithTimeout(ctx, poolerWait)
	defer cancel()
	second, err := pgx.ConnectConfig(wait, &cfg)
	if err != nil {
		return moved() // no place for a second one: nothing is shared with it
	}
	defer second.Close(context.WithoutCancel(ctx))
	for range 4 {
		_, err := simple(wait, second.PgConn(), "BEGIN")
		var pg *pgconn.PgError
		if errors.As(err, &pg) && strings.Contains(pg.Message, "pooling mode") {
			return true, nil
		}
		if err != nil {
			break
		}
		row, err := simple(wait, second.PgConn(), ask)
		if err != nil {
			break
		}
		if len(row) != 2 || row[0] == pid || row[1] == mark {
			return true, nil
		}
		if is, err := moved(); is || err != nil {
			return is, err
		}
		if _, err := simple(wait, second.PgConn(), "ROLLBACK"); err != nil {
			break
		}
	}
	return moved()
}
