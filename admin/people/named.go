package people

import (
	"errors"
	"net/http"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/user"
)

// kind is what roles and user groups have of their own on screens that are otherwise the same. All but the first two
// are keys of words.
type kind struct {
	URL, Icon                  string
	Heading, About, New        string
	Column, Last               string // headings of the first and the last column of the list
	Empty, EmptyText, EmptyNew string // the list without a row; the portal has roles always
	Delete, DeleteText         string // what the person is asked before it is deleted
	Number                     bool   // the last column is a number
}

// named is a role or a user group in a list.
type named struct {
	ID                stoa.ID
	Name, Description string
	Last              string      // in the last column
	Pill              *admin.Pill // instead of Last
}

// showList shows the roles or the user groups.
func (h *screens) showList(q *admin.Request, k kind, list []named) error {
	type view struct {
		admin.ListBody[named]
		Kind kind
	}
	words := func(n named) string { return n.Name + " " + n.Description }
	return h.Show(q, http.StatusOK, "named_list", admin.Screen{Title: q.Word(k.Heading), Purpose: q.Word(k.About),
		Actions: []admin.Link{{Title: q.Word(k.New), URL: k.URL + "/new", Icon: "plus", Primary: true}},
		Body:    view{admin.ListOf(q, list, q.Word("people.filter"), words), k}})
}

// editing is what the screen of a role or a user group shows.
type editing struct {
	Kind         kind
	ID           stoa.ID // 0: it is a new one
	Name         string
	System       bool
	Form         *admin.Form
	Grants       *admin.Form // of a role: what it may do
	Add          *admin.Form // of a user group: asks for a member
	Members      []user.User
	admin.Paging // of the members
}

// url is the screen's address.
func (e *editing) url() string { return e.Kind.URL + "/" + e.ID.String() }

// nameFields ask for what both have.
func nameFields(q *admin.Request, name, description string) []*admin.Field {
	return []*admin.Field{
		{Name: "name", Label: q.Word("people.name"), Kind: "text", Value: name},
		{Name: "description", Label: q.Word("people.description"), Kind: "textarea", Rows: 3, Value: description,
			Optional: true},
	}
}

// create shows the form of a new one and makes it.
func (h *screens) create(q *admin.Request, e *editing, create func() (stoa.ID, error)) error {
	if q.Method != http.MethodPost {
		return h.showNamed(q, e)
	}
	e.Form.Read(q)
	id, err := create()
	if err != nil {
		return h.refuse(q, e, err)
	}
	return q.Done(e.Kind.URL+"/"+id.String(), "created")
}

// saved answers the form that was sent. err is how saving ended; version is that of the thing before, and stale gives
// the form what was saved since it was opened.
func (h *screens) saved(q *admin.Request, e *editing, err error, version int64, stale func() error) error {
	if err == nil {
		return q.Done(e.url(), "saved")
	}
	if !stoa.Is(err, stoa.KindConflict) || e.Form.Version == version {
		return h.refuse(q, e, err)
	}
	if err := stale(); err != nil {
		return err
	}
	return h.showNamed(q, e)
}

// refuse shows the form with what is wrong in it; a name that is taken is wrong beside its field.
func (h *screens) refuse(q *admin.Request, e *editing, err error) error {
	if known := (*stoa.Error)(nil); errors.As(err, &known) && known.Kind == stoa.KindConflict && known.Field == "" {
		err = admin.InField("name", err)
	}
	if !e.Form.Fail(err) {
		return err
	}
	return h.showNamed(q, e)
}

func (h *screens) showNamed(q *admin.Request, e *editing) error {
	s := admin.Screen{Title: q.Word(e.Kind.New), Back: &admin.Link{Title: q.Word(e.Kind.Heading), URL: e.Kind.URL},
		Narrow: true, Body: e}
	status := e.Form.Status()
	for _, f := range []*admin.Form{e.Grants, e.Add} {
		if f != nil {
			status = max(status, f.Status())
		}
	}
	if e.ID != 0 {
		s.Title = e.Name
	}
	if e.System {
		s.Pill = ofPortal(q)
	}
	return h.Show(q, status, "named", s)
}

// ofPortal marks what the portal itself has made.
func ofPortal(q *admin.Request) *admin.Pill {
	return &admin.Pill{Kind: "info", Text: q.Word("people.of-portal")}
}
