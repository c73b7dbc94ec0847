//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// patroniConfig is short of time: a leader that is gone is replaced after 6 s instead of 30.
const patroniConfig = `scope: stoa
name: %[1]s
restapi: {listen: "%[2]s:8008", connect_address: "%[2]s:8008"}
etcd3: {host: "%[3]s:2379"}
bootstrap:
  dcs:
    ttl: 6
    loop_wait: 1
    retry_timeout: 3
    primary_start_timeout: 0
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      parameters: {%[5]s}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}, {auth: trust}, {username: stoa}]
  pg_hba: ["host all,replication all %[6]s0/24 trust", "local all all trust"]
postgresql:
  listen: "%[2]s:5432"
  connect_address: "%[2]s:5432"
  data_dir: %[4]s/data
  bin_dir: %[7]s
  pgpass: %[4]s/pgpass
  basebackup: {checkpoint: fast}
  authentication:
    superuser: {username: stoa, password: x}
    replication: {username: repl, password: x}
    rewind: {username: stoa, password: x}
  parameters: {unix_socket_directories: "%[4]s"}
watchdog: {mode: "off"}
`

// patroniSettings are those of the servers, which the manager writes down for all.
var patroniSettings = []string{"fsync: 'off'", "shared_buffers: 64MB", "max_connections: 200", "wal_log_hints: 'on'",
	"wal_keep_size: 128MB", "max_wal_size: 256MB", "timezone: UTC", "log_min_messages: warning",
	"synchronous_commit: local", "wal_retrieve_retry_interval: 200ms"}

// startPatroni starts the store that the managers agree in, then a manager with its server on each host.
func (g *Group) startPatroni(ctx context.Context, l *Lab, last int) (err error) {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	if g.etcd, err = l.Host("etcd", last); err != nil {
		return err
	}
	at, peer := "http://"+g.etcd.Addr+":2379", "http://"+g.etcd.Addr+":2380"
	_, err = g.etcd.Start(Command{Name: "etcd", Dir: "/", Argv: []string{"etcd",
		"--data-dir", filepath.Join(l.Dir, "etcd"), "--listen-client-urls", at, "--advertise-client-urls", at,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
		"--unsafe-no-fsync", "--log-level", "warn"}})
	if err != nil {
		return err
	}
	for _, d := range g.Servers {
		if err := ownDir(d.dir, "postgres"); err != nil {
			return err
		}
		text := fmt.Sprintf(patroniConfig, d.Host.Name, d.Host.Addr, g.etcd.Addr, d.dir, strings.Join(patroniSettings, ", "),
			subnet, bin)
		if err := os.WriteFile(d.patroniFile(), []byte(text), 0o644); err != nil {
			return err
		}
		if err := d.manage(); err != nil {
			return err
		}
		if d == g.Servers[0] { // so that it is the leader
			if err := d.answers(ctx); err != nil {
				return err
			}
		}
	}
	if err := g.Servers[0].create(ctx); err != nil {
		return err
	}
	return g.followed(ctx, g.Servers[0])
}

func (d *Database) patroniFile() string { return filepath.Join(d.Host.lab.Dir, d.Host.Name+".yml") }

// manage starts the manager, which starts the server.
func (d *Database) manage() (err error) {
	d.proc, err = d.Host.Start(Command{Name: d.Host.Name, User: "postgres", Nest: true, Proc: true, Dir: "/",
		Argv: []string{"patroni", d.patroniFile()}, Env: []string{"HOME=" + d.dir, "LC_ALL=C.UTF-8"}})
	return err
}

// answers waits until the server takes connections, as a leader or a standby.
func (d *Database) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return d.proc.Await(ctx, func(ctx context.Context) error {
		_, err := d.query(ctx, "", "SELECT 1")
		return err
	})
}

// Leader finds the server that takes writes, by asking each: what a manager says may be old.
func (g *Group) Leader(ctx context.Context) (*Database, error) {
	var errs []error
	for _, d := range g.Servers {
		if !d.Running() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		rows, err := d.query(ctx, "", "SELECT pg_is_in_recovery()")
		cancel()
		if err == nil && rows[0][0] == "f" {
			return d, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(append(errs, errors.New("no server takes writes"))...)
}

// Switchover asks the managers to hand the writes over to another server.
func (g *Group) Switchover(ctx context.Context, from, to *Database) error {
	_, err := from.Host.Run(ctx, "postgres", "patronictl", "-c", from.patroniFile(), "switchover",
		"--master", from.Host.Name, "--candidate", to.Host.Name, "--force", "stoa")
	return err
}
