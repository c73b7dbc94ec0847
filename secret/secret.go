// Package secret keeps the keys of the portal: those that sign what a browser brings back (page passwords, previews,
// links, known browsers) and those that encrypt what the database keeps (seeds of factors). Keys are random, one
// row each, different for each purpose, and the same for all nodes. With a key file, which is not in the database, the
// rows are encrypted: a copy of the database alone then opens nothing.
package secret

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// Lifetime is how long a key signs; it verifies as long again. What is signed is therefore valid for 90 to 180 days,
// unless it says an earlier end itself.
const Lifetime = 90 * 24 * time.Hour

// Options are what a Service needs. DB and Cache are required.
type Options struct {
	DB     *db.DB
	Cache  *cache.Cache
	File   *File // the keys that encrypt the rows; nil: rows are in the clear
	Logger *slog.Logger
	Now    func() time.Time
}

// Service signs, verifies, seals and opens. It is safe for concurrent use.
type Service struct {
	o    Options
	db   *db.DB
	log  *slog.Logger
	keys *cache.Region[ring]
}

// New gives a Service; it reads and writes nothing yet.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil {
		return nil, errors.New("secret: Options.DB and Options.Cache are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o, db: o.DB, log: o.Logger.With("component", "secret"),
		keys: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "secret", MaxBytes: 1 << 20}, func(r ring) int {
			return 64 + 96*len(r)
		})}, nil
}

const (
	numberSize = 4
	macSize    = sha256.Size
)

// Sign gives a signature of msg for the purpose, a word of at most 60 bytes such as "device". Any node verifies it,
// for Lifetime at least. A signature for one purpose is none for another.
func (s *Service) Sign(ctx context.Context, purpose string, msg []byte) ([]byte, error) {
	k, err := s.newest(ctx, tableSign, purpose)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(k.number)), k.mac(msg)...), nil
}

// Verify reports whether sig is a signature of msg that Sign gave for the purpose and that is still valid. Anything
// may be given as sig. An error says that it could not be found out.
func (s *Service) Verify(ctx context.Context, purpose string, msg, sig []byte) (bool, error) {
	if len(sig) != numberSize+macSize {
		return false, nil
	}
	r, err := s.ring(ctx, tableSign, purpose)
	if err != nil {
		return false, err
	}
	number := int64(binary.BigEndian.Uint32(sig))
	for _, k := range r {
		if k.number == number && k.usable() && s.o.Now().Sub(k.made) < 2*Lifetime {
			return hmac.Equal(k.mac(msg), sig[numberSize:]), nil
		}
	}
	return false, nil
}

// Token gives msg and its signature in one text that may stand in cookies and addresses. It hides nothing of msg.
func (s *Service) Token(ctx context.Context, purpose string, msg []byte) (string, error) {
	sig, err := s.Sign(ctx, purpose, msg)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(sig, msg...)), nil
}

// Message gives what Token was given, or ok = false for a text that Token did not give for this purpose, or whose
// time is over. Anything may be given as token.
func (s *Service) Message(ctx context.Context, purpose, token string) (msg []byte, ok bool, err error) {
	if len(token) > 4096 {
		return nil, false, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < numberSize+macSize {
		return nil, false, nil
	}
	sig, msg := raw[:numberSize+macSize], raw[numberSize+macSize:]
	ok, err = s.Verify(ctx, purpose, msg, sig)
	if !ok || err != nil {
		return nil, false, err
	}
	return msg, true, nil
}

// Seal encrypts plain for the purpose, together with what it belongs to: Open wants the same bound, so that what was
// moved to another row does not open there. The result is for the database; it opens for ever, also after a restore.
// The first Seal of a purpose writes a row, so call Seal outside of a transaction.
func (s *Service) Seal(ctx context.Context, purpose string, plain, bound []byte) ([]byte, error) {
	k, err := s.newest(ctx, tableSeal, purpose)
	if err != nil {
		return nil, err
	}
	aead, err := gcm(k.secret)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(k.number))
	return aead.Seal(out, nil, plain, sealBound(purpose, bound)), nil
}

// Open gives what Seal was given. What is no such thing, or belongs to something else, is Invalid; a key that cannot
// be read without the key file is Unavailable.
func (s *Service) Open(ctx context.Context, purpose string, sealed, bound []byte) ([]byte, error) {
	if len(sealed) < numberSize {
		return nil, errSealed()
	}
	r, err := s.ring(ctx, tableSeal, purpose)
	if err != nil {
		return nil, err
	}
	number := int64(binary.BigEndian.Uint32(sealed))
	for _, k := range r {
		if k.number != number {
			continue
		}
		if !k.usable() {
			return nil, errLocked(purpose)
		}
		aead, err := gcm(k.secret)
		if err != nil {
			return nil, err
		}
		plain, err := aead.Open(nil, nil, sealed[numberSize:], sealBound(purpose, bound))
		if err != nil {
			return nil, errSealed()
		}
		return plain, nil
	}
	return nil, errSealed()
}

func sealBound(purpose string, bound []byte) []byte {
	return append([]byte("stoa seal\x00"+purpose+"\x00"), bound...)
}

func errSealed() error {
	return stoa.Invalid("sealed", "this was not encrypted by this portal, or was changed since")
}

func errLocked(purpose string) error {
	return stoa.Unavailable(nil, "the key for %s is encrypted with a key file that this node does not have: "+
		"give all nodes the same secret.key.file", purpose)
}

// Replace deletes all keys that sign, in the given transaction: what was signed before is valid no more. It is for
// data that was put back or copied, and asks for no right.
func Replace(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, "DELETE FROM secret_sign"); err != nil {
		return fmt.Errorf("replace the keys that sign: %w", err)
	}
	tx.Changed(changeKind, 0, 0, 0)
	return nil
}

const changeKind = "secret"
