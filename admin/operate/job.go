package operate

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/job"
)

func (h *screens) mountJobs(r *admin.Routes) {
	r.Get("/control/jobs", admin.SignedIn, h.jobs)
	r.Get("/control/jobs/{name}", admin.Operate, h.runs)
	r.Post("/control/jobs/{name}/run", admin.Operate, h.order(h.o.Jobs.RunNow, "started"))
	r.Post("/control/jobs/{name}/pause", admin.Operate, h.order(h.o.Jobs.Pause, "paused"))
	r.Post("/control/jobs/{name}/resume", admin.Operate, h.order(h.o.Jobs.Resume, "resumed"))
}

// jobGroup is the jobs of one kind.
type jobGroup struct {
	Kind        job.Kind
	Title, Text string
	Jobs        []job.State
}

// jobsView is what the screen of jobs shows.
type jobsView struct {
	admin.Listing
	Idle   idleNodes
	Groups []jobGroup
}

// idleNodes says which nodes run no jobs.
type idleNodes struct {
	Here    bool     // the node that was asked is one of them
	On, Off []string // names of those that run jobs, and of those that do not
}

func idle(o job.Overview) idleNodes {
	var v idleNodes
	for _, n := range o.Nodes {
		if n.Enabled {
			v.On = append(v.On, n.Name)
		} else {
			v.Off, v.Here = append(v.Off, n.Name), v.Here || n.Self
		}
	}
	return v
}

// jobs lists the jobs of the portal by kind, with what ran last and what is next.
func (h *screens) jobs(q *admin.Request) error {
	if !h.Operates(q) {
		return h.instanceRuns(q)
	}
	o, err := h.o.Jobs.Overview(q.Context())
	if err != nil {
		return err
	}
	v := jobsView{Idle: idle(o)}
	rows, l := admin.Filter(q, o.Jobs, q.Word("operate.jobs.filter"), func(s job.State) string {
		words := q.Word(s.Does) + " " + s.Name + " " + s.Last.Node
		for _, n := range s.Nodes {
			words += " " + n.Node
		}
		return words
	})
	v.Listing = l
	for _, g := range []jobGroup{
		{Kind: job.Once, Title: q.Word("operate.jobs.once"), Text: q.Word("operate.jobs.once.text")},
		{Kind: job.EveryNode, Title: q.Word("operate.jobs.each"), Text: q.Word("operate.jobs.each.text")},
		{Kind: job.Durable, Title: q.Word("operate.jobs.queues"), Text: q.Word("operate.jobs.queues.text")},
	} {
		for _, s := range rows {
			if s.Kind == g.Kind {
				g.Jobs = append(g.Jobs, s)
			}
		}
		if len(g.Jobs) > 0 {
			v.Groups = append(v.Groups, g)
		}
	}
	return h.Show(q, http.StatusOK, "jobs",
		admin.Screen{Title: q.Word("operate.jobs"), Purpose: q.Word("operate.jobs.purpose"), Body: v})
}

// instanceRuns lists the runs that belong to the instance, for its administrators.
func (h *screens) instanceRuns(q *admin.Request) error {
	all, err := h.o.Jobs.InstanceRuns(q.Context(), maxRuns)
	if err != nil {
		return err
	}
	body := admin.ListOf(q, all, q.Word("operate.jobs.own-filter"),
		func(r job.Record) string { return q.Word(r.Does) + " " + r.Job + " " + stateWords(q, r.State) })
	return h.Show(q, http.StatusOK, "instance_runs", admin.Screen{
		Title:   q.Word("operate.jobs"),
		Purpose: q.Word("operate.jobs.own-purpose", q.Instance.Name),
		Body:    body,
	})
}

// stateWords are the words that a filter finds the state of a run by: those of the program and those of the screen.
func stateWords(w speaker, state string) string {
	switch state {
	case "done":
		return state + " " + w.Word("operate.state.done")
	case "failed":
		return state + " " + w.Word("operate.state.failed")
	case "running":
		return state + " " + w.Word("operate.state.running")
	case "waiting":
		return state + " " + w.Word("operate.state.waiting")
	}
	return state
}

// maxRuns is how many runs of a job can be paged through.
const maxRuns = 500

// runs shows the last runs of one job.
func (h *screens) runs(q *admin.Request) error {
	type view struct {
		admin.ListBody[job.Record]
		Job  job.State
		Kind string // of the job, in words
		Idle idleNodes
	}
	o, err := h.o.Jobs.Overview(q.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(o.Jobs, func(s job.State) bool { return s.Name == q.PathValue("name") })
	if i < 0 {
		return stoa.NotFound("job", q.PathValue("name"))
	}
	v := view{Job: o.Jobs[i], Kind: q.Word("operate.jobs.once"), Idle: idle(o)}
	switch v.Job.Kind {
	case job.EveryNode:
		v.Kind = q.Word("operate.jobs.each")
	case job.Durable:
		v.Kind = q.Word("operate.jobs.queue")
	}
	if v.Job.Kind != job.EveryNode {
		all, err := h.o.Jobs.Runs(q.Context(), v.Job.Name, maxRuns)
		if err != nil {
			return err
		}
		v.ListBody = admin.ListOf(q, all, q.Word("operate.jobs.run-filter"),
			func(r job.Record) string { return stateWords(q, r.State) + " " + r.Message + " " + r.Node })
	}
	f := admin.Screen{
		Title:   cmp.Or(q.Word(v.Job.Does), v.Job.Name),
		Purpose: q.Word("operate.jobs.one-purpose", v.Job.Name),
		Back:    &admin.Link{Title: q.Word("operate.jobs"), URL: "/control/jobs"},
		Body:    v,
	}
	if v.Job.Paused {
		f.Pill = &admin.Pill{Kind: "warn", Text: q.Word("operate.jobs.paused")}
	}
	return h.Show(q, http.StatusOK, "runs", f)
}

// order gives the jobs an order and goes back to where it came from.
func (h *screens) order(give func(ctx context.Context, name string) error, done string) func(*admin.Request) error {
	return func(q *admin.Request) error {
		name := q.PathValue("name")
		if err := give(q.Context(), name); err != nil {
			return err
		}
		if q.PostFormValue("from") == "job" {
			return q.Done("/control/jobs/"+name, done)
		}
		return q.Done("/control/jobs", done)
	}
}
