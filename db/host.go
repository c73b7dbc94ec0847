package db

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// host is one server of an address: one of pg and my is set.
type host struct {
	pg       *pgx.ConnConfig
	my       *mysql.Config
	settings []param // of each session of PostgreSQL, made after connecting
	password func() (string, error)
	log      *slog.Logger
	door     *door
}

// door remembers how the server let connections in, so that a refusal is logged once.
type door struct {
	mu     sync.Mutex
	said   string
	plain  bool      // it was told that connections are not encrypted
	pooled time.Time // when a pooler was last seen to keep sessions apart
}

func newHost(o Options) host {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return host{password: o.PasswordFrom, log: log.With("component", "db"), door: &door{}}
}

// String is host:port, or the path of a Unix socket.
func (h host) String() string {
	if h.pg == nil {
		return h.my.Addr
	}
	if h.local() {
		return h.pg.Host
	}
	return net.JoinHostPort(h.pg.Host, strconv.Itoa(int(h.pg.Port)))
}

// user is the name that connections sign in with.
func (h host) user() string {
	if h.pg == nil {
		return h.my.User
	}
	return h.pg.User
}

// database is the name of the database on the server.
func (h host) database() string {
	if h.pg == nil {
		return h.my.DBName
	}
	return h.pg.Database
}

// encrypted reports whether connections to the host always use TLS.
func (h host) encrypted() bool {
	if h.pg == nil {
		return h.my.TLS != nil && !h.my.AllowFallbackToPlaintext
	}
	return h.pg.TLSConfig != nil && len(h.pg.Fallbacks) == 0
}

// secret is the password of the moment; fixed is the one of the address or its setting.
func (h host) secret(fixed string) (string, error) {
	if h.password == nil {
		return fixed, nil
	}
	p, err := h.password()
	if err != nil {
		return "", &passwordError{err}
	}
	return p, nil
}

// signingIn gives each connection of PostgreSQL the password of the moment.
func (h host) signingIn() stdlib.OptionOpenDB {
	return stdlib.OptionBeforeConnect(func(_ context.Context, c *pgx.ConnConfig) (err error) {
		c.Password, err = h.secret(c.Password)
		return err
	})
}

// connector makes bare connections to this one server: signed in with the password of the moment, and with the
// settings that the address asks for. timeout is for the whole greeting.
func (h host) connector(timeout time.Duration) (driver.Connector, error) {
	var base, plain driver.Connector
	if h.pg != nil {
		base = stdlib.GetConnector(*h.pg, h.signingIn(), stdlib.OptionShouldPing(doubtful))
	} else {
		// The hook also gives each connection a configuration of its own: with the shared one, the driver would
		// remember that a server once did without TLS.
		cfg := h.my.Clone()
		if err := cfg.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) (err error) {
			c.Passwd, err = h.secret(c.Passwd)
			return err
		})); err != nil {
			return nil, err
		}
		var err error
		if base, err = mysql.NewConnector(cfg); err != nil {
			return nil, fmt.Errorf("database server %s: %w", h, err)
		}
		if cfg.TLS != nil && cfg.AllowFallbackToPlaintext {
			open := cfg.Clone()
			open.TLS = nil
			if plain, err = mysql.NewConnector(open); err != nil {
				return nil, fmt.Errorf("database server %s: %w", h, err)
			}
		}
	}
	return hostConnector{base, plain, h, timeout}, nil
}

// hostConnector bounds the whole greeting, and not its first packet alone, and gives refusals their sentence.
type hostConnector struct {
	driver.Connector
	plain   driver.Connector // without TLS, where the address only prefers it and the driver does not try that itself
	host    host
	timeout time.Duration
}

func (c hostConnector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.Connector.Connect(ctx)
	if c.plain != nil && isTLS(err) { // as with sslmode=prefer of PostgreSQL
		c.host.unencrypted(err)
		conn, err = c.plain.Connect(ctx)
	}
	if err == nil && c.host.pg != nil {
		if err = c.host.prepare(ctx, conn); err != nil {
			_ = conn.Close()
		}
	}
	err = c.host.refusal(err)
	c.host.tell(err)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// unencrypted logs once that connections go without TLS, because the one that was preferred did not come about.
func (h host) unencrypted(why error) {
	h.door.mu.Lock()
	defer h.door.mu.Unlock()
	if !h.door.plain {
		h.log.Warn(
			"connections to the database server are not encrypted: TLS, which the address prefers, does not come about",
			"server",
			h.String(),
			"error",
			why,
			"mend",
			"renew the server's TLS, or say sslMode=DISABLED or REQUIRED in the address",
		)
		h.door.plain = true
	}
}

// tell logs a refusal once, and that it is over.
func (h host) tell(err error) {
	refused, ok := asRefusal(err)
	if err != nil && !ok {
		return // that the server does not answer is told by those who wait for it
	}
	h.door.mu.Lock()
	defer h.door.mu.Unlock()
	switch {
	case ok && h.door.said != refused.sentence:
		h.log.Warn("no connection to the database: "+refused.sentence, "error", refused.cause)
		h.door.said = refused.sentence
	case !ok && h.door.said != "":
		h.log.Info("the database server lets connections in again", "server", h.String())
		h.door.said = ""
	}
}

// prepare makes the settings of a new session of PostgreSQL, in one statement, and looks at what stands between.
func (h host) prepare(ctx context.Context, conn driver.Conn) error {
	pg := conn.(*stdlib.Conn).Conn().PgConn()
	var b strings.Builder
	b.WriteString("SELECT pg_backend_pid()")
	path := false
	for _, s := range h.settings {
		fmt.Fprintf(&b, ", set_config(%s, %s, false)", quoteSQL(s.name), quoteSQL(s.value))
		path = path || s.name == "search_path"
	}
	row, err := simple(ctx, pg, b.String())
	if err != nil {
		return err
	}
	if len(row) == 0 {
		return fmt.Errorf("database server %s: the settings of the session were not answered", h)
	}
	if pid, err := strconv.ParseUint(row[0], 10, 32); err != nil || uint32(pid) != pg.PID() {
		if err := h.checkPooler(ctx, pg, row[0]); err != nil {
			return err
		}
	}
	if path {
		if row, err = simple(ctx, pg, "SELECT coalesce(current_schema(), '')"); err != nil {
			return err
		}
		if len(row) == 0 || row[0] == "" {
			return &refusal{sentence: fmt.Sprintf("none of the schemas of currentSchema is in the database %q on %s: create "+
				"one (CREATE SCHEMA name AUTHORIZATION %s)",
				h.database(), h, h.user())}
		}
	}
	return nil
}

// simple runs one statement without preparing it and gives the first row as text.
func simple(ctx context.Context, pg *pgconn.PgConn, sql string) ([]string, error) {
	results, err := pg.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if len(r.Rows) > 0 {
			var out []string
			for _, v := range r.Rows[0] {
				out = append(out, string(v))
			}
			return out, nil
		}
	}
	return nil, nil
}

// quoteSQL quotes text for PostgreSQL, whatever standard_conforming_strings is.
func quoteSQL(s string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}
