package user

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/mail"
	"github.com/stoa-portal/stoa/passhash"
	"github.com/stoa-portal/stoa/throttle"
)

const (
	purposeReset = "reset"
	purposeSetup = "setup"
)

// How many links for a forgotten password are asked for within the window of the throttle. One requester has few: mail
// is also a means to annoy. One person gets many, as else a few requesters could keep the person from having any.
const (
	resetsPerRequester = 5
	resetsPerPerson    = 50
)

// reset is a wish for a link.
type reset struct {
	instance stoa.ID
	email    string
	base     string
}

// RequestReset mails a link that sets a new password, if there is an active account with the
// address; the answer is the same when there is none. baseURL is the address of the portal that the
// link starts with: it must come from the settings or from a host that is known, never from a
// request as it is. A requester (stoa.RequesterFrom) who asks too often gets TooMany, as do all when too many such
// mails wait. Links that the person got before go on working.
func (s *Service) RequestReset(ctx context.Context, instance stoa.ID, email, baseURL string) error {
	email = strings.ToLower(strings.TrimSpace(email))
	if !isEmail(email) {
		return stoa.Invalid("email", "%.100q is not an e-mail address: one such as name@example.com is expected", email)
	}
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("user: the address of the portal for links is not usable: scheme, host and path are expected")
	}
	if s.o.Mail == nil {
		return stoa.Unavailable(nil, "this portal sends no mail: ask an administrator for a new password")
	}
	if err := s.life.Err(); err != nil {
		return stoa.Unavailable(err, "the portal is shutting down; try again in a minute")
	}
	if err := s.tries.Try(ctx, throttle.ByAddress("reset", stoa.RequesterFrom(ctx), resetsPerRequester)...); err != nil {
		return err
	}
	r := reset{instance: instance, email: email, base: strings.TrimRight(baseURL, "/")}
	from, request, speaks := stoa.RequesterFrom(ctx), stoa.RequestIDFrom(ctx), lang.From(ctx).Locale()
	if !s.post(letter{"link for a new password", func(ctx context.Context) error {
		ctx = stoa.WithLocale(stoa.WithRequestID(stoa.WithRequester(ctx, from), request), speaks)
		return s.sendReset(ctx, r)
	}}) {
		return stoa.TooMany("too many people ask for a new password at this moment; try again in a minute")
	}
	return nil
}

func (s *Service) sendReset(ctx context.Context, r reset) error {
	a, err := s.byLogin(ctx, r.instance, r.email)
	if db.IsNoRows(err) || err == nil && a.Status != StatusActive {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the account: %w", err)
	}
	if err := s.tries.Try(ctx, throttle.Limit{Subject: byAccount("reset", a.ID), Max: resetsPerPerson}); err != nil {
		if stoa.Is(err, stoa.KindTooMany) {
			s.o.Audit.Count(ctx, audit.Throttled, audit.LinkAsked, a.thing())
		}
		return err
	}
	var token string
	if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		audit.Note(tx, audit.LinkAsked, a.thing())
		token, err = s.anotherLink(ctx, tx, a.ID, purposeReset, s.o.ResetLifetime)
		return err
	}); err != nil {
		return fmt.Errorf("make the link: %w", err)
	}
	w := wordsFor(ctx, a.User)
	address := r.base + "/account/reset?token=" + url.QueryEscape(token)
	return s.o.Mail.Send(ctx, mail.Message{
		To:      []string{a.Email},
		Subject: w.Word("signin.mail.reset.subject"),
		Text: w.Word("signin.mail.hello", a.FullName()) + "\n\n" +
			w.Word("signin.mail.reset.text", span(w, s.o.ResetLifetime)) + "\n\n" + address + "\n\n" +
			w.Word("signin.mail.reset.mend") + "\n",
	})
}

// span says how long something lasts, in the largest unit that fits without rest.
func span(w *lang.Words, d time.Duration) string {
	if d%time.Hour == 0 {
		return w.Word("signin.hours", int(d/time.Hour))
	}
	return w.Word("signin.minutes", int(d/time.Minute))
}

// link makes a link that works once; an older one of the same purpose works no more.
func (s *Service) link(ctx context.Context, tx *db.Tx, id stoa.ID, purpose string, lifetime time.Duration) (string, error) {
	if _, err := tx.Exec(ctx, "DELETE FROM user_link WHERE account = ? AND purpose = ?", id, purpose); err != nil {
		return "", err
	}
	return s.anotherLink(ctx, tx, id, purpose, lifetime)
}

// anotherLink makes a link beside those that there are; the first that is used ends the others.
func (s *Service) anotherLink(ctx context.Context, tx *db.Tx, id stoa.ID, purpose string, lifetime time.Duration) (string, error) {
	token, digest := newToken()
	err := tx.Insert(ctx, "user_link", db.Row{"digest": digest, "account": id, "purpose": purpose, "expires": db.Micros(s.o.Now().Add(lifetime))})
	if err != nil {
		return "", fmt.Errorf("make a link: %w", err)
	}
	return token, nil
}

// NewSetupToken gives a new token for <base>/account/setup?token=…, with which the first password of
// an account is set; the one before works no more. It needs Manage on the instance. An account that
// has a password gets none: that is a Conflict.
func (s *Service) NewSetupToken(ctx context.Context, id stoa.ID) (string, error) {
	a, err := s.manageAccount(ctx, id)
	if err != nil {
		return "", err
	}
	if err := s.fresh(ctx, "make a link for a password"); err != nil {
		return "", err
	}
	if a.password != "" {
		return "", stoa.Conflict("the account %s has a password already: set a new one or send a link for a new one", a.ScreenName)
	}
	var token string
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		audit.Note(tx, audit.LinkMade, a.thing())
		token, err = s.link(ctx, tx, id, purposeSetup, s.o.SetupLifetime)
		return err
	})
	return token, err
}

// OperatorLink gives the path, with a one-time token, at which the person sets a password, whether or
// not there was one. Only the portal itself, for the operator of a node, may ask for it.
func (s *Service) OperatorLink(ctx context.Context, id stoa.ID) (path string, err error) {
	if !stoa.ActorFrom(ctx).System {
		return "", stoa.Forbidden("only the operator of a node gets such a link")
	}
	a, err := s.manageAccount(ctx, id)
	if err != nil {
		return "", err
	}
	var token string
	path, purpose, lifetime := "/account/reset?token=", purposeReset, s.o.ResetLifetime
	if a.password == "" {
		path, purpose, lifetime = "/account/setup?token=", purposeSetup, s.o.SetupLifetime
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		audit.Note(tx, audit.LinkMade, a.thing())
		token, err = s.link(ctx, tx, id, purpose, lifetime)
		return err
	})
	return path + token, err
}

// ResetPassword sets a new password with the token of a reset mail and ends all sessions of the
// account. A token that is wrong, used or too old is Invalid in the field "token"; a password against
// the policy is Invalid in "password" and leaves the link usable.
func (s *Service) ResetPassword(ctx context.Context, token, password string) error {
	return s.use(ctx, purposeReset, token, password)
}

// UseSetup sets the first password of an account with a setup token, with the errors of ResetPassword.
func (s *Service) UseSetup(ctx context.Context, token, password string) error {
	return s.use(ctx, purposeSetup, token, password)
}

// CheckReset reports whether ResetPassword would take the token now: nil or Invalid.
func (s *Service) CheckReset(ctx context.Context, token string) error {
	_, _, err := s.linked(ctx, purposeReset, token)
	return err
}

// CheckSetup reports whether UseSetup would take the token now: nil or Invalid.
func (s *Service) CheckSetup(ctx context.Context, token string) error {
	_, _, err := s.linked(ctx, purposeSetup, token)
	return err
}

func (s *Service) use(ctx context.Context, purpose, token, password string) error {
	a, digest, err := s.linked(ctx, purpose, token)
	if err != nil {
		if stoa.Is(err, stoa.KindInvalid) {
			s.o.Audit.Count(ctx, audit.Failed, audit.LinkUsed, audit.Thing{Kind: "user"})
		}
		return err
	}
	if err := s.checkPolicy(a.User, password); err != nil {
		return err
	}
	hash, err := s.passwords.Make(passhash.OfKnown(ctx), password)
	if err != nil {
		return err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "DELETE FROM user_link WHERE digest = ? AND purpose = ? AND expires > ?", digest, purpose, db.Micros(s.o.Now()))
		if err != nil {
			return err
		}
		if n == 0 {
			return errLink()
		}
		if _, err := tx.Exec(ctx, "DELETE FROM user_link WHERE account = ? AND purpose = ?", a.ID, purpose); err != nil {
			return err
		}
		return storePassword(ctx, tx, a, hash, 0)
	})
	if err == nil {
		s.passwordChanged(ctx, a)
	}
	return err
}

// linked gives the account that a token is for.
func (s *Service) linked(ctx context.Context, purpose, token string) (account, string, error) {
	digest, ok := readToken(token)
	if !ok {
		return account{}, "", errLink()
	}
	id, err := db.One(ctx, s.db, scanID, "SELECT account FROM user_link WHERE digest = ? AND purpose = ? AND expires > ?", digest, purpose, db.Micros(s.o.Now()))
	if db.IsNoRows(err) {
		return account{}, "", errLink()
	}
	if err != nil {
		return account{}, "", fmt.Errorf("look for a link: %w", err)
	}
	a, err := s.account(ctx, s.db, id)
	if stoa.Is(err, stoa.KindNotFound) || err == nil && a.Status != StatusActive {
		return account{}, "", errLink()
	}
	return a, digest, err
}

func errLink() error {
	return stoa.Invalid("token", "this link is wrong, was used already or is too old: ask for a new one")
}
