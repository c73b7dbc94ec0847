package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/bucket"
	"github.com/stoa-portal/stoa/filestore/bucket/buckettest"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

// cloud is a server of the tests.
type cloud struct {
	name string
	find func(t *testing.T) *url.URL                                             // where it is
	open func(at *url.URL, name string, o bucket.Options) (*bucket.Store, error) // an empty name: the bucket of the tests
	deny func(w http.ResponseWriter, status int, code string)                    // answers in its way
}

func each(t *testing.T, fn func(t *testing.T, c cloud)) {
	t.Helper()
	for _, c := range []cloud{{
		name: "gcs",
		find: func(t *testing.T) *url.URL {
			at, _ := buckettest.GCS(t)
			return parsed(t, at)
		},
		open: func(at *url.URL, name string, o bucket.Options) (*bucket.Store, error) {
			if name == "" {
				name = "stoa-test"
			}
			return bucket.OpenGCS(bucket.GCSOptions{Options: o, Bucket: name, Endpoint: at.String()})
		},
		deny: func(w http.ResponseWriter, status int, code string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"code":`+http.StatusText(status)+`,"errors":[{"reason":"`+code+`"}]}}`)
		},
	}, {
		name: "azure",
		find: func(t *testing.T) *url.URL {
			connection, _ := buckettest.Azure(t)
			return parsed(t, part(connection, "BlobEndpoint="))
		},
		open: func(at *url.URL, name string, o bucket.Options) (*bucket.Store, error) {
			if name == "" {
				name = "stoa-test"
			}
			return bucket.OpenAzure(bucket.AzureOptions{Options: o, Container: name, Connection: connected(at)})
		},
		deny: func(w http.ResponseWriter, status int, code string) {
			w.Header().Set("x-ms-error-code", code)
			w.WriteHeader(status)
		},
	}} {
		t.Run(c.name, func(t *testing.T) { fn(t, c) })
	}
}

func parsed(t *testing.T, at string) *url.URL {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		t.Fatalf("%q is no address: %v", at, err)
	}
	return u
}

// part gives what stands behind a name in a connection string.
func part(connection, name string) string {
	_, rest, _ := strings.Cut(connection, name)
	value, _, _ := strings.Cut(rest, ";")
	return value
}

// prefixed gives the options of a store with a prefix of the test's own.
func prefixed() bucket.Options { return bucket.Options{Prefix: filestore.NewKey()} }

func (c cloud) must(t *testing.T, at *url.URL, o bucket.Options) *bucket.Store {
	t.Helper()
	s, err := c.open(at, "", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// made gives two nodes with one store.
func (c cloud) made(t *testing.T, at *url.URL, o bucket.Options) (a, b *bucket.Store) {
	t.Helper()
	a, b = c.must(t, at, o), c.must(t, at, o)
	if _, err := a.Make(context.Background(), filestoretest.Identity); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestStore_Conformance(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		at := c.find(t)
		filestoretest.Run(t, func(t *testing.T) (a, b filestore.Driver) {
			o := prefixed()
			return c.must(t, at, o), c.must(t, at, o)
		})
	})
}

// What is written in one request, and what is written in parts, whether its size is known or not.
func TestPut_OfAnyLengthOneOfManyWins(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		a, b := c.made(t, c.find(t), prefixed())
		filestoretest.OneOfManyWins(t, a, b)
	})
}

// behind gives a store behind a relay, and one that goes straight to the server.
func (c cloud) behind(t *testing.T, retries int) (s, straight *bucket.Store, y *filestoretest.Relay) {
	t.Helper()
	at := c.find(t)
	y = filestoretest.NewRelay(t, at.Scheme+"://"+at.Host)
	o := prefixed()
	_, straight = c.made(t, at, o)
	o.Timeout, o.Retries, o.Delay, o.MaxDelay = 2*time.Second, retries, 10*time.Millisecond, 100*time.Millisecond
	to := *at
	to.Host = parsed(t, y.URL).Host
	return c.must(t, &to, o), straight, y
}

// writes reports whether a request writes, into a file where that is asked for.
func writes(r *http.Request, file bool) bool {
	if r.Method != http.MethodPut && r.Method != http.MethodPost {
		return false
	}
	return !file || strings.Contains(r.URL.Path+r.URL.RawQuery, "data/") ||
		strings.Contains(r.URL.RawQuery, "data%2F")
}

// ends reports whether a request makes an object of what was sent before.
func ends(r *http.Request) bool {
	total := r.Header.Get("Content-Range")
	return r.URL.Query().Get("comp") == "blocklist" || total != "" && !strings.HasSuffix(total, "/*") &&
		!strings.HasPrefix(total, "bytes */")
}

// An answer that gets lost is asked for again; then the object is there, and it is ours.
func TestPut_WhoseAnswerWasLostIsOurs(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		for name, size := range map[string]int{"in one request": 1000, "in parts": 11 << 20} {
			t.Run(name, func(t *testing.T) {
				s, straight, y := c.behind(t, 4)
				var lost atomic.Int32
				y.Set(func(_ http.ResponseWriter, r *http.Request, next http.Handler) bool {
					last := size < 2000 && writes(r, true) || size > 2000 && ends(r)
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
	})
}

func TestOpen_AnAnswerThatBreaksOffIsTakenUpAgain(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		s, straight, y := c.behind(t, 4)
		body := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{7}).Read(body)
		if _, err := straight.Put(t.Context(), "key", bytes.NewReader(body), -1); err != nil {
			t.Fatal(err)
		}
		var cuts atomic.Int32
		y.Set(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "data/") || cuts.Add(1) > 3 {
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
	})
}

func TestOpen_AFileWhoseKeyIsAnothersByNowGivesNoOtherBytes(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		a, b := c.made(t, c.find(t), prefixed())
		body := make([]byte, 1<<20)
		if _, err := a.Put(t.Context(), "key", bytes.NewReader(body), -1); err != nil {
			t.Fatal(err)
		}
		f, err := b.Open(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := a.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
		others := bytes.NewReader(bytes.Repeat([]byte{1}, 1<<20))
		if _, err := a.Put(t.Context(), "key", others, -1); err != nil { // which no caller does
			t.Fatal(err)
		}
		if _, err := f.Seek(500_000, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(f); !errors.Is(err, fs.ErrNotExist) || bytes.IndexByte(rest, 1) >= 0 {
			t.Errorf("%d bytes, %v", len(rest), err)
		}
	})
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
	each(t, func(t *testing.T, c cloud) {
		answer := func(status int, code string) filestoretest.Disturb {
			return func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				if !writes(r, false) {
					return false
				}
				c.deny(w, status, code)
				return true
			}
		}
		for name, p := range map[string]struct {
			do   filestoretest.Disturb
			code string
			says string
		}{
			"500":    {answer(500, "InternalError"), filestore.CodeNoAnswer, "500"},
			"503":    {answer(503, "ServerBusy"), filestore.CodeNoAnswer, "503"},
			"full":   {answer(507, "QuotaExceeded"), filestore.CodeFull, "full"},
			"denied": {answer(403, "AuthorizationPermissionMismatch"), filestore.CodeUnreadable, "access was denied"},
			"keys":   {answer(401, "InvalidAuthenticationInfo"), filestore.CodeUnreadable, "account is not accepted"},
			"cut": {func(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) },
				filestore.CodeNoAnswer, "does not answer"},
			"other bytes": {func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
				if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "probe/") {
					return false
				}
				rec := httptest.NewRecorder()
				next.ServeHTTP(rec, r)
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.Header().Del("X-Goog-Hash") // by which the library would find out itself
				_, _ = w.Write(bytes.ToUpper(rec.Body.Bytes()))
				return true
			}, filestore.CodeUnreadable, "other bytes"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, _, y := c.behind(t, 1)
				y.Set(p.do)
				err := s.Check(t.Context(), filestoretest.Identity)
				f := filestore.FaultOf(err)
				if f == nil || f.Code != p.code || !strings.Contains(f.Why, p.says) || f.Fix == "" {
					t.Errorf("said %+v of %v", f, err)
				}
				y.Set(nil)
				if err := s.Check(t.Context(), filestoretest.Identity); err != nil {
					t.Errorf("when it is over: %v", err)
				}
			})
		}
	})
}

func TestCheck_AServerThatIgnoresConditionsIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		s, straight, y := c.behind(t, 1)
		y.Set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if object := probed(r); object != "" { // what is there does not count
				if err := straight.Remove(r.Context(), object); err != nil {
					t.Error(err)
				}
			}
			return false
		})
		f := filestore.FaultOf(s.Check(t.Context(), filestoretest.Identity))
		if f == nil || f.Code != filestore.CodeUnsafe {
			t.Errorf("said %+v", f)
		}
		y.Set(nil)
		if err := s.Check(t.Context(), filestoretest.Identity); err != nil {
			t.Errorf("when it is over: %v", err)
		}
	})
}

// probed gives the object that a request writes to find out whether it may.
func probed(r *http.Request) string {
	if !writes(r, false) {
		return ""
	}
	if name := r.URL.Query().Get("name"); strings.Contains(name, "/probe/") {
		return name
	}
	if _, rest, ok := strings.Cut(r.URL.Path, "/stoa-test/"); ok && strings.Contains(rest, "/probe/") {
		return rest
	}
	return ""
}

// A stream that breaks off, or panics, after some parts leaves nothing, and is blamed itself.
func TestPut_WhoseStreamBreaksOffLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		s, _ := c.made(t, c.find(t), prefixed())
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
		if keys := listed(t, s); len(keys) != 0 {
			t.Errorf("in the store are %v", keys)
		}
		// Azurite takes a key whose parts are not an object yet for one that is there: no key is used twice.
		if _, err := s.Put(t.Context(), "other", strings.NewReader("x"), 1); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

func listed(t *testing.T, s filestore.Store) (keys []string) {
	t.Helper()
	err := s.List(t.Context(), "", func(i filestore.Info) error { keys = append(keys, i.Key); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Bytes that change on the way are refused by the service.
func TestPut_OfBytesThatChangeOnTheWayFails(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		for name, size := range map[string]int{"in one request": 100_000, "in parts": 17 << 20} {
			t.Run(name, func(t *testing.T) {
				s, straight, y := c.behind(t, 1)
				y.Set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
					if writes(r, true) {
						r.Body = &changing{ReadCloser: r.Body}
					}
					return false
				})
				_, err := s.Put(t.Context(), "key", bytes.NewReader(make([]byte, size)), int64(size))
				if filestore.FaultOf(err) == nil {
					t.Errorf("the put ended with %v", err)
				}
				if _, err := straight.Open(t.Context(), "key"); !stoa.Is(err, stoa.KindNotFound) {
					t.Errorf("the file: %v", err)
				}
			})
		}
	})
}

// changing alters a byte of a body that has many.
type changing struct {
	io.ReadCloser
	n int
}

func (c *changing) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if at := 50_000 - c.n; at >= 0 && at < n {
		p[at] ^= 1
	}
	c.n += n
	return n, err
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("a defect in the stream") }

func TestMake_OfWrongSettingsSaysWhatIsWrong(t *testing.T) {
	each(t, func(t *testing.T, c cloud) {
		at := c.find(t)
		away := *at
		away.Host = "127.0.0.1:1"
		quick := bucket.Options{Retries: 1, Delay: time.Millisecond}
		for what, p := range map[string]struct {
			at   *url.URL
			name string
			code string
		}{
			"bucket": {at, "no-such-bucket", filestore.CodeMissing},
			"server": {&away, "", filestore.CodeNoAnswer},
		} {
			s, err := c.open(p.at, p.name, quick)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Make(t.Context(), "id")
			if f := filestore.FaultOf(err); f == nil || f.Code != p.code || !strings.Contains(f.Fix, "dl.store."+c.name+".") {
				t.Errorf("a wrong %s: %v, %+v", what, err, f)
			}
			_, err = s.Put(t.Context(), "key", strings.NewReader("x"), 1)
			if f := filestore.FaultOf(err); f == nil || f.Code != p.code {
				t.Errorf("a put with a wrong %s: %v", what, err)
			}
		}
	})
}
