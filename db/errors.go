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

// isTransient reports whether the same transaction can succeed when repeated (coherence rule 28).
func isTransient(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.Is(err, errOtherHistory), errors.Is(err, driver.ErrBadConn):
		return true
	case errors.As(err, &pg):
		return slices.Contains([]string{"40001", "40P01", "55P03", "25006", "57P01", "57P02", "57P03", "25P03"}, pg.Code) || strings.HasPrefix(pg.Code, "08")
	case errors.As(err, &my):
		return slices.Contains([]uint16{1213, 1205, 1020, 1047, 1290, 1927}, my.Number)
	case errors.As(err, &lite):
		c := lite.Code() & 0xff
		return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
	}
	return isConnection(err)
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
		return my.Number != 1053 && my.Number != 1317 && my.Number != 1927
	case errors.As(err, &lite):
		return true
	}
	// The end of the context says nothing: pgx gives it up while COMMIT is on its way. Nor does pgx's word
	// that it is safe to retry: it says so of "conn closed", also when the answer to COMMIT was lost.
	return errors.Is(err, sql.ErrTxDone)
}

func isConnection(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var connect *pgconn.ConnectError
	var netErr net.Error
	switch {
	case err == nil:
		return false
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08") || pg.Code == "57014" || pg.Code == "25P03"
	case errors.As(err, &my):
		return my.Number == 1053 || my.Number == 1927 || my.Number == 1040 || my.Number == 1969
	case errors.As(err, &connect), errors.As(err, &netErr), pgconn.SafeToRetry(err):
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.EOF) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errOtherHistory)
}

func isDiskFull(err error) bool {
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

func isCorrupt(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && (lite.Code()&0xff == sqlite3.SQLITE_CORRUPT || lite.Code()&0xff == sqlite3.SQLITE_NOTADB)
}
