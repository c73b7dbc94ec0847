package remote_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/remote"
	"github.com/stoa-portal/stoa/search/searchtest"
)

const envOpenSearch = "STOA_TEST_OPENSEARCH"

// server gives the address of a real search server, or skips the test.
func server(t *testing.T, env string) string {
	t.Helper()
	address := os.Getenv(env)
	if address == "" {
		if env == envOpenSearch && os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is not set, and a build server leaves nothing out", env)
		}
		t.Skipf("%s is not set: make services prints the line that sets it", env)
	}
	return strings.TrimRight(address, "/")
}

// prefix is that of indexes which no other test has. They are removed when the test ends.
func prefix(t *testing.T, address string) string {
	t.Helper()
	p := "test-" + strings.ToLower(rand.Text()) + "-"
	t.Cleanup(func() {
		var all []struct {
			Index string `json:"index"`
		}
		list := call(t, http.MethodGet, address+"/_cat/indices/"+p+"*?format=json&h=index", "")
		if err := json.Unmarshal(list, &all); err != nil {
			t.Errorf("list the indexes of the test: %v", err)
		}
		for _, i := range all {
			call(t, http.MethodDelete, address+"/"+i.Index, "")
		}
	})
	return p
}

// call speaks to the server beside the engine.
func call(t *testing.T, method, url, body string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return text
}

// open gives an engine with options of a test.
func open(t *testing.T, o remote.Options) *remote.Engine {
	t.Helper()
	e, err := remote.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

// numbered gives documents without a version the next one, as their owner does.
type numbered struct {
	search.Engine
	n atomic.Int64
}

func (e *numbered) Apply(ctx context.Context, docs []search.Document, token []byte, refresh bool) error {
	docs = append([]search.Document(nil), docs...)
	for i := range docs {
		if docs[i].Version == 0 {
			docs[i].Version = e.n.Add(1)
		}
	}
	return e.Engine.Apply(ctx, docs, token, refresh)
}

func TestSuite(t *testing.T) {
	for _, env := range []string{
		envOpenSearch, "STOA_TEST_OPENSEARCH3", "STOA_TEST_ELASTICSEARCH7", "STOA_TEST_ELASTICSEARCH8",
		"STOA_TEST_ELASTICSEARCH9",
	} {
		t.Run(strings.TrimPrefix(env, "STOA_TEST_"), func(t *testing.T) {
			address := server(t, env)
			searchtest.Run(t, func(t *testing.T) search.Engine {
				t.Parallel()
				return &numbered{Engine: open(t, remote.Options{
					Hosts: []string{address}, Prefix: prefix(t, address), Replicas: "0", Timeout: time.Minute,
				})}
			})
		})
	}
}

// canceled is a context that has ended.
func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// quiet is a log that is thrown away.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
