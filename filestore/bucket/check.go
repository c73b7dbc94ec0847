package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

// Check implements filestore.Driver. Each look reads the identity. Twice a minute, and whenever a file could not be
// written, it also writes, reads and removes some bytes; the first time it finds out whether the condition that a key
// is new holds. What an upload that broke off left is removed by the services themselves within a week.
func (s *Store) Check(ctx context.Context, identity string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookWait) // the caller may have given up, and an answer may never end
	defer cancel()
	b := s.bind(identity)
	if err := b.same(ctx); err != nil {
		return err
	}
	now := time.Now().Unix()
	last := s.shared.probed.Load()
	if now-last < int64(probeEvery.Seconds()) {
		return nil
	}
	if err := b.probe(ctx); err != nil {
		s.shared.probed.Store(0) // the next look tries again
		return err
	}
	s.shared.probed.CompareAndSwap(last, now)
	return nil
}

// probe writes, reads and removes.
func (s *Store) probe(ctx context.Context) error {
	nonce := filestore.NewKey()
	object := s.o.Prefix + "probe/" + nonce
	gone := false
	defer func() {
		if !gone {
			s.tidy(ctx, object)
		}
	}()
	if err := s.create(ctx, object, []byte(nonce), nonce); err != nil {
		return s.fault(ctx, "written", err)
	}
	if !s.shared.honours.Load() {
		err := s.create(ctx, object, []byte("x"), filestore.NewKey())
		switch {
		case err == nil:
			return filestore.Unusable(&filestore.Fault{
				Code: filestore.CodeUnsafe, Why: s.String() + " ignores the condition that a key is new, so two nodes could " +
					"write over each other's files",
				Fix: "use the service itself, or a server that honours conditional writes",
			}, "the file store cannot be used: it does not keep files from being written over")
		case !errors.Is(err, errThere):
			return s.fault(ctx, "written", err)
		}
		s.shared.honours.Store(true)
	}
	got, err := s.read(ctx, object)
	if err != nil {
		return s.fault(ctx, "read", err)
	}
	if string(got) != nonce {
		return filestore.Unusable(&filestore.Fault{
			Code: filestore.CodeUnreadable, Why: s.String() + " gives back other bytes than were written",
			Fix: "check that server",
		}, "the file store gives back other bytes than were written")
	}
	err = s.remove(ctx, object)
	gone = err == nil
	return s.fault(ctx, "written", err)
}

// fault gives an error of the service the words of the operator. What has its words, and the end of ctx, stay.
func (s *Store) fault(ctx context.Context, verb string, err error) error {
	switch {
	case err == nil, filestore.FaultOf(err) != nil, stoa.KindOf(err) != stoa.KindInternal:
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), discreet(err))
	}
	a, w := s.svc.answer(err), s.svc.words()
	f := &filestore.Fault{Code: filestore.CodeUnreadable, Err: discreet(err)}
	said := fmt.Sprintf("the answer is %d %s", a.status, a.code)
	switch {
	case errors.Is(err, filestore.ErrOtherBytes):
		said, f.Fix = "it gives other bytes than were stored", "check that service, and the network to it"
	case errors.Is(err, errOtherBytes):
		said, f.Fix = "other bytes arrived than were sent", "check the network to it"
	case a.what == noBucket:
		f.Code, said, f.Fix = filestore.CodeMissing, w.noBucket, w.makeBucket
	case a.what == refused:
		said, f.Fix = "access was denied", "let this account "+w.rights
	case a.what == unknown:
		said, f.Fix = "the account is not accepted, or none is set", "check "+w.keys+", and the clock of this node"
		if a.code != "" {
			said += " (" + a.code + ")"
		}
	case a.what == full || a.status == http.StatusInsufficientStorage:
		f.Code, said, f.Fix = filestore.CodeFull, "it is full", "free some space there, or raise the quota"
	case a.status == 0:
		f.Code, said = filestore.CodeNoAnswer, "its server does not answer"
		f.Fix = "check the network to it, and " + w.address
	case a.status == http.StatusTooManyRequests || a.status >= 500:
		f.Code, f.Fix = filestore.CodeNoAnswer, "see the state of that service"
	default:
		f.Fix = "see the log of this node"
	}
	f.Why = fmt.Sprintf("the file store in %s cannot be %s: %s", s, verb, said)
	return filestore.Unusable(f, "the file store cannot be %s; try again in a moment", verb)
}
