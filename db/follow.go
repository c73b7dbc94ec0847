package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
)

// standing is what every connection of some pools must show: one server and one history.
type standing struct {
	host        int // of the address; 0 for a file
	fingerprint string
	number      int64
	token       string // empty before Migrate
	unproven    bool   // see DB.Unproven
}

// splitQuiet is for how long no second server may be seen to take writes before one is followed again.
const splitQuiet = 2 * time.Second

// Refusal is why this node follows no server, or which servers it was led to and does not follow.
type Refusal struct {
	Verdict string        // "behind", "fork", "empty", "read-only", "two databases"
	Server  string        // whose
	Reason  string        // what is missing there, or what was seen
	Lost    time.Duration // by how much it is behind this node
	Since   time.Time
	Closed  bool // no server is followed: nothing is read or written
}

// Text says it in one sentence.
func (r Refusal) Text() string {
	switch r.Verdict {
	case "two databases":
		return "two databases take writes, and neither has all that the other has: " + r.Reason
	case readOnly.String():
		return fmt.Sprintf("the database server %s takes no writes: %s", r.Server, r.Reason)
	case emptied.String():
		return fmt.Sprintf("the database on %s is another one: %s", r.Server, r.Reason)
	}
	return fmt.Sprintf("the database server %s shows an older or another history (%s): %s", r.Server, r.Verdict, r.Reason)
}

// Mend says the ways out.
func (r Refusal) Mend() string {
	switch r.Verdict {
	case readOnly.String():
		return "promote a server, or let this one take writes; it is found by itself"
	case emptied.String():
		return "correct the address (jdbc.default.url), or restore the data; if this node is to begin anew, " +
			"give it a new home"
	}
	return "demote or stop that server, or correct the address (jdbc.default.url), and the right one is found by " +
		"itself; if it is the right one, for it was restored on purpose, run: stoa db restored"
}

// candidate is a server that was asked what it shows.
type candidate struct {
	host int
	shown
	finding
	err error // it could not be asked
}

// Refused gives what this node does not follow, nil when all is well.
func (d *DB) Refused() *Refusal {
	r := d.refusal.Load()
	if r == nil || !r.Closed && time.Since(d.refusedAt()) > 3*watchHostsEvery {
		return nil
	}
	return r
}

func (d *DB) refusedAt() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lastRefused
}

// note remembers a server that is not followed; the first of its kind is logged.
func (d *DB) note(r Refusal) {
	d.mu.Lock()
	d.lastRefused = time.Now()
	d.mu.Unlock()
	old := d.refusal.Load()
	if old != nil && old.Verdict == r.Verdict && old.Server == r.Server && old.Closed == r.Closed {
		r.Since = old.Since
		d.refusal.Store(&r)
		return
	}
	r.Since = time.Now()
	d.refusal.Store(&r)
	d.log.Error(r.Text(), "mend", r.Mend(), "following none", r.Closed)
}

// probe asks one server what it shows, on a connection of its own.
func (d *DB) probe(ctx context.Context, i int, k known) candidate {
	c := candidate{host: i}
	ctx, cancel := context.WithTimeout(ctx, d.opt.ConnectTimeout+time.Second)
	defer cancel()
	base, err := d.bases(i)
	if err != nil {
		c.err = err
		return c
	}
	conn, err := base.Connect(ctx)
	if err != nil {
		c.err = err
		return c
	}
	defer conn.Close()
	if c.err = d.setUp(ctx, conn); c.err == nil {
		c.shown, c.err = d.look(ctx, conn, k.mark)
	}
	if c.err == nil {
		c.finding = judge(k, c.shown, d.opt.LossAccept)
	}
	return c
}

// probeAll asks all servers of the address at once.
func (d *DB) probeAll(ctx context.Context) []candidate {
	k := d.memory.get()
	out := make([]candidate, max(1, len(d.dsn.hosts)))
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() { out[i] = d.probe(ctx, i, k) })
	}
	wg.Wait()
	return out
}

// errTwoWritable says that it cannot be told which of two servers is the right one.
type errTwoWritable struct{ a, b string }

func (e errTwoWritable) Error() string {
	return fmt.Sprintf("%s and %s both take writes", e.a, e.b)
}

// choose picks the server to follow. Of several that may be followed, the one whose history has gone on is
// right; where none has, it cannot be told, unless they are one Galera cluster or this node follows one
// already that still takes its writes.
func (d *DB) choose(found []candidate, now *standing) (candidate, error) {
	var usable []candidate
	for _, c := range found {
		if c.err == nil && c.verdict.usable() {
			usable = append(usable, c)
		}
	}
	if len(usable) == 0 {
		return candidate{}, d.unusable(found)
	}
	slices.SortStableFunc(usable, func(a, b candidate) int { return int(b.number - a.number) })
	best := usable[0]
	if len(usable) == 1 || isGalera(best.fingerprint) {
		for _, c := range usable {
			if now != nil && c.host == now.host && c.number == best.number {
				return c, nil
			}
		}
		return best, nil
	}
	second := usable[1]
	switch {
	case best.number > second.number && best.verdict != fresh:
		return best, nil
	case sameServer(usable): // two names of one server
		return best, nil
	}
	for _, c := range usable {
		if now != nil && c.host == now.host && c.verdict == same && d.beating() {
			return c, nil
		}
	}
	return candidate{}, errTwoWritable{d.serverName(best.host), d.serverName(second.host)}
}

// SameServer reports whether two fingerprints are of one server in one life.
func SameServer(a, b string) bool { return sameHistory(a, b) }

func sameServer(cs []candidate) bool {
	return !slices.ContainsFunc(cs[1:], func(c candidate) bool { return !sameHistory(cs[0].fingerprint, c.fingerprint) })
}

// unusable says why no server can be followed: what was found wrong counts more than what did not answer.
func (d *DB) unusable(found []candidate) error {
	var err error
	for _, c := range found {
		if c.err != nil {
			err = c.err
		}
	}
	for _, v := range []verdict{readOnly, emptied, behind, fork} { // the worst last
		for _, c := range found {
			if c.err == nil && c.verdict == v {
				err = &errRefused{Refusal{Verdict: v.String(), Server: d.serverName(c.host), Reason: c.reason, Lost: c.lost}}
			}
		}
	}
	return err
}

// errRefused is a server that this node does not follow.
type errRefused struct{ Refusal }

func (e *errRefused) Error() string { return e.Text() + "; " + e.Mend() }

// beating reports whether this node's heartbeats were committed lately on the server it follows.
func (d *DB) beating() bool { return d.witness != nil && d.witness.Beating() }

// search looks for the server to follow and follows it. It returns nil when this node follows one whose
// history it knows, as far as was seen just now. One search runs at a time.
func (d *DB) search(ctx context.Context) error {
	select {
	case d.searching <- struct{}{}:
		defer func() { <-d.searching }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := d.life.Err(); err != nil {
		return err
	}
	p := d.pools.Load()
	now := p.standing.Load()
	if d.dialect == SQLite {
		return d.searchFile(ctx, p)
	}
	found := d.probeAll(ctx)
	d.saw(found)
	c, err := d.choose(found, now)
	if err == nil {
		err = d.mayLeave(ctx, p, now, c)
	}
	if err == nil {
		err = d.settled(c.agreed)
	}
	if err != nil {
		d.turnedAway(p, now, found, err)
		return err
	}
	if err := d.follow(ctx, p, c); err != nil {
		return err
	}
	if r := d.refusal.Load(); r != nil && r.Closed {
		d.log.Info("a database server is followed again",
			"server", d.serverName(c.host), "after", time.Since(r.Since).Round(time.Millisecond))
		d.refusal.Store(nil)
	}
	return nil
}

// searchFile is search for a file of one process: what is there counts.
func (d *DB) searchFile(ctx context.Context, old *pools) error {
	p, err := d.openSQLite()
	if err != nil {
		return err
	}
	if err := p.write.PingContext(ctx); err != nil {
		return errors.Join(err, p.close())
	}
	return d.take(ctx, old, p)
}

// mayLeave says no to another server while the one before still takes this node's writes, or another node that is
// heard still proves its caches fresh there: then there are two that take writes, and the one in use goes on. A node
// that has heard others lately gives them a moment to be heard again.
func (d *DB) mayLeave(ctx context.Context, p *pools, now *standing, c candidate) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now == nil || d.witness == nil || c.verdict != lossy && c.verdict != continued ||
		sameHistory(now.fingerprint, c.fingerprint) || isGalera(now.fingerprint) {
		d.heldSince = time.Time{}
		return nil
	}
	two := errTwoWritable{d.serverName(now.host), d.serverName(c.host)}
	if p.refused == nil {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		d.mu.Unlock() // the heartbeat asks for connections
		err := d.witness.StillBeats(short)
		d.mu.Lock()
		if err == nil {
			return two
		}
	}
	if d.heldSince.IsZero() {
		d.heldSince = time.Now()
	}
	held := time.Since(d.heldSince)
	switch {
	case !d.witness.PeerOn(now.fingerprint, heardLately): // there is no other node
		d.heldSince = time.Time{}
		return nil
	case d.witness.PeerOn(now.fingerprint, held): // heard since this node was held
		if held > heldQuiet {
			return two
		}
		return errHeld
	case held < heardSoon:
		return errHeld
	}
	d.heldSince = time.Time{}
	return nil
}

const (
	// heldQuiet is how long a server may be held off by what another node says before that is worth a word.
	heldQuiet = 3 * time.Second
	// heardSoon is how long a node waits to hear the others: they prove their caches fresh twice a second.
	heardSoon = 700 * time.Millisecond
	// heardLately is for how long a node that was heard is waited for.
	heardLately = 10 * time.Second
)

var errHeld = errors.New("another node proves, or proved a moment ago, its caches fresh on the server before: " +
	"this one is not followed yet")

// saw notes which servers take writes, also when none of them can be followed: other nodes wait for it.
func (d *DB) saw(found []candidate) {
	var here []string
	for _, c := range found {
		if c.err == nil && c.readOnly == "" && !slices.Contains(here, c.fingerprint) {
			here = append(here, c.fingerprint)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writable, d.sawAt = here, time.Now()
}

// settled reports, after two databases were seen to take writes, whether only one is left: no second one was
// seen for a while, neither here nor by another node that is heard.
func (d *DB) settled(agreed bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if agreed { // an operator has chosen
		d.split = nil
	}
	here := slices.Clone(d.writable)
	if d.split == nil {
		return nil
	}
	others := []string(nil)
	if d.witness != nil {
		others = d.witness.PeersSee()
	}
	for _, f := range append(here, others...) {
		if d.split.only == "" {
			d.split.only, d.split.since = f, time.Now()
		}
		if !sameHistory(d.split.only, f) {
			d.split.only, d.split.since = "", time.Time{}
			return d.split.err
		}
	}
	if d.split.only == "" || time.Since(d.split.since) < splitQuiet {
		return d.split.err
	}
	d.split = nil
	return nil
}

// apart is a time in which two databases take writes and it cannot be told which is right.
type apart struct {
	err   error
	only  string // fingerprint of the only server seen to take writes, and since when
	since time.Time
}

// Writable gives the fingerprints of the servers that took writes when they were last asked.
func (d *DB) Writable() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.sawAt) > watchHostsEvery { // nothing searches while all is well
		return nil
	}
	return slices.Clone(d.writable)
}

// Fingerprint is what the server that is followed says of itself.
func (d *DB) Fingerprint() string { return d.pools.Load().standing.Load().fingerprint }

// turnedAway notes what was found instead of a server to follow. Where it is the server that this node
// follows which shows something else now, or two take writes, nothing is read or written any more.
func (d *DB) turnedAway(p *pools, now *standing, found []candidate, err error) {
	var r Refusal
	var two errTwoWritable
	var ref *errRefused
	switch {
	case errors.As(err, &ref):
		r = ref.Refusal
	case errors.As(err, &two):
		r = Refusal{Verdict: "two databases", Server: two.a, Reason: err.Error()}
	default:
		return // no answer is not a history
	}
	// Behind one address for several servers the connections in use may be to the right one: then heartbeats are
	// being committed.
	r.Closed = p.refused != nil || d.witness != nil && !d.witness.Beating() && r.Verdict != readOnly.String()
	for _, c := range found {
		if now != nil && c.err == nil && sameHistory(c.fingerprint, now.fingerprint) && !c.verdict.usable() &&
			c.verdict != readOnly {
			r.Closed = true
		}
	}
	d.note(r)
	if r.Closed {
		d.shut(stoa.Unavailable(err, "the database cannot be used just now; try again in a moment"))
	}
}

// shut closes all connections and makes no new ones until a server is followed again.
func (d *DB) shut(why error) {
	p := &pools{refused: why}
	p.write = sql.OpenDB(refusing{why})
	p.read, p.control = p.write, p.write
	for {
		old := d.pools.Load()
		if old.refused != nil {
			_ = p.close()
			return
		}
		st := *old.standing.Load()
		p.standing.Store(&st)
		if d.pools.CompareAndSwap(old, p) { // else a search has followed another server meanwhile
			d.wg.Go(func() { _ = old.close() })
			break
		}
	}
	d.noAnswer(why)
}

// refusing makes no connections.
type refusing struct{ err error }

func (r refusing) Connect(context.Context) (driver.Conn, error) { return nil, &connectError{r.err} }
func (r refusing) Driver() driver.Driver                        { return nil }

var errShutMeanwhile = errors.New("this node stopped using the server while it was asked: it is asked again")

// follow makes the candidate the server of this process, on the connections there are where it is already.
func (d *DB) follow(ctx context.Context, p *pools, c candidate) error {
	now := p.standing.Load()
	if p.refused == nil && now.host == c.host && sameHistory(now.fingerprint, c.fingerprint) && c.verdict != lossy {
		if d.pools.Load() != p { // shut meanwhile, for what this search did not know
			return errShutMeanwhile
		}
		if now.token == "" || now.token == c.token && now.number == c.number {
			return nil // before Migrate, or as it was
		}
		// New pools: the old ones make no connection any more, as each would show another token than theirs.
	}
	next, err := d.openServer(c.host, c.fingerprint)
	if err != nil {
		return err
	}
	return d.take(ctx, p, next)
}

// take establishes the history behind new pools and puts them in the place of the old ones. Nothing uses them
// before: no proof of freshness from a new history may vouch for values of the old one. What fails on the
// way is tried anew by the next caller that needs a connection; so is a search that did not know why this node
// stopped using a server meanwhile.
func (d *DB) take(ctx context.Context, old, next *pools) error {
	ctx, cancel := context.WithTimeout(ctx, d.opt.WriteTimeout)
	defer cancel()
	e, err := d.establish(ctx, next)
	if err != nil {
		return errors.Join(fmt.Errorf("establish the history of the database server: %w", err), next.close())
	}
	if err := d.remember(next, e); err != nil {
		return errors.Join(err, next.close())
	}
	next.bind(e)
	if !d.pools.CompareAndSwap(old, next) {
		return errors.Join(errShutMeanwhile, next.close())
	}
	d.settleOn(next, e)
	if r := d.refusal.Load(); r != nil && !r.Closed { // of the time without a server
		d.refusal.Store(nil)
	}
	d.wg.Go(func() { _ = old.close() }) // waits for statements in flight
	return nil
}

// watchHosts looks at all servers of the address from time to time: one that takes writes and is not to be followed,
// such as an old primary that came back, is worth a word before a connection is made to it.
func (d *DB) watchHosts() {
	tick := time.NewTicker(watchHostsEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.life.Done():
			return
		case <-tick.C:
		}
		p := d.pools.Load()
		now := p.standing.Load()
		if p.refused != nil || now.token == "" {
			continue // the search looks
		}
		k := d.memory.get()
		for i := range d.dsn.hosts {
			if i == now.host {
				continue
			}
			c := d.probe(d.life, i, k)
			switch {
			case c.err != nil, c.verdict == readOnly, sameHistory(c.fingerprint, now.fingerprint), isGalera(c.fingerprint):
			case c.verdict.usable():
				d.note(Refusal{Verdict: "two databases", Server: d.serverName(c.host),
					Reason: errTwoWritable{d.serverName(now.host), d.serverName(c.host)}.Error()})
			default:
				d.note(Refusal{Verdict: c.verdict.String(), Server: d.serverName(c.host), Reason: c.reason, Lost: c.lost})
			}
		}
	}
}

// watchHostsEvery is the time between two looks at all servers (rule 34).
const watchHostsEvery = 5 * time.Second

// Apart is told that another node, which knows these incarnations, has committed a heartbeat that this
// node's database does not show: they follow two databases. Of two where one has all that the other has, the
// shorter one is left at once; else this node stops until only one is left.
func (d *DB) Apart(peer string, theirs []Token, fingerprint string) {
	mine := d.Histories()
	switch {
	case contains(mine, theirs) && last(mine).Number > last(theirs).Number:
		return // the other node leaves
	case contains(theirs, mine) && last(theirs).Number > last(mine).Number:
		d.memory.learn(theirs)
		d.note(Refusal{Verdict: behind.String(), Server: d.serverName(d.pools.Load().standing.Load().host), Closed: true,
			Reason: peer + " follows a database with a later incarnation: " + of(last(theirs))})
		d.shut(stoa.Unavailable(nil, "the database server that this node used was replaced; try again in a moment"))
	default:
		err := errTwoWritable{
			"the server of this node (" + d.Fingerprint() + ")",
			"that of " + peer + " (" + fingerprint + ")",
		}
		d.mu.Lock()
		if d.split == nil {
			d.split = &apart{err: err}
		}
		d.mu.Unlock()
		d.note(Refusal{Verdict: "two databases", Reason: err.Error(), Closed: true})
		d.shut(stoa.Unavailable(err, "two databases take writes, so nothing is saved just now; try again in a moment"))
	}
}
