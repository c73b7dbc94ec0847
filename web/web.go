// Package web answers visitors: it turns host and path into a site and a page, serves guests from the
// page cache, and holds sign-in, account, lists, feeds and site maps.
package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/portal"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/secret"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the visitors' side needs.
type Options struct {
	Portal         *portal.Portal // actor, site and language of a request
	Cache          *cache.Cache
	Access         *access.Service
	Users          *user.Service
	Secrets        *secret.Service // signs what opens a protected page; nil: none opens
	Sites          *site.Service
	Pages          *page.Service
	Content        *content.Service
	Taxonomy       *taxonomy.Service
	Files          *document.Service
	Trash          *asset.Service // knows what was removed; nil: all that is missing is 404
	Search         *index.Service // nil: there is no search
	Render         *render.Service
	Assets         *look.Assets
	Audit          *audit.Log // nil: wrong passwords of pages are not noted
	Logger         *slog.Logger
	SignInDisabled bool     // auth.login.disabled
	NoRemember     bool     // company.security.auto.login=false: no person is offered to stay signed in
	PublicHost     string   // web.server.host; empty when the host of the request stands in links
	OwnHosts       []string // names in virtual.hosts.valid.hosts, without patterns
	// Identity gives the name of this installation that never changes, which ids in feeds are made of.
	Identity func(ctx context.Context) (string, error)
	Now      func() time.Time // decides how long wrong passwords count; nil = time.Now
}

// Handler answers visitors.
type Handler struct {
	opt        Options
	tmpl       func(*lang.Words) *template.Template
	pages      *cache.Region[*httpd.Cached]
	maps       *cache.Region[*httpd.Cached] // files of site maps, which are large
	misses     *cache.Region[missed]
	mapping    chan struct{} // full while a file of a site map is made
	mapWaiting chan struct{}
	searching  [3]chan struct{} // places of searches that run: of guests, of people who are signed in, of suggestions
}

// New makes the handler.
func New(o Options) (*Handler, error) {
	if o.Portal == nil || o.Cache == nil || o.Users == nil || o.Sites == nil || o.Pages == nil || o.Content == nil ||
		o.Render == nil ||
		o.Assets == nil || o.Files == nil || o.Identity == nil {
		return nil,
			errors.New("web: Portal, Cache, Users, Sites, Pages, Content, Files, Render, Assets and Identity are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	// As requests carry host names.
	o.PublicHost = strings.Trim(strings.TrimSuffix(strings.ToLower(o.PublicHost), "."), "[]")
	t, err := lang.Each(func(w *lang.Words) (*template.Template, error) { return screens(o.Assets, w) })
	if err != nil {
		return nil, fmt.Errorf("web: templates: %w", err)
	}
	size := func(c *httpd.Cached) int { return c.Size() + 300 }
	pages := cache.NewRegion(o.Cache, cache.RegionOptions{Name: "page-cache", StaleForGuests: true}, size,
		cache.Codec[*httpd.Cached]{Encode: (*httpd.Cached).MarshalBinary, Decode: httpd.ParseCached})
	return &Handler{opt: o, tmpl: t, pages: pages,
		maps: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "site-map", StaleForGuests: true, MaxBytes: maxMaps},
			size),
		misses: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "missing", StaleForGuests: true,
			MaxBytes: maxMissing},
			func(m missed) int { return 150 + len(m.To) + len(m.Key) }),
		mapping: make(chan struct{}, 1), mapWaiting: make(chan struct{}, maxMapWaiters),
		searching: [3]chan struct{}{make(chan struct{}, searchPlaces), make(chan struct{}, searchPlaces),
			make(chan struct{}, searchPlaces)}}, nil
}

// screens reads the package's own templates, whose words are those of one language.
func screens(a *look.Assets, words *lang.Words) (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"icon":  a.Icon,
		"asset": a.URL,
		"word":  words.Word,
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).ParseFS(templates, "templates/*.html")
}

// visit is what is known about a request once host, language and person are.
type visit struct {
	portal.Visit
	verify  func(msg, sig []byte) bool
	article *content.Article  // the one that is shown, once it is found
	keys    map[string]string // what the visitor has unlocked; never set while a page for the cache is made
}

type visitKey struct{}

// word gives one of the portal's own words in the language of the visit.
func (v *visit) word(key string, args ...any) string { return lang.In(v.Locale).Word(key, args...) }

func visitOf(r *http.Request) *visit {
	v, _ := r.Context().Value(visitKey{}).(*visit)
	return v
}

// Routes is the site map of the portal: the visitors' addresses and those that mounts add. The second value gives all
// patterns.
func (h *Handler) Routes(mounts ...func(mux httpd.Registrar)) (http.Handler, []string) {
	mux := &httpd.Mux{}
	mux.Handle("GET "+look.Prefix, h.opt.Assets)
	for pattern, fn := range map[string]httpd.HandlerFunc{
		"GET /sign-in": h.signInForm, "POST /sign-in": h.signIn, "POST /sign-out": h.signOut,
		"GET /account": h.account, "POST /account/password": h.changePassword, "POST /account/sessions/{id}/end": h.endSession,
		"GET /account/setup": h.setupForm, "POST /account/setup": h.setup,
		"GET /account/forgot": h.forgotForm, "POST /account/forgot": h.forgot,
		"GET /account/reset": h.resetForm, "POST /account/reset": h.reset,
		"POST /unlock":                       h.unlock,
		"GET /w/preview/{id}":                h.preview,
		"GET /robots.txt":                    h.robots,
		"GET /documents/{site}/{name}/{key}": h.file,
		"GET /site-style/{site}/{name}":      h.style,
	} {
		mux.Handle(pattern, h.identify(httpd.Handle(fn)))
	}
	for pattern, fn := range h.factorRoutes() {
		mux.Handle(pattern, h.identify(httpd.Handle(fn)))
	}
	for from, to := range map[string]string{"/c/portal/login": "/sign-in", "/group/control_panel": "/control/"} {
		mux.Handle("GET "+from, http.RedirectHandler(to, http.StatusMovedPermanently))
	}
	mux.Handle("GET /favicon.ico", http.RedirectHandler(h.opt.Assets.URL("favicon.svg"), http.StatusFound)) // who asks without having seen a page
	mux.Handle("GET /{path...}", h.visitor(h.identify(httpd.Handle(h.view))))
	inner := &httpd.Mux{}
	for _, m := range mounts {
		m(inner)
	}
	for _, pattern := range []string{"GET /control", "GET /control/", "POST /control/"} {
		mux.Handle(pattern, h.identify(inner))
	}
	return h.serveCached(h.opt.Portal.CatchUp(httpd.Compress(mux))), append(mux.Patterns(), inner.Patterns()...)
}

// identify finds out which site is asked for and who asks, and puts both into the context.
func (h *Handler) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stale := portal.StalenessOf(r); stale != nil {
			httpd.Error(w, r, stale.Err)
			return
		}
		found, ctx, err := h.opt.Portal.Identify(w, r)
		if err != nil {
			httpd.Error(w, r.WithContext(ctx), err)
			return
		}
		v := &visit{Visit: found, keys: keysOf(r), verify: h.verifier(r.Context())}
		ctx = context.WithValue(ctx, visitKey{}, v)
		if v.Session.Limited && !forFactors(r.URL.Path) {
			onlyFactors(w, r.WithContext(ctx))
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// screen is what the package's own templates are given: their data, and the words and dates of the visit.
type screen struct {
	View any
	Home string // address of the home page

	locale stoa.Locale
	zone   *time.Location
}

// Word gives one of the portal's own words in the language of the visit.
func (s screen) Word(english string, args ...any) string {
	return lang.In(s.locale).Word(english, args...)
}

// Language and RTL are what the element html says of the page.
func (s screen) Language() string { return s.locale.Language() }
func (s screen) RTL() bool        { return s.locale.RTL() }

// Day writes the day of a time, Moment with hours and minutes, in the time zone of the instance.
func (s screen) Day(t time.Time) string { return lang.Date(s.locale, t.In(s.zone)) }

// Moment writes a time to the minute.
func (s screen) Moment(t time.Time) string { return lang.Moment(s.locale, t.In(s.zone)) }

// inner runs one of the package's own templates, whose result stands in the middle of the theme.
func (h *Handler) inner(v *visit, name string, data any) (template.HTML, error) {
	var b strings.Builder
	if err := h.tmpl(lang.In(v.Locale)).ExecuteTemplate(&b, name,
		screen{View: data, Home: v.Prefix + "/", locale: v.Locale, zone: v.Instance.Zone()}); err != nil {
		return "", fmt.Errorf("web: template %s: %w", name, err)
	}
	return template.HTML(b.String()), nil
}

// framed shows one of the package's own screens in the face of the site.
func (h *Handler) framed(w http.ResponseWriter, r *http.Request, status int, title, name string, data any) error {
	v := visitOf(r)
	body, err := h.inner(v, name, data)
	if err != nil {
		return err
	}
	out, err := h.opt.Render.Page(r.Context(),
		render.Input{Instance: v.Instance, Site: v.Site, Locale: v.Locale, Prefix: v.Prefix,
			Actor: stoa.ActorFrom(r.Context()),
			Query: r.URL.Query(), Path: v.Path, Title: v.word(title), Content: body, NoIndex: true, Screen: true,
			Bare: inPlace(r)})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "60")
	}
	w.WriteHeader(status)
	_, _ = w.Write(out.HTML) // a visitor who went away does not want it
	return nil
}

// ErrorPage shows an error with the face of the site, or plainly when the site cannot be shown either.
func (h *Handler) ErrorPage(w http.ResponseWriter, r *http.Request, status int, message string, retry bool) {
	if status == http.StatusUnauthorized && r.Method == http.MethodGet {
		http.Redirect(w, r, "/sign-in?next="+template.URLQueryEscaper(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	if w.Header().Get(httpd.ConfirmHeader) != "" && h.showConfirm(w, r, status, message) {
		return
	}
	var title string
	title, message = errorWords(status, message)
	form := kept(r, status)
	if form != nil {
		title, message = form.title(), form.message()
	}
	data := map[string]any{"Status": status, "Title": title, "Message": lang.Sentence(message), "Again": "", "Kept": form}
	if retry && r.Method == http.MethodGet {
		data["Again"] = nextPath(r.URL.RequestURI())
	}
	// where the site cannot be found, that is all there is
	locale := lang.Accepted(r.Header.Get("Accept-Language")).Locale()
	if v := visitOf(r); v != nil {
		if status == http.StatusNotFound && r.Method == http.MethodGet && h.begin(r.Context(), v, data) {
			title = data["Title"].(string)
		}
		if err := h.framed(w, r, status, title, "error.html", data); err == nil {
			return
		}
		locale = v.Locale
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// a visitor who went away does not want it
	_ = h.tmpl(lang.In(locale)).ExecuteTemplate(w, "plain-error.html", screen{View: data, Home: "/", locale: locale})
}

// errorWords are the title of an error and what is said of it, in English.
func errorWords(status int, message string) (title, said string) {
	titles := map[int]string{404: "This page does not exist", 410: "This page has been removed",
		403: "This page is not open to you",
		500: "Something went wrong", 503: "The portal cannot answer just now",
		429: "Too many tries", 409: "Another person was first", 413: "That was too large",
		422: "Something in the form is not right", 401: "Please sign in"}
	title = titles[status]
	if title == "" {
		title = http.StatusText(status)
	}
	switch status { // what was looked for inside, and which part is away, is of no use to a visitor
	case http.StatusNotFound:
		message = "It may have been moved or taken away, or the address has a typing error."
	case http.StatusGone:
		message = "What was here is there no more."
	case http.StatusServiceUnavailable:
		message = "Please try again in a moment."
	}
	return title, message
}
