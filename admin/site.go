package admin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
)

func (h *Handler) mountSites(get, post register) {
	get("/control/sites", manageInstance, h.sites)
	get("/control/sites/new", manageInstance, h.newSite)
	post("/control/sites/new", manageInstance, h.newSite)
	get("/control/settings", manageSite, h.settings)
	post("/control/settings", manageSite, h.settings)
}

func (h *Handler) sites(q *request) error {
	list, err := h.o.Sites.Sites(q.Context(), q.instance.ID)
	if err != nil {
		return err
	}
	return h.show(q, http.StatusOK, "sites", frame{Title: "Sites", Purpose: "Each has pages, content and files of its own.",
		Actions: []link{{Title: "New site", URL: "/control/sites/new", Icon: "plus", Primary: true}}, Body: listOf(q, list, "Filter by name or address", func(s site.Site) string { return s.Name + " " + s.Slug })})
}

// siteForm gives the form of a site; hosts is nil where the actor may not change them.
func (h *Handler) siteForm(q *request, s site.Site, hosts []string) *form {
	var others []string
	for _, l := range s.Locales {
		if l != s.Locale {
			others = append(others, string(l))
		}
	}
	f := &form{Version: s.Version, Fields: []*field{
		{Name: "name", Label: "Name", Kind: "text", Value: s.Name},
		{Name: "slug", Label: "Address", Kind: "text", Value: s.Slug, Prefix: "/web/"},
		{Name: "tagline", Label: "Tagline", Kind: "text", Value: s.Tagline, Optional: true, Help: "A few words on what the site is."},
		{Name: "locale", Label: "Default language", Kind: "text", Value: string(s.Locale), Help: "A code such as en or de-AT."},
		{Name: "locales", Label: "Further languages", Kind: "text", Value: strings.Join(others, ", "), Optional: true, Help: "Codes, separated by commas."},
		{Name: "home", Label: "Home page", Kind: "select", Value: s.Home, Options: h.homes(q, s)},
		{Name: "footer", Label: "Footer", Kind: "textarea", Rows: 3, Value: s.Footer, Optional: true, Help: "Plain text under all pages."},
	}}
	if s.ID == 0 {
		f.Field("slug").SlugFrom = "f-name" // pictures come when there is a site to put them into
	} else {
		at := slices.IndexFunc(f.Fields, func(x *field) bool { return x.Name == "footer" })
		f.Fields = slices.Insert(f.Fields, at, h.picture(q, field{Name: "logo", Label: "Logo", Value: s.Logo, Optional: true, Help: "Shown before the name of the site."}),
			h.picture(q, field{Name: "favicon", Label: "Icon of the browser tab", Value: s.Favicon, Optional: true, Help: "A square picture."}))
	}
	if hosts != nil {
		f.Fields = append(f.Fields, &field{Name: "hosts", Label: "Host names", Kind: "textarea", Rows: 3, Value: strings.Join(hosts, "\n"), Optional: true,
			Help: h.hostHelp(q)})
	}
	return f
}

// homes are the pages that may be the home page of the site.
func (h *Handler) homes(q *request, s site.Site) []option {
	out := []option{{Label: "The first page"}, {Value: site.HomePosts, Label: "The list of posts"}}
	if h.o.Pages != nil && s.ID != 0 {
		if nodes, err := h.o.Pages.Tree(q.Context(), s.ID); err == nil { // else the pages are left out
			for _, r := range pageRows(nodes, s, 0) {
				out = append(out, option{Value: r.Path, Label: strings.Repeat("– ", r.Depth) + r.Name})
			}
		}
	}
	if !slices.ContainsFunc(out, func(o option) bool { return o.Value == s.Home }) {
		out = append(out, option{Value: s.Home, Label: s.Home}) // what was chosen stays
	}
	return out
}

func (f *form) site(s *site.Site) {
	s.Name, s.Slug, s.Tagline, s.Home, s.Footer = f.text("name"), f.text("slug"), f.text("tagline"), f.text("home"), f.text("footer")
	if f.has("logo") {
		s.Logo, s.Favicon = f.text("logo"), f.text("favicon")
	}
	s.Locale, s.Locales = stoa.Locale(f.text("locale")), nil
	for code := range strings.FieldsFuncSeq(f.text("locales"), func(r rune) bool { return r == ',' || r == ' ' }) {
		s.Locales = append(s.Locales, stoa.Locale(code))
	}
}

// hostHelp says which host names there are for sites and who adds others.
func (h *Handler) hostHelp(q *request) string {
	if h.operates(q) {
		return lang.Word("operator.site.hosts.own")
	}
	list, err := h.o.Sites.Hosts(q.Context(), q.instance.ID)
	if err != nil {
		return "" // the list itself says what is wrong
	}
	names := make([]string, len(list))
	for i, x := range list {
		names[i] = x.Display()
	}
	return lang.Word("operator.site.hosts", strings.Join(names, ", "))
}

// hosts gives the host names of the site; nil where the actor may not know them.
func (h *Handler) hosts(q *request) ([]string, error) {
	if !h.o.Access.Can(q.Context(), access.Manage, q.instance.Path()) {
		return nil, nil
	}
	list, err := h.o.Sites.Hosts(q.Context(), q.instance.ID)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, x := range list {
		if x.Site == q.site.ID {
			out = append(out, x.Display())
		}
	}
	return out, nil
}

func (h *Handler) newSite(q *request) error {
	f := h.siteForm(q, site.Site{Locale: q.instance.Locale}, nil)
	if q.Method == http.MethodPost {
		f.read(q)
		s := site.Site{Instance: q.instance.ID}
		f.site(&s)
		_, err := h.o.Sites.CreateSite(q.Context(), s)
		if err == nil {
			return q.done("/control/sites", "created")
		}
		if stoa.Is(err, stoa.KindConflict) {
			err = inField("slug", err)
		}
		if !f.fail(err) {
			return err
		}
	}
	return h.show(q, f.Status(), "form", frame{Title: "New site", Back: &link{Title: "Sites", URL: "/control/sites"}, Narrow: true, Body: f})
}

// settings shows the settings of the site that is worked on and saves them.
func (h *Handler) settings(q *request) error {
	if q.Method == http.MethodPost {
		if err := h.at(q, q.PostForm.Get("site")); err != nil {
			return err
		}
	}
	hosts, err := h.hosts(q)
	if err != nil {
		return err
	}
	f := h.siteForm(q, q.site, hosts)
	if q.Method != http.MethodPost {
		return h.showSettings(q, f)
	}
	f.read(q)
	s := q.site
	f.site(&s)
	s.Version = f.Version
	saved, err := h.o.Sites.UpdateSite(q.Context(), s)
	if err == nil {
		f.Version = saved.Version
		if names := strings.Fields(f.hostText()); hosts != nil && !slices.Equal(names, hosts) {
			err = h.o.Sites.SetHosts(q.Context(), saved.ID, names)
			if stoa.Is(err, stoa.KindConflict) {
				err = inField("hosts", err)
			}
		}
	} else if stoa.Is(err, stoa.KindConflict) {
		now, serr := h.o.Sites.Site(q.Context(), q.site.ID)
		if serr != nil {
			return serr
		}
		if now.Version != s.Version {
			f.stale(h.siteForm(q, now, hosts))
			return h.showSettings(q, f)
		}
		err = inField("slug", err)
	}
	if err == nil {
		return q.done("/control/settings", "saved")
	}
	if !f.fail(err) {
		return err
	}
	return h.showSettings(q, f)
}

func (f *form) hostText() string {
	if !f.has("hosts") {
		return ""
	}
	return f.text("hosts")
}

func (h *Handler) showSettings(q *request, f *form) error {
	h.previews(q, f)
	return h.show(q, f.Status(), "form", frame{Title: "Site settings", Purpose: "What " + q.site.Name + " is called, which languages it speaks and where it is found.", Narrow: true, Body: f})
}
