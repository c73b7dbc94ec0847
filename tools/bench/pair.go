package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// pair is a PostgreSQL with a standby that follows it, for one fail-over.
type pair struct {
	primary, standby *postgres
}

// postgres is one server, whose administrator "stoa" every process of this machine may be.
type postgres struct {
	*process
	port int
	dir  string
}

// postgresBin is the folder of PostgreSQL's programs; empty when they are not there.
func postgresBin() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is good
	if len(found) == 0 {
		return filepath.Dir(tool("", "initdb"))
	}
	return filepath.Dir(found[len(found)-1])
}

// startPair makes both servers in a folder; synchronous says whether the primary waits for the standby.
func startPair(ctx context.Context, dir string, synchronous bool) (p *pair, err error) {
	p = &pair{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	bin, a, z := postgresBin(), filepath.Join(dir, "primary"), filepath.Join(dir, "standby")
	if err := asPostgres(ctx, a, bin+"/initdb", "-D", a, "-U", "stoa", "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync", "--no-instructions"); err != nil {
		return p, err
	}
	if p.primary, err = startPostgres(ctx, a); err != nil {
		return p, err
	}
	if err := asPostgres(ctx, z, bin+"/pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(p.primary.port),
		"-U", "stoa", "-D", z, "-R", "-c", "fast", "--no-sync"); err != nil {
		return p, err
	}
	if p.standby, err = startPostgres(ctx, z); err != nil || !synchronous {
		return p, err
	}
	for _, s := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := p.primary.exec(ctx, s); err != nil {
			return p, err
		}
	}
	return p, nil
}

// address names both servers, the primary first.
func (p *pair) address() string {
	return fmt.Sprintf("postgres://stoa@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable", p.primary.port, p.standby.port)
}

func (p *pair) stop() error {
	var errs error
	for _, s := range []*postgres{p.primary, p.standby} {
		if s != nil {
			errs = errors.Join(errs, s.kill())
		}
	}
	return errs
}

// asPostgres runs a program as the account of PostgreSQL, which does not like root, in a folder that it makes.
func asPostgres(ctx context.Context, dir string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if err := asAccount(cmd, dir); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", argv[0], err, out)
	}
	return nil
}

func asAccount(cmd *exec.Cmd, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	cmd.Dir = dir
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return os.Chown(dir, uid, gid)
}

// startPostgres runs a server on the data of a folder and waits until it answers.
func startPostgres(ctx context.Context, dir string) (*postgres, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	s := &postgres{process: &process{name: "PostgreSQL in " + filepath.Base(dir)}, dir: dir}
	if s.port, err = strconv.Atoi(port); err != nil {
		return nil, err
	}
	cmd := exec.Command(postgresBin()+"/postgres", "-D", dir, "-c", "listen_addresses=127.0.0.1", "-c", "port="+port,
		"-c", "unix_socket_directories="+dir, "-c", "shared_buffers=16MB", "-c", "timezone=UTC")
	if err := asAccount(cmd, dir); err != nil {
		return nil, err
	}
	if err := start(s.process, cmd, dir+".log"); err != nil {
		return nil, err
	}
	for begun := time.Now(); ; {
		err := s.exec(ctx, "SELECT 1")
		if err == nil {
			return s, nil
		}
		if time.Since(begun) > 30*time.Second {
			return nil, errors.Join(fmt.Errorf("%s does not answer: %w\n%s", s.name, err, s.logTail()), s.kill())
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, errors.Join(err, s.kill())
		}
	}
}

// kill ends the server at once, children and all, without the word to its standby that an ordinary end sends. A
// second call does nothing.
func (s *postgres) kill() error {
	if s.cmd == nil {
		return nil
	}
	err := s.cmd.Process.Signal(syscall.SIGQUIT)
	s.cmd = nil
	<-s.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func (s *postgres) exec(ctx context.Context, statement string) error {
	address := fmt.Sprintf("postgres://stoa@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	p, err := db.OpenPlain(ctx, db.Options{URL: address})
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = p.ExecContext(ctx, statement)
	return err
}
