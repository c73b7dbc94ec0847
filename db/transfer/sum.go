package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/stoa-portal/stoa"
)

// Sum is the checksum of a set of rows: the SHA-256 of each, added up as numbers of 256 bits, and how many they
// are. It does not depend on their order, so engines that sort differently agree.
type Sum struct {
	Rows int64
	word [4]uint64
}

// add takes one encoded row into the sum.
func (s *Sum) add(encoded []byte) {
	h := sha256.Sum256(encoded)
	s.Rows++
	var carry uint64
	for i := range s.word {
		s.word[i], carry = bits.Add64(s.word[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
}

// join takes another set into the sum.
func (s *Sum) join(o Sum) {
	s.Rows += o.Rows
	var carry uint64
	for i := range s.word {
		s.word[i], carry = bits.Add64(s.word[i], o.word[i], carry)
	}
}

// String gives the number of rows and the checksum in hexadecimal.
func (s Sum) String() string {
	var b [32]byte
	for i, w := range s.word {
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
	return strconv.FormatInt(s.Rows, 10) + ":" + hex.EncodeToString(b[:])
}

// Tags of encoded values.
const (
	tagNull = 0
	tagInt  = 1
	tagText = 2
	tagBlob = 3
)

// encode appends a row: each value with its kind and its length, so that no two rows look alike.
func encode(b []byte, row []any) []byte {
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			b = append(b, tagNull)
		case int64:
			b = binary.AppendVarint(append(b, tagInt), v)
		case string:
			b = append(binary.AppendUvarint(append(b, tagText), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, tagBlob), uint64(len(v))), v...)
		}
	}
	return b
}

var errDamaged = errors.New("the rows of the stream are damaged")

// decode reads one row of n values from b and gives what is left.
func decode(b []byte, n int) (row []any, rest []byte, err error) {
	row = make([]any, n)
	for i := range row {
		if len(b) == 0 {
			return nil, nil, errDamaged
		}
		tag := b[0]
		b = b[1:]
		switch tag {
		case tagNull:
		case tagInt:
			v, used := binary.Varint(b)
			if used <= 0 {
				return nil, nil, errDamaged
			}
			row[i], b = v, b[used:]
		case tagText, tagBlob:
			size, used := binary.Uvarint(b)
			if used <= 0 || size > uint64(len(b)-used) {
				return nil, nil, errDamaged
			}
			value := b[used : used+int(size)]
			b = b[used+int(size):]
			if tag == tagText {
				row[i] = string(value)
			} else {
				row[i] = append([]byte{}, value...)
			}
		default:
			return nil, nil, errDamaged
		}
	}
	return row, b, nil
}

// normal turns what a driver gives for a column into int64, string, []byte or nil.
func normal(t Table, c Column, v any) (any, error) {
	if v == nil && !c.Nullable { // a driver that gives nil for no bytes
		switch c.Kind {
		case Text:
			return "", nil
		case Blob:
			return []byte{}, nil
		}
	}
	switch c.Kind {
	case Int, Bool:
		switch v := v.(type) {
		case nil:
			return nil, nil
		case int64:
			return v, nil
		case bool:
			if v {
				return int64(1), nil
			}
			return int64(0), nil
		case []byte:
			return number(t, c, string(v))
		case string:
			return number(t, c, v)
		}
	case Text:
		switch v := v.(type) {
		case nil:
			return nil, nil
		case string:
			return v, nil
		case []byte:
			return string(v), nil
		}
	case Blob:
		switch v := v.(type) {
		case nil:
			return nil, nil
		case []byte:
			return append([]byte{}, v...), nil
		case string:
			return []byte(v), nil
		}
	}
	return nil, stoa.Invalid("schema", "column %s of table %s holds a %T where %s is expected", c.Name, t.Name, v,
		c.Kind)
}

func number(t Table, c Column, s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("column %s of table %s: %w", c.Name, t.Name, err)
	}
	return n, nil
}
