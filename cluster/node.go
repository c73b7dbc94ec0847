// Package cluster is what nodes know of each other: rows with heartbeats, leases with epochs that
// fence, and messages that only make things faster. The database is the only thing nodes agree on, and
// one node is a cluster of one. DESIGN.md beside this file tells why it is so.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// masterLease is the lease of the node that does what is done once per cluster.
const masterLease = "master"

// unknownPeerPause is the least time between two looks into the database for unknown certificates.
const unknownPeerPause = 200 * time.Millisecond

// ErrExpelled says that the row of this node was removed: it must not act as part of the cluster and
// has to join again as a new process.
var ErrExpelled = errors.New("this node was removed from the cluster; restart it to join again")

// NodeOptions says who a node is. DB, Writer and one of NodeID and Home are required.
type NodeOptions struct {
	DB     *db.DB
	Writer int64 // id of this process life: change.Log.Writer

	NodeID string // survives restarts; 1 to 60 of letters, digits, dot, hyphen, underscore
	Home   string // when NodeID is empty, it is kept in HOME/data/node-id

	Name        string // for people; "" = the node id
	Address     string // where other nodes reach this one
	Host        string // the machine, for people
	HostID      string // HostID()
	Version     string // of the binary
	Schema      int64  // that the binary knows: db.DB.SchemaVersion
	Settings    string // digest of the settings that must be the same everywhere
	Fingerprint string // of the certificate of this process
	Detail      string // more to show, as JSON

	// Guest says that the node lives for one command: it does not become the master.
	Guest bool

	Heartbeat time.Duration        // between looks at the other nodes; 0 = a fifth of DeadAfter
	DeadAfter time.Duration        // without a beat; 0 = 2.5 s
	Clock     func() time.Duration // nil = change.Boottime
	Now       func() time.Time     // information in rows only; nil = time.Now
	Logger    *slog.Logger
}

// Node is this process as a member of the cluster. It is safe for concurrent use.
type Node struct {
	opt   NodeOptions
	d     *db.DB
	log   *slog.Logger
	id    string
	epoch atomic.Int64

	fingerprint atomic.Pointer[string] // of the row

	joinN int64 // the incarnation of the database in which the row is known to be; of Join, then Beat

	looking     sync.Mutex    // one look at a time, so that events come in order; guards lookedAt
	lookedAt    time.Duration // when the read began that was seen last
	unknownPeer chan struct{} // held while an unknown certificate is looked for; guards lookedFor
	lookedFor   time.Duration // when that was done last

	mu       sync.Mutex
	roster   *Roster
	watchers map[int]func(MemberEvent)
	watchID  int
	leases   map[string]*Lease
	left     bool

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Join writes the node's row and begins to watch the others and to contend for the master lease. When
// another living process has the same node id (a copied home), this one takes a new id and keeps it.
// That is looked for only if the row of the id was not closed properly, and takes less than a second, as
// does looking for nodes on other hosts when Address is on loopback: that is refused, as they could not
// reach it.
// The caller gives Beat to the change log and calls Leave at the end.
func Join(ctx context.Context, o NodeOptions) (*Node, error) {
	if o.DB == nil || o.Writer <= 0 {
		return nil, errors.New("cluster: NodeOptions.DB and a positive Writer are required")
	}
	if o.DeadAfter <= 0 {
		o.DeadAfter = 2500 * time.Millisecond
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = o.DeadAfter / 5
	}
	if o.Clock == nil {
		o.Clock = change.Boottime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.NodeID == "" {
		if o.Home == "" {
			return nil, errors.New("cluster: NodeOptions needs NodeID or Home")
		}
		id, err := loadNodeID(o.Home)
		if err != nil {
			return nil, err
		}
		o.NodeID = id
	}
	if !validNodeID(o.NodeID) {
		return nil, fmt.Errorf("cluster: node id %.80q: 1 to 60 letters, digits, dots, hyphens or underscores are expected", o.NodeID)
	}
	n := &Node{
		opt: o, d: o.DB, log: o.Logger.With("component", "cluster"), id: o.NodeID,
		roster: NewRoster(o.Writer, o.DeadAfter), watchers: map[int]func(MemberEvent){}, leases: map[string]*Lease{},
		unknownPeer: make(chan struct{}, 1),
	}
	n.epoch.Store(1)
	n.fingerprint.Store(&o.Fingerprint)
	duplicates, err := n.beating(ctx, func(m Member) bool { return m.Node == n.id })
	if err != nil {
		return nil, fmt.Errorf("join the cluster: %w", err)
	}
	if len(duplicates) > 0 {
		n.id = newNodeID()
		n.log.Warn("another living node has the id of this home, which was probably copied: this node takes a new one", "was", o.NodeID, "is", n.id)
		if o.Home != "" {
			if err := saveNodeID(o.Home, n.id); err != nil {
				return nil, err
			}
		}
	}
	if n.opt.Name == "" {
		n.opt.Name = n.id
	}
	if loopback(o.Address) {
		away, err := n.beating(ctx, func(m Member) bool { return m.HostID != o.HostID })
		if err == nil {
			err = RefuseLoopback(n.Self(), away)
		}
		if err != nil {
			return nil, fmt.Errorf("join the cluster: %w", err)
		}
	}
	if err := n.d.Control(ctx, func(tx *db.Tx) error { return n.insert(ctx, tx) }); err != nil {
		return nil, fmt.Errorf("join the cluster: %w", err)
	}
	n.joinN = n.d.Incarnation()
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.Look(ctx); err != nil {
		n.cancel()
		return nil, fmt.Errorf("join the cluster: %w", err)
	}
	n.wg.Go(n.watch)
	n.Lease(masterLease)
	return n, nil
}

// beating gives the rows that choose picks and whose beat is seen to change: their processes live. It
// takes as long as two heartbeats only if there are such rows and none of them beats.
func (n *Node) beating(ctx context.Context, choose func(Member) bool) ([]Member, error) {
	rows := func() (map[int64]Member, error) {
		all, err := n.read(ctx, n.d)
		out := map[int64]Member{}
		for _, m := range all {
			if m.State == stateUp && m.Writer != n.opt.Writer && choose(m) {
				out[m.Writer] = m
			}
		}
		return out, err
	}
	first, err := rows()
	if err != nil || len(first) == 0 {
		return nil, err
	}
	for range 8 {
		timer := time.NewTimer(n.opt.Heartbeat / 4)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		now, err := rows()
		if err != nil {
			return nil, err
		}
		var live []Member
		for w, m := range now {
			if old, found := first[w]; !found || old.Beat != m.Beat {
				m.Live = true
				live = append(live, m)
			}
		}
		if len(live) > 0 {
			return live, nil
		}
	}
	return nil, nil
}

func (n *Node) insert(ctx context.Context, tx *db.Tx) error {
	now := db.Micros(n.opt.Now())
	_, err := tx.InsertIgnore(ctx, "cluster_node", db.Row{
		"writer": n.opt.Writer, "node": n.id, "name": n.opt.Name, "address": n.opt.Address, "host": n.opt.Host + "#" + n.opt.HostID,
		"version": n.opt.Version, "settings": n.opt.Settings, "fingerprint": *n.fingerprint.Load(), "state": stateUp,
		"epoch": n.epoch.Load(), "beat": 1, "low": 1, "started": now, "seen": now, "detail": n.opt.Detail,
		"schema_number": n.opt.Schema,
	})
	return err
}

// SetFingerprint writes another Fingerprint into the node's row, also into one that is made anew after it was lost.
// The one that is there already costs nothing.
func (n *Node) SetFingerprint(ctx context.Context, row string) error {
	if *n.fingerprint.Load() == row {
		return nil
	}
	err := n.d.Control(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE cluster_node SET fingerprint = ? WHERE writer = ?", row, n.opt.Writer)
		return err
	})
	if err != nil {
		return fmt.Errorf("write the fingerprint of this node: %w", err)
	}
	n.fingerprint.Store(&row)
	return nil
}

// ID is the node id, which survives restarts. It differs from the one asked for if that was taken.
func (n *Node) ID() string { return n.id }

// Writer is the id of this process life.
func (n *Node) Writer() int64 { return n.opt.Writer }

// Beat raises the node's beat in the transaction of a log read (change.Options.Beat). It fails with
// ErrExpelled when the row is gone. A node that was declared dead while it was frozen lives again, with
// the higher epoch that voids what it had claimed. The rows of the other nodes and the leases are looked at in the
// same transaction, so that a node which does nothing needs no other.
func (n *Node) Beat(ctx context.Context, tx *db.Tx, low uint64) error {
	if err := n.beat(ctx, tx, low); err != nil {
		return err
	}
	return n.ride(ctx, tx)
}

func (n *Node) beat(ctx context.Context, tx *db.Tx, low uint64) error {
	const update = "UPDATE cluster_node SET beat = beat + 1, low = ?, seen = ?, state = 'up' WHERE writer = ? AND state <> 'left'"
	for attempt := range 2 {
		done, err := tx.Affected(ctx, update, int64(low), db.Micros(n.opt.Now()), n.opt.Writer)
		if err != nil {
			return err
		}
		if done == 1 {
			if attempt == 0 { // it was there before this transaction, so it is in this history
				n.joinN = n.d.Incarnation()
			}
			return nil
		}
		n.mu.Lock()
		left := n.left
		n.mu.Unlock()
		if left || n.d.Incarnation() == n.joinN {
			return ErrExpelled
		}
		// Another history of the database need not know this node.
		if err := n.insert(ctx, tx); err != nil {
			return err
		}
	}
	return ErrExpelled
}

// watch looks at the other nodes until the node leaves.
func (n *Node) watch() {
	tick := time.NewTicker(n.opt.Heartbeat)
	defer tick.Stop()
	report := n.reporter("the other nodes cannot be seen")
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
		n.looking.Lock()
		fresh := n.lookedAt != 0 && n.opt.Clock()-n.lookedAt < 2*n.opt.Heartbeat
		n.looking.Unlock()
		if fresh {
			continue // with a heartbeat
		}
		ctx, cancel := context.WithTimeout(n.ctx, 5*time.Second)
		err := n.Look(ctx)
		cancel()
		if n.ctx.Err() == nil {
			report(err)
		}
	}
}

// reporter logs an error when it begins and when it ends.
func (n *Node) reporter(what string) func(error) {
	failing := false
	return func(err error) {
		switch {
		case err != nil && !failing:
			n.log.Warn(what, "error", err)
		case err == nil && failing:
			n.log.Info("over: " + what)
		}
		failing = err != nil
	}
}

// saw takes rows whose read began and ended then. The caller holds looking. Rows older than those seen last are
// dropped: they would show a beat of the past.
func (n *Node) saw(began, ended time.Duration, rows []Member) {
	if began < n.lookedAt {
		return
	}
	n.lookedAt = began
	n.mu.Lock()
	events := n.roster.Saw(ended, rows)
	fns := make([]func(MemberEvent), 0, len(n.watchers))
	for _, fn := range n.watchers {
		fns = append(fns, fn)
	}
	n.mu.Unlock()
	for _, m := range rows {
		if m.Writer == n.opt.Writer && m.Epoch > n.epoch.Load() {
			n.log.Warn("this node was declared dead while it did not answer: what it had claimed is given to others", "epoch", m.Epoch)
			n.epoch.Store(m.Epoch)
		}
	}
	if len(events) > 0 {
		n.log.Info("members", "change", describe(events), "now", n.MemberList())
	}
	for _, e := range events {
		for _, fn := range fns {
			fn(e)
		}
	}
}

// describe names who joined (+) and who left or died (−).
func describe(events []MemberEvent) string {
	var parts []string
	for _, e := range events {
		sign := "-"
		if e.Joined {
			sign = "+"
		}
		parts = append(parts, sign+e.Member.Name)
	}
	return strings.Join(parts, " ")
}

// MemberList names every living member with its address, in one line.
func (n *Node) MemberList() string {
	var parts []string
	for _, m := range n.Members() {
		if m.Live {
			name := m.Name
			if m.Address != "" {
				name += "@" + m.Address
			}
			parts = append(parts, name)
		}
	}
	return strings.Join(parts, " ")
}

// Look reads the rows of the members now instead of at the next heartbeat.
func (n *Node) Look(ctx context.Context) error {
	n.looking.Lock()
	defer n.looking.Unlock()
	began := n.opt.Clock()
	rows, err := n.read(ctx, n.d)
	if err != nil {
		return err
	}
	n.saw(began, n.opt.Clock(), rows)
	return nil
}

func (n *Node) read(ctx context.Context, q db.Queryer) ([]Member, error) { return ReadMembers(ctx, q) }

// Members lists all nodes that have a row, the living first.
func (n *Node) Members() []Member {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.roster.Members()
}

// Self is this node's own row.
func (n *Node) Self() Member {
	for _, m := range n.Members() {
		if m.Self {
			return m
		}
	}
	return Member{Writer: n.opt.Writer, Node: n.id, Name: n.opt.Name, Address: n.opt.Address, Host: n.opt.Host, HostID: n.opt.HostID, Self: true}
}

// Trusts reports whether the certificate with this fingerprint belongs to a member that is heard. A member that
// has just joined is looked for in the database, at most once every unknownPeerPause, so that unknown peers who
// knock cannot load it. It waits for that until ctx ends.
func (n *Node) Trusts(ctx context.Context, fingerprint string) bool {
	known := func() bool {
		return fingerprint != "" && slices.ContainsFunc(n.Members(), func(m Member) bool {
			return m.Heard() && m.Fingerprint == fingerprint
		})
	}
	if known() {
		return true
	}
	asked := n.opt.Clock()
	select {
	case n.unknownPeer <- struct{}{}:
		defer func() { <-n.unknownPeer }()
	case <-ctx.Done():
		return known()
	}
	if n.lookedFor < asked { // otherwise a look that began after the question was enough
		timer := time.NewTimer(n.lookedFor + unknownPeerPause - asked)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return known()
		}
		n.lookedFor = n.opt.Clock()
		if err := n.Look(ctx); err != nil {
			return false
		}
	}
	return known()
}

// Watch tells fn of nodes that join or leave, one event at a time. fn must be quick and must not call
// stop. Events from before Watch are in Members.
func (n *Node) Watch(fn func(MemberEvent)) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchID++
	id := n.watchID
	n.watchers[id] = fn
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watchers, id)
	}
}

// Lease is this node's part in the lease with that name (1 to 60 bytes). The node contends for it, and
// renews it when it holds it, from the first call until it leaves.
func (n *Node) Lease(name string) *Lease {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.leases[name]; l != nil {
		return l
	}
	l := newLease(n.d, name, n.opt.Writer, n.opt.Clock)
	n.leases[name] = l
	l.lookOn = n.opt.Guest && name == masterLease
	if n.ctx.Err() == nil {
		report := n.reporter("the lease " + name + " cannot be renewed or looked at")
		n.wg.Go(func() { l.run(n.ctx, report) })
	}
	return l
}

// IsMaster reports whether this node may act as the master now. It is advice: use RunAsMaster for what
// must not be done by two nodes.
func (n *Node) IsMaster() bool { return n.Lease(masterLease).Held() }

// Master is the writer that holds the master lease as far as this node knows, 0 when no node does. It is
// advice like IsMaster.
func (n *Node) Master() int64 { return n.Lease(masterLease).Holder() }

// RunAsMaster calls fn whenever this node is the master; see Lease.Run.
func (n *Node) RunAsMaster(ctx context.Context, fn func(ctx context.Context, fence Fence) error) error {
	return n.Lease(masterLease).Run(ctx, fn)
}

// Fence holds as long as this life of the node does: it fails once the others have declared the node
// dead. Claims of jobs carry it.
func (n *Node) Fence() Fence {
	return Fence{
		update: "UPDATE cluster_node SET beat = beat + 1 WHERE writer = ? AND epoch = ?",
		args:   []any{n.opt.Writer, n.epoch.Load()}, what: "node " + n.opt.Name,
	}
}

// Epoch is the number of this life of the node, as claims carry it.
func (n *Node) Epoch() int64 { return n.epoch.Load() }

// goodbyeLimit is how long a node that leaves waits for a database that does not answer.
const goodbyeLimit = time.Second

// Leave gives the leases back, marks the row and waits for what the node started. Close the change log
// before, as its heartbeat fails afterwards.
func (n *Node) Leave(ctx context.Context) error {
	n.mu.Lock()
	already := n.left
	n.left = true
	n.mu.Unlock()
	if already {
		return nil
	}
	n.mu.Lock() // no lease begins while those that did are waited for
	n.cancel()
	n.mu.Unlock()
	n.wg.Wait()
	err := n.d.ControlWithin(ctx, goodbyeLimit, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE cluster_node SET state = 'left', epoch = epoch + 1, beat = beat + 1, seen = ? WHERE writer = ?", db.Micros(n.opt.Now()), n.opt.Writer)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave the cluster: %w", err)
	}
	return nil
}
