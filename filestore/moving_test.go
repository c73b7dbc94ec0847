package filestore_test

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
)

// twoFolders is a driver whose store lies in two folders, as while files are moved from the second to the first.
type twoFolders struct {
	*filestore.Dir
	other *filestore.Dir
}

func (d twoFolders) way(put, also filestore.Store) *filestore.Moving {
	return filestore.NewMoving(filestore.Way{Put: put, Also: also}, nil)
}

func (d twoFolders) Bind(identity string) filestore.Store {
	return d.way(d.Dir.Bind(identity), d.other.Bind(identity))
}

func (d twoFolders) Make(ctx context.Context, propose string) (string, error) {
	id, err := d.Dir.Make(ctx, propose)
	if err == nil {
		_, err = d.other.Make(ctx, id)
	}
	return id, err
}

func (d twoFolders) Put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	return d.way(d.Dir, d.other).Put(ctx, key, r, size)
}

func (d twoFolders) Open(ctx context.Context, key string) (filestore.File, error) {
	return d.way(d.Dir, d.other).Open(ctx, key)
}

func (d twoFolders) Delete(ctx context.Context, key string) error {
	return d.way(d.Dir, d.other).Delete(ctx, key)
}

func (d twoFolders) List(ctx context.Context, prefix string, fn func(filestore.Info) error) error {
	return d.way(d.Dir, d.other).List(ctx, prefix, fn)
}

func TestMoving_Conforms(t *testing.T) {
	t.Parallel()
	filestoretest.Run(t, func(t *testing.T) (a, b filestore.Driver) {
		root := t.TempDir()
		open := func() filestore.Driver {
			var dirs [2]*filestore.Dir
			for i, name := range []string{"new", "old"} {
				var err error
				dirs[i], err = filestore.OpenDir(filepath.Join(root, name), filestore.DirOptions{NoSync: true})
				if err != nil {
					t.Fatal(err)
				}
			}
			return twoFolders{dirs[0], dirs[1]}
		}
		return open(), open()
	})
}

func keep(t *testing.T, s filestore.Store, key, body string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(body), int64(len(body))); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, s filestore.Store, key string) string {
	t.Helper()
	f, err := s.Open(t.Context(), key)
	if stoa.Is(err, stoa.KindNotFound) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	return string(b)
}

func TestMoving_PutsInOneAndLooksInBoth(t *testing.T) {
	t.Parallel()
	old, next := filestoretest.Dir(t, t.TempDir()), filestoretest.Dir(t, t.TempDir())
	keep(t, old, "document/a", "of old")
	keep(t, old, "document/both", "the same")
	keep(t, next, "document/both", "the same")
	asked := 0
	var m *filestore.Moving
	m = filestore.NewMoving(filestore.Way{Put: old, Epoch: 1}, func(context.Context) {
		asked++
		m.Set(filestore.Way{Put: next, Also: old, Epoch: 2})
	})
	keep(t, next, "document/b", "of next")
	if got := content(t, m, "document/b"); got != "of next" || asked != 1 || m.Epoch() != 2 {
		t.Errorf("a file of the way that was not known yet: %q, asked %d times, epoch %d", got, asked, m.Epoch())
	}
	if got := content(t, m, "document/a"); got != "of old" || asked != 1 {
		t.Errorf("a file of the other store: %q, asked %d times", got, asked)
	}
	if got := content(t, m, "document/none"); got != "none" || asked != 2 {
		t.Errorf("a file that is not there: %q, asked %d times", got, asked)
	}
	keep(t, m, "document/c", "new")
	if in := content(t, next, "document/c") + content(t, old, "document/c"); in != "newnone" {
		t.Errorf("a new file is in %q", in)
	}
	_, err := m.Put(t.Context(), "document/a", strings.NewReader("x"), 1)
	if !stoa.Is(err, stoa.KindConflict) {
		t.Errorf("a key that the other store has: %v", err)
	}
	var all []string
	if err := m.List(t.Context(), "document/", func(i filestore.Info) error {
		all = append(all, i.Key)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if want := []string{"document/a", "document/b", "document/both", "document/c"}; !slices.Equal(all, want) {
		t.Errorf("listed %q", all)
	}
	if err := m.Delete(t.Context(), "document/both"); err != nil {
		t.Fatal(err)
	}
	if in := content(t, next, "document/both") + content(t, old, "document/both"); in != "nonenone" {
		t.Errorf("what was deleted is in %q", in)
	}
	if epoch, err := m.Bring(t.Context(), "document/a"); err != nil || epoch != 2 ||
		content(t, next, "document/a") != "of old" {
		t.Errorf("what was put before: %d, %v", epoch, err)
	}
	if _, err := m.Bring(t.Context(), "document/none"); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("what no store has: %v", err)
	}
}

// away is a store that cannot be reached.
type away struct{ filestore.Store }

func (away) Open(context.Context, string) (filestore.File, error) {
	return nil, stoa.Unavailable(nil, "away")
}

// What one of the stores may have is never said not to be there.
func TestMoving_OneThatIsAwayIsNotTakenForEmpty(t *testing.T) {
	t.Parallel()
	d := filestoretest.Dir(t, t.TempDir())
	keep(t, d, "document/a", "here")
	for name, w := range map[string]filestore.Way{"put": {Put: away{d}, Also: d}, "also": {Put: d, Also: away{d}}} {
		m := filestore.NewMoving(w, nil)
		if got := content(t, m, "document/a"); got != "here" {
			t.Errorf("%s is away: %q", name, got)
		}
		if _, err := m.Open(t.Context(), "document/b"); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("%s is away, and the other one lacks the file: %v", name, err)
		}
	}
	m := filestore.NewMoving(filestore.Way{Put: d, Also: away{d}}, nil)
	keep(t, m, "document/b", "new") // it does not need the other store
	if got := content(t, d, "document/b"); got != "new" {
		t.Errorf("a new file: %q", got)
	}
}

// liar is a store that keeps other bytes than it was given.
type liar struct{ filestore.Store }

func (l liar) Put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return filestore.Info{}, err
	}
	said, err := l.Store.Put(ctx, key+".said", strings.NewReader(string(b)), size)
	if err != nil {
		return said, err
	}
	said.Key = key
	b[0] ^= 1
	_, err = l.Store.Put(ctx, key, strings.NewReader(string(b)), size)
	return said, err
}

func TestCopy_ComparesAndKeepsWhatIsRight(t *testing.T) {
	t.Parallel()
	old, next := filestoretest.Dir(t, t.TempDir()), filestoretest.Dir(t, t.TempDir())
	first, err := old.Put(t.Context(), "document/a", strings.NewReader("High water"), -1)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, old, "document/differs", "old")
	keep(t, next, "document/differs", "new")
	keep(t, old, "document/small-160", "made on one node")
	keep(t, next, "document/small-160", "made on the other")
	order := func(key, sha string) filestore.CopyOrder {
		return filestore.CopyOrder{Info: filestore.Info{Key: key, SHA256: sha}}
	}
	for _, c := range []struct {
		name string
		to   filestore.Store
		o    filestore.CopyOrder
		want filestore.Copied
		fail bool
	}{
		{"new", next, order("document/a", first.SHA256), filestore.Copied{New: true, Bytes: 10}, false},
		{"again", next, order("document/a", first.SHA256), filestore.Copied{Bytes: 10}, false},
		{"no digest", next, order("document/a", ""), filestore.Copied{Bytes: 10}, false},
		{"another digest", next, order("document/a", "00"), filestore.Copied{Bytes: 10, Damaged: true}, false},
		{"deleted", next, order("document/none", ""), filestore.Copied{Gone: true}, false},
		{"other bytes", next, order("document/differs", ""), filestore.Copied{Bytes: 3}, true},
		{"derived", next, filestore.CopyOrder{Info: filestore.Info{Key: "document/small-160"}, Derived: true},
			filestore.Copied{}, false},
		{"a store that damages", liar{filestoretest.Dir(t, t.TempDir())}, order("document/a", ""), filestore.Copied{}, true},
	} {
		got, err := filestore.Copy(t.Context(), old, c.to, c.o)
		if got != c.want || (err != nil) != c.fail {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
		if c.name == "a store that damages" && content(t, c.to, "document/a") != "none" {
			t.Error("a damaged copy was left")
		}
	}
	if got := content(t, next, "document/a"); got != "High water" {
		t.Errorf("the copy is %q", got)
	}
}
