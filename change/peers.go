package change

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/stoa-portal/stoa/db"
)

const (
	// peerHeard is for how long a node that was heard counts as proving its caches fresh.
	peerHeard = 1500 * time.Millisecond
	// mostTokens bounds what a message says of the history; a database has few incarnations.
	mostTokens  = 64
	maxWordSize = 32 << 10
	mostPeers   = 1024
)

// word is what a node says of the database it follows, with each proof, and twice a second while it follows none.
type word struct {
	Writer      string     `json:"writer"`
	Beat        int64      `json:"beat,omitempty"`   // committed; 0: it follows no server
	Server      string     `json:"server,omitempty"` // its fingerprint
	Incarnation []db.Token `json:"incarnations,omitempty"`
	Writable    []string   `json:"writable,omitempty"` // fingerprints of servers that it saw taking writes
}

// peers are what other nodes said last, and what this one says.
type peers struct {
	mu   sync.Mutex
	last map[int64]peerWord
	next chan []byte // the newest word, until it is sent
}

type peerWord struct {
	word
	at time.Duration
}

// tell says to the other nodes which database this one follows; beat is the one that was committed, 0 when the
// log cannot be read. It waits for nothing: messages may stand still while the database does not.
func (l *Log) tell(beat int64) {
	if l.opt.Tell == nil {
		return
	}
	w := word{Writer: strconv.FormatInt(l.Writer(), 10), Beat: beat, Writable: l.d.Writable()}
	if beat != 0 {
		w.Server, w.Incarnation = l.d.Fingerprint(), l.d.Histories()
	}
	b, err := json.Marshal(w)
	if err != nil { // it is of strings and numbers
		return
	}
	select {
	case <-l.peers.next: // a word that is still waiting says less than this one
	default:
	}
	select {
	case l.peers.next <- b:
	default: // another came in between
	}
}

// speak sends words until the Log is closed, beside the reads of the log.
func (l *Log) speak() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case b := <-l.peers.next:
			l.opt.Tell(b)
		}
	}
}

// Hear takes another node's word about the database it follows. Only messages of members may be given to it.
func (l *Log) Hear(b []byte) {
	var w word
	if len(b) > maxWordSize || json.Unmarshal(b, &w) != nil || len(w.Incarnation) > mostTokens {
		return
	}
	writer, err := strconv.ParseInt(w.Writer, 10, 64)
	if err != nil || writer == l.Writer() {
		return
	}
	now := l.opt.Clock()
	l.peers.mu.Lock()
	if l.peers.last == nil || len(l.peers.last) >= mostPeers {
		l.peers.last = map[int64]peerWord{}
	}
	l.peers.last[writer] = peerWord{w, now}
	l.peers.mu.Unlock()
	if w.Beat > 0 {
		l.core.Heard(now, writer, w.Beat)
	}
}

// apart tells the database handle of a node that follows another database.
func (l *Log) apart(writer int64) {
	l.peers.mu.Lock()
	p := l.peers.last[writer]
	l.peers.mu.Unlock()
	if p.Beat != 0 && l.opt.Clock()-p.at < 2*peerHeard {
		l.d.Apart("node "+strconv.FormatInt(writer, 10), p.Incarnation, p.Server)
	}
}

var _ db.Witness = (*Log)(nil)

// Beating implements db.Witness.
func (l *Log) Beating() bool {
	p := l.Proof()
	return p != 0 && l.opt.Clock()-p < peerHeard
}

// StillBeats implements db.Witness.
func (l *Log) StillBeats(ctx context.Context) error {
	var h heartbeat
	err := l.d.Control(ctx, func(tx *db.Tx) (err error) {
		if err := l.sameIncarnation(ctx, tx); err != nil {
			return err
		}
		h, err = l.beat(ctx, tx)
		return err
	})
	if err == nil {
		l.d.Beaten(l.Writer(), h.beat, h.seen)
	}
	return err
}

// PeerOn implements db.Witness.
func (l *Log) PeerOn(fingerprint string, within time.Duration) bool {
	for _, p := range l.heard(within) {
		if p.Beat > 0 && db.SameServer(p.Server, fingerprint) {
			return true
		}
	}
	return false
}

// PeersSee implements db.Witness.
func (l *Log) PeersSee() (fingerprints []string) {
	for _, p := range l.heard(2 * peerHeard) {
		fingerprints = append(fingerprints, p.Writable...)
		if p.Beat > 0 {
			fingerprints = append(fingerprints, p.Server)
		}
	}
	return fingerprints
}

// heard are the words of nodes that were heard lately.
func (l *Log) heard(lately time.Duration) (out []peerWord) {
	l.peers.mu.Lock()
	defer l.peers.mu.Unlock()
	for _, p := range l.peers.last {
		if l.opt.Clock()-p.at < lately {
			out = append(out, p)
		}
	}
	return out
}
