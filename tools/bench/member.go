package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/nats"
	"github.com/stoa-portal/stoa/db"
)

// member is a node without a portal: the real link, log and cache, put together as package server does
// it, and orders from standard input.
type member struct {
	d      *db.DB
	link   *nats.Link
	node   *cluster.Node
	log    *change.Log
	caches *cache.Cache
	things *cache.Region[int]
	calls  *cluster.Calls
	echo   cluster.Method[[]byte, []byte]

	rows     atomic.Uint64 // applied here for the log
	casts    *change.Core  // takes hints of transactions that no database has
	made     *change.Core  // makes those of this member
	prepared []prepared
	came     tally // of hints or messages that came, own ones included

	closing []func()
}

// runMember is the program of a worker.
func runMember(args []string) error {
	var address, name, home, profile string
	var size int
	f := flag.NewFlagSet("member", flag.ContinueOnError)
	f.StringVar(&address, "db", "", "the database")
	f.StringVar(&name, "name", "", "name of this member")
	f.StringVar(&home, "home", "", "folder of this member")
	f.IntVar(&size, "members", 3, "how many there are")
	f.StringVar(&profile, "profile", "", "folder for a profile of the CPU; empty: none")
	if err := f.Parse(args); err != nil {
		return err
	}
	if profile != "" {
		out, err := os.Create(filepath.Join(profile, filepath.Base(home)+".pprof"))
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := &member{}
	defer m.close()
	if err := m.open(ctx, address, name, home); err != nil {
		return err
	}
	if err := m.meet(ctx, size); err != nil {
		return err
	}
	return m.serve(ctx, os.Stdin, os.Stdout)
}

func (m *member) close() {
	for i := len(m.closing) - 1; i >= 0; i-- {
		m.closing[i]()
	}
}

func (m *member) onClose(fn func()) { m.closing = append(m.closing, fn) }

// open puts the parts together.
func (m *member) open(ctx context.Context, address, name, home string) (err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if m.d, err = db.Open(ctx, db.Options{URL: address, Name: "bench " + name, Logger: log}); err != nil {
		return err
	}
	m.onClose(func() { _ = m.d.Close() })
	if err := m.d.Migrate(ctx); err != nil {
		return err
	}
	id, err := cluster.Fact(ctx, m.d, "cluster", "bench")
	if err != nil {
		return err
	}
	identity, err := nats.NewIdentity()
	if err != nil {
		return err
	}
	writer := change.NewWriter()
	var lost atomic.Pointer[change.Log]
	m.link, err = nats.Listen(nats.Options{Identity: identity, Cluster: id, Name: fmt.Sprint(writer), Listen: "127.0.0.1", Logger: log,
		Lost: func(reason string) {
			log.Warn("messages may be lost", "reason", reason)
			if l := lost.Load(); l != nil {
				l.Refresh()
			}
		}})
	if err != nil {
		return err
	}
	m.onClose(func() { _ = m.link.Close() })
	m.node, err = cluster.Join(ctx, cluster.NodeOptions{DB: m.d, Writer: writer, Home: home, Name: name, Address: m.link.Address(), Fingerprint: identity.Row("", id),
		Host: "bench", HostID: cluster.HostID(), Logger: log})
	if err != nil {
		return err
	}
	m.onClose(func() { _ = m.node.Leave(context.Background()) })
	if m.caches, err = cache.New(cache.Options{Proof: func() time.Duration { return lost.Load().Proof() }, Clock: change.Boottime, InTransaction: db.InWrite, Incarnation: m.d.Incarnation}); err != nil {
		return err
	}
	m.onClose(m.caches.Close)
	m.things = cache.NewRegion(m.caches, cache.RegionOptions{Name: "things"}, func(int) int { return 8 })
	m.log, err = change.Open(ctx, change.Options{DB: m.d, Writer: writer, Beat: m.node.Beat, Logger: log, TrustHints: true, Apply: m.dropper(func(rows []change.Row) { m.rows.Add(uint64(len(rows))) }),
		Send: func(b []byte) {
			if err := m.link.Publish(ctx, cluster.SubjectHints, b); err != nil {
				log.Warn("a hint was not sent", "error", err)
			}
		}})
	if err != nil {
		return err
	}
	lost.Store(m.log)
	m.onClose(func() { _ = m.log.Close(context.Background()) })
	if m.calls, err = cluster.NewCalls(cluster.CallsOptions{Transport: m.link, Members: m.node, Logger: log}); err != nil {
		return err
	}
	m.onClose(func() { _ = m.calls.Close() })
	m.echo = cluster.NewMethod(m.calls, "bench.echo", func(_ context.Context, _ cluster.Member, b []byte) ([]byte, error) { return b, nil })
	stop, err := m.link.Subscribe(cluster.SubjectHints, m.log.Hint)
	if err != nil {
		return err
	}
	m.onClose(stop)
	run, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.log.Run(run) }) // its errors are in the log, and orders then fail
	m.onClose(func() { end(); wg.Wait() })
	followed, err := m.link.Follow(run, m.node, nats.Discovery{})
	if err != nil {
		return err
	}
	m.onClose(func() { end(); <-followed })
	return m.log.Poll(ctx)
}

// dropper drops from the caches what rows name, as package server does it, and tells then. It is called
// once at a time.
func (m *member) dropper(then func(rows []change.Row)) func(rows []change.Row) {
	var changes []cache.Change
	return func(rows []change.Row) {
		changes = changes[:0]
		for i := range rows {
			r := &rows[i]
			changes = append(changes, cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope), Writer: r.Writer, N: r.N})
		}
		m.caches.Invalidate(changes, nil)
		then(rows)
	}
}

// meet waits until all members are linked with this one.
func (m *member) meet(ctx context.Context, size int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for m.link.Routes() != size-1 || len(m.others()) != size-1 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d members are linked with this one", m.link.Routes(), size-1)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return m.listen()
}

// others are the writers of the other members.
func (m *member) others() (writers []int64) {
	for _, x := range m.node.Members() {
		if x.Live && !x.Self {
			writers = append(writers, x.Writer)
		}
	}
	return writers
}

// serve takes orders until there are no more.
func (m *member) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	s := bufio.NewScanner(in)
	for s.Scan() {
		answer, err := m.obey(ctx, s.Text())
		if err != nil {
			answer = "error " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return err
		}
	}
	return s.Err()
}

// obey does what a line says.
func (m *member) obey(ctx context.Context, line string) (string, error) {
	word, rest, _ := strings.Cut(line, " ")
	scan := func(into ...any) error {
		_, err := fmt.Sscan(rest, into...)
		return err
	}
	var n, k, size, threads int
	var seconds float64
	var whom string
	switch word {
	case "prepare":
		if err := scan(&n, &size); err != nil {
			return "", err
		}
		return "", m.prepare(ctx, n, size)
	case "expect":
		if err := scan(&n); err != nil {
			return "", err
		}
		m.came.expect(n)
		return "", nil
	case "cast":
		return m.cast(ctx)
	case "plain":
		if err := scan(&n, &size); err != nil {
			return "", err
		}
		return m.plain(ctx, n, size)
	case "call":
		if err := scan(&whom, &n, &threads, &size); err != nil {
			return "", err
		}
		return m.call(ctx, whom == "all", n, threads, size)
	case "commit":
		if err := scan(&k, &threads, &seconds, &n); err != nil {
			return "", err
		}
		return m.commit(ctx, k, threads, time.Duration(seconds*float64(time.Second)), n)
	case "applied":
		return m.applied(ctx)
	case "control":
		return m.control(ctx)
	}
	return "", errors.New("there is no order " + word)
}
