package dbstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
)

// head is the row of a file.
type head struct {
	put  int64
	info filestore.Info
}

// readHead gives an error for which db.IsNoRows is true where there is none.
func readHead(ctx context.Context, q db.Queryer, key string) (h head, err error) {
	var modified int64
	h.info.Key = key
	err = q.QueryRow(ctx, "SELECT put, size, modified FROM file_head WHERE file_key = ?", []byte(key)).
		Scan(&h.put, &h.info.Size, &modified)
	h.info.Modified = db.Time(modified)
	return h, err
}

// Open implements filestore.Store. Chunks are read as they are asked for, each by its key, so that no connection is
// held while a client is slow.
func (s *Store) Open(ctx context.Context, key string) (filestore.File, error) {
	if err := filestore.CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h, err := readHead(ctx, s.o.DB, key)
	if db.IsNoRows(err) {
		if err := s.same(ctx, s.o.DB); err != nil {
			return nil, s.fault(ctx, "read", err)
		}
		return nil, stoa.NotFound("file", key)
	}
	if err != nil {
		return nil, s.fault(ctx, "read", err)
	}
	return &file{s: s, ctx: context.WithoutCancel(ctx), head: h, number: -1}, nil
}

// file is an open file.
type file struct {
	s      *Store
	ctx    context.Context
	head   head
	at     int64  // the next byte
	number int64  // of the chunk in body; -1: none
	body   []byte // of that chunk
	closed bool
}

// Info implements filestore.File.
func (f *file) Info() filestore.Info { return f.head.info }

// Close implements io.Closer.
func (f *file) Close() error {
	if f.closed {
		return fs.ErrClosed
	}
	f.closed, f.body = true, nil
	return nil
}

// Seek implements io.Seeker.
func (f *file) Seek(offset int64, whence int) (int64, error) {
	to, err := filestore.SeekTo(offset, whence, f.at, f.head.info.Size)
	if err == nil {
		f.at = to
	}
	return to, err
}

// Read implements io.Reader.
func (f *file) Read(p []byte) (int, error) {
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case len(p) == 0:
		return 0, nil
	case f.at >= f.head.info.Size:
		return 0, io.EOF
	}
	number := f.at / ChunkBytes
	if number != f.number {
		if err := f.load(number); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.body[f.at-number*ChunkBytes:])
	f.at += int64(n)
	return n, nil
}

// load reads a chunk.
func (f *file) load(number int64) error {
	ctx, cancel := context.WithTimeout(f.ctx, readWait)
	defer cancel()
	err := f.s.o.DB.QueryRow(ctx, "SELECT body FROM file_chunk WHERE put = ? AND number = ?", f.head.put,
		number).Scan(&f.body)
	want := min(ChunkBytes, f.head.info.Size-number*ChunkBytes)
	if err == nil && int64(len(f.body)) != want {
		err = fmt.Errorf("chunk %d has %d bytes, %d are right", number, len(f.body), want)
	} else if db.IsNoRows(err) {
		_, herr := readHead(ctx, f.s.o.DB, f.head.info.Key)
		if db.IsNoRows(herr) {
			return fmt.Errorf("the file was deleted while it was read: %w", fs.ErrNotExist)
		}
		err = errors.Join(fmt.Errorf("chunk %d is not there", number), herr)
	}
	if err != nil {
		f.number = -1
		return f.s.fault(ctx, "read", err)
	}
	f.number = number
	return nil
}
