package admin

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lock"
)

// LockView is what a screen shows of the lock of its thing, and what its script needs to keep it.
type LockView struct {
	lock.State
	Thing string // what it is, in a word
	URL   string // where the window speaks of its lock; empty: nothing is locked here
	Back  string // the screen
	Lost  bool   // the window has something that could not be saved
	Every int    // seconds between two signs of life
	Idle  int    // seconds without a touch after which the window gives no more of them, which would keep the session alive
}

// Reads reports that another window edits the thing, so that it can only be read here.
func (v LockView) Reads() bool { return v.URL != "" && v.Status == lock.Held && !v.Lost }

// Is reports whether the lock is in that state: held, mine, released or free.
func (v LockView) Is(word string) bool {
	return word == [...]string{lock.Held: "held", lock.Mine: "mine", lock.Released: "released", lock.Free: "free"}[v.Status]
}

func (h *Panel) lockView(t lock.Thing, st lock.State, back string) LockView {
	idle := int(cmp.Or(h.o.Locks.Lifetime(t.Kind), 10*time.Minute).Seconds())
	return LockView{State: st, Thing: t.Kind, URL: "/control/locks/" + t.Kind + "/" + t.ID.String(), Back: back,
		Every: max(1, min(30, idle/3)), Idle: max(1, idle)}
}

// OpenLock takes the lock for a screen on which the thing can be edited.
func (h *Panel) OpenLock(q *Request, t lock.Thing) (LockView, error) {
	if h.o.Locks == nil {
		return LockView{State: lock.State{Status: lock.Mine}}, nil
	}
	st, err := h.o.Locks.Open(q.Context(), t)
	if err != nil {
		return LockView{}, err
	}
	return h.lockView(t, st, q.URL.RequestURI()), nil
}

// HoldLock gives a sign of life before something is saved from the window that the token names. Without
// one, as from a program, the lock is taken if that is possible.
func (h *Panel) HoldLock(q *Request, t lock.Thing, token string) (LockView, error) {
	if h.o.Locks == nil || token == "" {
		return h.OpenLock(q, t)
	}
	st, err := h.o.Locks.Renew(q.Context(), t, Clip(token, 40))
	if err != nil {
		return LockView{}, err
	}
	v := h.lockView(t, st, q.URL.RequestURI())
	v.Token = token
	return v, nil
}

// TakeLock takes the lock over for the window that the token names.
func (h *Panel) TakeLock(q *Request, t lock.Thing, token string) error {
	if h.o.Locks == nil {
		return nil
	}
	_, err := h.o.Locks.TakeOver(q.Context(), t, Clip(token, 40))
	return err
}

// NotSaved says why nothing can be saved.
func (v LockView) NotSaved() error {
	page := v.Thing == lock.Page
	var e *stoa.Error
	switch {
	case v.Is("released") && page:
		e = stoa.Conflict("this was not saved: %s released your lock on this page", v.ReleasedBy)
	case v.Is("released"):
		e = stoa.Conflict("this was not saved: %s released your lock on this article", v.ReleasedBy)
	case v.Own && page:
		e = stoa.Conflict("this was not saved: you have opened this page in another window")
	case v.Own:
		e = stoa.Conflict("this was not saved: you have opened this article in another window")
	case page:
		e = stoa.Conflict("this was not saved: %s is editing this page now", v.OwnerName)
	default:
		e = stoa.Conflict("this was not saved: %s is editing this article now", v.OwnerName)
	}
	return stoa.AtField("lock", e)
}

// lockedThing finds the thing that the address names; only who may edit it gets it.
func (h *Panel) lockedThing(q *Request) (lock.Thing, error) {
	id, err := q.ID()
	if err != nil {
		return lock.Thing{}, err
	}
	l, ok := h.lockables[q.PathValue("kind")]
	if !ok {
		return lock.Thing{}, stoa.NotFound("kind of thing that is locked", q.PathValue("kind"))
	}
	return l.Find(q, id)
}

// LockURL is the screen on which a thing is edited; empty when no area edits that kind.
func (h *Panel) LockURL(kind string, id stoa.ID) string {
	if l, ok := h.lockables[kind]; ok {
		return l.URL(id)
	}
	return ""
}

// back is the screen that the request names, if it is one of the thing.
func (h *Panel) back(q *Request, kind string, id stoa.ID) string {
	screen, back := h.LockURL(kind, id), q.FormValue("back")
	if back == screen || strings.HasPrefix(back, screen+"?") {
		return back
	}
	return screen
}

// lookLock shows, for a window in which the thing is only read, how its lock stands.
func (h *Panel) lookLock(q *Request) error {
	t, err := h.lockedThing(q)
	if err != nil {
		return err
	}
	st, err := h.o.Locks.Look(q.Context(), t)
	if err != nil {
		return err
	}
	return h.Part(q, http.StatusOK, "error", "lock", h.lockView(t, st, h.back(q, t.Kind, t.ID)))
}

// changeLock hears a window: a sign of life, its end, or that it takes the lock over. A window that has
// no name yet is a form without script, and goes on at the screen.
func (h *Panel) changeLock(q *Request) error {
	token := q.PostFormValue("token")
	if q.PostFormValue("do") == "release" { // also when the thing is gone
		id, err := q.ID()
		if err != nil {
			return err
		}
		q.W.WriteHeader(http.StatusNoContent)
		return h.o.Locks.Release(q.Context(), q.PathValue("kind"), id, token)
	}
	t, err := h.lockedThing(q)
	if err != nil {
		return err
	}
	var st lock.State
	switch q.PostFormValue("do") {
	case "renew":
		st, err = h.o.Locks.Renew(q.Context(), t, token)
	case "take":
		if st, err = h.o.Locks.TakeOver(q.Context(), t, token); err == nil && token == "" {
			return q.Done(h.back(q, t.Kind, t.ID), "")
		}
	default:
		err = stoa.Invalid("do", "%.20q cannot be done with a lock: renew, take or release is expected", q.PostFormValue("do"))
	}
	if err != nil {
		return err
	}
	if st.Status == lock.Mine {
		q.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	v := h.lockView(t, st, h.back(q, t.Kind, t.ID))
	v.Lost = true
	return h.Part(q, http.StatusConflict, "error", "lock", v)
}
