package content

import (
	"cmp"

	"github.com/stoa-portal/stoa/audit"
)

// thing is the article as the audit log names it: by its title, or where the text was not read by its address.
func (a Article) thing() audit.Thing {
	return audit.Thing{Kind: "article", ID: a.ID, Instance: a.Instance, Title: cmp.Or(a.Text[a.Default].Title, a.Slug)}
}
