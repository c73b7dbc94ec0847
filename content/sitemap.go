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

// kindShown is the kind of change of the set of articles that visitors see, and of their addresses. Saving a draft is
// none. Binaries from before kindDraft do not write it and call each change kindArticle, so what hangs on the one
// hangs on the other as well.
const kindShown = "article-shown"

// shown declares that a value depends on which articles of a site visitors see.
func shown(l *cache.Load, site stoa.ID) {
	l.Scope(kindShown, site)
	l.Scope(kindArticle, site)
}

// Place is where visitors find an article, for a site map.
type Place struct {
	Slug     string
	Modified time.Time     // when what visitors see was saved
	Locales  []stoa.Locale // that it has a text in; nil when not asked for
}

// MapStarts divides what visitors see of a site, in the order of ids, into pieces of size articles (at least 1): each
// begins after the id that is given for it. It reads keys only, so that it costs the same for each article however
// many there are. It needs View on the site, and is for a value that is cached: what it depends on is declared.
func (s *Service) MapStarts(ctx context.Context, st site.Site, size int) ([]stoa.ID, error) {
	if err := s.o.Access.Check(ctx, access.View, st.Path()); err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%d/%d", st.ID, size)
	return s.starts.Get(ctx, key, func(ctx context.Context, l *cache.Load) ([]stoa.ID, error) {
		shown(l, st.ID)
		starts := []stoa.ID{0}
		for {
			// The last of this piece, and the first of the next, if there is one.
			ids, err := db.All(ctx, s.o.DB, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) },
				"SELECT id FROM content_article WHERE site = ? AND id > ? AND live > 0 AND kind <> ? ORDER BY id LIMIT 2 OFFSET ?",
				st.ID, starts[len(starts)-1], KindPage, size-1)
			if err != nil {
				return nil, fmt.Errorf("content: divide a site map: %w", err)
			}
			if len(ids) < 2 {
				return starts, nil
			}
			starts = append(starts, ids[0])
		}
	})
}

// MapPiece gives up to size of the places after an id, in the order of ids, for a value that is cached. It needs View
// on the site. languages says whether the languages of the texts are wanted.
func (s *Service) MapPiece(
	ctx context.Context, st site.Site, after stoa.ID, size int, languages bool,
) ([]Place, error) {
	if err := s.o.Access.Check(ctx, access.View, st.Path()); err != nil {
		return nil, err
	}
	shown(cache.Current(ctx), st.ID)
	var out []Place
	var ids []stoa.ID
	err := db.Each(ctx, s.o.DB, func(r db.Scanner) error {
		var p Place
		var id stoa.ID
		var number, live int
		var modified, made int64
		if err := r.Scan(&id, &p.Slug, &number, &live, &modified, &made); err != nil {
			return err
		}
		if p.Modified = db.Time(modified); number > live { // saved since, without being shown
			p.Modified = db.Time(made)
		}
		out, ids = append(out, p), append(ids, id)
		return nil
	}, `SELECT a.id, a.slug, a.number, a.live, a.modified, v.made FROM content_article a
		JOIN content_version v ON v.article = a.id AND v.number = a.live
		WHERE a.site = ? AND a.id > ? AND a.live > 0 AND a.kind <> ? ORDER BY a.id LIMIT ?`, st.ID, after, KindPage, size)
	if err != nil {
		return nil, fmt.Errorf("content: read places for a site map: %w", err)
	}
	if !languages || len(ids) == 0 {
		return out, nil
	}
	at := make(map[stoa.ID]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	err = db.Each(ctx, s.o.DB, func(r db.Scanner) error {
		var id stoa.ID
		var l string
		if err := r.Scan(&id, &l); err != nil {
			return err
		}
		if i, ok := at[id]; ok {
			out[i].Locales = append(out[i].Locales, stoa.Locale(strings.Clone(l)))
		}
		return nil
	}, `SELECT t.article, t.locale FROM content_text t JOIN content_article a ON a.id = t.article AND a.live = t.number
		WHERE a.site = ? AND t.article > ? AND t.article <= ? AND a.live > 0 AND a.kind <> ?`,
		st.ID, after, ids[len(ids)-1], KindPage)
	if err != nil {
		return nil, fmt.Errorf("content: read languages for a site map: %w", err)
	}
	return out, nil
}
