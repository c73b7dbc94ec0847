package transfer_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/filestore"
)

func benchRows() int { return benchFlag("benchrows") }

func benchFlag(name string) int {
	n, _ := flag.Lookup(name).Value.(flag.Getter).Get().(int) // it is one
	return n
}

func TestMain(m *testing.M) {
	flag.Int("benchrows", 20_000, "rows that the benchmarks copy; the goal is 1000000 with under 150 MB resident")
	flag.Int("benchfiles", 20, "MB of files that the benchmarks back up and restore; the goal is 10000 with the same")
	os.Exit(m.Run())
}

// manyFiles puts files of 20 MB, that cannot be compressed, with their rows.
func manyFiles(b testing.TB, d *db.DB, store filestore.Store, mb int) {
	b.Helper()
	const each = 20
	random := rand.NewChaCha8([32]byte{1})
	for i := range mb / each {
		key, sum := filestore.NewKey(), sha256.New()
		r := io.TeeReader(io.LimitReader(random, each<<20), sum)
		if _, err := store.Put(context.Background(), "document/"+key, r, each<<20); err != nil {
			b.Fatal(err)
		}
		if err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			return tx.Insert(ctx, "document_file", fileRow(int64(i+1), key, each<<20, sum.Sum(nil)))
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// manyRows writes n versions of pages of some 400 bytes with one statement.
func manyRows(b testing.TB, d *db.DB, n int) {
	b.Helper()
	digit := "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL " +
		"SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	number := "a.n + 10 * b.n + 100 * c.n + 1000 * d.n"
	for base := 0; base < n; base += 10_000 {
		err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, fmt.Sprintf(`
				INSERT INTO page_version (page, number, layout, title, created, created_by, author)
				SELECT (%[2]d + %[1]s) / 10, (%[1]s) %% 10, '%[3]s', 'Title', %[2]d + %[1]s, 1, 'A. Uthor'
				FROM %[4]s a, %[4]s b, %[4]s c, %[4]s d WHERE %[2]d + %[1]s < %[5]d`,
				number, base, strings.Repeat("layout ", 50), digit, n))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// resident is the largest the process was since the last reset, in MB; 0 where the system does not tell.
func resident(b testing.TB) float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kb float64
		if n, _ := fmt.Sscanf(s.Text(), "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}

func resetResident() {
	debug.FreeOSMemory() // of what was there before
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// BenchmarkCopy compares a copy, with its checksums, with the drivers used bare: one SELECT, and INSERTs of 500 rows.
// The ratio counts; times depend on the machine.
func BenchmarkCopy(b *testing.B) {
	for _, p := range pairs() {
		b.Run(string(p[0])+"-"+string(p[1]), func(b *testing.B) {
			address := dbtest.URL(b, p[0])
			from, err := db.Open(context.Background(), db.Options{URL: address, StatementTimeout: 10 * time.Minute,
				WriteTimeout: 10 * time.Minute})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = from.Close() })
			if err := from.Migrate(context.Background()); err != nil {
				b.Fatal(err)
			}
			manyRows(b, from, benchRows())
			for b.Loop() {
				b.StopTimer()
				to, bare := dbtest.Open(b, p[1]), dbtest.Open(b, p[1])
				began := time.Now()
				bareCopy(b, address, bare)
				plain := time.Since(began)
				resetResident()
				b.StartTimer()
				began = time.Now()
				got, err := transfer.Copy(context.Background(), transfer.CopyOptions{Source: from, Target: to})
				if err != nil {
					b.Fatal(err)
				}
				took := time.Since(began)
				b.StopTimer()
				b.ReportMetric(resident(b), "MB-resident")
				b.ReportMetric(took.Seconds()/plain.Seconds(), "x-bare")
				b.ReportMetric(float64(got.Rows)/took.Seconds(), "rows/s")
				b.ReportMetric(got.ReadOnly.Seconds(), "s-read-only")
				if err := transfer.Undo(context.Background(), from, to, nil); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkBackup writes a backup of that many rows and bytes of files, and restores it.
func BenchmarkBackup(b *testing.B) {
	for _, e := range dbtest.Engines() {
		b.Run(string(e), func(b *testing.B) {
			ctx := context.Background()
			from, store := dbtest.Open(b, e), newStore(b)
			manyRows(b, from, benchRows())
			manyFiles(b, from, store, benchFlag("benchfiles"))
			mb := float64(benchRows())*400/1e6 + float64(benchFlag("benchfiles")) // about
			for b.Loop() {
				out, err := os.Create(filepath.Join(b.TempDir(), "backup"))
				if err != nil {
					b.Fatal(err)
				}
				resetResident()
				began := time.Now()
				end, err := transfer.Backup(ctx, transfer.BackupOptions{DB: from, Store: store, Files: fileColumns()}, out)
				if err != nil || end.Rows < int64(benchRows()) {
					b.Fatal(end.Rows, err)
				}
				b.ReportMetric(mb/time.Since(began).Seconds(), "MB/s-backup")
				b.ReportMetric(resident(b), "MB-resident-backup")
				if _, err := out.Seek(0, io.SeekStart); err != nil {
					b.Fatal(err)
				}
				to, other := dbtest.Open(b, e), newStore(b)
				resetResident()
				began = time.Now()
				if _, _, err := transfer.Restore(ctx, transfer.RestoreOptions{DB: to, Store: other, From: "bench"}, out); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(mb/time.Since(began).Seconds(), "MB/s-restore")
				b.ReportMetric(resident(b), "MB-resident-restore")
				if err := out.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func bareCopy(b *testing.B, address string, to *db.DB) {
	plain, err := db.OpenPlain(context.Background(), db.Options{URL: address, StatementTimeout: 10 * time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close()
	rows, err := plain.Query("SELECT page, number, layout, title, created, created_by, author FROM page_version")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var args []any
	flush := func() {
		if len(args) == 0 {
			return
		}
		if err := to.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO page_version (page, number, layout, title, created, created_by, "+
				"author) VALUES "+
				strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?),", len(args)/7), ","), args...)
			return err
		}); err != nil {
			b.Fatal(err)
		}
		args = args[:0]
	}
	for rows.Next() {
		var page, number, created, by int64
		var layout, title, author string
		if err := rows.Scan(&page, &number, &layout, &title, &created, &by, &author); err != nil {
			b.Fatal(err)
		}
		if args = append(args, page, number, layout, title, created, by, author); len(args) == 3500 {
			flush()
		}
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	flush()
}
