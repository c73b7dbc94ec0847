package servertest

import "github.com/stoa-portal/stoa/cluster/clustertest"

// Faults say what happens from now on to messages between the nodes of the group: they are lost, doubled,
// or late by different times, so that they overtake each other. It does not reach nodes that are Linked.
func (g *Group) Faults(f clustertest.Faults) { g.hub.SetFaults(f) }

// Partition cuts the network between nodes: those of different parts do not hear each other until Heal,
// and all of them reach the database.
func (g *Group) Partition(parts ...[]*Node) {
	names := make([][]string, len(parts))
	for i, part := range parts {
		for _, n := range part {
			names[i] = append(names[i], n.name)
		}
	}
	g.hub.Partition(names...)
}

// Heal ends the partition. What was sent meanwhile is lost.
func (g *Group) Heal() { g.hub.Heal() }

// Freeze does to a node what SIGSTOP would, as far as that can be done to one of several nodes in a
// process: what it sends to other nodes and to the database server, and what they send to it, waits until
// Thaw. Its clocks go on, as they do for a stopped process, and so do its goroutines, which they would
// not: it answers requests from what it has.
func (g *Group) Freeze(n *Node) {
	g.hub.Freeze(n.name)
	g.Cut(n)
}

// Thaw ends Freeze and Cut.
func (g *Group) Thaw(n *Node) {
	if n.link != nil {
		n.link.Thaw()
	}
	g.hub.Thaw(n.name)
}

// Cut holds what passes between a node and the database server until Thaw; messages go on.
func (g *Group) Cut(n *Node) {
	if n.link != nil {
		n.link.Freeze()
	}
}
