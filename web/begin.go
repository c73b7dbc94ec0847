package web

import (
	"context"

	"github.com/stoa-portal/stoa/access"
)

// begin puts into data what a site without a published page says at its home: that it is being set up, and to those
// who may do it the way to the first page. It reports whether the site is such a one.
func (h *Handler) begin(ctx context.Context, v *visit, data map[string]any) bool {
	if v.Path != "/" {
		return false
	}
	begun, err := h.opt.Pages.Begun(ctx, v.Site.ID)
	if err != nil || begun {
		return false
	}
	data["Begin"], data["Title"] = true, "This site is being set up"
	data["Message"] = "There is nothing to see yet. Please come back later."
	if v.SignedIn && h.opt.Access.Can(ctx, access.Edit, v.Site.Path()) {
		data["First"], data["Message"] = "/control/pages/new?site="+v.Site.ID.String(), "It has no published page yet."
	}
	return true
}
