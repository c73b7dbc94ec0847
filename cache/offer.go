package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An offer travels as: version, incarnation, build, region, key, time left in microseconds, tags, the
// standing of the sender when the load began, and the value as the region's codec writes it.
const (
	offerVersion = 1
	maxOffer     = 512 << 10 // bytes of a whole message; larger values are not offered and not taken
	maxOfferName = 255       // bytes of a build, a region, a kind
	maxOfferKey  = 64 << 10
	maxWriters   = 4096
	maxGaps      = 4096 // of all writers together
	maxLeft      = uint64(365 * 24 * time.Hour / time.Microsecond)
)

// Codec turns values of a region into bytes and back, so that nodes can give them to each other. A
// value that was encoded and decoded must be one that the region's Same calls equal.
type Codec[V any] struct {
	Encode func(v V) ([]byte, error)
	// Decode may keep b. Whatever b holds, it returns an error or a value that can be used.
	Decode func(b []byte) (V, error)
}

// JSON is a Codec for types that say everything in exported fields.
func JSON[V any]() Codec[V] {
	return Codec[V]{
		Encode: func(v V) ([]byte, error) { return json.Marshal(v) },
		Decode: func(b []byte) (v V, err error) { return v, json.Unmarshal(b, &v) },
	}
}

// offer is a value that a node has loaded, on its way to the others.
type offer struct {
	incarnation int64
	build       string
	region, key string
	left        time.Duration // until it is no longer fresh, when it was sent
	tags        []Tag
	standing    []Standing // sorted by writers
	value       []byte
}

var errOffer = errors.New("not an offer of a cached value")

// encode gives the message, or nil when the offer is larger than any node would take.
func (o *offer) encode() []byte {
	if len(o.value) >= maxOffer || len(o.standing) > maxWriters || len(o.key) > maxOfferKey {
		return nil
	}
	b := make([]byte, 0, len(o.value)+len(o.key)+24*len(o.tags)+16*len(o.standing)+128)
	b = append(b, offerVersion)
	b = binary.AppendVarint(b, o.incarnation)
	for _, s := range []string{o.build, o.region, o.key} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(o.left/time.Microsecond))
	b = binary.AppendUvarint(b, uint64(len(o.tags)))
	for _, t := range o.tags {
		b = appendText(b, t.Kind)
		b = binary.AppendVarint(b, t.ID)
		b = binary.AppendVarint(b, t.Scope)
	}
	b = binary.AppendUvarint(b, uint64(len(o.standing)))
	gaps := 0
	for _, s := range o.standing {
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Writer))
		b = binary.AppendUvarint(b, s.Head)
		b = binary.AppendUvarint(b, uint64(len(s.Gaps)))
		var before uint64
		for _, n := range s.Gaps {
			b = binary.AppendUvarint(b, n-before)
			before = n
		}
		gaps += len(s.Gaps)
	}
	b = append(b, o.value...)
	if len(b) >= maxOffer || gaps > maxGaps {
		return nil
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeOffer reads a message. Nothing in it is trusted: sizes are bounded by what was received, and
// lists are in the order that they are searched by.
func decodeOffer(b []byte) (*offer, error) {
	if len(b) < 2 || len(b) >= maxOffer {
		return nil, fmt.Errorf("%w: %d bytes", errOffer, len(b))
	}
	if b[0] != offerVersion {
		return nil, fmt.Errorf("%w: version %d", errOffer, b[0])
	}
	d := offerReader{b: b[1:]}
	o := &offer{
		incarnation: d.varint(),
		build:       d.text(maxOfferName), region: d.text(maxOfferName), key: d.text(maxOfferKey),
		left: time.Duration(min(d.uvarint(), maxLeft)) * time.Microsecond,
	}
	o.tags = make([]Tag, d.upTo(maxTags))
	for i := range o.tags {
		t := Tag{Kind: d.text(maxOfferName), ID: d.varint(), Scope: d.varint()}
		d.bad = d.bad || t.Kind == "" || t != t.normal()
		o.tags[i] = t
	}
	o.standing = make([]Standing, d.upTo(min(maxWriters, uint64(len(d.b))/10)))
	gaps := uint64(maxGaps)
	for i := range o.standing {
		s := Standing{Writer: d.int64(), Head: d.uvarint()}
		d.bad = d.bad || i > 0 && s.Writer <= o.standing[i-1].Writer
		if n := d.upTo(min(gaps, uint64(len(d.b)))); n > 0 {
			gaps -= n
			s.Gaps = make([]uint64, n)
		}
		var before uint64
		for j := range s.Gaps {
			step := d.uvarint()
			d.bad = d.bad || step == 0 || step > s.Head-before
			before += step
			s.Gaps[j] = before
		}
		o.standing[i] = s
		if d.bad {
			break
		}
	}
	if d.bad {
		return nil, errOffer
	}
	o.value = slices.Clip(d.b)
	return o, nil
}

// offerReader reads the parts of a message; after the first that is wrong it gives nothing.
type offerReader struct {
	b   []byte
	bad bool
}

func (d *offerReader) fail() {
	d.b, d.bad = nil, true
}

func (d *offerReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *offerReader) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// upTo reads a number that is not above most.
func (d *offerReader) upTo(most uint64) uint64 {
	v := d.uvarint()
	if v > most {
		d.fail()
		return 0
	}
	return v
}

func (d *offerReader) int64() int64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	v := int64(binary.LittleEndian.Uint64(d.b))
	d.b = d.b[8:]
	return v
}

func (d *offerReader) text(most uint64) string {
	n := d.upTo(most)
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
