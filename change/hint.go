package change

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
)

// Hints travel as: version, writer, number of the message, then transactions: n, count of rows, rows.
// A transaction without rows says "read the log". Messages are numbered so that a receiver knows when
// one was lost; a missing n alone says nothing, it may have been rolled back.
const (
	hintVersion = 1
	maxHintSize = 64 << 10
	maxHintRows = 500 // a bigger transaction is announced, not sent
	maxKind     = 60  // bytes, as the column of the table
)

// hintTx is one transaction of a hint.
type hintTx struct {
	n    uint64
	rows []Row // nil: read the log
}

type hint struct {
	writer int64
	seq    uint64
	txs    []hintTx
}

func appendHintHead(b []byte, writer int64, seq uint64) []byte {
	b = append(b, hintVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(writer))
	return binary.AppendUvarint(b, seq)
}

func appendHintTx(b []byte, n uint64, rows []Row) []byte {
	if len(rows) > maxHintRows {
		rows = nil
	}
	b = binary.AppendUvarint(b, n)
	b = binary.AppendUvarint(b, uint64(len(rows)))
	for _, r := range rows {
		b = binary.AppendUvarint(b, uint64(len(r.Kind)))
		b = append(b, r.Kind...)
		b = binary.AppendVarint(b, int64(r.ID))
		b = binary.AppendVarint(b, int64(r.Scope))
		b = binary.AppendVarint(b, r.Version)
		b = binary.AppendVarint(b, r.At.UnixMicro())
	}
	return b
}

var errHint = errors.New("not a hint of the change log")

// hintDecoder reads messages. What it gives is good until the next one: at a high rate of changes the
// rows would otherwise be most of what a node throws away.
type hintDecoder struct {
	b    []byte
	at   int // in b
	bad  bool
	txs  []hintTx
	rows []Row

	// The newest kind and time, and how they stand in b.
	lastKind           string
	lastTime           time.Time
	kindText, timeText []byte
}

// decode reads a message. Nothing in it is trusted: sizes are bounded by what was received.
func (d *hintDecoder) decode(b []byte) (hint, error) {
	if len(b) < 9 || len(b) > 2*maxHintSize {
		return hint{}, fmt.Errorf("%w: %d bytes", errHint, len(b))
	}
	if b[0] != hintVersion {
		return hint{}, fmt.Errorf("%w: version %d", errHint, b[0])
	}
	h := hint{writer: int64(binary.LittleEndian.Uint64(b[1:9]))}
	d.b, d.at, d.bad, d.txs, d.rows = b, 9, false, d.txs[:0], d.rows[:0]
	d.kindText, d.timeText = nil, nil // of a message whose bytes may be others by now
	h.seq = d.uvarint()
	for d.at < len(b) && !d.bad {
		tx := hintTx{n: d.uvarint()}
		count := d.uvarint()
		if tx.n == 0 || count > maxHintRows {
			d.bad = true
		}
		first := len(d.rows)
		if !d.bad {
			d.rows = slices.Grow(d.rows, int(count))
		}
		for i := 0; i < int(count) && !d.bad; i++ {
			d.rows = d.rows[:first+i+1]
			r := &d.rows[first+i] // in place: every field is set
			r.Writer, r.N, r.Part, r.Low, r.Again = h.writer, tx.n, i, 0, false
			r.Kind = d.kind()
			r.ID, r.Scope, r.Version = stoa.ID(d.varint()), stoa.ID(d.varint()), d.varint()
			r.At = d.time()
		}
		if count > 0 {
			tx.rows = d.rows[first:len(d.rows):len(d.rows)]
		}
		d.txs = append(d.txs, tx)
	}
	if d.bad || h.writer <= 0 || h.seq == 0 {
		return hint{}, errHint
	}
	h.txs = d.txs
	return h, nil
}

func (d *hintDecoder) fail() { d.bad, d.at = true, len(d.b) }

func (d *hintDecoder) uvarint() uint64 {
	// Most numbers are small: this is what binary.Uvarint does, for as many bytes as ids mostly have.
	if b := d.b[d.at:]; len(b) >= 3 {
		switch {
		case b[0] < 0x80:
			d.at++
			return uint64(b[0])
		case b[1] < 0x80:
			d.at += 2
			return uint64(b[0]&0x7f) | uint64(b[1])<<7
		case b[2] < 0x80:
			d.at += 3
			return uint64(b[0]&0x7f) | uint64(b[1]&0x7f)<<7 | uint64(b[2])<<14
		}
	}
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		d.fail()
		return 0
	}
	d.at += n
	return v
}

func (d *hintDecoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// kind and time read what is mostly the same in the next row of a transaction, and then it is not read anew.

func (d *hintDecoder) kind() string {
	if d.again(d.kindText) {
		return d.lastKind
	}
	from := d.at
	n := d.uvarint()
	if d.bad || n == 0 || n > maxKind || n > uint64(len(d.b)-d.at) {
		d.fail()
		return ""
	}
	kind := d.b[d.at : d.at+int(n)]
	d.at += int(n)
	d.kindText = d.b[from:d.at]
	if string(kind) != d.lastKind {
		d.lastKind = string(kind)
	}
	return d.lastKind
}

func (d *hintDecoder) time() time.Time {
	if d.again(d.timeText) {
		return d.lastTime
	}
	from := d.at
	d.lastTime = time.UnixMicro(d.varint()).UTC()
	d.timeText = d.b[from:d.at]
	return d.lastTime
}

// again skips a text that was read before if it comes next.
func (d *hintDecoder) again(text []byte) bool {
	if len(text) == 0 || !bytes.HasPrefix(d.b[d.at:], text) {
		return false
	}
	d.at += len(text)
	return true
}
