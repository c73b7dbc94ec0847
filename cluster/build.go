package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// schemaColumn is the migration since which the row of a node tells the schema that its binary knows.
const schemaColumn = 86

// Build is what a binary is to others that use the same database.
type Build struct {
	Version string // stoa.Version
	Schema  int64  // db.DB.SchemaVersion
}

func (b Build) String() string { return fmt.Sprintf("stoa %s with schema %d", b.Version, b.Schema) }

// RefuseOthers names the nodes of other builds that live, in a Conflict. Whether they live is seen from their
// beats and no clock: it takes deadAfter when there are rows of others. applied tells which migrations the database
// has.
func RefuseOthers(ctx context.Context, d *db.DB, own Build, deadAfter time.Duration,
	applied func(migration int64) bool) error {
	first, err := others(ctx, d, own, applied)
	if err != nil || len(first) == 0 {
		return err
	}
	live := map[int64]string{}
	for began := time.Now(); time.Since(began) < deadAfter && len(live) < len(first); {
		pause := time.NewTimer(deadAfter / 10)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
		now, err := others(ctx, d, own, applied)
		if err != nil {
			return err
		}
		for w, m := range now {
			if old, known := first[w]; !known || old.Beat != m.Beat {
				live[w] = m.Name + " (" + m.Version + ")"
				first[w] = m
			}
		}
	}
	if len(live) == 0 {
		return nil
	}
	var names []string
	for _, name := range live {
		names = append(names, name)
	}
	slices.Sort(names)
	return stoa.Conflict("nodes of another build use the database, which this step would take the ground from: %s; "+
		"this is %s: upgrade or stop them, then do it again",
		strings.Join(names, ", "), own)
}

// others reads the rows of other builds that have not left. One that was declared dead can come back.
func others(ctx context.Context, d *db.DB, own Build, applied func(migration int64) bool) (map[int64]Member, error) {
	schema := "0"
	if applied(schemaColumn) {
		schema = "schema_number"
	}
	out := map[int64]Member{}
	err := db.Each(ctx, d, func(s db.Scanner) error {
		var m Member
		var knows int64
		if err := s.Scan(&m.Writer, &m.Name, &m.Version, &m.Beat, &knows); err != nil {
			return err
		}
		if m.Version != own.Version || knows != own.Schema {
			out[m.Writer] = m
		}
		return nil
	}, "SELECT writer, name, version, beat, "+schema+" FROM cluster_node WHERE state <> '"+stateLeft+"'")
	if err != nil {
		return nil, fmt.Errorf("look for nodes of other builds: %w", err)
	}
	return out, nil
}

// ExpelOthers takes the nodes of other builds, which RefuseOthers did not see live, for ones that have left: one
// that was only frozen is expelled when it comes back.
func ExpelOthers(ctx context.Context, tx *db.Tx, own Build) error {
	_, err := tx.Exec(ctx, "UPDATE cluster_node SET state = ?, epoch = epoch + 1 "+
		"WHERE state <> ? AND (version <> ? OR schema_number <> ?)",
		stateLeft, stateLeft, own.Version, own.Schema)
	if err != nil {
		return fmt.Errorf("expel nodes of other builds: %w", err)
	}
	return nil
}
