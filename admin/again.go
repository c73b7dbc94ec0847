package admin

import "io"

// What forms and scripts say of the person whose screen sends them: a field, and a header where there is no form.
const (
	PersonField  = "_person"
	personHeader = "Stoa-Person"
)

// ofAnother reports whether the screen that sends the request was opened by another person than the one who is signed
// in by now. What was typed there is neither saved in their name nor shown to them.
func (q *Request) ofAnother() bool {
	for _, p := range []string{q.PostForm.Get(PersonField), q.Header.Get(personHeader)} {
		if p != "" && p != q.Actor.User.String() {
			return true
		}
	}
	return false
}

// me tells a screen who is signed in: the id as text. Who is not is led to the sign-in page, which scripts see.
func (h *Panel) me(q *Request) error {
	q.W.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(q.W, q.Actor.User.String())
	return err
}
