package config

import (
	"strings"
)

// property is one row of the table from which parsing, validation, the reference and
// portal.properties are made.
type property struct {
	Name    string // with one <placeholder> when it stands for a family of names
	Default string // as it stands in portal.properties
	NoValue bool   // there is no default: the name stands in portal.properties as a comment
	Unit    string // of a number, for people; empty when there is none
	Doc     string // one or two sentences; for a name that is not used, what Liferay does with it
	Secret  bool   // never shown
	Guess   bool   // whether it is secret is guessed from the name, as with names that are not in the table
	Shared  bool   // must be the same on all nodes of a cluster

	// EmptyIsDefault says that an empty value means the default, as Liferay's own file has an empty value.
	EmptyIsDefault bool

	kind kind // how the value is read; zero for a name that is not used
}

// used reports whether Stoa reads the property.
func (p *property) used() bool { return p.kind.set != nil }

// family reports whether the name has a placeholder.
func (p *property) family() bool { return strings.Contains(p.Name, "<") }

// section is a group of properties under one heading.
type section struct {
	Title string
	Intro string // may be empty
	Brief bool   // in the documents the names stand together under their meaning, and not in portal.properties
	Props []property
}

// sections is the whole table in the order in which it is printed.
func sections() []section {
	return []section{
		sectionHome(), sectionListen(), sectionWebServer(), sectionLimits(),
		sectionHosts(), sectionCompany(), sectionAdmin(), sectionOperators(), sectionPasswords(), sectionSession(),
		sectionSecret(), sectionLanguages(),
		sectionMail(),
		sectionDatabase(), sectionReadWrite(), sectionSchema(), sectionCounter(), sectionCache(), sectionChange(),
		sectionCluster(),
		sectionFiles(), sectionMove(), sectionSearch(), sectionJobs(), sectionLocks(), sectionTrash(), sectionAudit(),
		sectionLog(),
		sectionHealth(), sectionKnown(), sectionRest(),
	}
}

// registry finds the row of a name.
type registry struct {
	sections []section
	exact    map[string]*property
	families []*property
}

func newRegistry() *registry {
	r := &registry{sections: sections(), exact: map[string]*property{}}
	for _, s := range r.sections {
		for i := range s.Props {
			p := &s.Props[i]
			if p.family() {
				r.families = append(r.families, p)
				continue
			}
			r.exact[p.Name] = p
		}
	}
	return r
}

// find gives the row of a name and what stands in the place of the placeholder of a family.
func (r *registry) find(name string) (p *property, arg string) {
	if p, ok := r.exact[name]; ok {
		return p, ""
	}
	for _, p := range r.families {
		before, after, _ := strings.Cut(p.Name, "<")
		_, after, _ = strings.Cut(after, ">")
		if len(name) <= len(before)+len(after) || !strings.HasPrefix(name, before) || !strings.HasSuffix(name, after) {
			continue
		}
		arg := name[len(before) : len(name)-len(after)]
		if strings.Contains(p.Name, "<n>") && strings.Trim(arg, "0123456789") != "" {
			continue
		}
		return p, arg
	}
	return nil, ""
}

func (r *registry) knows(name string) bool {
	p, _ := r.find(name)
	return p != nil
}

// ownFilter is the filter that picks values for Stoa out of a file that another portal reads too.
const ownFilter = "stoa"

// canonical gives the name under which a value is kept. A filter may be written with or without
// quotes; [stoa] is taken off, and own tells so.
func (r *registry) canonical(name string) (result string, own bool) {
	base, rest, ok := strings.Cut(name, "[")
	if !ok || !strings.HasSuffix(rest, "]") || base == "" {
		return name, false
	}
	filter := strings.TrimSuffix(rest, "]")
	if len(filter) >= 2 && filter[0] == '"' && filter[len(filter)-1] == '"' {
		filter = filter[1 : len(filter)-1]
	}
	if filter == ownFilter {
		return base, true
	}
	for _, candidate := range []string{base + `["` + filter + `"]`, base + `[` + filter + `]`} {
		if r.knows(candidate) {
			return candidate, false
		}
	}
	return name, false
}

// filterOfKnown reports whether name is a known property with a filter that is not ours, such as
// name[tomcat]: it is meant for another portal and is not used.
func (r *registry) filterOfKnown(name string) bool {
	base, rest, ok := strings.Cut(name, "[")
	return ok && strings.HasSuffix(rest, "]") && r.knows(base)
}

// nearest gives the known name with the smallest edit distance to name, empty when none is near.
func (r *registry) nearest(name string) string {
	best, bestDistance := "", 1<<30
	for _, s := range r.sections {
		for i := range s.Props {
			p := &s.Props[i]
			if p.family() {
				continue
			}
			limit := max(2, len(p.Name)/3)
			if limit >= bestDistance {
				limit = bestDistance - 1
			}
			if d := distance(name, p.Name, limit); d <= limit {
				best, bestDistance = p.Name, d
			}
		}
	}
	return best
}

// distance is the number of single characters to add, drop, change or swap with their neighbour to
// turn a into b. It may give any number above limit when the distance is above limit.
func distance(a, b string, limit int) int {
	if limit < 0 || len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
			least = min(least, cur[j])
		}
		if least > limit {
			return limit + 1
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
