package content

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// Version is an entry of an article's history.
type Version struct {
	Number  int
	By      stoa.ID
	ByName  string
	At      time.Time
	Comment string
	Live    bool // visitors see this one
}

// Versions gives the history, newest first. It needs Edit.
func (s *Service) Versions(ctx context.Context, id stoa.ID) ([]Version, error) {
	a, err := s.editable(ctx, id)
	if err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.o.DB, func(r db.Scanner) (Version, error) {
		var v Version
		var at int64
		err := r.Scan(&v.Number, &v.By, &v.ByName, &at, &v.Comment)
		v.At, v.Live = db.Time(at), v.Number == a.Live
		return v, err
	}, "SELECT number, made_by, made_by_name, made, note FROM content_version WHERE article = ? ORDER BY number DESC",
		id)
	if err != nil {
		return nil, fmt.Errorf("content: list the versions of an article: %w", err)
	}
	return list, nil
}

func (s *Service) editable(ctx context.Context, id stoa.ID) (row, error) {
	a, err := read(ctx, s.o.DB, id)
	if err != nil {
		return row{}, err
	}
	return a, s.May(ctx, access.Edit, a.Article)
}

// Version gives the article with the texts of an older version. It needs Edit; a number that never
// was is NotFound.
func (s *Service) Version(ctx context.Context, id stoa.ID, number int) (Article, error) {
	a, err := s.editable(ctx, id)
	if err != nil {
		return Article{}, err
	}
	if err := a.fill(ctx, s.o.DB, number); err != nil {
		return Article{}, err
	}
	return a.Article, s.words(ctx, &a.Article)
}

// Restore makes an older version's texts and image the newest version; nothing is lost, and visitors
// see it after Publish. It needs Edit; a stale version of the row is a Conflict.
func (s *Service) Restore(ctx context.Context, id stoa.ID, number int, version int64) (Article, error) {
	return s.write(ctx, "restore", id, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.change(ctx, tx, id, version, access.Edit)
		if err != nil {
			return err
		}
		audit.Note(tx, audit.Restored, a.thing(), strconv.Itoa(number))
		newest := a.Number
		if err := a.keepTime(ctx, tx); err != nil {
			return err
		}
		if err := a.fill(ctx, tx, number); err != nil {
			return err
		}
		if err := s.updateAs(ctx, tx, kindDraft, a, "number = number + 1, titles = ?, modified = ?, modified_by = ?",
			titles(a.Text), db.Micros(tx.Now()), stoa.ActorFrom(ctx).User); err != nil {
			return err
		}
		err = s.addVersion(ctx, tx, id, newest+1, Draft{Default: a.Default, Image: a.Image, Text: a.Text,
			Comment: fmt.Sprintf("Restored version %d", number)})
		if err != nil {
			return err
		}
		d := Draft{Image: a.Image, refers: addresses(a.Text)}
		if err := s.link(ctx, tx, a.Site, id, newest+1, d); err != nil {
			return err
		}
		if err := s.keepLinks(ctx, tx, id, newest+1, a.Live, a.Pending); err != nil {
			return err
		}
		return enter(ctx, tx, id)
	})
}

// Op says what became of a part of a text.
type Op int8

// The operations of a comparison.
const (
	Delete Op = iota - 1
	Equal
	Insert
)

// DiffPart is a piece of text that was kept, added or taken away.
type DiffPart struct {
	Op   Op
	Text string
}

// Diff compares two texts and gives the parts in reading order. Its result is plain text: escape it.
// It takes about a second at most, however long the texts are.
func Diff(a, b string) []DiffPart {
	d := diffmatchpatch.New()
	d.DiffTimeout = time.Second
	parts := d.DiffCleanupSemantic(d.DiffMain(a, b, len(a)+len(b) > 20_000))
	out := make([]DiffPart, 0, len(parts))
	for _, p := range parts {
		out = append(out, DiffPart{Op: Op(p.Type), Text: p.Text})
	}
	return out
}

// Comparison is what changed between two versions in one language.
type Comparison struct {
	Title, Summary, Body []DiffPart // Body compares the words
	Source               []DiffPart // compares the HTML, for changes of form alone
}

// Compare compares the texts of two versions in a language; a language that a version does not have
// counts as empty. It needs Edit.
func (s *Service) Compare(ctx context.Context, id stoa.ID, from, to int, l stoa.Locale) (Comparison, error) {
	a, err := s.Version(ctx, id, from)
	if err != nil {
		return Comparison{}, err
	}
	b, err := s.Version(ctx, id, to)
	if err != nil {
		return Comparison{}, err
	}
	x, y := a.Text[l], b.Text[l]
	return Comparison{
		Title: Diff(x.Title, y.Title), Summary: Diff(x.Summary, y.Summary),
		Body: Diff(s.policy.Text(x.Body), s.policy.Text(y.Body)), Source: Diff(x.Body, y.Body),
	}, nil
}
