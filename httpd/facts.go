package httpd

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// facts are what is known about a request, worked out once. They are the context of the request
// themselves, which saves an allocation over a context that carries them, and they live as long as
// anybody holds that context: they are never put into a pool.
type facts struct {
	context.Context
	server *Server
	start  time.Time
	id     string
	idv    [1]string // the value of X-Request-Id
	peer   netip.Addr
	client netip.Addr
	host   string // lower case, no port, no brackets
	port   int
	https  bool
	body   body

	hostless  bool // the request named no host, as HTTP/1.0 allows
	toldProto bool // a trusted proxy named the protocol
	out       response
}

type factsKey struct{}

// defaultHost leads to the default site.
const defaultHost = "localhost"

// Value gives the facts themselves for their own key.
func (f *facts) Value(key any) any {
	if key == (factsKey{}) {
		return f
	}
	return f.Context.Value(key)
}

func factsOf(r *http.Request) *facts {
	f, _ := r.Context().Value(factsKey{}).(*facts)
	return f
}

// resolve fills in addresses, scheme and host, honouring the forwarding headers of trusted proxies, and
// sets r.Host to the host the visitor used. The error says that a host is missing or malformed.
func (f *facts) resolve(r *http.Request) error {
	o := &f.server.o
	f.peer = peerOf(r)
	f.client = f.peer
	f.https = r.TLS != nil
	host := r.Host
	fport := 0
	if len(o.TrustedProxies) > 0 && contains(o.TrustedProxies, f.peer) {
		f.client = clientOf(r, f.peer, o.TrustedProxies)
		if v := forwarded(r, o.ForwardedProto); v != "" {
			f.toldProto = true
			switch {
			case strings.EqualFold(v, "https"):
				f.https = true
			case strings.EqualFold(v, "http"):
				f.https = false
			default:
				return Malformed("the proxy announces the protocol %.20q; http or https is expected", v)
			}
		}
		if v := forwarded(r, o.ForwardedHost); v != "" {
			host = v
			r.Host = v
		}
		if v := forwarded(r, o.ForwardedPort); v != "" {
			n, err := strconv.ParseUint(v, 10, 16)
			if err != nil || n == 0 {
				return Malformed("the proxy announces the port %.20q; a number from 1 to 65535 is expected", v)
			}
			fport = int(n)
		}
	} else if speaksForOthers(r) {
		f.server.strangers.note(f.server.log, f.peer, f.start)
	}
	if host == "" && !r.ProtoAtLeast(1, 1) {
		host, f.hostless = defaultHost, true // HTTP/1.0 need not name one: checks of load balancers do not
	}
	name, port, ok := splitHost(host)
	if !ok {
		return Malformed("the request names no valid host: %.80q", host)
	}
	f.host = name
	switch {
	case fport != 0:
		f.port = fport
		r.Host = joinHost(name, fport, f.https)
	case port != 0:
		f.port = port
	default:
		f.port = defaultPort(f.https)
	}
	return nil
}

func defaultPort(https bool) int {
	if https {
		return 443
	}
	return 80
}

// splitHost takes apart "name", "name:port", "[v6]" and "[v6]:port". The port is 0 when there is none.
func splitHost(s string) (host string, port int, ok bool) {
	if s == "" || len(s) > 262 {
		return "", 0, false
	}
	rest := ""
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, false
		}
		host, rest = s[1:end], s[end+1:]
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() || a.Zone() != "" {
			return "", 0, false
		}
		host = a.String() // one form for all ways to write it
	} else {
		host = s
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, rest = s[:i], s[i:]
		}
		host = strings.TrimSuffix(host, ".")
		if host == "" || len(host) > 253 {
			return "", 0, false
		}
		for i := 0; i < len(host); i++ {
			switch c := host[i]; {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			case c == '.' && i > 0 && host[i-1] != '.':
			default:
				return "", 0, false
			}
		}
	}
	if rest != "" {
		n, err := strconv.ParseUint(rest[1:], 10, 16)
		if rest[0] != ':' || err != nil || n == 0 {
			return "", 0, false
		}
		port = int(n)
	}
	return strings.ToLower(host), port, true
}

// joinHost is the opposite; the port is left out where the scheme implies it.
func joinHost(host string, port int, https bool) string {
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if port == 0 || port == defaultPort(https) {
		return host
	}
	return host + ":" + strconv.Itoa(port)
}

// ClientIP is the address of the visitor: of the connection, or what trusted proxies say. It is the zero
// Addr when the connection has none.
func ClientIP(r *http.Request) netip.Addr {
	if f := factsOf(r); f != nil {
		return f.client
	}
	return peerOf(r)
}

// Secure reports whether the visitor's connection is encrypted, here or at a trusted proxy.
func Secure(r *http.Request) bool {
	if f := factsOf(r); f != nil {
		return f.https
	}
	return r.TLS != nil
}

// Scheme is "https" or "http".
func Scheme(r *http.Request) string {
	if Secure(r) {
		return "https"
	}
	return "http"
}

// Host is the host name the visitor used: lower case, without port, without the brackets of an IPv6 address.
func Host(r *http.Request) string {
	if f := factsOf(r); f != nil {
		return f.host
	}
	host, _, _ := splitHost(r.Host)
	return host
}

// Port is the port the visitor used.
func Port(r *http.Request) int {
	if f := factsOf(r); f != nil {
		return f.port
	}
	if _, port, ok := splitHost(r.Host); ok && port != 0 {
		return port
	}
	return defaultPort(r.TLS != nil)
}

// Origin is the beginning of absolute links, such as "https://example.com:8443": what the visitor used,
// where Options.Links does not say otherwise.
func Origin(r *http.Request) string {
	host, port, https := Host(r), Port(r), Secure(r)
	if f := factsOf(r); f != nil {
		l := &f.server.o.Links
		if l.Host != "" {
			host, port = l.Host, 0
		}
		if l.Protocol != "" && (l.Protocol == "https") != https {
			https, port = l.Protocol == "https", 0
		}
		if https && l.HTTPSPort > 0 {
			port = l.HTTPSPort
		} else if !https && l.HTTPPort > 0 {
			port = l.HTTPPort
		}
	}
	if https {
		return "https://" + joinHost(host, port, true)
	}
	return "http://" + joinHost(host, port, false)
}
