package change_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// plainly runs statements on a database that no handle of the portal stands behind.
func plainly(t *testing.T, address string, statements ...string) {
	t.Helper()
	p, err := db.OpenPlain(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, s := range statements {
		if _, err := p.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// count is the answer of a query for one number.
func count(t *testing.T, address, query string) (n int) {
	t.Helper()
	p, err := db.OpenPlain(t.Context(), db.Options{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.QueryRowContext(t.Context(), query).Scan(&n); err != nil && err != sql.ErrNoRows {
		t.Fatal(err)
	}
	return n
}

// onServers runs the test on the engines that are servers.
func onServers(t *testing.T, fn func(t *testing.T, e dbtest.Engine)) {
	t.Helper()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) { fn(t, e) })
	}
}

// handle opens a migrated database as a node does.
func handle(t *testing.T, address string, also ...func(o *db.Options)) *db.DB {
	t.Helper()
	o := db.Options{URL: address, MaxConns: 5, MinIdle: 1, WriteTimeout: 5 * time.Second, Clock: change.Boottime}
	for _, fn := range also {
		fn(&o)
	}
	d, err := db.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func fact(_ context.Context, tx *db.Tx) error {
	tx.Changed("fact", 1, 7, 1)
	return nil
}

const (
	asFork  = "UPDATE db_history SET token = 'another'"
	asFork2 = "UPDATE db_incarnation SET token = 'another'"
)

// A connection that leads to another history, without having been made anew, commits nothing: that is what a
// proxy does which moves sessions from server to server.
func TestWrite_ServerOfAnotherHistoryCannotCommit(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		address := dbtest.URL(t, e)
		d := handle(t, address)
		n := open(t, d)
		n.write("fact", 1)
		n.poll()
		token := d.Token()
		plainly(t, address, asFork, asFork2)
		rows := "SELECT count(*) FROM change_log WHERE kind = 'fact'"
		if err := d.Write(t.Context(), fact); !stoa.Is(err, stoa.KindUnavailable) {
			t.Fatalf("written into another history: %v", err)
		}
		// A transaction that changes nothing visible is bound as well.
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Upsert(ctx, "cluster_fact", []string{"name"}, db.Row{"name": "stray", "value": "x"})
		})
		if !stoa.Is(err, stoa.KindUnavailable) ||
			count(t, address, "SELECT count(*) FROM cluster_fact WHERE name = 'stray'") != 0 {
			t.Errorf("written without a row of the log: %v", err)
		}
		if got := count(t, address, rows); got != 1 {
			t.Errorf("%d rows are in the log, want the one from before", got)
		}
		eventually(t, "the fork is refused", func() bool {
			r := d.Refused()
			return r != nil && r.Verdict == "fork" && r.Closed
		})
		if err := n.Poll(t.Context()); err == nil {
			t.Error("a proof was made of another history")
		}
		if err := d.QueryRow(t.Context(), "SELECT 1").Scan(new(int)); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("read from another history: %v", err)
		}
		plainly(t, address, strings.Replace(asFork, "another", token, 1), strings.Replace(asFork2, "another", token, 1))
		eventually(t, "the right history is found again",
			func() bool { return n.Poll(t.Context()) == nil && d.Refused() == nil })
		n.write("fact", 2)
	})
}

// A dump of an hour ago that is restored under a running node is behind, also when the connection stays.
func TestPoll_DatabaseThatWentBackIsRefusedUntilAnOperatorSaysSo(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		address := dbtest.URL(t, e)
		now := time.Hour
		clock := func() time.Duration { return now }
		home := filepath.Join(t.TempDir(), "history.json")
		d := handle(t, address, func(o *db.Options) { o.MemoryFile, o.Clock = home, clock })
		n := open(t, d)
		for range 5 {
			n.poll()
			now += time.Minute
		}
		plainly(t, address, "UPDATE change_writer SET beat = 1, seen = seen - 3600000000")
		if err := n.Poll(t.Context()); err == nil {
			t.Fatal("a proof was made of a database that went back")
		}
		r := d.Refused()
		if r == nil || r.Verdict != "behind" || !r.Closed || r.Lost < 3*time.Minute {
			t.Fatalf("refused: %+v, want behind by about four minutes", r)
		}
		_, err := db.Open(t.Context(), db.Options{URL: address, MemoryFile: home, Clock: clock})
		if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(fmt.Sprint(err), "stoa db restored") {
			t.Errorf("the next life of the node: %v, want a refusal with the way out", err)
		}
		operator := handle(t, address)
		token, err := operator.Adopt(t.Context(), 41, nil)
		if err != nil || token.Number != 42 {
			t.Fatalf("%v, %v; want a number above every known one", token, err)
		}
		eventually(t, "the node follows what the operator said", func() bool { return n.Poll(t.Context()) == nil })
		if d.Incarnation() != 42 || d.Refused() != nil || n.drops() == 0 {
			t.Errorf("incarnation %d, %d drops, refused %+v", d.Incarnation(), n.drops(), d.Refused())
		}
		n.write("fact", 3)
	})
}

// pair gives two nodes on two databases, which hear each other.
func pair(t *testing.T, e dbtest.Engine, longer bool) (a, b *node) {
	t.Helper()
	urls := []string{dbtest.URL(t, e), dbtest.URL(t, e)}
	first := handle(t, urls[0])
	tokens := first.Histories()
	handle(t, urls[1])
	plainly(t, urls[1], fmt.Sprintf("UPDATE db_history SET token = '%s'", tokens[0].Value),
		fmt.Sprintf("UPDATE db_incarnation SET token = '%s'", tokens[0].Value))
	if longer {
		if _, err := first.Adopt(t.Context(), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	var nodes [2]*node
	for i := range nodes {
		nodes[i] = open(t, handle(t, urls[i]), func(o *change.Options) {
			o.Tell = func(word []byte) {
				if other := nodes[1-i]; other != nil {
					other.Hear(word)
				}
			}
		})
	}
	return nodes[0], nodes[1]
}

// Of two databases of one history that both take writes neither is used until one has stopped.
func TestHear_TwoDatabasesStopBothSides(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		a, b := pair(t, e, false)
		eventually(t, "both sides stop", func() bool {
			for _, n := range []*node{a, b} {
				_ = n.Poll(t.Context())
			}
			ra, rb := a.d.Refused(), b.d.Refused()
			return ra != nil && rb != nil && ra.Closed && rb.Closed && ra.Verdict == "two databases" &&
				rb.Verdict == "two databases"
		})
		for _, n := range []*node{a, b} {
			if err := n.d.Write(t.Context(), fact); !stoa.Is(err, stoa.KindUnavailable) {
				t.Errorf("written while two databases take writes: %v", err)
			}
		}
	})
}

// The node whose database has less leaves; the other goes on.
func TestHear_TheShorterHistoryIsLeft(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		long, short := pair(t, e, true)
		eventually(t, "the node on the shorter side stops", func() bool {
			_ = short.Poll(t.Context())
			long.poll()
			r := short.d.Refused()
			return r != nil && r.Closed && r.Verdict == "behind"
		})
		long.write("fact", 1)
		if r := long.d.Refused(); r != nil {
			t.Errorf("the longer side refuses: %+v", r)
		}
	})
}

// A heartbeat that is late, or was lost with a crash and made up for, is no other database.
func TestHear_BeatsThatComeAreNoOtherDatabase(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		var a, b *node
		a = open(t, d[0], func(o *change.Options) { o.Tell = func(w []byte) { b.Hear(w) } })
		b = open(t, d[1])
		for range 5 {
			a.poll()
			b.poll()
			b.poll()
		}
		for _, word := range []string{"", "{", "null", `{"writer":"x","beat":9}`, `{"writer":"-7","beat":-1}`,
			strings.Repeat("a", 1<<16)} {
			b.Hear([]byte(word))
		}
		b.poll()
		b.poll()
		if r := b.d.Refused(); r != nil {
			t.Errorf("refused: %+v", r)
		}
		b.write("fact", 1)
	})
}

// An incarnation that another process begins is followed also by a node whose connections have all ended.
func TestPoll_NewIncarnationIsFollowedWithoutAnOpenConnection(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		address := dbtest.URL(t, e)
		d := handle(t, address, func(o *db.Options) { o.IdleTime = 10 * time.Millisecond })
		n := open(t, d)
		n.poll()
		eventually(t, "idle connections are closed", func() bool { return d.Stats().OpenConnections == 0 })
		if _, err := handle(t, address).Adopt(t.Context(), 4, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new incarnation is followed", func() bool { return n.Poll(t.Context()) == nil })
		if d.Incarnation() != 5 {
			t.Errorf("incarnation %d, want 5", d.Incarnation())
		}
	})
}

// A server that stopped an hour ago lacks this life of a node altogether; that the life is young does not make
// the loss small.
func TestPoll_YoungNodeDoesNotFollowAServerOfAnHourAgo(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		address := dbtest.URL(t, e)
		d := handle(t, address)
		n := open(t, d)
		n.write("fact", 1)
		n.poll()
		plainly(t, address, fmt.Sprintf("UPDATE change_writer SET writer = 5, beat = 9, seen = %d",
			time.Now().Add(-time.Hour).UnixMicro()), "DELETE FROM change_log")
		for range 3 {
			if err := n.Poll(t.Context()); err == nil {
				t.Fatal("a proof was made of a database of an hour ago")
			}
		}
		if r := d.Refused(); r == nil || r.Verdict != "behind" || r.Lost < 59*time.Minute {
			t.Errorf("refused %+v, want behind by an hour", r)
		}
	})
}

// A look that lacks what another node has committed proves nothing.
func TestHear_LookWithoutACommittedBeatIsNoProof(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		n := open(t, handle(t, dbtest.URL(t, e)))
		n.poll()
		n.Hear([]byte(`{"writer":"77","beat":5,"server":"elsewhere","incarnations":[]}`))
		before := n.Proof()
		_ = n.Poll(t.Context())
		if n.Proof() > before {
			t.Error("the look counts as a proof although a committed beat is missing in it")
		}
	})
}

// A message server can hold up the caller that gives it a message, while the database answers all the time.
func TestPoll_MessagesThatStandStillHoldUpNoProof(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, e dbtest.Engine) {
		held := make(chan struct{})
		n := open(t, handle(t, dbtest.URL(t, e)), func(o *change.Options) { o.Tell = func([]byte) { <-held } })
		t.Cleanup(func() { close(held) }) // before the log is closed
		for range 4 {
			before := n.Proof()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			err := n.Poll(ctx)
			cancel()
			if err != nil || n.Proof() <= before {
				t.Fatalf("no new proof while a message is held up: %v", err)
			}
		}
	})
}
