package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/cluster/nats"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
)

// portTries is how many ports after cluster.link.port are tried when other nodes of this host have it.
const portTries = 20

// link is how this node talks to the others.
type link struct {
	transport cluster.Transport
	inside    *nats.Link // nil without a message server inside this node
	address   string     // where other nodes reach this one; empty when they need not
	row       string     // what lets them know it, as it was at the start
	settled   string     // the same, once no node of a version before is beside
	callsOff  string     // why nodes may not call each other; empty if they may
	trusted   bool       // messages come from members only
	given     bool       // the transport was given, as in tests
	log       atomic.Pointer[change.Log]
}

// lost makes the node read the log because messages may be lost.
func (l *link) lost() {
	if log := l.log.Load(); log != nil {
		log.Refresh()
	}
}

// openLink begins to listen for other nodes. Nobody is let in before follow.
func (s *Server) openLink(ctx context.Context, o Options, writer int64) (*link, error) {
	c := s.cfg
	log := s.log.With("component", "link")
	// Two clusters may share a network and a message server: who they are stands in their databases.
	id, err := cluster.Fact(ctx, s.DB, "cluster", rand.Text())
	if err != nil {
		return nil, err
	}
	if s.shared, err = s.cfg.Shared(id); err != nil {
		return nil, err
	}
	s.values = map[string]string{}
	for _, v := range s.cfg.Effective() {
		if s.shared.Has(v.Name) {
			s.values[v.Name] = v.Masked
		}
	}
	if o.Transport != nil {
		return &link{transport: o.Transport, trusted: true, given: true}, nil
	}
	if !c.Cluster.Enabled {
		return &link{transport: cluster.NewHub().Join(strconv.FormatInt(writer, 10)), trusted: true}, nil
	}
	id = c.Cluster.ChannelNameControl + "-" + id
	l := &link{}
	lost := func(reason string) {
		log.Debug("messages may be lost; the change log is read", "reason", reason)
		l.lost()
	}
	if len(c.Cluster.NATSURLs) > 0 {
		t, err := nats.Connect(
			nats.OutsideOptions{
				URLs:        c.Cluster.NATSURLs,
				Credentials: c.Cluster.NATSCredentials,
				CA:          c.Cluster.NATSCA,
				Certificate: c.Cluster.NATSCertificate,
				Key:         c.Cluster.NATSKey,
				Cluster:     id,
				Secret:      c.Cluster.AuthValue,
				Lost:        lost,
				Logger:      log,
			},
		)
		if err != nil {
			return nil, err
		}
		l.transport, l.trusted = t, c.Cluster.AuthValue != ""
		if c.Cluster.AuthValue == "" {
			l.callsOff = nats.ErrNoSecret
		}
		return l, nil
	}
	address, err := cluster.FindAddress(ctx, addressOptions(c, s.DB))
	if err != nil {
		return nil, err
	}
	if name, err := os.Hostname(); err == nil && cluster.LoopbackName(ctx, name) && !address.Local {
		s.log.Warn(
			"the name of this host resolves to this machine's own loopback address only; nothing here uses it, but other "+
				"software may",
			"name",
			name,
			"mend",
			"correct its line in /etc/hosts",
		)
	}
	identity, err := nats.NewIdentity()
	if err != nil {
		return nil, err
	}
	inside, err := nats.Listen(nats.Options{
		Identity: identity, Cluster: id, Name: strconv.FormatInt(writer, 10), Listen: address.Listen, Port: c.Cluster.Port, Tries: portTries,
		Advertise: address.Advertise, Secret: c.Cluster.AuthValue, Lost: lost, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	l.transport, l.inside, l.address, l.trusted = inside, inside, inside.Address(), true
	l.settled = identity.Row(c.Cluster.AuthValue, id)
	l.row = l.settled
	members, err := cluster.ReadMembers(ctx, s.DB)
	if err != nil {
		return nil, errors.Join(err, inside.Close())
	}
	if cluster.Older(members) {
		l.row = identity.FormerRow(c.Cluster.AuthValue, id)
	}
	return l, nil
}

// addressOptions says where the node finds its own address.
func addressOptions(c *config.Config, d *db.DB) cluster.AddressOptions {
	o := cluster.AddressOptions{
		Bind:      c.Cluster.Bind(),
		Advertise: c.Cluster.AdvertiseAddress,
		Route:     c.Cluster.Autodetect(),
	}
	if o.Route == config.AutodetectDatabase {
		o.Route = d.Server()
	}
	return o
}

// databaseSubject is the subject of what nodes say of the database that they follow.
const databaseSubject = "database"

// tell gives what carries this node's word about its database; nil where messages may come from anyone.
func (s *Server) tell() func([]byte) {
	if !s.link.trusted {
		return nil
	}
	return func(b []byte) { s.send(databaseSubject, b) }
}

// follow lets the other nodes in and finds them.
func (s *Server) follow(l *link) error {
	if l.inside == nil {
		return nil
	}
	c := s.cfg
	d := nats.Discovery{Port: c.Cluster.Port}
	switch c.Cluster.Discovery {
	case "static":
		d.Static = c.Cluster.StaticPeers
	case "dns":
		d.DNS = c.Cluster.DNSName
	}
	ctx, cancel := context.WithCancel(s.ctx)
	done, err := l.inside.Follow(ctx, s.Node, d)
	if err != nil {
		cancel()
		return fmt.Errorf("find the other nodes: %w", err)
	}
	s.onStop("members of the link", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
	s.log.Info(
		"cluster link",
		"name",
		s.Node.Self().Name,
		"cluster",
		c.Cluster.ChannelNameControl,
		"physical address",
		l.address,
	)
	return nil
}

// openCalls lets nodes call each other and measures how long messages take.
func (s *Server) openCalls(l *link) error {
	var err error
	s.Calls, err = cluster.NewCalls(
		cluster.CallsOptions{
			Transport: l.transport,
			Members:   s.Node,
			Off:       l.callsOff,
			Timeout:   s.cfg.Cluster.CallMasterTimeout,
			Logger:    s.log,
		},
	)
	if err != nil {
		return err
	}
	s.onStop("calls", func(context.Context) error { return s.Calls.Close() })
	s.await = cluster.NewMethod(
		s.Calls,
		"change.await",
		func(ctx context.Context, _ cluster.Member, p []change.Position) (bool, error) {
			if len(p) > 1000 {
				return false, stoa.TooLarge("%d positions were sent; 1000 are possible", len(p))
			}
			return true, s.Log.Await(ctx, p)
		},
	)
	s.status = cluster.NewMethod(
		s.Calls,
		"cluster.status",
		func(ctx context.Context, asker cluster.Member, q statusQuestion) (cluster.Report, error) {
			r := s.report(q)
			r.StoreToken = s.readToken(ctx, asker, q.Token)
			return r, nil
		},
	)
	s.levels = cluster.NewMethod(s.Calls, "log.level", s.takeLevel)
	s.stands = cluster.NewMethod(s.Calls, "files.stand", s.takeStand)
	s.reaches = cluster.NewMethod(s.Calls, "files.reach", s.reachTarget)
	s.probe, err = cluster.NewProbe(
		cluster.ProbeOptions{Transport: l.transport, Members: s.Node, Clock: change.Boottime, Logger: s.log},
	)
	if err != nil {
		return err
	}
	s.onStop("probe", func(context.Context) error { s.probe.Close(); return nil })
	s.wg.Go(func() { s.probe.Run(s.ctx, time.Second) })
	return nil
}

// nodeName is the name that the settings give this node; empty for one made of its id.
func (s *Server) nodeName() string {
	if s.command {
		return "command " + strconv.Itoa(os.Getpid())
	}
	if name := s.cfg.Cluster.LogicNameControl; name != "" {
		return name
	}
	if name := s.cfg.Cluster.LogicNameTransport["0"]; name != "" {
		return name
	}
	if strings.HasSuffix(s.address, ":0") {
		return "" // any free port, which is not known yet
	}
	return s.address
}

// httpAddress is where people reach this node itself, for the footer and the list of nodes.
func (s *Server) httpAddress(hostname string) string {
	_, port, err := net.SplitHostPort(s.cfg.Server.Listen)
	if err != nil {
		return hostname
	}
	return net.JoinHostPort(hostname, port)
}
