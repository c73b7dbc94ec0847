package site

import (
	"context"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

const (
	selectInstance = "SELECT id, web_id, name, mail_domain, locale, time_zone, version FROM site_instance"
	selectDefault  = selectInstance + " ORDER BY CASE WHEN main THEN 0 ELSE 1 END, id LIMIT 1"
	selectSite     = "SELECT id, instance, slug, name, tagline, locale, locales, home, logo, favicon, footer, " +
		"created, version, " +
		"COALESCE(appearance, '') FROM site_site"
)

func scanInstance(r db.Scanner) (i Instance, err error) {
	err = r.Scan(&i.ID, &i.WebID, &i.Name, &i.MailDomain, &i.Locale, &i.TimeZone, &i.Version)
	return i, err
}

func scanSite(r db.Scanner) (s Site, err error) {
	var locales, appearance string
	var created int64
	err = r.Scan(
		&s.ID,
		&s.Instance,
		&s.Slug,
		&s.Name,
		&s.Tagline,
		&s.Locale,
		&locales,
		&s.Home,
		&s.Logo,
		&s.Favicon,
		&s.Footer,
		&created,
		&s.Version,
		&appearance,
	)
	for l := range strings.FieldsSeq(locales) {
		s.Locales = append(s.Locales, stoa.Locale(l))
	}
	s.Created, s.Appearance = db.Time(created), readAppearance(appearance)
	return s, err
}

func scanHost(r db.Scanner) (h Host, err error) {
	err = r.Scan(&h.Name, &h.Instance, &h.Site)
	return h, err
}

func joinLocales(list []stoa.Locale) string {
	parts := make([]string, len(list))
	for i, l := range list {
		parts[i] = string(l)
	}
	return strings.Join(parts, " ")
}

func insertSite(ctx context.Context, tx *db.Tx, s Site) error {
	tx.Changed("site", s.ID, s.Instance, s.Version)
	audit.Note(tx, audit.Made, s.thing())
	return tx.Insert(
		ctx,
		"site_site",
		db.Row{"id": s.ID, "instance": s.Instance, "slug": s.Slug, "name": s.Name, "tagline": s.Tagline,
			"locale": string(s.Locale), "locales": joinLocales(s.Locales), "home": s.Home, "logo": s.Logo, "favicon": s.Favicon,
			"footer": s.Footer, "created": db.Micros(s.Created), "version": s.Version},
	)
}
