package document

import (
	"context"
	"fmt"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

const kindFolder = "folder"

// maxTrashed is how many folders and files go into the recycle bin, and come out of it, with the folder they are in: in
// one transaction.
const maxTrashed = 2000

// BinKind says what folders are in the recycle bin.
func (s *Service) BinKind() recycle.Kind {
	return recycle.Kind{Kind: kindFolder, Name: stoa.Phrase("asset.folder"),
		Screen: func(id stoa.ID) string { return "/folders/" + id.String() },
		May:    s.mayTrashedFolder, Restore: s.restoreFolderTx, Purge: s.purgeFolderTx, Places: s.places, Sites: true}
}

// TrashFolder puts a folder into the recycle bin with all folders and files in it, at most 2,000, with their grants. It
// needs for each what deleting it needs: Publish, Manage on a folder that is restricted, Edit on a file that the actor
// has brought.
func (s *Service) TrashFolder(ctx context.Context, st site.Site, id stoa.ID) error {
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := loadFolders(ctx, tx, st.ID, tx.Dialect().ForUpdate())
		if err != nil {
			return err
		}
		if _, err := way(all, id, st.ID, st.Instance); err != nil || id == 0 {
			return stoa.NotFound("folder", id)
		}
		return s.hideFolder(ctx, tx, st, all, id, recycle.Row{}, true)
	})
	if err != nil {
		return fmt.Errorf("document: put a folder into the recycle bin: %w", err)
	}
	return nil
}

// under gives the folder and all that are in it, each after the one it is in.
func under(all map[stoa.ID]Folder, id stoa.ID) []Folder {
	below := map[stoa.ID][]Folder{}
	for _, f := range all {
		below[f.Parent] = append(below[f.Parent], f)
	}
	out := []Folder{all[id]}
	for i := 0; i < len(out) && i <= maxTrashed; i++ {
		list := below[out[i].ID]
		slices.SortFunc(list, func(a, b Folder) int { return int(min(max(a.ID-b.ID, -1), 1)) })
		out = append(out, list...)
	}
	return out
}

// removesFolder is what an actor must be allowed to remove a folder, or to bring it back.
func removesFolder(f Folder) access.Action {
	if f.Restricted {
		return access.Manage
	}
	return access.Publish
}

// hideFolder puts a folder into the recycle bin with all in it, and does it again when that was lost. row says who did
// it when, if it is done again.
func (s *Service) hideFolder(ctx context.Context, tx *db.Tx, st site.Site, all map[stoa.ID]Folder, id stoa.ID,
	row recycle.Row,
	ask bool) error {
	folders := under(all, id)
	var files []File
	for part := range slices.Chunk(folders, 500) {
		args := []any{st.ID}
		for _, f := range part {
			args = append(args, f.ID)
		}
		more, err := db.All(ctx, tx, scanFile, selectFile+" WHERE f.site = ? AND f.folder IN "+db.In(len(part))+
			fmt.Sprintf(" ORDER BY f.id LIMIT %d", maxTrashed+1), args...)
		if err != nil {
			return err
		}
		if files = append(files, more...); len(folders)+len(files) > maxTrashed {
			return stoa.Conflict("at most %d files and folders can be deleted at once; this folder has more: delete some of "+
				"what is in it first", maxTrashed)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	for _, f := range folders {
		path, err := way(all, f.ID, st.ID, st.Instance)
		if err == nil && ask {
			err = s.opt.Access.Check(ctx, removesFolder(f), path)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range files {
		above, err := way(all, f.Folder, st.ID, st.Instance)
		if err == nil && ask {
			path := append(access.Path{{Kind: kindFile, ID: f.ID, Own: f.Restricted}}, above...)
			err = s.opt.Access.Check(ctx, needs(ctx, f), path)
		}
		if err != nil {
			return err
		}
	}
	slug, err := siteSlug(ctx, tx, st.ID)
	if err != nil {
		return err
	}
	for _, f := range folders {
		n, err := tx.Affected(ctx, "UPDATE document_folder SET site = ?, version = version + 1 WHERE id = ? AND site = ?",
			st.ID+asset.Hidden, f.ID, st.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.Conflict("this folder was changed by another person; load it again")
		}
		one := recycle.Row{Kind: kindFolder, ID: f.ID, Instance: st.Instance, Site: st.ID, Title: f.Name, State: "{}",
			By: row.By, ByName: row.ByName, At: row.At}
		if f.ID != id {
			one.Root = id
		}
		if row, err = recycle.Put(ctx, tx, one); err != nil {
			return err
		}
		tx.Changed(kindFolder, f.ID, st.ID, f.Version+1)
	}
	for _, f := range files {
		t := asset.Trash{Address: URL(slug, f), State: "{}", Root: id, By: row.By, ByName: row.ByName, At: row.At}
		t.Entry = asset.Entry{Kind: kindFile, ID: f.ID, Instance: f.Instance, Site: f.Site}
		if _, err := s.hideOne(ctx, tx, f, t); err != nil {
			return err
		}
	}
	audit.Note(tx, audit.Trashed, all[id].thing(st.Instance))
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		now, err := loadFolders(ctx, tx, st.ID, tx.Dialect().ForUpdate())
		if _, ok := now[id]; err != nil || !ok {
			return err
		}
		return s.hideFolder(ctx, tx, st, now, id, row, false)
	})
	return nil
}

// thing is the folder as the audit log names it.
func (f Folder) thing(instance stoa.ID) audit.Thing {
	return audit.Thing{Kind: kindFolder, ID: f.ID, Instance: instance, Title: f.Name}
}

// folderEver is the path of a folder in the recycle bin for permission checks, and what removing it needs: when a
// folder above is gone for good, Manage on the site.
func folderEver(all map[stoa.ID]Folder, id, siteID, instance stoa.ID) (access.Path, access.Action) {
	path, err := way(all, id, siteID, instance)
	if err != nil {
		return access.Path{{Kind: "site", ID: siteID}, {Kind: access.KindInstance, ID: instance}}, access.Manage
	}
	return path, removesFolder(all[id])
}

func (s *Service) mayTrashedFolder(ctx context.Context, r recycle.Row) error {
	all, err := s.foldersEver(ctx, r.Site)
	if err != nil {
		return err
	}
	path, need := folderEver(all, r.ID, r.Site, r.Instance)
	return s.opt.Access.Check(ctx, need, path)
}

// takeFolder gives a folder that is in the recycle bin by itself with all that went along, and takes them out of there,
// if the actor may. ever has all folders of the site, those in the bin too.
func (s *Service) takeFolder(
	ctx context.Context, tx *db.Tx, id stoa.ID,
) (row recycle.Row, ever map[stoa.ID]Folder, folders []Folder, files []File, err error) {
	if row, err = recycle.One(ctx, tx, kindFolder, id); err != nil {
		return row, nil, nil, nil, err
	}
	if ever, err = loadFoldersEver(ctx, tx, row.Site, tx.Dialect().ForUpdate()); err != nil {
		return row, nil, nil, nil, err
	}
	if row, err = recycle.TakeRoot(ctx, tx, kindFolder, id); err != nil {
		return row, nil, nil, nil, err
	}
	along, err := recycle.Along(ctx, tx, id)
	if err != nil {
		return row, nil, nil, nil, err
	}
	for _, r := range append([]recycle.Row{row}, along...) {
		var path access.Path
		var need access.Action
		if r.Kind == kindFolder {
			path, need = folderEver(ever, r.ID, row.Site, row.Instance)
			folders = append(folders, ever[r.ID])
		} else {
			f, err := s.readTrashed(ctx, tx, "f.id = ?", r.ID)
			if err != nil {
				return row, nil, nil, nil, fmt.Errorf("read file %d, which came along: %w", r.ID, err)
			}
			path, need = wayEver(ever, f, needs(ctx, f))
			files = append(files, f)
		}
		if err := s.opt.Access.Check(ctx, need, path); err != nil {
			return row, nil, nil, nil, err
		}
		if r.ID == id {
			continue
		}
		if _, err := recycle.Take(ctx, tx, r.Kind, r.ID); err != nil {
			return row, nil, nil, nil, err
		}
	}
	return row, ever, folders, files, nil
}

// restoreFolderTx takes a folder out of the recycle bin with all that it took along. It needs for each what putting it
// there needed, and elsewhere what moving the folder needs.
func (s *Service) restoreFolderTx(
	ctx context.Context, tx *db.Tx, id stoa.ID, to *asset.Place,
) (asset.Restored, error) {
	row, ever, folders, files, err := s.takeFolder(ctx, tx, id)
	if err != nil {
		return asset.Restored{}, err
	}
	siteID, parent := row.Site, ever[id].Parent
	var above access.Path
	if to == nil {
		if above, err = way(live(ever), parent, siteID, row.Instance); err != nil {
			return asset.Restored{}, recycle.NoPlace(row.Title)
		}
	} else {
		t, err := s.target(ctx, tx, row.Site, row.Instance, *to)
		if err != nil {
			return asset.Restored{}, err
		}
		from, _ := folderEver(ever, id, row.Site, row.Instance)
		self := access.Resource{Kind: kindFolder, ID: id, Own: ever[id].Restricted}
		if err := s.mayCome(ctx, self, from, t.path); err != nil {
			return asset.Restored{}, err
		}
		siteID, parent, above = t.site, to.Parent, t.path
	}
	depth := map[stoa.ID]int{parent: len(above) - 2}
	for _, f := range under(ever, id) {
		if f.ID == id {
			f.Parent = parent
		}
		if depth[f.ID] = depth[f.Parent] + 1; depth[f.ID] > maxFolders {
			return asset.Restored{}, stoa.Invalid("parent", "a folder of this site, at most %d deep, is expected", maxFolders)
		}
	}
	for _, f := range folders {
		if f.ID == id {
			f.Parent = parent
		}
		if _, err := tx.Exec(ctx, "UPDATE document_folder SET site = ?, parent = ?, version = version + 1 WHERE id = ?",
			siteID,
			f.Parent, f.ID); err != nil {
			return asset.Restored{}, err
		}
		tx.Changed(kindFolder, f.ID, siteID, f.Version+1)
		if siteID != row.Site {
			tx.Changed(kindFolder, f.ID, row.Site, f.Version+1)
		}
	}
	for _, f := range files {
		f.Site = siteID
		if err := s.show(ctx, tx, f); err != nil {
			return asset.Restored{}, err
		}
	}
	audit.Note(tx, audit.Recovered, ever[id].thing(row.Instance))
	return asset.Restored{}, nil
}

// purgeFolderTx deletes a folder that is in the recycle bin, with all that it took along and their grants.
func (s *Service) purgeFolderTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	row, ever, folders, files, err := s.takeFolder(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := s.drop(ctx, tx, f); err != nil {
			return err
		}
	}
	for _, f := range folders {
		if _, err := tx.Exec(ctx, "DELETE FROM document_folder WHERE id = ?", f.ID); err != nil {
			return err
		}
		tx.Changed(kindFolder, f.ID, row.Site, f.Version+1)
		err := s.opt.Access.Forget(ctx, tx, row.Instance, access.Resource{Kind: kindFolder, ID: f.ID})
		if err != nil {
			return err
		}
	}
	audit.Note(tx, audit.Deleted, ever[id].thing(row.Instance))
	return nil
}
