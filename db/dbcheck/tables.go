package dbcheck

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa/db"
)

// The portal makes its tables in this character set, whatever the defaults of the server and the database are. A dump
// that was edited, or written with --skip-set-charset or for an older server, makes them in another one.
const (
	tableCharset   = "utf8mb4"
	tableCollation = "utf8mb4_bin"
	tableEngine    = "InnoDB"
)

// tablesQuery gives each table of the database with its engine, its collation and those of its columns.
const tablesQuery = `SELECT t.TABLE_NAME, COALESCE(t.ENGINE, ''), COALESCE(t.TABLE_COLLATION, ''),
		COALESCE(GROUP_CONCAT(DISTINCT c.COLLATION_NAME ORDER BY c.COLLATION_NAME SEPARATOR ' '), '')
	FROM information_schema.TABLES t LEFT JOIN information_schema.COLUMNS c
		ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME
	WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE'
	GROUP BY t.TABLE_NAME, t.ENGINE, t.TABLE_COLLATION ORDER BY t.TABLE_NAME`

// madeTable is a table as the server tells of it.
type madeTable struct {
	name, engine string
	collations   []string // of the table and its columns
}

func scanTable(s db.Scanner) (m madeTable, err error) {
	var table, columns string
	err = s.Scan(&m.name, &m.engine, &table, &columns)
	m.collations = strings.Fields(table + " " + columns)
	return m, err
}

// Tables says which tables of the portal are not as it makes them on MariaDB and MySQL: in a character set that does
// not hold every letter, with a collation that takes different addresses for one, or in an engine without
// transactions. Tables of other programs do not matter. PostgreSQL and SQLite have nothing of the kind by table.
func Tables(ctx context.Context, d *db.DB) ([]Finding, error) {
	if d.Dialect() != db.MySQL {
		return nil, nil
	}
	var name sql.NullString
	if err := d.QueryRow(ctx, "SELECT DATABASE()").Scan(&name); err != nil {
		return nil, err
	}
	all, err := db.All(ctx, d, scanTable, tablesQuery)
	if err != nil {
		return nil, fmt.Errorf("look how the tables were made: %w", err)
	}
	return misfits(name.String, all)
}

// tables is Tables for one server of an address.
func (l *look) tables(ctx context.Context) error {
	rows, err := l.q.QueryContext(ctx, tablesQuery)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []madeTable
	for rows.Next() {
		m, err := scanTable(rows)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	found, err := misfits(l.Database(), all)
	l.findings(found)
	return err
}

var createTable = regexp.MustCompile(`(?i)\bCREATE TABLE ([a-z_]+)`)

// ownTables are the tables that the migrations make.
func ownTables() (map[string]bool, error) {
	own := map[string]bool{}
	names, err := fs.Glob(db.Migrations(), "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		raw, err := fs.ReadFile(db.Migrations(), name)
		if err != nil {
			return nil, err
		}
		for _, m := range createTable.FindAllSubmatch(raw, -1) {
			own[string(m[1])] = true
		}
	}
	return own, nil
}

// misfits judges the tables of the database called name.
func misfits(name string, all []madeTable) ([]Finding, error) {
	own, err := ownTables()
	if err != nil {
		return nil, err
	}
	var narrow, folding, engines []string
	var sets []string
	for _, m := range all {
		if !own[strings.ToLower(m.name)] {
			continue
		}
		var other []string
		for _, c := range m.collations {
			if set, _, _ := strings.Cut(c, "_"); set != tableCharset {
				other = append(other, set)
			}
		}
		switch {
		case len(other) > 0:
			narrow, sets = append(narrow, m.name), append(sets, other...)
		case slices.ContainsFunc(m.collations, func(c string) bool { return !strings.HasSuffix(c, "_bin") }):
			folding = append(folding, m.name)
		}
		if !strings.EqualFold(m.engine, tableEngine) {
			engines = append(engines, m.name)
		}
	}
	var out []Finding
	convert := " CONVERT TO CHARACTER SET " + tableCharset + " COLLATE " + tableCollation
	if len(narrow) > 0 {
		slices.Sort(sets)
		out = append(out, Finding{
			Code:     "table-charset",
			Severity: Critical,
			Fix:      alter(narrow, convert),
			Text: fmt.Sprintf("%s of the database %s %s the character set %s and not %s, as a dump that was restored can "+
				"make them: texts with letters that it lacks cannot be saved", some(narrow), name,
				verb(narrow, "has", "have"), strings.Join(slices.Compact(sets), ", "), tableCharset),
		})
	}
	if len(folding) > 0 {
		out = append(out, Finding{
			Code:     "table-collation",
			Severity: Critical,
			Fix:      alter(folding, convert),
			Text: fmt.Sprintf("%s of the database %s %s another collation than %s, as a dump that was restored can make "+
				"them: addresses and names that differ by case or accents are taken for one", some(folding), name,
				verb(folding, "has", "have"), tableCollation),
		})
	}
	if len(engines) > 0 {
		out = append(out, Finding{
			Code:     "table-engine",
			Severity: Critical,
			Fix:      alter(engines, " ENGINE = "+tableEngine),
			Text: fmt.Sprintf("%s of the database %s %s not in the engine %s: saves that fail leave a part behind, and "+
				"a crash damages tables", some(engines), name, verb(engines, "is", "are"), tableEngine),
		})
	}
	return out, nil
}

// someNames is how many tables a sentence names; the command of the fix has all.
const someNames = 3

func some(names []string) string {
	what := verb(names, "the table ", "the tables ")
	if len(names) > someNames {
		return fmt.Sprintf("%s%s and %d more", what, strings.Join(names[:someNames], ", "), len(names)-someNames)
	}
	return what + strings.Join(names, ", ")
}

func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}

// alter gives the statements that mend the tables. While one runs, nothing is written to its table.
func alter(names []string, how string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("ALTER TABLE `" + n + "`" + how + "; ")
	}
	return strings.TrimSpace(b.String())
}
