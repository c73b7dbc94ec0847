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
	origin    string // scheme, host and port of the main host, as far as this request tells
}

// passkeys finds out what is offered to the visitor.
func (h *Handler) passkeys(r *http.Request) passkeys {
	host, err := h.mainHost(r.Context(), visitOf(r).instance)
	if err != nil {
		if !stoa.Is(err, stoa.KindUnavailable) && !errors.Is(err, context.Canceled) {
			h.opt.Logger.WarnContext(r.Context(), "which host passkeys belong to cannot be found out", "error", err)
		}
		return passkeys{Reason: lang.Word("factors.host-unknown")}
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); host == "" || err == nil {
		return passkeys{Reason: lang.Word("factors.needs-name")}
	}
	p := passkeys{Host: host, Here: httpd.Host(r) == host}
	u, err := url.Parse(httpd.Origin(r))
	if err != nil {
		return passkeys{Reason: lang.Word("factors.host-unknown")}
	}
	if u.Host = host; httpd.Host(r) == host || host == "localhost" {
		u.Host = hostPort(host, httpd.Port(r), u.Scheme == "https")
	} else if port := portOf(httpd.Origin(r)); port != 0 {
		u.Host = hostPort(host, port, u.Scheme == "https")
	}
	p.origin = u.Scheme + "://" + u.Host
	if u.Scheme != "https" && host != "localhost" {
		return passkeys{Host: host, Reason: lang.Word("factors.needs-https", host)}
	}
	p.Elsewhere = !p.Here
	return p
}

func portOf(origin string) int {
	u, err := url.Parse(origin)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return 0
	}
	return port
}

func hostPort(host string, port int, https bool) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == 0 || https && port == 443 || !https && port == 80 {
		return host
	}
	return host + ":" + strconv.Itoa(port)
}

// visited is the origin under which the browser knows this host.
func visited(r *http.Request) string {
	scheme := "http"
	if httpd.Secure(r) {
		scheme = "https"
	}
	return scheme + "://" + hostPort(httpd.Host(r), httpd.Port(r), scheme == "https")
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

// party is the portal as the authenticators of the main host know it. It refuses elsewhere.
func (h *Handler) party(r *http.Request) (user.Party, error) {
	p := h.passkeys(r)
	if !p.Here || p.Reason != "" {
		reason := p.Reason
		if reason == "" {
			reason = lang.Word("factors.only-at", p.Host)
		}
		return user.Party{}, &stoa.Error{Kind: stoa.KindConflict, Message: reason}
	}
	origins := []string{p.origin}
	if v := visited(r); v != p.origin && (strings.HasPrefix(v, "https://") || p.Host == "localhost") {
		origins = append(origins, v)
	}
	return user.Party{Host: p.Host, Name: visitOf(r).instance.Name, Origins: origins}, nil
}

// ownOrigin reports whether the host of the request is one of this instance that leads to a site, or this very
// machine: only there a sign-in of the main host goes on. The requester chooses the header Host.
func (h *Handler) ownOrigin(r *http.Request) (bool, error) {
	host := httpd.Host(r)
	if host == "localhost" || slices.Contains(h.opt.OwnHosts, host) ||
		h.opt.PublicHost != "" && host == h.opt.PublicHost {
		return true, nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ip.IsLoopback(), nil
	}
	return h.opt.Sites.KnownHost(r.Context(), host) // Resolve led the same name to this instance
}

// elsewhere leads to the main host, where passkeys are, and notes the way back.
func (h *Handler) elsewhere(w http.ResponseWriter, r *http.Request) error {
	if h.opt.SignInDisabled {
		return signInOff()
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
		visitOf(r).instance.ID,
		user.Away{
			Origin:   visited(r),
			Next:     next,
			Remember: r.URL.Query().Get("remember") != "" && !h.opt.NoRemember,
		},
		secret,
		h.browser(r),
	)
	if err != nil {
		return err
	}
	http.SetCookie(w, h.cookie(r, awayCookie, secret, h.opt.Now().Add(10*time.Minute)))
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, p.origin+"/sign-in/passkey?"+url.Values{"away": {token}}.Encode(), http.StatusSeeOther)
	return nil
}

type passkeyForm struct {
	peopleForm
	Away string // token of a visitor who came from another host
	To   string // that host, or the address that the page goes on to
	Keys passkeys
}

// passkeyForm is the page on the main host for a person who came from another one.
func (h *Handler) passkeyForm(w http.ResponseWriter, r *http.Request) error {
	token := r.URL.Query().Get("away")
	to, ok, err := h.opt.Users.ComesFrom(r.Context(), visitOf(r).instance.ID, token)
	if err != nil {
		return err
	}
	if !ok {
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return nil
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, host, _ := strings.Cut(to.Origin, "://")
	return h.framed(w, r, http.StatusOK, lang.Word("factors.passkey-sign-in"), "passkey-away.html",
		passkeyForm{Away: token, To: host, Keys: h.passkeys(r)})
}

// askPasskey gives a browser the question for a passkey of anybody.
func (h *Handler) askPasskey(w http.ResponseWriter, r *http.Request) error {
	if h.opt.SignInDisabled {
		return signInOff()
	}
	p, err := h.party(r)
	if err != nil {
		return err
	}
	return question(w)(h.opt.Users.AskPasskey(r.Context(), p, visitOf(r).instance.ID, h.browser(r)))
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
	if h.opt.SignInDisabled {
		return signInOff()
	}
	v, next, answer := visitOf(r), nextPath(r.PostForm.Get("next")), []byte(r.PostForm.Get("answer"))
	again := passkeyForm{peopleForm: peopleForm{Next: next}, Keys: h.passkeys(r)}
	p, err := h.party(r)
	if err != nil {
		return err
	}
	if away := r.PostForm.Get("away"); away != "" {
		to, ticket, err := h.opt.Users.TicketWithPasskey(r.Context(), p, v.instance.ID, away, answer)
		if err != nil {
			again.Error = message(err)
			return h.failedWith(w, r, err, lang.Word("factors.passkey-sign-in"), "passkey-away.html", again)
		}
		w.Header().Set("Referrer-Policy", "no-referrer")
		return h.framed(w, r, http.StatusOK, lang.Word("factors.passkey-sign-in"), "passkey-back.html",
			passkeyForm{To: to.Origin + "/sign-in/ticket?" + url.Values{"ticket": {ticket}}.Encode()})
	}
	c := h.browser(r)
	c.Remember = r.PostForm.Get("remember") != "" && !h.opt.NoRemember
	session, token, err := h.opt.Users.SignInWithPasskey(r.Context(), p, v.instance.ID, c, answer)
	if err != nil {
		return h.failed(w, r, err, "Sign in", "sign-in.html", peopleForm{Next: next, Keys: again.Keys})
	}
	return h.enter(w, r, session, token, next)
}

// ticket makes the session of a sign-in that was done on the main host.
func (h *Handler) ticket(w http.ResponseWriter, r *http.Request) error {
	if h.opt.SignInDisabled {
		return signInOff()
	}
	session, token, next, err := h.opt.Users.SignInWithTicket(r.Context(), visitOf(r).instance.ID, visited(r),
		h.valueOf(r, awayCookie), r.URL.Query().Get("ticket"), h.browser(r))
	if err != nil {
		return h.failed(w, r, err, "Sign in", "sign-in.html", peopleForm{Next: "/", Keys: h.passkeys(r)})
	}
	http.SetCookie(w, h.cookie(r, awayCookie, "", time.Time{}))
	w.Header().Set("Referrer-Policy", "no-referrer")
	return h.enter(w, r, session, token, nextPath(next))
}

func signInOff() error {
	return stoa.Unauthorized("signing in is off just now: the operator has switched it off")
}

// browser is what a request tells of who signs in.
func (h *Handler) browser(r *http.Request) user.Credentials {
	before, _ := h.tokens(r)
	return user.Credentials{
		Address: httpd.ClientIP(r),
		Agent:   r.UserAgent(),
		Known:   h.valueOf(r, knownCookie),
		Before:  before,
	}
}

// enter gives the browser its new session and goes on.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, s user.Session, token, next string) error {
	h.giveSession(w, r, token, s)
	h.giveKnown(w, r, s.User)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}
