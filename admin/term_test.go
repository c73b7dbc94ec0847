package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/taxonomy"
)

func TestUnquoted_ReadsBackWhatQuotedWrote(t *testing.T) {
	for list, want := range map[string][]string{
		`a, b ,a`: {"a", "b"}, `"Rock, Pop", x`: {"Rock, Pop", "x"}, `"say ""ah""", y`: {`say "ah"`, "y"},
		`5" pipe`: {`5" pipe`}, `"half, x`: {`"half`, "x"}, ` , ,`: nil, "a\nb": {"a", "b"},
	} {
		if got := unquoted(list); !slices.Equal(got, want) {
			t.Errorf("%q is read as %q; want %q", list, got, want)
		}
	}
	for _, name := range []string{`Rock, Pop`, `5" pipe`, `"`, `a"",b`, `x`} {
		if got := unquoted(quoted(name) + ", end"); len(got) != 2 || got[0] != name {
			t.Errorf("%q comes back as %q", name, got)
		}
	}
}

func TestArticle_ASaveChangesOnlyTheTermsThatTheEditorChanged(t *testing.T) {
	w := newWorld(t)
	var odd, late stoa.ID
	var many []stoa.ID
	must(t, w.db.Write(as(w.admin), func(ctx context.Context, tx *db.Tx) (err error) {
		many = nil
		for i := range 501 {
			id, err := w.tax.EnsureCategory(ctx, tx, taxonomy.Category{Site: w.site.ID,
				Name: fmt.Sprintf("Subject %03d", i)})
			if err != nil {
				return err
			}
			many = append(many, id)
		}
		for i := range 60 {
			if _, err := w.tax.EnsureTag(ctx, tx, w.site.ID, fmt.Sprintf("aaa %d", i), ""); err != nil {
				return err
			}
		}
		if odd, err = w.tax.EnsureTag(ctx, tx, w.site.ID, "Rock, Pop", "rockpop"); err != nil {
			return err
		}
		late, err = w.tax.EnsureTag(ctx, tx, w.site.ID, "Node.js", "nodejs")
		return err
	}))
	a, err := w.content.Create(as(w.editor), w.site,
		content.Draft{Text: map[stoa.Locale]content.Text{"en": {Title: "Has late terms"}},
			Categories: many[499:], Tags: []stoa.ID{odd, late}})
	must(t, err)
	at := "/control/content/" + a.ID.String()
	check := func(what string, categories, tags []stoa.ID) {
		t.Helper()
		now, err := w.content.Get(as(w.editor), a.ID)
		must(t, err)
		slices.Sort(now.Tags)
		slices.Sort(now.Categories)
		slices.Sort(tags)
		slices.Sort(categories)
		if !slices.Equal(now.Tags, tags) || !slices.Equal(now.Categories, categories) {
			t.Errorf("%s: categories %v and tags %v; want %v and %v", what, now.Categories, now.Tags, categories, tags)
		}
	}
	form := func(more ...string) []string {
		return append([]string{"title", "Has late terms", "slug", "has-late-terms", "kind", "article", "body",
			"<p>x</p>", "summary", "Corrected"}, more...)
	}
	shown := []string{"tags_was", `Node.js, "Rock, Pop"`, "categories_was", many[499].String() + " " +
		many[500].String()}
	screen := w.get(w.editor, at)
	w.want("the form", screen, http.StatusOK, "Node.js, &#34;Rock, Pop&#34;", "Subject 500", "Further categories")
	w.without("the form", screen, "Subject 498")
	opened := w.version(screen)
	w.want("save", w.post(w.editor, at, form(append(shown, "version", opened, "tags", `Node.js, "Rock, Pop"`,
		"categories", many[499].String(),
		"categories", many[500].String())...)...), http.StatusSeeOther)
	check("nothing was changed", many[499:], []stoa.ID{odd, late})

	w.want("save", w.post(w.editor, at, form(append(shown, "version", w.version(w.get(w.editor, at)), "tags",
		`"Rock, Pop", aaa 1`,
		"categories", many[500].String(), "more_categories", "Subject 003, no such thing")...)...),
		http.StatusUnprocessableEntity, "no category")
	w.want("save", w.post(w.editor, at, form(append(shown, "version", w.version(w.get(w.editor, at)), "tags",
		`"Rock, Pop", aaa 1`,
		"categories", many[500].String(), "more_categories", "Subject 003, subject-002")...)...), http.StatusSeeOther)
	one, err := w.tax.TagBySlug(as(w.editor), w.site.ID, "aaa-1")
	must(t, err)
	check("one was taken away and one added of each kind", []stoa.ID{many[500], many[2], many[3]},
		[]stoa.ID{odd, one.ID})

	w.want("proposals", w.get(w.editor, "/control/choose?kind=tag&q=rock"), http.StatusOK, `"\"Rock, Pop\""`)
	w.want("proposals", w.get(w.editor, "/control/choose?kind=category&q=500"), http.StatusOK, "Subject 500")
	w.want("proposals", w.get(w.editor, "/control/choose?kind=article&q=late"), http.StatusOK, a.ID.String())
	w.want("of an unknown kind", w.get(w.editor, "/control/choose?kind=user&q=a"), http.StatusUnprocessableEntity)
	w.want("by a person who may not edit", w.get(w.nobody, "/control/choose?kind=tag&q=a"), http.StatusForbidden)
	list := w.get(w.editor, "/control/categories?q=subject+500")
	w.want("the list", list, http.StatusOK, "Subject 500")
	w.without("the list", list, "Subject 499")
}
