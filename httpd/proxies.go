package httpd

import (
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	strangersFor  = time.Hour // how long after its last request a proxy that is not trusted is told of
	strangersMost = 100       // of them that are kept in mind
	strangerShare = 100       // requests of a peer from the open network before it can be one
)

// strangers are peers that send forwarding headers and are not trusted. Behind such a proxy all visitors have one
// address, so that they share the limits of tries, and what it says of the protocol does not count.
type strangers struct {
	mu    sync.Mutex
	since time.Time // when counting began
	all   int       // requests with such headers since then
	peers map[netip.Addr]*stranger
}

type stranger struct {
	seen     time.Time
	requests int
	told     bool // in the log
}

// note takes a request of a peer that is not trusted and speaks for others. One from a private network is a proxy of
// the operator's; from the open network any visitor can send such headers, so there it has to send most of them.
func (s *strangers) note(log *slog.Logger, peer netip.Addr, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.since) > strangersFor {
		s.since, s.all = now, 0
		for a, p := range s.peers {
			if p.requests = 0; now.Sub(p.seen) > strangersFor {
				delete(s.peers, a)
			}
		}
	}
	s.all++
	p := s.peers[peer]
	if p == nil {
		if len(s.peers) >= strangersMost {
			return
		}
		if s.peers == nil {
			s.peers = map[netip.Addr]*stranger{}
		}
		p = &stranger{}
		s.peers[peer] = p
	}
	p.seen = now
	p.requests++
	if !p.told && p.proxy(peer, s.all) {
		p.told = true
		log.Warn("a proxy that is not trusted sends forwarding headers: all its visitors count as one address",
			"proxy", peer.String(), "mend", "list it in web.server.trusted.proxies")
	}
}

func (p *stranger) proxy(a netip.Addr, all int) bool {
	return p.told || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || sharedSpace().Contains(a) ||
		p.requests >= strangerShare && 2*p.requests > all
}

// sharedSpace is what carriers and some clouds use between themselves (RFC 6598).
func sharedSpace() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) }

// UntrustedProxies gives the proxies that have sent forwarding headers within the last hour and are not in
// Options.TrustedProxies.
func (s *Server) UntrustedProxies() []netip.Addr {
	s.strangers.mu.Lock()
	defer s.strangers.mu.Unlock()
	var out []netip.Addr
	now := s.o.Now()
	for a, p := range s.strangers.peers {
		if p.told && now.Sub(p.seen) <= strangersFor {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b netip.Addr) int { return a.Compare(b) })
	return out
}
