package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/filestore/s3store"
)

// server gives the options for a real S3 server with a bucket, and a prefix of the test's own; the test is skipped
// where there is none, and fails where there must be.
func server(t testing.TB) s3store.Options {
	t.Helper()
	u, err := url.Parse(os.Getenv("STOA_TEST_S3"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Host == "" {
		if os.Getenv("STOA_TEST_REQUIRE") != "" {
			t.Fatal("STOA_TEST_S3 names no server")
		}
		t.Skip("STOA_TEST_S3 names no server")
	}
	secret, _ := u.User.Password()
	o := s3store.Options{Endpoint: u.Scheme + "://" + u.Host, Bucket: "stoa-test", Prefix: filestore.NewKey(),
		AccessKey: u.User.Username(), SecretKey: secret, PathStyle: true, Cluster: true}
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(o.AccessKey, secret, "")})
	if err == nil {
		err = c.MakeBucket(t.Context(), o.Bucket, minio.MakeBucketOptions{})
		if code := minio.ToErrorResponse(err).Code; code == "BucketAlreadyOwnedByYou" || code == "BucketAlreadyExists" {
			err = nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func open(t testing.TB, o s3store.Options) *s3store.Store {
	t.Helper()
	s, err := s3store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// made gives two nodes with one store.
func made(t testing.TB, o s3store.Options) (a, b *s3store.Store) {
	t.Helper()
	a, b = open(t, o), open(t, o)
	if _, err := a.Make(context.Background(), filestoretest.Identity); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestStore_Conformance(t *testing.T) {
	filestoretest.Run(t, func(t *testing.T) (a, b filestore.Driver) {
		o := server(t)
		return open(t, o), open(t, o)
	})
}

// What is written in one request, and what is written in parts, whether its size is known or not.
func TestPut_OfAnyLengthOneOfManyWins(t *testing.T) {
	a, b := made(t, server(t))
	filestoretest.OneOfManyWins(t, a, b)
}

// behind gives a store behind a relay, and one that goes straight to the server.
func behind(t *testing.T, change func(*s3store.Options)) (s, straight *s3store.Store, y *filestoretest.Relay) {
	t.Helper()
	o := server(t)
	y = filestoretest.NewRelay(t, o.Endpoint)
	_, straight = made(t, o)
	o.Endpoint, o.Timeout, o.Retries = y.URL, 2*time.Second, 4
	if change != nil {
		change(&o)
	}
	return open(t, o), straight, y
}

func isWrite(r *http.Request, part string) bool {
	return (r.Method == http.MethodPut || r.Method == http.MethodPost) && strings.Contains(r.URL.Path, part)
}

// An answer that gets lost is asked for again; then the object is there, and it is ours.
func TestPut_WhoseAnswerWasLostIsOurs(t *testing.T) {
	for name, size := range map[string]int{"in one request": 1000, "in parts": 11 << 20} {
		t.Run(name, func(t *testing.T) {
			s, straight, y := behind(t, nil)
			var lost atomic.Int32
			y.Set(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
				last := isWrite(r, "/data/") && (size < 2000 || r.Method == http.MethodPost && r.URL.Query().Has("uploadId"))
				if !last || lost.Add(1) > 1 {
					return false
				}
				next.ServeHTTP(httptest.NewRecorder(), r) // it is done, and the answer gets lost
				panic(http.ErrAbortHandler)
			})
			body := make([]byte, size)
			if _, err := s.Put(t.Context(), "key", bytes.NewReader(body), int64(size)); err != nil {
				t.Errorf("the put: %v", err)
			}
			if lost.Load() == 0 {
				t.Error("no answer was lost")
			}
			if f, err := straight.Open(t.Context(), "key"); err != nil || f.Info().Size != int64(size) {
				t.Errorf("the file: %v", err)
			}
			y.Set(nil)
			if _, err := s.Put(t.Context(), "key", bytes.NewReader(body), int64(size)); !stoa.Is(err, stoa.KindConflict) {
				t.Errorf("the key once more: %v", err)
			}
		})
	}
}

func TestOpen_AnAnswerThatBreaksOffIsTakenUpAgain(t *testing.T) {
	s, straight, y := behind(t, nil)
	body := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{7}).Read(body)
	if _, err := straight.Put(t.Context(), "key", bytes.NewReader(body), -1); err != nil {
		t.Fatal(err)
	}
	var cuts atomic.Int32
	y.Set(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/data/") || cuts.Add(1) > 3 {
			return false
		}
		next.ServeHTTP(&cutting{ResponseWriter: w, left: 700_000}, r)
		return true
	})
	f, err := s.Open(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if cuts.Load() < 4 {
		t.Errorf("%d answers, want three that broke off and one more", cuts.Load())
	}
}

// cutting breaks an answer off.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

// What is wrong is said, and is over when it is over.
func TestCheck_NamesWhatIsWrongAndHeals(t *testing.T) {
	answer := func(status int, code string) func(http.ResponseWriter, *http.Request, http.Handler) bool {
		return func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if !isWrite(r, "/") {
				return false
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
			return true
		}
	}
	for name, c := range map[string]struct {
		do   func(http.ResponseWriter, *http.Request, http.Handler) bool
		code string
		says string
	}{
		"500":    {answer(500, "InternalError"), filestore.CodeNoAnswer, "500"},
		"503":    {answer(503, "SlowDown"), filestore.CodeNoAnswer, "503"},
		"full":   {answer(507, "QuotaExceeded"), filestore.CodeFull, "full"},
		"denied": {answer(403, "AccessDenied"), filestore.CodeUnreadable, "access was denied"},
		"cut": {func(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) },
			filestore.CodeNoAnswer, "does not answer"},
		"other bytes": {func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/probe/") {
				return false
			}
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			_, _ = w.Write(bytes.ToUpper(rec.Body.Bytes()))
			return true
		}, filestore.CodeUnreadable, "other bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, y := behind(t, func(o *s3store.Options) { o.Retries = 1 })
			y.Set(c.do)
			err := s.Check(t.Context(), filestoretest.Identity)
			f := filestore.FaultOf(err)
			if f == nil || f.Code != c.code || !strings.Contains(f.Why, c.says) || f.Fix == "" {
				t.Errorf("said %+v of %v", f, err)
			}
			y.Set(nil)
			if err := s.Check(t.Context(), filestoretest.Identity); err != nil {
				t.Errorf("when it is over: %v", err)
			}
		})
	}
}

func TestCheck_AStoreThatIgnoresConditionsIsRefusedInAClusterOnly(t *testing.T) {
	for _, cluster := range []bool{true, false} {
		s, straight, y := behind(t, func(o *s3store.Options) { o.Cluster = cluster })
		y.Set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.Header.Get("If-None-Match") == "*" { // what is there does not count
				if err := straight.Remove(r.Context(), r.URL.Path); err != nil {
					t.Error(err)
				}
			}
			return false
		})
		err := s.Check(t.Context(), filestoretest.Identity)
		f := filestore.FaultOf(err)
		if cluster && (f == nil || f.Code != filestore.CodeUnsafe) || !cluster && err != nil {
			t.Errorf("in a cluster (%v): %v", cluster, err)
		}
		if cluster {
			continue
		}
		if _, err := s.Put(t.Context(), "key", strings.NewReader("first"), -1); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), "key", strings.NewReader("second"), -1); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("a key that is there, in a store that ignores conditions: %v", err)
		}
	}
}

func TestOpen_OfWrongSettingsSaysWhatIsWrong(t *testing.T) {
	for says, o := range map[string]s3store.Options{
		"bucket":  {},
		"keys":    {Bucket: "b", AccessKey: "x"},
		"address": {Bucket: "b", Endpoint: "ftp://x"},
		"proxy":   {Bucket: "b", Proxy: "x"},
	} {
		if _, err := s3store.Open(o); !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	o := server(t)
	for what, c := range map[string]struct {
		change func(*s3store.Options)
		code   string
	}{
		"bucket": {func(o *s3store.Options) { o.Bucket = "no-such-bucket" }, filestore.CodeMissing},
		"secret": {func(o *s3store.Options) { o.SecretKey = "wrong" }, filestore.CodeUnreadable},
		"server": {func(o *s3store.Options) { o.Endpoint, o.Retries = "http://127.0.0.1:1", 1 }, filestore.CodeNoAnswer},
	} {
		wrong := o
		c.change(&wrong)
		_, err := open(t, wrong).Make(t.Context(), "id")
		if f := filestore.FaultOf(err); f == nil || f.Code != c.code || !errors.Is(err, f) {
			t.Errorf("a wrong %s: %v", what, err)
		}
	}
}

// A stream that breaks off, or panics, after some parts leaves nothing, and is blamed itself.
func TestPut_WhoseStreamBreaksOffLeavesNoParts(t *testing.T) {
	s, _ := made(t, server(t))
	broken := errors.New("the line is cut")
	src := io.MultiReader(io.LimitReader(rand.NewChaCha8([32]byte{3}), 12<<20), iotest.ErrReader(broken))
	if _, err := s.Put(t.Context(), "key", src, -1); !errors.Is(err, broken) || filestore.FaultOf(err) != nil {
		t.Errorf("the put ended with %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the stream was lost")
			}
		}()
		_, _ = s.Put(t.Context(), "key", io.MultiReader(io.LimitReader(rand.NewChaCha8([32]byte{3}), 12<<20), panics{}), -1)
	}()
	if err := s.Check(t.Context(), filestoretest.Identity); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Left(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("in the bucket are %v, %v", left, err)
	}
	if _, err := s.Put(t.Context(), "key", strings.NewReader("x"), 1); err != nil {
		t.Errorf("after that: %v", err)
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("a defect in the stream") }

func TestOpen_ShowsNoSecretOfAnAddress(t *testing.T) {
	for _, o := range []s3store.Options{
		{Proxy: "http://user:pa/ss@proxy:3128"}, {Proxy: "http://u:p%ss@proxy"}, {Proxy: "user:pa:ss@proxy"},
		{Endpoint: "key:pass@host"}, {Endpoint: "https://key:pass@host"}, {Endpoint: "https://host/pass"},
	} {
		o.Bucket = "b"
		_, err := s3store.Open(o)
		if !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		for _, secret := range []string{"pa/ss", "p%ss", "pa:ss", "key:pass", "host/pass"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("it is shown: %v", err)
			}
		}
	}
}
