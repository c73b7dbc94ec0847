package simtest_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stoa-portal/stoa/cluster/simtest"
)

var (
	seed  = flag.Uint64("seed", 0, "run the simulation of this seed alone and tell everything that happens in it")
	seeds = flag.Uint64("seeds", 300, "how many simulations to run")
	first = flag.Uint64("first", 1, "the seed of the first of them")
)

func TestWorld_KeepsThePromisesUnderAllFaults(t *testing.T) {
	if *seed != 0 {
		if _, err := simtest.Run(t, *seed, os.Stdout); err != nil {
			t.Fatal(err)
		}
		return
	}
	n := *seeds
	if testing.Short() {
		n = min(n, 100)
	}
	var next atomic.Uint64
	var mu sync.Mutex
	var total simtest.Stats
	t.Run("seeds", func(t *testing.T) {
		for worker := range 2 {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1); i <= n && !t.Failed(); i = next.Add(1) {
					s := *first + i - 1
					stats, err := simtest.Run(t, s, nil)
					if err != nil {
						t.Errorf("seed %d: %v\nreplay it with: go test ./cluster/simtest -run World -seed %[1]d", s, err)
					}
					mu.Lock()
					total.Add(stats)
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d simulations: %+v", n, total)
	if n >= 100 && !t.Failed() {
		for name, count := range total.All() {
			if count < int(n)/20 {
				t.Errorf("%s happened %d times in %d simulations: nothing was tested by it", name, count, n)
			}
		}
	}
}

func TestWorld_ASeedReplays(t *testing.T) {
	for s := *first; s < *first+100; s++ {
		var runs [2]bytes.Buffer
		for i := range runs {
			if _, err := simtest.Run(t, s, &runs[i]); err != nil {
				t.Fatalf("seed %d: %v", s, err)
			}
		}
		if !bytes.Equal(runs[0].Bytes(), runs[1].Bytes()) {
			t.Errorf("seed %d ran in two ways:\n%s", s, parting(runs[0].String(), runs[1].String()))
		}
	}
}

// parting shows where two traces part, with some lines before.
func parting(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	i := 0
	for i < min(len(x), len(y)) && x[i] == y[i] {
		i++
	}
	show := func(lines []string) string { return strings.Join(lines[min(i, len(lines)):min(i+4, len(lines))], "\n") }
	return fmt.Sprintf("%s\n-- one --\n%s\n-- the other --\n%s", strings.Join(x[max(0, i-12):i], "\n"), show(x), show(y))
}
