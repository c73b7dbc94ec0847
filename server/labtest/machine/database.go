//go:build linux

package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Engine is a kind of database server.
type Engine string

// The engines of the lab.
const (
	Postgres Engine = "postgres"
	MariaDB  Engine = "mariadb"
	MySQL    Engine = "mysql"
)

// Database is a server on a host of its own, with one empty database, "stoa".
type Database struct {
	Host   *Host
	Engine Engine

	kit      *Kit
	dir      string // of the data
	movable  bool   // its clock can be moved
	proc     *Process
	group    *Group // that it belongs to, nil for a server of its own
	number   int    // in the group, from 1
	readOnly bool   // MariaDB and MySQL: it is started so, as a replica
}

// Kit keeps what takes long to make and is the same for every lab: new data folders of the servers.
type Kit struct {
	Dir  string // open to the accounts of the servers
	once map[Engine]func() error

	postgres string // folder of the server's programs; empty: those of the distribution
}

// NewKit makes an empty kit; folders are made when they are first needed.
func NewKit(dir string) *Kit {
	k := &Kit{Dir: dir}
	k.once = map[Engine]func() error{Postgres: sync.OnceValue(k.initPostgres), MariaDB: sync.OnceValue(k.initMariaDB),
		MySQL: sync.OnceValue(k.initMySQL)}
	return k
}

func (k *Kit) template(e Engine) string { return filepath.Join(k.Dir, "new-"+string(e)) }

// Kin is the engine whose SQL and tools this one shares.
func (e Engine) Kin() Engine {
	if e == MySQL {
		return MariaDB
	}
	return e
}

// account is the user whom the server runs as: none of them likes root.
func (e Engine) account() string {
	if e == Postgres {
		return "postgres"
	}
	return "mysql"
}

func (k *Kit) initPostgres() error {
	dir := k.template(Postgres)
	if err := ownDir(dir, "postgres"); err != nil {
		return err
	}
	bin, err := k.postgresBin()
	if err != nil {
		return err
	}
	if err := runAs("postgres", bin+"/initdb", "-D", dir, "-U", "stoa", "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"); err != nil {
		return err
	}
	hba, err := os.OpenFile(filepath.Join(dir, "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(hba, "host all,replication all %s0/24 trust\n", subnet)
	return errors.Join(err, hba.Close())
}

func (k *Kit) initMariaDB() error {
	dir := k.template(MariaDB)
	if err := ownDir(dir, "mysql"); err != nil {
		return err
	}
	return runAs("mysql", "mariadb-install-db", "--no-defaults", "--datadir="+dir, "--tmpdir="+dir, "--auth-root-authentication-method=normal", "--skip-test-db",
		"--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=32M", "--skip-log-bin")
}

func ownDir(dir, account string) error {
	uid, gid, err := lookup(account)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(dir, 0o700), os.Chown(dir, uid, gid))
}

func runAs(account string, argv ...string) (err error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	if cmd.SysProcAttr, err = attributes(account); err != nil {
		return err
	}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, out)
	}
	return nil
}

// mariadb is the server's program.
const mariadb = "/usr/sbin/mariadbd"

func (k *Kit) postgresBin() (string, error) {
	if k.postgres != "" {
		return k.postgres, nil
	}
	return postgresBin()
}

func postgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is good
	if len(found) == 0 {
		return "", errors.New("there is no PostgreSQL server (package postgresql)")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// Database starts a new server on a new host. A movable one has a clock of its own, which SetClock moves.
func (l *Lab) Database(ctx context.Context, k *Kit, e Engine, name string, last int, movable bool) (*Database, error) {
	d, err := l.database(e, name, last, movable)
	if err != nil {
		return nil, err
	}
	d.kit = k
	if err := d.fill(k); err != nil {
		return nil, err
	}
	if err := d.Start(ctx); err != nil {
		return nil, err
	}
	return d, d.create(ctx)
}

// fill gives the server the folder of a new one, in place of what it may have.
func (d *Database) fill(k *Kit) error {
	if err := k.once[d.Engine](); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(d.dir), runAs("root", "cp", "-a", k.template(d.Engine), d.dir))
}

// create makes the empty database of the portal.
func (d *Database) create(ctx context.Context) error {
	create := "CREATE DATABASE stoa"
	if d.Engine != Postgres {
		create += " CHARACTER SET utf8mb4"
	}
	_, err := d.query(ctx, "", create)
	return err
}

// Replace puts a new server with an empty database in the place of this one, at the same address.
func (d *Database) Replace(ctx context.Context, k *Kit) error {
	d.Kill()
	d.readOnly = false
	if err := d.fill(k); err != nil {
		return err
	}
	if err := d.Start(ctx); err != nil {
		return err
	}
	return d.create(ctx)
}

// database is a server that has no data yet.
func (l *Lab) database(e Engine, name string, last int, movable bool) (*Database, error) {
	h, err := l.Host(name, last)
	if err != nil {
		return nil, err
	}
	d := &Database{Host: h, Engine: e, dir: filepath.Join(l.Dir, name), movable: movable}
	return d, d.SetClock(0)
}

// Clone starts a copy of the server, as it is now, on a new host, as somebody would who tries things out.
func (d *Database) Clone(ctx context.Context, name string, last int) (*Database, error) {
	c, err := d.Host.lab.database(d.Engine, name, last, d.movable)
	if err != nil {
		return nil, err
	}
	c.kit = d.kit
	if err := ownDir(c.dir, d.Engine.account()); err != nil {
		return nil, err
	}
	if d.Engine == Postgres {
		bin, err := postgresBin()
		if err != nil {
			return nil, err
		}
		if _, err := c.Host.Run(ctx, "postgres", bin+"/pg_basebackup", "-h", d.Host.Addr, "-U", "stoa", "-D", c.dir, "-c", "fast", "--no-sync"); err != nil {
			return nil, err
		}
		return c, c.Start(ctx)
	}
	// InnoDB's files are copied while the server stands still, which is as good as a snapshot of the disk.
	d.proc.Freeze()
	err = runAs("root", "cp", "-aT", d.dir, c.dir)
	d.proc.Thaw()
	if err != nil {
		return nil, err
	}
	return c, c.Start(ctx)
}

// Start starts the server, again or for the first time, and waits until it answers.
func (d *Database) Start(ctx context.Context) error {
	if d.group != nil && d.group.Kind == Patroni {
		return errors.Join(d.manage(), d.answers(ctx))
	}
	c := Command{Name: d.Host.Name, User: d.Engine.account(), Nest: true, Dir: "/"}
	if d.movable {
		found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1") // the pattern is good
		if len(found) == 0 {
			return errors.New("the clock of a server cannot be moved without libfaketime (package faketime)")
		}
		c.Env = []string{"LD_PRELOAD=" + found[0], "DONT_FAKE_MONOTONIC=1", "FAKETIME_CACHE_DURATION=1", "FAKETIME_TIMESTAMP_FILE=" + d.clockFile()}
	}
	var err error
	switch d.Engine {
	case Postgres:
		c.Argv, err = d.postgres()
	case MariaDB:
		c.Argv, err = d.mariadb(ctx)
		c.Proc = d.group != nil && d.group.Kind == Galera // scripts of its own look for processes
	default:
		c.Argv, err = d.mysql()
	}
	if err != nil {
		return err
	}
	if d.proc, err = d.Host.Start(c); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return d.proc.Await(ctx, func(ctx context.Context) error {
		_, err := d.query(ctx, "", "SELECT 1")
		return err
	})
}

// postgres is the command line of the server. What a story changes is not on it: it would stay as it is.
func (d *Database) postgres() ([]string, error) {
	bin, err := d.kit.postgresBin()
	if err != nil {
		return nil, err
	}
	settings := []string{"listen_addresses=" + d.Host.Addr, "port=5432", "unix_socket_directories=", "fsync=off",
		"log_lock_waits=on",
		"max_connections=300", "shared_buffers=64MB", "wal_level=replica", "max_wal_senders=8", "max_wal_size=256MB",
		"timezone=UTC", "log_min_messages=warning"}
	switch {
	case d.group == nil:
		settings = append(settings, "full_page_writes=off", "synchronous_commit=local")
	case d.group.Synchronous:
		settings = append(settings, d.group.postgresSettings()...)
	default:
		settings = append(settings, append(d.group.postgresSettings(), "synchronous_commit=local")...)
	}
	argv := []string{bin + "/postgres", "-D", d.dir}
	for _, kv := range settings {
		argv = append(argv, "-c", kv)
	}
	return argv, nil
}

// users are made where the server starts and written to no log: replicas make their own. The portal's is not
// allowed what would let it write to a server that is read-only.
const users = `SET SESSION sql_log_bin = 0;
CREATE OR REPLACE USER stoa@'%' IDENTIFIED BY 'stoa';
GRANT ALL PRIVILEGES ON *.* TO stoa@'%';
REVOKE READ ONLY ADMIN ON *.* FROM stoa@'%';
CREATE OR REPLACE USER lab@'%' IDENTIFIED BY 'lab';
GRANT ALL PRIVILEGES ON *.* TO lab@'%' WITH GRANT OPTION;
`

func (d *Database) mariadb(ctx context.Context) ([]string, error) {
	argv := []string{mariadb, "--no-defaults", "--datadir=" + d.dir, "--tmpdir=" + d.dir, "--socket=" + d.dir + "/sock",
		"--pid-file=" + d.dir + "/pid", "--bind-address=" + d.Host.Addr, "--port=3306", "--skip-name-resolve",
		"--max-connections=300", "--max-connect-errors=1000000",
		"--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--innodb-flush-log-at-trx-commit=2",
		"--innodb-doublewrite=0", "--innodb-flush-method=nosync", "--innodb-file-per-table=0",
		"--character-set-server=utf8mb4", "--performance-schema=off", fmt.Sprintf("--server-id=%d", max(1, d.number))}
	if d.group != nil && d.group.Kind == Galera {
		more, err := d.galera(ctx)
		return append(argv, more...), err
	}
	init := filepath.Join(d.Host.lab.Dir, d.Host.Name+"-init.sql")
	if err := os.WriteFile(init, []byte(users), 0o644); err != nil {
		return nil, err
	}
	argv = append(argv, "--init-file="+init)
	if d.group == nil {
		return append(argv, "--skip-log-bin"), nil
	}
	argv = append(argv, "--log-bin=binlog", "--log-slave-updates", "--gtid-strict-mode=1", "--sync-binlog=0",
		"--slave-net-timeout=5")
	if d.readOnly {
		argv = append(argv, "--read-only=1")
	}
	return argv, nil
}

// Kill ends the server without warning.
func (d *Database) Kill() { d.proc.Kill() }

// Freeze lets the server stand still, with all its connections open.
func (d *Database) Freeze() { d.proc.Freeze() }

// Thaw lets it go on.
func (d *Database) Thaw() { d.proc.Thaw() }

// Tail gives the last lines of what the server printed.
func (d *Database) Tail(lines int) string {
	if d.proc == nil {
		return d.Host.Name + " was never started"
	}
	return d.proc.Tail(lines)
}

// Running reports whether the server has not ended.
func (d *Database) Running() bool { return d.proc != nil && d.proc.Running() }

// Signal sends a signal to one process of the server, by the number that the server knows it by.
func (d *Database) Signal(pid int, sig syscall.Signal) error {
	for _, p := range children(d.proc.cmd.Process.Pid) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p)) // one that has ended is not it
		_, names, _ := strings.Cut(string(b), "NSpid:")
		names, _, _ = strings.Cut(names, "\n")
		if f := strings.Fields(names); len(f) > 0 && f[len(f)-1] == fmt.Sprint(pid) {
			return syscall.Kill(p, sig)
		}
	}
	return fmt.Errorf("%s has no process %d", d.Host.Name, pid)
}

// URL is what nodes are given; via is the host that they reach the server at, nil for its own.
func (d *Database) URL(via *Host) string {
	if via == nil {
		via = d.Host
	}
	if d.Engine == Postgres {
		return "postgres://stoa@" + via.Addr + ":5432/stoa?sslmode=disable"
	}
	return string(d.Engine) + "://stoa:stoa@" + via.Addr + ":3306/stoa"
}

// Port is where the server listens.
func (d *Database) Port() int {
	if d.Engine == Postgres {
		return 5432
	}
	return 3306
}

// Query runs SQL on the server and gives the rows, values separated by tabs.
func (d *Database) Query(ctx context.Context, sql string) ([][]string, error) {
	return d.query(ctx, "stoa", sql)
}

func (d *Database) query(ctx context.Context, name, sql string) ([][]string, error) {
	var argv []string
	if d.Engine == Postgres {
		argv = []string{"psql", "-h", d.Host.Addr, "-U", "stoa", "-d", cmp.Or(name, "postgres"), "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql}
	} else {
		argv = []string{"mariadb", "--no-defaults", "-h", d.Host.Addr, "-P", "3306", "-ulab", "-plab", "-N", "-B",
			"-e", sql, name}
	}
	out, err := d.Host.Run(ctx, "", argv...)
	var rows [][]string
	for line := range strings.Lines(out) {
		rows = append(rows, strings.Split(strings.TrimRight(line, "\n"), "\t"))
	}
	return rows, err
}

// SetClock moves the clock of a movable server away from the machine's. It takes effect within a second or two.
func (d *Database) SetClock(by time.Duration) error {
	return os.WriteFile(d.clockFile(), fmt.Appendf(nil, "%+d", int(by.Seconds())), 0o644)
}

func (d *Database) clockFile() string { return filepath.Join(d.Host.lab.Dir, d.Host.Name+"-clock") }
