package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// ServerOptions say how a server of a test's own differs from others.
type ServerOptions struct {
	Args  []string          // further arguments: "ssl=on" and its like for PostgreSQL, --options for MariaDB
	Files map[string][]byte // written into the folder of the data before the start, readable by the server alone
	HBA   string            // instead of PostgreSQL's pg_hba.conf
	// Of, if not nil, is the server that this one is a replica of: streaming on PostgreSQL; on MariaDB a new server
	// for which the test says CHANGE MASTER itself.
	Of *Server
}

// Server is a database server of a test's own, on a free port of 127.0.0.1. Its administrator is "stoa", whom
// PostgreSQL lets in by its Unix socket without a password and MariaDB with the password "stoa".
type Server struct {
	Engine Engine
	Port   int
	Dir    string // of the data and the socket
	t      testing.TB
	cmd    *exec.Cmd
	log    *bytes.Buffer
	done   chan struct{}
}

// StartServer starts a server and stops it with the test. Where its programs are missing the test is skipped;
// with STOA_TEST_REQUIRE=1 it fails. See OwnServers.
func StartServer(t testing.TB, e Engine, o ServerOptions) *Server {
	t.Helper()
	OwnServers(t)
	s := &Server{Engine: e, Dir: serverDir(t, account(e)), t: t}
	if e == Postgres && o.Of != nil {
		bin := filepath.Dir(Program(t, "initdb", "/usr/lib/postgresql/*/bin/initdb"))
		s.run(bin+"/pg_basebackup", "-h", o.Of.Dir, "-p", strconv.Itoa(o.Of.Port), "-U", "stoa", "-D", s.Dir, "-R",
			"-c", "fast", "--no-sync")
	} else if e == Postgres {
		bin := filepath.Dir(Program(t, "initdb", "/usr/lib/postgresql/*/bin/initdb"))
		s.run(bin+"/initdb", "-D", s.Dir, "-U", "stoa", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
			"--no-instructions")
		if o.HBA != "" {
			s.write("pg_hba.conf", []byte("local all,replication stoa trust\n"+o.HBA))
		}
	} else {
		s.run(Program(t, "mariadb-install-db"), "--no-defaults", "--datadir="+s.Dir,
			"--auth-root-authentication-method=normal",
			"--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=16M")
		s.write("init.sql", []byte("CREATE OR REPLACE USER stoa@'%' IDENTIFIED BY 'stoa';\nGRANT ALL PRIVILEGES ON *.* TO "+
			"stoa@'%' WITH GRANT OPTION;\n"))
	}
	for name, data := range o.Files {
		s.write(name, data)
	}
	s.Port = FreePort(t)
	argv := []string{}
	if e == Postgres {
		argv = append(argv, filepath.Dir(Program(t, "initdb", "/usr/lib/postgresql/*/bin/initdb"))+"/postgres", "-D", s.Dir)
		for _, kv := range append([]string{"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.Port),
			"unix_socket_directories=" + s.Dir, "fsync=off",
			"shared_buffers=16MB", "max_wal_size=128MB", "timezone=UTC"}, o.Args...) {
			argv = append(argv, "-c", kv)
		}
	} else {
		argv = append(argv, Program(t, "mariadbd", "/usr/sbin/mariadbd"), "--no-defaults", "--datadir="+s.Dir,
			"--socket="+s.Dir+"/sock", "--pid-file="+s.Dir+"/pid",
			"--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.Port), "--skip-name-resolve",
			"--init-file="+s.Dir+"/init.sql",
			"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0",
			"--character-set-server=utf8mb4")
		argv = append(argv, o.Args...)
	}
	s.start(argv)
	Await(t, time.Minute, func() error {
		select {
		case <-s.done:
			t.Fatalf("%s ended:\n%s", e, s.log)
		default:
		}
		return s.exec("SELECT 1")
	})
	return s
}

func (s *Server) start(argv []string) {
	s.t.Helper()
	s.cmd, s.log, s.done = s.command(argv...), &bytes.Buffer{}, make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done, cmd := s.done, s.cmd
	go func() { _ = cmd.Wait(); close(done) }()
	s.t.Cleanup(func() {
		end := syscall.SIGKILL
		if s.Engine == Postgres {
			end = syscall.SIGQUIT // at once, children and all
		}
		_ = cmd.Process.Signal(end)
		<-done
	})
}

// Kill ends the server without a word.
func (s *Server) Kill() {
	end := syscall.SIGKILL
	if s.Engine == Postgres {
		end = syscall.SIGQUIT
	}
	_ = s.cmd.Process.Signal(end)
	<-s.done
}

// Exec runs statements as the administrator, each in a transaction of its own.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	for _, q := range statements {
		if err := s.exec(q); err != nil {
			s.t.Fatalf("%s: %v", q, err)
		}
	}
}

func (s *Server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p, err := s.Admin(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = p.ExecContext(ctx, statement)
	return err
}

// Admin is a pool of the administrator, by the Unix socket of the server. The caller closes it.
func (s *Server) Admin(ctx context.Context) (*sql.DB, error) {
	if s.Engine == Postgres {
		return db.OpenPlain(ctx, db.Options{URL: fmt.Sprintf("postgres:///postgres?host=%s&port=%d", s.Dir, s.Port),
			User: "stoa"})
	}
	return db.OpenPlain(ctx, db.Options{URL: "mariadb:///mysql?localSocket=" + s.Dir + "/sock", User: "stoa",
		Password: "stoa"})
}

// Addr is host:port of the server.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

func (s *Server) write(name string, data []byte) {
	s.t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	give(s.t, path, account(s.Engine))
}

func (s *Server) run(argv ...string) {
	s.t.Helper()
	if out, err := s.command(argv...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// command runs as the account that servers run as: none of them likes root.
func (s *Server) command(argv ...string) *exec.Cmd {
	return CommandAs(s.t, account(s.Engine), s.Dir, argv...)
}

// CommandAs is a command that runs as an account, if the test is root's, and with the test's own rights otherwise.
func CommandAs(t testing.TB, account, dir string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // the test's own may be closed to the account
	if os.Geteuid() == 0 {
		uid, gid := ids(t, account)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	return cmd
}

func account(e Engine) string {
	if e == Postgres {
		return "postgres"
	}
	return "mysql"
}

func ids(t testing.TB, account string) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup(account)
	if err != nil {
		missing(t, "the account "+account)
	}
	uid, err = strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if gid, err = strconv.Atoi(u.Gid); err != nil {
		t.Fatal(err)
	}
	return uid, gid
}

func give(t testing.TB, path, account string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	uid, gid := ids(t, account)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// serverDir is a folder that the account can reach; the usual place of temporary files of a test may be closed to it.
func serverDir(t testing.TB, account string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "stoa-server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	give(t, dir, account)
	return dir
}

// OwnServers leaves out a test that starts servers of its own when all packages are tested without services: then no
// server is wanted, and starting dozens of them takes longer than all the rest. With services (make test, CI), and for
// a test that is named with -run, they start.
func OwnServers(t testing.TB) {
	t.Helper()
	if os.Getenv("STOA_TEST_POSTGRES")+os.Getenv("STOA_TEST_MARIADB")+os.Getenv("STOA_TEST_REQUIRE") == "" &&
		flag.Lookup("test.run").Value.String() == "" {
		t.Skip("SKIPPED: it starts database servers: make test plays it, as does -run with its name")
	}
}

// Program finds a program by its name or a pattern of paths; without it the test is skipped.
func Program(t testing.TB, name string, patterns ...string) string {
	t.Helper()
	for _, p := range patterns {
		if found, _ := filepath.Glob(p); len(found) > 0 { // the pattern is good
			return found[len(found)-1]
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "the program "+name)
	}
	return path
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("STOA_TEST_REQUIRE") == "1" {
		t.Fatalf("there is not %s", what)
	}
	t.Skipf("SKIPPED: there is not %s", what)
}

// FreePort is a port of 127.0.0.1 that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Await tries until there is no error.
func Await(t testing.TB, limit time.Duration, try func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(errors.Join(errors.New("it did not happen in "+limit.String()), err))
		}
		<-time.After(50 * time.Millisecond)
	}
}
