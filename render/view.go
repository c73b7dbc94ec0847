package render

import (
	"context"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/widget"
)

// view is what the theme's templates see.
type view struct {
	Lang, Dir        string
	Title, SiteName  string
	Description      string
	Canonical        string
	Image, Type      string
	Published        string // RFC 3339, like Modified; empty when it is no article
	Modified, Author string
	NoIndex          bool
	Alternates       []widget.Alternate // addresses without origin
	Origin           string
	Feed             string
	Home, Logo, Icon string
	Style            string       // address of the site's own style sheet; empty: none, or Inline
	Inline           template.CSS // the same inside the page
	NoName           bool         // the logo stands alone in the header
	Languages        bool         // the header has the choice of language
	Switch           bool         // the header has the switch between light and dark
	NoSignIn         bool         // the header does not lead to the sign-in page
	NoFont           bool         // the theme's typefaces are not used
	Navigation       []navItem
	Footer           []page.Link
	FooterText       []string
	Tagline          string
	Node             string
	SignIn, Account  string
	SignOut, Search  string
	Person           string
	Content          template.HTML
	Sections         []section
	Heading          string // of a page whose widgets have none
	HeadingMark      template.HTMLAttr
	Media            bool // a widget shows what media.css is for
	Edit, Screen     bool
	Bare             bool
	CSRF             template.HTML
	Locked           bool
	UnlockTo         string
	WrongPassword    bool
	Bar              *Bar
	locale           stoa.Locale
	info             widget.PageInfo
	base             string
}

// navItem is an entry of the main navigation.
type navItem struct {
	page.Link
	Current, Active bool
	Children        []navItem
}

// Word gives one of the theme's words in the language of the page.
func (v *view) Word(english string) string { return widget.Word(v.locale, english) }

func (v *view) pageID() stoa.ID { return v.info.ID }

// FullTitle is what the tab of the browser shows.
func (v *view) FullTitle() string {
	if v.Title == "" || v.Title == v.SiteName {
		return v.SiteName
	}
	return v.Title + " – " + v.SiteName
}

// request is what a widget that is placed in a column renders for.
func (v *view) request(in Input, w page.Placed, column int) widget.Request {
	return widget.Request{
		Site:     in.Site,
		Page:     v.info,
		Base:     in.Prefix,
		Locale:   in.Locale,
		Settings: w.Settings,
		Query:    in.Query,
		Actor:    in.Actor,
		Edit:     in.Edit,
		ID:       w.ID,
		Column:   column,
		SignIn:   v.SignIn,
		SignOut:  v.SignOut,
		Account:  v.Account,
		CSRF:     in.CSRF,
		Zone:     in.Instance.Zone(),
	}
}

// view gathers what the frame shows: titles, languages, navigation, footer.
func (s *Service) view(ctx context.Context, in Input) (*view, error) {
	if in.Locale == "" {
		in.Locale = in.Site.Locale
	}
	v := &view{
		Lang:        string(in.Locale),
		Dir:         "ltr",
		Title:       in.Title,
		SiteName:    in.Site.Name,
		Tagline:     in.Site.Tagline,
		Description: in.Description,
		NoIndex: in.NoIndex || in.Edit ||
			in.Draft,
		Type:    in.Type,
		Origin:  in.Origin,
		Home:    in.Prefix + "/",
		Node:    s.opt.Node,
		SignIn:  s.opt.SignIn,
		Account: s.opt.Account,
		SignOut: s.opt.SignOut,
		Content: in.Content,
		Edit:    in.Edit,
		Screen:  in.Screen,
		Bare:    in.Bare,
		CSRF:    in.CSRF,
		locale:  in.Locale,
		base:    in.Prefix,
		Bar:     in.Bar,
	}
	if in.Locale.RTL() {
		v.Dir = "rtl"
	}
	if v.Type == "" {
		v.Type = "website"
	}
	v.Published, v.Modified, v.Author = stamp(in.Published), stamp(in.Modified), in.Author
	if s.opt.Search != "" {
		v.Search = in.Prefix + s.opt.Search
	}
	if s.opt.Feed != "-" {
		v.Feed = in.Prefix + s.opt.Feed
	}
	if in.Actor.SignedIn() {
		v.Person = in.Actor.Name
	}
	v.FooterText = lines(in.Site.Footer)
	v.Logo, v.Icon = fileAddress(in.Site, in.Site.Logo), fileAddress(in.Site, in.Site.Favicon)
	if v.Icon == "" {
		v.Icon = s.opt.Assets.URL("favicon.svg")
	}
	v.dress(in)
	image := in.Image
	path := in.Path
	if p := in.Page; p != nil {
		title, of := p.Find(in.Locale, in.Site.Locale)
		if v.Title == "" {
			v.Title = title
		}
		v.info.ID, v.info.Path, v.info.Title = p.ID, p.Path, v.Title
		if v.Title == title {
			v.info.Lang = lang.Other(of, in.Locale)
		}
		if p.SEO.Title != "" {
			v.Title = p.SEO.Title
		}
		if p.SEO.Description != "" {
			v.Description = p.SEO.Description
		}
		if p.SEO.Image != "" {
			image = p.SEO.Image
		}
		v.NoIndex = v.NoIndex || p.SEO.NoIndex || !p.Published
		if path == "" {
			path = p.Path
		}
	} else {
		v.info.Path, v.info.Title = in.Path, in.Title
	}
	if path == "" {
		path = "/"
	}
	v.Image = absolute(in.Origin, fileAddress(in.Site, image))
	if in.Origin != "" {
		v.Canonical = in.Origin + in.Prefix + escape(path)
		if n := in.Query.Get("page"); n != "" && n != "1" {
			v.Canonical += "?page=" + url.QueryEscape(n)
		}
	}
	v.Alternates = alternates(in, path)
	v.info.Alternates = v.Alternates
	v.Languages = len(v.Alternates) > 0 && !in.Site.Appearance.HideLanguages
	return v, s.navigate(ctx, in, v)
}

// dress applies what the site says of its looks.
func (v *view) dress(in Input) {
	a := in.Site.Appearance
	if in.InlineStyle {
		v.Inline = template.CSS(a.Style()) // site.Appearance.Checked has refused what would end the element
	} else {
		v.Style = in.Site.StylePath()
	}
	if a.Brand == site.BrandName {
		v.Logo = ""
	}
	v.NoName = a.Brand == site.BrandLogo && v.Logo != ""
	v.Switch, v.NoFont = !a.HideSwitch, a.Text == site.FaceSystem && a.Headings != site.FaceSans
	v.NoSignIn = a.HideSignIn
	if a.HideSearch {
		v.Search = ""
	}
}

// navigate fills the navigation, the footer's links and the way to the page.
func (s *Service) navigate(ctx context.Context, in Input, v *view) error {
	menu := func(slug string) ([]page.Link, error) {
		m, err := s.opt.Pages.MenuBySlug(ctx, in.Site.ID, slug)
		if err != nil {
			if stoa.KindOf(err) == stoa.KindInternal || stoa.Is(err, stoa.KindUnavailable) {
				return nil, err
			}
			return nil, nil // there is none, or the actor may not see the site: the frame still stands
		}
		return s.opt.Pages.Links(ctx, m, in.Locale, in.Site.Locale, in.Prefix)
	}
	links, err := menu("main")
	if err != nil {
		return err
	}
	if links == nil {
		nodes, err := s.opt.Pages.Visible(ctx, in.Site.ID)
		if err != nil && (stoa.KindOf(err) == stoa.KindInternal || stoa.Is(err, stoa.KindUnavailable)) {
			return err
		}
		links = page.TreeLinks(nodes, in.Locale, in.Site.Locale, in.Prefix, 3)
	}
	all := page.Link{Title: widget.Word(in.Locale, "All pages"), URL: in.Prefix + page.AllPages}
	v.Navigation = navigation(page.Fit(links, all), v.info.ID)
	if v.Footer, err = menu("footer"); err != nil {
		return err
	}
	if in.Page == nil {
		return nil
	}
	up, err := s.opt.Pages.Ancestors(ctx, *in.Page)
	if err != nil {
		return err
	}
	for _, n := range up {
		title, of := n.Find(in.Locale, in.Site.Locale)
		v.info.Ancestors = append(v.info.Ancestors,
			widget.Link{Title: title, URL: page.AddressOf(n, in.Prefix), Lang: lang.Other(of, in.Locale)})
	}
	return nil
}

// navigation marks the entry of the page and those on the way to it.
func navigation(links []page.Link, here stoa.ID) []navItem {
	out := make([]navItem, 0, len(links))
	for _, l := range links {
		item := navItem{Link: l, Current: here != 0 && l.Page == here, Children: navigation(l.Children, here)}
		for _, c := range item.Children {
			item.Active = item.Active || c.Current || c.Active
		}
		out = append(out, item)
	}
	return out
}

// alternates gives the page in the languages of the site; the default language has no prefix.
func alternates(in Input, path string) []widget.Alternate {
	if len(in.Site.Locales) < 2 {
		return nil
	}
	base := strings.TrimSuffix(in.Prefix, "/"+string(in.Locale))
	out := make([]widget.Alternate, 0, len(in.Site.Locales))
	for _, l := range in.Site.Locales {
		a := widget.Alternate{Locale: l, Name: lang.NameOf(l), URL: base, Current: l == in.Locale}
		if l != in.Site.Locale {
			a.URL += "/" + string(l)
		}
		a.URL += escape(path)
		out = append(out, a)
	}
	return out
}

// fileAddress gives the address of a file by its key; addresses stay as they are.
func fileAddress(st site.Site, key string) string {
	if key == "" || strings.HasPrefix(key, "/") || strings.Contains(key, "://") {
		return key
	}
	return "/documents/" + url.PathEscape(st.Slug) + "/image/" + url.PathEscape(key)
}

// stamp writes a time for machines; none is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// OGLocale is how Open Graph writes a language, en_US; empty for one without a region, which it does not know.
func (v *view) OGLocale() string {
	language, region, ok := strings.Cut(v.Lang, "-")
	if !ok || len(region) != 2 {
		return ""
	}
	return language + "_" + region
}

func absolute(origin, address string) string {
	if strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") {
		return origin + address
	}
	return address
}

func escape(path string) string { return (&url.URL{Path: path}).EscapedPath() }

func lines(s string) []string {
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
