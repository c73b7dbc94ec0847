package transfer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/db/transfer"
)

// The author of a new table decides here whether it goes along with a portal that moves, or belongs to the life of a
// process (then it also stands in leftOut).
func TestTables_EachIsDecided(t *testing.T) {
	t.Parallel()
	goes := strings.Fields(
		`access_grant access_grant_mark access_holder access_role asset_entry asset_fill asset_link asset_word
		audit_event cluster_event cluster_fact content_article content_text
		content_version db_counter db_history document_file document_folder document_orphan importer_item importer_source job_order job_run job_schedule page_menu
		page_page page_redirect page_tree page_version site_host site_instance site_site taxonomy_assigned
		asset_trash access_trashed taxonomy_trashed bulk_action bulk_portion bulk_refusal
		secret_seal secret_sign taxonomy_category taxonomy_old taxonomy_tag user_account user_factor user_group user_link
		user_member
		user_recovery user_session content_autosave autosave_form`,
	)
	stays := strings.Fields(`change_log change_reader change_writer cluster_lease cluster_node db_incarnation
		db_migration db_migration_lock db_migration_step file_store file_head file_chunk file_upload file_move file_epoch
		db_schema db_transfer
		db_transfer_part follow_follower follow_task job_local job_node lock_held
		user_attempt user_challenge`)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		query := "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
		switch d.Dialect() {
		case db.SQLite:
			query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
		case db.MySQL:
			query = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
		}
		all, err := db.All(context.Background(), d, func(s db.Scanner) (name string, err error) {
			return name,
				s.Scan(&name)
		}, query)
		if err != nil {
			t.Fatal(err)
		}
		read, err := transfer.ReadSchema(context.Background(), d, d.Dialect())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			taken := slices.ContainsFunc(read, func(t transfer.Table) bool { return t.Name == name })
			switch {
			case slices.Contains(goes, name) && !taken, slices.Contains(stays, name) && taken:
				t.Errorf("table %s is taken along: %v", name, taken)
			case !slices.Contains(goes, name) && !slices.Contains(stays, name):
				t.Errorf("is the table %s to go along with a portal that moves? Say so here, and in leftOut if not",
					name)
			}
		}
	})
}

// A schema is read alike from all engines: the stream of one fits the other.
func TestReadSchema_EnginesAgree(t *testing.T) {
	t.Parallel()
	var first []transfer.Table
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		got, err := transfer.ReadSchema(context.Background(), d, d.Dialect())
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if a, b := fmt.Sprint(got), fmt.Sprint(first); a != b {
			t.Errorf("%s\nis not\n%s", a, b)
		}
	})
}

// Rows that are hard to tell apart have one checksum on all engines, and different ones from each other.
func TestSums_EnginesAgreeAndNothingLooksAlike(t *testing.T) {
	t.Parallel()
	sums := map[string]map[string]transfer.Sum{}
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			d := dbtest.Open(t, e)
			seen := map[transfer.Sum]string{}
			sums[string(e)] = map[string]transfer.Sum{}
			for i, payload := range [][]byte{{}, {0}, {0, 0}, []byte("a"), []byte("ab"), {0xff, 0xfe, 0}} {
				for j, message := range []string{"", " ", "a", "A", "ä", "a ", "ab", "𝔄", "line\nline"} {
					row := runRow(1, payload)
					row["message"] = message
					if err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
						if _, err := tx.Exec(ctx, "DELETE FROM job_run"); err != nil {
							return err
						}
						return tx.Insert(ctx, "job_run", row)
					}); err != nil {
						t.Fatal(err)
					}
					all, err := transfer.Sums(context.Background(), d, d.Dialect())
					if err != nil {
						t.Fatal(err)
					}
					name, sum := fmt.Sprint(i, " ", j), all["job_run"]
					if seen[sum] != "" {
						t.Errorf("row %s looks like row %s", name, seen[sum])
					}
					seen[sum], sums[string(e)][name] = name, sum
				}
			}
		})
	}
	for e, got := range sums {
		for name, sum := range got {
			if want, ok := sums[string(dbtest.SQLite)][name]; ok && want != sum {
				t.Errorf("row %s is %s on %s and %s on SQLite", name, sum, e, want)
			}
		}
	}
}

// TestCopy_WithoutTriggerPrivilegeSaysHowLong has a user of MariaDB who may do everything but make triggers.
func TestCopy_WithoutTriggerPrivilegeSaysHowLong(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	address := dbtest.URL(t, dbtest.MariaDB)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	user := fmt.Sprintf("st_%d_%s", os.Getpid()%100000, name[len(name)-8:])
	admin, err := db.OpenPlain(ctx, db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(ctx, "DROP USER IF EXISTS '"+user+"'@'127.0.0.1'"); err != nil {
			t.Logf("drop the user: %v", err)
		}
		_ = admin.Close()
	})
	grant(t, admin, "CREATE USER '"+user+"'@'127.0.0.1' IDENTIFIED BY 'Secret-1234'",
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, LOCK TABLES ON "+name+".* TO "+
			"'"+user+"'@'127.0.0.1'")
	u.User = url.UserPassword(user, "Secret-1234")
	from, err := db.Open(ctx, db.Options{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = from.Close() })
	if err := from.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	seed(t, from, 500)
	to := dbtest.Open(t, dbtest.Postgres)
	_, err = transfer.Copy(ctx, transfer.CopyOptions{Source: from, Target: to})
	var denied *transfer.TriggersDenied
	if !errors.As(err, &denied) || denied.Estimate <= 0 || !strings.Contains(err.Error(), "--read-only") {
		t.Fatalf("a copy without the privilege TRIGGER: %v", err)
	}
	if n := one(t, to, "SELECT count(*) FROM page_page"); n != 0 {
		t.Error("the sample stays in the target")
	}
	if n := one(t, from, "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND "+
		"TABLE_NAME LIKE 'db_capture%'"); n != 0 {
		t.Error("tables of the copy stay in the source")
	}
	w := write(t, from, 1, 100)
	waitFor(t, "the source takes writes", func() bool { return w.done.Load() > 5 })
	w.stop()
	if _, err := transfer.Copy(ctx, transfer.CopyOptions{Source: from, Target: to, ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	w.check(t, to)
	same(t, from, to)
}

func grant(t *testing.T, admin *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := admin.ExecContext(context.Background(), s); err != nil {
			t.Skipf("SKIPPED: the server lets this user make no users: %v", err)
		}
	}
}
