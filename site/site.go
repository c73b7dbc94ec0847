// Package site holds the virtual instances of the portal, their sites and the host names by which
// visitors reach them. Resolve turns the host of a request into instance and site, from cache.
package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
)

// Instance is a virtual instance: a portal of its own within the installation, with its own users,
// roles and sites.
type Instance struct {
	ID         stoa.ID
	WebID      string // company.default.web.id, such as stoa.example
	Name       string
	MailDomain string
	Locale     stoa.Locale
	TimeZone   string
	Version    int64
}

// Path is the way from the instance to itself, for permission checks.
func (i Instance) Path() access.Path { return access.Path{{Kind: "instance", ID: i.ID}} }

// Zone is the time zone that dates of the instance are written in: UTC when it has none, or one that this
// machine does not know.
func (i Instance) Zone() *time.Location {
	z, err := stoa.ParseZone(i.TimeZone)
	if err != nil {
		return time.UTC
	}
	return z
}

// HomePosts is the Site.Home of a site whose "/" is the list of its posts.
const HomePosts = "posts"

// Site is a set of pages, content and files under host names of its own.
type Site struct {
	ID       stoa.ID
	Instance stoa.ID
	Slug     string // the name in /web/<slug>
	Name     string
	Tagline  string
	Locale   stoa.Locale   // default language
	Locales  []stoa.Locale // all languages, the default first
	Home     string        // "" = the first page, HomePosts, or the path of a page
	Logo     string        // key of a file, or empty
	Favicon  string        // key of a file, or empty
	Footer   string        // plain text under the pages
	Created  time.Time
	Version  int64

	Appearance Appearance // set by SetAppearance only
}

// Path is the way from the site up to its instance, for permission checks.
func (s Site) Path() access.Path {
	return access.Path{{Kind: "site", ID: s.ID}, {Kind: "instance", ID: s.Instance}}
}

// Has reports whether the site speaks the language.
func (s Site) Has(l stoa.Locale) bool {
	for _, have := range s.Locales {
		if have == l {
			return true
		}
	}
	return false
}

// Options are what the service needs.
type Options struct {
	DB          *db.DB
	Cache       *cache.Cache
	Access      *access.Service
	StrictHosts bool     // virtual.hosts.strict.access: an unknown host is not found instead of the default site
	IgnoreHosts []string // virtual.hosts.ignore.hosts: lead to the default site whatever is registered
	OwnHosts    []string // names of the portal itself, which only the default instance can have
	DefaultSlug string   // virtual.hosts.default.site.name, as in /web/<slug>; empty or not there: the first site
}

// Service keeps instances, sites and hosts.
type Service struct {
	opt   Options
	hosts *cache.Region[Resolved]
	sites *cache.Region[Site]
}

// Resolved is what a host name leads to.
type Resolved struct {
	Instance Instance
	Site     Site
	Named    bool // the host name was given to the site; false: it is the default site
}

// New makes the service.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil || o.Access == nil {
		return nil, errors.New("site: DB, Cache and Access are required")
	}
	return &Service{
		opt: o,
		hosts: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "host", StaleForGuests: true},
			func(r Resolved) int { return 800 + len(r.Site.Appearance.CSS) }, cache.JSON[Resolved]()),
		sites: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "site", StaleForGuests: true},
			func(st Site) int { return 600 + len(st.Appearance.CSS) }, cache.JSON[Site]()),
	}, nil
}

// Sites lists the sites of an instance that the actor may view.
func (s *Service) Sites(ctx context.Context, instance stoa.ID) ([]Site, error) {
	list, err := db.All(ctx, s.opt.DB, scanSite, selectSite+" WHERE instance = ? ORDER BY name, id", instance)
	if err != nil {
		return nil, err
	}
	var out []Site
	for _, st := range list {
		if s.opt.Access.Can(ctx, access.View, st.Path()) {
			out = append(out, st)
		}
	}
	return out, nil
}

// Site gives a site by id, from cache.
func (s *Service) Site(ctx context.Context, id stoa.ID) (Site, error) {
	st, err := s.sites.Get(ctx, "id/"+id.String(), func(ctx context.Context, l *cache.Load) (Site, error) {
		l.Thing("site", id)
		st, err := db.One(ctx, s.opt.DB, scanSite, selectSite+" WHERE id = ?", id)
		if db.IsNoRows(err) {
			return Site{}, stoa.NotFound("site", id)
		}
		return st, err
	})
	if err != nil {
		return Site{}, err
	}
	return st, s.opt.Access.Check(ctx, access.View, st.Path())
}

// BySlug gives a site by the name in /web/<slug>, from cache.
func (s *Service) BySlug(ctx context.Context, instance stoa.ID, slug string) (Site, error) {
	if len(slug) > 120 {
		return Site{}, stoa.NotFound("site", slug)
	}
	st, err := s.sites.Get(ctx, "slug/"+instance.String()+"/"+slug, func(ctx context.Context, l *cache.Load) (Site, error) {
		l.Scope("site", instance)
		st, err := db.One(ctx, s.opt.DB, scanSite, selectSite+" WHERE instance = ? AND slug = ?", instance, slug)
		if db.IsNoRows(err) {
			return Site{}, stoa.NotFound("site", slug)
		}
		l.Thing("site", st.ID)
		return st, err
	})
	if err != nil {
		return Site{}, err
	}
	return st, s.opt.Access.Check(ctx, access.View, st.Path())
}

// Resolve gives the instance and site that a host name leads to, from cache. A host that nobody
// registered leads to the default site, unless hosts are strict. It checks no permission: pages do.
func (s *Service) Resolve(ctx context.Context, host string) (Instance, Site, error) {
	r, err := s.resolve(ctx, host)
	return r.Instance, r.Site, err
}

func (s *Service) resolve(ctx context.Context, host string) (Resolved, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if len(host) > 190 {
		host = ""
	}
	return s.hosts.Get(ctx, host, func(ctx context.Context, l *cache.Load) (Resolved, error) {
		l.Scope("host", 0)
		l.Scope("site", 0)
		l.Scope("instance", 0)
		if slices.Contains(s.opt.IgnoreHosts, host) {
			return s.defaults(ctx)
		}
		h, err := db.One(ctx, s.opt.DB, scanHost, "SELECT name, instance, site FROM site_host WHERE name = ?", host)
		if db.IsNoRows(err) {
			if s.opt.StrictHosts && host != "" {
				return Resolved{}, stoa.NotFound("site at the host", host)
			}
			return s.defaults(ctx)
		}
		if err != nil {
			return Resolved{}, err
		}
		r := Resolved{Named: true}
		if r.Instance, err = db.One(ctx, s.opt.DB, scanInstance, selectInstance+" WHERE id = ?", h.Instance); err != nil {
			return r, fmt.Errorf("instance of the host %s: %w", host, err)
		}
		if r.Site, err = db.One(ctx, s.opt.DB, scanSite, selectSite+" WHERE id = ?", h.Site); err != nil {
			return r, fmt.Errorf("site of the host %s: %w", host, err)
		}
		return r, nil
	})
}

// defaults gives the default site of the default instance.
func (s *Service) defaults(ctx context.Context) (r Resolved, err error) {
	if r.Instance, err = db.One(ctx, s.opt.DB, scanInstance, selectDefault); err != nil {
		return r, fmt.Errorf("default instance: %w", err)
	}
	r.Site, err = db.One(ctx, s.opt.DB, scanSite, selectSite+" WHERE instance = ? ORDER BY CASE WHEN slug = ? THEN 0 ELSE 1 END, id LIMIT 1",
		r.Instance.ID, strings.ToLower(s.opt.DefaultSlug))
	if err != nil {
		return r, fmt.Errorf("default site: %w", err)
	}
	return r, nil
}

// row gives a site as the database has it: whatever a caller says of its instance does not count.
func (s *Service) row(ctx context.Context, q db.Queryer, id stoa.ID) (Site, error) {
	st, err := db.One(ctx, q, scanSite, selectSite+" WHERE id = ?", id)
	if db.IsNoRows(err) {
		return Site{}, stoa.NotFound("site", id)
	}
	return st, err
}

// InstanceOf gives the instance that a site belongs to, which never changes; NotFound when there is no such site. It
// checks no permission.
func InstanceOf(ctx context.Context, q db.Queryer, site stoa.ID) (stoa.ID, error) {
	var instance stoa.ID
	err := q.QueryRow(ctx, "SELECT instance FROM site_site WHERE id = ?", site).Scan(&instance)
	if db.IsNoRows(err) {
		err = stoa.NotFound("site", site)
	}
	return instance, err
}

// CreateSite adds a site to an instance; the actor needs Manage on the instance.
func (s *Service) CreateSite(ctx context.Context, st Site) (Site, error) {
	if err := s.opt.Access.Check(ctx, access.Manage, access.Path{{Kind: "instance", ID: st.Instance}}); err != nil {
		return Site{}, err
	}
	if err := validate(&st); err != nil {
		return Site{}, err
	}
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if st.ID, err = tx.NewID(ctx); err != nil {
			return err
		}
		st.Created, st.Version, st.Appearance = tx.Now(), 1, Appearance{}
		return insertSite(ctx, tx, st)
	})
	if db.IsDuplicate(err) {
		return Site{}, stoa.Conflict("there is already a site with the name /web/%s", st.Slug)
	}
	return st, err
}

// UpdateSite saves the settings of a site; the actor needs Manage on it. st.Version must be the
// current one, else the answer is Conflict.
func (s *Service) UpdateSite(ctx context.Context, st Site) (Site, error) {
	return s.updateSite(ctx, st, func(context.Context, *db.Tx) error { return nil })
}

// UpdateSiteAndHosts is UpdateSite and SetHosts as one: both are done, or where one of them refuses neither.
func (s *Service) UpdateSiteAndHosts(ctx context.Context, st Site, names []string) (Site, error) {
	set, err := s.hostsSetter(ctx, st.ID, names)
	if err != nil {
		return Site{}, err
	}
	return s.updateSite(ctx, st, set)
}

// updateSite saves the settings of a site, and then what else is of the same transaction.
func (s *Service) updateSite(
	ctx context.Context, st Site, also func(ctx context.Context, tx *db.Tx) error,
) (Site, error) {
	have, err := s.row(ctx, s.opt.DB, st.ID)
	if err != nil {
		return Site{}, err
	}
	if err := s.opt.Access.Check(ctx, access.Manage, have.Path()); err != nil {
		return Site{}, err
	}
	st.Instance, st.Created, st.Appearance = have.Instance, have.Created, have.Appearance
	if err := validate(&st); err != nil {
		return Site{}, err
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, `UPDATE site_site SET slug = ?, name = ?, tagline = ?, locale = ?, locales = ?, home = ?, logo = ?, favicon = ?, footer = ?, version = ?
			WHERE id = ? AND instance = ? AND version = ?`,
			st.Slug, st.Name, st.Tagline, string(st.Locale), joinLocales(st.Locales), st.Home, st.Logo, st.Favicon, st.Footer, st.Version+1, st.ID, st.Instance, st.Version)
		if err != nil {
			return err
		}
		if n == 0 {
			return staleSite()
		}
		tx.Changed("site", st.ID, st.Instance, st.Version+1)
		audit.Note(tx, audit.Changed, st.thing())
		return also(ctx, tx)
	})
	switch {
	case db.IsDuplicate(err):
		return Site{}, stoa.Conflict("there is already a site with the name /web/%s", st.Slug)
	case err != nil:
		return Site{}, err
	}
	st.Version++
	return st, nil
}

// ValidSlug reports whether a site can have the name in addresses: a to z, 0 to 9 and dashes, at most 60 bytes. It is
// stricter than stoa.Slug, as people type it into /web/NAME and commands.
func ValidSlug(s string) bool {
	return s != "" && len(s) <= 60 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

func validate(st *Site) error {
	st.Name, st.Slug = strings.TrimSpace(st.Name), strings.ToLower(strings.TrimSpace(st.Slug))
	switch {
	case st.Name == "" || len(st.Name) > 190:
		return stoa.Invalid("name", "a site needs a name of 1 to 190 characters")
	case !ValidSlug(st.Slug):
		return stoa.Invalid("slug", "%q is not a site address: letters a to z, digits and dashes are expected, at most 60", st.Slug)
	case len(st.Tagline) > 500:
		return stoa.Invalid("tagline", "the tagline is longer than 500 bytes")
	case len(st.Footer) > 20000:
		return stoa.Invalid("footer", "the footer is longer than 20,000 bytes")
	case st.Home != "" && st.Home != HomePosts && !strings.HasPrefix(st.Home, "/"):
		return stoa.Invalid("home", "%q is not a home page: empty, posts or the path of a page such as /about is expected", st.Home)
	case len(st.Home) > 190:
		return stoa.Invalid("home", "the path of the home page is longer than 190 bytes")
	}
	def, err := stoa.ParseLocale(string(st.Locale))
	if err != nil {
		return err
	}
	st.Locale = def
	all := []stoa.Locale{def}
	for _, l := range st.Locales {
		p, err := stoa.ParseLocale(string(l))
		if err != nil {
			return err
		}
		if p != def && len(all) < 40 {
			all = append(all, p)
		}
	}
	st.Locales = all
	return nil
}

// thing is the site as the audit log names it.
func (s Site) thing() audit.Thing {
	return audit.Thing{Kind: "site", ID: s.ID, Instance: s.Instance, Title: s.Name}
}
