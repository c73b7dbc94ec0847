package nats

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"

	"github.com/stoa-portal/stoa"
)

// Options says how the message server inside a node meets those of the others. Identity, Cluster and
// Name are required.
type Options struct {
	Identity  *Identity
	Cluster   string // identity of the cluster, from its database: servers of others are refused
	Name      string // of this server, different on each
	Listen    string // IP address; empty for all
	Port      int    // 0: any free one
	Tries     int    // further ports to try when Port is taken by another node of this host
	Advertise string // host that other nodes use; empty: Listen
	Secret    string // cluster.link.auth.value: a second factor; may be empty
	Lost      func(reason string)
	Logger    *slog.Logger
}

// Peers says who belongs to the cluster and where they are.
type Peers struct {
	// Trusts reports whether Identity.Row of a living member is row. It may look into the database until
	// ctx ends.
	Trusts func(ctx context.Context, row string) bool
	// Addresses gives host:port of the others to dial. Each node lists all of them: a server dials on its
	// own whom it hears of but does not find listed, and then never stops.
	Addresses func() []string
	// Rows gives Identity.Row of the living members: others lose their connection at Refresh.
	Rows func() []string
}

// Link is the message server inside a node and the connection to it.
type Link struct {
	*Transport
	o       Options
	server  *server.Server
	base    *server.Options
	log     *serverLog
	address string
	rowKey  []byte // of the second factor; nil without a secret
	peers   atomic.Pointer[Peers]
	met     chan struct{} // closed by the first Meet

	mu     sync.Mutex // one reload at a time
	routes []string
	known  []string
	// Until then every Refresh closes connections of unknown peers: one may just have been let in when its row
	// was removed.
	expelUntil time.Time
}

const serverPrefix = "stoa-"

// handshakeLimit bounds a handshake, in which the database may be asked for the peer's row.
const handshakeLimit = 3 * time.Second

// Listen starts the message server. No peer is let in before Meet.
func Listen(o Options) (*Link, error) {
	if o.Identity == nil || o.Cluster == "" || o.Name == "" {
		return nil, errors.New("nats: Options.Identity, Cluster and Name are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Link{Transport: newTransport(o.Lost, o.Logger), o: o, log: &serverLog{log: o.Logger},
		rowKey: rowKey(o.Secret, o.Cluster), met: make(chan struct{})}
	var err error
	for try := 0; ; try++ {
		port := o.Port + try
		if o.Port == 0 {
			port = -1
		}
		err = l.start(port)
		if err == nil {
			break
		}
		if !errors.Is(err, errPortTaken) || try >= o.Tries || o.Port == 0 {
			return nil, stoa.Unavailable(
				err,
				"the port for other nodes cannot be opened on %s from %d to %d; free one, or set cluster.link.port",
				net.JoinHostPort(o.Listen, ""),
				o.Port,
				o.Port+o.Tries,
			)
		}
	}
	if err := l.join(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

var errPortTaken = errors.New("the port is taken")

// start runs a server whose routes listen on the port; −1 is any.
func (l *Link) start(port int) error {
	if port > 0 { // the server itself only logs that its port is taken
		probe, err := net.Listen("tcp", net.JoinHostPort(l.o.Listen, strconv.Itoa(port)))
		if err != nil {
			return fmt.Errorf("%w: %w", errPortTaken, err)
		}
		_ = probe.Close()
	}
	l.base = &server.Options{
		ServerName: serverPrefix + l.o.Name,
		// Clients connect inside the process. The listener must be there all the same, or routes never start. It
		// greets no one, which would tell version and cluster, before a handshake that never succeeds.
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return nil, errors.New("clients connect inside the process only")
			},
		},
		TLSHandshakeFirst: true,
		Host:              "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, NoSystemAccount: false,
		MaxPending: pendingBytes, WriteDeadline: 5 * time.Second,
		Username: "stoa", Password: rand.Text(),
		Cluster: server.ClusterOpts{
			Name: l.o.Cluster, Host: l.o.Listen, Port: port, TLSConfig: l.tls(), TLSTimeout: handshakeLimit.Seconds(), AuthTimeout: 2 * handshakeLimit.Seconds(),
			PoolSize: -1, NoAdvertise: true, // one connection to each peer
			PingInterval: 2 * time.Second, MaxPingsOut: 2, Compression: server.CompressionOpts{Mode: server.CompressionOff},
		},
	}
	if l.base.Cluster.Host == "" {
		l.base.Cluster.Host = "0.0.0.0"
	}
	s, err := server.NewServer(l.base.Clone())
	if err != nil {
		return fmt.Errorf("set up the message server: %w", err)
	}
	l.log.fatal.Store(nil)
	s.SetLoggerV2(l.log, false, false, false)
	s.Start()
	ready := false
	for deadline := time.Now().Add(5 * time.Second); !ready && l.log.fatal.Load() == nil && time.Now().Before(deadline); {
		ready = s.ReadyForConnections(100 * time.Millisecond)
	}
	if !ready || s.ClusterAddr() == nil {
		s.Shutdown()
		s.WaitForShutdown()
		if msg := l.log.fatal.Load(); msg != nil {
			return fmt.Errorf("%w: %s", errPortTaken, *msg)
		}
		return errors.New("the message server did not start")
	}
	l.server = s
	host := l.o.Advertise
	if host == "" {
		host = l.o.Listen
	}
	l.address = net.JoinHostPort(host, strconv.Itoa(s.ClusterAddr().Port))
	return nil
}

// join connects this node to its own server.
func (l *Link) join() error {
	l.ended = func() {
		l.server.Shutdown()
		l.server.WaitForShutdown()
	}
	err := l.connect("", client.InProcessServer(l.server), client.UserInfo(l.base.Username, l.base.Password))
	if err != nil {
		return fmt.Errorf("connect to the message server inside this node: %w", err)
	}
	return nil
}

// tls lets in who has a row: both ends show a certificate that no authority signed, and look for its
// fingerprint in their own database.
func (l *Link) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{l.o.Identity.cert},
		ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true, SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) != 1 {
				return errors.New("one certificate is expected")
			}
			ctx, cancel := context.WithTimeout(context.Background(), handshakeLimit-time.Second)
			defer cancel()
			select {
			case <-l.met:
			case <-ctx.Done():
				return errors.New("this node has not joined yet")
			}
			p := l.peers.Load()
			fp := fingerprint(cs.PeerCertificates[0])
			// While versions roll, rows have the form that binaries from before look for.
			if !p.Trusts(ctx, slowRow(fp, l.rowKey)) && !p.Trusts(ctx, formerRow(fp, l.o.Secret, l.o.Cluster)) {
				return fmt.Errorf(
					"no living node of this database has the certificate %s… and the same cluster.link.auth.value: it belongs to "+
						"a stranger, to another cluster or to a copy of this database",
					fp[:16],
				)
			}
			return nil
		},
	}
}

// Address is host:port at which other nodes reach this one.
func (l *Link) Address() string { return l.address }

// Port is where it listens.
func (l *Link) Port() int { return l.server.ClusterAddr().Port }

// Routes counts the nodes that are linked with this one.
func (l *Link) Routes() int { return len(l.Linked()) }

// Linked gives the names of the servers that are linked with this one.
func (l *Link) Linked() []string {
	z, err := l.server.Routez(&server.RoutezOptions{})
	if err != nil {
		return nil // the server is stopping
	}
	var names []string
	for _, r := range z.Routes {
		names = append(names, strings.TrimPrefix(r.RemoteName, serverPrefix))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Meet lets the peers in and dials them. Call Refresh whenever they may have changed.
func (l *Link) Meet(p Peers) error {
	if l.peers.Swap(&p) == nil {
		close(l.met)
	}
	return l.Refresh()
}

// Refresh dials peers that are new and ends the connections of those that are gone from the members; call
// it once a second at least. A peer that cannot be reached is dialled once a second for as long as it is listed.
func (l *Link) Refresh() error {
	p := l.peers.Load()
	if p == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	routes, known := p.Addresses(), p.Rows()
	routes = slices.DeleteFunc(routes, func(a string) bool { return a == "" || a == l.address })
	for i, row := range known {
		known[i], _, _ = strings.Cut(row, ".")
	}
	known = append(known, l.o.Identity.fingerprint)
	slices.Sort(routes)
	slices.Sort(known)
	routes, known = slices.Compact(routes), slices.Compact(known)
	if !slices.Equal(routes, l.routes) {
		if err := l.reload(routes, nil); err != nil {
			return err
		}
		l.routes = routes
	}
	if slices.ContainsFunc(l.known, func(fp string) bool { return !slices.Contains(known, fp) }) {
		l.expelUntil = time.Now().Add(2 * handshakeLimit) // by then a handshake that had begun has ended
	}
	if time.Now().Before(l.expelUntil) {
		// The server compares pinned certificates again when they change, and closes what does not fit. They
		// do not stay: a node that has just joined must not wait for the next Refresh.
		pinned := server.PinnedCertSet{}
		for _, fp := range known {
			pinned[fp] = struct{}{}
		}
		if err := l.reload(routes, pinned); err != nil {
			return err
		}
		if err := l.reload(routes, nil); err != nil {
			return err
		}
	}
	l.known = known
	return nil
}

func (l *Link) reload(routes []string, pinned server.PinnedCertSet) error {
	o := l.base.Clone()
	o.Cluster.TLSPinnedCerts = pinned
	o.Routes = nil
	for _, a := range routes {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: a})
	}
	if err := l.server.ReloadOptions(o); err != nil {
		return fmt.Errorf("tell the message server its peers: %w", err)
	}
	return nil
}
