package cache

import (
	"cmp"
	"slices"
	"strconv"
)

// maxTags is how many tags one entry keeps. A load that declares more has the things of its
// best represented kind replaced by the tag for everything of that kind.
const maxTags = 64

// everything is the kind that stands for all kinds, in changes and in tags.
const everything = "*"

// Tag says what a cached value depends on. With an ID it is one thing (article:42). Without, it is
// anything of the kind in the scope, including what is not there yet (article@7); scope 0 is any
// scope (article@*). Kind "*" depends on every change there is.
type Tag struct {
	Kind  string
	ID    int64
	Scope int64
}

// String gives the written form: article:42, article@7, article@* or *.
func (t Tag) String() string {
	switch {
	case t.Kind == everything:
		return everything
	case t.ID != 0:
		return t.Kind + ":" + strconv.FormatInt(t.ID, 10)
	case t.Scope != 0:
		return t.Kind + "@" + strconv.FormatInt(t.Scope, 10)
	}
	return t.Kind + "@*"
}

// Change is one row of the change log as far as caches care. ID 0 means every thing of the kind in
// the scope; scope 0 means every scope; kind "*" (or no kind, to be safe) means everything.
// A thing that moves from one scope to another needs a change for each.
type Change struct {
	Kind  string
	ID    int64
	Scope int64
	// Writer and N are the write it belongs to, as in Standing. Without them the change is taken to
	// stand for everything that the node's own Standing holds after it.
	Writer int64
	N      uint64
}

// normal gives the tag in the one form under which it is indexed.
func (t Tag) normal() Tag {
	switch {
	case t.Kind == everything:
		return Tag{Kind: everything}
	case t.ID != 0:
		return Tag{Kind: t.Kind, ID: t.ID}
	}
	return t
}

func compareTags(a, b Tag) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Scope, b.Scope))
}

// tagSet collects the tags of one load and never grows over maxTags: it gives up detail, never
// coverage.
type tagSet struct {
	m map[Tag]struct{}
}

func (s *tagSet) add(t Tag) {
	t = t.normal()
	if s.m == nil {
		s.m = make(map[Tag]struct{}, 8)
	}
	if _, ok := s.m[t]; ok || s.covers(t.Kind) {
		return
	}
	if t.Kind == everything {
		clear(s.m)
	} else if t.ID == 0 && t.Scope == 0 {
		s.forget(t.Kind)
	}
	s.m[t] = struct{}{}
	if len(s.m) > maxTags {
		s.collapse()
	}
}

// covers reports whether a tag for every change of the kind is already held.
func (s *tagSet) covers(kind string) bool {
	if _, ok := s.m[Tag{Kind: kind}]; ok {
		return true
	}
	_, ok := s.m[Tag{Kind: everything}]
	return ok
}

func (s *tagSet) forget(kind string) {
	for t := range s.m {
		if t.Kind == kind {
			delete(s.m, t)
		}
	}
}

// collapse replaces the things of the kind that has most of them by the tag for all of the kind;
// when there are no things left, the scopes of one kind; when there are only whole kinds, all.
func (s *tagSet) collapse() {
	things, scopes := map[string]int{}, map[string]int{}
	for t := range s.m {
		if t.ID != 0 {
			things[t.Kind]++
		} else if t.Scope != 0 {
			scopes[t.Kind]++
		}
	}
	kind, n := most(things)
	if n < 2 {
		kind, n = most(scopes)
	}
	if n < 2 {
		clear(s.m)
		s.m[Tag{Kind: everything}] = struct{}{}
		return
	}
	s.forget(kind)
	s.m[Tag{Kind: kind}] = struct{}{}
}

func most(counts map[string]int) (kind string, n int) {
	for k, c := range counts {
		if c > n || c == n && k < kind {
			kind, n = k, c
		}
	}
	return kind, n
}

// sorted gives the tags in a stable order.
func (s *tagSet) sorted() []Tag {
	if len(s.m) == 0 {
		return nil
	}
	tags := make([]Tag, 0, len(s.m))
	for t := range s.m {
		tags = append(tags, t)
	}
	slices.SortFunc(tags, compareTags)
	return tags
}
