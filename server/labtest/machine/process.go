//go:build linux

package machine

import (
	"bytes"
	"cmp"
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

// Command says what to start on a host.
type Command struct {
	Name string // of its log, in the folder of the lab
	Argv []string
	Dir  string
	Env  []string // all of it, beside PATH: what this program was given is not the business of the lab
	User string   // account; empty = root
	Nest bool     // the program has children: they end with it, also when they are frozen
	Proc bool     // with Nest: it looks at its children in /proc, which must then show them by its own numbers
}

// nested gives a program a /proc of its own before it becomes what Argv says. The account is taken on there,
// and with it the end at the end of this program: the kernel forgets that when an account changes.
func (c Command) nested() ([]string, error) {
	uid, gid, err := lookup(cmp.Or(c.User, "root"))
	if err != nil {
		return nil, err
	}
	const script = `mount --make-rprivate / && mount -t proc proc /proc && ` +
		`exec setpriv --reuid "$0" --regid "$1" --clear-groups --pdeathsig KILL -- "${@:2}"`
	return append([]string{"bash", "-c", script, strconv.Itoa(uid), strconv.Itoa(gid)}, c.Argv...), nil
}

// Process is a program that runs on a host, or has ended.
type Process struct {
	Name string
	Log  string // file with everything it printed

	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, once done is closed
}

// Start starts a program on the host. It is killed at the latest when the lab is closed or this program ends.
func (h *Host) Start(c Command) (*Process, error) {
	p := &Process{Name: c.Name, Log: filepath.Join(h.lab.Dir, c.Name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	argv, account := c.Argv, c.User
	if c.Proc {
		if argv, err = c.nested(); err != nil {
			return nil, err
		}
		account = ""
	}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = c.Dir, append([]string{"PATH=" + os.Getenv("PATH")}, c.Env...), log, log
	if p.cmd.SysProcAttr, err = attributes(account); err != nil {
		return nil, err
	}
	if c.Nest { // the kernel ends a process namespace with its first process
		p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	if c.Proc {
		p.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNS
	}
	if err := h.space.inside(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	h.mu.Lock()
	h.procs = append(h.procs, p)
	h.mu.Unlock()
	go func() { // ends with the process, which Kill waits for
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// attributes puts a process into a group of its own, so that Ctrl-C reaches only this program, which
// then ends what it started; the kernel does so when it cannot.
func attributes(account string) (*syscall.SysProcAttr, error) {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if account == "" {
		return a, nil
	}
	uid, gid, err := lookup(account)
	if err != nil {
		return nil, err
	}
	a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return a, nil
}

func lookup(account string) (uid, gid int, err error) {
	u, err := user.Lookup(account)
	if err != nil {
		return 0, 0, fmt.Errorf("the server needs the account %s, which its package makes: %w", account, err)
	}
	if uid, err = strconv.Atoi(u.Uid); err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}

// Run runs a program on the host to its end and gives what it printed to its standard output.
func (h *Host) Run(ctx context.Context, account string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &said, "/"
	var err error
	if cmd.SysProcAttr, err = attributes(account); err != nil {
		return "", err
	}
	if err = h.space.inside(cmd.Start); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return out.String(), fmt.Errorf("%s on %s: %w: %s", filepath.Base(argv[0]), h.Name, err, strings.TrimSpace(said.String()+out.String()))
	}
	return out.String(), nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process without warning, frozen or not, and waits for its end.
func (p *Process) Kill() {
	if p.Running() {
		_ = p.cmd.Process.Kill() // an error says that it has just ended
		<-p.done
	}
}

// Stop asks the process to end and waits for it; one that does not end within the limit is killed, which is an error.
func (p *Process) Stop(sig syscall.Signal, limit time.Duration) error {
	if !p.Running() {
		return p.err
	}
	_ = p.cmd.Process.Signal(sig)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.err
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %s of %s and was killed", p.Name, limit, sig)
	}
}

// Freeze stops the process and all that it has started where they are.
func (p *Process) Freeze() { p.signalAll(syscall.SIGSTOP) }

// Thaw lets them go on.
func (p *Process) Thaw() { p.signalAll(syscall.SIGCONT) }

// signalAll goes from the parent down: a parent that stands still has no new children.
func (p *Process) signalAll(sig syscall.Signal) {
	if !p.Running() {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	for below := children(p.cmd.Process.Pid); len(below) > 0; {
		var next []int
		for _, pid := range below {
			_ = syscall.Kill(pid, sig)
			next = append(next, children(pid)...)
		}
		below = next
	}
}

// children lists the processes whose parent is pid.
func children(pid int) []int {
	var pids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, _ := os.ReadFile(name) // a process that has ended has none
		// The name, in parentheses, may hold anything; state and parent follow it.
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 2 || f[1] != strconv.Itoa(pid) {
			continue
		}
		if n, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// Tail gives the last lines of what the process printed.
func (p *Process) Tail(lines int) string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Await asks ready again and again until it gives nil. It ends early with an error when the process ends.
func (p *Process) Await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while starting:\n%s", p.Name, p.Tail(20))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.Name, err, p.Tail(20))
		case <-tick.C:
		}
	}
}
