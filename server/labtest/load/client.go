package load

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
)

// site is the address that everybody uses, whichever node a request is sent to: cookies go to all.
const site = "http://stoa.lab:8080"

// client is a browser. It keeps cookies and sends each request to the node that it is told.
type client struct {
	l       *Load
	session string
	jar     http.CookieJar
	stolen  []*http.Cookie // sent in place of the jar's, whatever answers say
	after   string         // places in the change log that answers must show, for Stoa-After
	wrote   string         // the places of its newest write

	mu    sync.Mutex
	nodes map[string]*http.Client
}

func (l *Load) newClient(session string) *client {
	jar, _ := cookiejar.New(nil) // its documentation: never an error
	return &client{l: l, session: session, jar: jar, nodes: map[string]*http.Client{}}
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.nodes {
		h.CloseIdleConnections()
	}
}

func (c *client) at(t Target) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nodes[t.Name] == nil {
		c.nodes[t.Name] = &http.Client{
			Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 20 * time.Second,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return t.Dial(ctx) }},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return c.nodes[t.Name]
}

// answer is a response that was read to its end, and when its request was sent and it was read.
type answer struct {
	status     int
	header     http.Header
	body       string
	sent, done time.Duration
}

func (c *client) do(ctx context.Context, t Target, limit time.Duration, method, path string, form url.Values, tag string) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, site+path, strings.NewReader(form.Encode()))
	if err != nil {
		return a, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	if c.after != "" {
		req.Header.Set("Stoa-After", c.after)
	}
	cookies := c.stolen
	if cookies == nil {
		cookies = c.jar.Cookies(req.URL)
	}
	for _, k := range cookies {
		req.AddCookie(k)
	}
	a.sent = c.l.Now()
	res, err := c.at(t).Do(req)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(res.Body, 4<<20))
		_ = res.Body.Close()
		a.status, a.header, a.body = res.StatusCode, res.Header, string(body)
	}
	a.done = c.l.Now()
	if err != nil {
		return a, err
	}
	c.jar.SetCookies(req.URL, res.Cookies())
	if a.status >= 500 && a.status != http.StatusServiceUnavailable && !(t.Many && (a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout)) {
		c.l.oddity("%s %s on %s answers %d: %s", method, path, t.Name, a.status, heading(a.body))
	}
	return a, nil
}

func (c *client) get(ctx context.Context, t Target, path, tag string) (answer, error) {
	return c.do(ctx, t, 15*time.Second, http.MethodGet, path, nil, tag)
}

func (c *client) signIn(ctx context.Context, t Target) error {
	a, err := c.do(ctx, t, 30*time.Second, http.MethodPost, "/sign-in", url.Values{"login": {c.l.o.Login}, "password": {c.l.o.Password}, "next": {"/control/"}}, "")
	if err == nil && (a.status != http.StatusSeeOther || a.header.Get("Location") != "/control/") {
		err = fmt.Errorf("%d %s", a.status, heading(a.body))
	}
	if err != nil {
		return fmt.Errorf("sign in on %s: %w", t.Name, err)
	}
	return nil
}

// stamp is the mark of a number in titles and texts.
func stamp(key string, value int64) string { return fmt.Sprintf("[%s=%d]", key, value) }

// Title is the title of an article while it has the value.
func Title(key string, value int64) string { return "Article " + stamp(key, value) }

var (
	stamps   = regexp.MustCompile(`\[([a-z0-9.-]+)=([0-9]+)\]`)
	headings = regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`)
	inputs   = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)"`)
)

// readStamps gives the lowest number of each key on a page: a page whose parts differ is as old as the oldest.
func readStamps(body string) map[string]int64 {
	seen := map[string]int64{}
	for _, m := range stamps.FindAllStringSubmatch(body, -1) {
		v, err := strconv.ParseInt(m[2], 10, 64)
		if old, there := seen[m[1]]; err == nil && (!there || v < old) {
			seen[m[1]] = v
		}
	}
	return seen
}

func heading(body string) string {
	if m := headings.FindStringSubmatch(body); m != nil {
		return strings.TrimSpace(m[1])
	}
	return fmt.Sprintf("%.100q", body)
}

// input is the value of the first hidden field of the name.
func input(body, name string) string {
	for _, m := range inputs.FindAllStringSubmatch(body, -1) {
		if m[1] == name {
			return m[2]
		}
	}
	return ""
}

// write saves and publishes an article through its form.
func (c *client) write(ctx context.Context, t Target, path, key string, value, version int64) (o history.Op, location string) {
	form := url.Values{"site": {c.l.site}, "version": {strconv.FormatInt(version, 10)}, "kind": {"post"}, "slug": {key},
		"title": {Title(key, value)}, "body": {"<p>The text of " + stamp(key, value) + ".</p>"}, "do": {"publish"}}
	a, err := c.do(ctx, t, c.l.o.Patience, http.MethodPost, path, form, "")
	o = history.Op{Kind: history.Write, Key: key, Value: value, Node: t.Name, Session: c.session, Sent: a.sent, Done: a.done, Outcome: history.Unknown}
	location = a.header.Get("Location")
	o.Version = version + versionsPerWrite
	o.ID, _, _ = strings.Cut(strings.TrimPrefix(location, "/control/content/"), "?")
	switch {
	case err != nil:
		o.Note = err.Error()
	case a.status == http.StatusSeeOther && strings.Contains(location, "done=published"):
		o.Outcome, c.wrote = history.OK, a.header.Get("Stoa-Wrote")
		if c.wrote == "" || !strings.Contains(strings.Join(a.header.Values("Set-Cookie"), "\n"), "stoa_wrote_") {
			c.l.oddity("a save on %s gives no token, with which other nodes would know of it", t.Name)
		}
	case a.status == http.StatusConflict:
		o.Outcome, o.Note = history.Failed, "conflict"
	default:
		o.Note = fmt.Sprintf("%d %s %s", a.status, location, heading(a.body))
		if a.status < 500 && a.status != http.StatusNotFound { // which the judge knows the time of
			c.l.oddity("a save on %s gives %s", t.Name, o.Note)
		}
	}
	return o, location
}

// reading is a read and the entity tag of its answer, with the value it stands for in front.
type reading struct {
	history.Op
	tag string
}

// readArticle asks for an article. known is a tag of an earlier answer.
func (c *client) readArticle(ctx context.Context, t Target, key, known string) reading {
	value, tag, _ := strings.Cut(known, " ")
	a, err := c.get(ctx, t, "/w/"+key, tag)
	r := reading{Op: c.reading(t, key, a, err)}
	switch {
	case err != nil:
	case a.status == http.StatusNotModified && tag != "":
		r.Value, _ = strconv.ParseInt(value, 10, 64) // written below
		r.Outcome = history.OK
	case a.status == http.StatusNotFound:
		r.Outcome = history.OK
	case a.status == http.StatusOK:
		v, there := readStamps(a.body)[key]
		if !there {
			c.l.oddity("/w/%s on %s is a page without its number: %s", key, t.Name, heading(a.body))
			break
		}
		r.Value, r.Outcome = v, history.OK
		if e := a.header.Get("ETag"); e != "" && r.Stale == 0 {
			r.tag = strconv.FormatInt(v, 10) + " " + e
		}
	default:
		r.Note = fmt.Sprint(a.status)
	}
	return r
}

// readList asks for the front page, which lists the newest articles, and gives a read of each that is this
// load's.
func (c *client) readList(ctx context.Context, t Target) []history.Op {
	a, err := c.get(ctx, t, "/", "")
	if err != nil || a.status != http.StatusOK {
		o := c.reading(t, "", a, err)
		o.Note = fmt.Sprint(a.status, " ", o.Note)
		return []history.Op{o}
	}
	var ops []history.Op
	for key, v := range readStamps(a.body) {
		if strings.HasPrefix(key, c.l.o.Prefix) {
			o := c.reading(t, key, a, nil)
			o.Value, o.Outcome = v, history.OK
			ops = append(ops, o)
		}
	}
	return ops
}

// reading is what an answer tells without a look at its text.
func (c *client) reading(t Target, key string, a answer, err error) history.Op {
	o := history.Op{Kind: history.Read, Key: key, Node: t.Name, Sent: a.sent, Done: a.done, Outcome: history.Failed}
	if c == c.l.member || c.session != "" {
		o.Kind = history.Member
	}
	if err != nil {
		o.Note = err.Error()
		return o
	}
	mark := a.header.Get("Stoa-Stale")
	if mark == "" {
		return o
	}
	var convErr error
	if o.Stale, convErr = strconv.Atoi(mark); convErr != nil || o.Stale < 1 || a.header.Get("Age") != mark || a.header.Get("Cache-Control") != "no-store" {
		c.l.oddity("an answer of %s is marked stale with %q, Age %q, Cache-Control %q", t.Name, mark, a.header.Get("Age"), a.header.Get("Cache-Control"))
	}
	return o
}

// leave signs in, shows every node its face, signs out, and looks whether the old cookie is worth anything.
func (l *Load) leave(ctx context.Context, number int, rnd *rand.Rand) {
	u, _ := url.Parse(site) // a constant
	for n := 1; l.wait(ctx, time.Second+time.Duration(rnd.Int64N(int64(time.Second)))); n++ {
		func() {
			c := l.newClient(fmt.Sprint("leaver ", number))
			defer c.close()
			t := l.o.Targets[rnd.IntN(len(l.o.Targets))]
			if err := c.signIn(ctx, t); err != nil {
				return
			}
			key := fmt.Sprintf("%s%s%d.%d", history.SessionKey, l.o.Prefix, number, n)
			c.stolen = c.jar.Cookies(u)
			l.look(ctx, c, key)
			a, err := c.do(ctx, t, 30*time.Second, http.MethodPost, "/sign-out", nil, "")
			o := history.Op{Kind: history.Write, Key: key, Value: 1, Node: t.Name, Sent: a.sent, Done: a.done, Outcome: history.Unknown}
			if err != nil {
				o.Note = err.Error()
			} else if o.Note = fmt.Sprint(a.status); a.status == http.StatusSeeOther {
				o.Outcome = history.OK
			}
			l.record(o)
			for range 4 {
				l.look(ctx, c, key)
				if !l.wait(ctx, 700*time.Millisecond) {
					return
				}
			}
		}()
	}
}

// look asks every target who the client is: 0 = the person, 1 = nobody any more.
func (l *Load) look(ctx context.Context, c *client, key string) {
	for _, t := range l.o.Targets {
		a, err := c.get(ctx, t, "/account", "")
		o := c.reading(t, key, a, err)
		switch {
		case err != nil:
		case a.status == http.StatusOK:
			o.Outcome = history.OK
		case a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), "/sign-in"):
			o.Value, o.Outcome = 1, history.OK
		default:
			o.Note = fmt.Sprint(a.status)
		}
		l.record(o)
	}
}
