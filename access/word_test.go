package access

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// The sentences of a refusal are chosen by what was asked for, and each language of the interface has each of them.
func TestRefusals_AreSaidInEachLanguage(t *testing.T) {
	t.Parallel()
	var said []*stoa.Error
	for kind := range these {
		said = append(said, stoa.NotFound(kind, "1"))
		for want := View; want <= Manage; want++ {
			said = append(said, stoa.Unauthorized(signIn[want], This(kind)))
			for have := View; have < want; have++ {
				said = append(said, stoa.Forbidden(falls[[2]Action{have, want}], This(kind)))
			}
		}
	}
	for _, e := range said {
		if strings.Contains(e.Message, "%!") || e.Sentence == "" {
			t.Errorf("in English: %q", e.Message)
		}
		for _, l := range lang.Languages()[1:] {
			if got := lang.In(l).Error(e); got == e.Message || strings.Contains(got, " this ") || strings.Contains(got, "%!") {
				t.Errorf("%s: %q is %q", l, e.Message, got)
			}
		}
	}
	e := stoa.Forbidden(falls[[2]Action{View, Publish}], This("article"))
	if got := lang.In("de").Error(e); got != "Sie dürfen diesen Artikel ansehen, aber nicht veröffentlichen" {
		t.Errorf("in German: %q", got)
	}
}
