package transfer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// What a copy makes in its source, and removes again: a table in which triggers note the keys of rows that change,
// and a table of one row that, once it says so, makes the same triggers refuse every write.
const (
	captureTable = "db_capture"
	stopTable    = "db_capture_stop"
	triggerName  = "stoa_capture_"

	captureKeys = 4       // columns of a key at most
	captureLock = 7270082 // PostgreSQL: writers share this lock, and the copy that stops them takes it alone
)

// errNoTriggers says that the source lets this user make no triggers.
type errNoTriggers struct{ cause error }

func (e *errNoTriggers) Error() string { return "no triggers may be made: " + e.cause.Error() }
func (e *errNoTriggers) Unwrap() error { return e.cause }

// denied reports whether the server refused a statement for lack of a privilege. 1419 is MariaDB and MySQL with a
// binary log, which take triggers from few users.
func denied(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &pg):
		return pg.Code == "42501"
	case errors.As(err, &my):
		return my.Number == 1142 || my.Number == 1143 || my.Number == 1044 || my.Number == 1227 || my.Number == 1419 ||
			my.Number == 1370
	}
	return false
}

// asText is a column of a row in a trigger, as text.
func asText(d db.Dialect, t Table, column, of string) string {
	if t.Columns[t.column(column)].Kind == Text {
		return of + "." + column
	}
	if d == db.MySQL {
		return "CAST(" + of + "." + column + " AS CHAR)"
	}
	return "CAST(" + of + "." + column + " AS TEXT)"
}

// noteKey is the statement of a trigger that notes the key of NEW or OLD. It has VALUES: an INSERT … SELECT would take
// MariaDB's lock of the whole table for its numbers.
func noteKey(d db.Dialect, t Table, of string) string {
	return "INSERT INTO " + captureTable + " (tbl, k1, k2, k3, k4) VALUES ('" + t.Name + "', " + noted(d, t, of) + ");"
}

func noted(d db.Dialect, t Table, of string) string {
	keys := make([]string, captureKeys)
	for i := range keys {
		keys[i] = "''"
		if i < len(t.Key) {
			keys[i] = asText(d, t, t.Key[i], of)
		}
	}
	return strings.Join(keys, ", ")
}

// noteOld is the statement of a trigger that notes the key before an UPDATE that changed it.
func noteOld(d db.Dialect, t Table) string {
	parts := make([]string, len(t.Key))
	for i, k := range t.Key {
		parts[i] = "NEW." + k + " <> OLD." + k
	}
	differs := strings.Join(parts, " OR ")
	if d == db.SQLite { // has no IF
		return "INSERT INTO " + captureTable + " (tbl, k1, k2, k3, k4) SELECT '" + t.Name + "', " + noted(d, t, "OLD") +
			" WHERE " + differs + ";"
	}
	return "IF " + differs + " THEN " + noteKey(d, t, "OLD") + " END IF;"
}

// captureTables are the statements that make the two tables.
func captureTables(d db.Dialect) []string {
	id, text, engine := "INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT", ""
	switch d {
	case db.Postgres:
		id = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	case db.MySQL:
		id, text = "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "VARCHAR(700)"
		engine = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
	}
	var keys strings.Builder
	for i := range captureKeys {
		fmt.Fprintf(&keys, ", k%d %s NOT NULL", i+1, text)
	}
	return []string{
		"CREATE TABLE " + stopTable + " (id INTEGER NOT NULL PRIMARY KEY, stopped INTEGER NOT NULL, transfer " +
			"VARCHAR(40) NOT NULL, moved_to VARCHAR(255) NOT NULL)" + engine,
		"CREATE TABLE " + captureTable + " (id " + id + ", tbl VARCHAR(60) NOT NULL" + keys.String() + ")" + engine,
	}
}

// captureTriggers are the statements that make the triggers of one table. A writer holds a shared lock until its
// transaction ends, so that the copy that sets stopped has waited for all that began before.
func captureTriggers(d db.Dialect, t Table) []string {
	name := triggerName + t.Name
	const refused = db.MovedAway
	switch d {
	case db.SQLite:
		stop := "SELECT RAISE(ABORT, '" + refused + "') FROM " + stopTable + " WHERE stopped = 1; "
		event := func(suffix, what, body string) string {
			return "CREATE TRIGGER " + name + suffix + " AFTER " + what + " ON " + t.Name + " BEGIN " + stop + body +
				" END"
		}
		return []string{
			event("_i", "INSERT", noteKey(d, t, "NEW")),
			event("_u", "UPDATE", noteKey(d, t, "NEW")+" "+noteOld(d, t)),
			event("_d", "DELETE", noteKey(d, t, "OLD")),
		}
	case db.MySQL:
		stop := "IF (SELECT stopped FROM " + stopTable + " WHERE id = 1 LOCK IN SHARE MODE) = 1 THEN " +
			"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = '" + refused + "'; END IF; "
		event := func(suffix, what, body string) string {
			return "CREATE TRIGGER " + name + suffix + " AFTER " + what + " ON " + t.Name + " FOR EACH ROW BEGIN " +
				stop + body + " END"
		}
		return []string{
			event("_i", "INSERT", noteKey(d, t, "NEW")),
			event("_u", "UPDATE", noteKey(d, t, "NEW")+" "+noteOld(d, t)),
			event("_d", "DELETE", noteKey(d, t, "OLD")),
		}
	default:
		return []string{
			"CREATE FUNCTION " + name + "() RETURNS trigger LANGUAGE plpgsql AS $stoa$ BEGIN " +
				"PERFORM pg_advisory_xact_lock_shared(" + strconv.Itoa(captureLock) +
				", hashtext(current_schema())); " +
				"IF (SELECT stopped FROM " + stopTable + " WHERE id = 1) = 1 THEN RAISE EXCEPTION '" + refused +
				"' USING ERRCODE = '25006'; END IF; " +
				"IF TG_OP <> 'DELETE' THEN " + noteKey(d, t, "NEW") + " END IF; " +
				"IF TG_OP = 'DELETE' THEN " + noteKey(d, t, "OLD") + " END IF; " +
				"IF TG_OP = 'UPDATE' THEN " + noteOld(d, t) + " END IF; " +
				"RETURN NULL; END $stoa$",
			"CREATE TRIGGER " + name + " AFTER INSERT OR UPDATE OR DELETE ON " + t.Name +
				" FOR EACH ROW EXECUTE FUNCTION " + name + "()",
		}
	}
}

// exec runs one statement by itself. Where a table is busy it waits a few seconds at a time, so that those who use
// the portal never stand behind it for long.
func exec(ctx context.Context, d *db.DB, statement string) error {
	return d.Control(ctx, func(tx *db.Tx) error {
		switch d.Dialect() {
		case db.Postgres:
			if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = 5000"); err != nil {
				return err
			}
		case db.MySQL:
			if _, err := tx.Exec(ctx, "SET SESSION lock_wait_timeout = 5"); err != nil {
				return err
			}
			defer func() { _, _ = tx.Exec(ctx, "SET SESSION lock_wait_timeout = DEFAULT") }()
		}
		_, err := tx.Exec(ctx, statement)
		return err
	})
}

// startCapture makes tables and triggers. When it returns, every later change of the tables is noted.
func startCapture(ctx context.Context, d *db.DB, tables []Table, id string) error {
	for _, t := range tables {
		if len(t.Key) > captureKeys {
			return stoa.Invalid("schema", "the key of table %s has %d columns: changes of at most %d can be noted",
				t.Name, len(t.Key), captureKeys)
		}
	}
	var statements []string
	statements = append(statements, captureTables(d.Dialect())...)
	for _, t := range tables {
		statements = append(statements, captureTriggers(d.Dialect(), t)...)
	}
	for i, s := range statements {
		err := exec(ctx, d, s)
		for try := 0; err != nil && !denied(err) && db.IsLocked(err) && try < 20 && ctx.Err() == nil; try++ {
			err = exec(ctx, d, s)
		}
		if denied(err) {
			return &errNoTriggers{err}
		}
		if err != nil {
			return fmt.Errorf("make the triggers that note what changes: %w", err)
		}
		if i == 1 {
			if err := d.Control(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO "+stopTable+" (id, stopped, transfer, moved_to) "+
					"VALUES (1, 0, ?, '')", id)
				return err
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// stopCapture removes triggers and tables, whichever of them are there.
func stopCapture(ctx context.Context, d *db.DB, tables []Table) error {
	var errs []error
	for _, t := range tables {
		name := triggerName + t.Name
		if d.Dialect() == db.Postgres {
			errs = append(errs, drop(ctx, d, "DROP TRIGGER IF EXISTS "+name+" ON "+t.Name),
				drop(ctx, d, "DROP FUNCTION IF EXISTS "+name+"()"))
			continue
		}
		for _, suffix := range []string{"_i", "_u", "_d"} {
			errs = append(errs, drop(ctx, d, "DROP TRIGGER IF EXISTS "+name+suffix))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the triggers of the copy: %w", err)
	}
	return errors.Join(drop(ctx, d, "DROP TABLE IF EXISTS "+captureTable),
		drop(ctx, d, "DROP TABLE IF EXISTS "+stopTable))
}

// drop removes something. Who may make no triggers has none to remove.
func drop(ctx context.Context, d *db.DB, statement string) error {
	err := exec(ctx, d, statement)
	for try := 0; db.IsLocked(err) && try < 20 && ctx.Err() == nil; try++ {
		err = exec(ctx, d, statement)
	}
	if denied(err) {
		return nil
	}
	return err
}

// capturing reports whether the triggers of a transfer are all there.
func capturing(ctx context.Context, d *db.DB, tables []Table, id string) (bool, error) {
	has, err := tableHas(ctx, d, d.Dialect(), stopTable, "transfer")
	if err != nil || !has {
		return false, err
	}
	var whose string
	if err := d.QueryRow(ctx, "SELECT transfer FROM "+stopTable+" WHERE id = 1").Scan(&whose); err != nil ||
		whose != id {
		if db.IsNoRows(err) {
			err = nil
		}
		return false, err
	}
	query, each := "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE ?", 3
	switch d.Dialect() {
	case db.Postgres:
		query, each = "SELECT count(*) FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid JOIN pg_namespace n ON "+
			"n.oid = t.relnamespace WHERE n.nspname = current_schema() AND g.tgname LIKE ? AND g.tgenabled <> 'D'", 1
	case db.MySQL:
		query = "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME " +
			"LIKE ?"
	}
	name := strings.ReplaceAll(triggerName, "_", "\\_")
	if d.Dialect() == db.SQLite { // LIKE has no escape there without being told one
		name = triggerName
	}
	var n int
	err = d.QueryRow(ctx, query, name+"%").Scan(&n)
	return n == each*len(tables), err
}

// stopWrites makes the triggers refuse every write from now on, sets the mark, and returns when every transaction
// that wrote before has ended.
func stopWrites(ctx context.Context, d *db.DB, out *row) error {
	return d.Control(ctx, func(tx *db.Tx) error {
		// A transaction that begins to write meanwhile waits behind this, so it does not wait for long itself.
		var wait []string
		switch tx.Dialect() {
		case db.Postgres:
			wait = []string{"SET LOCAL lock_timeout = 3000", "SELECT pg_advisory_xact_lock(" +
				strconv.Itoa(captureLock) + ", hashtext(current_schema()))"}
		case db.MySQL:
			wait = []string{"SET SESSION innodb_lock_wait_timeout = 3"}
			defer func() { _, _ = tx.Exec(ctx, "SET SESSION innodb_lock_wait_timeout = DEFAULT") }()
		}
		for _, s := range wait {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "UPDATE "+stopTable+" SET stopped = 1, moved_to = ? WHERE id = 1",
			out.Peer); err != nil {
			return err
		}
		return out.markMoved(ctx, tx)
	})
}

// caught is a key that was noted.
type caught struct {
	id    int64
	table string
	key   [captureKeys]string
}

// keyOf turns the noted texts into a key of the table.
func (c caught) keyOf(t Table) ([]any, error) {
	key := make([]any, len(t.Key))
	for i, k := range t.Key {
		if t.Columns[t.column(k)].Kind == Text {
			key[i] = c.key[i]
			continue
		}
		n, err := strconv.ParseInt(c.key[i], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the noted key of table %s: %w", t.Name, err)
		}
		key[i] = n
	}
	return key, nil
}

// noteAgain puts a key back, for a row that could not be written yet.
func noteAgain(ctx context.Context, d *db.DB, t Table, key []any) error {
	k := [captureKeys]any{"", "", "", ""}
	for i, v := range key {
		k[i] = fmt.Sprint(v)
	}
	return d.Control(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO "+captureTable+" (tbl, k1, k2, k3, k4) VALUES (?, ?, ?, ?, ?)", t.Name,
			exact(k[0]), exact(k[1]), exact(k[2]), exact(k[3]))
		return err
	})
}
