package web

import (
	"net/http"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
)

// knownCookie holds the accounts that this browser is known for.
const knownCookie = "stoa_known"

// knownFor is how long a browser is known after the last sign-in: as long as the signature may be valid.
const knownFor = 180 * 24 * time.Hour

// giveKnown makes the browser known for the account. Without it the person is merely a stranger at the next sign-in.
func (h *Handler) giveKnown(w http.ResponseWriter, r *http.Request, id stoa.ID) {
	value, err := h.opt.Users.KnownBrowser(r.Context(), id, h.opt.Portal.ValueOf(r, knownCookie))
	if err != nil {
		h.opt.Logger.WarnContext(r.Context(), "the browser of a person who signed in cannot be known", "error", err)
		return
	}
	http.SetCookie(w, h.opt.Portal.Cookie(r, knownCookie, value, h.opt.Now().Add(knownFor)))
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
