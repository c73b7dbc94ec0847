package admin

import (
	"net/http"
	"time"
)

// tile is one number of the overview and where to see more.
type tile struct{ Label, Value, Note, URL string }

// recent is something that was changed not long ago.
type recent struct {
	Title, URL string
	At         time.Time
}

type overview struct {
	Tiles  []tile
	Recent []recent
}

// dashboard is the first screen: what there is and what was worked on last.
func (h *Handler) dashboard(q *request) error {
	var o overview
	return h.show(q, http.StatusOK, "dashboard", frame{Title: "Overview", Purpose: "What there is on " + q.site.Name + ", and what was worked on last.", Body: o})
}
