package nats

import (
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// quietFor is how long further refusals of the same kind from one address are only counted: a server that
// is refused knocks again once a second.
const quietFor = 10 * time.Second

// serverLog shows what the message server has to say in this node's log: who was refused, one line for
// each address and reason. That a listed peer does not answer is the change of membership's to say, so
// everything else is a detail.
type serverLog struct {
	log   *slog.Logger
	fatal atomic.Pointer[string]

	mu      sync.Mutex
	refused map[string]*refusal
}

type refusal struct {
	at    time.Time
	since int // further ones after at
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Debug(fmt.Sprintf(format, v...)) }

// handshake matches "10.0.0.7:40312 - rid:12 - TLS route handshake error: REASON".
var handshake = regexp.MustCompile(`^(\S+) - rid:\d+ - TLS route handshake error: (.*)$`)

// Errorf reports who was refused.
func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	m := handshake.FindStringSubmatch(text)
	if m == nil {
		l.log.Debug(text)
		return
	}
	what, reason := "a connection to the cluster link was refused", m[2]
	if strings.Contains(reason, "remote error: tls") {
		what, reason = "another node refused this one", "it finds no living node with this one's certificate and the same cluster.link.auth.value in its database; do both use the same database?"
	}
	host, _, err := net.SplitHostPort(m[1])
	if err != nil {
		host = m[1]
	}
	if repeated, show := l.count(host + " " + reason); show {
		l.log.Warn(what, "address", m[1], "reason", reason, "repeated", repeated)
	}
}

// count notes one more refusal and reports whether it is to be shown, with how many were not.
func (l *serverLog) count(key string) (repeated int, show bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	r := l.refused[key]
	if r != nil && now.Sub(r.at) < quietFor {
		r.since++
		return 0, false
	}
	if r != nil {
		repeated = r.since
	}
	if l.refused == nil || len(l.refused) > 1000 { // an unknown peer with many addresses must not fill the memory
		l.refused = map[string]*refusal{}
	}
	l.refused[key] = &refusal{at: now}
	return repeated, true
}

// Fatalf keeps the reason why the server does not start. It must not end the process.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.fatal.Store(&text)
}
