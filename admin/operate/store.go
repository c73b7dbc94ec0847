package operate

import (
	"net/http"
	"time"

	"github.com/stoa-portal/stoa/admin"
)

// FileMove is how far a move of the files to another store is.
type FileMove struct {
	Phase  string // none, reading, copying, switched or returning
	Place  string // where the files are
	Source string // of the newest move; empty: there was none
	Target string
	Back   bool // the newest move was cancelled

	Files, Total, Size int64 // copied or compared, of how many, bytes
	Damaged, Missing   int64 // files that were not whole before
	Begun, Ended       time.Time
	Trouble            string // what it waits for; empty: nothing
}

// moveView is what the screen of the file store shows.
type moveView struct {
	FileMove
	State, Next string // sentences
	Counts      bool   // files are being copied
}

// store shows in which store the files are, and how far a move to another one is.
func (h *screens) store(q *admin.Request) error {
	m, err := h.o.Move(q.Context())
	if err != nil {
		return err
	}
	v := moveView{FileMove: m}
	switch m.Phase {
	case "reading":
		v.State, v.Next = q.Word("operate.store.reading"), q.Word("operate.store.next-wait")
	case "copying":
		v.State, v.Next, v.Counts = q.Word("operate.store.copying"), q.Word("operate.store.next-wait"), true
	case "returning":
		v.State, v.Next, v.Counts = q.Word("operate.store.returning"), q.Word("operate.store.next-wait"), true
	case "switched":
		v.State, v.Next = q.Word("operate.store.switched"), q.Word("operate.store.next-finish")
	default:
		v.State, v.Next = q.Word("operate.store.none"), q.Word("operate.store.next-begin")
		if !m.Ended.IsZero() && m.Back {
			v.State = q.Word("operate.store.cancelled")
		} else if !m.Ended.IsZero() {
			v.State, v.Next = q.Word("operate.store.moved"), q.Word("operate.store.next-settings")
		}
	}
	return h.Show(q, http.StatusOK, "store", admin.Screen{Title: q.Word("operate.store"),
		Purpose: q.Word("operate.store.purpose"), Narrow: true, Body: v})
}
