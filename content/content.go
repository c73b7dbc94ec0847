// Package content keeps the articles of a site: texts in several languages with versions, drafts
// beside what visitors see, publication and expiry by time, categories and tags, passwords. An
// editor's save makes a new version; visitors see the version that was published. Nothing that
// visitors read compares with the clock: a job's transaction publishes and expires, so that every
// cache hears of it.
package content

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/passhash"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

// The kinds of change that this package notes. A draft is saved without dropping anything that visitors have; what is
// cached for editors depends on both.
const (
	kindArticle = "article"
	kindDraft   = "article-draft"
)

// The states of an article. Visitors see whatever Live names, also while a newer version is
// scheduled.
const (
	StatusDraft     = "draft"
	StatusScheduled = "scheduled"
	StatusPublished = "published"
	StatusExpired   = "expired"
	statusTrashed   = "trashed" // in the recycle bin, which no caller sees
)

// The kinds of articles.
const (
	KindArticle = "article" // shown by widgets and under its own address
	KindPost    = "post"    // an entry of the site's blog
	KindPage    = "page"    // the text of a page of the tree
)

// Text is an article's words in one language.
type Text struct {
	Title   string // plain text
	Summary string // plain text, as the editor wrote it; may be empty
	Teaser  string // plain text: the summary, or the beginning of the body
	Body    string // HTML that richtext has made safe; empty in lists and while locked
}

// Article is an article as one reader gets it: Get gives editors the newest version, Live gives
// visitors the published one.
type Article struct {
	ID, Instance, Site stoa.ID
	Slug               string
	Status             string // draft, scheduled, published or expired
	Kind               string // article, post or page
	Default            stoa.Locale
	Text               map[stoa.Locale]Text
	Image              string // key of a file, or empty
	Author             stoa.ID
	AuthorName         string
	Published          time.Time // the date that is shown
	Publish            time.Time // when Pending becomes visible; zero when nothing is scheduled
	Expire             time.Time // when it stops being visible; zero for never
	Sticky             bool      // before the others in lists
	Protected          bool      // there is a password
	Locked             bool      // the summary and the body were left out, for want of the password
	Categories         []stoa.ID
	Tags               []stoa.ID
	Created, Modified  time.Time
	ModifiedBy         stoa.ID
	Version            int64 // of the row, for saving
	Number             int   // of the newest version of the text
	Live               int   // of the version that visitors see; 0 for none
	Pending            int   // of the version that is scheduled; 0 for none
	Shown              int   // of the version in Text
}

// Path is the way from the article up to its instance, for permission checks.
func (a Article) Path() access.Path {
	return access.Path{{Kind: "article", ID: a.ID}, {Kind: "site", ID: a.Site}, {Kind: "instance", ID: a.Instance}}
}

// In gives the text in a language: the one asked for, else another form of the same language, else
// the article's default.
func (a Article) In(l stoa.Locale) Text {
	t, _ := a.Find(l)
	return t
}

// Find is In that also tells which language it found.
func (a Article) Find(l stoa.Locale) (Text, stoa.Locale) {
	if t, ok := a.Text[l]; ok {
		return t, l
	}
	lang := l.Language()
	if t, ok := a.Text[stoa.Locale(lang)]; ok && lang != "" {
		return t, stoa.Locale(lang)
	}
	var best stoa.Locale // the first by name, so that every node gives the same
	for have := range a.Text {
		if lang != "" && have.Language() == lang && (best == "" || have < best) {
			best = have
		}
	}
	if best == "" {
		best = a.Default
	}
	return a.Text[best], best
}

// HasDraft reports whether there is a version newer than the one visitors see.
func (a Article) HasDraft() bool { return a.Number > a.Live }

// Options are what a Service needs.
type Options struct {
	DB       *db.DB
	Cache    *cache.Cache
	Access   *access.Service
	Taxonomy *taxonomy.Service
	// Moved is told, within the transaction, when an article gets a new address; may be nil. The
	// addresses are paths within the site, such as /w/old.
	Moved func(ctx context.Context, tx *db.Tx, site stoa.ID, from, to string) error
	// Image gives the address and the text of the image with a key, about as wide as width in pixels;
	// an empty address leaves it out. nil: keys that are addresses are used as they are, others left out.
	Image  func(ctx context.Context, st site.Site, key string, width int) (src, alt string)
	Assets *asset.Service   // keeps what articles refer to; nil: nothing does
	Signer Signer           // signs links to drafts; nil: there are none
	Pages  Pages            // nil: no page shows an article as its text
	Now    func() time.Time // decides between "publish now" and "later"; default time.Now
}

// Service keeps the articles. It is safe for concurrent use.
type Service struct {
	o         Options
	policy    *richtext.Policy
	live      *cache.Region[Article]
	slugs     *cache.Region[stoa.ID]
	lists     *cache.Region[List]
	starts    *cache.Region[[]stoa.ID] // where the files of a site map begin
	passwords *passhash.Shared
}

// New gives a Service. DB, Cache, Access and Taxonomy are required.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil || o.Access == nil || o.Taxonomy == nil {
		return nil, errors.New("content: Options.DB, Cache, Access and Taxonomy are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		o: o, policy: richtext.New(), passwords: passhash.NewShared(o.DB, passhash.Article),
		live: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "article", StaleForGuests: true}, Article.size,
			cache.JSON[Article]()),
		starts: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "article-map", StaleForGuests: true,
			MaxBytes: 1 << 20},
			func(v []stoa.ID) int { return 64 + 8*len(v) }),
		slugs: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "article-slug", StaleForGuests: true, MaxBytes: 8 << 20}, func(stoa.ID) int { return 16 }),
		lists: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "article-list", StaleForGuests: true}, func(l List) int {
			n := 64
			for _, a := range l.Items {
				n += a.size()
			}
			return n
		}, cache.JSON[List]()),
	}, nil
}

func (a Article) size() int {
	n := 500 + len(a.Slug) + len(a.Image) + 8*(len(a.Categories)+len(a.Tags))
	for _, t := range a.Text {
		n += 120 + len(t.Title) + len(t.Summary) + len(t.Teaser) + len(t.Body)
	}
	return n
}

// Address is the path of an article within its site.
func Address(slug string) string { return "/w/" + slug }

func where(id stoa.ID, n int) string { return id.String() + "/" + strconv.Itoa(n) }

const columns = `SELECT a.id, a.instance, a.site, a.slug, a.kind, a.status, a.author, a.author_name, a.published, a.publish_at, a.expire_at,
	a.sticky, a.password, a.created, a.modified, a.modified_by, a.number, a.live, a.pending, a.version FROM content_article a `

// row is an article without its texts, and the hash of its password.
type row struct {
	Article
	hash string
	was  string // hash before the save
}

func scanRow(r db.Scanner) (row, error) {
	var a row
	var published, publish, expire, created, modified int64
	err := r.Scan(&a.ID, &a.Instance, &a.Site, &a.Slug, &a.Kind, &a.Status, &a.Author, &a.AuthorName, &published, &publish, &expire,
		&a.Sticky, &a.hash, &created, &modified, &a.ModifiedBy, &a.Number, &a.Live, &a.Pending, &a.Article.Version)
	a.Published, a.Publish, a.Expire = db.Time(published), db.Time(publish), db.Time(expire)
	a.Created, a.Modified, a.Protected = db.Time(created), db.Time(modified), a.hash != ""
	return a, err
}

// read gives the row of an article, or NotFound. What is in the recycle bin is not there.
func read(ctx context.Context, q db.Queryer, id stoa.ID) (row, error) {
	a, err := readAny(ctx, q, id)
	if err == nil && a.Status == statusTrashed {
		return row{}, stoa.NotFound("article", id)
	}
	return a, err
}

// readAny is read that also gives what is in the recycle bin, with the site and the instance that it belongs to.
func readAny(ctx context.Context, q db.Queryer, id stoa.ID) (row, error) {
	a, err := db.One(ctx, q, scanRow, columns+"WHERE a.id = ?", id)
	if db.IsNoRows(err) {
		return row{}, stoa.NotFound("article", id)
	}
	if a.Site >= asset.Hidden {
		a.Site, a.Instance = a.Site-asset.Hidden, a.Instance-asset.Hidden
	}
	return a, err
}

// fill adds the texts of one version.
func (a *Article) fill(ctx context.Context, q db.Queryer, number int) error {
	var made int64
	err := q.QueryRow(ctx,
		"SELECT default_locale, image, made FROM content_version WHERE article = ? AND number = ?", a.ID, number).
		Scan(&a.Default, &a.Image, &made)
	if db.IsNoRows(err) {
		return stoa.NotFound("version of the article", where(a.ID, number))
	}
	if err != nil {
		return err
	}
	if number < a.Number { // saved since
		a.Modified = db.Time(made)
	}
	a.Text, a.Shown = map[stoa.Locale]Text{}, number
	return db.Each(ctx, q, func(row db.Scanner) error {
		var l stoa.Locale
		var t Text
		err := row.Scan(&l, &t.Title, &t.Summary, &t.Teaser, &t.Body)
		a.Text[l] = t
		return err
	}, "SELECT locale, title, summary, teaser, body FROM content_text WHERE article = ? AND number = ?", a.ID, number)
}

// carried adds the categories and tags as the transaction sees them.
func (s *Service) carried(ctx context.Context, tx *db.Tx, a *row) error {
	a.Categories, a.Tags = nil, nil
	return db.Each(ctx, tx, func(r db.Scanner) error {
		var kind string
		var id stoa.ID
		if err := r.Scan(&kind, &id); err != nil {
			return err
		}
		if kind == "tag" {
			a.Tags = append(a.Tags, id)
		} else {
			a.Categories = append(a.Categories, id)
		}
		return nil
	}, "SELECT term_kind, term FROM taxonomy_assigned WHERE kind = 'article' AND thing = ?", a.ID)
}

// words adds the categories and tags.
func (s *Service) words(ctx context.Context, a *Article) error {
	terms, err := s.o.Taxonomy.Of(ctx, "article", a.ID, a.Site)
	if err != nil {
		return err
	}
	a.Categories, a.Tags = nil, nil
	for _, c := range terms.Categories {
		a.Categories = append(a.Categories, c.ID)
	}
	for _, t := range terms.Tags {
		a.Tags = append(a.Tags, t.ID)
	}
	return nil
}
