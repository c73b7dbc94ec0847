package cluster

import (
	"context"
	"fmt"
	"strings"

	"github.com/stoa-portal/stoa/db"
)

// ReadMembers reads the rows of all nodes. Which of them live is seen by looking twice.
func ReadMembers(ctx context.Context, q db.Queryer) ([]Member, error) {
	rows, err := db.All(ctx, q, func(s db.Scanner) (m Member, err error) {
		var started, seen int64
		err = s.Scan(&m.Writer, &m.Node, &m.Name, &m.Address, &m.Host, &m.Version, &m.Settings, &m.Fingerprint,
			&m.State, &m.Epoch, &m.Beat, &started, &seen, &m.Detail)
		m.Host, m.HostID, _ = strings.Cut(m.Host, "#")
		m.Started, m.Seen = db.Time(started), db.Time(seen)
		return m, err
	}, "SELECT writer, node, name, address, host, version, settings, fingerprint, state, epoch, beat, started, "+
		"seen, detail FROM cluster_node ORDER BY name, writer")
	if err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	return rows, nil
}

// ReadMaster gives the writer whose row holds the master lease, 0 without one. The lease may have run out.
func ReadMaster(ctx context.Context, q db.Queryer) (writer int64, err error) {
	err = q.QueryRow(ctx, "SELECT holder FROM cluster_lease WHERE name = ?", masterLease).Scan(&writer)
	if db.IsNoRows(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the lease of the master: %w", err)
	}
	return writer, nil
}

// Beating compares two reads of the rows: what has a new beat, or is new, lives.
func Beating(before, after []Member) []Member {
	beats := map[int64]int64{}
	for _, m := range before {
		beats[m.Writer] = m.Beat
	}
	for i := range after {
		m := &after[i]
		beat, known := beats[m.Writer]
		m.Live = m.State == stateUp && (!known || beat != m.Beat)
	}
	return after
}

// StandStill reports whether a row says that its node runs, and its beat was not seen to rise.
func (m Member) StandStill() bool { return m.State == stateUp && !m.Live }
