package server_test

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

// A command at one node forgets another that is dead, and only that.
func TestForget_ByCommandOfAnotherNode(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Servers() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			g.Linked, g.Breakable = true, true
			a, b := g.Join(nil), g.Join(nil)
			forget := func(name string) (string, error) {
				text, running, err := server.Control(t.Context(), a.Home, "cluster/forget", server.ControlRequest{Node: name})
				if !running {
					t.Fatal("the command does not find the node")
				}
				return text, err
			}
			refused := func(name, words string) {
				t.Helper()
				if text, err := forget(name); err == nil || !strings.Contains(err.Error(), words) {
					t.Errorf("%s: %q, %v; want %q", name, text, err, words)
				}
			}
			refused("node-2", "node-2 has not been declared dead")
			refused("node-3", `there is no node with the name or id "node-3"; no node is dead`)
			g.Freeze(b)
			state := func() string {
				for _, m := range a.Node.Members() {
					if m.Writer == b.Node.Writer() {
						return m.State
					}
				}
				return "no row"
			}
			eventually(t, "node-2 is declared dead", func() bool { return state() == "dead" })
			refused("node-3", "these are dead: node-2")
			text, err := forget("node-2")
			if err != nil || !strings.HasPrefix(text, "node-2 (") || state() != "left" {
				t.Errorf("%q, %v; node-2 is %s", text, err, state())
			}
			refused(b.Node.ID(), "node-2 has left or was forgotten already")
		})
	}
}
