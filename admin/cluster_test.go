package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
)

// nodes is a cluster that a test makes up.
type nodes struct {
	mu       sync.Mutex
	asked    cluster.Asked
	open     map[string]bool // nodes that do not confirm
	patience []time.Duration
	did      []string
	fail     error
	away     bool
}

func newNodes() *nodes {
	n := &nodes{open: map[string]bool{}}
	n.set(1, nil)
	return n
}

// set makes n nodes that are well; change may spoil them.
func (n *nodes) set(count int, change func(a *cluster.Asked)) {
	a := cluster.Asked{Master: 1, Link: "inside", Database: "postgres://db.example:5432/stoa"}
	for w := int64(1); w <= int64(count); w++ {
		m := cluster.Member{Writer: w, Node: fmt.Sprint("id-", w), Name: fmt.Sprint("node-", w), Host: fmt.Sprint("host-", w), Address: fmt.Sprintf("10.0.0.%d:7800", w), Version: "1.0", State: "up", Live: true, Self: w == 1}
		r := cluster.Report{HTTP: fmt.Sprintf("host-%d:8080", w), Uptime: 3*time.Hour + 5*time.Minute, ProofAge: 120 * time.Millisecond, Jobs: true, LogLevel: "info", HintsSent: 12345, Heads: map[string]uint64{}}
		for o := int64(1); o <= int64(count); o++ {
			if o != w {
				r.Latencies = append(r.Latencies, cluster.NodeLatency{Node: fmt.Sprint("node-", o), Writer: fmt.Sprint(o), P50: time.Duration(w*100+o) * time.Microsecond, P99: time.Duration(w*1000+o) * time.Microsecond})
			}
		}
		a.Members, a.Answers = append(a.Members, m), append(a.Answers, cluster.Answer[cluster.Report]{Member: m, Value: r})
	}
	if change != nil {
		change(&a)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = a
}

func (n *nodes) Cluster(ctx context.Context) (cluster.Status, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if end, ok := ctx.Deadline(); ok {
		n.patience = append(n.patience, time.Until(end))
	}
	if n.away {
		return cluster.Status{}, stoa.Unavailable(nil, "the portal is away")
	}
	return cluster.NewStatus(n.asked), nil
}

func (n *nodes) EmptyCaches(context.Context) (change.Position, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.did = append(n.did, "empty")
	return change.Position{Writer: 7, N: 42}, nil
}

func (n *nodes) Emptied(_ context.Context, p change.Position) ([]cluster.Answer[bool], error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p != (change.Position{Writer: 7, N: 42}) {
		return nil, stoa.NotFound("order", p.N)
	}
	var out []cluster.Answer[bool]
	for _, m := range n.asked.Members {
		if !m.Live {
			continue
		}
		a := cluster.Answer[bool]{Member: m, Value: true}
		if n.open[m.Name] {
			a.Err = stoa.Unavailable(nil, "the node %s did not answer", m.Name)
		}
		out = append(out, a)
	}
	return out, nil
}

func (n *nodes) Forget(_ context.Context, writer int64) error {
	n.did = append(n.did, fmt.Sprint("forget ", writer))
	return n.fail
}

func (n *nodes) Losses(context.Context) ([]cluster.Loss, error) { return nil, nil }

func (n *nodes) ReadEvents(_ context.Context, ids ...stoa.ID) error {
	n.did = append(n.did, fmt.Sprint("read ", ids))
	return n.fail
}

func (n *nodes) SetLogLevel(_ context.Context, writer int64, l slog.Level) error {
	n.did = append(n.did, fmt.Sprint("level ", writer, " ", l))
	return n.fail
}

func TestCluster_OneNodeIsRightAndTellsTheWayToTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.get(w.admin, "/control/cluster")
	w.want("one node", a, http.StatusOK, "Nothing is wrong", "a cluster of one", "node-1", "A second node", "dl.store.file.system.root.dir", "operate/cluster.md", "Enough for one", "Not there yet")
	w.without("one node", a, "How long a hint takes", "Settings that differ", "an SQLite file")
	w.nodes.set(1, func(a *cluster.Asked) { a.Lonely, a.Link = true, "off" })
	w.want("one node on a file", w.get(w.admin, "/control/cluster"), http.StatusOK, "Nothing is wrong", "an SQLite file belongs to one process", "A second node needs cluster.link.enabled=true")
}

func TestCluster_SaysWhatIsWrongBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.nodes.set(3, nil)
	a := w.get(w.admin, "/control/cluster")
	w.want("three nodes", a, http.StatusOK, "Nothing is wrong", "3 nodes answer", "to node-3", "0.20 ms", "2.0 ms", "12,345", "up 3 h 5 min", "10.0.0.2:7800 for nodes", "None of those that should be the same")
	w.without("three nodes", a, "A second node", "Forget")

	w.nodes.set(4, func(a *cluster.Asked) {
		a.Members[1].State, a.Members[1].Live = "dead", false
		a.Answers[2].Err, a.Members[2].Quiet = stoa.Unavailable(nil, "in time"), 6*time.Second
		a.Answers[0].Value.Settings, a.Answers[0].Value.Values = map[string]string{"session.timeout": "d30"}, map[string]string{"session.timeout": "30"}
		a.Answers[3].Value.Settings, a.Answers[3].Value.Values = map[string]string{"session.timeout": "d45"}, map[string]string{"session.timeout": "45"}
		a.Answers[3].Value.Problems = []cluster.Problem{{Requirement: "file store", Message: "it is another one", Mend: "set the folder that all share"}}
	})
	a = w.get(w.admin, "/control/cluster")
	w.want("much is wrong", a, http.StatusOK, "4 things are wrong", "node-2 is gone without saying goodbye", "node-3 does not answer and has given no sign of life for 6s",
		"node-4 is not ready (file store): it is another one.", "Set the folder that all share.", "session.timeout is not the same on all nodes: 30 on node-1; 45 on node-4.",
		"Gone", "No answer", "Not ready", "Not met", `name="writer" value="2"`, "found another store")
	if main := a.main(); strings.Index(main, "4 things are wrong") > strings.Index(main, `id="nodes"`) {
		t.Error("the verdict does not stand before the nodes")
	}
	w.without("much is wrong", a, "Nothing is wrong")
	w.want("forget", w.post(w.admin, "/control/cluster/forget", "writer", "2"), http.StatusSeeOther)
	w.nodes.fail = stoa.Conflict("this node is not dead any more")
	w.want("forget one that lives", w.post(w.admin, "/control/cluster/forget", "writer", "1"), http.StatusConflict, "not dead any more")
	w.want("forget nonsense", w.post(w.admin, "/control/cluster/forget", "writer", "x"), http.StatusNotFound)
	if got := fmt.Sprint(w.nodes.did); got != "[forget 2 forget 1]" {
		t.Error(got)
	}
}

// The cause stands first, what follows under it; what has happened stays until it is read.
func TestCluster_CausesFirstAndEventsStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.nodes.set(3, func(a *cluster.Asked) {
		for i := range a.Answers {
			a.Answers[i].Value.Problems = []cluster.Problem{{
				Requirement: "database", Message: "it does not answer", Mend: "start it", Code: cluster.CodeDatabaseAway}}
			a.Answers[i].Value.ProofAge = 9 * time.Second
		}
		a.Events = []cluster.Event{
			{ID: 41, Code: cluster.CodeChangeLost, Severity: cluster.Critical, At: time.Now(), Times: 2, Node: "node-1",
				Text: "3 changes <are> lost.", Mend: "tell their authors"},
			{Code: cluster.CodeMasterNew, Severity: cluster.Info, At: time.Now(), Times: 1, Node: "node-2",
				Text: "node-2 is the master now; it was node-1."}}
		a.Unread = 30
	})
	a := w.get(w.admin, "/control/cluster")
	w.want("one cause", a, http.StatusOK, "One thing is wrong",
		"node-1, node-2, node-3 are not ready (database)", "From this follows:", "cannot prove their caches fresh",
		"database.away", "findings.md#databaseaway",
		"What has happened", "3 changes &lt;are&gt; lost.", "Tell their authors.", "2 times",
		"not written to the database yet", "Mark all 30 as read", "And 28 more", "Not ready", `name="event" value="41"`)
	w.without("one cause", a, `value="0"`, "<are>")
	w.want("read one", w.post(w.admin, "/control/cluster/read", "event", "41"), http.StatusSeeOther)
	w.want("read all", w.post(w.admin, "/control/cluster/read", "event", "all"), http.StatusSeeOther)
	w.want("read nonsense", w.post(w.admin, "/control/cluster/read", "event", "x"), http.StatusNotFound)
	if got := fmt.Sprint(w.nodes.did); got != "[read [41] read []]" {
		t.Error(got)
	}
	w.nodes.set(2, func(a *cluster.Asked) { a.Members[1].Version = "2.0" })
	a = w.get(w.admin, "/control/cluster")
	w.want("a note", a, http.StatusOK, "Nothing is wrong",
		"The nodes run different versions", "Finish the rolling restart")
	w.without("a note", a, "What has happened", "Mark all")
}

func TestCluster_EmptyingShowsWhoHasConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.nodes.set(2, nil)
	w.nodes.open["node-2"] = true
	a := w.post(w.admin, "/control/cluster/empty")
	w.want("empty", a, http.StatusSeeOther)
	if a.location != "/control/cluster?emptied=7.42" {
		t.Fatalf("leads to %s", a.location)
	}
	w.want("not all", w.get(w.admin, a.location), http.StatusOK, "Caches emptied: node-1.", "Not confirmed yet: node-2.")
	w.nodes.open["node-2"] = false
	w.want("all", w.get(w.admin, a.location), http.StatusOK, "Caches emptied: node-1, node-2.")
	w.nodes.set(3, func(a *cluster.Asked) { a.Members[2].Live, a.Members[2].State = false, "dead" })
	w.want("one is gone", w.get(w.admin, a.location), http.StatusOK, "Caches emptied: node-1, node-2.", "Not confirmed yet: node-3.")
	for _, odd := range []string{"x", "7", "7.41", "7.x", "-7.1", "99999999999999999999.1"} {
		w.without("nonsense "+odd, w.get(w.admin, "/control/cluster?emptied="+odd), "Caches emptied", "Not confirmed")
	}
}

// A node that hangs does not delay the first look; later looks, for which nobody waits, give it its time.
func TestCluster_FirstLookIsShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get(w.admin, "/control/cluster")
	r := w.nodes.patience
	if len(r) != 1 || r[0] > 500*time.Millisecond {
		t.Fatalf("the first look waits for %v", r)
	}
	later := httptest.NewRequest(http.MethodGet, "/control/cluster", nil)
	later.Header.Set("Stoa-Refresh", "1")
	w.mux.ServeHTTP(httptest.NewRecorder(), later.WithContext(stoa.WithActor(later.Context(), w.admin)))
	if r = w.nodes.patience; len(r) != 2 || r[1] < 2*time.Second {
		t.Errorf("a later look waits only for %v", r)
	}
}

func TestLogLevel_ForOneNodeOrAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.nodes.set(2, func(a *cluster.Asked) { a.Answers[1].Value.LogLevel = "debug" })
	w.want("levels", w.get(w.admin, "/control/log"), http.StatusOK, "All nodes", "node-2", "<td>debug</td>", `<option value="info" selected>`)
	w.want("one", w.post(w.admin, "/control/log", "node", "2", "level", "warn"), http.StatusSeeOther)
	w.want("all", w.post(w.admin, "/control/log", "node", "0", "level", "error"), http.StatusSeeOther)
	w.want("no level", w.post(w.admin, "/control/log", "node", "0", "level", "loud"), http.StatusUnprocessableEntity, "is no level")
	w.want("no node", w.post(w.admin, "/control/log", "node", "x", "level", "info"), http.StatusUnprocessableEntity, "is no node")
	if got := fmt.Sprint(w.nodes.did); got != "[level 2 WARN level 0 ERROR]" {
		t.Error(got)
	}
	w.nodes.fail = stoa.Invalid("node", "no answer came from node-2")
	w.want("mute", w.post(w.admin, "/control/log", "node", "0", "level", "info"), http.StatusUnprocessableEntity, "No answer came from node-2")
}

// The screen stays new without a jump: what people have scrolled, focused or opened stays; without an answer
// it says that it is old.
func TestCluster_ScreenStaysNewInABrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.nodes.set(3, nil)
	ctx, base := w.browse(w.admin)
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(700, 500), chromedp.Navigate(base+"/control/cluster"), chromedp.WaitVisible(chromedp.CSS("#verdict"))))
	act(t, ctx, `document.querySelector("#nodes .table-wrap").scrollLeft = 80; scrollTo(0, 120); document.querySelector("#latencies .table-wrap").focus({ preventScroll: true });
		window.kept = document.querySelector("#node-2"); window.asked = document.querySelector("#as-of time").getAttribute("datetime");`)
	w.nodes.set(4, func(a *cluster.Asked) {
		a.Members[0], a.Members[3] = a.Members[3], a.Members[0] // the new one stands first
		a.Answers[1].Value.HintsSent = 99999
		a.Members[2].State, a.Members[2].Live = "dead", false
	})
	until(t, ctx, "the verdict turned", `/One thing is wrong/.test(document.querySelector("#verdict").textContent) &&
		document.querySelector("#verdict").matches(".verdict--warn")`)
	until(t, ctx, "the row is the same and new", `document.querySelector("#node-2") === kept && /99,999/.test(kept.textContent) && document.querySelectorAll("#nodes tbody tr").length === 4`)
	until(t, ctx, "nothing jumped", `document.querySelector("#nodes .table-wrap").scrollLeft === 80 && scrollY === 120 && document.activeElement === document.querySelector("#latencies .table-wrap")`)
	w.nodes.mu.Lock()
	w.nodes.away = true
	w.nodes.mu.Unlock()
	until(t, ctx, "it says that it is old", `document.querySelector("#cluster").matches(".is-old") && getComputedStyle(document.querySelector("#as-of-old")).display !== "none"`)
	w.nodes.mu.Lock()
	w.nodes.away = false
	w.nodes.mu.Unlock()
	until(t, ctx, "it is new again", `!document.querySelector("#cluster").matches(".is-old") && getComputedStyle(document.querySelector("#as-of-old")).display === "none"`)
	if wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`)); err != nil || wide {
		t.Errorf("the screen sticks out: %v %v", wide, err)
	}
	if refused, err := chromedp.Run(ctx, chromedp.Evaluate[string](`seen.join("; ")`)); err != nil || refused != "" {
		t.Errorf("the browser complained: %s %v", refused, err)
	}
}
