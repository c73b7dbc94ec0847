package index

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/search"
)

// proofPatience is how long the follower may take to be done before a comparison is put off.
const proofPatience = 10 * time.Second

// proof is how far index and rows have been compared.
type proof struct {
	mu     sync.Mutex
	at     spot
	status ProofStatus
}

// ProofStatus is what comparing index and rows has found on this node.
type ProofStatus struct {
	Compared uint64    // things
	Differed uint64    // of them were not in the index as their rows are, and have been mended
	Pass     time.Time // when the newest comparison of everything ended; zero: none has yet
}

// Proof tells what comparing has found.
func (s *Service) Proof() ProofStatus {
	s.proof.mu.Lock()
	defer s.proof.mu.Unlock()
	return s.proof.status
}

// spotsAtOnce is how many kinds and instances are looked at for fifty things.
const spotsAtOnce = 20

// errBusy says that the follower is at work, and mends itself what differs.
var errBusy = errors.New("index: the follower is at work")

// Prove compares the next things of index and rows, about fifty, and mends what differs; it ends with the last kind.
// The log was followed before, so a difference is one that nothing else would ever have mended. What the database could
// not answer is an ErrRows. A shared index is compared by the node that writes it; others ask whether it can be
// reached.
func (s *Service) Prove(ctx context.Context) error {
	types := s.types()
	if len(types) == 0 {
		return nil
	}
	if s.shared() {
		if err := s.Reach(ctx); err != nil || !s.Writes() {
			return err
		}
	}
	instances, err := s.instances(ctx)
	if err != nil {
		return err
	}
	done := uint64(0)
	for i := 0; i < spotsAtOnce && done < portion; i++ {
		compared, last, err := s.proveNext(ctx, types, instances)
		if errors.Is(err, errBusy) || err != nil && !s.Writes() { // or another node writes now
			return nil
		}
		if err != nil || last {
			return err
		}
		done += compared
	}
	return nil
}

// proveNext compares things of one kind, in the rows or in what the index has of an instance, and moves on; last says
// that with them everything has been compared.
func (s *Service) proveNext(
	ctx context.Context, types []asset.Type, instances []stoa.ID,
) (things uint64, last bool, err error) {
	s.proof.mu.Lock()
	at := s.proof.at
	s.proof.mu.Unlock()
	i := 0
	for n, t := range types {
		if t.Kind == at.kind {
			i = n
		}
	}
	at.kind = types[i].Kind
	newest, compared, differed, err := s.proveSome(ctx, i, at, instances)
	if err != nil && !errors.Is(err, errBusy) {
		return 0, false, err
	}
	s.proof.mu.Lock()
	defer s.proof.mu.Unlock()
	s.proof.status.Compared += compared
	s.proof.status.Differed += differed
	if newest != 0 {
		at.after = newest // also when the follower is at work: one that always is would keep it here
		s.proof.at = at
		return compared, false, err
	}
	for _, id := range instances {
		if id > at.instance {
			s.proof.at = spot{at.kind, id, 0}
			return compared, false, nil
		}
	}
	s.proof.at = spot{kind: types[(i+1)%len(types)].Kind}
	if i+1 == len(types) {
		s.proof.status.Pass = time.Now()
		return compared, true, nil
	}
	return compared, false, nil
}

func (s *Service) proveSome(
	ctx context.Context, i int, at spot, instances []stoa.ID,
) (last stoa.ID, compared, differed uint64, err error) {
	t := s.types()[i]
	ids, d, err := s.differing(ctx, i, at, instances)
	if err != nil || len(ids) == 0 {
		return 0, 0, 0, err
	}
	last, compared = ids[len(ids)-1], uint64(len(ids))
	if len(d.docs) == 0 {
		return last, compared, 0, nil
	}
	if s.o.Idle != nil { // a follower that is behind, or fills the index, mends it itself
		patient, cancel := context.WithTimeout(ctx, proofPatience)
		err := s.o.Idle(patient)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return last, 0, 0, errBusy
		}
		if err != nil {
			return 0, 0, 0, err
		}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.reading = s.term.current()
	if d, err = s.compare(ctx, t, ids, instances, false); err != nil || len(d.docs) == 0 {
		return last, compared, 0, err
	}
	// So many were taken away from the server, or it was put back from a copy.
	if s.shared() && len(d.docs) > portion/2 && s.mayRefill() {
		return last, compared, uint64(len(d.docs)), s.refillNow(ctx)
	}
	for _, doc := range d.docs {
		s.log.Warn("the index of the search was not as the row is; it has been mended", "kind", doc.Kind, "id", doc.ID,
			"gone", doc.Gone)
	}
	if err := s.writeAfter(ctx, t, map[string][]stoa.ID{t.Kind: d.moved}, ids, instances); err != nil {
		return last, compared, 0, err
	}
	return last, compared, uint64(len(d.docs)), s.write(ctx, d.docs, nil)
}

func (s *Service) differing(
	ctx context.Context, i int, at spot, instances []stoa.ID,
) ([]stoa.ID, difference, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	t := s.types()[i]
	ids, err := s.ids(ctx, t, at, 0)
	if err != nil || len(ids) == 0 {
		return nil, difference{}, err
	}
	d, err := s.compare(ctx, t, ids, instances, false)
	return ids, d, err
}

// Status is how the index is.
type Status struct {
	search.Status
	Proof ProofStatus
}

// Status tells how the index of this node is.
func (s *Service) Status(ctx context.Context) (Status, error) {
	st, err := s.o.Engine.Status(ctx)
	return Status{st, s.Proof()}, err
}
