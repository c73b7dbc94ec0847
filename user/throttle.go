package user

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// limit is how many tries a subject has within the window.
type limit struct {
	subject string
	max     int
}

// byAddress names the address and the networks that it is in: in IPv6 a /64, which is what a home has, and a /48,
// which is what providers give to each customer. A /48 may try four times as often as one address.
func byAddress(purpose string, a netip.Addr, most int) []limit {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return []limit{{purpose + ":ip:none", most}}
	case a.Is4():
		return []limit{{purpose + ":ip:" + a.String(), most}}
	}
	var out []limit
	for bits, max := range map[int]int{64: most, 48: 4 * most} {
		if p, err := a.Prefix(bits); err == nil {
			out = append(out, limit{purpose + ":ip:" + p.String(), max})
		}
	}
	return out
}

// tried is what a try was counted for: own is forgotten when it succeeds, shared is given back.
type tried struct {
	limits []limit
	own    string
	shared []string
}

// strangersTries are those of a browser that is not known: by what it names, and by where it is.
func (s *Service) strangersTries(purpose, own string, from netip.Addr) tried {
	t := tried{own: own, limits: []limit{{own, s.o.AccountMax}}}
	for _, l := range byAddress(purpose, from, s.o.AddressMax) {
		t.limits, t.shared = append(t.limits, l), append(t.shared, l.subject)
	}
	return t
}

func byAccount(purpose string, id stoa.ID) string { return purpose + ":id:" + id.String() }

// byLogin names a login as it was typed, by its hash: that can be anything.
func byLogin(purpose string, instance stoa.ID, login string) string {
	sum := sha256.Sum256([]byte(instance.String() + "\x00" + login))
	return purpose + ":in:" + hex.EncodeToString(sum[:20])
}

// try counts one try for all limits before it is made, so that tries at the same time on several
// nodes cannot be more than the limit allows. When one limit is reached nothing is counted and the
// error is TooMany. The rows are in no cache, so the change log is not told.
func (s *Service) try(ctx context.Context, limits ...limit) error {
	slices.SortFunc(limits, func(a, b limit) int { return strings.Compare(a.subject, b.subject) })
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now := s.o.Now()
		start := db.Micros(now.Add(-s.o.ThrottleWindow))
		for _, l := range limits {
			tries, since, err := lockTries(ctx, tx, l.subject, now)
			if err != nil {
				return err
			}
			if since <= start {
				tries, since = 0, db.Micros(now)
			}
			if tries >= l.max {
				wait := db.Time(since).Add(s.o.ThrottleWindow).Sub(now)
				refused := stoa.TooMany("there were too many tries; try again in %d minutes", int(wait/time.Minute)+1)
				refused.Wait = wait
				return refused
			}
			if _, err := tx.Exec(ctx, "UPDATE user_attempt SET tries = ?, since = ? WHERE subject = ?", tries+1, since, l.subject); err != nil {
				return err
			}
		}
		return nil
	})
}

// lockTries makes the row of a subject, if there is none, and locks it. Between the two somebody who signs
// in may remove the one that was there; one's own nobody removes.
func lockTries(ctx context.Context, tx *db.Tx, subject string, now time.Time) (tries int, since int64, err error) {
	for range 10 {
		if _, err := tx.InsertIgnore(ctx, "user_attempt", db.Row{"subject": subject, "tries": 0, "since": db.Micros(now)}); err != nil {
			return 0, 0, err
		}
		err = tx.QueryRow(ctx, "SELECT tries, since FROM user_attempt WHERE subject = ?"+tx.Dialect().ForUpdate(), subject).Scan(&tries, &since)
		if !db.IsNoRows(err) {
			break
		}
	}
	return tries, since, err
}

// succeeded forgets the tries of the account and gives the one just made back to the address. The
// others of the address stay: a thief with an account of his own must not reset them. Nor does a browser that is known
// reset those of strangers.
func succeeded(ctx context.Context, tx *db.Tx, t tried) error {
	slices.Sort(t.shared) // in one order everywhere, so that two do not wait for each other
	for _, subject := range t.shared {
		if _, err := tx.Exec(ctx, "UPDATE user_attempt SET tries = tries - 1 WHERE subject = ? AND tries > 0",
			subject); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, "DELETE FROM user_attempt WHERE subject = ?", t.own)
	return err
}

// The limits of passwords that are no account's, from one requester within the window: of one thing, and of all.
const (
	unlocksOfOne = 10
	unlocksOfAll = 100
)

// TryUnlock counts a try of the password of a page or an article, which thing names in at most 40 bytes, by who asks
// (stoa.RequesterFrom): right gives it back when the password was right. The counts are the same for all nodes. Too
// many tries are TooMany.
func (s *Service) TryUnlock(ctx context.Context, thing string) (right func(ctx context.Context) error, err error) {
	from := stoa.RequesterFrom(ctx)
	limits := append(byAddress("unlock:"+thing, from, unlocksOfOne), byAddress("unlock", from, unlocksOfAll)...)
	if err := s.try(ctx, limits...); err != nil {
		return nil, err
	}
	t := tried{}
	for _, l := range limits {
		t.shared = append(t.shared, l.subject)
	}
	return func(ctx context.Context) error {
		return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return succeeded(ctx, tx, t) })
	}, nil
}
