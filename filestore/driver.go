package filestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/stoa-portal/stoa"
)

// What the drivers in sub-packages share.

// Unusable is the error of a store that cannot be used: sentence is for visitors, the fault for the operator.
func Unusable(f *Fault, sentence string, args ...any) error { return unavailable(f, sentence, args...) }

// Taken is the error of a Put whose key exists.
func Taken(key string) error { return taken(key) }

// CheckPrefix returns Invalid when no key could begin with the prefix; the empty one is right.
func CheckPrefix(prefix string) error { return checkPrefix(prefix) }

// CheckPut returns what is wrong with the arguments of a Put.
func CheckPut(ctx context.Context, key string, size int64) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if size < -1 {
		return stoa.Invalid("size", "%d is not the size of a file: -1 stands for unknown", size)
	}
	return ctx.Err()
}

// CheckIdentity returns Invalid when the text cannot be the identity of a store.
func CheckIdentity(propose string) error {
	if CheckKey(propose) != nil {
		return stoa.Invalid("identity",
			"%q cannot be the identity of a store: the letters of a key are expected", propose)
	}
	return nil
}

// Source is the stream of a Put, read in parts, hashed and measured against the size that was announced.
type Source struct {
	ctx  context.Context
	r    io.Reader
	want int64 // -1: not known
	n    int64
	hash hash.Hash
	err  error
}

// NewSource wraps the stream of a Put; size is that of Put.
func NewSource(ctx context.Context, r io.Reader, size int64) *Source {
	return &Source{ctx: ctx, r: r, want: size, hash: sha256.New()}
}

// Next fills buf as far as the stream goes. end says that there is no more; n may be above zero then. The errors are
// those of Put: of the stream, of ctx, and Invalid for one that is shorter or longer than was announced.
func (s *Source) Next(buf []byte) (n int, end bool, err error) {
	defer func() {
		if err != nil {
			s.err = err
		}
	}()
	for empty := 0; n < len(buf) && !end; {
		if err := s.ctx.Err(); err != nil {
			return n, false, err
		}
		m, rerr := s.r.Read(buf[n:min(len(buf), n+copyBuffer)])
		n += m
		s.n += int64(m)
		if s.want >= 0 && s.n > s.want {
			return n, false, stoa.Invalid("size", "the file is longer than the %d bytes announced", s.want)
		}
		switch {
		case rerr == io.EOF:
			if s.want >= 0 && s.n < s.want {
				return n, false, stoa.Invalid("size", "the file ended after %d of the %d bytes announced", s.n, s.want)
			}
			end = true
		case rerr != nil:
			return n, false, fmt.Errorf("read the bytes to store: %w", rerr)
		case m > 0:
			empty = 0
		default:
			if empty++; empty == 100 {
				return n, false, fmt.Errorf("read the bytes to store: %w", io.ErrNoProgress)
			}
		}
	}
	s.hash.Write(buf[:n])
	return n, end, nil
}

// Err is what Next failed with: the stream is to blame, not the store.
func (s *Source) Err() error { return s.err }

// Size is how many bytes were read.
func (s *Source) Size() int64 { return s.n }

// SHA256 is the digest of what was read, as Info has it.
func (s *Source) SHA256() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// SeekTo gives the place that io.Seeker's arguments name in a file of size bytes, read up to at.
func SeekTo(offset int64, whence int, at, size int64) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += at
	case io.SeekEnd:
		offset += size
	default:
		return at, fmt.Errorf("filestore: %d is no way to seek", whence)
	}
	if offset < 0 {
		return at, errors.New("filestore: seek to before the beginning of the file")
	}
	return offset, nil
}
