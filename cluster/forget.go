package cluster

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Forget takes a node that was declared dead for one that has left. If it only hung, it is expelled when it
// comes back. A node that is not dead is a Conflict.
func (n *Node) Forget(ctx context.Context, writer int64) error {
	var done int64
	err := n.d.Control(ctx, func(tx *db.Tx) (err error) {
		done, err = tx.Affected(ctx, "UPDATE cluster_node SET state = 'left', epoch = epoch + 1 WHERE writer = ? AND state = 'dead'", writer)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget a node: %w", err)
	}
	if done == 0 {
		return stoa.Conflict("this node is not dead any more: it came back, or somebody has forgotten it")
	}
	return n.Look(ctx)
}
