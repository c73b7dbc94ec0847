// Package index keeps the documents of a search engine as the rows of their owners are, and answers who searches: with
// what they may see and nothing else. It is a follower of the change log, and compares index and rows all the time.
package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/follow"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/site"
)

// Options are what a Service needs; all but Logger and the functions are required.
type Options struct {
	DB     *db.DB
	Engine search.Engine
	Assets *asset.Service
	Access *access.Service
	Sites  *site.Service
	Cache  *cache.Cache
	Logger *slog.Logger
	// Settle waits until what was committed before the call is in the index, but for what is filled anew; Idle for that
	// as well. nil: no one waits.
	Settle func(ctx context.Context) error
	Idle   func(ctx context.Context) error
	// Portal names the portal where all nodes share the index; "" where each node has its own.
	Portal string
	// Held refuses that the shared index is written; nil: nothing does.
	Held func() error
	// Refill has the follower look at everything again; nil where each node has its own index.
	Refill func(ctx context.Context) error
	// Failed is told of each question that the index could not answer; nil: no one is.
	Failed func(err error)
}

// Service keeps the index. It is safe for concurrent use.
type Service struct {
	o       Options
	log     *slog.Logger
	allowed *cache.Region[[]string]

	// Each writer reads the rows under this lock, so that of two who write a thing the later one has read later.
	writing sync.Mutex
	placed  bool // the index has had a place in the change log; held by writing

	// Of an index that is shared.
	term     term
	reading  follow.Term // in which the rows are read that are written next; held by writing
	claiming sync.Mutex
	refilled time.Time    // held by claiming
	whose    atomic.Int32 // whose
	// unsure are things of which something was sent without an answer, with their instances: it may still arrive. Held
	// by writing.
	unsure map[search.Key]stoa.ID

	acls       sync.Map // by instance: *words
	generation atomic.Int64

	proof proof
}

// New makes a Service. It fails when a required option is missing.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Engine == nil || o.Assets == nil || o.Access == nil || o.Sites == nil || o.Cache == nil {
		return nil, errors.New("index: Options.DB, Engine, Assets, Access, Sites and Cache are required")
	}
	log := cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return &Service{o: o, log: log.With("component", "search"),
		allowed: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "search-acl", MaxBytes: 4 << 20},
			func(list []string) int {
				n := 48
				for _, s := range list {
					n += 16 + len(s)
				}
				return n
			})}, nil
}

// Engine is what keeps the index.
func (s *Service) Engine() search.Engine { return s.o.Engine }

// shared reports whether all nodes have one index.
func (s *Service) shared() bool { return s.o.Portal != "" }

// Writes reports whether this node is the one that writes the index.
func (s *Service) Writes() bool { return !s.shared() || s.term.current() != (follow.Term{}) }

// types are the kinds that are searched for.
func (s *Service) types() []asset.Type {
	return slices.DeleteFunc(slices.Clone(s.o.Assets.Types()), func(t asset.Type) bool { return t.Found == nil })
}

// ErrRows says that it was the database that could not answer, and not the index.
var ErrRows = errors.New("index: the rows cannot be read")

// portion is how many things are looked at at once: their texts are in memory meanwhile.
const portion = 50

// instances are those of the portal.
func (s *Service) instances(ctx context.Context) ([]stoa.ID, error) {
	list, err := db.All(ctx, s.o.DB, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) },
		"SELECT id FROM site_instance ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("%w: the instances: %w", ErrRows, err)
	}
	return list, nil
}

// difference is what has to be written so that the index has things as their rows are.
type difference struct {
	docs []search.Document
	// moved are things that other people may view than the index knows, or that it does not know: what lies below them
	// may be for other people, too.
	moved []stoa.ID
}

// compare tells how the index differs from the rows of things of a kind; told says that the log names them. It is
// called with writing held.
func (s *Service) compare(
	ctx context.Context, t asset.Type, ids, instances []stoa.ID, told bool,
) (difference, error) {
	var d difference
	list, err := t.Found.Documents(ctx, s.o.DB, ids)
	if err != nil {
		return d, fmt.Errorf("%w: those of the kind %s: %w", ErrRows, t.Kind, err)
	}
	now := make(map[stoa.ID]search.Document, len(list))
	for _, doc := range list {
		doc.Sign()
		now[doc.ID] = doc
	}
	keys := make([]search.Key, len(ids))
	for i, id := range ids {
		keys[i] = search.Key{Kind: t.Kind, ID: id}
	}
	had, removed := map[stoa.ID]search.Known{}, map[stoa.ID]bool{}
	for _, instance := range instances {
		known, err := s.o.Engine.Known(ctx, instance, keys)
		if err != nil {
			return d, err
		}
		for _, k := range known {
			if doc, ok := now[k.ID]; ok && doc.Instance == instance {
				had[k.ID] = k
				continue
			}
			d.docs = append(d.docs, search.Document{Kind: t.Kind, ID: k.ID, Instance: instance, Gone: true})
			removed[k.ID] = true
		}
	}
	for _, id := range ids {
		doc, is := now[id]
		k, was := had[id]
		key := search.Key{Kind: t.Kind, ID: id}
		if is && (!was || doc.Digest != k.Digest || s.again(k, told)) {
			d.docs = append(d.docs, doc)
		}
		if !is && !removed[id] && s.shared() {
			d.docs = append(d.docs, s.surelyGone(key, instances, told)...)
		}
		if !is || !was || doc.ACL != k.ACL {
			d.moved = append(d.moved, id)
		}
	}
	return d, nil
}

// again reports whether a document is written though the index has it as it is: another one may still arrive, which an
// earlier writer has sent, or this one without an answer.
func (s *Service) again(k search.Known, told bool) bool {
	if !s.shared() {
		return false
	}
	_, unsure := s.unsure[k.Key]
	return unsure || told && k.Version <= s.term.floor()
}

// surelyGone are the removals of a thing that the index does not have, while one may still arrive.
func (s *Service) surelyGone(k search.Key, instances []stoa.ID, told bool) (docs []search.Document) {
	if instance, unsure := s.unsure[k]; unsure {
		instances = []stoa.ID{instance}
	} else if !told || !s.term.isYoung() {
		return nil
	}
	for _, instance := range instances {
		docs = append(docs, search.Document{Kind: k.Kind, ID: k.ID, Instance: instance, Gone: true})
	}
	return docs
}

// doubt notes documents that may or may not have been written.
func (s *Service) doubt(docs []search.Document) {
	if !s.shared() {
		return
	}
	if s.unsure == nil {
		s.unsure = map[search.Key]stoa.ID{}
	}
	for _, d := range docs {
		s.unsure[d.Key()] = d.Instance
	}
}

// write puts documents into the index, with the token at the end.
func (s *Service) write(ctx context.Context, docs []search.Document, token []byte) error {
	for ; len(docs) > 2*portion; docs = docs[2*portion:] {
		if err := s.apply(ctx, docs[:2*portion], nil); err != nil {
			return err
		}
	}
	if len(docs) == 0 && token == nil {
		return nil
	}
	return s.apply(ctx, docs, token)
}

func (s *Service) apply(ctx context.Context, docs []search.Document, token []byte) error {
	if s.shared() {
		if err := s.term.number(docs, s.reading); err != nil {
			return err
		}
	}
	if err := s.o.Engine.Apply(ctx, docs, token, true); err != nil {
		s.doubt(docs)
		return err
	}
	for _, d := range docs {
		delete(s.unsure, d.Key())
	}
	for _, d := range docs {
		if !d.Gone {
			s.learn(d.Instance, d.ACL)
		}
	}
	return nil
}
