package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/user"
)

// Names of cookies. Over HTTPS they are written with hostPrefix in front: browsers then take them from this very host
// over HTTPS only, so that neither a neighbour of the domain nor a listener on the wire can plant one (RFC 6265bis,
// 4.1.3.2). Over plain HTTP, and where session.cookie.domain is set, they have no prefix.
const (
	SessionCookie = "stoa_session" // the token of a session; its value is only ever compared by hash
	OpenCookie    = "stoa_open_"   // begins the names of those that hold what a visitor has unlocked
	hostPrefix    = "__Host-"
)

// prefixed reports whether cookies for the request have the prefix.
func (p *Portal) prefixed(r *http.Request) bool { return httpd.Secure(r) && p.o.CookieDomain == "" }

// Cookie is one of the cookies as the request needs it; without a value it takes away the one that is there.
func (p *Portal) Cookie(r *http.Request, name, value string, expires time.Time) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Domain: p.o.CookieDomain, HttpOnly: true,
		Secure: httpd.Secure(r), SameSite: http.SameSiteLaxMode, Expires: expires}
	if p.prefixed(r) {
		c.Name = hostPrefix + name
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// ValueOf gives the value of a cookie under the name that counts for the request.
func (p *Portal) ValueOf(r *http.Request, name string) string {
	if p.prefixed(r) {
		name = hostPrefix + name
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// Tokens gives the tokens of sessions that the browser sends, the one that counts first. bare says that this one came
// over HTTPS without the prefix: then it counts only if a node of the version before gave it.
func (p *Portal) Tokens(r *http.Request) (all []string, bare bool) {
	if v := p.ValueOf(r, SessionCookie); v != "" {
		all = append(all, v)
	}
	if p.prefixed(r) {
		if c, err := r.Cookie(SessionCookie); err == nil && c.Value != "" {
			bare = len(all) == 0
			all = append(all, c.Value)
		}
	}
	return all, bare
}

// authenticate gives who sends the request; signed is false for a guest, and for a person of another instance.
func (p *Portal) authenticate(w http.ResponseWriter, r *http.Request, instance stoa.ID, token string, bare bool) (
	actor stoa.Actor, session user.Session, signed bool, err error) {
	actor, session, err = p.o.Users.Authenticate(r.Context(), token)
	switch {
	case err == nil && bare && !session.Ends.IsZero():
		return actor, user.Session{}, false, nil // given over plain HTTP, where it goes on to count
	case err == nil && actor.Instance == instance:
		return actor, session, true, nil
	case err == nil, stoa.Is(err, stoa.KindUnauthorized), stoa.Is(err, stoa.KindNotFound):
		p.DropSession(w, r)
		return actor, user.Session{}, false, nil
	}
	return actor, user.Session{}, false, err
}

// GiveSession writes the cookie of a new session; without remember the browser keeps it until it is closed.
func (p *Portal) GiveSession(w http.ResponseWriter, r *http.Request, token string, s user.Session) {
	var expires time.Time
	if s.Remember {
		expires = s.Expires
	}
	c := p.Cookie(r, SessionCookie, token, expires)
	http.SetCookie(w, c)
	if c.Name == SessionCookie {
		return
	}
	if p.o.Older != nil && p.o.Older() { // a node of the version before knows the bare name only
		c.Name = SessionCookie
		http.SetCookie(w, c)
		return
	}
	p.dropBare(w, r)
}

// DropSession takes away the cookies of sessions that the browser sends.
func (p *Portal) DropSession(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, p.Cookie(r, SessionCookie, "", time.Time{}))
	if p.prefixed(r) {
		p.dropBare(w, r)
	}
}

// dropBare takes away a cookie without the prefix, if there is one.
func (p *Portal) dropBare(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(SessionCookie); err == nil {
		http.SetCookie(w, &http.Cookie{Name: SessionCookie, Path: "/", HttpOnly: true, Secure: true, MaxAge: -1,
			SameSite: http.SameSiteLaxMode})
	}
}

// Anonymous reports whether the request is of a guest whose answer others may get as well: without a session, and
// without anything that the visitor has unlocked.
func Anonymous(r *http.Request) bool {
	for _, v := range r.Header["Cookie"] {
		if strings.Contains(v, SessionCookie+"=") || strings.Contains(v, OpenCookie) {
			return false
		}
	}
	return true
}
