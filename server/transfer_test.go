package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

func TestCopyDatabase_NodesServeMeanwhileAndThenNameTheNewAddress(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]dbtest.Engine{{dbtest.Postgres, dbtest.MariaDB}, {dbtest.MariaDB, dbtest.Postgres}} {
		t.Run(string(pair[0])+"-"+string(pair[1]), func(t *testing.T) {
			to := dbtest.URL(t, pair[1])
			g := servertest.NewGroup(t, pair[0])
			nodes := []*servertest.Node{g.Join(nil), g.Join(nil)}
			if _, err := nodes[0].Files.Upload(servertest.System(), nodes[0].Site(t), document.Upload{Name: "tides.txt",
				Type: "text/plain", Body: strings.NewReader("High water at noon.\n")}); err != nil {
				t.Fatal(err)
			}
			// Two editors publish through the forms until the portal takes no more.
			var published sync.Map
			var editors sync.WaitGroup
			ctx, stop := context.WithCancel(context.Background())
			defer editors.Wait()
			defer stop()
			for i, n := range nodes {
				n.SignIn(t)
				editors.Go(func() {
					for k := 0; ctx.Err() == nil; k++ {
						slug := fmt.Sprintf("by-%d-%d", i, k)
						a := n.Post(t, "/control/content/new", url.Values{"site": {n.Site(t).ID.String()},
							"version": {"0"}, "kind": {"post"},
							"slug": {slug}, "title": {slug}, "body": {"text"}, "do": {"publish"}})
						if a.Status != http.StatusSeeOther {
							return
						}
						published.Store(slug, true)
					}
				})
			}
			text, err := server.CopyDatabase(context.Background(), g.Config(nil), server.CopyOrder{To: to},
				slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Log(text)
			editors.Wait() // each of them is refused
			for _, n := range nodes {
				wait(t, func() bool {
					a := n.Get(t, "/readyz")
					return a.Status == http.StatusServiceUnavailable && strings.Contains(a.Body, "moved to")
				})
				a := n.Post(t, "/control/content/new", url.Values{"site": {n.Site(t).ID.String()}, "version": {"0"},
					"kind": {"post"},
					"slug": {"late"}, "title": {"late"}, "body": {"text"}, "do": {"publish"}})
				if a.Status != http.StatusServiceUnavailable {
					t.Errorf("a write after the move: %d", a.Status)
				}
			}
			if _, err := server.New(context.Background(), server.Options{Config: g.Config(nil),
				NoSync: true}); !stoa.Is(err, stoa.KindConflict) || !strings.Contains(err.Error(), "was moved") {
				t.Errorf("a node that starts on the database that the portal has left: %v", err)
			}
			for _, n := range nodes { // they find out while the new one runs, sooner or later
				n.Left = true
			}
			there := g.Join(map[string]string{"jdbc.default.url": to})
			mustSee(t, there.Get(t, "/readyz"), http.StatusOK)
			_, st, err := there.Sites.Resolve(servertest.System(), "localhost")
			if err != nil {
				t.Fatal(err)
			}
			count := 0
			published.Range(func(slug, _ any) bool {
				count++
				if _, err := there.Content.LiveBySlug(servertest.System(), st, slug.(string)); err != nil {
					t.Errorf("article %s was published, the answer said so: %v", slug, err)
				}
				return true
			})
			t.Log(count, "articles were published during the copy")
			if count == 0 {
				t.Error("no article was published during the copy")
			}
			there.SignIn(t)
			there.Publish(t, "after", "After the move", "text")
		})
	}
}

// wait waits for a condition.
func wait(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

func TestRestore_IntoAnotherEngineEndsSessions(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.Postgres)
	nodes := []*servertest.Node{g.Join(nil), g.Join(nil)}
	f, err := nodes[0].Files.Upload(servertest.System(), nodes[0].Site(t), document.Upload{Name: "tides.txt",
		Type: "text/plain", Body: strings.NewReader("High water at noon.\n")})
	if err != nil {
		t.Fatal(err)
	}
	nodes[0].SignIn(t)
	nodes[0].Publish(t, "kept", "Kept", "Text that is kept")
	mustSee(t, nodes[0].Get(t, "/control/"), http.StatusOK)
	var out bytes.Buffer
	h, _, err := server.CheckedBackup(context.Background(), &out, nil, func(w io.Writer) error {
		running, err := server.ControlStream(context.Background(), nodes[1].Home, "backup/stream",
			server.ControlRequest{}, w)
		if !running {
			t.Error("no node runs on the home")
		}
		return err
	})
	if err != nil || h.Engine != "postgres" {
		t.Fatalf("%+v %v", h, err)
	}
	dir := t.TempDir()
	if _, _, err := server.BackupToDir(context.Background(), filepath.Join(dir, "b"), nil, func(w io.Writer) error {
		_, err := w.Write(out.Bytes()[:out.Len()-9])
		return err
	}); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("a backup that was cut off on its way: %v", err)
	}
	if _, _, err := server.BackupToDir(context.Background(), filepath.Join(dir, "b"), nil, func(w io.Writer) error {
		_,
			err := w.Write(out.Bytes())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	flags := map[string]string{"jdbc.default.url": dbtest.URL(t, dbtest.MariaDB),
		"dl.store.file.system.root.dir":       filepath.Join(dir, "files"),
		"portal.instance.inet.socket.address": "127.0.0.1:0", "shutdown.drain.delay": "0s"}
	c, err := config.Load(config.Options{Home: filepath.Join(dir, "home"), WorkDir: dir, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	latin := otherDatabase(t, dbtest.Postgres,
		"CREATE DATABASE %s ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	if _, _, err := server.Restore(context.Background(), c, nil, filepath.Join(dir, "b"), latin, "",
		slog.New(slog.DiscardHandler), nil); !stoa.Is(err, stoa.KindInvalid) ||
		!strings.Contains(err.Error(), "is in LATIN1") {
		t.Errorf("a restore into LATIN1 says %v", err)
	}
	var told int64
	if _, _, err := server.Restore(context.Background(), c, nil, filepath.Join(dir, "b"), "", "",
		slog.New(slog.DiscardHandler), transfer.Progress(func(_ string, done, _ int64) { told = done })); err != nil {
		t.Fatal(err)
	}
	if told == 0 {
		t.Error("no progress was told")
	}
	// The portal before goes on, so the restored one is a cluster of its own.
	there := servertest.NewGroup(t, dbtest.MariaDB).Join(flags).As(nodes[0].Client) // with the cookie of the session
	mustSee(t, there.Get(t, "/readyz"), http.StatusOK)
	if a := there.Get(t, "/control/"); a.Status != http.StatusSeeOther {
		t.Errorf("who was signed in when the backup was made is still: %d", a.Status)
	}
	mustSee(t, there.Guest(t).Get(t, document.URL(there.Site(t).Slug, f)), http.StatusOK, "High water at noon.")
	again := there.Guest(t)
	again.SignIn(t)
	again.Publish(t, "new", "New", "Text that is new")
}

func TestNew_HalfFilledDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	c := g.Config(nil)
	d, err := db.Open(context.Background(), db.Options{URL: c.Database.Default.URL})
	if err != nil {
		t.Fatal(err)
	}
	set := func(state string) {
		t.Helper()
		if err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Upsert(ctx, "db_transfer", []string{"id"}, db.Row{"id": "x", "kind": "copy-in", "state": state,
				"peer": "postgres://old/stoa", "started": 1, "beat": 1, "detail": "{}"})
		}); err != nil {
			t.Fatal(err)
		}
	}
	set("catching")
	s, err := server.New(context.Background(), server.Options{Config: c, NoSync: true})
	if !stoa.Is(err, stoa.KindConflict) || !strings.Contains(err.Error(), "postgres://old/stoa") {
		t.Errorf("a node starts on half a copy: %v", err)
		if err == nil {
			_ = s.Stop(context.Background())
		}
	}
	half, err := server.Unfit(context.Background(), server.WriteOptions(c), c)
	if err != nil || codesOf(half) != cluster.CodeDatabaseHalf || !strings.Contains(half[0].Mend, "stoa db copy") {
		t.Errorf("%+v, %v", half, err)
	}
	st, err := server.Look(context.Background(), c, nil)
	if err != nil || codesOf(st.Wrong) != "database.half[node.none]" {
		t.Errorf("%+v, %v", st.Wrong, err)
	}
	set("done")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustSee(t, g.Join(nil).Get(t, "/readyz"), http.StatusOK)
}
