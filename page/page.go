// Package page keeps the pages of sites: a tree with friendly addresses, layouts of sections, columns
// and widgets with a draft beside what visitors see, earlier versions, menus and old addresses.
package page

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/passhash"
	"github.com/stoa-portal/stoa/site"
)

// The types of page.
const (
	TypeWidgets = "widgets" // a layout of widgets
	TypeLink    = "link"    // a place in the navigation that leads to Target
	TypeArticle = "article" // shows the article whose id is Target
)

// Kinds of change that this package notes and that cached values declare.
const (
	kindPage     = "page"
	kindDraft    = "page-draft" // of layouts: what editors see hangs on it, and nothing that visitors do
	kindMenu     = "menu"
	kindRedirect = "redirect"
)

// Limits of what a page may hold.
const (
	maxDepth    = 16
	maxPath     = 1000    // bytes of an address
	maxLayout   = 1 << 20 // bytes of a layout as JSON
	maxWidgets  = 200     // widgets on a page
	maxTitle    = 500     // bytes of a title in one language
	maxMenu     = 256 << 10
	maxVersions = 50 // earlier published layouts kept of each page
)

// Page is one page of a site. Values from caches are shared: do not change what they point to.
type Page struct {
	ID, Site, Parent stoa.ID
	Slug             string
	Path             string // computed from the slugs of the ancestors, unique per site: "/about/team"
	Title            map[stoa.Locale]string
	Position         int    // among the pages with the same parent, from 0
	Hidden           bool   // not in navigation
	HideTitle        bool   // a page of widgets does not begin with its title
	Type             string // TypeWidgets, TypeLink or TypeArticle
	Target           string // the address of a link, the id of an article
	Layout           Layout // what visitors see
	Draft            *Layout
	Published        bool
	HasDraft         bool // the draft differs from what visitors see
	Restricted       bool // has its own grants; those above do not reach it
	Protected        bool // visitors need a password
	// Unlock changes with the password; what lets a visitor in must carry it. Empty without a password.
	Unlock                string
	SEO                   SEO
	Template              string // name of the page template of the theme; empty is the default
	Created, Modified     time.Time
	ModifiedBy            stoa.ID
	Number                int // of the version visitors see; 0 when never published
	Version, DraftVersion int64
}

// SEO is what a page tells search engines and link previews. Empty fields fall back to the page's own.
type SEO struct {
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Image       string `json:"image,omitempty"` // address
	NoIndex     bool   `json:"noIndex,omitempty"`
}

// Find gives the title as In does, and the language that it is in.
func (p Page) Find(l, fallback stoa.Locale) (string, stoa.Locale) {
	return pickIn(p.Title, l, fallback)
}

// In gives the title in the locale, in another variety of its language, in the fallback or in any.
func (p Page) In(l, fallback stoa.Locale) string { return pick(p.Title, l, fallback) }

// Node is a page in a tree, without its layout.
type Node struct {
	ID, Site, Parent                stoa.ID
	Slug, Path                      string
	Title                           map[stoa.Locale]string
	Position                        int
	Type, Target                    string
	Hidden, Published               bool
	Restricted, Protected, HasDraft bool
	NoIndex                         bool // search engines shall leave it out
	Version                         int64
	Modified                        time.Time
	Children                        []Node
}

// Find gives the title of the node as In does, and the language that it is in.
func (n Node) Find(l, fallback stoa.Locale) (string, stoa.Locale) {
	return pickIn(n.Title, l, fallback)
}

// In gives the title of the node in the locale, as Page.In does.
func (n Node) In(l, fallback stoa.Locale) string { return pick(n.Title, l, fallback) }

// NewPage describes a page to create.
type NewPage struct {
	Parent     stoa.ID // 0 for the top
	Slug       string  // empty: made from the title and made unique
	Title      map[stoa.Locale]string
	Position   int // among its siblings; negative or beyond the end: last
	Hidden     bool
	HideTitle  bool
	Type       string // empty: TypeWidgets
	Target     string
	Layout     Layout
	Publish    bool // visitors see it at once; needs Publish on the site or parent
	Restricted bool // needs Manage
	Password   string
	SEO        SEO
	Template   string
	Created    time.Time // zero: now; imports give the original's

	hash string // of Password, made before the transaction began
}

// Options wires a Service. DB, Cache, Access and Sites are required.
type Options struct {
	DB       *db.DB
	Cache    *cache.Cache
	Access   *access.Service
	Sites    *site.Service
	Logger   *slog.Logger
	Reserved []string // first segments of addresses that pages may not take; nil: Reserved()
	// Assets keeps what pages refer to; nil: nothing does.
	Assets *asset.Service
	// Article asks whether the actor may make a page of the site show an article; nil: any article.
	Article func(ctx context.Context, site, article stoa.ID) error
	Texts   Texts // of the articles that pages show, for the search; nil: pages are found by their own words
}

// Service is the pages, menus and redirects of all sites. It is safe for concurrent use.
type Service struct {
	d          *db.DB
	access     *access.Service
	sites      *site.Service
	log        *slog.Logger
	reserved   map[string]bool
	assets     *asset.Service
	article    func(ctx context.Context, site, article stoa.ID) error
	texts      Texts
	trees      *cache.Region[*tree]
	seen       *cache.Region[[]Node]           // what guests see of a site
	drafts     *cache.Region[map[stoa.ID]bool] // pages with a draft, by site
	pages      *cache.Region[Page]
	byPath     *cache.Region[stoa.ID]
	menus      *cache.Region[Menu]
	redirects  *cache.Region[string]
	parameters *cache.Region[[]string] // names of parameters in old addresses, by site
	passwords  *passhash.Shared
}

// Reserved gives the first segments of addresses that belong to the portal itself.
func Reserved() []string {
	return []string{
		"control",
		"assets",
		"documents",
		"site-style",
		"w",
		"web",
		"tags",
		"categories",
		"account",
		"api",
		"search",
		"sign-in",
		"sign-out",
		"unlock",
		"feed.atom",
		"livez",
		"readyz",
		"health_check",
		"metrics",
		"o",
		"group",
		"sitemap.xml",
		"robots.txt",
		"favicon.ico",
	}
}

// New makes the service. It fails when a required option is missing.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil || o.Access == nil || o.Sites == nil {
		return nil, errors.New("page: Options.DB, Cache, Access and Sites are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Reserved == nil {
		o.Reserved = Reserved()
	}
	s := &Service{d: o.DB, access: o.Access, sites: o.Sites, log: o.Logger.With("component", "page"),
		assets: o.Assets, article: o.Article, texts: o.Texts, reserved: map[string]bool{},
		passwords: passhash.NewShared(o.DB, passhash.Page)}
	for _, r := range o.Reserved {
		s.reserved[r] = true
	}
	s.trees = cache.NewRegion(o.Cache, cache.RegionOptions{Name: "page-tree", Large: true},
		func(t *tree) int { return t.size() })
	s.seen = cache.NewRegion(o.Cache, cache.RegionOptions{Name: "page-visible", Large: true},
		nodesSize)
	s.drafts = cache.NewRegion(
		o.Cache,
		cache.RegionOptions{Name: "page-draft", Large: true},
		func(m map[stoa.ID]bool) int { return 48 + 24*len(m) },
	)
	s.pages = cache.NewRegion(o.Cache, cache.RegionOptions{Name: "page"}, pageSize)
	s.byPath = cache.NewRegion(o.Cache, cache.RegionOptions{Name: "page-path"}, func(stoa.ID) int { return 16 })
	s.menus = cache.NewRegion(o.Cache, cache.RegionOptions{Name: "menu"}, menuSize)
	s.redirects = cache.NewRegion(
		o.Cache,
		cache.RegionOptions{Name: "redirect"},
		func(v string) int { return len(v) + 16 },
	)
	s.parameters = cache.NewRegion(
		o.Cache,
		cache.RegionOptions{Name: "redirect-parameters"},
		func(v []string) int { return 24 + 32*len(v) },
	)
	return s, nil
}
