//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Kind is how the servers of a group keep one database.
type Kind string

// The kinds of groups.
const (
	Replicas Kind = "replicas" // one takes writes, the others follow it; a story promotes
	Galera   Kind = "galera"   // MariaDB: all take writes
	Patroni  Kind = "patroni"  // PostgreSQL: one takes writes, and a fail-over manager on each host decides which
)

// Group is several servers, each on a host of its own, that hold one database.
type Group struct {
	Kind        Kind
	Engine      Engine
	Servers     []*Database
	Synchronous bool // PostgreSQL: a COMMIT waits for the first of the standbys

	kit  *Kit
	etcd *Host
}

// GroupOptions say which servers to start.
type GroupOptions struct {
	Kind        Kind
	Engine      Engine
	Names       []string
	First       int // the last part of the address of the first; the others follow
	Synchronous bool
}

// Group starts servers that hold one empty database, "stoa", and waits until all follow the first.
func (l *Lab) Group(ctx context.Context, k *Kit, o GroupOptions) (*Group, error) {
	g := &Group{Kind: o.Kind, Engine: o.Engine, Synchronous: o.Synchronous, kit: k}
	for i, name := range o.Names {
		d, err := l.database(o.Engine, name, o.First+i, false)
		if err != nil {
			return nil, err
		}
		d.kit, d.group, d.number = k, g, i+1
		g.Servers = append(g.Servers, d)
	}
	switch o.Kind {
	case Galera:
		return g, g.startGalera(ctx)
	case Patroni:
		return g, g.startPatroni(ctx, l, o.First+len(o.Names))
	}
	return g, g.startReplicas(ctx)
}

// URL is what nodes are given that know all servers by their addresses.
func (g *Group) URL() string {
	var hosts []string
	for _, d := range g.Servers {
		hosts = append(hosts, fmt.Sprintf("%s:%d", d.Host.Addr, d.Port()))
	}
	if g.Engine == Postgres {
		return "postgres://stoa@" + strings.Join(hosts, ",") + "/stoa?sslmode=disable&target_session_attrs=read-write"
	}
	return string(g.Engine) + "://stoa:stoa@" + strings.Join(hosts, ",") + "/stoa"
}

// others are the servers beside one.
func (g *Group) others(not *Database) (all []*Database) {
	for _, d := range g.Servers {
		if d != not {
			all = append(all, d)
		}
	}
	return all
}

func (g *Group) startReplicas(ctx context.Context) error {
	first := g.Servers[0]
	if err := first.fill(g.kit); err != nil {
		return err
	}
	if err := errors.Join(first.Start(ctx), first.create(ctx)); err != nil {
		return err
	}
	for _, d := range g.others(first) {
		if err := d.rebuild(ctx, first); err != nil {
			return err
		}
	}
	if err := g.synchronize(ctx, first); err != nil {
		return err
	}
	return g.followed(ctx, first)
}

// followed waits until every server that runs follows the one that takes writes.
func (g *Group) followed(ctx context.Context, primary *Database) error {
	for _, d := range g.others(primary) {
		if !d.Running() {
			continue
		}
		err := poll(ctx, 30*time.Second, func(ctx context.Context) error {
			q, at, want := `SELECT status FROM pg_stat_wal_receiver`, d, "streaming"
			if g.Engine != Postgres {
				q, want = d.slaveRunning(), "ON"
			}
			rows, err := at.query(ctx, "", q)
			if err == nil && (len(rows) != 1 || rows[0][0] != want) {
				err = fmt.Errorf("%s does not follow %s: %v", d.Host.Name, primary.Host.Name, rows)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// poll asks again and again until check gives nil.
func poll(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, err)
		case <-tick.C:
		}
	}
}

// run runs statements one after the other, outside of any database.
func (d *Database) run(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := d.query(ctx, "", sql); err != nil {
			return err
		}
	}
	return nil
}

// Promote makes a standby the server that takes writes; those that run follow it. The one before is not
// asked: it may be dead, frozen or cut off, and knows nothing of it.
func (g *Group) Promote(ctx context.Context, d *Database, old *Database) error {
	if g.Engine != Postgres {
		stop := []string{"STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"}
		if err := d.run(ctx, stop...); err != nil {
			return err
		}
		d.readOnly = false
	} else {
		if err := g.synchronize(ctx, d); err != nil { // before it is one, so that no COMMIT waits for the dead
			return err
		}
		if err := d.run(ctx, "SELECT pg_promote(true, 30)"); err != nil {
			return err
		}
	}
	for _, s := range g.others(d) {
		if s != old && s.Running() {
			if err := s.follow(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// Return starts a server that was killed, with the data and the role that it had, knowing nothing of what
// happened meanwhile.
func (g *Group) Return(ctx context.Context, d *Database) error { return d.Start(ctx) }

// Demote makes a server that took writes once a standby of the primary, and gives up what only it has.
func (g *Group) Demote(ctx context.Context, d, primary *Database) error {
	if d.Running() {
		sig := syscall.SIGTERM
		if g.Engine == Postgres {
			sig = syscall.SIGINT // "fast": connections are ended
		}
		d.Thaw()
		if err := d.proc.Stop(sig, 20*time.Second); err != nil && !d.ended() {
			return err
		}
	}
	if g.Engine == Postgres && d.rewind(ctx, primary) == nil {
		return errors.Join(d.Start(ctx), g.followed(ctx, primary))
	}
	return errors.Join(d.rebuild(ctx, primary), g.followed(ctx, primary))
}

func (d *Database) ended() bool { return !d.proc.Running() }

// Switch hands the writes over in good order, without losing any.
func (g *Group) Switch(ctx context.Context, from, to *Database) error {
	if g.Engine == Postgres {
		// A server that is shut down sends everything to those that follow before it ends.
		if err := from.proc.Stop(syscall.SIGINT, 30*time.Second); err != nil {
			return err
		}
		if err := g.Promote(ctx, to, from); err != nil {
			return err
		}
		if err := errors.Join(to.slot(ctx, from), from.conf(to)); err != nil {
			return err
		}
		return errors.Join(from.Start(ctx), g.followed(ctx, to))
	}
	if err := from.run(ctx, "SET GLOBAL read_only = 1"); err != nil { // waits for what is being committed
		return err
	}
	from.readOnly = true
	if err := to.caughtUp(ctx, from); err != nil {
		return err
	}
	if err := g.Promote(ctx, to, from); err != nil {
		return err
	}
	return errors.Join(from.follow(ctx, to), g.followed(ctx, to))
}

// ReadOnly lets the server refuse writes of the portal, or take them again.
func (d *Database) ReadOnly(ctx context.Context, on bool) error {
	if d.Engine != Postgres {
		return d.run(ctx, fmt.Sprintf("SET GLOBAL read_only = %t", on))
	}
	if on {
		return d.run(ctx, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	}
	return d.run(ctx, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
}

// Dump writes the database to a file, as a backup does.
func (d *Database) Dump(ctx context.Context, file string) error {
	if d.Engine == Postgres {
		_, err := d.Host.Run(ctx, "", "pg_dump", "-h", d.Host.Addr, "-U", "stoa", "-Fc", "-f", file, "stoa")
		return err
	}
	_, err := d.Host.Run(ctx, "", "mariadb-dump", "--no-defaults", "-h", d.Host.Addr, "-ulab", "-plab",
		"--single-transaction", "--triggers", "-r", file, "stoa")
	return err
}

// Restore puts a dump in the place of what the database has, while nodes use it.
func (d *Database) Restore(ctx context.Context, file string) (err error) {
	if d.Engine != Postgres {
		_, err = d.Host.Run(ctx, "", "mariadb", "--no-defaults", "-h", d.Host.Addr, "-ulab", "-plab", "stoa",
			"-e", "source "+file)
		return err
	}
	for range 5 { // a node may hold locks in another order
		_, err = d.Host.Run(ctx, "", "pg_restore", "-h", d.Host.Addr, "-U", "stoa", "-d", "stoa",
			"--clean", "--if-exists", "--single-transaction", file)
		if err == nil {
			return nil
		}
	}
	return err
}

// --- PostgreSQL

// postgresSettings are what servers need that follow each other.
func (g *Group) postgresSettings() []string {
	return []string{"max_replication_slots=8", "hot_standby=on", "wal_log_hints=on", "wal_keep_size=128MB",
		"wal_retrieve_retry_interval=200ms", "wal_sender_timeout=5s", "wal_receiver_timeout=5s"}
}

// synchronize lets COMMITs on the primary wait for the first of the other servers that runs, if they are to.
func (g *Group) synchronize(ctx context.Context, primary *Database) error {
	if !g.Synchronous {
		return nil
	}
	var names []string
	for _, d := range g.others(primary) {
		if d.Running() {
			names = append(names, d.Host.Name)
		}
	}
	list := ""
	if len(names) > 0 {
		list = "FIRST 1 (" + strings.Join(names, ", ") + ")"
	}
	return primary.run(ctx, "ALTER SYSTEM SET synchronous_standby_names = '"+list+"'", "SELECT pg_reload_conf()")
}

// slot lets the server keep what another, which is to follow it, has not received.
func (d *Database) slot(ctx context.Context, of *Database) error {
	return d.run(ctx, fmt.Sprintf("SELECT pg_create_physical_replication_slot('%s', true) WHERE NOT EXISTS "+
		"(SELECT 1 FROM pg_replication_slots WHERE slot_name = '%[1]s')", of.Host.Name))
}

func (d *Database) conninfo(primary *Database) string {
	return fmt.Sprintf("host=%s port=5432 user=stoa application_name=%s connect_timeout=2", primary.Host.Addr, d.Host.Name)
}

// conf makes a server that does not run a standby of another.
func (d *Database) conf(primary *Database) error {
	uid, gid, err := lookup(d.Engine.account())
	if err != nil {
		return err
	}
	signal := filepath.Join(d.dir, "standby.signal")
	if err := errors.Join(os.WriteFile(signal, nil, 0o600), os.Chown(signal, uid, gid)); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(d.dir, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "primary_conninfo = '%s'\nprimary_slot_name = '%s'\n", d.conninfo(primary), d.Host.Name)
	return errors.Join(err, f.Close())
}

// rewind undoes what only this server has, which must not run.
func (d *Database) rewind(ctx context.Context, primary *Database) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	if err := primary.slot(ctx, d); err != nil {
		return err
	}
	if err := primary.run(ctx, "CHECKPOINT"); err != nil { // so that its timeline stands where it is looked for
		return err
	}
	_, err = d.Host.Run(ctx, "postgres", bin+"/pg_rewind", "--no-sync", "-D", d.dir,
		"--source-server=host="+primary.Host.Addr+" user=stoa dbname=postgres")
	if err != nil {
		return err
	}
	return d.conf(primary)
}

// rebuild makes the server a copy of another that follows it, and starts it.
func (d *Database) rebuild(ctx context.Context, primary *Database) error {
	if d.Running() {
		d.Kill()
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	if err := ownDir(d.dir, d.Engine.account()); err != nil {
		return err
	}
	if d.Engine != Postgres {
		return d.copyOf(ctx, primary)
	}
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	if err := primary.slot(ctx, d); err != nil {
		return err
	}
	_, err = d.Host.Run(ctx, "postgres", bin+"/pg_basebackup", "-h", primary.Host.Addr, "-U", "stoa", "-D", d.dir,
		"-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	return errors.Join(d.conf(primary), d.Start(ctx))
}

// follow lets a server that runs follow another.
func (d *Database) follow(ctx context.Context, primary *Database) error {
	if d.Engine != Postgres {
		return d.replicate(ctx, primary)
	}
	if err := primary.slot(ctx, d); err != nil {
		return err
	}
	return d.run(ctx, "ALTER SYSTEM SET primary_conninfo = '"+d.conninfo(primary)+"'", "SELECT pg_reload_conf()")
}

// --- MariaDB and MySQL

// copyOf fills the folder of the server with what another has, and lets it follow.
func (d *Database) copyOf(ctx context.Context, primary *Database) error {
	primary.Freeze()
	err := runAs("root", "cp", "-aT", primary.dir, d.dir)
	primary.Thaw()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(d.dir, "auto.cnf")); err != nil { // MySQL's name of the server
		return err
	}
	d.readOnly = true
	if err := d.Start(ctx); err != nil {
		return err
	}
	return d.replicate(ctx, primary)
}

// slaveRunning asks whether a replica receives and applies.
func (d *Database) slaveRunning() string {
	if d.Engine == MySQL {
		return "SELECT IF(COUNT(*) = 2, 'ON', 'OFF') FROM (SELECT SERVICE_STATE s FROM " +
			"performance_schema.replication_connection_status UNION ALL SELECT SERVICE_STATE FROM " +
			"performance_schema.replication_applier_status) t WHERE s = 'ON'"
	}
	return "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'SLAVE_RUNNING'"
}

// replicate lets a server that runs follow another, from what it has.
func (d *Database) replicate(ctx context.Context, primary *Database) error {
	change := []string{"STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos"}
	from := "MASTER_USE_GTID = slave_pos"
	if d.Engine == MySQL {
		change, from = change[:2], "MASTER_AUTO_POSITION = 1, GET_MASTER_PUBLIC_KEY = 1"
	}
	return d.run(ctx, append(change, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = 3306, "+
		"MASTER_USER = 'lab', MASTER_PASSWORD = 'lab', MASTER_CONNECT_RETRY = 1, %s", primary.Host.Addr, from),
		"START SLAVE")...)
}

// caughtUp waits until a replica has applied all that another server has.
func (d *Database) caughtUp(ctx context.Context, from *Database) error {
	position, wait := "SELECT @@gtid_binlog_pos", "SELECT MASTER_GTID_WAIT('%s', 20)"
	if d.Engine == MySQL {
		position, wait = "SELECT @@GLOBAL.gtid_executed", "SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', 20)"
	}
	rows, err := from.query(ctx, "", position)
	if err != nil {
		return err
	}
	rows, err = d.query(ctx, "", fmt.Sprintf(wait, rows[0][0]))
	if err == nil && rows[0][0] != "0" {
		err = fmt.Errorf("%s has not caught up with %s", d.Host.Name, from.Host.Name)
	}
	return err
}
