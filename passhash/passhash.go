// Package passhash makes and checks the stored forms of passwords: those of accounts, and those that guard one page or
// one article. It bounds how many are made at once, as each takes much memory by design.
package passhash

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"sync/atomic"

	"github.com/stoa-portal/stoa"
)

// The bounds of what is hashed.
const (
	Max       = 1024    // bytes of a password
	MaxMemory = 1 << 20 // KiB

	hashTime   = 2   // passes over the memory
	queue      = 200 // requests that may wait for their turn; more are turned away
	knownQueue = 50  // the same for those of people who are known: they have room of their own
)

type knownKey struct{}

// OfKnown marks a request of a person who is known: signed in, in a known browser, or with a link from a mail. A
// flood of sign-ins of strangers does not keep such a request waiting.
func OfKnown(ctx context.Context) context.Context { return context.WithValue(ctx, knownKey{}, true) }

// Hasher turns passwords into their stored form, a few at a time: a flood of sign-ins must not take all memory. It is
// safe for concurrent use.
type Hasher struct {
	memory  uint32
	places  chan struct{}
	kept    chan struct{}   // places for people who are known; they may use the others, too
	waiting [2]atomic.Int64 // strangers, and people who are known
	runs    atomic.Int64
	dummy   hash // compared with when there is no password, so that both cases cost the same
}

// New gives a Hasher that takes so many KiB of memory for each password (at least 64, at most MaxMemory) and works on
// parallel passwords at once, of which one place is kept for people who are known.
func New(memory uint32, parallel int) *Hasher {
	kept := 0
	if parallel > 1 {
		kept = 1
	}
	h := &Hasher{
		memory: min(max(memory, 64), MaxMemory),
		places: make(chan struct{}, max(parallel, 1)-kept), kept: make(chan struct{}, kept),
	}
	h.dummy = h.fresh()
	h.dummy.key = make([]byte, keyBytes)
	_, _ = rand.Read(h.dummy.key)
	return h
}

// Runs is how many hashes were made.
func (h *Hasher) Runs() int64 { return h.runs.Load() }

// fresh gives a new salt with the costs of now.
func (h *Hasher) fresh() hash {
	p := hash{form: PHC, memory: h.memory, time: hashTime, threads: 1, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(p.salt) // never fails; the program ends if there is no randomness
	return p
}

// enter waits for a place and gives what leaves it.
func (h *Hasher) enter(ctx context.Context) (leave func(), err error) {
	waiting, most, kept := &h.waiting[0], int64(queue), chan struct{}(nil)
	if known, _ := ctx.Value(knownKey{}).(bool); known {
		waiting, most, kept = &h.waiting[1], knownQueue, h.kept
	}
	if waiting.Add(1) > most {
		waiting.Add(-1)
		return nil, stoa.TooMany("too many passwords are being checked; try again in a moment")
	}
	defer waiting.Add(-1)
	select {
	case h.places <- struct{}{}:
		return func() { <-h.places }, nil
	case kept <- struct{}{}: // never, for a stranger
		return func() { <-h.kept }, nil
	case <-ctx.Done():
		return nil, stoa.Unavailable(ctx.Err(), "too many passwords are being checked; try again in a moment")
	}
}

func (h *Hasher) derive(ctx context.Context, password string, p hash) ([]byte, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	h.runs.Add(1)
	return p.derive(password)
}

// Make gives the stored form of a password. When too many wait it is TooMany, when ctx ends first Unavailable.
func (h *Hasher) Make(ctx context.Context, password string) (string, error) {
	return h.make(ctx, password, h.fresh())
}

func (h *Hasher) make(ctx context.Context, password string, p hash) (_ string, err error) {
	if p.key, err = h.derive(ctx, stoa.CleanText(password), p); err != nil {
		return "", err
	}
	return p.String(), nil
}

// Check compares a password with a stored form, of any kind; with none, or one that cannot be read, it does the
// same work and says no. old says that the password is right but its stored form is not the one that Make would give
// now. Errors are those of Make.
//
// A password is kept in the composed form of its text. One that is older may have been kept as it was typed, on a Mac
// in the other form, so that is tried as well.
func (h *Hasher) Check(ctx context.Context, stored, password string) (ok, old bool, err error) {
	password = stoa.CleanText(password)
	ok, old, err = h.compare(ctx, stored, password)
	if other := stoa.Decomposed(password); err == nil && !ok && other != password {
		ok, _, err = h.compare(ctx, stored, other)
		old = ok // Make would give another
	}
	return ok, old, err
}

func (h *Hasher) compare(ctx context.Context, stored, password string) (ok, old bool, err error) {
	usable := len(password) <= Max
	if !usable {
		password = password[:Max]
	}
	p, good := read(stored)
	if !good {
		p, usable = h.dummy, false
	}
	key, err := h.derive(ctx, password, p)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(key, p.key) == 1 && usable
	return ok, ok && (p.form != PHC || p.memory != h.memory || p.time != hashTime || p.threads != 1), nil
}
