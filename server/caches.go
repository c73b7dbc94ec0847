package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime/debug"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/config"
)

// offerSubject is what values that nodes offer each other travel under.
const offerSubject = "cache"

// send hands a message to the other nodes.
func (s *Server) send(subject string, b []byte) {
	if err := s.link.transport.Publish(s.ctx, subject, b); err != nil {
		s.log.Debug("a message was not sent; the change log makes up for it", "subject", subject, "error", err)
	}
}

// copying fills in what mode copy needs; what the log applied is asked for only once there is a log.
func (s *Server) copying(o cache.Options) cache.Options {
	o.Replication, o.Regions = s.cfg.Cache.Replicate, s.regions()
	o.Standing = func() []cache.Standing {
		applied := s.Log.Standing()
		out := make([]cache.Standing, len(applied))
		for i, a := range applied {
			out[i] = cache.Standing(a)
		}
		return out
	}
	copies := o.Replication == "copy"
	for _, r := range o.Regions {
		copies = copies || r.Replication == "copy"
	}
	if copies && !s.link.trusted {
		s.log.Warn("no cache is in mode copy: on a message server outside, nodes take values from each other only with cluster.link.auth.value")
		copies, o.Replication = false, ""
		for name, r := range o.Regions {
			r.Replication = ""
			o.Regions[name] = r
		}
	}
	if copies {
		o.Build = s.program()
		o.Offer = func(b []byte) { s.send(offerSubject, b) }
	}
	return o
}

// regions are the operator's wishes for single caches.
func (s *Server) regions() map[string]cache.RegionSettings {
	c := s.cfg.Cache
	out := map[string]cache.RegionSettings{}
	for _, name := range config.Regions() {
		out[name] = cache.RegionSettings{MaxBytes: c.RegionMaxBytes[name], Replication: c.RegionReplicate[name]}
	}
	const pages = "page-cache"
	if s.cfg.Web.DisplayNode && (out[pages].Replication == "copy" || out[pages].Replication == "" && c.Replicate == "copy") {
		s.log.Warn("the cache " + pages + " stays in mode invalidate: with web.server.display.node=true each page names the node that made it")
		out[pages] = cache.RegionSettings{MaxBytes: out[pages].MaxBytes, Replication: "invalidate"}
	}
	return out
}

// program names what this process runs so that no other program has the same name: values are only
// taken from nodes that encode and make them alike.
func (s *Server) program() string {
	name := stoa.Version
	revision, modified := "", true
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				revision = setting.Value
			case "vcs.modified":
				modified = setting.Value == "true"
			}
		}
	}
	if revision != "" && !modified {
		return name + " " + revision
	}
	sum, err := hashOfProgram()
	if err != nil {
		s.log.Warn("the program of this node cannot be read, so its cached values are taken by nodes of the same version", "error", err)
	}
	return name + " " + sum
}

func hashOfProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// dropFrom gives what the change log does with rows: it drops from the caches what they name. Rows come one
// call at a time, so that the list can be used again.
func dropFrom(c *cache.Cache) func(rows []change.Row) {
	var changes []cache.Change
	return func(rows []change.Row) {
		changes = changes[:0]
		for i := range rows {
			r := &rows[i]
			changes = append(changes, cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope), Writer: r.Writer, N: r.N})
		}
		c.Invalidate(changes, nil)
	}
}

// cacheStats is what the caches of this node hold, for operators.
func (s *Server) cacheStats(ctx context.Context) ([]cache.RegionStats, error) {
	if err := stoa.ActorFrom(ctx).Operates("see the caches of nodes"); err != nil {
		return nil, err
	}
	return s.Cache.Stats(), nil
}

// restingVerify is how many turns a comparison of cached values with the database waits while nothing asks for values
// and nothing changes: then it would only compare the same ones again.
const restingVerify = 8

// verify gives what compares one cached value with the database each time it is called.
func (s *Server) verify() func(ctx context.Context) {
	var before uint64
	rests := 0
	return func(ctx context.Context) {
		var now uint64
		for _, r := range s.Cache.Stats() {
			now += r.Hits + r.Misses + r.Invalidations + r.Accepted
		}
		if now == before && rests < restingVerify {
			rests++
			return
		}
		before, rests = now, 0
		s.Cache.Verify(ctx)
	}
}
