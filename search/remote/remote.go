// Package remote keeps the index of package search on a search server that all nodes share: OpenSearch from version 2
// on or Elasticsearch from version 7 on. It uses the few calls that all of them have. Each instance has an index of
// its own behind an alias. What an index has of a thing is written with its version, and a removal is a document, too:
// so late and repeated writes do no harm, and a request whose answer was lost is made again on another host.
package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
)

// Options are the settings of an engine. Hosts are needed.
type Options struct {
	Hosts    []string // addresses such as https://search1.example.org:9200; one that fails is left out for a while
	User     string   // with Password; or
	Password string
	APIKey   string // as the server gave it, in base 64
	CA       []byte // certificates in PEM that may sign the servers'; nil: those that the system trusts
	Prefix   string // of the names of all indexes; "": liferay-
	// Replicas is how many copies each index has beside the first: a number, or a range such as "0-all", of which
	// the server makes as many as it has nodes for. "": 0-1.
	Replicas string
	Shards   int           // of each index that is made; 0: 1
	Timeout  time.Duration // for an answer of one host; 0: 10 s. Writes have six times as long.
	Logger   *slog.Logger  // nil for none
}

const (
	defaultPrefix  = "liferay-"
	defaultTimeout = 10 * time.Second
	writeFactor    = 6
)

// Engine is a search.Engine.
type Engine struct {
	o      Options
	client *client
	places *places
	stops  *stops

	about about
}

// Open gives the engine of a search server. It asks the server nothing yet.
func Open(o Options) (*Engine, error) {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Replicas == "" {
		o.Replicas = "0-1"
	}
	if o.Shards == 0 {
		o.Shards = 1
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := check(o); err != nil {
		return nil, err
	}
	var hosts []*host
	for _, address := range o.Hosts {
		u, err := hostURL(address)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(hosts, func(h *host) bool { return h.address == u.String() }) {
			hosts = append(hosts, &host{address: u.String()})
		}
	}
	transport, err := transport(o)
	if err != nil {
		return nil, err
	}
	e := &Engine{o: o, client: newClient(o, hosts, transport), stops: &stops{}}
	e.places = &places{engine: e, ready: map[stoa.ID]bool{}}
	return e, nil
}

// check refuses settings that cannot be meant.
func check(o Options) error {
	switch {
	case len(o.Hosts) == 0:
		return stoa.Invalid("hosts", "no search server is named: say its address, such as https://search.example.org:9200")
	case (o.User == "") != (o.Password == ""):
		return stoa.Invalid("user", "of user and password of the search server one is set and the other is not: "+
			"set both or none")
	case o.User != "" && o.APIKey != "":
		return stoa.Invalid("api.key", "the search server has a user and an API key: set one of the two")
	case strings.ContainsFunc(o.User+o.Password+o.APIKey, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return stoa.Invalid("password", "user, password and API key of the search server have no line ends or "+
			"control characters")
	case !regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,99}$`).MatchString(o.Prefix):
		return stoa.Invalid("prefix", "%q cannot begin the name of an index: small letters, digits, dashes, dots and "+
			"underscores are expected, 100 at most, such as liferay-", stoa.Clip(o.Prefix, 120))
	case !regexp.MustCompile(`^([0-9]{1,2}|[0-9]{1,2}-([0-9]{1,2}|all))$`).MatchString(o.Replicas):
		return stoa.Invalid("replicas", "%q is no number of copies: a number such as 1 or a range such as 0-all is expected",
			stoa.Clip(o.Replicas, 40))
	case o.Shards < 1 || o.Shards > 1024:
		return stoa.Invalid("shards", "%d is no number of shards: 1 to 1024 are expected", o.Shards)
	case o.Timeout < 0:
		return stoa.Invalid("timeout", "%s is no time to wait for an answer: more than nothing is expected", o.Timeout)
	}
	return nil
}

// hostURL reads the address of a host. Nothing of a wrong one is repeated before it is known to have no password.
func hostURL(address string) (*url.URL, error) {
	text := strings.TrimSpace(address)
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, stoa.Invalid("hosts", "an address of the search server cannot be read: it is like "+
			"https://search.example.org:9200")
	}
	if u.User != nil {
		return nil, stoa.Invalid("hosts", "the address of the search server %s has a user in it: user and password are "+
			"settings of their own", u.Host)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, stoa.Invalid("hosts", "the address of the search server %s begins with %s: http or https is expected",
			u.Host, u.Scheme)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, stoa.Invalid("hosts", "the address of the search server %s has more than a path behind the host", u.Host)
	}
	if u.Port() == "" && u.Path == "" && !strings.Contains(address, "://") {
		u.Host = net.JoinHostPort(u.Hostname(), "9200")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// transport makes the connections.
func transport(o Options) (*http.Transport, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.CA) > 0 {
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(o.CA) {
			return nil, stoa.Invalid("ca", "what is to sign the certificates of the search server has no certificate in "+
				"it: text in PEM is expected, which begins with -----BEGIN CERTIFICATE-----")
		}
	}
	dialer := &net.Dialer{Timeout: min(o.Timeout, 5*time.Second), KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: secure,
		TLSHandshakeTimeout: min(o.Timeout, 5*time.Second), MaxIdleConnsPerHost: 16, IdleConnTimeout: 60 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}, nil
}

// Close ends the use of the server. It may be called again.
func (e *Engine) Close() error {
	e.client.close()
	return nil
}

// alias is the name under which the index of an instance is used.
func (e *Engine) alias(instance stoa.ID) string {
	return e.o.Prefix + strconv.FormatInt(int64(instance), 10)
}

// state is the name of the index that has what belongs to no instance.
func (e *Engine) state() string { return e.o.Prefix + "stoa" }

// errClosed is what is answered after Close.
var errClosed = errors.New("the engine is closed")

// about is what was learned of the server.
type about struct {
	mu      sync.Mutex
	missing []string
}

func (a *about) lacks(analyzers []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.missing = analyzers
}

func (a *about) lacking() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.missing)
}
