// Package embedded is the engine of search that a node keeps in a folder of its own, made of the segments and posting
// lists of bleve. What is found and how it is weighed is decided here: text is taken apart once, words are scored
// over all fields together, and facets are counted while hits are collected, all in one moment of the index.
// Its main type is Index.
package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

// form is that of the documents in a folder. It is raised when they are indexed in another way; an index of another
// form cannot be read.
const form = 1

// Options are those of an index.
type Options struct {
	Dir string // its folder; made when it is not there. It belongs to one process
	// Wait is how long Open waits for another process that still has the folder: 5 seconds when 0.
	Wait time.Duration
}

// Index is an index in a folder. It implements search.Engine.
type Index struct {
	dir  string
	wait time.Duration
	lost error

	languages *languages

	mu   sync.RWMutex // held for reading while the place is used
	at   *place       // nil after Close
	done context.Context
	stop context.CancelFunc
}

var _ search.Engine = (*Index)(nil)

// Damaged is the error of an index that cannot be read any more. Its owner makes another one Beside it and Replaces it.
type Damaged struct {
	Dir string
	Err error
}

// Error says where it is and what was found.
func (d *Damaged) Error() string {
	return fmt.Sprintf("the search index in %s is damaged: %v", d.Dir, d.Err)
}

// Unwrap gives the cause, as an error of kind Unavailable: it will be there again.
func (d *Damaged) Unwrap() error {
	return stoa.Unavailable(d.Err, "search is being mended; please try again soon")
}

// Stale is why Lost says that an index was left when its documents have another form than this program makes.
type Stale struct{ Form int }

// Error says which.
func (s *Stale) Error() string {
	return fmt.Sprintf("the search index has form %d, and this program makes form %d", s.Form, form)
}

// current is the file that names the folder of the index within Dir, so that another one takes its place in a moment.
const current = "current.json"

// aside is where an index goes that is damaged, for an administrator who wants to know why. There is one at most.
const aside = "damaged"

type pointer struct {
	Form  int    `json:"form"`
	Index string `json:"index"`
}

// Open opens the index of a folder, and makes an empty one where there is none. An index that has another form, or is
// damaged, is left as well: then Lost says why. An empty index has no Token: who follows a log fills it from the start.
// It returns Unavailable when another process has the folder.
func Open(o Options) (*Index, error) {
	if o.Dir == "" {
		return nil, stoa.Invalid("dir", "a search index needs a folder")
	}
	if o.Wait == 0 {
		o.Wait = 5 * time.Second
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the search index: %w", err)
	}
	x := &Index{dir: o.Dir, wait: o.Wait, languages: newLanguages()}
	x.done, x.stop = context.WithCancel(context.Background())
	p, err := x.read()
	if err == nil && p.Index != "" {
		x.at, err = openPlace(filepath.Join(o.Dir, p.Index), o.Wait)
	}
	if errors.Is(err, errInUse) {
		return nil, stoa.Unavailable(err, "another process has the search index in %s: a folder belongs to one node",
			o.Dir)
	}
	if err != nil {
		x.lost = err
		if err := x.setAside(p, err); err != nil {
			return nil, err
		}
	}
	if x.at == nil {
		if x.at, err = x.make(); err != nil {
			return nil, err
		}
		if err := x.point(); err != nil {
			_ = x.at.close()
			return nil, err
		}
	}
	return x, x.sweep()
}

// Lost tells why the index that was in the folder was left and an empty one made: a *Stale, or what is damaged. It is
// nil when there was none, or it was opened.
func (x *Index) Lost() error { return x.lost }

// read gives what current says; a folder without it has no index.
func (x *Index) read() (pointer, error) {
	var p pointer
	data, err := os.ReadFile(filepath.Join(x.dir, current))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	switch {
	case err != nil:
		return pointer{}, fmt.Errorf("%s: %w", current, err)
	case p.Form != form:
		return p, &Stale{p.Form}
	case !isPlace(p.Index):
		return pointer{}, fmt.Errorf("%s names the folder %q, which is none of an index", current, p.Index)
	}
	return p, nil
}

const placePrefix = "index-"

func isPlace(name string) bool {
	return strings.HasPrefix(name, placePrefix) && filepath.Base(name) == name
}

// setAside keeps what is damaged; what has another form is of no use to anybody and is swept.
func (x *Index) setAside(p pointer, why error) error {
	var stale *Stale
	if !isPlace(p.Index) || errors.As(why, &stale) {
		return nil
	}
	to := filepath.Join(x.dir, aside)
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("remove the damaged index of before: %w", err)
	}
	err := os.Rename(filepath.Join(x.dir, p.Index), to)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("set the damaged index aside: %w", err)
	}
	return nil
}

// make makes an empty index within the folder.
func (x *Index) make() (*place, error) {
	path, err := os.MkdirTemp(x.dir, placePrefix)
	if err != nil {
		return nil, fmt.Errorf("make an empty search index: %w", err)
	}
	return makePlace(path, x.wait)
}

// point makes current name the place of the index. The name is in the folder, or the old one is, whatever happens.
func (x *Index) point() error {
	data, err := json.Marshal(pointer{form, filepath.Base(x.at.path)})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(x.dir, current+"-")
	if err != nil {
		return fmt.Errorf("note the search index: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(x.dir, current))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("note the search index: %w", err)
	}
	if d, err := os.Open(x.dir); err == nil { // so that the name survives a loss of power, where folders can be synced
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// sweep removes what a process left that ended while it made another index.
func (x *Index) sweep() error {
	entries, err := os.ReadDir(x.dir)
	if err != nil {
		return fmt.Errorf("read the folder of the search index: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if (isPlace(name) || strings.HasPrefix(name, current+"-")) && name != filepath.Base(x.at.path) {
			if err := os.RemoveAll(filepath.Join(x.dir, name)); err != nil {
				return fmt.Errorf("remove what is left of an index: %w", err)
			}
		}
	}
	return nil
}

// Beside makes an empty index in the same folder, to be filled while this one goes on answering, and then given to
// Replace. One that is closed instead is removed by the next Open.
func (x *Index) Beside() (*Index, error) {
	b := &Index{dir: x.dir, wait: x.wait, languages: x.languages}
	b.done, b.stop = context.WithCancel(context.Background())
	var err error
	if b.at, err = b.make(); err != nil {
		return nil, err
	}
	return b, nil
}

// Replace makes the index answer from the one that was made Beside it, which must not be used any more: it is closed
// for all other callers. Searches that run are answered by the old one, which is removed when they have ended.
func (x *Index) Replace(beside *Index) error {
	if x == beside || beside.dir != x.dir {
		return stoa.Invalid("index", "only an index that was made beside this one can replace it")
	}
	beside.mu.Lock()
	defer beside.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at == nil || beside.at == nil {
		return away()
	}
	old := x.at
	x.at = beside.at
	if err := x.point(); err != nil {
		x.at = old
		return err
	}
	beside.at = nil
	beside.stop()
	// What fails here loses nothing: the next Open sweeps.
	return errors.Join(old.close(), os.RemoveAll(old.path))
}

// Close ends searches that run and waits for them.
func (x *Index) Close() error {
	x.stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at == nil {
		return nil
	}
	p := x.at
	x.at = nil
	return p.close()
}

func away() error {
	return stoa.Unavailable(errors.New("the index is closed"), "search is not available at the moment")
}

// use calls fn with the place, which stays until it returns. What bleve cannot read makes it panic, and a file that was
// cut off is a fault of memory: both are the error of a damaged index and not the end of the process.
func (x *Index) use(ctx context.Context, fn func(context.Context, *place) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.at == nil {
		return away()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(x.done, cancel)()
	faults := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(faults)
	defer func() {
		if p := recover(); p != nil {
			err = &Damaged{x.dir, fmt.Errorf("%v\n%s", p, debug.Stack())}
		} else if err != nil && x.done.Err() != nil {
			err = away()
		}
	}()
	return fn(ctx, x.at)
}
