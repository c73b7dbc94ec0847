package follow_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/follow"
)

// seed replays the decisions of a random life; what the machine does between them is not replayed.
var (
	seed   = flag.Uint64("seed", 0, "of the random lives; 0 = one by the clock")
	gently = flag.Bool("gently", false, "nothing makes the follower of a random life look at everything again")
)

// Editors change and delete things on three nodes while nodes freeze, lose answers, are cut off and go on, things are
// poisoned and healed, the other side is away and back, the log is pruned and scopes are told. In the end the mirror
// shows what there is; no thing ever went back, and no row took effect twice.
func TestFollow_RandomLives(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		s := *seed
		if s == 0 {
			s = uint64(time.Now().UnixNano())
			if *gently {
				s &^= 1
			}
		}
		t.Logf("-seed %d", s)
		// In every second life nothing makes it look at everything again, which would hide what was left out.
		gentle := s%2 == 0
		var gaps atomic.Int64
		f := w.mirror()
		var hosts []*host
		looks := map[follow.Reason]int{}
		portion := f.Rebuild
		f.Rebuild = func(ctx context.Context, p follow.Portion) (string, error) {
			w.mu.Lock()
			looks[p.Reason]++
			w.mu.Unlock()
			return portion(ctx, p)
		}
		small := func(o *follow.Options) { o.Batch, o.Tries = 7, 3 }
		var keepers []*keeper // each node has one besides
		also := func(i int) {
			if err := hosts[i].Add(keepers[i].follower(w)); err != nil {
				t.Fatal(err)
			}
		}
		for i, id := range []string{"a", "b", "c"} {
			hosts, keepers = append(hosts, w.join(id, f, small)), append(keepers, &keeper{things: map[stoa.ID]int64{}})
			also(i)
		}
		const things = 40
		var stop atomic.Bool
		var editors sync.WaitGroup
		w.eventually("it has begun", func() bool { s := w.status(hosts[0]); return s.Name != "" && s.Looking == "" })
		locks := make([]sync.Mutex, things+1)
		for i := range 3 {
			r := rand.New(rand.NewPCG(s, uint64(i)))
			editors.Go(func() {
				for !stop.Load() {
					id := r.IntN(things) + 1
					locks[id].Lock() // so that the test knows the order of versions
					err := w.edit(hosts[i].d, key(id), r.IntN(5) == 0)
					if err != nil && !stoa.Is(err, stoa.KindUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("edit %d: %v", id, err)
					}
					locks[id].Unlock()
					pause(time.Duration(r.IntN(20)) * time.Millisecond)
				}
			})
		}
		r := rand.New(rand.NewPCG(s, 99))
		until := time.Now().Add(8 * time.Second)
		for time.Now().Before(until) {
			i := r.IntN(len(hosts))
			h := hosts[i]
			switch r.IntN(10) {
			case 0, 1:
				if h.link != nil {
					h.link.Freeze()
					pause(time.Duration(r.IntN(4000)) * time.Millisecond)
					h.link.Thaw()
				}
			case 2:
				if h.link != nil {
					h.link.LoseAnswer()
					pause(time.Duration(r.IntN(300)) * time.Millisecond)
					h.link.Mend()
				}
			case 3:
				h.Stop()
				h.start(f, small)
				also(i)
			case 4:
				w.mu.Lock()
				w.poison[key(r.IntN(things)+1)] = errors.New("poisoned")
				w.mu.Unlock()
			case 5:
				w.mu.Lock()
				clear(w.poison)
				w.mu.Unlock()
			case 6:
				w.mu.Lock()
				if w.away = nil; r.IntN(2) == 0 {
					w.away = stoa.Unavailable(nil, "away")
				}
				w.mu.Unlock()
			case 7:
				later := []time.Duration{0, 2 * time.Hour, 2 * time.Hour, 8 * 24 * time.Hour}[r.IntN(4)]
				if gentle {
					later = min(later, 2*time.Hour)
				}
				gaps.Add(w.prune(later))
			case 8:
				if gentle {
					continue
				}
				_ = w.d.Write(context.Background(), func(_ context.Context, tx *db.Tx) error {
					tx.Changed([]string{"thing", "*"}[r.IntN(2)], 0, 0, 0)
					return nil
				})
			case 9:
				_ = w.d.Write(context.Background(), func(_ context.Context, tx *db.Tx) error {
					tx.Changed("thing", 1, 7, 0)
					tx.Fence(func(context.Context, *db.Tx) error { return errors.New("rolled back after it has a number") })
					return nil
				})
			}
			pause(time.Duration(r.IntN(200)) * time.Millisecond)
		}
		stop.Store(true)
		for _, h := range hosts {
			h.thaw()
		}
		editors.Wait()
		w.mu.Lock()
		clear(w.poison)
		w.away = nil
		w.mu.Unlock()
		w.eventually("what failed is tried again", func() bool {
			for _, name := range []string{"mirror", "embedded@a", "embedded@b", "embedded@c"} {
				if err := hosts[0].Retry(operator, follow.Item{Follower: name}); !stoa.Is(err, stoa.KindNotFound) {
					return false
				}
			}
			return w.one("SELECT COUNT(*) FROM follow_task") == 0
		})
		w.eventually("the mirror shows all there is", w.mirrored)
		for i, k := range keepers {
			w.eventually("what node "+hosts[i].node.ID()+" keeps shows all there is", func() bool { return k.shows(w) })
			if k.back > 0 {
				t.Errorf("%d times a thing went back on node %s", k.back, hosts[i].node.ID())
			}
		}
		w.judge()
		if gentle && (looks[follow.Behind]+looks[follow.Told]+looks[follow.Replaced] > 0) {
			t.Errorf("it looked at everything again without a reason: %v", looks)
		}
		t.Logf("%d effects, %d rows pruned, %d rows told once", w.one("SELECT COUNT(*) FROM test_effect"), gaps.Load(),
			w.one("SELECT COUNT(*) FROM test_told"))
	})
}

func pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
