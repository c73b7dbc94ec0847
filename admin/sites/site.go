package sites

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

func (h *screens) mountSites(r *admin.Routes) {
	r.Get("/control/sites", admin.ManageInstance, h.sites)
	r.Get("/control/sites/new", admin.ManageInstance, h.newSite)
	r.Post("/control/sites/new", admin.ManageInstance, h.newSite)
	r.Get("/control/settings", admin.ManageSite, h.settings)
	r.Post("/control/settings", admin.ManageSite, h.settings)
}

func (h *screens) sites(q *admin.Request) error {
	list, err := h.o.Sites.Sites(q.Context(), q.Instance.ID)
	if err != nil {
		return err
	}
	words := func(s site.Site) string { return s.Name + " " + s.Slug }
	return h.Show(q, http.StatusOK, "sites", admin.Screen{Title: q.Word("sites.title"), Purpose: q.Word("sites.purpose"),
		Actions: []admin.Link{{Title: q.Word("sites.new"), URL: "/control/sites/new", Icon: "plus", Primary: true}},
		Body:    admin.ListOf(q, list, q.Word("sites.filter"), words)})
}

// siteForm gives the form of a site; hosts is nil where the actor may not change them.
func (h *screens) siteForm(q *admin.Request, s site.Site, hosts []string) *admin.Form {
	languages := q.Languages(admin.Field{Name: "locales", Label: q.Word("sites.languages"),
		Help: q.Word("sites.languages.help")}, s.Locales)
	f := &admin.Form{Version: s.Version, Fields: []*admin.Field{
		{Name: "name", Label: q.Word("sites.name"), Kind: "text", Value: s.Name},
		{Name: "slug", Label: q.Word("sites.address"), Kind: "text", Value: s.Slug, Prefix: "/web/"},
		{Name: "tagline", Label: q.Word("sites.tagline"), Kind: "text", Value: s.Tagline, Optional: true,
			Help: q.Word("sites.tagline.help")},
		q.Language(admin.Field{Name: "locale", Label: q.Word("sites.language"), Value: string(s.Locale)}, ""),
		languages,
		q.Another(admin.Field{Name: "another", Label: q.Word("sites.languages.add")}, languages),
		{Name: "home", Label: q.Word("sites.home"), Kind: "select", Value: s.Home, Options: h.homes(q, s)},
		{Name: "footer", Label: q.Word("sites.footer"), Kind: "textarea", Rows: 3, Value: s.Footer, Optional: true,
			Help: q.Word("sites.footer.help")},
	}}
	if s.ID == 0 {
		f.Field("slug").SlugFrom = "f-name" // pictures come when there is a site to put them into
	} else {
		at := slices.IndexFunc(f.Fields, func(x *admin.Field) bool { return x.Name == "footer" })
		f.Fields = slices.Insert(f.Fields, at,
			h.Picture(q, admin.Field{Name: "logo", Label: q.Word("sites.logo"), Value: s.Logo, Optional: true,
				Help: q.Word("sites.logo.help")}),
			h.Picture(q, admin.Field{Name: "favicon", Label: q.Word("sites.favicon"), Value: s.Favicon, Optional: true,
				Help: q.Word("sites.favicon.help")}))
	}
	if hosts != nil {
		f.Fields = append(f.Fields, &admin.Field{Name: "hosts", Label: q.Word("operator.hosts.link"), Kind: "textarea",
			Rows: 3, Value: strings.Join(hosts, "\n"), Optional: true, Help: h.hostHelp(q)})
	}
	return f
}

// homes are the pages that may be the home page of the site.
func (h *screens) homes(q *admin.Request, s site.Site) []admin.Option {
	out := []admin.Option{{Label: q.Word("sites.home.first")}, {Value: site.HomePosts, Label: q.Word("sites.home.posts")}}
	if h.o.Pages != nil && s.ID != 0 {
		if nodes, err := h.o.Pages.Tree(q.Context(), s.ID); err == nil { // else the pages are left out
			var add func(list []page.Node, depth int)
			add = func(list []page.Node, depth int) {
				for _, n := range list {
					title := strings.Repeat("– ", depth) + n.In(s.Locale, s.Locale)
					out = append(out, admin.Option{Value: n.Path, Label: title})
					add(n.Children, depth+1)
				}
			}
			add(nodes, 0)
		}
	}
	if !slices.ContainsFunc(out, func(o admin.Option) bool { return o.Value == s.Home }) {
		out = append(out, admin.Option{Value: s.Home, Label: s.Home}) // what was chosen stays
	}
	return out
}

func siteOf(f *admin.Form, s *site.Site) {
	s.Name, s.Slug, s.Tagline = f.Text("name"), f.Text("slug"), f.Text("tagline")
	s.Home, s.Footer = f.Text("home"), f.Text("footer")
	if f.Has("logo") {
		s.Logo, s.Favicon = f.Text("logo"), f.Text("favicon")
	}
	s.Locale, s.Locales = stoa.Locale(f.Text("locale")), f.LocalesOf("locales", "another")
}

// hostHelp says which host names there are for sites and who adds others.
func (h *screens) hostHelp(q *admin.Request) string {
	if h.Operates(q) {
		return q.Word("operator.site.hosts.own")
	}
	list, err := h.o.Sites.Hosts(q.Context(), q.Instance.ID)
	if err != nil {
		return "" // the list itself says what is wrong
	}
	names := make([]string, len(list))
	for i, x := range list {
		names[i] = x.Display()
	}
	return q.Word("operator.site.hosts", strings.Join(names, ", "))
}

// hosts gives the host names of the site; nil where the actor may not know them.
func (h *screens) hosts(q *admin.Request) ([]string, error) {
	if !h.o.Access.Can(q.Context(), access.Manage, q.Instance.Path()) {
		return nil, nil
	}
	list, err := h.o.Sites.Hosts(q.Context(), q.Instance.ID)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, x := range list {
		if x.Site == q.Site.ID {
			out = append(out, x.Display())
		}
	}
	return out, nil
}

func (h *screens) newSite(q *admin.Request) error {
	f := h.siteForm(q, site.Site{Locale: q.Instance.Locale}, nil)
	if q.Method == http.MethodPost {
		f.Read(q)
		s := site.Site{Instance: q.Instance.ID}
		siteOf(f, &s)
		_, err := h.o.Sites.CreateSite(q.Context(), s)
		if err == nil {
			return q.Done("/control/sites", "created")
		}
		if stoa.Is(err, stoa.KindConflict) {
			err = admin.InField("slug", err)
		}
		if !f.Fail(err) {
			return err
		}
	}
	return h.Show(q, f.Status(), "form", admin.Screen{Title: q.Word("sites.new"), Narrow: true, Body: f,
		Back: &admin.Link{Title: q.Word("sites.title"), URL: "/control/sites"}})
}

// settings shows the settings of the site that is worked on and saves them.
func (h *screens) settings(q *admin.Request) error {
	if q.Method == http.MethodPost {
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	hosts, err := h.hosts(q)
	if err != nil {
		return err
	}
	f := h.siteForm(q, q.Site, hosts)
	if q.Method != http.MethodPost {
		return h.showSettings(q, f)
	}
	f.Read(q)
	s := q.Site
	siteOf(f, &s)
	s.Version = f.Version
	if hosts == nil { // the person may not know them
		_, err = h.o.Sites.UpdateSite(q.Context(), s)
	} else {
		_, err = h.o.Sites.UpdateSiteAndHosts(q.Context(), s, strings.Fields(hostsOf(f)))
	}
	if stoa.Is(err, stoa.KindConflict) {
		now, serr := h.o.Sites.Site(q.Context(), q.Site.ID)
		if serr != nil {
			return serr
		}
		if now.Version != s.Version {
			f.Stale(h.siteForm(q, now, hosts))
			return h.showSettings(q, f)
		}
		if e := new(stoa.Error); errors.As(err, &e) && e.Field == "" {
			err = admin.InField("slug", err)
		}
	}
	if err == nil {
		return q.Done("/control/settings", "saved")
	}
	if !f.Fail(err) {
		return err
	}
	return h.showSettings(q, f)
}

func hostsOf(f *admin.Form) string {
	if !f.Has("hosts") {
		return ""
	}
	return f.Text("hosts")
}

func (h *screens) showSettings(q *admin.Request, f *admin.Form) error {
	h.Previews(q, f)
	return h.Show(q, f.Status(), "form", admin.Screen{Title: q.Word("sites.settings"),
		Purpose: q.Word("sites.settings.purpose", q.Site.Name), Narrow: true, Body: f})
}
