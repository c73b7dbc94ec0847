package dbstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/dbstore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

// empty takes all files, also those of another store, out of the database.
func empty(t testing.TB, d *db.DB) {
	t.Helper()
	must(t, d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		for _, table := range []string{"file_store", "file_head", "file_chunk", "file_upload"} {
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, d *db.DB, query string, args ...any) (n int) {
	t.Helper()
	must(t, d.QueryRow(context.Background(), query, args...).Scan(&n))
	return n
}

// made gives two nodes with one store.
func made(t testing.TB, e dbtest.Engine) (a, b *dbstore.Store, d *db.DB) {
	t.Helper()
	nodes := dbtest.Nodes(t, e, 2)
	a, b = dbstore.New(dbstore.Options{DB: nodes[0]}), dbstore.New(dbstore.Options{DB: nodes[1]})
	_, err := a.Make(context.Background(), filestoretest.Identity)
	must(t, err)
	return a, b, nodes[0]
}

func TestStore_Conformance(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := dbtest.Nodes(t, e, 2)
			filestoretest.Run(t, func(t *testing.T) (a, b filestore.Driver) {
				empty(t, nodes[0])
				t.Cleanup(func() {
					n := count(t, nodes[0], "SELECT COUNT(*) FROM file_chunk WHERE put NOT IN (SELECT put FROM file_head)")
					if u := count(t, nodes[0], "SELECT COUNT(*) FROM file_upload"); n+u != 0 {
						t.Errorf("%d chunks belong to no file, %d puts have not ended", n, u)
					}
				})
				return dbstore.New(dbstore.Options{DB: nodes[0]}), dbstore.New(dbstore.Options{DB: nodes[1]})
			})
		})
	}
}

func TestPut_ChunksThatTheDatabaseLostMakeNoFileWithAHole(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b, d := made(t, e)
			r := &stream{left: 5 * dbstore.ChunkBytes}
			r.at = 3 * dbstore.ChunkBytes
			r.then = func() { // as a fail-over that lost the newest commits does
				must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					_, err := tx.Exec(ctx, "DELETE FROM file_chunk WHERE number = 1")
					return err
				}))
			}
			_, err := a.Put(t.Context(), "large", r, -1)
			if f := filestore.FaultOf(err); f == nil || f.Code != filestore.CodeOther {
				t.Errorf("a put whose chunk was lost ended with %v", err)
			}
			if _, err := b.Open(t.Context(), "large"); !stoa.Is(err, stoa.KindNotFound) {
				t.Errorf("the file with a hole can be opened: %v", err)
			}
			if n := count(t, d, "SELECT COUNT(*) FROM file_chunk"); n != 0 {
				t.Errorf("%d chunks are left", n)
			}
		})
	}
}

// stream gives bytes, and does something once as many were read.
type stream struct {
	left, read, at int
	then           func()
}

func (s *stream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), s.left)
	for i := range p[:n] {
		p[i] = byte(s.read + i)
	}
	s.left, s.read = s.left-n, s.read+n
	if do := s.then; do != nil && s.read >= s.at {
		s.then = nil
		do()
	}
	return n, nil
}

func TestCheck_RemovesWhatWasBegunADayAgoAndNothingElse(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b, d := made(t, e)
			body := make([]byte, 3*dbstore.ChunkBytes)
			_, err := a.Put(t.Context(), "kept", bytes.NewReader(body), int64(len(body)))
			must(t, err)
			now := int64(0)
			must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				now = db.Micros(tx.Now())
				for put, begun := range map[int64]int64{1: now - 25*3600e6, 2: now - 23*3600e6} {
					must(t, tx.Insert(ctx, "file_upload", db.Row{"put": put, "begun": begun}))
					for i := range 70 { // more than one transaction deletes
						must(t, tx.Insert(ctx, "file_chunk", db.Row{"put": put, "number": i, "size": 1, "body": []byte("x")}))
					}
				}
				return nil
			}))
			must(t, b.Check(t.Context(), filestoretest.Identity))
			for put, want := range map[int64]int{1: 0, 2: 70} {
				if n := count(t, d, "SELECT COUNT(*) FROM file_chunk WHERE put = ?", put); n != want {
					t.Errorf("%d chunks of put %d are there, want %d", n, put, want)
				}
			}
			if n := count(t, d, "SELECT COUNT(*) FROM file_upload"); n != 1 {
				t.Errorf("%d puts are under way, want 1", n)
			}
			f, err := b.Open(t.Context(), "kept")
			must(t, err)
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, body) {
				t.Errorf("the file that stays: %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestOpen_AFileThatIsDeletedWhileItIsReadGivesNoOtherBytes(t *testing.T) {
	a, b, _ := made(t, dbtest.SQLite)
	body := make([]byte, 4*dbstore.ChunkBytes)
	rand.NewChaCha8([32]byte{1}).Read(body)
	_, err := a.Put(t.Context(), "key", bytes.NewReader(body), -1)
	must(t, err)
	f, err := b.Open(t.Context(), "key")
	must(t, err)
	got := make([]byte, dbstore.ChunkBytes)
	_, err = io.ReadFull(f, got)
	must(t, err)
	must(t, a.Delete(t.Context(), "key"))
	_, err = a.Put(t.Context(), "key", bytes.NewReader(make([]byte, len(body))), -1) // which no caller does
	must(t, err)
	rest, err := io.ReadAll(f)
	if err == nil || len(rest) > 0 && !bytes.Equal(rest, body[dbstore.ChunkBytes:][:len(rest)]) {
		t.Errorf("after the deletion %d bytes were read, %v", len(rest), err)
	}
	must(t, f.Close())
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

func TestPut_IsNoPartOfTheChangeLog(t *testing.T) {
	a, _, d := made(t, dbtest.SQLite)
	before := count(t, d, "SELECT COUNT(*) FROM change_log")
	_, err := a.Put(t.Context(), "key", bytes.NewReader(make([]byte, 2*dbstore.ChunkBytes)), -1)
	must(t, err)
	must(t, a.Delete(t.Context(), "key"))
	if n := count(t, d, "SELECT COUNT(*) FROM change_log"); n != before {
		t.Errorf("%d rows of the change log for a file", n-before)
	}
}

// aged makes the upload that goes on as old as if its last chunk had come more than a day ago.
func aged(t *testing.T, d *db.DB) {
	t.Helper()
	must(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE file_upload SET begun = ?", db.Micros(tx.Now())-25*3600e6)
		return err
	}))
}

func TestCheck_LeavesAnUploadThatGoesOn(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b, d := made(t, e)
			r := &stream{left: 4 * dbstore.ChunkBytes, at: dbstore.ChunkBytes + 1}
			r.then = func() { // a slow one, whose next chunk makes it young again
				aged(t, d)
				r.at, r.then = 3*dbstore.ChunkBytes+1, func() { must(t, b.Check(t.Context(), filestoretest.Identity)) }
			}
			info, err := a.Put(t.Context(), "slow", r, -1)
			must(t, err)
			f, err := b.Open(t.Context(), "slow")
			must(t, err)
			if got, err := io.ReadAll(f); err != nil || int64(len(got)) != info.Size {
				t.Errorf("%d of %d bytes, %v", len(got), info.Size, err)
			}
		})
	}
}

func TestPut_WhoseChunksWereSweptFailsAndLeavesNothing(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			a, b, d := made(t, e)
			r := &stream{left: 4 * dbstore.ChunkBytes, at: 2*dbstore.ChunkBytes + 1}
			r.then = func() { // nothing came for a day
				aged(t, d)
				must(t, b.Check(t.Context(), filestoretest.Identity))
			}
			_, err := a.Put(t.Context(), "late", r, -1)
			if f := filestore.FaultOf(err); f == nil || f.Code != filestore.CodeOther {
				t.Errorf("the put ended with %v", err)
			}
			if n := count(t, d, "SELECT COUNT(*) FROM file_chunk") + count(t, d, "SELECT COUNT(*) FROM file_upload"); n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}
