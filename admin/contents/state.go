package contents

import (
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
)

// statePill is statusPill that also tells of a draft which waits beside what visitors see.
func statePill(q *admin.Request, a content.Article) admin.Pill {
	p := statusPill(q, a)
	if a.Status == content.StatusPublished && a.HasDraft() {
		p = admin.Pill{Kind: "info", Text: q.Word("contents.state.published-draft")}
	}
	return p
}

// stateOf says in words what visitors see of the article and what will become of it, with times in the zone of the
// person.
func stateOf(q *admin.Request, a content.Article) string {
	var say []string
	switch {
	case a.Live > 0 && a.Pending > 0:
		say = append(say, q.Word("contents.is.scheduled-over", q.Minute(a.Publish)))
	case a.Pending > 0:
		say = append(say, q.Word("contents.is.scheduled", q.Minute(a.Publish)))
	case a.Status == content.StatusExpired:
		return q.Word("contents.is.expired", q.Minute(a.Expire))
	case a.Live > 0 && a.HasDraft():
		say = append(say, q.Word("contents.edit-purpose", strconv.Itoa(a.Live), strconv.Itoa(a.Number)))
	case a.Live > 0:
		say = append(say, q.Word("contents.is.published", q.Minute(a.Published)))
	default:
		return q.Word("contents.is.draft")
	}
	if !a.Expire.IsZero() {
		say = append(say, q.Word("contents.is.until", q.Minute(a.Expire)))
	}
	return strings.Join(say, " ")
}
