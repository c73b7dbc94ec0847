package dbcheck

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// postgresSettings are what PostgreSQL is asked for.
const postgresSettings = `SELECT name, setting FROM pg_settings WHERE name IN (
	'server_version', 'server_version_num', 'fsync',
	'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'server_encoding', 'max_connections',
	'superuser_reserved_connections', 'reserved_connections', 'default_transaction_read_only', 'transaction_read_only',
	'recovery_min_apply_delay', 'idle_session_timeout')`

const reload = "SELECT pg_reload_conf();"

// postgresLosses are the settings with which PostgreSQL forgets what it has acknowledged.
func postgresLosses(v map[string]string) []Finding {
	var out []Finding
	if v["fsync"] == "off" {
		out = append(out, Finding{Code: "fsync", Severity: Critical, Fix: "ALTER SYSTEM SET fsync = on; " + reload,
			Text: "fsync is off: when the machine stops, saves that were acknowledged are lost and the database may " +
				"not start again"})
	}
	if v["full_page_writes"] == "off" {
		out = append(out, Finding{
			Code:     "full-page-writes",
			Severity: Critical,
			Fix:      "ALTER SYSTEM SET full_page_writes = on; " + reload,
			Text: "full_page_writes is off: when the machine stops in the middle of a write, the database " +
				"can be damaged",
		})
	}
	if v["synchronous_commit"] == "off" {
		out = append(out, Finding{Code: "synchronous-commit", Severity: Critical,
			Fix: "ALTER SYSTEM SET synchronous_commit = on; " + reload + " (see that neither user nor database has " +
				"a setting of its own: \\drds in psql)",
			Text: "synchronous_commit is off for this user: when the server stops, the saves of the last second that " +
				"were acknowledged are lost"})
	}
	return out
}

func (l *look) findings(list []Finding) {
	for _, f := range list {
		f.Hosts = []string{l.Name}
		l.report.Findings = append(l.report.Findings, f)
	}
}

// encodingSentence is why a database in another encoding than UTF-8 is not used.
func encodingSentence(name, encoding string) string {
	return fmt.Sprintf(
		"the database %s is in %s and not in UTF8: letters are damaged when it is moved, and lengths are counted "+
			"wrongly", name, encoding)
}

const encodingFix = "CREATE DATABASE stoa OWNER stoa ENCODING 'UTF8' TEMPLATE template0; and set its name in " +
	"jdbc.default.url"

func (l *look) postgres(ctx context.Context) error {
	var err error
	if l.settings, err = pairs(ctx, l.q, postgresSettings); err != nil {
		return err
	}
	v, h := l.settings, l.host
	h.Product, h.Version = "PostgreSQL", v["server_version"]
	if number(v["server_version_num"]) < 130000 {
		l.add("version", Critical,
			"upgrade to PostgreSQL 13 or newer (pg_upgrade)",
			"PostgreSQL %s is too old: 13 is needed at least", h.Version)
	}
	l.findings(postgresLosses(v))
	recovery, err := l.one(ctx, "SELECT pg_is_in_recovery()")
	if err != nil {
		return err
	}
	h.Role = RoleWritable
	switch {
	case recovery == "true":
		h.Role = RoleReplica
	case v["transaction_read_only"] == "on" || v["default_transaction_read_only"] == "on":
		h.Role = RoleReadOnly
	}
	if e := v["server_encoding"]; e != "UTF8" {
		l.add("encoding", Critical, encodingFix, "%s", encodingSentence(l.Database(), e))
	}
	if err := l.pooler(ctx); err != nil {
		return err
	}
	l.postgresPrivileges(ctx)
	l.postgresLimits(ctx)
	l.postgresReplication(ctx)
	if !l.Local() {
		if on, ok := l.ask(ctx, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); ok && on != "true" &&
			h.Pooler == "" {
			l.plain("sslmode=verify-full")
		}
	}
	return nil
}

func (l *look) plain(parameter string) {
	l.add("tls", Warning,
		"set up a certificate at the server and add "+parameter+" to jdbc.default.url",
		"the connection to %s goes over the network without TLS: any machine on the way reads and changes everything",
		l.Name)
}

// pooler finds out whether something else answers for the server, and whether a session stays with this process:
// the number that the session was greeted with is not the server's then.
func (l *look) pooler(ctx context.Context) error {
	a, err := l.q.Conn(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	greeted, err := greeting(a)
	if err != nil {
		return err
	}
	var first, second uint32
	if err := a.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&first); err != nil {
		return err
	}
	if first == greeted {
		return nil
	}
	l.host.Pooler = "session"
	// A session that is given up between statements goes to the next who asks, which is this transaction.
	b, err := l.q.Conn(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	free, cancel := context.WithTimeout(ctx, freeLimit)
	defer cancel()
	var other uint32
	tx, err := b.BeginTx(free, nil)
	if err == nil {
		defer func() { _ = tx.Rollback() }()
		err = tx.QueryRowContext(free, "SELECT pg_backend_pid()").Scan(&other)
	}
	switch {
	case err != nil && refused(err):
		l.host.Pooler = "statement"
	case err != nil && free.Err() == nil:
		return err
	case err == nil: // otherwise the pooler has no second session, and does not give away the first
		if err := a.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&second); err != nil {
			return err
		}
		if other == first || second != first {
			l.host.Pooler = "transaction"
		}
	}
	if l.host.Pooler != "session" {
		l.add("pooler", Critical,
			"pool_mode = session for this database in pgbouncer.ini, or connect to the server itself",
			"a pooler in %s mode answers at %s: what a session sets and locks does not stay with it, so nodes can "+
				"neither be fenced nor hold a time-out", l.host.Pooler, l.Name)
		return nil
	}
	l.add("pooler-session", Note, "",
		"a pooler in session mode answers at %s; its own limits (max_client_conn, default_pool_size) must bear %d "+
			"connections", l.Name, l.report.Nodes*(l.report.Pool+reserve))
	return nil
}

// greeting is the number of its session that the server told when the connection began.
func greeting(c *sql.Conn) (pid uint32, err error) {
	err = c.Raw(func(raw any) error {
		p, ok := raw.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("driver connection %T is not PostgreSQL's", raw)
		}
		pid = p.Conn().PgConn().PID()
		return nil
	})
	return pid, err
}

func (l *look) postgresPrivileges(ctx context.Context) {
	user, ok := l.ask(ctx, "SELECT current_user")
	if !ok {
		return
	}
	schema, _ := l.ask(ctx, "SELECT current_schema()")
	if schema == "" {
		l.add("privileges", Critical, fmt.Sprintf("CREATE SCHEMA %s AUTHORIZATION %[1]s;", ident(user)),
			"the user %s has no schema: none of its search_path is there or may be used", user)
	} else if may, ok := l.ask(ctx, "SELECT has_schema_privilege(current_schema(), 'CREATE')"); ok && may != "true" &&
		l.host.Role == RoleWritable {
		l.add("privileges", Critical,
			fmt.Sprintf("GRANT CREATE, USAGE ON SCHEMA %s TO %s; or ALTER DATABASE %s OWNER TO %[2]s;",
				ident(schema), ident(user), ident(l.Database())),
			"the user %s may make no tables in the schema %s: migrations fail", user, schema)
	}
	strangers, ok := l.ask(ctx, `SELECT string_agg(relname, ', ') FROM (SELECT relname FROM pg_class WHERE relkind = 'r'
		AND relnamespace = current_schema()::regnamespace
		AND relname IN ('db_schema', 'db_incarnation', 'cluster_node', 'content_article')
		AND NOT pg_has_role(relowner, 'USAGE') ORDER BY relname) x`)
	if ok && strangers != "" {
		l.add("owner", Critical,
			fmt.Sprintf("REASSIGN OWNED BY <the owner> TO %s;", ident(user)),
			"the tables %s belong to another user than %s: migrations cannot change them, and stoa db copy can make "+
				"no triggers", strangers, user)
	}
	for _, fn := range []struct{ query, name, grant string }{
		{"SELECT system_identifier FROM pg_control_system()", "pg_control_system()", "pg_control_system()"},
		{
			"SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE pg_walfile_name(pg_current_wal_lsn()) END",
			"pg_walfile_name()", "pg_walfile_name(pg_lsn)",
		},
	} {
		got, err := l.one(ctx, fn.query)
		if err == nil {
			if fn.name == "pg_control_system()" {
				l.host.History = got
			}
			continue
		}
		if refused(err) {
			l.add("fingerprint", Critical,
				fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s TO %s;", fn.grant, ident(user)),
				"the user %s may not call %s, by which a node sees that the server was replaced by another one: %v",
				user, fn.name, err)
		}
	}
	if l.host.Pooler == "" {
		l.terminate(ctx, user)
	}
}

// terminate ends a session of this command's own, as nodes do with those of a node that died.
func (l *look) terminate(ctx context.Context, user string) {
	victim, err := l.q.Conn(ctx)
	if err != nil {
		return // which connections shows
	}
	defer victim.Close()
	var pid int
	if victim.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid) != nil {
		return
	}
	if done, err := l.one(ctx, "SELECT pg_terminate_backend($1)", pid); err == nil && done == "true" ||
		err != nil && !refused(err) {
		_ = victim.Raw(func(any) error { return errors.New("ended") }) // the pool is not given it again
		return
	}
	l.add("terminate", Warning,
		fmt.Sprintf("GRANT EXECUTE ON FUNCTION pg_terminate_backend TO %s;", ident(user)),
		"the user %s may not end sessions of its own: what a node that died holds locked stays locked until "+
			"time-outs free it", user)
}

// postgresLimit is how many connections the server has for users like the portal's.
func postgresLimit(v map[string]string) int {
	return int(
		number(v["max_connections"]) - number(v["superuser_reserved_connections"]) - number(v["reserved_connections"]))
}

func (l *look) postgresLimits(ctx context.Context) {
	v := l.settings
	limit := postgresLimit(v)
	need := l.report.Nodes * (l.report.Pool + reserve)
	fix := fmt.Sprintf(
		"ALTER SYSTEM SET max_connections = %d; and restart the server; or lower jdbc.default.maximumPoolSize",
		need+20)
	if own, ok := l.ask(ctx, "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user"); ok &&
		number(own) >= 0 &&
		int(number(own)) < limit {
		limit, fix = int(number(own)), fmt.Sprintf("ALTER ROLE CURRENT_USER CONNECTION LIMIT %d;", need+5)
	}
	if own, ok := l.ask(ctx, "SELECT datconnlimit FROM pg_database WHERE datname = current_database()"); ok &&
		number(own) >= 0 &&
		int(number(own)) < limit {
		limit, fix = int(number(own)), fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d;", ident(l.Database()),
			need+5)
	}
	l.connections(limit, fix)
	if t := number(v["idle_session_timeout"]); t > 0 && t < 60_000 {
		l.add("idle-timeout", Warning,
			"ALTER SYSTEM SET idle_session_timeout = 0; "+reload,
			"the server closes sessions that are idle for %s: nodes connect anew all the time",
			time.Duration(t)*time.Millisecond)
	}
}

// postgresReplication reads what stands still on a replica, and who hangs at a primary.
func (l *look) postgresReplication(ctx context.Context) {
	if l.host.Role == RoleReplica {
		if d := number(l.settings["recovery_min_apply_delay"]); d > 0 {
			l.add("delayed", Critical,
				"ALTER SYSTEM RESET recovery_min_apply_delay; "+reload+" or take this server off the address",
				"%s is a replica that is delayed by %s on purpose: a fail-over to it would lose that much", l.Name,
				time.Duration(d)*time.Millisecond)
		}
		state, err := l.one(ctx, "SELECT status FROM pg_stat_wal_receiver")
		if errors.Is(err, sql.ErrNoRows) {
			l.add("not-streaming", Critical,
				"see the log of this server: primary_conninfo, the slot and the password of replication",
				"%s is a replica that receives nothing from its primary: it gets older and cannot take over without "+
					"loss", l.Name)
		} else if err == nil && state != "" && state != "streaming" {
			l.add("not-streaming", Warning, "see the log of this server",
				"the replication to %s is in the state %s", l.Name, state)
		}
		return
	}
	names := strings.TrimSpace(l.settings["synchronous_standby_names"])
	commit := l.settings["synchronous_commit"]
	var hang, syncs, hidden int
	err := l.q.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),
		count(*) FILTER (WHERE state IS NULL)
		FROM pg_stat_replication`).
		Scan(&hang, &syncs, &hidden)
	if err != nil {
		return
	}
	l.host.Replicas = hang
	if hidden > 0 {
		l.add("not-visible", Note,
			"GRANT pg_monitor TO CURRENT_USER; as a superuser, with the user's name",
			"this user may not see the state of replication at %s: whether a replica is synchronous was not looked at",
			l.Name)
	}
	switch {
	case names != "" && commit != "local" && commit != "off":
		l.sync = "synchronous (" + names + ", synchronous_commit = " + commit + "): a commit that was acknowledged " +
			"is on a replica as well"
		if commit == "remote_write" {
			l.add("remote-write", Warning, "ALTER SYSTEM SET synchronous_commit = on; "+reload,
				"synchronous_commit is remote_write: a replica has a commit in memory only when it is acknowledged")
		}
		if syncs == 0 && hidden == 0 {
			l.add("no-synchronous-replica", Critical,
				"bring a replica of synchronous_standby_names back, or take it out: "+
					"ALTER SYSTEM SET synchronous_standby_names = ''; "+reload,
				"%s waits with each commit for a replica of %q, and none is there: saves hang", l.Name, names)
		} else if hang == 1 {
			l.add("one-synchronous-replica", Note, "",
				"one replica hangs at %s and commits wait for it: when it is away, saves hang", l.Name)
		}
	case names != "":
		l.add("synchronous-commit", Warning,
			"ALTER SYSTEM SET synchronous_commit = on; "+reload,
			"synchronous_standby_names is set and synchronous_commit is %s for this user: commits do not wait for a "+
				"replica", commit)
		fallthrough
	default:
		l.sync = "asynchronous"
	}
}

// pairs reads rows of name and value; names in lower case.
func pairs(ctx context.Context, q *sql.DB, query string) (map[string]string, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name string
		var value sql.NullString
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		out[strings.ToLower(name)] = value.String
	}
	return out, rows.Err()
}

// number reads a whole number; what is none is 0.
func number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// ident quotes a name for SQL.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
