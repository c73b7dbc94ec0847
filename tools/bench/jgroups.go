package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed jgroups/Peer.java
var peerSource []byte

// jgroups is the peer that messages and calls are compared with.
type jgroups struct{ java, jar, classes, version string }

// findJGroups compiles the peer. The error says what is missing here.
func findJGroups(ctx context.Context, dir string) (*jgroups, error) {
	j := &jgroups{java: tool("STOA_BENCH_JAVA", "java"), jar: os.Getenv("STOA_BENCH_JGROUPS"), classes: filepath.Join(dir, "jgroups")}
	if j.jar == "" {
		j.jar = "/usr/share/java/jgroups.jar"
	}
	javac := tool("STOA_BENCH_JAVAC", "javac")
	if _, err := os.Stat(j.jar); err != nil || j.java == "" || javac == "" {
		return nil, errors.New("there is no JDK or no jgroups.jar (Debian: default-jdk-headless, libjgroups-java)")
	}
	source := filepath.Join(j.classes, "Peer.java")
	if err := errors.Join(os.Mkdir(j.classes, 0o755), os.WriteFile(source, peerSource, 0o644)); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, javac, "-cp", j.jar, "-d", j.classes, source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the peer: %w\n%s", err, out)
	}
	out, err := exec.CommandContext(ctx, j.java, "-cp", j.jar, "org.jgroups.Version").Output()
	if err != nil {
		return nil, fmt.Errorf("ask JGroups for its version: %w", err)
	}
	j.version = strings.TrimSpace(string(out))
	return j, nil
}

// stack is TCP with bundling, flow control and thread pools that do not discard: what its users tune it to.
// The stock settings are slower by far, as they wait up to 30 ms to bundle and discard what 8 threads
// do not take.
func stack(port string, hosts []string) string {
	pool := func(name string) string {
		return fmt.Sprintf("%[1]s.enabled=true;%[1]s.min_threads=2;%[1]s.max_threads=64;%[1]s.keep_alive_time=5000;%[1]s.queue_enabled=false;%[1]s.rejection_policy=run", name)
	}
	return strings.Join([]string{
		"TCP(bind_addr=127.0.0.1;bind_port=" + port + ";port_range=0;loopback=true;tcp_nodelay=true;recv_buf_size=20M;send_buf_size=640K;" +
			"max_bundle_size=64K;max_bundle_timeout=30;enable_bundling=true;use_send_queues=true;sock_conn_timeout=300;" + pool("thread_pool") + ";" + pool("oob_thread_pool") + ")",
		"TCPPING(timeout=3000;initial_hosts=" + strings.Join(hosts, ",") + ";port_range=1;num_initial_members=" + strconv.Itoa(len(hosts)) + ")",
		"MERGE2(min_interval=2000;max_interval=5000)", "FD_SOCK", "FD(timeout=3000;max_tries=3)", "VERIFY_SUSPECT(timeout=1500)", "BARRIER",
		"pbcast.NAKACK(use_mcast_xmit=false;gc_lag=0;retransmit_timeout=300,600,1200,2400;discard_delivered_msgs=true)",
		"UNICAST(timeout=300,600,1200)", "pbcast.STABLE(stability_delay=1000;desired_avg_gossip=50000;max_bytes=4M)",
		"pbcast.GMS(print_local_addr=false;join_timeout=3000;view_bundling=true)", "UFC(max_credits=2M;min_threshold=0.4)", "MFC(max_credits=2M;min_threshold=0.4)", "FRAG2(frag_size=60K)",
	}, ":")
}

// is says which JGroups it was, for a report: its versions are years, and worlds, apart.
func (j *jgroups) is() string {
	if j == nil {
		return ""
	}
	return " JGroups is the one of Debian or of STOA_BENCH_JGROUPS: " + strings.Join(strings.Fields(j.version), " ") + "."
}

// start runs n peers that have found each other.
func (j *jgroups) start(ctx context.Context, dir string, n int) (c crew, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	var ports, hosts [2][]string // for messages, for calls
	for k := range ports {
		for range n {
			address, err := freeAddress()
			if err != nil {
				return c, err
			}
			_, port, _ := strings.Cut(address, ":")
			ports[k], hosts[k] = append(ports[k], port), append(hosts[k], "127.0.0.1["+port+"]")
		}
	}
	for i := range n {
		name := fmt.Sprintf("jgroups-%d", i+1)
		w, err := hire(name, exec.Command(j.java, "-Xmx400m", "-Djava.net.preferIPv4Stack=true", "-cp", j.jar+":"+j.classes, "Peer",
			stack(ports[0][i], hosts[0]), stack(ports[1][i], hosts[1]), strconv.Itoa(n)), filepath.Join(dir, name+".log"))
		if err != nil {
			return c, err
		}
		c = append(c, w)
	}
	return c, c.ready(ctx)
}
