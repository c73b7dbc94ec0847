package user

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/throttle"
)

// maxAnswer bounds what a browser sends of a passkey, in bytes.
const maxAnswer = 32 << 10

// Party is the portal as an authenticator knows it (the relying party of WebAuthn).
type Party struct {
	Host    string   // a passkey belongs to it: the main host of the instance, without port
	Name    string   // for people
	Origins []string // scheme, host and port under which the browser of this request may know the host
}

// passkey is what is kept of one.
type passkey struct {
	Owner      []byte // the handle by which authenticators know the account: random, the same for all its passkeys
	Credential webauthn.Credential
}

// owner is an account as the library asks for it.
type owner struct {
	handle []byte
	User
	credentials []webauthn.Credential
}

// WebAuthnID is the handle of the account.
func (o owner) WebAuthnID() []byte { return o.handle }

// WebAuthnName is the login.
func (o owner) WebAuthnName() string { return o.ScreenName }

// WebAuthnDisplayName is the name that people read.
func (o owner) WebAuthnDisplayName() string { return o.FullName() }

// WebAuthnCredentials are the passkeys of the account.
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// library sets the library up: a passkey has to be kept by the authenticator, and to ask its person.
func (p Party) library() (*webauthn.WebAuthn, error) {
	lib, err := webauthn.New(&webauthn.Config{
		RPID: p.Host, RPDisplayName: p.Name, RPOrigins: p.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(), ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("user: passkeys at %s: %w", p.Host, err)
	}
	return lib, nil
}

// PasskeyHost gives the host that the passkeys of the instance belong to, "" while there are none.
func (s *Service) PasskeyHost(ctx context.Context, instance stoa.ID) (string, error) {
	host, err := db.One(ctx, s.db, scanText,
		"SELECT host FROM user_factor WHERE instance = ? AND kind = ? ORDER BY id LIMIT 1", instance, FactorPasskey)
	if db.IsNoRows(err) {
		return "", nil
	}
	return host, err
}

// ownerOf gives an account with its passkeys; one without gets a new handle.
func (s *Service) ownerOf(ctx context.Context, a account) (owner, error) {
	o := owner{User: a.User}
	list, err := s.factors(ctx, s.db, a.ID)
	if err != nil {
		return o, err
	}
	for _, f := range list {
		if f.Kind != FactorPasskey {
			continue
		}
		var k passkey
		if err := json.Unmarshal([]byte(f.data), &k); err != nil {
			return o, fmt.Errorf("read passkey %d: %w", f.ID, err)
		}
		o.handle, o.credentials = k.Owner, append(o.credentials, k.Credential)
	}
	if o.handle == nil {
		o.handle = make([]byte, 32)
		_, _ = rand.Read(o.handle)
	}
	return o, nil
}

// ceremony is what is kept between the question to an authenticator and its answer.
type ceremony struct {
	Owner   []byte `json:",omitempty"`
	Session webauthn.SessionData
}

// ask writes the challenge and gives the question in the form of WebAuthn's JSON.
func (s *Service) ask(ctx context.Context, c challenge, data ceremony, question any) ([]byte, error) {
	c.digest = digest(data.Session.Challenge)
	if err := s.begin(ctx, c, data, challengeAge); err != nil {
		return nil, err
	}
	return json.Marshal(question)
}

// AskNewPasskey gives the question with which the browser of the actor makes a passkey.
func (s *Service) AskNewPasskey(ctx context.Context, p Party) ([]byte, error) {
	a, err := s.selfWithAll(ctx, "add a way to sign in")
	if err != nil {
		return nil, err
	}
	lib, err := p.library()
	if err != nil {
		return nil, err
	}
	o, err := s.ownerOf(ctx, a)
	if err != nil {
		return nil, err
	}
	var have []protocol.CredentialDescriptor
	for _, c := range o.credentials {
		have = append(have, c.Descriptor())
	}
	question, session, err := lib.BeginRegistration(o, webauthn.WithExclusions(have))
	if err != nil {
		return nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	c := challenge{
		purpose:  forRegister,
		instance: a.Instance,
		account:  a.ID,
		session:  stoa.ActorFrom(ctx).Session,
		host:     p.Host,
	}
	return s.ask(ctx, c, ceremony{o.handle, *session}, question)
}

// AddPasskey makes the answer to AskNewPasskey a factor of the actor. The first factor comes with recovery
// codes, which are not to be seen again. An answer that does not fit is Invalid.
func (s *Service) AddPasskey(ctx context.Context, p Party, name string, answer []byte) (codes []string, err error) {
	a, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if name, err = factorName(name); err != nil {
		return nil, err
	}
	if len(answer) > maxAnswer {
		return nil, errPasskey()
	}
	made, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, errPasskey()
	}
	var asked ceremony
	begun, ok, err := s.begun(ctx, forRegister, digest(made.Response.CollectedClientData.Challenge), &asked)
	if err != nil {
		return nil, err
	}
	if !ok || begun.account != a.ID || begun.session != stoa.ActorFrom(ctx).Session || begun.host != p.Host {
		return nil, errPasskey()
	}
	lib, err := p.library()
	if err != nil {
		return nil, err
	}
	credential, err := lib.CreateCredential(owner{handle: asked.Owner, User: a.User}, asked.Session, made)
	if err != nil || !credential.Flags.UserVerified {
		s.log.InfoContext(ctx, "a passkey was not taken", "user", a.ID, "error", err)
		return nil, errPasskey()
	}
	data, err := json.Marshal(passkey{asked.Owner, *credential})
	if err != nil {
		return nil, fmt.Errorf("keep a passkey: %w", err)
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if ok, err := s.spend(ctx, tx, begun); err != nil || !ok {
			return orElse(err, errPasskey())
		}
		codes, err = s.addFactor(
			ctx,
			tx,
			factor{Factor: Factor{Account: a.ID, Kind: FactorPasskey, Name: name, Host: p.Host},
				instance: a.Instance, handle: digest(string(credential.ID)), data: string(data)},
		)
		return err
	})
	if db.IsDuplicate(err) {
		return nil, stoa.Conflict("this passkey is there already")
	}
	if err == nil {
		s.factorsChanged(ctx, a, name, true)
	}
	return codes, err
}

func errPasskey() error {
	return stoa.Invalid("passkey", "the passkey was not accepted, or the answer came too late: try again")
}

// passkeyTries are what a question for a passkey is counted for: who asks has named no account yet.
func passkeyTries(s *Service, c Credentials) (t tried) {
	t.limits = throttle.ByAddress("passkey", c.Address, s.o.AddressMax)
	for _, l := range t.limits {
		t.shared = append(t.shared, l.Subject)
	}
	return t
}

// AskPasskey gives the question with which a browser signs a person of the instance in with a passkey. Too
// many from one address are TooMany.
func (s *Service) AskPasskey(ctx context.Context, p Party, instance stoa.ID, c Credentials) ([]byte, error) {
	if err := s.tries.Try(ctx, passkeyTries(s, c).limits...); err != nil {
		s.factorInVain(ctx, err, instance, account{})
		return nil, err
	}
	lib, err := p.library()
	if err != nil {
		return nil, err
	}
	question, session, err := lib.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	return s.ask(ctx, challenge{purpose: forSignIn, instance: instance, host: p.Host}, ceremony{Session: *session},
		question)
}

// answered checks the answer to a question of the purpose. finish spends the challenge and notes the use of
// the passkey, in the transaction of what the answer is for. One that does not fit is noted in the audit log.
func (s *Service) answered(ctx context.Context, p Party, purpose string, instance stoa.ID,
	answer []byte) (a account, begun challenge,
	finish func(ctx context.Context, tx *db.Tx) error, err error) {
	if a, begun, finish, err = s.checkAnswer(ctx, p, purpose, instance, answer); err != nil {
		s.factorInVain(ctx, err, instance, a)
	}
	return a, begun, finish, err
}

func (s *Service) checkAnswer(ctx context.Context, p Party, purpose string, instance stoa.ID,
	answer []byte) (a account, begun challenge,
	finish func(ctx context.Context, tx *db.Tx) error, err error) {
	if len(answer) > maxAnswer {
		return a, begun, nil, errPasskey()
	}
	got, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return a, begun, nil, errPasskey()
	}
	var asked ceremony
	begun, ok, err := s.begun(ctx, purpose, digest(got.Response.CollectedClientData.Challenge), &asked)
	if err != nil {
		return a, begun, nil, err
	}
	if !ok || begun.host != p.Host || begun.instance != instance {
		return a, begun, nil, errPasskey()
	}
	f, err := db.One(ctx, s.db, scanFactor, factorColumns+" WHERE instance = ? AND kind = ? AND handle = ?", instance,
		FactorPasskey, digest(string(got.RawID)))
	if db.IsNoRows(err) {
		return a, begun, nil, errPasskey()
	}
	if err != nil {
		return a, begun, nil, fmt.Errorf("look for a passkey: %w", err)
	}
	a, err = s.account(ctx, s.db, f.Account)
	if stoa.Is(err, stoa.KindNotFound) { // deleted meanwhile
		return a, begun, nil, errPasskey()
	}
	if err != nil {
		return a, begun, nil, err
	}
	var k passkey
	if err := json.Unmarshal([]byte(f.data), &k); err != nil {
		return a, begun, nil, fmt.Errorf("read passkey %d: %w", f.ID, err)
	}
	lib, err := p.library()
	if err != nil {
		return a, begun, nil, err
	}
	_, credential, err := lib.ValidatePasskeyLogin(func(id, handle []byte) (webauthn.User, error) {
		if !bytes.Equal(id, k.Credential.ID) || !bytes.Equal(handle, k.Owner) || f.Host != p.Host {
			return nil, errPasskey()
		}
		return owner{k.Owner, a.User, []webauthn.Credential{k.Credential}}, nil
	}, asked.Session, got)
	if err != nil || !got.Response.AuthenticatorData.Flags.UserVerified() || a.Status != StatusActive {
		s.log.InfoContext(ctx, "a passkey was not accepted", "user", a.ID, "error", err)
		return a, begun, nil, errPasskey()
	}
	if credential.Authenticator.CloneWarning {
		s.log.WarnContext(ctx, "a passkey was not accepted: its counter went back, so that there may be a copy of it",
			"user", a.ID, "factor", f.ID)
		return a, begun, nil, errPasskey()
	}
	k.Credential = *credential
	data, err := json.Marshal(k)
	if err != nil {
		return a, begun, nil, err
	}
	return a, begun, func(ctx context.Context, tx *db.Tx) error {
		if ok, err := s.spend(ctx, tx, begun); err != nil || !ok {
			return orElse(err, errPasskey())
		}
		n, err := tx.Affected(ctx,
			"UPDATE user_factor SET data = ?, used = ?, version = version + 1 WHERE id = ? AND version = ?", string(data),
			db.Micros(s.o.Now()), f.ID, f.version)
		if err != nil || n == 0 { // removed, or used elsewhere at the same time
			return orElse(err, errPasskey())
		}
		tx.Changed("factor", f.ID, a.Instance, f.version+1)
		return nil
	}, nil
}

// SignInWithPasskey makes a session from the answer to AskPasskey. An answer that does not fit is Invalid.
func (s *Service) SignInWithPasskey(ctx context.Context, p Party, instance stoa.ID, c Credentials,
	answer []byte) (Session, string, error) {
	a, _, finish, err := s.answered(ctx, p, forSignIn, instance, answer)
	if err != nil {
		return Session{}, "", err
	}
	c.finish = finish
	return s.open(ctx, a, c, "", passkeyTries(s, c))
}

// AskProof gives the question with which the actor proves with a passkey who they are.
func (s *Service) AskProof(ctx context.Context, p Party) ([]byte, error) {
	a, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	lib, err := p.library()
	if err != nil {
		return nil, err
	}
	question, session, err := lib.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	c := challenge{
		purpose:  forProof,
		instance: a.Instance,
		account:  a.ID,
		session:  stoa.ActorFrom(ctx).Session,
		host:     p.Host,
	}
	return s.ask(ctx, c, ceremony{Session: *session}, question)
}

// ProveWithPasskey is Prove with the answer to AskProof: a passkey of the actor and of no other account.
func (s *Service) ProveWithPasskey(ctx context.Context, p Party, answer []byte) error {
	actor := stoa.ActorFrom(ctx)
	if !actor.SignedIn() {
		return errSignedOut()
	}
	a, begun, finish, err := s.answered(ctx, p, forProof, actor.Instance, answer)
	if err != nil {
		return err
	}
	if a.ID != actor.User || begun.account != actor.User || begun.session != actor.Session {
		return errPasskey()
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := finish(ctx, tx); err != nil {
			return err
		}
		return s.proved(ctx, tx, a, true)
	})
}

// Away is a sign-in that another host of an instance leaves to its main host.
type Away struct {
	Origin   string // scheme, host and port to go back to, which the caller knows to be the portal's own
	Next     string // path there
	Remember bool
}

type away struct {
	Away
	Browser string // digest of what the browser keeps for the other host: only it can go on there
}

// LeaveFor notes that the browser, which keeps the secret, goes to the main host to sign in, and gives the
// token with which it is known there. The origin must be one of the portal's own.
func (s *Service) LeaveFor(ctx context.Context, instance stoa.ID, to Away, secret string,
	c Credentials) (token string, err error) {
	if err := s.tries.Try(ctx, passkeyTries(s, c).limits...); err != nil {
		s.factorInVain(ctx, err, instance, account{})
		return "", err
	}
	token, key := newToken()
	row := challenge{digest: key, purpose: forAway, instance: instance, host: to.Origin}
	return token, s.begin(ctx, row, away{to, digest(secret)}, challengeAge)
}

// ComesFrom gives what LeaveFor noted, for the main host; ok is false for a token that is wrong, used or old.
func (s *Service) ComesFrom(ctx context.Context, instance stoa.ID, token string) (to Away, ok bool, err error) {
	v, _, ok, err := s.comesFrom(ctx, instance, token)
	return v.Away, ok, err
}

func (s *Service) comesFrom(ctx context.Context, instance stoa.ID,
	token string) (v away, c challenge, ok bool, err error) {
	key, ok := readToken(token)
	if !ok {
		return v, c, false, nil
	}
	c, ok, err = s.begun(ctx, forAway, key, &v)
	return v, c, ok && c.instance == instance, err
}

// TicketWithPasskey is SignInWithPasskey for a person who came from another host: instead of a session here
// it gives the way back to that host, with a ticket that makes one there, once and within a minute.
func (s *Service) TicketWithPasskey(ctx context.Context, p Party, instance stoa.ID, from string,
	answer []byte) (to Away, ticket string, err error) {
	v, leave, ok, err := s.comesFrom(ctx, instance, from)
	if err != nil {
		return Away{}, "", err
	}
	if !ok {
		return Away{}, "", errBeginAgain()
	}
	a, _, finish, err := s.answered(ctx, p, forSignIn, instance, answer)
	if err != nil {
		return Away{}, "", err
	}
	ticket, key := newToken()
	data, err := json.Marshal(v)
	if err != nil {
		return Away{}, "", err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if ok, err := s.spend(ctx, tx, leave); err != nil || !ok {
			return orElse(err, errBeginAgain())
		}
		if err := finish(ctx, tx); err != nil {
			return err
		}
		return s.insertChallenge(ctx, tx, challenge{digest: key, purpose: forTicket, instance: instance, account: a.ID,
			host: leave.host, data: string(data)}, ticketAge)
	})
	return v.Away, ticket, err
}

// SignInWithTicket makes a session from a ticket, at the origin that it is for and in the browser that keeps
// the secret; it gives the path to go on to. Anything else is Unauthorized.
func (s *Service) SignInWithTicket(ctx context.Context, instance stoa.ID, origin, secret, ticket string,
	c Credentials) (v Session, token, next string, err error) {
	key, ok := readToken(ticket)
	if !ok {
		return v, "", "", errBeginAgain()
	}
	var to away
	begun, ok, err := s.begun(ctx, forTicket, key, &to)
	if err != nil {
		return v, "", "", err
	}
	if !ok || begun.instance != instance || begun.host != origin || secret == "" || to.Browser != digest(secret) {
		s.factorInVain(ctx, errBeginAgain(), instance, account{})
		return v, "", "", errBeginAgain()
	}
	a, err := s.account(ctx, s.db, begun.account)
	if stoa.Is(err, stoa.KindNotFound) {
		return v, "", "", errBeginAgain()
	}
	if err != nil {
		return v, "", "", err
	}
	c.Remember = to.Remember
	c.finish = func(ctx context.Context, tx *db.Tx) error {
		if ok, err := s.spend(ctx, tx, begun); err != nil || !ok {
			return orElse(err, errBeginAgain())
		}
		return nil
	}
	v, token, err = s.open(ctx, a, c, "", passkeyTries(s, c))
	return v, token, to.Next, err
}
