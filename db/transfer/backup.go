package transfer

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
)

// BackupOptions say what is backed up. DB and Store are required.
type BackupOptions struct {
	DB       *db.DB
	Store    filestore.Store
	Files    []FileColumn // which rows name files
	Dir      string       // where the list of files is kept meanwhile; "" = the system's folder for such
	Progress Progress
	Logger   *slog.Logger

	// Read is for tests: it is called after the rows were read, before the files are.
	Read func()
}

// Backup writes the whole portal to w while nodes run: the rows as they are at one moment, then the bytes of every
// file that these rows name. A file that was deleted in the portal meanwhile is noted as gone; one that is
// missing though its row is there is an error that names it. Only the caller decides who may have this:
// the stream holds every secret of the portal but the sessions.
func Backup(ctx context.Context, o BackupOptions, w io.Writer) (end End, err error) {
	started := time.Now()
	note := row{ID: newID(), Kind: kindBackup, State: stateRunning, Started: db.Micros(started),
		Beat: db.Micros(started)}
	if err := o.DB.Control(ctx, func(tx *db.Tx) error {
		// Those of processes that died are of no use.
		if _, err := tx.Exec(ctx, "DELETE FROM db_transfer WHERE kind = ? AND beat < ?", kindBackup,
			db.Micros(started.Add(-24*time.Hour))); err != nil {
			return err
		}
		return note.save(ctx, tx)
	}); err != nil {
		return end, fmt.Errorf("note that a backup runs: %w", err)
	}
	stop := alive(ctx, o.DB, note.ID)
	defer func() {
		stop()
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if e := o.DB.Control(clean, func(tx *db.Tx) error {
			_, err := tx.Exec(clean, "DELETE FROM db_transfer WHERE id = ?", note.ID)
			return err
		}); e != nil {
			logger(o.Logger).Warn("the note that a backup runs stays for ten minutes", "error", e)
		}
	}()
	spool, err := os.CreateTemp(o.Dir, "stoa-backup-files-*")
	if err != nil {
		return end, stoa.Unavailable(err, "the list of files cannot be kept in the folder for temporary files")
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	out, err := newWriter(w)
	if err != nil {
		return end, fmt.Errorf("write the backup: %w", err)
	}
	b := &backup{o: o, out: out, list: bufio.NewWriter(spool)}
	if err := b.rows(ctx); err != nil {
		return b.end, err
	}
	if err := b.list.Flush(); err != nil {
		return b.end, stoa.Unavailable(err, "the list of files cannot be kept in the folder for temporary files")
	}
	if o.Read != nil {
		o.Read()
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return b.end, err
	}
	if err := b.files(ctx, spool); err != nil {
		return b.end, err
	}
	if err := out.end(b.end); err != nil {
		return b.end, fmt.Errorf("write the backup: %w", err)
	}
	return b.end, nil
}

type backup struct {
	o    BackupOptions
	out  *writer
	list *bufio.Writer
	head Header
	end  End
}

// rows writes the header and every table out of one snapshot.
func (b *backup) rows(ctx context.Context) error {
	own, err := b.o.DB.Own(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }() // a transaction that only read
	if err := own.Snapshot(ctx); err != nil {
		return err
	}
	tables, err := ReadSchema(ctx, own, own.Dialect())
	if err != nil {
		return err
	}
	tables = slices.DeleteFunc(tables, func(t Table) bool {
		return slices.Contains(endedByRestore(), t.Name) || t.Name == "db_counter"
	})
	b.head = Header{Format: format, Version: stoa.Version, Engine: own.Dialect().String(), Taken: time.Now().UTC()}
	if b.head.Schema, err = schemaNumber(ctx, own); err != nil {
		return err
	}
	if b.head.Incarnation, err = readNumber(ctx, own); err != nil {
		return err
	}
	if b.head.Counters, err = readCounters(ctx, own); err != nil {
		return err
	}
	if _, b.head.Rows, err = countRows(ctx, own, tables); err != nil {
		return err
	}
	for _, f := range b.o.Files {
		var n int64
		if err := own.QueryRow(ctx, "SELECT COALESCE(SUM("+f.Size+"), 0) FROM "+f.Table).Scan(&n); err != nil {
			return err
		}
		b.head.FileBytes += n
	}
	if err := b.out.json(recHeader, b.head); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	for _, t := range tables {
		if err := b.table(ctx, reader{q: own, dialect: own.Dialect()}, t); err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) table(ctx context.Context, r reader, t Table) error {
	if err := b.out.json(recTable, t); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	var sum Sum
	var buf []byte
	err := r.pages(ctx, t, nil, func(p Page) error {
		buf = buf[:0]
		for _, row := range p.Rows {
			buf = encode(buf, row)
			if len(buf) >= recordBytes {
				if err := b.out.record(recRows, buf); err != nil {
					return fmt.Errorf("write the backup: %w", err)
				}
				buf = buf[:0]
			}
		}
		if len(buf) > 0 {
			if err := b.out.record(recRows, buf); err != nil {
				return fmt.Errorf("write the backup: %w", err)
			}
		}
		sum.join(p.Sum)
		b.end.Rows += int64(len(p.Rows))
		b.tell(t.Name)
		return b.note(t, p.Rows)
	})
	if err != nil {
		return err
	}
	b.end.Tables++
	if err := b.out.json(recRowsEnd, tableEnd{Name: t.Name, Sum: sum.String(), SHA256: b.out.partSum()}); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// note keeps the files that rows name for later.
func (b *backup) note(t Table, rows [][]any) error {
	for _, f := range b.o.Files {
		if f.Table != t.Name {
			continue
		}
		key, size, digest := t.column(f.Column), t.column(f.Size), t.column(f.SHA256)
		if key < 0 || size < 0 || digest < 0 {
			return fmt.Errorf("table %s has no column %s, %s or %s", t.Name, f.Column, f.Size, f.SHA256)
		}
		for _, row := range rows {
			h := fileHead{Table: t.Name, Column: f.Column}
			h.Value, _ = row[key].(string)
			h.Size, _ = row[size].(int64)
			h.SHA256, _ = row[digest].(string)
			h.Key = f.Prefix + h.Value
			raw, err := json.Marshal(h)
			if err != nil {
				return err
			}
			if _, err := b.list.Write(append(raw, '\n')); err != nil {
				return stoa.Unavailable(err, "the list of files cannot be kept in the folder for temporary files")
			}
		}
	}
	return nil
}

// files writes the bytes of every file of the list.
func (b *backup) files(ctx context.Context, list io.Reader) error {
	in := json.NewDecoder(bufio.NewReader(list))
	for {
		var f fileHead
		err := in.Decode(&f)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = b.file(ctx, f)
		}
		if err != nil {
			return err
		}
	}
}

func (b *backup) file(ctx context.Context, f fileHead) error {
	src, err := b.o.Store.Open(ctx, f.Key)
	if stoa.Is(err, stoa.KindNotFound) {
		return b.missing(ctx, f, err)
	}
	if err != nil {
		return err
	}
	defer src.Close()
	if size := src.Info().Size; size != f.Size {
		return stoa.Unavailable(nil, "the file %s has %d bytes in the store and %d by its row: it is damaged; "+
			"restore it, or delete it in the portal", f.Key, size, f.Size)
	}
	if err := b.out.json(recFile, f); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	buf := make([]byte, recordBytes)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			if err := b.out.record(recBytes, buf[:n]); err != nil {
				return fmt.Errorf("write the backup: %w", err)
			}
			b.end.Bytes += int64(n)
			b.tell("files")
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return stoa.Unavailable(err, "the file %s cannot be read to its end", f.Key)
		}
	}
	sum := b.out.partSum()
	if _, bad := hex.DecodeString(f.SHA256); bad == nil && len(f.SHA256) == 64 && f.SHA256 != sum {
		return stoa.Unavailable(nil, "the file %s in the store is not the one its row describes: it is damaged; "+
			"restore it, or delete it in the portal", f.Key)
	}
	b.end.Files++
	if err := b.out.json(recFileEnd, fileHead{Key: f.Key, Size: f.Size, SHA256: sum}); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// missing decides what a file is that has no bytes: one that an editor deleted since the rows were read has no
// row any more, and the restore drops it as well.
func (b *backup) missing(ctx context.Context, f fileHead, cause error) error {
	var one int
	err := b.o.DB.QueryRow(ctx, "SELECT 1 FROM "+f.Table+" WHERE "+f.Column+" = ?", f.Value).Scan(&one)
	switch {
	case db.IsNoRows(err):
		b.end.Gone++
		return b.out.json(recGone, f)
	case err != nil:
		return err
	}
	return stoa.Unavailable(cause, "the file %s is missing in the file store though the portal shows it: the backup "+
		"would not be whole; restore it, or delete it in the portal", f.Key)
}

const mebibyte = 1 << 20

func (b *backup) tell(step string) {
	b.o.Progress.tell(step, b.end.Rows+b.end.Bytes/mebibyte, b.head.Rows+b.head.FileBytes/mebibyte)
}

// Verify reads a whole backup and compares every checksum. A stream that was cut or changed is Invalid.
func Verify(ctx context.Context, r io.Reader, progress Progress) (Header, End, error) {
	var total int64
	return walk(r, visitor{
		header: func(h Header) error { total = h.Rows + h.FileBytes/mebibyte; return ctx.Err() },
		rows:   func(Table, [][]any) error { return ctx.Err() },
		file:   func(fileHead, io.Reader) error { return ctx.Err() },
		told:   func(rows, bytes int64) { progress.tell("read", rows+bytes/mebibyte, total) },
	})
}
