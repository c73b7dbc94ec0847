package cache

import (
	"testing"
	"time"
)

// BenchmarkInvalidateHint applies 47 changes at a time, as a hint of about 1,000 bytes brings them, of things
// that are not cached any more.
func BenchmarkInvalidateHint(b *testing.B) {
	c, err := New(Options{Proof: func() time.Duration { return Boottime() }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	changes := make([]Change, 47)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range changes {
			changes[i] = Change{Kind: "article", ID: int64(1 + n%10_000), Scope: 20_101}
			n++
		}
		c.Invalidate(changes, nil)
	}
	if c.finished.Load() != uint64(n) {
		b.Fatalf("%d of %d changes were applied", c.finished.Load(), n)
	}
}
