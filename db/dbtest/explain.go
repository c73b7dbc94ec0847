package dbtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/stoa-portal/stoa/db"
)

// Read is how a statement reads a table.
type Read struct {
	Table string
	Rows  int    // what it read there, all rounds of a loop together; -1 where the engine does not say
	Whole bool   // it goes through the table, or an index of it, from end to end
	How   string // in the words of the engine
}

var errUndo = errors.New("undo")

// Analyze gives the engine fresh statistics of tables.
func Analyze(ctx context.Context, d *db.DB, tables ...string) error {
	for _, table := range tables {
		statement := "ANALYZE " + table
		if d.Dialect() == db.MySQL {
			statement = "ANALYZE TABLE " + table + " PERSISTENT FOR ALL"
		}
		err := d.Control(ctx, func(tx *db.Tx) error {
			return db.Each(ctx, tx, func(db.Scanner) error { return nil }, statement)
		})
		if err != nil {
			return fmt.Errorf("analyze %s: %w", table, err)
		}
	}
	return nil
}

// Explain tells how the engine runs a statement: on a server it is run and undone, and what it read is counted.
func Explain(ctx context.Context, d *db.DB, s Statement) (out []Read, err error) {
	err = d.Control(ctx, func(tx *db.Tx) error {
		switch tx.Dialect() {
		case db.Postgres:
			out, err = explainPostgres(ctx, tx, s)
		case db.MySQL:
			out, err = explainMariaDB(ctx, tx, s)
		default:
			out, err = explainSQLite(ctx, tx, s)
		}
		if err != nil {
			return err
		}
		return errUndo
	})
	switch {
	case err == errUndo, db.IsDuplicate(err): // a row that is there by now
		return out, nil
	}
	return out, err
}

// postgresPlan is a node of a plan of PostgreSQL.
type postgresPlan struct {
	Type    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Index   string  `json:"Index Name"`
	Cond    string  `json:"Index Cond"`
	Filter  string  `json:"Filter"`
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Checked float64 `json:"Rows Removed by Index Recheck"`
	Plans   []postgresPlan
}

func explainPostgres(ctx context.Context, tx *db.Tx, s Statement) ([]Read, error) {
	var raw string
	err := tx.QueryRow(ctx, "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "+s.SQL, s.Args...).Scan(&raw)
	if err != nil {
		return nil, err
	}
	var plans []struct{ Plan postgresPlan }
	if err := json.Unmarshal([]byte(raw), &plans); err != nil {
		return nil, err
	}
	var out []Read
	var walk func(p postgresPlan, limited bool)
	walk = func(p postgresPlan, limited bool) {
		if strings.Contains(p.Type, "Scan") && p.Table != "" {
			whole := p.Type == "Seq Scan" && p.Loops > 0 && !limited
			out = append(out, Read{Table: p.Table, Rows: int((p.Rows + p.Removed + p.Checked) * p.Loops), Whole: whole,
				How: strings.TrimSpace(p.Type + " " + p.Index + " " + p.Cond + " filter " + p.Filter)})
		}
		for _, below := range p.Plans {
			walk(below, limited && p.Type != "Sort" && p.Type != "Aggregate" || p.Type == "Limit")
		}
	}
	for _, p := range plans {
		walk(p.Plan, false)
	}
	return out, nil
}

var named = regexp.MustCompile(`(?i)\b(?:FROM|JOIN|UPDATE|INTO)\s+([a-z_]+)(?:\s+(?:AS\s+)?([a-z_]+))?`)

// aliases gives the tables of a statement by the names that it has for them.
func aliases(sql string) map[string]string {
	out := map[string]string{}
	for _, m := range named.FindAllStringSubmatch(strings.Join(strings.Fields(sql), " "), -1) {
		out[m[1]] = m[1]
		if m[2] != "" {
			out[m[2]] = m[1]
		}
	}
	return out
}

func explainMariaDB(ctx context.Context, tx *db.Tx, s Statement) ([]Read, error) {
	var raw string
	if err := tx.QueryRow(ctx, "ANALYZE FORMAT=JSON "+s.SQL, s.Args...).Scan(&raw); err != nil {
		return nil, err
	}
	var plan any
	raw = strings.ReplaceAll(raw, `\x`, "") // bytes of a condition, which are no JSON
	if err := json.Unmarshal([]byte(raw), &plan); err != nil {
		return nil, fmt.Errorf("read the plan %.500s: %w", raw, err)
	}
	tables := aliases(s.SQL)
	var out []Read
	number := func(v any) float64 { n, _ := v.(float64); return n }
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, below := range v {
				walk(below)
			}
		case map[string]any:
			if name, ok := v["table_name"].(string); ok && tables[name] != "" {
				access, _ := v["access_type"].(string)
				read := number(v["r_rows"]) * max(1, number(v["r_loops"]))
				out = append(out, Read{Table: tables[name], Rows: int(read), Whole: access == "ALL",
					How: fmt.Sprint(access, " ", v["key"], " ", v["used_key_parts"], " rows ", v["rows"], " read ", v["r_rows"])})
			}
			for _, below := range v {
				walk(below)
			}
		}
	}
	walk(plan)
	return out, nil
}

func explainSQLite(ctx context.Context, tx *db.Tx, s Statement) (out []Read, err error) {
	tables := aliases(s.SQL)
	return out, db.Each(ctx, tx, func(r db.Scanner) error {
		var id, parent, unused int
		var detail string
		if err := r.Scan(&id, &parent, &unused, &detail); err != nil {
			return err
		}
		word, rest, _ := strings.Cut(detail, " ")
		name, _, _ := strings.Cut(rest, " ")
		if (word == "SCAN" || word == "SEARCH") && tables[name] != "" {
			limited := strings.Contains(s.SQL, "LIMIT") && !strings.Contains(s.SQL, "WHERE")
			out = append(out, Read{Table: tables[name], Rows: -1, Whole: word == "SCAN" && !limited, How: detail})
		}
		return nil
	}, "EXPLAIN QUERY PLAN "+s.SQL, s.Args...)
}
