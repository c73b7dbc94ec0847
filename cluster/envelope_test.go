package cluster

import (
	"bytes"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func TestEnvelope_SkipsWhatALaterVersionAdds(t *testing.T) {
	t.Parallel()
	e := envelope{flags: flagAnswer, from: 7, seq: 300, limit: time.Second, method: "m", kind: stoa.KindConflict, message: "no", field: "f", body: []byte("body")}
	b := e.encode()
	later := append([]byte{b[0], b[1] + 3}, b[2:]...) // three bytes more in the head
	at := len(later) - len(e.body)
	later = append(append(append([]byte{}, later[:at]...), 1, 2, 3), later[at:]...)
	for _, b := range [][]byte{b, later} {
		got, err := decodeEnvelope(b)
		if err != nil || got.flags != e.flags || got.from != 7 || got.seq != 300 || got.limit != time.Second || got.method != "m" ||
			got.kind != e.kind || got.message != "no" || got.field != "f" || string(got.body) != "body" {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add((&envelope{from: 1, seq: 1, method: "x", body: []byte("{}")}).encode())
	f.Add([]byte{1, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEnvelope(b)
		if err != nil {
			return
		}
		again, err := decodeEnvelope(e.encode())
		if err != nil || again.seq != e.seq || again.method != e.method || !bytes.Equal(again.body, e.body) {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}
