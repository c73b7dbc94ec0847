package dbcheck_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// The servers of these tests are set badly on purpose, so each test starts its own: on loopback, in a temporary
// folder, ended by their process.

type server struct {
	dir  string
	port int
	proc *exec.Cmd
	url  func(user, password, database string) string
}

// program finds a server program, or leaves the test out; with STOA_TEST_REQUIRE=1 its absence is a failure.
func program(t *testing.T, what string, patterns ...string) string {
	t.Helper()
	dbtest.OwnServers(t)
	for _, p := range patterns {
		if found, _ := filepath.Glob(p); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	if os.Getenv("STOA_TEST_REQUIRE") == "1" {
		t.Fatalf("there is no %s", what)
	}
	t.Skipf("SKIPPED: there is no %s", what)
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// account is the user that the server runs as when the test is root, which no server likes.
func account(t *testing.T, name string) *syscall.SysProcAttr {
	t.Helper()
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Getuid() != 0 {
		return attr
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("SKIPPED: there is no user %s to run a server as", name)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr
}

func folder(t *testing.T, attr *syscall.SysProcAttr) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "stoa-dbcheck-") // accounts of servers walk in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if c := attr.Credential; c != nil {
		if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, attr *syscall.SysProcAttr, argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr, cmd.Dir = attr, "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", filepath.Base(argv[0]), err, out)
	}
}

// start runs a server until the test ends; ready says that it answers.
func (s *server) start(t *testing.T, attr *syscall.SysProcAttr, ready string, argv ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.proc = exec.Command(argv[0], argv[1:]...)
	s.proc.SysProcAttr, s.proc.Dir, s.proc.Stdout, s.proc.Stderr = attr, "/", log, log
	started := make(chan error, 1)
	done := make(chan struct{})
	proc := s.proc
	go func() { // Pdeathsig is of the thread that starts
		err := proc.Start()
		started <- err
		if err == nil {
			_ = proc.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop := func() {
		once.Do(func() {
			_ = syscall.Kill(-proc.Process.Pid, syscall.SIGKILL)
			<-done
		})
	}
	t.Cleanup(stop)
	deadline := time.Now().Add(time.Minute)
	for {
		q, err := openPlain(ready)
		if err == nil {
			_ = q.Close()
			return
		}
		select {
		case <-done:
			out, _ := os.ReadFile(log.Name())
			t.Fatalf("%s ended: %s", argv[0], out)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			out, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not answer: %v: %s", argv[0], err, out)
		}
	}
}

func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-s.proc.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func openPlain(address string) (*sql.DB, error) {
	return db.OpenPlain(context.Background(), db.Options{URL: address})
}

// exec runs statements one by one as the server's administrator.
func execute(t *testing.T, address string, statements ...string) {
	t.Helper()
	q, err := openPlain(address)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	q.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := q.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func postgresURL(port int) func(user, password, database string) string {
	return func(user, password, database string) string {
		return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", url.UserPassword(user, password), port,
			database)
	}
}

// startPostgres starts a new server with the settings; the administrator is "boss" and any client is let in. A
// server that is given follows the other one.
func startPostgres(t *testing.T, primary *server, settings ...string) *server {
	t.Helper()
	initdb := program(t,
		"PostgreSQL server (package postgresql)", "/usr/lib/postgresql/*/bin/initdb", "/usr/local/bin/initdb")
	bin, attr := filepath.Dir(initdb), account(t, "postgres")
	s := &server{dir: folder(t, attr), port: freePort(t)}
	s.url = postgresURL(s.port)
	data := filepath.Join(s.dir, "data")
	if primary == nil {
		run(t, attr, initdb, "-D", data, "-U", "boss", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
			"--no-instructions", "--wal-segsize=1")
	} else {
		run(t, attr, filepath.Join(bin, "pg_basebackup"), "-h", "127.0.0.1", "-p", strconv.Itoa(primary.port),
			"-U", "boss", "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	}
	argv := []string{filepath.Join(bin, "postgres"), "-D", data}
	for _, kv := range append([]string{"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port),
		"unix_socket_directories=" + s.dir,
		"shared_buffers=16MB", "log_min_messages=fatal", "max_wal_size=64MB"}, settings...) {
		argv = append(argv, "-c", kv)
	}
	s.start(t, attr, s.url("boss", "", "postgres"), argv...)
	return s
}

// startMaria starts a new server with the settings; the administrator is boss with the password boss. The binary
// log is on only if the settings say so.
func startMaria(t *testing.T, settings ...string) *server {
	t.Helper()
	mariadbd := program(t, "MariaDB server (package mariadb-server)", "/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd")
	install := program(t, "mariadb-install-db (package mariadb-server)", "/usr/bin/mariadb-install-db")
	attr := account(t, "mysql")
	s := &server{dir: folder(t, attr), port: freePort(t)}
	s.url = func(user, password, database string) string {
		return fmt.Sprintf("mariadb://%s@127.0.0.1:%d/%s", url.UserPassword(user, password), s.port, database)
	}
	data, init := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "init.sql")
	run(t, attr, install, "--no-defaults", "--datadir="+data, "--tmpdir="+s.dir,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
		"--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=16M", "--skip-log-bin")
	const boss = "CREATE OR REPLACE USER boss@'%' IDENTIFIED BY 'boss';\nGRANT ALL PRIVILEGES ON *.* TO boss@'%' " +
		"WITH GRANT OPTION;\n"
	if err := os.WriteFile(init, []byte(boss), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start(t, attr, s.url("boss", "boss", ""),
		append([]string{mariadbd, "--no-defaults", "--datadir=" + data, "--tmpdir=" + s.dir,
			"--socket=" + s.dir + "/sock", "--pid-file=" + s.dir + "/pid", "--bind-address=127.0.0.1",
			"--port=" + strconv.Itoa(s.port),
			"--skip-name-resolve", "--init-file=" + init, "--innodb-buffer-pool-size=16M",
			"--innodb-log-file-size=16M"}, settings...)...)
	return s
}

// startPooler starts PgBouncer before a server.
func startPooler(t *testing.T, to *server, mode string, more ...string) *server {
	t.Helper()
	pgbouncer := program(t, "PgBouncer (package pgbouncer)", "/usr/sbin/pgbouncer")
	attr := account(t, "postgres")
	s := &server{dir: folder(t, attr), port: freePort(t)}
	s.url = postgresURL(s.port)
	users, ini := filepath.Join(s.dir, "users.txt"), filepath.Join(s.dir, "pgbouncer.ini")
	text := fmt.Sprintf(
		"[databases]\n* = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
			"auth_type = trust\nauth_file = %s\npool_mode = %s\nunix_socket_dir =\n%s\n", to.port, s.port, users, mode,
		strings.Join(more, "\n"))
	for name, content := range map[string]string{users: "\"boss\" \"\"\n\"stoa\" \"stoa\"\n", ini: text} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(pgbouncer, "-q", ini)
	cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = attr, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	await(t, "PgBouncer listens", func() bool {
		c, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", s.port), time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	return s
}

// balance listens and sends each connection to the next of the servers.
func balance(t *testing.T, to ...*server) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	var n atomic.Int64
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", to[int(n.Add(1))%len(to)].port))
			if err != nil {
				_ = in.Close()
				continue
			}
			pass := func(a, b net.Conn) { _, _ = io.Copy(a, b); _ = a.Close(); _ = b.Close() }
			wg.Go(func() { pass(in, out) })
			wg.Go(func() { pass(out, in) })
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		<-tick.C
	}
}
