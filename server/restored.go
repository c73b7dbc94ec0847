package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/secret"
	"github.com/stoa-portal/stoa/user"
)

// historyPrefix begins the keys of the objects in the file store that name the incarnations of the database.
const historyPrefix = "history/"

// RestoredOptions say what Restored does.
type RestoredOptions struct {
	// Server chooses one of several hosts of the address, as host:port; empty: the one that takes writes.
	Server string
	// Copy says that the data is a copy that is to go on as a portal of its own (stoa db adopt), or the portal
	// itself, moved. Sessions go on then.
	Copy bool
	// Consent is shown what will happen and says whether it may.
	Consent func(plan string) bool
	Stores  Stores
	Logger  *slog.Logger
}

// ErrNoConsent says that the operator did not agree.
var ErrNoConsent = errors.New("nothing was changed")

// Restored makes the database of the settings the one from now on, whatever nodes and the file store know beyond
// it: an operator says so after a restore. Nodes may run: those that refused the database follow it then. All
// sessions and one-time links end, durable readers of the change log start over, and it is an event.
func Restored(ctx context.Context, c *config.Config, o RestoredOptions) (text string, err error) {
	ctx = stoa.WithActor(ctx, stoa.SystemActor())
	options := WriteOptions(c)
	options.MaxConns, options.MinIdle, options.Logger, options.Beside = 3, 1, o.Logger, true
	if options.URL, err = db.OneHost(options, o.Server); err != nil {
		return "", err
	}
	beyond, err := remembered(ctx, c, o.Stores)
	if err != nil {
		return "", err
	}
	d, err := db.Open(ctx, options) // without the memory of this home, which may well refuse it
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	there, newest, err := standsAt(ctx, d)
	if err != nil {
		return "", err
	}
	above := int64(0)
	var b strings.Builder
	fmt.Fprintf(&b, "Database: %s, incarnation %d, newest change %s.\n",
		d.Describe(), there[len(there)-1].Number, when(newest))
	for _, m := range beyond {
		above = max(above, m.newest().Number)
		says, err := m.compared(ctx, d, there)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&b, says)
	}
	number := max(above, there[len(there)-1].Number) + 1
	if o.Copy {
		fmt.Fprintf(&b,
			"Incarnation %d begins: this database is a portal of its own, and may change the files of %s.\n", number,
			storePlace(c))
	} else {
		fmt.Fprintf(&b, "Incarnation %d begins: every node follows this database from then on, what it lacks is given up, "+
			"and everyone signs in again.\n", number)
	}
	if o.Consent == nil || !o.Consent(b.String()) {
		return "", ErrNoConsent
	}
	begun, err := d.Adopt(ctx, above, func(ctx context.Context, tx *db.Tx) error {
		// A copy and what was put back sign with keys of their own.
		if err := secret.Replace(ctx, tx); err != nil || o.Copy {
			return err
		}
		// Readers that cannot start over from a position of another history look at everything again.
		_, err := tx.Exec(ctx, "DELETE FROM change_reader")
		return errors.Join(err, user.EndAll(ctx, tx))
	})
	if err != nil {
		return "", err
	}
	e := cluster.Event{Code: cluster.CodeIncarnation, Severity: cluster.Info, Node: "operator"}
	if o.Copy {
		e = e.Saying("An operator has said that %s is the database from now on: incarnation %d.",
			d.Describe(), begun.Number)
	} else {
		e = e.Saying("An operator has said that %s is the database from now on: incarnation %d. All sessions have ended.",
			d.Describe(), begun.Number)
	}
	if err := d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return cluster.RecordEvent(ctx, tx, e)
	}); err != nil {
		o.Logger.Warn("the event could not be recorded", "error", err)
	}
	action := audit.Declared
	if o.Copy {
		action = audit.Adopted
	}
	noteOf(ctx, d, o.Logger, action, strconv.FormatInt(begun.Number, 10))
	return fmt.Sprintf("Incarnation %d has begun on %s. Nodes that run follow it within seconds; start the others.",
		begun.Number, d.Describe()), nil
}

// standsAt gives the incarnations of a database and when its newest change was.
func standsAt(ctx context.Context, d *db.DB) (tokens []db.Token, newest time.Time, err error) {
	tokens, err = db.All(ctx, d, func(s db.Scanner) (t db.Token, err error) { return t, s.Scan(&t.Number, &t.Value) },
		"SELECT number, token FROM db_history ORDER BY number")
	if err != nil {
		return nil, newest, fmt.Errorf(
			"read the incarnations; was this database migrated by this version (stoa migrate)? %w", err)
	}
	if len(tokens) == 0 {
		return nil, newest, stoa.Invalid("database",
			"the database %s has no incarnation yet: start a node on it, or restore the data first", d.Describe())
	}
	var at int64
	if err := d.QueryRow(ctx, "SELECT COALESCE(MAX(at), 0) FROM change_log WHERE kind <> ''").Scan(&at); err != nil {
		return nil, newest, err
	}
	return tokens, db.Time(at), nil
}

// memoryOf is what something besides the database knows of its history.
type memoryOf struct {
	name   string
	tokens []db.Token
	beat   db.Beat // the newest heartbeat; none for the file store
	failed string  // why it could not be read
}

func (m memoryOf) newest() db.Token {
	if len(m.tokens) == 0 {
		return db.Token{}
	}
	return m.tokens[len(m.tokens)-1]
}

// compared says what it knows beyond the database. What was given up before counts for nothing.
func (m memoryOf) compared(ctx context.Context, d *db.DB, there []db.Token) (string, error) {
	if m.failed != "" {
		return m.name + " cannot be read, so what it knows is not known: " + m.failed, nil
	}
	says := m.name + " knows incarnation " + strconv.FormatInt(m.newest().Number, 10)
	if !m.beat.At.IsZero() {
		says += ", was there until " + when(m.beat.At)
	}
	if !slices.Contains(there, m.newest()) {
		return says + ": the database lacks that.", nil
	}
	if m.beat.Writer == 0 {
		return says + ": nothing that it knows is missing here.", nil
	}
	var number, seen int64
	err := d.QueryRow(ctx, "SELECT beat, seen FROM change_writer WHERE writer = ?", m.beat.Writer).Scan(&number, &seen)
	switch {
	case db.IsNoRows(err):
		return says + ": what it did in its last life is missing here.", nil
	case err != nil:
		return "", err
	case number < m.beat.Number:
		return says + fmt.Sprintf(": its last %s are missing here.", m.beat.At.Sub(db.Time(seen)).Round(time.Second)), nil
	}
	return says + ": nothing of it is missing here.", nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// remembered is what this home and the file store know of the history. A file store that cannot be read is said
// and does not keep the operator from going on.
func remembered(ctx context.Context, c *config.Config, stores Stores) (out []memoryOf, err error) {
	home, beat, err := db.Remembered(memoryFile(c))
	if err != nil {
		return nil, err
	}
	if len(home) > 0 {
		out = append(out, memoryOf{name: "This home (" + c.Home + ")", tokens: home, beat: beat})
	}
	m := memoryOf{name: "The file store (" + storePlace(c) + ")"}
	tokens, err := storedHistory(ctx, c, stores)
	if err != nil {
		m.failed = err.Error()
	}
	if m.tokens = tokens; len(m.tokens) > 0 || err != nil {
		out = append(out, m)
	}
	return out, nil
}

// memoryFile is where a node remembers which history of the database it follows.
func memoryFile(c *config.Config) string { return filepath.Join(c.Home, "data", "history.json") }

// storedHistory reads the incarnations that the file store knows. A store that hangs is not waited for.
func storedHistory(ctx context.Context, c *config.Config, stores Stores) ([]db.Token, error) {
	if storeInDatabase(c) { // it says of the database what the database says itself
		return nil, nil
	}
	store, err := stores.open(c, nil, slog.New(slog.DiscardHandler), false)
	if err != nil {
		return nil, err
	}
	type answer struct {
		tokens []db.Token
		err    error
	}
	ctx, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	got := make(chan answer, 1)
	go func() { // a call to a file system that hangs does not end
		tokens, err := incarnationsIn(ctx, store)
		got <- answer{tokens, errors.Join(err, closeStore(store))}
	}()
	select {
	case a := <-got:
		return a.tokens, a.err
	case <-ctx.Done():
		return nil, stoa.Unavailable(ctx.Err(), "the file store in %s did not answer within %s", storePlace(c), recordWait)
	}
}

// known gives the incarnations that the file store knows, for a node that remembers nothing itself: else it could
// fill an empty database, or follow an old one. A store that cannot be read says nothing.
func (s *Server) known(ctx context.Context) []db.Token {
	mine, _, err := db.Remembered(memoryFile(s.cfg))
	if err != nil || len(mine) > 0 {
		return nil // opening the database says what is wrong
	}
	tokens, err := storedHistory(ctx, s.cfg, s.stores)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		s.log.Debug("the file store could not be asked which history of the database it knows", "error", err)
	}
	return tokens
}

type lister interface {
	List(ctx context.Context, prefix string, fn func(filestore.Info) error) error
}

// incarnationsIn lists the incarnations that a file store knows, in the order of their numbers.
func incarnationsIn(ctx context.Context, store lister) (out []db.Token, err error) {
	err = store.List(ctx, historyPrefix, func(i filestore.Info) error {
		digits, value, _ := strings.Cut(strings.TrimPrefix(i.Key, historyPrefix), "-")
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n > 0 && value != "" {
			out = append(out, db.Token{Number: n, Value: strings.ToUpper(value)})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b db.Token) int { return cmp.Compare(a.Number, b.Number) })
	return out, err
}

// keepHistory writes the incarnations that this node follows into the file store, for nodes that remember nothing.
func (s *Server) keepHistory(ctx context.Context) error {
	mine := s.DB.Histories()
	store := s.files.guard()
	to := store.Adopted()
	if len(mine) == 0 || mine[len(mine)-1] == s.files.told && to == s.files.toldTo || s.DB.Unproven() {
		return nil
	}
	if err := s.tellHistory(ctx, store); err != nil {
		return err
	}
	s.files.told, s.files.toldTo = mine[len(mine)-1], to
	return nil
}

// tellHistory writes the incarnations that this node follows into a store that lacks them.
func (s *Server) tellHistory(ctx context.Context, store filestore.Store) error {
	mine := s.DB.Histories()
	there, err := incarnationsIn(ctx, store)
	if err != nil {
		return err
	}
	for _, t := range mine {
		if slices.Contains(there, t) {
			continue
		}
		key := historyPrefix + strconv.FormatInt(t.Number, 10) + "-" + strings.ToLower(t.Value)
		body := s.DB.Fingerprint() + "\n"
		if _, err := store.Put(ctx, key, strings.NewReader(body), int64(len(body))); err != nil &&
			!stoa.Is(err, stoa.KindConflict) {
			return err
		}
	}
	return nil
}

// incarnated is when the newest incarnation of the database began, zero for the first.
func (s *Server) incarnated(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.DB.QueryRow(ctx, "SELECT COALESCE(MAX(at), 0) FROM db_history WHERE how <> 'first'").Scan(&at)
	return db.Time(at), err
}
