package job

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Overview is the jobs of the cluster as every node shows them.
type Overview struct {
	Nodes []Node // that live, by name
	Jobs  []State
}

// Node is a node of the cluster and whether it runs jobs.
type Node struct {
	Name    string
	Enabled bool // scheduler.enabled
	Self    bool // the one that was asked
	writer  int64
}

func anyEnabled(nodes []Node) bool {
	return slices.ContainsFunc(nodes, func(n Node) bool { return n.Enabled })
}

// Result is how the last run of a job went, or goes.
type Result struct {
	State      string // "", waiting, running, done or failed
	Start, End time.Time
	Message    string // what went wrong
	Node       string // the name of the node that runs it or ran it; empty while it waits
}

// Took is how long the run lasted; 0 while it is not over.
func (r Result) Took() time.Duration {
	if r.State == Running || !r.End.After(r.Start) {
		return 0
	}
	return r.End.Sub(r.Start)
}

// State is a job as the control panel shows it.
type State struct {
	Name, Does string
	Kind       Kind
	Schedule   string
	Paused     bool
	OrderedBy  string    // who paused, resumed or started it last; may be empty
	OrderedAt  time.Time // when
	Next       time.Time // zero for an empty queue and for an EveryNode job, which has one on each node
	Last       Result    // zero for an EveryNode job
	Waiting    int       // runs that wait or run
	Nodes      []Local   // of an EveryNode job, by name of the node
}

// Local is an EveryNode job on one node.
type Local struct {
	Node string
	Self bool
	Next time.Time
	Last Result
}

// Record is one run as the control panel shows it.
type Record struct {
	Result
	ID       stoa.ID
	Job      string
	Does     string    // of InstanceRuns
	Instance stoa.ID   // that the run belongs to; 0 for the whole installation
	Fire     time.Time // zero for an entry of a queue
	Key      string
	Attempt  int
	Due      time.Time // of the next try; zero for at once
	Owner    int64     // writer
}

// Overview gives all jobs by name with their last runs, and the nodes that run them: the same on every
// node, but for its own runs, which it knows first. It is for operators.
func (s *Service) Overview(ctx context.Context) (Overview, error) {
	if err := stoa.ActorFrom(ctx).Operates("see the jobs of all instances"); err != nil {
		return Overview{}, err
	}
	nodes, err := s.nodes(ctx, s.o.DB)
	if err != nil {
		return Overview{}, err
	}
	orders, err := readOrders(ctx, s.o.DB)
	if err != nil {
		return Overview{}, err
	}
	locals, err := s.locals(ctx, nodes)
	if err != nil {
		return Overview{}, err
	}
	out := Overview{Nodes: nodes}
	for _, r := range s.all() {
		o := orders[r.Name]
		st := State{Name: r.Name, Does: r.Does, Kind: r.Kind, Schedule: r.Schedule, Paused: o.paused, OrderedBy: o.by, OrderedAt: o.at, Nodes: locals[r.Name]}
		if err := s.fill(ctx, r, &st); err != nil {
			return Overview{}, fmt.Errorf("job: list %s: %w", r.Name, err)
		}
		out.Jobs = append(out.Jobs, st)
	}
	return out, nil
}

// nodes gives the nodes that live and have said whether they run jobs; this one is always among them.
func (s *Service) nodes(ctx context.Context, q db.Queryer) ([]Node, error) {
	self := Node{Name: s.o.Node, Enabled: !s.o.Disabled, Self: true, writer: s.o.Leader.Writer()}
	list, err := db.All(ctx, q, func(r db.Scanner) (n Node, err error) { return n, r.Scan(&n.writer, &n.Name, &n.Enabled) },
		"SELECT writer, node, enabled FROM job_node")
	if err != nil {
		return nil, fmt.Errorf("job: list the nodes: %w", err)
	}
	list = slices.DeleteFunc(list, func(n Node) bool { return n.writer == self.writer || !s.o.Leader.Alive(n.writer) })
	list = append(list, self)
	slices.SortFunc(list, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.writer, b.writer)) })
	return list, nil
}

// locals gives the runs of EveryNode jobs on the nodes that run jobs.
func (s *Service) locals(ctx context.Context, nodes []Node) (map[string][]Local, error) {
	type row struct {
		writer int64
		job    string
		local
	}
	list, err := db.All(ctx, s.o.DB, func(r db.Scanner) (row, error) {
		var v row
		var next, start, end int64
		err := r.Scan(&v.writer, &v.job, &next, &start, &end, &v.result.State, &v.result.Message)
		v.next, v.result.Start, v.result.End = db.Time(next), db.Time(start), db.Time(end)
		return v, err
	}, "SELECT writer, job, next_fire, started, ended, state, message FROM job_local")
	if err != nil {
		return nil, fmt.Errorf("job: list the runs of each node: %w", err)
	}
	out := map[string][]Local{}
	for _, r := range s.ofKind(EveryNode) {
		for _, n := range nodes {
			if !n.Enabled {
				continue
			}
			v, _ := r.local.get()
			if !n.Self {
				v = local{}
				if i := slices.IndexFunc(list, func(x row) bool { return x.writer == n.writer && x.job == r.Name }); i >= 0 {
					v = list[i].local
				}
			}
			v.result.Node = n.Name
			out[r.Name] = append(out[r.Name], Local{Node: n.Name, Self: n.Self, Next: v.next, Last: v.result})
		}
	}
	return out, nil
}

// fill adds what the rows tell of a job that is not an EveryNode job.
func (s *Service) fill(ctx context.Context, r *registered, st *State) error {
	if r.Kind == EveryNode {
		return nil
	}
	next, query, args := int64(0), "SELECT next_fire FROM job_schedule WHERE name = ?", []any{r.Name}
	if r.Kind == Durable {
		query, args = "SELECT COALESCE(MIN(due), 0) FROM job_run WHERE job = ? AND state = ?", []any{r.Name, Waiting}
	}
	if err := s.o.DB.QueryRow(ctx, query, args...).Scan(&next); err != nil && !db.IsNoRows(err) {
		return err
	}
	st.Next = db.Time(next)
	last, err := s.runs(ctx, r.Name, 1)
	if err != nil {
		return err
	}
	if len(last) == 1 {
		st.Last = last[0].Result
	}
	return s.o.DB.QueryRow(ctx, "SELECT count(*) FROM job_run WHERE job = ? AND state IN (?, ?)", r.Name, Waiting, Running).Scan(&st.Waiting)
}

// Runs gives the runs of a job, the one begun last first, at most limit (1 to 500). It is for operators; a job that is
// not known is NotFound.
func (s *Service) Runs(ctx context.Context, name string, limit int) ([]Record, error) {
	if err := stoa.ActorFrom(ctx).Operates("see the jobs of all instances"); err != nil {
		return nil, err
	}
	if s.find(name) == nil {
		return nil, stoa.NotFound("job", name)
	}
	return s.runs(ctx, name, min(max(limit, 1), 500))
}

// InstanceRuns gives the runs that belong to the instance of the actor, the one begun last first, at most limit (1 to
// 500). It is for its administrators, who are not told which node does the work.
func (s *Service) InstanceRuns(ctx context.Context, limit int) ([]Record, error) {
	actor := stoa.ActorFrom(ctx)
	switch {
	case !actor.SignedIn():
		return nil, stoa.Unauthorized("sign in as an administrator to see the jobs")
	case !actor.Admin || actor.Instance == 0:
		return nil, stoa.Forbidden("only administrators may see the jobs of an instance")
	}
	list, err := s.records(ctx, "instance = ?", actor.Instance, min(max(limit, 1), 500))
	for i := range list {
		list[i].Node, list[i].Owner, list[i].Key = "", 0, ""
		if list[i].Message != "" { // it may name hosts of the installation
			list[i].Message = "an operator of the installation can see what went wrong"
		}
		if r := s.find(list[i].Job); r != nil {
			list[i].Does = r.Does
		}
	}
	return list, err
}

func (s *Service) runs(ctx context.Context, name string, limit int) ([]Record, error) {
	return s.records(ctx, "job = ?", name, limit)
}

func (s *Service) records(ctx context.Context, where string, what any, limit int) ([]Record, error) {
	return db.All(ctx, s.o.DB, func(r db.Scanner) (Record, error) {
		var v Record
		var fire, due, started, ended int64
		err := r.Scan(&v.ID, &v.Job, &fire, &v.Key, &v.State, &v.Attempt, &due, &started, &ended, &v.Owner, &v.Node,
			&v.Message, &v.Instance)
		v.Fire, v.Due, v.Start, v.End = db.Time(fire), db.Time(due), db.Time(started), db.Time(ended)
		return v, err
	}, "SELECT id, job, fire, run_key, state, attempt, due, started, ended, owner, node, message, instance FROM job_run "+
		"WHERE "+where+" ORDER BY started DESC, fire DESC, id DESC LIMIT ?", what, limit)
}
