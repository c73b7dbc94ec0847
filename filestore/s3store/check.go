package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

// Check implements filestore.Driver. Each look reads the identity. Twice a minute, and whenever a file could not be
// written, it also writes, reads and removes some bytes; the first time it finds out whether the store honours the
// condition that a key is new. Once a day unfinished uploads are removed.
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
	if last := s.shared.probed.Load(); now-last >= int64(probeEvery.Seconds()) {
		if err := b.probe(ctx); err != nil {
			s.shared.probed.Store(0) // the next look tries again
			return err
		}
		s.shared.probed.CompareAndSwap(last, now)
	}
	last := s.shared.swept.Load()
	if (s.o.Hold == nil || !s.o.Hold()) && now-last >= int64(abandoned.Seconds()) &&
		s.shared.swept.CompareAndSwap(last, now) {
		short, cancel := context.WithTimeout(ctx, sweepWait)
		defer cancel()
		if err := b.sweep(short); err != nil {
			s.shared.swept.Store(time.Now().Add(sweepAgain - abandoned).Unix()) // the rest in a while
			s.o.Logger.Debug("unfinished uploads stay in the file store for a while", "error", err)
		}
	}
	return nil
}

// probe writes, reads and removes.
func (s *Store) probe(ctx context.Context) error {
	nonce := filestore.NewKey()
	object := s.o.Prefix + "probe/" + nonce
	gone := false
	defer func() {
		if !gone {
			s.tidy(ctx, func(ctx context.Context) error {
				return s.core.RemoveObject(ctx, s.o.Bucket, object, minio.RemoveObjectOptions{})
			})
		}
	}()
	if err := s.create(ctx, object, []byte(nonce), nonce); err != nil {
		return s.fault(ctx, "written", err)
	}
	if s.shared.conditions.Load() == 0 {
		err := s.create(ctx, object, []byte("x"), filestore.NewKey())
		switch {
		case errors.Is(err, errThere):
			s.shared.conditions.Store(1)
		case err == nil:
			s.shared.conditions.Store(2)
			s.o.Logger.Warn("the file store ignores the condition that a key is new (If-None-Match): it serves one node, "+
				"and a cluster is refused", "place", s.String())
		default:
			return s.fault(ctx, "written", err)
		}
	}
	if s.shared.conditions.Load() == 2 {
		if s.o.Cluster {
			return filestore.Unusable(&filestore.Fault{
				Code: filestore.CodeUnsafe, Why: s.String() + " ignores the condition that a key is new (If-None-Match), so two " +
					"nodes could write over each other's files",
				Fix: "use a version of that server that honours conditional writes, or another store",
			}, "the file store cannot be used by more than one node")
		}
		return nil
	}
	body, _, _, err := s.core.GetObject(ctx, s.o.Bucket, object, minio.GetObjectOptions{})
	if err != nil {
		return s.fault(ctx, "read", err)
	}
	got, err := io.ReadAll(io.LimitReader(body, filestore.MaxKey))
	if err = errors.Join(err, body.Close()); err != nil {
		return s.fault(ctx, "read", err)
	}
	if string(got) != nonce {
		return filestore.Unusable(&filestore.Fault{
			Code: filestore.CodeUnreadable, Why: s.String() + " gives back other bytes than were written",
			Fix: "check that server",
		}, "the file store gives back other bytes than were written")
	}
	err = s.core.RemoveObject(ctx, s.o.Bucket, object, minio.RemoveObjectOptions{})
	gone = err == nil
	return s.fault(ctx, "written", err)
}

// sweep removes uploads in parts that were begun long ago and never ended.
func (s *Store) sweep(ctx context.Context) error {
	key, id := "", ""
	for {
		got, err := s.core.ListMultipartUploads(ctx, s.o.Bucket, s.object(""), key, id, "", 1000)
		if err != nil {
			return err
		}
		for _, u := range got.Uploads {
			if time.Since(u.Initiated) < abandoned || !strings.HasPrefix(u.Key, s.object("")) {
				continue
			}
			if err := s.core.AbortMultipartUpload(ctx, s.o.Bucket, u.Key, u.UploadID); err != nil && !isMissing(err) {
				return err
			}
		}
		if !got.IsTruncated || got.NextKeyMarker == key && got.NextUploadIDMarker == id {
			return nil
		}
		key, id = got.NextKeyMarker, got.NextUploadIDMarker
	}
}

// isMissing reports whether there is no such object in a bucket that is there.
func isMissing(err error) bool {
	switch r := minio.ToErrorResponse(err); r.Code {
	case "NoSuchKey", "NoSuchUpload", "NoSuchVersion":
		return true
	case "NoSuchBucket":
		return false
	default:
		return err != nil && r.StatusCode == http.StatusNotFound
	}
}

// fault gives an error of the server the words of the operator. What has its words, and the end of ctx, stay.
func (s *Store) fault(ctx context.Context, verb string, err error) error {
	switch {
	case err == nil, filestore.FaultOf(err) != nil, stoa.KindOf(err) != stoa.KindInternal:
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	}
	r := minio.ToErrorResponse(err)
	f := &filestore.Fault{Code: filestore.CodeUnreadable, Err: err}
	var said string
	switch {
	case r.Code == "NoSuchBucket":
		f.Code, said = filestore.CodeMissing, "there is no such bucket"
		f.Fix = "make the bucket, or name the one that there is (dl.store.s3.bucket.name)"
	case r.Code == "AccessDenied" || r.StatusCode == http.StatusForbidden && r.Code == "":
		said = "access was denied"
		f.Fix = "let this account list the bucket, and read, write and delete its objects"
	case r.Code == "InvalidAccessKeyId" || r.Code == "SignatureDoesNotMatch" || r.StatusCode == http.StatusForbidden:
		said = "the keys are not accepted (" + r.Code + ")"
		f.Fix = "check dl.store.s3.access.key and dl.store.s3.secret.key, the region, and the clock of this node"
	case r.StatusCode == http.StatusInsufficientStorage || strings.Contains(r.Code, "Quota") ||
		r.Code == "XMinioStorageFull":
		f.Code, said, f.Fix = filestore.CodeFull, "it is full", "free some space there, or raise the quota"
	case r.StatusCode == http.StatusServiceUnavailable || r.StatusCode == http.StatusTooManyRequests ||
		r.StatusCode >= 500:
		f.Code, said = filestore.CodeNoAnswer, fmt.Sprintf("its server answers %d %s", r.StatusCode, r.Code)
		f.Fix = "see the state of that server"
	case r.StatusCode == 0:
		f.Code, said = filestore.CodeNoAnswer, "its server does not answer"
		f.Fix = "check the server and the network to it, and dl.store.s3.endpoint"
	default:
		said, f.Fix = fmt.Sprintf("its server answers %d %s", r.StatusCode, r.Code), "see the log of this node"
	}
	f.Why = fmt.Sprintf("the file store in %s cannot be %s: %s", s, verb, said)
	return filestore.Unusable(f, "the file store cannot be %s; try again in a moment", verb)
}
