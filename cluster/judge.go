package cluster

import (
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
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
	said func(nodes []string) say
	key  string
}

// add notes a finding about one node. What several nodes have in common is one finding, in the words for the first.
func (j *judge) add(code, node, mend string, said func(nodes []string) say) {
	j.addAs(code, "", node, mend, said)
}

// addAs is add where only findings of one key are in common.
func (j *judge) addAs(code, key, node, mend string, said func(nodes []string) say) *group {
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
	f := Finding{Code: code, Severity: severityOf(code), Nodes: nodes, to: to, Mend: mend}
	j.groups = append(j.groups, &group{Finding: f, said: func([]string) say { return says(format, args...) }})
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
		said := g.said(g.Nodes)
		g.Text, g.Sentence, g.Args = said.String(), said.sentence, said.args
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
			func(nodes []string) say {
				if j.rows {
					return says(form(nodes, "%s has not left the cluster, but its beat stands still.",
						"%s have not left the cluster, but their beat stands still."), join(nodes))
				}
				return says(form(nodes, "%s has given no sign of life for %s.", "%s have given no sign of life for %s."),
					join(nodes), j.quiet(nodes).Round(time.Second))
			})
	case Dead:
		j.add(CodeNodeDead, name,
			"look at its log and its machine and start it again; if it only hung, it joins again by itself; if it "+
				"is not to come back, forget it: Control Panel → Cluster → Nodes, or stoa cluster forget",
			func(nodes []string) say {
				return says(form(nodes,
					"%s is gone without saying goodbye: killed, crashed, hanging, or cut off from the database.",
					"%s are gone without saying goodbye: killed, crashed, hanging, or cut off from the database."),
					join(nodes))
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
		j.add(p.code(), name, p.Mend, func(nodes []string) say {
			return says(form(nodes, "%s is not ready (%s): %s.", "%s are not ready (%s): %s."),
				join(nodes), stoa.Phrase(p.Requirement), p.said())
		})
	}
	for _, p := range n.Warnings {
		g := j.addAs(p.code(), p.Message, name, p.Mend,
			func(nodes []string) say { return says("%s: %s.", join(nodes), p.said()) })
		if g.Severity == Critical { // the node is ready all the same
			g.Severity = Warning
		}
	}
	if n.ProofAge < 0 || n.ProofAge > proofTolerance {
		j.add(CodeProofOld, name,
			"see its log; the database may be slow, or read-only for it",
			func(nodes []string) say {
				return says(form(nodes,
					"%s cannot prove its caches fresh, and so asks the database for everything.",
					"%s cannot prove their caches fresh, and so ask the database for everything."), join(nodes))
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
			func(nodes []string) say {
				return says(form(nodes, "%s does not answer and has given no sign of life for %s.",
					"%s do not answer and have given no sign of life for %s."),
					join(nodes), j.quiet(nodes).Round(time.Second))
			})
		return
	}
	j.add(CodeNodeMute, n.Label,
		"if it stays so, open the port of its address for the other nodes; changes reach it through the database "+
			"meanwhile, within two seconds",
		func(nodes []string) say {
			return says(form(nodes, "%s does not answer calls: %s.", "%s do not answer calls: %s."), join(nodes), n.Error)
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
			form(j.off,
				"%d nodes use this database, but Cluster Link is off on %s: changes reach it through the database only.",
				"%d nodes use this database, but Cluster Link is off on %s: changes reach them through the database only."),
			nodes, join(j.off))
	}
	if len(other) > 0 {
		j.tell(CodeLinkChannel, other, nil,
			"set cluster.link.channel.name.control and cluster.link.nats.urls the same on all nodes of this database",
			form(other,
				"%s uses another channel or another message server of Cluster Link than %s, so they do not hear each other.",
				"%s use another channel or another message server of Cluster Link than %s, so they do not hear each other."),
			join(other), join(asker))
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
	for name, duplicates := range names {
		if len(duplicates) > 1 {
			var ids, labels []string
			for _, n := range duplicates {
				ids, labels = append(ids, n.Node+" on "+n.Host), append(labels, n.Label)
			}
			j.tell(CodeNodeDuplicate, labels, nil,
				"give each node a name of its own: cluster.link.channel.logic.name.control",
				"%d nodes that live are called %s: %s. Logs and screens cannot tell them apart.", len(duplicates), name,
				join(ids))
		}
	}
	if len(versions) > 1 {
		j.tell(CodeVersionDiffer, nil, nil,
			"finish the rolling restart: two versions next to each other work together, for the time of an update",
			"The nodes run different versions: %s.", groupsOf(versions))
	}
	if apart, _ := s.apart(); len(apart) > 0 {
		j.tell(CodeStoreApart, apart, nil,
			"let all nodes use one store, such as one file system that each of them mounts, and bring the files over that are "+
				"in one of the copies only",
			"%s cannot find in the file store what %s has just written there: they use copies of one store.", join(apart),
			s.Asker)
	}
	for _, d := range s.Differ {
		j.tell(CodeSettingsDiffer, nil, nil,
			"give it the same value on all nodes and restart those that had another, one after the other",
			"%s is not the same on all nodes: %s.", d.Property, d.said())
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

// form chooses between the sentence about one node and that about several.
func form(nodes []string, one, many string) string {
	if len(nodes) == 1 {
		return one
	}
	return many
}
