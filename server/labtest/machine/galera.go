//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// wsrep is the replication library of Galera.
const wsrep = "/usr/lib/galera/libgalera_smm.so"

// galera are the settings of a server that belongs to a Galera cluster. One that was killed finds its place
// in its own data first, as the service of the distribution does; without it everything is copied anew.
func (d *Database) galera(ctx context.Context) ([]string, error) {
	var peers []string
	alone := true
	for _, s := range d.group.Servers {
		peers = append(peers, s.Host.Addr)
		alone = alone && !s.Running()
	}
	argv := []string{"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--skip-log-bin", "--wsrep-on=ON",
		"--wsrep-provider=" + wsrep, "--wsrep-cluster-name=stoa", "--wsrep-node-name=" + d.Host.Name,
		"--wsrep-node-address=" + d.Host.Addr, "--wsrep-sst-method=rsync",
		"--wsrep-cluster-address=gcomm://" + strings.Join(peers, ","),
		"--wsrep-provider-options=gcache.size=32M;base_host=" + d.Host.Addr +
			";gmcast.listen_addr=tcp://" + d.Host.Addr + ":4567"}
	state := filepath.Join(d.dir, "grastate.dat")
	b, err := os.ReadFile(state)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if alone { // the newest data is in the hands of the story
		argv = append(argv, "--wsrep-new-cluster")
		text := strings.Replace(string(b), "safe_to_bootstrap: 0", "safe_to_bootstrap: 1", 1)
		if len(b) > 0 {
			if err := os.WriteFile(state, []byte(text), 0); err != nil {
				return nil, err
			}
		}
	}
	if strings.Contains(string(b), "seqno:   -1") {
		at, err := d.recovered(ctx)
		if err != nil {
			return nil, err
		}
		argv = append(argv, "--wsrep-start-position="+at)
	}
	return argv, nil
}

// recovered asks a server that does not run how far its data is.
func (d *Database) recovered(ctx context.Context) (string, error) {
	log := filepath.Join(d.dir, "recovery.log")
	_, err := d.Host.Run(ctx, "mysql", mariadb, "--no-defaults", "--datadir="+d.dir, "--tmpdir="+d.dir,
		"--innodb-file-per-table=0", "--innodb-log-file-size=32M", "--wsrep-on=ON", "--wsrep-provider="+wsrep,
		"--wsrep-cluster-address=gcomm://",
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
		"--log-error="+log, "--wsrep-recover", "--skip-networking", "--socket="+d.dir+"/sock")
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`Recovered position: *(\S+:-?\d+)`).FindStringSubmatch(string(b))
	if m == nil {
		return "", fmt.Errorf("%s does not know its place: %s", d.Host.Name, b)
	}
	return m[1], os.Remove(log)
}

// startGalera begins a cluster with the first server and lets the others join at the same time. They begin
// with the data of the first, so that none has to be copied over the network.
func (g *Group) startGalera(ctx context.Context) error {
	first := g.Servers[0]
	if err := first.fill(g.kit); err != nil {
		return err
	}
	first.group = nil // to be filled as a server of its own
	err := first.Start(ctx)
	if err == nil {
		err = first.create(ctx)
	}
	if err == nil {
		err = first.proc.Stop(15, 30*time.Second)
	}
	first.group = g
	if err != nil {
		return err
	}
	if err := first.Start(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(g.Servers))
	for i, d := range g.others(first) {
		if err := first.seed(d); err != nil {
			return err
		}
		wg.Go(func() { errs[i] = d.Start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return g.joined(ctx, len(g.Servers))
}

// seed gives another server the data of this one, as it is now, with its place in the cluster's history.
func (d *Database) seed(to *Database) error {
	d.Freeze()
	err := runAs("root", "cp", "-aT", d.dir, to.dir)
	d.Thaw()
	if err != nil {
		return err
	}
	for _, name := range []string{"gvwstate.dat", "galera.cache", "sock", "pid"} {
		if err := os.RemoveAll(filepath.Join(to.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// joined waits until so many servers are in the cluster and all that run have its data.
func (g *Group) joined(ctx context.Context, size int) error {
	const q = "SELECT GROUP_CONCAT(VARIABLE_VALUE ORDER BY VARIABLE_NAME) FROM information_schema.GLOBAL_STATUS " +
		"WHERE VARIABLE_NAME IN ('WSREP_CLUSTER_SIZE', 'WSREP_LOCAL_STATE_COMMENT')"
	want := fmt.Sprintf("%d,Synced", size)
	for _, d := range g.Servers {
		if !d.Running() {
			continue
		}
		err := poll(ctx, time.Minute, func(ctx context.Context) error {
			rows, err := d.query(ctx, "", q)
			if err == nil && (len(rows) != 1 || rows[0][0] != want) {
				err = fmt.Errorf("%s says %v, want %s", d.Host.Name, rows, want)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Joined waits until all servers of a Galera cluster that run are one.
func (g *Group) Joined(ctx context.Context) error {
	n := 0
	for _, d := range g.Servers {
		if d.Running() {
			n++
		}
	}
	return g.joined(ctx, n)
}
