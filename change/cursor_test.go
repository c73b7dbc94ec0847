package change_test

import (
	"context"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
)

// cursor is a durable reader as small as one can be: package follow has the one in production.
type cursor struct {
	n     *node
	name  string
	place change.Place
	from  int64
}

// follow opens the durable reader with that name, at the end of the log when it is new.
func (n *node) follow(t *testing.T, name string) *cursor {
	t.Helper()
	c := &cursor{n: n, name: name}
	p, found, err := n.Position(t.Context(), n.d, name)
	if err != nil {
		t.Fatal(err)
	}
	if c.place = p; !found {
		c.restart(t)
	}
	return c
}

func (c *cursor) restart(t *testing.T) {
	t.Helper()
	p, err := c.n.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = c.n.d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return c.n.Register(ctx, tx, c.name, p) })
	if err != nil {
		t.Fatal(err)
	}
	c.place = p
}

// next waits for rows; ack stores that they were dealt with.
func (c *cursor) next(ctx context.Context, limit int) (rows []change.Row, ack func(context.Context) error, err error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		read, err := c.n.After(ctx, c.place, c.from, limit)
		if err != nil {
			return nil, nil, err
		}
		ack = func(ctx context.Context) error {
			err := c.n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				return c.n.Move(ctx, tx, c.name, c.place, read.Place)
			})
			if err == nil {
				c.place = read.Place
			}
			return err
		}
		if len(read.Rows) > 0 {
			c.from = read.Rows[len(read.Rows)-1].Writer + 1
			return read.Rows, ack, nil
		}
		if !read.Place.Equal(c.place) {
			if err := ack(ctx); err != nil {
				return nil, nil, err
			}
		}
		if read.More {
			continue
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-tick.C:
		}
	}
}
