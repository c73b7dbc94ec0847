package db

import (
	"context"
	"net"
	"time"
)

const (
	// unheard is after how long a server that answers nothing any more, not even to TCP, is given up: as long as
	// one that does not answer a new connection. A server that is only slow does answer to TCP; statements have
	// deadlines of their own.
	unheard = 2 * time.Second
	// unheardThere is the same for the server, which keeps the sessions of a machine that stood still for a moment.
	unheardThere = 5 * time.Second
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer connects to a server so that a connection whose other end is gone without a word, as
// behind a cut cable, ends soon: else those who wait for it would wait for many minutes.
func dialer(timeout time.Duration) dialFunc {
	d := net.Dialer{Timeout: timeout, Control: giveUpUnanswered,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: unheard / 2, Interval: time.Second, Count: 3}}
	return d.DialContext
}
