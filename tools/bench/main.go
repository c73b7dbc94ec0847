// Command bench measures a built stoa against nginx and against a bare net/http program that serve the
// same bytes, and times its first start and an import. It writes a table for docs/benchmarks.md.
// "bench cluster" measures three nodes, for docs/benchmarks-cluster.md; "bench member" is one of the
// processes that it starts. "bench database" measures what lies between the portal and its database, for
// docs/benchmarks-database.md. "bench files" measures file stores, for docs/benchmarks-files.md. "bench scale"
// measures whether a portal stays fast when it grows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	var err error
	switch word := append(os.Args, "")[1]; word {
	case "cluster":
		err = runCluster(os.Args[2:])
	case "database":
		err = runDatabase(os.Args[2:])
	case "files":
		err = runFiles(os.Args[2:])
	case "scale":
		err = runScale(os.Args[2:])
	case "member":
		err = runMember(os.Args[2:])
	default:
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags and what the environment gave.
type settings struct {
	out, note, export string
	rounds            int
	length            time.Duration
	starts            int
	nginx, wrk        string // empty: not there
}

func run() error {
	var s settings
	var serve, address string
	flag.StringVar(&s.out, "out", "", "file for the table; empty: only print it")
	flag.StringVar(&s.note, "note", "", "what the machine is, for the table")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of the comparison")
	flag.DurationVar(&s.length, "time", 2*time.Second, "how long each server works in a round")
	flag.IntVar(&s.starts, "starts", 5, "first starts to time")
	flag.StringVar(&serve, "serve", "", "be the bare net/http program: serve this file from memory at every address")
	flag.StringVar(&address, "address", "127.0.0.1:0", "where -serve listens")
	flag.Parse()
	if serve != "" {
		return servePlain(serve, address)
	}
	if s.rounds < 1 || s.starts < 1 || s.length < 100*time.Millisecond {
		return errors.New("-rounds and -starts must be at least 1 and -time at least 100ms")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s.nginx, s.wrk = tool("STOA_BENCH_NGINX", "nginx"), tool("STOA_BENCH_WRK", "wrk")
	var err error
	if s.export, err = findExport(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "stoa-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers read the page as another user
		return err
	}
	r, err := measure(ctx, s, dir)
	if err != nil {
		return err
	}
	text := r.markdown()
	fmt.Print(text)
	if s.out == "" {
		return nil
	}
	if before, err := os.ReadFile(s.out); err == nil { // what "bench scale" has written stays
		if i := strings.Index(string(before), "\n## A portal that has grown\n"); i >= 0 {
			text += string(before)[i:]
		}
	}
	return os.WriteFile(s.out, []byte(text), 0o644)
}

// tool finds a program by a variable of the environment or in the path; empty when it is not there.
func tool(env, name string) string {
	if v := os.Getenv(env); v != "" {
		return v
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// findExport gives the WordPress export to import.
func findExport() (string, error) {
	candidates := []string{os.Getenv("STOA_TEST_WORDPRESS"), filepath.Join("..", "shared", "data", "wordpress", "themeunittestdata.wordpress.xml"),
		filepath.Join("importer", "wordpress", "testdata", "small.xml")}
	for _, c := range candidates {
		if c == "" {
			continue
		}
		if _, err := os.Stat(c); err == nil {
			return c, nil
		}
	}
	return "", fmt.Errorf("there is no export to import: tried %q; run this at the root of the source or set STOA_TEST_WORDPRESS", candidates)
}

// buildStoa makes the program that is measured.
func buildStoa(ctx context.Context, out string) error {
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-o", out, "./cmd/stoa")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build stoa: %w", err)
	}
	return nil
}

// measure runs everything and gives the numbers.
func measure(ctx context.Context, s settings, dir string) (*result, error) {
	r := &result{at: time.Now(), note: s.note, export: filepath.Base(s.export), loadBefore: loadAverage()}
	stoa := filepath.Join(dir, "stoa")
	err := buildStoa(ctx, stoa)
	if err != nil {
		return nil, err
	}
	if r.allocs, r.nsPerOp, err = handlerAllocs(ctx); err != nil {
		return nil, err
	}
	if r.personCPU, err = personCPU(ctx); err != nil {
		return nil, err
	}
	var node *process
	for i := range s.starts {
		home := filepath.Join(dir, fmt.Sprintf("home-%d", i))
		took := time.Duration(0)
		if node, took, err = startStoa(ctx, dir, stoa, home); err != nil {
			return nil, err
		}
		r.starts = append(r.starts, took.Seconds())
		if i == s.starts-1 {
			break
		}
		if err := node.stop(); err != nil {
			return nil, err
		}
	}
	defer func() { _ = node.stop() }()
	begin := time.Now()
	imp := exec.CommandContext(ctx, stoa, "import", "wordpress", s.export, "--home", node.home)
	if out, err := imp.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("import: %w\n%s", err, out)
	}
	r.importTook = time.Since(begin)
	path, body, paths, err := choosePage(ctx, node.url)
	if err != nil {
		return nil, err
	}
	r.path, r.size, r.addresses = path, len(body), len(paths)
	if err := visitAll(ctx, node.url, paths, visits); err != nil {
		return nil, err
	}
	if r.rss, err = rss(node.pids()); err != nil {
		return nil, err
	}
	servers := []*process{node}
	file := filepath.Join(dir, "www", "page.html")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, body, 0o644)); err != nil {
		return nil, err
	}
	if s.nginx != "" {
		n, err := startNginx(ctx, s.nginx, dir, file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = n.stop() }()
		servers = append(servers, n)
	}
	plain, err := startPlain(ctx, file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plain.stop() }()
	servers = append(servers, plain)
	node.page, r.client = path, "the built-in Go client, 64 connections"
	if s.wrk != "" {
		r.client = "wrk -t2 -c64"
	}
	if err := compare(ctx, s, r, servers, body); err != nil {
		return nil, err
	}
	if r.grown, err = measureGrown(ctx, s, dir, stoa); err != nil {
		return nil, err
	}
	r.loadAfter = loadAverage()
	return r, nil
}

// compare lets the servers work one after the other, in turn, so that what else the machine does meets
// all of them; the order changes with every round.
func compare(ctx context.Context, s settings, r *result, servers []*process, body []byte) error {
	for _, p := range servers {
		if err := serves(ctx, p.url+p.page, body); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if _, err := load(ctx, s, p.url+p.page, s.length/4); err != nil { // warm
			return err
		}
	}
	r.rows = make([]row, len(servers))
	for i, p := range servers {
		r.rows[i].name = p.name
	}
	for round := range s.rounds {
		for k := range servers {
			i := (k + round) % len(servers)
			before, err := cpu(servers[i].pids())
			if err != nil {
				return err
			}
			got, err := load(ctx, s, servers[i].url+servers[i].page, s.length)
			if err != nil {
				return fmt.Errorf("%s: %w", servers[i].name, err)
			}
			after, err := cpu(servers[i].pids())
			if err != nil {
				return err
			}
			r.rows[i].rate = append(r.rows[i].rate, got.rate)
			r.rows[i].cpu = append(r.rows[i].cpu, float64((after-before).Nanoseconds())/1000/float64(max(got.requests, 1)))
			r.errors += got.failed
		}
	}
	return nil
}
