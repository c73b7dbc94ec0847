package s3store

import (
	"context"
	"strings"

	"github.com/minio/minio-go/v7"
)

// Remove deletes the object at a path of the server, whatever it is.
func (s *Store) Remove(ctx context.Context, path string) error {
	return s.core.RemoveObject(ctx, s.o.Bucket, strings.TrimPrefix(path, "/"+s.o.Bucket+"/"), minio.RemoveObjectOptions{})
}

// Left gives what is in the bucket below the prefix beside files and the identity: uploads that go on, and probes.
func (s *Store) Left(ctx context.Context) (names []string, err error) {
	for u := range s.core.Client.ListIncompleteUploads(ctx, s.o.Bucket, s.o.Prefix, true) {
		if u.Err != nil {
			return nil, u.Err
		}
		names = append(names, u.Key)
	}
	for o := range s.core.Client.ListObjects(ctx, s.o.Bucket, minio.ListObjectsOptions{Prefix: s.o.Prefix + "probe/",
		Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		names = append(names, o.Key)
	}
	return names, err
}
