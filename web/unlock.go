package web

import (
	"crypto/subtle"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/httpd"
)

// openCookie begins the names of the cookies that hold what Unlock gave: "stoa_open_" + kind + "_" + id.
// The value is a secret of the server that changes with the password, so it needs no signature.
const openCookie = "stoa_open_"

// maxOpen is how many such cookies a browser keeps, so that the request header stays small.
const maxOpen = 20

// The limits of tries of passwords from one address.
const (
	triesBurst  = 10               // at once
	triesEvery  = 30 * time.Second // one more after this
	triesMemory = 10_000           // addresses that are kept in mind
)

// tries counts wrong passwords by address. Its memory is bounded: of too many addresses, some that have
// made no try for long, or any, are forgotten.
type tries struct {
	mu   sync.Mutex
	free map[netip.Prefix]time.Time // when the address will have all its tries back
}

// network is the address, or the network a home gets in IPv6, where one visitor has many addresses.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all such share one count
	}
	return p
}

// take uses up one try and reports whether there was one.
func (t *tries) take(a netip.Addr, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := network(a)
	free := t.free[n]
	if free.Before(now) {
		free = now
	}
	if free.Add(triesEvery).Sub(now) > triesBurst*triesEvery {
		return false
	}
	if _, known := t.free[n]; !known && len(t.free) >= triesMemory {
		t.forget(now)
	}
	t.free[n] = free.Add(triesEvery)
	return true
}

// giveBack undoes a take: the password was right.
func (t *tries) giveBack(a netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := network(a); !t.free[n].IsZero() {
		t.free[n] = t.free[n].Add(-triesEvery)
	}
}

// forget makes room: whoever has all tries back goes, else a tenth of the others.
func (t *tries) forget(now time.Time) {
	for n, free := range t.free {
		if !free.After(now) {
			delete(t.free, n)
		}
	}
	for n := range t.free {
		if len(t.free) <= triesMemory*9/10 {
			return
		}
		delete(t.free, n)
	}
}

// keysOf gives what the visitor has unlocked, by "kind_id"; nil when nothing.
func keysOf(r *http.Request) map[string]string {
	if !strings.Contains(r.Header.Get("Cookie"), openCookie) {
		return nil
	}
	keys := map[string]string{}
	for _, c := range r.Cookies() {
		if name, ok := strings.CutPrefix(c.Name, openCookie); ok && len(c.Value) <= 128 && len(keys) < 2*maxOpen {
			keys[name] = c.Value
		}
	}
	return keys
}

// opens reports whether the visitor holds the key that a page has now.
func (v *visit) opens(page stoa.ID, key string) bool {
	have := v.keys["page_"+page.String()]
	return key != "" && subtle.ConstantTimeCompare([]byte(have), []byte(key)) == 1
}

// unlockTo is the address that a password form in the middle of the current page is sent to.
func unlockTo(v *visit, kind string, id stoa.ID) string {
	return "/unlock?" + url.Values{"kind": {kind}, "id": {id.String()}, "next": {escapePath(v.prefix + v.path)}}.Encode()
}

type unlockForm struct {
	peopleForm
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
	again := unlockForm{peopleForm: peopleForm{Next: next}, Action: "/unlock?" + url.Values{"kind": {kind}, "id": {id.String()}, "next": {next}}.Encode()}
	address := httpd.ClientIP(r)
	if !h.tries.take(address, h.opt.Now()) {
		h.opt.Audit.Count(r.Context(), audit.Throttled, audit.PasswordTried, audit.Thing{Kind: kind, ID: id})
		again.Error = "There were too many wrong passwords. Try again in a few minutes."
		return h.framed(w, r, http.StatusTooManyRequests, "Protected", "unlock.html", again)
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
	h.tries.giveBack(address)
	if key != "" {
		h.keep(w, r, kind+"_"+id.String(), key)
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// keep gives the browser the key until it is closed, and takes others away when it has many.
func (h *Handler) keep(w http.ResponseWriter, r *http.Request, name, key string) {
	set := func(name, value string, age int) {
		http.SetCookie(w, &http.Cookie{Name: openCookie + name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: httpd.Secure(r), SameSite: http.SameSiteLaxMode})
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
