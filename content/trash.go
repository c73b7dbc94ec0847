package content

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// before is how an article in the recycle bin stood before it came there: what its row has lost.
type before struct {
	Slug    string `json:"slug"`
	Status  string `json:"status"`
	Live    int    `json:"live,omitempty"`
	Pending int    `json:"pending,omitempty"`
	Publish int64  `json:"publish,omitempty"`
}

// Trash puts the article into the recycle bin, with its versions, categories and tags. It needs Edit, and Publish when
// visitors see the article. asset.Service lists, restores and purges what is there.
func (s *Service) Trash(ctx context.Context, id stoa.ID) error {
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.trashTx(ctx, tx, id) })
	if err != nil {
		return fmt.Errorf("content: put an article into the recycle bin: %w", err)
	}
	return nil
}

func (s *Service) trashTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	a, err := read(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := s.May(ctx, removes(a.Live), a.Article); err != nil {
		return err
	}
	return s.hide(ctx, tx, a, asset.Trash{})
}

// removes is what an actor must be allowed to remove an article, or to bring it back: visitors see the version live,
// 0 for none.
func removes(live int) access.Action {
	if live > 0 {
		return access.Publish
	}
	return access.Edit
}

// hide puts an article into the recycle bin. Its row is of no site there (asset.Hidden): no list, no address and
// no permission leads to it. The address is free for another article.
func (s *Service) hide(ctx context.Context, tx *db.Tx, a row, t asset.Trash) error {
	state, err := json.Marshal(before{Slug: a.Slug, Status: a.Status, Live: a.Live, Pending: a.Pending,
		Publish: db.Micros(a.Publish)})
	if err != nil {
		return err
	}
	n, err := tx.Affected(ctx, `UPDATE content_article SET site = ?, instance = ?, slug = ?, status = ?, live = 0,
		pending = 0, publish_at = 0, version = version + 1 WHERE id = ? AND version = ?`,
		a.Site+asset.Hidden, a.Instance+asset.Hidden, ":"+a.ID.String(), statusTrashed, a.ID, a.Article.Version)
	if err != nil {
		return err
	}
	if n == 0 { // what was published meanwhile needs another permission
		return stale()
	}
	t.Entry = asset.Entry{Kind: kindArticle, ID: a.ID, Instance: a.Instance, Site: a.Site}
	t.Address, t.Gone, t.State = Address(a.Slug), a.Live > 0, string(state)
	if t, err = asset.PutTrash(ctx, tx, t); err != nil {
		return err
	}
	if err := enter(ctx, tx, a.ID); err != nil {
		return err
	}
	tx.Changed(kindArticle, a.ID, a.Site, a.Article.Version+1)
	audit.Note(tx, audit.Trashed, a.thing())
	if a.Live > 0 { // what no visitor has seen is taken away from none
		tx.Changed(kindShown, a.ID, a.Site, a.Article.Version+1)
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
			now, err := read(ctx, tx, a.ID)
			if stoa.Is(err, stoa.KindNotFound) || err == nil && now.Live == 0 {
				return nil
			}
			if err != nil {
				return err
			}
			return s.hide(ctx, tx, now, t)
		})
	}
	return nil
}

// restoreTx takes an article out of the recycle bin. It needs what putting it there needed. Where another article has
// the address by now, it gets a number. What would have been published meanwhile is a draft, for a person to look at;
// what would have expired has expired. In another site it has no categories and tags, which belong to a site.
func (s *Service) restoreTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, to *asset.Place,
) (asset.Restored, error) {
	var out asset.Restored
	a, err := readAny(ctx, tx, id)
	if err != nil {
		return out, err
	}
	t, err := asset.TakeTrash(ctx, tx, kindArticle, id)
	if err != nil {
		return out, err
	}
	var was before
	if err := json.Unmarshal([]byte(t.State), &was); err != nil {
		return out, fmt.Errorf("how article %s stood: %w", id, err)
	}
	if err := s.May(ctx, removes(was.Live), a.Article); err != nil {
		return out, err
	}
	if to != nil && to.Site != 0 && to.Site != a.Site {
		if err := s.toSite(ctx, tx, &a, to.Site, removes(was.Live)); err != nil {
			return out, err
		}
	}
	now := s.o.Now()
	if was.Pending > 0 && !db.Time(was.Publish).After(now) {
		was.Pending, was.Publish, was.Status = 0, 0, StatusDraft
		if was.Live > 0 {
			was.Status = StatusPublished
		}
	}
	if !a.Expire.IsZero() && !a.Expire.After(now) && was.Live > 0 {
		was.Live, was.Pending, was.Publish, was.Status = 0, 0, 0, StatusExpired
	}
	slug, err := freeSlug(ctx, tx, a.Site, was.Slug, id)
	if err != nil {
		return out, err
	}
	n, err := tx.Affected(ctx, `UPDATE content_article SET site = ?, instance = ?, slug = ?, status = ?, live = ?,
		pending = ?, publish_at = ?, version = version + 1 WHERE id = ? AND version = ?`,
		a.Site, a.Instance, slug, was.Status, was.Live, was.Pending, was.Publish, id, a.Article.Version)
	if db.IsDuplicate(err) {
		return out, taken(slug)
	}
	if err != nil {
		return out, err
	}
	if n == 0 {
		return out, stale()
	}
	if s.o.Assets == nil {
		err = enter(ctx, tx, id)
	} else { // with the references of the version that visitors see again
		err = s.o.Assets.EnterLinked(ctx, tx, kindArticle, id)
	}
	if err != nil {
		return out, err
	}
	tx.Changed(kindArticle, id, a.Site, a.Article.Version+1)
	if was.Live > 0 {
		tx.Changed(kindShown, id, a.Site, a.Article.Version+1)
	}
	a.Slug = slug
	audit.Note(tx, audit.Recovered, a.thing())
	out.Address, out.Renamed = Address(slug), slug != was.Slug
	return out, nil
}

// toSite makes an article that leaves the recycle bin one of another site of its instance, if the actor may do there
// what need says, and manage the article when more people could use it there.
func (s *Service) toSite(ctx context.Context, tx *db.Tx, a *row, to stoa.ID, need access.Action) error {
	instance, err := site.InstanceOf(ctx, tx, to)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return err
	}
	if err != nil || instance != a.Instance {
		return stoa.Invalid("site", "a site of the same virtual instance is expected")
	}
	if a.Kind == KindPage {
		return stoa.Invalid("site", "the text of a page cannot come into another site")
	}
	from, there := a.Path(), a.Article
	there.Site = to
	if err := s.o.Access.Check(ctx, need, there.Path()[1:]); err != nil {
		return err
	}
	wider, err := s.o.Access.Widens(ctx, from, there.Path())
	if err != nil {
		return err
	}
	if wider {
		if err := s.o.Access.Check(ctx, access.Manage, from); err != nil {
			return err
		}
	}
	if err := s.o.Taxonomy.Forget(ctx, tx, kindArticle, a.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE content_autosave SET site = ? WHERE article = ?", to, a.ID); err != nil {
		return err
	}
	tx.Changed(kindArticle, a.ID, a.Site, a.Article.Version+1)
	a.Site = to
	return nil
}

// freeSlug gives the address, with a number where another article of the site has it.
func freeSlug(ctx context.Context, tx *db.Tx, siteID stoa.ID, slug string, id stoa.ID) (string, error) {
	base := strings.ToValidUTF8(slug[:min(len(slug), maxSlug-22)], "") // room for the number
	for i := 1; i <= 100; i++ {
		try := slug
		if i > 1 {
			try = fmt.Sprintf("%s-%d", base, i)
		}
		var n int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM content_article WHERE site = ? AND slug = ?", siteID, try).Scan(&n)
		if err != nil || n == 0 {
			return try, err
		}
	}
	return base + "-" + id.String(), nil
}

// Delete removes the article and all its versions for good, from the recycle bin or from where it is. It needs Edit,
// and Publish when visitors see the article, or saw it before it came into the bin. People put it into the bin: Trash.
func (s *Service) Delete(ctx context.Context, id stoa.ID) error {
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.deleteTx(ctx, tx, id) })
	if err != nil {
		return fmt.Errorf("content: delete an article: %w", err)
	}
	return nil
}

// purgeTx deletes an article that is in the recycle bin, and no other.
func (s *Service) purgeTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	if _, err := read(ctx, tx, id); !stoa.Is(err, stoa.KindNotFound) {
		if err == nil {
			err = stoa.NotFound("thing in the recycle bin", id)
		}
		return err
	}
	return s.deleteTx(ctx, tx, id)
}

func (s *Service) deleteTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	a, err := readAny(ctx, tx, id)
	if err != nil {
		return err
	}
	was := before{Slug: a.Slug, Live: a.Live}
	if a.Status == statusTrashed {
		t, err := asset.TakeTrash(ctx, tx, kindArticle, id)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(t.State), &was); err != nil {
			return fmt.Errorf("how article %s stood: %w", id, err)
		}
		a.Slug = was.Slug
	}
	if err := s.May(ctx, removes(was.Live), a.Article); err != nil {
		return err
	}
	if err := s.o.Taxonomy.Forget(ctx, tx, kindArticle, id); err != nil {
		return err
	}
	for _, q := range []string{
		"DELETE FROM content_text WHERE article = ?",
		"DELETE FROM content_version WHERE article = ?",
		"DELETE FROM content_autosave WHERE article = ?",
	} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return err
		}
	}
	// What was published meanwhile needs another permission.
	n, err := tx.Affected(ctx, "DELETE FROM content_article WHERE id = ? AND version = ?", id, a.Article.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return stale()
	}
	if err := asset.Remove(ctx, tx, kindArticle, id); err != nil {
		return err
	}
	tx.Changed("article", id, a.Site, a.Article.Version+1)
	audit.Note(tx, audit.Deleted, a.thing())
	if a.Live > 0 { // what no visitor has seen is taken away from none
		tx.Changed(kindShown, id, a.Site, a.Article.Version+1)
		tx.TakesAway(nil)
	}
	return nil
}
