package operate

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
)

// Nodes is what the control panel asks of the cluster. Its methods check that the actor is an operator.
type Nodes interface {
	// Cluster asks every node how it is, until the deadline of ctx at the latest.
	Cluster(ctx context.Context) (cluster.Status, error)
	// EmptyCaches drops every cached value on every node and gives the place of the order in the change log.
	EmptyCaches(ctx context.Context) (change.Position, error)
	// Emptied asks every node whether it has followed that order; NotFound if there was none.
	Emptied(ctx context.Context, p change.Position) ([]cluster.Answer[bool], error)
	// Forget takes a dead node off the list.
	Forget(ctx context.Context, writer int64) error
	// ReadEvents marks events of the cluster as read: those with the ids, or all without one.
	ReadEvents(ctx context.Context, ids ...stoa.ID) error
	// Losses gives what a fail-over has lost of the changes of the person who asks.
	Losses(ctx context.Context) ([]cluster.Loss, error)
	// SetLogLevel sets how much a node, or with writer 0 every node, writes to its log.
	SetLogLevel(ctx context.Context, writer int64, level slog.Level) error
}

// A person waits for the first look at a screen, so a node that hangs does not delay it; later looks are for
// the screen to stay new, and give every node its time.
const (
	firstPatience = 400 * time.Millisecond
	laterPatience = 2500 * time.Millisecond
)

// refreshHeader marks a later look.
const refreshHeader = "Stoa-Refresh"

// documentation is where files of the documentation are read, guide tells how to add nodes.
const (
	documentation = "https://github.com/stoa-portal/stoa/blob/main/"
	guide         = documentation + "docs/operate/cluster.md"
)

func (h *screens) mountCluster(r *admin.Routes) {
	r.Get("/control/cluster", admin.Operate, h.cluster)
	r.Post("/control/cluster/empty", admin.Operate, h.emptyCaches)
	r.Post("/control/cluster/forget", admin.Operate, h.forgetNode)
	r.Post("/control/cluster/read", admin.Operate, h.readEvents)
	r.Get("/control/log", admin.Operate, h.logLevel)
	r.Post("/control/log", admin.Operate, h.logLevel)
}

// clusterView is the state of the cluster as the screen shows it.
type clusterView struct {
	cluster.Status
	At           time.Time
	Rows         []cluster.NodeStatus // those that have not left
	Gone         []cluster.NodeStatus // those that have
	Live         []cluster.NodeStatus
	Answered     int
	Matrix       []latencyRow
	Requirements []cluster.Requirement
	Emptied      *emptied
	Guide        string
}

// Alone reports whether there is one node.
func (v clusterView) Alone() bool { return len(v.Rows) == 1 }

// Grave reports whether something is wrong that affects people or endangers data.
func (v clusterView) Grave() bool {
	return slices.ContainsFunc(v.Wrong, func(f cluster.Finding) bool { return f.Severity == cluster.Critical })
}

// Documentation is where a page of the documentation is read.
func (clusterView) Documentation(page string) string { return documentation + page }

// MoreEvents is how many events that have not been read are not shown.
func (v clusterView) MoreEvents() int { return v.Unread - len(v.Events) }

// latencyRow is how long hints of one node take to each of the others, in the order of the columns.
type latencyRow struct {
	Node  string
	Cells []latencyCell
}

type latencyCell struct {
	To    string
	Self  bool
	Known bool
	cluster.NodeLatency
}

// emptied says which nodes have followed an order to empty their caches.
type emptied struct{ Done, Open []string }

// cluster shows the nodes and what is wrong.
func (h *screens) cluster(q *admin.Request) error {
	st, err := h.look(q)
	if err != nil {
		return err
	}
	v := clusterView{Status: st, At: h.o.Now(), Requirements: st.Requirements(), Guide: guide}
	for _, n := range st.Nodes {
		if n.State == cluster.Left {
			v.Gone = append(v.Gone, n)
			continue
		}
		v.Rows = append(v.Rows, n)
		if n.State == cluster.Live {
			v.Live = append(v.Live, n)
		}
		if n.Answered() && !n.Command {
			v.Answered++
		}
	}
	v.Matrix = latencies(v.Live)
	if p, ok := position(q.URL.Query().Get("emptied")); ok {
		if v.Emptied, err = h.confirmations(q, p); err != nil && !stoa.Is(err, stoa.KindNotFound) {
			return err
		}
		for _, n := range v.Rows {
			if v.Emptied != nil && n.State != cluster.Live {
				v.Emptied.Open = append(v.Emptied.Open, n.Name)
			}
		}
	}
	return h.Show(q, http.StatusOK, "cluster", admin.Screen{
		Title:   q.Word("operate.nodes"),
		Purpose: q.Word("operate.nodes.purpose"),
		Actions: []admin.Link{emptyButton(q)},
		Body:    v,
	})
}

// look asks the nodes how they are, with the patience that fits the request.
func (h *screens) look(q *admin.Request) (cluster.Status, error) {
	ctx, cancel := context.WithTimeout(q.Context(), patienceOf(q))
	defer cancel()
	return h.o.Nodes.Cluster(ctx)
}

func patienceOf(q *admin.Request) time.Duration {
	if q.Header.Get(refreshHeader) != "" {
		return laterPatience
	}
	return firstPatience
}

// emptyButton empties the caches of all nodes.
func emptyButton(q *admin.Request) admin.Link {
	return admin.Link{
		Title:     q.Word("operate.empty"),
		URL:       "/control/cluster/empty",
		Icon:      "clear",
		Ask:       q.Word("operate.empty.ask"),
		AskText:   q.Word("operate.empty.ask.text"),
		AskButton: q.Word("operate.empty.button"),
	}
}

// latencies arranges what the nodes measured as a square: from row to column.
func latencies(nodes []cluster.NodeStatus) []latencyRow {
	if len(nodes) < 2 {
		return nil
	}
	var rows []latencyRow
	for _, from := range nodes {
		row := latencyRow{Node: from.Label}
		for _, to := range nodes {
			c := latencyCell{To: to.Label, Self: from.Writer == to.Writer}
			for _, l := range from.Latencies {
				if l.Writer == to.Writer {
					c.NodeLatency, c.Known = l, l.P50 > 0
				}
			}
			row.Cells = append(row.Cells, c)
		}
		rows = append(rows, row)
	}
	return rows
}

// emptyCaches gives the order, and leads to the screen that shows who has followed it.
func (h *screens) emptyCaches(q *admin.Request) error {
	p, err := h.o.Nodes.EmptyCaches(q.Context())
	if err != nil {
		return err
	}
	h.Log.InfoContext(q.Context(), "the caches were emptied from the control panel", "user", q.Actor.User)
	return q.Done("/control/cluster?emptied="+strconv.FormatInt(p.Writer, 10)+"."+strconv.FormatUint(p.N, 10), "")
}

// position reads a place in the change log from an address.
func position(s string) (change.Position, bool) {
	writer, n, _ := strings.Cut(s, ".")
	w, err1 := strconv.ParseInt(writer, 10, 64)
	number, err2 := strconv.ParseUint(n, 10, 64)
	return change.Position{Writer: w, N: number}, err1 == nil && err2 == nil && w > 0
}

func (h *screens) confirmations(q *admin.Request, p change.Position) (*emptied, error) {
	ctx, cancel := context.WithTimeout(q.Context(), patienceOf(q))
	defer cancel()
	answers, err := h.o.Nodes.Emptied(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &emptied{}
	for _, a := range answers {
		if a.Err == nil {
			out.Done = append(out.Done, a.Member.Name)
		} else {
			out.Open = append(out.Open, a.Member.Name)
		}
	}
	return out, nil
}

func (h *screens) forgetNode(q *admin.Request) error {
	writer, err := strconv.ParseInt(q.PostFormValue("writer"), 10, 64)
	if err != nil {
		return stoa.NotFound("node", admin.Clip(q.PostFormValue("writer"), 20))
	}
	if err := h.o.Nodes.Forget(q.Context(), writer); err != nil {
		return err
	}
	return q.Done("/control/cluster", "forgotten")
}

// readEvents marks one event as read, or all.
func (h *screens) readEvents(q *admin.Request) error {
	var ids []stoa.ID
	if which := q.PostFormValue("event"); which != "all" {
		id, err := stoa.ParseID(which)
		if err != nil {
			return stoa.NotFound("event", admin.Clip(which, 20))
		}
		ids = append(ids, id)
	}
	if err := h.o.Nodes.ReadEvents(q.Context(), ids...); err != nil {
		return err
	}
	return q.Done("/control/cluster", "read")
}
