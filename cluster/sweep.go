package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// forgetNodesAfter is how long the row of a node that is gone stays to be looked at.
const forgetNodesAfter = 7 * 24 * time.Hour

// Sweep declares dead whom this node has not seen for DeadAfter, which voids their claims and fences
// their late writes, and removes rows of nodes gone for a week. The master calls it with its fence
// about once a second. It gives the nodes that it declared dead: settle their part of the change log
// with change.Log.Bury.
func (n *Node) Sweep(ctx context.Context, fence Fence) (dead []Member, err error) {
	old := n.opt.Now().Add(-forgetNodesAfter)
	for _, m := range n.Members() {
		switch {
		case m.Self || m.Live:
		case m.State == stateUp:
			declared := false
			err := n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				fence.Apply(tx)
				done, err := tx.Affected(ctx, "UPDATE cluster_node SET state = 'dead', epoch = epoch + 1 WHERE writer = ? AND epoch = ? AND beat = ?", m.Writer, m.Epoch, m.Beat)
				declared = done == 1
				return err
			})
			if err != nil {
				return dead, fmt.Errorf("declare %s dead: %w", m.Name, err)
			}
			if declared {
				m.State, m.Epoch = stateDead, m.Epoch+1
				dead = append(dead, m)
			}
		case m.Seen.Before(old) && m.Quiet > n.opt.DeadAfter:
			err := n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				fence.Apply(tx)
				_, err := tx.Exec(ctx, "DELETE FROM cluster_node WHERE writer = ? AND epoch = ? AND beat = ?", m.Writer, m.Epoch, m.Beat)
				return err
			})
			if err != nil {
				return dead, fmt.Errorf("remove the row of %s: %w", m.Name, err)
			}
		}
	}
	return dead, nil
}
