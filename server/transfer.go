package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/dbstore"
	"github.com/stoa-portal/stoa/httpd"
)

// mayServe refuses a database that a restore or a copy is still filling, and one that the portal has left.
func (s *Server) mayServe(ctx context.Context) error {
	why, err := transfer.Unfinished(ctx, s.DB)
	if err != nil {
		return err
	}
	if why != "" {
		return &stoa.Error{Kind: stoa.KindConflict, Message: why}
	}
	address, moved, err := transfer.Moved(ctx, s.DB)
	if err == nil && moved {
		err = stoa.Conflict("the portal was moved from %s to %s: set that address in jdbc.default.url, or take the "+
			"move back with stoa db copy --undo", s.DB.Describe(), address)
	}
	return err
}

// moved is a problem once the portal has left the database of this node, which its newest proof has seen.
func (s *Server) moved() []httpd.Problem {
	address := s.DB.MovedTo()
	if address == "" {
		return nil
	}
	return []httpd.Problem{httpd.Problem(cluster.Problem{Requirement: "database", Code: cluster.CodeDatabaseMoved,
		Mend: "set jdbc.default.url to " + address + " and restart this node"}.Saying(
		"the portal was moved to %s; this node saves nothing any more", address))}
}

// transferTimeout is for one statement of a transfer: counting and clearing large tables takes longer than what a
// visitor waits for.
const transferTimeout = 15 * time.Minute

// openForTransfer opens a database: the portal's own when url is empty.
func openForTransfer(ctx context.Context, c *config.Config, url, password string, log *slog.Logger) (*db.DB, error) {
	if url == "" {
		// Without the memory of the home: what is restored has less than that knows, and is no reason to refuse it.
		o := WriteOptions(c)
		o.StatementTimeout, o.WriteTimeout, o.Logger = transferTimeout, transferTimeout, log
		o.NoCreate, o.NoUpgrade, o.Beside = false, false, true
		return db.Open(ctx, o)
	}
	return db.Open(ctx, db.Options{URL: url, Password: password, MaxConns: 4, MinIdle: 1,
		StatementTimeout: transferTimeout, WriteTimeout: transferTimeout,
		Name: "stoa-transfer", Logger: log})
}

// CopyOrder says where a portal is to be copied, or what is to become of a copy.
type CopyOrder struct {
	To       string // address of the target
	Password string // for it, when the address has none
	ReadOnly bool   // no triggers: no writes from the first row to the last
	Abort    bool   // give up a copy that was cut off
	Undo     bool   // take back one that has ended
	Files    string // folder that gets the files as well; "" = the file store stays where it is
	Stores   Stores
	Progress transfer.Progress
}

// CopyDatabase copies the portal of the home to another database while its nodes run, and says what happened. It runs
// in the process of the command: nodes notice it by the mark in their database.
func CopyDatabase(ctx context.Context, c *config.Config, o CopyOrder, log *slog.Logger) (text string, err error) {
	source, err := openForTransfer(ctx, c, "", "", log)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := openForTransfer(ctx, c, o.To, o.Password, log)
	if err != nil {
		if o.Abort && stoa.Is(err, stoa.KindUnavailable) {
			return "The copy was given up; the target could not be reached, so empty it by hand.",
				transfer.Abort(ctx, source, nil)
		}
		return "", fmt.Errorf("target: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if err := fitTarget(ctx, target); err != nil {
		return "", err
	}
	switch {
	case o.Abort:
		err := transfer.Abort(ctx, source, target)
		full := ""
		if err == nil && storeInDatabase(c) {
			full, err = transfer.Filled(ctx, target)
		}
		switch {
		case err != nil || !storeInDatabase(c):
		case full != "": // it is not the one that the copy went to
			err = stoa.Conflict("%s holds a portal (table %s has rows): its files were left alone", target.Describe(), full)
		default:
			err = dbstore.New(dbstore.Options{DB: target, Logger: log}).Unmake(ctx)
		}
		return "The copy was given up: the portal runs on " + source.Describe() + ", and the target is empty.", err
	case o.Undo:
		return "The move was taken back: the portal runs on " + source.Describe() + " again, and nodes there go on.",
			transfer.Undo(ctx, source, target, o.Progress)
	}
	if err := mayCopyFiles(ctx, c, source, o, log); err != nil {
		return "", err
	}
	if err := copyFiles(ctx, c, source, target, o, log); err != nil {
		return "", err
	}
	got, err := transfer.Copy(ctx, transfer.CopyOptions{Source: source, Target: target, ReadOnly: o.ReadOnly,
		Progress: o.Progress, Logger: log})
	if err != nil {
		return "", err
	}
	if err := copyFiles(ctx, c, source, target, o, log); err != nil { // those that came meanwhile; more cannot come
		return "", fmt.Errorf("the database was copied, and the files that came last were not: copy what is new in "+
			"%s to %s by hand: %w", storePlace(c), cmp.Or(o.Files, "the target"), err)
	}
	return fmt.Sprintf("%d rows and %d changes that came meanwhile were copied; the portal took no writes for %s.\n"+
		"It is at %s now: set that in jdbc.default.url of every node and restart them.", got.Rows, got.Caught,
		got.ReadOnly.Round(time.Millisecond), target.Describe()), nil
}

// fitTarget makes the tables in a database without any. A portal of another version is left alone, and a database that
// damages texts is refused.
func fitTarget(ctx context.Context, target *db.DB) error {
	if err := dbcheck.Encoding(ctx, target); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	newest, err := target.SchemaVersion()
	if err != nil {
		return err
	}
	var version int64
	if target.QueryRow(ctx, "SELECT version FROM db_schema WHERE id = 1").Scan(&version) == nil && version != newest {
		return stoa.Conflict("the target %s holds a portal of schema %d, and this stoa needs %d: give a database "+
			"that is empty", target.Describe(), version, newest)
	}
	return target.Migrate(ctx)
}

// mayCopyFiles refuses a copy of a portal whose files are on their way to another store.
func mayCopyFiles(ctx context.Context, c *config.Config, source *db.DB, o CopyOrder, log *slog.Logger) (err error) {
	own, err := o.Stores.open(c, source, log, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore(own)) }()
	return notMoving(ctx, source, own)
}

// copyFiles brings the files that the other store does not have yet into it, and with them the identity of the store:
// into the folder of the order, or from database to database where the store lies there.
func copyFiles(
	ctx context.Context, c *config.Config, source, target *db.DB, o CopyOrder, log *slog.Logger,
) (err error) {
	if o.Files == "" && !storeInDatabase(c) {
		return nil
	}
	from, err := o.Stores.open(c, source, log, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore(from)) }()
	id, err := from.Identity(ctx)
	if err != nil {
		return err
	}
	to, err := o.Stores.open(c, target, log, false)
	if o.Files != "" {
		to, err = filestore.OpenDir(o.Files, filestore.DirOptions{Logger: log})
	}
	if err == nil {
		err = madeStore(ctx, to, id)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore(to)) }()
	if got, err := to.Identity(ctx); err != nil || got != id {
		return errors.Join(err, stoa.Conflict("%s holds another file store already; give a new one", to))
	}
	var n int64
	return from.List(ctx, "", func(i filestore.Info) error {
		n++
		if o.Progress != nil {
			o.Progress("files", n, n)
		}
		if there, err := to.Open(ctx, i.Key); err == nil {
			same := there.Info().Size == i.Size
			if err := there.Close(); err != nil || same {
				return err
			}
			return stoa.Conflict("%s holds another file under the key %s", to, i.Key)
		}
		in, err := from.Open(ctx, i.Key)
		if stoa.Is(err, stoa.KindNotFound) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		_, err = to.Put(ctx, i.Key, in, i.Size)
		return errors.Join(err, in.Close())
	})
}
