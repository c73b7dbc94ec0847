package nats_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/cluster/nats"
)

// A reader of the database shall not find in the rows what is made of the secret by one fast computation.
func TestRow_IsNotWhatAFastGuessFinds(t *testing.T) {
	t.Parallel()
	id, err := nats.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	row, former := id.Row("a secret of all nodes", "c"), id.FormerRow("a secret of all nodes", "c")
	if row == former || len(row) > 120 {
		t.Errorf("the row is %q, the one of binaries from before %q", row, former)
	}
	if id.Row("another secret of all", "c") == row || id.Row("a secret of all nodes", "d") == row {
		t.Error("another secret or cluster gives the same row")
	}
	if plain := id.Row("", "c"); strings.Contains(plain, ".") || plain != id.FormerRow("", "c") {
		t.Errorf("without a secret the row is %q", plain)
	}
}

// Rows of binaries from before, and those written while such are beside, are known as well.
func TestLink_MeetsNodesWhoseRowsHaveTheFormerForm(t *testing.T) {
	t.Parallel()
	const secret = "a secret of all nodes"
	r := &rows{nodes: map[string]string{}}
	var identity *nats.Identity
	a := listen(t, "1", func(o *nats.Options) { o.Secret, identity = secret, o.Identity })
	a.fp = identity.FormerRow(secret, "test-cluster")
	b := listen(t, "2", func(o *nats.Options) { o.Secret = secret })
	x := listen(t, "3", func(o *nats.Options) { o.Secret, identity = "another secret of all", o.Identity })
	x.fp = identity.FormerRow("another secret of all", "test-cluster")
	twoMeet(t, r, a, b, x)
}

// listeningPorts are the TCP ports on which this process listens on loopback, of those that look like one of ours.
func listeningPorts(t *testing.T) (ports []int) {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Skip("the ports that are open cannot be listed here")
	}
	for _, line := range strings.Split(string(raw), "\n")[1:] {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "0A" || !strings.HasPrefix(f[1], "0100007F:") {
			continue
		}
		if port, err := strconv.ParseUint(f[1][9:], 16, 16); err == nil {
			ports = append(ports, int(port))
		}
	}
	return ports
}

// It stays by itself: a port that another test listens on may be one that was free a moment ago.
func TestListen_TellsUnknownPeersNothing(t *testing.T) {
	before := map[int]bool{}
	for _, p := range listeningPorts(t) {
		before[p] = true
	}
	m := listen(t, "1", nil)
	asked := 0
	for _, port := range listeningPorts(t) {
		if before[port] || port == m.Port() {
			continue
		}
		c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
		if err != nil {
			continue // of another test of this machine, gone
		}
		asked++
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, "CONNECT {}\r\nPING\r\n"); err != nil {
			t.Log(err)
		}
		got, _ := io.ReadAll(c) // until it closes
		_ = c.Close()
		for _, word := range []string{"INFO", "test-cluster", "version"} {
			if bytes.Contains(got, []byte(word)) {
				t.Errorf("port %d tells an unknown peer %q", port, got)
			}
		}
		if c, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
			&tls.Config{InsecureSkipVerify: true}); err == nil {
			_ = c.Close()
			t.Errorf("port %d takes a connection of an unknown peer", port)
		}
	}
	if asked == 0 {
		t.Error("the client port was not found")
	}
}
