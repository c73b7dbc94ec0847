//go:build linux

package labtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// The words about database clusters: servers by their names, and what happens to them.

// serverWords are the part of the language that is about several database servers.
func serverWords() map[string]word {
	return map[string]word{
		"address":    {"address hosts|balancer|each|pooler session|pooler transaction", 1, setAddress},
		"route":      {"route SERVER", 1, route},
		"promote":    {"promote SERVER", 1, promote},
		"return":     {"return SERVER", 1, returnServer},
		"demote":     {"demote SERVER", 1, demote},
		"switchover": {"switchover SERVER", 1, switchover},
		"counts":     {"counts SERVER", 1, counts},
		"leader":     {"leader WITHIN", 1, findLeader},
		"joined":     {"joined", 0, func(ctx context.Context, w *world, _ []string) error { return w.group.Joined(ctx) }},
		"readonly":   {"readonly SERVER DURATION", 2, readOnly},
		"replace":    {"replace SERVER", 1, replace},
		"dump":       {"dump", 0, dump},
		"restore":    {"restore", 0, restore},
		"launch":     {"launch NODE...", 1, launch},
		"command":    {"command NODE ARGUMENT...", 2, command},
	}
}

// startServers begins the servers of a database that has several: database cluster d1 d2 d3 [synchronous],
// database galera g1 g2 g3, database patroni d1 d2.
func startServers(ctx context.Context, w *world, args []string) (err error) {
	o := machine.GroupOptions{Engine: w.engine, First: atServers}
	switch args[0] {
	case "cluster":
		o.Kind = machine.Replicas
	case "galera":
		o.Kind = machine.Galera
	case "patroni":
		o.Kind = machine.Patroni
	}
	for _, name := range args[1:] {
		if name == "synchronous" {
			o.Synchronous = true
			continue
		}
		o.Names = append(o.Names, name)
	}
	if err := o.Kind.Need(); err != nil {
		return err
	}
	if w.group, err = w.lab.Group(ctx, w.kit, o); err != nil {
		return err
	}
	for _, d := range w.group.Servers {
		w.servers[d.Host.Name] = d
	}
	w.db = w.group.Servers[0]
	return nil
}

// server finds a server by its name.
func (w *world) server(name string) (*machine.Database, error) {
	if d := w.servers[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("there is no database server %q", name)
}

// hit notes that a server is about to fail: what it has confirmed shortly before may be lost.
func (w *world) hit() {
	w.begun()
	if w.load != nil {
		w.hits = append(w.hits, w.load.Now())
	}
}

// setAddress says what the settings of nodes name as the database. Without it, that is the list of all servers.
func setAddress(ctx context.Context, w *world, args []string) (err error) {
	w.front, w.each = nil, false
	switch args[0] {
	case "hosts":
	case "each":
		w.each = true
	case "balancer":
		host, err := w.lab.Host("front", atFront)
		if err != nil {
			return err
		}
		w.front, err = host.FrontTCP(ctx, w.group)
		return err
	case "pooler":
		if err := machine.Lacks([2]string{"pgbouncer", "pgbouncer"}); err != nil {
			return err
		}
		host, err := w.lab.Host("pooler", atFront)
		if err != nil {
			return err
		}
		w.front, err = host.FrontPooler(ctx, w.db, args[len(args)-1])
		return err
	default:
		return fmt.Errorf("%q is not understood", args[0])
	}
	return nil
}

// url is the address of the database in the settings of a node.
func (w *world) url(name string) string {
	switch {
	case w.via[name] != nil:
		return w.db.URL(w.via[name])
	case w.front != nil:
		return w.front.URL(w.engine)
	case w.each:
		return w.group.Servers[(number(name)-1)%len(w.group.Servers)].URL(nil)
	case w.group != nil:
		return w.group.URL()
	}
	return w.db.URL(nil)
}

// route leads what comes to the balancer of the database to one server, as a fail-over manager does.
func route(_ context.Context, w *world, args []string) error {
	if w.front == nil {
		return errors.New("there is no balancer before the database")
	}
	return w.front.Route(args[0])
}

func promote(ctx context.Context, w *world, args []string) error {
	d, err := w.server(args[0])
	if err != nil {
		return err
	}
	w.hit()
	defer w.ended()
	if err := w.group.Promote(ctx, d, w.db); err != nil {
		return err
	}
	w.db = d
	return nil
}

// counts says which server is the right one of two that take writes: the checker looks there.
func counts(_ context.Context, w *world, args []string) (err error) {
	d, err := w.server(args[0])
	if err == nil {
		w.db = d
	}
	return err
}

// returnServer starts servers that were killed, as they were: one that took writes takes them again.
func returnServer(ctx context.Context, w *world, args []string) error {
	w.begun()
	defer w.ended()
	for _, name := range args {
		d, err := w.server(name)
		if err != nil {
			return err
		}
		if err := w.group.Return(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// demote makes a server that took writes a standby of the one that takes them now.
func demote(ctx context.Context, w *world, args []string) error {
	d, err := w.server(args[0])
	if err != nil {
		return err
	}
	return w.group.Demote(ctx, d, w.db)
}

// switchover hands the writes over in good order.
func switchover(ctx context.Context, w *world, args []string) error {
	to, err := w.server(args[0])
	if err != nil {
		return err
	}
	w.begun()
	defer w.ended()
	hand := w.group.Switch
	if w.group.Kind == machine.Patroni {
		hand = w.group.Switchover
	}
	if err := hand(ctx, w.db, to); err != nil {
		return err
	}
	w.db = to
	return nil
}

// findLeader waits until another server than the one before takes writes, which a fail-over manager decides.
func findLeader(ctx context.Context, w *world, args []string) error {
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	begun, old := time.Now(), w.db
	err = await(ctx, limit, func(ctx context.Context) error {
		for _, d := range w.group.Servers {
			if d == old || !d.Running() {
				continue
			}
			rows, err := d.Query(ctx, "SELECT pg_is_in_recovery()")
			if err == nil && rows[0][0] == "f" {
				w.db = d
				return nil
			}
		}
		return errors.New("no other server takes writes")
	})
	if err == nil {
		w.log("%s takes writes after %.1f s", w.db.Host.Name, time.Since(begun).Seconds())
	}
	return err
}

// readOnly lets a server refuse writes for as long.
func readOnly(ctx context.Context, w *world, args []string) error {
	d, err := w.server(args[0])
	if err != nil {
		return err
	}
	long, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	w.begun()
	defer w.ended()
	if err := d.ReadOnly(ctx, true); err != nil {
		return err
	}
	return errors.Join(idle(ctx, long), d.ReadOnly(ctx, false))
}

// replace puts an empty server in the place of one that had the data.
func replace(ctx context.Context, w *world, args []string) error {
	d, err := w.server(args[0])
	if err != nil {
		return err
	}
	w.begun()
	defer w.ended()
	return d.Replace(ctx, w.kit)
}

func (w *world) dumpFile() string { return filepath.Join(w.lab.Dir, "dump") }

func dump(ctx context.Context, w *world, _ []string) error {
	w.dumped = time.Now()
	return w.db.Dump(ctx, w.dumpFile())
}

// restore puts the dump in the place of what the database has, while nodes use it.
func restore(ctx context.Context, w *world, _ []string) error {
	w.begun()
	defer func() { w.restored[1] = time.Now() }()
	defer w.ended()
	w.restored[0] = time.Now()
	return w.db.Restore(ctx, w.dumpFile())
}

// launch starts nodes and does not wait for them.
func launch(_ context.Context, w *world, args []string) error {
	for _, name := range args {
		if _, err := w.launch(name); err != nil {
			return err
		}
	}
	return nil
}

// command runs the program on the host and with the home of a node, as an administrator does.
func command(ctx context.Context, w *world, args []string) error {
	n := w.nodes[args[0]]
	if n == nil {
		return fmt.Errorf("there is no node %q", args[0])
	}
	out, err := w.stoaAt(ctx, n, args[1:]...)
	w.log("%s", strings.TrimSpace(out))
	return err
}

func (w *world) stoaAt(ctx context.Context, n *node, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return n.host.Run(ctx, "", slices.Concat([]string{w.stoa}, args, []string{"--home", n.home})...)
}
