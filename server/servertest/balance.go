package servertest

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db/dbtest"
)

// Balance starts a load balancer without sticky sessions: each request goes to the next node. served gives
// how many requests each node got.
func Balance(t testing.TB, nodes []*Node) (address string, served func() []int64) {
	t.Helper()
	targets, counts := make([]*url.URL, len(nodes)), make([]atomic.Int64, len(nodes))
	for i, n := range nodes {
		u, err := url.Parse(n.URL)
		if err != nil {
			t.Fatal(err)
		}
		targets[i] = u
	}
	var turn atomic.Int64
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0), // a browser that closes a connection is no failure
		Rewrite: func(r *httputil.ProxyRequest) {
			i := int(turn.Add(1)) % len(targets)
			counts[i].Add(1)
			r.SetURL(targets[i])
			r.Out.Host = r.In.Host
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(func() { s.Close(); transport.CloseIdleConnections() })
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + port, func() []int64 {
		out := make([]int64, len(counts))
		for i := range counts {
			out[i] = counts[i].Load()
		}
		return out
	}
}

// StartDeaf runs n nodes that hear no messages and look at the change log twice a minute only, so that
// what one of them knows of another's writes it was made to look for. What takes something away waits for
// them for a moment only, though they may serve what was before for a minute.
func StartDeaf(t testing.TB, e dbtest.Engine, n int) []*Node {
	t.Helper()
	g := NewGroup(t, e)
	g.Silent, g.confirm = true, 20*time.Millisecond
	nodes := make([]*Node, n)
	for i := range nodes {
		nodes[i] = g.Join(map[string]string{"cache.fresh.limit": "1m", "change.poll.interval": "30s", "cluster.heartbeat.timeout": "1h"})
	}
	for _, n := range nodes {
		n.Poll(t)
	}
	return nodes
}
