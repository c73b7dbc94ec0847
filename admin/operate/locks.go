package operate

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/lock"
)

// lockRow is a lock in the list.
type lockRow struct {
	lock.Lock
	Ref, URL string
	Me       bool
}

// locks lists who edits what.
func (h *screens) locks(q *admin.Request) error {
	list, err := h.o.Locks.List(q.Context(), q.Instance.ID)
	if err != nil {
		return err
	}
	type view struct {
		admin.ListBody[lockRow]
		More bool
	}
	v := view{More: len(list) == lock.MaxList}
	var all []lockRow
	for _, l := range list {
		ref := l.Kind + ":" + l.ID.String() + ":" + strconv.FormatInt(db.Micros(l.Taken), 10)
		all = append(all, lockRow{l, ref, h.LockURL(l.Kind, l.ID), l.Owner == q.Actor.User})
	}
	v.ListBody = admin.ListOf(q, all, q.Word("operate.locks.filter"),
		func(r lockRow) string { return r.Title + " " + r.OwnerName })
	return h.Show(q, http.StatusOK, "locks",
		admin.Screen{Title: q.Word("operate.locks"), Purpose: q.Word("operate.locks.purpose"), Body: v})
}

// breakLocks releases the lock whose button was pressed, or those that were ticked.
func (h *screens) breakLocks(q *admin.Request) error {
	chosen := q.PostForm["one"]
	if len(chosen) == 0 {
		chosen = q.PostForm["lock"]
	}
	var refs []lock.Ref
	for _, s := range chosen {
		parts := strings.Split(s, ":")
		if len(parts) != 3 {
			return stoa.Invalid("lock", "%.60q names no lock", s)
		}
		id, err := stoa.ParseID(parts[1])
		if err != nil {
			return err
		}
		taken, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			return stoa.Invalid("lock", "%.60q names no lock", s)
		}
		refs = append(refs, lock.Ref{Kind: parts[0], ID: id, Taken: time.UnixMicro(taken)})
	}
	n, err := h.o.Locks.Break(q.Context(), q.Instance.ID, refs)
	if err != nil {
		return err
	}
	h.Log.InfoContext(q.Context(), "locks were released from the control panel", "user", q.Actor.User, "locks", n)
	if n == 0 && len(refs) > 0 {
		return q.Done("/control/locks", "gone")
	}
	return q.Done("/control/locks", "released")
}
