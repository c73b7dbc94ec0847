package site

import (
	"context"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
)

// Defaults are an instance with its first site.
type Defaults struct {
	WebID, Name, SiteSlug, SiteName, Tagline, MailDomain, TimeZone string
	HostName                                                       string // leads to the site; may be empty
	Locale                                                         stoa.Locale
	Locales                                                        []stoa.Locale
}

// EnsureDefault makes the default instance with its roles and its default site unless they are there.
// created tells whether this call made them; of several nodes that start together one does.
func (s *Service) EnsureDefault(ctx context.Context, d Defaults) (inst Instance, st Site, created bool, err error) {
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		created = false
		inst, err = db.One(ctx, tx, scanInstance, selectInstance+" ORDER BY id LIMIT 1")
		if err == nil {
			st, err = db.One(ctx, tx, scanSite, selectSite+" WHERE instance = ? ORDER BY id LIMIT 1", inst.ID)
			return err
		}
		if !db.IsNoRows(err) {
			return err
		}
		created = true
		inst, st, err = s.insertInstance(ctx, tx, d)
		return err
	})
	if db.IsDuplicate(err) { // another node was first
		return s.EnsureDefault(ctx, d)
	}
	return inst, st, created, err
}

func (s *Service) insertInstance(ctx context.Context, tx *db.Tx, d Defaults) (inst Instance, st Site, err error) {
	id, err := tx.NewID(ctx)
	if err != nil {
		return inst, st, err
	}
	siteID, err := tx.NewID(ctx)
	if err != nil {
		return inst, st, err
	}
	inst = Instance{ID: id, WebID: d.WebID, Name: d.Name, MailDomain: d.MailDomain, Locale: d.Locale, TimeZone: d.TimeZone, Version: 1}
	if err := tx.Insert(ctx, "site_instance", db.Row{"id": inst.ID, "web_id": inst.WebID, "name": inst.Name,
		"mail_domain": inst.MailDomain, "locale": string(inst.Locale), "time_zone": inst.TimeZone, "version": inst.Version}); err != nil {
		return inst, st, err
	}
	tx.Changed("instance", inst.ID, 0, 1)
	if _, err := s.opt.Access.EnsureInstance(ctx, tx, inst.ID); err != nil {
		return inst, st, err
	}
	locales := d.Locales
	if len(locales) == 0 {
		locales = []stoa.Locale{d.Locale}
	}
	st = Site{ID: siteID, Instance: inst.ID, Slug: d.SiteSlug, Name: d.SiteName, Tagline: d.Tagline, Locale: d.Locale, Locales: locales, Created: tx.Now(), Version: 1}
	if err := insertSite(ctx, tx, st); err != nil {
		return inst, st, err
	}
	hosts, err := cleanHosts([]string{d.HostName})
	if err != nil {
		return inst, st, err
	}
	return inst, st, insertHosts(ctx, tx, st, hosts)
}

// CreateInstance makes a further virtual instance: a portal of its own with roles, users and sites, at a host name
// of its own. It is for who manages the default instance. A web id or a host name that is taken is a Conflict.
func (s *Service) CreateInstance(ctx context.Context, d Defaults) (inst Instance, st Site, err error) {
	if err := s.operator(ctx); err != nil {
		return inst, st, err
	}
	d.WebID, d.Name, d.HostName = strings.ToLower(strings.TrimSpace(d.WebID)), strings.TrimSpace(d.Name), strings.ToLower(strings.TrimSpace(d.HostName))
	if !isWebID(d.WebID) {
		return inst, st, badWebID(d.WebID)
	}
	if d.HostName == "" {
		return inst, st, stoa.Invalid("host", "an instance needs a host name of its own, such as www.example.org")
	}
	if slices.Contains(s.opt.IgnoreHosts, d.HostName) {
		return inst, st, stoa.Invalid("host", "%q always leads to the default site (virtual.hosts.ignore.hosts): choose another name", d.HostName)
	}
	zone, err := stoa.ParseZone(d.TimeZone)
	if err != nil {
		return inst, st, err
	}
	d.TimeZone = zone.String()
	first := Site{Slug: d.SiteSlug, Name: d.SiteName, Tagline: d.Tagline, Locale: d.Locale, Locales: d.Locales}
	if err := validate(&first); err != nil {
		return inst, st, err
	}
	d.SiteSlug, d.SiteName, d.Locale, d.Locales = first.Slug, first.Name, first.Locale, first.Locales
	if _, err := cleanHosts([]string{d.HostName}); err != nil {
		return inst, st, err
	}
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		inst, st, err = s.insertInstance(ctx, tx, d)
		return err
	})
	if db.IsDuplicate(err) {
		return Instance{}, Site{}, stoa.Conflict("there is an instance with this web id or host name already: choose another one")
	}
	return inst, st, err
}

// Instances lists the virtual instances that the actor manages: all of them for who manages the default one.
func (s *Service) Instances(ctx context.Context) ([]Instance, error) {
	list, err := db.All(ctx, s.opt.DB, scanInstance, selectInstance+" ORDER BY id LIMIT 1000")
	if err != nil {
		return nil, err
	}
	if s.operator(ctx) == nil {
		return list, nil
	}
	return slices.DeleteFunc(list, func(i Instance) bool { return !s.opt.Access.Can(ctx, access.Manage, i.Path()) }), nil
}

// operator tells whether the actor manages the default instance, and with it the installation.
func (s *Service) operator(ctx context.Context) error {
	inst, _, err := s.Resolve(ctx, "")
	if err != nil {
		return err
	}
	return s.opt.Access.Check(ctx, access.Manage, inst.Path())
}
