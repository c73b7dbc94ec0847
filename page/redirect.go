package page

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// OldAddress leads visitors of an address that is no more to another one.
type OldAddress struct {
	ID, Site stoa.ID
	From, To string
}

// AddRedirect makes from, a path with or without a query, lead to the address to, in the caller's
// transaction: needs Publish on the site. An existing redirect of from is replaced.
func (s *Service) AddRedirect(ctx context.Context, tx *db.Tx, siteID stoa.ID, from, to string) error {
	if err := s.checkSite(ctx, access.Publish, siteID); err != nil {
		return err
	}
	return s.addRedirect(ctx, tx, siteID, from, to)
}

func (s *Service) addRedirect(ctx context.Context, tx *db.Tx, siteID stoa.ID, from, to string) error {
	from = normalAddress(from)
	if err := checkRedirect(from, to); err != nil {
		return err
	}
	// The last one who says where an address leads is the one who counts, also when another made it a moment before.
	for range 3 {
		n, err := tx.Affected(ctx, "UPDATE page_redirect SET target = ? WHERE site = ? AND source_hash = ?", to, siteID,
			hashOf(from))
		if err != nil {
			return err
		}
		if n == 0 {
			id, err := tx.NewID(ctx)
			if err != nil {
				return err
			}
			made, err := tx.InsertIgnore(ctx, "page_redirect", db.Row{"id": id, "site": siteID, "source": from,
				"source_hash": hashOf(from), "target": to, "created": db.Micros(tx.Now())})
			if err != nil {
				return err
			}
			if !made {
				continue
			}
		}
		tx.Changed(kindRedirect, 0, siteID, 0)
		return nil
	}
	return stoa.Conflict("the old address %q is being changed at this moment: try again", from)
}

// checkRedirect says what cannot lead from an address in its normal form to another.
func checkRedirect(from, to string) error {
	if len(from) > 2*maxPath || !safeTarget(to) || len(to) > 2*maxPath {
		return stoa.Invalid("to", "%q cannot be an address to lead to: a path such as /about or an address with https:// is expected", to)
	}
	if normalAddress(to) == from && strings.HasPrefix(to, "/") {
		return stoa.Invalid("to", "%q would lead to itself", from)
	}
	return nil
}

// dropRedirect removes what would hide a page that now has the address. It changes nothing mostly.
func (s *Service) dropRedirect(ctx context.Context, tx *db.Tx, siteID stoa.ID, from string) error {
	n, err := tx.Affected(ctx, "DELETE FROM page_redirect WHERE site = ? AND source_hash = ?", siteID, hashOf(normalAddress(from)))
	if n > 0 {
		tx.Changed(kindRedirect, 0, siteID, 0)
	}
	return err
}

// Redirect says where an old address (path with query) leads now, from the cache. Anyone may ask. An
// address with a query is looked for with it, then without.
func (s *Service) Redirect(ctx context.Context, siteID stoa.ID, address string) (to string, ok bool, err error) {
	if len(address) > 2*maxPath {
		return "", false, nil
	}
	full := normalAddress(address)
	candidates := []string{full}
	if path, _, has := strings.Cut(full, "?"); has {
		candidates = append(candidates, path)
	}
	for _, from := range candidates {
		if to, ok, err = s.redirect(ctx, siteID, from); ok || err != nil {
			return to, ok, err
		}
	}
	return "", false, nil
}

// redirect looks for one address in its normal form.
func (s *Service) redirect(ctx context.Context, siteID stoa.ID, from string) (to string, ok bool, err error) {
	to, err = s.redirects.Get(ctx, siteID.String()+" "+from, func(ctx context.Context, l *cache.Load) (string, error) {
		var to string
		l.Scope(kindRedirect, siteID)
		err := s.d.QueryRow(ctx, "SELECT target FROM page_redirect WHERE site = ? AND source_hash = ?", siteID, hashOf(from)).Scan(&to)
		if errors.Is(err, sql.ErrNoRows) {
			return "", stoa.NotFound("redirect", from)
		}
		return to, err
	})
	if stoa.Is(err, stoa.KindNotFound) {
		return "", false, nil
	}
	return to, err == nil, err
}

// RedirectOfQuery says where a path leads when its query names what it showed, such as /?p=7, from the
// cache. Anyone may ask. Parameters that no old address of the site has are left aside, so that those
// which campaigns and crawlers add neither hide the address nor cost a look into the database.
func (s *Service) RedirectOfQuery(ctx context.Context, siteID stoa.ID, path string, query url.Values) (to string, ok bool, err error) {
	names, err := s.parameters.Get(ctx, siteID.String(), func(ctx context.Context, l *cache.Load) ([]string, error) {
		l.Scope(kindRedirect, siteID)
		return s.queryNames(ctx, siteID)
	})
	if err != nil {
		return "", false, err
	}
	known := url.Values{}
	for _, name := range names {
		if values := query[name]; len(values) > 0 {
			known[name] = values
		}
	}
	from := cleanPath(path) + "?" + known.Encode()
	if len(known) == 0 || len(from) > 2*maxPath {
		return "", false, nil
	}
	return s.redirect(ctx, siteID, from)
}

// queryNames gives the names of the parameters in the old addresses of the site.
func (s *Service) queryNames(ctx context.Context, siteID stoa.ID) ([]string, error) {
	names := map[string]bool{}
	err := db.Each(ctx, s.d, func(row db.Scanner) error {
		var source string
		if err := row.Scan(&source); err != nil {
			return err
		}
		_, query, _ := strings.Cut(source, "?")
		values, err := url.ParseQuery(query)
		if err != nil {
			return nil // a stored address is in its normal form; what is not leads nowhere
		}
		for name := range values {
			names[name] = true
		}
		return nil
	}, "SELECT source FROM page_redirect WHERE site = ? AND source LIKE ?", siteID, "%?%")
	return slices.Sorted(maps.Keys(names)), err
}

// Redirects lists the old addresses of the site by address, up to limit: needs Edit on the site.
func (s *Service) Redirects(ctx context.Context, siteID stoa.ID, limit int) ([]OldAddress, error) {
	if err := s.checkSite(ctx, access.Edit, siteID); err != nil {
		return nil, err
	}
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	return db.All(ctx, s.d, func(r db.Scanner) (o OldAddress, err error) {
		return o, r.Scan(&o.ID, &o.Site, &o.From, &o.To)
	}, "SELECT id, site, source, target FROM page_redirect WHERE site = ? ORDER BY id DESC LIMIT ?", siteID, limit)
}

// normalAddress gives the one form of a path with query: decoded path without end slash, sorted query.
func normalAddress(address string) string {
	path, query, has := strings.Cut(address, "?")
	path, _, _ = strings.Cut(path, "#")
	if u, err := url.PathUnescape(path); err == nil {
		path = u
	}
	path = cleanPath(path)
	if !has {
		return path
	}
	query, _, _ = strings.Cut(query, "#")
	values, err := url.ParseQuery(query)
	if err != nil || len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// safeTarget reports whether a visitor may be sent to the address: a path here, or http(s), mail, phone.
func safeTarget(address string) bool {
	if address == "" || strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return false
	}
	if strings.HasPrefix(address, "/") {
		return !strings.HasPrefix(address, "//")
	}
	if strings.HasPrefix(address, "#") || strings.HasPrefix(address, "?") {
		return true
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return u.Host != ""
	case "mailto", "tel":
		return u.Opaque != ""
	}
	return false
}
