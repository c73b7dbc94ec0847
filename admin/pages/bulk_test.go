package pages_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/page"
)

const list = "/control/pages"

// made makes a page as the portal does.
func made(w *admintest.World, slug string, parent stoa.ID, publish bool) page.Page {
	w.T.Helper()
	p, err := w.Pages.Create(admintest.As(stoa.SystemActor()), w.Site, page.NewPage{Slug: slug, Parent: parent,
		Title: map[stoa.Locale]string{"en": strings.ToUpper(slug)}, Position: -1, Publish: publish})
	admintest.Must(w.T, err)
	return p
}

// tree wants the addresses of the pages that an actor sees; those with a star are drafts.
func tree(w *admintest.World, who stoa.Actor, want ...string) {
	w.T.Helper()
	nodes, err := w.Pages.Tree(admintest.As(who), w.Site.ID)
	admintest.Must(w.T, err)
	var got []string
	var walk func([]page.Node)
	walk = func(nodes []page.Node) {
		for _, n := range nodes {
			if got = append(got, n.Path); !n.Published {
				got[len(got)-1] += "*"
			}
			walk(n.Children)
		}
	}
	if walk(nodes); !slices.Equal(got, want) {
		w.T.Errorf("the tree has %q, want %q", got, want)
	}
}

func TestPages_SeveralArePublishedMovedAndDeletedAtOnce(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	about, news := made(w, "about", 0, false), made(w, "news", 0, false)
	team, quay := made(w, "team", about.ID, false), made(w, "quay", 0, false)
	screen := w.Get(w.Editor, list)
	w.Without("a list that is whole", screen, "of this list")

	a := w.Press(w.Editor, screen, "Publish", "id", about.ID.String(), "id", team.ID.String(), "id", quay.ID.String())
	w.Want("published", w.Follow(w.Editor, a), http.StatusOK, "Published")
	tree(w, w.Editor, "/about", "/about/team", "/news*", "/quay")
	a = w.Press(w.Editor, screen, "Unpublish", "id", quay.ID.String())
	w.Want("unpublished", w.Follow(w.Editor, a), http.StatusOK)
	tree(w, w.Editor, "/about", "/about/team", "/news*", "/quay*")

	a = w.Press(w.Editor, screen, "Move", "id", quay.ID.String(), "id", news.ID.String(), "to", "/about")
	w.Want("moved", w.Follow(w.Editor, a), http.StatusOK, "Moved")
	tree(w, w.Editor, "/about", "/about/team", "/about/news*", "/about/quay*")
	for _, to := range []string{"", "/nowhere", "about us"} {
		a = w.Press(w.Editor, screen, "Move", "id", quay.ID.String(), "to", to)
		w.Want("moved below "+to, a, http.StatusUnprocessableEntity, "is not the address of a page below which you can put")
	}
	w.Want("below itself", w.Press(w.Editor, screen, "Move", "id", about.ID.String(), "to", "/about/team"),
		http.StatusUnprocessableEntity, "Nothing was done, because of the page at /about")
	a = w.Press(w.Editor, screen, "Move", "id", quay.ID.String(), "to", " / ")
	w.Want("to the top", a, http.StatusSeeOther)
	tree(w, w.Editor, "/about", "/about/team", "/about/news*", "/quay*")

	for _, button := range []string{"Publish", "Unpublish", "Move", list + "/bulk Delete"} {
		w.Want(button+" nothing", w.Press(w.Editor, screen, button, "to", "/"), http.StatusUnprocessableEntity,
			"Choose at least one page")
	}
	// One goes with the page above it: the notice brings back what is in the bin.
	a = w.Press(w.Editor, screen, list+"/bulk Delete", "id", team.ID.String(), "id", quay.ID.String(),
		"id", about.ID.String())
	screen = w.Follow(w.Editor, a)
	w.Want("deleted", screen, http.StatusOK, "No pages yet")
	tree(w, w.Editor)
	w.Want("undone", w.Follow(w.Editor, w.Press(w.Editor, screen, "Undo")), http.StatusOK)
	tree(w, w.Editor, "/about", "/about/team", "/about/news*", "/quay*")
}

// The buttons of one page stand in the same table as the boxes of several, and send the one alone.
func TestPages_TheMenuOfARowIsForThatPage(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	one, two := made(w, "one", 0, false), made(w, "two", 0, false)
	screen := w.Get(w.Editor, list)
	w.Want("down", w.Press(w.Editor, screen, "Move down"), http.StatusSeeOther)
	tree(w, w.Editor, "/two*", "/one*")
	w.Want("down, from the screen before", w.Press(w.Editor, screen, "Move down"), http.StatusConflict,
		"Another person has changed this page")
	screen = w.Get(w.Editor, list)
	w.Want("delete", w.Press(w.Editor, screen, list+"/"+two.ID.String()+"/delete Delete"), http.StatusSeeOther)
	tree(w, w.Editor, "/one*")
	w.Want("delete again", w.Press(w.Editor, screen, list+"/"+two.ID.String()+"/delete Delete"), http.StatusNotFound)
	w.Want("delete the other", w.Press(w.Editor, screen, list+"/"+one.ID.String()+"/delete Delete"), http.StatusSeeOther)
}

func TestPages_WhatAPersonMayNotDoIsDoneWithNone(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, elsewhere, stranger := w.Other()
	live, draft := made(w, "live", 0, true), made(w, "draft", 0, false)
	theirs, err := w.Pages.Create(admintest.As(stranger), elsewhere, page.NewPage{Slug: "theirs",
		Title: map[stoa.Locale]string{"en": "Theirs"}})
	admintest.Must(t, err)
	// The author may edit, not publish: the buttons are not there, and what is sent without them is refused.
	screen := w.Get(w.Author, list)
	w.Without("the list of an author", screen, ">Publish<", ">Unpublish<")
	both := []string{"id", live.ID.String(), "id", draft.ID.String()}
	for _, do := range []string{"publish", "unpublish", "delete"} {
		a := w.Post(w.Author, list+"/bulk", append(both, "do", do)...)
		w.Want(do+" by an author", a, http.StatusForbidden, "because of the page at /live")
		a = w.Post(w.Member, list+"/bulk", append(both, "do", do)...)
		w.Want(do+" by a member", a, http.StatusForbidden)
		w.Without(do+" by a member", a, "/live")
	}
	w.Want("moved by an author", w.Press(w.Author, screen, "Move", append(both, "to", "/")...), http.StatusSeeOther)
	w.Want("below it by an author", w.Press(w.Author, screen, "Move", "id", live.ID.String(), "to", "/draft"),
		http.StatusForbidden)
	w.Want("nonsense", w.Post(w.Editor, list+"/bulk", append(both, "do", "explode")...), http.StatusUnprocessableEntity,
		"cannot be done with several pages")
	w.Want("no number", w.Post(w.Editor, list+"/bulk", "do", "publish", "id", "x"), http.StatusUnprocessableEntity)
	for _, who := range []stoa.Actor{w.Editor, w.Manager()} {
		for _, do := range []string{"publish", "unpublish", "delete", "move"} {
			a := w.Post(who, list+"/bulk", append(both, "id", theirs.ID.String(), "do", do, "to", "/")...)
			w.Want(do+" of another instance", a, http.StatusNotFound)
			w.Without(do+" of another instance", a, "theirs")
		}
		w.Want("a list of another instance", w.Post(who, list+"/bulk", append(both, "site", elsewhere.ID.String(), "do",
			"publish")...), http.StatusNotFound)
	}
	tree(w, w.Editor, "/live", "/draft*")
}

// A person with a right on one page only has a list of that page, and does with it what the right allows.
func TestPages_WhoEditsOnePageDoesSoWithThatOne(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	system := admintest.As(stoa.SystemActor())
	mine, other := made(w, "mine", 0, false), made(w, "other", 0, false)
	role, err := w.Access.CreateRole(system, access.Role{Instance: w.Instance.ID, Name: "Mine"})
	admintest.Must(t, err)
	path, err := w.Pages.Path(system, mine)
	admintest.Must(t, err)
	admintest.Must(t, w.Access.SetGrants(system, path, []access.Grant{{Role: role.ID, Action: access.Publish}}))
	who := w.Person(w.Instance.ID, "mia", role.ID)
	screen := w.Get(who, list)
	w.Want("the list", screen, http.StatusOK, "/mine")
	w.Without("the list", screen, "/other")
	w.Want("the place to move to", w.Get(who, "/control/pages/choose?q=mine"), http.StatusOK, `"/mine"`)
	a := w.Post(who, list+"/bulk", "do", "publish", "id", mine.ID.String(), "id", other.ID.String())
	if a.Status != http.StatusForbidden && a.Status != http.StatusNotFound {
		t.Errorf("with another page: %d", a.Status)
	}
	tree(w, w.Editor, "/mine*", "/other*")
	w.Want("with the own", w.Post(who, list+"/bulk", "do", "publish", "id", mine.ID.String()), http.StatusSeeOther)
	tree(w, w.Editor, "/mine", "/other*")
	w.Want("delete", w.Press(who, screen, list+"/bulk Delete", "id", mine.ID.String()), http.StatusSeeOther)
	tree(w, w.Editor, "/other*")
}

func TestPages_AllOfALongListIsDoneInTheBackground(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	top := made(w, "top", 0, true)
	for i := range page.MaxBulk + 5 {
		made(w, fmt.Sprint("leaf-", i), top.ID, false)
	}
	made(w, "stone", 0, false)
	admintest.Must(t, w.Jobs.Start(t.Context()))
	// of the tree: an address
	screen := w.Get(w.Editor, list+"?q=%2Ftop%2Fleaf")
	w.Want("the part of the tree", screen, http.StatusOK, "All 205 of this list", `data-pick-rest="205"`)
	w.Want("too many to move", w.Press(w.Editor, screen, "Move", "all", "on", "to", "/stone"),
		http.StatusUnprocessableEntity, "At most 200 pages can be chosen at once; 205 are")
	if r := over(w, w.Press(w.Editor, screen, "Publish", "all", "on")); r.Done() != 205 || r.Refused != 0 {
		t.Errorf("published: %+v", r)
	}
	published := 0
	for _, n := range all(w) {
		if n.Published {
			published++
		}
	}
	if published != 206 { // with the one that was
		t.Errorf("%d pages are published", published)
	}
	// of a filter: words of the title
	screen = w.Get(w.Editor, list+"?q=leaf&status=published")
	w.Want("what a filter finds", screen, http.StatusOK, "All 205 of this list")
	if r := over(w, w.Press(w.Editor, screen, "Unpublish", "all", "on")); r.Done() != 205 {
		t.Errorf("unpublished: %+v", r)
	}
	// of the whole tree: those below go along with the first one
	screen = w.Get(w.Editor, list)
	w.Want("the tree", screen, http.StatusOK, "All 207 of this list")
	a := w.Press(w.Editor, screen, list+"/bulk Delete", "all", "on")
	if r := over(w, a); r.Done() != 207 || r.Refused != 0 {
		t.Errorf("deleted: %+v", r)
	}
	w.Want("the action", w.Get(w.Editor, a.Location), http.StatusOK, "Delete pages", "207 of 207")
	tree(w, w.Editor)
}

func all(w *admintest.World) []page.Line {
	w.T.Helper()
	lines, err := w.Pages.Editable(admintest.As(w.Editor), w.Site.ID)
	admintest.Must(w.T, err)
	return lines
}

// over waits for the end of the action whose screen the answer leads to.
func over(w *admintest.World, a admintest.Answer) (r bulk.Record) {
	w.T.Helper()
	id, err := stoa.ParseID(strings.TrimPrefix(a.Location, "/control/bulk/"))
	if err != nil {
		w.T.Fatalf("the screen of an action is expected, not %q (%d)\n%s", a.Location, a.Status, a.Main())
	}
	dbtest.Await(w.T, 5*time.Minute, func() error {
		if r, err = w.Bulk.Get(admintest.As(w.Editor), id); err == nil && r.Open() {
			err = errors.New("it goes on")
		}
		return err
	})
	return r
}

func TestPages_ProposesWhereToMoveThem(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	about := made(w, "about", 0, true)
	made(w, "team", about.ID, false)
	w.Want("the field", w.Get(w.Editor, list), http.StatusOK,
		`data-choose="/control/pages/choose?site=`+w.Site.ID.String())
	a := w.Get(w.Editor, "/control/pages/choose?site="+w.Site.ID.String()+"&q=TEA")
	w.Want("by title", a, http.StatusOK, `{"items":[{"value":"/about/team","label":"TEAM"}]}`)
	w.Want("the top", w.Get(w.Editor, "/control/pages/choose?q=top"), http.StatusOK, `{"value":"/","label":"Top level"}`)
	w.Want("for a member", w.Get(w.Member, "/control/pages/choose?q=about"), http.StatusForbidden)
}
