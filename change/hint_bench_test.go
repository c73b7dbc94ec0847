package change

import (
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

// BenchmarkHint takes messages of about 1,000 bytes: 47 rows.
func BenchmarkHint(b *testing.B) {
	applied := 0
	c := NewCore(7, true, func(rows []Row) { applied += len(rows) })
	c.reader = newReader(true)
	var rows []Row
	at := time.Now()
	for i := range 47 {
		rows = append(rows, Row{Kind: "article", ID: stoa.ID(1000 + i), Scope: 20101, Version: 12, At: at})
	}
	n := uint64(0)
	messages := make([][]byte, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if n%1000 == 0 {
			b.StopTimer()
			c.reader.begin(9, 0)
			for i := range messages {
				messages[i] = appendHintTx(appendHintHead(nil, 9, n+uint64(i)+1), n+uint64(i)+1, rows)
			}
			b.StartTimer()
		}
		c.Hint(messages[n%1000])
		n++
	}
	if applied != int(n)*len(rows) {
		b.Fatalf("%d rows of %d messages were applied", applied, n)
	}
}
