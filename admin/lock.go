package admin

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/page"
)

func (h *Handler) mountLocks(get, post register) {
	get("/control/locks", manageInstance, h.locks)
	post("/control/locks", manageInstance, h.breakLocks)
	get("/control/locks/{kind}/{id}", viewSite, h.lookLock)
	post("/control/locks/{kind}/{id}", viewSite, h.changeLock)
}

// lockView is what a screen shows of the lock of its thing, and what its script needs to keep it.
type lockView struct {
	lock.State
	Thing string // what it is, in a word
	URL   string // where the window speaks of its lock; empty: nothing is locked here
	Back  string // the screen
	Lost  bool   // the window has something that could not be saved
	Every int    // seconds between two signs of life
	Idle  int    // seconds without a touch after which the window gives no more of them, which would keep the session alive
}

// Reads reports that somebody else edits the thing, so that it can only be read here.
func (v lockView) Reads() bool { return v.URL != "" && v.Status == lock.Held && !v.Lost }

// Is reports whether the lock is in that state: held, mine, released or free.
func (v lockView) Is(word string) bool {
	return word == [...]string{lock.Held: "held", lock.Mine: "mine", lock.Released: "released", lock.Free: "free"}[v.Status]
}

func (h *Handler) lockView(t lock.Thing, st lock.State, back string) lockView {
	idle := int(cmp.Or(h.o.Locks.Lifetime(t.Kind), 10*time.Minute).Seconds())
	return lockView{State: st, Thing: t.Kind, URL: "/control/locks/" + t.Kind + "/" + t.ID.String(), Back: back, Every: max(1, min(30, idle/3)), Idle: max(1, idle)}
}

// openLock takes the lock for a screen on which the thing can be edited.
func (h *Handler) openLock(q *request, t lock.Thing) (lockView, error) {
	if h.o.Locks == nil {
		return lockView{State: lock.State{Status: lock.Mine}}, nil
	}
	st, err := h.o.Locks.Open(q.Context(), t)
	if err != nil {
		return lockView{}, err
	}
	return h.lockView(t, st, q.URL.RequestURI()), nil
}

// holdLock gives a sign of life before something is saved from the window that the token names. Without
// one, as from a program, the lock is taken if that is possible.
func (h *Handler) holdLock(q *request, t lock.Thing, token string) (lockView, error) {
	if h.o.Locks == nil || token == "" {
		return h.openLock(q, t)
	}
	st, err := h.o.Locks.Renew(q.Context(), t, clip(token, 40))
	if err != nil {
		return lockView{}, err
	}
	v := h.lockView(t, st, q.URL.RequestURI())
	v.Token = token
	return v, nil
}

// lost says in a sentence why nothing can be saved.
func (v lockView) lost() string {
	switch {
	case v.Is("released"):
		return v.ReleasedBy + " released your lock on this " + v.Thing
	case v.Own:
		return "you have opened this " + v.Thing + " in another window"
	}
	return v.OwnerName + " is editing this " + v.Thing + " now"
}

func articleThing(a content.Article, l stoa.Locale) lock.Thing {
	return lock.Thing{Kind: lock.Article, ID: a.ID, Title: a.In(l).Title}
}

func pageThing(q *request, p page.Page) lock.Thing {
	return lock.Thing{Kind: lock.Page, ID: p.ID, Title: p.In(q.site.Locale, q.site.Locale)}
}

// lockedThing finds the thing that the address names; only who may edit it gets it.
func (h *Handler) lockedThing(q *request) (lock.Thing, error) {
	id, err := q.id()
	if err != nil {
		return lock.Thing{}, err
	}
	switch kind := q.PathValue("kind"); {
	case kind == lock.Article && h.o.Content != nil:
		a, err := h.o.Content.Get(q.Context(), id)
		return articleThing(a, q.site.Locale), err
	case kind == lock.Page && h.o.Pages != nil:
		p, err := h.o.Pages.Get(q.Context(), id)
		if err != nil {
			return lock.Thing{}, err
		}
		return pageThing(q, p), nil
	}
	return lock.Thing{}, stoa.NotFound("kind of thing that is locked", q.PathValue("kind"))
}

// lockURL is the screen on which a thing is edited.
func lockURL(kind string, id stoa.ID) string {
	if kind == lock.Page {
		return "/control/pages/" + id.String() + "/edit"
	}
	return "/control/content/" + id.String()
}

// back is the screen that the request names, if it is one of the thing.
func (q *request) back(kind string, id stoa.ID) string {
	screen, back := lockURL(kind, id), q.FormValue("back")
	if back == screen || strings.HasPrefix(back, screen+"?") {
		return back
	}
	return screen
}

// lookLock shows, for a window in which the thing is only read, how its lock stands.
func (h *Handler) lookLock(q *request) error {
	t, err := h.lockedThing(q)
	if err != nil {
		return err
	}
	st, err := h.o.Locks.Look(q.Context(), t)
	if err != nil {
		return err
	}
	return h.write(q, http.StatusOK, "lock", h.lockView(t, st, q.back(t.Kind, t.ID)))
}

// changeLock hears a window: a sign of life, its end, or that it takes the lock over. A window that has
// no name yet is a form without script, and goes on at the screen.
func (h *Handler) changeLock(q *request) error {
	token := q.PostFormValue("token")
	if q.PostFormValue("do") == "release" { // also when the thing is gone
		id, err := q.id()
		if err != nil {
			return err
		}
		q.w.WriteHeader(http.StatusNoContent)
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
			return q.done(q.back(t.Kind, t.ID), "")
		}
	default:
		err = stoa.Invalid("do", "%.20q cannot be done with a lock: renew, take or release is expected", q.PostFormValue("do"))
	}
	if err != nil {
		return err
	}
	if st.Status == lock.Mine {
		q.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v := h.lockView(t, st, q.back(t.Kind, t.ID))
	v.Lost = true
	return h.write(q, http.StatusConflict, "lock", v)
}

// lockRow is a lock in the list.
type lockRow struct {
	lock.Lock
	Ref, URL string
	Me       bool
}

// locks lists who edits what.
func (h *Handler) locks(q *request) error {
	list, err := h.o.Locks.List(q.Context(), q.instance.ID)
	if err != nil {
		return err
	}
	type view struct {
		listBody[lockRow]
		More bool
	}
	v := view{More: len(list) == lock.MaxList}
	var all []lockRow
	for _, l := range list {
		ref := l.Kind + ":" + l.ID.String() + ":" + strconv.FormatInt(db.Micros(l.Taken), 10)
		all = append(all, lockRow{l, ref, lockURL(l.Kind, l.ID), l.Owner == q.actor.User})
	}
	v.listBody = listOf(q, all, "Filter by title or person", func(r lockRow) string { return r.Title + " " + r.OwnerName })
	return h.show(q, http.StatusOK, "locks", frame{Title: "Locks",
		Purpose: "Who is editing what, on every node. When a lock is released its owner is told, loses no text, and others can edit.", Body: v})
}

// breakLocks releases the lock whose button was pressed, or those that were ticked.
func (h *Handler) breakLocks(q *request) error {
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
	n, err := h.o.Locks.Break(q.Context(), q.instance.ID, refs)
	if err != nil {
		return err
	}
	h.log.InfoContext(q.Context(), "locks were released from the control panel", "user", q.actor.User, "locks", n)
	if n == 0 && len(refs) > 0 {
		return q.done("/control/locks", "gone")
	}
	return q.done("/control/locks", "released")
}
