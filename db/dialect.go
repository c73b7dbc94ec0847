package db

import (
	"strconv"
	"strings"
)

// Dialect is one of the three kinds of SQL the portal speaks.
type Dialect uint8

// The dialects. MySQL stands for MariaDB as well.
const (
	SQLite Dialect = iota + 1
	Postgres
	MySQL
)

// String is the name of the dialect as goose and the logs know it.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "sqlite"
	case Postgres:
		return "postgres"
	case MySQL:
		return "mysql"
	}
	return "unknown"
}

// Rebind turns ? into $1, $2 … for PostgreSQL; quoted text is left alone. Other dialects get the
// query unchanged.
func (d Dialect) Rebind(query string) string {
	if d != Postgres || !strings.Contains(query, "?") {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 16)
	n, quote := 0, byte(0)
	for i := range len(query) {
		c := query[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '?':
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// ForUpdate is the clause that locks the rows of a SELECT until the transaction ends. SQLite has one
// writer at a time, so there it is empty.
func (d Dialect) ForUpdate() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE"
}

// SkipLocked is ForUpdate that passes over rows which another transaction holds.
func (d Dialect) SkipLocked() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE SKIP LOCKED"
}

// upsert builds INSERT that turns into an UPDATE of the columns that are not keys.
func (d Dialect) upsert(table string, keys, columns []string) string {
	var b strings.Builder
	d.insert(&b, "INSERT INTO ", table, columns)
	key := map[string]bool{}
	for _, k := range keys {
		key[k] = true
	}
	var set []string
	for _, c := range columns {
		if key[c] {
			continue
		}
		if d == MySQL {
			set = append(set, c+" = VALUES("+c+")")
		} else {
			set = append(set, c+" = excluded."+c)
		}
	}
	if d == MySQL {
		if len(set) == 0 {
			set = []string{keys[0] + " = " + keys[0]}
		}
		b.WriteString(" ON DUPLICATE KEY UPDATE " + strings.Join(set, ", "))
		return b.String()
	}
	b.WriteString(" ON CONFLICT (" + strings.Join(keys, ", ") + ") DO ")
	if len(set) == 0 {
		b.WriteString("NOTHING")
	} else {
		b.WriteString("UPDATE SET " + strings.Join(set, ", "))
	}
	return b.String()
}

// insertIgnore builds INSERT that does nothing when a row with the same key is there.
func (d Dialect) insertIgnore(table string, columns []string) string {
	var b strings.Builder
	if d == MySQL {
		d.insert(&b, "INSERT IGNORE INTO ", table, columns)
		return b.String()
	}
	d.insert(&b, "INSERT INTO ", table, columns)
	b.WriteString(" ON CONFLICT DO NOTHING")
	return b.String()
}

func (d Dialect) insert(b *strings.Builder, verb, table string, columns []string) {
	b.WriteString(verb + table + " (" + strings.Join(columns, ", ") + ") VALUES " + In(len(columns)))
}

// expand replaces the words in double braces of a migration by what the dialect calls them.
func (d Dialect) expand(s string) string {
	text, blob, table := "TEXT", "BLOB", ""
	switch d {
	case Postgres:
		blob = "BYTEA"
	case MySQL:
		// The binary collation compares as the other two dialects do: case and accents count.
		text, blob, table = "LONGTEXT", "LONGBLOB", " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
	}
	return strings.NewReplacer("{{text}}", text, "{{blob}}", blob, "{{table}}", table).Replace(s)
}
