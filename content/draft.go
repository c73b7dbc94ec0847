package content

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/site"
)

// The limits of what editors may save, in bytes unless said.
const (
	MaxTitle   = 450
	MaxSummary = 16 << 10
	MaxBody    = 4 << 20
	maxSlug    = 180
	teaser     = 55 // words
)

// Draft is what an editor saves. Text and image become a new version; everything else belongs to
// the article and holds at once, also for the version that visitors see.
type Draft struct {
	Slug       string      // empty: made from the title when the article is new, else left as it is
	Kind       string      // empty: article when it is new, else left as it is
	Default    stoa.Locale // empty: the site's when it is new, else left as it is
	Text       map[stoa.Locale]Text
	Image      string
	Author     stoa.ID // 0: the actor when it is new, else left as it is
	AuthorName string
	Published  time.Time // zero: set by the first publication, else left as it is
	Sticky     bool
	Password   *string // nil: left as it is; empty: none
	Categories []stoa.ID
	Tags       []stoa.ID
	NewTags    []string // names of further tags, made where the site has none of the name; for editors of the site
	Comment    string   // what was changed, for the list of versions
	Autosave   string   // the window of the actor whose Autosave is taken away with the save; empty: none
	// Created and Modified are for imports; zero means now.
	Created, Modified time.Time

	// What Prepare has done already: texts that are clean, and the password that hash belongs to.
	washed   map[stoa.Locale]Text
	password *string
	hash     string
	refers   []string // addresses in washed
}

// Prepare does the part of saving that takes time, before a transaction begins: it makes the texts safe and hashes the
// password. Create and Save do so themselves; callers of CreateTx call it first, for inside a transaction all other
// writers would wait. A text with too many elements, or elements nested too deep, is TooLarge.
func (s *Service) Prepare(ctx context.Context, d Draft) (Draft, error) {
	if err := s.wash(&d); err != nil {
		return d, err
	}
	if d.Password == nil || d.password != nil && *d.password == *d.Password {
		return d, nil
	}
	hash, err := s.hashFor(ctx, d.Password)
	if err != nil {
		return d, err
	}
	password := *d.Password
	d.password, d.hash = &password, hash
	return d, nil
}

// wash makes the texts of a draft safe, unless they are.
func (s *Service) wash(d *Draft) error {
	if d.washed != nil && maps.Equal(d.washed, d.Text) {
		return nil
	}
	if len(d.Text) > 100 {
		return stoa.Invalid("title", "an article needs a text in at least one and at most 100 languages")
	}
	text, refers := make(map[stoa.Locale]Text, len(d.Text)), []string(nil)
	for l, t := range d.Text {
		norm, err := stoa.ParseLocale(string(l))
		if err != nil {
			return err
		}
		if t.Title = line(t.Title); t.Title == "" {
			return stoa.Invalid("title."+string(norm), "the title in %s is missing", norm)
		}
		if len(t.Title) > MaxTitle || len(t.Summary) > MaxSummary || len(t.Body) > MaxBody {
			field := "body."
			switch {
			case len(t.Title) > MaxTitle:
				field = "title."
			case len(t.Summary) > MaxSummary:
				field = "summary."
			}
			return stoa.AtField(field+string(norm), stoa.TooLarge(
				"the text in %s is too long: a title has at most %d, a summary %d and a body %d bytes",
				norm, MaxTitle, MaxSummary, MaxBody))
		}
		if err := richtext.Check(t.Body); err != nil {
			return stoa.AtField("body."+string(norm), err)
		}
		t.Summary = strings.TrimSpace(printable(t.Summary))
		t.Body = s.policy.Sanitize(t.Body)
		if t.Teaser = t.Summary; t.Teaser == "" {
			t.Teaser = richtext.Summary(t.Body, teaser)
		}
		text[norm] = t
		refers = append(refers, richtext.Addresses(t.Body, asset.MostLinks)...)
	}
	d.Text, d.washed, d.refers = text, maps.Clone(text), refers
	return nil
}

// clean checks a draft whose texts are clean. Default and Kind must be set.
func (s *Service) clean(d *Draft) error {
	switch d.Kind {
	case KindArticle, KindPost, KindPage:
	default:
		return stoa.Invalid("kind", "%q is not a kind of article: article, post or page is expected", stoa.Clip(d.Kind, 40))
	}
	if len(d.Text) == 0 || len(d.Text) > 100 {
		return stoa.Invalid("title", "an article needs a text in at least one and at most 100 languages")
	}
	if _, ok := d.Text[d.Default]; !ok {
		return stoa.Invalid("title", "an article needs a text in its default language, %s", d.Default)
	}
	d.AuthorName = stoa.Clip(line(d.AuthorName), 180)
	d.Comment = stoa.Clip(line(d.Comment), 450)
	if len(d.Image) > 190 {
		return stoa.Invalid("image", "the key of a file is expected")
	}
	if d.Slug != "" {
		want := slugOf(d.Slug, 2*maxSlug)
		if len(want) > maxSlug {
			return stoa.Invalid("slug", "the address is too long: at most %d bytes are expected", maxSlug)
		}
		d.Slug = want
	}
	if len(d.Categories) > 100 || len(d.Tags) > 100 {
		return stoa.Invalid("tags", "an article has at most 100 categories and 100 tags")
	}
	return nil
}

// printable drops control characters and what is not UTF-8; databases refuse some of them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

func line(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }

// Create makes a draft. It needs Edit on the site. An address that the editor chose and that is
// taken is a Conflict; one made from the title gets a number.
func (s *Service) Create(ctx context.Context, st site.Site, d Draft) (Article, error) {
	return s.CreateThen(ctx, st, d, Then{})
}

// CreateThen is Create and what else a form says, in one transaction: all of it, or nothing.
func (s *Service) CreateThen(ctx context.Context, st site.Site, d Draft, then Then) (Article, error) {
	var id stoa.ID
	if err := s.o.Access.Check(ctx, access.Edit, st.Path()); err != nil { // before the work for strangers
		return Article{}, err
	}
	d, err := s.Prepare(ctx, d)
	if err != nil {
		return Article{}, fmt.Errorf("content: create an article: %w", err)
	}
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.create(ctx, tx, st, d)
		if id = a.ID; err != nil {
			return err
		}
		return s.do(ctx, tx, id, a.Version, then)
	})
	if err != nil {
		return Article{}, fmt.Errorf("content: create an article: %w", err)
	}
	return s.Get(ctx, id)
}

// CreateTx is Create in the caller's transaction, for imports; see Prepare. The result has no categories and tags.
func (s *Service) CreateTx(ctx context.Context, tx *db.Tx, st site.Site, d Draft) (Article, error) {
	d, err := s.Prepare(ctx, d)
	if err != nil {
		return Article{}, err
	}
	return s.create(ctx, tx, st, d)
}

func (s *Service) create(ctx context.Context, tx *db.Tx, st site.Site, d Draft) (Article, error) {
	if err := s.o.Access.Check(ctx, access.Edit, st.Path()); err != nil {
		return Article{}, err
	}
	s.defaults(ctx, tx, st, &d)
	if err := s.clean(&d); err != nil {
		return Article{}, err
	}
	id, err := tx.NewID(ctx)
	if err != nil {
		return Article{}, err
	}
	if err := s.insert(ctx, tx, d, articleRow(ctx, st, id, d)); err != nil {
		return Article{}, err
	}
	if err := s.addVersion(ctx, tx, id, 1, d); err != nil {
		return Article{}, err
	}
	if err := closeAutosave(ctx, tx, d.Autosave); err != nil {
		return Article{}, err
	}
	if err := s.assign(ctx, tx, id, st.Instance, st.ID, d); err != nil {
		return Article{}, err
	}
	if err := s.link(ctx, tx, st.ID, id, 1, d); err != nil {
		return Article{}, err
	}
	if err := enter(ctx, tx, id); err != nil {
		return Article{}, err
	}
	tx.Changed(kindDraft, id, st.ID, 1)
	a, err := read(ctx, tx, id)
	if err != nil {
		return Article{}, err
	}
	audit.Note(
		tx,
		audit.Made,
		Article{ID: id, Instance: st.Instance, Slug: a.Slug, Default: d.Default, Text: d.Text}.thing(),
	)
	return a.Article, a.fill(ctx, tx, 1)
}

// slugOf is the address of an article with these words; without letters and digits it is "untitled".
func slugOf(words string, most int) string { return cmp.Or(stoa.Slug(words, most), "untitled") }

// defaults fills in what the draft of a new article does not say.
func (s *Service) defaults(ctx context.Context, tx *db.Tx, st site.Site, d *Draft) {
	actor := stoa.ActorFrom(ctx)
	d.Kind, d.Default, d.Author = cmp.Or(d.Kind, KindArticle), cmp.Or(d.Default, st.Locale), cmp.Or(d.Author, actor.User)
	if d.AuthorName == "" {
		d.AuthorName = stoa.Clip(line(actor.Name), 180)
	}
	if d.Created.IsZero() {
		d.Created = tx.Now()
	}
	if d.Modified.IsZero() {
		d.Modified = tx.Now()
	}
}

// articleRow is the row of a new article that is a draft, without its address.
func articleRow(ctx context.Context, st site.Site, id stoa.ID, d Draft) db.Row {
	return db.Row{
		"id": id, "instance": st.Instance, "site": st.ID, "kind": d.Kind, "status": StatusDraft, "author": d.Author,
		"author_name": d.AuthorName, "published": db.Micros(d.Published), "publish_at": 0, "expire_at": 0,
		"sticky": d.Sticky, "password": d.hash, "titles": titles(d.Text), "created": db.Micros(d.Created),
		"modified": db.Micros(d.Modified), "modified_by": stoa.ActorFrom(ctx).User, "number": 1, "live": 0, "pending": 0,
		"version": 1,
	}
}

func taken(slug string) error {
	return stoa.Conflict("there already is an article with the address %s: choose another one", slug)
}

// insert writes the row of a new article under an address that is free. One that the editor chose and that is taken is
// a Conflict; one made from the title gets a number, and where a thousand have the title, that of the article. A
// caller who is faster between the look and the insert, on any node, only costs another number.
func (s *Service) insert(ctx context.Context, tx *db.Tx, d Draft, row db.Row) error {
	chosen, base := d.Slug != "", d.Slug
	if !chosen {
		base = slugOf(d.Text[d.Default].Title, maxSlug-22) // room for the number
	}
	for i := 1; i <= 1001; i++ {
		slug := base
		switch {
		case i > 1000:
			slug = fmt.Sprintf("%s-%v", base, row["id"])
		case i > 1:
			slug = fmt.Sprintf("%s-%d", base, i)
		}
		var n int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM content_article WHERE site = ? AND slug = ?", row["site"],
			slug).Scan(&n)
		if err != nil {
			return err
		}
		if n == 0 {
			row["slug"] = slug
			if made, err := tx.InsertIgnore(ctx, "content_article", row); made || err != nil {
				return err
			}
		}
		if chosen {
			break
		}
	}
	return taken(base)
}

// titles is what the list of articles is searched in: all titles in lower case.
func titles(text map[stoa.Locale]Text) string {
	var all []string
	for _, t := range text {
		all = append(all, strings.ToLower(t.Title))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "\n")
}

func (s *Service) addVersion(ctx context.Context, tx *db.Tx, id stoa.ID, number int, d Draft) error {
	version, texts := versionRows(ctx, tx, id, number, d)
	if err := tx.Insert(ctx, "content_version", version); err != nil {
		return err
	}
	return tx.InsertAll(ctx, "content_text", texts)
}

// versionRows are the rows of a version and its texts.
func versionRows(ctx context.Context, tx *db.Tx, id stoa.ID, number int, d Draft) (version db.Row, texts []db.Row) {
	actor := stoa.ActorFrom(ctx)
	for l, t := range d.Text {
		texts = append(texts, db.Row{"article": id, "number": number, "locale": string(l), "title": t.Title,
			"summary": t.Summary, "teaser": t.Teaser, "body": t.Body})
	}
	return db.Row{
		"article": id, "number": number, "default_locale": string(d.Default), "image": d.Image,
		"made": db.Micros(tx.Now()), "made_by": actor.User, "made_by_name": stoa.Clip(line(actor.Name), 180),
		"note": d.Comment,
	}, texts
}

func stale() error {
	return stoa.Conflict(
		"another person has saved this article since you opened it: open it again, your text was not saved",
	)
}

// Save makes a new version of the text and sets the article's properties. version is that of the
// row the editor had opened; an older one is a Conflict. It needs Edit for the text, which visitors see after
// Publish. What else is said of an article that is published or scheduled shows at once, so changing that needs
// Publish; and Manage on its page where the text of a page becomes an article that more people may read.
func (s *Service) Save(ctx context.Context, id stoa.ID, d Draft, version int64) (Article, error) {
	return s.SaveThen(ctx, id, d, version, Then{})
}

// SaveThen is Save and what else a form says, in one transaction: all of it, or nothing.
func (s *Service) SaveThen(ctx context.Context, id stoa.ID, d Draft, version int64, then Then) (Article, error) {
	if _, err := s.editable(ctx, id); err != nil { // before the work for strangers; asked once more below
		return Article{}, err
	}
	d, err := s.Prepare(ctx, d)
	if err != nil {
		return Article{}, fmt.Errorf("content: save an article: %w", err)
	}
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		a, err := s.change(ctx, tx, id, version, access.Edit)
		if err != nil {
			return err
		}
		if err := a.fill(ctx, tx, a.Number); err != nil {
			return err
		}
		d := d // this may run again
		inherit(&d, a)
		if err := s.clean(&d); err != nil {
			return err
		}
		if err := s.carried(ctx, tx, &a); err != nil {
			return err
		}
		if err := s.held(ctx, a, d); err != nil {
			return err
		}
		a.was = a.hash
		if d.Password != nil {
			a.hash = d.hash
		}
		if err := s.save(ctx, tx, a, d, version); err != nil {
			return err
		}
		return s.do(ctx, tx, id, version+1, then)
	})
	if err != nil {
		return Article{}, fmt.Errorf("content: save an article: %w", err)
	}
	return s.Get(ctx, id)
}

// assign puts the categories and tags of the draft on the article, and makes those that are new.
func (s *Service) assign(ctx context.Context, tx *db.Tx, id, instance, siteID stoa.ID, d Draft) error {
	tags := slices.Clone(d.Tags)
	for _, name := range d.NewTags {
		tag, err := s.o.Taxonomy.AddTagTx(ctx, tx, instance, siteID, name)
		if stoa.Is(err, stoa.KindInvalid) {
			return stoa.Invalid("tags", "%.40q is no tag: a word of 1 to 190 bytes is expected", name)
		}
		if err != nil {
			return err
		}
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return s.o.Taxonomy.Assign(ctx, tx, kindArticle, id, siteID, d.Categories, tags)
}

func inherit(d *Draft, a row) {
	if d.Kind == "" {
		d.Kind = a.Kind
	}
	if d.Default == "" {
		d.Default = a.Default
	}
	if d.Slug == "" {
		d.Slug = a.Slug
	}
	if d.Author == 0 {
		d.Author = a.Author
	}
	if d.AuthorName == "" {
		d.AuthorName = a.AuthorName
	}
	if d.Published.IsZero() {
		d.Published = a.Published
	}
}

func (s *Service) save(ctx context.Context, tx *db.Tx, a row, d Draft, version int64) error {
	if d.Modified.IsZero() {
		d.Modified = tx.Now()
	}
	n, err := tx.Affected(
		ctx,
		`UPDATE content_article SET slug = ?, kind = ?, author = ?, author_name = ?, published = ?, sticky = ?, password = ?,
		titles = ?, modified = ?, modified_by = ?, number = number + 1, version = version + 1 WHERE id = ? AND version = ?`,
		d.Slug,
		d.Kind,
		d.Author,
		d.AuthorName,
		db.Micros(d.Published),
		d.Sticky,
		a.hash,
		titles(d.Text),
		db.Micros(d.Modified),
		stoa.ActorFrom(ctx).User,
		a.ID,
		version,
	)
	if db.IsDuplicate(err) {
		return taken(d.Slug)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return stale()
	}
	if err := a.keepTime(ctx, tx); err != nil {
		return err
	}
	if err := s.addVersion(ctx, tx, a.ID, a.Number+1, d); err != nil {
		return err
	}
	if err := closeAutosave(ctx, tx, d.Autosave); err != nil {
		return err
	}
	if err := s.link(ctx, tx, a.Site, a.ID, a.Number+1, d); err != nil {
		return err
	}
	if err := s.keepLinks(ctx, tx, a.ID, a.Number+1, a.Live, a.Pending); err != nil {
		return err
	}
	if err := asset.Put(ctx, tx, a.entryOf(d)); err != nil {
		return err
	}
	if err := s.assign(ctx, tx, a.ID, a.Instance, a.Site, d); err != nil {
		return err
	}
	if a.Live > 0 && (d.Slug != a.Slug || d.Kind != a.Kind) {
		tx.Changed(kindShown, a.ID, a.Site, version+1)
	}
	if d.Slug != a.Slug && a.Live > 0 && s.o.Moved != nil {
		if err := s.o.Moved(ctx, tx, a.Site, Address(a.Slug), Address(d.Slug)); err != nil {
			return err
		}
	}
	a.noteSave(tx, d)
	audit.Note(tx, audit.Changed, a.thing())
	if a.Live > 0 && d.Password != nil && a.hash != "" {
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error { return lockAgain(ctx, tx, a) })
	}
	if a.Live > 0 && d.Kind == KindPage && a.Kind != KindPage { // it has no address of its own any more
		tx.TakesAway(nil)
	}
	return nil
}

// lockAgain asks for the password of a once more, after the transaction that did was lost. One that was set since
// stays.
func lockAgain(ctx context.Context, tx *db.Tx, a row) error {
	n, err := tx.Affected(ctx,
		"UPDATE content_article SET password = ?, version = version + 1 WHERE id = ? AND password = ?",
		a.hash, a.ID, a.was)
	if err != nil || n == 0 {
		return err
	}
	tx.Changed(kindArticle, a.ID, a.Site, 0)
	return enter(ctx, tx, a.ID)
}

// keepTime gives the version that visitors see, before a newer one is made, the time that they are told for it: an
// import says another than that of its save.
func (a row) keepTime(ctx context.Context, tx *db.Tx) error {
	if a.Live == 0 || a.Live != a.Number {
		return nil
	}
	at := db.Micros(a.Modified)
	_, err := tx.Exec(ctx, "UPDATE content_version SET made = ? WHERE article = ? AND number = ? AND made <> ?",
		at, a.ID, a.Number, at)
	return err
}

// noteSave notes a save by what hangs on it.
func (a row) noteSave(tx *db.Tx, d Draft) {
	version := a.Article.Version + 1
	words := !sameIDs(d.Categories, a.Categories) || !sameIDs(d.Tags, a.Tags)
	switch {
	case d.Slug != a.Slug, d.Kind != a.Kind, // what was looked for by them may have been found, and kept
		a.Live > 0 && (words || d.Password != nil || d.Author != a.Author || d.AuthorName != a.AuthorName ||
			!d.Published.Equal(a.Published) || d.Sticky != a.Sticky):
		tx.Changed(kindArticle, a.ID, a.Site, version)
	case words:
		// The words of an article are kept by this kind. No list hangs on this scope, and no visitor on this article.
		tx.Changed(kindArticle, a.ID, a.ID, version)
	}
	tx.Changed(kindDraft, a.ID, a.Site, version)
}

// change reads the article for a change that needs the action, and refuses a stale version.
func (s *Service) change(ctx context.Context, tx *db.Tx, id stoa.ID, version int64, need access.Action) (row, error) {
	a, err := read(ctx, tx, id)
	if err != nil {
		return row{}, err
	}
	if err := s.May(ctx, need, a.Article); err != nil {
		return row{}, err
	}
	if a.Article.Version != version {
		return row{}, stale()
	}
	return a, nil
}
