package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/db"
)

func databaseParts() []part {
	return []part{
		{"reads", "Reads by primary key", measureReads},
		{"saves", "Page saves", measureSavesOfPages},
		{"editors", "Concurrent editors", measureEditors},
		{"failover", "Seconds without writes at a fail-over", measureFailover},
		{"size", "Copy, backup and restore at size", measureSize},
	}
}

const databaseHead = "# Benchmarks of the database\n\n%s\nServers (%s, which keep what they confirm), clients and " +
	"Stoa share the cores of this machine. The driver used bare is the same driver with the same address and as many " +
	"connections in a program without Stoa's layer, on a database of its own that is filled alike. The sides work in " +
	"turn within each round, and a ratio is taken round by round; a number with ± is the median of the rounds and half " +
	"their range.\n"

// runDatabase is the benchmark of what lies between the portal and its database.
func runDatabase(args []string) (err error) {
	var out, note, only string
	var wait time.Duration
	b := &bed{}
	f := flag.NewFlagSet("database", flag.ContinueOnError)
	f.StringVar(&out, "out", "", "file for the report; empty: only print it")
	f.StringVar(&note, "note", "", "what the machine is, for the report")
	f.StringVar(&only, "only", "", "parts to measure, separated by commas; empty: all")
	f.DurationVar(&wait, "wait", 0, "how long each part may wait for the machine to do little else")
	f.StringVar(&b.stoa, "stoa", "", "the program to measure; empty: build it")
	f.IntVar(&b.rounds, "rounds", 5, "rounds of each comparison")
	f.IntVar(&b.sizeRows, "rows", 100_000, "rows that are copied, backed up and restored")
	f.IntVar(&b.sizeFiles, "files", 200, "MB of files that are backed up and restored")
	f.BoolVar(&b.quick, "quick", false, "few and short rounds, to try the program itself")
	if err := f.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(databaseParts(), only)
	if err != nil {
		return err
	}
	if b.rounds < 1 || b.sizeRows < 1 || b.sizeFiles < 0 {
		return errors.New("-rounds and -rows must be at least 1, -files at least 0")
	}
	if b.quick {
		b.rounds = min(b.rounds, 2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if b.dir, err = os.MkdirTemp("", "stoa-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if err := os.Chmod(b.dir, 0o755); err != nil { // PostgreSQL runs as another user
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	end, err := b.startServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	return b.measure(ctx, report{head: databaseHead, target: "bench-db", note: note, whole: only == ""},
		chosen, wait, out)
}

// engine is a kind of database to measure on.
type engine struct {
	name   string
	server string // address; empty for SQLite
}

// engines are SQLite and the servers that there are.
func (b *bed) engines() []engine {
	out := []engine{{name: "SQLite"}}
	for _, e := range []engine{{"PostgreSQL", b.postgres}, {"MariaDB", b.maria}} {
		if e.server != "" {
			out = append(out, e)
		}
	}
	return out
}

// fresh gives the address of a new database.
func (b *bed) fresh(ctx context.Context, e engine) (string, error) {
	if e.server == "" {
		b.count++
		return "sqlite:" + filepath.Join(b.dir, fmt.Sprintf("bench-%d.db", b.count)), nil
	}
	return b.database(ctx, e.server)
}

// bareConnections is the default of both pools.
const bareConnections = 32

// openBare is the driver without Stoa's layer, with settings of a connection that a program of its own would choose;
// on SQLite, which has one writer at a time, those of Stoa.
func openBare(ctx context.Context, address string, dialect db.Dialect, writes bool) (*sql.DB, error) {
	n := bareConnections
	if dialect == db.SQLite {
		if n = 8; writes {
			n = 1
		}
	}
	p, err := db.OpenPlain(ctx, db.Options{URL: address, MaxConns: n})
	if err != nil {
		return nil, err
	}
	p.SetMaxIdleConns(n)
	if dialect != db.SQLite {
		return p, nil
	}
	held := make([]*sql.Conn, n) // all at once, so that each is another
	for i := range held {
		if held[i], err = p.Conn(ctx); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		for _, s := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)",
			"cache_size(-8000)"} {
			if _, err := held[i].ExecContext(ctx, "PRAGMA "+s); err != nil {
				return nil, errors.Join(err, p.Close())
			}
		}
	}
	for _, c := range held {
		if err := c.Close(); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}
