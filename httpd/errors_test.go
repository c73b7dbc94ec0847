package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func failing(err error) http.HandlerFunc {
	return Handle(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP
}

func TestHandle_KindsBecomeStatuses(t *testing.T) {
	t.Parallel()
	secret := errors.New("password=hunter2")
	for _, c := range []struct {
		err    error
		status int
		shown  string
		after  string
		level  string
	}{
		{stoa.Invalid("title", "a title is needed"), 422, "a title is needed", "", "DEBUG"},
		{Malformed("the JSON breaks off at byte %d", 7), 400, "the JSON breaks off at byte 7", "", "DEBUG"},
		{stoa.NotFound("page", "x"), 404, "there is no page", "", "DEBUG"},
		{stoa.Unauthorized("sign in first"), 401, "sign in first", "", "DEBUG"},
		{stoa.Forbidden("you may not"), 403, "you may not", "", "DEBUG"},
		{stoa.Conflict("changed by Ann"), 409, "changed by Ann", "", "DEBUG"},
		{stoa.TooLarge("at most 5 MiB"), 413, "at most 5 MiB", "", "DEBUG"},
		{stoa.TooMany("slow down"), 429, "slow down", "30", "DEBUG"},
		{RetryAfter(stoa.TooMany("slow down"), 90500*time.Millisecond), 429, "slow down", "91", "DEBUG"},
		{fmt.Errorf("save: %w", RetryAfter(stoa.Unavailable(secret, "the database is away"), time.Second)), 503, "the database is away", "1", "WARN"},
		{stoa.Unavailable(secret, "the database is away"), 503, "the database is away", "5", "WARN"},
		{secret, 500, "Something went wrong", "", "ERROR"},
		{&stoa.Error{Kind: stoa.KindInternal, Message: "password=hunter2"}, 500, "Something went wrong", "", "ERROR"},
		{fmt.Errorf("wrapped twice: %w", fmt.Errorf("once: %w", stoa.Forbidden("you may not"))), 403, "you may not", "", "DEBUG"},
		{Status(410, stoa.NotFound("page", "x")), 410, "there is no page", "", "DEBUG"},
		{Status(415, secret), 415, "Unsupported Media Type", "", "DEBUG"},
		{Status(502, secret), 502, "Something went wrong", "", "ERROR"},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), 503, "takes too long", "5", "WARN"},
		{context.Canceled, 500, "Something went wrong", "", "ERROR"},
		{http.ErrNotMultipart, 400, "multipart/form-data", "", "DEBUG"},
		{stoa.Invalid("q", "<script>alert(1)</script>"), 422, "&lt;script&gt;", "", "DEBUG"},
	} {
		s, book := newServer(t, Options{}, failing(c.err))
		rec := answer(s, request("GET", "http://example.com/x"))
		body := rec.Body.String()
		if rec.Code != c.status || !strings.Contains(body, c.shown) || rec.Header().Get("Retry-After") != c.after {
			t.Errorf("%v: answered %d %q with Retry-After %q; want %d, %q, %q", c.err, rec.Code, body, rec.Header().Get("Retry-After"), c.status, c.shown, c.after)
		}
		if strings.Contains(body, "hunter2") || strings.Contains(body, "<script>") {
			t.Errorf("%v: the page shows what it must not: %q", c.err, body)
		}
		if rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v: an error may be cached: %q", c.err, rec.Header().Get("Cache-Control"))
		}
		var lines []map[string]any
		for _, l := range book.lines(t, "") {
			if l["msg"] != "request" {
				lines = append(lines, l)
			}
		}
		if len(lines) != 1 || lines[0]["level"] != c.level || lines[0]["request"] != rec.Header().Get("X-Request-Id") {
			t.Errorf("%v: logged %v; want one line at %s with the request id", c.err, lines, c.level)
		}
	}
}

func TestHandle_ProblemJSONForPrograms(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{ErrorPage: func(w http.ResponseWriter, r *http.Request, status int, _ string, _ bool) {
		w.WriteHeader(status)
		io.WriteString(w, "page of the site")
	}}, failing(stoa.Invalid("title", `a "title" is needed`)))
	for _, c := range []struct {
		path, accept string
		json         bool
	}{
		{"/o/pages", "", true}, {"/o/pages", "text/html", true}, {"/x", "application/json", true}, {"/x", "application/json, text/plain, */*", true},
		{"/x", "application/problem+json;q=0.9, text/html;q=0.8", true},
		{"/x", "", false}, {"/x", "*/*", false}, {"/x", "text/html,application/json", false}, {"/x", "text/html, application/json;q=0.9", false},
		{"/x", "application/json;q=0", false}, {"/x", "application/json;q=oops", false}, {"/ox/pages", "", false},
	} {
		r := request("GET", "http://example.com"+c.path)
		if c.accept != "" {
			r.Header.Set("Accept", c.accept)
		}
		rec := answer(s, r)
		if got := rec.Header().Get("Content-Type") == "application/problem+json"; got != c.json || rec.Code != 422 {
			t.Errorf("%s with Accept %q: %d %s, want JSON: %v", c.path, c.accept, rec.Code, rec.Header().Get("Content-Type"), c.json)
			continue
		}
		if !c.json {
			if rec.Body.String() != "page of the site" {
				t.Errorf("%s: %q, want the page of the site", c.path, rec.Body)
			}
			continue
		}
		var p struct {
			Type, Title, Detail, Request string
			Status                       int
			Errors                       []struct{ Field, Message string }
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
			t.Fatalf("%q: %v", rec.Body, err)
		}
		if p.Type != "about:blank" || p.Title != "Unprocessable Entity" || p.Status != 422 || p.Detail != `a "title" is needed` ||
			p.Request != rec.Header().Get("X-Request-Id") || len(p.Errors) != 1 || p.Errors[0].Field != "title" {
			t.Errorf("problem: %+v", p)
		}
	}
}

func TestHandle_ErrorForgetsHeadersOfTheSuccess(t *testing.T) {
	t.Parallel()
	h := func(w http.ResponseWriter, r *http.Request) error {
		for k, v := range map[string]string{"Content-Type": "image/png", "Content-Length": "5", "Content-Encoding": "br", "ETag": `"x"`,
			"Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT", "Content-Disposition": "attachment", "Cache-Control": "public, max-age=9", "Location": "/y"} {
			w.Header().Set(k, v)
		}
		return stoa.NotFound("picture", "x")
	}
	s, _ := newServer(t, Options{}, Handle(h).ServeHTTP)
	hd := answer(s, request("GET", "http://example.com/")).Header()
	for _, k := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Content-Disposition", "Location"} {
		if v := hd.Get(k); v != "" {
			t.Errorf("the error page carries %s: %s", k, v)
		}
	}
	if !strings.HasPrefix(hd.Get("Content-Type"), "text/html") || hd.Get("Cache-Control") != "no-store" {
		t.Errorf("type %q, Cache-Control %q", hd.Get("Content-Type"), hd.Get("Cache-Control"))
	}
}

func TestHandle_ErrorAfterHeaderCutsConnection(t *testing.T) {
	t.Parallel()
	s, book := serving(t, Options{}, Handle(func(w http.ResponseWriter, r *http.Request) error {
		io.WriteString(w, "half of it")
		http.NewResponseController(w).Flush()
		return errors.New("the rest is missing")
	}).ServeHTTP)
	resp, err := client(t).Get("http://" + s.Addr().String() + "/")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the client took half a response for a whole one")
	}
	book.waitLines(t, "request", 1)
	if l := book.lines(t, "a request failed"); len(l) != 1 || l[0]["error"] != "the rest is missing" {
		t.Errorf("logged %v, want the error once", l)
	}
}

func TestHandle_UnderCompressionTheHalfPageIsDropped(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, Compress(Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(200)
		io.WriteString(w, "half of it")
		return stoa.NotFound("rest", "x")
	})).ServeHTTP)
	rec := answer(s, request("GET", "http://example.com/", "Accept-Encoding", "gzip"))
	if rec.Code != 404 || strings.Contains(rec.Body.String(), "half") || !strings.Contains(rec.Body.String(), "there is no rest") {
		t.Errorf("answered %d %q", rec.Code, rec.Body)
	}
}

func TestHandle_ErrorPageMayRedirect(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{ErrorPage: func(w http.ResponseWriter, r *http.Request, status int, message string, retry bool) {
		if status == 401 {
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, "%s %v", message, retry)
	}}, Handle(func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/busy" {
			return stoa.TooMany("slow down")
		}
		return stoa.Unauthorized("sign in")
	}).ServeHTTP)
	if rec := answer(s, request("GET", "http://example.com/private")); rec.Code != 303 || rec.Header().Get("Location") != "/sign-in" {
		t.Errorf("answered %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	if rec := answer(s, request("GET", "http://example.com/busy")); rec.Code != 429 || rec.Body.String() != "slow down true" {
		t.Errorf("answered %d %q", rec.Code, rec.Body)
	}
	rec := answer(s, request("GET", "http://example.com/o/private"))
	if rec.Code != 401 || rec.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("the API answered %d with WWW-Authenticate %q", rec.Code, rec.Header().Get("WWW-Authenticate"))
	}
}

func TestHandle_ErrorPageThatWritesNothingGivesPlainPage(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{ErrorPage: func(http.ResponseWriter, *http.Request, int, string, bool) {}}, nil)
	for _, h := range []http.Handler{NotFound(), Compress(NotFound())} {
		s.Mount(h)
		if rec := answer(s, request("GET", "http://example.com/gone")); rec.Code != 404 || !strings.Contains(rec.Body.String(), "there is no page") {
			t.Errorf("answered %d %q", rec.Code, rec.Body)
		}
	}
}

func TestHandle_WithoutServer(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	Handle(func(w http.ResponseWriter, r *http.Request) error { return stoa.Forbidden("you may not") }).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != 403 || !strings.Contains(rec.Body.String(), "you may not") {
		t.Errorf("answered %d %q", rec.Code, rec.Body)
	}
}

func TestHandle_HeadHasNoBody(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, Options{}, failing(stoa.NotFound("page", "x")))
	resp, err := client(t).Head("http://" + s.Addr().String() + "/o/x")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); resp.StatusCode != 404 || len(b) != 0 || err != nil {
		t.Errorf("%d %q %v", resp.StatusCode, b, err)
	}
}

func TestDeadline_LateWorkIs503(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, Deadline(time.Millisecond, Handle(func(w http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return fmt.Errorf("load the page: %w", r.Context().Err())
	})).ServeHTTP)
	if rec := answer(s, request("GET", "http://example.com/")); rec.Code != 503 || rec.Header().Get("Retry-After") != "5" {
		t.Errorf("answered %d with Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
	}
}

// What is wrong with a request is said in the language that the browser asks for.
func TestError_IsSaidInTheLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{Malformed("the form could not be read: send it again"), "das Formular konnte nicht gelesen werden"},
		{&http.MaxBytesError{Limit: 1000}, "die Anfrage ist größer als die 1000 Byte"},
		{http.ErrNotMultipart, "nicht als multipart/form-data"},
		{stoa.NotFound("page", "/x"), `es gibt keine Seite "/x"`},
	} {
		r := httptest.NewRequest(http.MethodGet, "/x", nil)
		r.Header.Set("Accept-Language", "de-AT,de;q=0.9,en;q=0.5")
		if got := describe(r, c.err).message; !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
