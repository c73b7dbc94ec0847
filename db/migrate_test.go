package db_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/labtest/stall"
)

// later is a number that no real migration has.
const later = 90001

// with gives the migrations of this binary and some more, by name.
func with(t *testing.T, more map[string]string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	names, err := fs.Glob(db.Migrations(), "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(db.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &fstest.MapFile{Data: raw}
	}
	for name, text := range more {
		all["migrations/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

func openAt(t *testing.T, address string, from fs.FS, log io.Writer) *db.DB {
	t.Helper()
	if log == nil {
		log = io.Discard
	}
	return openFile(t, db.Options{URL: address, MaxConns: 6, MinIdle: 1, Migrations: from,
		Logger: slog.New(slog.NewTextHandler(log, nil))})
}

func eachEngine(t *testing.T, fn func(t *testing.T, e dbtest.Engine)) {
	t.Helper()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, e) })
	}
}

// schemaOf describes all tables, columns and indexes.
func schemaOf(t *testing.T, d *db.DB) []string {
	t.Helper()
	query := "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
	switch d.Dialect() {
	case db.Postgres:
		query = `SELECT 'column ' || table_name || ' ' || column_name || ' ' || data_type || ' ' ||
			is_nullable || ' ' || coalesce(column_default, '')
			FROM information_schema.columns WHERE table_schema = 'public'
			UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'`
	case db.MySQL:
		query = `SELECT CONCAT('column ', TABLE_NAME, ' ', COLUMN_NAME, ' ', COLUMN_TYPE, ' ',
			IS_NULLABLE, ' ', COALESCE(COLUMN_DEFAULT, ''))
			FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
			UNION ALL SELECT CONCAT('index ', TABLE_NAME, ' ', INDEX_NAME, ' ',
			SEQ_IN_INDEX, ' ', COLUMN_NAME, ' ', NON_UNIQUE)
			FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()`
	}
	lines, err := db.All(t.Context(), d, func(s db.Scanner) (line string, err error) { return line, s.Scan(&line) }, query)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func count(t *testing.T, d *db.DB, query string, args ...any) (n int64) {
	t.Helper()
	if err := d.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMigrations_AllSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(db.Migrations(), "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(db.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(raw), "\n")
		if first != "-- expand" && first != "-- contract" {
			t.Errorf("%s begins with %q; its first line must be -- expand or -- contract", name, first)
		}
	}
	url := "sqlite:" + filepath.Join(t.TempDir(), "stoa.db")
	for what, text := range map[string]string{
		"no mark": "CREATE TABLE x (id INTEGER);\n", "no statement": "-- expand\n",
		"no end": "-- expand\nCREATE TABLE x (id INTEGER)\n",
	} {
		d := openAt(t, url, fstest.MapFS{"migrations/00001_x.sql": {Data: []byte(text)}}, nil)
		if err := d.Migrate(t.Context()); err == nil {
			t.Errorf("%s: it was accepted", what)
		}
	}
}

func TestMigrate_TenNodesOnAnEmptyDatabaseMigrateOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e dbtest.Engine) {
		address := dbtest.Empty(t, e)
		var log lockedBuffer
		var wg sync.WaitGroup
		for range 10 {
			d := openAt(t, address, nil, &log)
			wg.Go(func() {
				if err := d.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		d := openAt(t, address, nil, nil)
		files, err := fs.Glob(db.Migrations(), "migrations/*.sql")
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, d, "SELECT count(*) FROM db_migration WHERE version_id > 0"); n != int64(len(files)) {
			t.Errorf("%d migrations are noted, want %d", n, len(files))
		}
		if n := strings.Count(log.String(), "msg=migrated "); n < len(files) || e != dbtest.SQLite && n != len(files) {
			t.Errorf("%d migrations ran, want %d", n, len(files))
		}
		if n := count(t, d, "SELECT number FROM db_incarnation"); n != 1 {
			t.Errorf("incarnation %d, want 1", n)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Every migration is cut off before and after each of its statements, one after the other, as if the process had
// ended there, and goes on at the next start.
func TestMigrate_CutOffAtEachStatementGoesOn(t *testing.T) {
	t.Parallel()
	errEnd := errors.New("the process ends here")
	eachEngine(t, func(t *testing.T, e dbtest.Engine) {
		straight := openAt(t, dbtest.Empty(t, e), nil, nil)
		if err := straight.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := openAt(t, dbtest.Empty(t, e), nil, nil)
		done := map[string]bool{}
		db.Interrupt(d, func(migration string, statement int, after bool) error {
			at := fmt.Sprint(migration, statement, after)
			if done[at] {
				return nil
			}
			done[at] = true
			return errEnd
		})
		for {
			err := d.Migrate(t.Context())
			if err == nil {
				break
			}
			if !errors.Is(err, errEnd) {
				t.Fatal(err)
			}
		}
		if len(done) < 50 {
			t.Errorf("it was cut off at %d places only", len(done))
		}
		if got, want := schemaOf(t, d), schemaOf(t, straight); !slices.Equal(got, want) {
			t.Errorf("the schema is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if n := count(t, d, "SELECT count(*) FROM db_counter"); n != 1 {
			t.Errorf("%d counters, want 1", n)
		}
	})
}

// TestHelper_Process is no test: others start it as a process of its own.
func TestHelper_Process(t *testing.T) {
	t.Parallel()
	address, migrate := os.Getenv("STOA_HELPER_URL"), os.Getenv("STOA_HELPER_SQL")
	if address == "" {
		t.Skip("only for other tests")
	}
	d := openAt(t, address, with(t, map[string]string{"90001_later.sql": migrate}), nil)
	db.Interrupt(d, func(migration string, statement int, after bool) error {
		if migration == "90001_later.sql" && statement == 1 && after == (os.Getenv("STOA_HELPER_AFTER") == "true") {
			fmt.Println("READY")
			select {} // until it is killed
		}
		return nil
	})
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println("READY")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// helper starts this test binary as another process and waits until it is where it should be.
func helper(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper_Process$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe() // it ends with this process
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var said bytes.Buffer
	b := make([]byte, 4096)
	for !strings.Contains(said.String(), "READY") {
		n, err := out.Read(b)
		said.Write(b[:n])
		if err != nil {
			t.Fatalf("the other process ended: %s", said.String())
		}
	}
	return cmd
}

const threeStatements = "-- expand\nCREATE TABLE later_one (id INTEGER NOT NULL PRIMARY KEY){{table}};\n" +
	"ALTER TABLE later_one ADD COLUMN more BIGINT NOT NULL DEFAULT 0;\nINSERT INTO later_one (id, more) VALUES (1, 2);\n"

func TestMigrate_AfterAKillTheNextStartFinishes(t *testing.T) {
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		for _, after := range []string{"false", "true"} {
			t.Run(string(e)+"/after="+after, func(t *testing.T) {
				address := dbtest.URL(t, e)
				old := openAt(t, address, nil, nil)
				if err := old.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				cmd := helper(t, "STOA_HELPER_URL="+address, "STOA_HELPER_SQL="+threeStatements, "STOA_HELPER_AFTER="+after)
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				if err := old.Migrate(t.Context()); err != nil {
					t.Errorf("the binary from before does not start any more: %v", err)
				}
				watch, began := stall.Start(), time.Now()
				defer watch.Stop()
				next := openAt(t, address, with(t, map[string]string{"90001_later.sql": threeStatements}), nil)
				if err := next.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := watch.Since(began); took > 30*time.Second {
					t.Errorf("the lock of the killed process was in the way for %s", took)
				}
				if n := count(t, next, "SELECT count(*) FROM later_one WHERE id = 1 AND more = 2"); n != 1 {
					t.Errorf("%d rows, want 1", n)
				}
				if n := count(t, next, "SELECT version FROM db_schema"); n != later {
					t.Errorf("schema %d, want %d", n, later)
				}
				if err := old.Migrate(t.Context()); err != nil {
					t.Errorf("the binary from before does not start beside the next: %v", err)
				}
			})
		}
	}
}

func TestMigrate_FailedLeavesWhatWasThereAndSaysTheWayBack(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e dbtest.Engine) {
		address := dbtest.URL(t, e)
		old := openAt(t, address, nil, nil)
		if err := old.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		good := "-- expand\nCREATE TABLE later_one (id INTEGER NOT NULL PRIMARY KEY){{table}};\n"
		wrong := good + "ALTER TABLE nowhere ADD COLUMN more BIGINT;\n"
		bad := openAt(t, address, with(t, map[string]string{"90001_later.sql": wrong}), nil)
		err := bad.Migrate(t.Context())
		if err == nil || !strings.Contains(err.Error(), "90001_later.sql") ||
			!strings.Contains(err.Error(), "start the binary from before") {
			t.Fatalf("error %v", err)
		}
		kept := "nothing of it was kept"
		if e == dbtest.MariaDB {
			kept = "first 1 of 2 statements are kept"
		}
		if !strings.Contains(err.Error(), kept) {
			t.Errorf("%q does not say %q", err, kept)
		}
		if _, err := old.NewID(t.Context()); err != nil {
			t.Errorf("a node that runs cannot write: %v", err)
		}
		if err := openAt(t, address, nil, nil).Migrate(t.Context()); err != nil {
			t.Errorf("the binary from before does not start: %v", err)
		}
		right := good + "ALTER TABLE later_one ADD COLUMN more BIGINT;\n"
		mended := openAt(t, address, with(t, map[string]string{"90001_later.sql": right}), nil)
		if err := mended.Migrate(t.Context()); err != nil {
			t.Fatalf("the mended binary: %v", err)
		}
		count(t, mended, "SELECT count(more) FROM later_one")
	})
}

func TestMigrate_OfAnotherBuildThatWasCutOffIsNotMixed(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, dbtest.MariaDB)
	other := strings.Replace(threeStatements, "later_one (id INTEGER", "later_one (id BIGINT", 1)
	d := openAt(t, address, with(t, map[string]string{"90001_later.sql": other}), nil)
	errEnd := errors.New("the process ends here")
	db.Interrupt(d, func(_ string, statement int, _ bool) error {
		if statement == 1 {
			return errEnd
		}
		return nil
	})
	if err := d.Migrate(t.Context()); !errors.Is(err, errEnd) {
		t.Fatal(err)
	}
	err := openAt(t, address, with(t, map[string]string{"90001_later.sql": threeStatements}), nil).Migrate(t.Context())
	if !stoa.Is(err, stoa.KindConflict) || !strings.Contains(err.Error(), "start that build once") {
		t.Fatalf("error %v, want a Conflict", err)
	}
}

func TestMigrate_LetsOthersPassWhileATableIsInUse(t *testing.T) {
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			user := openAt(t, address, nil, nil)
			if err := user.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			var log lockedBuffer
			const alter = "-- expand\nALTER TABLE cluster_fact ADD COLUMN more BIGINT;\n"
			next := openAt(t, address, with(t, map[string]string{"90001_later.sql": alter}), &log)
			migrated := make(chan error, 1)
			watch := stall.Start()
			defer watch.Stop()
			err := user.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				var n int
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM cluster_fact").Scan(&n); err != nil {
					return err
				}
				go func() { migrated <- next.Migrate(context.WithoutCancel(ctx)) }()
				for ctx.Err() == nil && !strings.Contains(log.String(), "in use") {
					began := time.Now()
					if err := user.QueryRow(ctx, "SELECT count(*) FROM cluster_fact").Scan(&n); err != nil {
						return err
					}
					if waited := watch.Since(began); waited > 8*time.Second {
						return fmt.Errorf("a reader waited %s behind the migration", waited)
					}
					if err := tx.QueryRow(ctx, "SELECT count(*) FROM cluster_fact").Scan(&n); err != nil {
						return err
					}
				}
				return ctx.Err()
			})
			if err != nil {
				t.Error(err)
			}
			if err := <-migrated; err != nil {
				t.Error(err)
			}
			count(t, user, "SELECT count(more) FROM cluster_fact")
		})
	}
}

func TestFinish_ContractsOnceOthersAreGone(t *testing.T) {
	t.Parallel()
	expand := map[string]string{"90001_later.sql": "-- expand\nALTER TABLE cluster_fact ADD COLUMN more BIGINT;\n"}
	both := maps.Clone(expand)
	both["90002_away.sql"] = "-- contract\nDROP TABLE job_order;\n"
	eachEngine(t, func(t *testing.T, e dbtest.Engine) {
		address := dbtest.URL(t, e)
		before, d := openAt(t, address, nil, nil), openAt(t, address, with(t, both), nil)
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		count(t, d, "SELECT count(more) FROM cluster_fact")
		count(t, d, "SELECT count(*) FROM job_order") // a start does not contract
		state := func() (version, oldest int64) {
			return count(t, d, "SELECT version FROM db_schema"), count(t, d, "SELECT oldest FROM db_schema")
		}
		refusal := stoa.Conflict("n1 lives")
		refuse := db.Finish{Others: func(context.Context, func(int64) bool) error { return refusal }}
		// The second look finds a node that the first did not: it began in between.
		looks := 0
		late := db.Finish{Others: func(_ context.Context, applied func(int64) bool) error {
			if looks++; looks == 2 {
				if count(t, d, "SELECT oldest FROM db_schema") < later {
					t.Error("the second look comes before binaries from before are refused")
				}
				return refusal
			}
			if !applied(1) || !applied(later) || applied(later+1) {
				t.Error("applied does not tell what the database has")
			}
			return nil
		}}
		for _, f := range []db.Finish{refuse, late} {
			if _, err := d.Finish(t.Context(), f); !errors.Is(err, error(refusal)) {
				t.Fatalf("error %v, want the refusal", err)
			}
			if version, oldest := state(); version != later || oldest != 0 {
				t.Fatalf("schema %d serves %d after a refusal", version, oldest)
			}
			if err := before.Migrate(t.Context()); err != nil {
				t.Fatalf("the binary from before does not start after a refusal: %v", err)
			}
		}
		expelled := 0
		f := db.Finish{Dry: true, Others: func(context.Context, func(int64) bool) error { return nil },
			Expel: func(context.Context, *db.Tx) error { expelled++; return nil }}
		would, err := d.Finish(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if version, oldest := state(); version != later || oldest != 0 || expelled != 0 {
			t.Fatalf("a dry run changed the schema to %d, serving %d", version, oldest)
		}
		f.Dry = false
		did, err := d.Finish(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(did) != fmt.Sprint(would) || !slices.Equal(did.Steps, []string{"90002_away.sql"}) ||
			did.Oldest != later+1 {
			t.Errorf("it did %+v, and would have done %+v", did, would)
		}
		if version, oldest := state(); version != later+1 || oldest != later+1 || expelled != 1 {
			t.Errorf("schema %d serves %d; expelled %d times", version, oldest, expelled)
		}
		for what, err := range map[string]error{"start": before.Migrate(t.Context()), "ask": before.Served(t.Context())} {
			if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), "start a newer stoa") {
				t.Errorf("%s of a binary from before: %v, want a refusal", what, err)
			}
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOpen_SQLiteRefusesASecondProcess(t *testing.T) {
	t.Parallel()
	address := dbtest.Empty(t, dbtest.SQLite)
	cmd := helper(t, "STOA_HELPER_URL="+address, "STOA_HELPER_SQL="+threeStatements, "STOA_HELPER_AFTER=never")
	_, err := db.Open(t.Context(), db.Options{URL: address})
	if !stoa.Is(err, stoa.KindConflict) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", cmd.Process.Pid)) ||
		!strings.Contains(err.Error(), "one process") {
		t.Fatalf("error %v, want a Conflict that names process %d", err, cmd.Process.Pid)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for range 3 { // handles of one process share it
		if err := openAt(t, address, nil, nil).Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
