package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/stoa-portal/stoa"
)

// IsDuplicate reports whether err says that a row with the same key is already there.
func IsDuplicate(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return pg.Code == "23505"
	case errors.As(err, &my):
		return my.Number == 1062
	case errors.As(err, &lite):
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// IsNoRows reports whether err is sql.ErrNoRows.
func IsNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// errUnknownOutcome is in the error of a Write whose COMMIT was not answered and could not be settled.
var errUnknownOutcome = errors.New("the outcome of COMMIT is not known")

// IsUnknownOutcome reports whether err is of a Write of which it is not known whether it was committed. Any other
// error of Write says that nothing was.
func IsUnknownOutcome(err error) bool { return errors.Is(err, errUnknownOutcome) }

func unknownOutcome(err error) error {
	return stoa.Unavailable(errors.Join(errUnknownOutcome, err),
		"the database went away during the save: it is not known whether it happened; look before you repeat it")
}

// MovedAway is what the triggers of a copy (package transfer) say to every write once the portal was moved to another
// database.
const MovedAway = "this portal was moved to another database"

func isMoved(err error) bool { return strings.Contains(err.Error(), MovedAway) }

// isTransient reports whether the same transaction can succeed when repeated (rule 28).
func isTransient(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), isMoved(err):
		return false
	case errors.Is(err, errOtherHistory), errors.Is(err, driver.ErrBadConn), isBusy(err):
		return true
	case errors.As(err, &pg):
		return pgAway(pg.Code) && pg.Code != pgCanceled
	case errors.As(err, &my):
		return myAway(my.Number) && !slices.Contains(myCanceled, my.Number)
	case errors.As(err, &lite):
		return false
	}
	return isConnection(err)
}

// isBusy reports whether err says that other transactions were in the way: a deadlock, a lock that was not to be had
// in time, a conflict of what two have read and written. A write is repeated; a read says so to the caller.
func isBusy(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case IsLocked(err):
		return true
	case errors.As(err, &pg):
		return pg.Code == "40001"
	case errors.As(err, &my):
		return my.Number == 1020
	case errors.As(err, &lite):
		c := lite.Code() & 0xff
		return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
	}
	return false
}

// definite reports whether an error of COMMIT says for certain that nothing was committed: the
// server answered with an error of its own, other than that it is going away.
func definite(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return !strings.HasPrefix(pg.Code, "57P") && !strings.HasPrefix(pg.Code, "08")
	case errors.As(err, &my):
		return my.Number != 1317 && !slices.Contains(myEnded, my.Number)
	case errors.As(err, &lite):
		return true
	}
	// The end of the context says nothing: pgx gives it up while COMMIT is on its way. Nor does pgx's word
	// that it is safe to retry: it says so of "conn closed", also when the answer to COMMIT was lost.
	return errors.Is(err, sql.ErrTxDone)
}

// isConnection reports whether err says that the database is away: it does not answer, lets no client in, is
// starting or stopping, or lets nothing be written. None of that is a fault of the program.
func isConnection(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var connect *connectError
	switch {
	case err == nil:
		return false
	case errors.As(err, &connect): // whatever the server has against a new connection
		return true
	case errors.As(err, &pg):
		return pgAway(pg.Code)
	case errors.As(err, &my):
		return myAway(my.Number)
	}
	return isClosed(err) || isNetwork(err) || pgconn.SafeToRetry(err) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, errOtherHistory)
}

// isClosed reports whether err is of a pool that was closed because another server is followed; database/sql has no
// value for it.
func isClosed(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "sql: database is closed")
}

// isNetwork reports whether err says that nothing came back, not even an error.
func isNetwork(err error) bool {
	var pg *pgconn.ConnectError
	var netErr net.Error
	if _, refused := asRefusal(err); refused {
		return false
	}
	return errors.As(err, &pg) || errors.As(err, &netErr) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded)
}

// isCrowded reports whether err says that the server, or what stands before it, has no connection left: all are in use,
// or the rest is reserved for others.
func isCrowded(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &pg):
		return pg.Code == "53300"
	case errors.As(err, &my):
		return slices.Contains(myCrowded, my.Number)
	}
	return false
}

// isTooLarge reports whether err says that a statement is larger than the server takes.
func isTooLarge(err error) bool {
	var my *mysql.MySQLError
	return errors.Is(err, mysql.ErrPktTooLarge) ||
		errors.As(err, &my) && (my.Number == 1153 || my.Number == 1105 && strings.Contains(my.Message, "max_allowed_packet"))
}

// isUnheld reports whether err says that a column has not the letters of a text: of MariaDB and MySQL, whose tables
// have character sets of their own.
func isUnheld(err error) bool {
	var my *mysql.MySQLError
	return errors.As(err, &my) &&
		(my.Number == 1366 && strings.Contains(my.Message, "string value") || my.Number == 3988 || my.Number == 1977)
}

// connectError is why a connection could not be made.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

// pgCanceled ends a statement that took too long.
const pgCanceled = "57014"

// pgAway knows the codes of a PostgreSQL that is away, read only or full: connection exceptions, starting,
// stopping, in recovery, no more connections, sessions ended for standing still.
func pgAway(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") ||
		slices.Contains([]string{"25006", "25P03", "25P04", "53300", "55000", pgCanceled}, code)
}

// Numbers of MariaDB and MySQL.
var (
	// myEnded ends a session, whatever it was doing.
	myEnded = []uint16{1053, 1152, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 3169, 4031}
	// myCanceled ends a statement that took too long.
	myCanceled = []uint16{1317, 1969, 3024}
	// myCrowded has no connection left, of the server or of the user.
	myCrowded = []uint16{1040, 1203, 1226}
	// myClosed lets no client in, or nothing be written: too many connections (of a user), the host is blocked, not
	// synced in Galera, read only in three ways.
	myClosed = []uint16{1040, 1047, 1129, 1203, 1226, 1290, 1792, 1836}
)

func myAway(number uint16) bool {
	return slices.Contains(myEnded, number) || slices.Contains(myCanceled, number) || slices.Contains(myClosed, number)
}

// isDeposed reports whether a server that answers says that it takes no writes (any more), or is in no cluster.
func isDeposed(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &pg):
		return pg.Code == "25006"
	case errors.As(err, &my):
		return slices.Contains([]uint16{1047, 1290, 1792, 1836}, my.Number)
	}
	return false
}

// IsLocked reports whether a statement waited for a lock in vain, or was given up to end a deadlock. On SQLite
// it is false: what waits there waits for the whole file.
func IsLocked(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &pg):
		return pg.Code == "55P03" || pg.Code == "40P01"
	case errors.As(err, &my):
		return my.Number == 1205 || my.Number == 1213
	}
	return false
}

// IsDiskFull reports whether the disk of the database, or a file of it, took no more.
func IsDiskFull(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return pg.Code == "53100"
	case errors.As(err, &my):
		return my.Number == 1021 || my.Number == 1114
	case errors.As(err, &lite):
		return lite.Code()&0xff == sqlite3.SQLITE_FULL || lite.Code()&0xff == sqlite3.SQLITE_IOERR && errors.Is(err, syscall.ENOSPC)
	}
	return errors.Is(err, syscall.ENOSPC)
}

// isTableMissing reports whether a table is not there, as between the statements of a dump that is being restored over
// the portal. A file has none of that: what restores it takes its place.
func isTableMissing(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	return errors.As(err, &pg) && pg.Code == "42P01" || errors.As(err, &my) && my.Number == 1146
}

func isCorrupt(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && (lite.Code()&0xff == sqlite3.SQLITE_CORRUPT || lite.Code()&0xff == sqlite3.SQLITE_NOTADB)
}
