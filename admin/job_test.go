package admin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/job"
)

// eventually asks again until the screen holds the words.
func (w *world) eventually(what, path string, words ...string) answer {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Minute); ; <-tick.C {
		a, missing := w.get(w.admin, path), ""
		for _, word := range words {
			if !strings.Contains(a.body, word) {
				missing = word
			}
		}
		if missing == "" {
			return a
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s: %q did not come:\n%s", what, missing, a.main())
		}
	}
}

func TestJobs_ThreeKindsWithTheirRunsAndOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.jobs.Register(job.Job{Name: "tidy", Does: "Tidies up", Kind: job.EveryNode, Schedule: "@every 1h30m", Run: func(context.Context, job.Run) error {
		return errors.New("the cupboard is locked\nand more about it")
	}}))
	must(t, w.jobs.Register(job.Job{Name: "post", Does: "Sends letters", Kind: job.Durable, Run: func(context.Context, job.Run) error { return nil }}))
	must(t, w.jobs.Start(t.Context()))

	a := w.eventually("the list", "/control/jobs", "data-relative")
	w.want("the list", a, http.StatusOK, "MEMORY_CLUSTERED", "MEMORY", "PERSISTED", "every 15 s", "every 1 h 30 min", "Tidies up", "Sends letters", "this node", "node-1")
	w.without("the list", a, "runs no jobs")
	w.want("a job", w.get(w.admin, "/control/jobs/content.publish"), http.StatusOK, "Publishes and expires", "every 15 s", "Run now")
	w.want("nothing", w.get(w.admin, "/control/jobs/none"), http.StatusNotFound)

	for _, do := range []string{"run", "pause", "resume"} {
		w.want(do+" by an editor", w.post(w.editor, "/control/jobs/tidy/"+do), http.StatusForbidden)
		w.want(do+" of nothing", w.post(w.admin, "/control/jobs/none/"+do), http.StatusNotFound)
	}
	// A node that begins refuses orders until it has read those of before.
	a = w.post(w.admin, "/control/jobs/tidy/run", "from", "job")
	for end := time.Now().Add(5 * time.Minute); a.status == http.StatusServiceUnavailable && time.Now().Before(end); {
		a = w.post(w.admin, "/control/jobs/tidy/run", "from", "job")
	}
	if a.location != "/control/jobs/tidy?done=started" {
		t.Errorf("run leads to %q", a.location)
	}
	a = w.eventually("the failure", "/control/jobs", "the cupboard is locked", "Failed")
	w.without("the failure in the list", a, "and more about it")
	w.want("the failure in full", w.get(w.admin, "/control/jobs/tidy"), http.StatusOK, "and more about it")

	if a = w.post(w.admin, "/control/jobs/post/pause"); a.location != "/control/jobs?done=paused" {
		t.Errorf("pause leads to %q", a.location)
	}
	w.want("paused", w.get(w.admin, "/control/jobs?done=paused"), http.StatusOK, "Paused", "ada Brandt", "/control/jobs/post/resume", "Paused on all nodes.")
	must(t, w.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return w.jobs.Enqueue(ctx, tx, "post", []byte("Dear Ann"), "")
	}))
	w.want("waiting", w.get(w.admin, "/control/jobs/post"), http.StatusOK, "Waiting", "not while it is paused")
	w.want("a queue cannot be run", w.post(w.admin, "/control/jobs/post/run"), http.StatusUnprocessableEntity)
	w.want("resume", w.post(w.admin, "/control/jobs/post/resume"), http.StatusSeeOther)
	w.eventually("the letter", "/control/jobs/post", "Done")
	w.want("runs that are done", w.get(w.admin, "/control/jobs/post?q=done"), http.StatusOK, `pill--ok`)
	w.want("runs that failed", w.get(w.admin, "/control/jobs/post?q=failed"), http.StatusOK, "Nothing fits", `href="/control/jobs/post"`)
}
