package dbcheck

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// granted is what SHOW GRANTS says of one user: the privileges on everything, and those on one database.
type granted struct {
	global, here map[string]bool
}

// needed is what the portal does with its tables.
func needed() []string {
	return []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"}
}

func (g granted) has(privilege string) bool {
	return g.global["ALL PRIVILEGES"] || g.here["ALL PRIVILEGES"] || g.global[privilege] || g.here[privilege]
}

// grantLine is one line of SHOW GRANTS that grants privileges and not a role.
var grantLine = regexp.MustCompile("^GRANT (.+) ON (?:TABLE )?(`(?:[^`]|``)*`|\\*)\\.(\\*|`(?:[^`]|``)*`) TO ")

// parseGrants reads the lines of SHOW GRANTS for one database.
func parseGrants(lines []string, database string) granted {
	g := granted{map[string]bool{}, map[string]bool{}}
	for _, line := range lines {
		m := grantLine.FindStringSubmatch(line)
		if m == nil || m[3] != "*" {
			continue
		}
		to := g.here
		if m[2] == "*" {
			to = g.global
		} else if !likeMatches(strings.ReplaceAll(strings.Trim(m[2], "`"), "``", "`"), database) {
			continue
		}
		for p := range strings.SplitSeq(m[1], ",") {
			to[strings.ToUpper(strings.TrimSpace(p))] = true
		}
	}
	return g
}

// likeMatches reports whether a name fits the pattern of a grant, in which _ and % stand for others unless a
// backslash is before them.
func likeMatches(pattern, name string) bool {
	var b strings.Builder
	b.WriteString("^")
	escaped := false
	for _, c := range pattern {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(c)))
			escaped = false
			continue
		case c == '\\':
			escaped = true
		case c == '%':
			b.WriteString(".*")
		case c == '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re, err := regexp.Compile(b.String() + "$")
	return err == nil && re.MatchString(name)
}

// mysqlPrivileges looks at what the user may do: too little, and, on a server that must not be written to, too much.
func (l *look) mysqlPrivileges(ctx context.Context) {
	rows, err := l.q.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		return
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if rows.Scan(&line) != nil {
			return
		}
		lines = append(lines, line)
	}
	if rows.Err() != nil {
		return
	}
	g := parseGrants(lines, l.Database())
	user, _ := l.ask(ctx, "SELECT CURRENT_USER()")
	name, host, _ := strings.Cut(user, "@")
	quoted := fmt.Sprintf("'%s'@'%s'", name, host)
	missing := slices.DeleteFunc(needed(), g.has)
	if len(missing) > 0 {
		l.add("privileges", Critical, fmt.Sprintf("GRANT ALL PRIVILEGES ON `%s`.* TO %s;", l.Database(), quoted),
			"the user %s lacks on the database %s: %s", user, l.Database(), strings.Join(missing, ", "))
	}
	if !g.has("TRIGGER") {
		l.add("trigger", Warning, fmt.Sprintf("GRANT TRIGGER ON `%s`.* TO %s;", l.Database(), quoted),
			"the user %s may make no triggers: stoa db copy has to keep the portal read-only while it copies", user)
	} else if on(l.settings["log_bin"]) && !on(l.settings["log_bin_trust_function_creators"]) && !g.global["SUPER"] && !g.global["ALL PRIVILEGES"] {
		l.add("trigger", Note, "SET GLOBAL log_bin_trust_function_creators = ON; while stoa db copy runs",
			"the user %s may make no triggers while the server writes a binary log: stoa db copy would keep the portal read-only", user)
	}
	if over, what := l.writesAnyway(g); over {
		sev := Note
		if l.hosts > 1 || l.host.Role != RoleWritable {
			sev = Critical
		}
		fix := fmt.Sprintf("REVOKE %s ON *.* FROM %s;", what, quoted)
		if what == "ALL PRIVILEGES" {
			fix = fmt.Sprintf("REVOKE ALL PRIVILEGES ON *.* FROM %s; GRANT ALL PRIVILEGES ON `%s`.* TO %[1]s;", quoted, l.Database())
		}
		l.add("writes-anyway", sev, fix, "the user %s may write in spite of read_only (%s): after a fail-over an old primary still takes its writes, and two histories arise", user, what)
	}
	if v, ok := l.ask(ctx, "SELECT GET_LOCK('stoa.db-check', 0)"); !ok || v == "" {
		l.add("locks", Warning, "allow GET_LOCK, which every user of MariaDB and MySQL has", "named locks are not to be had at %s, so other nodes cannot end the sessions of a node that died", l.Name)
	} else {
		_, _ = l.ask(ctx, "SELECT RELEASE_LOCK('stoa.db-check')")
	}
	if _, ok := l.ask(ctx, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'"); !ok {
		if _, ok := l.ask(ctx, "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'UPTIME'"); !ok {
			l.add("fingerprint", Warning, "performance_schema = ON below [mysqld] in my.cnf, and restart",
				"the time since which the server runs cannot be read, so a node does not see that it was replaced by another one of the same name")
		}
	}
}

// writesAnyway reports whether the user may write while read_only is set, and by which privilege.
func (l *look) writesAnyway(g granted) (bool, string) {
	words := []string{"ALL PRIVILEGES", "READ_ONLY ADMIN", "READ ONLY ADMIN"}
	if l.host.Product == "MySQL" {
		words = []string{"ALL PRIVILEGES", "SUPER", "CONNECTION_ADMIN"}
	} else if older(l.host.Version, "10.11") {
		words = append(words, "SUPER")
	}
	for _, w := range words {
		if g.global[w] {
			return true, w
		}
	}
	return false, ""
}
