package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/portal"
)

// The names of the cookies that hold what Unlock gave are portal.OpenCookie + kind + "_" + id.
// The value is a signature of the thing and of what changes with its password, by a key of the portal: who can read
// the row of the page cannot make it.

// maxOpen is how many such cookies a browser keeps, so that the request header stays small.
const maxOpen = 20

// unlockPurpose is what the cookies are signed for.
const unlockPurpose = "page-password"

// keysOf gives what the visitor has unlocked, by "kind_id"; nil when nothing.
func keysOf(r *http.Request) map[string]string {
	if !strings.Contains(r.Header.Get("Cookie"), portal.OpenCookie) {
		return nil
	}
	keys := map[string]string{}
	for _, c := range r.Cookies() {
		if name, ok := strings.CutPrefix(c.Name, portal.OpenCookie); ok && len(c.Value) <= 128 && len(keys) < 2*maxOpen {
			keys[name] = c.Value
		}
	}
	return keys
}

// opens reports whether the visitor has unlocked a page with the key that it has now.
func (v *visit) opens(page stoa.ID, key string) bool { return v.holds("page_"+page.String(), key) }

// holds reports whether the visitor has a signature for the thing and its present key.
func (v *visit) holds(name, key string) bool {
	have := v.keys[name]
	if key == "" || have == "" || v.verify == nil {
		return false
	}
	sig, err := base64.RawURLEncoding.DecodeString(have)
	return err == nil && v.verify(unlockMessage(name, key), sig)
}

func unlockMessage(name, key string) []byte { return []byte(name + "\x00" + key) }

// verifier checks the signatures of the cookies of a request. One that cannot be checked opens nothing.
func (h *Handler) verifier(ctx context.Context) func(msg, sig []byte) bool {
	return func(msg, sig []byte) bool {
		if h.opt.Secrets == nil {
			return false
		}
		ok, err := h.opt.Secrets.Verify(ctx, unlockPurpose, msg, sig)
		if err != nil {
			h.opt.Logger.WarnContext(ctx, "whether a visitor has unlocked something cannot be found out", "error", err)
		}
		return ok
	}
}

// unlockTo is the address that a password form in the middle of the current page is sent to.
func unlockTo(v *visit, kind string, id stoa.ID) string {
	return "/unlock?" + url.Values{"kind": {kind}, "id": {id.String()}, "next": {escapePath(v.Prefix + v.Path)}}.Encode()
}

type unlockForm struct {
	accountForm
	Action string
}

// unlock checks the password of a protected page or article. The right one leads back to it with a
// cookie that opens it, the wrong one to the form again.
func (h *Handler) unlock(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	kind, next := r.Form.Get("kind"), nextPath(r.Form.Get("next"))
	id, err := stoa.ParseID(r.Form.Get("id"))
	if err != nil {
		return err
	}
	check := h.opt.Pages.Unlock
	switch kind {
	case "page":
	case "article":
		check = h.opt.Content.Unlock
	default:
		return stoa.Invalid("kind", "%.40q cannot be unlocked: page or article is expected", kind)
	}
	again := unlockForm{accountForm: accountForm{Next: next}, Action: "/unlock?" +
		url.Values{"kind": {kind}, "id": {id.String()}, "next": {next}}.Encode()}
	name := kind + "_" + id.String()
	right, err := h.opt.Users.TryUnlock(r.Context(), name)
	if stoa.Is(err, stoa.KindTooMany) {
		h.opt.Audit.Count(r.Context(), audit.Throttled, audit.PasswordTried, audit.Thing{Kind: kind, ID: id})
		again.Error = "There were too many wrong passwords. Try again in a few minutes."
		waitFor(w, err)
		return h.framed(w, r, http.StatusTooManyRequests, "Protected", "unlock.html", again)
	}
	if err != nil {
		return err
	}
	key, err := check(r.Context(), id, r.PostForm.Get("password"))
	if stoa.Is(err, stoa.KindInvalid) || stoa.Is(err, stoa.KindUnauthorized) {
		h.opt.Audit.Count(r.Context(), audit.Failed, audit.PasswordTried, audit.Thing{Kind: kind, ID: id})
		again.Error = "That password is not right."
		return h.framed(w, r, http.StatusUnprocessableEntity, "Protected", "unlock.html", again)
	}
	if err != nil {
		return err
	}
	if err := right(r.Context()); err != nil {
		return err
	}
	if key != "" && h.opt.Secrets != nil {
		sig, err := h.opt.Secrets.Sign(r.Context(), unlockPurpose, unlockMessage(name, key))
		if err != nil {
			return err
		}
		h.keep(w, r, name, base64.RawURLEncoding.EncodeToString(sig))
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// keep gives the browser the key until it is closed, and takes others away when it has many.
func (h *Handler) keep(w http.ResponseWriter, r *http.Request, name, key string) {
	set := func(name, value string, age int) {
		http.SetCookie(w, &http.Cookie{Name: portal.OpenCookie + name, Value: value, Path: "/", MaxAge: age, HttpOnly: true,
			Secure: httpd.Secure(r), SameSite: http.SameSiteLaxMode})
	}
	others := keysOf(r)
	delete(others, name)
	for other := range others {
		if len(others) < maxOpen {
			break
		}
		delete(others, other)
		set(other, "", -1)
	}
	w.Header().Set("Cache-Control", "no-store")
	set(name, key, 0)
}
