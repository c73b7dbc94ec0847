//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Names of the variables handed to tests.
const (
	envPostgres = "STOA_TEST_POSTGRES"
	envMaria    = "STOA_TEST_MARIADB"
	envChromium = "STOA_TEST_CHROMIUM"
	envRequire  = "STOA_TEST_REQUIRE"
)

const dirPrefix = "stoa-test-"

// environment is what the tests find around them: servers, a browser, a
// directory for temporary files, and the variables that say where they are.
type environment struct {
	opts options
	out  *printer
	dir  string
	died chan string // name of a server that ended by itself

	mu      sync.Mutex
	servers []*server
	vars    []string
	absent  []absence
	closing bool
}

type server struct {
	*process
	stopSignal syscall.Signal
}

// absence is a service the tests go without.
type absence struct{ name, why string }

func newEnvironment(_ context.Context, o options, out *printer) (*environment, error) {
	base := tempBase()
	sweepStale(base)
	dir, err := os.MkdirTemp(base, dirPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fmt.Errorf("make the directory of this run: %w", err)
	}
	// Servers run under accounts of their own and must be able to walk in.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "t"), 0o700); err != nil {
		return nil, err
	}
	return &environment{opts: o, out: out, dir: dir, died: make(chan string, 4)}, nil
}

// tempBase is where the directory of the run goes: the usual place, unless
// this is root's run and the accounts of the servers could not get there.
func tempBase() string {
	base := os.TempDir()
	if os.Geteuid() != 0 {
		return base
	}
	for p := filepath.Clean(base); p != "/"; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return "/tmp"
		}
	}
	return base
}

// sweepStale removes the directories of runs that were ended by force.
func sweepStale(base string) {
	old, err := filepath.Glob(filepath.Join(base, dirPrefix+"*-*"))
	if err != nil {
		return
	}
	for _, d := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(d), dirPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && n > 0 && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(d)
		}
	}
}

// service is what the tests use, and the variable that says where it is.
type service struct {
	name, env string
	start     func(context.Context) (string, error)
}

// start brings up every service at once and records which are absent.
func (e *environment) start(ctx context.Context) {
	var wg sync.WaitGroup
	all := []service{
		{"PostgreSQL", envPostgres, e.startPostgres},
		{"MariaDB", envMaria, e.startMaria},
		{"Chromium", envChromium, func(context.Context) (string, error) {
			if p := findChromium(); p != "" {
				return p, nil
			}
			return "", errors.New("no chromium program; package chromium")
		}},
		{"the version before", envBefore, e.buildBefore},
		{"an S3 server", envS3, e.startS3},
		{"a server for Google Cloud Storage", envGCS, e.startGCS},
		{"a server for Azure Blob", envAzure, e.startAzure},
	}
	if wantsSearch(e.opts) {
		for _, s := range searchServers() {
			// Else its tests say that they are left out, as where Debian has no Java that is new enough.
			if s.daily || e.opts.turn(s.day) && s.runs() || os.Getenv(s.env) != "" {
				all = append(all, service{s.name, s.env, func(ctx context.Context) (string, error) { return s.start(ctx, e) }})
			}
		}
	}
	for _, s := range all {
		if s.env == envBefore && !wantsBefore(e.opts) || s.env == envS3 && !wantsS3(e.opts) ||
			(s.env == envGCS || s.env == envAzure) && !wantsClouds(e.opts) {
			continue
		}
		if v := os.Getenv(s.env); v != "" {
			e.add(s.env, v) // the caller brings a server
			continue
		}
		if s.env == envGCS && !e.opts.turn(gcsDay) || s.env == envAzure && !e.opts.turn(azureDay) {
			continue // its tests say that they are left out
		}
		wg.Go(func() {
			v, err := s.start(ctx)
			if err != nil {
				e.mu.Lock()
				e.absent = append(e.absent, absence{s.name, err.Error()})
				e.mu.Unlock()
				return
			}
			e.add(s.env, v)
		})
	}
	wg.Wait()
}

func (e *environment) add(k, v string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.vars = append(e.vars, k+"="+v)
}

// variables returns the settings of the services, as NAME=value.
func (e *environment) variables() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	vars := append([]string(nil), e.vars...)
	if continuous() {
		vars = append(vars, envRequire+"=1")
	}
	return vars
}

// missing returns the services that could not be had.
func (e *environment) missing() []absence {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]absence(nil), e.absent...)
}

// environ is the environment of a test process. Temporary files go below the
// directory of the run and disappear with it. Programs are built without a
// look at Git, which refuses a checkout that belongs to another user.
func (e *environment) environ() []string {
	return append(os.Environ(), append(e.variables(),
		"TMPDIR="+filepath.Join(e.dir, "t"),
		"GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"))...)
}

// continuous says whether this is a build server, where nothing may be skipped
// for want of a service.
func continuous() bool {
	v, err := strconv.ParseBool(os.Getenv("CI"))
	return err == nil && v
}

// keep registers a started server, to be stopped at the end.
func (e *environment) keep(p *process, sig syscall.Signal) {
	e.mu.Lock()
	e.servers = append(e.servers, &server{p, sig})
	e.mu.Unlock()
	go func() {
		<-p.done
		e.mu.Lock()
		closing := e.closing
		e.mu.Unlock()
		if !closing {
			e.out.printf("%s ended by itself:\n%s\n", p.name, p.logTail())
			e.died <- p.name
		}
	}()
}

// close stops the servers, waits for them and removes the directory.
func (e *environment) close(out *printer) {
	e.mu.Lock()
	e.closing = true
	servers := e.servers
	e.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(func() { s.stop(s.stopSignal, 20*time.Second) })
	}
	wg.Wait()
	if err := os.RemoveAll(e.dir); err != nil {
		out.printf("testrun: remove the directory of this run: %v\n", err)
	}
}

// stopStrays ends what the tests left running, after a moment in which a
// browser may finish closing, and says what it was.
func (e *environment) stopStrays(out *printer) {
	e.mu.Lock()
	own := map[int]bool{}
	for _, s := range e.servers {
		own[s.cmd.Process.Pid] = true
	}
	e.mu.Unlock()
	var left []child
	for range 30 {
		left = left[:0]
		for _, c := range descendants(os.Getpid(), own) {
			if c.zombie {
				_, _ = syscall.Wait4(c.pid, nil, syscall.WNOHANG, nil)
				continue
			}
			left = append(left, c)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, c := range left {
		out.printf("LEFT RUNNING by a test, ended now: %s (process %d)\n", c.name, c.pid)
		_ = syscall.Kill(c.pid, syscall.SIGKILL)
	}
	for _, c := range left {
		_, _ = syscall.Wait4(c.pid, nil, 0, nil)
	}
}

// freePort asks the kernel for a port nobody uses on the loopback address.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// onFreePort tries a few ports, as another process may take one between the
// choice and its use.
func onFreePort(ctx context.Context, try func(port int) error) error {
	var last error
	for range 3 {
		port, err := freePort()
		if err != nil {
			return err
		}
		if last = try(port); last == nil || ctx.Err() != nil {
			return last
		}
	}
	return last
}

// forgetful are settings of a server that may lose everything, which makes it quick; none when it may not.
func (e *environment) forgetful(settings ...string) []string {
	if e.opts.durable {
		return nil
	}
	return settings
}

func (e *environment) startPostgres(ctx context.Context) (string, error) {
	bin := findPostgres()
	if bin == "" {
		return "", errors.New("no PostgreSQL server programs; package postgresql")
	}
	who, err := unprivileged("postgres")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(e.dir, "pg")
	data := filepath.Join(dir, "data")
	for _, d := range []string{dir, data} {
		if err := who.own(d, 0o700); err != nil {
			return "", err
		}
	}
	if _, err := output(ctx, who, dir, bin+"/initdb", "-D", data, "-U", "stoa", "-A", "trust",
		"-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"); err != nil {
		return "", err
	}
	var url string
	err = onFreePort(ctx, func(port int) error {
		argv := []string{bin + "/postgres", "-D", data}
		for _, kv := range append([]string{
			"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port), "unix_socket_directories=" + dir, "max_connections=400",
			"shared_buffers=64MB", "max_wal_size=512MB", "log_min_messages=fatal", "timezone=UTC",
		}, e.forgetful("autovacuum_naptime=10min", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "wal_level=minimal", "max_wal_senders=0")...) {
			argv = append(argv, "-c", kv)
		}
		// SIGQUIT: shut down at once, children and all.
		p, err := startProcess("PostgreSQL", filepath.Join(e.dir, "postgres.log"), who, syscall.SIGQUIT, dir, argv...)
		if err != nil {
			return err
		}
		err = p.awaitReady(ctx, time.Minute, func(ctx context.Context) error {
			_, err := output(ctx, who, dir, bin+"/pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(port))
			return err
		})
		if err != nil {
			p.stop(syscall.SIGQUIT, 5*time.Second)
			return err
		}
		e.keep(p, syscall.SIGINT)
		url = fmt.Sprintf("postgres://stoa@127.0.0.1:%d/postgres?sslmode=disable", port)
		return nil
	})
	return url, err
}

func (e *environment) startMaria(ctx context.Context) (string, error) {
	program := findMaria()
	installer := firstProgram("/usr/bin/mariadb-install-db", "mariadb-install-db")
	if program == "" || installer == "" {
		return "", errors.New("no MariaDB server program; package mariadb-server")
	}
	who, err := unprivileged("mysql")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(e.dir, "maria")
	data := filepath.Join(dir, "data")
	for _, d := range []string{dir, data} {
		if err := who.own(d, 0o700); err != nil {
			return "", err
		}
	}
	if _, err := output(ctx, who, dir, installer, "--no-defaults", "--datadir="+data, "--tmpdir="+dir,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
		"--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"); err != nil {
		return "", err
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret)
	password := hex.EncodeToString(secret)
	init := filepath.Join(dir, "init.sql")
	statements := "CREATE OR REPLACE USER 'stoa'@'127.0.0.1' IDENTIFIED BY '" + password + "';\n" +
		"GRANT ALL PRIVILEGES ON *.* TO 'stoa'@'127.0.0.1' WITH GRANT OPTION;\n" +
		"DROP USER IF EXISTS 'root'@'localhost';\n"
	if err := os.WriteFile(init, []byte(statements), 0o644); err != nil {
		return "", err
	}
	var url string
	err = onFreePort(ctx, func(port int) error {
		p, err := startProcess("MariaDB", filepath.Join(e.dir, "mariadb.log"), who, syscall.SIGKILL, dir, append([]string{
			program, "--no-defaults", "--datadir=" + data, "--tmpdir=" + dir,
			"--socket=" + filepath.Join(dir, "sock"), "--pid-file=" + filepath.Join(dir, "pid"),
			"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port), "--skip-name-resolve",
			"--init-file=" + init, "--skip-log-bin", "--max-connections=400", "--table-open-cache=2000",
			"--innodb-buffer-pool-size=128M", "--innodb-log-file-size=48M",
			"--character-set-server=utf8mb4",
			"--max-allowed-packet=64M", "--performance-schema=off",
		}, e.forgetful("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-flush-method=nosync")...)...)
		if err != nil {
			return err
		}
		err = p.awaitReady(ctx, 2*time.Minute, func(ctx context.Context) error { return greeted(ctx, port) })
		if err != nil {
			p.stop(syscall.SIGKILL, 5*time.Second)
			return err
		}
		e.keep(p, syscall.SIGTERM)
		url = fmt.Sprintf("mariadb://stoa:%s@127.0.0.1:%d/", password, port)
		return nil
	})
	return url, err
}

// greeted says whether the MariaDB server at port sends its greeting, which it
// does only after it has run its start-up statements.
func greeted(ctx context.Context, port int) error {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if head[4] != 10 {
		return fmt.Errorf("port %d answers with protocol %d instead of 10", port, head[4])
	}
	return nil
}
