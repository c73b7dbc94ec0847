package bucket

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/stoa-portal/stoa/filestore"
)

// Put implements filestore.Store. What is short is one request; the rest goes up in parts, which become the object at
// the end, under the condition that there is none. The identity is read before the first byte and, by a store that is
// bound, after the last.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	info, err := s.put(ctx, key, r, size)
	if f := filestore.FaultOf(err); f != nil {
		s.shared.probed.Store(0) // the next look finds out whether this is the store's state
	}
	return info, err
}

func (s *Store) put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	if err := filestore.CheckPut(ctx, key, size); err != nil {
		return filestore.Info{}, err
	}
	if err := s.same(ctx); err != nil {
		return filestore.Info{}, err
	}
	src, nonce, object := filestore.NewSource(ctx, r, size), filestore.NewKey(), s.object(key)
	small := make([]byte, smallBytes)
	n, end, err := src.Next(small)
	switch {
	case err != nil:
	case end:
		err = s.create(ctx, object, small[:n], nonce)
	default:
		err = s.large(ctx, object, src, small, size, nonce)
	}
	switch {
	case src.Err() != nil:
		return filestore.Info{}, src.Err()
	case errors.Is(err, errThere):
		return filestore.Info{}, filestore.Taken(key)
	case err != nil:
		return filestore.Info{}, s.fault(ctx, "written", err)
	}
	if s.want != "" {
		if err := s.same(ctx); err != nil {
			s.tidy(ctx, object)
			return filestore.Info{}, err
		}
	}
	return filestore.Info{Key: key, Size: src.Size(), SHA256: src.SHA256(), Modified: time.Now().UTC()}, nil
}

// large writes what is longer than begun, which was read of it.
func (s *Store) large(ctx context.Context, object string, src *filestore.Source, begun []byte, size int64,
	nonce string) error {
	m := s.memory.Share(s.String(), begun)
	defer m.Free()
	n, end, err := m.Fill(ctx, src, len(begun), s.svc.part(size))
	if err != nil {
		return err
	}
	if end {
		return s.create(ctx, object, m.B[:n], nonce)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u, memory := s.svc.begin(ctx, object, nonce)
	defer u.abort()
	if err := m.Reserve(ctx, memory); err != nil {
		return err
	}
	return s.settled(ctx, object, nonce, 0, func() error {
		for {
			if n > 0 {
				if err := u.part(m.B[:n]); err != nil {
					return err
				}
			}
			if end {
				return u.end()
			}
			if n, end, err = src.Next(m.B); err != nil {
				return err
			}
		}
	})
}

// errThere is what create says when another put was first.
var errThere = errors.New("bucket: the object is there already")

// errOtherBytes says that the service made an object of other bytes than it was sent.
var errOtherBytes = errors.New("bucket: the checksum of the object is not that of the bytes that were sent")

// create writes an object that must not be there, in one request. When it is there after all, because an answer got
// lost, it is ours if it carries the nonce.
func (s *Store) create(ctx context.Context, object string, body []byte, nonce string) error {
	tries := s.o.Retries
	if s.svc.resends() {
		tries = 0
	}
	return s.settled(ctx, object, nonce, tries, func() error { return s.svc.whole(ctx, object, body, nonce) })
}

// settled runs a conditional write until it is known how it ended, again times at most after one that got no answer.
func (s *Store) settled(ctx context.Context, object, nonce string, again int, write func() error) error {
	for try := 0; ; try++ {
		err := write()
		if err == nil {
			return nil
		}
		a := s.svc.answer(err)
		switch {
		case a.what == taken, a.what == gone: // an upload whose answer was lost is no upload any more
			there, serr := s.bucket.Attributes(ctx, object)
			switch {
			case serr != nil && a.what == gone && s.svc.answer(serr).what == gone:
				return errors.Join(s.there(ctx), err)
			case serr != nil:
				return errors.Join(err, serr)
			case there.Metadata[nonceKey] == nonce:
				return nil
			}
			return errThere
		case errors.Is(err, errOtherBytes):
			s.tidy(ctx, object)
		case try < again && passing(a) && s.pause(ctx, try):
			continue
		}
		return err
	}
}

// passing reports whether what went wrong may be over when the request is sent again.
func passing(a answer) bool {
	return a.what == other && (a.status == 0 || a.status == http.StatusRequestTimeout ||
		a.status == http.StatusTooManyRequests || a.status >= 500)
}

// tidy removes what a failed put left, for as long as that takes little time.
func (s *Store) tidy(ctx context.Context, object string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWait)
	defer cancel()
	if err := s.remove(ctx, object); err != nil {
		s.o.Logger.Info("what was not written whole stays in the file store", "object", object, "error", discreet(err))
	}
}
