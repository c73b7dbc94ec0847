package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	adminLogin    = "admin@example.com"
	adminPassword = "correct horse battery staple"
)

// nodes are processes of the portal on one database.
type nodes struct {
	b       *bed
	address string // of the database
	dir     string
	all     []*process
}

// startNodes runs n nodes on a new database; link says whether Cluster Link is on.
func (b *bed) startNodes(ctx context.Context, server string, n int, link bool) (c *nodes, err error) {
	c = &nodes{b: b}
	if c.address, err = b.database(ctx, server); err != nil {
		return nil, err
	}
	c.dir = filepath.Join(b.dir, fmt.Sprintf("nodes-%d", b.count))
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	for i := range n {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p := &process{name: fmt.Sprintf("node %d", i+1), url: "http://" + address, page: "/readyz", home: filepath.Join(c.dir, fmt.Sprintf("home-%d", i+1))}
		settings := fmt.Sprintf("portal.instance.inet.socket.address=%s\njdbc.default.url=%s\ndl.store.file.system.root.dir=%s\ndefault.admin.password=%s\nshutdown.drain.delay=0s\ncluster.link.enabled=%v\ncluster.link.port=0\n",
			address, c.address, filepath.Join(c.dir, "files"), adminPassword, link)
		if err := os.WriteFile(p.home+".properties", []byte(settings), 0o600); err != nil {
			return nil, err
		}
		c.all = append(c.all, p)
		if err := c.start(ctx, p); err != nil {
			return nil, err
		}
	}
	if !link {
		return c, nil
	}
	return c, c.settle(ctx, n)
}

// start runs a node, again after it has ended, and waits until it is ready.
func (c *nodes) start(ctx context.Context, p *process) error {
	if err := start(p, exec.Command(c.b.stoa, "serve", "--home", p.home, "--external-properties", p.home+".properties"), p.home+".log"); err != nil {
		return err
	}
	_, err := p.ready(ctx, time.Now())
	return err
}

// stop ends all nodes.
func (c *nodes) stop() error {
	var errs error
	for _, p := range c.all {
		errs = errors.Join(errs, p.stop())
	}
	return errs
}

// kill ends a node without a word and gives the time when it was told to.
func (p *process) kill() (time.Time, error) {
	at := time.Now()
	err := p.cmd.Process.Signal(syscall.SIGKILL)
	p.cmd = nil
	<-p.done
	return at, err
}

// status is what this program reads of "stoa cluster status --json".
type status struct {
	Master string
	Nodes  []struct {
		Name, HTTP, State string
		Master            bool
		Uptime            time.Duration
		Latencies         []struct {
			Node     string
			P50, P99 time.Duration
			Lost     uint64
		}
		HintsLost, Repaired uint64
	}
	Wrong []struct{ Text string }
}

// status asks a node about all.
func (c *nodes) status(ctx context.Context, p *process) (s status, err error) {
	cmd := exec.CommandContext(ctx, c.b.stoa, "cluster", "status", "--json", "--home", p.home, "--external-properties", p.home+".properties")
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("cluster status: %w", err)
	}
	return s, json.Unmarshal(out, &s)
}

// settle waits until n nodes live, one of them is the master and nothing is wrong.
func (c *nodes) settle(ctx context.Context, n int) error {
	for begun := time.Now(); ; {
		s, err := c.status(ctx, c.running()[0])
		live := 0
		for _, x := range s.Nodes {
			if x.State == "live" {
				live++
			}
		}
		if err == nil && live == n && s.Master != "" && len(s.Wrong) == 0 {
			return nil
		}
		if time.Since(begun) > 30*time.Second {
			return errors.Join(fmt.Errorf("%d of %d nodes live, the master is %q, and this is wrong: %v", live, n, s.Master, s.Wrong), err)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// running are the nodes that were not ended.
func (c *nodes) running() []*process {
	return slices.DeleteFunc(slices.Clone(c.all), func(p *process) bool { return p.cmd == nil })
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// editor writes articles through the forms of the control panel, as a browser does.
type editor struct {
	c       *http.Client
	base    string
	session string
}

// signIn makes an editor who is signed in on a node.
func signIn(ctx context.Context, base string) (*editor, error) {
	e := &editor{base: base, c: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: connections},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	res, err := e.post(ctx, "/sign-in", url.Values{"login": {adminLogin}, "password": {adminPassword}, "next": {"/control/"}})
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	for _, k := range res.Cookies() {
		e.session += k.Name + "=" + k.Value + "; "
	}
	if e.session == "" {
		return nil, fmt.Errorf("sign in: there is no session: %s", res.Status)
	}
	return e, nil
}

// post sends a form and expects to be led on. It keeps none of the cookies by which a browser reads its
// own writes: the reader is somebody else.
func (e *editor) post(ctx context.Context, path string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Cookie", strings.TrimSuffix(e.session, "; "))
	res, err := e.c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("%s answers %s", path, res.Status)
	}
	return res, nil
}

var (
	articleAddress = regexp.MustCompile(`/control/content/([0-9]+)`)
	formVersion    = regexp.MustCompile(`name="version" value="([0-9]+)"`)
	formSite       = regexp.MustCompile(`name="site" value="([0-9]+)"`)
)

// article is one that an editor saves again and again.
type article struct {
	id, slug, site string
	version        int
}

// create writes and publishes a new article.
func (e *editor) create(ctx context.Context, slug, title string) (*article, error) {
	form, err := e.form(ctx, "/control/content/new")
	if err != nil {
		return nil, err
	}
	m := formSite.FindStringSubmatch(form)
	if m == nil {
		return nil, errors.New("the form for a new article names no site")
	}
	a := &article{slug: slug, site: m[1]}
	res, err := e.post(ctx, "/control/content/new", a.values(title))
	if err != nil {
		return nil, err
	}
	if m = articleAddress.FindStringSubmatch(res.Header.Get("Location")); m == nil {
		return nil, fmt.Errorf("a new article leads to %q", res.Header.Get("Location"))
	}
	a.id = m[1]
	return a, e.look(ctx, a)
}

// form reads a page of the control panel.
func (e *editor) form(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Cookie", strings.TrimSuffix(e.session, "; "))
	return body(e.c.Do(req))
}

// look finds out the version of an article.
func (e *editor) look(ctx context.Context, a *article) error {
	form, err := e.form(ctx, "/control/content/"+a.id)
	if err != nil {
		return err
	}
	m := formVersion.FindStringSubmatch(form)
	if m == nil {
		return errors.New("the form of an article names no version")
	}
	_, err = fmt.Sscan(m[1], &a.version)
	return err
}

func (a *article) values(title string) url.Values {
	return url.Values{"site": {a.site}, "version": {fmt.Sprint(a.version)}, "kind": {"article"}, "slug": {a.slug}, "title": {title},
		"body": {"<p>The text of an article that is measured.</p>"}, "do": {"publish"}}
}

// perSave is by how much the version of an article grows when it is saved and published.
const perSave = 2

// save writes and publishes a new title.
func (e *editor) save(ctx context.Context, a *article, title string) error {
	if _, err := e.post(ctx, "/control/content/"+a.id, a.values(title)); err != nil {
		return err
	}
	a.version += perSave
	return nil
}
