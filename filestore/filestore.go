// Package filestore keeps the bytes of files. A key names bytes that never change: a new version of
// a file gets a new key, so what a key names can be cached anywhere for ever and is never seen half
// written. Names, folders, rights and history of files are the business of package document; here
// are only keys and bytes.
//
// The directory store of this package is the default. Other stores are sub-packages. Every store
// passes the conformance suite of package filestoretest, by itself and behind a Guard, which gives operations
// deadlines and keeps writes off a store that is not the cluster's.
package filestore

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"io"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// Store keeps bytes under keys. All methods may be called by many goroutines and, on a shared store,
// by many nodes at once.
//
// Errors carry a stoa kind: Invalid for a bad key or a stream of the wrong length, Conflict for a
// key that exists, NotFound for one that does not, Unavailable when the store cannot be reached,
// may not be written or is full. A cancelled context gives its own error.
type Store interface {
	// Put copies r to the store under key while hashing it. The key appears at once and whole, when
	// all bytes are on the medium, or not at all: an error of r, a cancelled ctx or a full store
	// leave nothing behind. size is the number of bytes r must give, -1 when it is not known; a
	// stream that is shorter or longer is Invalid. A key that exists is a Conflict and stays as it is.
	Put(ctx context.Context, key string, r io.Reader, size int64) (Info, error)

	// Open gives the bytes of key for reading and seeking. The caller closes the file. A file that is
	// deleted while it is open may still be read to its end, or fail; it never gives other bytes.
	Open(ctx context.Context, key string) (File, error)

	// Delete removes key. A key that is not there is no error.
	Delete(ctx context.Context, key string) error

	// List calls fn for every key that begins with prefix, in no order that could be relied on; an
	// empty prefix means all. Keys put or deleted meanwhile may or may not be seen, all others are seen
	// once. An error of fn ends the listing and is returned as it is.
	List(ctx context.Context, prefix string, fn func(Info) error) error
}

// Driver is a store as its package makes it: what Guard needs beside the bytes. Only Guard and the commands that make
// or copy stores see it; the rest of the product uses a Guard, which never touches a store that is not the cluster's.
type Driver interface {
	Store

	// Identity gives the identity of the store, written once and never changed, so that nodes can tell whether they
	// look at the same store. NotFound is the answer of a place that carries none, such as an empty folder; it
	// makes nothing there.
	Identity(ctx context.Context) (string, error)

	// Make makes the store where there is none, with what it needs around it, and gives it the proposed
	// identity, which is made of the letters of a key. It gives the identity that the store has then: of several
	// proposals the first one wins.
	Make(ctx context.Context, propose string) (string, error)

	// Bind gives the same store for a caller that means the one with this identity. Each operation checks it
	// together with what it does: what cannot be read, a key that is not there and every change are Unavailable,
	// with a Fault, where the identity is another one or none, and a Put that began on the right store and
	// ended when its place had become another one fails and leaves nothing.
	Bind(identity string) Store

	// Check finds out whether the store with this identity can be used, by writing some bytes, reading them and
	// removing them. The error is Unavailable and has a Fault.
	Check(ctx context.Context, identity string) error

	// String names the place of the store for the operator, such as a directory.
	String() string
}

// File is an open file of a store. It is read by one goroutine at a time.
type File interface {
	io.ReadSeekCloser
	// Info describes the file as it was when it was opened.
	Info() Info
}

// Info describes the bytes of one key.
type Info struct {
	Key      string
	Size     int64     // bytes
	SHA256   string    // 64 lower-case hexadecimal digits; set by Put only
	Modified time.Time // when the key was put, by the clock of the store
}

// MaxKey is the longest key in bytes.
const MaxKey = 200

// NewKey makes a random key of 160 bits. It has no meaning, is safe in addresses, and holds no upper-case
// letters, so it stays unique on file systems that take no notice of case.
func NewKey() string {
	var b [20]byte
	rand.Read(b[:]) // never fails: it ends the program rather than give less than random bytes
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// CheckKey returns Invalid when key is not one a store accepts: 1 to MaxKey bytes of a-z, 0-9, '-', '_',
// '.' and '/', where every part between slashes begins with a letter or digit. So no key can name a
// hidden file, a parent directory or an absolute path on any system.
func CheckKey(key string) error {
	if key == "" {
		return stoa.Invalid("key", "the key of a file is empty")
	}
	if len(key) > MaxKey {
		return stoa.Invalid("key", "the key of a file is %d bytes long; at most %d are allowed", len(key), MaxKey)
	}
	start := true
	for i := 0; i < len(key); i++ {
		c := key[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			start = false
		case start:
			return badKey(key)
		case c == '/':
			start = true
		case c != '-' && c != '_' && c != '.':
			return badKey(key)
		}
	}
	if start || key[len(key)-1] == '.' {
		return badKey(key)
	}
	return nil
}

// checkPrefix accepts what a key could begin with.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if strings.HasSuffix(prefix, "/") || strings.HasSuffix(prefix, ".") {
		return CheckKey(prefix + "0")
	}
	return CheckKey(prefix)
}

func badKey(key string) error {
	return stoa.Invalid("key", "%q is not the key of a file: a-z, 0-9, '-', '_' and '.' are allowed, "+
		"in parts divided by '/' that begin with a letter or digit", key)
}
