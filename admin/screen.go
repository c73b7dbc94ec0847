package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
)

// MaxForm is how large a form may be, in bytes; screens with long texts say otherwise.
const MaxForm = 1 << 20

// siteCookie remembers which site of the instance a person works on.
const siteCookie = "stoa_control_site"

// Need is what an actor must be allowed before a screen does anything. The services ask again.
type Need uint8

const (
	EditSite Need = iota // the zero value: who edits the site
	viewSite
	ManageSite
	ManageInstance
	Operate  // an operator of the whole installation
	SignedIn // who is signed in: the screen itself finds out what they may do
)

// Request is one request to the panel, by a person who is signed in.
type Request struct {
	*http.Request
	W        http.ResponseWriter
	Actor    stoa.Actor
	Instance site.Instance
	Site     site.Site // the site that is being worked on
	Here     site.Site // the site of the host
	saved    func()    // what to do when a form was worked through; nil: nothing
}

// Word gives a word of the interface in the language of the person.
func (q *Request) Word(key string, args ...any) string {
	return lang.From(q.Context()).Word(key, args...)
}

// handle wraps a screen: it finds site and actor, asks whether the actor may come in, and shows
// errors in the frame of the panel.
func (h *Panel) handle(n Need, limit int64, fn func(*Request) error) http.Handler {
	return httpd.Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		httpd.LimitBody(r, limit)
		q := &Request{Request: r, W: w, Actor: stoa.ActorFrom(r.Context())}
		if !q.Actor.SignedIn() {
			return q.signIn()
		}
		if err := h.place(q); err != nil {
			return err
		}
		if err := q.parse(); err != nil {
			return err
		}
		// After the form was read, since the answer to an error shows it again from the request that came.
		q.Request = r.WithContext(lang.With(r.Context(), q.language()))
		if q.ofAnother() {
			return q.Done("/control/", "other")
		}
		q.saved = h.closeTyped(q)
		err := h.Permit(q, n)
		if err == nil {
			err = fn(q)
		}
		if err = h.explain(q, err); err != nil {
			httpd.Error(w, q.Request, err) // in the language of the person
		}
		return nil
	})
}

// language is that of the panel: the one that the person has chosen, else the one that the browser asks for, else that
// of the site.
func (q *Request) language() stoa.Locale {
	if q.Actor.Locale != "" {
		return q.Actor.Locale
	}
	if header := q.Header.Get("Accept-Language"); header != "" {
		return lang.Accepted(header).Locale()
	}
	return q.Site.Locale
}

// parse reads the form. It comes before anything asks for a value, since a form that was cut off must not
// look like one with empty fields.
func (q *Request) parse() error {
	if q.Method != http.MethodPost {
		return nil
	}
	return httpd.ReadForm(q.Request)
}

// place finds the instance and the site that the request is about: the one chosen in the panel, or
// that of the host.
func (h *Panel) place(q *Request) (err error) {
	if q.Instance, q.Here, err = h.o.SiteOf(q.Request); err != nil {
		return err
	}
	q.Site = q.Here
	chosen := ""
	if c, err := q.Cookie(siteCookie); err == nil {
		chosen = c.Value
	}
	if q.Method == http.MethodGet && q.URL.Query().Has("site") {
		chosen = q.URL.Query().Get("site")
	}
	if id, err := stoa.ParseID(chosen); err == nil && id != q.Site.ID {
		if s, err := h.o.Sites.Site(q.Context(), id); err == nil && s.Instance == q.Instance.ID {
			q.Site = s // a site that is gone, or may not be seen any more, leads to that of the host
		}
	}
	return nil
}

// Permit refuses an actor who may not open a screen that needs n.
func (h *Panel) Permit(q *Request, n Need) error {
	switch n {
	case SignedIn:
		return nil
	case viewSite:
		return h.o.Access.Check(q.Context(), access.View, q.Site.Path())
	case ManageSite:
		return h.o.Access.Check(q.Context(), access.Manage, q.Site.Path())
	case Operate:
		return q.Actor.Operates("use this screen")
	case ManageInstance:
		return h.o.Access.Check(q.Context(), access.Manage, q.Instance.Path())
	}
	return h.o.Access.Check(q.Context(), access.Edit, q.Site.Path())
}

// explain answers with an error that a person can do something about, in the frame of the panel. All
// others are left to httpd, which logs them.
func (h *Panel) explain(q *Request, err error) error {
	var e *stoa.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	status, title := 0, ""
	switch e.Kind {
	case stoa.KindUnauthorized:
		return q.signIn()
	case stoa.KindNotFound:
		status, title = http.StatusNotFound, q.Word("panel.error.not-found")
	case stoa.KindForbidden:
		status, title = http.StatusForbidden, q.Word("panel.error.forbidden")
	case stoa.KindConflict:
		status, title = http.StatusConflict, q.Word("panel.error.conflict")
	case stoa.KindInvalid:
		status, title = http.StatusUnprocessableEntity, q.Word("panel.error.invalid")
	default:
		return err
	}
	h.o.Audit.Refused(q.Context(), err)
	return h.Show(q, status, "error", Screen{Title: title, Body: q.Said(e)})
}

// signIn sends a guest to the sign-in page, and afterwards back. Who has sent a form gets a page that keeps it; a
// script, which takes no page, learns from the redirect that the session has ended.
func (q *Request) signIn() error {
	if q.Method == http.MethodPost && strings.Contains(q.Header.Get("Accept"), "text/html") {
		return stoa.Unauthorized("the session has ended")
	}
	next := "/control/"
	if q.Method == http.MethodGet {
		next = q.URL.RequestURI()
	}
	http.Redirect(q.W, q.Request, "/sign-in?next="+url.QueryEscape(next), http.StatusSeeOther)
	return nil
}

// Saved says that the form was worked through, where a screen follows that is not led to by Done.
func (q *Request) Saved() {
	if q.saved != nil {
		q.saved()
	}
}

// Done leads on after a form was worked through; note is a key of notes.
func (q *Request) Done(to, note string) error {
	q.Saved()
	if note != "" {
		sep := "?"
		if strings.Contains(to, "?") {
			sep = "&"
		}
		to += sep + "done=" + note
	}
	http.Redirect(q.W, q.Request, to, http.StatusSeeOther)
	return nil
}

// mostUndone is how many things the notice after they went to the recycle bin offers to bring back.
const mostUndone = 50

// Trashed leads on after things went to the recycle bin. The notice there offers to bring them back; where they are
// very many, the screen of the recycle bin does.
func (q *Request) Trashed(to, kind string, ids ...stoa.ID) error {
	if len(ids) > 0 && len(ids) <= mostUndone {
		names := make([]string, len(ids))
		for i, id := range ids {
			names[i] = kind + "-" + id.String()
		}
		to += "?undo=" + url.QueryEscape(strings.Join(names, " "))
	}
	return q.Done(to, "trashed")
}

// undo names the things that the notice offers to bring back, as the form of the recycle bin names them.
func (q *Request) undo() []string {
	in := q.URL.Query()
	if in.Get("done") != "trashed" {
		return nil
	}
	names := strings.Fields(Clip(in.Get("undo"), 4000))
	return names[:min(len(names), mostUndone)]
}

// ID reads the id in the address; what is no id is not there.
func (q *Request) ID() (stoa.ID, error) {
	id, err := stoa.ParseID(q.PathValue("id"))
	if err != nil {
		return 0, stoa.NotFound("thing with the number", q.PathValue("id"))
	}
	return id, nil
}

// Screen is what every screen is shown in.
type Screen struct {
	Title   string
	Pill    *Pill
	Purpose string
	Back    *Link
	Actions []Link
	Tabs    []Link
	Rich    bool // the screen has the rich text editor
	Locks   bool // the screen keeps a lock
	Narrow  bool
	Query   string // what the search above looks for
	Body    any

	Rail     []group
	Site     site.Site
	Instance site.Instance
	Sites    []site.Site
	Actor    stoa.Actor
	Initials string
	Note     string
	Undo     []string // what the note offers to bring back from the recycle bin
	Here     string   // address of the screen
	Zone     string   // time zone of the person
	Typed    bool     // what is typed in forms is kept
}

// Link leads to another screen, or, with a question, sends a form there.
type Link struct {
	Title, URL, Icon string
	Primary, Current bool
	Count            string

	Ask, AskText, AskButton string // a button that sends a form to URL after this question
}

// Pill is a state in a word; its kind is ok, info, warn, bad or empty.
type Pill struct{ Kind, Text string }

type group struct {
	Title string
	Links []Link
}

// Note gives the words that a screen says after a form. The address carries only the key, so that
// a link can put no words of its own on a screen.
func (q *Request) Note() string {
	switch q.URL.Query().Get("done") {
	case "drafted":
		return q.Word("bar.drafted")
	case "other":
		return q.Word("again.other")
	case "created":
		return q.Word("panel.note.created")
	case "uploaded":
		return q.Word("panel.note.uploaded")
	case "saved":
		return q.Word("panel.note.saved")
	case "published":
		return q.Word("panel.note.published")
	case "scheduled":
		return q.Word("panel.note.scheduled")
	case "unpublished":
		return q.Word("panel.note.unpublished")
	case "deleted":
		return q.Word("panel.note.deleted")
	case "trashed":
		return q.Word("panel.note.trashed")
	case "recovered":
		return q.Word("panel.note.recovered")
	case "recovered-renamed":
		return q.Word("panel.note.recovered-renamed")
	case "purged":
		return q.Word("panel.note.purged")
	case "restored":
		return q.Word("panel.note.restored")
	case "version-drafted":
		return q.Word("layout.note.version-drafted")
	case "moved":
		return q.Word("panel.note.moved")
	case "merged":
		return q.Word("panel.note.merged")
	case "discarded":
		return q.Word("panel.note.discarded")
	case "read":
		return q.Word("panel.note.read")
	case "forgotten":
		return q.Word("panel.note.forgotten")
	case "started":
		return q.Word("panel.note.started")
	case "paused":
		return q.Word("panel.note.paused")
	case "resumed":
		return q.Word("panel.note.resumed")
	case "released":
		return q.Word("panel.note.released")
	case "gone":
		return q.Word("panel.note.gone")
	case "password":
		return q.Word("panel.note.password")
	}
	return ""
}

// Show writes a screen. It is rendered in memory first, so that a failing template leaves no half page.
func (h *Panel) Show(q *Request, status int, name string, f Screen) error {
	f.Site, f.Instance, f.Actor, f.Here = q.Site, q.Instance, q.Actor, q.URL.Path
	f.Initials = initials(q.Actor.Name)
	f.Zone = q.Zone().String()
	f.Typed = h.o.Typed != nil
	f.Rail = h.rail(q)
	f.Note, f.Undo = q.Note(), q.undo()
	if sites, err := h.o.Sites.Sites(q.Context(), q.Instance.ID); err == nil {
		f.Sites = sites
	}
	var b bytes.Buffer
	t, err := h.template(q, name)
	if err == nil {
		err = t.ExecuteTemplate(&b, "layout", f)
	}
	if err != nil {
		return err
	}
	q.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	if status == http.StatusTooManyRequests {
		q.W.Header().Set("Retry-After", "60")
	}
	q.W.WriteHeader(status)
	_, err = q.W.Write(b.Bytes())
	return err
}

// Part writes a part of the templates of a screen, rendered in memory first.
func (h *Panel) Part(q *Request, status int, screen, name string, data any) error {
	text, err := h.HTML(q, screen, name, data)
	if err != nil {
		return err
	}
	q.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.W.WriteHeader(status)
	_, err = io.WriteString(q.W, string(text))
	return err
}

// HTML executes a part of the templates of a screen.
func (h *Panel) HTML(q *Request, screen, name string, data any) (template.HTML, error) {
	t, err := h.template(q, screen)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return "", err
	}
	return template.HTML(b.String()), nil
}

// template gives the templates of a screen in the language of the person.
func (h *Panel) template(q *Request, screen string) (*template.Template, error) {
	words := lang.From(q.Context())
	for _, set := range h.sets {
		if t := set(words)[screen]; t != nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("admin: there is no screen %q", screen)
}

// Publishes reports whether the actor may change what visitors see at once.
func (h *Panel) Publishes(ctx context.Context, p access.Path) bool {
	return h.o.Access.Can(ctx, access.Publish, p)
}

// Operates reports whether the actor operates the whole installation.
func (h *Panel) Operates(q *Request) bool { return q.Actor.Operates("use this screen") == nil }

// Rules reports whether the actor looks after the whole instance.
func (h *Panel) Rules(q *Request) bool {
	return h.o.Access.Can(q.Context(), access.Manage, q.Instance.Path())
}

func (h *Panel) unknown(q *Request) error { return stoa.NotFound("screen", q.URL.Path) }

// chooseSite remembers the site that the person wants to work on.
func (h *Panel) chooseSite(q *Request) error {
	id, err := stoa.ParseID(q.PostFormValue("site"))
	if err != nil {
		return err
	}
	s, err := h.o.Sites.Site(q.Context(), id)
	if err != nil {
		return err
	}
	if s.Instance != q.Instance.ID {
		return stoa.NotFound("site", id)
	}
	http.SetCookie(q.W, &http.Cookie{Name: siteCookie, Value: id.String(), Path: "/control", HttpOnly: true,
		Secure: httpd.Secure(q.Request), SameSite: http.SameSiteLaxMode})
	return q.Done("/control/", "")
}

// initials are up to two letters that stand for a name.
func initials(name string) string {
	out := ""
	for word := range strings.FieldsSeq(name) {
		r, _ := utf8.DecodeRuneInString(word)
		if out += string(unicode.ToUpper(r)); utf8.RuneCountInString(out) == 2 {
			break
		}
	}
	return out
}

// Sentence gives a message a capital letter and the full stop of its language.
func Sentence(s string) string { return lang.Sentence(s) }

// At makes q work on the site with the id.
func (h *Panel) At(q *Request, site string) error {
	id, err := stoa.ParseID(site)
	if err != nil || id == q.Site.ID {
		return nil
	}
	st, err := h.o.Sites.Site(q.Context(), id)
	if err != nil {
		return err
	}
	if st.Instance != q.Instance.ID {
		return stoa.NotFound("site", id)
	}
	q.Site = st
	return nil
}

// JSON answers a script.
func (q *Request) JSON(status int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.W.Header().Set("Content-Type", "application/json")
	q.W.WriteHeader(status)
	_, err = q.W.Write(raw)
	return err
}

// Prefix stands before the addresses of a site in pages of the site here.
func Prefix(here, st site.Site) string {
	if here.ID == st.ID {
		return ""
	}
	return "/web/" + st.Slug
}
