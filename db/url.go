package db

import (
	"cmp"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/stoa-portal/stoa"
)

// dsn is a database URL after reading.
type dsn struct {
	dialect Dialect
	path    string // SQLite
	hosts   []host // servers in the order of the address; none for SQLite
	label   string
}

// host is one server of an address: one of pg and my is set.
type host struct {
	pg *pgx.ConnConfig
	my *mysql.Config
}

// String is host:port, or the path of a Unix socket.
func (h host) String() string {
	if h.pg == nil {
		return h.my.Addr
	}
	if strings.HasPrefix(h.pg.Host, "/") {
		return h.pg.Host
	}
	return net.JoinHostPort(h.pg.Host, strconv.Itoa(int(h.pg.Port)))
}

func (d dsn) describe() string { return d.label }

// server is host:port of the first host of the address; empty for a file or a Unix socket.
func (d dsn) server() string {
	if len(d.hosts) == 0 || strings.HasPrefix(d.hosts[0].String(), "/") {
		return ""
	}
	return d.hosts[0].String()
}

// explain gives the error of a first connection a sentence that names the database.
func (d dsn) explain(err error) error {
	if stoa.KindOf(err) != stoa.KindInternal {
		return err
	}
	var two errTwoWritable
	var ref *errRefused
	switch {
	case errors.As(err, &two):
		return stoa.Unavailable(err, "of the database servers of %s, %s and %s both take writes, so none is used: demote the wrong one", d.label, two.a, two.b)
	case errors.As(err, &ref):
		return stoa.Unavailable(err, "%s; %s", ref.Text(), ref.Mend())
	case isCorrupt(err):
		return stoa.Unavailable(err, "the database %s is damaged or is not a database: restore it from a backup (stoa restore) or from the copies in data/backup", d.label)
	case isDiskFull(err):
		return stoa.Unavailable(err, "the disk that holds the database %s is full; free some space", d.label)
	}
	return stoa.Unavailable(err, "the database %s cannot be used; check the address, that the server runs, and user and password", d.label)
}

// parseURL reads a native or jdbc: URL. hosts may be a list; unknown jdbc parameters are dropped,
// because Liferay's URLs carry parameters of the Java driver.
func parseURL(o Options) (dsn, error) {
	raw := strings.TrimSpace(o.URL)
	s := strings.TrimPrefix(raw, "jdbc:")
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return dsn{}, badURL(raw)
	}
	switch scheme {
	case "sqlite", "sqlite3", "file":
		path, _, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
		if path == "" {
			return dsn{}, badURL(raw)
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return dsn{}, badURL(raw)
		}
		return dsn{dialect: SQLite, path: abs, label: "sqlite:" + abs}, nil
	case "postgres", "postgresql":
		return parsePostgres(o, raw, rest)
	case "mysql", "mariadb":
		return parseMySQL(o, raw, scheme, rest)
	}
	return dsn{}, badURL(raw)
}

func badURL(raw string) error {
	if u, err := url.Parse(raw); err == nil && u.User != nil {
		raw = u.Redacted()
	}
	return stoa.Invalid("jdbc.default.url", "%q is not a database address: sqlite:/path/file.db, postgres://host/name, mariadb://host/name, mysql://host/name or their jdbc: forms are expected", raw)
}

// split parts "//user:pw@h1:1,h2:2/name?k=v" without choking on lists of hosts.
func split(o Options, rest string) (user, password, hosts, name string, query url.Values, ok bool) {
	rest, ok = strings.CutPrefix(rest, "//")
	if !ok {
		return "", "", "", "", nil, false
	}
	rest, q, _ := strings.Cut(rest, "?")
	query, err := url.ParseQuery(q)
	if err != nil {
		return "", "", "", "", nil, false
	}
	authority, name, _ := strings.Cut(rest, "/")
	user, password = o.User, o.Password
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		cred := authority[:i]
		authority = authority[i+1:]
		u, p, hasPassword := strings.Cut(cred, ":")
		if user, err = url.PathUnescape(u); err != nil {
			return "", "", "", "", nil, false
		}
		if hasPassword {
			if password, err = url.PathUnescape(p); err != nil {
				return "", "", "", "", nil, false
			}
		}
	}
	if v := query.Get("user"); v != "" && user == "" {
		user = v
	}
	if v := query.Get("password"); v != "" && password == "" {
		password = v
	}
	return user, password, authority, name, query, true
}

func parsePostgres(o Options, raw, rest string) (dsn, error) {
	user, password, hosts, name, query, ok := split(o, rest)
	if !ok || strings.ContainsAny(hosts, " \t") {
		return dsn{}, badURL(raw)
	}
	if hosts == "" {
		hosts = "localhost:5432"
	}
	keep := url.Values{}
	for _, k := range []string{"sslmode", "sslrootcert", "sslcert", "sslkey"} {
		if v := query.Get(k); v != "" {
			keep.Set(k, v)
		}
	}
	out := dsn{dialect: Postgres, label: "postgres://" + hosts + "/" + name}
	for one := range strings.SplitSeq(hosts, ",") {
		native := "postgres://" + one + "/" + url.PathEscape(name) + "?" + keep.Encode()
		cfg, err := pgx.ParseConfig(native)
		if err != nil {
			return dsn{}, badURL(raw)
		}
		if user != "" {
			cfg.User = user
		}
		if password != "" {
			cfg.Password = password
		}
		cfg.ConnectTimeout = o.ConnectTimeout
		cfg.DialFunc = dialer(o.ConnectTimeout)
		millis := o.StatementTimeout.Milliseconds()
		for k, v := range map[string]string{
			"timezone":                            "UTC",
			"application_name":                    applicationName(o),
			"default_transaction_isolation":       "read committed",
			"statement_timeout":                   itoa(millis),
			"lock_timeout":                        itoa(millis),
			"idle_in_transaction_session_timeout": itoa(idleWrite.Milliseconds()),
			"tcp_user_timeout":                    itoa(unheardThere.Milliseconds()),
			"tcp_keepalives_idle":                 itoa(int64(unheardThere.Seconds())),
			"tcp_keepalives_interval":             "1",
			"client_min_messages":                 "warning",
		} {
			cfg.RuntimeParams[k] = v
		}
		out.hosts = append(out.hosts, host{pg: cfg})
	}
	return out, nil
}

func parseMySQL(o Options, raw, scheme, rest string) (dsn, error) {
	user, password, hosts, name, query, ok := split(o, rest)
	if !ok || strings.ContainsAny(hosts, " \t") {
		return dsn{}, badURL(raw)
	}
	out := dsn{dialect: MySQL, label: scheme + "://" + hosts + "/" + name}
	for one := range strings.SplitSeq(cmp.Or(hosts, "localhost"), ",") {
		if _, _, err := net.SplitHostPort(one); err != nil {
			one = net.JoinHostPort(strings.Trim(one, "[]"), "3306")
		}
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = user, password, "tcp", one, name
		cfg.Timeout = o.ConnectTimeout
		cfg.DialFunc = dialer(o.ConnectTimeout)
		cfg.ReadTimeout = o.StatementTimeout + 5*time.Second
		cfg.WriteTimeout = o.StatementTimeout
		cfg.Logger = &mysql.NopLogger{} // what it would print is in the errors as well
		cfg.ParseTime = true            // the lock of the migrations keeps times; the portal itself stores none
		cfg.InterpolateParams = true
		cfg.ClientFoundRows = true // an UPDATE counts the rows it matched, as the other dialects do
		cfg.Params = map[string]string{
			"sql_mode":                 "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
			"innodb_lock_wait_timeout": itoa(max(1, int64(o.StatementTimeout.Seconds()))),
		}
		switch {
		case query.Get("useSSL") == "true" || query.Get("sslMode") == "verify-full" ||
			query.Get("sslMode") == "VERIFY_IDENTITY" || query.Get("tls") == "true":
			name, _, _ := net.SplitHostPort(one)
			cfg.TLS = &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
		case query.Get("sslMode") == "trust" || query.Get("sslMode") == "REQUIRED" || query.Get("tls") == "skip-verify":
			cfg.TLSConfig = "skip-verify"
		}
		if err := cfg.Apply(); err != nil {
			return dsn{}, badURL(raw)
		}
		out.hosts = append(out.hosts, host{my: cfg})
	}
	return out, nil
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
	authority, after, _ := strings.Cut(rest, "/")
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	names := strings.Split(authority, ",")
	var known []string
	for i, h := range parsed.hosts {
		if h.String() == server && i < len(names) {
			return before + "://" + user + names[i] + "/" + after, nil
		}
		known = append(known, h.String())
	}
	return "", stoa.Invalid("server", "the address names no server %s; it names %s", server, strings.Join(known, ", "))
}

func itoa(n int64) string { return stoa.ID(n).String() }

var _ driver.Connector = (*connector)(nil)
