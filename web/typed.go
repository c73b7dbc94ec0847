package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
)

// ownAddresses are the portal's own screens and files, which no page can have.
func ownAddresses() []string {
	return []string{"/sign-in", "/account", "/account/setup", "/account/forgot", "/account/reset", "/control",
		"/feed.atom", "/robots.txt", "/sitemap.xml", "/favicon.ico"}
}

// typed gives the right form of an address under which there is nothing because people typed it in another case or, for
// the portal's own screens, with a slash at its end; ok is false when that is not what is wrong.
func (h *Handler) typed(ctx context.Context, v *visit, r *http.Request) (to string, ok bool) {
	plain := strings.ToLower(strings.TrimRight(r.URL.Path, "/"))
	for _, own := range ownAddresses() {
		if plain == own && r.URL.Path != own {
			return own, true
		}
	}
	lower := *v
	if lower.Path = strings.ToLower(v.Path); lower.Path == v.Path {
		return "", false
	}
	if kind, _ := machineFile(lower.Path); kind != "" && strings.LastIndexByte(lower.Path, '/') == 0 {
		// It is made once, for a visitor who asks there, and not for each way to write it.
		return v.Prefix + escapePath(lower.Path), true
	}
	_, err := h.answer(ctx, &lower, pageNumber(r), httpd.Origin(r))
	if err != nil && !stoa.Is(err, stoa.KindUnauthorized) {
		return "", false
	}
	return v.Prefix + escapePath(lower.Path), true
}
