package follow_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/follow"
)

// world is a database with things that editors change, and what a follower has made of them.
type world struct {
	t       *testing.T
	engine  dbtest.Engine
	address string
	d       *db.DB // of the test itself
	editor  *change.Log

	mu       sync.Mutex
	versions map[stoa.ID]int64 // the newest version that any thing had, deleted ones as well
	poison   map[stoa.ID]error // what following it leads to
	away     error
	tell     func(c follow.Change) // is called for each change in Apply
}

func worlds(t *testing.T, engines []dbtest.Engine, fn func(t *testing.T, w *world)) {
	t.Helper()
	for _, e := range engines {
		t.Run(string(e), func(t *testing.T) {
			w := &world{t: t, engine: e, address: dbtest.URL(t, e), versions: map[stoa.ID]int64{}, poison: map[stoa.ID]error{}}
			w.d = w.open(w.address, 0)
			for _, s := range []string{
				"CREATE TABLE test_thing (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, scope BIGINT NOT NULL)",
				"CREATE TABLE test_mirror (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)",
				"CREATE TABLE test_effect (seq BIGINT NOT NULL PRIMARY KEY, id BIGINT NOT NULL, version BIGINT NOT NULL)",
				"CREATE TABLE test_told (told VARCHAR(190) NOT NULL PRIMARY KEY, times BIGINT NOT NULL)",
			} {
				if err := w.d.Control(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(t.Context(), s)
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
			w.editor = w.log(w.d, nil)
			fn(t, w)
		})
	}
}

var servers = []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB}

func (w *world) open(url string, writer int64) *db.DB {
	w.t.Helper()
	d, err := db.Open(context.Background(), db.Options{URL: url, Writer: writer, MaxConns: 8, MinIdle: 1,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// log opens a change log and follows it until the test ends.
func (w *world) log(d *db.DB, beat *cluster.Node, also ...func(*change.Options)) *change.Log {
	w.t.Helper()
	o := change.Options{DB: d, PollInterval: 50 * time.Millisecond, MinPollGap: time.Millisecond}
	if beat != nil {
		o.Writer, o.Beat = beat.Self().Writer, beat.Beat
	}
	for _, fn := range also {
		fn(&o)
	}
	l, err := change.Open(context.Background(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	w.t.Cleanup(func() { cancel(); wg.Wait(); _ = l.Close(context.Background()) })
	return l
}

// host is one node that runs followers.
type host struct {
	*follow.Service
	w    *world
	d    *db.DB
	link *dbtest.Link // nil on SQLite
	node *cluster.Node
	log  *change.Log
}

// join starts a node with the followers; a test changes the options.
func (w *world) join(id string, f follow.Follower, also ...func(*follow.Options)) *host {
	w.t.Helper()
	h := &host{w: w}
	url := w.address
	if w.engine != dbtest.SQLite {
		h.link = dbtest.NewLink(w.t, w.address)
		url = h.link.URL
	}
	writer := change.NewWriter()
	h.d = w.open(url, writer)
	var err error
	h.node, err = cluster.Join(context.Background(), cluster.NodeOptions{DB: h.d, Writer: writer, NodeID: id})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = h.node.Leave(context.Background()) })
	h.log = w.log(h.d, h.node)
	h.start(f, also...)
	w.t.Cleanup(h.thaw) // first, or the others wait for the database
	return h
}

// start runs the follower on the node, again if it was stopped.
func (h *host) start(f follow.Follower, also ...func(*follow.Options)) {
	h.w.t.Helper()
	o := follow.Options{DB: h.d, Log: h.log, Node: h.node.ID(), Backoff: time.Millisecond, Calm: 200 * time.Millisecond,
		Lease: func(name string) follow.Lease { return h.node.Lease(name) }}
	for _, fn := range also {
		fn(&o)
	}
	s, err := follow.New(o)
	if err == nil {
		err = s.Add(f)
	}
	if err != nil {
		h.w.t.Fatal(err)
	}
	h.Service = s
	s.Start(context.Background())
	h.w.t.Cleanup(s.Stop)
}

func (h *host) thaw() {
	if h.link != nil {
		h.link.Mend()
		h.link.Thaw()
	}
}

// save makes a thing, or changes it, by the editor of the handle.
func (w *world) save(d *db.DB, id stoa.ID) {
	w.t.Helper()
	if err := w.edit(d, id, false); err != nil {
		w.t.Fatal(err)
	}
}

// edit changes or deletes a thing, and knows its version.
func (w *world) edit(d *db.DB, id stoa.ID, gone bool) error {
	w.mu.Lock()
	w.versions[id]++
	version := w.versions[id]
	w.mu.Unlock()
	return d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		tx.Changed("thing", id, 7, version)
		if gone {
			_, err := tx.Exec(ctx, "DELETE FROM test_thing WHERE id = ?", id)
			return err
		}
		return tx.Upsert(ctx, "test_thing", []string{"id"}, db.Row{"id": id, "version": version, "scope": 7})
	})
}

// mirror is a follower in the database. It notes each effect, and each row that it was told of.
func (w *world) mirror(also ...func(*follow.Follower)) follow.Follower {
	f := follow.Follower{Name: "mirror", Kinds: []string{"thing"},
		Apply: func(ctx context.Context, b follow.Batch) error {
			for _, c := range b.Changes {
				if err := w.hinder(c); err != nil {
					return err
				}
				if err := w.told(ctx, b.Tx, c.Key()); err != nil {
					return err
				}
				if err := w.reflect(ctx, b.Tx, c.ID); err != nil {
					return err
				}
			}
			return nil
		},
		Rebuild: func(ctx context.Context, p follow.Portion) (string, error) {
			from, _ := strconv.ParseInt(p.From, 10, 64)
			ids, err := db.All(ctx, p.Tx, func(s db.Scanner) (id stoa.ID, err error) { return id, s.Scan(&id) },
				"SELECT id FROM (SELECT id FROM test_thing WHERE id > ? UNION SELECT id FROM test_mirror WHERE id > ?) AS both_of "+
					"ORDER BY id LIMIT 5", from, from)
			if err != nil || len(ids) == 0 {
				return "", err
			}
			for _, id := range ids {
				if err := w.reflect(ctx, p.Tx, id); err != nil {
					return "", err
				}
			}
			return ids[len(ids)-1].String(), nil
		},
	}
	for _, fn := range also {
		fn(&f)
	}
	return f
}

func (w *world) hinder(c follow.Change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tell != nil {
		w.tell(c)
	}
	if w.away != nil {
		return w.away
	}
	return w.poison[c.ID]
}

// told counts how often a row took effect.
func (w *world) told(ctx context.Context, tx *db.Tx, key string) error {
	n, err := tx.Affected(ctx, "UPDATE test_told SET times = times + 1 WHERE told = ?", key)
	if err == nil && n == 0 {
		err = tx.Insert(ctx, "test_told", db.Row{"told": key, "times": 1})
	}
	return err
}

// reflect brings the mirror of a thing to its present state.
func (w *world) reflect(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	var version int64
	err := tx.QueryRow(ctx, "SELECT version FROM test_thing WHERE id = ?", id).Scan(&version)
	switch {
	case db.IsNoRows(err):
		_, err = tx.Exec(ctx, "DELETE FROM test_mirror WHERE id = ?", id)
	case err == nil:
		err = tx.Upsert(ctx, "test_mirror", []string{"id"}, db.Row{"id": id, "version": version})
	}
	if err != nil {
		return err
	}
	if version == 0 {
		return nil
	}
	var seq int64
	if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(seq), 0) + 1 FROM test_effect").Scan(&seq); err != nil {
		return err
	}
	return tx.Insert(ctx, "test_effect", db.Row{"seq": seq, "id": id, "version": version})
}

type thing struct {
	id      stoa.ID
	version int64
}

// read reads with the handle of the test, which looks again where a fail-over was: until then reads are refused.
func (w *world) read(fn func() error) {
	w.t.Helper()
	var err error
	w.eventually("a read", func() bool {
		if err = fn(); stoa.Is(err, stoa.KindUnavailable) {
			_ = w.d.Recheck(context.Background()) // what it finds the next read shows
			return false
		}
		return true
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// all reads things.
func (w *world) all(query string) (list []thing) {
	w.t.Helper()
	w.read(func() (err error) {
		list, err = db.All(context.Background(), w.d,
			func(s db.Scanner) (x thing, err error) { return x, s.Scan(&x.id, &x.version) }, query)
		return err
	})
	return list
}

// mirrored reports whether the mirror shows what there is.
func (w *world) mirrored() bool {
	return slices.Equal(w.all("SELECT id, version FROM test_thing ORDER BY id"),
		w.all("SELECT id, version FROM test_mirror ORDER BY id"))
}

// judge checks what must hold of all effects so far.
func (w *world) judge() {
	w.t.Helper()
	newest := map[stoa.ID]int64{}
	for _, e := range w.all("SELECT id, version FROM test_effect ORDER BY seq") {
		if e.version < newest[e.id] {
			w.t.Errorf("thing %d went back from version %d to %d", e.id, newest[e.id], e.version)
		}
		newest[e.id] = e.version
	}
	twice, err := db.All(context.Background(), w.d, func(s db.Scanner) (k string, err error) { return k, s.Scan(&k) },
		"SELECT told FROM test_told WHERE times > 1")
	if err != nil || len(twice) > 0 {
		w.t.Errorf("rows that took effect more than once: %v %v", twice, err)
	}
}

func (w *world) one(query string, args ...any) (n int64) {
	w.t.Helper()
	w.read(func() error { return w.d.QueryRow(context.Background(), query, args...).Scan(&n) })
	return n
}

func (w *world) exec(statements ...string) {
	w.t.Helper()
	for _, s := range statements {
		if err := w.d.Control(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(context.Background(), s)
			return err
		}); err != nil {
			w.t.Fatalf("%s: %v", s, err)
		}
	}
}

// another begins another history, as a fail-over does.
func (w *world) another() {
	w.t.Helper()
	if _, err := w.d.Adopt(context.Background(), 0, nil); err != nil {
		w.t.Fatal(err)
	}
}

// prune removes what the log needs no more at a later time.
func (w *world) prune(later time.Duration) int64 {
	w.t.Helper()
	old, err := change.Open(context.Background(), change.Options{DB: w.open(w.address, 0),
		Now: func() time.Time { return time.Now().Add(later) }})
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := old.Prune(context.Background(), nil)
	if err = errors.Join(err, old.Close(context.Background())); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// published waits until the database knows how far the editor is settled, or nothing of it is pruned.
func (w *world) published() {
	w.t.Helper()
	w.eventually("what is settled is published", func() bool {
		return uint64(w.one("SELECT low FROM change_writer WHERE writer = ?", w.editor.Writer())) == w.editor.Status().Low
	})
}

func (w *world) status(h *host) follow.Status {
	w.t.Helper()
	list, err := h.Statuses(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range list {
		if s.Name == "mirror" || len(list) == 1 {
			return s
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return follow.Status{}
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(5 * time.Minute)
	for {
		began := time.Now()
		if ok() {
			return
		}
		select { // looking leaves as much of the processor as it takes
		case <-deadline:
			w.t.Fatal("waited in vain: " + what)
		case <-time.After(max(5*time.Millisecond, time.Since(began))):
		}
	}
}

var operator = stoa.WithActor(context.Background(),
	stoa.Actor{User: 5, Instance: 1, Operator: true, Proven: time.Now()})

func key(i int) stoa.ID { return stoa.ID(i) }
