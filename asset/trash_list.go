package asset

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

// TrashFilter chooses among what is in a recycle bin. Zero values choose all.
type TrashFilter struct {
	Whole  bool // what belongs to the whole instance, such as roles, and to no site
	Kind   string
	Words  string // each is the beginning of a word of what the thing is called
	Person string // each word is the beginning of a word of the name of who put it there
	After  string // TrashList.Next of the page before; empty for the first page
	Limit  int    // 1 to 200
}

// TrashList is a page of what is in a recycle bin.
type TrashList struct {
	Items []Trash
	Next  string // for the page after; empty when there is no more
}

// Trash is FindTrash of all that is in the recycle bin of a site.
func (s *Service) Trash(ctx context.Context, st site.Site, after string, limit int) (TrashList, error) {
	return s.FindTrash(ctx, st, TrashFilter{After: after, Limit: limit})
}

// FindTrash gives a page of things in the recycle bin of a site, or of its instance, that the actor may change, the
// newest first. It needs Edit on the site, or Manage on the instance. A page can have fewer things than the limit, none
// even, though Next says that there are more: it ends when enough was looked at. A place or a kind that there is not is
// Invalid.
func (s *Service) FindTrash(ctx context.Context, st site.Site, f TrashFilter) (TrashList, error) {
	need, path := access.Edit, st.Path()
	if f.Whole {
		need, path = access.Manage, access.InstancePath(st.Instance)
	}
	if err := s.access.Check(ctx, need, path); err != nil {
		return TrashList{}, err
	}
	if _, ok := s.BinKind(f.Kind); f.Kind != "" && !ok {
		return TrashList{}, stoa.Invalid("kind", "%.40q is no kind of thing that the recycle bin has", f.Kind)
	}
	l, err := s.findTrash(ctx, db.Reader(ctx, s.db), st, f)
	if err != nil && !isAnswer(err) {
		err = fmt.Errorf("list the recycle bin of site %d: %w", st.ID, err)
	}
	return l, err
}

func (s *Service) findTrash(ctx context.Context, q db.Queryer, st site.Site, f TrashFilter) (TrashList, error) {
	limit := min(max(f.Limit, 1), MaxTrash)
	at, id, err := trashPlace(f.After)
	if err != nil {
		return TrashList{}, err
	}
	words, person := sought(f.Words), sought(f.Person)
	var out TrashList
	for looked := 0; ; {
		batch, err := trashBatch(ctx, q, st, f.Whole, at, id, MaxTrash+1)
		if err != nil {
			return out, err
		}
		for _, t := range batch {
			fits := (f.Kind == "" || t.Kind == f.Kind) && begins(wordsOf(t.Titles), words) &&
				begins(wordsOf(map[stoa.Locale]string{"": t.ByName}), person)
			if fits {
				if fits, err = s.trashAllowed(ctx, t); err != nil {
					return out, err
				}
			}
			if fits && len(out.Items) == limit || looked >= mostLooked {
				out.Next = fmt.Sprintf("%d-%d", at, id)
				return out, nil
			}
			if fits {
				out.Items = append(out.Items, t)
			}
			at, id = db.Micros(t.At), t.ID
			looked++
		}
		if len(batch) <= MaxTrash {
			return out, nil
		}
	}
}

// begins reports whether each of the parts is the beginning of one of the words.
func begins(words, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, part) })
	})
}

// trashAllowed asks the owner of a thing in the recycle bin whether the actor may change it.
func (s *Service) trashAllowed(ctx context.Context, t Trash) (bool, error) {
	k, ok := s.BinKind(t.Kind)
	if !ok { // a newer version knows it
		return false, nil
	}
	if k.May == nil {
		return s.allowed(ctx, access.Edit, t.Entry)
	}
	return answer(k.May(ctx, t.row))
}

func trashPlace(after string) (at int64, id stoa.ID, err error) {
	if after == "" {
		return 1<<63 - 1, 0, nil
	}
	first, second, _ := strings.Cut(after, "-")
	at, err = strconv.ParseInt(first, 10, 64)
	if err == nil {
		id, err = stoa.ParseID(second)
	}
	if err != nil {
		return 0, 0, stoa.Invalid("after", "%q is not a place in the recycle bin", stoa.Clip(after, 60))
	}
	return at, id, nil
}

// trashBatch gives the next n things behind a place. Things of all kinds have ids from one counter, so that time and id
// are a place.
func trashBatch(
	ctx context.Context, q db.Queryer, st site.Site, whole bool, at int64, id stoa.ID, n int,
) ([]Trash, error) {
	siteID := st.ID
	if whole {
		siteID = 0
	}
	rows, err := recycle.Select(ctx, q, "WHERE instance = ? AND site = ? AND root = 0 AND trashed <= ? "+
		"AND NOT (trashed = ? AND id >= ?) ORDER BY trashed DESC, id DESC LIMIT ?", st.Instance, siteID, at, at, id, n)
	if err != nil {
		return nil, err
	}
	return titled(ctx, q, rows)
}

// Trashed gives things in the recycle bin that the actor may change, in the order in which they are named. One that is
// not there by itself, or not for the actor, is NotFound.
func (s *Service) Trashed(ctx context.Context, things []Ref) ([]Trash, error) {
	if len(things) > MaxTrash {
		return nil, stoa.Invalid("thing", "at most %d things can be chosen at once; %d are", MaxTrash, len(things))
	}
	rows := make([]recycle.Row, len(things))
	for i, r := range things {
		var err error
		if rows[i], err = recycle.One(ctx, s.db, r.Kind, r.ID); err != nil {
			return nil, err
		}
	}
	list, err := titled(ctx, s.db, rows)
	if err != nil {
		return nil, err
	}
	for _, t := range list {
		ok, err := s.trashAllowed(ctx, t)
		if err != nil {
			return nil, err
		}
		if !ok || t.Root != 0 {
			return nil, stoa.NotFound("thing in the recycle bin", t.ID)
		}
	}
	return list, nil
}

// titled gives rows of the recycle bin with what is known of the things.
func titled(ctx context.Context, q db.Queryer, rows []recycle.Row) ([]Trash, error) {
	ids := map[string][]stoa.ID{}
	for _, r := range rows {
		if r.Title == "" {
			ids[r.Kind] = append(ids[r.Kind], r.ID)
		}
	}
	entries := map[Ref]Entry{}
	for kind, list := range ids {
		err := db.Each(ctx, q, func(r db.Scanner) error {
			one, err := scanRow(r)
			entries[Ref{Kind: kind, ID: one.ID}] = one.Entry
			return err
		}, "SELECT "+columns+" FROM asset_entry e WHERE e.kind = ? AND e.id IN "+db.In(len(list)),
			append([]any{kind}, db.Args(list)...)...)
		if err != nil {
			return nil, err
		}
	}
	out := make([]Trash, len(rows))
	for i, r := range rows {
		out[i] = trashOf(r)
		if e, ok := entries[Ref{Kind: r.Kind, ID: r.ID}]; ok {
			out[i].Entry = e
		} else {
			out[i].Titles = map[stoa.Locale]string{"": r.Title}
		}
	}
	return out, nil
}
