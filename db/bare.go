package db

import (
	"context"
	"database/sql"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	sqlite "modernc.org/sqlite"
)

// Bare is one server of an address, to be looked at as it is: replica or not, behind a pooler or not.
type Bare struct {
	Name    string // host:port, the path of a Unix socket or of a file
	Dialect Dialect

	host    host
	timeout time.Duration
}

// BareHosts gives the servers that the address of the options names, in its order, without asking any of them;
// for SQLite the one file. An address that names no known engine is an Invalid error.
func BareHosts(o Options) ([]Bare, error) {
	o.timeouts()
	parsed, err := parseURL(o)
	if err != nil {
		return nil, err
	}
	if parsed.dialect == SQLite {
		return []Bare{{Name: parsed.path, Dialect: SQLite}}, nil
	}
	var out []Bare
	for _, h := range parsed.hosts {
		out = append(out, Bare{Name: h.String(), Dialect: parsed.dialect, host: h, timeout: o.ConnectTimeout})
	}
	return out, nil
}

// Database is the name of the database in the address; empty when it has none, and for SQLite.
func (b Bare) Database() string {
	switch {
	case b.host.pg != nil:
		return b.host.pg.Database
	case b.host.my != nil:
		return b.host.my.DBName
	}
	return ""
}

// Local reports whether the server is reached without a network.
func (b Bare) Local() bool {
	name, _, err := net.SplitHostPort(b.Name)
	if err != nil || strings.HasPrefix(b.Name, "/") || name == "localhost" {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// Open gives a pool of this one server; it connects when it is first used. On PostgreSQL nothing is set at
// connecting and no statement is kept, so that a pooler in any mode lets it in. For SQLite it is nil.
func (b Bare) Open() (*sql.DB, error) {
	switch {
	case b.host.pg != nil:
		cfg := b.host.pg.Copy()
		cfg.RuntimeParams = map[string]string{"application_name": "stoa db check", "client_encoding": "UTF8"}
		cfg.ValidateConnect = nil
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		return sql.OpenDB(stdlib.GetConnector(*cfg, b.host.signingIn())), nil
	case b.host.my != nil:
		c, err := b.host.connector(b.timeout)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(c), nil
	}
	return nil, nil
}

// Sound reports whether the pages of an SQLite file are in order, without changing it; other engines look after
// themselves.
func (b Bare) Sound(ctx context.Context) bool {
	if b.Dialect != SQLite {
		return true
	}
	q := sql.OpenDB(sqliteConnector{&sqlite.Driver{}, sqliteURI(b.Name, "mode=ro&_pragma=query_only(1)")})
	defer q.Close()
	var word string
	return q.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&word) == nil && word == "ok"
}
