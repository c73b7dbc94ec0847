package document_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/site"
)

func TestMoveAll_MovesAllOrNone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		open, err := n.SaveFolder(ctx, st, document.Folder{Name: "Open"})
		must(t, err)
		shut, err := n.SaveFolder(ctx, st, document.Folder{Name: "Shut", Restricted: true})
		must(t, err)
		a, b := n.upload(t, st, "a.txt", []byte("a")), n.upload(t, st, "b.txt", []byte("b"))
		own := n.upload(t, st, "own.txt", []byte("own"))
		own, err = n.Move(ctx, own.ID, shut.ID, false, own.Version)
		must(t, err)
		ids := []stoa.ID{b.ID, a.ID, a.ID}
		editor := n.editor(t, st)
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 8, Instance: st.Instance + 1, Admin: true})
		in := func(folder stoa.ID, files ...document.File) {
			t.Helper()
			for _, f := range files {
				if now, err := n.Get(ctx, f.ID); err != nil || now.Folder != folder {
					t.Errorf("%s is in the folder %d, want %d (%v)", f.Name, now.Folder, folder, err)
				}
			}
		}
		wantKind(t, n.MoveAll(stranger, ids, open.ID), stoa.KindNotFound, "of another instance")
		wantKind(t, n.MoveAll(n.guest(t, st), ids, open.ID), stoa.KindUnauthorized, "by a guest")
		wantKind(t, n.MoveAll(editor, ids, 4711), stoa.KindInvalid, "into no folder of the site")
		in(0, a, b)
		// The last one may not be edited by this person, so the others stay; its name is not told.
		err = n.MoveAll(editor, append(ids, own.ID), open.ID)
		if !stoa.Is(err, stoa.KindForbidden) && !stoa.Is(err, stoa.KindNotFound) || strings.Contains(err.Error(), "own.txt") {
			t.Errorf("with one in a folder for others: %v", err)
		}
		in(0, a, b)
		must(t, n.MoveAll(editor, ids, open.ID))
		in(open.ID, a, b)
		must(t, n.MoveAll(editor, ids, open.ID)) // they are there
		in(open.ID, a, b)
		wantKind(t, n.MoveAll(ctx, make([]stoa.ID, 1), open.ID), stoa.KindNotFound, "no file")
		many := make([]stoa.ID, document.MaxBulk+1)
		for i := range many {
			many[i] = stoa.ID(i + 1)
		}
		wantKind(t, n.MoveAll(ctx, many, open.ID), stoa.KindInvalid, "too many")
		assettest.Same(t, n.d, n.AssetType())
	})
}

func TestTrashAll_TakesAllOrNoneAndAlsoInTheBackground(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		assettest.Service(t, n.d, n.AssetType())
		a, b := n.upload(t, st, "a.txt", []byte("a")), n.upload(t, st, "b.txt", []byte("b"))
		c := n.upload(t, st, "c.txt", []byte("c"))
		editor := n.editor(t, st)
		there := func(want bool, files ...document.File) {
			t.Helper()
			for _, f := range files {
				if _, err := n.Get(ctx, f.ID); (err == nil) != want {
					t.Errorf("%s: %v", f.Name, err)
				}
			}
		}
		wantKind(t, n.TrashAll(n.guest(t, st), []stoa.ID{a.ID}), stoa.KindUnauthorized, "by a guest")
		wantKind(t, n.TrashAll(editor, []stoa.ID{a.ID, 4711}), stoa.KindNotFound, "with one that is not there")
		there(true, a, b)
		must(t, n.TrashAll(editor, []stoa.ID{a.ID, b.ID}))
		there(false, a, b)
		act := n.BulkActions()[0]
		one := func(ctx context.Context, thing bulk.Thing) error {
			return n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return act.Do(ctx, tx, thing) })
		}
		wantKind(t, one(n.guest(t, st), bulk.Thing{Kind: "file", ID: c.ID}), stoa.KindUnauthorized, "the action, by a guest")
		wantKind(t, one(editor, bulk.Thing{Kind: "page", ID: c.ID}), stoa.KindNotFound, "a page")
		there(true, c)
		must(t, one(editor, bulk.Thing{Kind: "file", ID: c.ID}))
		there(false, c)
	})
}

// editor gives the context of a person who may publish everywhere in the instance of a site.
func (n *node) editor(t *testing.T, st site.Site) context.Context {
	t.Helper()
	ids, err := n.acc.RoleIDs(t.Context(), st.Instance)
	must(t, err)
	return stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: st.Instance,
		Roles: []stoa.ID{ids[access.RoleEditor], ids[access.RoleUser], ids[access.RoleGuest]}})
}
