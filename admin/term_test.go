package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/taxonomy"
)

func TestArticle_AListOfTagsHasALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	send := func(field, list string) answer {
		return w.post(w.editor, "/control/content/new", "title", "Quay", "slug", "quay", "kind", "article", "body",
			"<p>x</p>",
			field, list)
	}
	many := ""
	for i := range 101 {
		many += fmt.Sprintf("n%d,", i)
	}
	w.want("a long list", send("tags", strings.Repeat(`"`, 64<<10+1)), http.StatusUnprocessableEntity,
		"longer than 64 KiB")
	w.want("101 tags", send("tags", many), http.StatusUnprocessableEntity, "At most 100")
	if found, err := w.tax.SearchTags(as(w.editor), w.site.ID, "n", "", 10); err != nil || len(found.Items) > 0 {
		t.Errorf("tags were made: %v, %v", found.Items, err)
	}
	w.want("100 tags", send("tags", many[:strings.LastIndex(many, "n100")]), http.StatusSeeOther)
}

func TestArticle_ASaveChangesOnlyTheTermsThatTheEditorChanged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { testTermsOfASave(t, newWorldOn(t, d)) })
}

func testTermsOfASave(t *testing.T, w *world) {
	t.Helper()
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
	first := w.get(w.editor, "/control/categories")
	w.want("more categories than a tree has", first, http.StatusOK, "Subject 000", `rel="next"`)
	w.without("more categories than a tree has", first, `class="filters__count"`, "First page")
	w.want("the next of them", w.get(w.editor, first.link(t, "next")), http.StatusOK, "Subject 050", "First page")
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
	w.want("by a person who may not edit", w.get(w.member, "/control/choose?kind=tag&q=a"), http.StatusForbidden)
	list := w.get(w.editor, "/control/categories?q=subject+500")
	w.want("the list", list, http.StatusOK, "Subject 500")
	w.without("the list", list, "Subject 499")
}
