package index

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/search"
)

// words are the ACLs that the documents of an instance have, in order. Some may be of none any more.
type words struct {
	generation int64
	list       []string
	read       time.Time // from the engine
}

// wordsAge is how old the list of a shared index may be: another node writes it.
const wordsAge = time.Second

// learn notes that a document of the instance has the ACL.
func (s *Service) learn(instance stoa.ID, acl string) {
	for {
		v, ok := s.acls.Load(instance)
		if !ok { // read with the first question
			return
		}
		have := v.(*words)
		at, found := slices.BinarySearch(have.list, acl)
		if found {
			return
		}
		next := &words{s.generation.Add(1), slices.Insert(slices.Clone(have.list), at, acl), have.read}
		if s.acls.CompareAndSwap(instance, v, next) {
			return
		}
	}
}

// known gives the ACLs of an instance; fresh wants those of a shared index as they are now.
func (s *Service) known(ctx context.Context, instance stoa.ID, fresh bool) (*words, error) {
	v, ok := s.acls.Load(instance)
	if ok && (!s.shared() || !fresh && time.Since(v.(*words).read) < wordsAge) {
		return v.(*words), nil
	}
	if s.shared() {
		return s.readWords(ctx, instance, v)
	}
	s.writing.Lock() // nothing is learned between reading and keeping
	defer s.writing.Unlock()
	list, err := s.o.Engine.ACLs(ctx, instance)
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	v, _ = s.acls.LoadOrStore(instance, &words{generation: s.generation.Add(1), list: slices.Compact(list)})
	return v.(*words), nil
}

// readWords reads the list of a shared index, before the question that it is for. One that is as it was keeps its
// generation, so that what was found out about it stays in the cache.
func (s *Service) readWords(ctx context.Context, instance stoa.ID, old any) (*words, error) {
	began := time.Now()
	list, err := s.o.Engine.ACLs(ctx, instance)
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	list = slices.Compact(list)
	next := &words{list: list, read: began}
	if was, ok := old.(*words); ok && slices.Equal(was.list, list) {
		next.generation = was.generation
	} else {
		next.generation = s.generation.Add(1)
	}
	s.acls.Store(instance, next)
	return next, nil
}

// may narrows a question to what the actor may view.
func (s *Service) may(ctx context.Context, q *search.Query) error {
	actor := stoa.ActorFrom(ctx)
	q.ACLs, q.All = nil, false
	if actor.System || actor.Admin && actor.SignedIn() && actor.Instance == q.Instance {
		q.All = true
		return nil
	}
	have, err := s.known(ctx, q.Instance, actor.SignedIn())
	if err != nil {
		return err
	}
	if len(have.list) == 0 {
		return nil
	}
	var key strings.Builder
	key.WriteString(q.Instance.String() + "/" + actor.Instance.String() + "/" + strconv.FormatInt(have.generation, 36))
	roles := slices.Clone(actor.Roles)
	slices.Sort(roles)
	for _, r := range roles {
		key.WriteString("/" + strconv.FormatInt(int64(r), 36))
	}
	q.ACLs, err = s.allowed.Get(ctx, key.String(), func(ctx context.Context, l *cache.Load) ([]string, error) {
		// Tags come from the grants that are read.
		var out []string
		ctx = stoa.WithActor(ctx, actor)
		for _, acl := range have.list {
			p, ok := access.ParseACL(acl)
			if !ok {
				continue
			}
			switch err := s.o.Access.Check(ctx, access.View, p); {
			case err == nil:
				out = append(out, acl)
			case stoa.Is(err, stoa.KindNotFound), stoa.Is(err, stoa.KindForbidden), stoa.Is(err, stoa.KindUnauthorized):
			default:
				return nil, err
			}
		}
		return out, nil
	})
	return err
}
