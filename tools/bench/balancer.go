package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const balancedPerSecond = 200

// measureBalancer kills each node in turn while visitors come through HAProxy.
func measureBalancer(ctx context.Context, b *bed) (s section, err error) {
	ways := []struct {
		name    string
		retries bool
		goal    int
	}{{"without retries", false, 1}, {"with retries", true, 0}}
	if b.haproxy == "" {
		for _, w := range ways {
			s.findings = append(s.findings, finding{what: balancerGoal(w.name), goal: fmt.Sprintf("≤ %d s", w.goal), left: "there is no HAProxy"})
		}
		return s, nil
	}
	c, err := b.startNodes(ctx, b.postgres, 3, true)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	rows := [][]string{{"HAProxy", "Kills", "Requests", "Failed", "Seconds with errors, most of a kill", "Median", "Slowest request"}}
	for _, w := range ways {
		front, err := startHAProxy(ctx, b.haproxy, c.dir, c.all, w.retries)
		if err != nil {
			return s, err
		}
		var seconds []float64
		requests, failed, slowest := 0, 0, time.Duration(0)
		for i := range b.pick(6, 2) {
			v, err := visitWhileKilling(ctx, b, c, front, c.all[i%len(c.all)])
			if err != nil {
				return s, errors.Join(err, front.stop())
			}
			seconds = append(seconds, float64(v.secondsWithErrors()))
			requests, failed, slowest = requests+v.requests, failed+len(v.failed), max(slowest, v.slowest)
		}
		if err := front.stop(); err != nil {
			return s, err
		}
		worst := quantile(seconds, 1)
		s.findings = append(s.findings, finding{what: balancerGoal(w.name), goal: fmt.Sprintf("≤ %d s", w.goal), measured: fmt.Sprintf("%.0f s", worst), met: worst <= float64(w.goal)})
		rows = append(rows, []string{w.name, fmt.Sprint(len(seconds)), thousands(requests), fmt.Sprint(failed), fmt.Sprintf("%.0f", worst), fmt.Sprintf("%.0f", quantile(seconds, 0.5)), fmt.Sprintf("%.0f ms", slowest.Seconds()*1000)})
	}
	s.text = fmt.Sprintf("Visitors ask HAProxy for the home page %d times a second, whether or not it answers; each of the three nodes is killed in turn and started again. "+
		"HAProxy asks `/readyz` every 200 ms and takes a node out after two answers that fail, or after one broken connection. A second counts from the kill on, and has errors if one request sent in it got anything but the page.\n\n%s", balancedPerSecond, table(rows...))
	return s, nil
}

func balancerGoal(way string) string {
	return fmt.Sprintf("kill -9 of a node behind HAProxy at %d requests/s, %s: seconds with errors", balancedPerSecond, way)
}

// startHAProxy puts a load balancer in front of the nodes.
func startHAProxy(ctx context.Context, binary, dir string, behind []*process, retries bool) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "global\n  maxconn 2000\ndefaults\n  mode http\n  timeout connect 500ms\n  timeout client 30s\n  timeout server 10s\n  timeout queue 5s\n")
	if retries {
		conf.WriteString("  retries 3\n  option redispatch 1\n  retry-on conn-failure empty-response response-timeout 503\n")
	} else {
		conf.WriteString("  retries 0\n")
	}
	fmt.Fprintf(&conf, "frontend all\n  bind %s\n  default_backend nodes\nbackend nodes\n  balance roundrobin\n  option httpchk GET /readyz\n"+
		"  default-server check inter 200ms fastinter 100ms fall 2 rise 2 observe layer4 error-limit 1 on-error mark-down\n", address)
	for i, p := range behind {
		fmt.Fprintf(&conf, "  server node%d %s\n", i+1, strings.TrimPrefix(p.url, "http://"))
	}
	name := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(name, []byte(conf.String()), 0o644); err != nil {
		return nil, err
	}
	p := &process{name: "HAProxy", url: "http://" + address, page: "/"}
	if err := start(p, exec.Command(binary, "-db", "-f", name), filepath.Join(dir, "haproxy.log")); err != nil {
		return nil, err
	}
	_, err = p.ready(ctx, time.Now())
	return p, err
}

// visited is what visitors saw.
type visited struct {
	requests int
	slowest  time.Duration
	failed   []time.Duration // since the kill, when they were sent
}

// secondsWithErrors counts the seconds since the kill in which something failed that was sent then.
func (v visited) secondsWithErrors() int {
	seconds := map[time.Duration]bool{}
	for _, at := range v.failed {
		seconds[at.Truncate(time.Second)] = true
	}
	return len(seconds)
}

// visitWhileKilling sends requests at an even pace, kills the node after two seconds and starts it again
// after six.
func visitWhileKilling(ctx context.Context, b *bed, c *nodes, front, victim *process) (v visited, err error) {
	visitors := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}}
	defer visitors.CloseIdleConnections()
	var mu sync.Mutex
	var wg sync.WaitGroup
	defer wg.Wait()
	ask := func(sent time.Duration) {
		begun := time.Now()
		_, err := body(visitors.Get(front.url + "/"))
		mu.Lock()
		defer mu.Unlock()
		v.requests++
		v.slowest = max(v.slowest, time.Since(begun))
		if err != nil {
			v.failed = append(v.failed, sent)
		}
	}
	const killAfter = 2 * time.Second
	length := time.Duration(b.pick(10, 6)) * time.Second
	tick := time.NewTicker(time.Second / balancedPerSecond)
	defer tick.Stop()
	begun, killed := time.Now(), false
	for time.Since(begun) < length {
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-tick.C:
		}
		if !killed && time.Since(begun) >= killAfter {
			at, err := victim.kill()
			if err != nil {
				return v, err
			}
			begun, killed = at.Add(-killAfter), true
		}
		sent := time.Since(begun) - killAfter
		wg.Go(func() { ask(sent) })
	}
	wg.Wait()
	if err := c.start(ctx, victim); err != nil {
		return v, err
	}
	if err := c.settle(ctx, len(c.all)); err != nil {
		return v, err
	}
	return v, pause(ctx, time.Second) // HAProxy has seen it
}
