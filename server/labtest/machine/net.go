//go:build linux

// Package machine builds the hardware of the lab inside one Linux machine: hosts with addresses of their
// own, a switch between them whose links can be cut, database servers, a load balancer, and processes
// that can be frozen and killed. It needs root. Nothing gets an address outside of its namespaces, and
// nothing outlives the program. The main type is Lab.
package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// subnet holds all hosts of a lab; no address of it exists outside of the lab's namespaces.
const subnet = "10.77.0."

// Lab is a private network and the folder of everything that runs on it.
type Lab struct {
	Dir string

	bridge *space
	mu     sync.Mutex
	hosts  []*Host
}

// Host is a machine of the lab, as far as the network can tell.
type Host struct {
	Name string
	Addr string // without a port

	lab   *Lab
	port  string // of the switch
	space *space

	mu    sync.Mutex
	procs []*Process
}

// Missing says what the machine lacks for a lab: root and programs, by the names of their packages.
func Missing() []string {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root, for network namespaces")
	}
	for _, need := range [][2]string{{"ip", "iproute2"}, {"nft", "nftables"}, {"haproxy", "haproxy"}, {"faketime", "faketime"}, {"psql", "postgresql"}, {mariadb, "mariadb-server"}} {
		if _, err := exec.LookPath(need[0]); err != nil {
			missing = append(missing, need[0]+" (package "+need[1]+")")
		}
	}
	if _, err := postgresBin(); err != nil {
		missing = append(missing, err.Error())
	}
	return missing
}

// ErrMissing is about something that only some stories need and this machine does not have.
var ErrMissing = errors.New("this machine lacks something")

// errFetch is about what comes from a registry, which may be out of reach.
var errFetch = errors.New("it could not be fetched")

// Fetched says of an error that it is for want of something that comes from a registry and no package.
func Fetched(err error) bool { return errors.Is(err, errFetch) }

// Need says what the machine lacks for a group, beside what every lab needs, by the names of packages.
func (k Kind) Need() error {
	needs := map[Kind][][2]string{
		Galera: {{wsrep, "galera-4"}, {"rsync", "rsync"}, {"lsof", "lsof"}},
		Patroni: {{"patroni", "patroni"}, {"etcd", "etcd-server"}, {"setpriv", "util-linux"},
			{"/usr/lib/python3/dist-packages/etcd", "python3-etcd"}},
	}
	return Lacks(needs[k]...)
}

// Lacks gives ErrMissing with the packages of the programs, or other files, that are not there.
func Lacks(needs ...[2]string) error {
	var missing []string
	for _, need := range needs {
		_, err := exec.LookPath(need[0])
		if _, statErr := os.Stat(need[0]); err != nil && statErr != nil {
			missing = append(missing, need[1])
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: package %s", ErrMissing, strings.Join(missing, ", "))
	}
	return nil
}

// cuts holds the pairs of ports between which nothing passes, or every fourth packet is lost, in the
// direction that is named.
const cuts = `table bridge lab {
	set cuts { type ifname . ifname; }
	set lossy { type ifname . ifname; }
	chain relay {
		type filter hook forward priority 0; policy accept;
		iifname . oifname @cuts drop
		iifname . oifname @lossy numgen random mod 4 0 drop
	}
}`

// New makes a lab without hosts. Dir must exist, and be open to the accounts of the database servers.
func New(dir string) (*Lab, error) {
	bridge, err := newSpace()
	if err != nil {
		return nil, err
	}
	l := &Lab{Dir: dir, bridge: bridge}
	err = bridge.run("ip", "-batch", "-", "link set lo up\nlink add br0 type bridge stp_state 0 mcast_snooping 0 forward_delay 0\nlink set br0 up\n")
	if err == nil {
		err = bridge.run("nft", "-f", "-", cuts)
	}
	if err != nil {
		return nil, errors.Join(err, bridge.close())
	}
	return l, nil
}

// run runs a short program in the namespace; its last argument is its input.
func (s *space) run(argv ...string) error {
	return s.inside(func() error {
		last := len(argv) - 1
		cmd := exec.Command(argv[0], argv[1:last]...)
		cmd.Stdin = strings.NewReader(argv[last])
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", argv[0], err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

// Host adds a host with the last part of its address.
func (l *Lab) Host(name string, last int) (*Host, error) {
	s, err := newSpace()
	if err != nil {
		return nil, err
	}
	h := &Host{Name: name, Addr: fmt.Sprint(subnet, last), lab: l, port: fmt.Sprint("p", last), space: s}
	err = l.bridge.run("ip", "-batch", "-", fmt.Sprintf("link add %s type veth peer name eth0 netns %s\nlink set %[1]s master br0 up\n", h.port, s.path()))
	if err == nil {
		err = s.run("ip", "-batch", "-", fmt.Sprintf("link set lo up\naddr add %s/24 dev eth0\nlink set eth0 up\n", h.Addr))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("host %s: %w", name, err), s.close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosts = append(l.hosts, h)
	return h, nil
}

// Cut lets nothing pass between the two hosts, silently, as a broken switch does.
func (l *Lab) Cut(a, b *Host) error { return l.link("add", "cuts", a, b) }

// Deafen lets nothing that b sends come to a. What a sends arrives.
func (l *Lab) Deafen(a, b *Host) error {
	return l.bridge.run("nft", "-f", "-", fmt.Sprintf("add element bridge lab cuts { %q . %q }", b.port, a.port))
}

// Disturb loses every fourth packet between the two hosts, at random.
func (l *Lab) Disturb(a, b *Host) error { return l.link("add", "lossy", a, b) }

// Mend undoes Cut.
func (l *Lab) Mend(a, b *Host) error { return l.link("delete", "cuts", a, b) }

func (l *Lab) link(verb, set string, a, b *Host) error {
	return l.bridge.run("nft", "-f", "-", fmt.Sprintf("%s element bridge lab %s { %q . %q, %[4]q . %[3]q }", verb, set, a.port, b.port))
}

// MendAll undoes every Cut, Deafen and Disturb.
func (l *Lab) MendAll() error {
	return l.bridge.run("nft", "-f", "-", "flush set bridge lab cuts\nflush set bridge lab lossy\n")
}

// Close ends every process of the lab and removes the network.
func (l *Lab) Close() error {
	l.mu.Lock()
	hosts := l.hosts
	l.hosts = nil
	l.mu.Unlock()
	var errs []error
	for _, h := range hosts {
		h.mu.Lock()
		procs := h.procs
		h.mu.Unlock()
		for _, p := range procs {
			p.Kill()
		}
	}
	for _, h := range hosts {
		errs = append(errs, h.space.close())
	}
	return errors.Join(append(errs, l.bridge.close())...)
}

// Dial connects from this host. The address has no name to be looked up.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
	err = h.space.visit(func() (err error) {
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Listen waits for connections on a port of this host.
func (h *Host) Listen(port int) (l net.Listener, err error) {
	err = h.space.visit(func() (err error) {
		l, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", h.Addr, port))
		return err
	})
	return l, err
}
