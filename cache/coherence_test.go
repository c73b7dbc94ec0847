package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoa-portal/stoa"
)

// The numbers in these names are those of the interleavings that DESIGN.md lists.

func TestGuard13_ProofIsReadBeforeTheEntry(t *testing.T) {
	t.Parallel()
	c, w := newSimulated(t, nil)
	r := newRegion(c, "article")
	tb := &table{}
	tb.set(1, "old")
	mustGet(t, r, "1", tb.loadArticle(1))
	w.pass(time.Minute)
	w.proof.Store(w.now.Load() - int64(10*time.Second))
	// Between the look into the store and the clock, a change is applied and a proof arrives. The
	// entry in hand is from before both, so the new proof says nothing about it.
	once := sync.Once{}
	c.o.Clock = func() time.Duration {
		once.Do(func() {
			tb.set(1, "new")
			c.Invalidate([]Change{saved(1)}, func() { w.proof.Store(w.now.Load()) })
		})
		return time.Duration(w.now.Load())
	}
	if v, _, ok := r.Peek("1"); ok && v == "old" {
		t.Error("a proof that arrived after the look into the store was taken for an entry found by that look")
	}
	want(t, "after the change", mustGet(t, r, "1", tb.loadArticle(1)), "new")
}

func TestGuard13_PauseBetweenLookAndAnswerShows(t *testing.T) {
	t.Parallel()
	c, w := newSimulated(t, nil)
	r := newRegion(c, "article")
	mustGet(t, r, "1", value("v", thing(1)))
	proof := w.now.Load()
	w.proof.Store(proof)
	if _, _, ok := r.Peek("1"); !ok {
		t.Fatal("not served under a new proof")
	}
	w.pass(1500 * time.Millisecond)
	if _, _, ok := r.Peek("1"); !ok {
		t.Error("not served at the limit")
	}
	c.o.Proof = func() time.Duration { // the process is stopped for 2 s right after reading the proof
		defer w.pass(2 * time.Second)
		return time.Duration(proof)
	}
	if _, _, ok := r.Peek("1"); ok {
		t.Error("served although the clock shows that the proof is too old by now")
	}
}

func TestGuard16_ChangeInProgressLeavesNoOldPage(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	articles, pages := newRegion(c, "article"), newRegion(c, "page")
	tb := &table{}
	page := func(ctx context.Context, l *Load) (string, error) {
		a, err := articles.Get(ctx, "1", tb.loadArticle(1))
		return "<" + a + ">", err
	}
	other := func(ctx context.Context, l *Load) (string, error) { return articles.Get(ctx, "1", tb.loadArticle(1)) }
	for _, at := range []string{"begun", "dropped", "dropped dropped"} {
		for _, pageFirst := range []bool{false, true} {
			c.DropAll("next round")
			tb.set(1, "old")
			// Entries are dropped in the reverse order of storing, so both orders are tried.
			if pageFirst {
				mustGet(t, pages, "p", func(ctx context.Context, l *Load) (string, error) {
					l.Thing("article", 1)
					return "<old>", nil
				})
				mustGet(t, articles, "1", tb.loadArticle(1))
			} else {
				mustGet(t, pages, "p", page)
			}
			tb.set(1, "new")
			passed := ""
			c.step = func(point string) {
				if point == "loaded" {
					return
				}
				if passed += " " + point; passed == " begun" && at == "begun" || passed == " begun "+at {
					mustGet(t, pages, "p", page)
					mustGet(t, pages, "q", other)
				}
			}
			c.Invalidate([]Change{saved(1)}, nil)
			c.step = nil
			name := fmt.Sprintf("loaded at %q, page stored first %v", at, pageFirst)
			want(t, name+": page", mustGet(t, pages, "p", page), "<new>")
			want(t, name+": other page", mustGet(t, pages, "q", other), "new")
			want(t, name+": article", mustGet(t, articles, "1", tb.loadArticle(1)), "new")
		}
	}
}

func TestGuard16_LoadOvertakenByAChangeIsNotStored(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := newRegion(c, "article")
	tb := &table{}
	tb.set(1, "old")
	got := mustGet(t, r, "1", func(ctx context.Context, l *Load) (string, error) {
		v, err := tb.loadArticle(1)(ctx, l)
		tb.set(1, "new")
		c.Invalidate([]Change{saved(1)}, nil)
		return v, err
	})
	want(t, "the caller of the overtaken load", got, "old")
	want(t, "the next", mustGet(t, r, "1", tb.loadArticle(1)), "new")
	if s := statsOf(c, "article"); s.Refused != 1 || s.Entries != 1 {
		t.Errorf("refused %d, entries %d; want 1, 1", s.Refused, s.Entries)
	}
	mustGet(t, r, "1", never)
}

func TestGuard16_OtherChangesDoNotHinderALoad(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := newRegion(c, "article")
	mustGet(t, r, "1", func(ctx context.Context, l *Load) (string, error) {
		l.Thing("article", 1)
		l.Scope("article", 7)
		c.Invalidate([]Change{{Kind: "article", ID: 2, Scope: 8}, {Kind: "user", ID: 1}}, nil)
		return "v", nil
	})
	mustGet(t, r, "1", never)
}

// slowLoad blocks after it has read, until released.
type slowLoad struct {
	read    chan struct{}
	release chan struct{}
}

func newSlowLoad() *slowLoad { return &slowLoad{make(chan struct{}), make(chan struct{})} }

func (s *slowLoad) of(load func(context.Context, *Load) (string, error)) func(context.Context, *Load) (string, error) {
	return func(ctx context.Context, l *Load) (string, error) {
		v, err := load(ctx, l)
		close(s.read)
		<-s.release
		return v, err
	}
}

// background runs a Get that the test will collect later.
func background(r *Region[string], ctx context.Context, key string, load func(context.Context, *Load) (string, error)) chan string {
	out := make(chan string, 1)
	go func() {
		v, err := r.Get(ctx, key, load)
		if err != nil {
			v = "error: " + err.Error()
		}
		out <- v
	}()
	return out
}

func TestGuard17_LateCallerDoesNotJoinAnOldLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in a bubble, waiting for the old load is a failure at once
		c, _ := newSimulated(t, nil)
		articles, pages := newRegion(c, "article"), newRegion(c, "page")
		tb := &table{}
		tb.set(1, "old")
		slow := newSlowLoad()
		first := background(articles, context.Background(), "1", slow.of(tb.loadArticle(1)))
		<-slow.read
		tb.set(1, "new")
		c.Invalidate([]Change{saved(1)}, nil)
		// The writer's own next request, and a page made from the article.
		page := func(ctx context.Context, l *Load) (string, error) { return articles.Get(ctx, "1", tb.loadArticle(1)) }
		want(t, "page begun after the change", mustGet(t, pages, "p", page), "new")
		want(t, "the writer", mustGet(t, articles, "1", tb.loadArticle(1)), "new")
		close(slow.release)
		want(t, "the caller of the old load", <-first, "old")
		want(t, "article afterwards", mustGet(t, articles, "1", tb.loadArticle(1)), "new")
		want(t, "page afterwards", mustGet(t, pages, "p", page), "new")
	})
}

// twoOldLoads starts two loads of key 1 with a change between them, so that a third caller who
// arrives after one more change may join neither.
func twoOldLoads(t *testing.T, c *Cache, r *Region[string], tb *table) (a, b *slowLoad, ends []chan string) {
	t.Helper()
	a, b = newSlowLoad(), newSlowLoad()
	load := func(ctx context.Context, l *Load) (string, error) {
		l.NoStore() // so that the third caller cannot find in memory what it did not wait for
		return tb.loadArticle(1)(ctx, l)
	}
	ends = append(ends, background(r, context.Background(), "1", a.of(load)))
	<-a.read
	c.Invalidate([]Change{{Kind: "user", ID: 1}}, nil)
	ends = append(ends, background(r, context.Background(), "1", b.of(load)))
	<-b.read
	return a, b, ends
}

func TestGuard17_ThirdCallerTakesAnOldLoadOnlyIfItsTagsAllow(t *testing.T) {
	for _, touched := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := newSimulated(t, nil)
			r := newRegion(c, "article")
			tb := &table{}
			tb.set(1, "old")
			a, b, ends := twoOldLoads(t, c, r, tb)
			expect, loads := "old", uint64(2)
			if touched {
				tb.set(1, "new")
				expect, loads = "new", 3
				c.Invalidate([]Change{saved(1)}, nil)
			} else {
				c.Invalidate([]Change{{Kind: "user", ID: 2}}, nil)
			}
			third := background(r, context.Background(), "1", tb.loadArticle(1))
			synctest.Wait()
			if got := statsOf(c, "article").Loads; got != 2 {
				t.Errorf("a third load of the same key began beside two others")
			}
			close(b.release)
			want(t, fmt.Sprintf("third caller, touched %v", touched), <-third, expect)
			if got := statsOf(c, "article").Loads; got != loads {
				t.Errorf("touched %v: %d loads, want %d", touched, got, loads)
			}
			close(a.release)
			for _, e := range ends {
				<-e
			}
			want(t, "afterwards", mustGet(t, r, "1", tb.loadArticle(1)), expect)
		})
	}
}

// A caller that waited for a load that the database did not answer does not wait for another.
func TestGuard17_ThirdCallerFailsWithALoadThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newSimulated(t, nil)
		r := newRegion(c, "article")
		release := make(chan struct{})
		refused := func(context.Context, *Load) (string, error) {
			<-release
			return "", stoa.Unavailable(nil, "the database does not answer")
		}
		var all []chan string
		for range 3 {
			all = append(all, background(r, context.Background(), "1", refused))
			synctest.Wait()
			c.Invalidate([]Change{saved(1)}, nil)
		}
		close(release)
		for _, out := range all {
			if got := <-out; got != "error: the database does not answer" {
				t.Error(got)
			}
		}
		if got := statsOf(c, "article").Loads; got != 2 {
			t.Errorf("%d loads, want 2", got)
		}
	})
}

func TestGuard17_LoadCarriesTheLowestAsOfOfItsParts(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	l := &Load{cache: c, asOf: 9}
	l.inherit(&outcome{asOf: 12, expires: 1})
	l.inherit(&outcome{asOf: 4, expires: 1})
	l.inherit(&outcome{asOf: 7, expires: 1})
	if o := l.outcome("v", nil, 0); o.asOf != 4 {
		t.Errorf("as-of %d, want 4", o.asOf)
	}
}

func TestGuard17_OldHitDoesNotMakeItsPageUnstorable(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, func(o *Options) { o.RingSize = 8 })
	articles, pages := newRegion(c, "article"), newRegion(c, "page")
	mustGet(t, articles, "1", value("a", thing(1)))
	for i := range 100 {
		c.Invalidate([]Change{{Kind: "user", ID: int64(i + 1), Scope: 3}}, nil)
	}
	mustGet(t, pages, "p", func(ctx context.Context, l *Load) (string, error) { return articles.Get(ctx, "1", never) })
	if _, info, ok := pages.Peek("p"); !ok || info.AsOf != 100 {
		t.Errorf("page of a long cached article: stored %v, as-of %d; want true, 100", ok, info.AsOf)
	}
	c.Invalidate([]Change{saved(1)}, nil)
	if _, _, ok := pages.Peek("p"); ok {
		t.Error("the page did not inherit the tag of an article that was in memory")
	}
}

func TestGuard17_ManyCallersShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newSimulated(t, nil)
		r := newRegion(c, "article")
		slow := newSlowLoad()
		results := []chan string{background(r, context.Background(), "1", slow.of(value("v", thing(1))))}
		<-slow.read
		for range 200 {
			results = append(results, background(r, context.Background(), "1", never))
		}
		synctest.Wait()
		close(slow.release)
		for _, got := range results {
			want(t, "a caller", <-got, "v")
		}
		if s := statsOf(c, "article"); s.Loads != 1 || s.Joins != 200 || s.Misses != 201 {
			t.Errorf("loads %d, joins %d, misses %d; want 1, 200, 201", s.Loads, s.Joins, s.Misses)
		}
	})
}

func TestGuard18_TransactionNeitherReadsNorStores(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	articles, pages := newRegion(c, "article"), newRegion(c, "page")
	tb := &table{}
	tb.set(1, "committed")
	mustGet(t, articles, "1", tb.loadArticle(1))
	ctx := inTx(context.Background())
	v, err := articles.Get(ctx, "1", func(lctx context.Context, l *Load) (string, error) {
		if lctx.Value(txKey{}) == nil {
			t.Error("the load did not get the caller's context, so it would not see the transaction's own rows")
		}
		l.Thing("article", 1)
		return "uncommitted", nil
	})
	if v != "uncommitted" || err != nil {
		t.Errorf("inside the transaction: %q, %v", v, err)
	}
	want(t, "outside", mustGet(t, articles, "1", never), "committed")
	// A load that opens a transaction of its own and reads in it must not be stored either.
	mustGet(t, pages, "p", func(lctx context.Context, l *Load) (string, error) {
		return articles.Get(inTx(lctx), "2", value("uncommitted", thing(2)))
	})
	if _, _, ok := pages.Peek("p"); ok {
		t.Error("a value made from uncommitted rows was stored")
	}
	// A Get outside, made first by a caller that goes away, is loaded for the others all the same.
	gone, cancel := context.WithCancel(context.Background())
	slow := newSlowLoad()
	lead := background(articles, gone, "3", slow.of(func(lctx context.Context, l *Load) (string, error) {
		l.Thing("article", 3)
		cancel()
		return "three", lctx.Err()
	}))
	<-slow.read
	if got := <-lead; got == "three" {
		t.Errorf("the caller that went away got %q", got)
	}
	second := background(articles, context.Background(), "3", never)
	close(slow.release)
	want(t, "second caller", <-second, "three")
}

func TestGuard19_LoadAcrossIncarnationsIsNotStored(t *testing.T) {
	t.Parallel()
	c, w := newSimulated(t, nil)
	r := newRegion(c, "article")
	mustGet(t, r, "1", func(ctx context.Context, l *Load) (string, error) {
		l.Thing("article", 1)
		w.incarnation.Add(1) // noticed elsewhere; DropAll has not been called yet
		return "lost", nil
	})
	if _, _, ok := r.Peek("1"); ok {
		t.Error("a value loaded across a change of incarnation was stored")
	}
	mustGet(t, r, "2", value("kept", thing(2)))
	mustGet(t, r, "3", func(ctx context.Context, l *Load) (string, error) {
		l.Immutable()
		return "kept", nil
	})
	c.DropAll("new incarnation")
	if s := statsOf(c, "article"); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("after DropAll: %d entries, %d bytes", s.Entries, s.Bytes)
	}
	mustGet(t, r, "4", func(ctx context.Context, l *Load) (string, error) {
		l.Immutable()
		c.DropAll("while loading")
		return "v", nil
	})
	if _, _, ok := r.Peek("4"); ok {
		t.Error("a load in flight over DropAll was stored")
	}
}

func TestGuard20_AbsenceEndsWhenSomethingAppears(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	articles, pages := newRegion(c, "article"), newRegion(c, "page")
	tb := &table{}
	for range 2 {
		if _, err := articles.Get(context.Background(), "5", tb.loadArticle(5)); !stoa.Is(err, stoa.KindNotFound) {
			t.Fatalf("got %v, want not found", err)
		}
	}
	if s := statsOf(c, "article"); s.Loads != 1 || s.Negative != 1 {
		t.Errorf("loads %d, negative entries %d; want 1, 1", s.Loads, s.Negative)
	}
	page := func(ctx context.Context, l *Load) (string, error) {
		v, err := articles.Get(ctx, "5", tb.loadArticle(5))
		if stoa.Is(err, stoa.KindNotFound) {
			return "nothing here", nil
		}
		return v, err
	}
	want(t, "page", mustGet(t, pages, "p", page), "nothing here")
	mustGet(t, pages, "p", never)
	tb.set(5, "five")
	c.Invalidate([]Change{saved(5)}, nil)
	want(t, "article after it was made", mustGet(t, articles, "5", tb.loadArticle(5)), "five")
	want(t, "page after it was made", mustGet(t, pages, "p", page), "five")
	if s := statsOf(c, "article"); s.Negative != 0 || s.Entries != 1 {
		t.Errorf("negative %d, entries %d; want 0, 1", s.Negative, s.Entries)
	}
}

func TestGuard20_MadeUpAddressesDoNotPushOutValues(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := NewRegion(c, RegionOptions{Name: "article", MaxBytes: 256 << 10}, sizeOf)
	for i := range 100 {
		mustGet(t, r, fmt.Sprint("real", i), value("v", thing(int64(i+1))))
	}
	for i := range 5000 {
		_, err := r.Get(context.Background(), fmt.Sprint("guess", i), func(_ context.Context, l *Load) (string, error) {
			l.Scope("article", 7)
			return "", stoa.NotFound("article", i)
		})
		if !stoa.Is(err, stoa.KindNotFound) {
			t.Fatal(err)
		}
	}
	s := statsOf(c, "article")
	if s.Entries != 100 || s.Negative == 0 || s.Negative > 100 || s.Bytes > s.MaxBytes {
		t.Errorf("entries %d, negative %d, bytes %d of %d", s.Entries, s.Negative, s.Bytes, s.MaxBytes)
	}
}

func TestGuard20_AbsenceWithoutScopeIsNotRemembered(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := newRegion(c, "article")
	loads := 0
	for range 2 {
		_, err := r.Get(context.Background(), "x", func(context.Context, *Load) (string, error) {
			loads++
			return "", stoa.NotFound("article", "x")
		})
		if !stoa.Is(err, stoa.KindNotFound) {
			t.Fatal(err)
		}
	}
	if s := statsOf(c, "article"); loads != 2 || s.Undeclared != 2 || s.Negative != 0 {
		t.Errorf("loads %d, undeclared %d, negative %d; want 2, 2, 0", loads, s.Undeclared, s.Negative)
	}
}

func TestGuard20_ManyTagsBecomeOneAndStillDrop(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := newRegion(c, "page")
	load := func(_ context.Context, l *Load) (string, error) {
		for i := range 200 {
			l.Thing("article", stoa.ID(i+1))
		}
		l.Scope("article", 7)
		l.Thing("user", 3)
		return "v", nil
	}
	for _, ch := range []Change{saved(1), saved(150), saved(200), {Kind: "user", ID: 3}, {Kind: "article", ID: 999, Scope: 7}} {
		mustGet(t, r, "p", load)
		mustGet(t, r, "p", never)
		c.Invalidate([]Change{ch}, nil)
		if _, _, ok := r.Peek("p"); ok {
			t.Errorf("change %+v did not drop a page with more than %d tags", ch, maxTags)
		}
	}
	mustGet(t, r, "p", load)
	c.Invalidate([]Change{{Kind: "user", ID: 4, Scope: 9}}, nil)
	mustGet(t, r, "p", never)
}

func TestGuard21_ExpiryInherits(t *testing.T) {
	t.Parallel()
	c, w := newSimulated(t, nil)
	parts, pages, sites := newRegion(c, "part"), newRegion(c, "page"), newRegion(c, "site")
	part := func(_ context.Context, l *Load) (string, error) {
		l.Thing("event", 1)
		l.ExpiresIn(time.Minute)
		l.ExpiresIn(time.Hour)
		return "today", nil
	}
	page := func(ctx context.Context, l *Load) (string, error) {
		l.Thing("page", 1)
		return parts.Get(ctx, "x", part)
	}
	site := func(ctx context.Context, l *Load) (string, error) { return pages.Get(ctx, "p", page) }
	mustGet(t, parts, "x", part)
	w.pass(40 * time.Second)
	mustGet(t, sites, "s", site) // the part was in memory, the page was loaded
	w.pass(19 * time.Second)
	for _, r := range []*Region[string]{parts, sites} {
		if _, _, ok := r.Peek(map[*Region[string]]string{parts: "x", sites: "s"}[r]); !ok {
			t.Error("expired a second early")
		}
	}
	w.pass(time.Second)
	if _, _, ok := parts.Peek("x"); ok {
		t.Error("the part outlived its expiry")
	}
	if _, _, ok := pages.Peek("p"); ok {
		t.Error("the page outlived the expiry of its part")
	}
	if _, _, ok := sites.Peek("s"); ok {
		t.Error("the site outlived the expiry of a part of its page")
	}
	want(t, "after expiry", mustGet(t, sites, "s", site), "today")
	if _, _, ok := sites.Peek("s"); !ok {
		t.Error("not stored again after expiry")
	}
}

func TestGuard21_NoStoreInherits(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	parts, pages := newRegion(c, "part"), newRegion(c, "page")
	for name, part := range map[string]func(context.Context, *Load) (string, error){
		"declared":   func(_ context.Context, l *Load) (string, error) { l.NoStore(); return "v", nil },
		"expired":    func(_ context.Context, l *Load) (string, error) { l.ExpiresIn(0); return "v", nil },
		"undeclared": func(context.Context, *Load) (string, error) { return "v", nil },
		"no kind":    func(_ context.Context, l *Load) (string, error) { l.Thing("", 1); l.Thing("a", 1); return "v", nil },
		"failed":     func(_ context.Context, l *Load) (string, error) { l.Thing("a", 1); return "", errors.New("broken") },
	} {
		mustGet(t, pages, name, func(ctx context.Context, l *Load) (string, error) {
			l.Thing("page", 1)
			if v, err := parts.Get(ctx, name, part); err == nil {
				return v, nil
			}
			return "placeholder", nil
		})
		if _, _, ok := parts.Peek(name); ok {
			t.Errorf("%s: the part was stored", name)
		}
		if _, _, ok := pages.Peek(name); ok {
			t.Errorf("%s: the page was stored", name)
		}
	}
}

func TestMaxAge_BoundsAValueWithAllItsParts(t *testing.T) {
	t.Parallel()
	c, w := newSimulated(t, nil)
	parts, pages := newRegion(c, "part"), newRegion(c, "page")
	mustGet(t, parts, "x", value("v", thing(1)))
	w.pass(50 * time.Minute)
	mustGet(t, pages, "p", func(ctx context.Context, l *Load) (string, error) { return parts.Get(ctx, "x", never) })
	w.pass(10 * time.Minute)
	if _, _, ok := pages.Peek("p"); ok {
		t.Error("a page holds a part that is older than the last-resort age")
	}
}

func TestInvalidate_ReachesTheRightTags(t *testing.T) {
	t.Parallel()
	all := []Tag{{Kind: "article", ID: 42}, {Kind: "article", ID: 43}, {Kind: "article", Scope: 7}, {Kind: "article", Scope: 8}, {Kind: "article"}, {Kind: "*"}, {Kind: "user", ID: 42}, {Kind: "user", Scope: 7}}
	for _, tc := range []struct {
		change Change
		drops  string
	}{
		{Change{Kind: "article", ID: 42, Scope: 7}, "article:42 article@7 article@* *"},
		{Change{Kind: "article", ID: 42, Scope: 0}, "article:42 article@7 article@8 article@* *"},
		{Change{Kind: "article", ID: 0, Scope: 7}, "article:42 article:43 article@7 article@* *"},
		{Change{Kind: "article", ID: 0, Scope: 0}, "article:42 article:43 article@7 article@8 article@* *"},
		{Change{Kind: "poll", ID: 1, Scope: 7}, "*"},
		{Change{Kind: "*", ID: 0, Scope: 0}, "article:42 article:43 article@7 article@8 article@* * user:42 user@7"},
		{Change{Kind: "", ID: 5, Scope: 0}, "article:42 article:43 article@7 article@8 article@* * user:42 user@7"},
	} {
		c, _ := newSimulated(t, nil)
		r := newRegion(c, "r")
		for _, tag := range all {
			mustGet(t, r, tag.String(), value("v", tag))
		}
		c.Invalidate([]Change{tc.change}, nil)
		dropped, refused := "", ""
		for _, tag := range all {
			if _, _, ok := r.Peek(tag.String()); !ok {
				dropped += " " + tag.String()
			}
		}
		// The same is asked of a load in flight: what would have been dropped is not stored.
		for _, tag := range all {
			c2, _ := newSimulated(t, nil)
			one := newRegion(c2, "one")
			mustGet(t, one, "k", func(_ context.Context, l *Load) (string, error) {
				l.tag(tag)
				c2.Invalidate([]Change{tc.change}, nil)
				return "v", nil
			})
			if _, _, ok := one.Peek("k"); !ok {
				refused += " " + tag.String()
			}
		}
		want(t, fmt.Sprintf("dropped by %+v", tc.change), dropped, " "+tc.drops)
		want(t, fmt.Sprintf("refused by %+v", tc.change), refused, " "+tc.drops)
	}
}

func TestInvalidate_MarksWhenAllIsDropped(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := newRegion(c, "article")
	mustGet(t, r, "1", value("v", thing(1)))
	marked := false
	c.Invalidate([]Change{saved(1)}, func() {
		marked = true
		if _, _, ok := r.Peek("1"); ok || c.finished.Load() != 1 {
			t.Error("marked before the change was finished")
		}
	})
	c.Invalidate(nil, func() { marked = marked && true })
	if !marked {
		t.Error("mark was not called")
	}
}

func TestRing_WrapRefuses(t *testing.T) {
	t.Parallel()
	for _, n := range []int{15, 16, 17, 40} {
		c, _ := newSimulated(t, func(o *Options) { o.RingSize = 16 })
		r := newRegion(c, "r")
		mustGet(t, r, "k", func(_ context.Context, l *Load) (string, error) {
			l.Thing("article", 1)
			for i := range n {
				c.Invalidate([]Change{{Kind: "user", ID: int64(i + 1), Scope: 1}}, nil)
			}
			return "v", nil
		})
		_, _, ok := r.Peek("k")
		if wantStored := n <= 16; ok != wantStored {
			t.Errorf("%d changes during a load, ring of 16: stored %v, want %v", n, ok, wantStored)
		}
	}
}

func TestRing_ForgetsAndRemembersExactly(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, func(o *Options) { o.RingSize = 16 })
	for i := range 1000 {
		c.Invalidate([]Change{{Kind: "a", ID: int64(i + 1), Scope: int64(i%5 + 1)}}, nil)
	}
	k := c.index.kinds["a"]
	if len(k.things) != 16 || len(k.scopes) != 5 {
		t.Errorf("the ring of 16 remembers %d things and %d scopes, want 16 and 5", len(k.things), len(k.scopes))
	}
	if !c.index.touched(990, []Tag{{Kind: "a", ID: 991}}) || c.index.touched(991, []Tag{{Kind: "a", ID: 991}}) {
		t.Error("the number of a change within the ring is wrong")
	}
}

func TestRing_SecondChangeOfAThingOutlivesTheFirst(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, func(o *Options) { o.RingSize = 4 })
	other := []Change{{Kind: "user", ID: 1, Scope: 1}}
	c.Invalidate([]Change{saved(1)}, nil)
	c.Invalidate([]Change{saved(1)}, nil)
	c.Invalidate(other, nil)
	c.Invalidate(other, nil)
	c.Invalidate(other, nil) // takes the place of the first change in the ring
	if !c.index.touched(1, []Tag{thing(1)}) || !c.index.touched(1, []Tag{scope(7)}) {
		t.Error("forgetting the first change of a thing has forgotten the second")
	}
}

func TestGet_FindsWhatWasStoredWhileItLooked(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := newRegion(c, "article")
	first := true
	clock := c.o.Clock
	c.o.Clock = func() time.Duration {
		if first {
			first = false
			mustGet(t, r, "1", value("v", thing(1)))
		}
		return clock()
	}
	want(t, "the second caller", mustGet(t, r, "1", never), "v")
}
