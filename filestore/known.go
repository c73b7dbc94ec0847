package filestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Known is a store that gives files to callers who know what is in them, such as a cache in front of another store.
type Known interface {
	Store

	// OpenKnown is Open for a caller that knows size and digest of the bytes; see the function of this name. An Open
	// always asks the store itself.
	OpenKnown(ctx context.Context, want Info) (File, error)
}

// OpenKnown opens want.Key and compares what is read with want.Size (bytes) and want.SHA256, unless the digest is
// empty: then it is not known. What is read from the beginning to the end is hashed on its way, and the last 64 KiB are
// given out only when all was right; else the error has a Damaged. A part that is read by itself cannot be compared.
func OpenKnown(ctx context.Context, s Store, want Info) (File, error) {
	if k, ok := s.(Known); ok {
		return k.OpenKnown(ctx, want)
	}
	f, err := s.Open(ctx, want.Key)
	if err != nil {
		return nil, err
	}
	return Verify(f, want)
}

// Damaged is the error of a file whose bytes are not those that were put.
type Damaged struct {
	Want Info   // with the digest
	Size int64  // in bytes, that the store tells
	Got  string // the digest of what was read; empty when the size was wrong already
}

// Error names the key.
func (d *Damaged) Error() string {
	if d.Got == "" {
		return fmt.Sprintf("the file store has %d bytes under the key %s, and %d were put there", d.Size, d.Want.Key,
			d.Want.Size)
	}
	return fmt.Sprintf("the file store gives other bytes under the key %s than were put there: their SHA-256 is %s, "+
		"not %s", d.Want.Key, d.Got, d.Want.SHA256)
}

// DamagedOf gives the Damaged in the chain of err; nil when there is none.
func DamagedOf(err error) *Damaged {
	var d *Damaged
	if errors.As(err, &d) {
		return d
	}
	return nil
}

// Verify gives f with its bytes compared as those of OpenKnown are. It closes f when the size is wrong already.
func Verify(f File, want Info) (File, error) {
	if want.SHA256 == "" {
		return f, nil
	}
	if size := f.Info().Size; size != want.Size {
		return nil, errors.Join(&Damaged{Want: want, Size: size}, f.Close())
	}
	return &verified{File: f, want: want, sum: sha256.New()}, nil
}

// verified is an open file that is compared while it is read.
type verified struct {
	File
	want   Info
	pos    int64 // of the reader
	at     int64 // of the file below
	hashed int64 // bytes from the beginning that are in sum
	sum    hash.Hash
	tail   []byte // the last block, which was compared
	err    error
}

// tailAt is where the block begins that is withheld.
func (v *verified) tailAt() int64 { return max(0, v.want.Size-blockSize) }

// Seek implements File.
func (v *verified) Seek(offset int64, whence int) (int64, error) {
	to, err := SeekTo(offset, whence, v.pos, v.want.Size)
	if err == nil {
		v.pos = to
	}
	return to, err
}

// Read implements File.
func (v *verified) Read(p []byte) (int, error) {
	switch {
	case v.err != nil:
		return 0, v.err
	case len(p) == 0:
		return 0, nil
	case v.pos >= v.want.Size:
		return 0, io.EOF
	}
	if v.tail == nil && v.pos == 0 && v.hashed > 0 {
		v.sum.Reset()
		v.hashed = 0
	}
	if v.tail == nil && v.pos == v.hashed && v.pos == v.tailAt() {
		if err := v.compare(); err != nil {
			return 0, err
		}
	}
	if v.tail != nil && v.pos >= v.tailAt() {
		n := copy(p, v.tail[v.pos-v.tailAt():])
		v.pos += int64(n)
		return n, nil
	}
	inOrder := v.tail == nil && v.pos == v.hashed
	if inOrder {
		p = p[:min(int64(len(p)), v.tailAt()-v.pos)]
	}
	if err := v.move(); err != nil {
		return 0, err
	}
	n, err := v.File.Read(p)
	if inOrder {
		v.sum.Write(p[:n])
		v.hashed += int64(n)
	}
	v.at += int64(n)
	v.pos = v.at
	if err == io.EOF && v.pos < v.want.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// move brings the file below to where the reader is.
func (v *verified) move() error {
	if v.at == v.pos {
		return nil
	}
	if _, err := v.File.Seek(v.pos, io.SeekStart); err != nil {
		return err
	}
	v.at = v.pos
	return nil
}

// compare reads the last block, all before it being hashed, and keeps it when the digest is right.
func (v *verified) compare() error {
	if err := v.move(); err != nil {
		return err
	}
	tail := make([]byte, v.want.Size-v.pos)
	n, err := io.ReadFull(v.File, tail)
	v.at += int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", v.want.Key, err)
	}
	v.sum.Write(tail)
	if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want.SHA256 {
		v.err = &Damaged{Want: v.want, Size: v.want.Size, Got: got}
		return v.err
	}
	v.tail, v.hashed = tail, v.want.Size
	return nil
}
