package server

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// firstStart makes the default instance, its site with a welcome page, and the administrator, unless
// they are there. Several nodes that start together make them once.
func (s *Server) firstStart(ctx context.Context) error {
	ctx = stoa.WithActor(ctx, stoa.SystemActor())
	c := s.cfg
	inst, st, created, err := s.Sites.EnsureDefault(ctx, firstInstance(c))
	if err != nil {
		return fmt.Errorf("make the default site: %w", err)
	}
	token, made, err := s.Users.EnsureAdmin(ctx, inst.ID, firstAdministrator(c))
	if err != nil {
		return fmt.Errorf("make the administrator: %w", err)
	}
	if err := s.adviseOperators(ctx); err != nil {
		return err
	}
	if made {
		s.log.Info("made the administrator", "email", c.Admin.EmailAddressPrefix+"@"+c.Company.WebID)
	}
	if token != "" {
		s.SetupPath = "/account/setup?token=" + token
	}
	if !created {
		return nil
	}
	if err := s.Assets.Begin(ctx); err != nil {
		return err
	}
	return s.welcome(ctx, st)
}

// adviseOperators warns where no account can operate the installation, and of host names that are the portal's own and
// that another instance has.
func (s *Server) adviseOperators(ctx context.Context) error {
	if len(s.cfg.Operators.Users) > 0 {
		list, err := s.Users.Operators(ctx)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			s.log.Warn("omniadmin.users names no active account of the default instance, so only the control socket " +
				"operates the installation: name one by its id, screen name or e-mail address")
		}
	}
	hosts, err := s.Sites.Misplaced(ctx)
	for _, h := range hosts {
		s.log.Warn("a virtual instance has a host name that belongs to the portal itself: take it away under "+
			"Virtual instances", "host", h.Name, "instance", h.Instance)
	}
	return err
}

// firstInstance is the default instance as the settings want it.
func firstInstance(c *config.Config) site.Defaults {
	locale := c.Company.Locale
	if locale == "" {
		locale = "en"
	}
	locales := []stoa.Locale{locale}
	for _, l := range c.Languages.Enabled {
		if l != locale {
			locales = append(locales, l)
		}
	}
	return site.Defaults{
		WebID: c.Company.WebID, Name: c.Company.Name, MailDomain: c.Company.WebID, Locale: locale, Locales: locales,
		TimeZone: c.Company.TimeZone.String(), SiteSlug: defaultSlug(c), SiteName: c.Company.Name,
		Tagline: "A new portal, ready to be filled", HostName: c.Company.VirtualHostName,
	}
}

// firstAdministrator is the account of the first start as the settings want it.
func firstAdministrator(c *config.Config) user.AdminOptions {
	return user.AdminOptions{
		EmailPrefix: c.Admin.EmailAddressPrefix, MailDomain: c.Company.WebID, ScreenName: c.Admin.ScreenName,
		First: c.Admin.FirstName, Last: c.Admin.LastName, Password: c.Admin.Password,
		AsItIs: true,
	}
}

// defaultSlug is the name in /web/NAME of the site of virtual.hosts.default.site.name.
func defaultSlug(c *config.Config) string {
	if slug := taxonomy.Slug(c.Hosts.DefaultSiteName); site.ValidSlug(slug) {
		return slug
	}
	return "guest"
}

// welcome fills the new site with a page worth looking at and a first article.
func (s *Server) welcome(ctx context.Context, st site.Site) error {
	article, err := s.Content.Create(ctx, st, content.Draft{
		Slug: "welcome", Kind: "post",
		Text: map[stoa.Locale]content.Text{st.Locale: {
			Title:   "Your portal is running",
			Summary: "This site came with the first start. Change it, fill it, or bring in one that you have.",
			Body: `<p>Everything you see is kept in one folder: the database, the files and the settings. Nothing was sent anywhere.</p>
<h2>Make it yours</h2>
<ul><li>Sign in and open the <a href="/control/">control panel</a>.</li><li>Write your first article under Web Content.</li><li>Change name, languages and home page under Site Settings.</li></ul>
<h2>Bring a site along</h2><p>An export of WordPress becomes a site here with one command:</p><pre><code>stoa import wordpress export.xml</code></pre>
<h2>When one server is not enough</h2><p>The same program becomes a node of a cluster by adding properties to <code>portal-ext.properties</code>.</p>`,
		}},
	})
	if err != nil {
		return fmt.Errorf("write the welcome article: %w", err)
	}
	if _, err := s.Content.Publish(ctx, article.ID, article.Version, s.now()); err != nil {
		return fmt.Errorf("publish the welcome article: %w", err)
	}
	layout := page.Layout{Sections: []page.Section{
		{ID: "hero", Columns: []page.Column{{Width: 12, Widgets: []page.Placed{{ID: "banner", Widget: "banner", Settings: map[string]string{
			"heading": "Welcome to Stoa", "text": "A stoa is a row of columns under one roof. Any column can go, the roof stays. Your portal is running; this page is yours to change.",
			"label": "Open the control panel", "link": "/control/"}}}}}},
		{ID: "ways", Columns: []page.Column{text("write", "Write", "<p>Web content has versions, a date of publication and a text for each language. Two people who edit the same article see both texts, and none is lost.</p>"),
			text("arrange", "Arrange", "<p>Pages are made of widgets in columns. Put them where they belong, look at the draft, and publish when it is right.</p>"),
			text("grow", "Grow", "<p>One server is enough to begin. The same program becomes a node of a cluster by adding properties, and its caches stay honest.</p>")}},
		{ID: "news", Columns: []page.Column{{Width: 12, Widgets: []page.Placed{{ID: "latest", Widget: "content-list", Settings: map[string]string{"kind": "post", "count": "5", "style": "list"}}}}}},
	}}
	p, err := s.Pages.Create(ctx, st, page.NewPage{Slug: "home", Title: map[stoa.Locale]string{st.Locale: "Home"}, Layout: layout})
	if err != nil {
		return fmt.Errorf("make the welcome page: %w", err)
	}
	if _, err := s.Pages.Publish(ctx, p.ID, p.Version); err != nil {
		return fmt.Errorf("publish the welcome page: %w", err)
	}
	return nil
}

// text is a third of a row with a few words under a heading.
func text(id, title, html string) page.Column {
	return page.Column{Width: 4, Widgets: []page.Placed{{ID: id, Widget: "html", Settings: map[string]string{"html": "<h2>" + title + "</h2>" + html}}}}
}
