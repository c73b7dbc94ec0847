package embedded_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func doc(id stoa.ID, title string) search.Document {
	d := search.Document{
		Kind: "article", ID: id, Instance: 1, ACL: "site:1", Modified: asked(),
		Texts: map[stoa.Locale]search.Text{"en": {Title: title}},
	}
	d.Sign()
	return d
}

func apply(t testing.TB, x *embedded.Index, token string, docs ...search.Document) {
	t.Helper()
	if err := x.Apply(t.Context(), docs, []byte(token), true); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

func question(typed string) search.Query {
	return search.Query{Instance: 1, All: true, Words: search.Parse(typed), Locale: "en", Size: 20, Now: asked()}
}

// wants fails unless a question finds so many documents.
func wants(t testing.TB, x *embedded.Index, typed string, n int) {
	t.Helper()
	r, err := x.Search(t.Context(), question(typed))
	if err != nil || r.Total != n {
		t.Errorf("%q finds %d documents, %v; want %d", typed, r.Total, err, n)
	}
}

func token(t testing.TB, x *embedded.Index) string {
	t.Helper()
	b, err := x.Token(t.Context())
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	return string(b)
}

func shut(t testing.TB, x *embedded.Index) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func TestOpen_AgainHasWhatWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	if token(t, x) != "" || x.Lost() != nil {
		t.Errorf("a new index has token %q and lost %v", token(t, x), x.Lost())
	}
	old := doc(3, "basalt")
	old.Version = 7
	apply(t, x, "one", doc(1, "granite"), doc(2, "granite"), old)
	apply(t, x, "two", search.Document{Kind: "article", ID: 2, Instance: 1, Gone: true},
		search.Document{Kind: "article", ID: 3, Instance: 1, Gone: true, Version: 9})
	shut(t, x)
	x = open(t, dir)
	if x.Lost() != nil || token(t, x) != "two" {
		t.Errorf("opened again: token %q, lost %v; want two and nil", token(t, x), x.Lost())
	}
	wants(t, x, "granite", 1)
	old.Version = 8
	apply(t, x, "three", old) // the tombstone is there as well
	wants(t, x, "basalt", 0)
	if s, err := x.Status(t.Context()); err != nil || s.Documents != 1 || s.Bytes == 0 || s.Address != dir {
		t.Errorf("status %+v, %v", s, err)
	}
}

func TestOpen_OtherFormIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	apply(t, x, "one", doc(1, "granite"))
	shut(t, x)
	file := filepath.Join(dir, "current.json")
	var p map[string]any
	if data, err := os.ReadFile(file); err != nil || json.Unmarshal(data, &p) != nil {
		t.Fatal(err)
	}
	p["form"] = 0
	data, _ := json.Marshal(p)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	x = open(t, dir)
	var stale *embedded.Stale
	if !errors.As(x.Lost(), &stale) || stale.Form != 0 {
		t.Errorf("lost %v, want that it has form 0", x.Lost())
	}
	if token(t, x) != "" {
		t.Errorf("token %q of an empty index", token(t, x))
	}
	wants(t, x, "granite", 0)
	if n := len(folders(t, dir)); n != 1 {
		t.Errorf("%d folders, want that the old one is removed", n)
	}
	apply(t, x, "two", doc(1, "granite"))
	shut(t, x)
	if x = open(t, dir); x.Lost() != nil || token(t, x) != "two" {
		t.Errorf("opened again: token %q, lost %v", token(t, x), x.Lost())
	}
}

func folders(t testing.TB, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "index-*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// made is a folder with an index of a hundred documents, in several segments.
func made(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	x := open(t, dir)
	for i := range 10 {
		var docs []search.Document
		for j := range 10 {
			docs = append(docs, doc(stoa.ID(1+i*10+j), fmt.Sprintf("granite number%d", i)))
		}
		apply(t, x, fmt.Sprint(i), docs...)
	}
	shut(t, x)
	return dir
}

func TestOpen_DamagedIsSetAside(t *testing.T) {
	t.Parallel()
	segment, root, pointer := "index-*/*.zap", "index-*/root.bolt", "current.json"
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/3] ^= 0x40
		return b
	}
	for _, c := range []struct {
		name string
		file string              // a pattern; of segments, all: some are merged away
		to   func([]byte) []byte // nil: removed
	}{
		{"SegmentFlipped", segment, flip},
		{"SegmentCut", segment, func(b []byte) []byte { return b[:len(b)/2] }},
		{"SegmentEmpty", segment, func([]byte) []byte { return []byte{} }},
		{"SegmentLonger", segment, func(b []byte) []byte { return append(bytes.Clone(b), "more"...) }},
		{"SegmentRemoved", segment, nil},
		{"SegmentZeros", segment, func(b []byte) []byte { return make([]byte, len(b)) }},
		{"RootCut", root, func(b []byte) []byte { return b[:4096] }},
		{"RootZeros", root, func(b []byte) []byte { return make([]byte, len(b)) }},
		{"RootEmpty", root, func([]byte) []byte { return []byte{} }},
		{"RootNoise", root, func(b []byte) []byte {
			n := make([]byte, len(b))
			_, _ = rand.NewChaCha8([32]byte{1}).Read(n)
			return n
		}},
		{"PointerNoise", pointer, func([]byte) []byte { return []byte("{]") }},
		{"PointerElsewhere", pointer, func([]byte) []byte { return []byte(`{"form":1,"index":"../../x"}`) }},
		{"PointerOfNothing", pointer, func([]byte) []byte { return []byte(`{}`) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := made(t)
			files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(c.file)))
			if err != nil || len(files) == 0 {
				t.Fatalf("no files %s: %v", c.file, err)
			}
			for _, file := range files {
				before, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if c.to == nil {
					err = os.Remove(file)
				} else {
					err = os.WriteFile(file, c.to(before), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			x := open(t, dir)
			if x.Lost() == nil || token(t, x) != "" {
				t.Errorf("lost %v, token %q: want a reason and an empty index", x.Lost(), token(t, x))
			}
			wants(t, x, "", 0)
			apply(t, x, "again", doc(1, "granite"))
			wants(t, x, "granite", 1)
			shut(t, x)
			if x = open(t, dir); x.Lost() != nil || token(t, x) != "again" {
				t.Errorf("opened again: lost %v, token %q", x.Lost(), token(t, x))
			}
		})
	}
}

// TestOpen_NoiseInTheRootNeverKills turns bits of the file that names all others, which ends a process that reads it as
// it is. What is opened all the same has token and documents of one moment.
func TestOpen_NoiseInTheRootNeverKills(t *testing.T) {
	t.Parallel()
	from := made(t)
	file := filepath.Join(folders(t, from)[0], "root.bolt")
	clean, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	opened := 0
	for i := range 60 {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		dirty := bytes.Clone(clean)
		for range 1 + i%4 {
			dirty[r.IntN(len(dirty))] ^= byte(1 << r.IntN(8))
		}
		if err := os.WriteFile(filepath.Join(folders(t, dir)[0], "root.bolt"), dirty, 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := embedded.Open(embedded.Options{Dir: dir})
		if err != nil {
			t.Errorf("turn %d: %v, want an index", i, err)
			continue
		}
		if x.Lost() == nil {
			opened++
			var n int
			if _, err := fmt.Sscan(token(t, x), &n); err != nil {
				t.Errorf("turn %d: token %q", i, token(t, x))
			}
			wants(t, x, "", 10*(n+1))
		}
		apply(t, x, "again", doc(1000, "basalt"))
		wants(t, x, "basalt", 1)
		if err := x.Close(); err != nil {
			t.Errorf("turn %d: close: %v", i, err)
		}
	}
	t.Logf("%d of 60 could be opened", opened)
}

func TestOpen_FolderBelongsToOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	apply(t, x, "one", doc(1, "granite"))
	y, err := embedded.Open(embedded.Options{Dir: dir, Wait: 50 * time.Millisecond})
	if !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("opened twice: %v, %v; want an error of kind unavailable", y, err)
	}
	wants(t, x, "granite", 1)
	if _, err := embedded.Open(embedded.Options{}); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("without a folder: %v, want an error of kind invalid", err)
	}
}

func TestReplace_OldAnswersUntilNewIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	apply(t, x, "old", doc(1, "granite"))
	b, err := x.Beside()
	if err != nil {
		t.Fatal(err)
	}
	if token(t, b) != "" {
		t.Errorf("the new one has token %q", token(t, b))
	}
	apply(t, b, "new", doc(1, "basalt"), doc(2, "basalt"))
	wants(t, x, "granite", 1)
	wants(t, x, "basalt", 0)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 { // the one or the other, and never an error
		wg.Go(func() {
			for ctx.Err() == nil {
				r, err := x.Search(t.Context(), question("granite basalt -none"))
				if err != nil || r.Total != 0 {
					t.Errorf("while it is replaced: %v, %v", r, err)
				}
				if r, err = x.Search(t.Context(), question("")); err != nil || r.Total == 0 {
					t.Errorf("while it is replaced: %v, %v", r, err)
				}
			}
		})
	}
	if err := x.Replace(b); err != nil {
		t.Fatal(err)
	}
	cancel()
	wg.Wait()
	wants(t, x, "granite", 0)
	wants(t, x, "basalt", 2)
	if token(t, x) != "new" {
		t.Errorf("token %q, want the new one's", token(t, x))
	}
	if _, err := b.Search(t.Context(), question("")); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("the other handle: %v, want an error of kind unavailable", err)
	}
	if err := x.Replace(b); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("replaced twice: %v", err)
	}
	shut(t, b)
	wants(t, x, "basalt", 2)
	if n := len(folders(t, dir)); n != 1 {
		t.Errorf("%d folders, want the new one alone", n)
	}
	if err := x.Replace(open(t, t.TempDir())); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("replaced by one of elsewhere: %v", err)
	}
	shut(t, x)
	x = open(t, dir)
	wants(t, x, "basalt", 2)
}

func TestBeside_WhatIsLeftIsSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	apply(t, x, "old", doc(1, "granite"))
	b, err := x.Beside()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, b, "new", doc(1, "basalt"))
	shut(t, b) // and never put in its place
	shut(t, x)
	if n := len(folders(t, dir)); n != 2 {
		t.Fatalf("%d folders, want 2", n)
	}
	x = open(t, dir)
	wants(t, x, "granite", 1)
	if n := len(folders(t, dir)); n != 1 {
		t.Errorf("%d folders after it was opened, want 1", n)
	}
}

func TestClose_WhileSearchesRun(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	fill(t, x, 300)
	var wg sync.WaitGroup
	started := make(chan struct{}, 100)
	for range 4 {
		wg.Go(func() {
			for {
				q := question("")
				q.Facets = search.Facets()
				_, err := x.Search(t.Context(), q)
				select {
				case started <- struct{}{}:
				default:
				}
				if err == nil {
					continue
				}
				if !stoa.Is(err, stoa.KindUnavailable) {
					t.Errorf("search while it closes: %v, want an error of kind unavailable", err)
				}
				return
			}
		})
	}
	wg.Go(func() {
		for i := range stoa.ID(1_000_000) {
			if err := x.Apply(t.Context(), []search.Document{doc(10_000+i, "granite")}, nil, true); err != nil {
				if !stoa.Is(err, stoa.KindUnavailable) {
					t.Errorf("write while it closes: %v, want an error of kind unavailable", err)
				}
				return
			}
		}
	})
	for range 10 {
		<-started
	}
	shut(t, x)
	wg.Wait()
}

// TestSearch_DamagedWhileOpen cuts off the files of an index that is open: the process goes on, and another index takes
// its place.
func TestSearch_DamagedWhileOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	apply(t, x, "", doc(1, "granite"), doc(2, "granite")) // one segment: bleve has nothing to merge
	shut(t, x)
	x = open(t, dir)
	list, _ := filepath.Glob(filepath.Join(dir, "index-*", "*.zap"))
	for _, f := range list {
		if err := os.Truncate(f, 0); err != nil {
			t.Fatal(err)
		}
	}
	_, err := x.Search(t.Context(), question("granite"))
	var damaged *embedded.Damaged
	if !errors.As(err, &damaged) || !stoa.Is(err, stoa.KindUnavailable) {
		t.Fatalf("search in files that were cut off: %v, want that it is damaged", err)
	}
	if !strings.Contains(err.Error(), dir) {
		t.Errorf("%q does not name the folder", err)
	}
	b, err := x.Beside()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, b, "new", doc(1, "granite"))
	if err := x.Replace(b); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	wants(t, x, "granite", 1)
}

func TestInstead_IsWrittenAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	d, e := doc(1, ""), doc(2, "")
	d.Texts = map[stoa.Locale]search.Text{"de": {Title: "Das Gebäude", Body: "ein Gebäude und noch ein gebaude"}}
	e.Texts = map[stoa.Locale]search.Text{"de": {Title: "Gebäude Straße"}}
	apply(t, x, "", d, e)
	for typed, want := range map[string]string{"Gebeude": "gebäude", "gebäide": "gebäude", "strahse": "straße"} {
		q := question(typed)
		q.Locale = "de"
		r, err := x.Search(t.Context(), q)
		if err != nil || r.Instead != want {
			t.Errorf("%q: instead %q, %v; want %q", typed, r.Instead, err, want)
		}
	}
}

func TestSearch_ManyPagesAreTheSameWhileSegmentsMerge(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	fill(t, x, 400)
	q := search.Query{Instance: 1, All: true, Size: 9, Now: asked()}
	q.Words.Terms = []string{newCorpus().words[0]}
	var names []search.Key
	other := stoa.ID(100_000)
	total := -1
	for {
		r, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if total < 0 {
			total = r.Total
		}
		for _, h := range r.Hits {
			if slices.Contains(names, h.Key) {
				t.Fatalf("%v comes twice", h.Key)
			}
			names = append(names, h.Key)
		}
		if r.Next == "" {
			break
		}
		q.After = r.Next
		// documents of another instance come and make bleve merge; numbers of this one do not count them
		d := doc(other, "elsewhere")
		d.Instance = 2
		other++
		apply(t, x, "", d)
	}
	if len(names) != total || total < 50 {
		t.Errorf("%d documents came of %d", len(names), total)
	}
}
