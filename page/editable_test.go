package page

import (
	"context"
	"slices"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// The list of pages that a person may edit is what asking page by page gives, also where pages have grants of their
// own.
func TestEditable_IsWhatEachPageAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.New(t))
	admin := w.as(t, w.st, access.RoleAdministrator)
	w.make(t, NewPage{Slug: "open", Publish: true})
	shut := w.make(t, NewPage{Slug: "shut", Publish: true})
	below := w.make(t, NewPage{Slug: "below", Parent: shut.ID, Publish: true})
	w.make(t, NewPage{Slug: "draft"})
	lent := w.make(t, NewPage{Slug: "lent", Publish: true})
	w.make(t, NewPage{Slug: "under", Parent: lent.ID, Publish: true})
	shut.Restricted = true
	shut, err := w.Update(admin, shut)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := w.access.RoleIDs(t.Context(), w.st.Instance)
	if err != nil {
		t.Fatal(err)
	}
	grant := func(p Page, role string, a access.Action) {
		t.Helper()
		path, err := w.Path(admin, p)
		if err == nil {
			err = w.access.SetGrants(admin, path, []access.Grant{{Role: ids[role], Resource: path[0], Action: a}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	grant(shut, access.RoleGuest, access.View)
	grant(lent, access.RoleUser, access.Edit)
	grant(below, access.RoleEditor, access.Edit)
	member := stoa.ActorFrom(w.as(t, w.st, access.RoleUser))
	member.Roles = append(member.Roles, ids[access.RoleGuest])
	other := stoa.ActorFrom(admin)
	other.Instance++
	stranger := stoa.WithActor(t.Context(), other)
	if list, err := w.Editable(stranger, w.st.ID); !stoa.Is(err, stoa.KindNotFound) || len(list) > 0 {
		t.Errorf("an administrator of another instance: %d pages, %v", len(list), err)
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		want []string
	}{
		"administrator": {admin, []string{"/open", "/shut", "/shut/below", "/draft", "/lent", "/lent/under"}},
		"editor":        {w.editor, []string{"/open", "/draft", "/lent", "/lent/under"}},
		"user":          {stoa.WithActor(t.Context(), member), []string{"/lent", "/lent/under"}},
		"guest":         {w.guest, nil},
	} {
		list, err := w.Editable(c.ctx, w.st.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range list {
			got = append(got, n.Path)
			if depth := map[bool]int{true: 1}[n.Parent != 0]; n.Depth != depth || n.Children != nil {
				t.Errorf("%s: %s has the depth %d, and %d below it", name, n.Path, n.Depth, len(n.Children))
			}
		}
		var each []string
		tree, err := w.Tree(c.ctx, w.st.ID)
		if err != nil {
			t.Fatal(err)
		}
		var walk func([]Node)
		walk = func(nodes []Node) {
			for _, n := range nodes {
				path, err := w.Path(c.ctx, Page{ID: n.ID, Site: n.Site, Parent: n.Parent, Restricted: n.Restricted})
				if err != nil {
					t.Fatal(err)
				}
				if w.access.Can(c.ctx, access.Edit, path) {
					each = append(each, n.Path)
				}
				walk(n.Children)
			}
		}
		walk(tree)
		if !slices.Equal(got, each) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, page by page %q, want %q", name, got, each, c.want)
		}
	}
}
