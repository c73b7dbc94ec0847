package httpd

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoa-portal/stoa"
)

const (
	maxHeader = 32 << 10 // bytes of all request headers together, by default
	maxPath   = 2048     // bytes of a decoded path
	maxQuery  = 8192     // bytes of a raw query
)

// Options are the settings of a server. Addr is needed; everything else has a default that is safe.
type Options struct {
	Addr            string // host:port; port 0 takes a free one
	TLSCert, TLSKey string // PEM files; both or none. Read again when they change
	TLSAddr         string // host:port that speaks TLS while Addr stays plain; empty: Addr speaks TLS when there is a certificate

	TrustedProxies []netip.Prefix // only they may speak for others (X-Forwarded-*); none by default
	ProxyProtocol  bool           // they may speak the PROXY protocol, and tell the visitor's address so
	ForwardedHost  Forwarded      // web.server.forwarded.host.*
	ForwardedPort  Forwarded      // web.server.forwarded.port.*
	ForwardedProto Forwarded      // web.server.forwarded.protocol.*
	Links          Links          // web.server.*: the address in links

	ValidHosts     []string               // virtual.hosts.valid.hosts: names, "*.example.com", "*" for any; nil for localhost only
	ValidHost      func(host string) bool // further names, such as the virtual hosts of sites; may be nil
	TrustedOrigins []string               // "https://host" of other origins that may send forms here
	FrameHosts     []string               // hosts whose pages may be embedded, such as "www.youtube-nocookie.com"
	NoCompression  bool                   // answers are never encoded
	HSTSMaxAge     time.Duration          // Strict-Transport-Security on https; 0 for half a year, negative for none
	HSTSSubDomains bool                   // it holds for all names below that of the portal, too
	// Refused is told of every answer that is an error, with the context of the handler, so that refusals can be
	// counted; nil: no one is.
	Refused   func(ctx context.Context, err error)
	ErrorPage ErrorPage // nil for a plain page
	MaxBody   int64     // bytes of a request body where no handler says otherwise; 0 for 8 MiB
	MaxHeader int       // bytes of all headers of a request together; 0 for 32 KiB

	ReadHeaderTimeout time.Duration // for all headers of a request; 0 for 10 s
	ReadTimeout       time.Duration // for each 64 KiB of a request body; 0 for 30 s
	WriteTimeout      time.Duration // for the response to begin and for each 256 KiB of it; 0 for 60 s
	IdleTimeout       time.Duration // between requests of one connection; 0 for 120 s
	DrainDelay        time.Duration // between "not ready" and the end of listening; 0 for none

	Logger      *slog.Logger             // nil for none
	LogRequests bool                     // the line of each request is at info; without this it is at debug
	Class       func(path string) string // route class of the metrics, one of few; nil for Stoa's own addresses
	Now         func() time.Time         // nil for time.Now

	Registry       *prometheus.Registry // metrics are registered and shown here; nil for none
	MetricsAllowed []netip.Prefix       // may read /metrics and the details of /readyz; nil for loopback
	MetricsToken   string               // bearer token that may, too; empty for none
	Ready          func(context.Context) []Problem
	DataSource     func(context.Context) error // /health_check/data_source; nil when it is not enabled
}

// Forwarded says whether a header of a trusted proxy is honoured and which.
type Forwarded struct {
	Enabled bool
	Header  string // empty for X-Forwarded-Host, -Port or -Proto
}

// Links overrides parts of the address that links carry, as web.server.* do. Zero values take what the
// request says.
type Links struct {
	Protocol  string // "http" or "https"
	Host      string
	HTTPPort  int // -1 or 0: as the request says
	HTTPSPort int
}

// ErrorPage renders an error for a person. The response has no status yet; the page sets it, or sends
// the visitor elsewhere. message is safe to show but not escaped; retry says that trying again later can
// help. It must cope with requests whose site is not known.
type ErrorPage func(w http.ResponseWriter, r *http.Request, status int, message string, retry bool)

// Problem is a requirement that is not met.
type Problem struct {
	Requirement string `json:"requirement"`    // short name: "database", "file store"
	Message     string `json:"message"`        // what is wrong
	Mend        string `json:"mend"`           // what to do about it
	Code        string `json:"code,omitempty"` // of the finding, as in docs/operate/findings.md
	// Sentence is Message before its Args were put in, empty where it was made in another way: screens say it in the
	// language of the person who looks.
	Sentence string `json:"-"`
	Args     []any  `json:"-"`
}

// check fills in defaults and refuses what cannot work.
func (o *Options) check() error {
	if o.Addr == "" {
		return stoa.Invalid(
			"portal.instance.inet.socket.address",
			"the address to listen on is missing; host:port such as 0.0.0.0:8080 is expected",
		)
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return stoa.Invalid(
			"web.server.https.certificate",
			"a certificate file and a key file belong together; only one of them is set",
		)
	}
	if o.TLSCert == "" {
		o.TLSAddr = ""
	}
	for _, d := range []struct {
		v    *time.Duration
		def  time.Duration
		name string
	}{
		{&o.ReadHeaderTimeout, 10 * time.Second, "ReadHeaderTimeout"},
		{&o.ReadTimeout, 30 * time.Second, "ReadTimeout"},
		{&o.WriteTimeout, 60 * time.Second, "WriteTimeout"},
		{&o.IdleTimeout, 120 * time.Second, "IdleTimeout"},
	} {
		if *d.v < 0 {
			return stoa.Invalid(d.name, "%v is below zero; a server without this time limit can be held up by any client", *d.v)
		}
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if o.MaxBody < 0 {
		return stoa.Invalid("MaxBody", "%d is below zero; a number of bytes is expected", o.MaxBody)
	}
	if o.MaxBody == 0 {
		o.MaxBody = 8 << 20
	}
	if o.MaxHeader < 0 {
		return stoa.Invalid("MaxHeader", "%d is below zero; a number of bytes is expected", o.MaxHeader)
	}
	if o.MaxHeader == 0 {
		o.MaxHeader = maxHeader
	}
	if o.HSTSMaxAge == 0 {
		o.HSTSMaxAge = 182 * 24 * time.Hour
	}
	for _, f := range []struct {
		v    *Forwarded
		name string
	}{
		{&o.ForwardedHost, "X-Forwarded-Host"}, {&o.ForwardedPort, "X-Forwarded-Port"}, {&o.ForwardedProto, "X-Forwarded-Proto"},
	} {
		if f.v.Header == "" {
			f.v.Header = f.name
		}
		f.v.Header = http.CanonicalHeaderKey(f.v.Header)
	}
	if p := o.Links.Protocol; p != "" && p != "http" && p != "https" {
		return stoa.Invalid("web.server.protocol", "%q is not a protocol for links; http or https is expected", p)
	}
	if h := o.Links.Host; h != "" {
		if host, port, ok := splitHost(h); !ok || port != 0 {
			return stoa.Invalid("web.server.host", "%q is not a host name without port", h)
		} else {
			o.Links.Host = host
		}
	}
	if o.MetricsToken != "" && len(o.MetricsToken) < 16 {
		return stoa.Invalid(
			"metrics.token",
			"the token has %d characters; at least 16 are needed, or it can be guessed",
			len(o.MetricsToken),
		)
	}
	if o.ValidHosts == nil {
		o.ValidHosts = []string{"localhost", "127.0.0.1", "[::1]"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Class == nil {
		o.Class = classOf
	}
	return nil
}

// ParsePrefixes reads a list of addresses and networks ("10.0.0.0/8", "::1", "192.0.2.7"), for settings such
// as trusted proxies. name is the property to blame in the error.
func ParsePrefixes(name string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, stoa.Invalid(name, "%.60q is neither an address such as 192.0.2.7 nor a network such as 10.0.0.0/8", s)
		}
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out, nil
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// classOf sorts paths into the route classes of the metrics: few, and none made of what a visitor typed.
func classOf(path string) string {
	for _, c := range [...]struct{ prefix, class string }{
		{"/o/", "api"}, {"/control", "admin"}, {"/documents/", "document"}, {"/static/", "static"}, {"/theme/", "static"},
		{"/sign-in", "account"}, {"/account", "account"}, {"/c/portal/", "account"}, {"/search", "search"},
		{"/livez", "health"}, {"/readyz", "health"}, {"/metrics", "health"}, {"/health_check/", "health"},
	} {
		if strings.HasPrefix(path, c.prefix) {
			return c.class
		}
	}
	return "page"
}
