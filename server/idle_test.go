package server_test

import (
	"context"
	"math"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// idleCommits is how many transactions a node commits in a second at most while nothing happens. It proves itself and
// looks at the others twice a second each, which with leases and the clock of jobs makes five; the rest is room for
// what a busy machine makes it ask twice.
const idleCommits = 8

// The server counts, as an operator would; the lab does the same over a minute and on MariaDB as well.
func TestIdle_ANodeHardlyTouchesTheDatabase(t *testing.T) {
	t.Parallel()
	at := os.Getenv("STOA_TEST_POSTGRES")
	g := servertest.NewGroup(t, dbtest.Postgres)
	const nodes = 3
	var all []*servertest.Node
	for range nodes {
		all = append(all, g.Join(nil))
	}
	for _, n := range all {
		n.Guest(t).Get(t, "/") // caches hold something that can be compared
	}
	u, err := url.Parse(all[0].DB.Describe())
	if err != nil {
		t.Fatal(err)
	}
	beside, err := db.OpenPlain(t.Context(), db.Options{URL: at, MaxConns: 1}) // what it asks counts elsewhere
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = beside.Close() })
	counted := func() (n int64) {
		t.Helper()
		const query = "SELECT xact_commit FROM pg_stat_database WHERE datname = $1"
		err := beside.QueryRowContext(t.Context(), query, strings.Trim(u.Path, "/")).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// Sessions that stand still tell what they counted after 10 s: what a start leaves behind is not measured.
	measure, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	<-measure.Done()
	cancel()
	// What else the machine does only adds to it, so the calmest of a few moments counts.
	rate := math.Inf(1)
	for range 4 {
		before, began := counted(), time.Now()
		measure, cancel = context.WithTimeout(t.Context(), 15*time.Second)
		<-measure.Done()
		cancel()
		now := float64(counted()-before) / time.Since(began).Seconds() / nodes
		t.Logf("%.1f transactions a second and node", now)
		if rate = min(rate, now); rate <= idleCommits {
			break
		}
	}
	if rate > idleCommits {
		t.Errorf("an idle node commits %.1f transactions a second, want at most %d", rate, idleCommits)
	}
}
