package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	restTime    = 5 * time.Second // a host that failed is left out so long, and looked at before it is used again
	mostAnswer  = 32 << 20        // bytes
	mostTries   = 6               // of one request, over all hosts
	minimalTime = 250 * time.Millisecond
)

// client makes requests to the hosts.
type client struct {
	hosts   []*host
	http    *http.Client
	auth    string // the header
	secrets []string
	timeout time.Duration
	log     *slog.Logger

	turn atomic.Uint64 // where the next request begins
	life context.Context
	end  context.CancelFunc

	mu    sync.Mutex // so that no look begins after the end
	looks sync.WaitGroup
}

// host is one address.
type host struct {
	address string

	mu      sync.Mutex
	failed  error // why it is left out; nil: it is used
	until   time.Time
	looking bool
}

// request is one call.
type request struct {
	method, path string
	body         []byte
	lines        bool // the body is JSON in lines
	write        bool // it may take longer
}

// answer is what came back.
type answer struct {
	host   string
	status int
	body   []byte
	header http.Header
}

func newClient(o Options, hosts []*host, transport *http.Transport) *client {
	c := &client{
		hosts: hosts, timeout: o.Timeout, log: o.Logger,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // what signs us in is for this host alone
		}},
	}
	c.life, c.end = context.WithCancel(context.Background())
	if o.APIKey != "" {
		c.auth, c.secrets = "ApiKey "+o.APIKey, []string{o.APIKey}
	}
	if o.User != "" {
		both := base64.StdEncoding.EncodeToString([]byte(o.User + ":" + o.Password))
		c.auth, c.secrets = "Basic "+both, []string{both, o.Password}
	}
	return c
}

func (c *client) close() {
	c.mu.Lock()
	c.end()
	c.mu.Unlock()
	c.looks.Wait()
	c.http.CloseIdleConnections()
}

// do makes a request on one host after the other until one answers. All that is asked here may be asked twice.
// Statuses of 500 and above that another host may not have count as no answer.
func (c *client) do(ctx context.Context, r request) (*answer, error) {
	var failed []error
	for i, h := range c.order() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c.life.Err() != nil {
			return nil, away(errClosed)
		}
		left := len(c.hosts) - i
		a, err := c.try(ctx, h, r, c.patience(ctx, r, max(left, 1)))
		switch {
		case err == nil:
			h.works()
			return a, nil
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil, away(fmt.Errorf("%w: %w", ctx.Err(), err))
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		var no *refusal
		if errors.As(err, &no) && !no.elsewhere {
			return nil, away(err)
		}
		h.fails(err, time.Now())
		c.log.Debug("a host of the search server fails; it is left out for a while", "host", h.address, "error", err)
		failed = append(failed, err)
	}
	return nil, away(errors.Join(failed...))
}

// patience is how long one host may take: a fair part of the time that is left, since another host may be well.
func (c *client) patience(ctx context.Context, r request, hosts int) time.Duration {
	d := c.timeout
	if r.write {
		d *= writeFactor
	}
	if end, ok := ctx.Deadline(); ok && hosts > 1 {
		d = min(d, max(time.Until(end)/time.Duration(hosts), minimalTime))
	}
	return d
}

// order gives the hosts as they are tried: in turn, those that failed lately last. One whose time is over is looked at
// beside, so that no request waits for it.
func (c *client) order() []*host {
	turn := int(c.turn.Add(1) % uint64(len(c.hosts)))
	now := time.Now()
	var well, ill []*host
	for i := range c.hosts {
		h := c.hosts[(turn+i)%len(c.hosts)]
		if h.down() == nil {
			well = append(well, h)
			continue
		}
		ill = append(ill, h)
		c.mu.Lock()
		if c.life.Err() == nil && h.look(now) {
			c.looks.Go(func() { c.lookAt(h) })
		}
		c.mu.Unlock()
	}
	all := slices.Concat(well, ill)
	return all[:min(len(all), mostTries)]
}

// lookAt sees whether a host is well again.
func (c *client) lookAt(h *host) {
	ctx := c.life
	if _, err := c.try(ctx, h, request{method: http.MethodGet, path: "/_cluster/health"}, c.timeout); err != nil {
		h.fails(err, time.Now())
		return
	}
	c.log.Info("a host of the search server answers again", "host", h.address)
	h.works()
}

// try makes a request on one host.
func (c *client) try(ctx context.Context, h *host, r request, patience time.Duration) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, h.address+r.path, body)
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
		if r.lines {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	req.Header.Set("Accept", "application/json")
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(h, err, patience)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer+1))
	if err != nil {
		return nil, c.unreachable(h, err, patience)
	}
	a := &answer{h.address, resp.StatusCode, text, resp.Header}
	if len(text) > mostAnswer {
		return nil, &refusal{host: h.address, status: a.status, elsewhere: true,
			words: fmt.Sprintf("answers with more than %d MB", mostAnswer>>20)}
	}
	return a, c.understood(a)
}

// understood tells answers that mean something from those that another host may not give.
func (c *client) understood(a *answer) error {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	isJSON := (strings.HasSuffix(kind, "json") || kind == "") && json.Valid(a.body)
	switch {
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden && !isBlock(a.body):
		return c.refused(a)
	case a.status == http.StatusTooManyRequests, a.status >= 500, !isJSON:
		return c.refused(a)
	}
	return nil
}

func (h *host) down() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// look reports whether it is time to look at a host again, once.
func (h *host) look(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil || h.looking || now.Before(h.until) {
		return false
	}
	h.looking = true
	return true
}

func (h *host) works() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed, h.looking = nil, false
}

func (h *host) fails(err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed, h.until, h.looking = err, now.Add(restTime), false
}
