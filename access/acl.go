package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// ACLs gives for each path the words that say who may view its first thing: the part of the path on which something
// is granted, or that has grants of its own. Things that the same people may view have the same words, as a rule, so an
// index can be narrowed by them: ParseACL makes a path of them that Check answers as it would for the thing. They are
// read from q, and are others once a thing on the path gets its first grant, loses its last one, or is moved.
func ACLs(ctx context.Context, q db.Queryer, paths []Path) ([]string, error) {
	byKind := map[string][]stoa.ID{}
	for _, p := range paths {
		for _, r := range p {
			if !anchor(r) && !slices.Contains(byKind[r.Kind], r.ID) {
				byKind[r.Kind] = append(byKind[r.Kind], r.ID)
			}
		}
	}
	granted := map[Resource]bool{}
	for kind, ids := range byKind {
		for part := range slices.Chunk(ids, 500) {
			if err := db.Each(ctx, q, func(row db.Scanner) error {
				r := Resource{Kind: kind}
				err := row.Scan(&r.ID)
				granted[r] = true
				return err
			}, "SELECT DISTINCT thing FROM access_grant WHERE kind = ? AND thing IN "+db.In(len(part)),
				append([]any{kind}, db.Args(part)...)...); err != nil {
				return nil, fmt.Errorf("access: find out on what something is granted: %w", err)
			}
		}
	}
	out := make([]string, len(paths))
	for i, p := range paths {
		if p.Instance() == 0 {
			return nil, fmt.Errorf("access: the path %v does not lead to an instance", p)
		}
		var b strings.Builder
		own := false
		for _, r := range p {
			// Above what has grants of its own nothing reaches the thing.
			if !anchor(r) && (own || !r.Own && !granted[Resource{Kind: r.Kind, ID: r.ID}]) {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte('/')
			}
			b.WriteString(r.Kind + ":" + r.ID.String())
			if r.Own && !own {
				b.WriteByte('!')
				own = true
			}
		}
		out[i] = b.String()
	}
	return out, nil
}

// anchor reports whether a resource stands on every path: grants on it say nothing that is special.
func anchor(r Resource) bool { return r.Kind == KindSite || r.Kind == KindInstance }

// ParseACL gives the path that words of ACLs stand for; ok is false when they are not such words.
func ParseACL(s string) (p Path, ok bool) {
	for part := range strings.SplitSeq(s, "/") {
		part, own := strings.CutSuffix(part, "!")
		kind, number, found := strings.Cut(part, ":")
		id, err := stoa.ParseID(number)
		if !found || err != nil {
			return nil, false
		}
		p = append(p, Resource{Kind: kind, ID: id, Own: own})
	}
	return p, p.Instance() != 0
}
