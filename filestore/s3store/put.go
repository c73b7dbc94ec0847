package s3store

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/stoa-portal/stoa/filestore"
)

// Put implements filestore.Store. What fits into one part is one request; the rest goes up in parts, which become the
// object at the end, under the condition that there is none. The identity is read before the first byte and, by a store
// that is bound, after the last.
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
	if err != nil {
		return filestore.Info{}, err
	}
	if s.shared.conditions.Load() == 2 { // one server: what can be done is looked at first
		if _, err := s.core.StatObject(ctx, s.o.Bucket, object, minio.StatObjectOptions{}); err == nil {
			return filestore.Info{}, filestore.Taken(key)
		}
	}
	if end {
		err = s.create(ctx, object, small[:n], nonce)
	} else {
		err = s.large(ctx, object, src, small[:n], size, nonce)
	}
	switch {
	case errors.Is(err, errThere):
		return filestore.Info{}, filestore.Taken(key)
	case src.Err() != nil:
		return filestore.Info{}, src.Err()
	case err != nil:
		return filestore.Info{}, s.fault(ctx, "written", err)
	}
	if s.want != "" {
		if err := s.same(ctx); err != nil {
			s.tidy(ctx, func(ctx context.Context) error {
				return s.core.RemoveObject(ctx, s.o.Bucket, object, minio.RemoveObjectOptions{})
			})
			return filestore.Info{}, err
		}
	}
	return filestore.Info{Key: key, Size: src.Size(), SHA256: src.SHA256(), Modified: time.Now().UTC()}, nil
}

// sized gives how large the parts are: of a stream whose size is not known, the least.
func sized(size int64) int {
	if least := int(size/mostParts) + 1; least > partBytes {
		return least
	}
	return partBytes
}

// large writes what is longer than begun, which was read of it.
func (s *Store) large(ctx context.Context, object string, src *filestore.Source, begun []byte, size int64,
	nonce string) error {
	m := s.memory.Share(s.String(), begun)
	defer m.Free()
	n, end, err := m.Fill(ctx, src, len(begun), sized(size))
	if err != nil {
		return err
	}
	buf := m.B
	if end {
		return s.create(ctx, object, buf[:n], nonce)
	}
	upload, err := s.core.NewMultipartUpload(ctx, s.o.Bucket, object, s.plain(nonce))
	if err != nil {
		return err
	}
	done := false
	defer func() { // also when the stream panics
		if !done {
			s.tidy(ctx, func(ctx context.Context) error {
				return s.core.AbortMultipartUpload(ctx, s.o.Bucket, object, upload)
			})
		}
	}()
	var parts []minio.CompletePart
	for {
		if n > 0 {
			part, err := s.part(ctx, object, upload, len(parts)+1, buf[:n])
			if err != nil {
				return err
			}
			parts = append(parts, part)
		}
		if end {
			break
		}
		if n, end, err = src.Next(buf); err != nil {
			return err
		}
	}
	err = s.settled(ctx, object, nonce, func() error {
		only := minio.PutObjectOptions{}
		only.SetMatchETagExcept("*")
		_, err := s.core.CompleteMultipartUpload(ctx, s.o.Bucket, object, upload, parts, only)
		return err
	})
	done = err == nil
	return err
}

func (s *Store) part(ctx context.Context, object, upload string, number int, body []byte) (minio.CompletePart, error) {
	sha, sum := sha256.Sum256(body), md5.Sum(body)
	p, err := s.core.PutObjectPart(ctx, s.o.Bucket, object, upload, number, bytes.NewReader(body), int64(len(body)),
		minio.PutObjectPartOptions{Md5Base64: base64.StdEncoding.EncodeToString(sum[:]),
			Sha256Hex: hex.EncodeToString(sha[:])})
	return minio.CompletePart{PartNumber: number, ETag: p.ETag}, err
}

// tidy removes what a failed put left, for as long as that takes little time.
func (s *Store) tidy(ctx context.Context, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWait)
	defer cancel()
	if err := fn(ctx); err != nil {
		s.o.Logger.Info("what a file that was not written whole left in the file store stays for a day", "error", err)
	}
}
