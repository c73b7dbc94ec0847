package cluster

import (
	"fmt"
	"strings"
)

// How far a requirement of a cluster is met.
const (
	Met      = "met"
	ForOne   = "one" // enough for one node, not for a second
	NotMet   = "not met"
	NotKnown = "not known"
	NotYet   = "not yet" // this version of Stoa does not have it
)

// Requirement is one of the five things that a cluster needs.
type Requirement struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
}

// Requirements says how far the five things that a cluster needs are met, as far as the answers tell.
func (s Status) Requirements() []Requirement {
	var live, mute []string
	known := 0
	failing := map[string][]string{} // by requirement of Problem: names of nodes
	why := map[string]string{}       // and what the first of them says
	for _, n := range s.Nodes {
		if n.State == Left || n.Command {
			continue
		}
		known++
		if n.State != Live {
			continue
		}
		live = append(live, n.Label)
		if n.Error != "" {
			mute = append(mute, n.Label)
		}
		for _, p := range n.Problems {
			failing[p.Requirement] = append(failing[p.Requirement], n.Label)
			if why[p.Requirement] == "" && p.code() != CodeStoreOther {
				why[p.Requirement] = p.Message
			}
		}
	}
	all := strings.Join(live, ", ")
	database := Requirement{Name: "The same database for all nodes"}
	switch bad := failing["database"]; {
	case len(bad) > 0:
		database.State, database.Text = NotMet, "The database does not answer "+strings.Join(bad, ", ")+"."
	case s.Lonely:
		database.State, database.Text = ForOne, "A file belongs to one process. A second node needs PostgreSQL or MariaDB (jdbc.default.url)."
	default:
		database.State, database.Text = Met, fmt.Sprintf("%s has the rows of %s.", s.Database, all)
	}
	files := Requirement{Name: "One file store that all nodes reach"}
	switch bad := failing["file store"]; {
	case len(bad) > 0 && why["file store"] != "":
		files.State, files.Text = NotMet, strings.Join(bad, ", ")+": "+strings.TrimSuffix(why["file store"], ".")+"."
	case len(bad) > 0:
		files.State, files.Text = NotMet, strings.Join(bad, ", ")+" found another store, or none, when it started."
	case len(mute) > 0:
		files.State, files.Text = NotKnown, strings.Join(mute, ", ")+" did not answer; the others found this cluster's store when they started."
	case known == 1:
		files.State, files.Text = ForOne, "A second node needs the same folder (dl.store.file.system.root.dir)."
	default:
		files.State, files.Text = Met, "This cluster's store was there when each node started: "+all+"."
	}
	link := Requirement{Name: "Cluster Link"}
	apart := 0
	for _, n := range s.Nodes {
		apart += len(n.Unlinked)
	}
	switch {
	case s.Link == "off" && known == 1:
		link.State, link.Text = ForOne, "Off. A second node needs cluster.link.enabled=true on both."
	case s.Link == "off":
		link.State, link.Text = NotMet, "Off on "+s.Asker+"; changes reach it through the database."
	case apart > 0 || len(mute) > 0:
		link.State, link.Text = NotMet, "On, but not between all nodes; changes travel through the database where it is missing."
	case known == 1:
		link.State, link.Text = Met, "On, and ready for a second node."
	case len(live) == 1:
		link.State, link.Text = Met, "On, but no other node lives."
	case s.Link == "outside":
		link.State, link.Text = Met, "On, over message servers outside the nodes."
	default:
		link.State, link.Text = Met, "On, between all nodes."
	}
	return []Requirement{
		database, files,
		{Name: "A separate search server", State: NotYet, Text: "This version has no search, so no node needs a server for it."},
		link,
		{Name: "The same applications on each node", State: NotYet, Text: "This version runs no applications, so none can differ."},
	}
}
