package content

import (
	"context"
	"fmt"
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
	Total   int // on all pages
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
	f.Query = cut(strings.ToLower(line(f.Query)), 200)
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
		return a.Article, s.words(ctx, &a.Article)
	})
}

// LiveBySlug is Live by the address of the article within the site.
func (s *Service) LiveBySlug(ctx context.Context, st site.Site, slug string) (Article, error) {
	id, err := s.bySlug(ctx, st.ID, slug)
	if err != nil {
		return Article{}, err
	}
	return s.Live(ctx, id)
}

// bySlug gives the article with the address within the site, whether visitors see it or not.
func (s *Service) bySlug(ctx context.Context, site stoa.ID, slug string) (stoa.ID, error) {
	if slug == "" || len(slug) > 190 {
		return 0, stoa.NotFound("article", slug)
	}
	return s.slugs.Get(ctx, site.String()+"/"+slug, func(ctx context.Context, l *cache.Load) (stoa.ID, error) {
		var id stoa.ID
		err := s.o.DB.QueryRow(ctx, "SELECT id FROM content_article WHERE site = ? AND slug = ?", site, slug).Scan(&id)
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
		add("a.titles LIKE ? ESCAPE '!'", "%"+strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(f.Query)+"%")
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

// LiveList gives a page of what visitors see, those that stick first, then by the date shown, newest
// first; from the cache. It needs View on the site.
func (s *Service) LiveList(ctx context.Context, st site.Site, f Filter) (List, error) {
	if err := s.o.Access.Check(ctx, access.View, st.Path()); err != nil {
		return List{}, err
	}
	f.Status, f.Query = "", ""
	f = f.normal()
	key := fmt.Sprintf("%d/%s/%d/%d/%d/%d-%d/%d,%d", st.ID, cut(f.Kind, 20), f.Category, f.Tag, f.Author, f.Year, f.Month, f.Page, f.PerPage)
	return s.lists.Get(ctx, key, func(ctx context.Context, l *cache.Load) (List, error) {
		l.Scope("article", st.ID)
		return s.list(ctx, s.o.DB, st.ID, f, true, "ORDER BY a.sticky DESC, a.published DESC, a.id DESC")
	})
}

// List gives a page of all articles of the site for editors, the one saved last first. It needs Edit
// on the site, and for the text of a page on that page: others are left out.
func (s *Service) List(ctx context.Context, st site.Site, f Filter) (List, error) {
	if err := s.o.Access.Check(ctx, access.Edit, st.Path()); err != nil {
		return List{}, err
	}
	if actor := stoa.ActorFrom(ctx); s.o.Pages != nil && !actor.System && !actor.Admin {
		var err error
		if f.without, err = s.o.Pages.Barred(ctx, st.ID, access.Edit); err != nil {
			return List{}, err
		}
	}
	return s.list(ctx, db.Reader(ctx, s.o.DB), st.ID, f.normal(), false, "ORDER BY a.modified DESC, a.id DESC")
}

// list reads all of a list from q: what goes into a cache, from the database that is written to.
func (s *Service) list(
	ctx context.Context, q db.Queryer, st stoa.ID, f Filter, visible bool, order string,
) (List, error) {
	out := List{Page: f.Page, PerPage: f.PerPage}
	cond, args := f.conditions(st, visible)
	if err := q.QueryRow(ctx, "SELECT count(*) FROM content_article a "+cond, args...).Scan(&out.Total); err != nil {
		return List{}, fmt.Errorf("content: count articles: %w", err)
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
