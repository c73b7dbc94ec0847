package dbcheck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// A dump that is restored makes tables as it says, whatever the defaults of server and database are.
func TestTables_OfARestoredDumpAreFoundAndTheCommandMendsThem(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ code, damage, says string }{
		"latin1":    {"table-charset", "CONVERT TO CHARACTER SET latin1", "has the character set latin1"},
		"utf8mb3":   {"table-charset", "CONVERT TO CHARACTER SET utf8mb3", "has the character set utf8mb3"},
		"a column":  {"table-charset", "MODIFY name VARCHAR(190) CHARACTER SET latin1 NOT NULL", "character set latin1"},
		"collation": {"table-collation", "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "taken for one"},
		"engine":    {"table-engine", "ENGINE = Aria", "is not in the engine InnoDB"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			address := dbtest.URL(t, dbtest.MariaDB)
			d, err := db.Open(t.Context(), db.Options{URL: address, MaxConns: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			tables := func() []dbcheck.Finding {
				t.Helper()
				found, err := dbcheck.Tables(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				return found
			}
			execute(t, address, "CREATE TABLE of_another_program (name VARCHAR(9)) CHARACTER SET latin1")
			if found := tables(); len(found) > 0 {
				t.Fatalf("tables as the portal makes them: %v", found)
			}
			execute(t, address, "ALTER TABLE taxonomy_tag "+c.damage)
			found := tables()
			if len(found) != 1 || found[0].Code != c.code || !strings.Contains(found[0].Text, "the table taxonomy_tag ") ||
				!strings.Contains(found[0].Text, c.says) {
				t.Fatalf("the findings are %v", found)
			}
			if r := check(t, at(address)); !r.Has(c.code) || r.Worst() != dbcheck.Critical {
				t.Errorf("stoa db check finds %v", r.Findings)
			}
			start, err := dbcheck.AtStart(t.Context(), d, 2)
			if err != nil || !slices.ContainsFunc(start, func(f dbcheck.Finding) bool { return f.Code == c.code }) {
				t.Errorf("a start finds %v (%v)", start, err)
			}
			for s := range strings.SplitSeq(found[0].Fix, ";") {
				if s = strings.TrimSpace(s); s != "" {
					execute(t, address, s)
				}
			}
			if found := tables(); len(found) > 0 {
				t.Errorf("after the command: %v", found)
			}
		})
	}
}

// Many tables are one finding whose command has them all.
func TestTables_AllOfThemAreOneFinding(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, dbtest.MariaDB)
	for _, table := range []string{"content_text", "page_page", "site_site", "taxonomy_tag", "user_account"} {
		execute(t, address, "ALTER TABLE "+table+" CONVERT TO CHARACTER SET latin1")
	}
	d, err := db.Open(t.Context(), db.Options{URL: address, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	found, err := dbcheck.Tables(t.Context(), d)
	if err != nil || len(found) != 1 {
		t.Fatalf("the findings are %v (%v)", found, err)
	}
	if f := found[0]; !strings.Contains(f.Text, "content_text, page_page, site_site and 2 more") ||
		strings.Count(f.Fix, "ALTER TABLE") != 5 {
		t.Errorf("the finding is %+v", f)
	}
}
