package content

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/richtext"
)

// addresses gives the addresses in the bodies of all languages.
func addresses(text map[stoa.Locale]Text) []string {
	var out []string
	for _, l := range slices.Sorted(maps.Keys(text)) {
		out = append(out, richtext.Addresses(text[l].Body, asset.MostLinks)...)
	}
	return out
}

// links gives the references of a version of an article. A picture is named by the key that its address ends with.
func links(number int, addresses []string, image string) []asset.Link {
	if image != "" && !strings.Contains(image, "/") {
		image = "/documents/-/-/" + image
	}
	return asset.AddressLinks(number, append([]string{image}, addresses...))
}

// link writes what a new version of an article refers to. The texts of the draft are washed.
func (s *Service) link(ctx context.Context, tx *db.Tx, site, id stoa.ID, number int, d Draft) error {
	if s.o.Assets == nil {
		return nil
	}
	e := asset.Entry{Kind: kindArticle, ID: id, Site: site}
	return s.o.Assets.PutLinks(ctx, tx, e, nil, links(number, d.refers, d.Image))
}

// keepLinks forgets what versions other than these have referred to: what no editor and no visitor has before them.
func (s *Service) keepLinks(ctx context.Context, tx *db.Tx, id stoa.ID, numbers ...int) error {
	if s.o.Assets == nil {
		return nil
	}
	return asset.KeepLinks(ctx, tx, kindArticle, id, numbers...)
}

// readLinks gives what the newest, the published and the scheduled version of an article refer to.
func readLinks(ctx context.Context, q db.Queryer, e asset.Entry) ([]asset.Link, error) {
	a, err := readAny(ctx, q, e.ID)
	if err != nil {
		return nil, err
	}
	var out []asset.Link
	numbers := []int{a.Number, a.Live, a.Pending}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		if n == 0 {
			continue
		}
		if err := a.fill(ctx, q, n); err != nil {
			return nil, err
		}
		out = append(out, links(n, addresses(a.Text), a.Image)...)
	}
	return out, nil
}

// findArticles gives the articles at the addresses. One at which there is none may lead on to another address, which is
// known elsewhere.
func findArticles(
	ctx context.Context, q db.Queryer, site stoa.ID, addresses []string,
) (map[string]stoa.ID, error) {
	out, bySlug := map[string]stoa.ID{}, map[string]string{}
	var slugs []any
	for _, a := range addresses {
		slug, ok := strings.CutPrefix(a, Address(""))
		if ok && slug != "" && len(slug) <= 190 && !strings.Contains(slug, "/") {
			bySlug[slug] = a
			slugs = append(slugs, slug)
		}
	}
	for part := range slices.Chunk(slugs, 500) {
		err := db.Each(ctx, q, func(r db.Scanner) error {
			var id stoa.ID
			var slug string
			err := r.Scan(&id, &slug)
			out[bySlug[slug]] = id
			return err
		}, "SELECT id, slug FROM content_article WHERE site = ? AND slug IN "+db.In(len(part)),
			append([]any{site}, part...)...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
