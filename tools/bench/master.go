package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/db"
)

const goalMaster = 4.0 // seconds

// measureMaster kills the master again and again.
func measureMaster(ctx context.Context, b *bed) (s section, err error) {
	c, err := b.startNodes(ctx, b.postgres, 3, true)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	p, err := db.OpenPlain(ctx, db.Options{URL: c.address, MaxConns: 1})
	if err != nil {
		return s, err
	}
	defer p.Close()
	var took []float64
	for range b.pick(10, 2) {
		master, err := c.master(ctx)
		if err != nil {
			return s, err
		}
		before, err := holder(ctx, p)
		if err != nil {
			return s, err
		}
		at, err := master.kill()
		if err != nil {
			return s, err
		}
		for now := before; now == before || now == 0; {
			if now, err = holder(ctx, p); err != nil {
				return s, err
			}
			if time.Since(at) > time.Minute {
				return s, errors.New("nobody has become the master within a minute")
			}
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return s, err
			}
		}
		took = append(took, time.Since(at).Seconds())
		if err := errors.Join(c.start(ctx, master), c.settle(ctx, 3)); err != nil {
			return s, err
		}
	}
	slowest := quantile(took, 1)
	s.findings = []finding{{what: fmt.Sprintf("kill -9 of the master to a new one, slowest of %d", len(took)), goal: fmt.Sprintf("≤ %.0f s", goalMaster), measured: fmt.Sprintf("%.2f s", slowest), met: slowest <= goalMaster}}
	s.text = fmt.Sprintf("The row of the lease in the database is looked at every 5 ms. %d rounds on PostgreSQL: fastest %.2f s, median %.2f s, slowest %.2f s.", len(took), quantile(took, 0), quantile(took, 0.5), slowest)
	return s, nil
}

// holder is the writer that has the lease of the master.
func holder(ctx context.Context, p *sql.DB) (writer int64, err error) {
	return writer, p.QueryRowContext(ctx, "SELECT holder FROM cluster_lease WHERE name = 'master'").Scan(&writer)
}

// master gives the node that is the master.
func (c *nodes) master(ctx context.Context) (*process, error) {
	s, err := c.status(ctx, c.running()[0])
	if err != nil {
		return nil, err
	}
	for _, n := range s.Nodes {
		for _, p := range c.running() {
			u, err := url.Parse(p.url)
			if err != nil {
				return nil, err
			}
			if n.Master && strings.HasSuffix(n.HTTP, ":"+u.Port()) {
				return p, nil
			}
		}
	}
	return nil, errors.New("none of the nodes is the master")
}
