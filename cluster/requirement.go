package cluster

import "github.com/stoa-portal/stoa"

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

	// Sentence is Text before its Args were put in, as Finding has them.
	Sentence string `json:"-"`
	Args     []any  `json:"-"`
}

// is says how far the requirement is met.
func (r *Requirement) is(state, sentence string, args ...any) {
	said := says(sentence, args...)
	r.State, r.Text, r.Sentence, r.Args = state, said.String(), sentence, args
}

// Requirements says how far the five things that a cluster needs are met, as far as the answers tell.
func (s Status) Requirements() []Requirement {
	var live, mute []string
	known := 0
	failing := map[string][]string{} // by requirement of Problem: names of nodes
	why := map[string]*stoa.Error{}  // and what the first of them says
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
			if why[p.Requirement] == nil && p.code() != CodeStoreOther {
				why[p.Requirement] = p.said()
			}
		}
	}
	all := join(live)
	database := Requirement{Name: "The same database for all nodes"}
	switch bad := failing["database"]; {
	case len(bad) > 0:
		database.is(NotMet, "The database does not answer %s.", join(bad))
	case s.Lonely:
		database.is(ForOne,
			"A file belongs to one process. A second node needs PostgreSQL or MariaDB (jdbc.default.url).")
	default:
		database.is(Met, "%s has the rows of %s.", s.Database, all)
	}
	files := Requirement{Name: "One file store that all nodes reach"}
	apart, shared := s.apart()
	switch bad := failing["file store"]; {
	case len(bad) > 0 && why["file store"] != nil:
		files.is(NotMet, "%s: %s.", join(bad), why["file store"])
	case len(bad) > 0:
		files.is(NotMet, "%s found another store, or none, when it started.", join(bad))
	case len(apart) > 0:
		files.is(NotMet, "What %s writes is not there for %s.", s.Asker, join(apart))
	case len(mute) > 0:
		files.is(NotKnown, "%s did not answer; the others found this cluster's store when they started.", join(mute))
	case known == 1 && s.StoredIn && !s.Lonely:
		files.is(Met, "It is in the database, and ready for a second node.")
	case known == 1 && s.StoredIn:
		files.is(ForOne, "It is in the database, which belongs to one process.")
	case known == 1:
		files.is(ForOne, "A second node needs the same folder (dl.store.file.system.root.dir).")
	case shared && known > 1:
		files.is(Met, "%s found what %s has just written.", all, s.Asker)
	case s.StoredIn:
		files.is(Met, "It is in the database, which all nodes use.")
	default: // copies of one store would have been there, too
		files.is(NotKnown, "This cluster's store was there when each node started: %s. Whether they find each other's "+
			"files is not known yet.", all)
	}
	link := Requirement{Name: "Cluster Link"}
	cut := 0
	for _, n := range s.Nodes {
		cut += len(n.Unlinked)
	}
	switch {
	case s.Link == "off" && known == 1:
		link.is(ForOne, "Off. A second node needs cluster.link.enabled=true on both.")
	case s.Link == "off":
		link.is(NotMet, "Off on %s; changes reach it through the database.", s.Asker)
	case cut > 0 || len(mute) > 0:
		link.is(NotMet,
			"On, but not between all nodes; changes travel through the database where it is missing.")
	case known == 1:
		link.is(Met, "On, and ready for a second node.")
	case len(live) == 1:
		link.is(Met, "On, but no other node lives.")
	case s.Link == "outside":
		link.is(Met, "On, over message servers outside the nodes.")
	default:
		link.is(Met, "On, between all nodes.")
	}
	search := s.searching(known, mute)
	applications := Requirement{Name: "The same applications on each node"}
	applications.is(NotYet, "This version runs no applications, so none can differ.")
	return []Requirement{database, files, search, link, applications}
}

// searching says how far search is on a server of its own. An index of each node finds the same, but is another thing.
func (s Status) searching(known int, mute []string) Requirement {
	search := Requirement{Name: "A separate search server"}
	var own, on, bad []string
	var server string
	var why *stoa.Error
	for _, n := range s.Nodes {
		if n.State != Live || n.Command || n.Error != "" {
			continue
		}
		if n.Search == "" || n.Search == SearchEmbedded {
			own = append(own, n.Label)
		} else if on = append(on, n.Label); server == "" || server == SearchUnnamed {
			server = n.Search
		}
		for _, p := range n.Warnings {
			if p.Requirement != "search" {
				continue
			}
			if bad = append(bad, n.Label); why == nil {
				why = p.said()
			}
		}
	}
	switch {
	case len(bad) > 0:
		search.is(NotMet, "%s: %s.", join(bad), why)
	case len(own) > 0 && len(on) > 0:
		search.is(NotMet, "%s: an index of its own; %s: %s. Set search.engine to the same on all nodes.",
			join(own), join(on), server)
	case len(on) > 0 && len(mute) > 0:
		search.is(NotKnown, "%s did not answer; the others search on %s.", join(mute), server)
	case len(on) > 0:
		search.is(Met, "All nodes search on %s.", server)
	case known <= 1:
		search.is(ForOne, "The node searches an index of its own, in its home.")
	default:
		search.is(NotMet, "Each node searches an index of its own, which follows the same change log and finds the same. A "+
			"search server (search.engine=server) takes that work off the nodes.")
	}
	return search
}
