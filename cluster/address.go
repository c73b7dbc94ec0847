package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// AddressOptions says how a node finds the address at which other nodes reach it.
type AddressOptions struct {
	Route     string // host:port; the own address on the way there is taken. No packet is sent.
	Bind      string // host or address to listen on; beats Route
	Advertise string // host or address that others use instead, as behind address translation
}

// Address is where a node listens for others and what it tells them.
type Address struct {
	Listen    string // an IP address; empty for all
	Advertise string // an IP address or a host name
	Local     bool   // Advertise is on 127.0.0.0/8 or ::1: only processes of this host reach it
}

// FindAddress finds the address of this node. With neither Route nor Bind it is 127.0.0.1. An address
// that cannot be found or used is an Invalid error that names the property to set.
func FindAddress(ctx context.Context, o AddressOptions) (Address, error) {
	var a Address
	switch {
	case o.Bind != "":
		ip, err := resolve(ctx, o.Bind)
		if err != nil {
			return a, stoa.Invalid(`cluster.link.bind.addr["cluster-link-control"]`, "%q cannot be resolved to an address of this machine (%v); an address that \"ip address\" shows is expected", o.Bind, err)
		}
		if !ip.IsUnspecified() {
			a.Listen, a.Advertise = ip.String(), ip.String()
		}
	case o.Route != "":
		ip, err := routeTo(ctx, o.Route)
		if err != nil {
			return a, stoa.Invalid("cluster.link.autodetect.address", "there is no way to %s, so this node's own address is not known (%v); set cluster.link.bind.addr[\"cluster-link-control\"] to it", o.Route, err)
		}
		a.Listen, a.Advertise = ip.String(), ip.String()
	default:
		a.Listen, a.Advertise = "127.0.0.1", "127.0.0.1"
	}
	if o.Advertise != "" {
		a.Advertise = o.Advertise
	}
	if a.Advertise == "" {
		return a, stoa.Invalid("cluster.link.advertise.addr", "this node listens on all addresses; set cluster.link.advertise.addr to the one that other nodes shall use")
	}
	ip, err := resolve(ctx, a.Advertise)
	if err != nil {
		return a, stoa.Invalid("cluster.link.advertise.addr", "%q cannot be resolved (%v); an address or a name that other nodes reach is expected", a.Advertise, err)
	}
	a.Local = ip.IsLoopback()
	return a, nil
}

// routeTo gives the own address on the way to host:port: the system plans the connection of a UDP
// socket without sending anything.
func routeTo(ctx context.Context, hostPort string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", hostPort)
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = c.Close() }()
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}, err
	}
	return local.Addr().Unmap().WithZone(""), nil
}

func resolve(ctx context.Context, host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ip.Unmap(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(found) == 0 {
		return netip.Addr{}, fmt.Errorf("%s has no address", host)
	}
	return found[0].Unmap(), nil
}

// LoopbackName reports whether the host name of this machine resolves to 127.0.0.0/8 or ::1 and to
// nothing else: a machine that uses it to reach this one reaches itself.
func LoopbackName(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return false
	}
	for _, ip := range found {
		if !ip.Unmap().IsLoopback() {
			return false
		}
	}
	return true
}

// Unreachable gives the members that this node and they cannot reach, because one of the two tells the
// other an address on loopback although they run on different hosts.
func Unreachable(self Member, all []Member) []Member {
	var out []Member
	for _, m := range all {
		if m.Live && !m.Self && m.HostID != self.HostID && (loopback(m.Address) || loopback(self.Address)) {
			out = append(out, m)
		}
	}
	return out
}

func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// RefuseLoopback is the error of a node that would tell nodes on other hosts an address on loopback,
// nil when it would not. others are the members it is about to join.
func RefuseLoopback(self Member, others []Member) error {
	if !loopback(self.Address) {
		return nil
	}
	away := Unreachable(self, others)
	if len(away) == 0 {
		return nil
	}
	var names []string
	for _, m := range away {
		names = append(names, fmt.Sprintf("%s (host %s, %s)", m.Name, m.Host, m.Address))
	}
	return stoa.Invalid(`cluster.link.bind.addr["cluster-link-control"]`,
		"this node would tell the others to reach it at %s, which is their own machine: %s run on other hosts. Set cluster.link.bind.addr[\"cluster-link-control\"] to this machine's address in the network of the nodes, or cluster.link.autodetect.address to a host:port there",
		self.Address, strings.Join(names, ", "))
}
