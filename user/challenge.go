package user

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// What a challenge is for.
const (
	forSecond   = "second"   // the password was right, the second factor is awaited
	forSignIn   = "sign-in"  // a passkey is to sign a person in
	forRegister = "register" // a passkey is to be added
	forProof    = "proof"    // a passkey is to prove who a session belongs to
	forSeed     = "seed"     // a seed awaits its first code
	forAway     = "away"     // another host of the instance awaits a sign-in
	forTicket   = "ticket"   // a sign-in on the main host goes on to that other host
)

// challengeAge is how long a challenge can be answered; ticketAge is the same for the way back to another host.
const (
	challengeAge = 5 * time.Minute
	ticketAge    = time.Minute
)

// challenge is a row that is used once, on any node. The digest is of a token, or of the challenge of a passkey.
type challenge struct {
	digest, purpose            string
	instance, account, session stoa.ID
	host                       string // an origin or host that it is bound to
	data                       string // JSON of what its purpose needs
}

// digest is the name under which a random challenge is kept.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// begin writes the row.
func (s *Service) begin(ctx context.Context, c challenge, data any, age time.Duration) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("write a challenge: %w", err)
	}
	c.data = string(text)
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.insertChallenge(ctx, tx, c, age) })
}

func (s *Service) insertChallenge(ctx context.Context, tx *db.Tx, c challenge, age time.Duration) error {
	if err := tx.Insert(ctx, "user_challenge",
		db.Row{"digest": c.digest, "purpose": c.purpose, "instance": c.instance, "account": c.account,
			"session": c.session, "host": c.host, "data": c.data, "expires": db.Micros(s.o.Now().Add(age))}); err != nil {
		return fmt.Errorf("write a challenge: %w", err)
	}
	return nil
}

// begun reads a challenge of the purpose into data; ok is false when there is none, or none any more.
func (s *Service) begun(ctx context.Context, purpose, digest string, data any) (c challenge, ok bool, err error) {
	c, err = db.One(ctx, s.db, func(row db.Scanner) (c challenge, err error) {
		err = row.Scan(&c.digest, &c.purpose, &c.instance, &c.account, &c.session, &c.host, &c.data)
		return c, err
	}, `SELECT digest, purpose, instance, account, session, host, data FROM user_challenge
WHERE digest = ? AND purpose = ? AND expires > ?`, digest, purpose, db.Micros(s.o.Now()))
	if db.IsNoRows(err) {
		return challenge{}, false, nil
	}
	if err != nil {
		return challenge{}, false, fmt.Errorf("read a challenge: %w", err)
	}
	if err := json.Unmarshal([]byte(c.data), data); err != nil {
		return challenge{}, false, fmt.Errorf("read a challenge: %w", err)
	}
	return c, true, nil
}

// spend uses a challenge up: of two at once, on whatever nodes, one finds it. Lost in a fail-over it is used
// up again.
func (s *Service) spend(ctx context.Context, tx *db.Tx, c challenge) (bool, error) {
	n, err := tx.Affected(ctx, "DELETE FROM user_challenge WHERE digest = ? AND expires > ?", c.digest,
		db.Micros(s.o.Now()))
	if err != nil || n == 0 {
		return false, err
	}
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM user_challenge WHERE digest = ?", c.digest)
		return err
	})
	return true, nil
}

// dropChallenges voids what an account has begun: a second step, a ticket, a factor that is being added.
func dropChallenges(ctx context.Context, tx *db.Tx, account stoa.ID) error {
	if _, err := tx.Exec(ctx, "DELETE FROM user_challenge WHERE account = ?", account); err != nil {
		return fmt.Errorf("void what user %d has begun: %w", account, err)
	}
	return nil
}
