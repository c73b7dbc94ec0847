package db

import (
	"cmp"
	"database/sql/driver"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
)

// dsn is a database URL after reading.
type dsn struct {
	dialect  Dialect
	path     string // SQLite
	hosts    []host // servers in the order of the address; none for SQLite
	label    string
	warnings []string // of parameters that do nothing
}

func (d dsn) describe() string { return d.label }

// server is host:port of the first host of the address; empty for a file or a Unix socket.
func (d dsn) server() string {
	if len(d.hosts) == 0 || d.hosts[0].local() {
		return ""
	}
	return d.hosts[0].String()
}

// local reports whether the host is the path of a Unix socket.
func (h host) local() bool {
	if h.pg == nil {
		return h.my.Net == "unix"
	}
	network, _ := pgconn.NetworkAddress(h.pg.Host, h.pg.Port)
	return network == "unix"
}

// CheckAddress reports what is wrong with the address in o without connecting: an Invalid error for what would
// stop a start, and warnings for parameters that do nothing.
func CheckAddress(o Options) (warnings []string, err error) {
	o.ConnectTimeout, o.StatementTimeout = cmp.Or(o.ConnectTimeout, 2*time.Second), cmp.Or(o.StatementTimeout,
		15*time.Second)
	d, err := parseURL(o)
	return d.warnings, err
}

// parseURL reads a native or jdbc: URL.
func parseURL(o Options) (dsn, error) {
	a, err := readAddress(o)
	if err != nil {
		return dsn{}, err
	}
	switch a.scheme {
	case "sqlite":
		return dsn{dialect: SQLite, path: a.name, label: "sqlite:" + a.name}, nil
	case "postgres":
		return parsePostgres(o, a)
	}
	return parseMySQL(o, a)
}

func itoa(n int64) string { return stoa.ID(n).String() }

var _ driver.Connector = (*connector)(nil)
