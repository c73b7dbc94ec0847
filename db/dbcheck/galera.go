package dbcheck

import (
	"context"
	"fmt"
	"strings"
)

// galera looks at a member of a Galera cluster.
func (l *look) galera(ctx context.Context, status map[string]string) {
	v := l.settings
	l.host.History = status["wsrep_cluster_state_uuid"]
	l.sync = "Galera: a commit is certified by all members and written by each for itself"
	size := number(status["wsrep_cluster_size"])
	l.host.Replicas = int(max(size-1, 0))
	if !on(status["wsrep_ready"]) || status["wsrep_cluster_status"] != "Primary" {
		l.add("galera-away", Critical, "see the log of this member; with no member in a primary component, bootstrap the one with the greatest seqno",
			"the Galera member %s is not ready (%s, %s): it takes neither reads nor writes", l.Name, status["wsrep_cluster_status"], status["wsrep_local_state_comment"])
	}
	if size < 3 {
		l.add("galera-size", Warning, "run three members, or two and an arbitrator (garbd)", "the Galera cluster of %s has %d member(s): when one is lost the rest stops", l.Name, size)
	}
	if m := v["wsrep_osu_method"]; m != "TOI" && m != "" {
		l.add("galera-osu", Critical, "wsrep_OSU_method = TOI below [mysqld] in my.cnf, and SET GLOBAL wsrep_OSU_method = 'TOI';",
			"wsrep_OSU_method is %s: migrations reach one member alone", m)
	}
	if v["binlog_format"] != "ROW" {
		l.add("galera-row", Critical, "binlog_format = ROW below [mysqld] in my.cnf, and restart", "binlog_format is %s: Galera needs ROW", v["binlog_format"])
	}
	if number(v["wsrep_sync_wait"])&1 == 0 {
		l.add("galera-sync-wait", Warning, "wsrep_sync_wait = 1 below [mysqld] in my.cnf, and SET GLOBAL wsrep_sync_wait = 1;",
			"wsrep_sync_wait is %s: a read may show less than what another member has already acknowledged", v["wsrep_sync_wait"])
	}
	tables, err := rowsOf(ctx, l.q, `SELECT t.TABLE_NAME AS name FROM information_schema.TABLES t
		LEFT JOIN information_schema.TABLE_CONSTRAINTS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME AND c.CONSTRAINT_TYPE = 'PRIMARY KEY'
		WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' AND c.CONSTRAINT_NAME IS NULL ORDER BY t.TABLE_NAME LIMIT 20`)
	if err == nil && len(tables) > 0 {
		var names []string
		for _, t := range tables {
			names = append(names, t["name"])
		}
		l.add("galera-keys", Critical, fmt.Sprintf("give each a primary key: ALTER TABLE %s ADD PRIMARY KEY (…);", names[0]),
			"tables without a primary key cannot be replicated by Galera in all cases: %s", strings.Join(names, ", "))
	}
	l.add("galera-promise", Note, "for a promise without exception, use PostgreSQL with synchronous replication",
		"Galera has a weaker promise than one server or synchronous replication: commits that were acknowledged can vanish when members are lost (Jepsen, March 2026)")
}
