package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Kind is what a column holds, the same on all engines.
type Kind string

// The kinds of columns. A boolean is the number 0 or 1 everywhere but in the statements for PostgreSQL.
const (
	Int  Kind = "int"
	Bool Kind = "bool"
	Text Kind = "text"
	Blob Kind = "blob"
)

// Column is one column of a table.
type Column struct {
	Name     string `json:"name"`
	Kind     Kind   `json:"kind"`
	Nullable bool   `json:"nullable,omitempty"`
}

// Table is a table as every engine describes it: columns in the order of their names.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
	Key     []string `json:"key"` // columns of the primary key, in its order
}

func (t Table) names() []string {
	out := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		out[i] = c.Name
	}
	return out
}

func (t Table) column(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// keyColumns are the places of the key's columns in a row.
func (t Table) keyColumns() []int {
	out := make([]int, len(t.Key))
	for i, k := range t.Key {
		out[i] = t.column(k)
	}
	return out
}

// keyOf takes the key out of a row.
func (t Table) keyOf(row []any) []any {
	out := make([]any, len(t.Key))
	for i, at := range t.keyColumns() {
		out[i] = row[at]
	}
	return out
}

// ReadSchema reads the tables of a database with their columns and primary keys from its catalogue, in the order
// of their names. q may be a transaction.
func ReadSchema(ctx context.Context, q db.Queryer, d db.Dialect) ([]Table, error) {
	var query string
	switch d {
	case db.SQLite:
		query = `SELECT m.name, c.name, lower(c.type), CASE WHEN c."notnull" = 0 AND c.pk = 0 THEN 1 ELSE 0 END, c.pk
			FROM sqlite_master m JOIN pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	case db.Postgres:
		query = `SELECT t.relname, a.attname, format_type(a.atttypid, NULL), CASE WHEN a.attnotnull THEN 0 ELSE 1 END,
			COALESCE((SELECT array_position(i.indkey::int2[], a.attnum) + 1 FROM pg_index i
				WHERE i.indrelid = t.oid AND i.indisprimary), 0)
			FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute a ON a.attrelid = t.oid
			WHERE t.relkind = 'r' AND n.nspname = current_schema() AND a.attnum > 0 AND NOT a.attisdropped`
	default:
		query = `SELECT c.TABLE_NAME, c.COLUMN_NAME, lower(c.COLUMN_TYPE),
			CASE c.IS_NULLABLE WHEN 'YES' THEN 1 ELSE 0 END, COALESCE(k.ORDINAL_POSITION, 0)
			FROM information_schema.COLUMNS c JOIN information_schema.TABLES t
				ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME AND t.TABLE_TYPE = 'BASE TABLE'
			LEFT JOIN information_schema.KEY_COLUMN_USAGE k
				ON k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME
				AND k.COLUMN_NAME = c.COLUMN_NAME AND k.CONSTRAINT_NAME = 'PRIMARY'
			WHERE c.TABLE_SCHEMA = DATABASE()`
	}
	type found struct {
		table, column, typ string
		nullable, pk       int
	}
	rows, err := db.All(ctx, q, func(r db.Scanner) (f found, err error) {
		return f, r.Scan(&f.table, &f.column, &f.typ, &f.nullable, &f.pk)
	}, query)
	if err != nil {
		return nil, fmt.Errorf("read the tables of the database: %w", err)
	}
	slices.SortFunc(rows, func(a, b found) int {
		if c := strings.Compare(a.table, b.table); c != 0 {
			return c
		}
		return strings.Compare(a.column, b.column)
	})
	var out []Table
	place := map[string]int{} // of a key column in its key
	for _, f := range rows {
		if slices.Contains(leftOut(), f.table) {
			continue
		}
		if len(out) == 0 || out[len(out)-1].Name != f.table {
			out = append(out, Table{Name: f.table})
		}
		t := &out[len(out)-1]
		kind, ok := kindOf(f.typ)
		if !ok {
			return nil, stoa.Invalid("schema", "column %s of table %s has the type %q, which cannot be transferred: "+
				"the portal has whole numbers, booleans, texts and bytes", f.column, f.table, f.typ)
		}
		t.Columns = append(t.Columns, Column{Name: f.column, Kind: kind, Nullable: f.nullable == 1})
		if f.pk > 0 {
			place[f.table+"."+f.column] = f.pk
			t.Key = append(t.Key, f.column)
		}
	}
	for i := range out {
		t := &out[i]
		if len(t.Key) == 0 {
			return nil, stoa.Invalid("schema", "table %s has no primary key, so its rows cannot be read in a stable "+
				"order", t.Name)
		}
		slices.SortFunc(t.Key, func(a, b string) int { return place[t.Name+"."+a] - place[t.Name+"."+b] })
	}
	return out, nil
}

// kindOf reads the name that an engine has for a type.
func kindOf(typ string) (Kind, bool) {
	base, _, _ := strings.Cut(typ, "(")
	switch strings.TrimSpace(base) {
	case "tinyint":
		if strings.HasPrefix(typ, "tinyint(1)") {
			return Bool, true
		}
		return Int, true
	case "boolean", "bool":
		return Bool, true
	case "integer", "int", "bigint", "smallint", "mediumint":
		return Int, true
	case "text", "varchar", "character varying", "character", "char", "tinytext", "mediumtext", "longtext":
		return Text, true
	case "blob", "bytea", "longblob", "mediumblob", "tinyblob", "varbinary", "binary":
		return Blob, true
	}
	return "", false
}

// sameTables says in a sentence how two schemas differ; "" when rows of the one fit into the other.
func sameTables(from, to []Table) string {
	for _, a := range from {
		b, ok := find(to, a.Name)
		if !ok {
			return fmt.Sprintf("table %s is missing there", a.Name)
		}
		if !slices.Equal(a.names(), b.names()) {
			return fmt.Sprintf("table %s has the columns %s there, and %s here", a.Name, strings.Join(b.names(), ", "),
				strings.Join(a.names(), ", "))
		}
		if !slices.Equal(a.Key, b.Key) {
			return fmt.Sprintf("table %s has another primary key there", a.Name)
		}
		for i, c := range a.Columns {
			if other := b.Columns[i].Kind; other != c.Kind {
				return fmt.Sprintf("column %s of table %s is %s there, and %s here", c.Name, a.Name, other, c.Kind)
			}
		}
	}
	return ""
}
