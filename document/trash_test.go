package document_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

func TestTrash_HidesAFileWithItsBytesAndRestoreBringsItBackIntoItsFolder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		assets := assettest.Service(t, n.d, n.AssetType())
		dir, err := n.SaveFolder(ctx, st, document.Folder{Name: "Sea"})
		must(t, err)
		f := n.upload(t, st, "tides.txt", []byte("High water."))
		f, err = n.Move(ctx, f.ID, dir.ID, true, f.Version)
		must(t, err)
		role, err := n.acc.CreateRole(ctx, access.Role{Instance: st.Instance, Name: "Readers"})
		must(t, err)
		path, err := n.Path(ctx, f)
		must(t, err)
		must(t, n.acc.SetGrants(ctx, path, []access.Grant{{Role: role.ID, Action: access.View}}))
		reader := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Instance: st.Instance, Roles: []stoa.ID{role.ID}})
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 8, Instance: st.Instance + 1, Admin: true})
		n.bytesOf(t, reader, f.Key, 0)
		ref := []asset.Ref{{Kind: "file", ID: f.ID}}

		wantKind(t, n.Trash(reader, f.ID), stoa.KindForbidden, "without Publish")
		wantKind(t, n.Trash(stranger, f.ID), stoa.KindNotFound, "of another instance")
		must(t, n.Trash(ctx, f.ID))
		if got := assettest.Same(t, n.d, n.AssetType()); got != 1 {
			t.Errorf("%d things were compared", got)
		}
		_, err = n.Get(ctx, f.ID)
		wantKind(t, err, stoa.KindNotFound, "by its id")
		_, _, err = n.Open(reader, f.Key, 0)
		if wantKind(t, err, stoa.KindNotFound, "its bytes"); !errors.Is(err, asset.ErrTrashed) {
			t.Errorf("who could see it is told %v", err)
		}
		_, _, err = n.Open(stranger, f.Key, 0)
		if wantKind(t, err, stoa.KindNotFound, "for a stranger"); errors.Is(err, asset.ErrTrashed) {
			t.Error("a person who could not see it is told where it is")
		}
		list, err := n.List(ctx, st, document.Filter{})
		if must(t, err); len(list) != 0 {
			t.Errorf("listed: %v", list)
		}
		if _, err := n.Sweep(ctx, time.Now().Add(30*24*time.Hour)); err != nil || n.keys(t) != 1 {
			t.Errorf("the bytes of what is in the bin were swept away: %d files are left, %v", n.keys(t), err)
		}
		bin, err := assets.Trash(ctx, st, "", 10)
		must(t, err)
		if len(bin.Items) != 1 || bin.Items[0].Title("en") != "tides.txt" ||
			bin.Items[0].Address != document.URL(st.Slug, f) {
			t.Fatalf("the bin has %+v", bin.Items)
		}
		_, err = assets.Restore(reader, ref)
		wantKind(t, err, stoa.KindForbidden, "restored without Publish")
		_, err = assets.Restore(stranger, ref)
		wantKind(t, err, stoa.KindNotFound, "restored by a stranger")
		wantKind(t, assets.Purge(reader, ref), stoa.KindForbidden, "purged without Publish")
		_, err = assets.Restore(ctx, ref)
		must(t, err)
		if got := assettest.Same(t, n.d, n.AssetType()); got != 1 {
			t.Errorf("%d things were compared", got)
		}
		now, err := n.Get(reader, f.ID)
		must(t, err)
		if now.Version != f.Version+2 || now.Folder != f.Folder || !now.Restricted || now.Key != f.Key {
			t.Errorf("restored as %+v, was %+v", now, f)
		}
		if body, _ := n.bytesOf(t, reader, f.Key, 0); string(body) != "High water." {
			t.Errorf("its bytes are %q", body)
		}
		wantKind(t, assets.Purge(ctx, ref), stoa.KindNotFound, "purged where it is not in the bin")

		must(t, n.Trash(ctx, f.ID))
		must(t, assets.Purge(ctx, ref))
		_, _, err = n.Open(ctx, f.Key, 0)
		if wantKind(t, err, stoa.KindNotFound, "after the purge"); errors.Is(err, asset.ErrTrashed) {
			t.Error("what was purged is told to be in the bin")
		}
		must(t, n.DeleteFolder(ctx, st, dir.ID))
		var orphans int
		must(t, n.d.QueryRow(ctx, "SELECT count(*) FROM document_orphan WHERE file_key = ?", f.Key).Scan(&orphans))
		if orphans != 1 {
			t.Error("the bytes of what was purged are kept for ever")
		}
	})
}

// tree makes the folder Sea with the folder Deep and a file in each, and a file beside it.
func (n *node) tree(t *testing.T, st site.Site) (sea, deep document.Folder, files []document.File) {
	t.Helper()
	ctx := system(t)
	sea, err := n.SaveFolder(ctx, st, document.Folder{Name: "Sea"})
	must(t, err)
	deep, err = n.SaveFolder(ctx, st, document.Folder{Name: "Deep", Parent: sea.ID})
	must(t, err)
	for i, in := range []stoa.ID{sea.ID, deep.ID, 0} {
		f := n.upload(t, st, fmt.Sprintf("f%d.txt", i), []byte("Words."))
		if in != 0 {
			f, err = n.Move(ctx, f.ID, in, false, f.Version)
			must(t, err)
		}
		files = append(files, f)
	}
	return sea, deep, files
}

// names are the names of the folders and the files that the actor sees.
func (n *node) names(t *testing.T, ctx context.Context, st site.Site) string {
	t.Helper()
	var out []string
	folders, err := n.Folders(ctx, st)
	must(t, err)
	for _, f := range folders {
		out = append(out, fmt.Sprint(f.Depth, f.Name))
	}
	files, err := n.List(ctx, st, document.Filter{})
	must(t, err)
	for _, f := range files {
		out = append(out, f.Name)
	}
	return fmt.Sprint(out)
}

func TestTrashFolder_TakesAllInItAlongAndRestoreBringsItBack(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		assets := assettest.Service(t, n.d, n.AssetType())
		must(t, assets.RegisterBin(n.BinKind()))
		sea, deep, files := n.tree(t, st)
		const whole, rest = "[0Sea 1Deep f2.txt f1.txt f0.txt]", "[f2.txt]"
		role, err := n.acc.CreateRole(ctx, access.Role{Instance: st.Instance, Name: "Keepers"})
		must(t, err)
		path, err := n.FolderPath(ctx, st, sea.ID)
		must(t, err)
		must(t, n.acc.SetGrants(ctx, path, []access.Grant{{Role: role.ID, Action: access.Publish}}))
		keeper := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Instance: st.Instance, Roles: []stoa.ID{role.ID}})
		reader := stoa.WithActor(t.Context(), stoa.Actor{User: 9, Instance: st.Instance})
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 8, Instance: st.Instance + 1, Admin: true})
		ref := []asset.Ref{{Kind: "folder", ID: sea.ID}}

		wantKind(t, n.TrashFolder(reader, st, sea.ID), stoa.KindNotFound, "without a right")
		wantKind(t, n.TrashFolder(stranger, st, sea.ID), stoa.KindNotFound, "of another instance")
		locked, err := n.Move(ctx, files[1].ID, deep.ID, true, files[1].Version)
		must(t, err)
		wantKind(t, n.TrashFolder(keeper, st, sea.ID), stoa.KindNotFound, "with a file that is not the keeper's")
		if got := n.names(t, ctx, st); got != whole {
			t.Fatalf("refused, and %s", got)
		}
		_, err = n.Move(ctx, locked.ID, deep.ID, false, locked.Version)
		must(t, err)
		must(t, n.TrashFolder(keeper, st, sea.ID))
		if got := n.names(t, ctx, st); got != rest {
			t.Fatalf("in the bin, and %s", got)
		}
		if got := assettest.Same(t, n.d, n.AssetType()); got != 3 {
			t.Errorf("%d things were compared", got)
		}
		_, _, err = n.Open(keeper, files[1].Key, 0)
		if wantKind(t, err, stoa.KindNotFound, "its bytes"); !errors.Is(err, asset.ErrTrashed) {
			t.Errorf("who could see it is told %v", err)
		}
		list, err := assets.Trash(ctx, st, "", 10)
		if must(t, err); len(list.Items) != 1 || list.Items[0].Title("en") != "Sea" || list.Items[0].ID != sea.ID {
			t.Fatalf("the bin has %+v", list.Items)
		}
		for _, one := range []asset.Ref{{Kind: "folder", ID: deep.ID}, {Kind: "file", ID: files[0].ID}} {
			_, err := assets.Restore(ctx, []asset.Ref{one})
			wantKind(t, err, stoa.KindNotFound, "restored without the folder that took it along")
			wantKind(t, assets.Purge(ctx, []asset.Ref{one}), stoa.KindNotFound, "purged alone")
		}
		_, err = assets.Restore(reader, ref)
		wantKind(t, err, stoa.KindNotFound, "restored without a right")
		_, err = assets.Restore(stranger, ref)
		wantKind(t, err, stoa.KindNotFound, "restored by a stranger")
		_, err = assets.Restore(keeper, ref)
		must(t, err)
		if got := n.names(t, ctx, st); got != whole {
			t.Fatalf("restored, and %s", got)
		}
		if got := assettest.Same(t, n.d, n.AssetType()); got != 3 {
			t.Errorf("%d things were compared", got)
		}
		if _, err := n.Get(keeper, files[1].ID); err != nil {
			t.Errorf("what was granted on the folder is gone: %v", err)
		}

		must(t, n.TrashFolder(keeper, st, sea.ID))
		must(t, assets.Purge(keeper, ref))
		var rows int
		must(t, n.d.QueryRow(ctx, "SELECT (SELECT count(*) FROM document_folder) + (SELECT count(*) FROM document_file) + "+
			"(SELECT count(*) FROM asset_trash) + (SELECT count(*) FROM access_grant WHERE kind = 'folder')").Scan(&rows))
		if rows != 1 {
			t.Errorf("%d rows are left, not only the file beside", rows)
		}
	})
}

func TestRestore_AFileWithoutItsFolderAsksForAPlace(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		assets := assettest.Service(t, n.d, n.AssetType())
		must(t, assets.RegisterBin(n.BinKind()))
		sea, deep, files := n.tree(t, st)
		ids, err := n.acc.RoleIDs(ctx, st.Instance)
		must(t, err)
		editor := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Instance: st.Instance,
			Roles: []stoa.ID{ids[access.RoleEditor]}})
		file := []asset.Ref{{Kind: "file", ID: files[1].ID}}
		must(t, n.Trash(editor, files[1].ID))
		must(t, n.TrashFolder(editor, st, sea.ID)) // though a file of it is in the bin
		if list, err := assets.Trash(editor, st, "", 10); err != nil || len(list.Items) != 2 {
			t.Fatalf("the bin has %+v, %v", list.Items, err)
		}
		if _, err = assets.Restore(editor, file); !errors.Is(err, recycle.ErrNoPlace) {
			t.Fatalf("restored into a folder in the bin: %v", err)
		}
		port, err := n.SaveFolder(ctx, st, document.Folder{Name: "Port"})
		must(t, err)
		_, err = assets.RestoreTo(editor, file, asset.Place{Parent: deep.ID})
		wantKind(t, err, stoa.KindInvalid, "to a folder in the bin")
		_, err = assets.RestoreTo(editor, file, asset.Place{Parent: port.ID})
		must(t, err)
		if f, err := n.Get(editor, files[1].ID); err != nil || f.Folder != port.ID {
			t.Errorf("restored as %+v, %v", f, err)
		}
		// Without its folder it is for those who manage the site.
		must(t, n.TrashFolder(editor, st, port.ID))
		must(t, assets.Purge(editor, []asset.Ref{{Kind: "folder", ID: port.ID}}))
		must(t, assets.Purge(editor, []asset.Ref{{Kind: "folder", ID: sea.ID}}))
		dock, err := n.SaveFolder(ctx, st, document.Folder{Name: "Dock"})
		must(t, err)
		moved, err := n.Move(ctx, files[2].ID, dock.ID, false, files[2].Version)
		must(t, err)
		file = []asset.Ref{{Kind: "file", ID: moved.ID}}
		must(t, n.Trash(editor, moved.ID))
		must(t, n.DeleteFolder(ctx, st, dock.ID))
		if list, err := assets.Trash(editor, st, "", 10); err != nil || len(list.Items) != 0 {
			t.Errorf("an editor is shown %+v, %v", list.Items, err)
		}
		_, err = assets.RestoreTo(editor, file, asset.Place{})
		wantKind(t, err, stoa.KindForbidden, "without its folder, by an editor")
		if _, err = assets.Restore(ctx, file); !errors.Is(err, recycle.ErrNoPlace) {
			t.Fatalf("restored to a place that is gone: %v", err)
		}
		_, err = assets.RestoreTo(ctx, file, asset.Place{})
		must(t, err)
		if f, err := n.Get(editor, moved.ID); err != nil || f.Folder != 0 {
			t.Errorf("restored as %+v, %v", f, err)
		}
	})
}

func TestRestoreTo_AnotherSiteOfTheInstanceIfTheRightIsThere(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		assets := assettest.Service(t, n.d, n.AssetType())
		must(t, assets.RegisterBin(n.BinKind()))
		other, err := n.sites.CreateSite(ctx, site.Site{Instance: st.Instance, Slug: "other", Name: "Other", Locale: "en"})
		must(t, err)
		inst, _, err := n.sites.CreateInstance(ctx, site.Defaults{WebID: "else.com", HostName: "else.com", Name: "Else",
			SiteSlug: "x",
			SiteName: "X", Locale: "en", TimeZone: "UTC"})
		must(t, err)
		theirs, err := n.sites.CreateSite(ctx, site.Site{Instance: inst.ID, Slug: "theirs", Name: "Theirs", Locale: "en"})
		must(t, err)
		role, err := n.acc.CreateRole(ctx, access.Role{Instance: st.Instance, Name: "Of one site"})
		must(t, err)
		must(t, n.acc.SetGrants(ctx, st.Path(), []access.Grant{{Role: role.ID, Action: access.Publish}}))
		editor := stoa.WithActor(t.Context(), stoa.Actor{User: 7, Instance: st.Instance, Roles: []stoa.ID{role.ID}})
		sea, _, files := n.tree(t, st)
		must(t, n.TrashFolder(editor, st, sea.ID))
		ref := []asset.Ref{{Kind: "folder", ID: sea.ID}}
		_, err = assets.RestoreTo(editor, ref, asset.Place{Site: other.ID})
		if !stoa.Is(err, stoa.KindForbidden) && !stoa.Is(err, stoa.KindNotFound) {
			t.Fatalf("to a site without a right there: %v", err)
		}
		_, err = assets.RestoreTo(ctx, ref, asset.Place{Site: theirs.ID})
		wantKind(t, err, stoa.KindInvalid, "to a site of another instance")
		must(t, n.acc.SetGrants(ctx, other.Path(), []access.Grant{{Role: role.ID, Action: access.Edit}}))
		_, err = assets.RestoreTo(editor, ref, asset.Place{Site: other.ID})
		must(t, err)
		if here, there := n.names(t, ctx, st), n.names(t, ctx, other); here != "[f2.txt]" ||
			there != "[0Sea 1Deep f1.txt f0.txt]" {
			t.Errorf("%s here, %s there", here, there)
		}
		if got := assettest.Same(t, n.d, n.AssetType()); got != 3 {
			t.Errorf("%d things were compared", got)
		}
		must(t, n.Trash(ctx, files[0].ID))
		_, err = assets.RestoreTo(ctx, []asset.Ref{{Kind: "file", ID: files[0].ID}}, asset.Place{Site: st.ID})
		must(t, err)
		if f, err := n.Get(ctx, files[0].ID); err != nil || f.Site != st.ID || f.Folder != 0 {
			t.Errorf("restored as %+v, %v", f, err)
		}
	})
}
