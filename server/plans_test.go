package server_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// small are the tables that may be read whole, each with the reason why it stays small however large a portal grows.
// Every other table is in large.
var small = map[string]string{
	"access_role":       "tens of roles in an instance, which an administrator makes by hand",
	"asset_fill":        "a row for each kind of content",
	"change_reader":     "a row for each reader and each process life that still matters",
	"change_writer":     "a row for each process life of the last weeks; swept",
	"cluster_event":     "what happened to the cluster and was not read; swept",
	"cluster_fact":      "a few facts",
	"cluster_lease":     "a row for each lease",
	"cluster_node":      "a row for each process life of the last weeks; swept",
	"db_counter":        "one row",
	"db_history":        "a row for each fail-over and restore",
	"db_incarnation":    "one row",
	"db_migration":      "a row for each migration",
	"db_migration_lock": "one row",
	"db_migration_step": "the steps of a migration that goes on",
	"db_schema":         "one row",
	"db_transfer":       "a row for each copy or move to another database",
	"db_transfer_part":  "a row for each table of a copy",
	"document_folder":   "folders of a site are made by hand and shown as one tree",
	"follow_follower":   "a row for each follower",
	"job_local":         "a row for each job and process life",
	"job_node":          "a row for each process life",
	"job_order":         "a row for each job",
	"job_schedule":      "a row for each job",
	"lock_held":         "what people have open at this moment; swept",
	"page_menu":         "a few menus in a site",
	"page_tree":         "a row for each site",
	"secret_seal":       "a few keys",
	"secret_sign":       "a few keys",
	"site_host":         "host names are given by hand; all are kept in memory",
	"site_instance":     "instances are made by hand; all are kept in memory",
	"site_site":         "sites are made by hand",
	"user_group":        "groups are made by hand",
	"access_grant_mark": "what was granted and taken away by older nodes while versions roll",
	"importer_source":   "what the export said of each item, read by its key while an import runs",
	"content_autosave":  "what people have typed within 30 days and not saved; swept",
	"autosave_form":     "what people have typed within 30 days and not saved; swept",
	"taxonomy_category": "categories are made by hand",
	"document_orphan":   "files of the store that no row names; swept",
	"user_challenge":    "sign-ins that go on at this moment; swept",
	"follow_task":       "what a follower has failed at",
	"bulk_action":       "what was done with many things; swept",
	"bulk_portion":      "a row for each 200 things of actions that go on; swept",
	"bulk_refusal":      "at most so many refusals of an action are kept; swept",
	"access_trashed":    "grants and members of roles and groups in the recycle bin",
	"taxonomy_old":      "addresses that terms have left, which are renamed by hand",
	"file_store":        "one row",
	"file_move":         "one row",
	"file_epoch":        "sixteen rows",
	"file_upload":       "uploads that go on or broke off within a day; swept",
}

// large are the tables that grow with what people do, with the columns that set their rows apart: a row is copied with
// other values there. Ids of one thing have one shift in all tables, so that the copies belong together.
var large = map[string]string{
	"access_grant":      "thing",
	"access_holder":     "holder",
	"asset_entry":       "id parent owner",
	"asset_link":        "id to_id",
	"asset_trash":       "id root gone",
	"asset_word":        "id",
	"audit_event":       "id thing actor",
	"change_log":        "n thing",
	"content_article":   "id slug author",
	"content_text":      "article",
	"content_version":   "article",
	"document_file":     "id file_key",
	"file_chunk":        "put",
	"file_head":         "file_key put",
	"taxonomy_trashed":  "thing",
	"importer_item":     "source_key thing",
	"job_run":           "id run_key due",
	"page_page":         "id parent slug path_hash",
	"page_redirect":     "id source_hash",
	"page_version":      "page",
	"taxonomy_assigned": "thing",
	"taxonomy_tag":      "id slug name",
	"user_account":      "id screen_name email",
	"user_attempt":      "subject",
	"user_factor":       "id account handle",
	"user_link":         "digest account",
	"user_member":       "account",
	"user_recovery":     "digest account",
	"user_session":      "id digest account",
}

// rowsOfLarge is how many rows a large table has when plans are looked at, and mostRead how many of them a statement
// may read.
const (
	rowsOfLarge = 12_000
	mostRead    = 3_000
)

const (
	untilFinished = "lists of the panel read the owner's table until the schema is finished"
	searches      = "a search of the audit log looks at all rows of its time"
)

// readsMany are statements that read a large part of a table and may, by a piece of them, each with the reason.
var readsMany = map[string]string{
	"AS unread": "what a follower has not read is counted for the status of " +
		"the cluster, up to 10,000 rows",
	"FROM content_article e WHERE e.site":                untilFinished,
	"FROM document_file e WHERE e.site":                  untilFinished,
	"FROM page_page e WHERE e.site":                      untilFinished,
	"f.folder IN (?) ORDER BY f.id LIMIT 2001":           "a folder that goes to the bin takes at most 2,000 files along",
	"content_article a WHERE a.site = ? AND a.author":    untilFinished,
	"content_article a WHERE a.site = ? AND a.kind":      untilFinished,
	"content_article a WHERE a.site = ? AND a.status":    untilFinished,
	"content_article a WHERE a.site = ? AND a.titles":    untilFinished,
	"content_article a WHERE a.site = ? AND a.published": untilFinished,
	"a.live > 0 AND a.kind <> ? AND a.author = ?":        "no screen asks for what one author has written",
	"asset_entry WHERE site = ? AND kind = ? AND form = ? LIMIT 5001": "" +
		"a list is narrowed to 5,000 things or fewer; of more it reads 5,001 in vain",
	"LIMIT ?) listed":     "counts up to 10,000",
	"LIMIT 10001) chosen": "counts up to 10,000",
	"JOIN content_version v ON v.article = a.id AND v.number = a.live WHERE a.site = ? AND a.id > ?": "a file of the " +
		"site map reads its piece, by its key",
	"AND live > 0 AND kind <> ? ORDER BY id LIMIT 2 OFFSET ?": "" +
		"the site map is divided into pieces, by keys",
	"v.note FROM content_article a": "" +
		"an import compares with all articles of the site",
	"who_words LIKE":                  searches,
	" words LIKE":                     searches,
	"audit_event WHERE origin LIKE ?": searches,
	"audit_event WHERE outcome = ?":   searches,
	"a.published >= ? AND a.published < ? ORDER BY a.sticky DESC": "no screen asks for a year",
	"DELETE FROM job_run WHERE state": "runs that were kept long enough are read to be " +
		"deleted",
	"job_run WHERE state = ? AND (due <= ? OR due > ?) AND job IN": "what waits in a queue is worked off",
	"l.broken = ? AND (SELECT count(*) FROM asset_trash": "" +
		"references of things in the bin are passed over",
	"WHERE h.role = ? AND a.status = ? LIMIT 2": "" +
		"administrators are few; of the copies, a third is",
	"LOWER(f.name) LIKE ?":                             untilFinished,
	"f.type LIKE ? ESCAPE":                             untilFinished,
	"FROM page_page WHERE site = ? AND draft <> ''":    "the tree of a site is kept whole",
	"FROM page_page WHERE site = ? ORDER BY place, id": "the tree of a site is kept whole",
	"SELECT thing FROM taxonomy_assigned WHERE term_kind = ? AND kind = 'article' AND term IN": "" +
		"all articles that have a term are found by its new name",
	"SELECT id FROM document_file WHERE folder IN": "who may view files changes with all folders above them",
	"SELECT id FROM document_file WHERE site IN":   "names of files are in the language of their site",
	"SELECT id, parent FROM page_page WHERE site IN (SELECT": "" +
		"which pages lie below one whose grants have changed is found in its whole tree",
	"SELECT id, place FROM page_page WHERE site = ? AND parent = ?": "" +
		"pages beside each other: all copies are at the top",
	"SELECT source FROM page_redirect WHERE site = ? AND source LIKE ?": "" +
		"old addresses with a query are kept by their names",
	"change_log ORDER BY at DESC LIMIT ?) newest": "" +
		"the change log's screen looks through the newest 20,000",
}

// No statement of the portal goes through a large table: all that nodes ask while each screen is opened and each use
// case is run are explained with the arguments that they had, on tables that are large and whose statistics are fresh.
func TestStatements_NoneScansALargeTable(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			asked := &dbtest.Statements{}
			t.Run("walk", func(t *testing.T) {
				g := servertest.NewGroupAt(t, e, address)
				g.Watch = asked.Watch
				walkForStatements(t, g)
			})
			d, err := db.Open(t.Context(), db.Options{URL: address, MaxConns: 2, MinIdle: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			fillTables(t, d)
			judgeStatements(t, d, asked.All())
		})
	}
}

func judgeStatements(t *testing.T, d *db.DB, all []dbtest.Statement) {
	t.Helper()
	wrong := map[string]string{}
	for _, s := range all {
		reads, err := dbtest.Explain(t.Context(), d, s)
		if err != nil {
			t.Errorf("explain %s: %v", s.SQL, err)
			continue
		}
		for _, r := range reads {
			if _, ok := large[r.Table]; !ok || !r.Whole && r.Rows <= mostRead {
				continue
			}
			text := strings.Join(strings.Fields(s.SQL), " ")
			excused := slices.ContainsFunc(slices.Collect(maps.Keys(readsMany)), func(piece string) bool {
				return strings.Contains(text, piece)
			})
			if !excused {
				wrong[text] = fmt.Sprintf("%s %d rows: %s\n\t%.200v", r.Table, r.Rows, r.How, s.Args)
			}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(wrong)) {
		t.Errorf("%s\n\treads %s", text, wrong[text])
	}
	t.Logf("%d statements were explained", len(all))
}

// fillTables copies the rows of large tables until they are large, and gives the engine fresh statistics.
func fillTables(t *testing.T, d *db.DB) {
	t.Helper()
	ctx := context.Background()
	query := "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	switch d.Dialect() {
	case db.SQLite:
		query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	case db.MySQL:
		query = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
	}
	all, err := db.All(ctx, d, func(r db.Scanner) (name string, err error) { return name, r.Scan(&name) }, query)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range all {
		_, isLarge := large[table]
		if (small[table] == "") == !isLarge {
			t.Errorf("does the table %s grow with what people do? Say so in large, with the columns that set rows "+
				"apart, or in small, with the reason", table)
		}
	}
	for table, apart := range large {
		if err := fillTable(ctx, d, table, strings.Fields(apart)); err != nil {
			t.Fatal(err)
		}
	}
	if err := dbtest.Analyze(ctx, d, all...); err != nil {
		t.Fatal(err)
	}
}

// fillTable copies the rows that a table has until there are enough.
func fillTable(ctx context.Context, d *db.DB, table string, apart []string) error {
	rows, err := d.Query(ctx, "SELECT * FROM "+table+" LIMIT 1")
	if err != nil {
		return err
	}
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	var have int
	if err := d.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&have); err != nil {
		return err
	}
	if have == 0 {
		return sampleRow(ctx, d, table, columns, types, apart)
	}
	values := make([]string, len(columns))
	for i, c := range columns {
		values[i] = "t." + c
		if table == "job_run" && c == "state" { // what waits or runs is little, whatever the walk has left
			values[i] = "'done'"
		}
		if !slices.Contains(apart, c) {
			continue
		}
		kind := strings.ToUpper(types[i].DatabaseTypeName())
		switch {
		case strings.Contains(kind, "INT"):
			sign := "+"
			if table == "change_log" || table == "job_run" { // the newest rows are those that nodes ask for
				sign = "-"
			}
			values[i] = fmt.Sprintf("CASE WHEN t.%s = 0 THEN 0 ELSE t.%s %s n.n * 10000000000 END", c, c, sign)
		case d.Dialect() == db.MySQL:
			values[i] = "CONCAT(SUBSTR(t." + c + ", 1, 56), '-', n.n)"
		case kind == "BYTEA":
			values[i] = "SUBSTR(t." + c + ", 1, 56) || CONVERT_TO('-' || n.n, 'UTF8')"
		default:
			values[i] = "SUBSTR(t." + c + ", 1, 56) || '-' || n.n"
		}
	}
	cols := strings.Join(columns, ", ")
	statement := "INSERT INTO " + table + " (" + cols + ") "
	recursive := "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?) "
	body := "SELECT " + strings.Join(values, ", ") + " FROM " + table + " t CROSS JOIN n"
	times := max(1, (rowsOfLarge+have-1)/have-1)
	if d.Dialect() == db.MySQL {
		statement, recursive = statement+recursive, ""
	}
	return d.Control(ctx, func(tx *db.Tx) error {
		if d.Dialect() == db.MySQL {
			if _, err := tx.Exec(ctx, "SET SESSION max_recursive_iterations = 100000"); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, recursive+statement+body, times); err != nil {
			return fmt.Errorf("fill %s: %w", table, err)
		}
		return nil
	})
}

// sampleRow makes the row that others are copied from, where the walk has made none, and copies it.
func sampleRow(
	ctx context.Context, d *db.DB, table string, columns []string, types []*sql.ColumnType, apart []string,
) error {
	row := db.Row{}
	for i, c := range columns {
		kind := strings.ToUpper(types[i].DatabaseTypeName())
		switch {
		case strings.Contains(kind, "BOOL") || strings.Contains(kind, "TINYINT"):
			row[c] = false
		case strings.Contains(kind, "INT"):
			row[c] = 1
		default:
			row[c] = "x"
		}
	}
	if err := d.Control(ctx, func(tx *db.Tx) error { return tx.Insert(ctx, table, row) }); err != nil {
		return fmt.Errorf("make a row of %s: %w", table, err)
	}
	return fillTable(ctx, d, table, apart)
}
