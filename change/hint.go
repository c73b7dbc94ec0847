package change

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// decodeHint reads a message from another node. Nothing in it is trusted: sizes are bounded by what was
// received.
func decodeHint(b []byte) (hint, error) {
	var h hint
	if len(b) < 9 || len(b) > 2*maxHintSize {
		return h, fmt.Errorf("%w: %d bytes", errHint, len(b))
	}
	if b[0] != hintVersion {
		return h, fmt.Errorf("%w: version %d", errHint, b[0])
	}
	h.writer = int64(binary.LittleEndian.Uint64(b[1:9]))
	d := hintDecoder{b: b[9:]}
	h.seq = d.uvarint()
	for len(d.b) > 0 && !d.bad {
		tx := hintTx{n: d.uvarint()}
		count := d.uvarint()
		if tx.n == 0 || count > maxHintRows {
			d.bad = true
		}
		for i := 0; i < int(count) && !d.bad; i++ {
			r := Row{Writer: h.writer, N: tx.n, Part: i}
			r.Kind = d.kind()
			r.ID, r.Scope, r.Version = stoa.ID(d.varint()), stoa.ID(d.varint()), d.varint()
			r.At = time.UnixMicro(d.varint()).UTC()
			tx.rows = append(tx.rows, r)
		}
		h.txs = append(h.txs, tx)
	}
	if d.bad || h.writer <= 0 || h.seq == 0 {
		return hint{}, errHint
	}
	return h, nil
}

type hintDecoder struct {
	b   []byte
	bad bool
}

func (d *hintDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *hintDecoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *hintDecoder) kind() string {
	n := d.uvarint()
	if d.bad || n == 0 || n > maxKind || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
