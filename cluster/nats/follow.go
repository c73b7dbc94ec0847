package nats

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa/cluster"
)

// Discovery says where a node looks for the addresses of the others; the zero value is the rows of the
// database. Whom it lets in is up to the rows in any case.
type Discovery struct {
	Static []string // host:port of each
	DNS    string   // a name that has the addresses of all
	Port   int      // with DNS
}

// lookUpEvery is how often names are looked up in DNS.
const lookUpEvery = 5 * time.Second

// Follow keeps the link in step with the members until ctx ends: it dials who joins and expels whose row
// is gone. It returns once the first dialling has begun, and done is closed when it has ended.
func (l *Link) Follow(ctx context.Context, n *cluster.Node, d Discovery) (done <-chan struct{}, err error) {
	var resolved []string
	p := Peers{
		Trusts: n.Trusts,
		Rows: func() (rows []string) {
			for _, m := range n.Members() {
				if m.Heard() && m.Fingerprint != "" {
					rows = append(rows, m.Fingerprint)
				}
			}
			return rows
		},
		Addresses: func() (addresses []string) {
			switch {
			case d.DNS != "":
				return slices.Clone(resolved)
			case len(d.Static) > 0:
				return slices.Clone(d.Static)
			}
			for _, m := range n.Members() {
				if m.Heard() && !m.Self && m.Fingerprint != "" {
					addresses = append(addresses, m.Address)
				}
			}
			return addresses
		},
	}
	var lookedUp time.Time
	lookUp := func() {
		if d.DNS == "" || time.Since(lookedUp) < lookUpEvery {
			return
		}
		lookedUp = time.Now()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		found, err := net.DefaultResolver.LookupHost(ctx, d.DNS)
		if err != nil {
			l.o.Logger.Debug("the name of the nodes cannot be looked up", "name", d.DNS, "error", err)
			return // what was found before is still the best guess
		}
		var addresses []string
		for _, host := range found {
			addresses = append(addresses, net.JoinHostPort(host, strconv.Itoa(d.Port)))
		}
		resolved = addresses
	}
	lookUp()
	news := make(chan struct{}, 1)
	stop := n.Watch(func(cluster.MemberEvent) {
		select {
		case news <- struct{}{}:
		default:
		}
	})
	if err := l.Meet(p); err != nil {
		stop()
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer stop()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-news:
			case <-tick.C:
			}
			lookUp()
			if err := l.Refresh(); err != nil {
				l.o.Logger.Warn("the cluster link cannot be told its peers", "error", err)
			}
		}
	}()
	return ended, nil
}

// Reaches reports whether this node is linked with the node of that writer.
func (l *Link) Reaches(writer int64) bool {
	return slices.Contains(l.Linked(), strconv.FormatInt(writer, 10))
}
