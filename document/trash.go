package document

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

// Trash puts a file into the recycle bin, with its folder and its grants. Its bytes stay, and no address leads to them.
// The actor needs Publish on it, or Edit where the actor has brought it. asset.Service lists, restores and purges what
// is there.
func (s *Service) Trash(ctx context.Context, id stoa.ID) error {
	err := s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.trashTx(ctx, tx, id) })
	if err != nil {
		return fmt.Errorf("document: put a file into the recycle bin: %w", err)
	}
	return nil
}

func (s *Service) trashTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	f, err := s.read(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := s.mayChange(ctx, f); err != nil {
		return err
	}
	slug, err := siteSlug(ctx, tx, f.Site)
	if err != nil {
		return err
	}
	t := asset.Trash{Address: URL(slug, f), State: "{}"}
	t.Entry = asset.Entry{Kind: kindFile, ID: id, Instance: f.Instance, Site: f.Site}
	return s.hide(ctx, tx, f, t)
}

// hide puts a file into the recycle bin, and does it again when that was lost.
func (s *Service) hide(ctx context.Context, tx *db.Tx, f File, t asset.Trash) error {
	t, err := s.hideOne(ctx, tx, f, t)
	if err != nil {
		return err
	}
	audit.Note(tx, audit.Trashed, f.thing())
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		now, err := s.read(ctx, tx, f.ID)
		if stoa.Is(err, stoa.KindNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.hide(ctx, tx, now, t)
	})
	return nil
}

// hideOne puts a file into the recycle bin. Its row is of no site there (asset.Hidden), and stays, so that its
// bytes are no orphan.
func (s *Service) hideOne(ctx context.Context, tx *db.Tx, f File, t asset.Trash) (asset.Trash, error) {
	n, err := tx.Affected(ctx, "UPDATE document_file SET site = ?, version = version + 1 WHERE id = ? AND version = ?",
		f.Site+asset.Hidden, f.ID, f.Version)
	if err != nil {
		return t, err
	}
	if n == 0 {
		return t, stoa.Conflict("this file was changed by another person; load it again")
	}
	if t, err = asset.PutTrash(ctx, tx, t); err != nil {
		return t, err
	}
	tx.Changed("file", f.ID, f.Site, f.Version+1)
	return t, enter(ctx, tx, f.ID)
}

// readTrashed gives a file in the recycle bin, with the site that it belongs to, without asking who may see it.
func (s *Service) readTrashed(ctx context.Context, q db.Queryer, cond string, arg any) (File, error) {
	f, err := db.One(ctx, q, scanFile, selectFrom+" JOIN site_site s ON s.id = f.site - "+asset.HiddenSQL+" WHERE "+cond,
		arg)
	f.Site -= asset.Hidden
	return f, err
}

// mayTrashed is may for a file in the recycle bin, asked along the way that it had. When a folder on it is gone for
// good, so are the grants on that folder: then it needs Manage on the site.
func (s *Service) mayTrashed(ctx context.Context, a access.Action, f File) error {
	all, err := s.foldersEver(ctx, f.Site)
	if err != nil {
		return err
	}
	path, need := wayEver(all, f, a)
	return s.opt.Access.Check(ctx, need, path)
}

// wayEver is the path of a file in the recycle bin for permission checks, and what it needs instead of a there. all has
// folders in the bin, too.
func wayEver(all map[stoa.ID]Folder, f File, a access.Action) (access.Path, access.Action) {
	above, err := way(all, f.Folder, f.Site, f.Instance)
	if err != nil { // a folder is gone for good
		return access.Path{{Kind: "site", ID: f.Site}, {Kind: access.KindInstance, ID: f.Instance}}, access.Manage
	}
	return append(access.Path{{Kind: "file", ID: f.ID, Own: f.Restricted}}, above...), a
}

// live gives those of the folders that are not in the recycle bin.
func live(all map[stoa.ID]Folder) map[stoa.ID]Folder {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(_ stoa.ID, f Folder) bool { return f.Site >= asset.Hidden })
	return out
}

// restoreTx takes a file out of the recycle bin, into its folder or another one. It needs what putting it there needed,
// and elsewhere what moving it needs.
func (s *Service) restoreTx(ctx context.Context, tx *db.Tx, id stoa.ID, to *asset.Place) (asset.Restored, error) {
	f, _, err := s.takeTrash(ctx, tx, id)
	if err != nil {
		return asset.Restored{}, err
	}
	all, err := loadFoldersEver(ctx, tx, f.Site, tx.Dialect().ForUpdate()) // none of them goes until this is done
	if err != nil {
		return asset.Restored{}, err
	}
	was := f.Site
	if to == nil {
		if _, err := way(live(all), f.Folder, f.Site, f.Instance); err != nil {
			return asset.Restored{}, recycle.NoPlace(f.Name)
		}
	} else {
		self := access.Resource{Kind: "file", ID: id, Own: f.Restricted}
		from, _ := wayEver(all, f, access.Edit)
		t, err := s.target(ctx, tx, f.Site, f.Instance, *to)
		if err == nil {
			err = s.mayCome(ctx, self, from, t.path)
		}
		if err != nil {
			return asset.Restored{}, err
		}
		f.Site, f.Folder = t.site, to.Parent
	}
	if err := s.show(ctx, tx, f); err != nil {
		return asset.Restored{}, err
	}
	if was != f.Site {
		tx.Changed("file", id, was, f.Version+1)
	}
	audit.Note(tx, audit.Recovered, f.thing())
	slug, err := siteSlug(ctx, tx, f.Site)
	return asset.Restored{Address: URL(slug, f)}, err
}

// show puts the row of a file in the recycle bin back, as it is told.
func (s *Service) show(ctx context.Context, tx *db.Tx, f File) error {
	n, err := tx.Affected(ctx, "UPDATE document_file SET site = ?, folder = ?, version = version + 1 "+
		"WHERE id = ? AND version = ?", f.Site, f.Folder, f.ID, f.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return stoa.Conflict("this file was changed by another person; load it again")
	}
	tx.Changed("file", f.ID, f.Site, f.Version+1)
	return enter(ctx, tx, f.ID)
}

// target is a place that something comes to: a folder of a site, or its top.
type target struct {
	site stoa.ID
	path access.Path
}

// target reads where something in the recycle bin is to come: a folder of its site or of another one of its instance.
func (s *Service) target(ctx context.Context, tx *db.Tx, siteID, instance stoa.ID, to asset.Place) (target, error) {
	if to.Site != 0 {
		siteID = to.Site
	}
	of, err := site.InstanceOf(ctx, tx, siteID)
	if err != nil && !stoa.Is(err, stoa.KindNotFound) {
		return target{}, err
	}
	if err != nil || of != instance {
		return target{}, stoa.Invalid("site", "a site of the same virtual instance is expected")
	}
	all, err := loadFolders(ctx, tx, siteID, tx.Dialect().ForUpdate())
	if err != nil {
		return target{}, err
	}
	path, err := way(all, to.Parent, siteID, instance)
	if err != nil {
		return target{}, stoa.Invalid("folder", "a folder of the site is expected")
	}
	return target{siteID, path}, nil
}

// mayCome asks whether the actor may put a thing that was at from below to.
func (s *Service) mayCome(ctx context.Context, self access.Resource, from, to access.Path) error {
	if err := s.opt.Access.Check(ctx, access.Edit, to); err != nil || from[0] != self {
		return err // where the folder is gone for good, Manage on the site was asked for
	}
	wider, err := s.opt.Access.Widens(ctx, from, append(access.Path{self}, to...))
	if err != nil || !wider {
		return err
	}
	return s.opt.Access.Check(ctx, access.Manage, from)
}

// places gives the folders of a site that the actor may bring files into.
func (s *Service) places(ctx context.Context, siteID, instance stoa.ID) ([]asset.Spot, error) {
	st := site.Site{ID: siteID, Instance: instance}
	list, err := s.Folders(ctx, st)
	if err != nil {
		return nil, err
	}
	all, err := s.folders(ctx, siteID)
	if err != nil {
		return nil, err
	}
	var out []asset.Spot
	for _, f := range list {
		if p, err := way(all, f.ID, siteID, instance); err == nil && s.opt.Access.Can(ctx, access.Edit, p) {
			out = append(out, asset.Spot{ID: f.ID, Title: f.Name, Depth: f.Depth})
		}
	}
	return out, nil
}

func siteSlug(ctx context.Context, q db.Queryer, id stoa.ID) (slug string, err error) {
	err = q.QueryRow(ctx, "SELECT slug FROM site_site WHERE id = ?", id).Scan(&slug)
	return slug, err
}

// takeTrash gives a file that is in the recycle bin by itself and takes it out of there, if the actor may.
func (s *Service) takeTrash(ctx context.Context, tx *db.Tx, id stoa.ID) (File, recycle.Row, error) {
	f, err := s.readTrashed(ctx, tx, "f.id = ?", id)
	if db.IsNoRows(err) {
		return f, recycle.Row{}, stoa.NotFound("thing in the recycle bin", id)
	}
	if err != nil {
		return f, recycle.Row{}, err
	}
	all, err := loadFoldersEver(ctx, tx, f.Site, "")
	if err != nil {
		return f, recycle.Row{}, err
	}
	path, need := wayEver(all, f, needs(ctx, f))
	if err := s.opt.Access.Check(ctx, need, path); err != nil {
		return f, recycle.Row{}, err
	}
	r, err := recycle.TakeRoot(ctx, tx, kindFile, id)
	return f, r, err
}

// purgeTx deletes a file that is in the recycle bin, and no other.
func (s *Service) purgeTx(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	f, _, err := s.takeTrash(ctx, tx, id)
	if err != nil {
		return err
	}
	if _, err := s.drop(ctx, tx, f); err != nil {
		return err
	}
	audit.Note(tx, audit.Deleted, f.thing())
	return nil
}

// Delete removes a file for good, and not by way of the recycle bin. The actor needs Publish on it, or Edit where the
// actor has brought it. Its bytes are found by no address from then on; Sweep removes them some days later, for a
// database may be restored in which the file still is.
func (s *Service) Delete(ctx context.Context, id stoa.ID) error {
	f, err := s.read(ctx, s.opt.DB, id)
	if err != nil {
		return err
	}
	if err := s.mayChange(ctx, f); err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := s.drop(ctx, tx, f)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.NotFound("file", id)
		}
		audit.Note(tx, audit.Deleted, f.thing())
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
			_, err := s.drop(ctx, tx, f)
			return err
		})
		return nil
	})
}

// drop deletes the row of a file and all that hangs on it but its bytes.
func (s *Service) drop(ctx context.Context, tx *db.Tx, f File) (int64, error) {
	n, err := tx.Affected(ctx, "DELETE FROM document_file WHERE id = ?", f.ID)
	if err == nil && n > 0 {
		tx.Changed("file", f.ID, f.Site, f.Version+1)
		err = errors.Join(noteOrphan(ctx, tx, f.Key, f.Size, tx.Now()),
			s.opt.Access.Forget(ctx, tx, f.Instance, access.Resource{Kind: "file", ID: f.ID}),
			asset.Remove(ctx, tx, kindFile, f.ID))
	}
	return n, err
}
