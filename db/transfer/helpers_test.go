package transfer_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/db/transfer"
)

// fileColumns is what the portal tells of its files.
func fileColumns() []transfer.FileColumn {
	return []transfer.FileColumn{{Table: "document_file", Column: "file_key", Prefix: "document/", Size: "size",
		SHA256: "hash"}}
}

func pageRow(id, site int64, slug, layout string) db.Row {
	sum := sha256.Sum256([]byte(slug))
	return db.Row{"id": id, "site": site, "parent": 0, "slug": slug, "path": "/" + slug,
		"path_hash": hex.EncodeToString(sum[:]), "title": "Ünïcode “" + slug + "” 🏛",
		"place": 1, "hidden": id%2 == 0, "page_type": "page", "target": "", "layout": layout, "draft": "",
		"published": true, "restricted": false, "password": "",
		"seo": "{}", "template": "", "created": 1, "modified": int64(1) << 60, "modified_by": -5, "live_number": 1,
		"version": 1, "draft_version": 1}
}

func runRow(id int64, payload []byte) db.Row {
	return db.Row{"id": id, "job": "test", "fire": 0, "run_key": fmt.Sprint("key ", id), "payload": payload,
		"state": "waiting", "attempt": 0, "due": 0, "owner": 0,
		"claim": 0, "started": 0, "ended": 0, "message": "", "node": ""}
}

// seed fills a database with n pages and some rows of every kind of key.
func seed(t testing.TB, d *db.DB, n int) {
	t.Helper()
	ctx := context.Background()
	write := func(fn func(ctx context.Context, tx *db.Tx) error) {
		t.Helper()
		if err := d.Write(ctx, fn); err != nil {
			t.Fatalf("fill the database: %v", err)
		}
	}
	for from := 0; from < n; from += 500 {
		write(func(ctx context.Context, tx *db.Tx) error {
			for i := from; i < min(from+500, n); i++ {
				if err := tx.Insert(ctx, "page_page", pageRow(int64(1000+i), int64(i%3), fmt.Sprint("page-", i),
					strings.Repeat("x", i%50))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	write(func(ctx context.Context, tx *db.Tx) error {
		payloads := [][]byte{{}, {0}, {0, 255, 0x27, 0x5c, 0}, []byte("plain"), []byte("\xff\xfe'\"\\")}
		for i, p := range payloads {
			if err := tx.Insert(ctx, "job_run", runRow(int64(i+1), p)); err != nil {
				return err
			}
		}
		for _, kind := range []string{"page", "site", "Site", "_odd", "ärger"} { // sorted differently by languages
			for i := range 40 {
				if err := tx.Insert(ctx, "access_grant", db.Row{"kind": kind, "thing": i / 2, "role": i, "instance": 1,
					"action": 3}); err != nil {
					return err
				}
				if err := tx.Insert(ctx, "importer_item", db.Row{"site": 1, "source": "http://old", "kind": kind,
					"source_key": fmt.Sprintf("%c-%d", 'A'+i, i*7%11), "thing": i}); err != nil {
					return err
				}
				if err := tx.Insert(ctx, "taxonomy_assigned", db.Row{"kind": kind, "thing": i / 3,
					"term_kind": []string{"tag", "category"}[i%2], "term": i, "site": 1}); err != nil {
					return err
				}
			}
		}
		for i, host := range []string{"b.example", "a.example", "B.example", "xn--z.example", "z.example"} {
			if err := tx.Insert(ctx, "site_host", db.Row{"name": host, "instance": 1, "site": i}); err != nil {
				return err
			}
		}
		for _, name := range []string{"cluster", "filestore"} {
			if err := tx.Insert(ctx, "cluster_fact", db.Row{"name": name, "value": "of " + name}); err != nil {
				return err
			}
		}
		if err := tx.Insert(ctx, "cluster_lease", db.Row{"name": "master", "holder": 1, "epoch": 1,
			"beat": 1}); err != nil {
			return err
		}
		for _, table := range []string{"secret_sign", "secret_seal"} {
			if err := tx.Insert(ctx, table, db.Row{"purpose": "test", "number": 1, "made": 1, "wrap": "",
				"value": "x"}); err != nil {
				return err
			}
		}
		if err := tx.Insert(ctx, "user_link", db.Row{"digest": "d", "account": 1, "purpose": "reset",
			"expires": 1}); err != nil {
			return err
		}
		return tx.Insert(ctx, "user_session", db.Row{"id": 1, "digest": "x", "account": 1, "instance": 1, "created": 1,
			"seen": 1, "expires": 1, "remember": true,
			"address": "", "agent": "", "version": 1})
	})
}

// writers change the database all the time until stop is called, which gives the number of transactions that were
// answered. What each of them acknowledged last stands in acked: page id → slug, "" when deleted.
type writers struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	acked  map[int64]string
	done   atomic.Int64
	failed atomic.Int64
}

func write(t testing.TB, d *db.DB, n, pages int) *writers {
	ctx, cancel := context.WithCancel(context.Background())
	w := &writers{cancel: cancel, acked: map[int64]string{}}
	for i := range n {
		w.wg.Go(func() { w.run(ctx, d, int64(i), n, pages) })
	}
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *writers) stop() int64 {
	w.cancel()
	w.wg.Wait()
	return w.done.Load()
}

// run is one writer: it owns the pages whose number leaves its own as the rest.
func (w *writers) run(ctx context.Context, d *db.DB, me int64, n, pages int) {
	rnd := rand.New(rand.NewPCG(uint64(me), 7))
	serial := int64(0)
	for ctx.Err() == nil {
		serial++
		id := int64(1000 + rnd.IntN(pages/n)*n + int(me))
		other := int64(1000 + rnd.IntN(pages/n)*n + int(me))
		made := 10_000_000 + me*1_000_000 + serial
		slug := fmt.Sprintf("w%d-%d", me, serial)
		after := map[int64]string{}
		err := d.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *db.Tx) error {
			clear(after)
			switch rnd.IntN(5) {
			case 0: // a new page, and a big one
				after[made] = slug
				return tx.Insert(ctx, "page_page", pageRow(made, 9, slug, strings.Repeat("big ", rnd.IntN(2000))))
			case 1:
				after[id] = ""
				_, err := tx.Exec(ctx, "DELETE FROM page_page WHERE id = ?", id)
				return err
			case 2: // the address goes from one page to another
				if id == other {
					return nil
				}
				if _, err := tx.Exec(ctx, "DELETE FROM page_page WHERE id IN (?, ?)", id, other); err != nil {
					return err
				}
				after[id], after[other] = slug, "wander-"+fmt.Sprint(me)
				if _, err := tx.Exec(ctx, "DELETE FROM page_page WHERE site = 9 AND slug = ?",
					after[other]); err != nil {
					return err
				}
				w.mu.Lock()
				for old, s := range w.acked {
					if s == after[other] {
						after[old] = ""
					}
				}
				w.mu.Unlock()
				after[id], after[other] = slug, "wander-"+fmt.Sprint(me)
				if err := tx.Insert(ctx, "page_page", pageRow(id, 9, after[id], "")); err != nil {
					return err
				}
				return tx.Insert(ctx, "page_page", pageRow(other, 9, after[other], ""))
			case 3: // the key itself changes
				k, err := tx.Affected(ctx, "UPDATE page_page SET id = ? WHERE id = ?", made, id)
				if err == nil && k == 1 {
					w.mu.Lock()
					after[id], after[made] = "", cmp.Or(w.acked[id], fmt.Sprint("page-", id-1000))
					w.mu.Unlock()
				}
				return err
			default:
				_, err := tx.Exec(ctx, "UPDATE access_grant SET action = ? WHERE kind = 'page' AND role = ?", serial%5,
					serial%40)
				if err == nil {
					_, err = tx.Exec(ctx, "UPDATE job_run SET payload = ? WHERE id = ?", []byte{byte(serial), 0},
						1+serial%5)
				}
				return err
			}
		})
		if stoa.KindOf(err) == stoa.KindUnavailable {
			w.failed.Add(1)
		}
		select { // slower than the copy, or it would never be done
		case <-ctx.Done():
		case <-time.After(3 * time.Millisecond):
		}
		if err != nil {
			continue
		}
		w.done.Add(1)
		w.mu.Lock()
		for id, s := range after {
			w.acked[id] = s
		}
		w.mu.Unlock()
	}
}

// check looks for every acknowledged write in a database.
func (w *writers) check(t testing.TB, d *db.DB) {
	t.Helper()
	have := map[int64]string{}
	if err := db.Each(context.Background(), d, func(s db.Scanner) error {
		var id int64
		var slug string
		err := s.Scan(&id, &slug)
		have[id] = slug
		return err
	}, "SELECT id, slug FROM page_page"); err != nil {
		t.Fatal(err)
	}
	for id, slug := range w.acked {
		got, ok := have[id]
		switch {
		case slug == "" && ok:
			t.Errorf("page %d was deleted, the answer said so, and it is there as %q", id, got)
		case slug != "" && got != slug:
			t.Errorf("page %d was saved as %q, the answer said so, and it is %q (there: %v)", id, slug, got, ok)
		}
	}
}

// same compares every table of two databases.
func same(t testing.TB, a, b *db.DB) {
	t.Helper()
	x, err := transfer.Sums(context.Background(), a, a.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	y, err := transfer.Sums(context.Background(), b, b.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	if len(x) < 20 || len(x) != len(y) {
		t.Errorf("%d and %d tables were compared", len(x), len(y))
	}
	for name, sum := range x {
		if y[name] != sum {
			t.Errorf("table %s is %s and %s", name, sum, y[name])
		}
	}
}

// pairs are the directions in which portals move.
func pairs() [][2]dbtest.Engine {
	return [][2]dbtest.Engine{{dbtest.SQLite, dbtest.Postgres}, {dbtest.SQLite, dbtest.MariaDB}, {dbtest.Postgres,
		dbtest.MariaDB}, {dbtest.MariaDB, dbtest.Postgres}}
}

func each(t *testing.T, fn func(t *testing.T, from, to *db.DB)) {
	for _, p := range pairs() {
		t.Run(string(p[0])+"-"+string(p[1]), func(t *testing.T) {
			t.Parallel() // most of the time disks are waited for
			fn(t, dbtest.Open(t, p[0]), dbtest.Open(t, p[1]))
		})
	}
}

func one(t testing.TB, d *db.DB, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := d.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
