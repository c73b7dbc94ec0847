package httpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/stoa-portal/stoa"
)

// listen binds addr, which the property holds. Its errors say what stands in the way and what to do.
func listen(property, addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, stoa.Invalid(property, "%.80q is not an address to listen on; host:port such as 0.0.0.0:8080 is expected", addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, stoa.Invalid(property, "%.40q is not a port; a number from 0 to 65535 is expected", port)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err == nil {
		return l, nil
	}
	how := "--port "
	if property != "portal.instance.inet.socket.address" {
		how = property + "=" + host + ":"
	}
	var msg string
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		next := n + 1
		if next > 65535 {
			next = 8080
		}
		msg = fmt.Sprintf("port %d of %s is in use by another program; stop that program or choose another port, such as %s%d",
			n, orAll(host), how, next)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		msg = fmt.Sprintf("the system does not let this account listen on port %d; ports below 1024 need a privilege: "+
			"choose another one, such as %s8080, and put a proxy before it", n, how)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		msg = fmt.Sprintf("%s is not an address of this machine; 0.0.0.0 stands for all it has", host)
	case errors.As(err, &dns):
		msg = fmt.Sprintf("the host name %.80q to listen on cannot be found; 0.0.0.0 stands for all addresses of this machine", host)
	default:
		msg = fmt.Sprintf("cannot listen on %s", addr)
	}
	return nil, &stoa.Error{Kind: stoa.KindUnavailable, Field: property, Message: msg, Err: err}
}

func orAll(host string) string {
	if host == "" {
		return "all addresses"
	}
	return host
}
