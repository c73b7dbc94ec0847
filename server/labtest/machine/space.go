//go:build linux

package machine

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// space is a network namespace without a name: the kernel removes it with its last process and file, so
// nothing of it outlives this program. One thread lives in it and starts its processes, which the kernel
// ends with that thread.
type space struct {
	file *os.File // of the namespace
	work chan func()
	done chan struct{}

	mu     sync.Mutex
	visits sync.WaitGroup
	closed bool
}

func newSpace() (*space, error) {
	s := &space{work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // for good: the thread ends with this function
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			s.file, err = ownNamespace()
		}
		ready <- err
		if err != nil {
			return
		}
		for fn := range s.work {
			fn()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return s, nil
}

func ownNamespace() (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
}

// path names the namespace for programs that look for it in the file system.
func (s *space) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.file.Fd()) }

// inside runs fn on the thread that lives in the namespace. Processes are started there.
func (s *space) inside(fn func() error) error {
	out := make(chan error, 1)
	s.work <- func() { out <- fn() }
	return <-out
}

// visit runs fn on a thread that is in the namespace for as long. Sockets are opened there: they stay
// in the namespace they were made in, and several can be made at a time.
func (s *space) visit(fn func() error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	s.visits.Add(1)
	s.mu.Unlock()
	out := make(chan error, 1)
	go func() {
		defer s.visits.Done()
		runtime.LockOSThread()
		home, err := ownNamespace()
		if err == nil {
			defer home.Close()
			err = unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			out <- fmt.Errorf("enter a network namespace: %w", err)
			return
		}
		err = fn()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread() // otherwise the thread ends with this function
		}
		out <- err
	}()
	return <-out
}

// close waits for visitors, and lets no more in.
func (s *space) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.visits.Wait()
	close(s.work)
	<-s.done
	return s.file.Close()
}
