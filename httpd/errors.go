package httpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// HandlerFunc is a handler that returns what went wrong instead of writing it.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ConfirmHeader marks answers to requests that the person may make after they have proved again who they
// are (stoa.KindStale), for the error page and for scripts.
const ConfirmHeader = "Stoa-Confirm"

// Handle makes an http.Handler of h. An error becomes a response once, here: its stoa kind decides the
// status, an error without a kind is logged under the request id and never shown. When part of the response is
// out already, the connection is cut instead. It works under any Server and, for tests, under none.
func Handle(h HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if responseOf(w) == nil {
			w = &response{ResponseWriter: w}
		}
		if err := h(w, r); err != nil {
			Error(w, r, err)
		}
	})
}

// Handle is the function of the same name.
func (s *Server) Handle(h HandlerFunc) http.Handler { return Handle(h) }

// Error answers r with err, as Handle does.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	var s *Server
	if f := factsOf(r); f != nil {
		s = f.server
	}
	s.fail(w, r, err)
}

// NotFound is a handler for addresses that lead nowhere.
func NotFound() http.Handler {
	return Handle(func(_ http.ResponseWriter, r *http.Request) error { return stoa.NotFound("page", r.URL.Path) })
}

// Status gives err a status of its own, where the kind alone would lead to another one. The message shown is
// that of the stoa.Error in err, if there is one.
func Status(status int, err error) error { return &statusError{status, err} }

// Malformed is for requests that cannot even be read: broken JSON, a header that makes no sense (400). Input
// that can be read but is wrong is stoa.Invalid (422).
func Malformed(format string, args ...any) error {
	return Status(http.StatusBadRequest, stoa.Invalid("", format, args...))
}

type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// RetryAfter adds to err when trying again can help, which 429 and 503 responses tell the client. Other packages
// can give their errors a method RetryAfter() time.Duration instead.
func RetryAfter(err error, d time.Duration) error { return &retryError{err, d} }

type retryError struct {
	error
	after time.Duration
}

func (e *retryError) Unwrap() error             { return e.error }
func (e *retryError) RetryAfter() time.Duration { return e.after }

// outcome is what an error looks like from outside.
type outcome struct {
	status  int
	message string
	field   string
	retry   time.Duration // 0 when trying again does not help
	gone    bool          // nobody is left to be answered
	hidden  bool          // the message says nothing about the error: log it
}

// describe works out the outcome of err.
func describe(r *http.Request, err error) outcome {
	f, words := factsOf(r), wordsOf(r)
	if f != nil && f.body.timedOut() && errors.Is(err, f.body.err) { // net/http cancels the context for this, too
		return outcome{status: http.StatusRequestTimeout, message: words.Word("the request came in too slowly and was " +
			"given up")}
	}
	if cerr := r.Context().Err(); errors.Is(cerr, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		if errors.Is(err, context.Canceled) || f != nil && f.body.err != nil && errors.Is(err, f.body.err) {
			return outcome{status: StatusClientGone, gone: true}
		}
	}
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return outcome{status: http.StatusRequestEntityTooLarge,
			message: words.Word("the request is larger than the %s that are accepted here", size(words, big.Limit))}
	case errors.Is(err, multipart.ErrMessageTooLarge):
		return outcome{status: http.StatusRequestEntityTooLarge,
			message: words.Word("the form holds more than is accepted here")}
	case errors.Is(err, http.ErrNotMultipart), errors.Is(err, http.ErrMissingBoundary):
		return outcome{status: http.StatusBadRequest, message: words.Word("the form was not sent as multipart/form-data")}
	}
	if f != nil && f.body.err != nil && f.body.err != io.EOF && errors.Is(err, f.body.err) {
		return outcome{status: http.StatusBadRequest, message: words.Word("the request ended before all of it was here")}
	}
	out := outcome{status: StatusOf(stoa.KindOf(err))}
	var e *stoa.Error
	if errors.As(err, &e) && e.Kind != stoa.KindInternal {
		out.message, out.field = words.Error(e), e.Field
	}
	var se *statusError
	if errors.As(err, &se) {
		out.status = se.status
		if out.message == "" && se.status < 500 {
			out.message = http.StatusText(se.status)
		}
	}
	if out.message == "" && errors.Is(err, context.DeadlineExceeded) {
		out.status, out.message = http.StatusServiceUnavailable, words.Word("this takes too long at the moment; try "+
			"again later")
	}
	switch out.status {
	case http.StatusTooManyRequests:
		out.retry = 30 * time.Second
	case http.StatusServiceUnavailable:
		out.retry = 5 * time.Second
	}
	var ra interface{ RetryAfter() time.Duration }
	if out.retry > 0 && errors.As(err, &ra) && ra.RetryAfter() > 0 {
		out.retry = ra.RetryAfter()
	}
	if out.message == "" {
		out.hidden = true
		id := ""
		if f != nil {
			id = f.id
		}
		out.message = internalMessage(words, id)
	}
	return out
}

// StatusOf is the HTTP status of an answer to what failed in this way.
func StatusOf(k stoa.Kind) int {
	switch k {
	case stoa.KindInvalid:
		return http.StatusUnprocessableEntity
	case stoa.KindNotFound:
		return http.StatusNotFound
	case stoa.KindUnauthorized:
		return http.StatusUnauthorized
	case stoa.KindForbidden, stoa.KindStale:
		return http.StatusForbidden
	case stoa.KindConflict:
		return http.StatusConflict
	case stoa.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case stoa.KindTooMany:
		return http.StatusTooManyRequests
	case stoa.KindUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func internalMessage(words *lang.Words, id string) string {
	if id == "" {
		return words.Word("Something went wrong on our side.")
	}
	return words.Word("Something went wrong on our side. The log tells more under the number %s.", id)
}

// wordsOf are the words in the language of the person who asks: as the request was found to be, else as the browser
// asks for.
func wordsOf(r *http.Request) *lang.Words {
	if lang.Chosen(r.Context()) {
		return lang.From(r.Context())
	}
	return lang.Accepted(r.Header.Get("Accept-Language"))
}

// size writes a number of bytes for people.
func size(words *lang.Words, n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return words.Word("%s bytes", strconv.FormatInt(n, 10))
}

// fail logs err where that is called for and answers with it. s may be nil.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	out := describe(r, err)
	s.logFailure(r, err, out)
	if s != nil && s.o.Refused != nil {
		s.o.Refused(r.Context(), err)
	}
	rw := responseOf(w)
	if out.gone {
		if rw != nil && rw.f != nil {
			panic(http.ErrAbortHandler) // an empty 200 must not reach whoever may still listen
		}
		return
	}
	if !takeBack(w) {
		panic(http.ErrAbortHandler) // a response that breaks off must not look complete
	}
	if stoa.Is(err, stoa.KindStale) {
		w.Header().Set(ConfirmHeader, "required")
	}
	render(s, w, r, out)
}

// refuse answers a request that is not to be trusted, without the page of a site.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	out := describe(r, err)
	s.logFailure(r, err, out)
	w.Header().Set("Cache-Control", "no-store")
	plainPage(w, r, out)
}

func (s *Server) logFailure(r *http.Request, err error, out outcome) {
	log := slog.Default()
	if s != nil {
		log = s.log
	}
	level, msg := slog.LevelDebug, "a request was refused"
	switch {
	case out.hidden || out.status == http.StatusInternalServerError:
		level, msg = slog.LevelError, "a request failed"
	case out.status == http.StatusServiceUnavailable:
		level, msg = slog.LevelWarn, "a request could not be served"
	}
	log.LogAttrs(r.Context(), level, msg,
		slog.String("request", stoa.RequestIDFrom(r.Context())), slog.String("method", stoa.Clip(r.Method, 300)),
		slog.String("path", stoa.Clip(r.URL.Path, 300)), slog.Int("status", out.status), slog.Any("error", err))
}

// takeBack reports whether nothing is out yet, and forgets what middleware holds back.
func takeBack(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case *response:
			return !v.wrote
		case *compressor:
			if !v.reset() {
				return false
			}
			w = v.ResponseWriter
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return true
		}
	}
}
