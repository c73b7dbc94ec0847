package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"
)

// guardFile is an open file behind a Guard. A worker reads ahead into a block that belongs to it, so that a read which
// comes back too late writes into no memory of a caller that has gone on.
type guardFile struct {
	g    *Guard
	info Info

	// Of the one goroutine that reads.
	pos   int64  // of the reader
	ahead []byte // bytes at pos, in block
	dead  error  // why no more can be read

	// Of the reader, or of the worker while busy.
	file  File
	at    int64 // of file
	block *[blockSize]byte

	mu     sync.Mutex
	busy   bool
	closed bool
}

// Info implements File.
func (f *guardFile) Info() Info { return f.info }

// Read implements File.
func (f *guardFile) Read(p []byte) (int, error) {
	if f.dead != nil {
		return 0, f.dead
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(f.ahead) == 0 {
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.ahead)
	f.ahead = f.ahead[n:]
	f.pos += int64(n)
	return n, nil
}

// fill reads the next block.
func (f *guardFile) fill() error {
	if f.pos >= f.info.Size {
		return io.EOF
	}
	pos := f.pos
	n, err := inside(f, func() (int, error) {
		if f.block == nil {
			f.block = f.g.blocks.Get().(*[blockSize]byte)
		}
		if f.at != pos {
			if _, err := f.file.Seek(pos, io.SeekStart); err != nil {
				return 0, err
			}
			f.at = pos
		}
		n, err := f.file.Read(f.block[:])
		f.at += int64(n)
		if n > 0 {
			err = nil // it comes again
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF
		} else if err == nil {
			err = io.ErrNoProgress
		}
		return n, err
	})
	if err != nil {
		f.dead = fmt.Errorf("read %s: %w", f.info.Key, err)
		return f.dead
	}
	f.ahead = f.block[:n]
	return nil
}

// inside runs fn with the file in a worker.
func inside(f *guardFile, fn func() (int, error)) (int, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return 0, fs.ErrClosed
	}
	f.busy = true
	f.mu.Unlock()
	late := time.NewTimer(f.g.o.Wait)
	defer late.Stop()
	t, err := f.g.work.enter(context.Background(), late.C)
	if err != nil {
		f.rest()
		return 0, f.g.noTurn(err, f.g.o.Wait)
	}
	n, begun, err := run(context.Background(), f.g, f.g.work, t, late, f.g.o.Wait, func() (int, error) {
		defer f.rest()
		return fn()
	}, nil)
	if !begun {
		f.rest()
	}
	return n, err
}

// rest is the end of a read: when the file was closed meanwhile, it is closed here.
func (f *guardFile) rest() {
	f.mu.Lock()
	f.busy = false
	closed := f.closed
	f.mu.Unlock()
	if closed {
		f.end()
	}
}

// end closes the file, inside of the store.
func (f *guardFile) end() error {
	if f.block != nil {
		f.g.blocks.Put(f.block)
		f.block = nil
	}
	return f.file.Close()
}

// Seek implements File. The store is asked at the next Read only.
func (f *guardFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.info.Size
	default:
		return 0, fmt.Errorf("seek in %s: %d is no place to count from", f.info.Key, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek in %s: %d is before the beginning", f.info.Key, offset)
	}
	if skip := offset - f.pos; skip >= 0 && skip <= int64(len(f.ahead)) {
		f.ahead = f.ahead[skip:]
	} else {
		f.ahead = nil
	}
	f.pos = offset
	return offset, nil
}

// Close implements File. It is safe to call while a read that was late still hangs: then the file is closed when
// that comes back.
func (f *guardFile) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return fs.ErrClosed
	}
	f.closed, f.ahead = true, nil
	busy := f.busy
	f.mu.Unlock()
	if busy {
		return nil
	}
	late := time.NewTimer(f.g.o.Wait)
	defer late.Stop()
	t, err := f.g.work.enter(context.Background(), late.C)
	if err != nil { // it is closed when a worker is free
		f.g.spawn(func() {
			t, _ := f.g.work.enter(context.Background(), nil)
			defer f.g.work.leave(t)
			_ = f.end()
		})
		return f.g.noTurn(err, f.g.o.Wait)
	}
	end := func() (struct{}, error) { return struct{}{}, f.end() }
	_, begun, err := run(context.Background(), f.g, f.g.work, t, late, f.g.o.Wait, end, nil)
	if !begun {
		return errors.Join(err, f.end())
	}
	return err
}
