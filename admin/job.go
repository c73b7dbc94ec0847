package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lang"
)

func (h *Handler) mountJobs(get, post register) {
	get("/control/jobs", somebody, h.jobs)
	get("/control/jobs/{name}", operate, h.runs)
	post("/control/jobs/{name}/run", operate, h.order(h.o.Jobs.RunNow, "started"))
	post("/control/jobs/{name}/pause", operate, h.order(h.o.Jobs.Pause, "paused"))
	post("/control/jobs/{name}/resume", operate, h.order(h.o.Jobs.Resume, "resumed"))
}

// jobGroup is the jobs of one kind.
type jobGroup struct {
	Kind        job.Kind
	Title, Text string
	Jobs        []job.State
}

// jobsView is what the screen of jobs shows.
type jobsView struct {
	listing
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
func (h *Handler) jobs(q *request) error {
	if !h.operates(q) {
		return h.instanceRuns(q)
	}
	o, err := h.o.Jobs.Overview(q.Context())
	if err != nil {
		return err
	}
	v := jobsView{Idle: idle(o)}
	rows, l := sieve(q, o.Jobs, "Filter by what it does, name or node", func(s job.State) string {
		words := s.Does + " " + s.Name + " " + s.Last.Node
		for _, n := range s.Nodes {
			words += " " + n.Node
		}
		return words
	})
	v.listing = l
	for _, g := range []jobGroup{
		{Kind: job.Once, Title: "Once in the cluster", Text: "By a schedule, on whichever node has a place free. A time that has come takes effect once, whatever fails."},
		{Kind: job.EveryNode, Title: "On every node", Text: "By a schedule, on each node for itself."},
		{Kind: job.Durable, Title: "Queues", Text: "What was put into a queue is done once, on whichever node has a place free, also after all nodes were stopped."},
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
	return h.show(q, http.StatusOK, "jobs", frame{Title: "Jobs", Purpose: "Work that the portal does by itself. Every node shows the same list.", Body: v})
}

// instanceRuns lists the runs that belong to the instance, for its administrators.
func (h *Handler) instanceRuns(q *request) error {
	all, err := h.o.Jobs.InstanceRuns(q.Context(), maxRuns)
	if err != nil {
		return err
	}
	body := listOf(q, all, lang.Word("operator.jobs.filter"),
		func(r job.Record) string { return r.Does + " " + r.Job + " " + r.State })
	return h.show(q, http.StatusOK, "instance_runs",
		frame{Title: "Jobs", Purpose: lang.Word("operator.jobs.purpose", q.instance.Name), Body: body})
}

// maxRuns is how many runs of a job can be paged through.
const maxRuns = 500

// runs shows the last runs of one job.
func (h *Handler) runs(q *request) error {
	type view struct {
		listBody[job.Record]
		Job  job.State
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
	v := view{Job: o.Jobs[i], Idle: idle(o)}
	if v.Job.Kind != job.EveryNode {
		all, err := h.o.Jobs.Runs(q.Context(), v.Job.Name, maxRuns)
		if err != nil {
			return err
		}
		v.listBody = listOf(q, all, "Filter by outcome, message or node", func(r job.Record) string { return r.State + " " + r.Message + " " + r.Node })
	}
	f := frame{Title: cmp.Or(v.Job.Does, v.Job.Name), Purpose: "The job " + v.Job.Name + " and its last runs.", Back: &link{Title: "Jobs", URL: "/control/jobs"}, Body: v}
	if v.Job.Paused {
		f.Pill = &pill{"warn", "Paused"}
	}
	return h.show(q, http.StatusOK, "runs", f)
}

// order gives the jobs an order and goes back to where it came from.
func (h *Handler) order(give func(ctx context.Context, name string) error, done string) func(*request) error {
	return func(q *request) error {
		name := q.PathValue("name")
		if err := give(q.Context(), name); err != nil {
			return err
		}
		if q.PostFormValue("from") == "job" {
			return q.done("/control/jobs/"+name, done)
		}
		return q.done("/control/jobs", done)
	}
}

// schedule writes a schedule for people.
func schedule(spec string) string {
	text, ok := strings.CutPrefix(spec, "@every ")
	d, err := time.ParseDuration(text)
	switch {
	case spec == "":
		return ""
	case !ok || err != nil:
		return spec + " UTC"
	}
	words := "every"
	for _, u := range []struct {
		size time.Duration
		name string
	}{{time.Hour, " h"}, {time.Minute, " min"}, {time.Second, " s"}} {
		if n := d / u.size; n > 0 {
			words += " " + count(int64(n)) + u.name
			d %= u.size
		}
	}
	return words
}

// firstLine is the beginning of a message that may go on for long.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len(line) > 160 {
		line = clip(line, 157) + "…"
	}
	return line
}
