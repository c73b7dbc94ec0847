//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server started by this run.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when the process has ended and was waited for
}

// account is whom a server runs as; nil means the user of this run.
type account struct {
	uid, gid int
	cred     *syscall.Credential
}

// unprivileged returns the account called name when this run is root's, since
// database servers refuse to run as root, and nil otherwise.
func unprivileged(name string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("the server needs the account %s, which its package makes: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("account %s has the user id %q: %w", name, u.Uid, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("account %s has the group id %q: %w", name, u.Gid, err)
	}
	a := &account{uid: uid, gid: gid}
	a.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return a, nil
}

// own makes dir and hands it to the account.
func (a *account) own(dir string, mode os.FileMode) error {
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	if a == nil {
		return nil
	}
	return os.Chown(dir, a.uid, a.gid)
}

// attributes puts a child in a process group of its own, so that Ctrl-C
// reaches only this program, and lets the kernel signal it if this program
// dies without a word.
func attributes(a *account, onDeath syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: onDeath}
	if a != nil {
		attr.Credential = a.cred
	}
	return attr
}

// output runs a short command as the account and returns what it printed.
func output(ctx context.Context, a *account, dir string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = attributes(a, syscall.SIGKILL)
	if a != nil {
		cmd.Env = append(os.Environ(), "HOME="+dir)
	}
	groupCancel(cmd)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Run(); err != nil {
		return b.String(), fmt.Errorf("%s: %w\n%s", filepath.Base(argv[0]), err, tail(b.String(), 15))
	}
	return b.String(), nil
}

// groupCancel makes the end of a command's context end its whole process
// group: politely first, by force after ten seconds.
func groupCancel(cmd *exec.Cmd) {
	cmd.Cancel = func() error {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		pid := cmd.Process.Pid
		time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-pid, syscall.SIGKILL) })
		return nil
	}
	cmd.WaitDelay = 15 * time.Second
}

// startProcess starts a server with its output in the file log.
func startProcess(name, log string, a *account, onDeath syscall.Signal, dir string, argv ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = attributes(a, onDeath)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// awaitReady polls ready until it answers nil, the process ends, or the
// context does.
func (p *process) awaitReady(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := error(nil)
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while starting:\n%s", p.name, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready after %s: %w\n%s", p.name, limit, last, p.logTail())
		case <-tick.C:
		}
	}
}

func (p *process) logTail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return tail(string(b), 20)
}

// stop asks the process to end with sig and forces it after grace.
func (p *process) stop(sig syscall.Signal, grace time.Duration) {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(sig)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "    " + strings.Join(all, "\n    ")
}

// becomeSubreaper makes orphaned descendants children of this process, so that
// whatever a test leaves running can be found and ended.
func becomeSubreaper() error {
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return errno
	}
	return nil
}

// watchParent ends the run when the make or go process that started it has
// gone: a "go run" that is ended does not tell its child.
func watchParent(ctx context.Context, cancel context.CancelFunc) {
	ppid := os.Getppid()
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", ppid))
	if err != nil {
		return
	}
	switch strings.TrimSpace(string(comm)) {
	case "go", "make":
	default:
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if os.Getppid() != ppid {
				cancel()
				return
			}
		}
	}
}

// child is one process found below another in /proc.
type child struct {
	pid, ppid int
	name      string
	zombie    bool
}

// descendants lists every process below root, except those in skip and what is
// below them.
func descendants(root int, skip map[int]bool) []child {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	byParent := map[int][]child{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		c, ok := parseStat(pid, string(b))
		if ok {
			byParent[c.ppid] = append(byParent[c.ppid], c)
		}
	}
	var found []child
	var walk func(int)
	walk = func(pid int) {
		for _, c := range byParent[pid] {
			if skip[c.pid] {
				continue
			}
			found = append(found, c)
			walk(c.pid)
		}
	}
	walk(root)
	return found
}

// parseStat reads the fields of /proc/PID/stat that matter here. The name is
// in parentheses and may hold spaces and parentheses itself.
func parseStat(pid int, s string) (child, bool) {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return child{}, false
	}
	rest := strings.Fields(s[end+1:])
	if len(rest) < 2 {
		return child{}, false
	}
	ppid, err := strconv.Atoi(rest[1])
	if err != nil {
		return child{}, false
	}
	return child{pid: pid, ppid: ppid, name: s[open+1 : end], zombie: rest[0] == "Z"}, true
}

// memoryGB is the memory of the machine, 0 when it cannot be told.
func memoryGB() int {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == "MemTotal:" {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				return 0
			}
			return kb >> 20
		}
	}
	return 0
}
