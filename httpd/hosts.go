package httpd

import (
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
)

// hostList holds the names of virtual.hosts.valid.hosts.
type hostList struct {
	any      bool
	exact    map[string]bool
	suffixes []string // ".example.com" for *.example.com
}

func parseHosts(list []string) (hostList, error) {
	l := hostList{exact: map[string]bool{}}
	for _, entry := range list {
		e := strings.TrimSpace(entry)
		if e == "" {
			continue
		}
		if e == "*" {
			l.any = true
			continue
		}
		name, wild := strings.CutPrefix(e, "*.")
		host, _, ok := splitHost(name)
		if !ok {
			if host, _, ok = splitHost("[" + name + "]"); !ok { // an IPv6 address without brackets
				return l, stoa.Invalid("virtual.hosts.valid.hosts", "%.80q is not a host name; names such as example.com, "+
					"*.example.com, [::1] or * for any are expected, other alphabets in their xn-- form", e)
			}
		}
		if wild {
			l.suffixes = append(l.suffixes, "."+host)
		} else {
			l.exact[host] = true
		}
	}
	return l, nil
}

func (l *hostList) contains(host string) bool {
	if l.any || l.exact[host] {
		return true
	}
	for _, s := range l.suffixes {
		if len(host) > len(s) && strings.HasSuffix(host, s) {
			return true
		}
	}
	return false
}

// checkHost refuses host names this server was not told about: they would end up in links, mails and caches.
func (s *Server) checkHost(f *facts) error {
	if s.hosts.contains(f.host) || s.o.ValidHost != nil && s.o.ValidHost(f.host) || f.hostless {
		return nil
	}
	status := http.StatusBadRequest
	if f.https {
		status = http.StatusMisdirectedRequest // a browser that shares a connection between names tries a new one
	}
	return Status(status, stoa.Invalid("", "this server does not answer for the host name %q; "+
		"its administrator can add the name to virtual.hosts.valid.hosts", f.host))
}
