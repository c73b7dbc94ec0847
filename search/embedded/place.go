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
	"github.com/blevesearch/bleve/v2/util"
	index "github.com/blevesearch/bleve_index_api"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// errInUse says that another process has the index.
var errInUse = errors.New("another process has it")

// place is an index of bleve in a folder.
type place struct {
	path  string
	bleve index.Index
	queue *index.AnalysisQueue
	write sync.Mutex // one write at a time: what is there is read before

	columns columnCache
}

// analysts is how many documents of a write are taken apart at the same time.
const analysts = 2

// madeKey is in each index from its first moment. Where it is missing, bleve could not load what is there and began
// with nothing, which it only logs.
const madeKey = "made"

// makePlace makes an index in an empty folder.
func makePlace(path string, wait time.Duration) (*place, error) {
	p, err := openAny(path, wait)
	if err != nil {
		return nil, err
	}
	if err := p.bleve.SetInternal([]byte(madeKey), []byte{form}); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// openPlace opens the index of a folder. It returns errInUse, or another error when the index cannot be used; then the
// folder is free.
func openPlace(path string, wait time.Duration) (*place, error) {
	if _, err := os.Stat(filepath.Join(path, rootFile)); err != nil {
		return nil, err
	}
	if err := checkNote(path); err != nil {
		return nil, err
	}
	p, err := openAny(path, wait)
	if err != nil {
		return nil, err
	}
	r, err := p.reader()
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	made, err := r.GetInternal([]byte(madeKey))
	if err = errors.Join(err, r.Close()); err == nil && made == nil {
		err = errors.New("its segments cannot be read")
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// rootFile names all the others.
const rootFile = "root.bolt"

func openAny(path string, wait time.Duration) (p *place, err error) {
	if err := checkRoot(filepath.Join(path, rootFile), wait); err != nil {
		return nil, err
	}
	p = &place{path: path, queue: index.NewAnalysisQueue(analysts)}
	faults := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(faults)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
			letGo(p.bleve)
		}
		if err != nil {
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
		if errors.Is(err, bolterrors.ErrTimeout) {
			err = errInUse
		}
		return p, err
	}
	return p, nil
}

// letGo frees what an index holds whose opening made bleve panic, as far as bleve can.
func letGo(x index.Index) {
	defer func() { _ = recover() }()
	if x != nil {
		_ = x.Close()
	}
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
	if errors.Is(err, bolterrors.ErrTimeout) {
		return errInUse
	}
	if err != nil {
		return fmt.Errorf("root.bolt: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bolt.Tx) error {
		if tx.Size() > info.Size() {
			return errors.New("root.bolt is cut off")
		}
		return checkNewest(tx, filepath.Dir(path))
	})
}

// checkNewest compares the sums of all segments of the newest snapshot: bleve does not, and reads nonsense or dies of
// it later. When one is missing it goes back to an older snapshot, and its next ones have the numbers of those that it
// left: what it writes then is lost.
func checkNewest(tx *bolt.Tx, dir string) error {
	snapshots := tx.Bucket(util.BoltSnapshotsBucket)
	if snapshots == nil {
		return nil // nothing was ever written; the key that is missing tells
	}
	newest, _ := snapshots.Cursor().Last()
	snapshot := snapshots.Bucket(newest)
	if snapshot == nil {
		return errors.New("root.bolt has no snapshot")
	}
	return snapshot.ForEachBucket(func(k []byte) error {
		file := string(snapshot.Bucket(k).Get(util.BoltPathKey))
		if file == "" {
			return nil
		}
		if filepath.Base(file) != file {
			return fmt.Errorf("root.bolt names the segment %q", file)
		}
		if err := checkSum(filepath.Join(dir, file)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return nil
	})
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
	if err == nil {
		note(p.path)
	}
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
