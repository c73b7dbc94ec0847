package dbcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// noticed is how often a replica is asked whether it has come as far as its primary was.
const noticed = 10 * time.Millisecond

// together looks at what the servers are to each other: who takes writes, who follows whom and how far behind.
func together(ctx context.Context, r *Report, looks []*look) {
	var writable, replicas []*look
	galera := 0
	for _, l := range looks {
		switch {
		case l.host.Role == RoleAway:
		case l.host.Galera:
			galera++
			if !l.read && l.host.Role == RoleWritable {
				writable = append(writable, l)
			}
		case l.host.Role == RoleWritable && !l.read:
			writable = append(writable, l)
		case l.host.Role == RoleReplica:
			replicas = append(replicas, l)
		}
	}
	add := func(code string, s Severity, fix, format string, args ...any) {
		r.Findings = append(r.Findings, Finding{Code: code, Severity: s, Fix: fix, Text: fmt.Sprintf(format, args...)})
	}
	if len(writable) == 0 {
		add("no-writable", Critical, "promote a replica, or end the read-only mode of the primary (default_transaction_read_only, read_only)",
			"no server of jdbc.default.url takes writes: the portal cannot save anything")
	}
	if len(writable) > 1 && galera < len(writable) {
		add("two-writable", Critical, "demote or stop the older one at once, and let it follow the other",
			"%s take writes at the same time: two histories of the data arise, and what is saved at one is not at the other", names(writable))
	}
	histories := map[string][]*look{}
	for _, l := range looks {
		if l.host.History != "" && l.host.Role != RoleAway {
			histories[l.host.History] = append(histories[l.host.History], l)
		}
	}
	if len(histories) > 1 {
		var parts []string
		for id, ls := range histories {
			parts = append(parts, names(ls)+" ("+id+")")
		}
		slices.Sort(parts)
		add("other-database", Critical, "take the servers that do not belong together out of the address, or fill them anew from the primary",
			"the address names servers of different databases: %s", strings.Join(parts, "; "))
	}
	if len(writable) == 1 {
		for _, l := range replicas {
			l.lagBehind(ctx, writable[0])
		}
	}
	r.Replication = replication(writable, replicas, looks)
	if len(looks) > 1 || r.Replication != "none" {
		r.bounds(add, writable, replicas)
	}
}

// bounds says what the way of replication means in seconds.
func (r *Report) bounds(add func(code string, s Severity, fix, format string, args ...any), writable, replicas []*look) {
	if len(writable) == 0 || writable[0].host.Galera {
		return
	}
	synchronous := strings.HasPrefix(r.Replication, "synchronous")
	if !synchronous {
		var behind time.Duration
		for _, l := range replicas {
			if l.host.Lag != nil {
				behind = max(behind, *l.host.Lag)
			}
		}
		fix := "MariaDB and MySQL have no way that never falls back; keep replicas close to the primary"
		if r.Engine == db.Postgres.String() {
			fix = "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'; " + reload
		}
		add("asynchronous", Note, fix,
			"replication is asynchronous: when the primary is lost, so is what it acknowledged and no replica has yet (now within %s). Up to db.loss.accept (60 s unless set) a node goes on and names what it lost; beyond that it stops and asks",
			behind.Round(time.Millisecond))
	}
	add("demotion", Note, "keep that time short (Patroni: ttl and loop_wait), and let nodes reach each other (Cluster Link)",
		"nodes that do not hear each other may follow an old primary for as long as the fail-over manager takes to demote it (Patroni: ttl, 30 s unless set)")
}

func names(ls []*look) string {
	var out []string
	for _, l := range ls {
		out = append(out, l.Name)
	}
	return strings.Join(out, ", ")
}

// replication says in words how commits get to other servers.
func replication(writable, replicas, looks []*look) string {
	for _, l := range writable {
		if l.host.Galera || l.host.Replicas > 0 || len(looks) > 1 || strings.HasPrefix(l.sync, "synchronous") {
			return l.sync
		}
	}
	if len(replicas) > 0 {
		return "unknown: the primary was not looked at"
	}
	return "none"
}

// lagBehind measures how long the replica takes to have what the primary has now. No clock of a server is read.
func (l *look) lagBehind(ctx context.Context, primary *look) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	there, err := false, error(nil)
	switch {
	case l.Dialect == db.Postgres:
		var place string
		if place, err = primary.one(ctx, "SELECT pg_current_wal_lsn()"); err != nil {
			return
		}
		for !there && err == nil {
			var got string
			got, err = l.one(ctx, "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", place)
			if there = got == "true"; !there && err == nil {
				select {
				case <-ctx.Done():
					err = ctx.Err()
				case <-time.After(noticed):
				}
			}
		}
	case primary.host.Product == "MariaDB":
		place, ok := primary.ask(ctx, "SELECT @@gtid_binlog_pos")
		if !ok || place == "" {
			return
		}
		got, err := l.one(ctx, "SELECT MASTER_GTID_WAIT(?, ?)", place, l.wait.Seconds())
		there = err == nil && got == "0"
	default:
		place, ok := primary.ask(ctx, "SELECT @@gtid_executed")
		if !ok || place == "" {
			return
		}
		got, err := l.one(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)", place, l.wait.Seconds())
		there = err == nil && got == "0"
	}
	lag := time.Since(begun)
	if there {
		l.host.Lag = &lag
		if lag > time.Second {
			l.add("lag", Warning, "see what keeps it back: its disk, long queries, one thread that applies",
				"the replica %s was %s behind its primary: it is not read from, and a fail-over to it would lose that much", l.Name, lag.Round(time.Millisecond))
		}
		return
	}
	l.add("lag", Critical, "see whether it still follows this primary, and what keeps it back",
		"the replica %s had not come in %s to where its primary %s was: it is not read from, and a fail-over to it would lose that much or more", l.Name, l.wait, primary.Name)
}
