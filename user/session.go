package user

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/passhash"
)

// Credentials are what a person signs in with.
type Credentials struct {
	Login    string // screen name or e-mail address
	Password string
	Remember bool       // a session that lasts for Options.RememberAge
	Address  netip.Addr // of the client
	Agent    string     // what the browser calls itself; shown in the list of sessions
	Known    string     // what KnownBrowser gave this browser; anything may be given
	Before   []string   // tokens of older sessions of this browser, which end; anything may be given

	finish func(ctx context.Context, tx *db.Tx) error // spends the second factor, in the transaction of the session
}

// Session is one browser that a person is signed in with.
type Session struct {
	ID, User, Instance     stoa.ID
	Created, Seen, Expires time.Time // Expires moves on with use. Seen is exact to a tenth of the idle time
	Ends                   time.Time // however busy it is; zero for one that a binary from before made
	Proven                 time.Time // when the person last proved who they are in it; not before Created
	Remember               bool
	Address, Agent         string
	Version                int64

	TwoFactors bool // with two factors, when the session began or since
	Limited    bool // a second factor is asked of the person: until then the session is good for making one only
}

// SessionMax is how long a session lasts at most without "keep me signed in", and one of an operator always (OWASP
// ASVS 4.0.3, 3.3.2).
const SessionMax = 12 * time.Hour

// SignIn checks the credentials and makes a session. The token is the only way to it and is given
// once. Wrong credentials, unknown users, locked accounts and accounts without a password are all
// the same Unauthorized and take the same work; too many tries are TooMany. Where the account has a second
// factor the error is a *SecondStep, and FinishSignIn goes on.
func (s *Service) SignIn(ctx context.Context, c Credentials, instance stoa.ID) (Session, string, error) {
	a, fresh, t, err := s.checkPassword(ctx, c, instance)
	if err != nil {
		return Session{}, "", err
	}
	if err := s.secondStep(ctx, a, c.Remember, t); err != nil {
		return Session{}, "", err
	}
	return s.open(ctx, a, c, fresh, t)
}

// checkPassword gives the account of the credentials, after counting the try; fresh is the new stored form of a
// password whose old one was made with other costs, "" for none.
func (s *Service) checkPassword(ctx context.Context, c Credentials, instance stoa.ID) (
	a account, fresh string, t tried, err error) {
	login := strings.ToLower(strings.TrimSpace(c.Login))
	a, err = s.byLogin(ctx, instance, login)
	found := err == nil
	if err != nil && !db.IsNoRows(err) {
		return a, "", t, fmt.Errorf("look for the account: %w", err)
	}
	known := false
	if found {
		t, known, err = s.knownTries(ctx, c.Known, a.ID)
		if err != nil {
			return a, "", t, err
		}
	}
	if known {
		ctx = passhash.OfKnown(ctx)
	} else {
		// By what was typed, whether or not there is such an account: else its two logins, which would share a
		// count, would tell that there is one.
		t = s.strangersTries("signin", byLogin("signin", instance, login), c.Address)
	}
	if err := s.tries.Try(ctx, t.limits...); err != nil {
		if stoa.Is(err, stoa.KindTooMany) {
			s.triedInVain(ctx, audit.Throttled, instance, a, found)
		}
		return a, "", t, err
	}
	stored := ""
	if found && a.Status == StatusActive {
		stored = a.password
	}
	ok, old, err := s.passwords.Check(ctx, stored, c.Password)
	if err != nil {
		return a, "", t, err
	}
	if !ok {
		s.triedInVain(ctx, audit.Failed, instance, a, found)
		return a, "", t, errWrong()
	}
	if old { // made with other costs
		if fresh, err = s.passwords.Make(ctx, c.Password); err != nil {
			return a, "", t, err
		}
	}
	return a, fresh, t, nil
}

func errWrong() error { return stoa.Unauthorized("the login or the password is wrong") }

func (s *Service) byLogin(ctx context.Context, instance stoa.ID, login string) (account, error) {
	column := "screen_name"
	if strings.Contains(login, "@") {
		column = "email"
	}
	if len(login) > 190 || !utf8.ValidString(login) || strings.ContainsRune(login, 0) {
		login = "" // nobody's
	}
	return db.One(ctx, s.db, scanAccount, accountColumns+" WHERE instance = ? AND "+column+" = ?", instance, login)
}

// open makes the session, if the account is still as it was when the password was checked. Older sessions of the same
// browser end.
func (s *Service) open(ctx context.Context, a account, c Credentials, fresh string, t tried) (Session, string, error) {
	token, digest := newToken()
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	v := Session{
		User: a.ID, Instance: a.Instance, Created: now, Seen: now, Proven: now, Remember: c.Remember, Version: 1,
		TwoFactors: c.finish != nil,
		Address:    c.Address.Unmap().WithZone("").String(), Agent: clean(c.Agent, 190),
	}
	v.Ends = s.ends(v)
	v.Expires = s.idleEnd(v, now)
	var before []any
	for _, old := range c.Before[:min(len(c.Before), 4)] {
		if d, ok := readToken(old); ok {
			before = append(before, d)
		}
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		id, err := tx.NewID(ctx)
		if err != nil {
			return err
		}
		v.ID = id
		password := a.password
		if fresh != "" {
			password = fresh
		}
		n, err := tx.Affected(
			ctx,
			"UPDATE user_account SET last_login = ?, password = ? WHERE id = ? AND status = ? AND password = ?",
			db.Micros(now),
			password,
			a.ID,
			StatusActive,
			a.password,
		)
		if err != nil {
			return err
		}
		if n == 0 {
			return errWrong()
		}
		if c.finish == nil { // a factor may have been added since the password was checked
			if have, err := countFactors(ctx, tx, a.ID); err != nil || have > 0 {
				return orElse(err, errBeginAgain())
			}
		}
		if len(before) > 0 {
			if err := endSessions(ctx, tx, "digest IN "+db.In(len(before)), before...); err != nil {
				return err
			}
		}
		if err := tx.Insert(ctx, "user_session", db.Row{
			"id": v.ID, "digest": digest, "account": v.User, "instance": v.Instance, "created": db.Micros(now), "seen": db.Micros(now),
			"expires": db.Micros(v.Expires), "ends": db.Micros(v.Ends), "remember": v.Remember, "address": v.Address,
			"agent":  v.Agent,
			"proven": db.Micros(now), "two_factors": v.TwoFactors, "version": v.Version,
		}); err != nil {
			return fmt.Errorf("make the session: %w", err)
		}
		tx.Changed("session", v.ID, v.Instance, v.Version)
		tx.Changed("user", a.ID, a.Instance, a.Version)
		if c.finish != nil {
			if err := c.finish(ctx, tx); err != nil {
				return err
			}
		}
		audit.Note(tx, audit.SignedIn, a.thing(), a.FullName())
		return succeeded(ctx, tx, t)
	})
	if err != nil {
		return Session{}, "", err
	}
	return v, token, nil
}

// ends is when a session ends however busy it is: as was said when it began, or earlier where the settings are stricter
// now.
func (s *Service) ends(v Session) time.Time {
	end := v.Created.Add(SessionMax)
	if v.Remember {
		end = v.Created.Add(s.o.RememberAge)
	}
	if !v.Ends.IsZero() && v.Ends.Before(end) {
		return v.Ends
	}
	return end
}

// over reports whether a session has ended, for want of use or by age. Older versions told a shorter idle time from
// a longer one by Expires alone.
func (s *Service) over(v Session, now time.Time) bool {
	return !now.Before(v.Expires) || !now.Before(s.ends(v)) ||
		!v.Remember && !v.Ends.IsZero() && now.Sub(v.Seen) >= s.o.SessionTimeout
}

// idleEnd is when a session that is used now ends without further use. One that the person asked to keep waits for its
// absolute end.
func (s *Service) idleEnd(v Session, now time.Time) time.Time {
	end := s.ends(v)
	if idle := now.Add(s.o.SessionTimeout); !v.Remember && idle.Before(end) {
		end = idle
	}
	return end.UTC().Truncate(time.Microsecond)
}

// Authenticate gives who is behind a token, from the cache, and moves the end of the session on. A
// token that was never given, has ended or belongs to a locked account is Unauthorized.
func (s *Service) Authenticate(ctx context.Context, token string) (stoa.Actor, Session, error) {
	digest, ok := readToken(token)
	if !ok {
		return stoa.Actor{}, Session{}, errSignedOut()
	}
	v, err := s.sessions.Get(ctx, digest, func(ctx context.Context, l *cache.Load) (Session, error) {
		v, err := db.One(ctx, s.db, scanSession, sessionColumns+" WHERE digest = ?", digest)
		if db.IsNoRows(err) {
			l.NoStore() // forged tokens shall not fill the memory
			return Session{}, errSignedOut()
		}
		if err == nil {
			l.Thing("session", v.ID)
		}
		return v, err
	})
	if err != nil {
		return stoa.Actor{}, Session{}, err
	}
	now := s.o.Now()
	if s.over(v, now) {
		return stoa.Actor{}, Session{}, errSignedOut()
	}
	actor, err := s.actor(ctx, v.User)
	if stoa.Is(err, stoa.KindNotFound) {
		return stoa.Actor{}, Session{}, errSignedOut()
	}
	if err != nil {
		return stoa.Actor{}, Session{}, err
	}
	if actor.Operator && now.Sub(v.Created) >= SessionMax {
		return stoa.Actor{}, Session{}, errSignedOut()
	}
	actor.Session, actor.Proven = v.ID, v.Proven
	if v.Limited = s.limits(actor, v); v.Limited {
		if actor, err = s.limited(ctx, actor); err != nil {
			return stoa.Actor{}, Session{}, err
		}
	}
	if now.Sub(v.Seen) >= s.o.SessionTimeout/10 && !db.InWrite(ctx) {
		v = s.touch(ctx, v, now)
	}
	return actor, v, nil
}

func errSignedOut() error { return stoa.Unauthorized("the session has ended; sign in again") }

// touch notes that the session is in use. When that fails the request goes on: the session merely
// ends earlier.
func (s *Service) touch(ctx context.Context, v Session, now time.Time) Session {
	next := v
	next.Seen, next.Expires, next.Version = now.UTC().Truncate(time.Microsecond), s.idleEnd(v, now), v.Version+1
	moved := false
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE user_session SET seen = ?, expires = ?, version = ? WHERE id = ? AND version = ?",
			db.Micros(next.Seen), db.Micros(next.Expires), next.Version, v.ID, v.Version)
		if moved = err == nil && n == 1; moved {
			tx.Changed("session", v.ID, v.Instance, next.Version)
		}
		return err
	})
	if err != nil {
		s.log.WarnContext(ctx, "could not note that a session is in use", "session", v.ID, "error", err)
		return v
	}
	if !moved { // another request was faster
		return v
	}
	return next
}

// actor gives what an account may do, from the cache: NotFound when it is gone or locked.
func (s *Service) actor(ctx context.Context, id stoa.ID) (stoa.Actor, error) {
	return s.actors.Get(ctx, id.String(), func(ctx context.Context, l *cache.Load) (stoa.Actor, error) {
		l.Thing("user", id)
		a, err := s.account(ctx, s.db, id)
		if err != nil {
			return stoa.Actor{}, err
		}
		if a.Status != StatusActive {
			return stoa.Actor{}, stoa.NotFound("user", id)
		}
		names, err := s.access.RoleIDs(ctx, a.Instance)
		if err != nil {
			return stoa.Actor{}, fmt.Errorf("read the roles of the instance: %w", err)
		}
		l.Scope("role", a.Instance)
		groups, err := db.All(ctx, s.db, scanID, "SELECT usergroup FROM user_member WHERE account = ?", id)
		if err != nil {
			return stoa.Actor{}, fmt.Errorf("read the groups of user %d: %w", id, err)
		}
		for _, g := range groups {
			l.Thing("usergroup", g)
		}
		held, err := db.All(ctx, s.db, scanID, heldSQL, id, id)
		if err != nil {
			return stoa.Actor{}, fmt.Errorf("read the roles of user %d: %w", id, err)
		}
		admin := names[access.RoleAdministrator]
		actor := stoa.Actor{
			User:     id,
			Name:     a.FullName(),
			Instance: a.Instance,
			Locale:   a.Locale,
			TimeZone: a.TimeZone,
			Admin:    admin != 0 && slices.Contains(held, admin),
		}
		if actor.Operator, err = s.operates(ctx, s.db, a.User, actor.Admin); err != nil {
			return stoa.Actor{}, err
		}
		for _, r := range append(held, names[access.RoleUser], names[access.RoleGuest]) {
			if r != 0 {
				actor.Roles = append(actor.Roles, r)
			}
		}
		slices.Sort(actor.Roles)
		actor.Roles = slices.Compact(actor.Roles)
		return actor, nil
	})
}

// Acting gives what a person may do now, for work that goes on after the request in which they asked for it: an actor
// without a session. NotFound says that the account is locked or gone. Only for the person and for the portal itself.
func (s *Service) Acting(ctx context.Context, id stoa.ID) (stoa.Actor, error) {
	if actor := stoa.ActorFrom(ctx); !actor.System && actor.User != id || id == 0 {
		return stoa.Actor{}, stoa.NotFound("user", id)
	}
	return s.actor(ctx, id)
}

// SignOut ends the session of a token. A token that has ended already is no error.
func (s *Service) SignOut(ctx context.Context, token string) error {
	digest, ok := readToken(token)
	if !ok {
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		tx.Repeatable()
		if err := endSessions(ctx, tx, "digest = ?", digest); err != nil || len(tx.Changes()) == 0 {
			return err
		}
		audit.Note(tx, audit.SignedOut, audit.Thing{})
		return nil
	})
}

// Sessions gives the running sessions of a user, the latest first. It is for the user and for who
// manages the instance.
func (s *Service) Sessions(ctx context.Context, user stoa.ID) ([]Session, error) {
	if err := s.selfOrManage(ctx, user); err != nil {
		return nil, err
	}
	now := s.o.Now()
	list, err := db.All(ctx, s.db, scanSession, sessionColumns+
		" WHERE account = ? AND expires > ? ORDER BY seen DESC, id LIMIT 500", user, db.Micros(now))
	return slices.DeleteFunc(list, func(v Session) bool { return s.over(v, now) }), err
}

// EndSession ends one session. It is for the user whose session it is and for who manages the
// instance; other sessions are NotFound.
func (s *Service) EndSession(ctx context.Context, id stoa.ID) error {
	v, err := db.One(ctx, s.db, scanSession, sessionColumns+" WHERE id = ?", id)
	if err != nil && !db.IsNoRows(err) {
		return err
	}
	if err != nil || s.selfOrManage(ctx, v.User) != nil {
		return stoa.NotFound("session", id)
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.account(ctx, tx, v.User)
		if err != nil && !stoa.Is(err, stoa.KindNotFound) {
			return err
		}
		audit.Note(tx, audit.SessionEnded, a.thing())
		return endSessions(ctx, tx, "id = ?", id)
	})
}

func (s *Service) selfOrManage(ctx context.Context, user stoa.ID) error {
	if actor := stoa.ActorFrom(ctx); actor.SignedIn() && actor.User == user {
		return nil
	}
	_, err := s.manageAccount(ctx, user)
	return err
}

// endSessions takes the sessions that the condition names away from who is signed in with them.
func endSessions(ctx context.Context, tx *db.Tx, where string, args ...any) error {
	list, err := deleteSessions(ctx, tx, where, args...)
	if len(list) > 0 {
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
			for part := range slices.Chunk(list, 500) {
				if _, err := deleteSessions(ctx, tx, "id IN "+db.In(len(part)), db.Args(part)...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

// deleteSessions deletes the sessions that the condition names and tells the caches of all nodes.
func deleteSessions(ctx context.Context, tx *db.Tx, where string, args ...any) (ids []stoa.ID, err error) {
	list, err := db.All(ctx, tx, scanSession, sessionColumns+" WHERE "+where+tx.Dialect().ForUpdate(), args...)
	if err != nil {
		return nil, fmt.Errorf("find the sessions to end: %w", err)
	}
	for _, v := range list {
		if _, err := tx.Exec(ctx, "DELETE FROM user_session WHERE id = ?", v.ID); err != nil {
			return nil, fmt.Errorf("end session %d: %w", v.ID, err)
		}
		tx.Changed("session", v.ID, v.Instance, v.Version+1)
		ids = append(ids, v.ID)
	}
	return ids, nil
}

// EndAll ends every session of every instance and voids every one-time link, in the given transaction: after
// the data was put back to an earlier state, what was ended since would live again. It asks for no right:
// it is for the portal itself, which knows when that has happened.
func EndAll(ctx context.Context, tx *db.Tx) error {
	for _, s := range []string{"DELETE FROM user_session", "DELETE FROM user_link", "DELETE FROM user_challenge"} {
		if _, err := tx.Exec(ctx, s); err != nil {
			return fmt.Errorf("end all sessions: %w", err)
		}
	}
	return nil
}

// Sweep deletes sessions and links that have ended and tries that count no more. Only the portal
// itself may call it; it runs every few minutes.
func (s *Service) Sweep(ctx context.Context) error {
	if !stoa.ActorFrom(ctx).System {
		return stoa.Forbidden("only the portal itself sweeps sessions")
	}
	now := s.o.Now()
	for {
		var ended []stoa.ID
		if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			ended, err = deleteSessions(ctx, tx, "expires <= ? ORDER BY id LIMIT 500", db.Micros(now))
			return err
		}); err != nil {
			return fmt.Errorf("sweep sessions: %w", err)
		}
		if len(ended) < 500 {
			break
		}
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM user_link WHERE expires <= ?", db.Micros(now)); err != nil {
			return fmt.Errorf("sweep links: %w", err)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM user_challenge WHERE expires <= ?", db.Micros(now)); err != nil {
			return fmt.Errorf("sweep challenges: %w", err)
		}
		if err := s.tries.Sweep(ctx, tx); err != nil {
			return fmt.Errorf("sweep tries: %w", err)
		}
		return nil
	})
}

const sessionColumns = "SELECT id, account, instance, created, seen, expires, remember, address, agent, version, " +
	"ends, proven, two_factors FROM user_session"

func scanSession(row db.Scanner) (Session, error) {
	var v Session
	var created, seen, expires, ends, proven int64
	err := row.Scan(&v.ID, &v.User, &v.Instance, &created, &seen, &expires, &v.Remember, &v.Address, &v.Agent, &v.Version,
		&ends, &proven, &v.TwoFactors)
	v.Created, v.Seen, v.Expires = db.Time(created), db.Time(seen), db.Time(expires)
	v.Proven = db.Time(max(created, proven))
	if ends != 0 {
		v.Ends = db.Time(ends)
	}
	return v, err
}

// clean cuts hostile text to n characters on one line.
func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s[:min(len(s), 4*n)])
	if r := []rune(s); len(r) > n {
		s = string(r[:n])
	}
	return s
}
