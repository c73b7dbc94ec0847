package cache

import "sync"

// index knows two things under one lock, and that they are under one lock is the fill guard: which
// entries carry a tag, and the number of the last begun change that touched a tag. An entry is
// admitted (checked and linked) in one step, a change begins (numbered and its entries collected)
// in one step, so of any entry and any change either the change finds the entry or the entry is
// refused because of the change.
type index struct {
	mu    sync.Mutex
	begun uint64              // number of the last change that has begun
	all   uint64              // number of the last change of everything
	kinds map[string]*kindTag // kinds come from code, so there are few and they stay
	star  bucket              // entries that depend on every change
	ring  []slot              // the last len(ring) changes by number, to forget them in time
	trail *trails             // nil while no region is in copy mode
}

type slot struct{ thing, scope *bucket }

// kindTag holds, for one kind, the linked entries and the last numbers. The numbers of single
// things and scopes are remembered for as long as the ring is, those of whole kinds for ever.
type kindTag struct {
	any       uint64 // last change of the kind
	allThings uint64 // last change with id 0: of things whose scope is not known
	allScopes uint64 // last change with scope 0
	things    map[int64]*bucket
	scopes    map[int64]*bucket
	anyScope  bucket // entries that depend on the kind in every scope
}

// bucket is one tag: the list of the entries that carry it, and the number of its last change. It stays
// in its map for as long as it has either.
type bucket struct {
	head *link
	last uint64            // 0: none that the ring remembers
	in   map[int64]*bucket // nil for index.star and kindTag.anyScope, which stay
	id   int64
}

// bucketIn gives the bucket of a tag, a new one if there is none.
func bucketIn(m map[int64]*bucket, id int64) *bucket {
	b := m[id]
	if b == nil {
		b = &bucket{in: m, id: id}
		m[id] = b
	}
	return b
}

// tidy removes the bucket from its map if nothing needs it any more.
func (b *bucket) tidy() {
	if b.head == nil && b.last == 0 && b.in != nil {
		delete(b.in, b.id)
	}
}

// link is one (entry, tag) pair.
type link struct {
	entry      *entry
	bucket     *bucket
	prev, next *link
}

func newIndex(ringSize int) *index {
	return &index{kinds: map[string]*kindTag{}, ring: make([]slot, ringSize)}
}

func (x *index) kind(name string) *kindTag {
	k := x.kinds[name]
	if k == nil {
		k = &kindTag{things: map[int64]*bucket{}, scopes: map[int64]*bucket{}}
		x.kinds[name] = k
	}
	return k
}

// begin numbers the changes, remembers them and gives the entries they touch, already unlinked.
// With whole, every entry of every region is touched and victims need not be complete.
func (x *index) begin(changes []Change) (last uint64, victims []*entry, whole bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var k *kindTag
	var name string
	var scope *bucket // of the change before: those of one transaction are mostly in one scope
	for i := range changes {
		ch := &changes[i]
		x.begun++
		n := x.begun
		at := &x.ring[n%uint64(len(x.ring))]
		x.forget(*at, n)
		*at = slot{}
		if x.trail != nil {
			x.trail.note(n, ch)
		}
		if ch.Kind == everything || ch.Kind == "" {
			x.all = n
			whole = true
			continue
		}
		if k == nil || ch.Kind != name {
			k, name, scope = x.kind(ch.Kind), ch.Kind, nil
		}
		k.any = n
		if ch.ID != 0 {
			b := bucketIn(k.things, ch.ID)
			at.thing, b.last = b, n
			if b.head != nil {
				victims = x.take(victims, b)
			}
		} else {
			// The scope of a thing is not in its tag, so all things of the kind go.
			k.allThings = n
			for _, b := range k.things {
				victims = x.take(victims, b)
			}
		}
		if ch.Scope != 0 {
			if scope == nil || scope.id != ch.Scope || scope.last == 0 {
				scope = bucketIn(k.scopes, ch.Scope)
			}
			at.scope, scope.last = scope, n
			if scope.head != nil {
				victims = x.take(victims, scope)
			}
		} else {
			k.allScopes = n
			for _, b := range k.scopes {
				victims = x.take(victims, b)
			}
		}
		if k.anyScope.head != nil || x.star.head != nil {
			victims = x.take(x.take(victims, &k.anyScope), &x.star)
		}
	}
	return x.begun, victims, whole
}

// forget removes what the ring slot that number n takes over had been remembered for.
func (x *index) forget(old slot, n uint64) {
	was := n - uint64(len(x.ring))
	for _, b := range [...]*bucket{old.thing, old.scope} {
		if b != nil && b.last == was {
			b.last = 0
			b.tidy()
		}
	}
}

// take unlinks every entry of the bucket and appends them to victims.
func (x *index) take(victims []*entry, b *bucket) []*entry {
	for b.head != nil {
		e := b.head.entry
		x.unlinkLocked(e)
		victims = append(victims, e)
	}
	return victims
}

// touched reports whether a change above asOf that has begun carries one of the tags, or may have:
// when more changes have begun since than the ring remembers, the answer is yes.
func (x *index) touched(asOf uint64, tags []Tag) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.touchedLocked(asOf, tags)
}

func (x *index) touchedLocked(asOf uint64, tags []Tag) bool {
	if x.begun <= asOf {
		return false
	}
	if x.all > asOf || x.begun-asOf > uint64(len(x.ring)) {
		return true
	}
	for _, t := range tags {
		if t.Kind == everything {
			return true
		}
		k := x.kinds[t.Kind]
		if k == nil || k.any <= asOf {
			continue
		}
		switch {
		case t.ID != 0:
			if b := k.things[t.ID]; k.allThings > asOf || b != nil && b.last > asOf {
				return true
			}
		case t.Scope != 0:
			if b := k.scopes[t.Scope]; k.allScopes > asOf || b != nil && b.last > asOf {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// admit links the entry under its tags unless a begun change above its as-of touches one of them.
func (x *index) admit(e *entry) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.touchedLocked(e.asOf, e.tags) {
		return false
	}
	e.links = make([]link, len(e.tags))
	for i, t := range e.tags {
		l := &e.links[i]
		l.entry, l.bucket = e, x.bucketFor(t)
		l.next = l.bucket.head
		if l.next != nil {
			l.next.prev = l
		}
		l.bucket.head = l
	}
	return true
}

func (x *index) bucketFor(t Tag) *bucket {
	if t.Kind == everything {
		return &x.star
	}
	k := x.kind(t.Kind)
	switch {
	case t.ID != 0:
		return bucketIn(k.things, t.ID)
	case t.Scope != 0:
		return bucketIn(k.scopes, t.Scope)
	}
	return &k.anyScope
}

// unlink takes the entry out of the index; doing it twice does nothing.
func (x *index) unlink(e *entry) {
	x.mu.Lock()
	x.unlinkLocked(e)
	x.mu.Unlock()
}

func (x *index) unlinkLocked(e *entry) {
	for i := range e.links {
		l := &e.links[i]
		if l.prev != nil {
			l.prev.next = l.next
		} else {
			l.bucket.head = l.next
		}
		if l.next != nil {
			l.next.prev = l.prev
		}
		l.bucket.tidy()
	}
	e.links = nil
}
