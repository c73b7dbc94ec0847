package dbcheck_test

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// check looks at an address; nothing about it may be an error.
func check(t *testing.T, o dbcheck.Options) dbcheck.Report {
	t.Helper()
	if o.Wait == 0 {
		o.Wait = 2 * time.Second
	}
	r, err := dbcheck.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func at(address string) dbcheck.Options { return dbcheck.Options{Write: db.Options{URL: address}} }

// want fails unless the report has exactly these codes; those with a dash before may be there as well.
func want(t *testing.T, r dbcheck.Report, codes ...string) {
	t.Helper()
	for _, c := range codes {
		if name, optional := strings.CutPrefix(c, "-"); !optional && !r.Has(name) {
			t.Errorf("the report has no finding %s", name)
		}
	}
	for _, f := range r.Findings {
		if !slices.Contains(codes, f.Code) && !slices.Contains(codes, "-"+f.Code) {
			t.Errorf("a finding that was not expected: %s %s %s: %s", f.Severity, f.Code, f.Hosts, f.Text)
		}
	}
}

// wellSet gives a server as the chapter on databases sets it up.
func wellSet(t *testing.T) *server {
	t.Helper()
	s := startPostgres(t, nil)
	execute(t, s.url("boss", "", "postgres"), "CREATE ROLE stoa LOGIN PASSWORD 'stoa'",
		"CREATE DATABASE stoa OWNER stoa ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'")
	return s
}

func TestRun_PostgresAsTheDocsSetItUpIsFit(t *testing.T) {
	t.Parallel()
	s := wellSet(t)
	r := check(t, at(s.url("stoa", "stoa", "stoa")))
	want(t, r)
	h := r.Hosts[0]
	if h.Role != dbcheck.RoleWritable || h.Trip == nil || h.Commit == nil || h.Pooler != "" || r.Replication != "none" {
		t.Errorf("the report is %+v", r)
	}
	if left, err := openPlain(s.url("boss", "", "stoa")); err == nil {
		defer left.Close()
		var n int
		const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
		if err := left.QueryRow(tables).Scan(&n); err != nil || n != 0 {
			t.Errorf("the check left %d things behind (%v)", n, err)
		}
	}
	r = check(t, dbcheck.Options{Write: db.Options{URL: s.url("stoa", "stoa", "stoa")}, Nodes: 4})
	if !r.Has("connections") {
		t.Error("four nodes with 32 connections each fit into 100")
	}
	execute(t, s.url("stoa", "stoa", "stoa"), "CREATE TABLE cluster_node (state text)",
		"INSERT INTO cluster_node VALUES ('up'), ('up'), ('up'), ('dead'), ('left')")
	r = check(t, at(s.url("stoa", "stoa", "stoa")))
	want(t, r, "connections")
	if r.Nodes != 3 {
		t.Errorf("three nodes live there, and %d are counted", r.Nodes)
	}
}

func TestRun_PostgresWithSettingsThatLoseSaves(t *testing.T) {
	t.Parallel()
	s := startPostgres(t, nil, "fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=20",
		"idle_session_timeout=5s")
	execute(t, s.url("boss", "", "postgres"), "CREATE ROLE stoa LOGIN", "CREATE ROLE other LOGIN",
		"CREATE DATABASE lat ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	execute(t, s.url("boss", "", "lat"), "CREATE TABLE db_schema (id integer)", "ALTER TABLE db_schema OWNER TO other",
		"REVOKE CREATE ON SCHEMA public FROM PUBLIC", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
		"REVOKE EXECUTE ON FUNCTION pg_terminate_backend(integer, bigint) FROM PUBLIC")
	r := check(t, at(s.url("stoa", "", "lat")))
	want(t, r, "fsync", "full-page-writes", "synchronous-commit", "connections", "idle-timeout", "encoding",
		"privileges", "owner", "fingerprint", "terminate")
	for _, f := range r.Findings {
		if f.Fix == "" {
			t.Errorf("%s has no fix", f.Code)
		}
	}
	if r.Worst() != dbcheck.Critical {
		t.Errorf("the worst is %q", r.Worst())
	}
	execute(t, s.url("boss", "", "postgres"), "ALTER ROLE stoa SET default_transaction_read_only = on")
	if r := check(t, at(s.url("stoa", "", "lat"))); !r.Has("no-writable") {
		t.Error("a user that may only read is not found")
	}
	if _, err := dbcheck.Run(t.Context(), at(s.url("boss", "", "nowhere"))); stoa.KindOf(err) != stoa.KindUnavailable {
		t.Errorf("a database that is not there gives %v", err)
	}

	d, err := db.Open(t.Context(), db.Options{URL: s.url("boss", "", "lat"), MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := dbcheck.AtStart(t.Context(), d, 32); stoa.KindOf(err) != stoa.KindInvalid ||
		!strings.Contains(fmt.Sprint(err), "lat is in LATIN1") {
		t.Errorf("a start on LATIN1 says %v", err)
	}
	d, err = db.Open(t.Context(), db.Options{URL: s.url("boss", "", "postgres"), MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	found, err := dbcheck.AtStart(t.Context(), d, 32)
	if err != nil || !slices.ContainsFunc(found, func(f dbcheck.Finding) bool { return f.Code == "fsync" }) ||
		!slices.ContainsFunc(found, func(f dbcheck.Finding) bool { return f.Code == "connections" }) {
		t.Errorf("a start on a server that forgets says %v %v", found, err)
	}
}

func TestRun_PoolerModes(t *testing.T) {
	t.Parallel()
	s := wellSet(t)
	for mode, codes := range map[string][]string{
		"session": {"pooler-session"}, "transaction": {"pooler"}, "statement": {"pooler"},
	} {
		t.Run(mode, func(t *testing.T) {
			p := startPooler(t, s, mode)
			r := check(t, at(p.url("stoa", "stoa", "stoa")))
			want(t, r, codes...)
			if r.Hosts[0].Pooler != mode {
				t.Errorf("the mode is told as %q", r.Hosts[0].Pooler)
			}
		})
	}
}

func TestRun_PoolerWithoutASecondSession(t *testing.T) {
	t.Parallel()
	p := startPooler(t, wellSet(t), "session", "default_pool_size = 1")
	want(t, check(t, at(p.url("stoa", "stoa", "stoa"))), "pooler-session", "connections")
}

func TestRun_ServerThatHangsLeavesTimeForTheOthers(t *testing.T) {
	t.Parallel()
	s := wellSet(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0") // connections are made and never answered
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, order := range []string{"%[1]d,127.0.0.1:%[2]d", "%[2]d,127.0.0.1:%[1]d"} {
		hosts := fmt.Sprintf("127.0.0.1:"+order, s.port, l.Addr().(*net.TCPAddr).Port)
		watch, begun := stall.Start(), time.Now()
		defer watch.Stop()
		r := check(t, at("postgres://stoa:stoa@"+hosts+"/stoa?sslmode=disable"))
		want(t, r, "host-away", "asynchronous", "demotion")
		if took := watch.Since(begun); took > 30*time.Second {
			t.Errorf("the look took %s", took)
		}
	}
}

func TestRun_Replicas(t *testing.T) {
	t.Parallel()
	p := wellSet(t)
	s := startPostgres(t, p)
	both := fmt.Sprintf("postgres://stoa:stoa@127.0.0.1:%d,127.0.0.1:%d/stoa?sslmode=disable", p.port, s.port)
	streaming := func() bool {
		q, err := openPlain(p.url("boss", "", "postgres"))
		if err != nil {
			return false
		}
		defer q.Close()
		var n int
		return q.QueryRow("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").Scan(&n) == nil &&
			n == 1
	}
	await(t, "the replica streams", streaming)

	r := check(t, at(both))
	want(t, r, "asynchronous", "demotion", "not-visible")
	if r.Worst() != dbcheck.Note || r.Replication != "asynchronous" || r.Hosts[1].Role != dbcheck.RoleReplica ||
		r.Hosts[1].Lag == nil ||
		r.Hosts[0].Replicas != 1 {
		t.Errorf("the report is %+v", r)
	}
	r = check(t, dbcheck.Options{
		Write: db.Options{URL: p.url("stoa", "stoa", "stoa")},
		Read:  db.Options{URL: s.url("stoa", "stoa", "stoa")},
	})
	want(t, r, "asynchronous", "demotion", "not-visible")
	want(t, check(t, at(s.url("stoa", "stoa", "stoa"))), "no-writable", "-asynchronous", "-demotion")

	execute(t, s.url("boss", "", "postgres"), "SELECT pg_wal_replay_pause()")
	if r := check(t, at(both)); !r.Has("lag") || r.Worst() != dbcheck.Critical {
		t.Errorf("a replica that stands still: %+v", r.Findings)
	}
	execute(t, s.url("boss", "", "postgres"), "SELECT pg_wal_replay_resume()",
		"ALTER SYSTEM SET recovery_min_apply_delay = '1h'", "SELECT pg_reload_conf()")
	await(t, "the replica is delayed", func() bool { return check(t, at(both)).Has("delayed") })
	execute(t, s.url("boss", "", "postgres"), "ALTER SYSTEM RESET recovery_min_apply_delay", "SELECT pg_reload_conf()")
	execute(t, p.url("boss", "", "postgres"), "GRANT pg_monitor TO stoa",
		"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'", "SELECT pg_reload_conf()")
	await(t, "commits wait for the replica", func() bool {
		r := check(t, at(both))
		return strings.HasPrefix(r.Replication, "synchronous") && !r.Has("no-synchronous-replica") && !r.Has("lag")
	})
	want(t, check(t, at(both)), "demotion", "one-synchronous-replica")
	execute(t, p.url("boss", "", "postgres"), "ALTER ROLE stoa SET synchronous_commit = local")
	want(t, check(t, at(both)), "synchronous-commit", "asynchronous", "demotion")

	// The replica is promoted behind the back of its primary, which goes on.
	execute(t, p.url("boss", "", "postgres"), "ALTER ROLE stoa RESET synchronous_commit")
	execute(t, s.url("boss", "", "postgres"), "SELECT pg_promote()")
	await(t, "two servers take writes", func() bool { return check(t, at(both)).Has("two-writable") })
	r = check(t, at(both))
	if !r.Has("no-synchronous-replica") {
		t.Errorf("the primary waits in vain, and the report says %+v", r.Findings)
	}
	s.kill(t)
	await(t, "the promoted server is away", func() bool { return check(t, at(both)).Has("host-away") })

	other := startPostgres(t, nil)
	two := fmt.Sprintf("postgres://boss@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable", p.port, other.port)
	if r := check(t, at(two)); !r.Has("other-database") || !r.Has("two-writable") {
		t.Errorf("two servers that have nothing to do with each other: %+v", r.Findings)
	}
	if r := check(t, at(postgresURL(balance(t, p, other))("boss", "", "postgres"))); !r.Has("balanced") {
		t.Errorf("an address that balances: %+v", r.Findings)
	}
}

func TestRun_ReadsOnlyAFileOfSQLite(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "stoa.db")
	if _, err := dbcheck.Run(t.Context(), at("sqlite:"+name)); stoa.KindOf(err) != stoa.KindUnavailable {
		t.Errorf("a file that is not there gives %v", err)
	}
	if out, err := exec.Command("ls", name).CombinedOutput(); err == nil {
		t.Errorf("the check made %s", out)
	}
	d, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + name})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := check(t, at("sqlite:"+name))
	want(t, r, "sqlite")
	if r.Worst() != dbcheck.Note {
		t.Errorf("the worst is %q", r.Worst())
	}
	r = check(t, dbcheck.Options{Write: db.Options{URL: "sqlite:" + name}, Cluster: true})
	if r.Worst() != dbcheck.Critical {
		t.Error("a cluster on SQLite passes")
	}
}
