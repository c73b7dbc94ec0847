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
	wake chan struct{}
}

// maxOutbox bounds the rows that wait to be sent; above it the others are told to read the log.
const maxOutbox = 20_000

func (o *outbox) put(n uint64, rows []Row) {
	o.mu.Lock()
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

func (o *outbox) take() []hintTx {
	o.mu.Lock()
	defer o.mu.Unlock()
	txs := o.txs
	o.txs, o.rows, o.full = nil, 0, false
	return txs
}

// send carries hints to the other nodes: what was committed within HintDelay travels together, in
// messages of at most 64 KiB. A full message goes at once.
func (l *Log) send() {
	var seq uint64
	flush := func() {
		txs := l.outbox.take()
		for len(txs) > 0 {
			seq++
			b := appendHintHead(make([]byte, 0, 512), l.own.writer, seq)
			sent := 0
			for _, tx := range txs {
				size := len(b)
				b = appendHintTx(b, tx.n, tx.rows)
				if len(b) > maxHintSize && sent > 0 {
					b = b[:size]
					break
				}
				sent++
			}
			if len(b) > maxHintSize { // one transaction that is too big: announce it
				b = appendHintTx(appendHintHead(b[:0], l.own.writer, seq), txs[0].n, nil)
			}
			txs = txs[sent:]
			l.stats.hintsSent.Add(1)
			l.opt.Send(b)
		}
	}
	for {
		select {
		case <-l.ctx.Done():
			flush()
			return
		case <-l.outbox.wake:
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
	h, err := decodeHint(b)
	if err != nil {
		l.stats.hintsBad.Add(1)
		return
	}
	if h.writer == l.own.writer {
		return
	}
	l.stats.hintsReceived.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moving()
	wanted := l.follow(h.writer, h.seq)
	var rows []Row
	for _, tx := range h.txs {
		switch {
		case tx.rows == nil:
			wanted = true
		case l.reader.hint(h.writer, tx.n, tx.rows):
			rows = append(rows, tx.rows...)
		}
	}
	l.apply(rows)
	if wanted {
		l.ask()
	}
}

// follow notes the number of a message and reports whether one before it is missing. l.mu is held.
func (l *Log) follow(writer int64, seq uint64) (missing bool) {
	const mostSenders = 4096 // forged ones must not fill the memory
	last, known := l.seqs[writer]
	switch {
	case !known:
		if len(l.seqs) >= mostSenders {
			clear(l.seqs)
		}
		l.seqs[writer] = seq
		return seq != 1
	case seq <= last: // late or twice
		return false
	}
	l.seqs[writer] = seq
	l.stats.hintsLost.Add(seq - last - 1)
	return seq != last+1
}
