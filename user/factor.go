package user

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// The kinds of factor. A passkey, which asks for a finger or a PIN itself, is two at once; codes by time are the
// second beside the password.
const (
	FactorPasskey = "passkey"
	FactorCodes   = "totp"
)

// maxFactors is how many an account may have: more are no help to a person.
const maxFactors = 20

// recoveryCodes is how many there are; each has 80 random bits.
const recoveryCodes = 10

// Factor is one way of an account to sign in beside the password.
type Factor struct {
	ID, Account   stoa.ID
	Kind, Name    string
	Host          string // that a passkey belongs to
	Created, Used time.Time
}

// Factors are the ways of an account.
type Factors struct {
	List  []Factor
	Codes int // recovery codes that are left
}

// Has reports whether there is a factor of the kind.
func (f Factors) Has(kind string) bool {
	return slices.ContainsFunc(f.List, func(v Factor) bool { return v.Kind == kind })
}

// sealSeed encrypts a seed, bound to its account: one cannot be moved to another.
func (s *Service) sealSeed(ctx context.Context, account stoa.ID, seed []byte) (string, error) {
	sealed, err := s.secrets.Seal(ctx, purposeSeed, seed, boundTo(account))
	if err != nil {
		return "", fmt.Errorf("seal a seed: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(sealed), nil
}

func (s *Service) openSeed(ctx context.Context, account stoa.ID, text string) ([]byte, error) {
	sealed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("read a seed of user %d: %w", account, err)
	}
	seed, err := s.secrets.Open(ctx, purposeSeed, sealed, boundTo(account))
	if err != nil {
		return nil, fmt.Errorf("open a seed of user %d: %w", account, err)
	}
	return seed, nil
}

const purposeSeed = "totp"

func boundTo(account stoa.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(account)) }

// factor is a Factor with what checks it, which never leaves the package.
type factor struct {
	Factor
	instance      stoa.ID
	handle, data  string
	step, version int64
}

const factorColumns = "SELECT id, account, instance, kind, name, host, handle, data, step, created, used, version " +
	"FROM user_factor"

func scanFactor(row db.Scanner) (factor, error) {
	var f factor
	var created, used int64
	err := row.Scan(&f.ID, &f.Account, &f.instance, &f.Kind, &f.Name, &f.Host, &f.handle, &f.data, &f.step, &created,
		&used, &f.version)
	f.Created = db.Time(created)
	if used != 0 {
		f.Used = db.Time(used)
	}
	return f, err
}

// factors reads the factors of an account: they decide, so they are in no cache.
func (s *Service) factors(ctx context.Context, q db.Queryer, account stoa.ID) ([]factor, error) {
	list, err := db.All(ctx, q, scanFactor, factorColumns+" WHERE account = ? ORDER BY id", account)
	if err != nil {
		return nil, fmt.Errorf("read the factors of user %d: %w", account, err)
	}
	return list, nil
}

// Factors gives the factors of the actor, and how many recovery codes are left.
func (s *Service) Factors(ctx context.Context) (Factors, error) {
	a, err := s.self(ctx)
	if err != nil {
		return Factors{}, err
	}
	return s.factorsOf(ctx, a.ID)
}

func (s *Service) factorsOf(ctx context.Context, account stoa.ID) (out Factors, err error) {
	list, err := s.factors(ctx, s.db, account)
	if err != nil {
		return out, err
	}
	for _, f := range list {
		out.List = append(out.List, f.Factor)
	}
	err = s.db.QueryRow(ctx, "SELECT count(*) FROM user_recovery WHERE account = ? AND spent = 0", account).
		Scan(&out.Codes)
	return out, err
}

// self gives the account of the actor.
func (s *Service) self(ctx context.Context) (account, error) {
	actor := stoa.ActorFrom(ctx)
	if !actor.SignedIn() {
		return account{}, stoa.Unauthorized("sign in to see your account")
	}
	return s.account(ctx, s.db, actor.User)
}

// selfAfresh gives the account of an actor who has just proved who they are.
func (s *Service) selfAfresh(ctx context.Context, what string) (account, error) {
	a, err := s.self(ctx)
	if err != nil {
		return account{}, err
	}
	return a, s.fresh(ctx, what)
}

// selfWithAll is selfAfresh for what changes the ways to sign in: where there are some already, the session has shown
// two factors.
func (s *Service) selfWithAll(ctx context.Context, what string) (account, error) {
	a, err := s.selfAfresh(ctx, what)
	if err != nil {
		return account{}, err
	}
	_, err = s.factorsShown(ctx, s.db, a.ID, what)
	return a, err
}

// factorsShown gives how many factors the account of the actor has, and refuses a session that was opened with less
// than they ask for: it may be one of a person who knows the password alone.
func (s *Service) factorsShown(ctx context.Context, q db.Queryer, account stoa.ID, what string) (have int, err error) {
	var two bool
	err = q.QueryRow(ctx, "SELECT two_factors FROM user_session WHERE id = ? AND account = ?",
		stoa.ActorFrom(ctx).Session, account).Scan(&two)
	if db.IsNoRows(err) {
		return 0, errSignedOut()
	}
	if err != nil {
		return 0, fmt.Errorf("read the session of user %d: %w", account, err)
	}
	if have, err = countFactors(ctx, q, account); err != nil {
		return 0, err
	}
	if have > 0 && !two {
		return have, stoa.ProveAgain(what)
	}
	return have, nil
}

func countFactors(ctx context.Context, q db.Queryer, account stoa.ID) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT count(*) FROM user_factor WHERE account = ?", account).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the factors of user %d: %w", account, err)
	}
	return n, nil
}

// lockAccount makes transactions that change or ask for the factors of an account take turns.
func lockAccount(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	err := tx.QueryRow(ctx, "SELECT id FROM user_account WHERE id = ?"+tx.Dialect().ForUpdate(), id).Scan(&id)
	if db.IsNoRows(err) {
		return stoa.NotFound("user", id)
	}
	if err != nil {
		return fmt.Errorf("find user %d: %w", id, err)
	}
	return nil
}

// fresh refuses an actor who has not lately proved who they are.
func (s *Service) fresh(ctx context.Context, what string) error {
	return stoa.ActorFrom(ctx).Fresh(s.o.Now(), what)
}

// limits reports whether the session is good for nothing but making a second factor.
func (s *Service) limits(a stoa.Actor, v Session) bool {
	return s.o.OperatorTwoFactor && a.Operator && !v.TwoFactors
}

// limited is the actor without what a second factor is asked for: a guest with an account.
func (s *Service) limited(ctx context.Context, a stoa.Actor) (stoa.Actor, error) {
	guest, err := s.access.GuestActor(ctx, a.Instance)
	if err != nil {
		return stoa.Actor{}, err
	}
	return stoa.Actor{
		User:     a.User,
		Name:     a.Name,
		Instance: a.Instance,
		Roles:    guest.Roles,
		Session:  a.Session,
		Locale:   a.Locale,
		TimeZone: a.TimeZone,
		Proven:   a.Proven,
	}, nil
}

// addFactor inserts a factor, with recovery codes when it is the first, and notes that the session has
// shown two. The actor's session has proved that it holds the factor. The first one ends the other sessions of the
// account, which were opened with less.
func (s *Service) addFactor(ctx context.Context, tx *db.Tx, f factor) (codes []string, err error) {
	if err := lockAccount(ctx, tx, f.Account); err != nil {
		return nil, err
	}
	have, err := s.factorsShown(ctx, tx, f.Account, "add a way to sign in")
	if err != nil {
		return nil, err
	}
	if have >= maxFactors {
		return nil, stoa.Invalid("name", "there are %d ways to sign in already: remove one first", have)
	}
	if f.ID == 0 {
		if f.ID, err = tx.NewID(ctx); err != nil {
			return nil, err
		}
	}
	if f.handle == "" {
		f.handle = f.ID.String()
	}
	if err := tx.Insert(ctx, "user_factor",
		db.Row{"id": f.ID, "account": f.Account, "instance": f.instance, "kind": f.Kind, "name": f.Name,
			"host": f.Host, "handle": f.handle, "data": f.data, "step": f.step, "created": db.Micros(s.o.Now()), "used": 0,
			"version": 1}); err != nil {
		return nil, fmt.Errorf("add a factor: %w", err)
	}
	tx.Changed("factor", f.ID, f.instance, 1)
	audit.Note(tx, audit.FactorAdded, own(ctx, f.Account, f.instance), f.Name)
	session := stoa.ActorFrom(ctx).Session
	n, err := tx.Affected(ctx, "UPDATE user_session SET two_factors = ?, version = version + 1 WHERE id = ?", true,
		session)
	if err != nil {
		return nil, fmt.Errorf("note the factors of a session: %w", err)
	}
	if n == 0 {
		return nil, errSignedOut()
	}
	tx.Changed("session", session, f.instance, 0)
	if have > 0 {
		return nil, nil
	}
	if err := endSessions(ctx, tx, "account = ? AND id <> ?", f.Account, session); err != nil {
		return nil, err
	}
	return s.makeCodes(ctx, tx, f.Account, f.instance)
}

// NewCodes gives the actor new recovery codes; the old ones count no more.
func (s *Service) NewCodes(ctx context.Context) (codes []string, err error) {
	a, err := s.selfWithAll(ctx, "make new recovery codes")
	if err != nil {
		return nil, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := lockAccount(ctx, tx, a.ID); err != nil {
			return err
		}
		have, err := s.factorsShown(ctx, tx, a.ID, "make new recovery codes")
		if err != nil {
			return err
		}
		if have == 0 {
			return stoa.Conflict("recovery codes stand in for a passkey or an app: add one of them first")
		}
		codes, err = s.makeCodes(ctx, tx, a.ID, a.Instance)
		return err
	})
	if err == nil {
		s.codesChanged(ctx, a, "factors.mail.codes-made")
	}
	return codes, err
}

// makeCodes replaces the recovery codes of an account.
func (s *Service) makeCodes(ctx context.Context, tx *db.Tx, account, instance stoa.ID) ([]string, error) {
	old, err := db.All(ctx, tx, scanText, "SELECT digest FROM user_recovery WHERE account = ?", account)
	if err != nil {
		return nil, err
	}
	if err := dropCodes(ctx, tx, old); err != nil {
		return nil, err
	}
	if len(old) > 0 {
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error { return dropCodes(ctx, tx, old) })
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		var raw [10]byte
		_, _ = rand.Read(raw[:])
		text := strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
		codes[i] = text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		if err := tx.Insert(ctx, "user_recovery",
			db.Row{"digest": codeDigest(account, codes[i]), "account": account, "spent": 0}); err != nil {
			return nil, fmt.Errorf("make recovery codes: %w", err)
		}
	}
	tx.Changed("factor", account, instance, 0)
	audit.Note(tx, audit.CodesMade, own(ctx, account, instance))
	return codes, nil
}

func dropCodes(ctx context.Context, tx *db.Tx, digests []string) error {
	for _, d := range digests {
		if _, err := tx.Exec(ctx, "DELETE FROM user_recovery WHERE digest = ?", d); err != nil {
			return fmt.Errorf("drop recovery codes: %w", err)
		}
	}
	return nil
}

func scanText(row db.Scanner) (text string, err error) {
	err = row.Scan(&text)
	return text, err
}

// codeDigest is the stored form of a recovery code: it is random, so a fast hash keeps it. How a person
// writes it, in capitals or without dashes, does not matter.
func codeDigest(account stoa.ID, code string) string {
	code = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '2' && r <= '7':
			return r
		}
		return -1
	}, code)
	return digest(account.String() + "\x00" + code)
}

// RemoveFactor takes a factor from the actor; with the last one the recovery codes go as well. An operator
// of whom two factors are asked keeps one.
func (s *Service) RemoveFactor(ctx context.Context, id stoa.ID) error {
	const what = "remove a way to sign in"
	a, err := s.selfWithAll(ctx, what)
	if err != nil {
		return err
	}
	roles, err := s.access.RoleIDs(ctx, a.Instance)
	if err != nil {
		return fmt.Errorf("read the roles of the instance: %w", err)
	}
	name := ""
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := lockAccount(ctx, tx, a.ID); err != nil {
			return err
		}
		if _, err := s.factorsShown(ctx, tx, a.ID, what); err != nil {
			return err
		}
		list, err := s.factors(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(list, func(f factor) bool { return f.ID == id })
		if at < 0 {
			return stoa.NotFound("way to sign in", id)
		}
		if s.o.OperatorTwoFactor && len(list) == 1 {
			// The account is asked, not the actor, which may be of before the account became one, or limited.
			admin, err := s.isAdmin(ctx, tx, roles[access.RoleAdministrator], a.ID)
			if err != nil {
				return err
			}
			operator, err := s.operates(ctx, tx, a.User, admin)
			if err != nil {
				return err
			}
			if operator {
				return stoa.Conflict("operators of this portal need a second factor: " +
					"add another one before you remove the last")
			}
		}
		name = list[at].Name
		if err := s.takeFactors(ctx, tx, a, list[at:at+1], len(list) == 1); err != nil || len(list) > 1 {
			return err
		}
		return forgetFactors(ctx, tx, a)
	})
	if err == nil {
		s.factorsChanged(ctx, a, name, false)
	}
	return err
}

// ResetFactors takes all factors and recovery codes from the person, and ends their sessions: the way back
// for someone who has lost them. Only the portal itself, for the operator of a node, may do that.
func (s *Service) ResetFactors(ctx context.Context, account stoa.ID) error {
	if !stoa.ActorFrom(ctx).System {
		return stoa.Forbidden("only the operator of a node resets factors")
	}
	a, err := s.manageAccount(ctx, account)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := lockAccount(ctx, tx, a.ID); err != nil {
			return err
		}
		list, err := s.factors(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		if err := s.takeFactors(ctx, tx, a, list, true); err != nil {
			return err
		}
		return endSessions(ctx, tx, "account = ?", a.ID)
	})
	if err == nil {
		s.factorsChanged(ctx, a, stoa.Phrase("factors.mail.all"), false)
	}
	return err
}

// takeFactors removes factors of an account, and with the last one its recovery codes.
func (s *Service) takeFactors(ctx context.Context, tx *db.Tx, a account, list []factor, last bool) error {
	var codes []string
	if last {
		var err error
		if codes, err = db.All(ctx, tx, scanText, "SELECT digest FROM user_recovery WHERE account = ?", a.ID); err != nil {
			return err
		}
	}
	take := func(ctx context.Context, tx *db.Tx) error {
		for _, f := range list {
			if _, err := tx.Exec(ctx, "DELETE FROM user_factor WHERE id = ?", f.ID); err != nil {
				return fmt.Errorf("remove factor %d: %w", f.ID, err)
			}
			tx.Changed("factor", f.ID, a.Instance, f.version+1)
		}
		if err := dropChallenges(ctx, tx, a.ID); err != nil {
			return err
		}
		return dropCodes(ctx, tx, codes)
	}
	tx.TakesAway(take)
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	if len(list) > 0 {
		audit.Note(tx, audit.FactorGone, a.thing(), strings.Join(names, ", "))
	}
	return take(ctx, tx)
}

// forgetFactors notes that no session of an account has shown two factors: with the last one that counts no more,
// should two be asked of its person later.
func forgetFactors(ctx context.Context, tx *db.Tx, a account) error {
	list, err := db.All(ctx, tx, scanID, "SELECT id FROM user_session WHERE account = ?", a.ID)
	if err != nil {
		return fmt.Errorf("find the sessions of user %d: %w", a.ID, err)
	}
	_, err = tx.Exec(ctx, "UPDATE user_session SET two_factors = ?, version = version + 1 WHERE account = ?", false, a.ID)
	if err != nil {
		return fmt.Errorf("note the factors of the sessions of user %d: %w", a.ID, err)
	}
	for _, id := range list {
		tx.Changed("session", id, a.Instance, 0)
	}
	return nil
}

// own is the account of a person who changes the own ways to sign in, as the audit log names it.
func own(ctx context.Context, account, instance stoa.ID) audit.Thing {
	return audit.Thing{Kind: "user", ID: account, Instance: instance, Title: stoa.ActorFrom(ctx).Name}
}
