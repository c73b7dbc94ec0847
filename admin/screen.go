package admin

import (
	"bytes"
	"errors"
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

// maxForm is how large a form may be, in bytes; screens with long texts say otherwise.
const maxForm = 1 << 20

// siteCookie remembers which site of the instance somebody works on.
const siteCookie = "stoa_control_site"

// need is what an actor must be allowed before a screen does anything. The services ask again.
type need uint8

const (
	editSite need = iota // the zero value: somebody who edits the site
	viewSite
	manageSite
	manageInstance
	operate  // an operator of the whole installation
	somebody // who is signed in: the screen itself finds out what they may do
)

// request is one request to the panel, by somebody who is signed in.
type request struct {
	*http.Request
	w        http.ResponseWriter
	actor    stoa.Actor
	instance site.Instance
	site     site.Site // the site that is being worked on
}

// handle wraps a screen: it finds site and actor, asks whether the actor may come in, and shows
// errors in the frame of the panel.
func (h *Handler) handle(n need, fn func(*request) error) http.Handler {
	return httpd.Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		limit := int64(maxForm)
		if strings.HasPrefix(r.URL.Path, "/control/content/") || r.URL.Path == autosavePath {
			limit = maxArticleForm
		}
		httpd.LimitBody(r, limit)
		q := &request{Request: r, w: w, actor: stoa.ActorFrom(r.Context())}
		if !q.actor.SignedIn() {
			return q.signIn()
		}
		if err := h.place(q); err != nil {
			return err
		}
		if err := q.parse(); err != nil {
			return err
		}
		err := h.permit(q, n)
		if err == nil {
			err = fn(q)
		}
		return h.explain(q, err)
	})
}

// parse reads the form. It comes before anything asks for a value, since a form that was cut off must not
// look like one with empty fields.
func (q *request) parse() error {
	if q.Method != http.MethodPost {
		return nil
	}
	return httpd.ReadForm(q.Request)
}

// place finds the instance and the site that the request is about: the one chosen in the panel, or
// that of the host.
func (h *Handler) place(q *request) (err error) {
	if q.instance, q.site, err = h.o.SiteOf(q.Request); err != nil {
		return err
	}
	chosen := ""
	if c, err := q.Cookie(siteCookie); err == nil {
		chosen = c.Value
	}
	if q.Method == http.MethodGet && q.URL.Query().Has("site") {
		chosen = q.URL.Query().Get("site")
	}
	if id, err := stoa.ParseID(chosen); err == nil && id != q.site.ID {
		if s, err := h.o.Sites.Site(q.Context(), id); err == nil && s.Instance == q.instance.ID {
			q.site = s // a site that is gone, or may not be seen any more, leads to that of the host
		}
	}
	return nil
}

func (h *Handler) permit(q *request, n need) error {
	switch n {
	case somebody:
		return nil
	case viewSite:
		return h.o.Access.Check(q.Context(), access.View, q.site.Path())
	case manageSite:
		return h.o.Access.Check(q.Context(), access.Manage, q.site.Path())
	case operate:
		return q.actor.Operates("use this screen")
	case manageInstance:
		return h.o.Access.Check(q.Context(), access.Manage, q.instance.Path())
	}
	return h.o.Access.Check(q.Context(), access.Edit, q.site.Path())
}

// explain answers with an error that a person can do something about, in the frame of the panel. All
// others are left to httpd, which logs them.
func (h *Handler) explain(q *request, err error) error {
	var e *stoa.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	status, title := 0, ""
	switch e.Kind {
	case stoa.KindUnauthorized:
		return q.signIn()
	case stoa.KindNotFound:
		status, title = http.StatusNotFound, "This is not here"
	case stoa.KindForbidden:
		status, title = http.StatusForbidden, "You may not do this"
	case stoa.KindConflict:
		status, title = http.StatusConflict, "Somebody else was faster"
	case stoa.KindInvalid:
		status, title = http.StatusUnprocessableEntity, "This cannot be right"
	default:
		return err
	}
	h.o.Audit.Refused(q.Context(), err)
	return h.show(q, status, "error", frame{Title: title, Body: sentence(e.Message)})
}

// signIn sends a guest to the sign-in page, and afterwards back. Who has sent a form gets a page that keeps it; a
// script, which takes no page, learns from the redirect that the session has ended.
func (q *request) signIn() error {
	if q.Method == http.MethodPost && strings.Contains(q.Header.Get("Accept"), "text/html") {
		return stoa.Unauthorized("the session has ended")
	}
	next := "/control/"
	if q.Method == http.MethodGet {
		next = q.URL.RequestURI()
	}
	http.Redirect(q.w, q.Request, "/sign-in?next="+url.QueryEscape(next), http.StatusSeeOther)
	return nil
}

// done leads on after a form was worked through; note is a key of notes.
func (q *request) done(to, note string) error {
	if note != "" {
		sep := "?"
		if strings.Contains(to, "?") {
			sep = "&"
		}
		to += sep + "done=" + note
	}
	http.Redirect(q.w, q.Request, to, http.StatusSeeOther)
	return nil
}

// id reads the id in the address; what is no id is not there.
func (q *request) id() (stoa.ID, error) {
	id, err := stoa.ParseID(q.PathValue("id"))
	if err != nil {
		return 0, stoa.NotFound("thing with the number", q.PathValue("id"))
	}
	return id, nil
}

// frame is what every screen is shown in.
type frame struct {
	Title   string
	Pill    *pill
	Purpose string
	Back    *link
	Actions []link
	Tabs    []link
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
	Here     string // address of the screen
	Zone     string // time zone of the person
}

type link struct {
	Title, URL, Icon string
	Primary, Current bool
	Count            string

	Ask, AskText, AskButton string // a button that sends a form to URL after this question
}

type pill struct{ Kind, Text string }

type group struct {
	Title string
	Links []link
}

// notes are the words that a screen says after a form. The address carries only the key, so that
// nobody can put words of their own on a screen.
func note(key string) string {
	switch key {
	case "drafted":
		return lang.Word("bar.drafted")
	case "created":
		return "Created."
	case "uploaded":
		return "Uploaded."
	case "saved":
		return "Saved."
	case "published":
		return "Published."
	case "scheduled":
		return "Scheduled."
	case "unpublished":
		return "No longer published."
	case "deleted":
		return "Deleted."
	case "restored":
		return "Restored as a new version."
	case "moved":
		return "Moved."
	case "discarded":
		return "The draft was discarded."
	case "read":
		return "Marked as read."
	case "forgotten":
		return "Forgotten."
	case "started":
		return "Started."
	case "paused":
		return "Paused on all nodes."
	case "resumed":
		return "Resumed."
	case "released":
		return "Released."
	case "gone":
		return "The lock had ended already."
	case "password":
		return "The password was changed."
	}
	return ""
}

// show writes a screen. It is rendered in memory first, so that a failing template leaves no half page.
func (h *Handler) show(q *request, status int, name string, f frame) error {
	f.Site, f.Instance, f.Actor, f.Here = q.site, q.instance, q.actor, q.URL.Path
	f.Initials = initials(q.actor.Name)
	f.Zone = h.zone(q).String()
	f.Rail = h.rail(q)
	f.Note = note(q.URL.Query().Get("done"))
	if sites, err := h.o.Sites.Sites(q.Context(), q.instance.ID); err == nil {
		f.Sites = sites
	}
	var b bytes.Buffer
	if err := h.templates[name].ExecuteTemplate(&b, "layout", f); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if status == http.StatusTooManyRequests {
		q.w.Header().Set("Retry-After", "60")
	}
	q.w.WriteHeader(status)
	_, err := q.w.Write(b.Bytes())
	return err
}

// rail lists the screens that the actor may open.
func (h *Handler) rail(q *request) []group {
	ctx := q.Context()
	edits := h.o.Access.Can(ctx, access.Edit, q.site.Path())
	manages := h.o.Access.Can(ctx, access.Manage, q.site.Path())
	rules := h.o.Access.Can(ctx, access.Manage, q.instance.Path())
	operates := h.operates(q)
	var out []group
	add := func(title string, links ...link) {
		var list []link
		for _, l := range links {
			if l.URL == "" {
				continue
			}
			l.Current = q.URL.Path == l.URL || l.URL != "/control/" && strings.HasPrefix(q.URL.Path, l.URL+"/")
			list = append(list, l)
		}
		if len(list) > 0 {
			out = append(out, group{title, list})
		}
	}
	when := func(ok bool, title, url, icon string) link {
		if !ok {
			return link{}
		}
		return link{Title: title, URL: url, Icon: icon}
	}
	add(
		"Content",
		when(edits, "Overview", "/control/", "home"),
		when(edits && h.o.Content != nil, "Web content", "/control/content", "article"),
		when(
			h.o.Pages != nil && (edits || strings.HasPrefix(q.URL.Path, "/control/pages")),
			"Pages",
			"/control/pages",
			"page",
		),
		when(edits && h.o.Pages != nil, "Menus", "/control/menus", "menu"),
		when(edits && h.o.Files != nil, "Files", "/control/files", "file"),
		when(edits && h.o.Taxonomy != nil, "Categories", "/control/categories", "category"),
	)
	add(
		"Site",
		when(operates && h.o.CreateInstance != nil, "Virtual instances", "/control/instances", "globe"),
		when(rules, "Sites", "/control/sites", "site"),
		when(manages, "Site settings", "/control/settings", "settings"),
		when(manages && h.o.Pages != nil, lang.Word("appearance.title"), "/control/appearance", "theme"),
	)
	add(
		"People",
		when(rules && h.o.Users != nil, "Users", "/control/users", "user"),
		when(
			rules && h.o.Users != nil,
			"User groups",
			"/control/groups",
			"users",
		),
		when(rules, "Roles", "/control/roles", "role"),
	)
	title := "Cluster"
	if !operates {
		title = "Work"
	}
	add(title,
		when(operates && h.o.Nodes != nil, "Nodes", "/control/cluster", "cluster"),
		when(operates && h.o.Caches != nil, "Caches", "/control/caches", "cache"),
		when(operates && h.o.Log != nil, "Change log", "/control/changes", "log"),
		when((operates || q.actor.Admin) && h.o.Jobs != nil, "Jobs", "/control/jobs", "clock"),
		when(rules && h.o.Locks != nil, "Locks", "/control/locks", "lock"))
	add("Configuration",
		when(operates && h.o.Properties != nil, "Effective properties", "/control/properties", "list"),
		when(operates && h.o.Nodes != nil, "Log level", "/control/log", "filter"),
		when(q.actor.Admin && h.o.Audit != nil, lang.Word("audit.title"), "/control/audit", "history"))
	return out
}

func (h *Handler) unknown(q *request) error { return stoa.NotFound("screen", q.URL.Path) }

// chooseSite remembers the site that the person wants to work on.
func (h *Handler) chooseSite(q *request) error {
	id, err := stoa.ParseID(q.PostFormValue("site"))
	if err != nil {
		return err
	}
	s, err := h.o.Sites.Site(q.Context(), id)
	if err != nil {
		return err
	}
	if s.Instance != q.instance.ID {
		return stoa.NotFound("site", id)
	}
	http.SetCookie(q.w, &http.Cookie{Name: siteCookie, Value: id.String(), Path: "/control", HttpOnly: true,
		Secure: httpd.Secure(q.Request), SameSite: http.SameSiteLaxMode})
	return q.done("/control/", "")
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

// sentence gives a message a capital letter and a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
