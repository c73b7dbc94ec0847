package remote_test

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/remote"
)

const password = "correct-horse-battery"

// answering is a server that says the same to every request.
func answering(t *testing.T, status int, kind, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "AUTH", r.Header.Get("Authorization")))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// raw is a server that says something that need not be HTTP, and closes.
func raw(t *testing.T, says string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, says)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// use makes each call once and gives what they say.
func use(t *testing.T, e search.Engine) map[string]error {
	t.Helper()
	out := map[string]error{}
	_, out["Search"] = e.Search(t.Context(), question("granite"))
	_, out["Token"] = e.Token(t.Context())
	_, out["Known"] = e.Known(t.Context(), 1, []search.Key{{Kind: "article", ID: 1}})
	_, out["Walk"] = e.Walk(t.Context(), 1, "article", 0, 10)
	_, out["Status"] = e.Status(t.Context())
	out["Apply"] = e.Apply(t.Context(), []search.Document{document(1, 1, "granite")}, []byte("t"), true)
	return out
}

func TestRefusals_AreSaidInWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status     int
		kind, body string
		want       string
	}{
		"Unauthorized": {401, "application/json", `{"error":{"type":"security_exception","reason":"missing AUTH"}}`,
			"answers 401"},
		"UnauthorizedText": {401, "text/plain", "Unauthorized AUTH", "set search.server.user and search.server.password"},
		"Forbidden": {403, "application/json",
			`{"error":{"type":"security_exception","reason":"no permissions for [indices:admin/create] AUTH"},"status":403}`,
			"indices:admin/create"},
		"NotInitialized": {503, "text/plain", "OpenSearch Security not initialized.", "answers 503"},
		"Busy": {429, "application/json", `{"error":{"type":"rejected_execution_exception","reason":"queue"}}`,
			"more to do"},
		"Block": {403, "application/json", `{"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: ` +
			`[FORBIDDEN/12/index read-only / allow delete (api)]"}}`, ""},
		"PageOfAProxy":     {200, "text/html", "<html>welcome AUTH</html>", "no search server says"},
		"NotFoundOfAProxy": {404, "text/html", "<html>not found</html>", "no search server says"},
		"Empty":            {200, "application/json", "", "no search server says"},
		"HalfOfJSON":       {200, "application/json", `{"hits":{"hits":[`, "no search server says"},
		"TenMegabytes":     {200, "application/json", strings.Repeat("garbage ", 10<<20/8), "no search server says"},
		"FortyMegabytes":   {200, "application/json", strings.Repeat("garbage ", 40<<20/8), "more than 32 MB"},
		"SentOn":           {301, "text/html", "moved", "sends on to another address"},
		"OtherPort":        {200, "application/json", "This is not an HTTP port", "9200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := answering(t, c.status, c.kind, c.body)
			for _, o := range []remote.Options{
				{Hosts: []string{at}, User: "stoa", Password: password, Timeout: time.Minute},
				{Hosts: []string{at}, APIKey: password, Timeout: time.Minute},
			} {
				for call, err := range use(t, open(t, o)) {
					if !stoa.Is(err, stoa.KindUnavailable) {
						t.Errorf("%s: %v, want an error of kind unavailable", call, err)
						continue
					}
					if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), at) || len(err.Error()) > 1500 {
						t.Errorf("%s: %v, want one with the address and %q", call, err, c.want)
					}
					secret := base64.StdEncoding.EncodeToString([]byte("stoa:" + password))
					if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), secret) {
						t.Errorf("%s tells the password: %v", call, err)
					}
				}
			}
		})
	}
}

// TestRefusals_JSONOfSomethingElse has a server that answers JSON and is none for searching.
func TestRefusals_JSONOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `[]`, `null`, `{"hits":7}`, `{"status":"ok"}`, `"text"`, `{"x":{"mappings":[]}}`} {
		for _, status := range []int{200, 400, 405} {
			e := open(t, remote.Options{Hosts: []string{answering(t, status, "application/json", body)}, Timeout: time.Minute})
			err := e.Apply(t.Context(), []search.Document{document(1, 1, "granite")}, []byte("t"), true)
			if !stoa.Is(err, stoa.KindUnavailable) {
				t.Errorf("%d %s: %v, want an error of kind unavailable", status, body, err)
			}
		}
	}
}

func TestRefusals_WhatIsNoHTTP(t *testing.T) {
	t.Parallel()
	for _, says := range []string{"", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
		"\x00\x01\x02"} {
		e := open(t, remote.Options{Hosts: []string{raw(t, says)}, Timeout: time.Minute})
		for call, err := range use(t, e) {
			if !stoa.Is(err, stoa.KindUnavailable) {
				t.Errorf("%q, %s: %v, want an error of kind unavailable", says, call, err)
			}
		}
	}
}

// fake answers as a search server with an index does, but for the bulk.
func fake(t *testing.T, bulk http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_bulk"):
			bulk(w, r)
		case strings.HasSuffix(r.URL.Path, "/_mapping"):
			_, _ = io.WriteString(w, `{"i":{"mappings":{"_meta":{"stoa":{"form":1}}}}}`)
		default:
			_, _ = io.WriteString(w, `{"acknowledged":true}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestApply_LooksAtEachDocument(t *testing.T) {
	t.Parallel()
	const good = `{"index":{"status":201}}`
	const older = `{"index":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}`
	for name, c := range map[string]struct {
		items string
		kind  stoa.Kind // -1: no error
		want  string
	}{
		"Older": {`{"errors":true,"items":[` + good + `,` + older + `]}`, 255, ""},
		"Refused": {`{"errors":true,"items":[` + good + `,{"index":{"status":400,"error":` +
			`{"type":"mapper_parsing_exception","reason":"bad"}}}]}`, stoa.KindInternal, "article 2 of instance 1"},
		"Busy": {`{"errors":true,"items":[` + good + `,{"index":{"status":429,"error":{"type":"rejected"}}}]}`,
			stoa.KindUnavailable, "429"},
		"Full": {`{"errors":true,"items":[` + good + `,{"index":{"status":403,"error":` +
			`{"type":"cluster_block_exception","reason":"disk usage exceeded flood-stage watermark"}}}]}`,
			stoa.KindUnavailable, "free space"},
		"Away": {`{"errors":true,"items":[` + good + `,{"index":{"status":503,"error":` +
			`{"type":"unavailable_shards_exception"}}}]}`, stoa.KindUnavailable, "503"},
		"TooFew": {`{"errors":true,"items":[` + good + `]}`, stoa.KindUnavailable, "each of 2 documents"},
		"None":   {`{"took":1}`, stoa.KindUnavailable, "each of 2 documents"},
		"Lost": {`{"errors":true,"items":[` + good + `,{"index":{"status":404,"error":` +
			`{"type":"index_not_found_exception"}}}]}`, stoa.KindUnavailable, "no such index"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := fake(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.items) })
			e := open(t, remote.Options{Hosts: []string{at}, Timeout: time.Minute})
			err := e.Apply(t.Context(), []search.Document{document(1, 1, "a"), document(2, 1, "b")}, nil, false)
			if c.kind == 255 {
				if err != nil {
					t.Errorf("%v, want no error: the index has a newer one", err)
				}
				return
			}
			if err == nil || stoa.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v (%s), want %q (%s)", err, stoa.KindOf(err), c.want, c.kind)
			}
		})
	}
}

func TestApply_CutsWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	var requests, largest atomic.Int64
	at := fake(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		requests.Add(1)
		if len(b) > 3<<20 { // a server that takes less than most
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = io.WriteString(w, `{"error":"too large"}`)
			return
		}
		largest.Store(max(largest.Load(), int64(len(b))))
		items := strings.Repeat(`,{"index":{"status":201}}`, strings.Count(string(b), "\n")/2)
		_, _ = io.WriteString(w, `{"errors":false,"items":[`+items[1:]+`]}`)
	})
	e := open(t, remote.Options{Hosts: []string{at}, Timeout: time.Minute})
	var docs []search.Document
	for i := range 12 {
		docs = append(docs, document(stoa.ID(i+1), 1, strings.Repeat("granite ", 1<<20/16)))
	}
	if err := e.Apply(t.Context(), docs, nil, false); err != nil {
		t.Fatal(err)
	}
	if requests.Load() < 4 || largest.Load() == 0 {
		t.Errorf("%d requests, the largest of %d bytes", requests.Load(), largest.Load())
	}
	err := e.Apply(t.Context(), []search.Document{document(77, 1, strings.Repeat("granite ", 1<<20))}, nil, false)
	if err == nil || !strings.Contains(err.Error(), "article 77") || !strings.Contains(err.Error(), "max_content_length") {
		t.Errorf("%v, want one that names the document and the setting", err)
	}
}

func TestSignIn_AsTheServerWantsIt(t *testing.T) {
	t.Parallel()
	var header atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header.Store(r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"found":false}`)
	}))
	defer s.Close()
	for _, c := range []struct {
		o    remote.Options
		want string
	}{
		{remote.Options{}, ""},
		{remote.Options{User: "stoa", Password: "p:w"}, "Basic " + base64.StdEncoding.EncodeToString([]byte("stoa:p:w"))},
		{remote.Options{APIKey: "a2V5"}, "ApiKey a2V5"},
	} {
		c.o.Hosts, c.o.Timeout = []string{s.URL}, time.Minute
		if token, err := open(t, c.o).Token(t.Context()); err != nil || token != nil {
			t.Errorf("Token: %v, %v", token, err)
		}
		if got := header.Load(); got != c.want {
			t.Errorf("Authorization is %q, want %q", got, c.want)
		}
	}
}

func TestTLS_OnlyWhoIsTrusted(t *testing.T) {
	t.Parallel()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"found":false}`)
	})
	s, plain := httptest.NewUnstartedServer(hello), httptest.NewServer(hello)
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	defer plain.Close()
	right := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for name, c := range map[string]struct {
		at   string
		ca   []byte
		want string
	}{
		"Trusted":       {s.URL, right, ""},
		"Unknown":       {s.URL, nil, "set search.server.ca"},
		"OtherName":     {"https://localhost:" + port, right, "for another name"},
		"PlainToTLS":    {"http://" + s.Listener.Addr().String(), nil, "https://"},
		"TLSToPlain":    {strings.Replace(plain.URL, "http:", "https:", 1), nil, "without TLS"},
		"NoSuchAddress": {"http://no-such-host.invalid:9200", nil, "is not found"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, remote.Options{Hosts: []string{c.at}, CA: c.ca, Timeout: time.Minute}).Token(t.Context())
			if c.want == "" && err != nil ||
				c.want != "" && (!stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestOpen_RefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	ok := []string{"http://127.0.0.1:9200"}
	for name, c := range map[string]struct {
		o    remote.Options
		want string
	}{
		"NoHost":   {remote.Options{}, "no search server is named"},
		"HalfUser": {remote.Options{Hosts: ok, User: "stoa"}, "set both"},
		"Both":     {remote.Options{Hosts: ok, User: "stoa", Password: "p", APIKey: "k"}, "one of the two"},
		"UserInURL": {remote.Options{Hosts: []string{"http://stoa:" + password + "@127.0.0.1:9200"}},
			"settings of their own"},
		"BadURL":   {remote.Options{Hosts: []string{"http://stoa:" + password + "@[::1:9200"}}, "cannot be read"},
		"Scheme":   {remote.Options{Hosts: []string{"ftp://127.0.0.1"}}, "http or https"},
		"Query":    {remote.Options{Hosts: []string{"http://127.0.0.1:9200?pretty"}}, "more than a path"},
		"CA":       {remote.Options{Hosts: ok, CA: []byte("no certificate")}, "BEGIN CERTIFICATE"},
		"Prefix":   {remote.Options{Hosts: ok, Prefix: "Liferay*"}, "small letters"},
		"Replicas": {remote.Options{Hosts: ok, Replicas: "many"}, "0-all"},
		"Shards":   {remote.Options{Hosts: ok, Shards: -1}, "1 to 1024"},
		"LineEnd":  {remote.Options{Hosts: ok, APIKey: password + "\r\nX: y"}, "line ends"},
	} {
		_, err := remote.Open(c.o)
		if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	e := open(t, remote.Options{Hosts: []string{"search1", "https://search2/es/", "search1:9200"}})
	if s, err := e.Status(canceled(t)); err == nil || s.Address != "http://search1:9200, https://search2/es" {
		t.Errorf("addresses %q, %v", s.Address, err)
	}
}
