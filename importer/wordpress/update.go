package wordpress

import (
	"context"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
)

// prepareUpdates compares every text of earlier runs that no editor touched with what it would be now: its pictures may
// have come since, or what it links to. It draws the new texts as well, to tell what is in them.
func (r *run) prepareUpdates(ctx context.Context) error {
	for _, a := range slices.Concat(r.posts, r.pages) {
		if !a.written() || len(a.widgets) > 0 {
			continue
		}
		d, found := r.draft(a, true)
		if !a.before {
			r.report.Blocks.Add(found.blocks)
			r.report.Links += found.links
			r.drawn(a, found)
			continue
		}
		if !ours(r.stock.articles[a.id]) {
			continue
		}
		have, err := r.Content.Get(ctx, a.id)
		if stoa.Is(err, stoa.KindNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		d.Default, d.Slug, d.Password = have.Default, "check", nil
		text, ok := have.Text[r.site.Locale]
		if !ok || len(have.Text) != 1 {
			continue // it was written in another language
		}
		clean, err := r.Content.CheckDraft(r.site, d)
		if refusal(err) {
			continue
		}
		if err != nil {
			return err
		}
		want := clean.Text[r.site.Locale]
		if want.Title != text.Title || want.Summary != text.Summary || want.Body != text.Body || d.Image != "" &&
			d.Image != have.Image ||
			missing(have.Categories, d.Categories) ||
			missing(have.Tags, d.Tags) {
			r.updates = append(r.updates, a)
			r.report.Updated++
			r.report.Links += found.links
			r.drawn(a, found)
		}
	}
	return nil
}

// drawn puts into the report what an owner must know of a text.
func (r *run) drawn(a *article, found drawn) {
	if found.left > 0 {
		r.report.LinksLeft += found.left
		r.warn(
			Changed,
			a.item,
			"%q has %s to the old site for which nothing was brought over",
			stoa.Short(a.item.Title, 60),
			some(found.left, "link"),
		)
	}
	if n := len(found.blocks.MissingMedia); n > 0 {
		r.warn(Missing, a.item, "%q shows %s that the export does not name", stoa.Short(a.item.Title, 60), some(n, "file"))
	}
	if n := len(found.blocks.NoEquivalent); n > 0 {
		r.warn(
			Missing,
			a.item,
			"%q had parts that WordPress fills when a page is shown, such as lists of posts; they were left out",
			stoa.Short(a.item.Title, 60),
		)
	}
	if n := len(found.blocks.Unknown); n > 0 {
		r.warn(
			Missing,
			a.item,
			"%q has %s of plugins in the text, as they stand",
			stoa.Short(a.item.Title, 60),
			some(n, "shortcode"),
		)
	}
}

// ours reports whether the newest version of an article is from an import.
func ours(a content.Stocked) bool {
	return a.Comment == commentNew || a.Comment == commentPicture || a.Comment == commentAgain
}

// missing reports whether a term that is wanted is not there; new ones have no id yet.
func missing(have, want []stoa.ID) bool {
	return slices.ContainsFunc(want, func(id stoa.ID) bool { return !slices.Contains(have, id) })
}

// update brings texts of earlier runs up to date.
func (r *run) update(ctx context.Context) error {
	for _, a := range r.updates {
		err := r.updateOne(ctx, a)
		if refusal(err) { // an editor was faster: the text is theirs
			r.report.Updated--
		} else if err != nil {
			return fmt.Errorf("bring item %d in line %d up to date: %w", a.item.ID, a.item.Line, err)
		}
		r.progress()
	}
	return nil
}

func (r *run) updateOne(ctx context.Context, a *article) error {
	have, err := r.Content.Get(ctx, a.id)
	if err != nil {
		return err
	}
	if have.Number != r.stock.articles[a.id].Number {
		return stoa.Conflict("the article was changed meanwhile")
	}
	d, _ := r.draft(a, true)
	next := content.Draft{
		Image:    have.Image,
		Sticky:   have.Sticky,
		Modified: have.Modified,
		Comment:  commentAgain,
		Text:     d.Text,
	}
	if d.Image != "" {
		next.Image = d.Image
	}
	next.Categories, next.Tags = union(have.Categories, d.Categories), union(have.Tags, d.Tags)
	saved, err := r.Content.Save(ctx, a.id, next, have.Version)
	if err != nil || have.Live == 0 && have.Pending == 0 {
		return err
	}
	_, err = r.Content.Publish(ctx, a.id, saved.Version, have.Publish)
	return err
}

func union(a, b []stoa.ID) []stoa.ID {
	out := slices.Clone(a)
	for _, id := range b {
		if id != 0 && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
