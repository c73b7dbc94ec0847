package httpd

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const readMark = 64 << 10 // bytes of a request body that must come in within the read timeout

// body limits a request body in bytes and in time. Its deadline follows the progress: an upload may take
// hours, but a client that sends a byte now and then is cut off.
type body struct {
	io.ReadCloser
	out      *response
	length   int64 // announced; -1 when unknown
	limit    int64 // -1 for none
	read     int64
	mark     int64
	last     time.Time // end of the last read
	timeout  time.Duration
	err      error // what went wrong, and will again
	finished bool
}

// limitBody puts the default limit on the body of r.
func (f *facts) limitBody(w *response, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	f.body = body{
		ReadCloser: r.Body, out: w, length: r.ContentLength,
		limit: f.server.o.MaxBody, timeout: f.server.o.ReadTimeout,
	}
	r.Body = &f.body
}

// LimitBody sets how many bytes the body of r may have, instead of Options.MaxBody; -1 is for no limit. It
// counts from the beginning of the body and works until that many were read. Reading on gives an
// *http.MaxBytesError, which Handle answers with 413.
func LimitBody(r *http.Request, n int64) {
	if n < 0 {
		n = -1
	}
	f := factsOf(r)
	if f == nil || f.body.ReadCloser == nil {
		if f == nil && n >= 0 && r.Body != nil {
			r.Body = http.MaxBytesReader(nil, r.Body, n)
		}
		return
	}
	f.body.limit = n
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.limit >= 0 && (b.length > b.limit || b.read > b.limit) {
		b.err = &http.MaxBytesError{Limit: b.limit}
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.limit >= 0 && int64(len(p)) > b.limit-b.read+1 {
		p = p[:b.limit-b.read+1] // one more than allowed, to tell the end from too much
	}
	if now := time.Now(); b.read >= b.mark || now.Sub(b.last) > time.Second {
		b.mark = b.read + readMark
		b.deadline(now.Add(b.timeout))
		b.out.extend(now) // the response cannot begin before the request has ended
	}
	n, err := b.ReadCloser.Read(p)
	b.last = time.Now()
	b.read += int64(n)
	if b.limit >= 0 && b.read > b.limit {
		n -= int(b.read - b.limit)
		err = &http.MaxBytesError{Limit: b.limit}
	}
	if err != nil {
		b.err = err
		if err == io.EOF {
			b.finished = true
			b.out.extend(b.last)
			b.deadline(time.Time{}) // or net/http takes the deadline for a client that went away
		}
	}
	return n, err
}

// timedOut reports whether the client was too slow.
func (b *body) timedOut() bool {
	var ne net.Error
	return errors.As(b.err, &ne) && ne.Timeout()
}

// leave is called when the request is answered. net/http reads on a little so that the connection can be
// used again; that must not wait long for the client.
func (b *body) leave() {
	if b.ReadCloser == nil || b.finished {
		return
	}
	wait := min(b.timeout, 5*time.Second)
	if b.err != nil {
		wait = min(wait, 500*time.Millisecond) // the connection ends anyway; only let the response get through
	}
	b.deadline(time.Now().Add(wait))
}

func (b *body) deadline(t time.Time) {
	http.NewResponseController(b.out.ResponseWriter).SetReadDeadline(t)
}
