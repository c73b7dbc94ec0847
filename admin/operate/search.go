package operate

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/follow"
)

// Search is what the screen of the search works on.
type Search struct {
	Status func(ctx context.Context) (index.Status, error) // of the index that this node searches
	Follow *follow.Service
	Prefix string      // of the names of the followers that fill the indexes
	Shared bool        // it is one that all nodes share, on a search server
	Writes func() bool // whether this node writes it
}

// searchIndex is the index of a node as the screen shows it.
type searchIndex struct {
	Follower string
	Node     string
	State    string
	Stuck    string // why it does not go on
	Looking  bool
	Failed   int
	Moved    time.Time
}

// search shows how the indexes of the search are.
func (h *screens) search(q *admin.Request) error {
	type view struct {
		index.Status
		Away   string // that the index cannot be used
		Why    string // in the words of the search server
		Shared bool
		Writes bool
		Nodes  []searchIndex
	}
	v := view{Shared: h.o.Search.Shared, Writes: h.o.Search.Writes()}
	purpose := "operate.search.purpose"
	if v.Shared {
		purpose = "operate.search.purpose.server"
	}
	var err error
	if v.Status, err = h.o.Search.Status(q.Context()); err != nil {
		h.Log.WarnContext(q.Context(), "the index of the search cannot be looked at", "error", err)
		v.Away = q.Word("operate.search.away")
		if v.Shared {
			v.Away, v.Why = q.Word("operate.search.away.server"), err.Error()
		}
	}
	names := map[int64]string{}
	if h.o.NodeNames != nil {
		if names, err = h.o.NodeNames(q.Context()); err != nil {
			return err
		}
	}
	list, err := h.o.Search.Follow.Statuses(q.Context())
	if err != nil {
		return err
	}
	for _, st := range list {
		if !strings.HasPrefix(st.Name, h.o.Search.Prefix) {
			continue
		}
		one := searchIndex{Follower: st.Name, Node: names[st.Writer], Failed: st.Failed, Moved: st.Moved}
		if one.Node == "" { // its node has ended
			continue
		}
		switch {
		case st.Stuck > 0:
			one.State, one.Stuck = q.Word("operate.search.stuck"), st.Message
		case st.Looking != "":
			one.State, one.Looking = q.Word("operate.search.looking"), true
		case st.Waiting > 0:
			one.State = q.Word("operate.search.waiting", st.Waiting)
		default:
			one.State = q.Word("operate.search.follows")
		}
		v.Nodes = append(v.Nodes, one)
	}
	return h.Show(q, http.StatusOK, "search", admin.Screen{
		Title:   q.Word("operate.search"),
		Purpose: q.Word(purpose),
		Body:    v,
	})
}

// rebuildSearch lets the index of a node look at everything again.
func (h *screens) rebuildSearch(q *admin.Request) error {
	name := q.FormValue("follower")
	if !strings.HasPrefix(name, h.o.Search.Prefix) {
		return stoa.Invalid("follower", "%.60q is no index of the search", name)
	}
	if err := h.o.Search.Follow.Rebuild(q.Context(), name); err != nil {
		return err
	}
	return q.Done("/control/search", "saved")
}
