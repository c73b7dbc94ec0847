package cluster

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// hostsFile is where names of hosts are written down on every Unix.
const hostsFile = "/etc/hosts"

// MisledName says whether a host name that is meant for this machine's address in a network leads to its own loopback
// address instead, as Debian's installer writes it (127.0.1.1), and gives the sentence that names the line of
// /etc/hosts. An address, localhost, and an empty name mislead no one.
func MisledName(ctx context.Context, host string) (because string, misled bool) {
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err == nil || host == "" || host == "localhost" || !LoopbackName(ctx, host) {
		return "", false
	}
	because = host + " leads to this machine's own loopback address"
	if raw, err := os.ReadFile(hostsFile); err == nil {
		if number, line := hostsLine(string(raw), host); number > 0 {
			because += fmt.Sprintf(" (%s, line %d: %q)", hostsFile, number, line)
		}
	}
	return because, true
}

// hostsLine finds the line of a hosts file that gives a name a loopback address.
func hostsLine(text, name string) (number int, line string) {
	in := bufio.NewScanner(strings.NewReader(text))
	for at := 1; in.Scan(); at++ {
		line, _, _ := strings.Cut(in.Text(), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 ||
			!slices.ContainsFunc(fields[1:], func(f string) bool { return strings.EqualFold(f, name) }) {
			continue
		}
		if ip, err := netip.ParseAddr(fields[0]); err == nil && ip.Unmap().IsLoopback() {
			return at, strings.Join(fields, " ")
		}
	}
	return 0, ""
}

// OwnAddress guesses this machine's address in its network, for advice; "ADDRESS" when there is none.
func OwnAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "ADDRESS"
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			return p.Addr().String()
		}
	}
	return "ADDRESS"
}
