package filestoretest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

// OneOfManyWins puts other bytes under one key at the same time, through a and b, which are one store, in lengths that
// go up in one request and in parts: one put wins, the others are conflicts, and the bytes are those of the winner.
func OneOfManyWins(t *testing.T, a, b filestore.Store) {
	for name, c := range map[string]struct {
		bytes int64
		known bool
	}{
		"one byte": {1, true}, "one request": {3 << 20, true}, "just one request": {4 << 20, true},
		"parts": {20 << 20, true}, "whole parts": {16 << 20, false}, "parts of unknown size": {12<<20 + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			key := filestore.NewKey()
			size := c.bytes
			if !c.known {
				size = -1
			}
			var all sync.WaitGroup
			var won atomic.Int32
			var sum string
			for i, s := range []filestore.Store{a, b, a} {
				all.Go(func() {
					hash := sha256.New()
					body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{byte(i)}), c.bytes), hash)
					info, err := s.Put(context.Background(), key, body, size)
					switch {
					case err == nil && won.Add(1) == 1:
						sum = hex.EncodeToString(hash.Sum(nil))
						if info.SHA256 != sum || info.Size != c.bytes {
							t.Errorf("put says %+v", info)
						}
					case err == nil:
						t.Error("two puts of one key have won")
					case !stoa.Is(err, stoa.KindConflict):
						t.Errorf("a put that came late: %v", err)
					}
				})
			}
			all.Wait()
			f, err := b.Open(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			hash := sha256.New()
			if n, err := io.Copy(hash, f); err != nil || n != c.bytes || hex.EncodeToString(hash.Sum(nil)) != sum {
				t.Errorf("%d of %d bytes are read, not those of who won: %v", n, c.bytes, err)
			}
		})
	}
}
