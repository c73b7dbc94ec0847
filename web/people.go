package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/user"
)

// formLimit is how large the small forms of this file may be, in bytes.
const formLimit = 64 << 10

// form reads a small form.
func form(r *http.Request) error {
	httpd.LimitBody(r, formLimit)
	return httpd.ReadForm(r)
}

// nextPath is where to go after signing in: a path of this portal and nothing else.
func nextPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") ||
		strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	return s
}

type accountForm struct {
	Title, Error, Field, Notice string
	Login, Next, Token, Email   string
	Remembers                   bool
	MinPassword                 int
	Keys                        passkeys
}

func (h *Handler) failed(w http.ResponseWriter, r *http.Request, err error, title, name string, f accountForm) error {
	kind := stoa.KindOf(err)
	status := map[stoa.Kind]int{stoa.KindInvalid: 422, stoa.KindUnauthorized: 401, stoa.KindTooMany: 429, stoa.KindNotFound: 404, stoa.KindConflict: 409}[kind]
	if status == 0 {
		return err
	}
	f.Error = message(r, err)
	waitFor(w, err)
	return h.ask(w, r, status, title, name, f)
}

// waitFor says in the header when trying again can help.
func waitFor(w http.ResponseWriter, err error) {
	var e *stoa.Error
	if errors.As(err, &e) && e.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.Wait.Seconds()))))
	}
}

// ask shows a form for people.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request, status int, title, name string, f accountForm) error {
	if name == "sign-in.html" && f.Keys.Host == "" {
		f.Keys = h.passkeys(r)
	}
	f.Remembers, f.MinPassword = !h.opt.NoRemember, h.opt.Users.MinPassword()
	return h.framed(w, r, status, title, name, f)
}

// message is the part of an error that may be shown.
func message(r *http.Request, err error) string {
	words := lang.From(r.Context())
	var e *stoa.Error
	if errors.As(err, &e) && e.Message != "" {
		return lang.Sentence(words.Error(e))
	}
	return words.Word("Something went wrong.")
}

func (h *Handler) signInForm(w http.ResponseWriter, r *http.Request) error {
	next := nextPath(r.URL.Query().Get("next"))
	if visitOf(r).SignedIn {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	return h.ask(w, r, http.StatusOK, "Sign in", "sign-in.html", accountForm{Next: next})
}

func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	v := visitOf(r)
	before, _ := h.opt.Portal.Tokens(r)
	remember := r.PostForm.Get("remember") != "" && !h.opt.NoRemember
	next := nextPath(r.PostForm.Get("next"))
	if h.opt.SignInDisabled {
		return h.failed(
			w,
			r,
			stoa.Unauthorized("signing in is off just now: the operator has switched it off"),
			"Sign in",
			"sign-in.html",
			accountForm{Login: r.PostForm.Get("login"), Next: next},
		)
	}
	session, token, err := h.opt.Users.SignIn(
		r.Context(),
		user.Credentials{Login: r.PostForm.Get("login"), Password: r.PostForm.Get("password"),
			Remember: remember, Address: httpd.ClientIP(r), Agent: r.UserAgent(),
			Known: h.opt.Portal.ValueOf(r, knownCookie), Before: before},
		v.Instance.ID,
	)
	if step := new(user.SecondStep); errors.As(err, &step) {
		return h.askSecond(w, r, *step, next)
	}
	if err != nil {
		return h.failed(w, r, err, "Sign in", "sign-in.html", accountForm{Login: r.PostForm.Get("login"), Next: next})
	}
	return h.enter(w, r, session, token, next)
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) error {
	tokens, _ := h.opt.Portal.Tokens(r)
	for _, token := range tokens {
		if err := h.opt.Users.SignOut(r.Context(), token); err != nil && !stoa.Is(err, stoa.KindUnauthorized) &&
			!stoa.Is(err, stoa.KindNotFound) {
			return err
		}
	}
	h.opt.Portal.DropSession(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

type accountView struct {
	accountForm
	User     user.User
	Sessions []sessionView
	Ways     factorsView
}

// sessionView is a session as its owner recognizes it.
type sessionView struct {
	user.Session
	Agent   string
	Current bool
}

func (h *Handler) account(w http.ResponseWriter, r *http.Request) error {
	return h.showAccount(w, r, http.StatusOK, "", "")
}

func (h *Handler) showAccount(w http.ResponseWriter, r *http.Request, status int, problem, notice string) error {
	actor := stoa.ActorFrom(r.Context())
	if !actor.SignedIn() {
		return stoa.Unauthorized("sign in to see your account")
	}
	u, err := h.opt.Users.Get(r.Context(), actor.User)
	if err != nil {
		return err
	}
	sessions, err := h.opt.Users.Sessions(r.Context(), actor.User)
	if err != nil {
		return err
	}
	view := accountView{
		accountForm: accountForm{Error: problem, Notice: notice, MinPassword: h.opt.Users.MinPassword()},
		User:        u,
	}
	if view.Ways, err = h.factorsView(r); err != nil {
		return err
	}
	for _, s := range sessions {
		view.Sessions = append(view.Sessions, sessionView{s, browserName(s.Agent), s.ID == visitOf(r).Session.ID})
	}
	return h.framed(w, r, status, "My account", "account.html", view)
}

func (h *Handler) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	actor := stoa.ActorFrom(r.Context())
	if !actor.SignedIn() {
		return stoa.Unauthorized("sign in to change your password")
	}
	if r.PostForm.Get("new") != r.PostForm.Get("again") {
		return h.showAccount(w, r, http.StatusUnprocessableEntity, "The two new passwords are not the same.", "")
	}
	err := h.opt.Users.SetPassword(r.Context(), actor.User, r.PostForm.Get("old"), r.PostForm.Get("new"))
	switch stoa.KindOf(err) {
	case stoa.KindInvalid, stoa.KindUnauthorized, stoa.KindForbidden, stoa.KindTooMany:
		return h.showAccount(w, r, http.StatusUnprocessableEntity, message(r, err), "")
	}
	if err != nil {
		return err
	}
	return h.showAccount(w, r, http.StatusOK, "", "Your password is changed. Your other sessions have ended.")
}

func (h *Handler) endSession(w http.ResponseWriter, r *http.Request) error {
	id, err := stoa.ParseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := h.opt.Users.EndSession(r.Context(), id); err != nil {
		return err
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}

func (h *Handler) setupForm(w http.ResponseWriter, r *http.Request) error {
	return h.ask(
		w,
		r,
		http.StatusOK,
		"Set your password",
		"password.html",
		accountForm{Title: "Set your password", Token: r.URL.Query().Get("token"), Next: "/account/setup"},
	)
}

func (h *Handler) resetForm(w http.ResponseWriter, r *http.Request) error {
	return h.ask(
		w,
		r,
		http.StatusOK,
		"Set a new password",
		"password.html",
		accountForm{Title: "Set a new password", Token: r.URL.Query().Get("token"), Next: "/account/reset"},
	)
}

func (h *Handler) setup(w http.ResponseWriter, r *http.Request) error {
	return h.takePassword(w, r, "Set your password", "/account/setup", h.opt.Users.UseSetup)
}

func (h *Handler) reset(w http.ResponseWriter, r *http.Request) error {
	return h.takePassword(w, r, "Set a new password", "/account/reset", h.opt.Users.ResetPassword)
}

func (h *Handler) takePassword(
	w http.ResponseWriter,
	r *http.Request,
	title, action string,
	use func(ctx context.Context, token, password string) error,
) error {
	if err := form(r); err != nil {
		return err
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	f := accountForm{Title: title, Token: r.PostForm.Get("token"), Next: action}
	if r.PostForm.Get("new") != r.PostForm.Get("again") {
		f.Error = "The two passwords are not the same."
		return h.ask(w, r, http.StatusUnprocessableEntity, title, "password.html", f)
	}
	if err := use(r.Context(), f.Token, r.PostForm.Get("new")); err != nil {
		return h.failed(w, r, err, title, "password.html", f)
	}
	return h.ask(
		w,
		r,
		http.StatusOK,
		"Sign in",
		"sign-in.html",
		accountForm{Next: "/control/", Notice: "Your password is set. Sign in with it."},
	)
}

func (h *Handler) forgotForm(w http.ResponseWriter, r *http.Request) error {
	return h.ask(w, r, http.StatusOK, "Forgot your password?", "forgot.html", accountForm{})
}

// mailOrigin is the beginning of links in mail. The requester of a link chooses the Host header, and with
// it where the link of another person would lead; so only a host is taken that the operator named, and scheme and port
// are those of the settings. This very machine is a place for the portal's own people only while it has no other name.
func (h *Handler) mailOrigin(r *http.Request) (string, error) {
	main, err := h.mainHost(r.Context(), visitOf(r).Instance)
	if err != nil {
		return "", err
	}
	host := httpd.Host(r)
	switch {
	case main != "" && main == h.opt.PublicHost:
		return httpd.SettledOrigin(r), nil
	case isLoopback(host) && main != "" && main != "localhost":
		return httpd.SettledAt(r, main), nil
	case isLoopback(host) || slices.Contains(h.opt.OwnHosts, host):
		return httpd.SettledAt(r, host), nil
	}
	known, err := h.opt.Sites.KnownHost(r.Context(), host)
	if err != nil {
		return "", err
	}
	if !known {
		return "", fmt.Errorf(
			"no link is mailed for the host %q, which no setting and no site names: set web.server.host, list it in "+
				"virtual.hosts.valid.hosts, or make it a host of a site",
			host,
		)
	}
	return httpd.SettledAt(r, host), nil
}

// forgot answers the same whether or not there is such an account, so that a visitor does not learn which addresses
// have one.
func (h *Handler) forgot(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	v := visitOf(r)
	origin, err := h.mailOrigin(r)
	if err == nil {
		err = h.opt.Users.RequestReset(r.Context(), v.Instance.ID, r.PostForm.Get("email"), origin)
	}
	switch stoa.KindOf(err) {
	case stoa.KindTooMany, stoa.KindInvalid:
		if err != nil {
			return h.failed(w, r, err, "Forgot your password?", "forgot.html", accountForm{Email: r.PostForm.Get("email")})
		}
	}
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		h.opt.Logger.Warn("a link for a new password could not be sent", "error", err)
	}
	return h.ask(
		w,
		r,
		http.StatusOK,
		"Look into your mail",
		"forgot.html",
		accountForm{Notice: "If there is an account with this address, a link is on its way."},
	)
}
