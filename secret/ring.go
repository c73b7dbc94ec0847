package secret

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// The tables of keys.
const (
	tableSign = "secret_sign"
	tableSeal = "secret_seal"
)

const secretSize = 32

// key is one row. Its secret is nil when the row is encrypted with a key that this node does not have.
type key struct {
	number int64
	made   time.Time
	wrap   string
	secret []byte
}

func (k key) usable() bool { return k.secret != nil }

func (k key) mac(msg []byte) []byte {
	h := hmac.New(sha256.New, k.secret)
	h.Write(msg)
	return h.Sum(nil)
}

// ring is all keys of a purpose, the newest first.
type ring []key

// current is the key to use now: the newest that can be read and is young enough; ok = false when there is none.
func (r ring) current(now time.Time) (k key, ok bool) {
	for _, k := range r {
		if k.usable() {
			return k, now.Sub(k.made) < Lifetime
		}
	}
	return key{}, false
}

// keepFrom is the least number that stays beside a new key: a key that only other nodes can read takes no place of
// one that this node can.
func (r ring) keepFrom(number int64) int64 {
	for _, k := range r {
		if k.usable() {
			return min(number, k.number)
		}
	}
	return number
}

func (s *Service) ring(ctx context.Context, table, purpose string) (ring, error) {
	if purpose == "" || len(purpose) > 60 {
		return nil, fmt.Errorf("secret: %.80q is no purpose: a word of at most 60 bytes is expected", purpose)
	}
	return s.keys.Get(ctx, table+" "+purpose, func(ctx context.Context, l *cache.Load) (ring, error) {
		l.Scope(changeKind, 0)
		return s.read(ctx, s.db, table, purpose)
	})
}

func (s *Service) read(ctx context.Context, q db.Queryer, table, purpose string) (ring, error) {
	list, err := db.All(ctx, q, func(row db.Scanner) (key, error) {
		var k key
		var made int64
		var value string
		if err := row.Scan(&k.number, &made, &k.wrap, &value); err != nil {
			return k, err
		}
		k.made = db.Time(made)
		var err error
		k.secret, err = s.o.File.unwrap(k.wrap, value, rowName(table, purpose, k.number))
		return k, err
	}, "SELECT number, made, wrap, value FROM "+table+" WHERE purpose = ? ORDER BY number DESC", purpose)
	if err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", purpose, err)
	}
	return list, nil
}

func rowName(table, purpose string, number int64) string {
	return table + "\x00" + purpose + "\x00" + strconv.FormatInt(number, 10)
}

// newest gives the key to use now and makes one where there is none, or the newest is too old.
func (s *Service) newest(ctx context.Context, table, purpose string) (key, error) {
	r, err := s.ring(ctx, table, purpose)
	if err != nil {
		return key{}, err
	}
	k, young := r.current(s.o.Now())
	if young || k.usable() && db.InWrite(ctx) { // an old one is better than an error
		return k, nil
	}
	if db.InWrite(ctx) {
		return key{}, fmt.Errorf("secret: the first use of %s is inside a transaction", purpose)
	}
	if r, err = s.rotate(ctx, table, purpose, r); err != nil {
		return key{}, err
	}
	if k, _ = r.current(s.o.Now()); !k.usable() {
		return key{}, errLocked(purpose)
	}
	return k, nil
}

// rotate adds a key to what was seen, unless another node was faster, and gives what there is then. Of the keys that
// sign the two newest stay.
func (s *Service) rotate(ctx context.Context, table, purpose string, seen ring) (ring, error) {
	next := int64(1)
	if len(seen) > 0 {
		next = seen[0].number + 1
	}
	raw := make([]byte, secretSize)
	_, _ = rand.Read(raw)
	wrap, value, err := s.o.File.wrap(raw, rowName(table, purpose, next))
	if err != nil {
		return nil, err
	}
	var now ring
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		made, err := tx.InsertIgnore(ctx, table, db.Row{
			"purpose": purpose, "number": next, "made": db.Micros(s.o.Now()), "wrap": wrap, "value": value,
		})
		if err != nil {
			return fmt.Errorf("make a key for %s: %w", purpose, err)
		}
		if made && table == tableSign {
			if _, err := tx.Exec(ctx, "DELETE FROM secret_sign WHERE purpose = ? AND number < ?",
				purpose, seen.keepFrom(next-1)); err != nil {
				return fmt.Errorf("delete old keys of %s: %w", purpose, err)
			}
		}
		if made {
			tx.Changed(changeKind, 0, 0, 0)
		}
		now, err = s.read(ctx, tx, table, purpose)
		return err
	})
	return now, err
}

// Settle encrypts the rows that are in the clear, or under an older key of the file, with the first key of the file.
// Call it once all nodes have the same file: one without can read them no more.
func (s *Service) Settle(ctx context.Context) error {
	if s.o.File == nil {
		return nil
	}
	for _, table := range []string{tableSign, tableSeal} {
		if err := s.settle(ctx, table); err != nil {
			return fmt.Errorf("encrypt the keys in %s: %w", table, err)
		}
	}
	return nil
}

func (s *Service) settle(ctx context.Context, table string) error {
	type row struct {
		purpose, wrap, value string
		number               int64
	}
	open, err := db.All(ctx, s.db, func(sc db.Scanner) (r row, err error) {
		return r, sc.Scan(&r.purpose, &r.number, &r.wrap, &r.value)
	}, "SELECT purpose, number, wrap, value FROM "+table+" WHERE wrap <> ?", s.o.File.first().name)
	if err != nil || len(open) == 0 {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, r := range open {
			name := rowName(table, r.purpose, r.number)
			raw, err := s.o.File.unwrap(r.wrap, r.value, name)
			if err != nil {
				return err
			}
			if raw == nil {
				continue // of a key that is in no line of the file
			}
			wrap, value, err := s.o.File.wrap(raw, name)
			if err != nil {
				return err
			}
			// The old value in the condition: a restore may have put another key there.
			if _, err := tx.Exec(ctx, "UPDATE "+table+" SET wrap = ?, value = ? WHERE purpose = ? AND number = ? AND value = ?",
				wrap, value, r.purpose, r.number, r.value); err != nil {
				return err
			}
		}
		tx.Changed(changeKind, 0, 0, 0)
		return nil
	})
}

// Locked names the purposes that have a key which this node cannot read, for lack of the key file.
func (s *Service) Locked(ctx context.Context) ([]string, error) {
	var out []string
	for _, table := range []string{tableSign, tableSeal} {
		list, err := db.All(ctx, s.db, func(sc db.Scanner) (p [2]string, err error) {
			return p, sc.Scan(&p[0], &p[1])
		}, "SELECT DISTINCT purpose, wrap FROM "+table+" WHERE wrap <> ''")
		if err != nil {
			return nil, stoa.Unavailable(err, "the keys of the portal cannot be read")
		}
		for _, p := range list {
			if !s.o.File.has(p[1]) {
				out = append(out, p[0])
			}
		}
	}
	return out, nil
}
