package filestore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoa-portal/stoa/filestore"
)

func TestMemory_IsSharedAndOneTooManyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := filestore.NewMemory(1000)
		one, two := m.Share("there", nil), m.Share("there", []byte("begun"))
		if err := one.Reserve(t.Context(), 600); err != nil {
			t.Fatal(err)
		}
		if f := filestore.FaultOf(two.Grow(t.Context(), 600)); f == nil || f.Code != filestore.CodeNoAnswer {
			t.Errorf("more than there is: %+v", f)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := two.Reserve(ended, 600); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled upload: %v", err)
		}
		src := filestore.NewSource(t.Context(), strings.NewReader(strings.Repeat("x", 300)), -1)
		n, end, err := two.Fill(t.Context(), src, 5, 200) // never more than it has and what it grows to
		if err != nil || n != 200 || end || !strings.HasPrefix(string(two.B), "begunx") {
			t.Errorf("filled %d, %v, %v", n, end, err)
		}
		two.Drop()
		if err := two.Reserve(t.Context(), 400); err != nil {
			t.Errorf("what was given back: %v", err)
		}
		one.Free()
		two.Free()
		if err := m.Share("there", nil).Reserve(t.Context(), 1000); err != nil {
			t.Errorf("all that was given back: %v", err)
		}
	})
}

// A server that takes nothing for a while is given up; one that takes a little is not.
func TestTransport_GivesUpAServerThatTakesNoBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		c := filestore.Patient(here)
		began := time.Now()
		go func() {
			var b [1]byte
			for range 3 {
				time.Sleep(15 * time.Second)
				if _, err := there.Read(b[:]); err != nil {
					return
				}
			}
		}()
		for i := range 4 {
			_, err := c.Write([]byte("x"))
			if i < 3 && err != nil || i == 3 && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("byte %d after %s: %v", i, time.Since(began), err)
			}
		}
		if took := time.Since(began); took != 65*time.Second {
			t.Errorf("given up after %s", took)
		}
	})
}

// An answer ends with what the client has found out about its bytes: a checksum that is wrong is told with the last of
// them, and one that breaks off there is asked for again.
func TestFile_TheEndOfAnAnswerIsRead(t *testing.T) {
	const text = "High water at noon."
	wrong := errors.New("the checksum is another one")
	for name, c := range map[string]struct {
		ends []error // of one answer after the other; nil: well
		one  bool    // the error comes with the last bytes
		want error
	}{
		"well":                         {ends: []error{nil}},
		"wrong, with the last bytes":   {ends: []error{wrong}, one: true, want: filestore.ErrOtherBytes},
		"wrong, behind them":           {ends: []error{wrong}, want: filestore.ErrOtherBytes},
		"cut, and well":                {ends: []error{io.ErrUnexpectedEOF, nil}},
		"cut, with the last, and well": {ends: []error{io.ErrUnexpectedEOF, nil}, one: true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			f := filestore.NewFile(t.Context(), filestore.Info{Key: "k", Size: int64(len(text))}, filestore.Ranges{
				From: func(_ context.Context, at int64) (io.ReadCloser, error) {
					end := c.ends[min(asked, len(c.ends)-1)]
					asked++
					return &ending{rest: text[at:], end: end, one: c.one}, nil
				},
				Gone:    func(error) bool { return false },
				Refused: func(error) bool { return false },
				Fault:   func(_ context.Context, err error) error { return err },
			})
			got, err := io.ReadAll(f)
			if !errors.Is(err, c.want) || err == nil && string(got) != text || err != nil && len(got) == len(text) {
				t.Errorf("%q, %v", got, err)
			}
			if asked != len(c.ends) {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// ending is an answer that ends with an error.
type ending struct {
	rest string
	end  error
	one  bool
}

func (e *ending) Read(p []byte) (int, error) {
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	if e.rest == "" && (n == 0 || e.one) {
		if e.end == nil {
			return n, io.EOF
		}
		return n, e.end
	}
	return n, nil
}

func (e *ending) Close() error { return nil }
