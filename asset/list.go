package asset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// Sort is the order of a list.
type Sort uint8

// The orders. What is equal follows by id.
const (
	ByModified Sort = iota // the newest first
	ByCreated              // the newest first
	ByTitle                // as people sort, whatever the database thinks of letters
)

func (s Sort) column() string { return [...]string{"e.modified", "e.created", "e.title_key"}[s] }

func (s Sort) falls() bool { return s != ByTitle }

// Filter chooses entries. Zero values choose all.
type Filter struct {
	Kinds    []string // empty: all that are registered
	Status   []Status // empty: all but what is in the recycle bin
	Form     string   // where it ends with a slash, such as "image/", all forms that begin with it
	Owner    stoa.ID
	Parent   stoa.ID // the page or folder that it is in itself
	Category stoa.ID
	Tag      stoa.ID
	Words    string      // each is the beginning of a word of a title
	Since    time.Time   // changed not before
	Until    time.Time   // changed before
	Missing  stoa.Locale // has no title in this language
	// Need is what the actor must be allowed to do with what is listed; 0 means access.Edit. With access.View the list
	// has what visitors see and nothing else.
	Need  access.Action
	Sort  Sort
	Limit int // 1 to 200; 0 means 50
	// After is List.Next of the page before and Before List.Prev of the page after; both are empty for the first page,
	// and Before counts where both are given.
	After, Before string
}

// List is one page of a list.
type List struct {
	Items []Entry
	Next  string // for Filter.After; empty when there is no more
	Prev  string // for Filter.Before; empty on the first page, and where nothing is left on this one
}

const (
	// MostCounted is the greatest total that Count gives.
	MostCounted = 10_000
	// mostNarrow is how many things a condition may leave to be looked at one by one.
	mostNarrow = 5000
	// mostLooked is how many entries a page looks at for an actor who may do little; the rest is on the next page.
	mostLooked = 2000
	// mostIDs is how many ids stand in one statement: MariaDB plans more than a thousand differently.
	mostIDs = 500
)

// List gives a page of the entries of a site that the actor may do Need with, each asked one by one. It needs View on
// the site. A page can have fewer entries than the limit, none even, though Next says that there are more: it ends
// when enough was looked at. A kind, an order or a place that there is not is Invalid.
func (s *Service) List(ctx context.Context, st site.Site, f Filter) (List, error) {
	if err := s.access.Check(ctx, access.View, st.Path()); err != nil {
		return List{}, err
	}
	l, err := s.list(ctx, db.Reader(ctx, s.db), st, f)
	if err != nil && !isAnswer(err) {
		err = fmt.Errorf("list the assets of site %d: %w", st.ID, err)
	}
	return l, err
}

func isAnswer(err error) bool { return stoa.Is(err, stoa.KindInvalid) }

func (s *Service) list(ctx context.Context, q db.Queryer, st site.Site, f Filter) (List, error) {
	c, err := s.choice(ctx, q, st, f)
	if err != nil {
		return List{}, err
	}
	p, err := s.page(ctx, q, c)
	if err != nil {
		return List{}, err
	}
	out := List{Items: p.items}
	if !c.back {
		if p.more {
			out.Next = p.last.String()
		}
		if f.After != "" && p.first.ID != 0 {
			out.Prev = p.first.String()
		}
		return out, nil
	}
	if !p.more && len(p.items) < c.limit { // the beginning is nearer than a page: the first one is full
		f.Before, f.After = "", ""
		return s.list(ctx, q, st, f)
	}
	slices.Reverse(out.Items)
	if p.more {
		out.Prev = p.last.String()
	}
	if p.first.ID != 0 {
		out.Next = p.first.String()
	}
	return out, nil
}

// paged is a page in the direction in which it was read.
type paged struct {
	items       []Entry
	first, last spot // of the first that was looked at, and of the last behind which it goes on
	more        bool
}

func (s *Service) page(ctx context.Context, q db.Queryer, c *choice) (p paged, err error) {
	for looked := 0; ; {
		batch, end, err := c.next(ctx, q, c.limit+1)
		if err != nil {
			return p, err
		}
		for _, r := range batch {
			if p.first.ID == 0 {
				p.first = r.at
			}
			ok, err := s.chosen(ctx, c, r)
			if err != nil {
				return p, err
			}
			if ok && len(p.items) == c.limit {
				p.more = true
				return p, nil
			}
			if ok {
				p.items, p.last = append(p.items, r.Entry), r.at
			}
		}
		if end {
			return p, nil
		}
		if looked += len(batch); looked >= mostLooked {
			p.last, p.more = batch[len(batch)-1].at, true
			return p, nil
		}
	}
}

// chosen holds an entry to what no statement has asked of it, and asks its owner.
func (s *Service) chosen(ctx context.Context, c *choice, r row) (bool, error) {
	if !c.fits(r) {
		return false, nil
	}
	return s.allowed(ctx, c.Need, r.Entry)
}

// allowed asks the owner of the entry. What the actor may not do is a no; that it cannot be found out is an error.
func (s *Service) allowed(ctx context.Context, need access.Action, e Entry) (bool, error) {
	t, ok := s.Type(e.Kind)
	if !ok {
		return false, nil
	}
	return answer(t.May(ctx, need, e))
}

// answer makes a yes or no of what an owner says, unless it could not find out.
func answer(err error) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case stoa.Is(err, stoa.KindForbidden), stoa.Is(err, stoa.KindNotFound), stoa.Is(err, stoa.KindUnauthorized):
		return false, nil
	}
	return false, err
}

// Count gives how many entries the filter chooses for the actor; more says that there are more than MostCounted, or
// that counting was ended there. Limit and After do not matter. It needs View on the site.
func (s *Service) Count(ctx context.Context, st site.Site, f Filter) (n int, more bool, err error) {
	if err := s.access.Check(ctx, access.View, st.Path()); err != nil {
		return 0, false, err
	}
	n, more, err = s.count(ctx, db.Reader(ctx, s.db), st, f)
	if err != nil && !isAnswer(err) {
		err = fmt.Errorf("count the assets of site %d: %w", st.ID, err)
	}
	return n, more, err
}

func (s *Service) count(ctx context.Context, q db.Queryer, st site.Site, f Filter) (n int, more bool, err error) {
	f.After, f.Before, f.Limit, f.Sort = "", "", 0, ByModified
	c, err := s.choice(ctx, q, st, f)
	if err != nil {
		return 0, false, err
	}
	all, err := s.mayAll(ctx, c, st)
	if err != nil {
		return 0, false, err
	}
	if all && c.exact() {
		for i := range c.sources {
			here, err := c.countAll(ctx, q, &c.sources[i])
			if n += here; err != nil || n > MostCounted {
				return min(n, MostCounted), n > MostCounted, err
			}
		}
		return n, false, nil
	}
	c.bare = c.Missing == ""
	const portion = 1000
	for looked := 0; looked < MostCounted; {
		batch, end, err := c.next(ctx, q, portion)
		if err != nil {
			return 0, false, err
		}
		for _, r := range batch {
			ok, err := s.chosen(ctx, c, r)
			if err != nil {
				return 0, false, err
			}
			if ok {
				n++
			}
		}
		if looked += len(batch); end {
			return n, false, nil
		}
	}
	return n, true, nil
}

// mayAll reports whether the actor may do what the filter needs with everything that it chooses, so that none of it has
// to be asked for.
func (s *Service) mayAll(ctx context.Context, c *choice, st site.Site) (bool, error) {
	actor := stoa.ActorFrom(ctx)
	if actor.System || actor.Admin && actor.SignedIn() && actor.Instance == st.Instance {
		return c.Need != access.View, nil
	}
	for _, src := range c.sources {
		if src.t.Every == nil {
			return false, nil
		}
		if ok, err := src.t.Every(ctx, c.Need, st); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// choice is a filter that was checked, and the sources of its entries: one for each kind, so that each is read along
// an index that begins with the site and the kind.
type choice struct {
	Filter
	words   []string
	site    stoa.ID
	limit   int
	back    bool // against the order
	bare    bool // only what owners are asked with is read, no titles
	sources []source
	at      spot
}

// spot is a place in an order: behind an entry.
type spot struct {
	Sort Sort
	N    int64  `json:",omitempty"`
	Key  []byte `json:",omitempty"`
	ID   stoa.ID
}

func (s Sort) spot(r row) spot {
	switch s {
	case ByCreated:
		return spot{Sort: s, N: db.Micros(r.Created), ID: r.ID}
	case ByTitle:
		return spot{Sort: s, Key: r.key, ID: r.ID}
	}
	return spot{Sort: s, N: db.Micros(r.Modified), ID: r.ID}
}

// String gives the text of a place, for addresses.
func (p spot) String() string {
	raw, err := json.Marshal(p)
	if err != nil {
		return "" // numbers and bytes can be written
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parsePlace(text string, s Sort) (spot, error) {
	if text == "" {
		return spot{}, nil
	}
	var p spot
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil || p.Sort != s || p.ID <= 0 || len(text) > 1000 {
		return p, stoa.Invalid("after", "this is no place in a list in this order: begin again with the first page")
	}
	return p, nil
}

// falls reports whether the list is read from great to small.
func (c *choice) falls() bool { return c.Sort.falls() != c.back }

// compare orders places as the list is read.
func (c *choice) compare(p, o spot) int {
	by := cmp.Or(cmp.Compare(p.N, o.N), bytes.Compare(p.Key, o.Key), cmp.Compare(p.ID, o.ID))
	if c.falls() {
		return -by
	}
	return by
}

// value is what the column of the order has there.
func (p spot) value() any {
	if p.Sort == ByTitle {
		return p.Key
	}
	return p.N
}

func (s *Service) choice(ctx context.Context, q db.Queryer, st site.Site, f Filter) (*choice, error) {
	if f.Sort > ByTitle {
		return nil, stoa.Invalid("sort", "%d is no order of a list", f.Sort)
	}
	at, err := parsePlace(cmp.Or(f.Before, f.After), f.Sort)
	if err != nil {
		return nil, err
	}
	f.Need = cmp.Or(f.Need, access.Edit)
	c := &choice{Filter: f, words: sought(f.Words), site: st.ID, at: at, back: f.Before != "",
		limit: min(cmp.Or(max(f.Limit, 0), 50), 200)}
	for _, status := range f.Status {
		if !status.Known() {
			return nil, stoa.Invalid("status", "%.40q is not a status: draft, pending, scheduled, live, expired or trashed "+
				"is expected", status)
		}
	}
	kinds := slices.Compact(slices.Sorted(slices.Values(f.Kinds)))
	if len(kinds) == 0 {
		for _, t := range s.types {
			kinds = append(kinds, t.Kind)
		}
	}
	for _, kind := range kinds {
		t, ok := s.Type(kind)
		if !ok {
			return nil, stoa.Invalid("kind", "%.40q is not a kind of content", kind)
		}
		one, err := c.source(ctx, q, t, s.narrow)
		if err != nil {
			return nil, err
		}
		if !one.narrow || len(one.only) > 0 {
			c.sources = append(c.sources, one)
		}
	}
	return c, nil
}

// next gives the next entries of all sources, at most n, and moves on behind them; end says that there are no more.
func (c *choice) next(ctx context.Context, q db.Queryer, n int) (out []row, end bool, err error) {
	end = true
	for i := range c.sources {
		rows, last, err := c.from(ctx, q, &c.sources[i], n)
		if err != nil {
			return nil, false, err
		}
		out, end = append(out, rows...), end && last
	}
	slices.SortFunc(out, func(a, b row) int { return c.compare(a.at, b.at) })
	if len(out) > n {
		out, end = out[:n], false
	}
	if len(out) == 0 {
		return nil, true, nil
	}
	c.at = out[len(out)-1].at
	return out, end, nil
}
