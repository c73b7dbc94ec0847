package httpd

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stoa-portal/stoa"
)

func prefixes(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	p, err := ParsePrefixes("trusted", list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// seen serves r and gives what a handler learns about it.
func seen(t *testing.T, o Options, r *http.Request) (status int, ip, origin, host string, secure bool) {
	t.Helper()
	o.ValidHosts = []string{"*"}
	s, _ := newServer(t, o, func(w http.ResponseWriter, r *http.Request) {
		ip, origin, host, secure = ClientIP(r).String(), Origin(r), r.Host, Secure(r)
	})
	return answer(s, r).Code, ip, origin, host, secure
}

func TestClientIP_WalksTrustedHopsFromTheRight(t *testing.T) {
	t.Parallel()
	trusted := prefixes(t, "10.0.0.0/8", "192.0.2.1", "2001:db8::/32")
	for _, c := range []struct {
		name, peer string
		xff        []string
		want       string
	}{
		{"no header", "192.0.2.1:1", nil, "192.0.2.1"},
		{"stranger may not speak for others", "203.0.113.9:1", []string{"1.2.3.4"}, "203.0.113.9"},
		{"one hop", "192.0.2.1:1", []string{"1.2.3.4"}, "1.2.3.4"},
		{"forged entry left of the client", "192.0.2.1:1", []string{"127.0.0.1, 1.2.3.4"}, "1.2.3.4"},
		{"two trusted hops", "192.0.2.1:1", []string{"127.0.0.1, 1.2.3.4, 10.1.2.3"}, "1.2.3.4"},
		{"over several lines", "192.0.2.1:1", []string{"127.0.0.1", "1.2.3.4", "10.1.2.3, 10.1.2.4"}, "1.2.3.4"},
		{"all trusted", "192.0.2.1:1", []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		{"garbage stops the walk", "192.0.2.1:1", []string{"1.2.3.4, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"garbage only", "192.0.2.1:1", []string{"<script>"}, "192.0.2.1"},
		{"empty", "192.0.2.1:1", []string{"", ", ,"}, "192.0.2.1"},
		{"with port", "192.0.2.1:1", []string{"1.2.3.4:5678"}, "1.2.3.4"},
		{"v6", "[2001:db8::1]:1", []string{"[2a00::7]:99, 2001:db8::5"}, "2a00::7"},
		{"v4 in v6 peer", "[::ffff:192.0.2.1]:1", []string{"::ffff:1.2.3.4"}, "1.2.3.4"},
		{"zone", "192.0.2.1:1", []string{"fe80::1%eth0"}, "fe80::1"},
	} {
		r := request("GET", "http://example.com/")
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.xff
		if _, ip, _, _, _ := seen(t, Options{TrustedProxies: trusted}, r); ip != c.want {
			t.Errorf("%s: client is %s, want %s", c.name, ip, c.want)
		}
	}
}

func TestForwarded_OnlyTrustedAndEnabledHeadersCount(t *testing.T) {
	t.Parallel()
	trusted := prefixes(t, "192.0.2.1")
	on := Options{
		TrustedProxies: trusted,
		ForwardedHost:  Forwarded{Enabled: true},
		ForwardedPort:  Forwarded{Enabled: true},
		ForwardedProto: Forwarded{Enabled: true, Header: "x-scheme"},
	}
	headers := []string{"X-Forwarded-Host", "www.example.org", "X-Forwarded-Port", "8443", "X-Scheme", "https"}
	off := on
	off.ForwardedHost.Enabled, off.ForwardedPort.Enabled, off.ForwardedProto.Enabled = false, false, false
	stranger := on
	stranger.TrustedProxies = prefixes(t, "198.51.100.1")
	for _, c := range []struct {
		name         string
		o            Options
		header       []string
		origin, host string
	}{
		{"all", on, headers, "https://www.example.org:8443", "www.example.org:8443"},
		{"disabled", off, headers, "http://example.com:8080", "example.com:8080"},
		{"stranger", stranger, headers, "http://example.com:8080", "example.com:8080"},
		{"proto only", on, []string{"X-Scheme", "HTTPS"}, "https://example.com:8080", "example.com:8080"},
		{"host keeps its port", on, []string{"X-Forwarded-Host", "www.example.org:9000"}, "http://www.example.org:9000", "www.example.org:9000"},
		{"host without port", on, []string{"X-Forwarded-Host", "www.example.org", "X-Scheme", "https"}, "https://www.example.org", "www.example.org"},
		{"default port", on, []string{"X-Forwarded-Host", "www.example.org", "X-Forwarded-Port", "443", "X-Scheme", "https"}, "https://www.example.org", "www.example.org"},
		{"the last of a list is the proxy's", on, []string{"X-Forwarded-Host", "evil.test, www.example.org"}, "http://www.example.org", "www.example.org"},
		{"the last of two lines", on, []string{"X-Forwarded-Host", "evil.test", "X-Forwarded-Host", "www.example.org"}, "http://www.example.org", "www.example.org"},
	} {
		status, _, origin, host, _ := seen(t, c.o, request("GET", "http://example.com:8080/", c.header...))
		if status != 200 || origin != c.origin || host != c.host {
			t.Errorf("%s: %d, origin %q, host %q; want %q and %q", c.name, status, origin, host, c.origin, c.host)
		}
	}
	for _, h := range [][]string{
		{"X-Forwarded-Host", "evil.test/path"}, {"X-Forwarded-Host", "a b"}, {"X-Forwarded-Host", "user@evil.test"}, {"X-Forwarded-Host", "a:99999"},
		{"X-Forwarded-Port", "0"}, {"X-Forwarded-Port", "80 "}, {"X-Forwarded-Port", "-1"}, {"X-Forwarded-Port", "http"}, {"X-Scheme", "gopher"},
	} {
		want := 400
		if h[1] == "80 " {
			want = 200
		}
		if status, _, _, _, _ := seen(t, on, request("GET", "http://example.com/", h...)); status != want {
			t.Errorf("%q: answered %d, want %d", h, status, want)
		}
	}
}

func TestForwarded_HostIsValidatedToo(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{TrustedProxies: prefixes(t, "192.0.2.1"), ForwardedHost: Forwarded{Enabled: true}}, nil)
	if rec := answer(s, request("GET", "http://example.com/", "X-Forwarded-Host", "evil.test")); rec.Code != 400 {
		t.Errorf("a forwarded host that is not valid was answered with %d, want 400", rec.Code)
	}
	if rec := answer(s, request("GET", "http://10.1.1.1/", "X-Forwarded-Host", "example.com")); rec.Code != 200 {
		t.Errorf("a valid forwarded host was answered with %d, want 200", rec.Code)
	}
}

func TestHost_Forms(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		host string
		port int
		ok   bool
	}{
		"Example.COM": {"example.com", 0, true}, "example.com.": {"example.com", 0, true}, "a:8080": {"a", 8080, true},
		"[::1]:80": {"::1", 80, true}, "[0:0:0:0:0:0:0:1]": {"::1", 0, true}, "a_b-c.d": {"a_b-c.d", 0, true}, "127.0.0.1": {"127.0.0.1", 0, true},
		"": {}, ".": {}, "a..b": {}, ".a": {}, "a:": {}, "a:0": {}, "a:65536": {}, "a:b": {}, "a:1:2": {}, "[::1": {}, "[::1]x": {}, "[a]": {},
		"[127.0.0.1]": {}, "[fe80::1%25eth0]": {}, "a/b": {}, "a@b": {}, "a b": {}, "a\x00": {}, "é": {}, "<b>": {}, "a\r\nb": {}, "::1": {},
	} {
		host, port, ok := splitHost(in)
		if ok != want.ok || ok && (host != want.host || port != want.port) {
			t.Errorf("%q is %q, %d, %v; want %+v", in, host, port, ok, want)
		}
	}
}

func TestOrigin_LinksOverride(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		l    Links
		want string
	}{
		{Links{}, "http://example.com:8080"},
		{Links{Host: "www.example.org"}, "http://www.example.org"},
		{Links{Protocol: "https"}, "https://example.com"},
		{Links{Protocol: "https", HTTPSPort: 8443}, "https://example.com:8443"},
		{Links{HTTPPort: 80, HTTPSPort: -1}, "http://example.com"},
		{Links{Protocol: "http", Host: "h", HTTPPort: -1}, "http://h"},
	} {
		// Through a proxy of which it is not known how its visitors came: others would be redirected.
		_, _, origin, _, secure := seen(
			t,
			Options{Links: c.l},
			request("GET", "http://example.com:8080/", "Via", "1.1 proxy"),
		)
		if origin != c.want || secure {
			t.Errorf(
				"%+v: origin %q, secure %v; want %q, and the connection is still not encrypted",
				c.l,
				origin,
				secure,
				c.want,
			)
		}
	}
	for _, o := range []Options{{Links: Links{Protocol: "gopher"}}, {Links: Links{Host: "a/b"}}, {Links: Links{Host: "a:80"}}} {
		o.Addr = "127.0.0.1:0"
		if _, err := New(o, nil); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%+v: %v, want Invalid", o.Links, err)
		}
	}
}

func TestFacts_WithoutServer(t *testing.T) {
	t.Parallel()
	r := request("GET", "http://Example.com:81/")
	if ClientIP(r).String() != "192.0.2.1" || Host(r) != "example.com" || Port(r) != 81 || Scheme(r) != "http" ||
		Origin(r) != "http://example.com:81" {
		t.Errorf("facts: %v %v %v %v %v", ClientIP(r), Host(r), Port(r), Scheme(r), Origin(r))
	}
	r.TLS = &tls.ConnectionState{}
	if !Secure(r) || Scheme(r) != "https" {
		t.Error("a request over TLS is not secure")
	}
}

func TestParsePrefixes_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	if p := prefixes(t, " 10.1.2.3/8 ", "", "::1"); len(p) != 2 || p[0].String() != "10.0.0.0/8" ||
		p[1].String() != "::1/128" {
		t.Errorf("parsed %v", p)
	}
	for _, s := range []string{"10.0.0.0/33", "host", "1.2.3", "*"} {
		if _, err := ParsePrefixes("trusted.proxies", []string{s}); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q: %v, want Invalid", s, err)
		}
	}
}
