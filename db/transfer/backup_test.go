package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

func newStore(t testing.TB) *filestore.Dir {
	t.Helper()
	return filestoretest.Dir(t, filepath.Join(t.TempDir(), "files"))
}

func fileRow(id int64, key string, size int, sum []byte) db.Row {
	return db.Row{"id": id, "site": 1, "file_key": key, "name": "n", "type": "text/plain", "size": size, "width": 0,
		"height": 0, "alt": "", "hash": hex.EncodeToString(sum), "source": "", "created": 1, "created_by": 1, "version": 1}
}

// addFile puts bytes and their row.
func addFile(t testing.TB, d *db.DB, store filestore.Store, id int64, content string) (key string) {
	t.Helper()
	key = filestore.NewKey()
	if _, err := store.Put(context.Background(), "document/"+key, strings.NewReader(content), -1); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	if err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Insert(ctx, "document_file", fileRow(id, key, len(content), sum[:]))
	}); err != nil {
		t.Fatal(err)
	}
	return key
}

func content(i int) string { return strings.Repeat(fmt.Sprint("bytes of file ", i, "\n"), i*3000) }

func TestBackup_WithWritersRestoresOnAnotherEngine(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, from, to *db.DB) {
		ctx := context.Background()
		seed(t, from, 2000)
		store, other := newStore(t), newStore(t)
		var keys []string
		for i := range 8 {
			keys = append(keys, addFile(t, from, store, int64(i+1), content(i)))
		}
		w := write(t, from, 3, 1000)
		var sums map[string]transfer.Sum
		var out bytes.Buffer
		end, err := transfer.Backup(ctx, transfer.BackupOptions{DB: from, Store: store, Files: fileColumns(),
			Read: func() {
				began, running, err := transfer.OldestRunning(ctx, from)
				if err != nil || !running || time.Since(began) > time.Minute {
					t.Errorf("while a backup runs: %v %v %v", began, running, err)
				}
				// An editor deletes a file after the rows were read: row first, then bytes.
				if err := from.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
					_, err := tx.Exec(ctx, "DELETE FROM document_file WHERE file_key = ?", keys[3])
					return err
				}); err != nil {
					t.Error(err)
				}
				if err := store.Delete(ctx, "document/"+keys[3]); err != nil {
					t.Error(err)
				}
			}}, &out)
		if err != nil {
			t.Fatal(err)
		}
		w.stop()
		t.Logf("%d bytes, %+v", out.Len(), end)
		if _, running, err := transfer.OldestRunning(ctx, from); running || err != nil {
			t.Errorf("after the backup one is said to run: %v", err)
		}
		if end.Files != 7 || end.Gone != 1 {
			t.Errorf("%+v", end)
		}
		if _, again, err := transfer.Verify(ctx, bytes.NewReader(out.Bytes()), nil); err != nil ||
			again.Rows != end.Rows {
			t.Fatalf("the backup cannot be verified: %v", err)
		}
		if _, _, err := transfer.Restore(ctx, transfer.RestoreOptions{DB: to, Store: other, From: "test"},
			bytes.NewReader(out.Bytes())); err != nil {
			t.Fatal(err)
		}
		// The same backup into the engine it came from must give the same rows.
		back := emptyLike(t, from)
		if _, _, err := transfer.Restore(ctx, transfer.RestoreOptions{DB: back, Store: newStore(t), From: "test"},
			bytes.NewReader(out.Bytes())); err != nil {
			t.Fatal(err)
		}
		same(t, to, back)
		if sums, err = transfer.Sums(ctx, to, to.Dialect()); err != nil || sums["page_page"].Rows == 0 {
			t.Errorf("no pages were restored: %v", err)
		}
		for i, key := range keys {
			f, err := other.Open(ctx, "document/"+key)
			if i == 3 {
				if !stoa.Is(err, stoa.KindNotFound) {
					t.Errorf("the file that was deleted: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(f)
			_ = f.Close()
			if err != nil || string(got) != content(i) {
				t.Errorf("file %d has %d bytes, want %d: %v", i, len(got), len(content(i)), err)
			}
		}
		for query, want := range map[string]int64{
			"SELECT count(*) FROM user_session":                                        0,
			"SELECT count(*) FROM user_link":                                           0,
			"SELECT count(*) FROM secret_sign":                                         0,
			"SELECT count(*) FROM secret_seal":                                         1,
			"SELECT count(*) FROM cluster_lease":                                       0,
			"SELECT count(*) FROM document_file":                                       7,
			"SELECT count(*) FROM cluster_fact WHERE name = 'filestore'":               0,
			"SELECT count(*) FROM cluster_fact WHERE name = 'cluster'":                 1,
			"SELECT count(*) FROM db_transfer WHERE kind = 'backup'":                   0,
			"SELECT count(*) FROM db_transfer WHERE kind = 'restore' AND state='done'": 1,
		} {
			if got := one(t, to, query); got != want {
				t.Errorf("%s: %d, want %d", query, got, want)
			}
		}
		if one(t, from, "SELECT number FROM db_incarnation") >= one(t, to, "SELECT number FROM db_incarnation") {
			t.Error("the restored database begins no new incarnation")
		}
		if a, b := one(t, from, "SELECT next_id FROM db_counter WHERE name = 'id'"), one(t, to,
			"SELECT next_id FROM db_counter WHERE name = 'id'"); b < a+1<<20 {
			t.Errorf("ids go on at %d, and were at %d", b, a)
		}
	})
}

// emptyLike opens an empty database of the same engine.
func emptyLike(t *testing.T, d *db.DB) *db.DB {
	switch {
	case d.Dialect() == db.Postgres:
		return dbtest.Open(t, dbtest.Postgres)
	case d.Dialect() == db.MySQL:
		return dbtest.Open(t, dbtest.MariaDB)
	}
	return dbtest.New(t)
}

func TestRestore_CutStreamIsRefusedAndTheNextOneBeginsAnew(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, to *db.DB) {
		ctx := context.Background()
		from, store, other := dbtest.New(t), newStore(t), newStore(t)
		seed(t, from, 800)
		addFile(t, from, store, 1, content(4))
		var out bytes.Buffer
		if _, err := transfer.Backup(ctx, transfer.BackupOptions{DB: from, Store: store, Files: fileColumns()},
			&out); err != nil {
			t.Fatal(err)
		}
		whole := out.Bytes()
		for _, n := range []int{0, 5, 14, 40, len(whole) / 2, len(whole) - 200, len(whole) - 1} {
			if _, _, err := transfer.Verify(ctx, bytes.NewReader(whole[:n]), nil); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("a backup cut after %d of %d bytes: %v", n, len(whole), err)
			}
		}
		for _, at := range []int{100, len(whole) / 3, len(whole) - 30} {
			bad := bytes.Clone(whole)
			bad[at] ^= 1
			if _, _, err := transfer.Verify(ctx, bytes.NewReader(bad), nil); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("a backup with a changed byte at %d: %v", at, err)
			}
		}
		o := transfer.RestoreOptions{DB: to, Store: other, From: "test"}
		if _, _, err := transfer.Restore(ctx, o, bytes.NewReader(whole[:len(whole)-30])); !stoa.Is(err,
			stoa.KindInvalid) {
			t.Fatalf("a cut backup was restored: %v", err)
		}
		if s, err := transfer.Unfinished(ctx, to); err != nil || !strings.Contains(s, "restore") {
			t.Errorf("half a restore is taken for a portal: %q %v", s, err)
		}
		if _, _, err := transfer.Restore(ctx, o, bytes.NewReader(whole)); err != nil {
			t.Fatalf("a restore after one that was cut: %v", err)
		}
		if s, err := transfer.Unfinished(ctx, to); err != nil || s != "" {
			t.Errorf("after the restore: %q %v", s, err)
		}
		if n := one(t, to, "SELECT count(*) FROM page_page"); n != 800 {
			t.Errorf("%d pages", n)
		}
		if _, _, err := transfer.Restore(ctx, o, bytes.NewReader(whole)); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("a restore over the first: %v", err)
		}
	})
}

func TestRestore_FileStoreThatHoldsFilesIsRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	from, store, to := dbtest.New(t), newStore(t), dbtest.New(t)
	seed(t, from, 10)
	addFile(t, from, store, 1, "x")
	var out bytes.Buffer
	if _, err := transfer.Backup(ctx, transfer.BackupOptions{DB: from, Store: store, Files: fileColumns()},
		&out); err != nil {
		t.Fatal(err)
	}
	if _, _, err := transfer.Restore(ctx, transfer.RestoreOptions{DB: to, Store: store}, &out); !stoa.Is(err,
		stoa.KindConflict) {
		t.Errorf("a restore into a store with files: %v", err)
	}
	if n := one(t, to, "SELECT count(*) FROM page_page"); n != 0 {
		t.Error("rows were restored all the same")
	}
}

func TestBackup_MissingFileIsNamed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	from, store := dbtest.New(t), newStore(t)
	addFile(t, from, store, 1, "one")
	key := addFile(t, from, store, 2, "two")
	if err := store.Delete(ctx, "document/"+key); err != nil {
		t.Fatal(err)
	}
	_, err := transfer.Backup(ctx, transfer.BackupOptions{DB: from, Store: store, Files: fileColumns()}, io.Discard)
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), key) {
		t.Errorf("a backup without the bytes of a file: %v", err)
	}
	if _, running, err := transfer.OldestRunning(ctx, from); running || err != nil {
		t.Errorf("a backup that failed is said to run: %v", err)
	}
}

func TestBackup_SlowReaderSeesOneMoment(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, from *db.DB) {
		ctx := context.Background()
		seed(t, from, 3000)
		before, err := transfer.Sums(ctx, from, from.Dialect())
		if err != nil {
			t.Fatal(err)
		}
		// The first bytes come when the header is written; from then on every page is changed while the reader waits.
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := transfer.Backup(ctx, transfer.BackupOptions{DB: from, Store: newStore(t), Files: fileColumns()},
				w)
			w.CloseWithError(err)
			done <- err
		}()
		head := make([]byte, 20)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		if err := from.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE page_page SET place = 7")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		to := dbtest.New(t)
		if _, _, err := transfer.Restore(ctx, transfer.RestoreOptions{DB: to, Store: newStore(t)},
			io.MultiReader(bytes.NewReader(head), r)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		after, err := transfer.Sums(ctx, to, to.Dialect())
		if err != nil {
			t.Fatal(err)
		}
		if before["page_page"] != after["page_page"] {
			t.Errorf("pages are %s in the backup, and were %s when it began", after["page_page"], before["page_page"])
		}
	})
}
