package diskcache

import (
	"cmp"
	"container/list"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/filestore"
)

// The layout of the folder. None of the names is one of a directory store, so that a folder which was named by
// mistake loses nothing.
const (
	storeName   = "store"   // the identity of the store that the copies are of
	lockName    = "lock"    // locked while a process uses the folder
	copiesName  = "copies"  // the copies, in folders by the first letters of their names
	fillingName = "filling" // copies that are not whole; removed at the start
	probeBytes  = 1 << 20
	dirBatch    = 1000
)

// entry is a copy. What is known of it is its name, so that no index is written.
type entry struct {
	id       id
	sum      [sha256.Size]byte
	size     int64
	modified int64 // when the key was put, in microseconds since 1970
	used     int64 // when it was last used, in seconds since 1970, as the file has it
	checked  bool  // by this process
}

// cost is how many bytes of the disk it takes.
func cost(size int64) int64 { return (size + 4095) &^ 4095 }

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// name is the file of the copy below the folder of copies.
func (e *entry) name() string {
	key := letters.EncodeToString(e.id[:])
	return filepath.Join(key[:2], key+"-"+hex.EncodeToString(e.sum[:])+"-"+strconv.FormatInt(e.size, 36)+"-"+
		strconv.FormatInt(e.modified, 36))
}

// entryOf reads the name of a copy.
func entryOf(name string) (e entry, ok bool) {
	parts := strings.SplitN(name, "-", 4)
	if len(parts) != 4 {
		return e, false
	}
	key, err1 := letters.DecodeString(parts[0])
	sum, err2 := hex.DecodeString(parts[1])
	size, err3 := strconv.ParseInt(parts[2], 36, 64)
	modified, err4 := strconv.ParseInt(parts[3], 36, 64)
	if errors.Join(err1, err2, err3, err4) != nil || len(key) != len(e.id) || len(sum) != len(e.sum) || size <= 0 {
		return e, false
	}
	return entry{id: id(key), sum: [sha256.Size]byte(sum), size: size, modified: modified}, true
}

// path is where the file of a copy is.
func (c *Cache) path(e *entry) string { return filepath.Join(c.o.Dir, copiesName, e.name()) }

// look makes the folder ready for the store with this identity and gives what there is, the oldest first. Whole
// copies of that store stay; all else that a cache has made goes.
func (c *Cache) look(identity string) ([]*entry, error) {
	if err := c.own(); err != nil {
		return nil, err
	}
	file, copies := filepath.Join(c.o.Dir, storeName), filepath.Join(c.o.Dir, copiesName)
	was, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.RemoveAll(filepath.Join(c.o.Dir, fillingName)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(c.o.Dir, fillingName), 0o700); err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(was)) != identity {
		if err := os.RemoveAll(copies); err != nil { // before the name is written: a crash between does no harm
			return nil, err
		}
		next := filepath.Join(c.o.Dir, fillingName, storeName)
		if err := errors.Join(os.WriteFile(next, []byte(identity+"\n"), 0o600), os.Rename(next, file)); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(copies, 0o700); err != nil {
		return nil, err
	}
	return c.walk(copies)
}

// own makes the folder and locks it. One that holds something else is refused.
func (c *Cache) own() error {
	if c.lock != nil { // of the goroutine that binds, of which there is one at a time
		return nil
	}
	if err := os.MkdirAll(c.o.Dir, 0o700); err != nil {
		return err
	}
	have, err := os.ReadDir(c.o.Dir)
	if err != nil {
		return err
	}
	for _, f := range have {
		if !slices.Contains([]string{storeName, lockName, copiesName, fillingName, "lost+found"}, f.Name()) {
			return fmt.Errorf("the folder %s holds other things, such as %q: give the cache a folder of its own", c.o.Dir,
				f.Name())
		}
	}
	f, err := os.OpenFile(filepath.Join(c.o.Dir, lockName), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if c.o.Lock != nil {
		locked, err := c.o.Lock(f, false)
		if err != nil { // NFS locks only what is open for writing, which would keep other disks from being mounted read-only
			if w, werr := os.OpenFile(f.Name(), os.O_RDWR, 0o600); werr == nil {
				_ = f.Close() // was not locked
				f = w
				locked, err = c.o.Lock(f, false)
			}
		}
		if err == nil && !locked {
			err = fmt.Errorf("another node uses the folder %s: give each a folder of its own", c.o.Dir)
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	c.lock = f
	return nil
}

// walk gives the copies that are there, the one that was used last at the end.
func (c *Cache) walk(copies string) ([]*entry, error) {
	var found []*entry
	shards, err := os.ReadDir(copies)
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		if !shard.IsDir() {
			_ = os.Remove(filepath.Join(copies, shard.Name())) // not ours
			continue
		}
		dir, err := os.Open(filepath.Join(copies, shard.Name()))
		if err != nil {
			return nil, err
		}
		for err == nil {
			var files []os.DirEntry
			files, err = dir.ReadDir(dirBatch)
			for _, f := range files {
				if c.ctx.Err() != nil {
					return nil, errors.Join(c.ctx.Err(), dir.Close())
				}
				e, ok := entryOf(f.Name())
				st, serr := f.Info()
				if !ok || serr != nil || st.Size() != e.size || !st.Mode().IsRegular() {
					_ = os.Remove(filepath.Join(copies, shard.Name(), f.Name())) // cut off by a crash, or not ours
					continue
				}
				e.used = st.ModTime().Unix()
				found = append(found, &e)
			}
		}
		if cerr := dir.Close(); err != io.EOF || cerr != nil {
			return nil, errors.Join(err, cerr)
		}
	}
	slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(a.used, b.used) })
	return found, nil
}

// add puts a copy in front and gives the file of the one that was there before, if it is another. c.mu is held.
func (c *Cache) add(e *entry) (gone []string) {
	if at := c.copies[e.id]; at != nil {
		if old := c.cut(at); old.name() != e.name() {
			gone = append(gone, c.path(old))
		}
	}
	c.copies[e.id] = c.order.PushFront(e)
	c.used += cost(e.size)
	return gone
}

// shrink makes room for so many bytes more and gives the files to remove. c.mu is held.
func (c *Cache) shrink(room int64) (gone []string) {
	for c.order.Len() > 0 && (c.used+c.reserved+room > c.o.MaxBytes || len(c.copies) >= c.most && room > 0 ||
		len(c.copies) > c.most) {
		last := c.order.Back()
		gone = append(gone, c.path(last.Value.(*entry)))
		c.cut(last)
		c.stats.Evictions++
	}
	return gone
}

// cut takes a copy out of the index. c.mu is held.
func (c *Cache) cut(at *list.Element) *entry {
	e := at.Value.(*entry)
	c.order.Remove(at)
	delete(c.copies, e.id)
	c.used -= cost(e.size)
	return e
}

// remove removes files.
func (c *Cache) remove(files []string) {
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.fail(err)
		}
	}
}

// reserve makes room for a copy, and reports false where there is none.
func (c *Cache) reserve(size int64) bool {
	c.mu.Lock()
	if c.reserved+cost(size) > c.o.MaxBytes { // also with no copy there
		c.mu.Unlock()
		return false
	}
	gone := c.shrink(cost(size))
	ok := c.used+c.reserved+cost(size) <= c.o.MaxBytes
	if ok {
		c.reserved += cost(size)
	}
	c.mu.Unlock()
	c.remove(gone)
	return ok
}

// forget drops the copy of a key, also one that is on its way.
func (c *Cache) forget(key id) {
	c.mu.Lock()
	var gone []string
	if at := c.copies[key]; at != nil {
		gone = append(gone, c.path(c.cut(at)))
	}
	if f := c.filling[key]; f != nil {
		f.unwanted = true
	}
	c.mu.Unlock()
	c.remove(gone)
}

// take opens the copy of a key; nil when there is none that is right.
func (c *Cache) take(want filestore.Info) (*os.File, filestore.Info) {
	key := idOf(want.Key)
	c.mu.Lock()
	at := c.copies[key]
	if at == nil {
		c.mu.Unlock()
		return nil, filestore.Info{}
	}
	e := at.Value.(*entry)
	checked := e.checked
	c.mu.Unlock()
	info := filestore.Info{Key: want.Key, Size: e.size, SHA256: hex.EncodeToString(e.sum[:]),
		Modified: time.UnixMicro(e.modified)}
	if want.SHA256 != "" && (want.SHA256 != info.SHA256 || want.Size != info.Size) {
		c.wrong(want.Key)
		return nil, filestore.Info{}
	}
	f, err := os.Open(c.path(e))
	if err != nil {
		c.forget(key)
		if !errors.Is(err, fs.ErrNotExist) {
			c.fail(err)
		}
		return nil, filestore.Info{}
	}
	if !checked {
		if ok, err := c.check(e, f); !ok {
			_ = f.Close() // was only read
			if err != nil {
				c.forget(key)
				c.fail(err)
			} else {
				c.wrong(want.Key)
			}
			return nil, filestore.Info{}
		}
	}
	c.mu.Lock()
	c.stats.Hits++
	now := time.Now()
	touch := now.Unix()-e.used > int64(touchEvery.Seconds())
	if touch {
		e.used = now.Unix()
	}
	if c.copies[key] == at {
		c.order.MoveToFront(at)
	}
	c.mu.Unlock()
	if touch {
		_ = os.Chtimes(c.path(e), now, now) // else it counts as older after a restart
	}
	return f, info
}

// check compares a copy that was made before this process began with its digest, once.
func (c *Cache) check(e *entry, f *os.File) (bool, error) {
	v, err, _ := c.checks.Do(e.name(), func() (any, error) {
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(f, 0, e.size)); err != nil {
			return false, err
		}
		right := [sha256.Size]byte(sum.Sum(nil)) == e.sum
		c.mu.Lock()
		e.checked = right
		c.mu.Unlock()
		return right, nil
	})
	return err == nil && v.(bool), err
}

// try finds out whether the disk takes bytes and gives them back.
func (c *Cache) try() error {
	name := filepath.Join(c.o.Dir, fillingName, "probe")
	defer os.Remove(name)
	sent := []byte(strings.Repeat(filestore.NewKey(), probeBytes/32))
	if err := os.WriteFile(name, sent, 0o600); err != nil {
		return err
	}
	got, err := os.ReadFile(name)
	if err == nil && string(got) != string(sent) {
		err = errors.New("the disk gives back other bytes than were written")
	}
	return err
}
