package httpd

import (
	"net/http"
	"net/netip"
	"strings"
)

// peerOf is the address at the other end of the connection.
func peerOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// clientOf walks X-Forwarded-For from the right, where the nearest proxy wrote, to the left, for as long as
// the last hop is one that may be believed. What stands left of the first stranger was written by that
// stranger.
func clientOf(r *http.Request, peer netip.Addr, trusted []netip.Prefix) netip.Addr {
	lines := r.Header["X-Forwarded-For"]
	hop := peer
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != ""; {
			if !contains(trusted, hop) {
				return hop
			}
			entry := rest
			if c := strings.LastIndexByte(rest, ','); c >= 0 {
				rest, entry = rest[:c], rest[c+1:]
			} else {
				rest = ""
			}
			a, ok := parseHop(strings.TrimSpace(entry))
			if !ok {
				return hop
			}
			hop = a
		}
	}
	return hop
}

// parseHop reads an address that some proxies write with a port.
func parseHop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// forwarded gives the last value of the header: the one the nearest proxy wrote, should the header be a list.
func forwarded(r *http.Request, h Forwarded) string {
	if !h.Enabled {
		return ""
	}
	lines := r.Header[h.Header]
	if len(lines) == 0 {
		return ""
	}
	v := lines[len(lines)-1]
	if i := strings.LastIndexByte(v, ','); i >= 0 {
		v = v[i+1:]
	}
	return strings.TrimSpace(v)
}

// speaksForOthers reports whether the request shows that its peer is a proxy.
func speaksForOthers(r *http.Request) bool {
	for _, h := range [...]string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if len(r.Header[h]) > 0 {
			return true
		}
	}
	return false
}
