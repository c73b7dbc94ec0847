package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
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

func TestStart_RefusesADatabaseThatDamagesTexts(t *testing.T) {
	address := otherDatabase(t, dbtest.Postgres,
		"CREATE DATABASE %s ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	c := servertest.NewGroup(t, dbtest.SQLite).Config(map[string]string{"jdbc.default.url": address})
	s, err := server.New(t.Context(), server.Options{Config: c, NoSync: true})
	if err == nil {
		t.Fatal("a node starts on LATIN1", s.Stop(t.Context()))
	}
	if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), "_other is in LATIN1") ||
		!strings.Contains(err.Error(), "make one with ENCODING 'UTF8'") {
		t.Errorf("the start says %v", err)
	}
	q, err := db.OpenPlain(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var n int
	const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
	if err := q.QueryRow(tables).Scan(&n); err != nil || n != 0 {
		t.Errorf("the start made %d things there (%v)", n, err)
	}
}

func TestStart_WarnsOfTheDatabase(t *testing.T) {
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
