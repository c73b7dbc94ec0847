package job

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// The moments at which the node that has a fire time in hand dies.
const (
	firing      = "in the transaction that fires"
	fired       = "after it has fired"
	claimed     = "after it has claimed"
	working     = "before its transaction"
	writing     = "in its transaction"
	written     = "after its transaction"
	nothingDies = ""
)

// mortal is a node that can die.
type mortal struct {
	*Service
	db     *db.DB
	crew   *crew
	other  *db.DB // through which its sessions are ended
	when   string
	starts *atomic.Int32
}

// die ends the node as kill -9 does: its sessions are cut, and nothing that it does later reaches another node.
func (m *mortal) die() {
	_ = m.db.Close()
	m.cancel()
	m.crew.kill(m.o.Leader.Writer())
}

// cut ends the session of a transaction from outside.
func (m *mortal) cut(ctx context.Context, tx *db.Tx) error {
	ask, kill := "", ""
	switch tx.Dialect() {
	case db.Postgres:
		ask, kill = "SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%d)"
	case db.MySQL:
		ask, kill = "SELECT CONNECTION_ID()", "KILL %d"
	default:
		return nil // the end of the context rolls it back
	}
	var id int64
	if err := tx.QueryRow(ctx, ask).Scan(&id); err != nil {
		return err
	}
	return m.other.Control(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		_, err := tx.Exec(context.WithoutCancel(ctx), fmt.Sprintf(kill, id))
		return err
	})
}

func (m *mortal) run(ctx context.Context, run Run) error {
	m.starts.Add(1)
	switch m.when {
	case claimed:
		m.die()
		return errors.New("dead")
	case working:
		m.die()
	case written:
		defer m.die()
	}
	return run.Commit(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := effect(run)(ctx, tx); err != nil || m.when != writing {
			return err
		}
		err := m.cut(ctx, tx)
		m.die()
		return err
	})
}

// act lets the node do its part at the fire time, up to its death.
func (m *mortal) act(t *testing.T) {
	t.Helper()
	now, err := m.now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	switch m.when {
	case firing:
		list, err := db.All(t.Context(), m.db, scanScheduled, "SELECT name, next_fire, last_fire, version FROM job_schedule")
		if err != nil {
			t.Fatal(err)
		}
		boom := errors.New("dead")
		err = m.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for _, d := range list {
				if r := m.find(d.name); r != nil && !d.next.After(now) {
					if err := m.fireOne(ctx, tx, r, d, true, r.schedule.Next(now)); err != nil {
						return err
					}
				}
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		m.die()
	case fired:
		if err := m.fire(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		m.die()
	default:
		ready := true
		_ = m.round(m.life, &ready) // fails when the node dies in it
		m.wg.Wait()
	}
}

func TestOnce_TakesEffectOnceWhateverDies(t *testing.T) {
	t.Parallel()
	deaths := []string{firing, fired, claimed, working, writing, written}
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			address := dbtest.URL(t, e)
			handle := func() *db.DB {
				t.Helper()
				d, err := db.Open(t.Context(), db.Options{URL: address, MaxConns: 4, MinIdle: 1})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = d.Close() })
				if err := d.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				return d
			}
			look := handle()
			for i, first := range deaths {
				for k, second := range deaths {
					name := fmt.Sprintf("job-%d-%d", i, k)
					c, crew, starts := newClock(), &crew{}, &atomic.Int32{}
					var nodes []*mortal
					for w, when := range []string{first, second, nothingDies} {
						m := &mortal{db: handle(), crew: crew, other: look, when: when, starts: starts}
						m.Service = newService(t, m.db, c, member{crew, int64(w + 1)}, Job{Name: name, Kind: Once, Schedule: "@every 1m", Run: m.run})
						nodes = append(nodes, m)
					}
					round(t, nodes[2].Service)
					c.add(time.Minute)
					for _, m := range nodes {
						m.act(t)
					}
					step(t, nodes[2].Service)
					token := fmt.Sprintf("%s-%d", name, c.now().UnixMicro())
					if n := effects(t, look)[token]; n != 1 {
						t.Errorf("one node dies %s, the next %s: took effect %d times", first, second, n)
					}
					list := records(t, nodes[2].Service, name)
					if len(list) != 1 || list[0].State != Done || list[0].Attempt != int(starts.Load()) {
						t.Errorf("one node dies %s, the next %s: %d starts, runs %+v", first, second, starts.Load(), list)
					}
				}
			}
		})
	}
}

// A node that is only frozen is taken for dead in the middle of its transaction, and wakes up while the
// next one is at work.
func TestOnce_FrozenInItsTransactionLosesIt(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			handles, c, alive := dbtest.Nodes(t, e, 2), newClock(), &crew{}
			begun, wake, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			frozen := newService(t, handles[0], c, member{alive, 1}, Job{Name: "a", Kind: Once, Schedule: "@every 1m", Run: func(ctx context.Context, run Run) error {
				err := run.Commit(ctx, func(ctx context.Context, tx *db.Tx) error {
					if err := effect(run)(ctx, tx); err != nil {
						return err
					}
					close(begun)
					<-wake
					return nil
				})
				ended <- err
				return err
			}})
			other := newService(t, handles[1], c, member{alive, 2}, Job{Name: "a", Kind: Once, Schedule: "@every 1m", Run: func(ctx context.Context, run Run) error {
				close(wake)
				if err := <-ended; !errors.Is(err, ErrLost) {
					t.Errorf("the late commit gave %v, want ErrLost", err)
				}
				return run.Commit(ctx, effect(run))
			}})
			step(t, other)
			c.add(time.Minute)
			round(t, frozen)
			wait(t, begun, "the transaction")
			alive.kill(1)
			step(t, other)
			frozen.wg.Wait()
			got := effects(t, handles[1])
			if list := records(t, other, "a"); len(got) != 1 || len(list) != 1 || list[0].State != Done || list[0].Node != "node-2" {
				t.Fatalf("effects %v, runs %+v", got, list)
			}
			for token, n := range got {
				if n != 1 {
					t.Errorf("%s took effect %d times", token, n)
				}
			}
		})
	}
}

func TestAtMostOnce_IsNotBegunAgain(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles, c, alive, starts := dbtest.Nodes(t, e, 2), newClock(), &crew{}, 0
			begun, end := make(chan struct{}), make(chan struct{})
			first := newService(t, handles[0], c, member{alive, 1}, Job{Name: "a", Kind: Once, Schedule: "@every 1m", AtMostOnce: true, Run: func(context.Context, Run) error {
				close(begun)
				<-end
				return nil
			}})
			second := newService(t, handles[1], c, member{alive, 2}, Job{Name: "a", Kind: Once, Schedule: "@every 1m", AtMostOnce: true, Run: func(context.Context, Run) error {
				starts++
				return errors.New("no luck")
			}})
			step(t, second)
			c.add(time.Minute)
			round(t, first)
			wait(t, begun, "the first run")
			alive.kill(1)
			step(t, second)
			step(t, second)
			close(end)
			first.wg.Wait()
			if list := records(t, second, "a"); starts != 0 || len(list) != 1 || list[0].State != Failed || list[0].Node != "node-1" {
				t.Fatalf("%d starts, runs %+v", starts, list)
			}
			c.add(time.Minute)
			for range 3 {
				step(t, second)
				c.add(10 * time.Second)
			}
			if starts != 1 {
				t.Fatalf("what failed was begun %d times", starts)
			}
		})
	}
}
