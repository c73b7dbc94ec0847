package generate

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
)

func TestNumbers_RefusesWhatCannotBeMade(t *testing.T) {
	t.Parallel()
	good := Numbers{Sites: 1, Articles: 10, Files: 1, Size: 10}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*Numbers){
		"sites":    func(n *Numbers) { n.Sites = 0 },
		"pages":    func(n *Numbers) { n.Pages = -1 },
		"articles": func(n *Numbers) { n.Articles = maxCount + 1 },
		"size":     func(n *Numbers) { n.Size = 0 },
	} {
		n := good
		change(&n)
		if err := n.Check(); !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), field) && field != "size" {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestDraft_DependsOnSeedAndNumberAlone(t *testing.T) {
	t.Parallel()
	sites := []home{{categories: []stoa.ID{1, 2, 3}, tags: []stoa.ID{4, 5, 6}}}
	with := func(seed uint64) *run { return &run{opt: Options{Numbers: Numbers{Seed: seed}}, sites: sites} }
	a, b := with(7), with(7)
	b.draft(1, "article") // what was made before does not matter
	x, _ := a.draft(5, "article")
	y, _ := b.draft(5, "article")
	if x.Slug != y.Slug || x.Text["en"] != y.Text["en"] || !slices.Equal(x.Tags, y.Tags) {
		t.Error("one seed and one number give two articles")
	}
	if z, _ := with(8).draft(5, "article"); z.Text["en"].Body == x.Text["en"].Body {
		t.Error("two seeds give one article")
	}
	if z, _ := a.draft(6, "article"); z.Text["en"].Body == x.Text["en"].Body {
		t.Error("two numbers give one article")
	}
}

func TestFile_IsAboutAsLargeAsAskedFor(t *testing.T) {
	t.Parallel()
	const size = 50_000
	r := &run{opt: Options{Numbers: Numbers{Seed: 7, Size: size}}}
	for i, ending := range []string{".txt", ".png"} {
		name, body, err := r.file(i)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, body)
		if err != nil || !strings.HasSuffix(name, ending) || n < size*9/10 || n > size*11/10 {
			t.Errorf("%s has %d bytes (%v)", name, n, err)
		}
	}
}
