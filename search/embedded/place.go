package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	bolt "go.etcd.io/bbolt"
)

// errInUse says that another process has the index.
var errInUse = errors.New("another process has it")

// place is an index of bleve in a folder.
type place struct {
	path  string
	bleve index.Index
	queue *index.AnalysisQueue
	write sync.Mutex // one write at a time: what is there is read before
}

// analysts is how many documents of a write are taken apart at the same time.
const analysts = 2

// openPlace opens the index of a folder, or makes it in an empty one. It returns errInUse, or another error when the
// index cannot be used; then the folder is as before and free.
func openPlace(path string, wait time.Duration) (p *place, err error) {
	if err := checkRoot(filepath.Join(path, "root.bolt"), wait); err != nil {
		return nil, err
	}
	p = &place{path: path, queue: index.NewAnalysisQueue(analysts)}
	faults := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(faults)
	opened := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
		if err != nil {
			if opened {
				_ = p.bleve.Close()
			}
			p.queue.Close()
			p = nil
		}
	}()
	p.bleve, err = scorch.NewScorch(scorch.Name, map[string]any{
		"path":         path,
		"bolt_timeout": wait.String(), // without it a second process waits for ever
	}, p.queue)
	if err != nil {
		return p, err
	}
	if err := p.bleve.Open(); err != nil {
		if errors.Is(err, bolt.ErrTimeout) {
			err = errInUse
		}
		return p, err
	}
	opened = true
	return p, p.check()
}

// checkRoot reads the file that names all others, before bleve does: it trusts it.
func checkRoot(path string, wait time.Duration) (err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New("root.bolt is empty")
	}
	faults := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(faults)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("root.bolt: %v", r)
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: wait})
	if errors.Is(err, bolt.ErrTimeout) {
		return errInUse
	}
	if err != nil {
		return fmt.Errorf("root.bolt: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		pages := info.Size() / int64(db.Info().PageSize)
		if tx.Size() > info.Size() {
			return fmt.Errorf("root.bolt has %d pages, and its tree is larger", pages)
		}
		return nil
	})
}

// check compares the sums of all segments: bleve does not, and reads nonsense or dies of it later.
func (p *place) check() error {
	r, err := p.reader()
	if err != nil {
		return err
	}
	defer r.Close()
	for _, s := range r.Segments() {
		kept, ok := s.Segment().(segment.PersistedSegment)
		if !ok {
			continue
		}
		if err := checkSum(kept.Path()); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(kept.Path()), err)
		}
	}
	return nil
}

// checkSum reads a segment, whose last four bytes are the sum of all before.
func checkSum(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < 4 {
		return errors.New("it is cut off")
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(sum, f, info.Size()-4); err != nil {
		return err
	}
	var said [4]byte
	if _, err := io.ReadFull(f, said[:]); err != nil {
		return err
	}
	if got, want := sum.Sum32(), binary.BigEndian.Uint32(said[:]); got != want {
		return fmt.Errorf("its sum is %08x and not %08x", got, want)
	}
	return nil
}

// reader gives the index as it is now.
func (p *place) reader() (*scorch.IndexSnapshot, error) {
	r, err := p.bleve.Reader()
	if err != nil {
		return nil, err
	}
	s, ok := r.(*scorch.IndexSnapshot)
	if !ok {
		_ = r.Close()
		return nil, fmt.Errorf("bleve reads by a %T", r)
	}
	return s, nil
}

func (p *place) close() error {
	err := p.bleve.Close()
	p.queue.Close()
	return err
}

// bytes is what the index takes on the disk.
func (p *place) bytes() (int64, error) {
	entries, err := os.ReadDir(p.path)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) { // merged away
			continue
		}
		if err != nil {
			return 0, err
		}
		n += info.Size()
	}
	return n, nil
}
