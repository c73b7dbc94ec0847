package db

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
)

const (
	// keptTokens is how many incarnations a node remembers; a database keeps all.
	keptTokens = 64
	// keptBeats is for how long a node can tell how old one of its beats is.
	keptBeats = 10 * time.Minute
	// saveEvery is how often the newest beat goes to the disk. What is missing on it after a power cut only
	// makes this node ask for less.
	saveEvery = time.Second
	// markLife is for how long a database keeps the row of a writer that ended (change.forgetAfter), less a day.
	markLife = 29 * 24 * time.Hour
)

// memory is what this node remembers of the database's history, in memory and in a file of its home.
type memory struct {
	path  string // empty: nothing is kept
	clock func() time.Duration
	put   func(path string, content []byte, sync bool) error // replace; of tests: a disk that stands still

	mu     sync.Mutex
	known  known
	born   int64         // when the mark's writer began, by this node's wall clock
	alive  time.Duration // when this life began
	beats  []beatAt      // of this life, oldest first, at most one per half second
	saved  time.Duration
	saving bool  // the newest beat is on its way to the disk
	err    error // of the newest attempt to keep the history
}

type beatAt struct {
	beat int64
	at   time.Duration
}

// kept is the file in the home. It is on the disk before a server is followed.
type kept struct {
	Tokens []Token `json:"incarnations"`
	Server string  `json:"server"`
}

// keptBeat is the file beside it, which is written all the time and may be lost in a power cut.
type keptBeat struct {
	Writer int64 `json:"writer,string"`
	Beat   int64 `json:"beat"`
	Seen   int64 `json:"seen"` // microseconds since 1970 by this node's clock
	Born   int64 `json:"born"` // when the writer began, as seen
}

// beatSuffix makes the name of the file with the beat from that of the history.
const beatSuffix = ".beat"

// openMemory reads what an earlier life of this node has kept. A file that cannot be read is an error: a node
// that has forgotten what it knew could follow an older database.
func openMemory(path string, clock func() time.Duration) (*memory, error) {
	m := &memory{path: path, clock: clock, alive: clock(), put: replace}
	m.known.behind = m.behind
	if path == "" {
		return m, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err != nil {
		return nil, stoa.Unavailable(err, "the file %s, in which this node remembers the history of its database, cannot be "+
			"read: correct its permissions, or remove it if this node is to trust whatever database it finds", path)
	}
	m.known.tokens, m.known.fingerprint = k.Tokens, k.Server
	var b keptBeat
	if raw, err := os.ReadFile(path + beatSuffix); err == nil && json.Unmarshal(raw, &b) == nil {
		m.known.mark, m.born = mark{b.Writer, b.Beat, b.Seen}, b.Born
	}
	return m, nil
}

// Beat is a heartbeat of a node: whose, its number, and when it was by that node's clock.
type Beat struct {
	Writer, Number int64
	At             time.Time
}

// Remembered reads what a node keeps in the file of Options.MemoryFile: the incarnations it followed, in the
// order of their numbers, and its newest heartbeat. Without a file nothing is known.
func Remembered(path string) ([]Token, Beat, error) {
	m, err := openMemory(path, func() time.Duration { return 0 })
	if err != nil {
		return nil, Beat{}, err
	}
	k := m.known.mark
	return m.known.tokens, Beat{k.writer, k.beat, Time(k.seen)}, nil
}

// get gives a copy of what is known.
func (m *memory) get() known {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.known
	k.tokens = slices.Clone(k.tokens)
	return k
}

// behind says by how much the mark is ahead of a beat: by this node's monotonic clock where the beat is of
// this life, else by its wall clock, which it wrote into the database with each beat.
func (m *memory) behind(beat, seen int64) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known.mark.beat <= beat {
		return 0
	}
	if n := len(m.beats); n > 0 {
		since := m.alive
		for _, b := range m.beats {
			if b.beat > beat {
				break
			}
			since = b.at
		}
		lost := max(time.Microsecond, m.beats[n-1].at-since)
		if beat < 0 && seen > 0 { // it never heard of this life, which may be younger than what is missing
			lost = max(lost, time.Duration(m.known.mark.seen-seen)*time.Microsecond)
		}
		return lost
	}
	if beat < 0 && seen > m.known.mark.seen+markLife.Microseconds() {
		return 0 // it was away for so long that the database has forgotten it
	}
	if beat < 0 && (seen == 0 || seen > m.born) { // the writer is not there at all
		seen = m.born
	}
	return max(time.Microsecond, time.Duration(m.known.mark.seen-seen)*time.Microsecond)
}

// beat notes a beat of this life that was committed. due says that saveBeat is to be called.
func (m *memory) beat(b mark) (due bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	if m.known.mark.writer != b.writer {
		m.beats, m.born = nil, b.seen
	}
	m.known.mark = b
	if n := len(m.beats); n < 2 || now-m.beats[n-2].at >= 500*time.Millisecond {
		m.beats = append(m.beats, beatAt{b.beat, now})
	} else {
		m.beats[n-1] = beatAt{b.beat, now}
	}
	drop := 0
	for drop < len(m.beats)-1 && now-m.beats[drop].at > keptBeats {
		drop++
	}
	if drop > 64 {
		m.beats = slices.Clone(m.beats[drop:])
	}
	due = m.path != "" && !m.saving && (now-m.saved >= saveEvery || m.saved == 0)
	if due {
		m.saved, m.saving = now, true
	}
	return due
}

// saveBeat writes the newest heartbeat to the disk, beside the goroutine that proves that caches are fresh: a disk
// can stand still for seconds, also for a file that is not synchronised, and the database does not.
func (m *memory) saveBeat() {
	m.mu.Lock()
	k := m.known.mark
	content, _ := json.MarshalIndent(keptBeat{k.writer, k.beat, k.seen, m.born}, "", "  ") // of numbers
	m.mu.Unlock()
	if m.homed() {
		_ = m.put(m.path+beatSuffix, append(content, '\n'), false) // what is missing makes this node ask for less
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saving = false
}

// homed reports whether there is a home to keep something in: a command on a host without one is not to make it.
func (m *memory) homed() bool {
	if m.path == "" {
		return false
	}
	_, err := os.Stat(filepath.Dir(m.path))
	return !errors.Is(err, fs.ErrNotExist)
}

// follow notes which history this node follows now, on which server. It is kept before anything is read or
// written there, so that no later life of this node goes back behind it. since is what was known when the history
// was looked at: what others have told meanwhile is not to be forgotten, so it is looked at again then.
func (m *memory) follow(tokens []Token, fingerprint string, since []Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.known.tokens, since) && !slices.Equal(m.known.tokens, tail(tokens)) {
		return errShutMeanwhile
	}
	if slices.Equal(m.known.tokens, tail(tokens)) && m.known.fingerprint == fingerprint && m.err == nil {
		return nil
	}
	m.known.tokens, m.known.fingerprint = slices.Clone(tail(tokens)), fingerprint
	m.save()
	return m.err
}

// learn notes incarnations that others know.
func (m *memory) learn(tokens []Token) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.tokens = slices.Clone(tail(tokens))
	m.save()
}

// clear voids everything: a tool fills the database with another history.
func (m *memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.tokens, m.known.mark, m.beats = nil, mark{}, nil
}

// forget voids the mark: an operator has said which database counts.
func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.mark, m.beats = mark{}, nil
	m.alive = m.clock()
}

func tail(tokens []Token) []Token { return tokens[max(0, len(tokens)-keptTokens):] }

// save writes the history. m.mu is held.
func (m *memory) save() {
	if !m.homed() {
		return
	}
	raw, err := json.MarshalIndent(kept{m.known.tokens, m.known.fingerprint}, "", "  ")
	if err == nil {
		err = m.put(m.path, append(raw, '\n'), true)
	}
	m.err = nil
	if err != nil {
		m.err = stoa.Unavailable(err, "this node cannot keep in %s which history of the database it follows; "+
			"is the disk full?", m.path)
	}
}

// replace puts a whole new file in the place of another.
func replace(path string, content []byte, sync bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil && sync {
		var dir *os.File
		if dir, err = os.Open(filepath.Dir(path)); err == nil {
			err = errors.Join(dir.Sync(), dir.Close())
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}
