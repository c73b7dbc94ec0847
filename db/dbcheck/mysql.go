package dbcheck

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// leastPacket is what a save needs: a body of 4 MiB with the driver's escapes, and some room.
const leastPacket = 16 << 20

// shortWait is the least time, in seconds, that a connection should be let idle.
const shortWait = 60

// mysqlLosses are the settings with which MariaDB and MySQL forget what they have acknowledged.
func mysqlLosses(v map[string]string) []Finding {
	var out []Finding
	if got := v["innodb_flush_log_at_trx_commit"]; got != "1" {
		out = append(out, Finding{
			Code:     "flush-log",
			Severity: Critical,
			Fix: "innodb_flush_log_at_trx_commit = 1 below [mysqld] in my.cnf, and SET GLOBAL " +
				"innodb_flush_log_at_trx_commit = 1;",
			Text: "innodb_flush_log_at_trx_commit is " + got + ": when the server or its machine stops, the " +
				"saves of the last second that were acknowledged are lost",
		})
	}
	if v["innodb_doublewrite"] == "OFF" {
		out = append(out, Finding{
			Code:     "doublewrite",
			Severity: Critical,
			Fix:      "innodb_doublewrite = ON below [mysqld] in my.cnf, and restart",
			Text: "innodb_doublewrite is off: when the machine stops in the middle of a write, the database " +
				"can be damaged",
		})
	}
	if strings.EqualFold(v["innodb_flush_method"], "nosync") {
		out = append(out, Finding{
			Code:     "flush-method",
			Severity: Critical,
			Fix:      "innodb_flush_method = O_DIRECT below [mysqld] in my.cnf, and restart",
			Text:     "innodb_flush_method is nosync: nothing is written to the disk for certain",
		})
	}
	return out
}

// charset is what is wrong with the character set of the database; tables of the portal have their own.
func charset(name, set string) (Finding, bool) {
	if strings.HasPrefix(set, "utf8mb4") {
		return Finding{}, false
	}
	return Finding{
		Code:     "encoding",
		Severity: Warning,
		Fix:      fmt.Sprintf("ALTER DATABASE `%s` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;", name),
		Text: fmt.Sprintf(
			"the database %s has the character set %s: the portal's own tables are utf8mb4 all the same, but tables "+
				"made by hand or by other programs lose letters", name, set),
	}, true
}

func (l *look) mysql(ctx context.Context) error {
	v, err := pairs(ctx, l.q, "SHOW GLOBAL VARIABLES")
	if err != nil {
		return err
	}
	l.settings = v
	h := l.host
	h.Product, h.Version = "MySQL", strings.SplitN(v["version"], "-", 2)[0]
	least := "8.0"
	if strings.Contains(v["version"], "MariaDB") {
		h.Product, least = "MariaDB", "10.6"
	}
	if older(h.Version, least) {
		l.add("version", Critical,
			"upgrade to "+h.Product+" "+least+" or newer",
			"%s %s is too old: %s is needed at least", h.Product, h.Version, least)
	}
	l.findings(mysqlLosses(v))
	status, err := pairs(ctx, l.q, "SHOW GLOBAL STATUS")
	if err != nil {
		return err
	}
	h.Role = RoleWritable
	if on(v["read_only"]) || on(v["super_read_only"]) || on(v["innodb_read_only"]) || on(v["transaction_read_only"]) ||
		on(v["tx_read_only"]) {
		h.Role = RoleReadOnly
	}
	h.Galera = on(v["wsrep_on"]) && status["wsrep_cluster_state_uuid"] != ""
	if set, ok := l.ask(ctx, "SELECT @@character_set_database"); ok && l.Database() != "" {
		if f, wrong := charset(l.Database(), set); wrong {
			l.findings([]Finding{f})
		}
	}
	if err := l.tables(ctx); err != nil {
		return err
	}
	if l.Database() == "" {
		l.add("database", Critical,
			"put the name of the database at the end of the address: mariadb://host/stoa",
			"the address names no database")
	}
	l.mysqlPrivileges(ctx)
	l.mysqlLimits(ctx)
	if h.Galera {
		l.galera(ctx, status)
	} else {
		l.mysqlReplication(ctx, status)
	}
	if cipher, ok := l.session(ctx, "SHOW SESSION STATUS LIKE 'Ssl_cipher'"); ok && cipher == "" && !l.Local() {
		l.plain("sslMode=verify-full")
	}
	return nil
}

// on reads a switch, which newer servers give as words.
func on(v string) bool {
	return slices.Contains([]string{"ON", "1", "NO_LOCK", "NO_LOCK_NO_ADMIN", "YES", "TRUE"}, strings.ToUpper(v))
}

// session gives the value of a SHOW statement about one name.
func (l *look) session(ctx context.Context, query string) (string, bool) {
	got, err := pairs(ctx, l.q, query)
	if err != nil {
		return "", false
	}
	for _, v := range got {
		return v, true
	}
	return "", false
}

func (l *look) mysqlLimits(ctx context.Context) {
	v := l.settings
	limit := int(number(v["max_connections"]))
	need := l.report.Nodes * (l.report.Pool + reserve)
	fix := fmt.Sprintf(
		"max_connections = %d below [mysqld] in my.cnf, and SET GLOBAL max_connections = %[1]d; or lower "+
			"jdbc.default.maximumPoolSize", need+20)
	own, ok := l.session(ctx, "SHOW SESSION VARIABLES LIKE 'max_user_connections'")
	if n := int(number(own)); ok && n > 0 && n < limit {
		limit, fix = n, fmt.Sprintf("ALTER USER CURRENT_USER() WITH MAX_USER_CONNECTIONS %d;", need+5)
	}
	l.connections(limit, fix)
	if n := number(v["max_allowed_packet"]); n < leastPacket {
		l.add("packet", Critical,
			fmt.Sprintf("max_allowed_packet = 64M below [mysqld] in my.cnf, and SET GLOBAL max_allowed_packet = %d;",
				64<<20),
			"max_allowed_packet is %d bytes and %d are needed: a large article cannot be saved", n, leastPacket)
	}
	if n := number(v["wait_timeout"]); n < shortWait {
		l.add("idle-timeout", Warning,
			"wait_timeout = 28800 below [mysqld] in my.cnf, and SET GLOBAL wait_timeout = 28800;",
			"wait_timeout is %d s: the server closes idle connections and nodes connect anew all the time", n)
	}
	if v["binlog_format"] == "STATEMENT" && on(v["log_bin"]) {
		l.add("binlog-format", Critical,
			"binlog_format = ROW below [mysqld] in my.cnf, and SET GLOBAL binlog_format = 'ROW';",
			"binlog_format is STATEMENT: the server refuses writes of transactions that are READ COMMITTED, as all "+
				"of the portal are")
	}
}

// mysqlReplication reads what stands still on a replica, and how a primary hands on what it commits.
func (l *look) mysqlReplication(ctx context.Context, status map[string]string) {
	v := l.settings
	l.sync = "asynchronous"
	l.host.Replicas = int(
		number(first(status, "slaves_connected", "rpl_semi_sync_master_clients", "rpl_semi_sync_source_clients")))
	l.replica(ctx)
	many := l.hosts > 1 || l.host.Replicas > 0 || l.host.Role == RoleReplica
	if many && on(v["log_bin"]) && v["sync_binlog"] != "1" {
		l.add("sync-binlog", Critical,
			"sync_binlog = 1 below [mysqld] in my.cnf, and SET GLOBAL sync_binlog = 1;",
			"sync_binlog is %s: after a crash the binary log misses commits that the server has, and replicas go "+
				"another way than it", v["sync_binlog"])
	}
	if many && !on(v["log_bin"]) {
		l.add("binlog", Warning,
			"log_bin = binlog below [mysqld] in my.cnf, and restart",
			"%s writes no binary log: when it is promoted no replica can follow it", l.Name)
	}
	if many && l.host.Product == "MariaDB" && !on(v["gtid_strict_mode"]) {
		l.add("gtid", Warning, "gtid_strict_mode = 1 below [mysqld] in my.cnf, and SET GLOBAL gtid_strict_mode = 1;",
			"gtid_strict_mode is off: a server that went another way takes up replication again without an error")
	}
	if many && l.host.Product == "MySQL" && v["gtid_mode"] != "ON" {
		l.add("gtid", Warning, "gtid_mode = ON and enforce_gtid_consistency = ON below [mysqld] in my.cnf, and restart",
			"gtid_mode is %s: after a fail-over replicas do not find their place by themselves", v["gtid_mode"])
	}
	if on(first(v, "rpl_semi_sync_master_enabled", "rpl_semi_sync_source_enabled")) {
		wait := number(first(v, "rpl_semi_sync_master_timeout", "rpl_semi_sync_source_timeout"))
		point := first(v, "rpl_semi_sync_master_wait_point", "rpl_semi_sync_source_wait_point")
		l.sync = fmt.Sprintf(
			"semi-synchronous, which counts as asynchronous: after %d ms without an answer the server commits alone",
			wait)
		if point == "AFTER_COMMIT" {
			l.sync += "; and it shows commits to others before a replica has them (rpl_semi_sync_master_wait_point = " +
				"AFTER_COMMIT)"
		}
	}
}

// replica looks at the replication that arrives here, if any does.
func (l *look) replica(ctx context.Context) {
	rows, err := rowsOf(ctx, l.q, "SHOW REPLICA STATUS")
	if err != nil {
		rows, err = rowsOf(ctx, l.q, "SHOW SLAVE STATUS")
	}
	if err != nil {
		if l.host.Role == RoleReadOnly { // most likely a replica
			l.host.Role = RoleReplica
		}
		if l.hosts > 1 {
			grant := "REPLICATION CLIENT"
			if l.host.Product == "MariaDB" {
				grant = "REPLICA MONITOR, BINLOG MONITOR"
			}
			l.add("not-visible", Note,
				fmt.Sprintf("GRANT %s ON *.* TO the user;", grant),
				"this user may not see the state of replication at %s", l.Name)
		}
		return
	}
	if len(rows) == 0 {
		return
	}
	if l.host.Role == RoleWritable {
		l.add("writable-replica", Critical, "read_only = ON below [mysqld] in my.cnf, and SET GLOBAL read_only = ON;",
			"%s is a replica and takes writes: one that reaches it by mistake makes two histories of the data", l.Name)
	} else {
		l.host.Role = RoleReplica
	}
	if len(rows) > 1 {
		l.add("multi-source", Critical,
			"let it follow one server, or take it off the address",
			"%s follows %d servers: what it shows never was on one", l.Name, len(rows))
	}
	for _, r := range rows {
		io, apply := first(r, "slave_io_running", "replica_io_running"), first(r, "slave_sql_running", "replica_sql_running")
		if io != "Yes" || apply != "Yes" {
			l.add("not-streaming", Critical,
				"see SHOW REPLICA STATUS, mend the cause, then START REPLICA;",
				"the replication to %s stands still (receiving: %s, applying: %s): %s", l.Name, io, apply,
				first(r, "last_io_error", "last_sql_error", "last_error"))
		}
		if d := number(r["sql_delay"]); d > 0 {
			l.add("delayed", Critical,
				"STOP REPLICA; CHANGE MASTER TO MASTER_DELAY = 0; START REPLICA; or take this server off the address",
				"%s is a replica that is delayed by %d s on purpose: a fail-over to it would lose that much", l.Name,
				d)
		}
		for _, f := range []string{"replicate_do_db", "replicate_ignore_db", "replicate_do_table", "replicate_ignore_table",
			"replicate_wild_do_table", "replicate_wild_ignore_table"} {
			if r[f] != "" {
				l.add("filtered", Critical,
					"take "+f+" out of my.cnf, and fill the replica anew",
					"the replica %s leaves something out (%s = %s): the change log can be ahead of the data", l.Name,
					f, r[f])
			}
		}
		if number(first(l.settings, "replica_parallel_workers", "slave_parallel_workers")) > 1 &&
			l.host.Product == "MySQL" &&
			!on(first(l.settings, "replica_preserve_commit_order", "slave_preserve_commit_order")) {
			l.add("commit-order", Critical,
				"replica_preserve_commit_order = ON below [mysqld] in my.cnf, and restart replication",
				"the replica %s commits in another order than its primary: the change log can be ahead of the data",
				l.Name)
		}
	}
}

// first gives the first of the values that is there and not empty: servers rename their variables.
func first(m map[string]string, names ...string) string {
	for _, n := range names {
		if m[n] != "" {
			return m[n]
		}
	}
	return ""
}

// rowsOf reads whole rows by column, in lower case.
func rowsOf(ctx context.Context, q *sql.DB, query string) ([]map[string]string, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out []map[string]string
	for rows.Next() {
		values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		one := map[string]string{}
		for i, c := range columns {
			one[strings.ToLower(c)] = values[i].String
		}
		out = append(out, one)
	}
	return out, rows.Err()
}

// mysqlError is the number of an error that the server answered with; 0 for others.
func mysqlError(err error) uint16 {
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return my.Number
	}
	return 0
}
