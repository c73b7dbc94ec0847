package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// clockTolerance is how far a clock may be off before it is worth a word: nothing depends on it, but
	// the times that people see do.
	clockTolerance = 2 * time.Second
	// quietTolerance is how long a beat may stand still before a node that does not answer is taken for
	// one that hangs, and not for one that cannot be reached.
	quietTolerance = 2 * time.Second
	// proofTolerance is the age of a proof from which on a node's caches have certainly been bypassed.
	proofTolerance = 5 * time.Second
)

// judge says what is wrong with a status.
type judge struct {
	s           *Status
	rows        bool
	found       []Finding // from elsewhere
	unreachable []Member  // whose address the asker cannot use
	groups      []*group
	off         []string // nodes without Cluster Link
}

// group is a finding that several nodes have in common.
type group struct {
	Finding
	said func(nodes []string) string
	key  string
}

// add notes a finding about one node. What several nodes have in common is one finding, in the words for the first.
func (j *judge) add(code, node, mend string, said func(nodes []string) string) {
	j.addAs(code, "", node, mend, said)
}

// addAs is add where only findings of one key are in common.
func (j *judge) addAs(code, key, node, mend string, said func(nodes []string) string) *group {
	for _, g := range j.groups {
		if g.Code == code && g.key == key {
			if !slices.Contains(g.Nodes, node) {
				g.Nodes = append(g.Nodes, node)
			}
			return g
		}
	}
	f := Finding{Code: code, Severity: severityOf(code), Nodes: []string{node}, Mend: mend}
	g := &group{Finding: f, said: said, key: key}
	j.groups = append(j.groups, g)
	return g
}

// tell notes a finding in its final words.
func (j *judge) tell(code string, nodes, to []string, mend, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	f := Finding{Code: code, Severity: severityOf(code), Nodes: nodes, to: to, Mend: mend}
	j.groups = append(j.groups, &group{Finding: f, said: func([]string) string { return text }})
}

// judge gives the causes of all that is wrong, with what follows from each.
func (j *judge) judge() []Finding {
	var live []string
	for _, n := range j.s.Nodes {
		j.node(n)
		if n.State == Live && !n.Command {
			live = append(live, n.Label)
		}
	}
	j.links(live)
	j.together(live)
	all := slices.Clone(j.found)
	for _, g := range j.groups {
		g.Text = g.said(g.Nodes)
		all = append(all, g.Finding)
	}
	for i := range all {
		f := &all[i]
		f.Page = Page(f.Code)
		if f.Severity == "" {
			f.Severity = severityOf(f.Code)
		}
	}
	return folder{j.s.Asker, live}.fold(all)
}

// node looks at one node by itself.
func (j *judge) node(n NodeStatus) {
	name := n.Label
	switch n.State {
	case Silent:
		j.add(CodeNodeSilent, name,
			"look whether its process and its machine run and reach the database; it comes back by itself, or the "+
				"master declares it dead",
			func(nodes []string) string {
				if j.rows {
					return fmt.Sprintf("%s %s the cluster, but %s beat stands still.",
						join(nodes), verb(nodes, "has not left", "have not left"), verb(nodes, "its", "their"))
				}
				return fmt.Sprintf("%s %s given no sign of life for %s.",
					join(nodes), verb(nodes, "has", "have"), j.quiet(nodes).Round(time.Second))
			})
	case Dead:
		j.add(CodeNodeDead, name,
			"look at its log and its machine and start it again; if it only hung, it joins again by itself; if it "+
				"is not to come back, forget it: Control Panel → Cluster → Nodes, or stoa cluster forget",
			func(nodes []string) string {
				return fmt.Sprintf(
					"%s %s gone without saying goodbye: killed, crashed, hanging, or cut off from the database.",
					join(nodes), verb(nodes, "is", "are"))
			})
	}
	if n.State != Live || n.Unasked {
		return
	}
	if n.Error != "" {
		j.mute(n)
		return
	}
	for _, p := range n.Problems {
		j.add(p.code(), name, p.Mend, func(nodes []string) string {
			return fmt.Sprintf("%s %s not ready (%s): %s.",
				join(nodes), verb(nodes, "is", "are"), p.Requirement, oneLine(p.Message))
		})
	}
	for _, p := range n.Warnings {
		g := j.addAs(p.code(), p.Message, name, p.Mend, func(nodes []string) string {
			return fmt.Sprintf("%s: %s.", join(nodes), oneLine(p.Message))
		})
		if g.Severity == Critical { // the node is ready all the same
			g.Severity = Warning
		}
	}
	if n.ProofAge < 0 || n.ProofAge > proofTolerance {
		j.add(CodeProofOld, name,
			"see its log; the database may be slow, or read-only for it",
			func(nodes []string) string {
				return fmt.Sprintf("%s cannot prove %s caches fresh, and so %s the database for everything.",
					join(nodes), verb(nodes, "its", "their"), verb(nodes, "asks", "ask"))
			})
	}
	if n.ClockOffset.Abs() > clockTolerance {
		j.tell(CodeClockOff, []string{name}, nil, "let its clock be set over the network (NTP)",
			"The clock of %s is %s off the database's. Nothing depends on it but the times that people see.", name,
			n.ClockOffset)
	}
	if n.Incoherent > 0 {
		j.tell(CodeIncoherent, []string{name}, nil, "report it; it was found, dropped and logged with its tags",
			"%s has served %d values from memory that no change explains.", name, n.Incoherent)
	}
}

// mute tells of a node that lives and does not answer.
func (j *judge) mute(n NodeStatus) {
	if n.Quiet > quietTolerance {
		j.add(CodeNodeSilent, n.Label,
			"look whether its process and its machine run and reach the database; it comes back by itself, or is "+
				"declared dead",
			func(nodes []string) string {
				return fmt.Sprintf("%s %s not answer and %s given no sign of life for %s.", join(nodes),
					verb(nodes, "does", "do"), verb(nodes, "has", "have"), j.quiet(nodes).Round(time.Second))
			})
		return
	}
	j.add(CodeNodeMute, n.Label,
		"if it stays so, open the port of its address for the other nodes; changes reach it through the database "+
			"meanwhile, within two seconds",
		func(nodes []string) string {
			return fmt.Sprintf("%s %s not answer calls: %s.", join(nodes), verb(nodes, "does", "do"), n.Error)
		})
}

// quiet is the longest time without a beat.
func (j *judge) quiet(nodes []string) (out time.Duration) {
	for _, n := range j.s.Nodes {
		if slices.Contains(nodes, n.Label) {
			out = max(out, n.Quiet)
		}
	}
	return out
}

// links looks at the connections between nodes.
func (j *judge) links(live []string) {
	s := j.s
	nodes, commands := 0, 0
	var other, asker []string
	for _, n := range s.Nodes {
		if n.State != Live {
			continue
		}
		nodes++
		if n.Command {
			commands++
		}
		switch {
		case n.detail.Link == "off":
			j.off = append(j.off, n.Label)
		case n.Self:
			asker = append(asker, n.Label)
		case n.detail.Link == "" || s.Link == "off" || s.Asker == "":
		case n.detail.Link != s.Link || n.detail.Channel != "" && n.detail.Channel != j.channel():
			other = append(other, n.Label)
		}
	}
	if nodes > 1 && len(j.off) > 0 {
		j.tell(CodeLinkOff, j.off, nil, "set cluster.link.enabled=true on every node",
			"%d nodes use this database, but Cluster Link is off on %s: changes reach %s through the database only.",
			nodes, join(j.off), verb(j.off, "it", "them"))
	}
	if len(other) > 0 {
		j.tell(CodeLinkChannel, other, nil,
			"set cluster.link.channel.name.control and cluster.link.nats.urls the same on all nodes of this database",
			"%s %s another channel or another message server of Cluster Link than %s, so they do not hear each other.",
			join(other), verb(other, "uses", "use"), join(asker))
	}
	j.cuts(live)
	for _, m := range j.unreachable {
		j.tell(CodeLinkLoopback, []string{m.Name}, nil,
			"set cluster.link.bind.addr[\"cluster-link-control\"] on the node that is at 127.0.0.1 to its "+
				"machine's address in the network of the nodes",
			"%s (host %s) is at %s for other nodes, and one of it and %s is on 127.0.0.1: they cannot reach each "+
				"other from their hosts.", m.Name, m.Host, m.Address, s.Asker)
	}
}

// channel is the one of the node that asked.
func (j *judge) channel() string {
	for _, n := range j.s.Nodes {
		if n.Self {
			return n.detail.Channel
		}
	}
	return ""
}

// cuts tells of connections that are missing: first of the node that misses most.
func (j *judge) cuts(live []string) {
	missing := map[string][]string{}
	mute := map[string]bool{} // who does not answer has a sentence of its own
	for _, n := range j.s.Nodes {
		mute[n.Name] = mute[n.Name] || !n.Answered()
	}
	for _, n := range j.s.Nodes {
		if !n.Answered() {
			continue
		}
		for _, to := range n.Unlinked {
			if to == n.Name || mute[to] || slices.Contains(missing[to], n.Label) {
				continue
			}
			missing[n.Label] = append(missing[n.Label], to)
		}
	}
	for len(missing) > 0 {
		most, count := "", 0
		for _, name := range live {
			n := len(missing[name])
			for _, to := range missing {
				if slices.Contains(to, name) {
					n++
				}
			}
			if n > count {
				most, count = name, n
			}
		}
		if most == "" {
			return
		}
		to := missing[most]
		delete(missing, most)
		for _, name := range live {
			if at := slices.Index(missing[name], most); at >= 0 {
				to = append(to, name)
				if missing[name] = slices.Delete(missing[name], at, at+1); len(missing[name]) == 0 {
					delete(missing, name)
				}
			}
		}
		j.tell(CodeLinkCut, []string{most}, to,
			"open the ports of their addresses between them; changes reach them through the database meanwhile, "+
				"within two seconds",
			"%s has no connection to %s.", most, join(to))
	}
}

// together compares the nodes with each other.
func (j *judge) together(live []string) {
	s := j.s
	versions, digests, names := map[string][]string{}, map[string][]string{}, map[string][]NodeStatus{}
	jobs := map[bool][]string{}
	for _, n := range s.Nodes {
		if n.State != Live || n.Command {
			continue
		}
		versions[n.Version] = append(versions[n.Version], n.Label)
		digests[n.Version+" "+n.digest] = append(digests[n.Version+" "+n.digest], n.Label)
		names[n.Name] = append(names[n.Name], n)
		if n.Answered() {
			jobs[n.Jobs] = append(jobs[n.Jobs], n.Label)
		}
	}
	for name, twins := range names {
		if len(twins) > 1 {
			var ids, labels []string
			for _, n := range twins {
				ids, labels = append(ids, n.Node+" on "+n.Host), append(labels, n.Label)
			}
			j.tell(CodeNodeTwins, labels, nil,
				"give each node a name of its own: cluster.link.channel.logic.name.control",
				"%d nodes that live are called %s: %s. Logs and screens cannot tell them apart.", len(twins), name,
				join(ids))
		}
	}
	if len(versions) > 1 {
		j.tell(CodeVersionDiffer, nil, nil,
			"finish the rolling restart: two versions next to each other work together, for the time of an update",
			"The nodes run different versions: %s.", groupsOf(versions))
	}
	for _, d := range s.Differ {
		j.tell(CodeSettingsDiffer, nil, nil,
			"give it the same value on all nodes and restart those that had another, one after the other",
			"%s is not the same on all nodes: %s.", d.Property, d)
		if d.rolling && len(versions) > 1 {
			j.groups[len(j.groups)-1].to = []string{CodeVersionDiffer}
		}
	}
	if j.rows && len(digests) > len(versions) {
		var parts []string
		for _, nodes := range digests {
			parts = append(parts, join(nodes))
		}
		slices.Sort(parts)
		j.tell(CodeSettingsDiffer, nil, nil,
			"ask a node that runs: stoa cluster status on its host names the properties",
			"Not all settings that should be the same on all nodes are: %s differ from each other.",
			strings.Join(parts, " and "))
	}
	if len(jobs) > 1 {
		j.tell(CodeJobsDiffer, jobs[false], nil, "set scheduler.enabled the same on all nodes",
			"Jobs run on %s but not on %s.", join(jobs[true]), join(jobs[false]))
	}
	switch {
	case len(live) == 0 && j.rows:
		j.tell(CodeNodeNone, nil, nil, "start one: stoa serve", "No node of this database lives.")
	case s.Master == "":
		j.tell(CodeMasterNone, nil, nil,
			"wait a few seconds; if it stays so, see the log of the nodes for the lease master",
			"No node is the master, so nothing runs that is done once for all nodes.")
	}
}

// groupsOf gives "1 (a, b); 2 (c)".
func groupsOf(by map[string][]string) string {
	var parts []string
	for v, names := range by {
		slices.Sort(names)
		parts = append(parts, v+" ("+join(names)+")")
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func join(names []string) string { return strings.Join(names, ", ") }

// oneLine makes a clause of the message of a problem: drivers break their lines where they have tried several addresses.
func oneLine(message string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(message), " "), ".")
}

// verb chooses between singular and plural.
func verb(nodes []string, one, many string) string {
	if len(nodes) == 1 {
		return one
	}
	return many
}
