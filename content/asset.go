package content

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// AssetType says what articles are among all content; the kind of an article is the form of its entry.
func (s *Service) AssetType() asset.Type {
	return asset.Type{
		Kind: kindArticle, Name: stoa.Phrase("asset.article"), Icon: "article",
		Changes: []string{kindArticle, kindDraft}, Table: "content_article", Read: readEntries, Rows: rows(),
		May: s.mayEntry, Every: s.mayEvery,
		Screen: func(e asset.Entry) string { return "/content/" + e.ID.String() },
		Links:  readLinks, Find: findArticles, Restore: s.restoreTx, Purge: s.purgeTx, Sites: true,
		Found: found(),
	}
}

func rows() asset.Rows {
	return asset.Rows{Created: "e.created", Modified: "e.modified", Form: "e.kind", Owner: "e.author", Titles: "e.titles",
		Shown: "e.live > 0", Status: map[asset.Status]string{asset.Scheduled: "e.status = '" + StatusScheduled + "'",
			asset.Live: "e.status = '" + StatusPublished + "'", asset.Expired: "e.status = '" + StatusExpired + "'",
			asset.Draft: "e.status = '" + StatusDraft + "'"}}
}

// mayEvery reports whether no article of the site is kept from the actor: only texts of pages have ways of their own.
func (s *Service) mayEvery(ctx context.Context, a access.Action, st site.Site) (bool, error) {
	if a == access.View || s.o.Pages == nil || !s.o.Access.Can(ctx, a, st.Path()) {
		return false, nil
	}
	barred, err := s.o.Pages.Barred(ctx, st.ID, a)
	return len(barred) == 0, err
}

// enter writes the entry of an article as its row and its newest version stand in the transaction.
func enter(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	return asset.Enter(ctx, tx, asset.Type{Kind: kindArticle, Read: readEntries}, id)
}

// readEntries gives the entries with the titles of the newest version, which is the one that editors know.
func readEntries(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]asset.Entry, error) {
	var out []asset.Entry
	err := db.Each(ctx, q, func(r db.Scanner) error {
		e := asset.Entry{Kind: kindArticle}
		var status, title string
		var l stoa.Locale
		var live int
		var created, modified, publish, expire int64
		err := r.Scan(&e.ID, &e.Instance, &e.Site, &e.Form, &status, &live, &e.Owner, &created, &modified, &publish, &expire,
			&e.Version, &e.Locale, &l, &title)
		if err != nil {
			return err
		}
		if n := len(out); n > 0 && out[n-1].ID == e.ID {
			out[n-1].Titles[l] = title
			return nil
		}
		if e.Site >= asset.Hidden {
			e.Site, e.Instance = e.Site-asset.Hidden, e.Instance-asset.Hidden
		}
		e.Status, e.Shown, e.Titles = entryStatus(status), live > 0, map[stoa.Locale]string{l: title}
		e.Created, e.Modified = db.Time(created), db.Time(modified)
		e.Publish, e.Expire = db.Time(publish), db.Time(expire)
		out = append(out, e)
		return nil
	}, `SELECT a.id, a.instance, a.site, a.kind, a.status, a.live, a.author, a.created, a.modified, a.publish_at,
		a.expire_at, a.version, v.default_locale, t.locale, t.title FROM content_article a
		JOIN content_version v ON v.article = a.id AND v.number = a.number
		JOIN content_text t ON t.article = a.id AND t.number = a.number WHERE a.id IN `+db.In(len(ids))+
		" ORDER BY a.id", db.Args(ids)...)
	return out, err
}

func entryStatus(status string) asset.Status {
	switch status {
	case StatusScheduled:
		return asset.Scheduled
	case StatusPublished:
		return asset.Live
	case StatusExpired:
		return asset.Expired
	case statusTrashed:
		return asset.Trashed
	}
	return asset.Draft
}

func (s *Service) mayEntry(ctx context.Context, a access.Action, e asset.Entry) error {
	one := Article{ID: e.ID, Instance: e.Instance, Site: e.Site, Kind: e.Form}
	if a == access.View {
		return s.seen(ctx, one, 0)
	}
	return s.May(ctx, a, one)
}

// entryOf is the entry of the article when the draft has been saved: what readEntries would give, without reading again
// what the save knows.
func (a row) entryOf(d Draft) asset.Entry {
	titles := make(map[stoa.Locale]string, len(d.Text))
	for l, t := range d.Text {
		titles[l] = t.Title
	}
	return asset.Entry{
		Kind: kindArticle, ID: a.ID, Instance: a.Instance, Site: a.Site, Form: d.Kind, Status: entryStatus(a.Status),
		Shown: a.Live > 0, Locale: d.Default, Titles: titles, Owner: d.Author, Created: a.Created, Modified: d.Modified,
		Publish: a.Publish, Expire: a.Expire, Version: a.Article.Version + 1,
	}
}
