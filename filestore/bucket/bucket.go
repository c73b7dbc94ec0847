// Package bucket is the file store in a bucket of Google Cloud Storage or in a container of Azure Blob. Both are
// reached through gocloud.dev; what they do in their own ways is behind service. A key is written with the condition
// that it is not there, also where it takes many parts, so of two nodes that write one key one wins.
package bucket

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

const (
	smallBytes = 256 << 10 // read before more memory is taken
	mostMemory = 96 << 20  // bytes of all uploads together

	probeEvery = 30 * time.Second
	lookWait   = 30 * time.Second // for a look, which its callers leave after three seconds
	tidyWait   = 10 * time.Second

	nonceKey = "stoaput" // in the object's own metadata: which put wrote it
)

// Options are the settings that both kinds of store have.
type Options struct {
	Prefix   string        // of all keys; empty: none
	Timeout  time.Duration // to connect, and for the head of an answer; 0: 10 s
	Retries  int           // of a request that failed on the way; 0: 5
	Delay    time.Duration // before the first of them; 0: 400 ms
	MaxDelay time.Duration // before any of them; 0: 10 s
	Logger   *slog.Logger  // nil for none
}

func (o *Options) complete() {
	if o.Prefix = strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		o.Prefix += "/"
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Retries == 0 {
		o.Retries = 5
	}
	if o.Delay == 0 {
		o.Delay = 400 * time.Millisecond
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// service is what a cloud does in its own way.
type service interface {
	// place names the bucket with the prefix for the operator.
	place(prefix string) string
	// words are those of its faults.
	words() words
	// whole writes an object that must not be there, in one request.
	whole(ctx context.Context, object string, body []byte, nonce string) error
	// part gives how large the parts of an object of size bytes are; -1: the size is not known.
	part(size int64) int
	// begin starts the same in parts. memory is what the upload holds beside the part that it is given.
	begin(ctx context.Context, object, nonce string) (u upload, memory int)
	// reading changes what a read asks for, to the version of a; nil stands for any.
	reading(a *blob.Attributes) *blob.ReaderOptions
	// listing changes what a list asks for.
	listing(l *blob.ListOptions)
	// answer reads an error.
	answer(err error) answer
	// resends reports whether its library sends a whole write again by itself.
	resends() bool
}

// upload is an object on its way up in parts.
type upload interface {
	// part sends the next part. All but the last have the size of service.part.
	part(b []byte) error
	// end makes the object, under the condition that there is none.
	end() error
	// abort leaves nothing, also after a panic; after end it does nothing.
	abort()
}

// words are what a service calls its things, and where they are set.
type words struct {
	noBucket, makeBucket string // what is wrong, and what to do
	rights               string // that the account needs
	keys                 string // where they are set
	address              string // where it is set
}

// answer is what an error says.
type answer struct {
	what   what
	status int    // of HTTP; 0: there was no answer
	code   string // of the service; may be empty
}

type what int

const (
	other    what = iota
	gone          // there is no such object in a bucket that is there
	noBucket      // there is no such bucket
	taken         // the condition that the object is new does not hold
	refused       // the account may not
	unknown       // the keys are wrong, or there are none
	full
)

// Store is a filestore.Driver.
type Store struct {
	o      Options
	svc    service
	bucket *blob.Bucket
	idle   *http.Transport
	want   string // the identity that it must have; empty for any
	shared *shared
	memory *filestore.Memory
}

// shared is what a store and those bound to it have in common.
type shared struct {
	probed  atomic.Int64 // when, in seconds since 1970
	honours atomic.Bool  // the condition that a key is new was seen to hold
}

func newStore(o Options, svc service, b *blob.Bucket, idle *http.Transport) *Store {
	return &Store{o: o, svc: svc, bucket: b, idle: idle, shared: new(shared), memory: filestore.NewMemory(mostMemory)}
}

// Close ends the connections on which nothing goes on.
func (s *Store) Close() error {
	s.idle.CloseIdleConnections()
	return nil
}

// String implements filestore.Driver.
func (s *Store) String() string { return s.svc.place(s.o.Prefix) }

// named is the name of a bucket with a prefix.
func named(bucket, prefix string) string { return path.Join(bucket, prefix) }

// Bind implements filestore.Driver.
func (s *Store) Bind(identity string) filestore.Store { return s.bind(identity) }

func (s *Store) bind(identity string) *Store {
	b := *s
	b.want = identity
	return &b
}

// object is the name of the object of a key, or what the names of all begin with whose keys have a prefix.
func (s *Store) object(key string) string { return s.o.Prefix + "data/" + filestore.ObjectName(key) }

func (s *Store) identityObject() string { return s.o.Prefix + "identity" }

// read gives all bytes of a small object.
func (s *Store) read(ctx context.Context, object string) ([]byte, error) {
	r, err := s.bucket.NewReader(ctx, object, s.svc.reading(nil))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, filestore.MaxKey+2))
	return b, errors.Join(err, r.Close())
}

// Identity implements filestore.Driver.
func (s *Store) Identity(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	b, err := s.read(ctx, s.identityObject())
	if err == nil {
		id := strings.TrimSpace(string(b))
		if filestore.CheckKey(id) != nil {
			return "", filestore.Unusable(&filestore.Fault{Code: filestore.CodeUnreadable,
				Why: "the object " + s.identityObject() + " in " + s.String() + " is damaged", Fix: "restore that object from " +
					"a backup",
			}, "the identity of the file store is damaged; restore it from a backup")
		}
		return id, nil
	}
	if s.svc.answer(err).what == gone { // or there is no bucket: not every answer tells these apart
		if lerr := s.there(ctx); lerr != nil {
			return "", s.fault(ctx, "read", lerr)
		}
		return "", &stoa.Error{Kind: stoa.KindNotFound, Message: "the file store has no identity yet", Err: err}
	}
	return "", s.fault(ctx, "read", err)
}

// there reports what keeps the bucket from being listed.
func (s *Store) there(ctx context.Context) error {
	_, _, err := s.bucket.ListPage(ctx, blob.FirstPageToken, 1, s.list(s.identityObject()))
	return err
}

func (s *Store) list(prefix string) *blob.ListOptions {
	l := &blob.ListOptions{Prefix: prefix}
	s.svc.listing(l)
	return l
}

// same reports what keeps the bucket from being the store that s is bound to.
func (s *Store) same(ctx context.Context) error {
	id, err := s.Identity(ctx)
	return filestore.SameStore(s.String(), s.want, id, err)
}

// Make implements filestore.Driver. The bucket has to be there.
func (s *Store) Make(ctx context.Context, propose string) (string, error) {
	if err := filestore.CheckIdentity(propose); err != nil {
		return "", err
	}
	if id, err := s.Identity(ctx); !stoa.Is(err, stoa.KindNotFound) {
		return id, err
	}
	err := s.create(ctx, s.identityObject(), []byte(propose+"\n"), filestore.NewKey())
	if err != nil && !errors.Is(err, errThere) {
		return "", s.fault(ctx, "made", err)
	}
	return s.Identity(ctx) // the winner's, which is ours when no other node was faster
}

// pause waits before a request is sent again. It reports false when ctx ends first.
func (s *Store) pause(ctx context.Context, try int) bool {
	most := min(s.o.Delay<<min(try, 10), s.o.MaxDelay)
	t := time.NewTimer(most/2 + rand.N(most/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Open implements filestore.Store. The bytes are asked for when they are read, from where they are read.
func (s *Store) Open(ctx context.Context, key string) (filestore.File, error) {
	if err := filestore.CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	object := s.object(key)
	a, err := s.bucket.Attributes(ctx, object)
	if err != nil && s.svc.answer(err).what == gone {
		if err := s.same(ctx); err != nil {
			return nil, err
		}
		return nil, stoa.NotFound("file", key)
	}
	if err != nil {
		return nil, s.fault(ctx, "read", err)
	}
	return filestore.NewFile(ctx, filestore.Info{Key: key, Size: a.Size, Modified: a.ModTime}, filestore.Ranges{
		From: func(ctx context.Context, at int64) (io.ReadCloser, error) {
			r, err := s.bucket.NewRangeReader(ctx, object, at, -1, s.svc.reading(a))
			if err != nil {
				return nil, err // and no reader that is nil
			}
			if r.Size() != a.Size {
				_ = r.Close() // it would be another file
				return nil, errors.New("the server gives another file than was asked for")
			}
			return r, nil
		},
		Gone:    func(err error) bool { w := s.svc.answer(err).what; return w == gone || w == taken },
		Refused: func(err error) bool { return s.svc.answer(err).status != 0 },
		Fault:   func(ctx context.Context, err error) error { return s.fault(ctx, "read", err) },
	}), nil
}

// remove deletes an object; one that is not there is no error.
func (s *Store) remove(ctx context.Context, object string) error {
	err := s.bucket.Delete(ctx, object)
	if err != nil && s.svc.answer(err).what == gone {
		return nil
	}
	return err
}

// Delete implements filestore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := filestore.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.same(ctx); err != nil {
		return err
	}
	return s.fault(ctx, "written", s.remove(ctx, s.object(key)))
}

// List implements filestore.Store.
func (s *Store) List(ctx context.Context, prefix string, fn func(filestore.Info) error) error {
	if err := filestore.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.same(ctx); err != nil {
		return err
	}
	all := s.bucket.List(s.list(s.object(prefix)))
	for {
		o, err := all.Next(ctx)
		if err == io.EOF {
			return ctx.Err()
		}
		if err != nil {
			return s.fault(ctx, "read", err)
		}
		key, ours := filestore.KeyOfObject(strings.TrimPrefix(o.Key, s.object("")))
		if !ours {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(filestore.Info{Key: key, Size: o.Size, Modified: o.ModTime}); err != nil {
			return err
		}
	}
}
