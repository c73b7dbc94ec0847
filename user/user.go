// Package user keeps the people of an instance: accounts, user groups and the roles they hold;
// signing in and out, sessions, passwords and the links that set them. Tokens leave it only as
// return values and in mails; the database has their hashes and the log has nothing of them.
package user

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/mail"
	"github.com/stoa-portal/stoa/passhash"
	"github.com/stoa-portal/stoa/secret"
	"github.com/stoa-portal/stoa/throttle"
)

// The states of an account.
const (
	StatusActive = "active"
	StatusLocked = "locked" // cannot sign in and has no sessions
)

// Options are what a Service needs. DB, Cache and Access are required.
type Options struct {
	DB      *db.DB
	Cache   *cache.Cache
	Access  *access.Service
	Secrets *secret.Service // signs the cookies of known browsers; nil: one without a key file
	Mail    *mail.Mailer    // nil: no links for forgotten passwords are sent
	Audit   *audit.Log      // nil: what is tried in vain is not noted

	// DefaultInstance gives the instance whose administrators operate the whole installation; nil: there are none.
	DefaultInstance func(context.Context, db.Queryer) (stoa.ID, error)
	// Operators is omniadmin.users: ids, screen names and e-mail addresses of accounts of the default instance.
	// When there are any, only these are operators, administrators or not.
	Operators []string

	Logger *slog.Logger
	Now    func() time.Time

	SessionTimeout time.Duration // a session ends this long after its last request; 0 = 30 min
	RememberAge    time.Duration // a session with "keep me signed in" ends this long after sign-in; 0 = 30 days
	ResetLifetime  time.Duration // of the link for a forgotten password; 0 = 1 h
	SetupLifetime  time.Duration // of the link for the first password; 0 = 1 h

	ThrottleWindow time.Duration // within which failed sign-ins are counted; 0 = 15 min
	AccountMax     int           // failed sign-ins of one account within the window; 0 = 10
	AddressMax     int           // failed sign-ins from one address within the window; 0 = 100

	MinPassword int // characters of a password at least; 0 = 12
	// OperatorTwoFactor lets operators who have shown one factor do nothing but make a second one.
	OperatorTwoFactor bool
	HashMemory        uint32 // KiB of memory that hashing one password takes; 0 = 19456
	HashParallel      int    // passwords hashed at once; 0 = 4
}

// Service keeps users, groups and sessions. It is safe for concurrent use; Close ends it.
type Service struct {
	o         Options
	db        *db.DB
	access    *access.Service
	secrets   *secret.Service
	log       *slog.Logger
	passwords *passhash.Hasher
	tries     *throttle.Service

	sessions *cache.Region[Session]
	actors   *cache.Region[stoa.Actor]

	letters chan letter
	life    context.Context
	end     context.CancelFunc
	wg      sync.WaitGroup
	closing sync.Once
}

// New gives a Service and starts the goroutine that sends its mail. It returns
// an error that names the option that is wrong.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil || o.Access == nil {
		return nil, errors.New("user: Options.DB, Options.Cache and Options.Access are required")
	}
	if o.SessionTimeout < 0 || o.RememberAge < 0 || o.ResetLifetime < 0 || o.SetupLifetime < 0 || o.ThrottleWindow < 0 ||
		o.AccountMax < 0 || o.AddressMax < 0 || o.MinPassword < 0 || o.HashParallel < 0 {
		return nil, errors.New("user: durations and numbers of the options must not be negative")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Secrets == nil {
		var err error
		if o.Secrets, err = secret.New(secret.Options{DB: o.DB, Cache: o.Cache, Logger: o.Logger, Now: o.Now}); err != nil {
			return nil, err
		}
	}
	setDefault(&o.SessionTimeout, 30*time.Minute)
	setDefault(&o.RememberAge, 30*24*time.Hour)
	setDefault(&o.ResetLifetime, time.Hour)
	setDefault(&o.SetupLifetime, time.Hour)
	setDefault(&o.ThrottleWindow, 15*time.Minute)
	setDefault(&o.AccountMax, 10)
	setDefault(&o.AddressMax, 100)
	setDefault(&o.MinPassword, 12)
	setDefault(&o.HashMemory, 19456)
	setDefault(&o.HashParallel, 4)
	if o.MinPassword > passhash.Max || o.HashMemory > passhash.MaxMemory {
		return nil, fmt.Errorf("user: Options.MinPassword is at most %d and Options.HashMemory at most %d", passhash.Max,
			passhash.MaxMemory)
	}
	s := &Service{
		o: o, db: o.DB, access: o.Access, secrets: o.Secrets, log: o.Logger.With("component", "user"),
		passwords: passhash.New(o.HashMemory, o.HashParallel),
		tries:     throttle.New(o.DB, o.ThrottleWindow, o.Now),
		sessions: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "session", MaxBytes: 16 << 20}, func(v Session) int {
			return 160 + len(v.Agent)
		}),
		actors: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "actor", MaxBytes: 16 << 20}, func(a stoa.Actor) int {
			return 120 + len(a.Name) + 8*len(a.Roles)
		}),
		letters: make(chan letter, 64),
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.wg.Go(s.sendLetters)
	return s, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// MinPassword is how many characters a password must have at least.
func (s *Service) MinPassword() int { return s.o.MinPassword }

// Close waits for the mail that is being sent and drops what is still waiting. It is safe to call twice.
func (s *Service) Close() error {
	s.closing.Do(func() {
		s.end()
		s.wg.Wait()
	})
	return nil
}

// User is somebody who can sign in. Screen name and e-mail address are in lower case and unique in
// the instance; either is a login.
type User struct {
	ID, Instance                           stoa.ID
	ScreenName, Email, FirstName, LastName string
	Locale                                 stoa.Locale // "" = that of the site
	TimeZone                               string      // such as "Europe/Vienna"; "" = that of the instance
	Status                                 string      // StatusActive or StatusLocked
	Created, LastLogin                     time.Time
	Roles, Groups                          []stoa.ID // roles held directly, and groups; empty in lists
	Version                                int64
}

// FullName is the name to show: first and last name, or the screen name when there are none.
func (u User) FullName() string {
	if n := strings.TrimSpace(u.FirstName + " " + u.LastName); n != "" {
		return n
	}
	return u.ScreenName
}

// validate brings the fields into the stored form and says which one is wrong.
func (u *User) validate() error {
	u.ScreenName = strings.ToLower(strings.TrimSpace(u.ScreenName))
	u.Email = strings.ToLower(strings.TrimSpace(u.Email))
	u.FirstName, u.LastName = strings.TrimSpace(u.FirstName), strings.TrimSpace(u.LastName)
	if !isScreenName(u.ScreenName) {
		return stoa.Invalid("screenName", "%.80q is not a screen name: 1 to 75 letters a to z, digits, dots, dashes and underscores are expected", u.ScreenName)
	}
	if !isEmail(u.Email) {
		return stoa.Invalid("email", "%.100q is not an e-mail address: one such as name@example.com is expected", u.Email)
	}
	for field, v := range map[string]string{"firstName": u.FirstName, "lastName": u.LastName} {
		if utf8.RuneCountInString(v) > 120 || !isLine(v) {
			return stoa.Invalid(field, "a name is one line of at most 120 characters")
		}
	}
	if u.Locale != "" {
		l, err := stoa.ParseLocale(string(u.Locale))
		if err != nil {
			return err
		}
		u.Locale = l
	}
	if u.TimeZone != "" {
		zone, err := stoa.ParseZone(u.TimeZone)
		if err != nil {
			return err
		}
		u.TimeZone = zone.String()
	}
	if u.Status == "" {
		u.Status = StatusActive
	}
	if u.Status != StatusActive && u.Status != StatusLocked {
		return stoa.Invalid("status", "%.40q is not a state of an account: active or locked is expected", u.Status)
	}
	return nil
}

// words is what the list of users is searched by.
func (u User) words() string {
	return strings.ToLower(u.ScreenName + " " + u.Email + " " + u.FirstName + " " + u.LastName)
}

func isScreenName(s string) bool {
	return s != "" && len(s) <= 75 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
}

// isEmail accepts the plain form only, which is what a mail can safely be sent to.
func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || domain == "" || len(s) > 190 || strings.Contains(domain, "..") ||
		strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return false
	}
	for _, r := range local {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)) {
			return false
		}
	}
	return !strings.ContainsFunc(domain, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	})
}

func isLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

const accountColumns = "SELECT id, instance, screen_name, email, first_name, last_name, locale, time_zone, status, password, created, last_login, version FROM user_account"

// account is a User with the hash of its password, which never leaves the package.
type account struct {
	User
	password string
}

func scanAccount(row db.Scanner) (account, error) {
	var a account
	var created, login int64
	err := row.Scan(&a.ID, &a.Instance, &a.ScreenName, &a.Email, &a.FirstName, &a.LastName, &a.Locale, &a.TimeZone,
		&a.Status, &a.password, &created, &login, &a.Version)
	a.Created, a.LastLogin = db.Time(created), db.Time(login)
	return a, err
}

func scanID(row db.Scanner) (stoa.ID, error) {
	var id stoa.ID
	err := row.Scan(&id)
	return id, err
}

func (s *Service) account(ctx context.Context, q db.Queryer, id stoa.ID) (account, error) {
	a, err := db.One(ctx, q, scanAccount, accountColumns+" WHERE id = ?", id)
	if db.IsNoRows(err) {
		return account{}, stoa.NotFound("user", id)
	}
	return a, err
}

// manage lets pass who manages the instance.
func (s *Service) manage(ctx context.Context, instance stoa.ID) error {
	return s.access.Check(ctx, access.Manage, access.InstancePath(instance))
}

// manageAccount gives an account that the actor may manage. Only administrators manage administrators, and only
// operators manage operators: otherwise a manager of users could become one by setting a password.
func (s *Service) manageAccount(ctx context.Context, id stoa.ID) (account, error) {
	a, err := s.account(ctx, s.db, id)
	if err != nil {
		if actor := stoa.ActorFrom(ctx); !actor.SignedIn() && !actor.System {
			return account{}, stoa.Unauthorized("sign in to manage users")
		}
		return account{}, err
	}
	if err := s.manage(ctx, a.Instance); err != nil {
		return account{}, err
	}
	return a, s.mayTouchAdmin(ctx, a)
}

func (s *Service) mayTouchAdmin(ctx context.Context, a account) error {
	actor := stoa.ActorFrom(ctx)
	if actor.System {
		return nil
	}
	names, err := s.access.RoleIDs(ctx, a.Instance)
	if err != nil {
		return err
	}
	admin, err := s.isAdmin(ctx, s.db, names[access.RoleAdministrator], a.ID)
	if err != nil {
		return err
	}
	if admin && !actor.Admin {
		return stoa.Forbidden("only an administrator may change the account of an administrator")
	}
	return s.mayTouchOperator(ctx, a.User, admin)
}

// heldSQL finds the roles of an account: its own and those of its groups.
const heldSQL = `SELECT h.role FROM access_holder h WHERE h.holder = ?
UNION SELECT h.role FROM access_holder h JOIN user_member m ON m.usergroup = h.holder WHERE m.account = ?`

func (s *Service) isAdmin(ctx context.Context, q db.Queryer, adminRole, id stoa.ID) (bool, error) {
	held, err := db.All(ctx, q, scanID, heldSQL, id, id)
	if err != nil {
		return false, fmt.Errorf("read the roles of user %d: %w", id, err)
	}
	return slices.Contains(held, adminRole), nil
}

// keepOneAdmin refuses a transaction that would leave the instance without an active administrator.
// It is called after the change; the lock on the role makes two such transactions take turns.
func (s *Service) keepOneAdmin(ctx context.Context, tx *db.Tx, instance stoa.ID) error {
	role, err := s.lockAdminRole(ctx, tx, instance)
	if err != nil {
		return err
	}
	n, err := countAdmins(ctx, tx, role)
	if err != nil {
		return fmt.Errorf("count the administrators: %w", err)
	}
	if n == 0 {
		return stoa.Conflict("this would leave the portal without an administrator: make another account an " +
			"administrator first")
	}
	return nil
}

func (s *Service) lockAdminRole(ctx context.Context, tx *db.Tx, instance stoa.ID) (stoa.ID, error) {
	var role stoa.ID
	err := tx.QueryRow(ctx, "SELECT id FROM access_role WHERE instance = ? AND name = ?"+tx.Dialect().ForUpdate(), instance, access.RoleAdministrator).Scan(&role)
	if err != nil {
		return 0, fmt.Errorf("find the role of administrators: %w", err)
	}
	return role, nil
}

// countAdmins gives how many active accounts hold the role, directly or by a group: 0, 1, or 2 for two and more.
func countAdmins(ctx context.Context, q db.Queryer, role stoa.ID) (int, error) {
	found, err := db.All(ctx, q, scanID, "SELECT a.id FROM access_holder h JOIN user_account a ON a.id = h.holder "+
		"WHERE h.role = ? AND a.status = ? LIMIT 2", role, StatusActive)
	if err != nil || len(found) == 2 {
		return len(found), err
	}
	groups, err := groupsHolding(ctx, q, role)
	if err != nil {
		return 0, err
	}
	for _, g := range groups {
		members, err := db.All(ctx, q, scanID, "SELECT m.account FROM user_member m JOIN user_account a ON a.id = m.account "+
			"WHERE m.usergroup = ? AND a.status = ? LIMIT 2", g, StatusActive)
		if err != nil {
			return 0, err
		}
		for _, id := range members {
			if !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
		if len(found) >= 2 {
			return 2, nil
		}
	}
	return len(found), nil
}

// groupsHolding gives the user groups that hold a role.
func groupsHolding(ctx context.Context, q db.Queryer, role stoa.ID) ([]stoa.ID, error) {
	return db.All(ctx, q, scanID,
		"SELECT g.id FROM user_group g JOIN access_holder h ON h.holder = g.id WHERE h.role = ? ORDER BY g.id", role)
}
