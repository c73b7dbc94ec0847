package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

// Open implements filestore.Store. The bytes are asked for when they are read, from where they are read.
func (s *Store) Open(ctx context.Context, key string) (filestore.File, error) {
	if err := filestore.CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := s.core.StatObject(ctx, s.o.Bucket, s.object(key), minio.StatObjectOptions{})
	if isMissing(err) {
		if err := s.same(ctx); err != nil {
			return nil, err
		}
		return nil, stoa.NotFound("file", key)
	}
	if err != nil {
		return nil, s.fault(ctx, "read", err)
	}
	return filestore.NewFile(ctx, filestore.Info{Key: key, Size: o.Size, Modified: o.LastModified}, filestore.Ranges{
		From:    func(ctx context.Context, at int64) (io.ReadCloser, error) { return s.from(ctx, key, o.ETag, at) },
		Gone:    isMissing,
		Refused: func(err error) bool { return minio.ToErrorResponse(err).StatusCode != 0 },
		Fault:   func(ctx context.Context, err error) error { return s.fault(ctx, "read", err) },
	}), nil
}

// from asks for the bytes of one version of an object.
func (s *Store) from(ctx context.Context, key, etag string, at int64) (io.ReadCloser, error) {
	var o minio.GetObjectOptions
	if err := o.SetMatchETag(etag); err != nil {
		return nil, err
	}
	if at > 0 {
		if err := o.SetRange(at, 0); err != nil {
			return nil, err
		}
	}
	body, _, head, err := s.core.GetObject(ctx, s.o.Bucket, s.object(key), o)
	if err == nil && at > 0 && !strings.HasPrefix(head.Get("Content-Range"), fmt.Sprintf("bytes %d-", at)) {
		_ = body.Close() // it would be the file from its beginning
		err = errors.New("the server gives another part of the file than was asked for")
	}
	return body, err
}
