package web

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/user"
	"rsc.io/qr"
)

// factorRoutes are the addresses of second factors and of the question who is there.
func (h *Handler) factorRoutes() map[string]httpd.HandlerFunc {
	return map[string]httpd.HandlerFunc{
		"POST /sign-in/second":      h.second,
		"GET /sign-in/elsewhere":    h.elsewhere,
		"GET /sign-in/passkey":      h.passkeyForm,
		"POST /sign-in/passkey/ask": h.askPasskey,
		"POST /sign-in/passkey":     h.passkeySignIn,
		"GET /sign-in/ticket":       h.ticket,
		"GET " + signedInPath:       h.signedIn,

		"GET /account/factors":              h.factorsPage,
		"POST /account/factors/passkey/ask": h.askNewPasskey,
		"POST /account/factors/passkey":     h.addPasskey,
		"POST /account/factors/app":         h.offerApp,
		"POST /account/factors/app/code":    h.addApp,
		"POST /account/factors/codes":       h.newCodes,
		"POST /account/factors/{id}/remove": h.removeFactor,

		"GET /account/confirm":          h.confirmPage,
		"POST /account/confirm":         h.prove,
		"POST /account/confirm/ask":     h.askProof,
		"POST /account/confirm/passkey": h.provePasskey,
	}
}

// forFactors reports whether a session that still lacks a second factor may come to the path.
func forFactors(path string) bool {
	return path == "/sign-out" || path == "/account/factors" || strings.HasPrefix(path, "/account/factors/") ||
		path == "/account/confirm" || strings.HasPrefix(path, "/account/confirm/")
}

// onlyFactors sends a session that still lacks a second factor to the screen where one is made.
func onlyFactors(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "/account/factors", http.StatusSeeOther)
		return
	}
	httpd.Error(w, r, &stoa.Error{Kind: stoa.KindForbidden, Message: lang.From(r.Context()).Word("factors.required")})
}

func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

type secondForm struct {
	accountForm
	Second user.SecondStep
	Keys   passkeys
}

// askSecond shows the second step of a sign-in.
func (h *Handler) askSecond(w http.ResponseWriter, r *http.Request, step user.SecondStep, next string) error {
	return h.framed(w, r, http.StatusOK, lang.From(r.Context()).Word("factors.second-title"), "second.html",
		secondForm{accountForm: accountForm{Next: next}, Second: step, Keys: h.passkeys(r)})
}

// second takes the code of the second step.
func (h *Handler) second(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	if h.opt.SignInDisabled {
		return signInOff()
	}
	next, step := nextPath(r.PostForm.Get("next")), r.PostForm.Get("step")
	session, token, err := h.opt.Users.FinishSignIn(r.Context(), h.browser(r), visitOf(r).Instance.ID, step,
		r.PostForm.Get("code"))
	if stoa.Is(err, stoa.KindUnauthorized) {
		return h.failed(w, r, err, "Sign in", "sign-in.html", accountForm{Next: next, Keys: h.passkeys(r)})
	}
	if err != nil {
		return h.failedWith(
			w,
			r,
			err,
			lang.From(r.Context()).Word("factors.second-title"),
			"second.html",
			secondForm{
				accountForm{Next: next, Error: message(r, err)},
				user.SecondStep{Token: step, Codes: true, Passkey: r.PostForm.Get("passkey") != ""},
				h.passkeys(r),
			},
		)
	}
	return h.enter(w, r, session, token, next)
}

// failedWith shows a form again with its error, or gives back an error that no form can explain.
func (h *Handler) failedWith(w http.ResponseWriter, r *http.Request, err error, title, name string, data any) error {
	status := map[stoa.Kind]int{stoa.KindInvalid: 422, stoa.KindUnauthorized: 401, stoa.KindTooMany: 429,
		stoa.KindConflict: 409}[stoa.KindOf(err)]
	if status == 0 {
		return err
	}
	var e *stoa.Error
	if errors.As(err, &e) && e.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.Wait.Seconds()))))
	}
	return h.framed(w, r, status, title, name, data)
}

// factorsView is the section "Ways to sign in".
type factorsView struct {
	accountForm
	Factors  user.Factors
	Keys     passkeys
	Required bool          // the session is good for nothing else yet
	Seed     user.NewSeed  // offered just now
	Picture  template.HTML // of the seed
	Codes    []string      // recovery codes that were made just now
	Name     string        // as it was typed
}

func (h *Handler) factorsView(r *http.Request) (v factorsView, err error) {
	v.Factors, err = h.opt.Users.Factors(r.Context())
	v.Keys, v.Required = h.passkeys(r), visitOf(r).Session.Limited
	return v, err
}

func (h *Handler) showFactors(w http.ResponseWriter, r *http.Request, status int, change func(v *factorsView)) error {
	v, err := h.factorsView(r)
	if err != nil {
		return err
	}
	if change != nil {
		change(&v)
	}
	return h.framed(w, r, status, lang.From(r.Context()).Word("factors.title"), "factors.html", v)
}

func (h *Handler) factorsPage(w http.ResponseWriter, r *http.Request) error {
	return h.showFactors(w, r, http.StatusOK, nil)
}

// failedFactor shows the section with what was wrong.
func (h *Handler) failedFactor(w http.ResponseWriter, r *http.Request, err error) error {
	status := map[stoa.Kind]int{stoa.KindInvalid: 422, stoa.KindTooMany: 429, stoa.KindConflict: 409}[stoa.KindOf(err)]
	if status == 0 {
		return err
	}
	return h.showFactors(w, r, status, func(v *factorsView) { v.Error = message(r, err) })
}

func (h *Handler) askNewPasskey(w http.ResponseWriter, r *http.Request) error {
	p, err := h.party(r)
	if err != nil {
		return err
	}
	return question(w)(h.opt.Users.AskNewPasskey(r.Context(), p))
}

func (h *Handler) addPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	p, err := h.party(r)
	if err != nil {
		return h.failedFactor(w, r, err)
	}
	codes, err := h.opt.Users.AddPasskey(r.Context(), p, r.PostForm.Get("name"), []byte(r.PostForm.Get("answer")))
	if err != nil {
		return h.failedFactor(w, r, err)
	}
	return h.added(w, r, codes)
}

// added shows the recovery codes that came with a factor, once.
func (h *Handler) added(w http.ResponseWriter, r *http.Request, codes []string) error {
	return h.showFactors(w, r, http.StatusOK, func(v *factorsView) {
		v.Notice, v.Codes, v.Required = lang.From(r.Context()).Word("factors.added"), codes, false
		if len(codes) > 0 { // the first one
			v.Notice = lang.From(r.Context()).Word("factors.added-first")
		}
	})
}

func (h *Handler) offerApp(w http.ResponseWriter, r *http.Request) error {
	if err := onlySecure(r); err != nil {
		return err
	}
	seed, err := h.opt.Users.OfferSeed(r.Context(), visitOf(r).Site.Name)
	if err != nil {
		return err
	}
	return h.showSeed(w, r, http.StatusOK, seed, "", "")
}

func (h *Handler) showSeed(w http.ResponseWriter, r *http.Request, status int, seed user.NewSeed,
	name, problem string) error {
	picture, err := qrPicture(seed.Address, lang.From(r.Context()).Word("factors.picture"))
	if err != nil {
		return err
	}
	return h.showFactors(w, r, status,
		func(v *factorsView) { v.Seed, v.Picture, v.Name, v.Error = seed, picture, name, problem })
}

func (h *Handler) addApp(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	step, name := r.PostForm.Get("step"), r.PostForm.Get("name")
	codes, err := h.opt.Users.AddCodes(r.Context(), step, name, r.PostForm.Get("code"))
	if stoa.Is(err, stoa.KindInvalid) {
		seed, again := h.opt.Users.OfferedSeed(r.Context(), visitOf(r).Site.Name, step)
		if again == nil {
			return h.showSeed(w, r, http.StatusUnprocessableEntity, seed, name, message(r, err))
		}
	}
	if err != nil {
		return h.failedFactor(w, r, err)
	}
	return h.added(w, r, codes)
}

func (h *Handler) newCodes(w http.ResponseWriter, r *http.Request) error {
	if err := onlySecure(r); err != nil {
		return err
	}
	codes, err := h.opt.Users.NewCodes(r.Context())
	if err != nil {
		return h.failedFactor(w, r, err)
	}
	return h.showFactors(w, r, http.StatusOK, func(v *factorsView) { v.Codes = codes })
}

func (h *Handler) removeFactor(w http.ResponseWriter, r *http.Request) error {
	id, err := stoa.ParseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := h.opt.Users.RemoveFactor(r.Context(), id); err != nil {
		return h.failedFactor(w, r, err)
	}
	http.Redirect(w, r, "/account/factors", http.StatusSeeOther)
	return nil
}

// qrPicture draws a QR code as SVG, black on white with the quiet zone of four modules that the standard wants;
// label says what it is to those who do not see it.
func qrPicture(text, label string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", err
	}
	const quiet = 4
	size := strconv.Itoa(code.Size + 2*quiet)
	var b strings.Builder
	b.WriteString(`<svg class="qr" viewBox="0 0 ` + size + ` ` + size + `" role="img" aria-label="` +
		template.HTMLEscapeString(label) + `" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h` + size + `v` + size +
		`H0z"/><path fill="#000" d="`)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				b.WriteString("M" + strconv.Itoa(x+quiet) + " " + strconv.Itoa(y+quiet) + "h1v1h-1z")
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()), nil
}

type confirmView struct {
	accountForm
	Message string
	Factors user.Factors
	Keys    passkeys
	Kept    *keptForm
	To      string // where to go on: a path, or empty for the page before
}

// showConfirm asks who is there before something dangerous, and keeps what was sent; false: it cannot ask.
func (h *Handler) showConfirm(w http.ResponseWriter, r *http.Request, status int, text string) bool {
	v := visitOf(r)
	if v == nil || !v.SignedIn {
		return false
	}
	have, err := h.opt.Users.Factors(r.Context())
	if err != nil {
		return false
	}
	view := confirmView{Message: lang.Sentence(text), Factors: have, Keys: h.passkeys(r)}
	switch {
	case r.Method == http.MethodPost:
		view.Kept = keptFields(r)
	default:
		view.To = nextPath(r.URL.RequestURI())
	}
	return h.framed(w, r, status, lang.From(r.Context()).Word("factors.confirm-title"), "confirm.html", view) == nil
}

// confirmPage asks who is there and goes on to a screen.
func (h *Handler) confirmPage(w http.ResponseWriter, r *http.Request) error {
	have, err := h.opt.Users.Factors(r.Context())
	if err != nil {
		return err
	}
	return h.framed(w, r, http.StatusOK, lang.From(r.Context()).Word("factors.confirm-title"), "confirm.html",
		confirmView{Factors: have, Keys: h.passkeys(r), To: nextPath(r.URL.Query().Get("next"))})
}

// prove takes the password, and the code where there is a second factor. Scripts get 204; without one the page
// stands in a window of its own, beside the one that keeps the form.
func (h *Handler) prove(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if err := onlySecure(r); err != nil {
		return err
	}
	err := h.opt.Users.Prove(r.Context(), r.PostForm.Get("password"), r.PostForm.Get("code"))
	if err != nil && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return err
	}
	if err != nil {
		have, _ := h.opt.Users.Factors(r.Context())
		return h.failedWith(w, r, err, lang.From(r.Context()).Word("factors.confirm-title"), "confirm.html",
			confirmView{accountForm: accountForm{Error: message(r, err)}, Factors: have, Keys: h.passkeys(r)})
	}
	return h.proved(w, r)
}

func (h *Handler) proved(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return h.showFactors(w, r, http.StatusOK,
		func(v *factorsView) { v.Notice = lang.From(r.Context()).Word("factors.confirmed") })
}

func (h *Handler) askProof(w http.ResponseWriter, r *http.Request) error {
	p, err := h.party(r)
	if err != nil {
		return err
	}
	return question(w)(h.opt.Users.AskProof(r.Context(), p))
}

func (h *Handler) provePasskey(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	p, err := h.party(r)
	if err != nil {
		return err
	}
	if err := h.opt.Users.ProveWithPasskey(r.Context(), p, []byte(r.PostForm.Get("answer"))); err != nil {
		return err
	}
	return h.proved(w, r)
}
