package server_test

import (
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"

	"github.com/stoa-portal/stoa/server/servertest"
)

// messageServer starts a NATS server that belongs to none of the nodes.
func messageServer(t *testing.T) string {
	t.Helper()
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the message server does not start")
	}
	return s.ClientURL()
}

// With a secret nodes hear and call each other over a message server outside; without one they hear each
// other, and the status says why they do not call.
func TestLink_OverAMessageServerOutside(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]string{"secret": "a secret of all nodes", "no secret": ""} {
		t.Run(name, func(t *testing.T) {
			flags := map[string]string{"cluster.link.nats.urls": messageServer(t), "cluster.link.auth.value": secret}
			linked(t, 2, flags, func(t *testing.T, g *servertest.Group, nodes []*servertest.Node) {
				eventually(t, "a hint", func() bool {
					if _, err := nodes[0].EmptyCaches(servertest.System()); err != nil {
						t.Fatal(err)
					}
					return nodes[1].Log.Status().HintsGot > 0
				})
				if secret != "" {
					meshed(t, nodes)
					return
				}
				eventually(t, "the reason why there are no calls", func() bool {
					st, err := nodes[0].Cluster(servertest.System())
					if err != nil {
						t.Fatal(err)
					}
					words := ""
					for _, w := range st.Wrong {
						words += w.Text + w.Mend
					}
					return strings.Contains(words, "cluster.link.auth.value")
				})
			})
		})
	}
}
