package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// lossesShown is for how long a person is told of changes that a fail-over has lost.
const lossesShown = 14 * 24 * time.Hour

// Loss is what a fail-over of the database has lost of one person's changes.
type Loss struct {
	At     time.Time
	Things string // "article 42 (version 8), page 7 (version 2)"
}

// LossKey is the key in Event.Data under which an event of lost changes names those of a person.
func LossKey(person stoa.ID) string { return "person." + person.String() }

// LossesOf gives what was lost of the changes of the person who asks, the newest first. A person sees only
// their own; a guest sees nothing.
func LossesOf(ctx context.Context, q db.Queryer, now time.Time) ([]Loss, error) {
	person := stoa.ActorFrom(ctx).User
	if person == 0 {
		return nil, nil
	}
	var out []Loss
	err := db.Each(ctx, q, func(s db.Scanner) error {
		var at int64
		var raw string
		if err := s.Scan(&at, &raw); err != nil {
			return err
		}
		var data map[string]string
		if json.Unmarshal([]byte(raw), &data) == nil && data[LossKey(person)] != "" {
			out = append(out, Loss{db.Time(at), data[LossKey(person)]})
		}
		return nil
	}, "SELECT at, data FROM cluster_event WHERE code = ? AND until_at > ? ORDER BY until_at DESC LIMIT 100",
		CodeChangeLost, db.Micros(now.Add(-lossesShown)))
	if err != nil {
		return nil, fmt.Errorf("read what was lost: %w", err)
	}
	return out, nil
}
