package change

import (
	"reflect"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func TestPosition_ComesBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, p := range []Position{{1, 1}, {NewWriter(), 1 << 40}, {1<<63 - 1, 1<<63 - 1}} {
		if got, err := ParsePosition(p.String()); err != nil || got != p {
			t.Errorf("%s reads as %+v, %v", p, got, err)
		}
	}
	for _, s := range []string{"", ".", "1", "1.", ".1", "0.1", "1.0", "-1.1", "+1.1", "1.1.1", "1,1", " 1.1", "1.1 ", "9223372036854775808.1", "1.9223372036854775808", "a.b", "many", "1_0.1"} {
		if p, err := ParsePosition(s); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%q reads as %+v, %v", s, p, err)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("4611686018427387904.17")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePosition(s)
		if err != nil {
			return
		}
		if again, err := ParsePosition(p.String()); err != nil || again != p || p.Writer <= 0 || p.N == 0 {
			t.Fatalf("%q reads as %+v, and that as %+v, %v", s, p, again, err)
		}
	})
}

// The outcome of an unanswered COMMIT may be found out by the reader of the log before the writer gets
// round to it; the writer is told the place all the same.
func TestDone_WriterGetsTheReceiptAlthoughAnotherSettled(t *testing.T) {
	t.Parallel()
	l := &Log{opt: Options{Clock: Boottime}, core: NewCore(7, false, nil)}
	for _, committed := range []bool{true, false} {
		n, _ := l.core.own.begin(time.Now(), nil)
		l.core.own.settle(n)
		ctx, receipts := WithReceipts(t.Context())
		l.Done(ctx, n, nil, committed)
		var want []Position
		if committed {
			want = []Position{{7, n}}
		}
		if got := receipts.Positions(); !reflect.DeepEqual(got, want) {
			t.Errorf("committed %t: receipts %v, want %v", committed, got, want)
		}
	}
}
