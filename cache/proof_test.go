package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoa-portal/stoa"
)

// answer is what one GetInfo gave.
type answer struct {
	v    string
	info Info
	err  error
}

func backgroundInfo(ctx context.Context, r *Region[string], key string, load func(context.Context, *Load) (string, error)) chan answer {
	out := make(chan answer, 1)
	go func() {
		v, info, err := r.GetInfo(ctx, key, load)
		out <- answer{v, info, err}
	}()
	return out
}

func guestRegion(c *Cache) *Region[string] {
	return NewRegion(c, RegionOptions{Name: "page", StaleForGuests: true}, sizeOf)
}

// virtualWorld gives a cache whose clock is that of the synctest bubble it is called in.
func onVirtualTime(t *testing.T) (*Cache, *simulated) {
	t.Helper()
	start := time.Now()
	c, w := newSimulated(t, nil)
	base := time.Duration(w.now.Load())
	c.o.Clock = func() time.Duration {
		now := base + time.Since(start)
		w.now.Store(int64(now))
		return now
	}
	c.o.Proof = func() time.Duration {
		if p := w.proof.Load(); p >= 0 {
			return time.Duration(p)
		}
		return c.o.Clock()
	}
	return c, w
}

func TestGuard14_WithoutProofLoadsAreFewAndTheRestIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		r := newRegion(c, "article")
		w.proof.Store(0) // there never was a proof
		release := make(chan struct{})
		running := make(chan struct{}, 100)
		var results []chan answer
		for i := range 40 {
			results = append(results, backgroundInfo(context.Background(), r, fmt.Sprint(i), func(_ context.Context, l *Load) (string, error) {
				running <- struct{}{}
				<-release
				l.Thing("article", 1)
				return "v", nil
			}))
		}
		synctest.Wait()
		if len(running) != 16 {
			t.Errorf("%d loads run at once without proof, want 16", len(running))
		}
		time.Sleep(249 * time.Millisecond)
		synctest.Wait()
		for i, out := range results {
			select {
			case a := <-out:
				t.Fatalf("caller %d was answered before its wait was over: %+v", i, a)
			default:
			}
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		away := 0
		var rest []chan answer
		for _, out := range results {
			select {
			case a := <-out:
				away++
				if !stoa.Is(a.err, stoa.KindUnavailable) {
					t.Errorf("turned away with %v, want Unavailable", a.err)
				}
			default:
				rest = append(rest, out)
			}
		}
		if away != 24 {
			t.Errorf("%d were turned away after 250 ms, want 24", away)
		}
		close(release)
		for _, out := range rest {
			if a := <-out; a.err != nil || a.v != "v" {
				t.Errorf("a load with a place gave %+v", a)
			}
		}
		if s := statsOf(c, "article"); s.TurnedAway != 24 || s.Loads != 16 {
			t.Errorf("turned away %d, loads %d; want 24, 16", s.TurnedAway, s.Loads)
		}
		// The places are free again.
		if _, err := r.Get(context.Background(), "more", value("v", thing(1))); err != nil {
			t.Error(err)
		}
	})
}

func TestGuard14_WithoutProofOneKeyIsLoadedByFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		r := newRegion(c, "article")
		w.proof.Store(0)
		loads := 0
		load := func(_ context.Context, l *Load) (string, error) {
			loads++ // loads of a key that overlap are at most two, and these begin in turn
			time.Sleep(50 * time.Millisecond)
			l.Thing("article", 1)
			return "v", nil
		}
		first := backgroundInfo(context.Background(), r, "1", load)
		synctest.Wait()
		var results []chan answer
		for range 300 {
			time.Sleep(time.Microsecond)
			results = append(results, backgroundInfo(context.Background(), r, "1", load))
		}
		<-first
		for _, out := range results {
			if a := <-out; a.err != nil || a.v != "v" {
				t.Fatalf("%+v", a)
			}
		}
		if loads < 2 || loads > 4 {
			t.Errorf("301 callers within 50 ms made %d loads, want 2 to 4", loads)
		}
	})
}

func TestGuard14_LoadBegunAfterTheRequestArrivedIsFreshForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		r := newRegion(c, "article")
		w.proof.Store(0)
		early := context.Background()
		arrived := c.Arrived(early)
		time.Sleep(time.Millisecond)
		slow := newSlowLoad()
		lead := backgroundInfo(early, r, "1", slow.of(value("v", thing(1))))
		<-slow.read
		time.Sleep(time.Millisecond)
		late := c.Arrived(early)
		joined := backgroundInfo(arrived, r, "1", never)
		synctest.Wait()
		own := backgroundInfo(late, r, "1", value("newer", thing(1)))
		if a := <-own; a.v != "newer" {
			t.Errorf("a request that arrived after the load began got %+v", a)
		}
		close(slow.release)
		if a := <-joined; a.v != "v" {
			t.Errorf("a request that arrived before the load began got %+v", a)
		}
		<-lead
		// The value loaded last stands, and serves those who arrived before its load.
		if v, info, err := r.GetInfo(arrived, "1", never); v != "newer" || err != nil || !info.Hit {
			t.Errorf("got %q %+v %v", v, info, err)
		}
		time.Sleep(time.Millisecond)
		if v, info, err := r.GetInfo(c.Arrived(early), "1", value("third", thing(1))); v != "third" || err != nil || info.Hit {
			t.Errorf("got %q %+v %v", v, info, err)
		}
		// A context that lives on does not make what it once saw fresh for ever.
		time.Sleep(time.Minute)
		if v, _, _ := r.GetInfo(arrived, "1", value("fourth", thing(1))); v != "fourth" {
			t.Errorf("a context a minute old was served %q from memory without proof", v)
		}
	})
}

func TestGuard14_PartsOfALoadShareItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		parts, pages := newRegion(c, "part"), newRegion(c, "page")
		w.proof.Store(0)
		var results []chan answer
		for i := range 16 {
			results = append(results, backgroundInfo(context.Background(), pages, fmt.Sprint(i), func(ctx context.Context, l *Load) (string, error) {
				time.Sleep(time.Millisecond)
				return parts.Get(ctx, fmt.Sprint(i%4), func(_ context.Context, l *Load) (string, error) {
					time.Sleep(time.Millisecond)
					l.Thing("part", 1)
					return "v", nil
				})
			}))
		}
		for _, out := range results {
			if a := <-out; a.err != nil || a.v != "v" {
				t.Errorf("%+v", a)
			}
		}
	})
}

func TestGuard14_ValuesLoadedWithoutProofServeUnderALaterOne(t *testing.T) {
	t.Parallel()
	c, w := newSimulated(t, nil)
	r := newRegion(c, "article")
	tb := &table{}
	tb.set(1, "one")
	tb.set(2, "two")
	w.loseProof()
	w.pass(time.Minute)
	mustGet(t, r, "1", tb.loadArticle(1))
	mustGet(t, r, "2", tb.loadArticle(2))
	if _, _, ok := r.Peek("1"); ok {
		t.Error("served without proof")
	}
	tb.set(2, "two changed")
	// The follower reads the log again, applies what it missed, and only then there is a proof.
	c.Invalidate([]Change{saved(2)}, w.regainProof)
	want(t, "untouched", mustGet(t, r, "1", never), "one")
	want(t, "changed meanwhile", mustGet(t, r, "2", tb.loadArticle(2)), "two changed")
}

func TestGuard15_StaleCopyIsForGuestsMarkedAndWithinGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		pages, private := guestRegion(c), newRegion(c, "private")
		guest, member := StaleOK(context.Background()), context.Background()
		mustGet(t, pages, "p", value("old page", thing(1)))
		mustGet(t, private, "p", value("old part", thing(1)))
		w.loseProof()
		down := func(context.Context, *Load) (string, error) {
			return "", stoa.Unavailable(errors.New("connection refused"), "The database is away.")
		}
		broken := func(context.Context, *Load) (string, error) { return "", errors.New("driver: bad connection") }
		time.Sleep(10 * time.Second)
		for name, load := range map[string]func(context.Context, *Load) (string, error){"down": down, "broken": broken} {
			if v, info, err := pages.GetInfo(guest, "p", load); v != "old page" || info.Stale != 10*time.Second || err != nil {
				t.Errorf("%s: guest got %q %+v %v", name, v, info, err)
			}
			if v, _, err := pages.GetInfo(member, "p", load); err == nil {
				t.Errorf("%s: a signed-in visitor got the stale copy %q", name, v)
			}
			if v, err := pages.Get(guest, "p", load); err == nil {
				t.Errorf("%s: Get, which cannot mark, served the stale copy %q", name, v)
			}
			if v, _, err := private.GetInfo(guest, "p", load); err == nil {
				t.Errorf("%s: a region that is not for guests served the stale copy %q", name, v)
			}
		}
		forbidden := func(context.Context, *Load) (string, error) { return "", stoa.Forbidden("no") }
		if v, _, err := pages.GetInfo(guest, "p", forbidden); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("a refusal was answered by the stale copy %q", v)
		}
		// Inside a load, the value is for every caller, so a stale part must not enter it.
		outer := newRegion(c, "outer")
		_, err := outer.Get(guest, "o", func(ctx context.Context, l *Load) (string, error) {
			v, info, err := pages.GetInfo(StaleOK(ctx), "p", down)
			if info.Stale > 0 {
				t.Errorf("a load was given the stale part %q", v)
			}
			return v, err
		})
		if !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("load with a part that is away: %v", err)
		}
		if v, info, err := pages.GetInfo(guest, "none", down); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("without a copy: %q %+v %v", v, info, err)
		}
		time.Sleep(5*time.Minute - 10*time.Second)
		if _, info, err := pages.GetInfo(guest, "p", down); info.Stale != 5*time.Minute || err != nil {
			t.Errorf("at the end of the grace: %+v, %v", info, err)
		}
		time.Sleep(time.Second)
		if v, _, err := pages.GetInfo(guest, "p", down); err == nil {
			t.Errorf("served %q after the grace", v)
		}
		if s := statsOf(c, "page"); s.Stale != 3 {
			t.Errorf("%d stale answers counted, want 3", s.Stale)
		}
	})
}

func TestGuard15_ADatabaseThatHangsDoesNotKeepGuestsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		pages := guestRegion(c)
		mustGet(t, pages, "p", value("old page", thing(1)))
		w.loseProof()
		time.Sleep(3 * time.Second)
		hang := func(ctx context.Context, _ *Load) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		}
		before := time.Now()
		guest := backgroundInfo(StaleOK(context.Background()), pages, "p", hang)
		member := backgroundInfo(context.Background(), pages, "p", hang)
		if a := <-guest; a.v != "old page" || a.info.Stale < 3*time.Second || time.Since(before) != 250*time.Millisecond {
			t.Errorf("guest got %+v after %v", a, time.Since(before))
		}
		if a := <-member; a.err == nil || time.Since(before) != 10*time.Second {
			t.Errorf("member got %+v after %v", a, time.Since(before))
		}
	})
}

func TestGuard15_InvalidatedPageIsNotServedStale(t *testing.T) {
	t.Parallel()
	c, w := newSimulated(t, nil)
	pages := guestRegion(c)
	mustGet(t, pages, "p", value("old", thing(1)))
	c.Invalidate([]Change{saved(1)}, nil)
	w.loseProof()
	w.pass(time.Minute)
	down := func(context.Context, *Load) (string, error) { return "", stoa.Unavailable(nil, "away") }
	if v, _, err := pages.GetInfo(StaleOK(context.Background()), "p", down); err == nil {
		t.Errorf("served %q, which a known change had made wrong", v)
	}
}

func TestLoad_PanicGoexitAndTimeoutFailOnlyTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := onVirtualTime(t)
		r := newRegion(c, "article")
		type result struct {
			Region *Region[string]
		}
		for name, load := range map[string]func(context.Context, *Load) (string, error){
			"panic":   func(context.Context, *Load) (string, error) { var x *result; return x.Region.r.o.Name, nil },
			"timeout": func(ctx context.Context, _ *Load) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) },
			"goexit":  func(context.Context, *Load) (string, error) { runtime.Goexit(); return "", nil },
			"itself": func(ctx context.Context, _ *Load) (string, error) {
				return r.Get(ctx, "itself", value("v", thing(1)))
			},
		} {
			if v, err := r.Get(context.Background(), name, load); err == nil || v != "" {
				t.Errorf("%s: got %q, %v", name, v, err)
			}
			want(t, name+", afterwards", mustGet(t, r, name, value("v", thing(1))), "v")
		}
		if s := statsOf(c, "article"); s.LoadErrors != 4 {
			t.Errorf("%d load errors counted, want 4", s.LoadErrors)
		}
	})
}

func TestSize_PanicLosesOnlyTheEntry(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := NewRegion(c, RegionOptions{Name: "p"}, func(p *Info) int { return int(p.AsOf) })
	v, err := r.Get(context.Background(), "k", func(_ context.Context, l *Load) (*Info, error) {
		l.Thing("a", 1)
		return nil, nil
	})
	if v != nil || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
	if _, _, ok := r.Peek("k"); ok {
		t.Error("an entry of unknown size was stored")
	}
}

func TestClose_EndsLoadsAndRefusesNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := onVirtualTime(t)
		r := newRegion(c, "article")
		mustGet(t, r, "held", value("v", thing(1)))
		hanging := backgroundInfo(context.Background(), r, "1", func(ctx context.Context, _ *Load) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		synctest.Wait()
		c.Close()
		if a := <-hanging; a.err == nil {
			t.Error("a load survived Close")
		}
		if _, err := r.Get(context.Background(), "2", value("v", thing(1))); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("after Close: %v", err)
		}
		want(t, "what is cached", mustGet(t, r, "held", never), "v")
		c.Close()
	})
}

func TestVerify_FindsWhatNoChangeExplains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := onVirtualTime(t)
		articles, pages := newRegion(c, "article"), newRegion(c, "page")
		tb := &table{}
		if checked, ok := c.Verify(context.Background()); checked || !ok {
			t.Errorf("empty cache: %v, %v", checked, ok)
		}
		tb.set(1, "old")
		mustGet(t, pages, "p", func(ctx context.Context, l *Load) (string, error) {
			return articles.Get(ctx, "1", tb.loadArticle(1))
		})
		for range 20 {
			if checked, ok := c.Verify(context.Background()); !checked || !ok {
				t.Fatalf("all is right, Verify says %v, %v", checked, ok)
			}
		}
		tb.set(1, "changed by hand")
		for wrong := 0; wrong < 2; {
			checked, ok := c.Verify(context.Background())
			if !checked {
				t.Fatal("nothing was checked")
			}
			if !ok {
				wrong++
			}
		}
		if a, p := statsOf(c, "article"), statsOf(c, "page"); a.Incoherences != 1 || p.Incoherences != 1 || a.Entries+p.Entries != 0 {
			t.Errorf("incoherences %d and %d, entries left %d", a.Incoherences, p.Incoherences, a.Entries+p.Entries)
		}
		want(t, "afterwards", mustGet(t, articles, "1", tb.loadArticle(1)), "changed by hand")
	})
}

func TestVerify_WaitsForTheChangeThatExplains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		r := newRegion(c, "article")
		tb := &table{}
		tb.set(1, "old")
		mustGet(t, r, "1", tb.loadArticle(1))
		w.loseProof()
		tb.set(1, "new") // committed elsewhere; the follower will see it in half a second
		type verdict struct{ checked, ok bool }
		out := make(chan verdict, 1)
		go func() {
			checked, ok := c.Verify(context.Background())
			out <- verdict{checked, ok}
		}()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if len(out) != 0 {
			t.Fatal("judged before a proof covered the second load")
		}
		c.Invalidate([]Change{saved(1)}, func() { w.proof.Store(int64(c.o.Clock())) })
		if v := <-out; !v.checked || !v.ok {
			t.Errorf("a change on its way was taken for an incoherence: %+v", v)
		}
		if s := statsOf(c, "article"); s.Incoherences != 0 {
			t.Errorf("%d incoherences", s.Incoherences)
		}
	})
}

func TestVerify_ChecksAbsenceAndReadsPastTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := onVirtualTime(t)
		r := newRegion(c, "article")
		tb := &table{}
		if _, err := r.Get(context.Background(), "1", tb.loadArticle(1)); !stoa.Is(err, stoa.KindNotFound) {
			t.Fatal(err)
		}
		if checked, ok := c.Verify(context.Background()); !checked || !ok {
			t.Errorf("right absence: %v, %v", checked, ok)
		}
		tb.set(1, "appeared without a change")
		if checked, ok := c.Verify(context.Background()); !checked || ok {
			t.Errorf("wrong absence: %v, %v", checked, ok)
		}
	})
}

func TestNew_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	proof := func() time.Duration { return 1 }
	for _, o := range []Options{{}, {Proof: proof, MaxAge: -1}, {Proof: proof, ReadThroughMax: -1}} {
		if c, err := New(o); err == nil || c != nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	c, err := New(Options{Proof: proof})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.o.FreshLimit != 1500*time.Millisecond || c.o.ReadThroughMax != 16 || c.o.MaxAge != time.Hour || c.o.RingSize != 1<<16 {
		t.Errorf("defaults: %+v", c.o)
	}
	if a, b := Boottime(), Boottime(); a <= 0 || b < a {
		t.Errorf("boottime %v then %v", a, b)
	}
	newRegion(c, "twice")
	defer func() {
		if recover() == nil {
			t.Error("two regions of one name were accepted")
		}
	}()
	newRegion(c, "twice")
}

// The mark of what is shown without a proof counts from the proof that there was when it was begun: a later one need not
// cover what was read before it.
func TestGuard12_MarkCountsFromTheProofBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		proof := c.o.Clock()
		w.proof.Store(int64(proof))
		time.Sleep(c.o.FreshLimit)
		if !c.Proven() {
			t.Error("a proof within the limit is not enough")
		}
		time.Sleep(time.Millisecond)
		if c.Proven() {
			t.Error("a proof over the limit is enough")
		}
		age := c.Unproven()
		time.Sleep(time.Second)
		w.proof.Store(int64(c.o.Clock()))
		if got, ok := age(); !ok || got != c.o.FreshLimit+time.Second+time.Millisecond {
			t.Errorf("the age is %s, %v", got, ok)
		}
		time.Sleep(c.o.StaleGrace)
		if got, ok := age(); ok {
			t.Errorf("%s is within the grace", got)
		}
		w.proof.Store(0)
		if _, ok := c.Unproven()(); ok || c.Proven() {
			t.Error("without any proof the age is known")
		}
	})
}

// A copy that was loaded after the newest proof is as old as that proof: who answered may have been deposed.
func TestGuard12_StaleCopyLoadedWithoutAProofCountsFromTheProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := onVirtualTime(t)
		pages := guestRegion(c)
		w.proof.Store(int64(c.o.Clock()))
		time.Sleep(4 * time.Second)
		if _, err := pages.Get(context.Background(), "p", func(_ context.Context, l *Load) (string, error) {
			l.Thing("article", 1)
			return "page", nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		v, info, err := pages.GetInfo(StaleOK(context.Background()), "p", func(context.Context, *Load) (string, error) {
			return "", stoa.Unavailable(nil, "away")
		})
		if v != "page" || info.Stale != 10*time.Second || err != nil {
			t.Errorf("%q, %s stale, %v", v, info.Stale, err)
		}
	})
}
