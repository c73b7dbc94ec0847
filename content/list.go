package content

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// Filter chooses articles. Zero values choose all.
type Filter struct {
	Kind     string // empty: all; LiveList then leaves out the texts of pages
	Category stoa.ID
	Tag      stoa.ID
	Author   stoa.ID
	Year     int // of the date shown, UTC; LiveList only
	Month    int // 1 to 12, with Year
	Status   string
	Query    string // part of a title, any case; List only
	Page     int    // from 1
	PerPage  int    // 1 to 100; 0 = 10

	without []stoa.ID // texts of pages that the actor may not edit
}

// List is one page of a list. The articles have no bodies.
type List struct {
	Items   []Article
	Total   int // on all pages; of LiveList at most MostListed
	Page    int
	PerPage int
}

// Pages is the number of pages, at least 1.
func (l List) Pages() int { return max(1, (l.Total+l.PerPage-1)/max(1, l.PerPage)) }

func (f Filter) normal() Filter {
	if f.PerPage <= 0 {
		f.PerPage = 10
	}
	f.PerPage = min(f.PerPage, 100)
	f.Page = min(max(f.Page, 1), 100_000)
	if f.Year < 1 || f.Year > 9999 {
		f.Year = 0
	}
	if f.Year == 0 || f.Month < 1 || f.Month > 12 {
		f.Month = 0
	}
	f.Query = stoa.Clip(strings.ToLower(line(f.Query)), 200)
	return f
}

// Get gives the newest version, for editors. It needs Edit.
func (s *Service) Get(ctx context.Context, id stoa.ID) (Article, error) {
	a, err := read(ctx, s.o.DB, id)
	if err != nil {
		return Article{}, err
	}
	if err := s.May(ctx, access.Edit, a.Article); err != nil {
		return Article{}, err
	}
	if err := a.fill(ctx, s.o.DB, a.Number); err != nil {
		return Article{}, err
	}
	return a.Article, s.words(ctx, &a.Article)
}

// Live gives the version that visitors see, from the cache, with bodies that are ready to be shown (see
// richtext.Prepare). The body of an article with a password is left out. It needs View; an article that is not
// visible is NotFound, for editors too, and so is the text of a page, which LiveOn gives to its page.
func (s *Service) Live(ctx context.Context, id stoa.ID) (Article, error) {
	a, err := s.published(ctx, id)
	if err != nil {
		return Article{}, err
	}
	if a.Kind == KindPage {
		return Article{}, stoa.NotFound("article", id)
	}
	return a, s.o.Access.Check(ctx, access.View, a.Path())
}

// published gives the version that visitors see from the cache, without asking who may.
func (s *Service) published(ctx context.Context, id stoa.ID) (Article, error) {
	return s.live.Get(ctx, id.String(), func(ctx context.Context, l *cache.Load) (Article, error) {
		l.Thing("article", id) // also when there is none: ids are never used again
		a, err := read(ctx, s.o.DB, id)
		if err != nil {
			return Article{}, err
		}
		if a.Live == 0 {
			return Article{}, stoa.NotFound("article", id)
		}
		if err := a.fill(ctx, s.o.DB, a.Live); err != nil {
			return Article{}, err
		}
		a.lock()
		a.prepare()
		a.asShown()
		return a.Article, s.words(ctx, &a.Article)
	})
}

// asShown leaves out what is said of drafts: saving one is no change of what visitors see, so it drops nothing that is
// kept for them, and tells them nothing.
func (a *Article) asShown() {
	a.Number, a.Pending, a.Status, a.Publish = a.Live, 0, StatusPublished, time.Time{}
	a.ModifiedBy, a.Version = 0, 0
}

// LiveBySlug is Live by the address of the article within the site.
func (s *Service) LiveBySlug(ctx context.Context, st site.Site, slug string) (Article, error) {
	id, err := s.bySlug(ctx, st.ID, slug)
	if err != nil {
		return Article{}, err
	}
	return s.Live(ctx, id)
}

// bySlug gives the article with the address within the site that visitors see.
func (s *Service) bySlug(ctx context.Context, site stoa.ID, slug string) (stoa.ID, error) {
	if slug == "" || len(slug) > 190 {
		return 0, stoa.NotFound("article", slug)
	}
	return s.slugs.Get(ctx, site.String()+"/"+slug, func(ctx context.Context, l *cache.Load) (stoa.ID, error) {
		var id stoa.ID
		err := s.o.DB.QueryRow(ctx, "SELECT id FROM content_article WHERE site = ? AND slug = ? AND live > 0", site, slug).
			Scan(&id)
		if db.IsNoRows(err) {
			l.Scope("article", site)
			return 0, stoa.NotFound("article", slug)
		}
		l.Thing("article", id)
		return id, err
	})
}

// conditions gives the WHERE clause of a filter.
func (f Filter) conditions(st stoa.ID, visible bool) (string, []any) {
	q, args := "WHERE a.site = ?", []any{st}
	add := func(cond string, v ...any) {
		q += " AND " + cond
		args = append(args, v...)
	}
	if visible {
		add("a.live > 0")
	}
	if f.Kind != "" {
		add("a.kind = ?", f.Kind)
	}
	if visible {
		add("a.kind <> ?", KindPage) // texts of pages belong to the tree and its permissions, not to lists
	}
	if len(f.without) > 0 {
		add("a.id NOT IN "+db.In(len(f.without)), db.Args(f.without)...)
	}
	if f.Author != 0 {
		add("a.author = ?", f.Author)
	}
	if f.Status != "" {
		add("a.status = ?", f.Status)
	}
	if f.Query != "" {
		add("a.titles LIKE ? ESCAPE '!'", "%"+db.Like(f.Query)+"%")
	}
	const carries = "EXISTS (SELECT 1 FROM taxonomy_assigned t WHERE t.kind = 'article' AND t.thing = a.id AND t.term_kind = ? AND t.term = ?)"
	if f.Category != 0 {
		add(carries, "category", f.Category)
	}
	if f.Tag != 0 {
		add(carries, "tag", f.Tag)
	}
	if f.Year != 0 {
		from := time.Date(f.Year, time.Month(max(f.Month, 1)), 1, 0, 0, 0, 0, time.UTC)
		to := from.AddDate(1, 0, 0)
		if f.Month != 0 {
			to = from.AddDate(0, 1, 0)
		}
		add("a.published >= ? AND a.published < ?", from.UnixMicro(), to.UnixMicro())
	}
	return q, args
}

// MostListed is how many articles a list of visitors has on all its pages: to find one further back, a database has to
// read all before it. The site map has all, and so have lists of a category or a year.
const MostListed = 10_000

// mostCarrying is how many articles of a category or tag are looked up by their ids: MariaDB plans longer lists
// differently.
const mostCarrying = 500

// carrying gives the articles with the category and the tag of the filter, if they are few; nil: many, or any.
func (f Filter) carrying(ctx context.Context, q db.Queryer) ([]stoa.ID, error) {
	for _, term := range []struct {
		kind string
		id   stoa.ID
	}{{"category", f.Category}, {"tag", f.Tag}} {
		if term.id == 0 || f.Category != 0 && f.Tag != 0 {
			continue
		}
		ids, err := db.All(ctx, q, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) },
			"SELECT thing FROM taxonomy_assigned WHERE term_kind = ? AND term = ? AND kind = ? LIMIT ?",
			term.kind, term.id, kindArticle, mostCarrying+1)
		if err != nil {
			return nil, err
		}
		if len(ids) <= mostCarrying {
			return append([]stoa.ID{}, ids...), nil
		}
	}
	return nil, nil
}

// LiveList gives a page of what visitors see, those that stick first, then by the date shown, newest
// first; from the cache. It needs View on the site.
func (s *Service) LiveList(ctx context.Context, st site.Site, f Filter) (List, error) {
	if err := s.o.Access.Check(ctx, access.View, st.Path()); err != nil {
		return List{}, err
	}
	f.Status, f.Query = "", ""
	f = f.normal()
	// The one part that is text stands last, so that it ends no other.
	key := fmt.Sprintf("%d/%d/%d/%d/%d-%d/%d,%d/%s", st.ID, f.Category, f.Tag, f.Author, f.Year, f.Month, f.Page,
		f.PerPage, f.Kind)
	return s.lists.Get(ctx, key, func(ctx context.Context, l *cache.Load) (List, error) {
		l.Scope("article", st.ID)
		if f.Category != 0 { // a merge gives articles another one without changing them
			l.Scope("category", st.ID)
		}
		if f.Tag != 0 {
			l.Scope("tag", st.ID)
		}
		return s.list(ctx, s.o.DB, st.ID, f, true, "ORDER BY a.sticky DESC, a.published DESC, a.id DESC")
	})
}

// List gives a page of all articles of the site for editors, the one saved last first. It needs Edit
// on the site, and for the text of a page on that page: others are left out.
func (s *Service) List(ctx context.Context, st site.Site, f Filter) (List, error) {
	f, err := s.listed(ctx, st, f)
	if err != nil {
		return List{}, err
	}
	return s.list(ctx, db.Reader(ctx, s.o.DB), st.ID, f.normal(), false, "ORDER BY a.modified DESC, a.id DESC")
}

// listed gives the filter without what the actor may not edit. It needs Edit on the site.
func (s *Service) listed(ctx context.Context, st site.Site, f Filter) (Filter, error) {
	if err := s.o.Access.Check(ctx, access.Edit, st.Path()); err != nil {
		return f, err
	}
	if actor := stoa.ActorFrom(ctx); s.o.Pages != nil && !actor.System && !actor.Admin {
		var err error
		if f.without, err = s.o.Pages.Barred(ctx, st.ID, access.Edit); err != nil {
			return f, err
		}
	}
	return f, nil
}

// list reads all of a list from q: what goes into a cache, from the database that is written to.
func (s *Service) list(
	ctx context.Context, q db.Queryer, st stoa.ID, f Filter, visible bool, order string,
) (List, error) {
	out := List{Page: f.Page, PerPage: f.PerPage}
	few, err := f.carrying(ctx, q)
	if err != nil {
		return List{}, fmt.Errorf("content: list articles: %w", err)
	}
	if few != nil {
		f.Category, f.Tag = 0, 0
	}
	cond, args := f.conditions(st, visible)
	if few != nil {
		cond, args = cond+" AND a.id IN "+db.In(len(few)), append(args, db.Args(few)...)
	}
	count, counting := "SELECT count(*) FROM content_article a "+cond, args
	if visible { // what lists of visitors have pages for
		count = "SELECT count(*) FROM (SELECT a.id FROM content_article a " + cond + " LIMIT ?) listed"
		counting = append(slices.Clone(args), MostListed)
	}
	if err := q.QueryRow(ctx, count, counting...).Scan(&out.Total); err != nil {
		return List{}, fmt.Errorf("content: count articles: %w", err)
	}
	if visible && (f.Page-1)*f.PerPage >= MostListed {
		return out, nil
	}
	rows, err := db.All(ctx, q, scanRow, columns+cond+" "+order+" LIMIT ? OFFSET ?",
		append(args, f.PerPage, (f.Page-1)*f.PerPage)...)
	if err != nil {
		return List{}, fmt.Errorf("content: list articles: %w", err)
	}
	for _, r := range rows {
		a := r.Article
		if a.Shown = a.Number; visible {
			a.Shown = a.Live
		}
		out.Items = append(out.Items, a)
	}
	if err := s.heads(ctx, q, out.Items); err != nil {
		return List{}, fmt.Errorf("content: list articles: %w", err)
	}
	for i := range out.Items {
		if visible {
			out.Items[i].lock()
			out.Items[i].asShown()
		}
		if err := s.words(ctx, &out.Items[i]); err != nil {
			return List{}, err
		}
	}
	return out, nil
}

// heads adds what lists show of the versions named by Shown: no bodies.
func (s *Service) heads(ctx context.Context, q db.Queryer, items []Article) error {
	if len(items) == 0 {
		return nil
	}
	place := make(map[stoa.ID]*Article, len(items))
	ids := make([]stoa.ID, len(items))
	for i := range items {
		items[i].Text = map[stoa.Locale]Text{}
		place[items[i].ID], ids[i] = &items[i], items[i].ID
	}
	return db.Each(ctx, q, func(row db.Scanner) error {
		var id stoa.ID
		var number int
		var l, def stoa.Locale
		var image string
		var made int64
		var t Text
		if err := row.Scan(&id, &number, &l, &t.Title, &t.Summary, &t.Teaser, &def, &image, &made); err != nil {
			return err
		}
		if a := place[id]; a != nil && a.Shown == number {
			if a.Text[l], a.Default, a.Image = t, def, image; number < a.Number { // saved since, without being shown
				a.Modified = db.Time(made)
			}
		}
		return nil
	}, `SELECT t.article, t.number, t.locale, t.title, t.summary, t.teaser, v.default_locale, v.image, v.made
		FROM content_text t JOIN content_version v ON v.article = t.article AND v.number = t.number
		JOIN content_article a ON a.id = t.article AND (t.number = a.live OR t.number = a.number)
		WHERE t.article IN `+db.In(len(ids)), db.Args(ids)...)
}

// Lines gives the articles with these ids, at most 200, as List shows them and in the order of the ids, without those
// that are not there and those on which the actor has not Edit.
func (s *Service) Lines(ctx context.Context, ids []stoa.ID) ([]Article, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > 200 {
		return nil, fmt.Errorf("content: at most 200 articles are listed at once, not %d", len(ids))
	}
	q := db.Reader(ctx, s.o.DB)
	rows, err := db.All(ctx, q, scanRow, columns+"WHERE a.id IN "+db.In(len(ids)), db.Args(ids)...)
	if err != nil {
		return nil, fmt.Errorf("content: read the articles of a list: %w", err)
	}
	var out []Article
	for _, r := range rows {
		if r.Status == statusTrashed {
			continue
		}
		err := s.May(ctx, access.Edit, r.Article)
		if stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindNotFound) || stoa.Is(err, stoa.KindUnauthorized) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r.Shown = r.Number
		out = append(out, r.Article)
	}
	slices.SortFunc(out, func(a, b Article) int {
		return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID))
	})
	if err := s.heads(ctx, q, out); err != nil {
		return nil, fmt.Errorf("content: read the articles of a list: %w", err)
	}
	return out, nil
}
