package httpd

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// secureHeaders holds the values every response carries. The slices are shared by all responses: http.Header
// replaces or copies them and never writes into them.
type secureHeaders struct {
	policy, nosniff, referrer, permissions, opener, hsts []string
}

func newSecureHeaders(o *Options) (*secureHeaders, error) {
	csp, err := ContentPolicy(o.FrameHosts)
	if err != nil {
		return nil, err
	}
	h := &secureHeaders{
		policy:      []string{csp},
		nosniff:     []string{"nosniff"},
		referrer:    []string{"strict-origin-when-cross-origin"},
		permissions: []string{"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
		opener:      []string{"same-origin"},
	}
	if o.HSTSMaxAge > 0 {
		h.hsts = []string{"max-age=" + strconv.FormatInt(int64(o.HSTSMaxAge/time.Second), 10)}
		if o.HSTSSubDomains {
			h.hsts[0] += "; includeSubDomains"
		}
	}
	return h, nil
}

// ContentPolicy builds the Content-Security-Policy of pages: scripts and styles from this server only, none
// inline; pictures and media also from other hosts over https, because editors link to them; frames
// from this server and the given hosts. It returns Invalid for what is not a host name.
func ContentPolicy(frameHosts []string) (string, error) {
	frames := "'self'"
	for _, h := range frameHosts {
		name := strings.TrimPrefix(strings.TrimSpace(h), "https://")
		if host, _, ok := splitHost(strings.TrimPrefix(name, "*.")); !ok || host == "" {
			return "", stoa.Invalid("FrameHosts", "%.80q is not a host that can be embedded; a name such as www.youtube-nocookie.com is expected", h)
		}
		frames += " https://" + strings.ToLower(name)
	}
	return "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; " +
		"media-src 'self' https:; frame-src " + frames + "; object-src 'none'; base-uri 'none'; " +
		"form-action 'self'; frame-ancestors 'self'", nil
}

// set puts the headers on a response, where a handler may still replace them.
func (s *secureHeaders) set(h http.Header, f *facts) {
	h["Content-Security-Policy"] = s.policy
	h["X-Content-Type-Options"] = s.nosniff
	h["Referrer-Policy"] = s.referrer
	h["Permissions-Policy"] = s.permissions
	h["Cross-Origin-Opener-Policy"] = s.opener
	f.idv[0] = f.id
	h["X-Request-Id"] = f.idv[:]
	if f.https && s.hsts != nil && worthHSTS(f.host) {
		h["Strict-Transport-Security"] = s.hsts
	}
}

// worthHSTS spares localhost, where the header would break every other program of a developer's machine, and
// addresses, for which browsers ignore it.
func worthHSTS(host string) bool {
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return false
	}
	if c := host[len(host)-1]; c >= '0' && c <= '9' || strings.IndexByte(host, ':') >= 0 {
		if _, err := netip.ParseAddr(host); err == nil {
			return false
		}
	}
	return true
}
