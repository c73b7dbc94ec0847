package cluster

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// probeMark begins a probe; a hint begins with its version, which is far from it.
const probeMark = 0xFE

const subjectEcho = "echo"

// probeSamples is how many measures are kept for each peer.
const probeSamples = 256

// ProbeOptions says between whom a Probe measures. All but Logger are required.
type ProbeOptions struct {
	Transport Transport
	Members   Members
	Clock     func() time.Duration
	Logger    *slog.Logger
}

// Probe measures all the time how old a hint is when other nodes act on it: its messages wait in the same
// queue as hints, behind those that came before. Measured is the way there and back, so no clocks of two
// machines are compared and the truth is below it.
type Probe struct {
	o    ProbeOptions
	self int64
	stop func()

	mu    sync.Mutex
	seq   uint64
	sent  map[uint64]time.Duration // by number; those of the last rounds
	peers map[int64]*probed
}

type probed struct {
	samples []time.Duration // a ring
	next    int
	last    uint64 // number of the newest that came back
	back    uint64
	asked   uint64
}

// NewProbe listens for what comes back. Close it before the transport.
func NewProbe(o ProbeOptions) (*Probe, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Probe{o: o, self: o.Members.Writer(), sent: map[uint64]time.Duration{}, peers: map[int64]*probed{}}
	stop, err := o.Transport.Subscribe(subjectOf(subjectEcho, p.self), p.echo)
	if err != nil {
		return nil, err
	}
	p.stop = stop
	return p, nil
}

// Close ends the measuring.
func (p *Probe) Close() { p.stop() }

// Run measures every interval until ctx ends.
func (p *Probe) Run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		p.send(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Probe) send(ctx context.Context) {
	p.mu.Lock()
	p.seq++
	seq := p.seq
	p.sent[seq] = p.o.Clock()
	delete(p.sent, seq-min(seq, 60))
	present := map[int64]bool{}
	for _, m := range p.o.Members.Members() {
		if m.Live && !m.Self {
			present[m.Writer] = true
			if p.peers[m.Writer] == nil {
				p.peers[m.Writer] = &probed{}
			}
			p.peers[m.Writer].asked++
		}
	}
	for w := range p.peers {
		if !present[w] {
			delete(p.peers, w)
		}
	}
	p.mu.Unlock()
	if len(present) == 0 {
		return
	}
	b := binary.LittleEndian.AppendUint64([]byte{probeMark}, uint64(p.self))
	if err := p.o.Transport.Publish(ctx, SubjectHints, binary.LittleEndian.AppendUint64(b, seq)); err != nil {
		p.o.Logger.Debug("a probe was not sent", "error", err)
	}
}

// Take sends a probe of another node back and reports whether b was one. It is called for everything that
// comes under SubjectHints, after the hints before it were applied.
func (p *Probe) Take(ctx context.Context, b []byte) bool {
	if len(b) != 17 || b[0] != probeMark {
		return false
	}
	from := int64(binary.LittleEndian.Uint64(b[1:]))
	back := binary.LittleEndian.AppendUint64(nil, uint64(p.self))
	if err := p.o.Transport.Publish(ctx, subjectOf(subjectEcho, from), append(back, b[9:]...)); err != nil {
		p.o.Logger.Debug("a probe was not sent back", "error", err)
	}
	return true
}

func (p *Probe) echo(b []byte) {
	if len(b) != 16 {
		return
	}
	from, seq := int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
	p.mu.Lock()
	defer p.mu.Unlock()
	sent, known := p.sent[seq]
	q := p.peers[from]
	if !known || q == nil || seq <= q.last {
		return
	}
	q.last = seq
	q.back++
	took := p.o.Clock() - sent
	if len(q.samples) < probeSamples {
		q.samples = append(q.samples, took)
		return
	}
	q.samples[q.next] = took
	q.next = (q.next + 1) % probeSamples
}

// Latency is how long hints of this node take to another and back, over the last few minutes.
type Latency struct {
	Writer int64
	P50    time.Duration
	P99    time.Duration
	Max    time.Duration
	Lost   uint64 // probes that did not come back, since the other node joined
	Silent bool   // the newest three did not come back
}

// Latencies gives what was measured, by writer.
func (p *Probe) Latencies() []Latency {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Latency
	for w, q := range p.peers {
		l := Latency{Writer: w, Silent: q.asked >= 3 && p.seq-q.last >= 3}
		if q.asked > q.back+1 { // the newest may be on its way
			l.Lost = q.asked - q.back - 1
		}
		if n := len(q.samples); n > 0 {
			s := slices.Clone(q.samples)
			slices.Sort(s)
			l.P50, l.P99, l.Max = s[n/2], s[n*99/100], s[n-1]
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Latency) int {
		switch {
		case a.Writer < b.Writer:
			return -1
		case a.Writer > b.Writer:
			return 1
		}
		return 0
	})
	return out
}
