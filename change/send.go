package change

import (
	"sync"
	"time"
)

// outbox gathers the hints of committed transactions.
type outbox struct {
	mu   sync.Mutex
	txs  []hintTx
	rows int
	full bool
	shut bool   // there is no node to send to
	seq  uint64 // of the newest message
	wake chan struct{}
}

// maxOutbox bounds the rows that wait to be sent; above it the others are told to read the log.
const maxOutbox = 20_000

// usualRow is about what a row takes in a message, in bytes.
const usualRow = 32

func (o *outbox) put(n uint64, rows []Row) {
	o.mu.Lock()
	if o.shut {
		o.mu.Unlock()
		return
	}
	if len(rows) > maxHintRows {
		rows = nil
	}
	switch {
	case o.full:
		o.txs[len(o.txs)-1].n = n
	case o.rows+len(rows) > maxOutbox:
		o.full = true
		o.txs = append(o.txs, hintTx{n: n})
	default:
		o.txs = append(o.txs, hintTx{n: n, rows: rows})
		o.rows += len(rows) + 1
	}
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// messages gives the hints that wait: what was committed meanwhile travels together, in messages of at
// most 64 KiB.
func (o *outbox) messages(writer int64) (out [][]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	txs, size := o.txs, min(64+usualRow*o.rows, maxHintSize)
	o.txs, o.rows, o.full = nil, 0, false
	for len(txs) > 0 {
		o.seq++
		b := appendHintHead(make([]byte, 0, size), writer, o.seq)
		taken := 0
		for _, tx := range txs {
			before := len(b)
			b = appendHintTx(b, tx.n, tx.rows)
			if len(b) > maxHintSize && taken > 0 {
				b = b[:before]
				break
			}
			taken++
		}
		if len(b) > maxHintSize { // one transaction that is too big: announce it
			b = appendHintTx(appendHintHead(b[:0], writer, o.seq), txs[0].n, nil)
		}
		txs = txs[taken:]
		out = append(out, b)
	}
	return out
}

// send carries hints to the other nodes, gathered for HintDelay.
func (l *Log) send() {
	flush := func() {
		for _, b := range l.core.Hints() {
			l.opt.Send(b)
		}
	}
	for {
		select {
		case <-l.ctx.Done():
			flush()
			return
		case <-l.core.outbox.wake:
		}
		timer := time.NewTimer(l.opt.HintDelay)
		select {
		case <-l.ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		flush()
	}
}

// Hint takes a message that another node sent after a commit: its rows are applied now instead of at
// the next read of the log. A message that was lost before this one asks for a read. What is not a hint
// is counted and ignored; a forged one costs reloads and nothing else.
func (l *Log) Hint(b []byte) {
	if l.core.Hint(b) {
		l.ask()
	}
}
