package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stoa-portal/stoa"
)

// What the drivers of stores behind a network share.

const (
	memoryWait = 500 * time.Millisecond
	stallWait  = 20 * time.Second // without a byte of an answer
	readTries  = 5                // after answers that broke off one after the other
)

// objectSlash stands for '/' in names of objects, which no key has: places that keep objects as files could not hold
// both a and a/b.
const objectSlash = "!"

// ObjectName gives what stands for a key, or for the beginning of keys, in a place that has no '/' in names.
func ObjectName(key string) string { return strings.ReplaceAll(key, "/", objectSlash) }

// KeyOfObject is the opposite of ObjectName. ok is false for what is no key: others left it there.
func KeyOfObject(name string) (key string, ok bool) {
	key = strings.ReplaceAll(name, objectSlash, "/")
	return key, CheckKey(key) == nil
}

// SameStore says what keeps the bucket at a place from being the store with the identity want; the empty one stands
// for any. id and err are what the bucket answers to Identity.
func SameStore(place, want, id string, err error) error {
	switch {
	case stoa.Is(err, stoa.KindNotFound):
		return unavailable(&Fault{
			Code: CodeMissing, Why: place + " holds no file store",
			Fix: "name the bucket (and prefix) that holds the files of this portal",
		}, "the file store is not there; check its bucket")
	case err != nil:
		return err
	case want != "" && id != want:
		return unavailable(&Fault{
			Code: CodeOther, Why: place + " holds another file store than the one that the other nodes use",
			Fix: "name the bucket (and prefix) that all nodes share",
		}, "the file store is another one than that of this portal; check its bucket")
	}
	return nil
}

// Pause waits before a request is sent again, a little longer for each try. It reports false when ctx ends first.
func Pause(ctx context.Context, try int) bool {
	t := time.NewTimer(time.Duration(20+rand.IntN(80<<min(try, 10))) * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Memory bounds what all uploads to a store hold in memory together.
type Memory struct{ free *semaphore.Weighted }

// NewMemory makes a memory of so many bytes.
func NewMemory(bytes int64) *Memory { return &Memory{semaphore.NewWeighted(bytes)} }

// Share begins the share of one upload, with what was read of it already, which does not count. place names the store.
func (m *Memory) Share(place string, begun []byte) *Share {
	return &Share{of: m, place: place, B: begun}
}

// Share is what one upload holds of the memory.
type Share struct {
	of    *Memory
	place string
	held  int64
	own   int64  // of held: B
	B     []byte // what Grow made
}

// Reserve takes bytes for what a client's library holds for this upload. It waits a moment, then it is Unavailable.
func (s *Share) Reserve(ctx context.Context, bytes int) error {
	short, cancel := context.WithTimeout(ctx, memoryWait)
	defer cancel()
	if err := s.of.free.Acquire(short, int64(bytes)); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unavailable(&Fault{Code: CodeNoAnswer,
			Why: "so many large files are on their way to " + s.place + " that there is no memory for one more",
			Fix: "wait until some have arrived",
		}, "many large files are being sent at the moment; try again in a moment")
	}
	s.held += int64(bytes)
	return nil
}

// Grow makes B so long; what is in it stays.
func (s *Share) Grow(ctx context.Context, size int) error {
	if err := s.Reserve(ctx, size); err != nil {
		return err
	}
	b := make([]byte, size)
	copy(b, s.B)
	s.release(s.own)
	s.B, s.own = b, int64(size)
	return nil
}

// Fill reads src into B until most bytes are there or the stream ends, n of them being there already. Only what came
// takes memory: a slow client has little.
func (s *Share) Fill(ctx context.Context, src *Source, n, most int) (filled int, end bool, err error) {
	for n < most && !end {
		if err := s.Grow(ctx, min(2*len(s.B), most)); err != nil {
			return n, false, err
		}
		more, last, err := src.Next(s.B[n:])
		if err != nil {
			return n, false, err
		}
		n, end = n+more, last
	}
	return n, end, nil
}

// Drop gives B back.
func (s *Share) Drop() {
	s.release(s.own)
	s.B, s.own = nil, 0
}

// Free gives everything back.
func (s *Share) Free() { s.release(s.held) }

func (s *Share) release(bytes int64) {
	s.of.free.Release(bytes)
	s.held -= bytes
}

// NewTransport makes the connections to a store: timeout is for connecting and for the head of an answer. A server that
// takes no more bytes of a request for a while is given up.
func NewTransport(timeout time.Duration) *http.Transport {
	dial := (&net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}).DialContext
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return patientConn{c}, nil
		},
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   timeout,
		ResponseHeaderTimeout: timeout,
		DisableCompression:    true,
	}
}

// patientConn waits for stallWait until some bytes can be written.
type patientConn struct{ net.Conn }

// Write implements net.Conn.
func (c patientConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stallWait)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Ranges is how a File asks for the bytes of an object that does not change.
type Ranges struct {
	// From gives the bytes from at to the end. The answer ends with ctx.
	From func(ctx context.Context, at int64) (io.ReadCloser, error)
	// Gone reports whether an error says that there is no such object.
	Gone func(error) bool
	// Refused reports whether an error is an answer: asking again would bring the same.
	Refused func(error) bool
	// Fault gives an error its words.
	Fault func(ctx context.Context, err error) error
}

// NewFile gives a File that asks for bytes when they are read, from where they are read, and asks again when an answer
// breaks off.
func NewFile(ctx context.Context, info Info, r Ranges) File {
	return &rangesFile{r: r, ctx: context.WithoutCancel(ctx), info: info}
}

type rangesFile struct {
	r      Ranges
	ctx    context.Context
	info   Info
	at     int64         // the next byte
	body   io.ReadCloser // from at on; nil: not asked for
	cancel context.CancelFunc
	stall  *time.Timer
	lost   int // how often an answer broke off
	closed bool
}

// Info implements File.
func (f *rangesFile) Info() Info { return f.info }

// Close implements io.Closer.
func (f *rangesFile) Close() error {
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	f.drop()
	return nil
}

// drop gives up the answer that is being read.
func (f *rangesFile) drop() {
	if f.body == nil {
		return
	}
	f.stall.Stop()
	f.cancel()
	_ = f.body.Close() // was only read
	f.body = nil
}

// Seek implements io.Seeker.
func (f *rangesFile) Seek(offset int64, whence int) (int64, error) {
	to, err := SeekTo(offset, whence, f.at, f.info.Size)
	if err == nil && to != f.at {
		f.drop()
		f.at = to
	}
	return to, err
}

// Read implements io.Reader. An answer that breaks off is asked for again from there.
func (f *rangesFile) Read(p []byte) (int, error) {
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case len(p) == 0:
		return 0, nil
	case f.at >= f.info.Size:
		return 0, io.EOF
	}
	for {
		err := f.ask()
		n := 0
		if err == nil {
			f.stall.Reset(stallWait)
			n, err = f.body.Read(p[:min(int64(len(p)), f.info.Size-f.at)])
			if f.at+int64(n) == f.info.Size {
				if err = f.ended(err); wrong(err) {
					f.drop()
					return 0, f.r.Fault(f.ctx, errors.Join(ErrOtherBytes, err))
				} else if err != nil { // it broke off at the very end: what came was not compared
					n = 0
				}
			}
			f.stall.Stop()
			f.at += int64(n)
			if n > 0 || err == nil {
				f.lost = 0
				return n, nil
			}
			if err == io.EOF {
				err = fmt.Errorf("%w after %d of %d bytes", io.ErrUnexpectedEOF, f.at, f.info.Size)
			}
		}
		f.drop()
		if f.r.Gone(err) {
			return 0, fmt.Errorf("the file was deleted while it was read: %w", fs.ErrNotExist)
		}
		if f.lost++; f.lost > readTries || f.r.Refused(err) {
			return 0, f.r.Fault(f.ctx, err)
		}
	}
}

// ErrOtherBytes says that a client has found a checksum to be wrong.
var ErrOtherBytes = errors.New("the store gives other bytes than were stored")

// ended reads the end of an answer of which all bytes have come, with err: what a client has compared it says there.
func (f *rangesFile) ended(err error) error {
	if err == nil {
		var more [1]byte
		if n, rerr := f.body.Read(more[:]); n > 0 {
			return ErrOtherBytes // and more of them
		} else {
			err = rerr
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// wrong reports whether an error is about the bytes, and not about the connection.
func wrong(err error) bool {
	var n net.Error
	return err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &n)
}

// ask asks for the bytes from at on, unless they are on their way.
func (f *rangesFile) ask() error {
	if f.body != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(f.ctx)
	stall := time.AfterFunc(stallWait, cancel)
	body, err := f.r.From(ctx, f.at)
	if err != nil {
		stall.Stop()
		cancel()
		return err
	}
	f.body, f.cancel, f.stall = body, cancel, stall
	return nil
}
