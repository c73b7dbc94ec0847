package dbcheck_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
)

// binlog are the settings of a MariaDB server of a pair.
func binlog(id int, more ...string) []string {
	return append(
		[]string{
			fmt.Sprintf("--server-id=%d", id),
			"--log-bin=binlog",
			"--gtid-strict-mode=1",
			"--sync-binlog=1",
			"--binlog-format=ROW",
		},
		more...)
}

const makeStoa = "CREATE DATABASE stoa CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

func TestRun_MariaDBAsTheDocsSetItUpIsFit(t *testing.T) {
	t.Parallel()
	s := startMaria(t)
	execute(t, s.url("boss", "boss", ""), makeStoa,
		"CREATE USER stoa@'%' IDENTIFIED BY 'stoa'",
		"GRANT ALL PRIVILEGES ON stoa.* TO stoa@'%'")
	r := check(t, at(s.url("stoa", "stoa", "stoa")))
	want(t, r)
	if h := r.Hosts[0]; h.Role != dbcheck.RoleWritable || h.Product != "MariaDB" || h.Trip == nil || h.Galera {
		t.Errorf("the host is %+v", h)
	}
	want(t, check(t, at(s.url("boss", "boss", ""))), "database", "writes-anyway")
}

func TestRun_MariaDBAsHostersSetItUp(t *testing.T) {
	t.Parallel()
	s := startMaria(t,
		binlog(1, "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0", "--innodb-flush-method=nosync",
			"--max-allowed-packet=1M", "--max-connections=20", "--wait-timeout=4", "--autocommit=0",
			"--binlog-format=STATEMENT")...)
	execute(t, s.url("boss", "boss", ""), "SET autocommit = 1",
		"CREATE DATABASE lportal CHARACTER SET latin1",
		"CREATE USER stoa@'%' IDENTIFIED BY 'stoa'",
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON `lp\\_rtal`.* TO stoa@'%'",
		"GRANT SELECT, INSERT ON `lp%`.* TO stoa@'%'")
	r := check(t, at(s.url("stoa", "stoa", "lportal")))
	want(t, r, "flush-log", "doublewrite", "flush-method", "packet", "connections", "idle-timeout",
		"binlog-format", "encoding", "privileges", "trigger")
	for _, f := range r.Findings {
		if f.Fix == "" {
			t.Errorf("%s has no fix", f.Code)
		}
		if f.Code == "privileges" &&
			f.Text != "the user stoa@% lacks on the database lportal: UPDATE, DELETE, CREATE, DROP, ALTER, INDEX" {
			t.Errorf("the privileges: %s", f.Text)
		}
	}
	execute(t, s.url("boss", "boss", ""), "GRANT ALL PRIVILEGES ON lportal.* TO stoa@'%'")
	d, err := db.Open(t.Context(), db.Options{URL: s.url("stoa", "stoa", "lportal"), MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	found, err := dbcheck.AtStart(t.Context(), d, 32)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"flush-log", "doublewrite", "encoding", "connections"} {
		if !slices.ContainsFunc(found, func(f dbcheck.Finding) bool { return f.Code == code }) {
			t.Errorf("a start says nothing of %s", code)
		}
	}
}

func TestRun_MariaDBReplica(t *testing.T) {
	t.Parallel()
	p, s := startMaria(t, binlog(1)...), startMaria(t, binlog(2)...)
	for _, x := range []*server{p, s} {
		execute(t, x.url("boss", "boss", ""), "SET sql_log_bin = 0", makeStoa,
			"CREATE USER stoa@'%' IDENTIFIED BY 'stoa'",
			"GRANT ALL PRIVILEGES ON stoa.* TO stoa@'%'")
	}
	boss := s.url("boss", "boss", "")
	both := fmt.Sprintf("mariadb://stoa:stoa@127.0.0.1:%d,127.0.0.1:%d/stoa", p.port, s.port)
	follow := fmt.Sprintf(
		"CHANGE MASTER TO master_host='127.0.0.1', master_port=%d, master_user='boss', master_password='boss', "+
			"master_use_gtid=slave_pos", p.port)

	// Two servers that both take writes: read_only was forgotten when this was set up.
	execute(t, p.url("boss", "boss", ""), "RESET MASTER")
	execute(t, boss, "RESET MASTER", "SET GLOBAL gtid_slave_pos = ''", follow, "START SLAVE")
	want(t, check(t, at(both)), "two-writable", "asynchronous", "demotion", "not-visible", "trigger")
	for _, x := range []*server{p, s} {
		execute(t, x.url("boss", "boss", ""), "SET sql_log_bin = 0",
			"GRANT REPLICA MONITOR, BINLOG MONITOR ON *.* TO stoa@'%'")
	}
	want(t, check(t, at(both)), "two-writable", "writable-replica", "asynchronous", "demotion", "trigger")

	execute(t, boss, "SET GLOBAL read_only = 1")
	execute(t, p.url("boss", "boss", ""),
		"CREATE TABLE stoa.one (id INTEGER PRIMARY KEY)", "INSERT INTO stoa.one VALUES (1)")
	r := check(t, at(both))
	want(t, r, "asynchronous", "demotion", "trigger")
	if h := r.Hosts[1]; h.Role != dbcheck.RoleReplica || h.Lag == nil || r.Hosts[0].Replicas != 1 ||
		r.Replication != "asynchronous" {
		t.Errorf("the report is %+v", r)
	}

	execute(t, boss, "STOP SLAVE")
	execute(t, p.url("boss", "boss", ""), "INSERT INTO stoa.one VALUES (2)")
	if r := check(t, at(both)); !r.Has("not-streaming") || !r.Has("lag") || r.Worst() != dbcheck.Critical {
		t.Errorf("a replica that stands still: %+v", r.Findings)
	}
	execute(t, boss, "CHANGE MASTER TO MASTER_DELAY = 3600", "START SLAVE")
	if r := check(t, at(both)); !r.Has("delayed") {
		t.Errorf("a delayed replica: %+v", r.Findings)
	}
	execute(t, boss, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY = 0", "START SLAVE")
	for _, x := range []*server{p, s} {
		execute(t, x.url("boss", "boss", ""), "SET sql_log_bin = 0",
			"GRANT READ_ONLY ADMIN ON *.* TO stoa@'%'", "SET GLOBAL sync_binlog = 0")
	}
	execute(t, p.url("boss", "boss", ""), "SET GLOBAL rpl_semi_sync_master_enabled = 1")
	r = check(t, at(both))
	want(t, r, "writes-anyway", "sync-binlog", "asynchronous", "demotion", "-lag", "trigger")
	for _, f := range r.Findings {
		if f.Code == "sync-binlog" && len(f.Hosts) != 2 {
			t.Errorf("what is wrong with both servers is told of %v", f.Hosts)
		}
		if f.Code == "writes-anyway" && f.Severity != dbcheck.Critical {
			t.Errorf("a user that may write to a replica is a %s", f.Severity)
		}
	}
	execute(t, boss, "STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0")
	if r := check(t, at(both)); !r.Has("two-writable") {
		t.Errorf("two primaries: %+v", r.Findings)
	}
}

// One member shows what is wrong with its settings; a cluster of three is the lab's.
func TestRun_Galera(t *testing.T) {
	t.Parallel()
	lib := program(t, "Galera (package galera-4)", "/usr/lib/galera/libgalera_smm.so")
	group := freePort(t)
	s := startMaria(t,
		binlog(1, "--wsrep-on=ON", "--wsrep-provider="+lib, "--wsrep-cluster-name=t", "--wsrep-new-cluster",
			"--wsrep-cluster-address=gcomm://",
			"--wsrep-node-address=127.0.0.1", "--innodb-autoinc-lock-mode=2", "--wsrep-osu-method=RSU",
			fmt.Sprintf(
				"--wsrep-provider-options=gcache.size=8M;base_port=%d;gmcast.listen_addr=tcp://127.0.0.1:%[1]d",
				group))...)
	execute(t, s.url("boss", "boss", ""), "SET wsrep_OSU_method = 'TOI'", makeStoa,
		"CREATE USER stoa@'%' IDENTIFIED BY 'stoa'",
		"GRANT ALL PRIVILEGES ON stoa.* TO stoa@'%'", "CREATE TABLE stoa.nokey (id INTEGER)")
	r := check(t, at(s.url("stoa", "stoa", "stoa")))
	want(t, r, "galera-size", "galera-osu", "galera-sync-wait", "galera-keys", "galera-promise", "trigger")
	if !r.Hosts[0].Galera || r.Hosts[0].History == "" {
		t.Errorf("the host is %+v", r.Hosts[0])
	}
}
