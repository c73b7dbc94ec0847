// Package asset keeps what all kinds of content have in common: an entry for each page, article, file and whatever
// else a kind is registered for, with its titles, owner, status and times, and the references between them. The
// owner of a kind writes the entry in the transaction of its own row (Put, Remove); from the entries come, once for
// all kinds, lists with filter, order and pages, and who refers to what. It knows no fields of the owners: what it
// needs from them, a Type says.
package asset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/site"
)

// Status is where a thing stands between being written and being gone.
type Status string

// The statuses. A thing can be scheduled or pending while visitors see an older version of it: Entry.Shown tells.
const (
	Draft     Status = "draft"
	Pending   Status = "pending" // waits for the approval of another person
	Scheduled Status = "scheduled"
	Live      Status = "live"
	Expired   Status = "expired"
	Trashed   Status = "trashed" // in the recycle bin: no visitor sees it, and no list has it but that of the bin
)

// Known reports whether s is one of the statuses.
func (s Status) Known() bool {
	switch s {
	case Draft, Pending, Scheduled, Live, Expired, Trashed:
		return true
	}
	return false
}

// Entry is what is known of a thing of any kind.
type Entry struct {
	Kind       string // as in permissions, change rows and terms; 40 bytes at most
	ID         stoa.ID
	Instance   stoa.ID
	Site       stoa.ID
	Parent     stoa.ID // the page or folder it is in; 0: none
	Form       string  // what the owner tells its things apart by, such as the media type; 120 bytes at most
	Status     Status
	Shown      bool        // visitors see a version of it
	Restricted bool        // it has grants of its own
	Locale     stoa.Locale // of the title that it is ordered by
	Titles     map[stoa.Locale]string
	Owner      stoa.ID // the person who made it; 0: no one that is known
	Created    time.Time
	Modified   time.Time
	Publish    time.Time // when it becomes visible; zero when nothing is scheduled
	Expire     time.Time // when it stops being visible; zero for never
	Version    int64     // the owner's; each change of the row raises it
}

// Title gives the title in a locale, in another form of its language, in the entry's own locale, or the first there is.
func (e Entry) Title(l stoa.Locale) string {
	if t := e.Titles[l]; t != "" {
		return t
	}
	keys := slices.Sorted(maps.Keys(e.Titles))
	for _, k := range keys {
		if l != "" && k.Language() == l.Language() && e.Titles[k] != "" {
			return e.Titles[k]
		}
	}
	if t := e.Titles[e.Locale]; t != "" {
		return t
	}
	for _, k := range keys {
		if e.Titles[k] != "" {
			return e.Titles[k]
		}
	}
	return ""
}

// Type says what has to be known of a kind. Package server registers one for each, by one line.
type Type struct {
	Kind string      // 40 bytes at most
	Name stoa.Phrase // what one is called: a key of package lang
	Icon string      // a name of package look
	// Changes are the kinds of change that name a thing whose row is another one; empty: Kind alone.
	Changes []string
	// Table is the owner's table whose rows are the things, by columns id and site.
	Table string
	// Read gives the entries of the things as their rows stand, in any order, without those that there are not. It
	// asks for no permission.
	Read func(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]Entry, error)
	// Rows says how lists read the table until all entries of the kind are made.
	Rows Rows
	// May asks whether the actor may do something with the thing, as the owner's methods do.
	May func(ctx context.Context, a access.Action, e Entry) error
	// Every reports whether the actor may do something with each thing of the kind in the site, so that they are counted
	// without asking for each; nil: each is asked for.
	Every func(ctx context.Context, a access.Action, st site.Site) (bool, error)
	// Screen is the path of the thing within the control panel, "/content/42".
	Screen func(e Entry) string
	// Links gives what the things refer to, as their rows stand; nil: nothing ever.
	Links func(ctx context.Context, q db.Queryer, e Entry) ([]Link, error)
	// Later are those of Changes after which the follower works out the references, within seconds, as the owner does
	// not: of what people change with each key.
	Later []string
	// Find gives those of the addresses, which are paths within the site such as "/w/tides", that are for things of
	// this kind, with the thing or, where there is none, 0; nil: nothing has an address. Types are asked in the order
	// in which they are registered, each for what the ones before have left.
	Find func(ctx context.Context, q db.Queryer, site stoa.ID, addresses []string) (map[string]stoa.ID, error)
	// Restore puts the row of a thing in the recycle bin back, Purge deletes it for good, in the transaction of the
	// caller and with the permission that they need; both call TakeTrash and Enter. nil: the kind has no recycle bin.
	// Places and Sites say where it can be put back besides (recycle.Kind).
	Restore func(ctx context.Context, tx *db.Tx, id stoa.ID, to *Place) (Restored, error)
	Purge   func(ctx context.Context, tx *db.Tx, id stoa.ID) error
	Places  func(ctx context.Context, site, instance stoa.ID) ([]Spot, error)
	Sites   bool
	// Found says how the things are searched for; nil: they are not.
	Found *Found
}

// Found says how things of a kind are searched for by their text.
type Found struct {
	// Documents gives the things that visitors may see, some of them at least, as the index has them: of those that
	// are asked for, without the others, in any order. It reads committed rows from q and asks for no permission.
	Documents func(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]search.Document, error)
	// Changes are the kinds of change after which a thing may be found otherwise: its own, and those of other things
	// whose change After tells.
	Changes []string
	// After gives the things that are found otherwise after changes of a kind of the things with these ids, in any order
	// and perhaps some twice or of another kind: of a kind of change that is not the type's own, those that depend on
	// it; of the type's own, those that lie below, which the same people may view.
	After func(ctx context.Context, q db.Queryer, change string, ids []stoa.ID) ([]stoa.ID, error)
	// Address is the path of the thing within its site. It asks for no permission.
	Address func(ctx context.Context, q db.Queryer, e Entry) (string, error)
}

// Options are what a Service needs. DB and Access are required.
type Options struct {
	DB     *db.DB
	Access *access.Service
	Cache  *cache.Cache // keeps which addresses are gone; nil: none is said to be
	Logger *slog.Logger
}

// Service lists the entries and keeps them as their owners' rows are. It is safe for concurrent use once all types
// are registered.
type Service struct {
	db     *db.DB
	access *access.Service
	log    *slog.Logger
	types  []Type
	bins   []recycle.Kind       // kinds of the recycle bin that are no content
	tally  map[string]*tally    // by kind
	gone   *cache.Region[Entry] // what was at an address, by site and hash
	narrow int                  // how many things a condition of a list may leave to be looked up one by one
}

// New makes a Service without types. It fails when a required option is missing.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Access == nil {
		return nil, errors.New("asset: Options.DB and Options.Access are required")
	}
	log := cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	s := &Service{db: o.DB, access: o.Access, log: log.With("component", "asset"),
		narrow: mostNarrow, tally: map[string]*tally{}}
	if o.Cache != nil {
		s.gone = cache.NewRegion(o.Cache, cache.RegionOptions{Name: "trash", StaleForGuests: true, MaxBytes: 8 << 20},
			func(Entry) int { return 400 })
	}
	return s, nil
}

// Register adds a kind. All kinds are registered before the service is used. It says what a type lacks.
func (s *Service) Register(types ...Type) error {
	for _, t := range types {
		switch {
		case t.Kind == "" || len(t.Kind) > maxKind:
			return fmt.Errorf("asset: a kind of 1 to %d bytes is expected, not %q", maxKind, t.Kind)
		case t.Name == "" || t.Table == "" || t.Read == nil || t.May == nil || t.Screen == nil:
			return fmt.Errorf("asset: the type %s needs Name, Table, Read, May and Screen", t.Kind)
		}
		if _, ok := s.Type(t.Kind); ok {
			return fmt.Errorf("asset: the type %s is registered twice", t.Kind)
		}
		s.types = append(s.types, t)
		s.tally[t.Kind] = new(tally)
	}
	return nil
}

// Type gives the type of a kind.
func (s *Service) Type(kind string) (Type, bool) {
	i := slices.IndexFunc(s.types, func(t Type) bool { return t.Kind == kind })
	if i < 0 {
		return Type{}, false
	}
	return s.types[i], true
}

// Of gives the kind of the things that a kind of change names, for the follower of the change log that fills; false
// where no type does.
func (s *Service) Of(change string) (kind string, ok bool) {
	for _, t := range s.types {
		if slices.Contains(t.Changes, change) || len(t.Changes) == 0 && t.Kind == change {
			return t.Kind, true
		}
	}
	return "", false
}

// Types gives all types in the order in which they were registered.
func (s *Service) Types() []Type { return slices.Clone(s.types) }
