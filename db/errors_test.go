package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
)

// unsent is an error as pgx gives it when the connection was closed before anything was sent, and also when
// the answer to COMMIT was lost.
type unsent struct{}

func (unsent) Error() string     { return "conn closed" }
func (unsent) SafeToRetry() bool { return true }

func TestErrors_ClosedConnectionIsRepeatedButSettlesNoCommit(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("save: %w", unsent{})
	if !isTransient(err) {
		t.Error("the transaction is not repeated")
	}
	if definite(err) {
		t.Error("a COMMIT whose answer was lost counts as one that did not happen")
	}
	if got := stoa.KindOf(wrapUnavailable(err)); got != stoa.KindUnavailable {
		t.Errorf("the kind is %v, want Unavailable", got)
	}
}

// What a server says when it starts, stops, recovers, is full or read only is the database being away (503),
// and not a fault of the program (500). again: the transaction is repeated; certain: as the answer to COMMIT
// it says that nothing was committed.
func TestErrors_DatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return fmt.Errorf("save: %w", &pgconn.PgError{Code: code}) }
	my := func(number uint16) error { return fmt.Errorf("save: %w", &mysql.MySQLError{Number: number}) }
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		name                 string
		err                  error
		away, again, certain bool
	}{
		{"connection exception", pg("08006"), true, true, false},
		{"administrator's command", pg("57P01"), true, true, false},
		{"crash of another session", pg("57P02"), true, true, false},
		{"starting or stopping", pg("57P03"), true, true, false},
		{"database dropped", pg("57P04"), true, true, false},
		{"idle session", pg("57P05"), true, true, false},
		{"idle in a transaction", pg("25P03"), true, true, true},
		{"transaction too long", pg("25P04"), true, true, true},
		{"statement too long", pg("57014"), true, false, true},
		{"no more connections", pg("53300"), true, true, true},
		{"read only, as a standby", pg("25006"), true, true, true},
		{"in recovery, or accepts no client", pg("55000"), true, true, true},
		{"deadlock", pg("40P01"), true, true, true},
		{"conflict of two transactions", pg("40001"), true, true, true},
		{"lock not to be had", pg("55P03"), true, true, true},
		{"syntax", pg("42601"), false, false, true},
		{"not null", pg("23502"), false, false, true},
		{"password, in a statement", pg("28P01"), false, false, true},
		{"password, in a connection", &connectError{pg("28P01")}, true, false, true},

		{"too many connections", my(1040), true, true, true},
		{"shutting down", my(1053), true, true, false},
		{"not synced", my(1047), true, true, true},
		{"host is blocked", my(1129), true, true, true},
		{"aborted", my(1152), true, true, false},
		{"read error", my(1158), true, true, false},
		{"read too late", my(1159), true, true, false},
		{"write error", my(1160), true, true, false},
		{"write too late", my(1161), true, true, false},
		{"too many of this user", my(1203), true, true, true},
		{"out of what the user may use", my(1226), true, true, true},
		{"read only", my(1290), true, true, true},
		{"statement ended", my(1317), true, false, false},
		{"read only transaction", my(1792), true, true, true},
		{"read only mode", my(1836), true, true, true},
		{"killed", my(1927), true, true, false},
		{"statement too long", my(1969), true, false, true},
		{"gone away", my(2006), true, true, false},
		{"lost", my(2013), true, true, false},
		{"statement too long in MySQL", my(3024), true, false, true},
		{"killed in MySQL", my(3169), true, true, false},
		{"idle in MySQL", my(4031), true, true, false},
		{"deadlock", my(1213), true, true, true},
		{"lock not to be had", my(1205), true, true, true},
		{"syntax", my(1064), false, false, true},
		{"no such database, in a connection", &connectError{my(1049)}, true, false, true},

		{"refused", &connectError{dial}, true, true, false},
		{"reset", fmt.Errorf("read: %w", syscall.ECONNRESET), true, true, false},
		{"end", io.ErrUnexpectedEOF, true, true, false},
		{"broken", mysql.ErrInvalidConn, true, true, false},
		{"bad", driver.ErrBadConn, true, true, false},
		{"another history", &connectError{errOtherHistory}, true, true, false},
		{"too late", context.DeadlineExceeded, true, false, false},
		{"no rows", sql.ErrNoRows, false, false, false},
		{"a fault", errors.New("index out of range"), false, false, false},
	} {
		if got := stoa.Is(wrapUnavailable(c.err), stoa.KindUnavailable); got != c.away {
			t.Errorf("%s (%v): away %v, want %v", c.name, c.err, got, c.away)
		}
		if got := isTransient(c.err); got != c.again {
			t.Errorf("%s (%v): repeated %v, want %v", c.name, c.err, got, c.again)
		}
		if got := definite(c.err); got != c.certain {
			t.Errorf("%s (%v): settles a COMMIT %v, want %v", c.name, c.err, got, c.certain)
		}
	}
}

// answers is a connection that answers queries by a part of their text.
type answers map[string]any

func (answers) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (answers) Close() error                        { return nil }
func (answers) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }

func (a answers) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	for part, answer := range a {
		if !strings.Contains(query, part) {
			continue
		}
		if err, ok := answer.(error); ok {
			return nil, err
		}
		return &oneRow{values: answer.([]driver.Value)}, nil
	}
	return nil, fmt.Errorf("the query is not known: %s", query)
}

type oneRow struct {
	values []driver.Value
	read   bool
}

func (r *oneRow) Columns() []string { return make([]string, len(r.values)) }
func (r *oneRow) Close() error      { return nil }
func (r *oneRow) Next(to []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read = true
	copy(to, r.values)
	return nil
}

// A server that refuses to tell something is known without it; one that breaks off is not another server.
func TestHistory_BrokenConnectionShowsNoOtherHistory(t *testing.T) {
	t.Parallel()
	refused := &mysql.MySQLError{Number: 1227}
	base := answers{"WSREP": refused, "read_only": refused, "@@server_id": []driver.Value{int64(1), "db", int64(3306)},
		"information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'": refused}
	base["performance_schema"] = []driver.Value{int64(77)}
	d := &DB{dialect: MySQL}
	if got, _, err := d.readFingerprint(t.Context(), base); err != nil || got != "mysql 1 db:3306 start 77" {
		t.Errorf("%q, %v", got, err)
	}
	base["performance_schema"] = &mysql.MySQLError{Number: 1142}
	if got, _, err := d.readFingerprint(t.Context(), base); err != nil || got != "mysql 1 db:3306 start 0" {
		t.Errorf("refused: %q, %v", got, err)
	}
	for _, broken := range []error{mysql.ErrInvalidConn, context.DeadlineExceeded, &mysql.MySQLError{Number: 1927}} {
		base["performance_schema"] = broken
		if got, _, err := d.readFingerprint(t.Context(), base); !errors.Is(err, broken) {
			t.Errorf("%v: taken for %q, %v", broken, got, err)
		}
	}
	pg := answers{"pg_is_in_recovery": []driver.Value{"00000001", "off"},
		"pg_control_system": &pgconn.PgError{Code: "42501"}}
	d = &DB{dialect: Postgres}
	if got, _, err := d.readFingerprint(t.Context(), pg); err != nil || got != "postgres ? 00000001" {
		t.Errorf("refused: %q, %v", got, err)
	}
	pg["pg_control_system"] = io.ErrUnexpectedEOF
	if got, _, err := d.readFingerprint(t.Context(), pg); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("broken: taken for %q, %v", got, err)
	}
}
