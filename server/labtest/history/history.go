// Package history judges what clients of a cluster have seen. It reads a list of finished requests, each
// with when it was sent and answered by one monotonic clock, and says which of them break a promise of
// the portal. It is pure: no network, no clock, no goroutine; the same history gives the same report.
//
// A key is one register: an article whose text carries a number. Each key has one writer, which sends
// ever higher numbers, one at a time; 0 is the value before the first.
package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what a request did.
type Kind string

// The kinds of requests.
const (
	Write  Kind = "write"
	Read   Kind = "read"   // as a guest, whose answer may come from the page cache and may be marked stale
	Member Kind = "member" // as somebody who is signed in: never stale
)

// SessionKey begins the keys that are sessions: signing out writes 1, and a node that still takes the cookie
// for the person shows 0.
const SessionKey = "session."

// Outcome is what the client knows about its request.
type Outcome string

// The outcomes. Reads that did not work are Failed.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"  // refused: it had no effect and never will
	Unknown Outcome = "unknown" // the connection was lost, or the portal said that it does not know
)

// Op is one finished request. Times are since the begin of the history.
type Op struct {
	Kind    Kind          `json:"kind"`
	Key     string        `json:"key"`
	Value   int64         `json:"value"` // written or seen; 0 = not there
	Node    string        `json:"node"`
	Session string        `json:"session,omitempty"` // whose cookies were sent
	Sent    time.Duration `json:"sent"`
	Done    time.Duration `json:"done"`
	Outcome Outcome       `json:"outcome"`
	Stale   int           `json:"stale,omitempty"`   // seconds, from the mark of the answer; 0 = not marked
	Last    bool          `json:"last,omitempty"`    // a read when all was over and well: every node must show the same
	ID      string        `json:"id,omitempty"`      // of what was written, as the portal calls it
	Version int64         `json:"version,omitempty"` // of what was written, after the write
	Lost    *Loss         `json:"lost,omitempty"`    // of a write: it is gone, and the portal says so
	Note    string        `json:"note,omitempty"`    // what was odd, for people
}

// Loss is an acknowledged write that an asynchronous fail-over has lost, and that the portal has named. The person who
// judges decides beforehand which losses may be; this package holds reads to what follows from them.
type Loss struct {
	From time.Duration // the server failed: a read that is answered later need not show the write
	Told time.Duration // the loss was named: what is asked for beyond the bound after that must not show it
}

// gone says whether a read need not know of the write. A sign-out is repeated when its loss is known, so it
// holds again.
func (o Op) gone(read Op, rules Rules) bool {
	if o.Lost == nil || read.Done < o.Lost.From {
		return false
	}
	return !strings.HasPrefix(o.Key, SessionKey) || read.Sent <= o.Lost.Told+rules.Bound
}

// Rules are the promises to hold a history to.
type Rules struct {
	Bound  time.Duration // a request sent so long after a write was acknowledged sees it, on any node
	Leave  time.Duration // the same for signing out, which takes something away
	Grace  time.Duration // answers marked stale are at most so old
	Tokens bool          // a session sees its own writes at once on every node, not only where it wrote
	Slack  time.Duration // added to what a mark of staleness says, which is rounded and measured by another clock
}

// Violation is a request that broke a promise.
type Violation struct {
	Promise string
	Op      Op
	Because Op // the write that it should have known
	Detail  string
}

func (v Violation) String() string {
	s := fmt.Sprintf("%s: %s of %s on %s sent at %.3f s saw %d", v.Promise, v.Op.Kind, v.Op.Key, v.Op.Node, v.Op.Sent.Seconds(), v.Op.Value)
	if v.Because.Key != "" {
		s += fmt.Sprintf("; %d was acknowledged by %s at %.3f s", v.Because.Value, v.Because.Node, v.Because.Done.Seconds())
	}
	if v.Detail != "" {
		s += "; " + v.Detail
	}
	return s
}

// Report is the judgement of a history.
type Report struct {
	Reads   int // that gave a value and were judged
	Marked  int // of those, marked stale
	Decided int // of those, reads that came within 10 s after the bound of a change: an old value was near
	Own     int // of those, a session's reads of what it had just written
	Missed  int // reads without an answer, such as from a node that was down

	Acknowledged, Refused, Uncertain int // writes
	Lost                             int // of those acknowledged, the ones that a fail-over lost and the portal named

	Oldest     time.Duration // how long after its acknowledgement a write was still not seen, without a mark
	Violations []Violation
}

// Add counts another report in.
func (r *Report) Add(o Report) {
	r.Reads, r.Marked, r.Decided, r.Own, r.Missed = r.Reads+o.Reads, r.Marked+o.Marked, r.Decided+o.Decided, r.Own+o.Own, r.Missed+o.Missed
	r.Acknowledged, r.Refused, r.Uncertain = r.Acknowledged+o.Acknowledged, r.Refused+o.Refused, r.Uncertain+o.Uncertain
	r.Lost += o.Lost
	r.Oldest = max(r.Oldest, o.Oldest)
	r.Violations = append(r.Violations, o.Violations...)
}

func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d reads checked (%d within 10 s of a change, %d of own writes, %d marked stale), %d not "+
		"answered; %d writes acknowledged, %d refused, %d uncertain, %d lost and named; oldest value %.2f s after the "+
		"acknowledgement; %d violations",
		r.Reads, r.Decided, r.Own, r.Marked, r.Missed, r.Acknowledged, r.Refused, r.Uncertain, r.Lost, r.Oldest.Seconds(), len(r.Violations))
	for i, v := range r.Violations {
		if i == 20 {
			fmt.Fprintf(&b, "\n  and %d more", len(r.Violations)-i)
			break
		}
		b.WriteString("\n  " + v.String())
	}
	return b.String()
}

// register is what is known of the writes of one key.
type register struct {
	all map[int64]Op // by value
	ack []Op         // acknowledged, in the order of acknowledgement, which is that of the values
}

// until gives the writes that were acknowledged by the time at.
func (g *register) until(at time.Duration) []Op {
	i, _ := slices.BinarySearchFunc(g.ack, at, func(w Op, at time.Duration) int { return cmp.Compare(w.Done, at) })
	return g.ack[:i]
}

// next is the acknowledged write that came after a value.
func (g *register) next(value int64) (Op, bool) {
	i, found := slices.BinarySearchFunc(g.ack, value, func(w Op, v int64) int { return cmp.Compare(w.Value, v) })
	if found {
		i++
	}
	if i == len(g.ack) {
		return Op{}, false
	}
	return g.ack[i], true
}

// Judge holds a history to the rules. The order of the requests does not matter. A history that breaks
// the rules of the package itself, such as two writes of a key at a time, is reported as a violation,
// since nothing it shows can be trusted.
func Judge(ops []Op, rules Rules) Report {
	var r Report
	registers := map[string]*register{}
	of := func(key string) *register {
		if registers[key] == nil {
			registers[key] = &register{all: map[int64]Op{}}
		}
		return registers[key]
	}
	writes := slices.DeleteFunc(slices.Clone(ops), func(o Op) bool { return o.Kind != Write })
	slices.SortStableFunc(writes, func(a, b Op) int { return cmp.Compare(a.Sent, b.Sent) })
	last := map[string]Op{}
	for _, w := range writes {
		g, before := of(w.Key), last[w.Key]
		if w.Value <= before.Value || w.Sent < before.Done || w.Done < w.Sent {
			r.Violations = append(r.Violations, Violation{Promise: "a key has one writer, one write at a time", Op: w, Because: before})
		}
		last[w.Key] = w
		g.all[w.Value] = w
		switch w.Outcome {
		case OK:
			r.Acknowledged++
			if w.Lost != nil && !strings.HasPrefix(w.Key, SessionKey) {
				r.Lost++
			}
			g.ack = append(g.ack, w)
		case Failed:
			r.Refused++
		default:
			r.Uncertain++
		}
	}
	end := map[string]Op{}
	for _, o := range ops {
		switch {
		case o.Kind == Write:
		case o.Outcome != OK:
			r.Missed++
		default:
			r.judge(o, of(o.Key), rules)
			if first, seen := end[o.Key]; o.Last && seen && first.Value != o.Value {
				r.Violations = append(r.Violations, Violation{Promise: "in the end all nodes show the same", Op: o, Detail: fmt.Sprintf("%s shows %d", first.Node, first.Value)})
			} else if o.Last {
				end[o.Key] = o
			}
		}
	}
	slices.SortStableFunc(r.Violations, func(a, b Violation) int { return cmp.Compare(a.Op.Sent, b.Op.Sent) })
	return r
}

func (r *Report) judge(o Op, g *register, rules Rules) {
	r.Reads++
	bad := func(promise string, w Op, detail string) {
		r.Violations = append(r.Violations, Violation{Promise: promise, Op: o, Because: w, Detail: detail})
	}
	if o.Value != 0 {
		w, there := g.all[o.Value]
		switch {
		case !there || w.Sent > o.Done:
			bad("nothing is seen that was not written", Op{}, "")
		case w.Outcome == Failed:
			bad("what was refused is never seen", Op{}, "it was refused with "+w.Note)
		case w.Lost != nil && !strings.HasPrefix(o.Key, SessionKey) &&
			o.Sent > w.Lost.Told+rules.Bound+time.Duration(o.Stale)*time.Second+rules.Slack:
			bad("what was lost and named is not seen any more", w,
				fmt.Sprintf("its loss was named at %.3f s, marked %d s stale", w.Lost.Told.Seconds(), o.Stale))
		}
	}
	bound := rules.Bound
	if strings.HasPrefix(o.Key, SessionKey) {
		bound = rules.Leave
	}
	if o.Stale > 0 {
		r.Marked++
		bound += time.Duration(o.Stale)*time.Second + rules.Slack
		switch {
		case o.Kind != Read:
			bad("only guests get what is old", Op{}, fmt.Sprintf("marked %d s stale", o.Stale))
		case time.Duration(o.Stale)*time.Second > rules.Grace:
			bad("what is marked stale is not older than the grace", Op{}, fmt.Sprintf("marked %d s stale", o.Stale))
		}
	}
	known := g.until(o.Sent - bound)
	for len(known) > 0 && known[len(known)-1].gone(o, rules) {
		known = known[:len(known)-1]
	}
	if len(known) > 0 {
		w := known[len(known)-1]
		if o.Sent-bound-w.Done < 10*time.Second {
			r.Decided++
		}
		if o.Value < w.Value {
			bad("a write is seen within the bound", w, fmt.Sprintf("%.3f s later, marked %d s stale", (o.Sent-w.Done).Seconds(), o.Stale))
			return
		}
	}
	if o.Stale > 0 {
		return
	}
	if w, ok := g.next(o.Value); ok && w.Lost == nil && w.Done < o.Sent {
		r.Oldest = max(r.Oldest, o.Sent-w.Done)
	}
	if o.Session == "" {
		return
	}
	for _, w := range slices.Backward(g.until(o.Sent)) {
		if w.Session != o.Session || w.Node != o.Node && !rules.Tokens || w.gone(o, rules) {
			continue
		}
		r.Own++
		if o.Value < w.Value {
			bad("a writer sees its own write at once", w, fmt.Sprintf("%.3f s later", (o.Sent-w.Done).Seconds()))
		}
		return
	}
}
