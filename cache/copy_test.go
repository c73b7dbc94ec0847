package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// peer is a node of a copy test: a cache that follows writer 1, and the offers it has sent.
type peer struct {
	*Cache
	*simulated
	r    *Region[string]
	head atomic.Uint64

	mu   sync.Mutex
	sent [][]byte
}

func newPeer(t testing.TB, change func(o *Options)) *peer {
	t.Helper()
	p := &peer{}
	p.Cache, p.simulated = newSimulated(t, func(o *Options) {
		o.Replication, o.Build = modeCopy, "1.0"
		o.Standing = func() []Standing { return []Standing{{Writer: 1, Head: p.head.Load()}} }
		o.Offer = func(b []byte) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.sent = append(p.sent, b)
		}
		if change != nil {
			change(o)
		}
	})
	p.r = NewRegion(p.Cache, RegionOptions{Name: "article", StaleForGuests: true}, sizeOf, JSON[string]())
	return p
}

// apply lets the peer apply the next write of writer 1.
func (p *peer) apply(ch Change) {
	ch.Writer, ch.N = 1, p.head.Load()+1
	p.Invalidate([]Change{ch}, func() { p.head.Add(1) })
}

func (p *peer) stats() RegionStats { return statsOf(p.Cache, "article") }

// load makes the peer load key 1 and gives its offer.
func (p *peer) load(t testing.TB, v string, tags ...Tag) []byte {
	t.Helper()
	mustGet(t, p.r, "1", value(v, tags...))
	p.Close() // waits for the offer
	if len(p.sent) != 1 {
		t.Fatalf("%d offers were sent", len(p.sent))
	}
	return p.sent[0]
}

func (p *peer) holds(t testing.TB, v string) {
	t.Helper()
	want(t, "held", mustGet(t, p.r, "1", never), v)
}

func TestCopy_ALoadedValueIsStoredOnTheOtherNode(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t, nil), newPeer(t, nil)
	a.apply(saved(1))
	b.apply(saved(1))
	offer := a.load(t, "v1", thing(1))
	b.Accept(offer)
	b.holds(t, "v1")
	b.apply(saved(2))
	b.holds(t, "v1")
	b.apply(saved(1))
	want(t, "after the change", mustGet(t, b.r, "1", value("v2", thing(1))), "v2")
	b.Accept(offer)
	b.Close()
	if s := a.stats(); s.Mode != modeCopy || s.Offered != 1 {
		t.Errorf("sender: %+v", s)
	}
	if s := b.stats(); s.Accepted != 1 || s.Declined != 1 || s.Offered != 1 || s.Loads != 1 {
		t.Errorf("receiver: %+v", s)
	}
	checkIndex(t, b.Cache)
}

// A change outside the positions is found although a newer one of the same tag is within them.
func TestCopy_TheNewestChangeOfATagDoesNotHideAnOlderOne_Rule23(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t, nil), newPeer(t, nil)
	b.o.Standing = func() []Standing { return []Standing{{Writer: 1, Head: b.head.Load()}, {Writer: 2}} }
	other := saved(1)
	other.Writer, other.N = 2, 1
	b.Invalidate([]Change{other}, nil)
	a.apply(saved(1))
	b.apply(saved(1))
	b.Accept(a.load(t, "v1", thing(1)))
	if s := b.stats(); s.Declined != 1 || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCopy_WhatDoesNotFitIsCountedAndIgnored(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		receiver func(b *peer)
		edit     func(o *offer)
		bad      uint64
	}{
		"another build":               {edit: func(o *offer) { o.build = "2.0" }},
		"another incarnation":         {receiver: func(b *peer) { b.simulated.incarnation.Store(2) }},
		"no such region":              {edit: func(o *offer) { o.region = "poll" }, bad: 1},
		"a region in mode invalidate": {receiver: func(b *peer) { b.r.r.copies = false }},
		"a value that is none":        {edit: func(o *offer) { o.value = []byte("{") }},
		"a value too large to store":  {receiver: func(b *peer) { b.r.r.shardOfKey("1").found.max = 10 }},
		"a change that it lacks":      {receiver: func(b *peer) { b.apply(saved(1)) }},
		"an earlier start of the receiver": {
			receiver: func(b *peer) { b.head.Store(1) }}, // taken as applied when the node started
		"everything dropped since": {receiver: func(b *peer) { b.DropAll("test"); b.head.Store(7) }},
		"a writer it does not know": {receiver: func(b *peer) {
			b.Invalidate([]Change{{Kind: "article", ID: 1, Scope: 7, Writer: 9, N: 1}}, nil)
		}},
		"a value that is here": {receiver: func(b *peer) { mustGet(t, b.r, "1", value("v2", thing(1))) }},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newPeer(t, nil), newPeer(t, nil)
			offer, err := decodeOffer(a.load(t, "v1", thing(1)))
			if err != nil {
				t.Fatal(err)
			}
			if tc.receiver != nil {
				tc.receiver(b)
			}
			if tc.edit != nil {
				tc.edit(offer)
			}
			held := b.stats().Entries
			b.Accept(offer.encode())
			if s := b.stats(); s.Accepted != 0 || s.Declined != 1-tc.bad || s.Entries != held || b.BadOffers() != tc.bad {
				t.Errorf("%+v, %d bad offers", s, b.BadOffers())
			}
		})
	}
}

// What was taken as applied when the node started, and what the ring has forgotten, must be in an offer.
func TestCopy_AnOfferCoversWhatTheRingDoesNotKnow_Rule23(t *testing.T) {
	t.Parallel()
	small := func(o *Options) { o.RingSize = 4 }
	a, b := newPeer(t, small), newPeer(t, small)
	late := a.load(t, "v1", thing(1))
	b.Accept(late) // lets the receiver take its standing now
	b.DropAll("test")
	b.apply(saved(1))
	for range 8 {
		b.apply(saved(2))
	}
	b.Accept(late)
	if s := b.stats(); s.Accepted != 1 || s.Entries != 0 {
		t.Fatalf("an offer from before changes that the ring forgot: %+v", s)
	}
	c := newPeer(t, small)
	c.head.Store(b.head.Load())
	b.Accept(c.load(t, "v2", thing(1)))
	b.holds(t, "v2")
}

func TestCopy_WritersThatTheLogForgotAreForgotten(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t, nil), newPeer(t, nil)
	b.Invalidate([]Change{{Kind: "article", ID: 1, Scope: 7, Writer: 9, N: 1}}, nil)
	offer := a.load(t, "v1", thing(1))
	b.Accept(offer)
	if s := b.stats(); s.Accepted != 0 {
		t.Fatal("the writer may be one that the sender does not know yet")
	}
	b.pass(2 * trailRest) // and the log of this node does not know it
	b.Accept(offer)
	b.holds(t, "v1")
	if n := len(b.index.trail.writers); n != 1 {
		t.Errorf("%d writers are remembered", n)
	}
}

func TestCopy_WhatOnlyThisNodeKnowsStays(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]func(context.Context, *Load) (string, error){
		"a value with an expiry": func(_ context.Context, l *Load) (string, error) {
			l.Thing("article", 1)
			l.ExpiresIn(time.Minute)
			return "v", nil
		},
		"an absence":        (&table{}).loadArticle(1),
		"what is not fit":   func(_ context.Context, l *Load) (string, error) { l.NoStore(); return "v", nil },
		"what is too large": value(strings.Repeat("x", maxOffer), thing(1)),
	} {
		a := newPeer(t, nil)
		_, _ = a.r.Get(context.Background(), "1", load)
		a.Close()
		if len(a.sent) != 0 || a.stats().Offered != 0 {
			t.Errorf("%s was offered", name)
		}
	}
	a := newPeer(t, nil)
	outer := func(ctx context.Context, _ *Load) (string, error) {
		return a.r.Get(ctx, "part", func(_ context.Context, l *Load) (string, error) {
			l.Thing("article", 1)
			l.ExpiresIn(time.Minute)
			return "v", nil
		})
	}
	mustGet(t, a.r, "1", outer)
	a.Close()
	if len(a.sent) != 0 {
		t.Error("a value made from one with an expiry was offered")
	}
}

// An accepted value is proven fresh like any other: without a proof it is not served, since no caller here
// can tell whether its load began after the request arrived.
func TestCopy_AcceptedValuesNeedAProof(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t, nil), newPeer(t, nil)
	b.loseProof()
	b.pass(time.Minute)
	ctx := b.Arrived(context.Background())
	b.pass(time.Second)
	b.Accept(a.load(t, "v1", thing(1)))
	if got, err := b.r.Get(ctx, "1", value("v2", thing(1))); err != nil || got != "v2" {
		t.Errorf("without a proof: %q, %v", got, err)
	}
	b.DropAll("again")
	b.regainProof()
	b.Accept(a.sent[0])
	b.holds(t, "v1")
	if _, info, ok := b.r.Peek("1"); !ok || info.Age != 0 {
		t.Errorf("%+v %v", info, ok)
	}
	b.loseProof()
	b.pass(time.Minute)
	failing := func(context.Context, *Load) (string, error) { return "", errors.New("no database") }
	v, info, err := b.r.GetInfo(StaleOK(context.Background()), "1", failing)
	if err != nil || v != "v1" || info.Stale != time.Minute {
		t.Errorf("stale copy: %q %+v %v", v, info, err)
	}
	b.regainProof()
	b.pass(time.Hour)
	if got := mustGet(t, b.r, "1", value("v3", thing(1))); got != "v3" {
		t.Errorf("after its age: %q", got)
	}
}

func TestCopy_VerifyLearnsToLoadAcceptedValues(t *testing.T) {
	t.Parallel()
	a, b := newPeer(t, nil), newPeer(t, nil)
	b.Accept(a.load(t, "wrong", thing(1)))
	if _, _, ok := b.r.Peek("1"); ok {
		t.Error("the first look is for Get")
	}
	if checked, _ := b.Verify(context.Background()); checked {
		t.Error("there is nothing yet to compare with")
	}
	want(t, "first Get", mustGet(t, b.r, "1", value("right", thing(1))), "wrong")
	if _, _, ok := b.r.Peek("1"); !ok {
		t.Error("not in memory")
	}
	b.o.Proof = func() time.Duration { return b.o.Clock() + 1 }
	if checked, ok := b.Verify(context.Background()); !checked || ok {
		t.Errorf("checked %v, ok %v", checked, ok)
	}
	if s := b.stats(); s.Incoherences != 1 || s.Entries != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRegion_ModesAndSizesThatTheOperatorWants(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c, _ := newSimulated(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Standing = func() []Standing { return nil }
		o.Replication, o.MaxBytes = modeCopy, 8<<20
		o.Regions = map[string]RegionSettings{"b": {Replication: modeInvalidate}, "c": {MaxBytes: 5 << 20}, "d": {Replication: modeCopy}}
	})
	for _, name := range []string{"a", "b", "c"} {
		NewRegion(c, RegionOptions{Name: name, MaxBytes: map[string]int64{"c": 1 << 20}[name]}, sizeOf, JSON[string]())
	}
	NewRegion(c, RegionOptions{Name: "d"}, sizeOf)
	NewRegion(c, RegionOptions{Name: "e"}, sizeOf)
	var got []string
	for _, s := range c.Stats() {
		got = append(got, fmt.Sprint(s.Name, " ", s.Mode, " ", s.MaxBytes>>20))
	}
	if want := []string{"a copy 8", "b invalidate 8", "c copy 5", "d invalidate 8", "e invalidate 8"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "cannot be sent") {
		t.Errorf("warnings:\n%s", &log)
	}
	alone, _ := newSimulated(t, func(o *Options) { o.Replication = modeCopy })
	NewRegion(alone, RegionOptions{Name: "a"}, sizeOf, JSON[string]())
	if alone.Stats()[0].Mode != modeInvalidate || alone.index.trail != nil {
		t.Error("a cache without positions is in mode copy")
	}
}

func TestCopy_ACodecThatPanicsFailsOnlyItsValue(t *testing.T) {
	t.Parallel()
	boom := Codec[string]{
		Encode: func(v string) ([]byte, error) { return []byte{v[0]}, nil },
		Decode: func(b []byte) (string, error) { return string(b[9]), nil },
	}
	a, b := newPeer(t, nil), newPeer(t, nil)
	ra, rb := NewRegion(a.Cache, RegionOptions{Name: "x"}, sizeOf, boom), NewRegion(b.Cache, RegionOptions{Name: "x"}, sizeOf, boom)
	want(t, "loaded", mustGet(t, ra, "1", value("", thing(1))), "")
	want(t, "loaded", mustGet(t, ra, "2", value("v", thing(1))), "v")
	a.Close()
	if len(a.sent) != 1 {
		t.Fatalf("%d offers", len(a.sent))
	}
	b.Accept(a.sent[0])
	want(t, "loaded there", mustGet(t, rb, "2", value("w", thing(1))), "w")
	if s := statsOf(b.Cache, "x"); s.Declined != 1 {
		t.Errorf("%+v", s)
	}
}

func TestOffer_ComesBackAsItWas(t *testing.T) {
	t.Parallel()
	o := &offer{
		incarnation: 3, build: "1.0 abc", region: "page", key: "a|b", left: 59 * time.Minute,
		tags:     []Tag{{Kind: "article", ID: 42}, {Kind: "article", Scope: 7}, {Kind: "site"}, {Kind: everything}},
		standing: []Standing{{Writer: 5, Head: 100, Gaps: []uint64{7, 99, 100}}, {Writer: 1 << 62, Head: 0}},
		value:    []byte("value"),
	}
	got, err := decodeOffer(o.encode())
	if err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("%+v, %v; sent %+v", got, err, o)
	}
	for name, edit := range map[string]func(o *offer){
		"too large":        func(o *offer) { o.value = make([]byte, maxOffer) },
		"a large message":  func(o *offer) { o.value = make([]byte, maxOffer-20) },
		"too many gaps":    func(o *offer) { o.standing[0].Gaps = make([]uint64, maxGaps+1) },
		"too many writers": func(o *offer) { o.standing = make([]Standing, maxWriters+1) },
	} {
		big := *o
		big.standing = slices.Clone(o.standing)
		edit(&big)
		if big.encode() != nil {
			t.Errorf("%s is sent", name)
		}
	}
}

func FuzzDecodeOffer(f *testing.F) {
	o := &offer{region: "article", build: "1.0", key: "1", left: time.Minute, tags: []Tag{thing(1)},
		standing: []Standing{{Writer: 1, Head: 9, Gaps: []uint64{2, 8}}, {Writer: 2, Head: 4}}, value: []byte(`"v"`)}
	f.Add(o.encode())
	f.Add([]byte{offerVersion, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newPeer(t, nil)
		p.apply(saved(2))
		p.Accept(slices.Clone(b))
		o, err := decodeOffer(b)
		if err != nil {
			return
		}
		if !slices.IsSortedFunc(o.standing, func(a, b Standing) int {
			if a.Writer < b.Writer {
				return -1
			}
			return 1
		}) {
			t.Errorf("writers are not sorted: %+v", o.standing)
		}
		again, err := decodeOffer(o.encode())
		if err != nil || !reflect.DeepEqual(again, o) {
			t.Errorf("read %+v, written and read again %+v, %v", o, again, err)
		}
	})
}

func BenchmarkInvalidateCopy(b *testing.B) {
	p := newPeer(b, func(o *Options) { o.RingSize = 0 })
	b.ReportAllocs()
	for i := range b.N {
		p.apply(Change{Kind: "article", ID: int64(i + 1), Scope: int64(i%50 + 1)})
	}
}
