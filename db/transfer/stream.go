package transfer

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stoa-portal/stoa"
)

// A backup is a line that names the format, and after it, compressed (zstd, RFC 8878), records: a letter, the length
// as an unsigned varint, the bytes. Rows of a table and bytes of a file are followed by a record with their
// SHA-256, and the last record has the SHA-256 of all before it, so a stream that was cut is known as one.
const (
	magic  = "stoa-backup 1\n"
	format = 1

	recHeader  = 'H'
	recTable   = 'T'
	recRows    = 'R'
	recRowsEnd = 'E'
	recFile    = 'F'
	recBytes   = 'B'
	recFileEnd = 'G'
	recGone    = 'X' // a file that was deleted in the portal after the rows were read
	recEnd     = 'Z'

	recordBytes = 256 << 10 // of files in one record
	maxRecord   = 1 << 30
)

// Header begins a backup.
type Header struct {
	Format      int              `json:"format"`
	Version     string           `json:"stoa"`
	Engine      string           `json:"engine"`
	Schema      int64            `json:"schema"`
	Incarnation int64            `json:"incarnation"` // the newest that the source knew
	Taken       time.Time        `json:"taken"`       // when the rows were what the backup says
	Rows        int64            `json:"rows"`        // about; how many it became stands in the End
	FileBytes   int64            `json:"fileBytes"`   // about
	Counters    map[string]int64 `json:"counters"`    // the next id of each
}

// End ends a backup.
type End struct {
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
	Files  int64  `json:"files"`
	Bytes  int64  `json:"bytes"` // of files
	Gone   int64  `json:"gone"`  // files deleted meanwhile
	SHA256 string `json:"sha256"`
}

type tableEnd struct {
	Name   string `json:"name"`
	Sum    string `json:"sum"` // as Sum.String
	SHA256 string `json:"sha256"`
}

type fileHead struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // what the row says, in fileHead; what was read, at the end
	Table  string `json:"table,omitempty"`  // where a file that is gone was named
	Column string `json:"column,omitempty"`
	Value  string `json:"value,omitempty"`
}

// writer writes records.
type writer struct {
	z    *zstd.Encoder
	all  hash.Hash
	part hash.Hash
}

func newWriter(w io.Writer) (*writer, error) {
	if _, err := io.WriteString(w, magic); err != nil {
		return nil, err
	}
	// One block after the other and a small window: a few megabytes, whatever the size of the portal.
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	return &writer{z: z, all: sha256.New(), part: sha256.New()}, nil
}

func (w *writer) record(kind byte, payload []byte) error {
	head := binary.AppendUvarint([]byte{kind}, uint64(len(payload)))
	if kind != recEnd {
		w.all.Write(head)
		w.all.Write(payload)
	}
	switch kind {
	case recTable, recFile:
		w.part.Reset()
	case recRows, recBytes:
		w.part.Write(payload)
	}
	if _, err := w.z.Write(head); err != nil {
		return err
	}
	_, err := w.z.Write(payload)
	return err
}

func (w *writer) json(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.record(kind, b)
}

func (w *writer) partSum() string { return hex.EncodeToString(w.part.Sum(nil)) }

// end writes the last record and everything that was held back.
func (w *writer) end(e End) error {
	e.SHA256 = hex.EncodeToString(w.all.Sum(nil))
	if err := w.json(recEnd, e); err != nil {
		return err
	}
	return w.z.Close()
}

// input reads records and checks every checksum on the way.
type input struct {
	in   *bufio.Reader
	z    *zstd.Decoder
	all  hash.Hash
	part hash.Hash
	buf  []byte
}

func cutStream(err error) error {
	return stoa.Invalid("backup", "the backup is damaged or was cut off before its end (%v): it cannot be restored; "+
		"use another one", err)
}

func newInput(r io.Reader) (*input, error) {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != magic {
		return nil, stoa.Invalid("backup", "this is not a backup that this stoa can read: it does not begin with %q",
			magic[:len(magic)-1])
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, err
	}
	return &input{in: bufio.NewReaderSize(z, 64<<10), z: z, all: sha256.New(), part: sha256.New()}, nil
}

func (i *input) close() { i.z.Close() }

// next gives the next record; payload is good until the next call.
func (i *input) next() (kind byte, payload []byte, err error) {
	kind, err = i.in.ReadByte()
	if err != nil {
		return 0, nil, cutStream(noEOF(err))
	}
	size, err := binary.ReadUvarint(i.in)
	if err != nil || size > maxRecord {
		return 0, nil, cutStream(errors.Join(noEOF(err), fmt.Errorf("a record of %d bytes", size)))
	}
	// A length that is a lie must not take the memory it names: the buffer grows with what is there.
	i.buf = i.buf[:0]
	for uint64(len(i.buf)) < size {
		n := min(size-uint64(len(i.buf)), 1<<20)
		at := len(i.buf)
		i.buf = append(i.buf, make([]byte, n)...)
		if _, err := io.ReadFull(i.in, i.buf[at:]); err != nil {
			return 0, nil, cutStream(noEOF(err))
		}
	}
	if kind != recEnd {
		i.all.Write(binary.AppendUvarint([]byte{kind}, size))
		i.all.Write(i.buf)
	}
	switch kind {
	case recTable, recFile:
		i.part.Reset()
	case recRows, recBytes:
		i.part.Write(i.buf)
	}
	payload = i.buf
	if cap(i.buf) > 4<<20 {
		i.buf = nil // one large row does not stay for ever
	}
	return kind, payload, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read fills v from a record and, for ends of parts, compares the checksum that the record says.
func (i *input) read(payload []byte, v any) error {
	if err := json.Unmarshal(payload, v); err != nil {
		return cutStream(err)
	}
	want := ""
	switch v := v.(type) {
	case *tableEnd:
		want = v.SHA256
	case *fileHead:
		return nil
	case *End:
		if got := hex.EncodeToString(i.all.Sum(nil)); got != v.SHA256 {
			return cutStream(errors.New("the checksum of the whole differs"))
		}
		if _, err := i.in.ReadByte(); !errors.Is(err, io.EOF) {
			return cutStream(fmt.Errorf("it goes on after its end: %w", err))
		}
		return nil
	default:
		return nil
	}
	if got := hex.EncodeToString(i.part.Sum(nil)); got != want {
		return cutStream(errors.New("the checksum of a part differs"))
	}
	return nil
}

// fileEnd reads the end of a file and compares its checksum.
func (i *input) fileEnd(payload []byte) (fileHead, error) {
	var f fileHead
	if err := json.Unmarshal(payload, &f); err != nil {
		return f, cutStream(err)
	}
	if got := hex.EncodeToString(i.part.Sum(nil)); got != f.SHA256 {
		return f, cutStream(fmt.Errorf("the checksum of file %s differs", f.Key))
	}
	return f, nil
}

// visitor takes the parts of a backup in their order. A function that is nil is not called.
type visitor struct {
	header func(Header) error
	table  func(Table) error
	rows   func(t Table, rows [][]any) error
	ended  func(t Table, sum Sum) error
	file   func(f fileHead, bytes io.Reader) error // reads all of it
	gone   func(f fileHead) error
	told   func(rows, fileBytes int64) // after each record
}

// walk reads a whole backup. It returns the end only when every checksum is right.
func walk(r io.Reader, v visitor) (h Header, e End, err error) {
	in, err := newInput(r)
	if err != nil {
		return h, e, err
	}
	defer in.close()
	kind, payload, err := in.next()
	if err == nil && kind != recHeader {
		err = cutStream(fmt.Errorf("no header but a record %q", kind))
	}
	if err == nil {
		err = in.read(payload, &h)
	}
	if err != nil {
		return h, e, err
	}
	if h.Format != format {
		return h, e, stoa.Invalid("backup", "the backup has format %d, written by stoa %s; this stoa reads format %d",
			h.Format, h.Version, format)
	}
	if v.header != nil {
		if err := v.header(h); err != nil {
			return h, e, err
		}
	}
	var t Table
	var sum Sum
	var rows, bytes int64
	var tables int
	var files, gone int64
	for {
		kind, payload, err := in.next()
		if err != nil {
			return h, e, err
		}
		switch kind {
		case recTable:
			t, sum = Table{}, Sum{}
			tables++
			err = in.read(payload, &t)
			if err == nil && v.table != nil {
				err = v.table(t)
			}
		case recRows:
			var page [][]any
			page, err = decodeRows(t, payload, &sum)
			rows += int64(len(page))
			if err == nil && v.rows != nil {
				err = v.rows(t, page)
			}
		case recRowsEnd:
			var end tableEnd
			err = in.read(payload, &end)
			if err == nil && (end.Sum != sum.String() || end.Name != t.Name) {
				err = cutStream(fmt.Errorf("the rows of table %s differ from their checksum", t.Name))
			}
			if err == nil && v.ended != nil {
				err = v.ended(t, sum)
			}
		case recFile:
			var f fileHead
			if err = in.read(payload, &f); err == nil {
				files++
				var n int64
				n, err = in.file(f, v)
				bytes += n
			}
		case recGone:
			var f fileHead
			if err = in.read(payload, &f); err == nil {
				gone++
				if v.gone != nil {
					err = v.gone(f)
				}
			}
		case recEnd:
			if err = in.read(payload, &e); err == nil && (e.Tables != tables || e.Rows != rows || e.Files != files ||
				e.Bytes != bytes || e.Gone != gone) {
				err = cutStream(errors.New("its parts are not those that its end counts"))
			}
			return h, e, err
		default:
			err = cutStream(fmt.Errorf("a record %q", kind))
		}
		if err != nil {
			return h, e, err
		}
		if v.told != nil {
			v.told(rows, bytes)
		}
	}
}

func decodeRows(t Table, payload []byte, sum *Sum) ([][]any, error) {
	var page [][]any
	for len(payload) > 0 {
		row, rest, err := decode(payload, len(t.Columns))
		if err != nil || len(t.Columns) == 0 {
			return nil, cutStream(errDamaged)
		}
		sum.add(payload[:len(payload)-len(rest)])
		page, payload = append(page, row), rest
	}
	return page, nil
}

// file gives the bytes of one file to the visitor.
func (i *input) file(f fileHead, v visitor) (n int64, err error) {
	b := &fileBytes{in: i}
	if v.file != nil {
		err = v.file(f, b)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, b)
	}
	if err == nil && b.n != f.Size {
		err = cutStream(fmt.Errorf("file %s has %d bytes of %d", f.Key, b.n, f.Size))
	}
	return b.n, err
}

// fileBytes reads the records of one file up to its end, which it checks before it says EOF.
type fileBytes struct {
	in   *input
	left []byte
	n    int64
	err  error
}

func (b *fileBytes) Read(p []byte) (int, error) {
	for len(b.left) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		kind, payload, err := b.in.next()
		switch {
		case err != nil:
			b.err = err
		case kind == recBytes:
			b.left = payload
		case kind == recFileEnd:
			if _, b.err = b.in.fileEnd(payload); b.err == nil {
				b.err = io.EOF
			}
		default:
			b.err = cutStream(fmt.Errorf("a record %q inside a file", kind))
		}
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	b.n += int64(n)
	return n, nil
}
