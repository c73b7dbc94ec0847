package diskcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/stoa-portal/stoa/filestore"
)

// source gives the bytes of a file from where they are: a copy, one that is being made, or the store.
type source struct {
	c    *Cache
	ctx  context.Context
	want filestore.Info

	info   filestore.Info
	pos    int64
	local  bool // bytes came from this disk, and those of the store were right as far as is known
	closed bool

	copy   *os.File
	fill   *fill
	direct filestore.File
	at     int64 // of direct
}

// begin finds the bytes.
func (s *source) begin(ctx context.Context) error {
	read, write := s.c.usable()
	if read {
		if s.copy, s.info = s.c.take(s.want); s.copy != nil {
			return nil
		}
	}
	if write {
		s.fill = s.c.join(ctx, s.want)
	}
	if s.fill == nil {
		s.c.mu.Lock()
		s.c.stats.Misses++
		s.c.mu.Unlock()
		return s.ask(ctx)
	}
	var err error
	select {
	case <-s.fill.opened:
		s.info, err = s.fill.info, s.fill.err1
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.leave()
	}
	return err
}

// ask opens the file in the store.
func (s *source) ask(ctx context.Context) error {
	f, err := s.c.o.Store.Open(ctx, s.want.Key)
	if err == nil && s.want.SHA256 != "" && f.Info().Size != s.want.Size {
		err = errors.Join(&filestore.Damaged{Want: s.want, Size: f.Info().Size}, f.Close())
	}
	if err != nil {
		return err
	}
	s.direct, s.info, s.at = f, f.Info(), 0
	return nil
}

// leave gives up what is on this disk.
func (s *source) leave() {
	if s.copy != nil {
		_ = s.copy.Close() // was only read
		s.copy = nil
	}
	if s.fill != nil {
		s.fill.leave()
		s.fill = nil
	}
}

// Info implements filestore.File.
func (s *source) Info() filestore.Info {
	i := s.info
	i.SHA256 = "" // as Open gives it
	return i
}

// Seek implements filestore.File.
func (s *source) Seek(offset int64, whence int) (int64, error) {
	to, err := filestore.SeekTo(offset, whence, s.pos, s.info.Size)
	if err == nil {
		s.pos = to
	}
	return to, err
}

// Read implements filestore.File.
func (s *source) Read(p []byte) (int, error) {
	switch {
	case s.closed:
		return 0, fs.ErrClosed
	case len(p) == 0:
		return 0, nil
	case s.pos >= s.info.Size:
		return 0, io.EOF
	}
	n, err := s.read(p)
	s.pos += int64(n)
	return n, err
}

func (s *source) read(p []byte) (int, error) {
	if s.direct == nil && s.copy != nil {
		n, err := s.copy.ReadAt(p[:min(int64(len(p)), s.info.Size-s.pos)], s.pos)
		if n > 0 {
			s.local = true
			return n, nil
		}
		s.c.forget(idOf(s.want.Key))
		if err != io.EOF { // else it was cut off
			s.c.fail(err)
		}
	}
	if s.direct == nil && s.fill != nil {
		s.fill.begin()
		n, err := s.fill.read(p, s.pos)
		if err == nil {
			s.local = true
			return n, nil
		}
		if filestore.DamagedOf(err) != nil {
			s.local = false // the store's bytes were hashed before they came to the disk
		}
		if !errors.Is(err, errElsewhere) {
			return 0, err
		}
		s.direct, s.at = s.fill.takeSpare(), -1
	}
	if s.direct == nil { // from now on
		info := s.info
		if err := s.ask(s.ctx); err != nil {
			return 0, err
		}
		if s.info.Size != info.Size {
			return 0, fmt.Errorf("read %s: the file store has %d bytes now, and had %d", info.Key, s.info.Size, info.Size)
		}
	}
	if s.at != s.pos {
		if _, err := s.direct.Seek(s.pos, io.SeekStart); err != nil {
			return 0, err
		}
		s.at = s.pos
	}
	n, err := s.direct.Read(p)
	s.at += int64(n)
	return n, err
}

// Close implements filestore.File.
func (s *source) Close() error {
	if s.closed {
		return fs.ErrClosed
	}
	s.closed = true
	s.leave()
	if s.direct != nil {
		return s.direct.Close()
	}
	return nil
}

// file is an open file whose bytes are compared. What this disk has made of them is not said of the store.
type file struct {
	filestore.File // compares what s gives
	s              *source
	out            bool // bytes were given out
	again          bool // it was begun again, the copy being damaged
	err            error
}

func newFile(s *source) (filestore.File, error) {
	f := &file{s: s}
	if err := f.compare(); err != nil {
		return nil, err
	}
	return f, nil
}

// compare begins to compare. What a copy should be is in its name, where the caller does not know it.
func (f *file) compare() (err error) {
	want := filestore.Info{Key: f.s.want.Key, Size: f.s.info.Size, SHA256: f.s.want.SHA256}
	if want.SHA256 == "" {
		want.SHA256 = f.s.info.SHA256
	}
	f.File, err = filestore.Verify(f.s, want)
	return err
}

// Read implements filestore.File. A damaged copy of which nothing was given out is not noticed by the caller.
func (f *file) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.File.Read(p)
	if n > 0 {
		f.out = true
	}
	if filestore.DamagedOf(err) == nil || !f.s.local {
		return n, err
	}
	f.s.c.wrong(f.s.want.Key)
	if f.out {
		f.err = errCopy(f.s.want.Key)
		return 0, f.err
	}
	f.s.leave()
	f.s.local, f.s.pos = false, 0
	if f.again { // this disk is not to be trusted
		f.err = f.s.ask(f.s.ctx)
	} else {
		f.err = f.s.begin(f.s.ctx)
	}
	f.again = true
	if f.err == nil {
		f.err = f.compare()
	}
	return f.Read(p)
}
