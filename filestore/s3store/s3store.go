// Package s3store is the file store in a bucket of S3, or of what speaks its protocol. A key is written with the
// condition that it is not there, also where it takes many parts, so of two nodes that write one key one wins; a place
// that ignores the condition is found out and refused in a cluster.
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
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

const (
	smallBytes = 256 << 10 // read before a part's memory is taken
	partBytes  = 5 << 20   // the least that S3 takes for all parts but the last
	mostParts  = 9000      // of the 10,000 that S3 takes
	mostMemory = 96 << 20  // bytes of parts in memory, of all uploads together

	sweepWait  = time.Second // within a look, which has three
	sweepAgain = time.Minute
	abandoned  = 24 * time.Hour // after which an unfinished upload belongs to no writer that lives
	probeEvery = 30 * time.Second
	lookWait   = 30 * time.Second // for a look, which its callers leave after three seconds
	tidyWait   = 10 * time.Second
	tries      = 5

	nonceHeader = "Stoa-Put" // in the object's own metadata: which put wrote it
)

// Options are the settings of a store. Bucket is needed.
type Options struct {
	Endpoint     string // host, host:port or URL; empty: that of Amazon in the region
	Region       string // empty: us-east-1
	Bucket       string
	Prefix       string // of all keys; empty: none
	AccessKey    string // empty: environment, the file of AWS' tools, or the role of the instance
	SecretKey    string
	PathStyle    bool          // the bucket is in the path, not in the host name
	StorageClass string        // empty: that of the bucket
	Timeout      time.Duration // to connect, and for the head of an answer; 0: 10 s
	Retries      int           // of a request that failed on the way; 0: 5
	Proxy        string        // URL; empty: that of the environment
	Cluster      bool          // a store that ignores conditions is refused
	Hold         func() bool   // nothing that others may own is removed while it says so; nil: never
	Logger       *slog.Logger  // nil for none
}

// Store is a filestore.Driver.
type Store struct {
	o      Options
	core   *minio.Core
	idle   *http.Transport
	want   string // the identity that it must have; empty for any
	shared *shared
	memory *filestore.Memory
}

// shared is what a store and those bound to it have in common.
type shared struct {
	probed, swept atomic.Int64 // when, in seconds since 1970
	conditions    atomic.Int32 // 0: not known, 1: honoured, 2: ignored
}

// Open gives the store in the bucket. It asks nothing and makes nothing: Make makes a store.
func Open(o Options) (*Store, error) {
	if o.Bucket == "" {
		return nil, stoa.Invalid("bucket", "the bucket of the file store is not set")
	}
	if (o.AccessKey == "") != (o.SecretKey == "") {
		return nil, stoa.Invalid("key", "of the keys of the file store one is set and the other is not: set both, or none "+
			"for those of the environment or of the instance's role")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Retries == 0 {
		o.Retries = 5
	}
	if o.Prefix = strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		o.Prefix += "/"
	}
	host, secure, err := endpoint(o)
	if err != nil {
		return nil, err
	}
	transport, err := transport(o)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupAuto
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	core, err := minio.NewCore(host, &minio.Options{
		Creds: keys(o, transport), Secure: secure, Transport: transport, Region: o.Region, BucketLookup: lookup,
		MaxRetries: o.Retries,
	})
	if err != nil {
		return nil, stoa.Invalid("endpoint", "the address of the file store cannot be used: https://host:port is expected")
	}
	return &Store{o: o, core: core, idle: transport, shared: new(shared), memory: filestore.NewMemory(mostMemory)}, nil
}

// endpoint takes the address apart.
func endpoint(o Options) (host string, secure bool, err error) {
	if o.Endpoint == "" {
		return "s3." + o.Region + ".amazonaws.com", true, nil
	}
	if !strings.Contains(o.Endpoint, "://") && !strings.ContainsAny(o.Endpoint, "@/?#") {
		return o.Endpoint, true, nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" ||
		u.User != nil || u.RawQuery != "" {
		return "", false, stoa.Invalid("endpoint", // which is not shown: it may hold a key
			"this is not the address of a file store: https://host:port is expected, without keys and path")
	}
	return u.Host, u.Scheme == "https", nil
}

func transport(o Options) (*http.Transport, error) {
	t := filestore.NewTransport(o.Timeout)
	if o.Proxy != "" {
		u, err := url.Parse(o.Proxy)
		if err != nil || u.Host == "" {
			return nil, stoa.Invalid("proxy", "this is not the address of a proxy: http://user:password@host:port is "+
				"expected, with what is no letter or digit in them escaped")
		}
		t.Proxy = http.ProxyURL(u)
	}
	return t, nil
}

// keys gives the credentials: those that are set, or the first of the usual places that has some.
func keys(o Options, t *http.Transport) *credentials.Credentials {
	if o.AccessKey != "" {
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, "")
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Transport: t, Timeout: o.Timeout}},
	})
}

// Close ends the connections on which nothing goes on.
func (s *Store) Close() error {
	s.idle.CloseIdleConnections()
	return nil
}

// String implements filestore.Driver.
func (s *Store) String() string {
	return "the bucket " + path.Join(s.o.Bucket, s.o.Prefix) + " at " + s.core.EndpointURL().Host
}

// Bind implements filestore.Driver.
func (s *Store) Bind(identity string) filestore.Store { return s.bind(identity) }

func (s *Store) bind(identity string) *Store {
	b := *s
	b.want = identity
	return &b
}

// object is the name of the object of a key, or what the names of all begin with whose keys have a prefix.
func (s *Store) object(key string) string {
	return s.o.Prefix + "data/" + filestore.ObjectName(key)
}

func (s *Store) identityObject() string { return s.o.Prefix + "identity" }

// Identity implements filestore.Driver.
func (s *Store) Identity(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	body, _, _, err := s.core.GetObject(ctx, s.o.Bucket, s.identityObject(), minio.GetObjectOptions{})
	if err == nil {
		var b []byte
		if b, err = io.ReadAll(io.LimitReader(body, filestore.MaxKey+2)); err == nil {
			err = body.Close()
		}
		if id := strings.TrimSpace(string(b)); err == nil && filestore.CheckKey(id) != nil {
			return "", filestore.Unusable(&filestore.Fault{Code: filestore.CodeUnreadable,
				Why: "the object " + s.identityObject() + " in " + s.String() + " is damaged", Fix: "restore that object from " +
					"a backup",
			}, "the identity of the file store is damaged; restore it from a backup")
		} else if err == nil {
			return id, nil
		}
	}
	if isMissing(err) {
		return "", &stoa.Error{Kind: stoa.KindNotFound, Message: "the file store has no identity yet", Err: err}
	}
	return "", s.fault(ctx, "read", err)
}

// same reports what keeps the bucket from being the store that s is bound to.
func (s *Store) same(ctx context.Context) error {
	id, err := s.Identity(ctx)
	return filestore.SameStore(s.String(), s.want, id, err)
}

// Make implements filestore.Driver. The bucket has to be there.
func (s *Store) Make(ctx context.Context, propose string) (string, error) {
	if err := filestore.CheckIdentity(propose); err != nil {
		return "", err
	}
	if id, err := s.Identity(ctx); !stoa.Is(err, stoa.KindNotFound) {
		return id, err
	}
	err := s.create(ctx, s.identityObject(), []byte(propose+"\n"), filestore.NewKey())
	if err != nil && !errors.Is(err, errThere) {
		return "", s.fault(ctx, "made", err)
	}
	return s.Identity(ctx) // the winner's, which is ours when no other node was faster
}

// errThere is what create says when another put was first.
var errThere = errors.New("s3store: the object is there already")

// onlyNew gives the options of a write that must make the object.
func (s *Store) onlyNew(nonce string) minio.PutObjectOptions {
	o := s.plain(nonce)
	o.SetMatchETagExcept("*")
	return o
}

func (s *Store) plain(nonce string) minio.PutObjectOptions {
	return minio.PutObjectOptions{StorageClass: s.o.StorageClass, UserMetadata: map[string]string{nonceHeader: nonce},
		ContentType: "application/octet-stream"}
}

// create writes an object that must not be there, in one request. When it is there after all, because an answer got
// lost, it is ours if it carries the nonce.
func (s *Store) create(ctx context.Context, object string, body []byte, nonce string) error {
	sha := sha256.Sum256(body)
	sum := md5.Sum(body) // what S3 compares the bytes with; no secret hangs on it
	return s.settled(ctx, object, nonce, func() error {
		_, err := s.core.PutObject(ctx, s.o.Bucket, object, bytes.NewReader(body), int64(len(body)),
			base64.StdEncoding.EncodeToString(sum[:]), hex.EncodeToString(sha[:]), s.onlyNew(nonce))
		return err
	})
}

// settled runs a conditional write until it is known how it ended.
func (s *Store) settled(ctx context.Context, object, nonce string, write func() error) error {
	for try := 0; ; try++ {
		err := write()
		code := minio.ToErrorResponse(err).Code
		switch {
		case err == nil:
			return nil
		case code == "ConditionalRequestConflict" && try < tries && filestore.Pause(ctx, try):
			continue // another one was being written at the same time, or was deleted
		case code == "PreconditionFailed" || minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed,
			code == "NoSuchUpload" && try >= 0:
			there, serr := s.core.StatObject(ctx, s.o.Bucket, object, minio.StatObjectOptions{})
			if serr != nil {
				if code == "NoSuchUpload" {
					return err
				}
				return errors.Join(err, serr)
			}
			if there.UserMetadata[nonceHeader] == nonce {
				return nil
			}
			return errThere
		}
		return err
	}
}

// Delete implements filestore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := filestore.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.same(ctx); err != nil {
		return err
	}
	err := s.core.RemoveObject(ctx, s.o.Bucket, s.object(key), minio.RemoveObjectOptions{})
	if isMissing(err) {
		return nil
	}
	return s.fault(ctx, "written", err)
}

// List implements filestore.Store.
func (s *Store) List(ctx context.Context, prefix string, fn func(filestore.Info) error) error {
	if err := filestore.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.same(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // also ends the listing behind the channel
	for o := range s.core.Client.ListObjects(ctx, s.o.Bucket,
		minio.ListObjectsOptions{Prefix: s.object(prefix), Recursive: true}) {
		if o.Err != nil {
			return s.fault(ctx, "read", o.Err)
		}
		key, ours := filestore.KeyOfObject(strings.TrimPrefix(o.Key, s.object("")))
		if !ours {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(filestore.Info{Key: key, Size: o.Size, Modified: o.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
}
