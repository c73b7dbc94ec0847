package httpd

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const writeMark = 256 << 10 // bytes of a response that must go out within the write timeout

// response counts what goes out. It is a part of the facts, which are allocated anyway, and not of a pool: a
// goroutine that outlives its handler must not get hold of the response of a stranger.
type response struct {
	http.ResponseWriter
	f      *facts
	status int   // 0 until the header is written
	bytes  int64 // of the body
	mark   int64 // bytes at which the deadline moves on
	wrote  bool  // the header is out
	cut    bool  // the peer went away
	manual bool  // the handler looks after the write deadline itself
	before func(http.Header)
}

// responseOf finds the response under the wrappers other middleware put around it; nil outside of a server.
func responseOf(w http.ResponseWriter) *response {
	for {
		switch v := w.(type) {
		case *response:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// BeforeHeader has fn called once, right before the header of the response goes out, whoever writes it. A
// response has one such function, the last that was given. Outside of a server nothing happens.
func BeforeHeader(w http.ResponseWriter, fn func(h http.Header)) {
	if rw := responseOf(w); rw != nil {
		rw.before = fn
	}
}

// begin notes that the header goes out now, unless it has before.
func (w *response) begin(status int) {
	if w.wrote {
		return
	}
	w.complete()
	w.wrote, w.status = true, status
}

// complete lets the header be completed.
func (w *response) complete() {
	if fn := w.before; fn != nil {
		w.before = nil
		fn(w.Header())
	}
}

func (w *response) WriteHeader(status int) {
	if w.wrote {
		return
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.count(int64(n), err)
	return n, err
}

func (w *response) WriteString(p string) (int, error) {
	w.begin(http.StatusOK)
	n, err := io.WriteString(w.ResponseWriter, p)
	w.count(int64(n), err)
	return n, err
}

// count moves the deadline on with the progress of the body: a download may take hours, but not stand still.
func (w *response) count(n int64, err error) {
	w.bytes += n
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) && !errors.Is(err, http.ErrContentLength) {
		w.cut = true
	}
	if w.bytes >= w.mark && w.f != nil {
		w.mark = w.bytes + writeMark
		w.extend(time.Now())
	}
}

// extend gives the response another write timeout from now on.
func (w *response) extend(now time.Time) {
	if !w.manual {
		http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(w.f.server.o.WriteTimeout))
	}
}

// ReadFrom keeps the way open for sendfile, in pieces, so that the deadline can follow.
func (w *response) ReadFrom(src io.Reader) (n int64, err error) {
	rf, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(writerOnly{w}, src)
	}
	w.begin(http.StatusOK)
	// http.ServeContent gives an io.LimitedReader over a file. Sendfile sees through one level of it only, so
	// the pieces are cut from the reader below.
	limit, inner := int64(-1), src
	lr, _ := src.(*io.LimitedReader)
	if lr != nil {
		limit, inner = lr.N, lr.R
	}
	for limit != 0 {
		piece := int64(writeMark)
		if limit > 0 {
			piece = min(piece, limit)
		}
		m, err := rf.ReadFrom(&io.LimitedReader{R: inner, N: piece})
		n += m
		if lr != nil {
			lr.N -= m
			limit -= m
		}
		w.count(m, err)
		if err != nil || m < piece {
			return n, err
		}
	}
	return n, nil
}

type writerOnly struct{ io.Writer }

// FlushError sends what is buffered.
func (w *response) FlushError() error {
	w.begin(http.StatusOK)
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		w.cut = true
	}
	return err
}

// Flush sends what is buffered.
func (w *response) Flush() { _ = w.FlushError() }

// SetWriteDeadline is what http.ResponseController finds: from then on the handler looks after it.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.manual = true
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

// Hijack hands the connection over; nothing is counted from then on.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, b, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.wrote = true
		if w.status == 0 {
			w.status = http.StatusSwitchingProtocols
		}
	}
	return c, b, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
