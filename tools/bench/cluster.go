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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// bed is where the parts of the benchmark of a cluster are measured.
type bed struct {
	dir, self, stoa string
	profile         string // folder; empty: none
	rounds          int
	fail            float64 // by what factor a goal must be missed to fail; 0: never
	quick           bool
	postgres, maria string // addresses of the servers; empty: not there
	haproxy, wrk    string
	jgroups         *jgroups // nil: not there
	noJGroups       string   // why
	count           int

	sizeRows  int // that are copied, backed up and restored
	sizeFiles int // MB
}

// part is one thing that is measured.
type part struct {
	name  string
	title string
	run   func(ctx context.Context, b *bed) (section, error)
}

func parts() []part {
	return []part{
		{"saves", "From a save to the other nodes", measureSaves},
		{"hints", "Hints against multicast", measureHints},
		{"rows", "Changes through commit, log and application", measureRows},
		{"share", "The change log's share of the database's CPU", measureShare},
		{"calls", "Calls against RPC", measureCalls},
		{"master", "A new master", measureMaster},
		{"balancer", "A node dies behind a load balancer", measureBalancer},
		{"link", "CPU per cached page, Cluster Link on against off", measureLink},
	}
}

// runCluster is the benchmark of a cluster.
func runCluster(args []string) (err error) {
	var out, note, only string
	var wait time.Duration
	b := &bed{}
	f := flag.NewFlagSet("cluster", flag.ContinueOnError)
	f.StringVar(&out, "out", "", "file for the report; empty: only print it")
	f.StringVar(&note, "note", "", "what the machine is, for the report")
	f.StringVar(&only, "only", "", "parts to measure, separated by commas; empty: all")
	f.DurationVar(&wait, "wait", 0, "how long each part may wait for the machine to do little else")
	f.StringVar(&b.profile, "profile", "", "folder for profiles of the CPU of members; empty: none")
	f.StringVar(&b.stoa, "stoa", "", "the program to measure; empty: build it")
	f.IntVar(&b.rounds, "rounds", 5, "rounds of each comparison")
	f.BoolVar(&b.quick, "quick", false, "few and short rounds, to try the program itself")
	if err := f.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(parts(), only)
	if err != nil {
		return err
	}
	if b.rounds < 1 {
		return errors.New("-rounds must be at least 1")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if b.dir, err = os.MkdirTemp("", "stoa-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	end, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	return b.measure(ctx, report{head: clusterHead, target: "bench-cluster", note: note, whole: only == ""}, chosen, wait, out)
}

const clusterHead = "# Benchmarks of a cluster\n\n%s\nThree nodes are three processes on this machine and share its cores with the servers (%s, which " +
	"keep what they confirm), with the clients and with whatever is compared. A number with ± is the median of rounds and half their " +
	"range; ratios are taken round by round between sides that work in turn.\n"

// measure lets the parts run one after the other, prints the report and writes it to the file out, if that is named.
func (b *bed) measure(ctx context.Context, r report, chosen []part, wait time.Duration, out string) error {
	r.at, r.loadBefore, r.servers = time.Now(), loadAverage(), b.describe(ctx)
	var failed error
	for _, p := range chosen {
		busy, err := quiet(ctx, wait)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "== %s (the machine is %.0f %% busy)\n", p.name, busy*100)
		s, err := p.run(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.title, s.busy = p.title, busy
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", p.name, err))
			s.left = "it failed: " + err.Error()
		}
		r.sections = append(r.sections, s)
	}
	r.loadAfter = loadAverage()
	text := r.markdown()
	fmt.Print(text)
	if out == "" {
		return failed
	}
	return errors.Join(failed, writeReport(out, text))
}

// choose gives the parts with the names.
func choose(all []part, only string) ([]part, error) {
	if only == "" {
		return all, nil
	}
	var chosen []part
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(p part) bool { return p.name == strings.TrimSpace(name) })
		if i < 0 {
			var names []string
			for _, p := range all {
				names = append(names, p.name)
			}
			return nil, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// prepare builds and starts what the parts need. end stops it.
func (b *bed) prepare(ctx context.Context) (end func() error, err error) {
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.stoa == "" {
		b.stoa = filepath.Join(b.dir, "stoa")
		if err := buildStoa(ctx, b.stoa); err != nil {
			return nil, err
		}
	}
	if b.quick {
		b.rounds = min(b.rounds, 2)
	}
	b.wrk, b.haproxy = tool("STOA_BENCH_WRK", "wrk"), tool("STOA_BENCH_HAPROXY", "haproxy")
	if b.haproxy == "" {
		b.haproxy = tool("", "/usr/sbin/haproxy") // which is not in everybody's path
	}
	if b.jgroups, err = findJGroups(ctx, b.dir); err != nil {
		b.noJGroups = err.Error()
	}
	return b.startServers(ctx)
}

// startServers runs database servers that keep what they confirm, as the program of the tests starts them.
func (b *bed) startServers(ctx context.Context) (end func() error, err error) {
	run := filepath.Join(filepath.Dir(b.self), "testrun")
	if _, err := os.Stat(run); err != nil {
		return nil, fmt.Errorf("the program that starts the servers is missing (make bench-cluster builds it): %w", err)
	}
	cmd := exec.Command(run, "-no-install", "-durable", "services")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STOA_TEST_") { // those of the tests do not keep what they confirm
			cmd.Env = append(cmd.Env, v)
		}
	}
	w, err := hire("servers", cmd, filepath.Join(b.dir, "servers.log"))
	if err != nil {
		return nil, err
	}
	end = w.stop
	for {
		s, err := w.line(ctx)
		if err != nil {
			return nil, errors.Join(err, end())
		}
		if strings.HasPrefix(s, "#") {
			break
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(s, "export "), "=")
		value = strings.Trim(value, "'")
		switch name {
		case "STOA_TEST_POSTGRES":
			b.postgres = value
		case "STOA_TEST_MARIADB":
			b.maria = value
		}
	}
	if b.postgres == "" {
		return nil, errors.Join(errors.New("there is no PostgreSQL: make test installs it"), end())
	}
	return end, nil
}

// database makes a new database on the server and gives its address.
func (b *bed) database(ctx context.Context, server string) (string, error) {
	b.count++
	name := fmt.Sprintf("bench_%d", b.count)
	p, err := db.OpenPlain(ctx, db.Options{URL: server})
	if err != nil {
		return "", err
	}
	defer p.Close()
	if _, err := p.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	base, query, _ := strings.Cut(server, "?")
	base = base[:strings.LastIndexByte(base, '/')+1] + name
	if query != "" {
		base += "?" + query
	}
	return base, nil
}

// describe names the servers with their versions.
func (b *bed) describe(ctx context.Context) []string {
	var out []string
	for _, s := range []struct{ url, query string }{{b.postgres, "SELECT 'PostgreSQL ' || current_setting('server_version')"}, {b.maria, "SELECT concat('MariaDB ', version())"}} {
		if s.url == "" {
			continue
		}
		p, err := db.OpenPlain(ctx, db.Options{URL: s.url})
		if err != nil {
			continue
		}
		var text string
		if p.QueryRowContext(ctx, s.query).Scan(&text) == nil {
			out = append(out, text)
		}
		_ = p.Close()
	}
	return out
}

// members starts n members on a new database of the server.
func (b *bed) members(ctx context.Context, server string, n int) (c crew, err error) {
	address, err := b.database(ctx, server)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	for i := range n {
		name := fmt.Sprintf("member-%d", i+1)
		home := filepath.Join(b.dir, fmt.Sprintf("%d-%s", b.count, name))
		w, err := hire(name, exec.Command(b.self, "member", "-db", address, "-name", name, "-home", home, "-members", fmt.Sprint(n), "-profile", b.profile), home+".log")
		if err != nil {
			return c, err
		}
		c = append(c, w)
	}
	return c, c.ready(ctx)
}

// pick gives one of two values.
func (b *bed) pick(usual, quick int) int {
	if b.quick {
		return quick
	}
	return usual
}
