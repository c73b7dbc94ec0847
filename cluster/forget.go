package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

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

// Lost finds the dead node that an operator means by its name or id: the one that Forget may be told. The
// error, NotFound or Conflict, says which nodes could be meant.
func Lost(members []Member, name string) (Member, error) {
	var meant, others []string
	var found, lost *Member
	dead := map[string]int{} // by name
	for _, m := range members {
		if m.State == stateDead {
			dead[m.Name]++
		}
	}
	for _, m := range Current(members) {
		is := m.Name == name || m.Node == name
		if is && found == nil {
			found = &m
		}
		if m.State != stateDead {
			continue
		}
		if dead[m.Name] > 1 {
			others = append(others, m.Name+" ("+m.Node+")")
		} else {
			others = append(others, m.Name)
		}
		if is {
			lost = &m
			meant = append(meant, fmt.Sprintf("%s (%s, started %s)", m.Node, m.Host, m.Started.UTC().Format(time.DateTime)))
		}
	}
	could := "no node is dead"
	if len(others) > 0 {
		could = "these are dead: " + strings.Join(others, ", ")
	}
	switch {
	case len(meant) == 1:
		return *lost, nil
	case len(meant) > 1:
		return Member{}, stoa.Conflict("%d dead nodes are called %s: name one by its id, which is one of %s", len(meant), name, strings.Join(meant, "; "))
	case found == nil:
		return Member{}, &stoa.Error{Kind: stoa.KindNotFound, Message: fmt.Sprintf("there is no node with the name or id %.80q; %s", name, could)}
	case found.State == stateLeft:
		return Member{}, stoa.Conflict("%s has left or was forgotten already, so there is nothing to do; %s", found.Name, could)
	}
	return Member{}, stoa.Conflict("%s has not been declared dead: its last sign of life was seen %s ago. The master does that after cluster.heartbeat.timeout without one; a node that runs leaves by itself when it is stopped. Of the others, %s",
		found.Name, found.Quiet.Round(time.Second), could)
}
