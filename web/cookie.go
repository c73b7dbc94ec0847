package web

import (
	"net/http"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/user"
)

// Names of cookies. Over HTTPS they are written with hostPrefix in front: browsers then take them from this very host
// over HTTPS only, so that neither a neighbour of the domain nor a listener on the wire can plant one (RFC 6265bis,
// 4.1.3.2). Over plain HTTP, and where session.cookie.domain is set, they have no prefix.
const (
	sessionCookie = "stoa_session" // the token of a session; its value is only ever compared by hash
	knownCookie   = "stoa_known"   // the accounts that this browser is known for
	hostPrefix    = "__Host-"
)

// knownFor is how long a browser is known after the last sign-in: as long as the signature may be valid.
const knownFor = 180 * 24 * time.Hour

// prefixed reports whether cookies for the request have the prefix.
func (h *Handler) prefixed(r *http.Request) bool { return httpd.Secure(r) && h.opt.CookieDomain == "" }

// cookie is one of the cookies as the request needs it; without a value it takes away the one that is there.
func (h *Handler) cookie(r *http.Request, name, value string, expires time.Time) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Domain: h.opt.CookieDomain, HttpOnly: true,
		Secure: httpd.Secure(r), SameSite: http.SameSiteLaxMode, Expires: expires}
	if h.prefixed(r) {
		c.Name = hostPrefix + name
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// valueOf gives the value of a cookie under the name that counts for the request.
func (h *Handler) valueOf(r *http.Request, name string) string {
	if h.prefixed(r) {
		name = hostPrefix + name
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// tokens gives the tokens of sessions that the browser sends, the one that counts first. bare says that this one came
// over HTTPS without the prefix: then it counts only if a node of the version before gave it.
func (h *Handler) tokens(r *http.Request) (all []string, bare bool) {
	if v := h.valueOf(r, sessionCookie); v != "" {
		all = append(all, v)
	}
	if h.prefixed(r) {
		if c, err := r.Cookie(sessionCookie); err == nil && c.Value != "" {
			bare = len(all) == 0
			all = append(all, c.Value)
		}
	}
	return all, bare
}

// authenticate gives who sends the request; signed is false for a guest, and for a person of another instance.
func (h *Handler) authenticate(w http.ResponseWriter, r *http.Request, instance stoa.ID, token string, bare bool) (
	actor stoa.Actor, session user.Session, signed bool, err error) {
	actor, session, err = h.opt.Users.Authenticate(r.Context(), token)
	switch {
	case err == nil && bare && !session.Ends.IsZero():
		return actor, user.Session{}, false, nil // given over plain HTTP, where it goes on to count
	case err == nil && actor.Instance == instance:
		return actor, session, true, nil
	case err == nil, stoa.Is(err, stoa.KindUnauthorized), stoa.Is(err, stoa.KindNotFound):
		h.dropSession(w, r)
		return actor, user.Session{}, false, nil
	}
	return actor, user.Session{}, false, err
}

// giveSession writes the cookie of a new session; without remember the browser keeps it until it is closed.
func (h *Handler) giveSession(w http.ResponseWriter, r *http.Request, token string, s user.Session) {
	var expires time.Time
	if s.Remember {
		expires = s.Expires
	}
	c := h.cookie(r, sessionCookie, token, expires)
	http.SetCookie(w, c)
	if c.Name == sessionCookie {
		return
	}
	if h.opt.Older != nil && h.opt.Older() { // a node of the version before knows the bare name only
		c.Name = sessionCookie
		http.SetCookie(w, c)
		return
	}
	h.dropBare(w, r)
}

// dropSession takes away the cookies of sessions that the browser sends.
func (h *Handler) dropSession(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, h.cookie(r, sessionCookie, "", time.Time{}))
	if h.prefixed(r) {
		h.dropBare(w, r)
	}
}

// dropBare takes away a cookie without the prefix, if there is one.
func (h *Handler) dropBare(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(sessionCookie); err == nil {
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", HttpOnly: true, Secure: true, MaxAge: -1,
			SameSite: http.SameSiteLaxMode})
	}
}

// giveKnown makes the browser known for the account. Without it the person is merely a stranger at the next sign-in.
func (h *Handler) giveKnown(w http.ResponseWriter, r *http.Request, id stoa.ID) {
	value, err := h.opt.Users.KnownBrowser(r.Context(), id, h.valueOf(r, knownCookie))
	if err != nil {
		h.opt.Logger.WarnContext(r.Context(), "the browser of a person who signed in cannot be known", "error", err)
		return
	}
	http.SetCookie(w, h.cookie(r, knownCookie, value, h.opt.Now().Add(knownFor)))
}

// onlySecure refuses to take a password in the clear where the settings say that visitors use HTTPS.
func onlySecure(r *http.Request) error {
	if httpd.MustBeSecure(r) {
		return stoa.Forbidden("this portal takes passwords over HTTPS only, and this request came in the clear as far as " +
			"it can tell: for the operator, a proxy that encrypts has to be in web.server.trusted.proxies and say so " +
			"(web.server.forwarded.protocol.enabled=true)")
	}
	return nil
}
