// Package server builds one node of the portal in one straight function and runs it: New makes every
// part and registers its end where it is made, Serve answers requests, Drain and Stop leave in order.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/follow"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/secret"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// Options are what the process gives a node besides its configuration.
type Options struct {
	Config    *config.Config
	Logger    *slog.Logger
	Level     *slog.LevelVar    // of the handler behind Logger; nil: the control panel cannot change it
	Transport cluster.Transport // how nodes send each other messages; nil = a node that is alone
	Stores    Stores            // beside those of this package
	Command   bool              // the node lives for one command of the operator: it runs no jobs
	NoSync    bool              // tests only: files need not survive a power cut

	// ConfirmLimit is for tests: how long whoever takes something away waits for nodes that do not answer.
	// 0 = as long as they could still serve what was there before.
	ConfirmLimit time.Duration
	// Watch is for tests: db.Options.Watch of the source that is written to.
	Watch func(query string, args []any)
	// TokenEvery is for tests: after how long a node writes another token into the file store; 0 = half a minute.
	TokenEvery time.Duration
}

// Server is one running node. Its parts are exported for the commands and the tests.
type Server struct {
	DB       *db.DB
	Log      *change.Log
	Audit    *audit.Log
	Node     *cluster.Node
	Cache    *cache.Cache
	Access   *access.Service
	Users    *user.Service
	Secrets  *secret.Service
	Sites    *site.Service
	Taxonomy *taxonomy.Service
	Assets   *asset.Service
	Bulk     *bulk.Service
	Pages    *page.Service
	Content  *content.Service
	Files    *document.Service
	Jobs     *job.Service
	Follow   *follow.Service // followers of the change log
	Search   *index.Service  // nil in a command
	Calls    *cluster.Calls
	Locks    *lock.Service
	Events   *cluster.EventLog // takes what happens to the cluster and stays until it has been read

	// SetupPath is the one-time address at which the administrator sets a password; empty when the
	// portal has an administrator with a password.
	SetupPath string

	owners   owners
	replicas *db.Replicas
	runs     *runMetrics
	spread   prometheus.Histogram // time until a change that takes something away is seen by all
	link     *link
	probe    *cluster.Probe
	await    cluster.Method[[]change.Position, bool]
	status   cluster.Method[statusQuestion, cluster.Report]
	levels   cluster.Method[levelOrder, bool]
	stands   cluster.Method[moveQuestion, moveAnswer] // whether nodes do their part in a move of the files
	reaches  cluster.Method[moveQuestion, moveAnswer] // whether they reach the store to which files are to go
	level    *slog.LevelVar                           // nil: cannot be changed
	shared   config.Shared                            // what nodes compare of the settings that must be the same on all
	values   map[string]string                        // those settings as they may be shown
	stores   Stores
	files    files
	keyFile  *secret.File // nil without secret.key.file
	checked  atomic.Int64 // when the connections that visitors use were last found to work
	proven   atomic.Int64 // when the newest proof of freshness was sent that was seen
	checkup  atomic.Pointer[checkup]
	tables   atomic.Pointer[[]cluster.Problem] // what is wrong with how the tables were made
	misled   []cluster.Problem                 // names that lead to this machine's loopback address
	master   atomic.Int64                      // the writer that was the master before this node
	lost     uint64                            // own lost changes that were told
	noticed  atomic.Pointer[noticed]           // events as they were seen last
	seen     atomic.Pointer[cluster.Status]    // the cluster as it was seen last
	told     map[string]cluster.Finding        // findings that stand in the log
	leaving  atomic.Bool                       // Drain has begun
	proxies  atomic.Pointer[httpd.Server]      // knows which proxies are not trusted; nil while the node starts
	address  string                            // host:port for people
	started  time.Time
	command  bool
	watch    func(query string, args []any)

	searchDamaged atomic.Pointer[error]          // what a question has met in the index of the search
	searchFails   int                            // times in a row that comparing has failed; of its goroutine
	searchName    atomic.Pointer[string]         // what a search server says it is
	searchNamed   time.Time                      // when it did
	unsearched    *unsearched                    // what a shared index may not have yet; nil: each node has its own
	searchFault   atomic.Pointer[error]          // why the index of the search cannot be compared
	following     atomic.Pointer[follow.Service] // Follow, for those who may ask while the node starts

	patterns []string // of the HTTP server

	cfg    *config.Config
	log    *slog.Logger
	http   *httpd.Server
	cancel context.CancelFunc
	ctx    context.Context
	wg     sync.WaitGroup
	stops  []stopStep
	once   sync.Once
	err    error
}

type stopStep struct {
	name string
	fn   func(ctx context.Context) error
}

// onStop registers the end of a part right after its beginning; Stop runs them backwards.
func (s *Server) onStop(name string, fn func(ctx context.Context) error) {
	s.stops = append(s.stops, stopStep{name, fn})
}

// New builds a node: it opens the home and the database, migrates, joins, and binds its address. What
// was begun is undone when a later step fails.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Config == nil {
		return nil, errors.New("server: Config is required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	run, cancel := context.WithCancel(context.Background())
	s := &Server{cfg: o.Config, stores: o.Stores, log: o.Logger, ctx: run, cancel: cancel, started: time.Now(),
		command: o.Command, watch: o.Watch,
		level: o.Level, runs: newRunMetrics(), spread: newEverywhere()}
	if err := s.build(ctx, o); err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// URL is the address of the node as seen from its own machine, with HTTPS when it speaks that.
func (s *Server) URL() string {
	if port := s.http.PortTLS(); port != 0 {
		return fmt.Sprintf("https://localhost:%d", port)
	}
	return fmt.Sprintf("http://localhost:%d", s.http.Port())
}

// PersonURL is the beginning of an address that a person is to open. Where visitors use HTTPS and this node has none,
// it is that of the proxy.
func (s *Server) PersonURL() string {
	c := s.cfg
	if c.Web.Protocol != "https" || s.http.PortTLS() != 0 {
		return s.URL()
	}
	host := cmp.Or(c.Web.Host, c.Company.VirtualHostName)
	if p := c.Web.HTTPSPort; p > 0 && p != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(p))
	}
	return "https://" + host
}

// LocalURL is the address of the node of this configuration as seen from its own machine.
func LocalURL(c *config.Config) string {
	scheme, listen := "http", c.Server.Listen
	if c.Server.ListenTLS != "" && c.Server.Certificate != "" {
		scheme, listen = "https", c.Server.ListenTLS
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		port = "8080"
	}
	return scheme + "://localhost:" + port
}

// Patterns gives the patterns of all addresses that the node answers, as http.ServeMux has them, but for those of its
// health.
func (s *Server) Patterns() []string { return slices.Clone(s.patterns) }

// Serve answers requests until Drain or Stop.
func (s *Server) Serve() error { return s.http.Serve() }

// Drain makes the node "not ready", waits for the load balancer to notice, and finishes the requests.
func (s *Server) Drain(ctx context.Context) error {
	s.leaving.Store(true)
	s.http.Drain(ctx)
	return s.http.Shutdown(ctx)
}

// Stop ends the node's parts in the reverse order of their making. A part that fails is named and
// does not keep the others. It is safe to call twice.
func (s *Server) Stop(ctx context.Context) error {
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Server.StopTimeout+10*time.Second)
		defer cancel()
		for i := len(s.stops) - 1; i >= 0; i-- {
			if err := s.stops[i].fn(ctx); err != nil {
				s.err = errors.Join(s.err, fmt.Errorf("stop %s: %w", s.stops[i].name, err))
			}
		}
		s.cancel()
		s.wg.Wait()
	})
	return s.err
}

// every runs fn again and again until the server stops.
func (s *Server) every(d time.Duration, fn func(ctx context.Context)) {
	s.wg.Go(func() {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-t.C:
				fn(s.ctx)
			}
		}
	})
}
