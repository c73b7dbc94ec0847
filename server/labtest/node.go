//go:build linux

package labtest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/load"
	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// The administrator of every portal in the lab.
const (
	adminLogin    = "admin@example.com"
	adminPassword = "correct horse battery staple"
)

const webPort = 8080

// node is one process of the portal on a host of its own.
type node struct {
	host *machine.Host
	home string
	proc *machine.Process // nil before the first start
	said int64            // bytes of its log, when the newest trouble began
}

// properties are what an administrator writes for a node of a cluster, and what makes tests quick.
func (w *world) properties(n *node, extra map[string]string) string {
	url, files := w.url(n.host.Name), "files"
	if n.host.Name[0] == 'c' {
		url, files = w.clone.URL(nil), "clone-files"
	}
	set := map[string]string{
		"portal.instance.inet.socket.address":     fmt.Sprintf("%s:%d", n.host.Addr, webPort),
		"jdbc.default.url":                        url,
		"jdbc.default.maximumPoolSize":            "20",
		"jdbc.default.minimumIdle":                "2",
		"dl.store.file.system.root.dir":           filepath.Join(w.lab.Dir, files),
		"default.admin.password":                  adminPassword,
		"cluster.link.enabled":                    "true",
		"cluster.link.channel.logic.name.control": n.host.Name,
		"metrics.allowed.addresses":               w.people.Addr,
		"shutdown.drain.delay":                    "1s",
		"auth.login.throttle.address.max":         "100000",
	}
	maps.Copy(set, extra)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&b, "%s=%s\n", k, set[k])
	}
	return b.String()
}

// launch starts the process of a node without waiting for it.
func (w *world) launch(name string) (*node, error) {
	n := w.nodes[name]
	if n == nil {
		host, err := w.lab.Host(name, number(name))
		if err != nil {
			return nil, err
		}
		n = &node{host: host, home: filepath.Join(w.lab.Dir, name)}
		w.nodes[name] = n
		if err := os.MkdirAll(n.home, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(n.home, "portal-ext.properties"), []byte(w.properties(n, w.extra[name])),
			0o600); err != nil {
			return nil, err
		}
	}
	if n.proc != nil && n.proc.Running() {
		return nil, fmt.Errorf("%s is running", name)
	}
	var err error
	n.proc, err = n.host.Start(machine.Command{Name: name,
		Argv: []string{cmp.Or(w.programs[name], w.stoa), "serve", "--home", n.home},
		Dir:  n.home, Env: []string{"HOME=" + n.home}})
	return n, err
}

// start starts nodes in the same moment and waits until all are ready.
func (w *world) start(ctx context.Context, names ...string) error {
	var all []*node
	for _, name := range names {
		n, err := w.launch(name)
		if err != nil {
			return err
		}
		all = append(all, n)
	}
	for _, n := range all {
		if err := n.proc.Await(ctx, func(ctx context.Context) error { return w.ready(ctx, n) }); err != nil {
			return err
		}
	}
	return nil
}

// stop ends a node in good order, as a service manager does.
func (n *node) stop() error { return n.proc.Stop(syscall.SIGTERM, time.Minute) }

// ready asks a node whether it is ready, as a load balancer does.
func (w *world) ready(ctx context.Context, n *node) error {
	status, body, err := w.ask(ctx, n.host.Addr, "/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, strings.TrimSpace(body))
	}
	return err
}

// ask fetches a path from a host of the lab, as one of the people.
func (w *world) ask(ctx context.Context, addr, path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return w.people.Dial(ctx, network, address)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", addr, webPort, path), nil)
	if err != nil {
		return 0, "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(b), err
}

// target is a host as the load sees it.
func (w *world) target(h *machine.Host, many bool) load.Target {
	at := fmt.Sprintf("%s:%d", h.Addr, webPort)
	return load.Target{Name: h.Name, Many: many, Dial: func(ctx context.Context) (net.Conn, error) { return w.people.Dial(ctx, "tcp4", at) }}
}

// master gives the name of the node that holds the lease of the master, and the lease's epoch and beat.
func (w *world) master(ctx context.Context) (name string, lease string, err error) {
	rows, err := w.db.Query(ctx, "SELECT n.name, l.epoch, l.beat FROM cluster_lease l JOIN cluster_node n ON n.writer = l.holder WHERE l.name = 'master'")
	if err != nil || len(rows) != 1 {
		return "", "", err
	}
	return rows[0][0], rows[0][1] + " " + rows[0][2], nil
}
