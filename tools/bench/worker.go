package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// answerLimit is how long a worker may take for one order.
const answerLimit = 3 * time.Minute

// worker is a process of this program or of its peer in Java that takes orders, one a line, and answers
// each with one line of name=number.
type worker struct {
	*process
	in    io.WriteCloser
	lines chan string // closed when it has ended
}

// crew are workers that form one cluster.
type crew []*worker

// hire starts a worker and waits for nothing; see crew.ready.
func hire(name string, cmd *exec.Cmd, log string) (*worker, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w := &worker{process: &process{name: name}, in: in, lines: make(chan string, 16)}
	if err := startWith(w.process, cmd, log, false); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which stop waits for
		defer close(w.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	return w, nil
}

// line waits for the next line of the worker.
func (w *worker) line(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	select {
	case s, open := <-w.lines:
		if !open {
			return "", fmt.Errorf("%s ended:\n%s", w.name, w.logTail())
		}
		if why, bad := strings.CutPrefix(s, "error "); bad {
			return "", fmt.Errorf("%s: %s", w.name, why)
		}
		return s, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s does not answer: %w\n%s", w.name, ctx.Err(), w.logTail())
	}
}

// order lets the worker do something and gives what it measured.
func (w *worker) order(ctx context.Context, format string, args ...any) (figures, error) {
	if _, err := fmt.Fprintf(w.in, format+"\n", args...); err != nil {
		return nil, fmt.Errorf("%s takes no orders: %w\n%s", w.name, err, w.logTail())
	}
	s, err := w.line(ctx)
	if err != nil {
		return nil, err
	}
	return parseFigures(s)
}

// ready waits until all workers have found each other.
func (c crew) ready(ctx context.Context) error {
	for _, w := range c {
		s, err := w.line(ctx)
		if err != nil {
			return err
		}
		if s != "ready" {
			return fmt.Errorf("%s says %q", w.name, s)
		}
	}
	return nil
}

// order lets all workers do the same at the same time.
func (c crew) order(ctx context.Context, format string, args ...any) ([]figures, error) {
	out, errs, done := make([]figures, len(c)), make([]error, len(c)), make(chan struct{})
	for i, w := range c {
		go func() { // waited for below
			out[i], errs[i] = w.order(ctx, format, args...)
			done <- struct{}{}
		}()
	}
	for range c {
		<-done
	}
	return out, errors.Join(errs...)
}

// pids gives the processes of all workers.
func (c crew) pids() (pids []int) {
	for _, w := range c {
		pids = append(pids, w.cmd.Process.Pid)
	}
	return pids
}

// stop ends the workers: politely, by ending their orders, and then by a signal.
func (c crew) stop() error {
	var errs error
	for _, w := range c {
		errs = errors.Join(errs, w.in.Close())
	}
	for _, w := range c {
		w.leave(10 * time.Second)
		errs = errors.Join(errs, w.stop())
	}
	return errs
}

// figures are numbers by name.
type figures map[string]float64

// parseFigures reads "name=number name=number".
func parseFigures(s string) (figures, error) {
	f := figures{}
	for _, part := range strings.Fields(s) {
		name, text, ok := strings.Cut(part, "=")
		v, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not name=number", part)
		}
		f[name] = v
	}
	return f, nil
}

// most and total look at the same number of several workers.
func most(all []figures, name string) (v float64) {
	for _, f := range all {
		v = max(v, f[name])
	}
	return v
}

func total(all []figures, name string) (v float64) {
	for _, f := range all {
		v += f[name]
	}
	return v
}
