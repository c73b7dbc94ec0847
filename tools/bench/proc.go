package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under test.
type process struct {
	name, url, page, home string
	cmd                   *exec.Cmd
	log                   string
	done                  chan error
}

// start runs a server with its output in a file.
func start(p *process, cmd *exec.Cmd, log string) error { return startWith(p, cmd, log, true) }

// startWith is start; stdout says whether that goes to the file as well or is the caller's.
func startWith(p *process, cmd *exec.Cmd, log string, stdout bool) error {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stderr = out
	if stdout {
		cmd.Stdout = out
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	p.cmd, p.log, p.done = cmd, log, make(chan error, 1)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() { p.done <- cmd.Wait() }() // stop waits for it
	return nil
}

// logTail is the end of what the process said.
func (p *process) logTail() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-4000):])
}

// stop ends the server and waits for it. A second call does nothing.
func (p *process) stop() error {
	if p.cmd == nil {
		return nil
	}
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd = nil
	<-p.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// leave waits for a process that ends by itself, at most for the limit.
func (p *process) leave(limit time.Duration) {
	select {
	case err := <-p.done:
		p.done <- err // for stop
	case <-time.After(limit):
	}
}

// ready asks until the page is there, and gives the time since begin.
func (p *process) ready(ctx context.Context, begin time.Time) (time.Duration, error) {
	c := &http.Client{Timeout: 5 * time.Second}
	defer c.CloseIdleConnections()
	for time.Since(begin) < 30*time.Second {
		if _, _, err := get(ctx, c, p.url+p.page, false); err == nil {
			return time.Since(begin), nil
		}
		select {
		case err := <-p.done:
			p.done <- err
			return 0, fmt.Errorf("%s ended: %w\n%s", p.name, err, p.logTail())
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return 0, errors.Join(fmt.Errorf("%s does not answer at %s", p.name, p.url), p.stop())
}

// freeAddress gives an address of this machine alone that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startStoa runs the built program on an empty home and gives the time to the first page.
func startStoa(ctx context.Context, dir, binary, home string) (*process, time.Duration, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, 0, err
	}
	properties := filepath.Join(dir, "bench.properties")
	if err := os.WriteFile(properties,
		[]byte("portal.instance.inet.socket.address="+address+"\nshutdown.drain.delay=0s\ndefault.admin.password="+adminPassword+"\n"), 0o644); err != nil {
		return nil, 0, err
	}
	p := &process{name: "Stoa", url: "http://" + address, page: "/", home: home}
	begin := time.Now()
	if err := start(p, exec.Command(binary, "serve", "--home", home, "--external-properties", properties), filepath.Join(dir, "stoa.log")); err != nil {
		return nil, 0, err
	}
	took, err := p.ready(ctx, begin)
	return p, took, err
}

// startNginx serves one file the way nginx does best: sendfile, nothing written, nothing compressed.
func startNginx(ctx context.Context, binary, dir, file string) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	conf := fmt.Sprintf(`%sdaemon off;
pid %[2]s/nginx.pid;
error_log %[2]s/nginx-error.log;
worker_processes auto;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; gzip off; keepalive_requests 100000000;
  open_file_cache max=10; open_file_cache_valid 60s;
  client_body_temp_path %[2]s/nb; proxy_temp_path %[2]s/np; fastcgi_temp_path %[2]s/nf; uwsgi_temp_path %[2]s/nu; scgi_temp_path %[2]s/ns;
  types { text/html html; } charset utf-8;
  server { listen %[3]s; root %[4]s; }
}
`, user, dir, address, filepath.Dir(file))
	name := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(name, []byte(conf), 0o644); err != nil {
		return nil, err
	}
	p := &process{name: "nginx, a file", url: "http://" + address, page: "/" + filepath.Base(file)}
	if err := start(p, exec.Command(binary, "-p", dir, "-e", filepath.Join(dir, "nginx-error.log"), "-c", name), filepath.Join(dir, "nginx.log")); err != nil {
		return nil, err
	}
	_, err = p.ready(ctx, time.Now())
	return p, err
}

// startPlain runs this program as the bare net/http server.
func startPlain(ctx context.Context, file string) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: "net/http, from memory", url: "http://" + address, page: "/"}
	if err := start(p, exec.Command(self, "-serve", file, "-address", address), file+".log"); err != nil {
		return nil, err
	}
	_, err = p.ready(ctx, time.Now())
	return p, err
}

// servePlain is the smallest server that net/http makes: one handler, one slice.
func servePlain(file, address string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	s := &http.Server{
		Addr:              address,
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body) // a client that went away does not want it
		}),
	}
	return s.ListenAndServe()
}

// pids gives the server and its children.
func (p *process) pids() []int {
	pids := []int{p.cmd.Process.Pid}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pids[0], pids[0]))
	if err != nil {
		return pids // a kernel without the list; only nginx has children
	}
	for _, f := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// cpu gives the time that processes have used so far.
func cpu(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		d, err := parseStat(string(raw))
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// parseStat reads user and system time, the 14th and 15th field, in ticks of a hundredth of a second.
// The second field is a name in brackets that may hold blanks.
func parseStat(s string) (time.Duration, error) {
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 13 {
		return 0, fmt.Errorf("%q is not the state of a process", s)
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

var vmRSS = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// rss gives the memory that processes hold, in bytes.
func rss(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		m := vmRSS.FindSubmatch(raw)
		if m == nil {
			return 0, fmt.Errorf("process %d has no VmRSS", pid)
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n << 10
	}
	return sum, nil
}

// loadAverage is what the machine did in the last minute besides, empty when it does not say.
func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}

var benchLine = regexp.MustCompile(`(?m)^BenchmarkGuest_CachedPage\S*\s+\d+\s+([0-9.]+) ns/op.*?\s(\d+) allocs/op`)

// handlerAllocs runs the benchmark of package web.
func handlerAllocs(ctx context.Context) (allocs int, ns float64, err error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkGuest_CachedPage$", "-benchmem",
		"./web").
		CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("benchmark of web: %w\n%s", err, out)
	}
	m := benchLine.FindSubmatch(out)
	if m == nil {
		return 0, 0, fmt.Errorf("the benchmark of web printed something unexpected:\n%s", out)
	}
	if ns, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
		return 0, 0, err
	}
	allocs, err = strconv.Atoi(string(m[2]))
	return allocs, ns, err
}
