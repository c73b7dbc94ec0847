package change

import (
	"crypto/rand"
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Everything is the kind of a row that changes all things of all kinds: "clear all caches", and what a
// reader is told when rows it had not read are gone.
const Everything = "*"

// CachesOnly is the version of a row of Everything that is for caches alone: nothing was changed, so what follows the
// log durably passes over it.
const CachesOnly = -1

// Row is one thing that one committed transaction changed. (Writer, N, Part) is its place for ever.
type Row struct {
	Writer  int64   // the process life that wrote it
	N       uint64  // the transaction of that writer, from 1
	Part    int     // the place within the transaction, from 0
	Low     uint64  // every number of the writer below it was settled; 0 in rows that came as a hint
	Kind    string  // the kind of thing; "*" is everything
	ID      stoa.ID // the thing; 0 is every thing of the kind in the scope
	Scope   stoa.ID // whose lists it is in, mostly a site; 0 is every scope
	Version int64
	At      time.Time // information only: the writer's clock
	// Again says that this row was applied here before, as a hint, and the log now confirms it. A cache
	// may spare what it loaded since, if loads cannot be older than hints (rule 10).
	Again bool
}

// Position is one write: the exact place a reader must have applied to have seen it.
type Position struct {
	Writer int64
	N      uint64
}

// String gives the position as clients carry it: "writer.n".
func (p Position) String() string {
	return strconv.FormatInt(p.Writer, 10) + "." + strconv.FormatUint(p.N, 10)
}

// ParsePosition reads what String gives. The error is of kind Invalid.
func ParsePosition(s string) (Position, error) {
	writer, n, _ := strings.Cut(s, ".")
	w, wErr := strconv.ParseUint(writer, 10, 63)
	number, nErr := strconv.ParseUint(n, 10, 63)
	if wErr != nil || nErr != nil || w == 0 || number == 0 {
		return Position{}, stoa.Invalid("position", "%.60q is not a place in the change log; the number of a writer, a dot and the number of a write are expected", s)
	}
	return Position{Writer: int64(w), N: number}, nil
}

// NewWriter gives a random 63-bit id for one process life; it is never 0.
func NewWriter() int64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // crypto/rand never fails; it ends the process instead
		if w := int64(binary.LittleEndian.Uint64(b[:]) >> 1); w != 0 {
			return w
		}
	}
}

// rowsOf turns the changes of a transaction into rows.
func rowsOf(writer int64, n, low uint64, at time.Time, changes []db.Change) []Row {
	rows := make([]Row, len(changes))
	for i, c := range changes {
		rows[i] = Row{Writer: writer, N: n, Part: i, Low: low, Kind: c.Kind, ID: c.ID, Scope: c.Scope, Version: c.Version, At: at}
	}
	return rows
}

// digester makes digests of the rows of one transaction, to tell whether a hint and the log agree. It is
// used by one goroutine at a time.
type digester struct {
	seed maphash.Seed
	b    []byte
}

func (d *digester) of(rows []Row) uint64 {
	b := d.b[:0]
	kind := ""
	for i := range rows {
		r := &rows[i]
		if r.Kind != kind || i == 0 {
			kind = r.Kind
			b = append(append(b, 1, byte(len(kind))), kind...) // at most maxKind
		} else {
			b = append(b, 0)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(r.ID))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.Scope))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.Version))
	}
	d.b = b
	return maphash.Bytes(d.seed, b)
}

// tombstone is the kind of a row that only says that its number will never be committed.
const tombstone = ""
