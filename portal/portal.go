// Package portal finds actor, site and language of each request, once for all that answer requests: visitors' pages,
// the control panel, REST. It keeps the cookies of sessions, and lets a request wait until this node has applied the
// writes that the request has seen elsewhere.
package portal

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// Options are what requests are looked up with. Access, Cache, Sites and Users are required.
type Options struct {
	Access         *access.Service
	Cache          *cache.Cache
	Sites          *site.Service
	Users          *user.Service
	Log            *change.Log   // nil: requests wait for no writes, and are told of none
	CookieDomain   string        // session.cookie.domain
	ReadYourWrites time.Duration // how long browsers name their writes; 0 = they are not told to
	Older          func() bool   // reports whether nodes of the version before are beside; nil = none
}

// Portal looks requests up. It is safe for concurrent use.
type Portal struct{ o Options }

// New checks the options.
func New(o Options) (*Portal, error) {
	if o.Access == nil || o.Cache == nil || o.Sites == nil || o.Users == nil {
		return nil, errors.New("portal: Options.Access, Cache, Sites and Users are required")
	}
	return &Portal{o}, nil
}

// Visit is what is known about a request once host, language and person are.
type Visit struct {
	Instance site.Instance
	Site     site.Site
	Locale   stoa.Locale
	Path     string // below site and language, "/" at least
	Prefix   string // what stands before Path in links: "", "/de", "/web/intranet", "/web/intranet/de"
	Session  user.Session
	SignedIn bool
}

// SiteOf gives the site that the host of the request leads to.
func (p *Portal) SiteOf(r *http.Request) (site.Instance, site.Site, error) {
	return p.o.Sites.Resolve(r.Context(), httpd.Host(r))
}

// Identify finds the site and the actor of a request. The context that it returns carries actor and locale. What is
// known stands in v also when it returns an error; of a session that has ended it takes away the cookie.
func (p *Portal) Identify(w http.ResponseWriter, r *http.Request) (v Visit, ctx context.Context, err error) {
	ctx = p.o.Cache.Arrived(r.Context())
	tokens, bare := p.Tokens(r)
	if len(tokens) == 0 {
		ctx = cache.StaleOK(ctx)
	}
	if v.Instance, v.Site, err = p.o.Sites.Resolve(ctx, httpd.Host(r)); err != nil {
		return v, ctx, err
	}
	actor := stoa.Actor{}
	if len(tokens) > 0 {
		actor, v.Session, v.SignedIn, err = p.authenticate(w, r.WithContext(ctx), v.Instance.ID, tokens[0], bare)
		if err != nil {
			return v, ctx, err
		}
	}
	if !v.SignedIn {
		if actor, err = p.o.Access.GuestActor(ctx, v.Instance.ID); err != nil {
			return v, ctx, err
		}
	}
	ctx = stoa.WithActor(ctx, actor)
	if err := p.Split(ctx, &v, r.URL.Path); err != nil {
		return v, ctx, err
	}
	return v, stoa.WithLocale(ctx, v.Locale), nil
}

// Guest finds out what a guest asks for. What is read on the way is what the answer depends on.
func (p *Portal) Guest(ctx context.Context, r *http.Request) (v Visit, _ context.Context, err error) {
	if v.Instance, v.Site, err = p.o.Sites.Resolve(ctx, httpd.Host(r)); err != nil {
		return v, ctx, err
	}
	guest, err := p.o.Access.GuestActor(ctx, v.Instance.ID)
	if err != nil {
		return v, ctx, err
	}
	ctx = stoa.WithActor(ctx, guest)
	if err := p.Split(ctx, &v, r.URL.Path); err != nil {
		return v, ctx, err
	}
	return v, stoa.WithLocale(ctx, v.Locale), nil
}

// Split takes /web/<site> and the language off the front of a path.
func (p *Portal) Split(ctx context.Context, v *Visit, path string) error {
	v.Path = path
	if rest, ok := strings.CutPrefix(path, "/web/"); ok {
		slug, rest, _ := strings.Cut(rest, "/")
		st, err := p.o.Sites.BySlug(ctx, v.Instance.ID, slug)
		if err != nil {
			return err
		}
		if st.ID != v.Site.ID {
			v.Prefix = "/web/" + slug
		}
		v.Site, v.Path = st, "/"+rest
	}
	v.Locale = v.Site.Locale
	first, rest, _ := strings.Cut(strings.TrimPrefix(v.Path, "/"), "/")
	if len(first) >= 2 && len(first) <= 10 {
		if l, err := stoa.ParseLocale(first); err == nil && l != v.Site.Locale && v.Site.Has(l) && string(l) == first {
			v.Locale, v.Prefix, v.Path = l, v.Prefix+"/"+first, "/"+rest
		}
	}
	return nil
}
