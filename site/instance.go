package site

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
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
		inst, err = db.One(ctx, tx, scanInstance, selectDefault)
		if err == nil {
			// One that a binary from before the mark has made, or a backup of one has brought.
			if _, err := tx.Exec(ctx, "UPDATE site_instance SET main = ? WHERE id = ? AND main = ?", true, inst.ID,
				false); err != nil {
				return err
			}
			st, err = db.One(ctx, tx, scanSite, selectSite+" WHERE instance = ? ORDER BY id LIMIT 1", inst.ID)
			return err
		}
		if !db.IsNoRows(err) {
			return err
		}
		created = true
		inst, st, err = s.insertInstance(ctx, tx, d, true)
		return err
	})
	if db.IsDuplicate(err) { // another node was first
		return s.EnsureDefault(ctx, d)
	}
	return inst, st, created, err
}

func (s *Service) insertInstance(
	ctx context.Context,
	tx *db.Tx,
	d Defaults,
	main bool,
) (inst Instance, st Site, err error) {
	id, err := tx.NewID(ctx)
	if err != nil {
		return inst, st, err
	}
	siteID, err := tx.NewID(ctx)
	if err != nil {
		return inst, st, err
	}
	inst = Instance{
		ID:         id,
		WebID:      d.WebID,
		Name:       d.Name,
		MailDomain: d.MailDomain,
		Locale:     d.Locale,
		TimeZone:   d.TimeZone,
		Version:    1,
	}
	if err := tx.Insert(ctx, "site_instance", db.Row{"id": inst.ID, "web_id": inst.WebID, "name": inst.Name,
		"mail_domain": inst.MailDomain, "locale": string(inst.Locale), "time_zone": inst.TimeZone, "version": inst.Version,
		"main": main}); err != nil {
		return inst, st, err
	}
	tx.Changed("instance", inst.ID, 0, 1)
	audit.Note(tx, audit.Made, audit.Thing{Kind: "instance", ID: inst.ID, Instance: inst.ID, Title: inst.Name})
	if _, err := s.opt.Access.EnsureInstance(ctx, tx, inst.ID); err != nil {
		return inst, st, err
	}
	locales := d.Locales
	if len(locales) == 0 {
		locales = []stoa.Locale{d.Locale}
	}
	st = Site{
		ID:       siteID,
		Instance: inst.ID,
		Slug:     d.SiteSlug,
		Name:     d.SiteName,
		Tagline:  d.Tagline,
		Locale:   d.Locale,
		Locales:  locales,
		Created:  tx.Now(),
		Version:  1,
	}
	if err := insertSite(ctx, tx, st); err != nil {
		return inst, st, err
	}
	if strings.TrimSpace(d.HostName) == "" {
		return inst, st, nil
	}
	if !main {
		return inst, st, s.give(ctx, tx, Host{d.HostName, inst.ID, st.ID})
	}
	// What the settings name is believed: it may well be an address.
	tx.Changed("host", 0, 0, 0)
	return inst, st, tx.Insert(ctx, "site_host",
		db.Row{"name": strings.ToLower(strings.TrimSpace(d.HostName)), "instance": inst.ID, "site": st.ID})
}

// CreateInstance makes a further virtual instance: a portal of its own with roles, users and sites, at a host name
// of its own. It is for operators. A web id or a host name that is taken is a Conflict.
func (s *Service) CreateInstance(ctx context.Context, d Defaults) (inst Instance, st Site, err error) {
	if err := stoa.ActorFrom(ctx).OperatesNow("create virtual instances"); err != nil {
		return inst, st, err
	}
	d.WebID, d.Name = strings.ToLower(strings.TrimSpace(d.WebID)), strings.TrimSpace(d.Name)
	if !isWebID(d.WebID) {
		return inst, st, badWebID(d.WebID)
	}
	if strings.TrimSpace(d.HostName) == "" {
		return inst, st, stoa.Invalid("host", "an instance needs a host name of its own, such as www.example.org")
	}
	if d.HostName, err = NormalHost(d.HostName); err == nil {
		err = s.mayBeGiven(ctx, s.opt.DB, 0, d.HostName)
	}
	if err != nil {
		return inst, st, inField("host", err)
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
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		inst, st, err = s.insertInstance(ctx, tx, d, false)
		return inField("host", err)
	})
	if db.IsDuplicate(err) {
		return Instance{}, Site{}, stoa.Conflict(
			"there is an instance with this web id or host name already: choose another one",
		)
	}
	return inst, st, err
}

// Instances lists the virtual instances that the actor manages: all of them for an operator.
func (s *Service) Instances(ctx context.Context) ([]Instance, error) {
	list, err := db.All(ctx, s.opt.DB, scanInstance, selectInstance+" ORDER BY id")
	if err != nil {
		return nil, err
	}
	if stoa.ActorFrom(ctx).Operates("see virtual instances") == nil {
		return list, nil
	}
	return slices.DeleteFunc(list, func(i Instance) bool { return !s.opt.Access.Can(ctx, access.Manage, i.Path()) }), nil
}

// DefaultInstance gives the instance that the portal began with, whose administrators operate the installation; 0
// before the first start has made it. It checks no permission.
func DefaultInstance(ctx context.Context, q db.Queryer) (stoa.ID, error) {
	inst, err := db.One(ctx, q, scanInstance, selectDefault)
	if db.IsNoRows(err) {
		return 0, nil
	}
	return inst.ID, err
}

// inField says which field of a form is wrong.
func inField(field string, err error) error {
	var e *stoa.Error
	if errors.As(err, &e) && e.Field == "hosts" {
		return stoa.AtField(field, err)
	}
	return err
}
