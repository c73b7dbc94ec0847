package wordpress

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

// prepareSite decides what the site takes over from the old one: name, line below it, language and time zone, when it
// is new, which is: it has nothing but what the first start and earlier runs made.
func (r *run) prepareSite(ctx context.Context) error {
	if r.site.ID != 0 {
		st, err := r.Sites.Site(ctx, r.site.ID)
		if err != nil {
			return err
		}
		r.site = st
		if _, def, err := r.Sites.Resolve(ctx, ""); err != nil {
			return err
		} else if def.ID != st.ID {
			r.prefix = "/web/" + st.Slug
		}
	} else {
		r.prefix = "/web/" + r.site.Slug
	}
	if r.known["settings/site"] != 0 || r.known["settings/begin"] != 0 {
		return nil
	}
	welcomePage, welcomeArticle, err := r.welcome(ctx)
	if err != nil {
		return err
	}
	r.fresh = true
	mine := map[stoa.ID]bool{}
	for _, id := range r.known {
		mine[id] = true
	}
	for id := range r.stock.articles {
		r.fresh = r.fresh && (mine[id] || id == welcomeArticle)
	}
	for id := range r.stock.nodes {
		r.fresh = r.fresh && (mine[id] || id == welcomePage)
	}
	if !r.fresh {
		r.warn(Odd, nil, "the site has content of its own, so it keeps its name, language and home page")
		return nil
	}
	if n, ok := r.stock.nodes[welcomePage]; ok {
		delete(r.stock.paths, n.Path)
		delete(r.stock.nodes, welcomePage)
	}
	if a, ok := r.stock.articles[welcomeArticle]; ok {
		delete(r.stock.slugs, a.Slug)
		delete(r.stock.articles, welcomeArticle)
	}
	r.site.Name = cmp.Or(shorten(r.export.Site.Title, 190), r.site.Name)
	r.site.Tagline, r.site.Home = shorten(r.export.Site.Description, 500), site.HomePosts
	r.speak()
	return r.prepareZone(ctx)
}

// welcome finds the page and the article of the first start while no editor has changed them.
func (r *run) welcome(ctx context.Context) (pageID, articleID stoa.ID, err error) {
	for _, n := range r.stock.nodes {
		if n.Path != "/home" || n.Type != page.TypeWidgets || n.HasDraft || len(n.Children) > 0 {
			continue
		}
		p, err := r.Pages.Get(ctx, n.ID)
		if err == nil && p.Number == 1 && p.ModifiedBy == 0 {
			pageID = n.ID
		} else if err != nil && !refusal(err) {
			return 0, 0, err
		}
	}
	for _, a := range r.stock.articles {
		if a.Slug == "welcome" && a.Number == 1 && a.ModifiedBy == 0 && !ours(a) {
			articleID = a.ID
		}
	}
	return pageID, articleID, nil
}

// speak gives the site the language of the export. One that the site speaks already, in whatever form, stays as it is.
func (r *run) speak() {
	l, err := stoa.ParseLocale(r.export.Site.Language)
	if err != nil {
		if r.export.Site.Language != "" {
			r.warn(
				Changed,
				nil,
				"the language %q of the export is not known: the site keeps %s",
				stoa.Short(r.export.Site.Language, 40),
				r.site.Locale,
			)
		}
		return
	}
	if l.Language() == r.site.Locale.Language() {
		return
	}
	locales := []stoa.Locale{l}
	for _, have := range r.site.Locales {
		if len(r.site.Locales) > 1 && have.Language() != l.Language() {
			locales = append(locales, have)
		}
	}
	r.site.Locale, r.site.Locales = l, locales
}

// zones are the time zones that are tried, those first that most people live in.
func zones() []string {
	return []string{
		"Europe/Berlin",
		"Europe/London",
		"America/New_York",
		"America/Chicago",
		"America/Los_Angeles",
		"America/Denver",
		"Asia/Tokyo",
		"Australia/Sydney",
		"Asia/Kolkata",
		"Asia/Shanghai",
		"America/Sao_Paulo",
		"Europe/Athens",
		"Europe/Moscow",
		"Africa/Johannesburg",
		"Africa/Lagos",
		"Asia/Dubai",
		"Asia/Bangkok",
		"America/Phoenix",
		"America/Halifax",
		"America/Bogota",
		"Australia/Brisbane",
		"Australia/Adelaide",
		"Pacific/Auckland",
		"Asia/Karachi",
		"Asia/Dhaka",
		"Asia/Tehran",
		"Asia/Jerusalem",
		"America/St_Johns",
		"America/Anchorage",
		"Pacific/Honolulu",
		"Asia/Kathmandu",
		"Atlantic/Azores",
		"America/Mexico_City",
	}
}

// homeZones are tried first for a language.
func homeZones(l stoa.Locale) []string {
	return map[string][]string{"fr": {"Europe/Paris", "America/Toronto"}, "es": {"Europe/Madrid",
		"America/Mexico_City", "America/Argentina/Buenos_Aires"},
		"it": {"Europe/Rome"}, "nl": {"Europe/Amsterdam"}, "pl": {"Europe/Warsaw"}, "sv": {"Europe/Stockholm"},
		"da": {"Europe/Copenhagen"},
		"nb": {"Europe/Oslo"}, "fi": {"Europe/Helsinki"}, "pt": {"Europe/Lisbon", "America/Sao_Paulo"},
		"cs": {"Europe/Prague"},
		"hu": {"Europe/Budapest"}, "ro": {"Europe/Bucharest"}, "tr": {"Europe/Istanbul"},
		"uk": {"Europe/Kyiv"}}[l.Language()]
}

// prepareZone finds the time zone in which the clock of the old site went: the dates of its items stand in the export
// twice, in local time and in UTC. It is taken when the instance has no other sites.
func (r *run) prepareZone(ctx context.Context) error {
	var inst site.Instance
	var err error
	if r.site.ID != 0 {
		inst, err = r.Sites.Instance(ctx, r.site)
	} else {
		inst, _, err = r.Sites.Resolve(ctx, "")
	}
	if err != nil {
		return err
	}
	first := inst.TimeZone
	if first == "" {
		first = "UTC"
	}
	for _, name := range append(append([]string{first}, homeZones(r.site.Locale)...), zones()...) {
		fits, any := r.clock(name)
		if !any || fits && name == first {
			return nil
		}
		if !fits {
			continue
		}
		sites, err := r.Sites.Sites(ctx, inst.ID)
		if err != nil {
			return err
		}
		if r.site.ID != 0 && len(sites) <= 1 {
			r.zone = name
			r.warn(Changed, nil, "the portal shows dates in the time zone %s now, that of the old site", name)
		} else {
			r.warn(Changed, nil, "the old site showed dates in the time zone %s, this portal shows them in %s", name, first)
		}
		return nil
	}
	r.warn(Changed, nil, "the clock of the old site was in no time zone that is known: dates are shown in %s", first)
	return nil
}

// clock reports whether the dates of the items fit the time zone, some faulty ones aside, and whether there are any.
func (r *run) clock(name string) (fits, any bool) {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return false, true
	}
	right, wrong := 0, 0
	for i := range r.export.Items {
		it := &r.export.Items[i]
		if it.Date.IsZero() || it.Local.IsZero() || it.Type == TypeMenuItem {
			continue
		}
		local := it.Date.In(zone)
		_, offset := local.Zone()
		if it.Date.Add(time.Duration(offset) * time.Second).Equal(it.Local) {
			right++
		} else {
			wrong++
		}
	}
	return right > 0 && wrong*20 <= right+wrong, right+wrong > 0
}

// begin gives the site its old name and language, and takes the page and the article of the first start away.
func (r *run) begin(ctx context.Context) error {
	if !r.fresh {
		return nil
	}
	if err := r.dropWelcome(ctx); err != nil {
		return err
	}
	if _, err := r.Sites.UpdateSite(ctx, r.site); err != nil {
		return err
	}
	if r.zone != "" {
		inst, err := r.Sites.Instance(ctx, r.site)
		if err != nil {
			return err
		}
		if err := r.Sites.SetTimeZone(ctx, inst, r.zone); err != nil {
			return err
		}
	}
	return r.DB.Write(
		ctx,
		func(ctx context.Context, tx *db.Tx) error { return r.note(ctx, tx, "settings", "begin", r.site.ID) },
	)
}

// dropWelcome removes the page and the article of the first start while no editor has changed them.
func (r *run) dropWelcome(ctx context.Context) error {
	if err := r.takeStock(ctx); err != nil {
		return err
	}
	pageID, articleID, err := r.welcome(ctx)
	if err != nil {
		return err
	}
	if n, ok := r.stock.nodes[pageID]; ok {
		if err := r.Pages.Delete(ctx, n.ID, n.Version); err != nil && !refusal(err) {
			return fmt.Errorf("remove the page of the first start: %w", err)
		}
	}
	if articleID != 0 {
		if err := r.Content.Delete(ctx, articleID); err != nil && !refusal(err) {
			return fmt.Errorf("remove the article of the first start: %w", err)
		}
	}
	return nil
}

// prepareHome finds the page that becomes the home.
func (r *run) prepareHome(context.Context) error {
	if r.opt.HomePage == "" {
		return nil
	}
	for _, a := range r.pages {
		if a.item.Slug == r.opt.HomePage && a.written() && r.home == nil {
			r.home = a
		}
	}
	if r.home == nil {
		return stoa.Invalid("home-page", "the export has no page with the slug %q", r.opt.HomePage)
	}
	if len(r.home.path) > 190 {
		return stoa.Invalid(
			"home-page",
			"the address of the page %q is longer than 190 bytes, so it cannot be the home",
			r.opt.HomePage,
		)
	}
	return nil
}

// finish gives the site its home page, once.
func (r *run) finish(ctx context.Context) error {
	if r.known["settings/site"] != 0 {
		return nil
	}
	if r.home != nil && r.home.written() {
		st, err := r.Sites.Site(ctx, r.site.ID)
		if err != nil {
			return err
		}
		if st.Home != r.home.path {
			st.Home = r.home.path
			if _, err := r.Sites.UpdateSite(ctx, st); err != nil {
				return err
			}
		}
	}
	return r.DB.Write(
		ctx,
		func(ctx context.Context, tx *db.Tx) error { return r.note(ctx, tx, "settings", "site", r.site.ID) },
	)
}
