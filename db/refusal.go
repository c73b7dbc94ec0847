package db

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
)

// refusal is a connection that could not be made although the server, or what stands before it, answered: trying
// again helps only once it was mended. The sentence says how; it names user and host, so it is for the log and for
// those who start the program, and not for visitors.
type refusal struct {
	sentence string
	cause    error // may be nil
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.sentence
	}
	return r.sentence + ": " + r.cause.Error()
}

func (r *refusal) Unwrap() error { return r.cause }

func asRefusal(err error) (r *refusal, ok bool) {
	ok = errors.As(err, &r)
	return r, ok
}

// explain gives the error of a first connection a sentence that names the database.
func (d dsn) explain(err error) error {
	if stoa.KindOf(err) != stoa.KindInternal {
		return err
	}
	if r, ok := asRefusal(err); ok {
		return stoa.Unavailable(r.cause, "%s", r.sentence)
	}
	var two errTwoWritable
	var ref *errRefused
	switch {
	case errors.As(err, &two):
		return stoa.Unavailable(err, "of the database servers of %s, %s and %s both take writes, so none is used: "+
			"demote the wrong one", d.label, two.a, two.b)
	case errors.As(err, &ref):
		return stoa.Unavailable(err, "%s; %s", ref.Text(), ref.Mend())
	case isCorrupt(err):
		return stoa.Unavailable(err, "the database %s is damaged or is not a database: restore it from a backup (stoa "+
			"restore) or from the copies in data/backup", d.label)
	case IsDiskFull(err):
		return stoa.Unavailable(err, "the disk that holds the database %s is full; free some space", d.label)
	case silent(err):
		return stoa.Unavailable(err, "the database %s does not answer; check that the server runs and that the address is "+
			"right", d.label)
	}
	return stoa.Unavailable(err, "the database %s cannot be used", d.label)
}

// awayBecause says in a few words, without names, why the database cannot be used at the moment.
func awayBecause(err error) string {
	if isCrowded(err) {
		return "the database has no connection left for this node (its log says what to change)"
	}
	if _, ok := asRefusal(err); ok {
		return "the database does not let this node in (its log says why)"
	}
	return "the database does not answer"
}

// refusal gives the error of a new connection its sentence, where the server answered or TLS failed.
func (h host) refusal(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := asRefusal(err); ok {
		return err
	}
	sentence := ""
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var file *passwordError
	switch {
	case errors.As(err, &file):
		sentence = "the password for the database server " + h.String() + " cannot be read"
	case errors.As(err, &pg):
		sentence = h.postgresRefusal(pg)
	case errors.As(err, &my):
		sentence = h.mysqlRefusal(my)
	case errors.Is(err, mysql.ErrNoTLS) || strings.Contains(err.Error(), "server refused TLS connection"):
		sentence = fmt.Sprintf("the database server %s speaks no TLS, which the address asks for: switch TLS on there, or "+
			"say in the address that it is not needed", h)
	case errors.Is(err, mysql.ErrCleartextPassword), errors.Is(err, mysql.ErrNativePassword), errors.Is(err,
		mysql.ErrOldPassword), errors.Is(err, mysql.ErrUnknownPlugin):
		sentence = fmt.Sprintf("the database server %s asks the user %q to sign in in a way that is not known here: give "+
			"the account a password "+
			"(mysql_native_password, caching_sha2_password or ed25519)", h, h.user())
	default:
		if form := tlsProblem(err); form != "" {
			sentence = fmt.Sprintf(form, h)
		}
	}
	if sentence == "" {
		return err
	}
	return &refusal{sentence, err}
}

func (h host) signIn() string {
	return fmt.Sprintf("the database server %s does not accept user and password of %q: correct username and password "+
		"of the source, or the password of that account", h, h.user())
}

func (h host) postgresRefusal(pg *pgconn.PgError) string {
	switch {
	case strings.Contains(pg.Message, "pooling mode"):
		return h.sharedSessions()
	case pg.Code == "28P01", strings.Contains(pg.Message, "password authentication failed"):
		return h.signIn()
	case strings.HasPrefix(pg.Message, "no pg_hba.conf entry"), strings.HasPrefix(pg.Message, "pg_hba.conf rejects"):
		fix := "add a line to pg_hba.conf there"
		if !h.encrypted() && (strings.Contains(pg.Message, "no encryption") || strings.Contains(pg.Message, "SSL off")) {
			fix += ", or ask for TLS (sslmode=require) if its lines are hostssl"
		}
		return fmt.Sprintf("the database server %s has no line in pg_hba.conf for the user %q of this node: %s", h,
			h.user(), fix)
	case pg.Code == "28000":
		return h.signIn()
	case pg.Code == "3D000", strings.HasPrefix(pg.Message, "no such database"):
		return fmt.Sprintf("the database server %s has no database %q: create it (CREATE DATABASE name OWNER user "+
			"ENCODING 'UTF8'), or correct the address", h, h.database())
	case pg.Code == "42501":
		return fmt.Sprintf("the user %q may not connect to the database %q on %s: GRANT CONNECT ON DATABASE", h.user(),
			h.database(), h)
	case pg.Code == "53300":
		return fmt.Sprintf("the database server %s has no connection left: lower maximumPoolSize of all nodes together "+
			"below its max_connections, or raise that", h)
	case strings.Contains(pg.Message, "unrecognized configuration parameter"), pg.Code == "22023", pg.Code == "42704":
		return fmt.Sprintf("the database server %s does not accept a setting in options of the address", h)
	}
	return ""
}

func (h host) mysqlRefusal(my *mysql.MySQLError) string {
	switch {
	case my.Number == 1045 && !h.encrypted():
		return h.signIn() + "; if the account is made with REQUIRE SSL or X509, ask for TLS (sslMode)"
	case my.Number == 1045 && len(h.my.TLS.Certificates) == 0 && h.my.TLS.GetClientCertificate == nil:
		return h.signIn() + "; if the account is made with REQUIRE X509, name a client certificate (sslcert and sslkey)"
	case slices.Contains([]uint16{1045, 1698, 3118, 4151, 1820, 1862}, my.Number):
		return h.signIn()
	case my.Number == 1044:
		return fmt.Sprintf("the user %q may not use the database %q on %s: GRANT ALL ON name.* TO user", h.user(),
			h.database(), h)
	case my.Number == 1049:
		return fmt.Sprintf("the database server %s has no database %q: create it (CREATE DATABASE name CHARACTER SET "+
			"utf8mb4), or correct the address", h, h.database())
	case my.Number == 1130:
		return fmt.Sprintf("the database server %s lets no user in from this node: the account must be for its address or "+
			"for '%%'", h)
	case my.Number == 1129:
		return fmt.Sprintf("the database server %s has blocked this node after too many errors: FLUSH HOSTS", h)
	case slices.Contains(myCrowded, my.Number):
		return fmt.Sprintf("the database server %s has no connection left: lower maximumPoolSize of all nodes together "+
			"below its max_connections, or raise that", h)
	case my.Number == 3159 || strings.Contains(my.Message, "require_secure_transport"):
		return fmt.Sprintf("the database server %s takes encrypted connections alone: ask for TLS in the address "+
			"(sslMode)", h)
	case my.Number == 1193:
		return fmt.Sprintf("the database server %s does not know a variable in sessionVariables of the address", h)
	}
	return ""
}

// passwordError says that the source of the password could not be read.
type passwordError struct{ error }

func (e *passwordError) Unwrap() error { return e.error }
