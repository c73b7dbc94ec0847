package db

import (
	"cmp"
	"database/sql/driver"
	"strings"
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

// OneHost gives the address of the options with only that one of its hosts, as host:port; all of it without one.
func OneHost(o Options, server string) (string, error) {
	if server == "" {
		return o.URL, nil
	}
	parsed, err := parseURL(o)
	if err != nil {
		return "", err
	}
	before, rest, _ := strings.Cut(o.URL, "://")
	rest, query, hasQuery := strings.Cut(rest, "?")
	authority, name, _ := cutOutside(rest, '/')
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	if hasQuery {
		name += "?" + query
	}
	var known []string
	for _, h := range parsed.hosts {
		var one string
		one, authority, _ = cutOutside(authority, ',')
		if h.String() == server {
			if len(parsed.hosts) == 1 {
				return o.URL, nil // in whatever form
			}
			return before + "://" + user + one + "/" + name, nil
		}
		known = append(known, h.String())
	}
	return "", stoa.Invalid("server", "the address names no server %s; it names %s", server, strings.Join(known, ", "))
}

func itoa(n int64) string { return stoa.ID(n).String() }

var _ driver.Connector = (*connector)(nil)
