package follow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/follow"
)

// once lets fn be called the first time only.
func once(fn func()) func() {
	var o sync.Once
	return func() { o.Do(fn) }
}

// A holder that stands still in the middle of its transaction is taken over, and has no effect when it goes on.
func TestFollow_AFrozenHolderIsTakenOverAndHasNoEffectAfterwards(t *testing.T) {
	t.Parallel()
	worlds(t, servers, func(t *testing.T, w *world) {
		var a *host
		frozen := make(chan struct{})
		f := w.mirror()
		apply := f.Apply
		freeze := once(func() { a.link.Freeze(); close(frozen) })
		slow := f
		slow.Apply = func(ctx context.Context, b follow.Batch) error {
			err := apply(ctx, b)
			freeze() // all of it is written and not committed
			return err
		}
		a = w.join("a", slow)
		w.eventually("a follows", func() bool { s := w.status(a); return s.Here && s.Looking == "" && s.Name != "" })
		b := w.join("b", f)
		w.save(w.d, 1)
		<-frozen
		w.save(w.d, 2)
		w.eventually("b has taken over", w.mirrored)
		a.thaw()
		w.save(w.d, 3)
		w.eventually("b goes on", w.mirrored)
		w.eventually("a knows that it is not it", func() bool {
			list, err := a.Statuses(t.Context())
			return err == nil && !list[0].Here
		})
		if !w.status(b).Here {
			t.Error("b does not run it any more")
		}
		w.judge()
	})
}

// Outside of the database a holder that stood still can act once more; what it acts with bears the same key.
func TestFollow_OutsideARowIsToldAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	worlds(t, servers, func(t *testing.T, w *world) {
		var mu sync.Mutex
		keys := map[string][]string{}
		outside := func(node string, then func()) follow.Follower {
			return follow.Follower{Name: "hook", Kinds: []string{"thing"}, Effect: follow.Outside,
				Apply: func(_ context.Context, b follow.Batch) error {
					mu.Lock()
					for _, c := range b.Changes {
						keys[node] = append(keys[node], c.Key())
					}
					mu.Unlock()
					then()
					return nil
				},
				Rebuild: func(context.Context, follow.Portion) (string, error) { return "", nil },
			}
		}
		told := func(node string) []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(keys[node])
		}
		var a *host
		a = w.join("a", outside("a", func() { a.link.Freeze() })) // told, and not written down
		w.eventually("a follows", func() bool { s := w.status(a); return s.Here && s.Looking == "" && s.Name != "" })
		b := w.join("b", outside("b", func() {}))
		w.save(w.d, 1)
		w.eventually("b was told", func() bool { return len(told("b")) > 0 })
		a.thaw()
		w.save(w.d, 2)
		w.eventually("b was told of the next one", func() bool { return len(told("b")) == 2 })
		if x, y := told("a"), told("b"); len(x) != 1 || x[0] != y[0] || y[0] == y[1] {
			t.Errorf("a was told %q, b %q", x, y)
		}
		w.eventually("nothing is unread", func() bool { return w.status(b).Unread == 0 })
	})
}

// A COMMIT that was not answered happened or not: either way each row takes effect once.
func TestFollow_ALostAnswerToACommitIsNoSecondEffect(t *testing.T) {
	t.Parallel()
	worlds(t, servers, func(t *testing.T, w *world) {
		var a *host
		f := w.mirror()
		apply := f.Apply
		lose := once(func() { a.link.LoseAnswer() })
		f.Apply = func(ctx context.Context, b follow.Batch) error {
			err := apply(ctx, b)
			lose()
			return err
		}
		a = w.join("a", f)
		w.eventually("a follows", func() bool { s := w.status(a); return s.Looking == "" && s.Name != "" })
		w.save(w.d, 1)
		w.eventually("an answer is lost", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return a.d.Check(ctx) != nil
		})
		if !a.link.Mend() {
			t.Fatal("no answer was lost")
		}
		w.save(w.d, 2)
		w.eventually("a goes on", w.mirrored)
		w.eventually("nothing is unread", func() bool { return w.status(a).Unread == 0 })
		w.judge()
	})
}

// A transaction whose COMMIT hung can come through after the place was read again: the one tried instead then waited
// for it, and must not have its effect as well.
func TestFollow_ATransactionThatCommitsLateAndTheOneTriedInsteadExcludeEachOther(t *testing.T) {
	t.Parallel()
	worlds(t, servers, func(t *testing.T, w *world) {
		var a *host
		f := w.mirror()
		apply := f.Apply
		late := once(func() {
			ctx := context.Background()
			place, _, err := a.log.Position(ctx, w.d, "mirror")
			if err != nil {
				t.Error(err)
			}
			read, err := a.log.After(ctx, place, 0, 100)
			if err != nil {
				t.Error(err)
			}
			if err := w.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				r := read.Rows[len(read.Rows)-1]
				key := fmt.Sprintf("mirror-%x-%x-%x", r.Writer, r.N, r.Part)
				_, err := tx.Exec(ctx, "UPDATE follow_follower SET version = version + 1 WHERE name = 'mirror'")
				return errors.Join(err, w.told(ctx, tx, key), w.reflect(ctx, tx, r.ID),
					a.log.Move(ctx, tx, "mirror", place, read.Place))
			}); err != nil {
				t.Error(err)
			}
		})
		f.Apply = func(ctx context.Context, b follow.Batch) error {
			late()
			return apply(ctx, b)
		}
		a = w.join("a", f)
		w.eventually("a follows", func() bool { s := w.status(a); return s.Looking == "" && s.Name != "" })
		w.save(w.d, 1)
		w.eventually("it is done", w.mirrored)
		w.save(w.d, 2)
		w.eventually("a goes on", w.mirrored)
		w.judge()
	})
}

// The database is replaced by one that lacks the newest change: the node that made it names it again, so that one who
// acts outside of the database looks at what is there now.
func TestFollow_WhatANewHistoryLostIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		var mu sync.Mutex
		index := map[stoa.ID]int64{}
		var a *host
		look := func(ctx context.Context, id stoa.ID) error {
			var version int64
			err := a.d.QueryRow(ctx, "SELECT version FROM test_thing WHERE id = ?", id).Scan(&version)
			if err != nil && !db.IsNoRows(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			index[id] = version
			return nil
		}
		ready := make(chan struct{})
		a = w.join("a", follow.Follower{Name: "index", Kinds: []string{"thing"}, Effect: follow.Outside,
			Apply: func(ctx context.Context, b follow.Batch) error {
				<-ready
				for _, c := range b.Changes {
					if err := look(ctx, c.ID); err != nil {
						return err
					}
				}
				return nil
			},
			Rebuild: func(context.Context, follow.Portion) (string, error) { return "", nil },
		})
		close(ready)
		indexed := func(id stoa.ID) int64 {
			mu.Lock()
			defer mu.Unlock()
			return index[id]
		}
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		w.save(a.d, 1)
		w.save(a.d, 2)
		w.eventually("it follows", func() bool { return indexed(1) == 1 && indexed(2) == 1 })
		w.eventually("all is written down", func() bool { return w.status(a).Unread == 0 })
		w.save(a.d, 2)
		w.eventually("it follows", func() bool { return indexed(2) == 2 })
		w.exec("UPDATE test_thing SET version = 1 WHERE id = 2", "DELETE FROM change_log WHERE thing = 2 AND version = 2")
		w.another()
		w.eventually("it looks again at what was lost", func() bool { return indexed(2) == 1 })
		w.save(a.d, 1)
		w.eventually("it follows", func() bool { return indexed(1) == 2 })
	})
}

// Who made what was lost is gone with it, so it cannot be named: the follower that had told it looks at everything
// again.
func TestFollow_WhatWasLostTogetherWithItsNodeIsFoundByALookAtEverything(t *testing.T) {
	t.Parallel()
	worlds(t, []dbtest.Engine{dbtest.SQLite}, func(t *testing.T, w *world) {
		k := &keeper{things: map[stoa.ID]int64{}}
		f := k.follower(w)
		f.Effect, f.Token = follow.Outside, nil
		a := w.join("a", f)
		w.eventually("it has begun", func() bool { s := w.status(a); return s.Name != "" && s.Looking == "" })
		k.why()
		d := w.open(w.address, 0)
		dead, err := change.Open(t.Context(), change.Options{DB: d})
		if err != nil {
			t.Fatal(err)
		}
		w.save(d, 1)
		w.eventually("it follows", func() bool { return k.shows(w) })
		w.save(d, 1)
		w.eventually("it follows", func() bool { return k.shows(w) })
		if err := dead.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.exec("UPDATE test_thing SET version = 1 WHERE id = 1", "DELETE FROM change_log WHERE thing = 1 AND version = 2",
			"UPDATE change_writer SET low = 1")
		w.another()
		w.eventually("it looks at everything", func() bool { return slices.Contains(k.why(), follow.Lost) && k.shows(w) })
	})
}

// keeper is what an OwnPlace follower is: its own store, changed together with the token.
type keeper struct {
	mu      sync.Mutex
	token   []byte
	things  map[stoa.ID]int64
	reasons []follow.Reason
	back    int // times that a version went back
}

func (k *keeper) follower(w *world) follow.Follower {
	look := func(ctx context.Context, into map[stoa.ID]int64, id stoa.ID) error {
		var version int64
		err := w.d.QueryRow(ctx, "SELECT version FROM test_thing WHERE id = ?", id).Scan(&version)
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		into[id] = version
		return nil
	}
	return follow.Follower{Name: "embedded", Kinds: []string{"thing"}, Effect: follow.OwnPlace,
		Apply: func(ctx context.Context, b follow.Batch) error {
			found := map[stoa.ID]int64{}
			for _, c := range b.Changes {
				if err := w.hinder(c); err != nil {
					return err
				}
				if err := look(ctx, found, c.ID); err != nil {
					return err
				}
			}
			k.keep(found, b.Token)
			return nil
		},
		Rebuild: func(ctx context.Context, p follow.Portion) (string, error) {
			k.mu.Lock()
			k.reasons = append(k.reasons, p.Reason)
			k.mu.Unlock()
			all := map[stoa.ID]int64{}
			k.mu.Lock()
			for id := range k.things {
				all[id] = 0 // unless it is there
			}
			k.mu.Unlock()
			for _, x := range w.all("SELECT id, version FROM test_thing") {
				all[x.id] = x.version
			}
			k.keep(all, nil)
			return "", nil
		},
		Token: func(context.Context) ([]byte, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			return k.token, nil
		},
	}
}

func (k *keeper) keep(things map[stoa.ID]int64, token []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, version := range things {
		if version != 0 && version < k.things[id] {
			k.back++
		}
		if k.things[id] = version; version == 0 {
			delete(k.things, id)
		}
	}
	if token != nil {
		k.token = token
	}
}

func (k *keeper) shows(w *world) bool {
	all := w.all("SELECT id, version FROM test_thing")
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(all) == len(k.things) &&
		!slices.ContainsFunc(all, func(x thing) bool { return k.things[x.id] != x.version })
}

func (k *keeper) why() (list []follow.Reason) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list, k.reasons = k.reasons, nil
	return list
}

func TestFollow_OneWithItsOwnPlaceGoesOnThereAndHoldsNothingBack(t *testing.T) {
	t.Parallel()
	worlds(t, dbtest.Engines(), func(t *testing.T, w *world) {
		k, other := &keeper{things: map[stoa.ID]int64{}}, &keeper{things: map[stoa.ID]int64{}}
		a := w.join("a", k.follower(w))
		w.join("b", other.follower(w)) // each node has its own
		for i := range 10 {
			w.save(w.d, key(i+1))
		}
		w.eventually("both follow", func() bool { return k.shows(w) && other.shows(w) })
		done := func() bool { s := w.status(a); return s.Waiting+s.Failed == 0 && s.Name == "embedded@a" }
		w.eventually("all is done", done)
		if got := k.why(); !slices.Equal(got, []follow.Reason{follow.Begun}) {
			t.Errorf("it looked at everything because of %q", got)
		}
		a.Stop()
		w.save(w.d, 11)
		if err := w.edit(w.d, 3, true); err != nil {
			t.Fatal(err)
		}
		a.start(k.follower(w))
		w.eventually("it goes on", func() bool { return k.shows(w) && done() })
		if got := k.why(); len(got) > 0 {
			t.Errorf("it was rebuilt because of %q when it was started again", got)
		}
		w.mu.Lock()
		w.poison[5] = errors.New("no")
		w.mu.Unlock()
		w.save(w.d, 5)
		w.save(w.d, 6)
		w.eventually("both have given up", func() bool {
			return w.one("SELECT COUNT(*) FROM follow_task WHERE failed = ?", true) == 2
		})
		w.mu.Lock()
		clear(w.poison)
		w.mu.Unlock()
		for _, name := range []string{"embedded@a", "embedded@b"} { // by either node
			if err := a.Retry(operator, follow.Item{Follower: name}); err != nil {
				t.Fatal(err)
			}
		}
		w.eventually("it is done at last", func() bool { return k.shows(w) && done() })
		w.eventually("the other one is as far", func() bool { return other.shows(w) })

		a.Stop()
		w.save(w.d, 12)
		w.published()
		if n := w.prune(2 * time.Hour); n == 0 {
			t.Error("it holds the log back")
		}
		a.start(k.follower(w))
		w.eventually("it is rebuilt", func() bool { return k.shows(w) && done() })
		if got := k.why(); !slices.Contains(got, follow.Behind) {
			t.Errorf("it looked at everything because of %q, want that it is behind", got)
		}

		for what, spoil := range map[string]func(){
			"a lost store": func() { k.things, k.token = map[stoa.ID]int64{}, nil },
			"nonsense":     func() { k.token = []byte("?") },
			"the place of another database": func() {
				var o map[string]any
				_ = json.Unmarshal(k.token, &o)
				o["History"] = "another"
				k.token, _ = json.Marshal(o)
			},
		} {
			a.Stop()
			k.why()
			k.mu.Lock()
			spoil()
			k.mu.Unlock()
			a.start(k.follower(w))
			w.eventually("it is rebuilt after "+what, func() bool { return k.shows(w) && done() })
			w.eventually("it says why", func() bool { return slices.Contains(k.why(), follow.Replaced) })
		}
	})
}
