package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
)

// Calls and answers travel as: version, length of the head, head, body. A later version may add fields
// at the end of the head, which this one skips: so two versions of Stoa understand each other.
const (
	envelopeVersion = 1
	maxMethod       = 100       // bytes
	maxBody         = 768 << 10 // below the 1 MiB that the transport carries
)

// flags of an envelope.
const (
	flagMaster = 1 << iota // the receiver must be the master, or answer that it is not
	flagOneWay             // no caller waits for an answer
	flagAnswer             // this is an answer; kind says how it went
	flagOK                 // the call went well
)

// envelope is one message of a call.
type envelope struct {
	flags   uint64
	from    int64         // the writer that sends it
	seq     uint64        // of the call, counted by the caller
	limit   time.Duration // how long the caller waits yet
	method  string
	kind    stoa.Kind // of the error, in an answer
	message string    // of the error
	field   string
	body    []byte
}

func (e *envelope) has(flag uint64) bool { return e.flags&flag != 0 }

func (e *envelope) encode() []byte {
	head := binary.AppendUvarint(make([]byte, 0, 64+len(e.method)+len(e.message)), e.flags)
	head = binary.LittleEndian.AppendUint64(head, uint64(e.from))
	head = binary.AppendUvarint(head, e.seq)
	head = binary.AppendUvarint(head, uint64(max(e.limit.Milliseconds(), 0)))
	head = append(head, byte(e.kind))
	for _, s := range []string{e.method, e.message, e.field} {
		head = binary.AppendUvarint(head, uint64(len(s)))
		head = append(head, s...)
	}
	b := append(make([]byte, 0, 8+len(head)+len(e.body)), envelopeVersion)
	b = binary.AppendUvarint(b, uint64(len(head)))
	b = append(b, head...)
	return append(b, e.body...)
}

var errEnvelope = errors.New("not a call between nodes")

// decodeEnvelope reads what came over the network; nothing in it is trusted.
func decodeEnvelope(b []byte) (e envelope, err error) {
	if len(b) < 2 || b[0] != envelopeVersion {
		return e, fmt.Errorf("%w: %d bytes", errEnvelope, len(b))
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size > uint64(len(b)-1-n) {
		return e, errEnvelope
	}
	head := b[1+n : 1+n+int(size)]
	e.body = b[1+n+int(size):]
	ok := true
	number := func() uint64 {
		v, n := binary.Uvarint(head)
		if n <= 0 {
			ok, head = false, nil
			return 0
		}
		head = head[n:]
		return v
	}
	text := func(most uint64) string {
		size := number()
		if !ok || size > most || size > uint64(len(head)) {
			ok, head = false, nil
			return ""
		}
		s := string(head[:size])
		head = head[size:]
		return s
	}
	e.flags = number()
	if len(head) < 8 {
		return envelope{}, errEnvelope
	}
	e.from = int64(binary.LittleEndian.Uint64(head))
	head = head[8:]
	e.seq = number()
	e.limit = time.Duration(min(number(), uint64(time.Hour.Milliseconds()))) * time.Millisecond
	if len(head) < 1 {
		return envelope{}, errEnvelope
	}
	e.kind, head = stoa.Kind(head[0]), head[1:]
	e.method, e.message, e.field = text(maxMethod), text(4<<10), text(200)
	if !ok || e.from <= 0 || e.seq == 0 || len(e.body) > maxBody {
		return envelope{}, errEnvelope
	}
	return e, nil
}
