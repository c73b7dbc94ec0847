package transfer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// CopyOptions say what is copied where. Source and Target are required, and both have the schema of this binary.
type CopyOptions struct {
	Source   *db.DB
	Target   *db.DB
	ReadOnly bool // for a source in which no triggers may be made: no writes from the first row to the last
	Progress Progress
	Logger   *slog.Logger

	// For tests: sizes of what is read at once, and what is called after each page and before the last step.
	PageRows   int
	AfterPage  func(table string) error
	BeforeLast func() error
	InLast     func() error
}

// Copied says what a copy did.
type Copied struct {
	Rows        int64         // of the first pass
	Caught      int64         // keys that changed meanwhile
	ReadOnly    time.Duration // how long the source took no writes before the target was whole
	Incarnation int64         // that the target began
}

// smallRound is how many changes a round may have brought for the next to be the last, maxRounds how often it is
// tried to get there.
const (
	smallRound   = 300
	maxRounds    = 200
	captureBatch = 2000 // noted changes that are read at once
	keyBatch     = 100  // rows that are read by their keys at once
)

// TriggersDenied is the error of a copy that may make no triggers in its source: Estimate says how long the portal
// would be read-only without them.
type TriggersDenied struct {
	Cause    error
	Estimate time.Duration
}

func (e *TriggersDenied) Error() string {
	return fmt.Sprintf("the source lets this user make no triggers, so what changes during the copy cannot be caught. "+
		"Grant the privilege (MariaDB and MySQL: TRIGGER, and with a binary log log_bin_trust_function_creators=1; "+
		"PostgreSQL: be the owner of the tables), "+
		"or repeat with --read-only: the portal then takes no writes for about %s (%v)", about(e.Estimate), e.Cause)
}

func (e *TriggersDenied) Unwrap() error { return e.Cause }

func about(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "10 seconds"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()/10+1)*10)
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes())+1)
}

// Copy takes a portal from one database to another while nodes serve from the first. It goes on where a copy of the
// same source was cut off. When it returns without error the target has everything and a new incarnation, and the
// source is marked as moved: it takes no writes any more. The file store is not touched: it is the same one.
func Copy(ctx context.Context, o CopyOptions) (Copied, error) {
	c := &copying{o: o, log: logger(o.Logger)}
	if err := c.prepare(ctx); err != nil {
		return c.result, err
	}
	stopBeat := alive(ctx, o.Source, c.out.ID)
	defer stopBeat()
	if c.o.ReadOnly {
		return c.result, c.readOnly(ctx)
	}
	if err := c.firstPass(ctx, reader{q: o.Source, dialect: o.Source.Dialect(), rows: o.PageRows}); err != nil {
		return c.result, err
	}
	if err := c.rounds(ctx); err != nil {
		return c.result, err
	}
	return c.result, c.last(ctx)
}

type copying struct {
	o      CopyOptions
	log    *slog.Logger
	tables []Table // of data
	lasts  []Table
	out    row // in the source
	into   row // in the target
	result Copied
	total  int64
	schema int64
	kept   map[string]part
}

// part is how far a table is.
type part struct {
	last     []any
	copied   int64
	finished bool
}

// prepare looks whether the copy is possible, finds one that was cut off, or begins a new one.
func (c *copying) prepare(ctx context.Context) error {
	if err := c.fits(ctx); err != nil {
		return err
	}
	address, moved, err := Moved(ctx, c.o.Source)
	if err != nil {
		return err
	}
	outs, err := rowsOfKind(ctx, c.o.Source, kindTo)
	if err != nil {
		return err
	}
	ins, err := rowsOfKind(ctx, c.o.Target, kindInto)
	if err != nil {
		return err
	}
	match := slices.IndexFunc(outs, func(r row) bool {
		return slices.ContainsFunc(ins, func(i row) bool { return i.ID == r.ID })
	})
	switch {
	case match >= 0 && outs[match].Peer == c.o.Source.Describe():
		return stoa.Invalid("url", "source and target are the same database")
	case match >= 0:
		c.out = outs[match]
		c.into = ins[slices.IndexFunc(ins, func(r row) bool { return r.ID == c.out.ID })]
		if c.into.State == stateDone {
			return stoa.Conflict("the portal was moved to %s already; set that address in jdbc.default.url, or take "+
				"it back with --undo", c.out.Peer)
		}
		return c.resume(ctx)
	case moved:
		return stoa.Conflict("the portal was moved from this database to %s: copy from there", address)
	case len(outs) > 0:
		return stoa.Conflict("a copy of this portal to %s has begun; go on with it, or give it up with --abort",
			outs[0].Peer)
	case len(ins) > 0:
		return stoa.Conflict("the target holds a copy of %s; give a database that is empty", ins[0].Peer)
	}
	if full, err := firstNotEmpty(ctx, c.o.Target, c.tables); err != nil || full != "" {
		if err != nil {
			return err
		}
		return stoa.Conflict("the target %s is not empty: table %s has rows. Give a database that is empty",
			c.o.Target.Describe(), full)
	}
	return c.start(ctx)
}

// fits compares the two schemas.
func (c *copying) fits(ctx context.Context) error {
	newest, err := c.o.Target.SchemaVersion()
	if err != nil {
		return err
	}
	for _, side := range []struct {
		name string
		d    *db.DB
	}{{"source", c.o.Source}, {"target", c.o.Target}} {
		n, err := schemaNumber(ctx, side.d)
		if err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
		if n != newest {
			return stoa.Conflict("the %s has schema %d and this stoa needs %d: bring it up to date with stoa migrate "+
				"first", side.name, n, newest)
		}
	}
	from, err := ReadSchema(ctx, c.o.Source, c.o.Source.Dialect())
	if err != nil {
		return err
	}
	to, err := ReadSchema(ctx, c.o.Target, c.o.Target.Dialect())
	if err != nil {
		return err
	}
	if why := sameTables(from, to); why != "" {
		return stoa.Conflict("the target does not have the tables of the source: %s", why)
	}
	c.tables, c.lasts, c.schema = dataTables(from), lastTables(from), newest
	return nil
}

func (c *copying) start(ctx context.Context) error {
	now := db.Micros(time.Now())
	c.out = row{ID: newID(), Kind: kindTo, State: stateRunning, Peer: c.o.Target.Describe(), Started: now, Beat: now,
		Detail: detail{ReadOnly: c.o.ReadOnly}}
	c.into = c.out
	c.into.Kind, c.into.Peer = kindInto, c.o.Source.Describe()
	if !c.o.ReadOnly {
		if err := c.capture(ctx); err != nil {
			return err
		}
	}
	err := errors.Join(
		c.o.Source.Control(ctx, func(tx *db.Tx) error { return c.out.save(ctx, tx) }),
		c.o.Target.Control(ctx, func(tx *db.Tx) error { return c.into.save(ctx, tx) }))
	c.kept = map[string]part{}
	return err
}

// capture makes the triggers. Without the right to, nothing of them stays.
func (c *copying) capture(ctx context.Context) error {
	err := stopCapture(ctx, c.o.Source, c.tables) // what a copy that died at its very beginning left
	if err == nil {
		err = startCapture(ctx, c.o.Source, c.tables, c.out.ID)
	}
	if err == nil {
		return nil
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err = errors.Join(err, stopCapture(clean, c.o.Source, c.tables))
	var no *errNoTriggers
	if errors.As(err, &no) {
		took, sampleErr := c.estimate(ctx)
		return errors.Join(&TriggersDenied{Cause: no.cause, Estimate: took}, sampleErr)
	}
	return err
}

// resume takes up a copy that was cut off. Without its triggers, what changed since is not known: then all begins
// anew.
func (c *copying) resume(ctx context.Context) error {
	complete := false
	if !c.out.Detail.ReadOnly && !c.o.ReadOnly {
		var err error
		if complete, err = capturing(ctx, c.o.Source, c.tables, c.out.ID); err != nil {
			return err
		}
	}
	if !complete {
		c.log.Warn("the copy that was cut off cannot go on: it begins anew")
		if err := giveUp(ctx, c.o.Source, c.o.Target, append(slices.Clone(c.tables), c.lasts...), c.out); err != nil {
			return err
		}
		return c.start(ctx)
	}
	c.kept = map[string]part{}
	return db.Each(ctx, c.o.Target, func(s db.Scanner) error {
		var name, key string
		var p part
		if err := s.Scan(&name, &key, &p.copied, &p.finished); err != nil {
			return err
		}
		t, ok := find(c.tables, name)
		if !ok {
			return nil
		}
		var err error
		if key != "" {
			p.last, err = readKey(t, key)
		}
		c.kept[name] = p
		return err
	}, "SELECT name, last_key, copied, finished FROM db_transfer_part WHERE transfer = ?", c.out.ID)
}

// firstPass copies every table range by range. Each range is compared with what the target then holds in it before
// it counts.
func (c *copying) firstPass(ctx context.Context, r reader) error {
	_, total, err := countRows(ctx, r.q, c.tables)
	if err != nil {
		return err
	}
	c.total = total
	for _, p := range c.kept {
		c.result.Rows += p.copied
	}
	for _, t := range c.tables {
		p := c.kept[t.Name]
		if p.finished {
			continue
		}
		err := r.pages(ctx, t, p.last, func(page Page) error {
			if err := c.page(ctx, t, page, &p); err != nil {
				return err
			}
			if c.o.AfterPage != nil {
				return c.o.AfterPage(t.Name)
			}
			return nil
		})
		if err != nil {
			return err
		}
		p.finished = true
		if err := c.o.Target.Control(ctx, func(tx *db.Tx) error { return c.savePart(ctx, tx, t, p) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *copying) savePart(ctx context.Context, tx *db.Tx, t Table, p part) error {
	key := ""
	if p.last != nil {
		key = keyText(p.last)
	}
	return tx.Upsert(ctx, "db_transfer_part", []string{"transfer", "name"}, db.Row{
		"transfer": c.into.ID, "name": t.Name,
		"last_key": key, "copied": p.copied, "finished": p.finished})
}

// page writes one range into the target, together with how far the table is. A row whose unique value is taken there
// was changed, or the other one was: it is noted, and comes with the changes.
func (c *copying) page(ctx context.Context, t Table, page Page, p *part) error {
	var again [][]any
	next := *p
	err := c.o.Target.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		again, next = nil, *p
		want := page.Sum
		var taken func(row []any) error
		if !c.o.ReadOnly {
			taken = func(row []any) error { again = append(again, t.keyOf(row)); return nil }
		}
		if err := put(ctx, tx, t, page.Rows, taken); err != nil {
			return err
		}
		if len(again) > 0 {
			want = sumWithout(t, page.Rows, again)
		}
		got, err := (reader{q: tx, dialect: tx.Dialect()}).sum(ctx, page)
		if err != nil {
			return err
		}
		if got != want {
			return stoa.Unavailable(nil, "table %s, keys after %s up to %s: the target has %s, the source %s; is "+
				"anything else writing to the target?",
				t.Name, keyText(page.After), keyText(page.Last), got, want)
		}
		next.last, next.copied = page.Last, p.copied+int64(len(page.Rows))
		return c.savePart(ctx, tx, t, next)
	})
	if err != nil {
		return err
	}
	// Two rows had the same unique value at different times since the triggers were made, so both are noted already;
	// noting the one once more costs little.
	for _, key := range again {
		if err := noteAgain(ctx, c.o.Source, t, key); err != nil {
			return err
		}
	}
	*p = next
	c.result.Rows += int64(len(page.Rows))
	c.o.Progress.tell("copied", c.result.Rows, c.total)
	return nil
}

// sumWithout is the checksum of rows but for those with the keys.
func sumWithout(t Table, rows, without [][]any) Sum {
	left := map[string]bool{}
	for _, k := range without {
		left[keyText(k)] = true
	}
	var s Sum
	var buf []byte
	for _, r := range rows {
		if !left[keyText(t.keyOf(r))] {
			buf = encode(buf[:0], r)
			s.add(buf)
		}
	}
	return s
}

// rounds brings what changed over, again and again until little is left.
func (c *copying) rounds(ctx context.Context) error {
	if c.into.State == stateRunning {
		c.into.State = stateCatching
		if err := c.o.Target.Control(ctx, func(tx *db.Tx) error { return c.into.save(ctx, tx) }); err != nil {
			return err
		}
	}
	for range maxRounds {
		began := time.Now()
		n, err := c.round(ctx)
		if err != nil {
			return err
		}
		if n <= smallRound && time.Since(began) < 2*time.Second {
			return nil
		}
	}
	return stoa.Unavailable(nil, "the source changes faster than its changes can be copied; repeat when less is "+
		"written: the copy goes on where it is")
}

// round takes up to captureBatch noted changes over and gives their number.
func (c *copying) round(ctx context.Context) (int, error) {
	list, err := db.All(ctx, c.o.Source, func(s db.Scanner) (x caught, err error) {
		return x, s.Scan(&x.id, &x.table, &x.key[0], &x.key[1], &x.key[2], &x.key[3])
	}, fmt.Sprintf("SELECT id, tbl, k1, k2, k3, k4 FROM %s ORDER BY id LIMIT %d", captureTable, captureBatch))
	if err != nil || len(list) == 0 {
		return 0, err
	}
	keys := map[string][][]any{}
	seen := map[string]bool{}
	for _, x := range list {
		t, ok := find(c.tables, x.table)
		if !ok {
			continue
		}
		key, err := x.keyOf(t)
		if err != nil {
			return 0, err
		}
		if name := t.Name + keyText(key); !seen[name] {
			seen[name] = true
			keys[t.Name] = append(keys[t.Name], key)
		}
	}
	for _, t := range c.tables {
		for part := range slices.Chunk(keys[t.Name], keyBatch) {
			if err := c.apply(ctx, t, part); err != nil {
				return 0, err
			}
		}
	}
	// Only now, and only those that were read: what is noted of a later change stays.
	for part := range slices.Chunk(list, 500) {
		args := make([]any, len(part))
		for i, x := range part {
			args[i] = x.id
		}
		if err := c.o.Source.Control(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM "+captureTable+" WHERE id IN "+db.In(len(args)), args...)
			return err
		}); err != nil {
			return 0, err
		}
	}
	c.result.Caught += int64(len(list))
	c.o.Progress.tell("caught up", c.result.Rows+c.result.Caught, c.total+c.result.Caught)
	return len(list), nil
}

// apply makes the rows with these keys in the target what they are in the source, and compares them.
func (c *copying) apply(ctx context.Context, t Table, keys [][]any) error {
	rows, want, err := (reader{q: c.o.Source, dialect: c.o.Source.Dialect()}).rowsOf(ctx, t, keys)
	if err != nil {
		return err
	}
	var again [][]any
	err = c.o.Target.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		again = nil
		where, args := byKeys(t, keys)
		if _, err := tx.Exec(ctx, "DELETE FROM "+t.Name+where, args...); err != nil {
			return err
		}
		if err := put(ctx, tx, t, rows, func(row []any) error {
			again = append(again, t.keyOf(row))
			return nil
		}); err != nil {
			return err
		}
		expect := want
		if len(again) > 0 {
			expect = sumWithout(t, rows, again)
		}
		_, got, err := (reader{q: tx, dialect: tx.Dialect()}).rowsOf(ctx, t, keys)
		if err == nil && got != expect {
			err = stoa.Unavailable(nil, "table %s: rows that changed during the copy are not the same in the target "+
				"(%s, not %s); is anything else writing to it?", t.Name, got, expect)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range again {
		if err := noteAgain(ctx, c.o.Source, t, key); err != nil {
			return err
		}
	}
	return nil
}
