package db_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// What no row of the change log can settle is done again where twice is as good as once, and said otherwise.
func TestWrite_ALostAnswerIsRepeatedWhereTheWriterSaysItMayBe(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			link := dbtest.NewLink(t, dbtest.URL(t, e))
			d, err := db.Open(t.Context(), db.Options{URL: link.URL, ConnectTimeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, may := range []bool{true, false} {
				name, runs := fmt.Sprint("fact ", may), 0
				mended := make(chan struct{})
				go func() { // as soon as the answer is lost, the server can be reached again
					defer close(mended)
					tick := time.NewTicker(time.Millisecond)
					defer tick.Stop()
					for !link.Broken() {
						select {
						case <-tick.C:
						case <-t.Context().Done():
							return
						}
					}
					link.Mend()
				}()
				err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					if runs++; runs == 1 {
						link.LoseAnswer()
					}
					if may {
						tx.Repeatable()
					}
					return tx.Upsert(ctx, "cluster_fact", []string{"name"}, db.Row{"name": name, "value": fmt.Sprint(runs)})
				})
				<-mended
				var value string
				for d.QueryRow(t.Context(), "SELECT value FROM cluster_fact WHERE name = ?", name).Scan(&value) != nil {
					if t.Context().Err() != nil { // until then only the broken connections are gone
						t.Fatal("the database cannot be read")
					}
				}
				if may && (err != nil || runs != 2 || value != "2") {
					t.Errorf("it may be repeated: %v after %d runs, the value is %q", err, runs, value)
				}
				if !may && (!db.IsUnknownOutcome(err) || runs != 1 || value != "1") {
					t.Errorf("it may not be repeated: %v after %d runs, the value is %q", err, runs, value)
				}
			}
		})
	}
}

func TestUpsertAll_WritesWhatIsNewAndChangesWhatIsThere(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const n = 1200 // several statements
		for _, value := range []string{"old", "new"} {
			var rows []db.Row
			from := map[string]int{"old": n / 2, "new": 0}[value]
			for i := from; i < n; i++ {
				rows = append(rows, db.Row{"name": fmt.Sprint("many ", i), "value": value})
			}
			if err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				return tx.UpsertAll(ctx, "cluster_fact", []string{"name"}, rows)
			}); err != nil {
				t.Fatal(err)
			}
		}
		var count int
		if err := d.QueryRow(t.Context(), "SELECT COUNT(*) FROM cluster_fact WHERE name LIKE 'many %' AND value = 'new'").
			Scan(&count); err != nil || count != n {
			t.Errorf("%d rows have the new value, want %d: %v", count, n, err)
		}
	})
}
