package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// awayCookie keeps, in the browser and for a host, the secret of a sign-in that is under way on the main host.
const awayCookie = "stoa_away"

// passkeys says whether passkeys can be used where the visitor is. They belong to one host, as browsers want it.
type passkeys struct {
	Here      bool   // they can be used on this page
	Elsewhere bool   // on the main host, to which /sign-in/elsewhere leads
	Host      string // the main host
	Reason    string // why they are not offered, in words; empty when they are
	origin    string // scheme, host and port of the main host
	back      string // the same of the host where the visitor is
}

// passkeys finds out what is offered to the visitor. Of the request it believes no more than the host, and that only
// where the caller has found it to be the portal's: scheme and port are those of the settings.
func (h *Handler) passkeys(r *http.Request) passkeys {
	host, err := h.mainHost(r.Context(), visitOf(r).Instance)
	if err != nil {
		if !stoa.Is(err, stoa.KindUnavailable) && !errors.Is(err, context.Canceled) {
			h.opt.Logger.WarnContext(r.Context(), "which host passkeys belong to cannot be found out", "error", err)
		}
		return passkeys{Reason: lang.From(r.Context()).Word("factors.host-unknown")}
	}
	visited := httpd.Host(r)
	_, err = netip.ParseAddr(strings.Trim(host, "[]"))
	if host == "" || err == nil || host == "localhost" && !isLoopback(visited) {
		return passkeys{Reason: lang.From(r.Context()).Word("factors.needs-name"), back: httpd.SettledAt(r, visited)}
	}
	p := passkeys{Host: host, Here: visited == host, origin: httpd.SettledAt(r, host),
		back: httpd.SettledAt(r, visited)}
	if host == "localhost" && httpd.ClientIP(r).IsLoopback() {
		// A portal without a name, asked by its own machine: there any port may lead to it, and cookies go to all.
		p.origin, p.back = visitedAt(r, host), visitedAt(r, visited)
	}
	switch {
	case host != "localhost" && (!httpd.Secure(r) || !strings.HasPrefix(p.origin, "https://")):
		p.Here, p.Reason = false, lang.From(r.Context()).Word("factors.needs-https", host)
	case p.Here && !mayBe(r, p.origin):
		p.Here, p.Reason = false, lang.From(r.Context()).Word("factors.needs-origin", p.origin)
	case !p.Here:
		p.Elsewhere = true
	}
	return p
}

// mayBe reports whether the browser that sends the request may be at the origin: a proxy need not tell the port.
func mayBe(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != httpd.Scheme(r) {
		return false
	}
	standard := "80"
	if u.Scheme == "https" {
		standard = "443"
	}
	at := strconv.Itoa(httpd.Port(r))
	return at == standard || at == u.Port()
}

// isLoopback reports whether a host of a request is this very machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// visitedAt is where the request says that its browser is, with the host given.
func visitedAt(r *http.Request, host string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port, secure := httpd.Port(r), httpd.Secure(r)
	if secure && port != 443 || !secure && port != 80 {
		host += ":" + strconv.Itoa(port)
	}
	return httpd.Scheme(r) + "://" + host
}

// mainHost is the host that the passkeys of the instance belong to: web.server.host for the default instance;
// else the one that there are passkeys for, while it leads to the instance; else the first of its names.
func (h *Handler) mainHost(ctx context.Context, inst site.Instance) (string, error) {
	if h.opt.PublicHost != "" {
		first, _, err := h.opt.Sites.Resolve(ctx, "")
		if err != nil {
			return "", err
		}
		if first.ID == inst.ID {
			return h.opt.PublicHost, nil
		}
	}
	name, err := h.opt.Sites.MainHost(ctx, inst.ID)
	if err != nil {
		return "", err
	}
	used, err := h.opt.Users.PasskeyHost(ctx, inst.ID)
	if err != nil || used == "" || used == "localhost" {
		return name, err
	}
	if leads, _, err := h.opt.Sites.Resolve(ctx, used); err == nil && leads.ID == inst.ID {
		return used, nil
	}
	return name, nil
}

// party is the portal as the authenticators of the main host know it. It refuses elsewhere, and what came in the clear
// where HTTPS alone is set.
func (h *Handler) party(r *http.Request) (user.Party, error) {
	if err := onlySecure(r); err != nil {
		return user.Party{}, err
	}
	p := h.passkeys(r)
	if !p.Here || p.Reason != "" {
		reason := p.Reason
		if reason == "" {
			reason = lang.From(r.Context()).Word("factors.only-at", p.Host)
		}
		return user.Party{}, &stoa.Error{Kind: stoa.KindConflict, Message: reason}
	}
	return user.Party{Host: p.Host, Name: visitOf(r).Instance.Name, Origins: []string{p.origin}}, nil
}

// ownOrigin reports whether the host of the request is one of this instance that leads to a site, or this very
// machine: only there a sign-in of the main host goes on. The requester chooses the header Host.
func (h *Handler) ownOrigin(r *http.Request) (bool, error) {
	host := httpd.Host(r)
	if isLoopback(host) {
		return httpd.ClientIP(r).IsLoopback(), nil // others have a localhost of their own
	}
	if slices.Contains(h.opt.OwnHosts, host) || h.opt.PublicHost != "" && host == h.opt.PublicHost {
		return true, nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return false, nil
	}
	return h.opt.Sites.KnownHost(r.Context(), host) // Resolve led the same name to this instance
}

// elsewhere leads to the main host, where passkeys are, and notes the way back.
func (h *Handler) elsewhere(w http.ResponseWriter, r *http.Request) error {
	if h.opt.SignInDisabled {
		return signInOff()
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	p, next := h.passkeys(r), nextPath(r.URL.Query().Get("next"))
	if !p.Elsewhere {
		http.Redirect(w, r, "/sign-in?"+url.Values{"next": {next}}.Encode(), http.StatusSeeOther)
		return nil
	}
	own, err := h.ownOrigin(r)
	if err != nil {
		return err
	}
	if !own { // there is no way back to a host that has no site
		http.Redirect(w, r, p.origin+"/sign-in?"+url.Values{"next": {next}}.Encode(), http.StatusSeeOther)
		return nil
	}
	secret := randomText()
	token, err := h.opt.Users.LeaveFor(
		r.Context(),
		visitOf(r).Instance.ID,
		user.Away{
			Origin:   p.back,
			Next:     next,
			Remember: r.URL.Query().Get("remember") != "" && !h.opt.NoRemember,
		},
		secret,
		h.browser(r),
	)
	if err != nil {
		return err
	}
	http.SetCookie(w, h.opt.Portal.Cookie(r, awayCookie, secret, h.opt.Now().Add(10*time.Minute)))
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, p.origin+"/sign-in/passkey?"+url.Values{"away": {token}}.Encode(), http.StatusSeeOther)
	return nil
}

type passkeyForm struct {
	accountForm
	Away string // token of a visitor who came from another host
	To   string // that host, or the address that the page goes on to
	Keys passkeys
}

// passkeyForm is the page on the main host for a person who came from another one.
func (h *Handler) passkeyForm(w http.ResponseWriter, r *http.Request) error {
	token := r.URL.Query().Get("away")
	to, ok, err := h.opt.Users.ComesFrom(r.Context(), visitOf(r).Instance.ID, token)
	if err != nil {
		return err
	}
	if !ok {
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return nil
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, host, _ := strings.Cut(to.Origin, "://")
	return h.framed(w, r, http.StatusOK, lang.From(r.Context()).Word("factors.passkey-sign-in"), "passkey-away.html",
		passkeyForm{Away: token, To: host, Keys: h.passkeys(r)})
}

// askPasskey gives a browser the question for a passkey of any account.
func (h *Handler) askPasskey(w http.ResponseWriter, r *http.Request) error {
	if h.opt.SignInDisabled {
		return signInOff()
	}
	p, err := h.party(r)
	if err != nil {
		return err
	}
	return question(w)(h.opt.Users.AskPasskey(r.Context(), p, visitOf(r).Instance.ID, h.browser(r)))
}

// question answers a script with the JSON of WebAuthn.
func question(w http.ResponseWriter) func(text []byte, err error) error {
	return func(text []byte, err error) error {
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(text) // a visitor who went away does not want it
		return nil
	}
}

// passkeySignIn takes the answer: it makes a session here, or a ticket for the host that the visitor came from.
func (h *Handler) passkeySignIn(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	if h.opt.SignInDisabled {
		return signInOff()
	}
	v, next, answer := visitOf(r), nextPath(r.PostForm.Get("next")), []byte(r.PostForm.Get("answer"))
	again := passkeyForm{accountForm: accountForm{Next: next}, Keys: h.passkeys(r)}
	p, err := h.party(r)
	if err != nil {
		return err
	}
	if away := r.PostForm.Get("away"); away != "" {
		to, ticket, err := h.opt.Users.TicketWithPasskey(r.Context(), p, v.Instance.ID, away, answer)
		if err != nil {
			again.Error = message(r, err)
			return h.failedWith(w, r, err, lang.From(r.Context()).Word("factors.passkey-sign-in"), "passkey-away.html", again)
		}
		w.Header().Set("Referrer-Policy", "no-referrer")
		return h.framed(w, r, http.StatusOK, lang.From(r.Context()).Word("factors.passkey-sign-in"), "passkey-back.html",
			passkeyForm{To: to.Origin + "/sign-in/ticket?" + url.Values{"ticket": {ticket}}.Encode()})
	}
	c := h.browser(r)
	c.Remember = r.PostForm.Get("remember") != "" && !h.opt.NoRemember
	session, token, err := h.opt.Users.SignInWithPasskey(r.Context(), p, v.Instance.ID, c, answer)
	if err != nil {
		return h.failed(w, r, err, "Sign in", "sign-in.html", accountForm{Next: next, Keys: again.Keys})
	}
	return h.enter(w, r, session, token, next)
}

// ticket makes the session of a sign-in that was done on the main host.
func (h *Handler) ticket(w http.ResponseWriter, r *http.Request) error {
	if h.opt.SignInDisabled {
		return signInOff()
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	session, token, next, err := h.opt.Users.SignInWithTicket(r.Context(), visitOf(r).Instance.ID, h.passkeys(r).back,
		h.opt.Portal.ValueOf(r, awayCookie), r.URL.Query().Get("ticket"), h.browser(r))
	if err != nil {
		return h.failed(w, r, err, "Sign in", "sign-in.html", accountForm{Next: "/", Keys: h.passkeys(r)})
	}
	http.SetCookie(w, h.opt.Portal.Cookie(r, awayCookie, "", time.Time{}))
	w.Header().Set("Referrer-Policy", "no-referrer")
	return h.enter(w, r, session, token, nextPath(next))
}

func signInOff() error {
	return stoa.Unauthorized("signing in is off just now: the operator has switched it off")
}

// browser is what a request tells of who signs in.
func (h *Handler) browser(r *http.Request) user.Credentials {
	before, _ := h.opt.Portal.Tokens(r)
	return user.Credentials{
		Address: httpd.ClientIP(r),
		Agent:   r.UserAgent(),
		Known:   h.opt.Portal.ValueOf(r, knownCookie),
		Before:  before,
	}
}

// enter gives the browser its new session and goes on.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, s user.Session, token, next string) error {
	h.opt.Portal.GiveSession(w, r, token, s)
	h.giveKnown(w, r, s.User)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}
