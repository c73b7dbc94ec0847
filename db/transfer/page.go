package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Sizes of what is read at once.
const (
	pageRows  = 2000    // rows of a page at most
	pageBytes = 2 << 20 // a page ends with the row that passes this
)

// Page is a range of a table's keys with its rows: those after After up to Last.
type Page struct {
	Table Table
	After []any // a whole key; nil: from the first of its group on
	Last  []any // the key of the last row
	Rows  [][]any
	Sum   Sum
}

// Key columns of words (the kind of a thing) that stand before others are read word by word, so that in what is
// left numbers come first: those sort alike on every engine and have the key's index behind them.
func (t Table) grouped() int {
	n := 0
	for n < len(t.Key)-1 && t.Columns[t.column(t.Key[n])].Kind == Text {
		n++
	}
	return n
}

// reader reads tables in ranges. q shows one state of the database or the newest one with each statement.
type reader struct {
	q       db.Queryer
	dialect db.Dialect
	rows    int // of a page at most; 0 = pageRows
	bytes   int // 0 = pageBytes
}

func (r reader) limits() (rows, bytes int) {
	rows, bytes = r.rows, r.bytes
	if rows == 0 {
		rows = pageRows
	}
	if bytes == 0 {
		bytes = pageBytes
	}
	return rows, bytes
}

// ordered is a key column as it is compared: texts by their bytes, which is what SQLite does and what the
// binary collation of the portal's tables does in MariaDB and MySQL.
func (r reader) ordered(t Table, column string) string {
	if r.dialect == db.Postgres && t.Columns[t.column(column)].Kind == Text {
		return column + ` COLLATE "C"`
	}
	return column
}

// beyond builds the condition that a key is greater than the values (op "<" : smaller). It is spelled out
// because MariaDB finds no range of an index in a comparison of rows. last is the operator for the last column.
func (r reader) beyond(t Table, cols []string, values []any, op, last string) (string, []any) {
	c := r.ordered(t, cols[0])
	if len(cols) == 1 {
		return c + " " + last + " ?", []any{values[0]}
	}
	rest, args := r.beyond(t, cols[1:], values[1:], op, last)
	return fmt.Sprintf("%s %s= ? AND (%s %s ? OR (%s = ? AND %s))", c, op, c, op, cols[0], rest),
		append([]any{values[0], values[0], values[0]}, args...)
}

// pages reads the table from after (a whole key; nil: from the start) and gives fn one page after the other.
func (r reader) pages(ctx context.Context, t Table, after []any, fn func(Page) error) error {
	g := t.grouped()
	if g == 0 {
		return r.group(ctx, t, nil, after, fn)
	}
	groups, err := r.groups(ctx, t, g)
	if err != nil {
		return err
	}
	for _, group := range groups {
		from := []any(nil)
		if after != nil {
			switch c := compare(group, after[:g]); {
			case c < 0:
				continue
			case c == 0:
				from = after
			}
		}
		if err := r.group(ctx, t, group, from, fn); err != nil {
			return err
		}
	}
	return nil
}

// groups are the words that the first g columns of the key have, in the order of their bytes.
func (r reader) groups(ctx context.Context, t Table, g int) ([][]any, error) {
	cols := strings.Join(t.Key[:g], ", ")
	out, err := db.All(ctx, r.q, func(s db.Scanner) ([]any, error) {
		words, dest := make([]string, g), make([]any, g)
		for i := range words {
			dest[i] = &words[i]
		}
		err := s.Scan(dest...)
		row := make([]any, g)
		for i, w := range words {
			row[i] = w
		}
		return row, err
	}, "SELECT DISTINCT "+cols+" FROM "+t.Name)
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", t.Name, err)
	}
	slices.SortFunc(out, compare)
	return out, nil
}

// compare orders keys: numbers by size, texts by their bytes.
func compare(a, b []any) int {
	for i := range a {
		c := 0
		switch x := a[i].(type) {
		case int64:
			y, _ := b[i].(int64)
			c = cmp.Compare(x, y)
		case string:
			y, _ := b[i].(string)
			c = strings.Compare(x, y)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// group reads the rows of one group, page by page.
func (r reader) group(ctx context.Context, t Table, group, after []any, fn func(Page) error) error {
	g := len(group)
	order := make([]string, 0, len(t.Key))
	for _, k := range t.Key[g:] {
		order = append(order, r.ordered(t, k))
	}
	most, bytes := r.limits()
	limit := min(most, 500)
	for {
		where, args := r.within(t, group, after, nil)
		query := "SELECT " + strings.Join(t.names(), ", ") + " FROM " + t.Name + where +
			" ORDER BY " + strings.Join(order, ", ") + " LIMIT " + strconv.Itoa(limit)
		p := Page{Table: t, After: after}
		size, cut := 0, false
		err := r.scan(ctx, t, query, args, func(row []any, encoded []byte) bool {
			p.Rows = append(p.Rows, row)
			p.Sum.add(encoded)
			size += len(encoded)
			cut = size >= bytes
			return !cut
		})
		if err != nil {
			return fmt.Errorf("read table %s: %w", t.Name, err)
		}
		if len(p.Rows) == 0 {
			return nil
		}
		p.Last = t.keyOf(p.Rows[len(p.Rows)-1])
		if err := fn(p); err != nil {
			return err
		}
		if !cut && len(p.Rows) < limit {
			return nil
		}
		after = p.Last
		limit = min(max(len(p.Rows)*bytes/max(size, 1), 1), most) // as many as fit, so that little is read in vain
	}
}

// within builds the condition for a range: of a group, after a whole key, up to a whole key.
func (r reader) within(t Table, group, after, last []any) (string, []any) {
	g := len(group)
	var conds []string
	var args []any
	for i, w := range group {
		conds = append(conds, t.Key[i]+" = ?")
		args = append(args, w)
	}
	if after != nil {
		c, a := r.beyond(t, t.Key[g:], after[g:], ">", ">")
		conds, args = append(conds, c), append(args, a...)
	}
	if last != nil {
		c, a := r.beyond(t, t.Key[g:], last[g:], "<", "<=")
		conds, args = append(conds, c), append(args, a...)
	}
	if len(conds) == 0 {
		return "", nil
	}
	for i, a := range args {
		args[i] = exact(a)
	}
	return " WHERE " + strings.Join(conds, " AND "), args
}

// scan runs a query over all columns of the table and gives each row, typed and encoded, to fn until that
// says no.
func (r reader) scan(ctx context.Context, t Table, query string, args []any,
	fn func(row []any, encoded []byte) bool) error {
	rows, err := r.q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	raw, dest := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range raw {
		dest[i] = &raw[i]
	}
	var buf []byte
	for rows.Next() {
		clear(raw)
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		row := make([]any, len(raw))
		for i, c := range t.Columns {
			if row[i], err = normal(t, c, raw[i]); err != nil {
				return err
			}
		}
		buf = encode(buf[:0], row)
		if !fn(row, buf) {
			return nil
		}
	}
	return rows.Err()
}

// sum gives the checksum of the range that a page covers, as the database behind r has it.
func (r reader) sum(ctx context.Context, p Page) (s Sum, err error) {
	var group []any
	if g := p.Table.grouped(); g > 0 {
		group = p.Last[:g]
	}
	where, args := r.within(p.Table, group, p.After, p.Last)
	err = r.scan(ctx, p.Table, "SELECT "+strings.Join(p.Table.names(), ", ")+" FROM "+p.Table.Name+where, args,
		func(_ []any, encoded []byte) bool {
			s.add(encoded)
			return true
		})
	return s, err
}

// whole gives the checksum of a table, read range by range.
func (r reader) whole(ctx context.Context, t Table) (s Sum, err error) {
	err = r.pages(ctx, t, nil, func(p Page) error { s.join(p.Sum); return nil })
	return s, err
}

// keyText writes a key down; readKey reads it again.
func keyText(key []any) string {
	b, err := json.Marshal(key)
	if err != nil {
		return "" // numbers and texts can be written
	}
	return string(b)
}

func readKey(t Table, s string) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(s), &raw); err != nil || len(raw) != len(t.Key) {
		return nil, stoa.Invalid("key", "%q is not a key of table %s", s, t.Name)
	}
	out := make([]any, len(raw))
	for i, r := range raw {
		var err error
		if t.Columns[t.column(t.Key[i])].Kind == Text {
			var v string
			err = json.Unmarshal(r, &v)
			out[i] = v
		} else {
			var v int64
			err = json.Unmarshal(r, &v)
			out[i] = v
		}
		if err != nil {
			return nil, stoa.Invalid("key", "%q is not a key of table %s", s, t.Name)
		}
	}
	return out, nil
}

// Sums gives the checksum of every table that a transfer takes along, by name, to compare two databases.
func Sums(ctx context.Context, q db.Queryer, d db.Dialect) (map[string]Sum, error) {
	tables, err := ReadSchema(ctx, q, d)
	if err != nil {
		return nil, err
	}
	out := map[string]Sum{}
	for _, t := range dataTables(tables) {
		if out[t.Name], err = (reader{q: q, dialect: d}).whole(ctx, t); err != nil {
			return nil, err
		}
	}
	return out, nil
}
