// Package dbcheck says whether a database is fit for a portal, and for a cluster of nodes: versions, settings
// that lose commits, encoding, privileges, connections, replication and what lies between. It writes nothing
// that stays. The main function is Run; AtStart is the part of it that each start of a node does.
package dbcheck

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Severity says how bad a finding is.
type Severity string

// The severities. A Critical finding breaks a promise of the portal or keeps it from running, a Warning will
// hurt some day, a Note tells what is so by choice.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Note     Severity = "note"
)

func (s Severity) rank() int { return slices.Index([]Severity{Critical, Warning, Note}, s) }

// Finding is one thing to know about the database.
type Finding struct {
	Code     string   `json:"code"` // stays the same between versions; docs/operate/database.md explains each
	Severity Severity `json:"severity"`
	Host     string   `json:"host,omitempty"` // empty: the database as a whole
	Text     string   `json:"text"`           // what is so, and what comes of it
	Fix      string   `json:"fix,omitempty"`  // what to run or to write where
}

// Span is how long something took: half of all and 99 of 100 tries were no longer.
type Span struct {
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
}

// The roles of hosts.
const (
	RoleWritable = "writable"
	RoleReadOnly = "read-only" // takes no writes, without being a replica
	RoleReplica  = "replica"
	RoleAway     = "away" // could not be asked
)

// Host is one server of the address.
type Host struct {
	Name     string         `json:"name"`
	Use      string         `json:"use"` // write, or read for those of jdbc.read alone
	Product  string         `json:"product,omitempty"`
	Version  string         `json:"version,omitempty"`
	Role     string         `json:"role"`
	History  string         `json:"history,omitempty"` // the same for servers of one cluster
	Pooler   string         `json:"pooler,omitempty"`  // session or transaction, when one is in front
	Trip     *Span          `json:"roundTrip,omitempty"`
	Commit   *Span          `json:"commit,omitempty"`
	Lag      *time.Duration `json:"lag,omitempty"` // of a replica, until it had what the primary had when asked
	Replicas int            `json:"replicas"`      // that hang at this server, as far as it tells
	Galera   bool           `json:"galera,omitempty"`
	Error    string         `json:"error,omitempty"`
}

// Report is what Run found.
type Report struct {
	Engine      string    `json:"engine"`
	Database    string    `json:"database"`
	Hosts       []Host    `json:"hosts"`
	Nodes       int       `json:"nodes"`       // living nodes, or as many as were told
	Pool        int       `json:"pool"`        // connections of each at most
	Replication string    `json:"replication"` // what is lost when the server that takes the writes is lost
	Findings    []Finding `json:"findings"`    // the worst first
}

// Worst is the greatest severity of the findings; empty without any.
func (r Report) Worst() Severity {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Severity
}

// Has reports whether there is a finding of the code.
func (r Report) Has(code string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == code })
}

// Options say what is looked at. Only Write.URL is required.
type Options struct {
	Write db.Options // the source that takes the writes; MaxConns is the pool of one node, 0 = 32
	Read  db.Options // of its own for reading; URL empty: none
	Nodes int        // that the cluster has or will have; 0 = those that live now, at least one
	Trips int        // how often the way there and back is measured; 0 = 50
	Wait  time.Duration
	// Cluster says that more than one node will be on it, whatever the rows tell: SQLite is critical then.
	Cluster bool
}

// reserve is what a node needs besides its pool: the connections of the change log and the leases.
const reserve = 2

// look is one host being looked at.
type look struct {
	db.Bare
	host   *Host
	q      *sql.DB
	report *Report
	several
	// settings are the server's own, by name in lower case.
	settings map[string]string
	trips    int
	wait     time.Duration
	sync     string // see Report.Replication
}

// several says what the address as a whole is like, which changes what is wrong with one server.
type several struct {
	hosts int
	read  bool
}

func (l *look) add(code string, s Severity, fix, format string, args ...any) {
	l.report.Findings = append(l.report.Findings,
		Finding{Code: code, Severity: s, Host: l.Name, Fix: fix, Text: fmt.Sprintf(format, args...)})
}

// Run looks at every server that the options name, each by itself, and at what they are together. It writes
// nothing that stays. An error says that nothing could be looked at: no server answered or lets this user in.
func Run(ctx context.Context, o Options) (Report, error) {
	o.Trips, o.Wait = cmp.Or(o.Trips, 50), cmp.Or(o.Wait, 5*time.Second)
	o.Write.MaxConns = cmp.Or(o.Write.MaxConns, 32)
	write, err := db.BareHosts(o.Write)
	if err != nil {
		return Report{}, err
	}
	r := Report{Engine: write[0].Dialect.String(), Database: write[0].Database(), Nodes: max(o.Nodes, 1), Pool: o.Write.MaxConns}
	if write[0].Dialect == db.SQLite {
		err := checkSQLite(ctx, &r, write[0], o.Cluster)
		return r, err
	}
	looks := make([]*look, 0, len(write))
	for _, b := range write {
		looks = append(looks, &look{Bare: b, host: &Host{Name: b.Name, Use: "write", Role: RoleAway}})
	}
	if o.Read.URL != "" {
		read, err := db.BareHosts(o.Read)
		if err != nil {
			return Report{}, err
		}
		if read[0].Dialect != write[0].Dialect {
			return Report{}, stoa.Invalid("jdbc.read.url", "jdbc.read.url names %s and the write source %s: a replica is a server of the same kind",
				read[0].Dialect, write[0].Dialect)
		}
		for _, b := range read {
			if !slices.ContainsFunc(write, func(w db.Bare) bool { return w.Name == b.Name }) {
				looks = append(looks, &look{Bare: b, host: &Host{Name: b.Name, Use: "read", Role: RoleAway}, several: several{read: true}})
			}
		}
	}
	var errs []error
	for _, l := range looks {
		l.report, l.hosts, l.trips, l.wait = &r, len(looks), o.Trips, o.Wait
		if err := l.look(ctx, o); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", l.Name, err))
			l.host.Error, l.host.Role = err.Error(), RoleAway
			l.add("host-away", Critical, "see that the server runs, that this machine may connect, and that user and password are right",
				"the server %s could not be looked at: %v", l.Name, err)
		}
		if l.q != nil {
			defer l.q.Close()
		}
	}
	if len(errs) == len(looks) {
		return r, stoa.Unavailable(errors.Join(errs...), "no server of the database could be looked at: %v", errors.Join(errs...))
	}
	together(ctx, &r, looks)
	for _, l := range looks {
		r.Hosts = append(r.Hosts, *l.host)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Severity.rank(), b.Severity.rank()) })
	return r, ctx.Err()
}

// hostLimit is how long one server is looked at, so that one that hangs leaves time for the others.
const hostLimit = 15 * time.Second

// freeLimit is how long a further connection is waited for, which a server or pooler may have none of.
const freeLimit = 3 * time.Second

// look asks one server.
func (l *look) look(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, hostLimit)
	defer cancel()
	q, err := l.Open()
	if err != nil {
		return err
	}
	l.q = q
	if err := q.PingContext(ctx); err != nil {
		return err
	}
	if l.Dialect == db.Postgres {
		err = l.postgres(ctx)
	} else {
		err = l.mysql(ctx)
	}
	if err != nil {
		return err
	}
	if o.Nodes == 0 {
		l.countNodes(ctx)
	}
	if err := l.oneServer(ctx); err != nil {
		return err
	}
	return l.trip(ctx)
}

// countNodes reads how many nodes live on the database; an empty one has none. The table is package cluster's.
func (l *look) countNodes(ctx context.Context) {
	var n int
	if l.q.QueryRowContext(ctx, "SELECT count(*) FROM cluster_node WHERE state = 'up'").Scan(&n) == nil {
		l.report.Nodes = max(l.report.Nodes, n)
	}
}

// one reads one value; NULL is empty.
func (l *look) one(ctx context.Context, query string, args ...any) (string, error) {
	var v sql.NullString
	err := l.q.QueryRowContext(ctx, query, args...).Scan(&v)
	return v.String, err
}

// ask is one for what some servers do not know or do not tell this user; ok is false then.
func (l *look) ask(ctx context.Context, query string, args ...any) (v string, ok bool) {
	v, err := l.one(ctx, query, args...)
	return v, err == nil
}

// oneServer finds out whether the address leads to one server: several connections, held at the same time, must
// see the same.
func (l *look) oneServer(ctx context.Context) error {
	query := "SELECT concat(pg_postmaster_start_time(), ' ', inet_server_addr(), ':', inet_server_port())"
	if l.Dialect == db.MySQL {
		query = "SELECT concat(@@server_id, ' ', @@hostname, ':', @@port)"
	}
	ctx, cancel := context.WithTimeout(ctx, freeLimit)
	defer cancel()
	seen := map[string]bool{}
	for n := range 4 {
		c, err := l.q.Conn(ctx)
		var v string
		if err == nil {
			defer c.Close()
			err = c.QueryRowContext(ctx, query).Scan(&v)
		}
		if err != nil && n > 0 {
			l.add("connections", Warning, "raise the limit of the server (max_connections) or of the pooler (default_pool_size), or end what holds its connections",
				"%s gave %d connections at the same time and no more: %v", l.Name, n, err)
			return nil
		}
		if err != nil {
			return err
		}
		seen[v] = true
	}
	if len(seen) > 1 {
		l.add("balanced", Warning, "name every server in the address (host1,host2), or let the balancer send all connections to one server with the others as its backup",
			"behind %s stand at least %d servers, and each connection gets another one: what one has written the next may not see yet", l.Name, len(seen))
	}
	return nil
}

// connections compares what the nodes open with what the server allows. limit is what is left for this user.
func connections(limit, pool, nodes int) (text string, ok bool) {
	need := nodes * (pool + reserve)
	if need <= limit {
		return "", true
	}
	return fmt.Sprintf("%d node(s) with a pool of %d and %d connections besides open up to %d connections, and the server allows this user %d: under load requests fail",
		nodes, pool, reserve, need, limit), false
}

func (l *look) connections(limit int, fix string) {
	if text, ok := connections(limit, l.report.Pool, l.report.Nodes); !ok && !l.read {
		l.add("connections", Warning, fix, "%s", text)
	}
}

// refused reports whether the server answered that this user may not, or does not know what was asked.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) || mysqlError(err) != 0
}

// older compares versions such as 10.6 number by number.
func older(version, least string) bool {
	number := func(s string) []int {
		var out []int
		for part := range strings.SplitSeq(s, ".") {
			n := 0
			for _, c := range part {
				if c < '0' || c > '9' {
					break
				}
				n = n*10 + int(c-'0')
			}
			out = append(out, n)
		}
		return out
	}
	return slices.Compare(number(version), number(least)) < 0
}
