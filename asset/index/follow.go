package index

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/follow"
	"github.com/stoa-portal/stoa/search"
)

// FollowerName is the name of the follower that fills the index of a node, which is added to it; SharedName that of the
// one that fills an index which all nodes share.
const (
	FollowerName = "search"
	SharedName   = "search-server"
)

// gather is how long the follower of a shared index waits for more, so that the server is not asked to show what is
// written for each thing by itself.
const gather = 200 * time.Millisecond

// Follower is what fills the index. That of a node has its place within the index; a shared one is filled by one node
// at a time, and its place is in the database.
func (s *Service) Follower() follow.Follower {
	var kinds []string
	for _, t := range s.types() {
		kinds = append(kinds, t.Found.Changes...)
	}
	slices.Sort(kinds)
	if s.shared() {
		return follow.Follower{Name: SharedName, Kinds: slices.Compact(kinds), Effect: follow.Outside, Gather: gather,
			Patient: true, Apply: s.follow, Rebuild: s.rebuild, Began: s.term.began}
	}
	return follow.Follower{Name: FollowerName, Kinds: slices.Compact(kinds), Effect: follow.OwnPlace,
		Apply: s.follow, Rebuild: s.rebuild, Token: s.o.Engine.Token}
}

// follow brings the index to the present state of what was changed. What lies below a thing, or depends on it, is
// written before the thing itself, which is written with the token: so when this is cut off, it is all done again.
func (s *Service) follow(ctx context.Context, b follow.Batch) error {
	instances, err := s.instances(ctx)
	if err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.sameIndex(ctx); err != nil {
		return err
	}
	s.reading = s.term.current()
	var docs []search.Document
	for _, t := range s.types() {
		changed := map[string][]stoa.ID{} // by kind of change
		for _, c := range b.Changes {
			if slices.Contains(t.Found.Changes, c.Kind) {
				changed[c.Kind] = append(changed[c.Kind], c.ID)
			}
		}
		own := sorted(changed[t.Kind])
		delete(changed, t.Kind)
		for part := range slices.Chunk(own, portion) {
			d, err := s.compare(ctx, t, part, instances, true)
			if err != nil {
				return err
			}
			docs = append(docs, d.docs...)
			if len(d.moved) > 0 {
				changed[t.Kind] = append(changed[t.Kind], d.moved...)
			}
		}
		if err := s.writeAfter(ctx, t, changed, own, instances); err != nil {
			return err
		}
	}
	if err := s.write(ctx, docs, b.Token); err != nil {
		return err
	}
	s.placed = s.placed || b.Token != nil
	return nil
}

// sameIndex sees to it that a shared index is this portal's. Of a node's own index it fails once after the index was
// replaced by an empty one: the follower then begins at its beginning, instead of telling it the place in the log that
// the one before had.
func (s *Service) sameIndex(ctx context.Context) error {
	if s.shared() {
		return s.claim(ctx, false)
	}
	token, err := s.o.Engine.Token(ctx)
	if err != nil {
		return err
	}
	if token == nil && s.placed {
		s.placed = false
		return stoa.Unavailable(nil, "the index of the search was made anew")
	}
	return nil
}

// writeAfter writes what is found otherwise after changes, by their kinds, but for the things that are compared
// already.
func (s *Service) writeAfter(
	ctx context.Context, t asset.Type, changed map[string][]stoa.ID, but, instances []stoa.ID,
) error {
	if t.Found.After == nil {
		return nil
	}
	var ids []stoa.ID
	for kind, things := range changed {
		more, err := t.Found.After(ctx, s.o.DB, kind, sorted(things))
		if err != nil {
			return fmt.Errorf("%w: what changes of the kind %s touch: %w", ErrRows, kind, err)
		}
		ids = append(ids, more...)
	}
	ids = slices.DeleteFunc(sorted(ids), func(id stoa.ID) bool {
		_, compared := slices.BinarySearch(but, id)
		return compared
	})
	for part := range slices.Chunk(ids, portion) {
		d, err := s.compare(ctx, t, part, instances, true)
		if err != nil {
			return err
		}
		if err := s.write(ctx, d.docs, nil); err != nil {
			return err
		}
	}
	return nil
}

// sorted gives each id once, in order.
func sorted(ids []stoa.ID) []stoa.ID {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// spot is where a portion of a rebuild begins: at the rows of a kind, or, later, at what the index has of it in an
// instance.
type spot struct {
	kind     string
	instance stoa.ID // 0: the rows
	after    stoa.ID
}

func (p spot) String() string {
	return fmt.Sprintf("%s %d %d", p.kind, p.instance, p.after)
}

func parseSpot(text string) (p spot, ok bool) {
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return spot{}, false
	}
	instance, err1 := strconv.ParseInt(parts[1], 10, 64)
	after, err2 := strconv.ParseInt(parts[2], 10, 64)
	return spot{parts[0], stoa.ID(instance), stoa.ID(after)}, err1 == nil && err2 == nil
}

// rebuild looks at the things of a scope: first at all that there are, then at all that the index has of them.
func (s *Service) rebuild(ctx context.Context, p follow.Portion) (string, error) {
	types := s.types()
	if p.Kind != change.Everything {
		types = slices.DeleteFunc(types, func(t asset.Type) bool { return !slices.Contains(t.Found.Changes, p.Kind) })
	}
	if len(types) == 0 {
		return "", nil
	}
	at, ok := parseSpot(p.From)
	i := slices.IndexFunc(types, func(t asset.Type) bool { return t.Kind == at.kind })
	if !ok || i < 0 {
		at, i = spot{kind: types[0].Kind}, 0
	}
	if s.shared() {
		if err := s.claim(ctx, p.Kind == change.Everything && p.From == ""); err != nil {
			return "", err
		}
	}
	instances, err := s.instances(ctx)
	if err != nil {
		return "", err
	}
	scope := p.Scope
	if p.Kind != types[i].Kind { // the scope of another kind
		scope = 0
	}
	last, err := s.look(ctx, types[i], at, scope, instances)
	if err != nil {
		return "", err
	}
	if last != 0 {
		at.after = last
		return at.String(), nil
	}
	next := slices.IndexFunc(instances, func(id stoa.ID) bool { return id > at.instance })
	switch {
	case next >= 0 && scope == 0: // within a site, what is gone is named one by one
		return spot{at.kind, instances[next], 0}.String(), nil
	case i+1 < len(types):
		return spot{kind: types[i+1].Kind}.String(), nil
	}
	return "", nil
}

// look compares a portion of a kind and writes what differs; last is 0 at the end.
func (s *Service) look(
	ctx context.Context, t asset.Type, at spot, scope stoa.ID, instances []stoa.ID,
) (last stoa.ID, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.reading = s.term.current()
	ids, err := s.ids(ctx, t, at, scope)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	d, err := s.compare(ctx, t, ids, instances, false)
	if err != nil {
		return 0, err
	}
	return ids[len(ids)-1], s.write(ctx, d.docs, nil)
}

// ids gives the next things of a kind by their rows, or by what the index has.
func (s *Service) ids(ctx context.Context, t asset.Type, at spot, scope stoa.ID) ([]stoa.ID, error) {
	if at.instance == 0 {
		where, args := "", []any{at.after}
		if scope != 0 {
			where, args = " AND site = ?", append(args, scope)
		}
		list, err := db.All(ctx, s.o.DB, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) },
			"SELECT id FROM "+t.Table+" WHERE id > ?"+where+" ORDER BY id LIMIT ?", append(args, portion)...)
		if err != nil {
			return nil, fmt.Errorf("%w: the list of the kind %s: %w", ErrRows, t.Kind, err)
		}
		return list, nil
	}
	known, err := s.o.Engine.Walk(ctx, at.instance, t.Kind, at.after, portion)
	if err != nil {
		return nil, err
	}
	ids := make([]stoa.ID, len(known))
	for i, k := range known {
		ids[i] = k.ID
	}
	return ids, nil
}
