package web

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

// field is one value of a form.
type field struct{ Name, Value string }

// keptForm is a form of the control panel that was not worked through, as the page that says so sends it again.
type keptForm struct {
	Action    string   // path and query of this portal
	Fields    []field  // by name, the values of one name in their order
	Passwords []string // names of fields that held a password: they are asked for again
	SignedOut bool     // the session has ended; otherwise the portal cannot answer just now
	TooLarge  bool     // the text is longer than can be saved
}

// kept gives the form of r when an answer with this status means that an editor's text would be lost: the database is
// away (503) or takes less at once than was sent (413), or the session has ended (401); nil for anything else.
// Scripts, which take no page, and uploads are not kept. Passwords never are; they are asked for again, since an
// article that lost its password on the way would be open to all.
//
// No page of another origin may fill this one, for its button sends the form with the editor's rights and as a form of
// this origin. httpd refuses such requests before they come here, except from origins that the settings trust.
func kept(r *http.Request, status int) *keptForm {
	if status != http.StatusServiceUnavailable && status != http.StatusUnauthorized &&
		status != http.StatusRequestEntityTooLarge || r.Method != http.MethodPost ||
		!strings.HasPrefix(r.URL.Path, "/control/") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return nil
	}
	form := keptFields(r)
	if form == nil || len(form.Fields) == 0 {
		return nil // a button, or nothing but a password
	}
	form.SignedOut, form.TooLarge = status == http.StatusUnauthorized, status == http.StatusRequestEntityTooLarge
	return form
}

// keptFields reads the form of r to be sent again by its person; nil for what is no such form.
func keptFields(r *http.Request) *keptForm {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || new(http.CrossOriginProtection).Check(r) != nil {
		return nil
	}
	// Where the request came no further than to the question who sends it, all of the form is unread, and the limit of
	// its body holds. Half a text that looks whole is worse than none.
	if r.PostForm == nil && r.ParseForm() != nil {
		return nil
	}
	form := keptForm{Action: nextPath(r.URL.RequestURI())}
	for name, values := range r.PostForm {
		lower := strings.ToLower(name)
		if strings.Contains(lower, "token") || strings.Contains(lower, "secret") {
			return nil // good once, and not what an editor writes
		}
		password := strings.Contains(lower, "password") ||
			strings.HasPrefix(r.URL.Path, "/account/") && slices.Contains([]string{"old", "new", "again"}, name)
		for _, v := range values {
			switch {
			case !password:
				form.Fields = append(form.Fields, field{name, v})
			case v != "" && !slices.Contains(form.Passwords, name):
				form.Passwords = append(form.Passwords, name)
			}
		}
	}
	slices.SortStableFunc(form.Fields, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(form.Passwords)
	return &form
}

// title and message are what the page says, in English.
func (f *keptForm) title() string {
	if f.SignedOut {
		return "You are signed out"
	}
	if f.TooLarge {
		return "This is too much to be saved"
	}
	return "The portal cannot answer just now"
}

func (f *keptForm) message() string {
	if f.SignedOut {
		return "What you have written is kept on this page. Sign in in another window, then send it again here."
	}
	if f.TooLarge {
		return "What you have written is kept on this page. Go back and shorten it, or ask the operator to let the " +
			"database " +
			"take more at once."
	}
	return "What you have written is kept on this page. Leave it open, and send it again in a moment."
}
