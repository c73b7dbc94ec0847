//go:build linux

package labtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/history"
	"github.com/stoa-portal/stoa/server/labtest/machine"
)

var soak = flag.Duration("soak", 0, "how long TestSoak goes on; 0 leaves it out")

// TestSoak plays random troubles for as long as told, by turns on each database server.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("a soak is asked for with make soak")
	}
	stoa, kit := prepare(t)
	number := chooseSeed()
	fmt.Printf("soak: %s, -seed %d\n", *soak, number)
	rnd := rand.New(rand.NewPCG(number, 0))
	servers := strings.Split(*engines, ",")
	began := time.Now()
	var total history.Report
	var played []string
	for turn := 0; time.Since(began) < *soak; turn++ {
		r, lines, err := soakOnce(t, stoa, kit, machine.Engine(servers[turn%len(servers)]), rnd, min(6*time.Minute, *soak-time.Since(began)))
		total.Add(r)
		played = append(played, lines...)
		if err != nil {
			t.Errorf("%v\nthe story so far:\n%s", err, strings.Join(lines, "\n"))
		}
	}
	fmt.Printf("soak: %s, -seed %d; faults: %s\n%s\n", time.Since(began).Round(time.Second), number, kinds(played), total)
}

// soakOnce plays rounds on one new database, for about as long as told.
func soakOnce(t *testing.T, stoa string, kit *machine.Kit, engine machine.Engine, rnd *rand.Rand, limit time.Duration) (r history.Report, played []string, err error) {
	w, dir := openWorld(oneByOne{t}, stoa, kit, engine, rnd.Uint64())
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, w.logs())
		}
		err = errors.Join(err, w.close(), os.RemoveAll(dir))
	}()
	began := time.Now()
	w.log = func(format string, args ...any) { fmt.Printf("           "+format+"\n", args...) }
	relayed := rnd.IntN(2) == 0
	for lines := opening(relayed); ; lines = round(rnd, relayed, 5+rnd.IntN(5)) {
		for _, line := range lines {
			fmt.Printf("%7.1f s  %s\n", time.Since(began).Seconds(), line)
			played = append(played, line)
			if err := w.play(context.Background(), line); err != nil {
				return w.total, played, err
			}
		}
		if time.Since(began) > limit {
			return w.total, played, nil
		}
	}
}
