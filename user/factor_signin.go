package user

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/passhash"
	"github.com/stoa-portal/stoa/throttle"
)

// SecondStep is the error of SignIn where the password was right and the account has a second factor.
type SecondStep struct {
	Token   string // for FinishSignIn; good for 5 minutes
	Codes   bool   // there is a code to type: of an app, or a recovery code
	Passkey bool   // there is a passkey, with which the person can sign in instead
}

// Error says what is missing.
func (e *SecondStep) Error() string { return "the second factor is needed" }

// Unwrap makes a caller that does not know of second factors refuse.
func (e *SecondStep) Unwrap() error { return stoa.Unauthorized("the second factor is needed") }

// pending is what is kept of a sign-in between its steps.
type pending struct {
	Password string // digest of the stored form: a password that was changed meanwhile ends it
	Remember bool
}

// secondStep gives a *SecondStep when the account has a second factor, nil when it has none. The tries of the
// password are over with that: it was right.
func (s *Service) secondStep(ctx context.Context, a account, remember bool, t tried) error {
	have, err := s.factorsOf(ctx, a.ID)
	if err != nil || len(have.List) == 0 {
		return err
	}
	token, key := newToken()
	data, err := json.Marshal(pending{digest(a.password), remember})
	if err != nil {
		return err
	}
	c := challenge{digest: key, purpose: forSecond, instance: a.Instance, account: a.ID, data: string(data)}
	if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.insertChallenge(ctx, tx, c, challengeAge); err != nil {
			return err
		}
		return succeeded(ctx, tx, t)
	}); err != nil {
		return err
	}
	return &SecondStep{Token: token, Codes: have.Has(FactorCodes) || have.Codes > 0, Passkey: have.Has(FactorPasskey)}
}

// factorTries are what a try of a second factor is counted for.
func (s *Service) factorTries(ctx context.Context, c Credentials, id stoa.ID) (tried, error) {
	t, known, err := s.knownTries(ctx, c.Known, id)
	if err != nil || !known {
		return s.strangersTries("factor", byAccount("factor", id), c.Address), err
	}
	t.own = "factor:" + t.own
	t.limits = []throttle.Limit{{Subject: t.own, Max: s.o.AccountMax}}
	return t, nil
}

// FinishSignIn makes the session of a sign-in that SignIn answered with a SecondStep, with a code of an app
// or a recovery code; address and agent are taken from c. A wrong code is Invalid in the field "code" and can
// be tried again; a token that is wrong, used or too old is Unauthorized; too many tries are TooMany.
func (s *Service) FinishSignIn(ctx context.Context, c Credentials, instance stoa.ID,
	token, code string) (Session, string, error) {
	key, ok := readToken(token)
	if !ok {
		return Session{}, "", errBeginAgain()
	}
	var p pending
	begun, ok, err := s.begun(ctx, forSecond, key, &p)
	if err != nil {
		return Session{}, "", err
	}
	if !ok || begun.instance != instance {
		return Session{}, "", errBeginAgain()
	}
	a, err := s.account(ctx, s.db, begun.account)
	if stoa.Is(err, stoa.KindNotFound) || err == nil && digest(a.password) != p.Password {
		return Session{}, "", errBeginAgain()
	}
	if err != nil {
		return Session{}, "", err
	}
	t, err := s.factorTries(ctx, c, a.ID)
	if err != nil {
		return Session{}, "", err
	}
	if err := s.tries.Try(ctx, t.limits...); err != nil {
		s.factorInVain(ctx, err, instance, a)
		return Session{}, "", err
	}
	use, err := s.codeOf(ctx, a, code)
	if err != nil {
		s.factorInVain(ctx, err, instance, a)
		return Session{}, "", err
	}
	c.Remember = p.Remember
	c.finish = func(ctx context.Context, tx *db.Tx) error {
		if ok, err := s.spend(ctx, tx, begun); err != nil || !ok {
			return orElse(err, errBeginAgain())
		}
		return use(ctx, tx)
	}
	return s.open(ctx, a, c, "", t)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func errBeginAgain() error {
	return stoa.Unauthorized("this took too long or was done already: sign in again from the beginning")
}

func errCode() error {
	return stoa.Invalid("code", "this code is wrong or was used already: wait for the next one and type that")
}

// codeOf finds out what a code is and gives the way to spend it; a wrong one is Invalid.
func (s *Service) codeOf(ctx context.Context, a account,
	code string) (use func(ctx context.Context, tx *db.Tx) error, err error) {
	code = strings.TrimSpace(code)
	if len(code) > 100 {
		return nil, errCode()
	}
	if digits := strings.ReplaceAll(code, " ", ""); len(digits) == 6 && strings.Trim(digits, "0123456789") == "" {
		return s.timeCode(ctx, a, digits)
	}
	key := codeDigest(a.ID, code)
	var left int
	if err := s.db.QueryRow(ctx, "SELECT count(*) FROM user_recovery WHERE digest = ? AND spent = 0",
		key).Scan(&left); err != nil {
		return nil, fmt.Errorf("look for a recovery code: %w", err)
	}
	if left == 0 {
		return nil, errCode()
	}
	return func(ctx context.Context, tx *db.Tx) error {
		spend := func(ctx context.Context, tx *db.Tx) (int64, error) {
			return tx.Affected(ctx, "UPDATE user_recovery SET spent = ? WHERE digest = ? AND spent = 0",
				db.Micros(s.o.Now()), key)
		}
		if n, err := spend(ctx, tx); err != nil || n == 0 {
			return orElse(err, errCode())
		}
		tx.Changed("factor", a.ID, a.Instance, 0)
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error { _, err := spend(ctx, tx); return err })
		tx.AfterCommit(func() { s.codesChanged(ctx, a, "factors.mail.code-used") })
		return nil
	}, nil
}

// timeCode gives the way to spend a code of an app: the step of time that it belongs to.
func (s *Service) timeCode(ctx context.Context, a account,
	code string) (use func(ctx context.Context, tx *db.Tx) error, err error) {
	list, err := s.factors(ctx, s.db, a.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if f.Kind != FactorCodes {
			continue
		}
		seed, err := s.openSeed(ctx, f.Account, f.data)
		if err != nil {
			return nil, err
		}
		step, ok := stepOf(seed, code, s.o.Now(), f.step)
		if !ok {
			continue
		}
		return func(ctx context.Context, tx *db.Tx) error {
			spend := func(ctx context.Context, tx *db.Tx) (int64, error) {
				return tx.Affected(ctx,
					"UPDATE user_factor SET step = ?, used = ?, version = version + 1 WHERE id = ? AND step < ?", step,
					db.Micros(s.o.Now()), f.ID, step)
			}
			if n, err := spend(ctx, tx); err != nil || n == 0 {
				return orElse(err, errCode())
			}
			tx.Changed("factor", f.ID, a.Instance, f.version+1)
			tx.TakesAway(func(ctx context.Context, tx *db.Tx) error { _, err := spend(ctx, tx); return err })
			return nil
		}, nil
	}
	return nil, errCode()
}

// NewSeed is a seed that was offered to a person and counts when its first code has come.
type NewSeed struct {
	Token   string // for AddCodes
	Key     string // as people type it
	Address string // as apps read it from a picture
}

// seedAge is how long a person has to put a seed into an app.
const seedAge = 15 * time.Minute

// OfferSeed gives the actor a new seed of codes by time; issuer is the name of the portal in the app.
func (s *Service) OfferSeed(ctx context.Context, issuer string) (NewSeed, error) {
	a, err := s.selfWithAll(ctx, "add a way to sign in")
	if err != nil {
		return NewSeed{}, err
	}
	seed := make([]byte, totpSeed)
	_, _ = rand.Read(seed)
	sealed, err := s.sealSeed(ctx, a.ID, seed)
	if err != nil {
		return NewSeed{}, err
	}
	token, key := newToken()
	c := challenge{
		digest:   key,
		purpose:  forSeed,
		instance: a.Instance,
		account:  a.ID,
		session:  stoa.ActorFrom(ctx).Session,
	}
	if err := s.begin(ctx, c, sealed, seedAge); err != nil {
		return NewSeed{}, err
	}
	return NewSeed{token, seedText(seed), seedAddress(seed, issuer, a.Email)}, nil
}

// OfferedSeed gives a seed again that OfferSeed gave, for a person who mistyped its first code.
func (s *Service) OfferedSeed(ctx context.Context, issuer, token string) (NewSeed, error) {
	a, _, seed, _, err := s.offered(ctx, token)
	if err != nil {
		return NewSeed{}, err
	}
	return NewSeed{token, seedText(seed), seedAddress(seed, issuer, a.Email)}, nil
}

func (s *Service) offered(ctx context.Context,
	token string) (a account, begun challenge, seed []byte, sealed string, err error) {
	if a, err = s.self(ctx); err != nil {
		return a, begun, nil, "", err
	}
	key, ok := readToken(token)
	if ok {
		if begun, ok, err = s.begun(ctx, forSeed, key, &sealed); err != nil {
			return a, begun, nil, "", err
		}
	}
	if !ok || begun.account != a.ID || begun.session != stoa.ActorFrom(ctx).Session {
		return a, begun, nil, "", stoa.Conflict("this key was offered too long ago: begin again")
	}
	seed, err = s.openSeed(ctx, a.ID, sealed)
	return a, begun, seed, sealed, err
}

// AddCodes makes an offered seed a factor of the actor, when the code is one of it. The first factor comes
// with recovery codes, which are not to be seen again. A wrong code is Invalid in the field "code".
func (s *Service) AddCodes(ctx context.Context, token, name, code string) (codes []string, err error) {
	a, begun, seed, sealed, err := s.offered(ctx, token)
	if err != nil {
		return nil, err
	}
	if name, err = factorName(name); err != nil {
		return nil, err
	}
	subject := byAccount("factor", a.ID)
	if err := s.tries.Try(ctx, throttle.Limit{Subject: subject, Max: s.o.AccountMax}); err != nil {
		return nil, err
	}
	step, ok := stepOf(seed, strings.ReplaceAll(strings.TrimSpace(code), " ", ""), s.o.Now(), 0)
	if !ok {
		return nil, errCode()
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if ok, err := s.spend(ctx, tx, begun); err != nil || !ok {
			return orElse(err, stoa.Conflict("this key was offered too long ago: begin again"))
		}
		if err := throttle.Forget(ctx, tx, subject); err != nil {
			return err
		}
		codes, err = s.addFactor(
			ctx,
			tx,
			factor{
				Factor:   Factor{Account: a.ID, Kind: FactorCodes, Name: name},
				instance: a.Instance,
				data:     sealed,
				step:     step,
			},
		)
		return err
	})
	if err == nil {
		s.factorsChanged(ctx, a, name, true)
	}
	return codes, err
}

func factorName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if !isName(name) {
		return "", stoa.Invalid("name", "a name is one line of 1 to 120 characters, such as Phone")
	}
	return name, nil
}

// Prove notes that the person of the actor's session has proved again who they are, with the password and,
// where the account has a second factor, a code. A wrong one is Invalid; too many tries are TooMany.
func (s *Service) Prove(ctx context.Context, password, code string) error {
	a, err := s.self(ctx)
	if err != nil {
		return err
	}
	ctx = passhash.OfKnown(ctx)
	subject := byAccount("password", a.ID)
	if err := s.tries.Try(ctx, throttle.Limit{Subject: subject, Max: s.o.AccountMax}); err != nil {
		if stoa.Is(err, stoa.KindTooMany) {
			s.o.Audit.Count(ctx, audit.Throttled, audit.PasswordOld, a.thing())
		}
		return err
	}
	ok, _, err := s.passwords.Check(ctx, a.password, password)
	if err != nil {
		return err
	}
	if !ok {
		s.o.Audit.Count(ctx, audit.Failed, audit.PasswordOld, a.thing())
	}
	have, err := s.factorsOf(ctx, a.ID)
	if err != nil {
		return err
	}
	wrong := stoa.Invalid("password", "the password is wrong")
	use := func(context.Context, *db.Tx) error { return nil }
	if len(have.List) > 0 {
		wrong = stoa.Invalid("password", "the password or the code is wrong, or the code was used already")
		var codeErr error
		if use, codeErr = s.codeOf(ctx, a, code); codeErr != nil && !stoa.Is(codeErr, stoa.KindInvalid) {
			return codeErr
		} else if codeErr != nil {
			s.factorInVain(ctx, codeErr, a.Instance, a)
			ok = false
		}
	}
	if !ok {
		return wrong
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := use(ctx, tx); err != nil {
			return err
		}
		if err := throttle.Forget(ctx, tx, subject); err != nil {
			return err
		}
		return s.proved(ctx, tx, a, len(have.List) > 0)
	})
}

// proved notes the proof at the session of the actor.
func (s *Service) proved(ctx context.Context, tx *db.Tx, a account, two bool) error {
	session := stoa.ActorFrom(ctx).Session
	set, args := "proven = ?", []any{db.Micros(s.o.Now())}
	if two {
		set, args = set+", two_factors = ?", append(args, true)
	}
	n, err := tx.Affected(
		ctx,
		"UPDATE user_session SET "+set+", version = version + 1 WHERE id = ? AND account = ?",
		append(args, session, a.ID)...)
	if err != nil {
		return fmt.Errorf("note a proof: %w", err)
	}
	if n == 0 {
		return errSignedOut()
	}
	tx.Changed("session", session, a.Instance, 0)
	return nil
}
