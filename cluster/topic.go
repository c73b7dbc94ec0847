package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stoa-portal/stoa"
)

// Topic is a kind of message without an answer. It may be lost: what must not be lost is a row in the
// database, and what must be answered is a Method.
type Topic[M any] struct {
	c    *Calls
	name string
}

// NewTopic registers what this node does with messages of the topic and gives the handle with which it
// sends them. A name that is taken is a mistake in wiring and panics.
func NewTopic[M any](c *Calls, name string, fn func(ctx context.Context, from Member, m M) error) Topic[M] {
	c.register(name, func(ctx context.Context, from Member, body []byte) ([]byte, error) {
		var m M
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, stoa.Invalid("message", "the message %s of %s cannot be read; do the nodes run the same version?", name, from.Name)
		}
		return nil, fn(ctx, from, m)
	})
	return Topic[M]{c, name}
}

// SendAll sends m to every other node and waits for none of them.
func (t Topic[M]) SendAll(ctx context.Context, m M) error {
	return t.send(ctx, subjectCall, m)
}

// Send sends m to one node, by its writer, and does not wait for it.
func (t Topic[M]) Send(ctx context.Context, writer int64, m M) error {
	if writer == t.c.self {
		return errors.New("cluster: a node sends no messages to itself")
	}
	return t.send(ctx, subjectOf(subjectCall, writer), m)
}

func (t Topic[M]) send(ctx context.Context, subject string, m M) error {
	if t.c.o.Off != "" {
		return stoa.Unavailable(nil, "%s", t.c.o.Off)
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("message %s: %w", t.name, err)
	}
	if len(body) > maxBody {
		return stoa.TooLarge("a message of %d bytes was to be sent to other nodes; %d are possible", len(body), maxBody)
	}
	t.c.stats.sent.Add(1)
	e := envelope{flags: flagOneWay, from: t.c.self, seq: t.c.seq.Add(1), limit: t.c.o.Timeout, method: t.name, body: body}
	return t.c.o.Transport.Publish(ctx, subject, e.encode())
}
