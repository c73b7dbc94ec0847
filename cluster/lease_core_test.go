package cluster

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The world of this test: a row that changes only by compare-and-set, nodes whose clocks have other
// offsets and rates, statements that are sent, executed and answered at any time or never answered, and
// nodes that stand still at any point.

type simLeases struct {
	t     *rapid.T
	now   time.Duration
	row   LeaseRow
	nodes []*simNode
	wins  int
	top   int64 // the highest epoch that was won
}

type simNode struct {
	LeaseCore
	rate   float64
	offset time.Duration
	op     *simOp
}

type simOp struct {
	kind     string
	sent     time.Duration // by the node's clock
	seen     LeaseRow
	want     LeaseRow
	epoch    int64
	executed bool
	row      LeaseRow
	ok       bool
}

func (s *simLeases) clock(n *simNode) time.Duration {
	return n.offset + time.Duration(math.Round(float64(s.now)*n.rate))
}

// send is the first half of Lease.advance.
func (s *simLeases) send(n *simNode) {
	if n.op != nil {
		return
	}
	now := s.clock(n)
	switch {
	case n.Renewing(now):
		n.op = &simOp{kind: "renew", sent: now, epoch: n.epoch}
	case n.Claimable(now) && rapid.Bool().Draw(s.t, "claims"):
		n.op = &simOp{kind: "claim", sent: now}
		n.op.seen, n.op.want = n.Claim()
	default:
		n.op = &simOp{kind: "read", sent: now}
	}
}

// execute is what the database does, at one moment.
func (s *simLeases) execute(n *simNode) {
	op := n.op
	if op == nil || op.executed {
		return
	}
	op.executed = true
	switch op.kind {
	case "read":
		op.row = s.row
	case "renew":
		if op.ok = s.row.Holder == n.me && s.row.Epoch == op.epoch; op.ok {
			s.row.Beat++
		}
	case "claim":
		if op.ok = s.row == op.seen; op.ok {
			if op.want.Epoch <= s.top {
				s.t.Fatalf("epoch %d was won after epoch %d: old fences hold again", op.want.Epoch, s.top)
			}
			s.row, s.top = op.want, op.want.Epoch
			s.wins++
		}
	case "release":
		if s.row.Holder == n.me && s.row.Epoch == op.epoch {
			s.row = LeaseRow{Epoch: s.row.Epoch + 1, Beat: s.row.Beat + 1}
		}
	}
}

// answer reaches the node, or is lost.
func (s *simLeases) answer(n *simNode, lost bool) {
	op := n.op
	if op == nil || !op.executed && !lost {
		return
	}
	n.op = nil
	if lost {
		return // an error; what was sent may still be executed: see "late"
	}
	switch op.kind {
	case "read":
		n.Saw(s.clock(n), op.row)
	case "renew":
		n.Renewed(op.sent, op.ok)
	case "claim":
		n.Claimed(op.sent, op.want, op.ok)
	}
}

func (s *simLeases) check(t *rapid.T) {
	acting := 0
	for _, n := range s.nodes {
		if !n.Acting(s.clock(n)) {
			continue
		}
		acting++
		if s.row.Holder != n.me || s.row.Epoch != n.epoch {
			t.Fatalf("node %d acts under epoch %d, the row is %+v", n.me, n.epoch, s.row)
		}
	}
	if acting > 1 {
		t.Fatalf("%d nodes act at once at %s", acting, s.now)
	}
}

func TestLeaseCore_NeverTwoHoldersAct_Rule25(t *testing.T) {
	won := 0
	rapid.Check(t, func(t *rapid.T) {
		s := &simLeases{t: t}
		for i := range 3 {
			s.nodes = append(s.nodes, &simNode{
				LeaseCore: LeaseCore{me: int64(i + 1)},
				rate:      rapid.SampledFrom([]float64{0.9, 1, 1.1}).Draw(t, "rate"),
				offset:    time.Duration(rapid.IntRange(0, 1_000_000).Draw(t, "offset")) * time.Millisecond,
			})
		}
		node := func(t *rapid.T) *simNode {
			s.t = t
			return s.nodes[rapid.IntRange(0, 2).Draw(t, "node")]
		}
		var late []*simOp // sent, given up by the node, not executed yet
		whole := func(t *rapid.T) {
			n := node(t)
			s.send(n)
			s.execute(n)
			s.answer(n, false)
		}
		t.Repeat(map[string]func(*rapid.T){
			"time":      func(t *rapid.T) { s.now += time.Duration(rapid.IntRange(1, 700).Draw(t, "ms")) * time.Millisecond },
			"long time": func(t *rapid.T) { s.now += time.Duration(rapid.IntRange(700, 4000).Draw(t, "ms")) * time.Millisecond },
			"step":      whole,
			"all step": func(t *rapid.T) {
				s.t = t
				for _, n := range s.nodes {
					s.send(n)
					s.execute(n)
					s.answer(n, false)
				}
			},
			"tick": func(t *rapid.T) {
				s.t = t
				s.now += leaseTick
				except := rapid.IntRange(0, 3).Draw(t, "except")
				for i, n := range s.nodes {
					if i != except {
						s.send(n)
						s.execute(n)
						s.answer(n, false)
					}
				}
			},
			"tick2": func(t *rapid.T) {
				s.t = t
				s.now += leaseTick
				n := node(t)
				s.send(n)
				s.execute(n)
				s.answer(n, false)
			},
			"send":    func(t *rapid.T) { s.send(node(t)) },
			"execute": func(t *rapid.T) { s.execute(node(t)) },
			"answer":  func(t *rapid.T) { s.answer(node(t), false) },
			"lose": func(t *rapid.T) {
				n := node(t)
				if n.op != nil && !n.op.executed {
					late = append(late, n.op)
				}
				s.answer(n, true)
			},
			"late": func(t *rapid.T) {
				n := node(t)
				for i, op := range late {
					if op.kind == "read" || op.kind != "read" && op.want.Holder != 0 && op.want.Holder != n.me {
						continue
					}
					held := n.op
					n.op = op
					s.execute(n)
					n.op = held
					late = append(late[:i:i], late[i+1:]...)
					return
				}
			},
			"release": func(t *rapid.T) {
				n := node(t)
				if n.op != nil || n.epoch == 0 {
					return
				}
				n.op = &simOp{kind: "release", epoch: n.epoch}
				n.Release()
			},
			"": s.check,
		})
		won += s.wins
	})
	if won < 100 {
		t.Fatalf("only %d claims in all worlds: nothing was tested", won)
	}
}

func TestLeaseCore_AnotherNodeTakesOverWithinFourSeconds(t *testing.T) {
	t.Parallel()
	s := &simLeases{nodes: []*simNode{{LeaseCore: LeaseCore{me: 1}, rate: 1}, {LeaseCore: LeaseCore{me: 2}, rate: 1}}}
	step := func(n *simNode) { // Lease.advance
		now := s.clock(n)
		if n.Renewing(now) {
			s.row.Beat++
			n.Renewed(now, true)
			return
		}
		n.Saw(now, s.row)
		if n.Claimable(now) {
			_, s.row = n.Claim()
			n.Claimed(now, s.row, true)
		}
	}
	for range 20 {
		step(s.nodes[0])
		s.now += leaseTick / 2
		step(s.nodes[1])
		s.now += leaseTick / 2
	}
	if !s.nodes[0].Acting(s.clock(s.nodes[0])) || s.nodes[1].Acting(s.clock(s.nodes[1])) || s.row.Epoch != 1 {
		t.Fatalf("the first node does not keep the lease: %+v", s.row)
	}
	dead := s.now
	for !s.nodes[1].Acting(s.clock(s.nodes[1])) {
		step(s.nodes[1])
		if s.now += leaseTick; s.now-dead > 4*time.Second {
			t.Fatalf("no new holder %s after the death of the old one", s.now-dead)
		}
	}
	if s.row.Epoch != 2 || s.nodes[0].Acting(s.clock(s.nodes[0])) {
		t.Fatalf("%+v", s.row)
	}
}

func TestLeaseCore_WhoSawNothingForLongBeginsToCountAnew(t *testing.T) {
	t.Parallel()
	c := LeaseCore{me: 2}
	row := LeaseRow{Holder: 1, Epoch: 1, Beat: 7}
	c.Saw(0, row)
	now := 3 * time.Second // the database stood still, so the holder could not renew either
	c.Saw(now, row)
	for range takeoverAfter / leaseTick {
		if c.Claimable(now) {
			t.Fatalf("claimable at %s: silence counts in which nothing could be seen", now)
		}
		now += leaseTick
		c.Saw(now, row)
	}
	if !c.Claimable(now) {
		t.Fatalf("not claimable at %s, after %s of silence that was seen", now, takeoverAfter)
	}
}

func TestRoster_WhoSawNothingForLongDeclaresNobodyDead(t *testing.T) {
	t.Parallel()
	r := NewRoster(1, 2500*time.Millisecond)
	rows := []Member{{Writer: 2, State: stateUp, Beat: 7}}
	r.Saw(0, rows)
	now := 3 * time.Second
	if events := r.Saw(now, rows); len(events) != 0 {
		t.Fatalf("%+v", events)
	}
	var events []MemberEvent
	for len(events) == 0 && now < 10*time.Second {
		now += 500 * time.Millisecond
		events = r.Saw(now, rows)
	}
	if now != 6*time.Second || events[0].Joined {
		t.Fatalf("at %s: %+v", now, events)
	}
	if events := r.Saw(now+3*time.Second, rows); len(events) != 0 {
		t.Fatalf("the dead came back: %+v", events)
	}
}
