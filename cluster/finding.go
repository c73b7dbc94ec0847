package cluster

import (
	"slices"
	"strings"
)

// Severity says how much a finding or an event matters.
type Severity string

// The severities. Critical: people are affected, or data is in danger. Warning: something is not as it should be, and
// the portal copes. Info: good to know, nothing has to be done.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Codes of findings and events. They are stable: monitoring and runbooks may hold on to them. Whatever else a part
// tells with a Problem may have a code of its own; docs/operate/findings.md has them all.
const (
	CodeDatabaseAway     = "database.away"
	CodeDatabaseEmpty    = "database.empty"
	CodeDatabaseBehind   = "database.behind"
	CodeDatabaseFork     = "database.fork"
	CodeDatabaseTwo      = "database.two"
	CodeDatabaseReadOnly = "database.readonly"
	CodeDatabaseMoved    = "database.moved"
	CodeDatabaseHalf     = "database.half"
	CodeDatabaseCopy     = "database.copy"
	CodeDatabaseTables   = "database.tables"
	CodeSchemaOlder      = "database.schema.older"
	CodeSchemaNewer      = "database.schema.newer"
	CodeIncarnation      = "database.incarnation"
	CodeChangeLost       = "change.lost"
	CodeChangeLate       = "change.late"
	CodeProofOld         = "proof.old"
	CodeStoreOther       = "filestore.swapped"
	CodeStoreApart       = "filestore.apart"
	CodeStoreUnread      = "filestore.unreadable"
	CodeStoreUnknown     = "filestore.unknown"
	CodeStoreSettings    = "filestore.settings"
	CodeStoreDamaged     = "filestore.damaged"
	CodeStoreCache       = "filestore.cache"
	CodeStoreMove        = "filestore.move"
	CodeNodeNone         = "node.none"
	CodeNodeDead         = "node.dead"
	CodeNodeBack         = "node.back"
	CodeNodeSilent       = "node.silent"
	CodeNodeMute         = "node.mute"
	CodeNodeFrozen       = "node.frozen"
	CodeNodeDuplicate    = "node.twins"
	CodeNodeNotReady     = "node.notready"
	CodeMasterNone       = "master.none"
	CodeMasterNew        = "master.new"
	CodeLinkOff          = "link.off"
	CodeLinkChannel      = "link.channel"
	CodeLinkCut          = "link.cut"
	CodeLinkLoopback     = "link.loopback"
	CodeHostLoopback     = "host.loopback"
	CodeSettingsDiffer   = "settings.differ"
	CodeJobsDiffer       = "jobs.differ"
	CodeVersionDiffer    = "version.differ"
	CodeClockOff         = "clock.off"
	CodeIncoherent       = "cache.incoherent"
	CodeEventsLost       = "event.lost"
	CodeProxyUntrusted   = "proxy.untrusted"
	CodeFollowFailed     = "follow.failed"
	CodeFollowBehind     = "follow.behind"
	CodeSearchIndex      = "search.index"
	CodeSearchAway       = "search.away"
)

// severityOf gives what a code weighs. A code that is not known here comes from a Problem, which keeps a node from
// being ready.
func severityOf(code string) Severity {
	switch code {
	case CodeNodeBack, CodeMasterNew, CodeVersionDiffer, CodeSchemaOlder, CodeSchemaNewer:
		return Info
	case CodeIncarnation, CodeProofOld, CodeNodeDead, CodeNodeSilent, CodeNodeMute, CodeNodeDuplicate, CodeMasterNone,
		CodeLinkOff, CodeLinkChannel, CodeLinkCut, CodeLinkLoopback, CodeHostLoopback, CodeSettingsDiffer,
		CodeJobsDiffer, CodeClockOff, CodeEventsLost, CodeDatabaseCopy, CodeDatabaseTables, CodeStoreSettings,
		CodeStoreCache, CodeProxyUntrusted,
		CodeFollowFailed, CodeFollowBehind, CodeSearchIndex, CodeSearchAway:
		return Warning
	}
	return Critical
}

// findingsPage is where every code is explained.
const findingsPage = "docs/operate/findings.md"

// Page is where a code is explained: a file of the documentation and the heading in it.
func Page(code string) string { return findingsPage + "#" + strings.ReplaceAll(code, ".", "") }

// Finding is something that is not as it should be, with what follows from it. Log, command, screen and metrics
// show the same ones.
type Finding struct {
	Code     string    `json:"code"`
	Severity Severity  `json:"severity"`
	Nodes    []string  `json:"nodes,omitempty"` // who is affected; none: all
	Text     string    `json:"text"`            // what is wrong, and its cause
	Mend     string    `json:"mend"`            // what to do about it
	Page     string    `json:"page"`            // of the documentation
	Follows  []Finding `json:"follows,omitempty"`

	// Sentence is Text before its Args were put in, so that a screen can say it in the language of the person who
	// looks; log and command line are English. It is empty where the text was made in another way.
	Sentence string `json:"-"`
	Args     []any  `json:"-"`

	to []string // of a connection that is missing: its other ends; else the code that this follows from
}

// String is the finding in one line.
func (f Finding) String() string { return f.Code + ": " + f.Text }

// within reports whether all of names are among those of set.
func within(names, set []string) bool {
	return len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(set, n) })
}

// touches reports whether one of names is among those of set.
func touches(names, set []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(set, n) })
}

// folder puts what follows from another finding under it: one dead database is one finding, not nine.
type folder struct {
	asker string   // the node whose view of the others it is
	live  []string // that are said to live
}

// follows reports whether f is a consequence of the cause.
func (o folder) follows(f, cause Finding) bool {
	all := within(o.live, cause.Nodes)
	blind := slices.Contains(cause.Nodes, o.asker) // the asker sees the rows of the others as they were before
	switch {
	case cause.Code == f.Code:
		return false
	case strings.HasPrefix(cause.Code, "database."):
		switch f.Code {
		case CodeDatabaseAway: // the server that is there is not the one
			return within(f.Nodes, cause.Nodes)
		case CodeProofOld, CodeChangeLate, CodeStoreUnknown, CodeFollowBehind, CodeSearchIndex,
			CodeSearchAway:
			return within(f.Nodes, cause.Nodes)
		case CodeNodeMute, CodeLinkCut, CodeNodeSilent:
			return blind || within(f.Nodes, cause.Nodes)
		case CodeMasterNone:
			return blind || all
		case CodeNodeNone: // none can run there
			return cause.Code == CodeDatabaseHalf || cause.Code == CodeDatabaseMoved
		}
	case cause.Code == CodeChangeLate:
		return f.Code == CodeProofOld && within(f.Nodes, cause.Nodes)
	case cause.Code == CodeNodeSilent || cause.Code == CodeNodeDead:
		switch f.Code {
		case CodeNodeMute:
			return within(f.Nodes, cause.Nodes)
		case CodeLinkCut:
			return touches(f.Nodes, cause.Nodes) || touches(f.to, cause.Nodes)
		case CodeMasterNone, CodeNodeNone:
			return cause.Code == CodeNodeSilent // the lease is free when it has run out
		}
	case cause.Code == CodeLinkOff || cause.Code == CodeLinkChannel || cause.Code == CodeLinkLoopback:
		switch f.Code {
		case CodeNodeMute:
			return within(f.Nodes, cause.Nodes) || blind
		case CodeLinkCut:
			return touches(f.Nodes, cause.Nodes) || touches(f.to, cause.Nodes)
		}
	case cause.Code == CodeHostLoopback:
		return f.Code == CodeLinkLoopback && touches(f.Nodes, cause.Nodes)
	case cause.Code == CodeNodeFrozen:
		return f.Code == CodeNodeSilent && within(f.Nodes, cause.Nodes)
	case cause.Code == CodeVersionDiffer:
		return slices.Contains(f.to, CodeVersionDiffer)
	case cause.Code == CodeNodeMute:
		return f.Code == CodeLinkCut && (touches(f.Nodes, cause.Nodes) || touches(f.to, cause.Nodes))
	}
	return false
}

// fold gives the causes, the gravest first, with what follows from each.
func (o folder) fold(all []Finding) []Finding {
	parent := make([]int, len(all))
	for i := range all {
		parent[i] = -1
		for j := range all {
			if i != j && o.follows(all[i], all[j]) {
				parent[i] = j
				break
			}
		}
	}
	root := func(i int) int {
		for range all { // no ring is longer
			if parent[i] < 0 {
				break
			}
			i = parent[i]
		}
		return i
	}
	var out []Finding
	for i, f := range all {
		if parent[i] >= 0 {
			continue
		}
		for j := range all {
			if j == i || root(j) != i {
				continue
			}
			f.Follows = append(f.Follows, all[j])
			if f.Severity == Warning && all[j].Severity == Critical {
				f.Severity = Critical
			}
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return weight(a.Severity) - weight(b.Severity) })
	return out
}

func weight(s Severity) int {
	switch s {
	case Critical:
		return 0
	case Info:
		return 2
	}
	return 1
}
