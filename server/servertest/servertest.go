// Package servertest starts real nodes inside a test: each has a home and an address of its own, all
// share one database and one folder of files, and messages travel through a hub.
package servertest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/clustertest"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/site"
)

// The administrator whom the first node makes.
const (
	AdminLogin    = "admin@example.com"
	AdminPassword = "correct horse battery staple"
)

// maxAnswer is how much of an answer a test reads, in bytes.
const maxAnswer = 16 << 20

// Node is one running node.
type Node struct {
	*server.Server
	URL    string       // "http://localhost:port", without a slash at the end
	Client *http.Client // has a cookie jar of its own and follows no redirects
	Home   string

	// Left says that its database is no longer the portal's, such as after a move to another: it may fail to say
	// goodbye there, if it has found out by the time that it stops.
	Left bool

	name string       // in the hub
	link *dbtest.Link // to the database server; nil without
}

// Group is a set of nodes that share a database, files and messages; more can join while it runs.
type Group struct {
	// Silent makes nodes that join send their messages to nobody, as when the network between them
	// is gone: only the change log is left.
	Silent bool
	// Linked makes nodes that join open real links to each other, as processes do, instead of the hub. The
	// engine must be a server.
	Linked bool
	// Breakable makes nodes that join reach the database server over a link of their own, which Freeze and
	// Cut hold. An SQLite file has no server, so there they hold messages only.
	Breakable bool

	// Stores are file stores beside those of package server, for nodes that join.
	Stores server.Stores

	// TokenEvery is after how long nodes that join write another token into the file store; 0 = half a minute.
	TokenEvery time.Duration

	// Watch is told of every statement of nodes that join.
	Watch func(query string, args []any)

	confirm time.Duration // server.Options.ConfirmLimit
	t       testing.TB
	hub     *clustertest.Hub
	engine  dbtest.Engine
	address string
	files   string
	dir     string
	count   int
}

// Start runs n nodes on an SQLite file that they share, which only tests may do.
func Start(t testing.TB, n int) []*Node {
	t.Helper()
	return StartOn(t, dbtest.SQLite, n)
}

// StartOn runs n nodes on a database of the engine. They stop with the test.
func StartOn(t testing.TB, e dbtest.Engine, n int) []*Node {
	t.Helper()
	g := NewGroup(t, e)
	nodes := make([]*Node, n)
	for i := range nodes {
		nodes[i] = g.Join(nil)
	}
	return nodes
}

// NewGroup makes the database and the folder of files, without nodes.
func NewGroup(t testing.TB, e dbtest.Engine) *Group {
	t.Helper()
	return NewGroupAt(t, e, dbtest.URL(t, e))
}

// NewGroupAt is NewGroup on a database that is there: it outlives the nodes.
func NewGroupAt(t testing.TB, e dbtest.Engine, address string) *Group {
	t.Helper()
	dir := t.TempDir()
	return &Group{t: t, hub: clustertest.NewHub(1), engine: e, address: address, files: filepath.Join(dir, "files"),
		dir: dir}
}

// Config gives the configuration of one more node; flags are properties that beat those of the group.
func (g *Group) Config(flags map[string]string) *config.Config {
	g.t.Helper()
	g.count++
	set := map[string]string{
		"portal.instance.inet.socket.address": "127.0.0.1:0",
		"jdbc.default.url":                    g.address,
		"jdbc.default.maximumPoolSize":        "8",
		"jdbc.default.minimumIdle":            "1",
		"retry.jdbc.on.startup.max.retries":   "0",
		"dl.store.file.system.root.dir":       g.files,
		"default.admin.password":              AdminPassword,
		"shutdown.drain.delay":                "0s",
	}
	if g.Linked {
		set["cluster.link.enabled"] = "true"
		set["cluster.link.port"] = "0"
		set["cluster.link.channel.logic.name.control"] = fmt.Sprintf("node-%d", g.count)
	}
	for k, v := range flags {
		set[k] = v
	}
	c, err := config.Load(config.Options{Home: filepath.Join(g.dir, fmt.Sprintf("node-%d", g.count)), WorkDir: g.dir, Flags: set})
	if err != nil {
		g.t.Fatalf("servertest: configuration: %v", err)
	}
	return c
}

// Join starts one more node and waits until it is ready to be asked, though it may say that it is not
// ready to serve. flags are properties that beat those of the group.
func (g *Group) Join(flags map[string]string) *Node {
	g.t.Helper()
	c := g.Config(flags)
	n := &Node{Client: NewClient(g.t), Home: c.Home, name: filepath.Base(c.Home)}
	if g.Breakable && g.engine != dbtest.SQLite {
		n.link = dbtest.NewLink(g.t, g.address)
		c.Database.Default.URL = n.link.URL
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var transport cluster.Transport
	switch {
	case g.Linked: // the node makes its own
	case g.Silent:
		transport = cluster.NewHub().Join(n.name)
	default:
		transport = g.hub.Join(n.name)
	}
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	s, err := server.New(ctx, server.Options{Config: c, Transport: transport, NoSync: true, ConfirmLimit: g.confirm,
		Level: level, Watch: g.Watch, Stores: g.Stores, TokenEvery: g.TokenEvery,
		Logger: slog.New(slog.NewTextHandler(testLog{g.t}, &slog.HandlerOptions{Level: level}))})
	if err != nil {
		g.t.Fatalf("servertest: start a node: %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	n.Server, n.URL = s, s.URL()
	g.t.Cleanup(func() {
		g.Thaw(n) // or it would wait for the database
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		n.Client.CloseIdleConnections()
		if err := s.Drain(ctx); err != nil {
			g.t.Errorf("servertest: drain %s: %v", n.URL, err)
		}
		if err := <-served; err != nil {
			g.t.Errorf("servertest: serve %s: %v", n.URL, err)
		}
		if err := s.Stop(ctx); err != nil && !n.Left {
			g.t.Errorf("servertest: stop %s: %v", n.URL, err)
		}
	})
	if err := s.Log.Poll(ctx); err != nil {
		g.t.Fatalf("servertest: first read of the log: %v", err)
	}
	return n
}

// testLog shows what a node warns about when the test fails.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// NewClient gives a browser without eyes: a cookie jar, and redirects are shown to the test. Its
// connections are closed with the test.
func NewClient(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Answer is a response that was read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request through a client. header is pairs of name and value.
func Do(t testing.TB, c *http.Client, method, address string, body io.Reader, header ...string) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	return Answer{res.StatusCode, res.Header, string(raw)}
}

// Get asks the node for a path with the node's own client.
func (n *Node) Get(t testing.TB, path string, header ...string) Answer {
	t.Helper()
	return Do(t, n.Client, http.MethodGet, n.URL+path, nil, header...)
}

// Post sends a form to the node with the node's own client.
func (n *Node) Post(t testing.TB, path string, form url.Values, header ...string) Answer {
	t.Helper()
	return Do(t, n.Client, http.MethodPost, n.URL+path, strings.NewReader(form.Encode()), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

// As gives the node as another client sees it.
func (n *Node) As(c *http.Client) *Node {
	other := *n
	other.Client = c
	return &other
}

// Guest gives the node as a new visitor sees it.
func (n *Node) Guest(t testing.TB) *Node {
	t.Helper()
	return n.As(NewClient(t))
}

// SignIn signs the node's client in as the administrator.
func (n *Node) SignIn(t testing.TB) {
	t.Helper()
	a := n.Post(t, "/sign-in", url.Values{"login": {AdminLogin}, "password": {AdminPassword}, "next": {"/control/"}})
	if a.Status != http.StatusSeeOther || a.Header.Get("Location") != "/control/" {
		t.Fatalf("sign in on %s: %d to %q\n%s", n.URL, a.Status, a.Header.Get("Location"), a.Body)
	}
}

// Poll waits until the node has applied everything that was committed before the call.
func (n *Node) Poll(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.Log.Poll(ctx); err != nil {
		t.Fatalf("poll on %s: %v", n.URL, err)
	}
}

// System is the context of the portal itself, which may do everything.
func System() context.Context {
	return stoa.WithActor(context.Background(), stoa.SystemActor())
}

// Site is the site that visitors of the node see.
func (n *Node) Site(t testing.TB) site.Site {
	t.Helper()
	_, st, err := n.Sites.Resolve(System(), "localhost")
	if err != nil {
		t.Fatalf("resolve localhost: %v", err)
	}
	return st
}

var articleID = regexp.MustCompile(`/control/content/([0-9]+)`)

// Publish writes and publishes a blog post through the forms of the control panel, and gives its id.
// The node's client must be signed in.
func (n *Node) Publish(t testing.TB, slug, title, body string) stoa.ID {
	t.Helper()
	a := n.Post(t, "/control/content/new", url.Values{"site": {n.Site(t).ID.String()}, "version": {"0"}, "kind": {"post"},
		"slug": {slug}, "title": {title}, "body": {body}, "do": {"publish"}})
	m := articleID.FindStringSubmatch(a.Header.Get("Location"))
	if a.Status != http.StatusSeeOther || m == nil || !strings.Contains(a.Header.Get("Location"), "done=published") {
		t.Fatalf("publish on %s: %d to %q\n%s", n.URL, a.Status, a.Header.Get("Location"), a.Body)
	}
	id, err := stoa.ParseID(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return id
}
