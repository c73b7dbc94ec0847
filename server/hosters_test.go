package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db/dbcheck"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// MariaDB as hosters set it up: another character set, a collation that folds case and accents, statements for each
// connection, names of tables in lower case, another time zone, and idle connections that it ends.
func TestStart_MariaDBAsHostersSetItUp(t *testing.T) {
	t.Parallel()
	s := dbtest.StartServer(t, dbtest.MariaDB, dbtest.ServerOptions{Args: []string{"--character-set-server=utf8mb3",
		"--collation-server=utf8mb3_unicode_ci", "--init-connect=SET NAMES utf8", "--lower-case-table-names=1",
		"--default-time-zone=+05:30", "--sql-mode="}})
	s.Exec("CREATE DATABASE lportal CHARACTER SET utf8", "CREATE USER app@'%' IDENTIFIED BY 'app'",
		"GRANT ALL PRIVILEGES ON lportal.* TO app@'%'")
	g := servertest.NewGroup(t, dbtest.SQLite)
	at := map[string]string{"jdbc.default.url": "jdbc:mariadb://" + s.Addr() + "/lportal",
		"jdbc.default.username": "app", "jdbc.default.password": "app"}
	a, b := g.Join(at), g.Join(at)
	found, err := dbcheck.Tables(t.Context(), a.DB)
	if err != nil || len(found) > 0 {
		t.Errorf("tables that the portal made there: %v %v", found, err)
	}
	a.LookAtTables(t.Context())
	if f := findings(t, a, cluster.CodeDatabaseTables); len(f) > 0 {
		t.Errorf("the status: %v", f)
	}

	a.SignIn(t)
	addresses := map[string]string{"cafe": "Plain cafe", "café": "Accented café", "straße": "Straße 𝕏",
		"strasse": "Strasse 😀", "ırmak": "Irmak without a dot", "irmak": "Irmak with one"}
	for slug, title := range addresses {
		a.Publish(t, slug, title, "<p>Żółw 🐢 "+title+"</p>")
	}
	b.Poll(t)
	for slug, title := range addresses {
		got := b.Guest(t).Get(t, "/w/"+url.PathEscape(slug))
		if got.Status != http.StatusOK || !strings.Contains(got.Body, "Żółw 🐢 "+title) {
			t.Errorf("%s is answered %d without %q", slug, got.Status, title)
		}
	}

	// The server ends what is idle, as wait_timeout says; who saves next does not notice.
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, slug := range []string{"after-one-pause", "after-another"} {
		rows, err := admin.QueryContext(t.Context(),
			"SELECT id FROM information_schema.PROCESSLIST WHERE user = 'app' AND command = 'Sleep'")
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil || len(ids) == 0 {
			t.Fatalf("%d idle connections, %v", len(ids), err)
		}
		for _, id := range ids {
			_, _ = admin.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id)) // some are gone by themselves
		}
		a.Publish(t, slug, "After a pause", "<p>x</p>")
	}
}
