package db

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMemory_ALaterLifeKnowsWhatAnEarlierOneFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.json")
	now := time.Duration(0)
	clock := func() time.Duration { return now }
	m, err := openMemory(path, clock)
	if err != nil {
		t.Fatal(err)
	}
	tokens := []Token{{1, "one"}, {2, "two"}}
	if err := m.follow(tokens, "server a", nil); err != nil {
		t.Fatal(err)
	}
	wall := int64(5_000_000)
	for beat := int64(1); beat <= 40; beat++ {
		if m.beat(mark{9, beat, wall}) {
			m.saveBeat()
		}
		now, wall = now+500*time.Millisecond, wall+500_000
	}
	if lost := m.get().behind(20, 0); lost < 9*time.Second || lost > 11*time.Second {
		t.Errorf("beat 20 of 40 is %s behind, want about 10 s by the own clock", lost)
	}
	if lost := m.get().behind(-1, 0); lost < 19*time.Second || lost > 21*time.Second {
		t.Errorf("a server that never heard of this life of 20 s is %s behind", lost)
	}
	later, err := openMemory(path, clock)
	if err != nil {
		t.Fatal(err)
	}
	k := later.get()
	if !slices.Equal(k.tokens, tokens) || k.fingerprint != "server a" || k.mark.writer != 9 || k.mark.beat < 38 {
		t.Errorf("the next life knows %+v", k)
	}
	if lost := k.behind(k.mark.beat-4, k.mark.seen-2_000_000); lost != 2*time.Second {
		t.Errorf("by the times in the database: %s, want 2 s", lost)
	}
	if lost := k.behind(k.mark.beat, k.mark.seen); lost != 0 {
		t.Errorf("the newest beat is %s behind", lost)
	}
}

// Heartbeats prove that caches are fresh: they wait for no disk.
func TestMemory_ADiskThatStandsStillHoldsUpNoHeartbeat(t *testing.T) {
	t.Parallel()
	now := time.Duration(0)
	m, err := openMemory(filepath.Join(t.TempDir(), "history.json"), func() time.Duration { return now })
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	reached, stands := make(chan struct{}), make(chan struct{})
	m.put = func(_ string, content []byte, _ bool) error {
		reached <- struct{}{}
		<-stands
		written = append(written, string(content))
		return nil
	}
	if !m.beat(mark{9, 1, 1}) {
		t.Fatal("the first beat is not to be kept")
	}
	done := make(chan struct{})
	go func() {
		m.saveBeat()
		close(done)
	}()
	<-reached
	for beat := int64(2); beat < 10; beat++ {
		now += time.Second
		if m.beat(mark{9, beat, beat}) {
			t.Errorf("beat %d is to be written beside one that is being written", beat)
		}
	}
	if got := m.get().mark.beat; got != 9 {
		t.Errorf("the newest beat is %d, want 9", got)
	}
	close(stands)
	<-done
	if now += time.Second; !m.beat(mark{9, 10, 10}) {
		t.Error("nothing is kept any more after the disk stood still")
	}
	go func() { <-reached }()
	m.saveBeat()
	if len(written) != 2 || !strings.Contains(written[1], `"beat": 10`) {
		t.Errorf("written: %q", written)
	}
}

func TestMemory_ADamagedFileIsSaid(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openMemory(path, func() time.Duration { return 0 })
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged memory: %v, want an error that names the file", err)
	}
}
