package server_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// TestAudit_OneRowForWhatTwoNodesRefuse signs in wrongly on both nodes of a cluster within a minute.
func TestAudit_OneRowForWhatTwoNodesRefuse(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	north, south := nodes[0], nodes[1]
	try := func(n *servertest.Node) {
		a := n.Guest(t).Post(t, "/sign-in", url.Values{"login": {"test@example.com"}, "password": {"wrong"}})
		if a.Status != http.StatusUnauthorized {
			t.Errorf("status %d", a.Status)
		}
	}
	if left := 60 - time.Now().Second(); left < 15 { // both within one minute, also on a machine that is busy
		dbtest.Await(t, 20*time.Second, func() error {
			if time.Now().Second() > 10 {
				return stoa.Unavailable(nil, "the next minute has not begun")
			}
			return nil
		})
	}
	try(north)
	try(south)
	north.SignIn(t)
	rows := func(n *servertest.Node, f audit.Filter) []audit.Event {
		p, err := n.Audit.List(servertest.System(), f)
		if err != nil {
			t.Fatal(err)
		}
		return p.Events
	}
	dbtest.Await(t, 20*time.Second, func() error {
		list := rows(south, audit.Filter{Outcome: audit.Failed})
		if len(list) != 1 || list[0].Times != 2 || list[0].From == "" {
			return stoa.Unavailable(nil, "%d rows: %+v", len(list), list)
		}
		return nil
	})
	if list := rows(south, audit.Filter{What: "signed in"}); len(list) != 1 || list[0].Actor == 0 || list[0].From == "" ||
		list[0].Node == "" || list[0].Request == "" {
		t.Errorf("%+v", list)
	}
	if a := north.Get(t, "/control/audit"); a.Status != http.StatusOK ||
		!strings.Contains(string(a.Body), "Tried to sign in") {
		t.Errorf("status %d", a.Status)
	}
	// What the portal does for a site is told to those who look after it.
	id := north.Publish(t, "harbour", "Harbour", "<p>x</p>")
	own := rows(south, audit.Filter{Instance: north.Site(t).Instance, What: id.String()})
	if !slices.ContainsFunc(own, func(e audit.Event) bool { return e.Action == audit.Published }) {
		t.Errorf("%+v", own)
	}
}
