// Package render makes the HTML of the site: the default theme around a page's sections, columns and
// widgets, or around content that a handler made. It writes no inline scripts, and inline styles only for
// Input.InlineStyle.
package render

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/widget"
)

//go:embed theme/*.html
var theme embed.FS

// Options wires a Service. Pages, Catalogue and Assets are required.
type Options struct {
	Pages     *page.Service
	Catalogue *widget.Catalogue
	Assets    *look.Assets
	Node      string        // "host:port", shown in the footer; empty: not shown
	Deadline  time.Duration // of each widget; 0 = 2 s
	Parallel  int           // widgets of one page that render at once; 0 = 8
	SignIn    string        // address; empty = "/sign-in"
	SignOut   string        // address that gets a POST to end the session; empty = "/sign-out"
	Account   string        // address; empty = "/account"
	Search    string        // address of the search below the prefix; empty: the header has no search field
	Feed      string        // address below the prefix; empty = "/feed.atom"; "-": none
	Logger    *slog.Logger
}

// Service renders. It is safe for concurrent use.
type Service struct {
	opt  Options
	tmpl *template.Template
	log  *slog.Logger

	mu     sync.Mutex // guards closed, and wg.Add against Close
	closed bool
	wg     sync.WaitGroup
}

// Input is what to render and for whom.
type Input struct {
	Instance site.Instance
	Site     site.Site
	Page     *page.Page // nil: only Content
	Locale   stoa.Locale
	Actor    stoa.Actor
	Query    url.Values
	Prefix   string // stands before addresses of the site: "", "/de", "/web/intranet/de"
	Path     string // of the request, without Prefix
	Origin   string // "https://example.org", for canonical links; empty: none are written
	CSRF     template.HTML
	Edit     bool // the page editor: marks widgets and columns
	Draft    bool // show the draft of the page, if there is one
	Unlocked bool // the visitor gave the password (page.Page.Unlock); a protected page is not shown without
	// UnlockTo is the address that the password form sends the field "password" to by POST; empty: a
	// protected page only says that it is one. WrongPassword says that the last try failed.
	UnlockTo      string
	WrongPassword bool

	Content     template.HTML // stands in the middle, above the page's own layout
	Title       string        // empty: the page's
	Description string
	Image       string // address, or key of a file
	Type        string // of Open Graph: "website" or "article"; empty = "website"
	NoIndex     bool
	InlineStyle bool      // the site's own style sheet stands in the page: the caller allows it in the policy
	Screen      bool      // one of the portal's own: sign-in, account, an error
	Bare        bool      // without header and footer: it stands inside another screen
	Published   time.Time // of an article; zero: not said
	Modified    time.Time // the same
	Author      string    // the same; a name
	Bar         *Bar      // above the site's header; nil: none
}

// Output is a finished document.
type Output struct {
	HTML    []byte
	NoStore bool // it must not be kept in a cache: something failed or is one person's
}

// New makes the service. It fails when a required option is missing or the theme is broken.
func New(o Options) (*Service, error) {
	if o.Pages == nil || o.Catalogue == nil || o.Assets == nil {
		return nil, errors.New("render: Options.Pages, Catalogue and Assets are required")
	}
	if o.Deadline <= 0 {
		o.Deadline = 2 * time.Second
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.SignIn == "" {
		o.SignIn = "/sign-in"
	}
	if o.SignOut == "" {
		o.SignOut = "/sign-out"
	}
	if o.Account == "" {
		o.Account = "/account"
	}
	if o.Feed == "" {
		o.Feed = "/feed.atom"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{opt: o, log: o.Logger}
	tmpl, err := template.New("theme").Funcs(template.FuncMap{"icon": o.Assets.Icon, "asset": o.Assets.URL, "part": worded}).ParseFS(theme, "theme/*.html")
	if err != nil {
		return nil, fmt.Errorf("render: parse the theme: %w", err)
	}
	s.tmpl = tmpl
	return s, nil
}

// Close waits for widgets that are still running after their deadline.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}

// Page renders a document for the actor in the input. Parts that fail or are late are replaced by a
// placeholder and make the output NoStore; it fails when the frame cannot be made.
func (s *Service) Page(ctx context.Context, in Input) (Output, error) {
	ctx = stoa.WithLocale(stoa.WithActor(ctx, in.Actor), in.Locale)
	v, err := s.view(ctx, in)
	if err != nil {
		return Output{}, err
	}
	noStore := in.Unlocked || in.WrongPassword
	locked := in.Page != nil && in.Page.Protected && !in.Unlocked && !in.Edit && !in.Draft
	if locked {
		v.Locked, v.UnlockTo, v.WrongPassword, v.Content, v.Description, v.Image = true, in.UnlockTo, in.WrongPassword, "", "", ""
	}
	if !locked && in.Page != nil && in.Page.Type == page.TypeWidgets {
		layout := in.Page.Layout
		if in.Draft && in.Page.Draft != nil {
			layout = *in.Page.Draft
		}
		var failed bool
		v.Sections, failed = s.grid(ctx, in, v, layout)
		v.Media = in.Edit || holds(v.Sections, `class="media`, `class="gallery`, `class="button-row`)
		if !in.Page.HideTitle && in.Content == "" && !holds(v.Sections, "<h1") {
			v.Heading, v.HeadingMark = v.info.Title, v.info.Mark()
		}
		noStore = noStore || failed
	}
	if in.Actor.SignedIn() || in.Edit || in.Draft || in.Bar != nil {
		noStore = true
	}
	if noStore {
		cache.Current(ctx).NoStore()
	}
	var b bytes.Buffer
	b.Grow(16 << 10)
	if err := s.tmpl.ExecuteTemplate(&b, "layout.html", v); err != nil {
		return Output{}, fmt.Errorf("render: %w", err)
	}
	return Output{HTML: b.Bytes(), NoStore: noStore}, nil
}
