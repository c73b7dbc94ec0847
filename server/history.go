package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/httpd"
)

// turned makes an event of a new incarnation of the database.
func turned(t db.Turn) cluster.Event {
	e := cluster.Event{
		Code: cluster.CodeIncarnation,
		Data: map[string]string{"was": strconv.FormatInt(t.Old, 10), "is": strconv.FormatInt(t.New, 10),
			"how": t.How, "server": t.Server},
	}
	switch {
	case t.How == db.HowRestored:
		e = e.Saying("The database on %s was put back or moved on purpose: incarnation %d became %d.",
			t.Server, t.Old, t.New)
		e.Mend = "nothing to do; after a restore people sign in again"
	case t.Lost > 0:
		e = e.Saying(
			"The database goes on at %s without its newest changes, up to %s of them: incarnation %d became %d.",
			t.Server, roughly(t.Lost), t.Old, t.New)
		e.Mend = "see the events about lost changes; replication that is synchronous loses none (stoa db check)"
	default:
		e.Severity = cluster.Info
		e = e.Saying("The database goes on at %s, nothing of this node's was lost: incarnation %d became %d.",
			t.Server, t.Old, t.New)
		e.Mend = "nothing to do if it was planned; otherwise see why the server before stopped"
	}
	return e
}

// roughly rounds up to what a person can use.
func roughly(d time.Duration) time.Duration {
	step := time.Second
	if d > 5*time.Second { // nodes find the same loss at different times
		step = 5 * time.Second
	}
	return (d + step - 1).Truncate(step)
}

// mayBeCopy is what is told of a database that may be that of another portal.
const mayBeCopy = "the data was found on another server by a node that remembered nothing, so it may be a copy of " +
	"another portal's: it sends no mail and deletes no files"

// refusals are what is wrong with the servers that this node was led to and does not follow: problems when it
// follows none, else warnings.
func (s *Server) refusals() (problems, warnings []httpd.Problem) {
	if r := s.DB.Refused(); r != nil {
		p := httpd.Problem{Requirement: "database", Message: r.Text(), Mend: r.Mend(), Code: cluster.CodeDatabaseBehind}
		switch r.Verdict {
		case "fork":
			p.Code = cluster.CodeDatabaseFork
		case "two databases":
			p.Code = cluster.CodeDatabaseTwo
		case "read-only":
			p.Code = cluster.CodeDatabaseReadOnly
		case "empty":
			p.Code = cluster.CodeDatabaseEmpty
		}
		p.Message += ", since " + r.Since.UTC().Format("15:04:05") + " UTC"
		if r.Closed {
			problems = append(problems, p)
		} else {
			warnings = append(warnings, p)
		}
	}
	if s.DB.Unproven() {
		warnings = append(warnings, httpd.Problem{Requirement: "database", Code: cluster.CodeDatabaseCopy,
			Message: mayBeCopy, Sentence: mayBeCopy,
			Mend: "if this is the portal itself, moved here, run: stoa db adopt; if it is a copy, give it a file store of " +
				"its own and then run: stoa db adopt"})
	}
	return problems, warnings
}

// warnings are what is wrong on this node and does not keep it from being ready.
func (s *Server) warnings() []cluster.Problem {
	out := append([]cluster.Problem(nil), s.misled...)
	_, refused := s.refusals()
	for _, p := range refused {
		out = append(out, cluster.Problem(p))
	}
	out = append(append(out, s.wrongTables()...), s.storeApart()...)
	out = append(out, s.cacheTrouble()...)
	out = append(out, s.searchTrouble()...)
	return append(append(out, s.untrustedProxies()...), s.followerTroubles()...)
}

// untrustedProxies are proxies behind which all visitors have one address.
func (s *Server) untrustedProxies() []cluster.Problem {
	h := s.proxies.Load()
	if h == nil { // asked while the node starts
		return nil
	}
	var names []string
	for _, a := range h.UntrustedProxies() {
		names = append(names, a.String())
	}
	if len(names) == 0 {
		return nil
	}
	return []cluster.Problem{cluster.Problem{Requirement: "proxies", Code: cluster.CodeProxyUntrusted,
		Mend: "list it in web.server.trusted.proxies of this node and restart it"}.Saying(
		"requests come through %s, which sends forwarding headers and is not trusted: all its visitors count as one "+
			"address, so that a few failed sign-ins can lock out all who are new", strings.Join(names, ", "))}
}
