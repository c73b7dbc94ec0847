package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// portal is a node of a test with replicas: it beats as the change log does.
type portal struct {
	t        *testing.T
	d        *db.DB
	replicas *db.Replicas
	n        atomic.Uint64
	began    time.Time
}

const testWriter = 4711

func (p *portal) clock() time.Duration { return time.Since(p.began) }

// openPortal opens the write source, beats until the test ends, and watches the replicas.
func openPortal(t *testing.T, write string, read db.Options) *portal {
	t.Helper()
	p := &portal{t: t, began: time.Now().Add(-time.Minute)}
	var err error
	if p.d, err = db.Open(t.Context(), db.Options{URL: write, User: "stoa", Password: "stoa",
		Clock: p.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.d.Close() })
	if err := p.d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.exec("CREATE TABLE pair (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)")
	p.exec("INSERT INTO pair (id, value) VALUES (1, 0), (2, 0)")
	p.exec(
		"INSERT INTO change_writer (writer, low, horizon, beat, seen) VALUES (" + strconv.Itoa(testWriter) + ", 0, 0, 0, 0)",
	)
	read.User, read.Password, read.Logger = "stoa", "stoa", slog.New(slog.DiscardHandler)
	read.MaxConns, read.MinIdle = 8, 2
	if p.replicas, err = db.OpenReplicas(p.d, read); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for beat := int64(1); ctx.Err() == nil; beat++ {
			sent := p.clock()
			err := p.d.Control(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE change_writer SET beat = ? WHERE writer = ?", beat, testWriter)
				return err
			})
			if err == nil {
				p.d.BeatSent(testWriter, beat, sent)
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
		if err := p.replicas.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *portal) exec(query string) {
	p.t.Helper()
	if err := p.d.Control(p.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(p.t.Context(), query)
		return err
	}); err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
}

// write sets both values in one transaction, with a row of the change log, and gives its place.
func (p *portal) write(value int) db.Place {
	p.t.Helper()
	place := db.Place{Writer: testWriter, N: p.n.Add(1)}
	ctx := p.t.Context()
	if err := p.d.Control(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE pair SET value = ?", value); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO change_log (writer, n, part, low, kind, thing, scope, version, at) "+
			"VALUES (?, ?, 0, 0, 'pair', 1, 0, 1, 0)",
			place.Writer, int64(place.N))
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	return place
}

// read reads both values in two statements.
func (p *portal) read(who string, places ...db.Place) (value int) {
	p.t.Helper()
	var values [2]int
	err := p.replicas.Snapshot(p.t.Context(), who, places, func(ctx context.Context) error {
		q := db.Reader(ctx, p.d)
		for i := range values {
			if err := q.QueryRow(ctx, "SELECT value FROM pair WHERE id = ?", i+1).Scan(&values[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Errorf("a read fails: %v", err)
	}
	return values[0]
}

// used waits until n replicas serve reads.
func (p *portal) used(leftOut int) {
	p.t.Helper()
	dbtest.Await(p.t, 20*time.Second, func() error {
		if s := p.replicas.Stats(); len(s.LeftOut) != leftOut {
			return fmt.Errorf("left out: %v, want %d", s.LeftOut, leftOut)
		}
		return nil
	})
}

// served reports whether a replica served what fn reads.
func (p *portal) served(fn func()) bool {
	before := p.replicas.Stats().Served
	fn()
	return p.replicas.Stats().Served > before
}

func postgresURL(servers ...*dbtest.Server) string {
	hosts := ""
	for i, s := range servers {
		if i > 0 {
			hosts += ","
		}
		hosts += s.Addr()
	}
	return "jdbc:postgresql://" + hosts + "/app?sslmode=disable&targetServerType=any"
}

const trustAll = "host all all 127.0.0.1/32 trust\n"

// A replica serves what is current, shows no one the past when it is held back, and what fails on it is read on
// the write source.
func TestReplica_ShowsNoOneThePast(t *testing.T) {
	t.Parallel()
	primary := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{HBA: trustAll})
	primary.Exec("CREATE DATABASE app")
	standby := dbtest.StartServer(t, dbtest.Postgres,
		dbtest.ServerOptions{Of: primary, Args: []string{"max_standby_streaming_delay=0", "hot_standby_feedback=off"}})
	p := openPortal(t, postgresURL(primary), db.Options{URL: postgresURL(standby)})
	p.used(0)
	if !p.served(func() { p.read("ann") }) {
		t.Error("the replica does not serve")
	}

	standby.Exec("SELECT pg_wal_replay_pause()")
	place := p.write(1)
	wrote := time.Now()
	for _, who := range []string{"zoe", "yan", "ann"} { // whether they have read before or not
		if v := p.read(who, place); v != 1 {
			t.Errorf("the writer of 1 is shown %d", v)
		}
	}
	if v := p.read("ann"); v != 1 {
		t.Errorf("the reader of 1 is shown %d", v)
	}
	// Others may be shown what was there a second ago, and nothing older.
	for old := true; old; {
		begun := time.Now()
		old = p.read("someone "+strconv.FormatInt(begun.UnixNano(), 36)) != 1
		if old && begun.Sub(wrote) > time.Second {
			t.Fatal("a reader is shown what was there more than a second ago")
		}
	}
	p.used(1)
	if p.served(func() { p.read("bob") }) {
		t.Error("a replica that lags serves")
	}
	standby.Exec("SELECT pg_wal_replay_resume()")
	p.used(0)
	if !p.served(func() {
		if v := p.read("cid", place); v != 1 {
			t.Errorf("after the replica has caught up it shows %d", v)
		}
	}) {
		t.Error("the replica does not serve again")
	}

	// The replica ends the transaction in its middle: all reads of the request begin anew.
	runs := 0
	var first, second int
	err := p.replicas.Snapshot(t.Context(), "dan", nil, func(ctx context.Context) error {
		runs++
		q := db.Reader(ctx, p.d)
		if err := q.QueryRow(ctx, "SELECT value FROM pair WHERE id = 1").Scan(&first); err != nil {
			return err
		}
		if runs == 1 {
			p.write(2)
			admin, err := primary.Admin(t.Context())
			if err != nil {
				return err
			}
			_ = admin.Close()
			p.vacuum()
			for range 200 { // until the server says that the snapshot is gone
				if err := q.QueryRow(ctx, "SELECT value FROM pair WHERE id = 1").Scan(&second); err != nil {
					return err
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(20 * time.Millisecond):
				}
			}
			return errors.New("the replica keeps the snapshot")
		}
		return q.QueryRow(ctx, "SELECT value FROM pair WHERE id = 2").Scan(&second)
	})
	if err != nil || runs != 2 || first != 2 || second != 2 {
		t.Errorf("after %d runs: %d and %d, error %v; want 2 runs and 2, 2", runs, first, second, err)
	}

	standby.Kill()
	for range 5 {
		if v := p.read("eve"); v != 2 {
			t.Errorf("without the replica a reader is shown %d", v)
		}
	}
	p.used(1)
}

// vacuum takes away what only old snapshots see.
func (p *portal) vacuum() {
	p.t.Helper()
	o := db.Options{URL: p.d.Describe() + "?sslmode=disable", User: "stoa"}
	pool, err := db.OpenPlain(p.t.Context(), o)
	if err != nil {
		p.t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(p.t.Context(), "VACUUM (FREEZE) pair"); err != nil {
		p.t.Fatal(err)
	}
}

// Two replicas at different points: a request sees one moment of one server, and a person nothing that goes back.
func TestReplica_RequestsNeverMixServers(t *testing.T) {
	t.Parallel()
	primary := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{HBA: trustAll})
	primary.Exec("CREATE DATABASE app")
	one := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{Of: primary})
	two := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{Of: primary, Args: []string{"cluster_name=two"}})
	p := openPortal(t, postgresURL(primary), db.Options{URL: postgresURL(one, two)})
	p.used(0)
	// One replica stops and goes on all the time.
	end := time.Now().Add(4 * time.Second)
	var wg sync.WaitGroup
	wg.Go(func() {
		for time.Now().Before(end) {
			one.Exec("SELECT pg_wal_replay_pause()")
			<-time.After(150 * time.Millisecond)
			one.Exec("SELECT pg_wal_replay_resume()")
			<-time.After(50 * time.Millisecond)
		}
	})
	var last atomic.Int64
	wg.Go(func() {
		for v := 1; time.Now().Before(end); v++ {
			p.write(v)
			last.Store(int64(v))
			<-time.After(time.Millisecond)
		}
	})
	for i := range 12 {
		who := "person " + strconv.Itoa(i)
		wg.Go(func() {
			before := 0
			for time.Now().Before(end) {
				<-time.After(time.Duration(100+20*i) * time.Millisecond) // at the pace of people
				var values [2]int
				err := p.replicas.Snapshot(t.Context(), who, nil, func(ctx context.Context) error {
					q := db.Reader(ctx, p.d)
					if err := q.QueryRow(ctx, "SELECT value FROM pair WHERE id = 1").Scan(&values[0]); err != nil {
						return err
					}
					if q == db.Queryer(p.d) { // the write source gives no snapshot: each statement stands alone
						values[1] = values[0]
						return nil
					}
					<-time.After(5 * time.Millisecond)
					return q.QueryRow(ctx, "SELECT value FROM pair WHERE id = 2").Scan(&values[1])
				})
				if err != nil {
					t.Error(err)
					return
				}
				if values[0] != values[1] {
					t.Errorf("one request is shown %d and %d", values[0], values[1])
				}
				if values[0] < before {
					t.Errorf("%s was shown %d and then %d", who, before, values[0])
				}
				before = values[0]
			}
		})
	}
	wg.Wait()
	if s := p.replicas.Stats(); s.Served < 10 || s.Served == s.All {
		t.Errorf("of %d reads, replicas served %d: want some on either", s.All, s.Served)
	} else {
		t.Logf("of %d reads, replicas served %d", s.All, s.Served)
	}
}

// PostgreSQL's primary may make commits visible in another order than it wrote them, which is the order of its
// replicas (long fork): a request sees the one or the other, never a mixture that was nowhere.
func TestReplica_LongForkIsSeenFromOneSide_Rule35(t *testing.T) {
	t.Parallel()
	primary := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{HBA: trustAll})
	primary.Exec("CREATE DATABASE app", "ALTER DATABASE app SET synchronous_commit = local")
	one := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{Of: primary})
	witness := dbtest.StartServer(t, dbtest.Postgres,
		dbtest.ServerOptions{Of: primary, Args: []string{"cluster_name=witness"}})
	p := openPortal(t, postgresURL(primary), db.Options{URL: postgresURL(one)})
	p.used(0)
	primary.Exec("ALTER SYSTEM SET synchronous_standby_names = witness", "SELECT pg_reload_conf()")
	pools := map[*dbtest.Server]*sql.DB{}
	for _, s := range []*dbtest.Server{primary, one} {
		pool, err := db.OpenPlain(t.Context(), db.Options{URL: postgresURL(s), User: "stoa", ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		pools[s] = pool
	}
	sees := func(s *dbtest.Server) (seen string) {
		if err := pools[s].QueryRowContext(t.Context(),
			"SELECT string_agg(value::text, ' ' ORDER BY id) FROM pair").Scan(&seen); err != nil {
			t.Fatal(err)
		}
		return seen
	}
	for round := 1; ; round++ {
		p.used(0)
		witness.Exec("SELECT pg_wal_replay_pause()")
		held := make(chan error, 1)
		go func() {
			held <- p.d.Control(context.WithoutCancel(t.Context()), func(tx *db.Tx) error {
				if _, err := tx.Exec(context.Background(), "SET LOCAL synchronous_commit = remote_apply"); err != nil {
					return err
				}
				_, err := tx.Exec(context.Background(), "UPDATE pair SET value = ? WHERE id = 1", round)
				return err
			})
		}()
		was := strconv.Itoa(round - 1)
		now := strconv.Itoa(round)
		dbtest.Await(t, 10*time.Second, func() error {
			if s := sees(one); s != now+" "+was {
				return errors.New("the replica sees " + s)
			}
			return nil
		})
		one.Exec("SELECT pg_wal_replay_pause()")
		p.exec("UPDATE pair SET value = " + now + " WHERE id = 2")
		if a, b := sees(one), sees(primary); a != now+" "+was || b != was+" "+now {
			t.Fatalf("there is no fork: the replica sees %s, the primary %s", a, b)
		}
		count := map[string]int{}
		for i := 0; count["primary"] < 20 && i < 400; i++ {
			var first, second string
			from := "primary"
			if err := p.replicas.Snapshot(t.Context(), fmt.Sprint(round, " ", i), nil, func(ctx context.Context) error {
				q := db.Reader(ctx, p.d)
				if from = "primary"; q != db.Queryer(p.d) {
					from = "replica"
				}
				if err := q.QueryRow(ctx, "SELECT value FROM pair WHERE id = 1").Scan(&first); err != nil {
					return err
				}
				<-time.After(5 * time.Millisecond)
				return q.QueryRow(ctx, "SELECT value FROM pair WHERE id = 2").Scan(&second)
			}); err != nil {
				t.Fatal(err)
			}
			if want := map[string]string{
				"primary": was + " " + now, "replica": now + " " + was}[from]; first+" "+second != want {
				t.Fatalf("from the %s a request sees %s %s, want %s", from, first, second, want)
			}
			count[from]++
		}
		witness.Exec("SELECT pg_wal_replay_resume()")
		one.Exec("SELECT pg_wal_replay_resume()")
		if err := <-held; err != nil {
			t.Fatal(err)
		}
		if count["replica"] > 0 && count["primary"] > 0 {
			t.Logf("round %d: %v", round, count)
			return
		}
		if round == 10 {
			t.Fatalf("no round saw both sides of the fork: %v", count)
		}
	}
}

// The same with MariaDB, whose replica is held back on purpose.
func TestReplica_DelayedMariaDB(t *testing.T) {
	t.Parallel()
	primary := dbtest.StartServer(t, dbtest.MariaDB,
		dbtest.ServerOptions{Args: []string{"--server-id=1", "--log-bin=bin", "--binlog-format=ROW"}})
	standby := dbtest.StartServer(t, dbtest.MariaDB, dbtest.ServerOptions{Of: primary, Args: []string{"--server-id=2"}})
	standby.Exec(
		fmt.Sprintf(
			"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='stoa', MASTER_PASSWORD='stoa', "+
				"MASTER_USE_GTID=slave_pos",
			primary.Port,
		),
		"START SLAVE",
	)
	primary.Exec("CREATE DATABASE app CHARACTER SET utf8mb4")
	p := openPortal(t, "mariadb://"+primary.Addr()+"/app", db.Options{URL: "mariadb://" + standby.Addr() + "/app"})
	p.used(0)
	if !p.served(func() { p.read("ann") }) {
		t.Error("the replica does not serve")
	}
	standby.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=30", "START SLAVE")
	place := p.write(1)
	if v := p.read("ann", place); v != 1 {
		t.Errorf("the writer of 1 is shown %d", v)
	}
	p.used(1)
	if v := p.read("bob"); v != 1 {
		t.Errorf("with a replica that is 30 s behind a reader is shown %d", v)
	}
	standby.Exec("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=0", "START SLAVE")
	p.used(0)
	if !p.served(func() { p.read("cid", place) }) {
		t.Error("the replica does not serve again")
	}
}
