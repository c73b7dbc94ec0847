package httpd

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestProtocolHTTPS_PlainRequestsAreSentToHTTPS(t *testing.T) {
	t.Parallel()
	told := []string{"X-Forwarded-For", "203.0.113.5", "X-Forwarded-Proto"}
	for _, c := range []struct {
		name    string
		links   Links
		trusted bool
		method  string
		url     string
		header  []string
		want    string // Location; "" = answered
		must    bool   // MustBeSecure
	}{
		{name: "no protocol set", url: "http://example.com/a"},
		{name: "http set", links: Links{Protocol: "http"}, url: "http://example.com/a"},
		{name: "direct", links: Links{Protocol: "https"}, url: "http://example.com/a?b=c", want: "https://example.com/a?b=c"},
		{name: "a form", links: Links{Protocol: "https"}, method: "POST", url: "http://example.com/sign-in",
			want: "https://example.com/sign-in"},
		{name: "host and port of the settings", links: Links{Protocol: "https", Host: "www.example.org", HTTPSPort: 444},
			url:  "http://example.com:8080/",
			want: "https://www.example.org:444/"},
		{name: "a proxy that is not trusted", links: Links{Protocol: "https"}, url: "http://example.com/",
			header: append(told, "https"), must: true},
		{name: "a trusted proxy, encrypted", links: Links{Protocol: "https"}, trusted: true, url: "http://example.com/",
			header: append(told, "https")},
		{name: "a trusted proxy, in the clear", links: Links{Protocol: "https"}, trusted: true, url: "http://example.com/",
			header: append(told, "http"), want: "https://example.com/"},
		{name: "a trusted proxy that does not say", links: Links{Protocol: "https"}, trusted: true,
			url:    "http://example.com/",
			header: []string{"X-Forwarded-For", "203.0.113.5"}, must: true},
	} {
		o := Options{Links: c.links, ForwardedProto: Forwarded{Enabled: true}}
		if c.trusted {
			o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}
		must := false
		s, _ := newServer(t, o, func(w http.ResponseWriter, r *http.Request) { must = MustBeSecure(r) })
		if c.method == "" {
			c.method = "GET"
		}
		rec := answer(s, request(c.method, c.url, c.header...))
		status := http.StatusOK
		if c.want != "" {
			status = http.StatusPermanentRedirect
		}
		if rec.Code != status || rec.Header().Get("Location") != c.want || must != c.must {
			t.Errorf(
				"%s: %d to %q, no password: %v; want %d to %q, %v",
				c.name,
				rec.Code,
				rec.Header().Get("Location"),
				must,
				status,
				c.want,
				c.must,
			)
		}
	}
	s, _ := newServer(t, Options{Links: Links{Protocol: "https"}}, nil)
	if rec := answer(s, request("GET", "http://evil.example/")); rec.Code == http.StatusPermanentRedirect {
		t.Error("a host that is not the portal's is redirected to")
	}
	if rec := answer(s, request("GET", "http://10.0.0.7/readyz")); rec.Code != http.StatusOK {
		t.Errorf("a load balancer that asks /readyz in the clear gets %d", rec.Code)
	}
}

func TestProtocolHTTPS_LeadsToThePortOfThisNode(t *testing.T) {
	t.Parallel()
	cert, key, _ := writePair(t, t.TempDir(), 1)
	s, _ := newServer(t, Options{Links: Links{Protocol: "https"}, TLSAddr: "127.0.0.1:0", TLSCert: cert, TLSKey: key}, nil)
	rec := answer(s, request("GET", fmt.Sprintf("http://example.com:%d/x", s.Port())))
	if want := fmt.Sprintf("https://example.com:%d/x", s.PortTLS()); rec.Header().Get("Location") != want {
		t.Errorf("redirected to %q, want %q", rec.Header().Get("Location"), want)
	}
}

// The requester of a mail for another person chooses neither scheme nor port of its link.
func TestSettledOrigin_IsNotOfTheRequester(t *testing.T) {
	t.Parallel()
	origin := func(o Options, target string, header ...string) string {
		got := ""
		s, _ := newServer(t, o, func(w http.ResponseWriter, r *http.Request) { got = SettledOrigin(r) })
		if strings.Contains(target, "OWN") {
			target = strings.Replace(target, "OWN", fmt.Sprint(s.Port()), 1)
			defer func() { got = strings.Replace(got, fmt.Sprint(s.Port()), "OWN", 1) }()
		}
		answer(s, request("GET", target, header...))
		return strings.Replace(got, fmt.Sprint(s.Port()), "OWN", 1)
	}
	for _, c := range []struct {
		o            Options
		target, want string
	}{
		{Options{}, "http://example.com:6666/", "http://example.com"},
		{Options{}, "http://example.com:OWN/", "http://example.com:OWN"},
		{Options{Links: Links{Host: "www.example.org"}}, "http://example.com:OWN/", "http://www.example.org"},
		{Options{Links: Links{HTTPPort: 81}}, "http://example.com:6666/", "http://example.com:81"},
	} {
		if got := origin(c.o, c.target); got != c.want {
			t.Errorf("%+v, %s: %q, want %q", c.o.Links, c.target, got, c.want)
		}
	}
	if got := origin(Options{Links: Links{Protocol: "https", HTTPSPort: 8443}}, "http://example.com:6666/", "Via",
		"1.1 x"); got != "https://example.com:8443" {
		t.Errorf("with https in the settings: %q", got)
	}
	cert, key, _ := writePair(t, t.TempDir(), 1)
	if got := origin(Options{TLSAddr: "127.0.0.1:0", TLSCert: cert, TLSKey: key},
		"http://example.com:6666/"); got != "https://example.com" {
		t.Errorf("with a certificate: %q", got)
	}
}

func TestHSTS_IncludesSubDomainsWhereChosen(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		s, _ := newServer(t, Options{HSTSSubDomains: on}, nil)
		r := request("GET", "https://example.com/")
		r.TLS = &tls.ConnectionState{}
		if got := answer(s, r).Header().Get("Strict-Transport-Security"); strings.Contains(got, "includeSubDomains") != on ||
			got == "" {
			t.Errorf("chosen %v: %q", on, got)
		}
	}
}

func TestTLS_OffersNoCBC(t *testing.T) {
	t.Parallel()
	cert, key, _ := writePair(t, t.TempDir(), 1)
	s, _ := serving(t, Options{TLSCert: cert, TLSKey: key}, nil)
	dial := func(suites ...uint16) error {
		c, err := tls.Dial(
			"tcp",
			s.Addr().String(),
			&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: suites},
		)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(c, "GET /livez HTTP/1.0\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
		return c.Close()
	}
	if err := dial(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA); err == nil {
		t.Error("a client that knows CBC only is served")
	}
	if err := dial(suites()...); err != nil {
		t.Errorf("a client of TLS 1.2: %v", err)
	}
}

func TestUntrustedProxies_AreTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, book := newServer(
		t,
		Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}, Now: func() time.Time { return now }},
		nil,
	)
	ask := func(peer string, header ...string) {
		r := request("GET", "http://example.com/", header...)
		r.RemoteAddr = peer
		answer(s, r)
	}
	ask("10.0.0.1:1", "X-Forwarded-For", "203.0.113.5")
	ask("10.0.0.9:1")
	ask("203.0.113.7:1", "X-Forwarded-For", "127.0.0.1") // any visitor can send it
	if got := s.UntrustedProxies(); len(got) != 0 {
		t.Errorf("%v are taken for proxies", got)
	}
	for range 3 {
		ask("10.0.0.2:1", "X-Forwarded-For", "203.0.113.5")
	}
	for range 200 {
		ask("198.51.100.1:1", "X-Forwarded-For", "203.0.113.5")
	}
	if got := fmt.Sprint(s.UntrustedProxies()); got != "[10.0.0.2 198.51.100.1]" {
		t.Errorf("told of %s", got)
	}
	if n := len(book.lines(t, "a proxy that is not trusted sends forwarding headers: all its visitors count as one "+
		"address")); n != 2 {
		t.Errorf("%d lines in the log, want one for each", n)
	}
	now = now.Add(2 * time.Hour)
	if got := s.UntrustedProxies(); len(got) != 0 {
		t.Errorf("told of %v, which have sent nothing for two hours", got)
	}
}

// The same for a host of the portal that the request does not name.
func TestSettledAt_IsNotOfTheRequester(t *testing.T) {
	t.Parallel()
	cert, key, _ := writePair(t, t.TempDir(), 1)
	tlsOn := Options{TLSAddr: "127.0.0.1:0", TLSCert: cert, TLSKey: key}
	for _, c := range []struct {
		o            Options
		target, want string // OWN and TLS stand for the ports of the server
	}{
		{Options{}, "http://example.com:6666/", "http://news.example"},
		{Options{}, "http://example.com:OWN/", "http://news.example:OWN"},
		{Options{Links: Links{HTTPPort: 81, Host: "www.example.org"}}, "http://example.com:OWN/", "http://news.example:81"},
		{Options{Links: Links{Protocol: "https"}}, "http://example.com:6666/", "https://news.example"},
		{Options{Links: Links{Protocol: "https", HTTPSPort: 8443}}, "http://example.com:OWN/", "https://news.example:8443"},
		{tlsOn, "http://example.com:6666/", "https://news.example"},
		{tlsOn, "http://example.com:OWN/", "https://news.example:TLS"},
		{tlsOn, "http://example.com:TLS/", "https://news.example:TLS"},
	} {
		got := ""
		s, _ := newServer(t, c.o, func(w http.ResponseWriter, r *http.Request) { got = SettledAt(r, "news.example") })
		ports := strings.NewReplacer("OWN", fmt.Sprint(s.Port()), "TLS", fmt.Sprint(s.PortTLS()))
		answer(s, request("GET", ports.Replace(c.target), "Via", "1.1 x"))
		if want := ports.Replace(c.want); got != want {
			t.Errorf("%+v, %s: %q, want %q", c.o.Links, c.target, got, want)
		}
	}
}
