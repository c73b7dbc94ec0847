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

// ForShare is ForUpdate for rows that stay as they are: several transactions may hold them so at the same time.
func (d Dialect) ForShare() string {
	switch d {
	case SQLite:
		return ""
	case MySQL:
		return " LOCK IN SHARE MODE"
	}
	return " FOR SHARE"
}

// SkipLocked is ForUpdate that passes over rows which another transaction holds.
func (d Dialect) SkipLocked() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE SKIP LOCKED"
}

// upsert builds INSERT of a number of rows that turns into an UPDATE of the columns that are not keys.
func (d Dialect) upsert(table string, keys, columns []string, rows int) string {
	var b strings.Builder
	d.insert(&b, "INSERT INTO ", table, columns)
	b.WriteString(strings.Repeat(", "+In(len(columns)), rows-1))
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

// insertOrLock builds INSERT that locks the row with the same keys, where there is one, and changes nothing in it. One
// statement, because the row may be deleted between two.
func (d Dialect) insertOrLock(table string, keys, columns []string) string {
	var b strings.Builder
	d.insert(&b, "INSERT INTO ", table, columns)
	if d == MySQL {
		b.WriteString(" ON DUPLICATE KEY UPDATE " + keys[0] + " = " + keys[0])
		return b.String()
	}
	b.WriteString(" ON CONFLICT (" + strings.Join(keys, ", ") + ") DO UPDATE SET " + keys[0] + " = excluded." + keys[0])
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
	text, blob, key, table := "TEXT", "BLOB", "BLOB", ""
	switch d {
	case Postgres:
		blob, key = "BYTEA", "BYTEA"
	case MySQL:
		// The binary collation compares as the other two dialects do: case and accents count.
		// A key is a value of at most 300 bytes that whole indexes are made of and that is ordered by its bytes.
		text, blob, key = "LONGTEXT", "LONGBLOB", "VARBINARY(300)"
		table = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
	}
	return strings.NewReplacer("{{text}}", text, "{{blob}}", blob, "{{key}}", key, "{{table}}", table).Replace(s)
}

// Like makes text that is looked for as it is out of what may stand in a pattern: the condition is
// "LIKE ? ESCAPE '!'", and the caller adds the % before and behind.
func Like(text string) string { return likeEscaper.Replace(text) }

var likeEscaper = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")
