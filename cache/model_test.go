package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pause gives other goroutines a chance to come between.
func pause() {
	for range rand.IntN(4) {
		runtime.Gosched()
	}
}

// TestModel_NothingStaleForEver is the race of two regions, one page made from one article, and one
// write, with yields wherever something could come between. After each round all is quiet: what is
// older than the database then would be so for ever. The writer must see its own value at once.
func TestModel_NothingStaleForEver(t *testing.T) {
	t.Parallel()
	rounds := 10_000
	if testing.Short() {
		rounds = 2_000
	}
	c, _ := newSimulated(t, func(o *Options) { o.RingSize = 64 })
	c.step = func(string) { pause() }
	sizeOfInt := func(int64) int { return 8 }
	articles := NewRegion(c, RegionOptions{Name: "article"}, sizeOfInt)
	pages := NewRegion(c, RegionOptions{Name: "page"}, sizeOfInt)
	stale, own := 0, atomic.Int64{}
	for round := range rounds {
		var db atomic.Int64
		key := fmt.Sprint(round % 3)
		article := func(_ context.Context, l *Load) (int64, error) {
			l.Thing("article", 1)
			v := db.Load()
			pause()
			return v, nil
		}
		page := func(ctx context.Context, l *Load) (int64, error) {
			pause()
			v, err := articles.Get(ctx, key, article)
			pause()
			return v, err
		}
		read := func(whole bool) int64 {
			r, load := articles, article
			if whole {
				r, load = pages, page
			}
			v, err := r.Get(context.Background(), key, load)
			if err != nil {
				t.Error(err)
			}
			return v
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				pause()
				read(i%2 == 0)
				pause()
				read(i%2 == 0)
			})
		}
		wg.Go(func() {
			pause()
			db.Store(1)
			c.Invalidate([]Change{saved(1)}, nil)
			if read(true) != 1 {
				own.Add(1)
			}
		})
		wg.Wait()
		if read(true) != 1 || read(false) != 1 {
			stale++
		}
		c.DropAll("next round")
	}
	if stale != 0 || own.Load() != 0 {
		t.Errorf("of %d rounds: stale for ever %d, the writer saw its own old value %d", rounds, stale, own.Load())
	}
}

// TestStress_ReadersSeeEveryFinishedChange lets readers of pages, lists and articles run against
// writers, evictions, drops of everything, Verify and lapses of the proof, and holds every answer
// against the versions that were finished when its reader arrived.
func TestStress_ReadersSeeEveryFinishedChange(t *testing.T) {
	t.Parallel()
	const articleCount, readers, writers = 20, 6, 2
	perReader := 3_000
	if testing.Short() {
		perReader = 500
	}
	c, w := newSimulated(t, func(o *Options) { o.ReadThroughMax = 64; o.ReadThroughWait = time.Minute })
	w.proof.Store(0)
	c.o.Clock, c.o.Proof = Boottime, func() time.Duration { return time.Duration(w.proof.Load()) }
	// A write is committed and applied under the read lock, so under the write lock all that is
	// committed is applied, and that is when a proof may be dated.
	var committing sync.RWMutex
	type versions = [articleCount]int64
	size := func(versions) int { return 8 * articleCount }
	articles := NewRegion(c, RegionOptions{Name: "article", MaxBytes: 8 << 10}, func(int64) int { return 8 })
	pages := NewRegion(c, RegionOptions{Name: "page", MaxBytes: 4 << 10}, size)
	var db, finished [articleCount]atomic.Int64
	article := func(id int) func(context.Context, *Load) (int64, error) {
		return func(_ context.Context, l *Load) (int64, error) {
			v := db[id].Load()
			l.tag(thing(int64(id + 1)))
			pause()
			return v, nil
		}
	}
	page := func(ctx context.Context, l *Load) (all versions, err error) {
		for id := range all {
			if all[id], err = articles.Get(ctx, fmt.Sprint(id), article(id)); err != nil {
				return all, err
			}
		}
		return all, nil
	}
	stop := make(chan struct{})
	var writing, reading sync.WaitGroup
	verify, endVerify := context.WithCancel(context.Background())
	defer endVerify()
	var checks atomic.Int64
	writing.Go(func() {
		for verify.Err() == nil {
			if checked, _ := c.Verify(verify); checked {
				checks.Add(1)
			}
			pause()
		}
	})
	for n := range writers {
		writing.Go(func() {
			// Each writer has its own articles, so that its versions only rise.
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := rand.IntN(articleCount/writers)*writers + n
				committing.RLock()
				v := db[id].Add(1)
				pause()
				switch i % 50 {
				case 0:
					c.DropAll("stress")
				case 1:
					c.Invalidate([]Change{{Kind: "article"}}, nil)
				default:
					c.Invalidate([]Change{saved(int64(id + 1))}, nil)
				}
				committing.RUnlock()
				finished[id].Store(v)
				if got, err := articles.Get(context.Background(), fmt.Sprint(id), article(id)); err != nil || got < v {
					t.Errorf("the writer of version %d of article %d read %d, %v", v, id, got, err)
				}
				if i%30 < 10 { // a lapse of the proof
					w.proof.Store(0)
				} else {
					committing.Lock()
					w.proof.Store(int64(Boottime()))
					committing.Unlock()
				}
			}
		})
	}
	for n := range readers {
		reading.Go(func() {
			for i := range perReader {
				var minimum versions
				for id := range minimum {
					minimum[id] = finished[id].Load()
				}
				if n%2 == 0 {
					id := i % articleCount
					got, err := articles.Get(context.Background(), fmt.Sprint(id), article(id))
					if err != nil || got < minimum[id] {
						t.Errorf("article %d: version %d, %v; %d was finished before", id, got, err, minimum[id])
					}
					continue
				}
				got, err := pages.Get(context.Background(), fmt.Sprint("page", i%5), page)
				if err != nil {
					t.Error(err)
				}
				for id := range got {
					if got[id] < minimum[id] {
						t.Errorf("page shows version %d of article %d; %d was finished before", got[id], id, minimum[id])
					}
				}
			}
		})
	}
	reading.Wait()
	close(stop)
	endVerify()
	writing.Wait()
	c.Close()
	checkIndex(t, c)
	s := statsOf(c, "article")
	if s.Incoherences != 0 {
		t.Errorf("Verify found %d incoherences", s.Incoherences)
	}
	if checks.Load() == 0 || s.Hits == 0 || s.Invalidations == 0 || s.Evictions == 0 {
		t.Errorf("the stress did not reach all it should: %+v", s)
	}
}

func TestQueue_KeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c, _ := newSimulated(t, nil)
	r := NewRegion(c, RegionOptions{Name: "r", MaxBytes: 64 << 10}, sizeOf)
	for i := range 20 {
		mustGet(t, r, fmt.Sprint("hot", i), value("v", thing(1)))
	}
	for i := range 5_000 {
		mustGet(t, r, fmt.Sprint("once", i), value("v", thing(2)))
		mustGet(t, r, fmt.Sprint("hot", i%20), value("v", thing(1)))
	}
	s := statsOf(c, "r")
	if s.Loads > 5_000+40 || s.Evictions == 0 {
		t.Errorf("a scan pushed out what is used all the time: %d loads, %d evictions", s.Loads, s.Evictions)
	}
	big := make([]byte, 128<<10)
	if v := mustGet(t, r, "big", value(string(big), thing(1))); len(v) != len(big) {
		t.Error("a value too large to store was not returned")
	}
	if s := statsOf(c, "r"); s.TooLarge != 1 {
		t.Errorf("too large: %d, want 1", s.TooLarge)
	}
	checkIndex(t, c)
}

func benchmarkCache(b *testing.B) (*Region[[]byte], []string) {
	var proof atomic.Int64
	proof.Store(int64(Boottime()))
	c, err := New(Options{
		FreshLimit: time.Hour, Proof: func() time.Duration { return time.Duration(proof.Load()) },
		InTransaction: func(ctx context.Context) bool { return ctx.Value(txKey{}) != nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	r := NewRegion(c, RegionOptions{Name: "page"}, func(v []byte) int { return len(v) })
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("example.org/site/page/%d/en", i)
		if _, err := r.Get(context.Background(), keys[i], func(_ context.Context, l *Load) ([]byte, error) {
			l.Thing("page", 1)
			return make([]byte, 2000), nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return r, keys
}

func BenchmarkPeek(b *testing.B) {
	r, keys := benchmarkCache(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, ok := r.Peek(keys[i%len(keys)]); !ok {
				b.Error("miss")
			}
		}
	})
}

func BenchmarkGetHit(b *testing.B) {
	r, keys := benchmarkCache(b)
	load := func(context.Context, *Load) ([]byte, error) { return nil, nil }
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if v, err := r.Get(ctx, keys[i%len(keys)], load); v == nil || err != nil {
				b.Error("miss")
			}
		}
	})
}

func BenchmarkInvalidate(b *testing.B) {
	r, _ := benchmarkCache(b)
	b.ReportAllocs()
	for i := range b.N {
		r.r.cache.Invalidate([]Change{{Kind: "article", ID: int64(i + 1), Scope: int64(i%50 + 1)}}, nil)
	}
}
