package asset_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// grow writes entries without their notes, fast: every entry has the words "note" and of a hundred one "rare"; three
// people own them; one in fifty is a draft. With how = "private" they have grants of their own.
func (w *world) grow(t testing.TB, count int, how string) {
	t.Helper()
	const portion, first = 500, 1 << 41
	insert := func(ctx context.Context, tx *db.Tx, table, cols string, rows [][]any) error {
		var args []any
		for _, r := range rows {
			args = append(args, r...)
		}
		_, err := tx.Exec(ctx, "INSERT INTO "+table+" ("+cols+") VALUES "+
			strings.TrimSuffix(strings.Repeat(db.In(len(rows[0]))+", ", len(rows)), ", "), args...)
		return err
	}
	for at := 0; at < count; at += portion {
		must(t, w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			var entries, words, terms [][]any
			for i := at; i < min(count, at+portion); i++ {
				id, title, status := first+i, fmt.Sprintf("Note %d", i), "live"
				form := []string{"note/long", "note/short", "letter"}[min(i%100, 2)]
				if i%50 == 0 {
					status = "draft"
				}
				entries = append(entries, []any{"note", id, w.st.Instance, w.st.ID, 0, form, status, status == "live",
					how == "private", "en", `{"en":"` + title + `"}`, asset.SortKey(title), "note", i%3 + 1, i,
					i * 7 % count, 0, 0, 1})
				words = append(words, []any{"note", id, 0, w.st.ID, []byte("note")})
				if i%100 == 0 {
					words = append(words, []any{"note", id, 1, w.st.ID, []byte("rare")})
					terms = append(terms, []any{"note", id, "tag", 55, w.st.ID})
				}
				terms = append(terms, []any{"note", id, "category", 56 + i%3, w.st.ID})
			}
			if err := insert(ctx, tx, "asset_entry", "kind, id, instance, site, parent, form, status, shown, restricted, "+
				"locale, titles, title_key, words, owner, created, modified, publish, expire, version", entries); err != nil {
				return err
			}
			if err := insert(ctx, tx, "asset_word", "kind, id, place, site, word", words); err != nil {
				return err
			}
			return insert(ctx, tx, "taxonomy_assigned", "kind, thing, term_kind, term, site", terms)
		}))
	}
}

// meter hands on queries and counts what the engine reads for them.
type meter struct {
	t    *testing.T
	tx   *db.Tx
	read int
	scan string // what SQLite says of a scan or an order that no index has
}

func (m *meter) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	m.explain(ctx, query, args)
	return m.tx.Query(ctx, query, args...)
}

func (m *meter) QueryRow(ctx context.Context, query string, args ...any) db.Scanner {
	m.explain(ctx, query, args)
	return m.tx.QueryRow(ctx, query, args...)
}

func (m *meter) explain(ctx context.Context, query string, args []any) {
	m.t.Helper()
	switch m.tx.Dialect() {
	case db.Postgres:
		var raw string
		must(m.t, m.tx.QueryRow(ctx, "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "+query, args...).Scan(&raw))
		var plans []struct{ Plan plan }
		must(m.t, json.Unmarshal([]byte(raw), &plans))
		m.read += plans[0].Plan.rows()
	case db.SQLite:
		must(m.t, db.Each(ctx, m.tx, func(r db.Scanner) error {
			var id, parent, unused int
			var detail string
			err := r.Scan(&id, &parent, &unused, &detail)
			if strings.HasPrefix(detail, "SCAN ") && !strings.HasPrefix(detail, "SCAN CONSTANT") &&
				!strings.Contains(detail, "chosen") || strings.Contains(detail, "TEMP B-TREE") {
				m.scan = detail + " in " + query
			}
			return err
		}, "EXPLAIN QUERY PLAN "+query, args...))
	}
}

// handlers is how many rows and entries of indexes MariaDB has read in this session.
func (m *meter) handlers(ctx context.Context) (n int) {
	m.t.Helper()
	if m.tx.Dialect() != db.MySQL {
		return 0
	}
	must(m.t, db.Each(ctx, m.tx, func(r db.Scanner) error {
		var name string
		var v int
		err := r.Scan(&name, &v)
		n += v
		return err
	}, "SHOW SESSION STATUS LIKE 'Handler_read%'"))
	return n
}

// plan is a node of a plan of PostgreSQL.
type plan struct {
	Type    string  `json:"Node Type"`
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Checked float64 `json:"Rows Removed by Index Recheck"`
	Plans   []plan
}

func (p plan) rows() int {
	n := 0
	if strings.Contains(p.Type, "Scan") {
		n = int((p.Rows + p.Removed + p.Checked) * p.Loops)
	}
	for _, below := range p.Plans {
		n += below.rows()
	}
	return n
}

// analyze makes the statistics of tables fresh.
func analyze(t testing.TB, d *db.DB, tables ...string) {
	t.Helper()
	for _, table := range tables {
		statement := "ANALYZE " + table
		if d.Dialect() == db.MySQL {
			statement = "ANALYZE TABLE " + table + " PERSISTENT FOR ALL"
		}
		must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			rows, err := tx.Query(ctx, statement)
			if err != nil {
				return err
			}
			for rows.Next() {
			}
			return rows.Close()
		}))
	}
}

// No list reads a large part of a table, in any order, with any condition, on the first page and the next.
func TestList_ReadsLittleOnEveryEngine(t *testing.T) {
	t.Parallel()
	// What follows an index finds fifty that fit among so many; what looks things up has at most narrow of them.
	const entries, narrow = 20_000, 300
	const most = 50*entries/narrow + 3*narrow
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.settle(t)
		w.SetNarrow(narrow)
		w.grow(t, entries, "")
		w.analyze(t)
		filters := map[string]asset.Filter{
			"all": {}, "a rare word": {Words: "rar"}, "a common word": {Words: "no"}, "both": {Words: "no rare"},
			"a person": {Owner: 2}, "drafts": {Status: []asset.Status{asset.Draft}},
			"live":        {Status: []asset.Status{asset.Live}},
			"a rare term": {Tag: 55}, "a common term": {Category: 56}, "nothing": {Words: "elephant"},
			"drafts of a person": {Owner: 2, Status: []asset.Status{asset.Draft}}, "visible": {Need: access.View},
			"a rare form": {Form: "note/"}, "a common form": {Form: "letter"}, "no such form": {Form: "other"},
			"lately": {Since: time.UnixMicro(entries - 200)}, "long ago": {Until: time.UnixMicro(200)},
			"for long": {Since: time.UnixMicro(100)},
		}
		ctx := system(t)
		for name, f := range filters {
			for _, sort := range []asset.Sort{asset.ByModified, asset.ByCreated, asset.ByTitle} {
				f.Sort, f.After, f.Before = sort, "", ""
				l, err := w.List(ctx, w.st, f)
				must(t, err)
				f.After = l.Next
				second, err := w.List(ctx, w.st, f)
				must(t, err)
				for _, place := range [][2]string{{}, {l.Next, ""}, {"", second.Prev}} {
					f.After, f.Before = place[0], place[1]
					must(t, d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
						m := &meter{t: t, tx: tx}
						before := m.handlers(ctx)
						if _, err := w.ListFrom(ctx, m, w.st, f); err != nil {
							return err
						}
						m.read += m.handlers(ctx) - before
						if m.read > most || m.scan != "" {
							t.Errorf("%s, order %d, at %q: %d rows read %s", name, sort, place, m.read, m.scan)
						}
						return nil
					}))
				}
			}
		}
	})
}

// analyze gives the engine fresh statistics.
func (w *world) analyze(t testing.TB) {
	t.Helper()
	for _, table := range []string{"asset_entry", "asset_word", "taxonomy_assigned"} {
		statement := "ANALYZE " + table
		if w.d.Dialect() == db.MySQL {
			statement = "ANALYZE TABLE " + table + " PERSISTENT FOR ALL"
		}
		must(t, w.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			rows, err := tx.Query(ctx, statement)
			if err != nil {
				return err
			}
			for rows.Next() {
			}
			return rows.Close()
		}))
	}
}

// The calendar of a month reads what is scheduled in it and not all that ever was.
func TestAgenda_ReadsLittleOnEveryEngine(t *testing.T) {
	const entries, most = 20_000, 800
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.grow(t, entries, "")
		older(t, d, "UPDATE asset_entry SET publish = created + 1000 WHERE id % 4 = 0")
		older(t, d, "UPDATE asset_entry SET expire = created + 1000 WHERE id % 4 = 1")
		w.analyze(t)
		for _, from := range []int64{0, 1000, 15_000, 50_000} {
			must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				m := &meter{t: t, tx: tx}
				before := m.handlers(ctx)
				list, err := w.MomentsFrom(ctx, m, w.st.ID, max(from, 1), from+500, 201)
				if err != nil {
					return err
				}
				m.read += m.handlers(ctx) - before
				if m.read > most || m.scan != "" {
					t.Errorf("from %d: %d rows read %s", from, m.read, m.scan)
				}
				if from == 15_000 && len(list) != 201 {
					t.Errorf("%d moments in a busy time", len(list))
				}
				return nil
			}))
		}
	})
}
