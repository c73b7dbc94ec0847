package httpd

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The checks of load balancers as they come without a word of configuration.
func TestServe_ChecksOfLoadBalancersAreAnswered(t *testing.T) {
	t.Parallel()
	s, _ := serving(
		t,
		Options{},
		func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "site of "+Host(r)) },
	)
	for name, c := range map[string]struct {
		send   string
		status int
	}{
		"HAProxy's default":         {"OPTIONS / HTTP/1.0\r\n\r\n", 204},
		"HEAD without a host":       {"HEAD / HTTP/1.0\r\n\r\n", 200},
		"GET without a host":        {"GET / HTTP/1.0\r\n\r\n", 200},
		"GET with a host in 1.0":    {"GET / HTTP/1.0\r\nHost: example.com\r\n\r\n", 200},
		"OPTIONS with a host":       {"OPTIONS / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n", 204},
		"OPTIONS of the server":     {"OPTIONS * HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n", 200},
		"1.1 must name a host":      {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400},
		"another host stays out":    {"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", 400},
		"an empty host in 1.1":      {"GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 400},
		"readiness without a host":  {"GET /readyz HTTP/1.0\r\n\r\n", 200},
		"readiness with an IP host": {"GET /readyz HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n", 200},
	} {
		resp := raw(t, s, c.send)
		if resp.StatusCode != c.status || c.status == 204 && !strings.Contains(resp.Header.Get("Allow"), "GET") {
			t.Errorf("%s: %d, Allow %q; want %d", name, resp.StatusCode, resp.Header.Get("Allow"), c.status)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.Drain(ctx)
	if resp := raw(t, s, "OPTIONS / HTTP/1.0\r\n\r\n"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a node that leaves answers a check with %d", resp.StatusCode)
	}
}

func proxyV2(address netip.AddrPort) string {
	head := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c")
	from, to := address.Addr().As4(), [4]byte{127, 0, 0, 1}
	head = append(append(head, from[:]...), to[:]...)
	return string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(head, address.Port()), 8080))
}

// A trusted proxy tells the visitor's address in front of the connection; of others that is a broken request.
func TestServe_PROXYProtocolOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	tell := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, ClientIP(r).String()+" "+Origin(r))
	}
	get := "GET / HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 198.51.100.9\r\nX-Forwarded-Proto: " +
		"https\r\nConnection: close\r\n\r\n"
	plain := "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"
	v1 := "PROXY TCP4 203.0.113.7 127.0.0.1 50000 80\r\n"
	local := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	o := Options{TrustedProxies: local, ProxyProtocol: true, ForwardedProto: Forwarded{Enabled: true}}
	for name, c := range map[string]struct {
		o    Options
		send string
		want string // of the body; empty: 400
	}{
		"version 1": {o, v1 + get, "203.0.113.7 http://example.com"}, // what the visitor wrote counts for nothing
		"version 2": {o, proxyV2(netip.MustParseAddrPort("203.0.113.8:1")) + plain, "203.0.113.8 " +
			"http://example.com"},
		"its own check":      {o, plain, "127.0.0.1 http://example.com"},
		"headers without it": {o, get, "198.51.100.9 https://example.com"},
		"of a chain": {o, "PROXY TCP4 127.0.0.9 127.0.0.1 1 80\r\n" + get, "198.51.100.9 " +
			"https://example.com"},
		"of a stranger": {Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			ProxyProtocol: true}, v1 + plain, ""},
		"switched off":                 {Options{TrustedProxies: local}, v1 + plain, ""},
		"a broken line":                {o, "PROXY TCP4 nonsense\r\n" + plain, ""},
		"unknown, as health checks do": {o, "PROXY UNKNOWN\r\n" + plain, "127.0.0.1 http://example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := serving(t, c.o, tell)
			conn := rawConn(t, s, c.send)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if c.want == "" {
				if err == nil && resp.StatusCode != 400 {
					t.Errorf("answered with %d", resp.StatusCode)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); string(body) != c.want {
				t.Errorf("%q, want %q", body, c.want)
			}
		})
	}
}
