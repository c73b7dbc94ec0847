package page

import (
	"maps"
	"slices"

	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// thing is the page as the audit log names it.
func (p Page) thing() audit.Thing {
	t := audit.Thing{Kind: kindPage, ID: p.ID}
	for _, l := range slices.Sorted(maps.Keys(p.Title)) {
		if t.Title = p.Title[l]; t.Title != "" {
			break
		}
	}
	if t.Title == "" {
		t.Title = p.Path
	}
	return t
}

// noteColumn says what a column of the page was changed to mean.
func noteColumn(tx *db.Tx, p Page, column string, value any) {
	action := audit.Changed
	switch {
	case column == "published" && value == false:
		action = audit.Withdrawn
	case column == "password" && value == "":
		action = audit.PasswordGone
	case column == "password":
		action = audit.PasswordSet
	}
	audit.Note(tx, action, p.thing())
}

// thing is the menu as the audit log names it.
func (m Menu) thing() audit.Thing { return audit.Thing{Kind: kindMenu, ID: m.ID, Title: m.Name} }
