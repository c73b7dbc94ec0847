package page

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"html/template"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/lang"
)

// Menu is a navigation menu that people put together. The default theme shows the menus with the slugs
// "main" and "footer".
type Menu struct {
	ID, Site   stoa.ID
	Name, Slug string
	Items      []Item
	Version    int64
}

// Item is an entry of a menu: a page, or an address, or only a heading for its children.
type Item struct {
	Title    map[stoa.Locale]string `json:"title,omitempty"` // empty: the page's own
	URL      string                 `json:"url,omitempty"`
	Page     stoa.ID                `json:"page,omitempty"`
	Children []Item                 `json:"children,omitempty"`
}

// Link is an entry of a navigation that is ready to be shown.
type Link struct {
	Title    string
	Lang     stoa.Locale // that the title is in, when that is another than was asked for; else empty
	URL      string      // empty: only a heading
	Page     stoa.ID
	Children []Link
}

// Mark gives the attributes of an element that shows the title in another language than that of the page.
func (l Link) Mark() template.HTMLAttr { return lang.Mark(l.Lang) }

const menuColumns = "id, site, slug, name, items, version"

func scanMenu(r db.Scanner) (Menu, error) {
	var m Menu
	var items string
	if err := r.Scan(&m.ID, &m.Site, &m.Slug, &m.Name, &items, &m.Version); err != nil {
		return m, err
	}
	return m, json.Unmarshal([]byte(items), &m.Items)
}

func menuSize(m Menu) int {
	raw, err := json.Marshal(m.Items)
	if err != nil {
		return maxMenu
	}
	return 200 + 3*len(raw)
}

// Menus gives the menus of the site by name: needs View on the site.
func (s *Service) Menus(ctx context.Context, siteID stoa.ID) ([]Menu, error) {
	if err := s.checkSite(ctx, access.View, siteID); err != nil {
		return nil, err
	}
	return db.All(ctx, s.d, scanMenu, "SELECT "+menuColumns+" FROM page_menu WHERE site = ? ORDER BY name, id", siteID)
}

// Menu gives one menu: needs View on its site.
func (s *Service) Menu(ctx context.Context, id stoa.ID) (Menu, error) {
	m, err := db.One(ctx, s.d, scanMenu, "SELECT "+menuColumns+" FROM page_menu WHERE id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return m, stoa.NotFound("menu", id)
	}
	if err != nil {
		return Menu{}, err
	}
	return m, s.checkSite(ctx, access.View, m.Site)
}

// MenuBySlug gives a menu of the site from the cache: needs View on the site.
func (s *Service) MenuBySlug(ctx context.Context, siteID stoa.ID, slug string) (Menu, error) {
	if err := s.checkSite(ctx, access.View, siteID); err != nil {
		return Menu{}, err
	}
	return s.menus.Get(ctx, siteID.String()+" "+slug, func(ctx context.Context, l *cache.Load) (Menu, error) {
		m, err := db.One(ctx, s.d, scanMenu, "SELECT "+menuColumns+" FROM page_menu WHERE site = ? AND slug = ?", siteID, slug)
		if errors.Is(err, sql.ErrNoRows) {
			l.Scope(kindMenu, siteID)
			return m, stoa.NotFound("menu", slug)
		}
		l.Thing(kindMenu, m.ID)
		return m, err
	})
}

// SaveMenu creates the menu when its ID is 0, or replaces the one with its ID and Version: needs Publish
// on the site, for visitors see it at once. A stale version or a taken slug is Conflict.
func (s *Service) SaveMenu(ctx context.Context, m Menu) (Menu, error) {
	var saved Menu
	err := s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		saved, err = s.SaveMenuTx(ctx, tx, m)
		return err
	})
	return saved, err
}

// SaveMenuTx is SaveMenu inside a transaction of the caller.
func (s *Service) SaveMenuTx(ctx context.Context, tx *db.Tx, m Menu) (Menu, error) {
	if err := s.checkSite(ctx, access.Publish, m.Site); err != nil {
		return m, err
	}
	raw, err := cleanMenu(&m)
	if err != nil {
		return m, err
	}
	if m.ID == 0 {
		if m.ID, err = tx.NewID(ctx); err != nil {
			return m, err
		}
		m.Version = 1
		err = tx.Insert(ctx, "page_menu", db.Row{"id": m.ID, "site": m.Site, "slug": m.Slug, "name": m.Name, "items": string(raw), "version": m.Version})
	} else {
		var n int64
		n, err = tx.Affected(ctx, "UPDATE page_menu SET slug = ?, name = ?, items = ?, version = version + 1 WHERE id = ? AND site = ? AND version = ?",
			m.Slug, m.Name, string(raw), m.ID, m.Site, m.Version)
		if err == nil && n == 0 {
			return m, stoa.Conflict("another person has changed this menu; load it again and repeat your change")
		}
		m.Version++
	}
	if db.IsDuplicate(err) {
		return m, stoa.Conflict("there already is a menu %q in this site", m.Slug)
	}
	tx.Changed(kindMenu, m.ID, m.Site, m.Version)
	audit.Note(tx, audit.Changed, m.thing())
	return m, err
}

// cleanMenu brings a menu into its form and gives its entries as they are stored, or says what it cannot be.
func cleanMenu(m *Menu) ([]byte, error) {
	m.Name = strings.TrimSpace(m.Name)
	if m.Name == "" || len(m.Name) > 190 {
		return nil, stoa.Invalid("name", "the menu needs a name of at most 190 characters")
	}
	if m.Slug == "" {
		m.Slug = stoa.Slug(m.Name, maxMadeSlug)
	}
	if m.Slug == "" || m.Slug != stoa.Slug(m.Slug, maxMadeSlug) {
		return nil, stoa.Invalid("slug", "%q cannot name a menu: small letters, digits and dashes are expected", m.Slug)
	}
	if m.Items == nil {
		m.Items = []Item{}
	}
	if err := checkItems(m.Items, 1); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(m.Items)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxMenu {
		return nil, stoa.TooLarge("the menu is larger than %d kB", maxMenu>>10)
	}
	return raw, nil
}

func checkItems(items []Item, depth int) error {
	if depth > 4 && len(items) > 0 {
		return stoa.Invalid("items", "the menu is nested deeper than 4 levels")
	}
	for _, it := range items {
		if it.URL != "" && !safeTarget(it.URL) {
			return stoa.Invalid("items", "%q is not an address: a path such as /about or an address with https:// is expected", it.URL)
		}
		if it.Page == 0 && pick(it.Title, "", "") == "" {
			return stoa.Invalid("items", "an entry without a page needs a title")
		}
		if err := checkItems(it.Children, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Links makes a menu ready to be shown to the actor: pages that the actor may not see are left out,
// and titles are in the locale. base goes before the addresses of pages ("", "/de", "/web/intranet").
func (s *Service) Links(ctx context.Context, m Menu, l, fallback stoa.Locale, base string) ([]Link, error) {
	st, err := s.sites.Site(ctx, m.Site)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(ctx, m.Site)
	if err != nil {
		return nil, err
	}
	above := st.Path()
	var walk func(items []Item) []Link
	walk = func(items []Item) []Link {
		var out []Link
		for _, it := range items {
			link := Link{URL: within(base, it.URL), Page: it.Page}
			var in stoa.Locale
			link.Title, in = pickIn(it.Title, l, fallback)
			if it.Page != 0 {
				n, ok := t.nodes[it.Page]
				if !ok || !n.Published || !s.access.Can(ctx, access.View, s.pathOf(t, n, above)) {
					continue
				}
				link.URL = AddressOf(n, base)
				if link.Title == "" {
					link.Title, in = n.Find(l, fallback)
				}
			}
			link.Lang = lang.Other(in, l)
			link.Children = walk(it.Children)
			out = append(out, link)
		}
		return out
	}
	return walk(m.Items), nil
}

// TreeLinks makes nodes ready to be shown, down to depth levels.
func TreeLinks(nodes []Node, l, fallback stoa.Locale, base string, depth int) []Link {
	if depth <= 0 {
		return nil
	}
	out := make([]Link, 0, len(nodes))
	for _, n := range nodes {
		title, in := n.Find(l, fallback)
		out = append(out, Link{Title: title, Lang: lang.Other(in, l), URL: AddressOf(n, base), Page: n.ID,
			Children: TreeLinks(n.Children, l, fallback, base, depth-1)})
	}
	return out
}

// LevelLinks is how many links a navigation shows on each level: a site of thousands of pages would else send all of
// them with each page.
const LevelLinks = 60

// Fit cuts links to LevelLinks on each level and ends a level that was cut with the link all.
func Fit(links []Link, all Link) []Link {
	out := make([]Link, 0, min(len(links), LevelLinks+1))
	for _, l := range links[:min(len(links), LevelLinks)] {
		l.Children = Fit(l.Children, all)
		out = append(out, l)
	}
	if len(links) > LevelLinks {
		out = append(out, all)
	}
	return out
}

// AllPages is where visitors find a list of all pages of a site.
const AllPages = "/sitemap"

// AddressOf gives where a link to the node leads: its path below base, or the target of a link page.
func AddressOf(n Node, base string) string {
	if n.Type == TypeLink {
		return within(base, n.Target)
	}
	return base + n.Path
}

// within puts base before an address of the site itself.
func within(base, address string) string {
	if strings.HasPrefix(address, "/") {
		return base + address
	}
	return address
}

func (s *Service) checkSite(ctx context.Context, a access.Action, siteID stoa.ID) error {
	st, err := s.sites.Site(ctx, siteID)
	if err != nil {
		return err
	}
	return s.access.Check(ctx, a, st.Path())
}
