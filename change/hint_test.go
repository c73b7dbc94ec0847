package change

import (
	"reflect"
	"testing"
	"time"
)

func TestHint_ComesBackAsItWasSent(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_000_001).UTC()
	rows := []Row{
		{Writer: 9, N: 3, Part: 0, Kind: "article", ID: 42, Scope: 7, Version: 8, At: at},
		{Writer: 9, N: 3, Part: 1, Kind: "*", At: at},
	}
	b := appendHintHead(nil, 9, 5)
	b = appendHintTx(b, 3, rows)
	b = appendHintTx(b, 4, make([]Row, maxHintRows+1))
	got, err := decodeHint(b)
	want := hint{writer: 9, seq: 5, txs: []hintTx{{n: 3, rows: rows}, {n: 4}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v %v, want %+v", got, err, want)
	}
	for n := range len(b) - 1 {
		if h, err := decodeHint(b[:n]); err == nil && len(h.txs) == len(want.txs) {
			t.Fatalf("cut to %d bytes it still reads as the whole: %+v", n, h)
		}
	}
}

func FuzzHint(f *testing.F) {
	f.Add(appendHintTx(appendHintHead(nil, 9, 5), 3, []Row{{Kind: "article", ID: 1, At: time.UnixMicro(5)}}))
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHint(b)
		if err != nil {
			return
		}
		again := appendHintHead(nil, h.writer, h.seq)
		for _, tx := range h.txs {
			for _, r := range tx.rows {
				if r.Kind == tombstone || len(r.Kind) > maxKind {
					t.Fatalf("kind %q got through", r.Kind)
				}
			}
			again = appendHintTx(again, tx.n, tx.rows)
		}
		if back, err := decodeHint(again); err != nil || !reflect.DeepEqual(back, h) {
			t.Fatalf("%+v came back as %+v, %v", h, back, err)
		}
	})
}
