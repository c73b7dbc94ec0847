package db

import (
	"context"
	"net"
	"time"
)

// vanished is after how long a server that answers nothing any more, not even to TCP, is given up. A
// server that is only slow does answer to TCP; statements have deadlines of their own.
const vanished = 5 * time.Second

// dialer connects to a server so that a connection whose other end has vanished without a word, as
// behind a cut cable, ends soon: else those who wait for it would wait for many minutes.
func dialer(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, Control: giveUpVanished,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: vanished / 2, Interval: time.Second, Count: 3}}
	return d.DialContext
}
