// Package generate fills a portal with made-up sites, pages, articles, people and files: for trying out,
// measuring and demonstrating. What it makes comes from a seed: the same seed gives the same content on every
// database. Everything goes through the services of the domain, so it is as valid as what people make,
// and has its entries among the assets. The main
// type is Writer.
package generate

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
	"golang.org/x/sync/errgroup"
)

// Numbers say how much is made from which seed. All counts are totals: what belongs to sites goes to each in turn.
type Numbers struct {
	Seed     uint64 `json:"seed"`
	Sites    int    `json:"sites"` // at least 1
	Pages    int    `json:"pages"`
	Articles int    `json:"articles"`
	People   int    `json:"people"`
	Files    int    `json:"files"`
	Size     int64  `json:"size"` // bytes of each file, about
}

// The limits of Numbers.
const (
	maxSites = 1000
	maxCount = 10_000_000
	maxSize  = 1 << 30
)

// Check returns Invalid for numbers that cannot be made.
func (n Numbers) Check() error {
	if n.Sites < 1 || n.Sites > maxSites {
		return stoa.Invalid("sites", "%d sites cannot be made: 1 to %d are possible", n.Sites, maxSites)
	}
	for _, c := range []struct {
		name  string
		count int
	}{{"pages", n.Pages}, {"articles", n.Articles}, {"people", n.People}, {"files", n.Files}} {
		if c.count < 0 || c.count > maxCount {
			return stoa.Invalid(c.name, "%d %s cannot be made: 0 to %d are possible", c.count, c.name, maxCount)
		}
	}
	if n.Files > 0 && (n.Size < 1 || n.Size > maxSize) {
		return stoa.Invalid("size", "a file of %d bytes cannot be made: 1 to %d are possible", n.Size, maxSize)
	}
	return nil
}

// text is how the numbers are written down, so that a later run knows them again.
func (n Numbers) text() string {
	return fmt.Sprintf("sites=%d pages=%d articles=%d people=%d files=%d size=%d", n.Sites, n.Pages, n.Articles,
		n.People, n.Files, n.Size)
}

// Writer writes what a seed gives into the default instance of a portal.
type Writer struct {
	DB       *db.DB
	Access   *access.Service
	Sites    *site.Service
	Pages    *page.Service
	Content  *content.Service
	Taxonomy *taxonomy.Service
	Files    *document.Service
	Users    *user.Service
}

// Options say how it is written.
type Options struct {
	Numbers
	Instance site.Instance
	Yes      bool // also on a portal that has content of its own
	Progress func(done, total int)
}

// Report says what a run made; what an earlier run had made is not counted.
type Report struct {
	Sites, Pages, Articles, People, Files int
	Before                                int // items that an earlier run had made
	Took                                  time.Duration
	ArticleTime                           time.Duration // of the articles alone
}

// String is the report for people.
func (r Report) String() string {
	rate := ""
	if r.Articles > 0 && r.ArticleTime > 0 {
		rate = fmt.Sprintf(" (%.0f articles a second)", float64(r.Articles)/r.ArticleTime.Seconds())
	}
	before := ""
	if r.Before > 0 {
		before = fmt.Sprintf(" An earlier run had made %d of what was asked for.", r.Before)
	}
	return fmt.Sprintf("%d sites, %d pages, %d articles, %d people and %d files were made in %s%s.%s",
		r.Sites, r.Pages, r.Articles, r.People, r.Files, r.Took.Round(10*time.Millisecond), rate, before)
}

// batch is how many articles or people are written in one transaction: a run that is cut off repeats at most these.
const batch = 200

// pageBatch is the same for pages, which wait for each other.
const pageBatch = 20

// run is one run in progress.
type run struct {
	Writer
	opt    Options
	source string
	sites  []home
	people []stoa.ID
	known  map[string]stoa.ID // site/kind/key → thing
	mu     sync.Mutex         // guards report and what steps gather
	report Report
	done   atomic.Int64
	total  int
	told   chan struct{} // holds one token: progress is told by one at a time
}

// home is a site with its terms.
type home struct {
	site.Site
	categories, tags []stoa.ID
}

// Write makes what the numbers ask for, as the actor of ctx, who must manage the instance. A run that was cut off
// goes on where it stopped; a run with the same seed and other numbers, and one on a portal with content that
// is not of a seed, is a Conflict.
func (w Writer) Write(ctx context.Context, o Options) (Report, error) {
	if err := o.Check(); err != nil {
		return Report{}, err
	}
	if err := w.Access.Check(ctx, access.Manage, o.Instance.Path()); err != nil {
		return Report{}, err
	}
	r := &run{Writer: w, opt: o, source: fmt.Sprintf("generate/%d", o.Seed), known: map[string]stoa.ID{},
		total: o.Sites + o.Pages + o.Articles + o.People + o.Files, told: make(chan struct{}, 1)}
	begun := time.Now()
	if err := r.begin(ctx); err != nil {
		return Report{}, r.beside(err)
	}
	steps := []func(context.Context) error{r.makeSites, r.makePeople, r.makeArticles, r.makePages, r.makeFiles}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return r.report, fmt.Errorf("generate: %w", r.beside(err))
		}
	}
	r.report.Took = time.Since(begun)
	return r.report, nil
}

// beside explains what two runs of one seed do to each other.
func (r *run) beside(err error) error {
	if !db.IsDuplicate(err) {
		return err
	}
	return stoa.Conflict("another run of seed %d goes on: wait for it, then run this again", r.opt.Seed)
}

// begin looks whether this run may be, and reads what an earlier one did.
func (r *run) begin(ctx context.Context) error {
	var before string
	err := r.DB.QueryRow(ctx, "SELECT source_key FROM importer_item WHERE site = 0 AND source = ? AND kind = 'numbers'",
		r.source).
		Scan(&before)
	switch {
	case db.IsNoRows(err):
		if err := r.strangers(ctx); err != nil {
			return err
		}
		return r.DB.Write(ctx,
			func(ctx context.Context, tx *db.Tx) error { return r.note(ctx, tx, 0, "numbers", r.opt.text(), 1) })
	case err != nil:
		return err
	case before != r.opt.text():
		return stoa.Conflict(
			"seed %d was used here with other numbers (%s): give the same ones to go on, or another seed", r.opt.Seed,
			before)
	}
	return db.Each(ctx, r.DB, func(row db.Scanner) error {
		var siteID, thing stoa.ID
		var kind, key string
		err := row.Scan(&siteID, &kind, &key, &thing)
		r.known[mark(siteID, kind, key)] = thing
		return err
	}, "SELECT site, kind, source_key, thing FROM importer_item WHERE source = ?", r.source)
}

func mark(siteID stoa.ID, kind, key string) string { return siteID.String() + "/" + kind + "/" + key }

// note writes down in the transaction that something is made.
func (r *run) note(ctx context.Context, tx *db.Tx, siteID stoa.ID, kind, key string, thing stoa.ID) error {
	return tx.Insert(ctx, "importer_item", r.noteRow(siteID, kind, key, thing))
}

func (r *run) noteRow(siteID stoa.ID, kind, key string, thing stoa.ID) db.Row {
	return db.Row{"site": siteID, "source": r.source, "kind": kind, "source_key": key, "thing": thing}
}

// own is how everything of this package is named.
const own = "generated-"

// strangers refuses a portal that people work on. A new portal has a site with one page and one article.
func (r *run) strangers(ctx context.Context) error {
	if r.opt.Yes {
		return nil
	}
	sites, err := r.Sites.Sites(ctx, r.opt.Instance.ID)
	if err != nil {
		return err
	}
	no := func(what string) error {
		return stoa.Conflict("the portal has content that is not generated (%s): give --yes to add to it all the same",
			what)
	}
	others := 0
	for _, st := range sites {
		if strings.HasPrefix(st.Slug, own) {
			continue
		}
		if others++; others > 1 {
			return no("the site " + st.Slug)
		}
		list, err := r.Content.List(ctx, st, content.Filter{PerPage: 1})
		if err != nil {
			return err
		}
		if list.Total > 1 {
			return no(fmt.Sprintf("%d articles of the site %s", list.Total, st.Slug))
		}
		tree, err := r.Pages.Tree(ctx, st.ID)
		if err != nil {
			return err
		}
		if len(tree) > 1 {
			return no(fmt.Sprintf("%d pages of the site %s", len(tree), st.Slug))
		}
		files, err := r.Files.List(ctx, st, document.Filter{Limit: 1})
		if err != nil {
			return err
		}
		if len(files) > 0 {
			return no("files of the site " + st.Slug)
		}
	}
	return nil
}

// dice are the random numbers of one thing, which depend on nothing but the seed and its name: the order in which
// things are made does not matter.
func (r *run) dice(kind string, i int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", kind, i)
	return rand.New(rand.NewPCG(r.opt.Seed, h.Sum64()))
}

// home is the site of the i-th thing.
func (r *run) home(i int) home { return r.sites[i%len(r.sites)] }

// tell counts n more things; before says that an earlier run made them.
func (r *run) tell(n int) {
	done := int(r.done.Add(int64(n)))
	if r.opt.Progress == nil {
		return
	}
	if done >= r.total {
		r.told <- struct{}{} // the end is told for certain
	} else {
		select {
		case r.told <- struct{}{}:
		default:
			return
		}
	}
	r.opt.Progress(done, r.total)
	<-r.told
}

// workers is how many transactions are open at once: SQLite has one writer.
func (r *run) workers() int {
	if r.DB.Dialect() == db.SQLite {
		return 1
	}
	return max(2, min(2*runtime.NumCPU(), 8))
}

// batches runs fn for the numbers from 0 to count in batches, several at a time.
func (r *run) batches(ctx context.Context, count int, fn func(ctx context.Context, from, to int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.workers())
	for from := 0; from < count; from += batch {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return fn(ctx, from, min(from+batch, count)) })
	}
	return g.Wait()
}

// pause is how long SQLite's one writer is left to others after each batch: they ask for it now and then and are not
// told when it is free, so without a pause they would hardly ever get it.
const pause = 15 * time.Millisecond

func (r *run) breathe(ctx context.Context) {
	if r.DB.Dialect() != db.SQLite {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
