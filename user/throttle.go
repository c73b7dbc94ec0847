package user

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/throttle"
)

// tried is what a try was counted for: own is forgotten when it succeeds, shared is given back.
type tried struct {
	limits []throttle.Limit
	own    string
	shared []string
}

// strangersTries are those of a browser that is not known: by what it names, and by where it is.
func (s *Service) strangersTries(purpose, own string, from netip.Addr) tried {
	t := tried{own: own, limits: []throttle.Limit{{Subject: own, Max: s.o.AccountMax}}}
	for _, l := range throttle.ByAddress(purpose, from, s.o.AddressMax) {
		t.limits, t.shared = append(t.limits, l), append(t.shared, l.Subject)
	}
	return t
}

func byAccount(purpose string, id stoa.ID) string { return purpose + ":id:" + id.String() }

// byLogin names a login as it was typed, by its hash: that can be anything.
func byLogin(purpose string, instance stoa.ID, login string) string {
	sum := sha256.Sum256([]byte(instance.String() + "\x00" + login))
	return purpose + ":in:" + hex.EncodeToString(sum[:20])
}

// succeeded forgets the tries of the account and gives the one just made back to the address. The
// others of the address stay: a thief with an account of his own must not reset them. Nor does a browser that is known
// reset those of strangers.
func succeeded(ctx context.Context, tx *db.Tx, t tried) error {
	if err := throttle.GiveBack(ctx, tx, t.shared...); err != nil || t.own == "" {
		return err
	}
	return throttle.Forget(ctx, tx, t.own)
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
	limits := append(throttle.ByAddress("unlock:"+thing, from, unlocksOfOne),
		throttle.ByAddress("unlock", from, unlocksOfAll)...)
	if err := s.tries.Try(ctx, limits...); err != nil {
		return nil, err
	}
	t := tried{}
	for _, l := range limits {
		t.shared = append(t.shared, l.Subject)
	}
	return func(ctx context.Context) error {
		return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return succeeded(ctx, tx, t) })
	}, nil
}
