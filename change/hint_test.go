package change

import (
	"reflect"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func decodeHint(b []byte) (hint, error) { return new(hintDecoder).decode(b) }

func TestHint_ComesBackAsItWasSent(t *testing.T) {
	t.Parallel()
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

// A decoder is used again, and rows that are new are gathered where the message was decoded.
func TestHint_OnlyWhatIsNewIsApplied(t *testing.T) {
	t.Parallel()
	at := time.UnixMicro(1_700_000_000_000_001).UTC()
	tx := func(n uint64, ids ...stoa.ID) []Row {
		var rows []Row
		for i, id := range ids {
			rows = append(rows, Row{Writer: 9, N: n, Part: i, Kind: "article", ID: id, Scope: 7, Version: int64(n), At: at})
		}
		return rows
	}
	var applied []Row
	c := NewCore(7, true, func(rows []Row) { applied = append(applied, rows...) })
	c.reader = newReader(true)
	c.reader.begin(9, 1)
	message := func(seq uint64, txs ...[]Row) []byte {
		b := appendHintHead(nil, 9, seq)
		for _, rows := range txs {
			b = appendHintTx(b, rows[0].N, rows)
		}
		return b
	}
	for i, x := range []struct {
		message []byte
		want    []Row
	}{
		{message(1, tx(1, 1, 2, 3), tx(2, 4), tx(3, 5, 6)), append(tx(2, 4), tx(3, 5, 6)...)}, // 1 is known from the log
		{message(2, tx(4, 7, 8, 9, 10), tx(2, 4), tx(5, 11)), append(tx(4, 7, 8, 9, 10), tx(5, 11)...)},
		{message(3, tx(6, 12)), tx(6, 12)},
		{message(4, tx(6, 12)), nil},
	} {
		applied = nil
		if c.Hint(x.message) || !reflect.DeepEqual(applied, x.want) {
			t.Errorf("message %d: %+v were applied, want %+v", i+1, applied, x.want)
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
