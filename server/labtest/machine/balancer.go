//go:build linux

package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// balancing is how HAProxy is set up: requests that only read are given to another node when one fails.
const balancing = `global
  maxconn 2000
defaults
  mode http
  timeout connect 500ms
  timeout client 60s
  timeout server 60s
  timeout check 500ms
  option redispatch 1
  retries 3
  retry-on conn-failure empty-response response-timeout 0rtt-rejected 502 503
frontend visitors
  bind %s
  default_backend nodes
backend nodes
  balance roundrobin
  http-request disable-l7-retry unless METH_GET
  option httpchk GET /readyz
  default-server inter 300ms fastinter 100ms fall 2 rise 2
`

// Balance starts HAProxy on the host, in front of nodes that listen on the port.
func (h *Host) Balance(ctx context.Context, port int, nodes []*Host) (*Process, error) {
	var b strings.Builder
	at := fmt.Sprintf("%s:%d", h.Addr, port)
	fmt.Fprintf(&b, balancing, at)
	for _, n := range nodes {
		fmt.Fprintf(&b, "  server %s %s:%d check\n", n.Name, n.Addr, port)
	}
	file := filepath.Join(h.lab.Dir, h.Name+".cfg")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return nil, err
	}
	p, err := h.Start(Command{Name: h.Name, Argv: []string{"haproxy", "-db", "-f", file}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return p, p.Await(ctx, func(ctx context.Context) error {
		c, err := h.Dial(ctx, "tcp4", at)
		if err != nil {
			return err
		}
		return c.Close()
	})
}
