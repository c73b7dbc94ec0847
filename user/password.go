package user

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/stoa-portal/stoa"
)

const (
	maxPassword   = 1024 // bytes
	maxHashMemory = 1 << 20
	hashTime      = 2
	hashQueue     = 200 // requests that may wait for their turn; more are turned away
	knownQueue    = 50  // the same for those of people who are known: they have room of their own
)

type knownKey struct{}

// ofKnown marks a request of a person who is known: signed in, in a known browser, or with a link from a mail. A
// flood of sign-ins of strangers does not keep such a request waiting.
func ofKnown(ctx context.Context) context.Context { return context.WithValue(ctx, knownKey{}, true) }

// hasher turns passwords into hashes, a few at a time: each takes much memory by design, and a flood
// of sign-ins must not take all of it.
type hasher struct {
	memory  uint32
	places  chan struct{}
	kept    chan struct{}   // places for people who are known; they may use the others, too
	waiting [2]atomic.Int64 // strangers, and people who are known
	runs    atomic.Int64    // how many hashes were made
	dummy   string          // compared with when there is no account, so that both cases cost the same
}

func newHasher(memory uint32, parallel int) *hasher {
	kept := 0
	if parallel > 1 {
		kept = 1
	}
	h := &hasher{memory: max(memory, 64), places: make(chan struct{}, parallel-kept), kept: make(chan struct{}, kept)}
	var salt, key [32]byte
	_, _ = rand.Read(salt[:16])
	_, _ = rand.Read(key[:])
	h.dummy = encodeHash(h.memory, hashTime, 1, salt[:16], key[:])
	return h
}

// enter waits for a place and gives what leaves it.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	waiting, most, kept := &h.waiting[0], int64(hashQueue), chan struct{}(nil)
	if known, _ := ctx.Value(knownKey{}).(bool); known {
		waiting, most, kept = &h.waiting[1], knownQueue, h.kept
	}
	if waiting.Add(1) > most {
		waiting.Add(-1)
		return nil, stoa.TooMany("too many people are signing in at this moment; try again in a minute")
	}
	defer waiting.Add(-1)
	select {
	case h.places <- struct{}{}:
		return func() { <-h.places }, nil
	case kept <- struct{}{}: // never, for a stranger
		return func() { <-h.kept }, nil
	case <-ctx.Done():
		return nil, stoa.Unavailable(ctx.Err(), "too many people are signing in at this moment; try again in a minute")
	}
}

func (h *hasher) key(ctx context.Context, password string, salt []byte, memory, time uint32, threads uint8) ([]byte, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	h.runs.Add(1)
	return argon2.IDKey([]byte(password), salt, time, memory, threads, 32), nil
}

// make gives the stored form of a password.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	var salt [16]byte
	_, _ = rand.Read(salt[:])
	key, err := h.key(ctx, password, salt[:], h.memory, hashTime, 1)
	if err != nil {
		return "", err
	}
	return encodeHash(h.memory, hashTime, 1, salt[:], key), nil
}

// check compares a password with a stored form; with none, or one that cannot be read, it does the
// same work and says no. old says that the password is right but its stored form is not the one
// that make would give now.
func (h *hasher) check(ctx context.Context, stored, password string) (ok, old bool, err error) {
	usable := len(password) <= maxPassword
	if !usable {
		password = password[:maxPassword]
	}
	p, good := decodeHash(stored)
	if !good {
		p, _ = decodeHash(h.dummy)
		usable = false
	}
	key, err := h.key(ctx, password, p.salt, p.memory, p.time, p.threads)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(key, p.key) == 1 && usable
	return ok, ok && (p.memory != h.memory || p.time != hashTime || p.threads != 1), nil
}

type hashParts struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func encodeHash(memory, time uint32, threads uint8, salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, time, threads, b.EncodeToString(salt), b.EncodeToString(key))
}

// decodeHash reads the stored form. Costs beyond any sense are refused: a row of the database must
// not be able to take all memory.
func decodeHash(s string) (hashParts, bool) {
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return hashParts{}, false
	}
	var p hashParts
	if n, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil || n != 3 {
		return hashParts{}, false
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.DecodeString(fields[4])
	p.key, err2 = base64.RawStdEncoding.DecodeString(fields[5])
	ok := err1 == nil && err2 == nil && len(p.salt) >= 8 && len(p.salt) <= 64 && len(p.key) == 32 &&
		p.memory >= 8 && p.memory <= maxHashMemory && p.time >= 1 && p.time <= 20 && p.threads >= 1 && p.threads <= 16
	return p, ok
}

// newToken gives 256 random bits in the form that goes into cookies and links, and the digest that
// goes into the database. The token is random, so a fast hash keeps it.
func newToken() (token, digest string) {
	var b [32]byte
	_, _ = rand.Read(b[:])
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, digestOf(b[:])
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// readToken gives the digest of a token, or false for what can be none.
func readToken(token string) (digest string, ok bool) {
	if len(token) != 43 {
		return "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 32 {
		return "", false
	}
	return digestOf(raw), true
}
