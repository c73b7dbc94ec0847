package page

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/richtext"
)

// The parts of a page that references stand in.
const (
	partLive = iota
	partDraft
)

// readLinks gives what a page refers to: its target, its picture, and what the settings of its widgets name.
func readLinks(ctx context.Context, q db.Queryer, e asset.Entry) ([]asset.Link, error) {
	p, _, err := readAny(ctx, q, e.ID)
	if err != nil {
		return nil, err
	}
	var out []asset.Link
	addresses := []string{p.SEO.Image}
	switch p.Type {
	case TypeLink:
		addresses = append(addresses, p.Target)
	case TypeArticle:
		if id, err := stoa.ParseID(p.Target); err == nil {
			out = append(out, asset.Link{Part: partLive, Kind: "article", ID: id})
		}
	}
	out = append(out, p.Layout.links(partLive, addresses)...)
	if p.Draft != nil {
		out = append(out, p.Draft.links(partDraft, nil)...)
	}
	return out, nil
}

// links gives what the widgets refer to, and the addresses.
func (l Layout) links(part int, addresses []string) []asset.Link {
	var out []asset.Link
	l.Each(func(w Placed) {
		for _, key := range slices.Sorted(maps.Keys(w.Settings)) { // the same ones each time, where there are too many
			v := w.Settings[key]
			switch id, err := stoa.ParseID(v); {
			case key == "article" && err == nil:
				out = append(out, asset.Link{Part: part, Kind: "article", ID: id})
			case strings.HasPrefix(v, "/"):
				addresses = append(addresses, v)
			case strings.HasPrefix(v, "[{"): // a gallery
				var list []struct {
					File string `json:"file"`
				}
				if json.Unmarshal([]byte(v), &list) == nil {
					for _, x := range list {
						addresses = append(addresses, x.File)
					}
				}
			case strings.Contains(v, "<"):
				addresses = append(addresses, richtext.Addresses(v, asset.MostLinks)...)
			}
		}
	})
	return append(out, asset.AddressLinks(part, addresses)...)
}

// findPages gives the pages at the addresses, which may begin with a language of the site. Addresses that lead on to
// another one, and those of the portal itself, are none of a page; where nothing is, one is missing.
func (s *Service) findPages(
	ctx context.Context, q db.Queryer, siteID stoa.ID, addresses []string,
) (map[string]stoa.ID, error) {
	var locales string // from q, which may be a transaction that holds a connection already
	if err := q.QueryRow(ctx, "SELECT locales FROM site_site WHERE id = ?", siteID).Scan(&locales); err != nil {
		return nil, fmt.Errorf("read the languages of site %d: %w", siteID, err)
	}
	byHash := map[string][]string{} // addresses by the hash of what they lead to
	var hashes []any
	add := func(path, address string) {
		h := hashOf(path)
		if byHash[h] == nil {
			hashes = append(hashes, h)
		}
		byHash[h] = append(byHash[h], address)
	}
	out, inner := map[string]stoa.ID{}, map[string]string{}
	for _, a := range addresses {
		path := cleanPath(a)
		first, rest, _ := strings.Cut(path[1:], "/")
		for l := range strings.FieldsSeq(locales) {
			if strings.EqualFold(first, l) {
				path = cleanPath(rest)
			}
		}
		inner[a] = path
		add(path, a)
	}
	elsewhere := map[string]bool{}
	for part := range slices.Chunk(hashes, 500) {
		err := db.Each(ctx, q, func(r db.Scanner) error {
			var id stoa.ID
			var h string
			err := r.Scan(&id, &h)
			for _, a := range byHash[h] {
				out[a] = id
			}
			return err
		}, "SELECT id, path_hash FROM page_page WHERE site = ? AND path_hash IN "+db.In(len(part)),
			append([]any{siteID}, part...)...)
		if err != nil {
			return nil, err
		}
		err = db.Each(ctx, q, func(r db.Scanner) error {
			var h string
			err := r.Scan(&h)
			for _, a := range byHash[h] {
				elsewhere[a] = true
			}
			return err
		}, "SELECT source_hash FROM page_redirect WHERE site = ? AND source_hash IN "+db.In(len(part)),
			append([]any{siteID}, part...)...)
		if err != nil {
			return nil, err
		}
	}
	for a, path := range inner {
		first, _, _ := strings.Cut(path[1:], "/")
		_, there := out[a]
		if !there && !elsewhere[a] && path != "/" && path != AllPages && (!s.reserved[first] || first == "w") {
			out[a] = 0
		}
	}
	return out, nil
}
