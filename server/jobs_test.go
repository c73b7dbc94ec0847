package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// named lets a node with a name join; more are further properties.
func named(g *servertest.Group, name string, more ...string) *servertest.Node {
	flags := map[string]string{"cluster.link.channel.logic.name.control": name, "job.poll.interval": "50ms"}
	for i := 0; i+1 < len(more); i += 2 {
		flags[more[i]] = more[i+1]
	}
	return g.Join(flags)
}

// shows waits until a screen of the node is as it should be.
func shows(t *testing.T, n *servertest.Node, path, what string, ok func(body string) bool) {
	t.Helper()
	eventually(t, what+" at "+n.URL+path, func() bool { return ok(n.Get(t, path).Body) })
}

func TestJobs_EveryNodeShowsAllOfThemAndOrdersHoldEverywhere(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			north := named(g, "north")
			south := named(g, "south", "scheduler.enabled", "false")
			north.SignIn(t)
			south = south.As(north.Client)
			for _, n := range []*servertest.Node{north, south} {
				shows(t, n, "/control/jobs", "the other node is known", func(body string) bool {
					return strings.Contains(
						body,
						`scheduler.enabled</code> is <code>false</code> on <span class="whole">south</span>, and <code>true</code> on <span class="whole">north</span>`,
					)
				})
			}
			mustSee(t, north.Get(t, "/control/jobs"), http.StatusOK, "Not every node runs jobs")
			mustSee(
				t,
				south.Get(t, "/control/jobs"),
				http.StatusOK,
				"This node runs no jobs",
				"MEMORY_CLUSTERED",
				"content.publish",
				"every 15 s",
			)

			// Started on the node that runs nothing, the other does it, and both tell.
			if a := south.Post(t, "/control/jobs/user.sweep/run", url.Values{}); a.Status != http.StatusSeeOther {
				t.Fatalf("run now: %d\n%s", a.Status, a.Body)
			}
			for _, n := range []*servertest.Node{north, south} {
				shows(t, n, "/control/jobs/user.sweep", "the run and its node", func(body string) bool {
					return strings.Contains(body, "Done") && strings.Contains(body, `data-label="Node">north`)
				})
			}
			if a := north.Post(t, "/control/jobs/user.sweep/pause", url.Values{}); a.Status != http.StatusSeeOther {
				t.Fatalf("pause: %d\n%s", a.Status, a.Body)
			}
			mustSee(t, south.Get(t, "/control/jobs/user.sweep"), http.StatusOK, "Paused", "not while it is paused")
			mustSee(t, south.Post(t, "/control/jobs/user.sweep/run", url.Values{}), http.StatusConflict, "is paused")
			if a := south.Post(t, "/control/jobs/user.sweep/resume", url.Values{}); a.Status != http.StatusSeeOther {
				t.Fatalf("resume: %d\n%s", a.Status, a.Body)
			}
			mustNotSee(t, north.Get(t, "/control/jobs/user.sweep"), "not while it is paused")
			if rows, err := north.Log.Recent(stoa.WithActor(t.Context(), stoa.SystemActor()), 10,
				change.Filter{Kind: "job-order"}); err != nil ||
				len(rows) == 0 {
				t.Errorf("the change log has %d orders: %v", len(rows), err)
			}
		})
	}
}
