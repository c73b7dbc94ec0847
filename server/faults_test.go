package server_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster/clustertest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/labtest/history"
	"github.com/stoa-portal/stoa/server/servertest"
)

// witness writes down what editors and visitors of a group do and see.
type witness struct {
	t     *testing.T
	nodes []*servertest.Node
	began time.Time

	mu  sync.Mutex
	ops []history.Op
}

func (w *witness) note(o history.Op, sent time.Time) {
	o.Sent, o.Done = sent.Sub(w.began), time.Since(w.began)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ops = append(w.ops, o)
}

func article(i int) string { return fmt.Sprint("count-", i) }

// edit saves and publishes ever higher numbers in one article, on one node after the other, until ctx ends.
func (w *witness) edit(ctx context.Context, i int, id stoa.ID) {
	for value := int64(1); ctx.Err() == nil; value++ {
		n := w.nodes[(int(value)+i)%len(w.nodes)]
		sent := time.Now()
		me := fmt.Sprint("editor ", i)
		o := history.Op{Kind: history.Write, Key: article(i), Value: value, Node: n.URL, Session: me, Outcome: history.OK}
		if err := save(n, id, value); err != nil {
			// Something of it may have happened, and it does not matter what.
			o.Outcome, o.Note = history.Unknown, err.Error()
		}
		w.note(o, sent)
		if o.Outcome == history.OK {
			w.look(n, i, me, false) // and sees it at once on the same node
		}
		pause(ctx, 30*time.Millisecond)
	}
}

func save(n *servertest.Node, id stoa.ID, value int64) error {
	ctx := servertest.System()
	now, err := n.Content.Get(ctx, id)
	if err != nil {
		return err
	}
	d := content.Draft{Slug: now.Slug, Kind: now.Kind, Text: map[stoa.Locale]content.Text{}}
	for l := range now.Text {
		d.Text[l] = content.Text{Title: "Count", Body: fmt.Sprintf("<p>Count %d.</p>", value)}
	}
	saved, err := n.Content.Save(ctx, id, d, now.Version)
	if err == nil {
		_, err = n.Content.Publish(ctx, id, saved.Version, time.Time{})
	}
	return err
}

var counted = regexp.MustCompile(`Count ([0-9]+)\.`)

// look asks a node for an article.
func (w *witness) look(n *servertest.Node, i int, session string, last bool) {
	sent := time.Now()
	o := history.Op{Kind: history.Read, Key: article(i), Node: n.URL, Session: session, Outcome: history.Failed, Last: last}
	a := n.Get(w.t, "/w/"+article(i))
	if m := counted.FindStringSubmatch(a.Body); a.Status == http.StatusOK && m != nil {
		o.Value, _ = strconv.ParseInt(m[1], 10, 64)
		o.Stale, _ = strconv.Atoi(a.Header.Get("Stoa-Stale"))
		o.Outcome = history.OK
	}
	w.note(o, sent)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func TestFaults_NoRequestSeesWhatWasReplacedLongerAgoThanPromised(t *testing.T) {
	const articles = 3
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel() // each takes ten seconds, most of which it waits
			g := servertest.NewGroup(t, e)
			g.Breakable = true
			w := &witness{t: t, began: time.Now()}
			for range 3 {
				w.nodes = append(w.nodes, g.Join(nil))
			}
			a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
			a.SignIn(t)
			var ids []stoa.ID
			for i := range articles {
				ids = append(ids, a.Publish(t, article(i), "Count", "<p>Count 0.</p>"))
			}
			for i, n := range w.nodes {
				n.Poll(t)
				w.nodes[i] = n.Guest(t)
			}
			editing, stopEditing := context.WithCancel(t.Context())
			visiting, stopVisiting := context.WithCancel(t.Context())
			var editors, visitors sync.WaitGroup
			for i, id := range ids {
				editors.Go(func() { w.edit(editing, i, id) })
			}
			for _, n := range w.nodes {
				visitors.Go(func() {
					for i := 0; visiting.Err() == nil; i++ {
						w.look(n, i%articles, "", false)
						pause(visiting, 5*time.Millisecond)
					}
				})
			}

			g.Faults(clustertest.Faults{Drop: 0.3, Duplicate: 0.3, Delay: 300 * time.Millisecond})
			pause(t.Context(), time.Second)
			g.Partition([]*servertest.Node{a}, []*servertest.Node{b, c})
			pause(t.Context(), time.Second)
			g.Heal()
			g.Freeze(b)
			pause(t.Context(), 3500*time.Millisecond) // so it is declared dead
			g.Thaw(b)
			g.Faults(clustertest.Faults{Drop: 1})
			g.Cut(c)
			pause(t.Context(), 2*time.Second)
			g.Thaw(c)
			pause(t.Context(), time.Second)
			g.Faults(clustertest.Faults{})
			eventually(t, "more than three versions of each article are seen", func() bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				for i := range articles {
					if !slices.ContainsFunc(w.ops, func(o history.Op) bool {
						return o.Kind == history.Read && o.Key == article(i) && o.Value > 3
					}) {
						return false
					}
				}
				return true
			})

			stopEditing()
			editors.Wait()
			for _, n := range w.nodes {
				n.Poll(t)
			}
			stopVisiting()
			visitors.Wait()
			for _, n := range w.nodes {
				for i := range articles {
					w.look(n, i, "", true)
				}
			}
			r := history.Judge(w.ops, history.Rules{Bound: change.Bound, Grace: 5 * time.Minute, Slack: change.Bound})
			t.Log(r)
			if len(r.Violations) > 0 {
				t.Fail()
			}
			// Without a proof, b had to wait for the database, or to show a copy as what it is.
			waited := slices.ContainsFunc(w.ops, func(o history.Op) bool {
				return o.Node == b.URL && o.Kind == history.Read && (o.Stale > 0 || o.Outcome != history.OK || o.Done-o.Sent > 200*time.Millisecond)
			})
			if r.Own == 0 || e != dbtest.SQLite && !waited {
				t.Errorf("%d reads by those who had saved; a node that was cut off felt it: %v: nothing was tested", r.Own, waited)
			}
		})
	}
}
