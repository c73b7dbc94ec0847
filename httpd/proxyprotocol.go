package httpd

import (
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// proxied lets trusted proxies tell the visitor's address in front of a connection (PROXY protocol, versions 1 and 2).
// A trusted one need not: its own checks come without. From others such a line is what it is, a broken request. The
// address that was told is the peer from then on, so X-Forwarded headers count only if that one is trusted, too:
// behind a proxy that passes bytes on, the visitor has written them.
func proxied(l net.Listener, o *Options) net.Listener {
	if !o.ProxyProtocol {
		return l
	}
	return &proxyproto.Listener{
		Listener: l, ReadHeaderTimeout: o.ReadHeaderTimeout,
		ConnPolicy: func(c proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if contains(o.TrustedProxies, addressOf(c.Upstream)) {
				return proxyproto.USE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

func addressOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
