package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

// otherDatabase makes a database on the engine's server by hand and gives its address; it is dropped with the test.
func otherDatabase(t *testing.T, e dbtest.Engine, create string) string {
	t.Helper()
	u, err := url.Parse(dbtest.URL(t, e))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/") + "_other"
	admin, err := db.OpenPlain(t.Context(), db.Options{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(fmt.Sprintf(create, name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name); err != nil {
			t.Error(err)
		}
		_ = admin.Close()
	})
	u.Path = "/" + name
	return u.String()
}

// PostgreSQL keeps the bytes of UTF-8 as letters of their own in a database of another encoding: whatever would make
// tables there is refused.
func TestStart_RefusesADatabaseThatDamagesTexts(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		t.Run(encoding, func(t *testing.T) {
			address := otherDatabase(t, dbtest.Postgres,
				"CREATE DATABASE %s ENCODING '"+encoding+"' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
			quiet := slog.New(slog.DiscardHandler)
			g := servertest.NewGroup(t, dbtest.SQLite)
			c := g.Config(map[string]string{"jdbc.default.url": address})
			for what, try := range map[string]func(ctx context.Context) error{
				"the start": func(ctx context.Context) error {
					s, err := server.New(ctx, server.Options{Config: c, NoSync: true})
					if err == nil {
						t.Error(s.Stop(ctx))
					}
					return err
				},
				"stoa migrate": func(ctx context.Context) error {
					_, err := server.Migrate(ctx, c, server.MigrateOptions{Logger: quiet})
					return err
				},
				"stoa migrate --dry-run": func(ctx context.Context) error {
					_, err := server.Migrate(ctx, c, server.MigrateOptions{Dry: true, Logger: quiet})
					return err
				},
				"stoa db copy": func(ctx context.Context) error {
					_, err := server.CopyDatabase(ctx, g.Config(nil), server.CopyOrder{To: address}, quiet)
					return err
				},
			} {
				err := try(t.Context())
				if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), "_other is in "+encoding) ||
					!strings.Contains(err.Error(), "make one with ENCODING 'UTF8'") {
					t.Errorf("%s says %v", what, err)
				}
			}
			q, err := db.OpenPlain(t.Context(), db.Options{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			var n int
			const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
			if err := q.QueryRow(tables).Scan(&n); err != nil || n != 0 {
				t.Errorf("%d things were made there (%v)", n, err)
			}
		})
	}
}

func TestStart_WarnsOfTheDatabase(t *testing.T) {
	t.Parallel()
	address := otherDatabase(t, dbtest.MariaDB, "CREATE DATABASE %s CHARACTER SET latin1")
	c := servertest.NewGroup(t, dbtest.SQLite).
		Config(map[string]string{"jdbc.default.url": address, "jdbc.default.maximumPoolSize": "9999"})
	var log bytes.Buffer
	s, err := server.New(t.Context(), server.Options{
		Config: c,
		NoSync: true,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"code=encoding", "code=connections"} {
		if !strings.Contains(log.String(), code) {
			t.Errorf("the log has no line with %s:\n%s", code, log.String())
		}
	}
}

// A dump is restored under running nodes, with tables in a character set of its own.
func TestTables_InAnotherCharacterSetAreAFindingUntilTheyAreMended(t *testing.T) {
	t.Parallel()
	nodes := servertest.StartOn(t, dbtest.MariaDB, 2)
	for _, n := range nodes {
		n.LookAtTables(t.Context())
	}
	if f := findings(t, nodes[0], cluster.CodeDatabaseTables); len(f) > 0 {
		t.Fatalf("of tables as they are made: %v", f)
	}
	alter := func(statement string) {
		t.Helper()
		err := nodes[0].DB.Control(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), statement)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			n.LookAtTables(t.Context())
		}
	}
	alter("ALTER TABLE content_text CONVERT TO CHARACTER SET latin1")
	f := findings(t, nodes[1], cluster.CodeDatabaseTables)
	if len(f) != 1 || f[0].Severity != cluster.Warning || !strings.Contains(f[0].Text, "content_text") {
		t.Fatalf("the findings are %v", f)
	}
	const title = "Żółw 🐢"
	form := url.Values{"site": {nodes[0].Site(t).ID.String()}, "version": {"0"}, "kind": {"post"}, "slug": {"turtle"},
		"title": {title}, "body": {"<p>Text</p>"}, "do": {"publish"}}
	nodes[0].SignIn(t)
	got := nodes[0].Post(t, "/control/content/new", form, browserHeaders...)
	if got.Status != http.StatusUnprocessableEntity ||
		!strings.Contains(got.Body, "stoa db check") || !strings.Contains(got.Body, title) {
		t.Errorf("a save is answered %d, without the reason or without the text\n%s", got.Status, got.Body)
	}
	_, command, _ := strings.Cut(f[0].Mend, "run in the database: ")
	alter(strings.TrimSuffix(command, ";"))
	if f := findings(t, nodes[1], cluster.CodeDatabaseTables); len(f) > 0 {
		t.Errorf("after the command: %v", f)
	}
	nodes[0].Publish(t, "turtle", title, "<p>Text</p>")
	if got := nodes[1].Get(t, "/w/turtle"); !strings.Contains(got.Body, title) {
		t.Errorf("the other node shows %d without the title", got.Status)
	}
}
