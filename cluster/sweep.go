package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// forgetNodesAfter is how long the row of a node that is gone stays to be looked at.
const forgetNodesAfter = 7 * 24 * time.Hour

// Sweep declares dead whom this node has not seen for DeadAfter, which ends their sessions at the
// database, voids their claims and fences their late writes, and removes rows of nodes gone for a week.
// The master calls it with its fence about once a second. It gives the nodes that it declared dead:
// settle their part of the change log with change.Log.WriteTombstones.
func (n *Node) Sweep(ctx context.Context, fence Fence) (dead []Member, err error) {
	old := n.opt.Now().Add(-forgetNodesAfter)
	for _, m := range n.Members() {
		switch {
		case m.Self || m.Live:
		case m.State == stateUp:
			declared, err := n.declareDead(ctx, fence, m)
			if declared {
				m.State, m.Epoch = stateDead, m.Epoch+1
				dead = append(dead, m)
			}
			if err != nil {
				return dead, fmt.Errorf("declare %s dead: %w", m.Name, err)
			}
		case m.Seen.Before(old) && m.Quiet > n.opt.DeadAfter:
			if _, err := n.change(ctx, fence, "DELETE FROM cluster_node", m); err != nil {
				return dead, fmt.Errorf("remove the row of %s: %w", m.Name, err)
			}
		}
	}
	return dead, nil
}

// declareDead raises the epoch of a node unless it has beaten since it was seen.
func (n *Node) declareDead(ctx context.Context, fence Fence, m Member) (bool, error) {
	var beat int64
	err := n.d.QueryRow(ctx, "SELECT beat FROM cluster_node WHERE writer = ?", m.Writer).Scan(&beat)
	if db.IsNoRows(err) || err == nil && beat != m.Beat {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// A transaction that the node was frozen in may hold this row or others.
	_, endErr := n.d.EndSessions(ctx, m.Writer)
	declared, err := n.change(ctx, fence, "UPDATE cluster_node SET state = 'dead', epoch = epoch + 1", m)
	return declared, errors.Join(err, endErr)
}

// change runs a statement on the row of a node, if it is still as seen.
func (n *Node) change(ctx context.Context, fence Fence, statement string, m Member) (done bool, err error) {
	err = n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		fence.Apply(tx)
		affected, err := tx.Affected(ctx, statement+" WHERE writer = ? AND epoch = ? AND beat = ?", m.Writer, m.Epoch, m.Beat)
		done = affected == 1
		return err
	})
	return done, err
}
