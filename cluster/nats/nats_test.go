package nats_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/clustertest"
	"github.com/stoa-portal/stoa/cluster/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rows is the part of a database that links look at: who lives, with which certificate and where.
type rows struct {
	mu    sync.Mutex
	nodes map[string]string // fingerprint → address
	asked int
}

func (r *rows) add(fp, address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[fp] = address
}

func (r *rows) remove(fp string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.nodes, fp)
}

func (r *rows) peers() nats.Peers {
	return nats.Peers{
		Trusts: func(_ context.Context, fp string) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.asked++
			_, found := r.nodes[fp]
			return found
		},
		Addresses: func() (out []string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, a := range r.nodes {
				out = append(out, a)
			}
			return out
		},
		Rows: func() (out []string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for fp := range r.nodes {
				out = append(out, fp)
			}
			return out
		},
	}
}

type member struct {
	*nats.Link
	fp  string
	log *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// listen starts a link that is in no rows yet.
func listen(t *testing.T, name string, change func(*nats.Options)) *member {
	t.Helper()
	id, err := nats.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	o := nats.Options{Identity: id, Cluster: "test-cluster", Name: name, Listen: "127.0.0.1", Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&o)
	}
	l, err := nats.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s:\n%s", name, log)
		}
	})
	return &member{l, id.Row(o.Secret, o.Cluster), log}
}

// meet gives n links that know each other and waits until each has a route to every other.
func meet(t *testing.T, n int) (*rows, []*member) {
	t.Helper()
	r := &rows{nodes: map[string]string{}}
	var all []*member
	for i := range n {
		m := listen(t, strconv.Itoa(i+1), nil)
		r.add(m.fp, m.Address())
		all = append(all, m)
		for _, m := range all {
			if err := m.Meet(r.peers()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range all {
		until(t, fmt.Sprintf("%d routes of %s", n-1, m.Address()), func() bool { return m.Routes() == n-1 })
	}
	return r, all
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("waited in vain: " + what)
		case <-tick.C:
		}
	}
}

func TestLink_IsATransport(t *testing.T) {
	t.Parallel()
	clustertest.Transport(t, func(t *testing.T, n int) []cluster.Transport {
		_, all := meet(t, n)
		out := make([]cluster.Transport, n)
		for i, m := range all {
			out[i] = m.Transport
		}
		return out
	})
}

// A node with a certificate of its own but without a row: an unknown peer, another cluster's node, or a node
// of a copy of the database, whose rows name the members but which no member's database names.
func TestLink_UnknownPeerGetsNothing(t *testing.T) {
	t.Parallel()
	r, all := meet(t, 2)
	heard := make(chan string, 10_000)
	for _, subject := range []string{cluster.SubjectHints, "call"} {
		stop, err := all[0].Subscribe(subject, func(b []byte) { heard <- string(b) })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	unknownPeer := listen(t, "9", nil)
	if err := unknownPeer.Meet(r.peers()); err != nil { // it believes in the members
		t.Fatal(err)
	}
	until(t, "the refusal in the log", func() bool {
		return strings.Contains(all[0].log.String(),
			"no living node of this database has the certificate "+unknownPeer.fp[:16])
	})
	// Where two dialled each other at once, both connections may have been given up: they dial again.
	until(t, "the members to have each other", func() bool { return all[0].Routes() == 1 && all[1].Routes() == 1 })
	if unknownPeer.Routes() != 0 {
		t.Fatalf("the unknown peer has %d routes", unknownPeer.Routes())
	}
	for _, subject := range []string{cluster.SubjectHints, "call"} {
		if err := unknownPeer.Publish(context.Background(), subject, []byte("hostile")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the member to be heard", func() bool { // interest travels after the route is up
		if err := all[1].Publish(context.Background(), "call", []byte("friendly")); err != nil {
			t.Fatal(err)
		}
		return len(heard) > 0
	})
	for len(heard) > 0 {
		if got := <-heard; got != "friendly" {
			t.Errorf("heard %q of an unknown peer", got)
		}
	}
}

func TestLink_RowRemovedIsExpelled(t *testing.T) {
	t.Parallel()
	r, all := meet(t, 3)
	r.remove(all[2].fp)
	for _, m := range all[:2] {
		if err := m.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range all[:2] {
		until(t, "the expelled to be gone", func() bool {
			if err := m.Refresh(); err != nil {
				t.Fatal(err)
			}
			return m.Routes() == 1
		})
	}
	r.add(all[2].fp, all[2].Address())
	for _, m := range all {
		if err := m.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range all {
		until(t, "it to be back", func() bool { return m.Routes() == 2 })
	}
}

func TestLink_SecondFactorAndClusterName(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*nats.Options){
		"another secret":  func(o *nats.Options) { o.Secret = "wrong" },
		"no secret":       func(o *nats.Options) { o.Secret = "" },
		"another cluster": func(o *nats.Options) { o.Secret, o.Cluster = "right", "other-cluster" },
	} {
		t.Run(name, func(t *testing.T) {
			r := &rows{nodes: map[string]string{}}
			right := func(o *nats.Options) { o.Secret = "right" }
			a, b, x := listen(t, "1", right), listen(t, "2", right), listen(t, "3", change)
			twoMeet(t, r, a, b, x)
		})
	}
}

// twoMeet lets three nodes with rows meet, of which x has not the secret of the others: it is refused, and they have
// each other.
func twoMeet(t *testing.T, r *rows, a, b, x *member) {
	t.Helper()
	for _, m := range []*member{a, b, x} {
		r.add(m.fp, m.Address())
	}
	for _, m := range []*member{x, a, b} {
		if err := m.Meet(r.peers()); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the two to meet", func() bool { return a.Routes() == 1 && b.Routes() == 1 })
	until(t, "the refusal in a log", func() bool {
		return strings.Contains(a.log.String()+b.log.String()+x.log.String(), "refused")
	})
	if x.Routes() != 0 {
		t.Errorf("a node that has not the secret has %d routes", x.Routes())
	}
	until(t, "the two to have each other still", func() bool { return a.Routes() == 1 && b.Routes() == 1 })
}

func TestListen_TakesTheNextFreePort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	m := listen(t, "1", func(o *nats.Options) { o.Port, o.Tries = port, 20 })
	if m.Port() <= port || m.Port() > port+20 {
		t.Errorf("port %d, want one of the 20 after %d", m.Port(), port)
	}
	id, err := nats.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nats.Listen(nats.Options{Identity: id, Cluster: "c", Name: "x", Listen: "127.0.0.1", Port: port}); err == nil || !strings.Contains(err.Error(), "cluster.link.port") {
		t.Errorf("a taken port without further tries gives %v", err)
	}
}

// Many big messages of all members at once: what is published is received, in order of each sender.
func TestLink_BurstArrivesWhole(t *testing.T) {
	t.Parallel()
	_, all := meet(t, 3)
	const count, size = 5000, 1000
	var mu sync.Mutex
	got := make([][]int, len(all)*len(all))
	for i, m := range all {
		stop, err := m.Subscribe(cluster.SubjectHints, func(b []byte) {
			mu.Lock()
			defer mu.Unlock()
			from, n := int(b[0]), int(b[1])<<8|int(b[2])
			got[i*len(all)+from] = append(got[i*len(all)+from], n)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	meshed(t, all)
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() {
			for n := range count {
				b := make([]byte, size)
				b[0], b[1], b[2] = byte(i), byte(n>>8), byte(n)
				if err := m.Publish(context.Background(), cluster.SubjectHints, b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range all {
		for from := range all {
			if i == from {
				continue
			}
			k := i*len(all) + from
			until(t, fmt.Sprintf("all messages of %d at %d", from, i), func() bool { mu.Lock(); defer mu.Unlock(); return len(got[k]) >= count })
			mu.Lock()
			if len(got[k]) != count || !slices.IsSorted(got[k]) {
				t.Errorf("%d received %d of %d messages of %d, in order: %v", i, len(got[k]), count, from, slices.IsSorted(got[k]))
			}
			mu.Unlock()
		}
	}
}

// meshed waits until every member hears every other: interest travels after the route is up.
func meshed(t *testing.T, all []*member) {
	t.Helper()
	var mu sync.Mutex
	heard := map[[2]int]bool{}
	for i, m := range all {
		stop, err := m.Subscribe(cluster.SubjectHints+".warm", func(b []byte) {
			mu.Lock()
			defer mu.Unlock()
			heard[[2]int{i, int(b[0])}] = true
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	until(t, "each member to hear all others", func() bool {
		for i, m := range all {
			if err := m.Publish(context.Background(), cluster.SubjectHints+".warm", []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		return len(heard) == len(all)*(len(all)-1)
	})
}
