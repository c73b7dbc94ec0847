package document

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// maxFolders is how deep folders may lie in one another.
const maxFolders = 16

// Folder holds files of a site and other folders; what is granted on it reaches all in it.
type Folder struct {
	ID, Site, Parent stoa.ID
	Name             string // 190 bytes at most
	Restricted       bool   // has grants of its own: those above do not reach it
	Version          int64
	Depth            int // of the folders it is in; set by Folders
}

// folders gives the folders of a site by id, from the cache.
func (s *Service) folders(ctx context.Context, siteID stoa.ID) (map[stoa.ID]Folder, error) {
	return s.dirs.Get(ctx, siteID.String(), func(ctx context.Context, l *cache.Load) (map[stoa.ID]Folder, error) {
		l.Scope("folder", siteID)
		return loadFolders(ctx, s.opt.DB, siteID, "")
	})
}

func loadFolders(ctx context.Context, q db.Queryer, siteID stoa.ID, lock string) (map[stoa.ID]Folder, error) {
	out := map[stoa.ID]Folder{}
	return out, db.Each(ctx, q, func(r db.Scanner) error {
		var f Folder
		err := r.Scan(&f.ID, &f.Site, &f.Parent, &f.Name, &f.Restricted, &f.Version)
		out[f.ID] = f
		return err
	}, "SELECT id, site, parent, name, restricted, version FROM document_folder WHERE site = ? ORDER BY id"+lock, siteID)
}

// foldersEver gives the folders of a site by id with those that are in the recycle bin, from the cache.
func (s *Service) foldersEver(ctx context.Context, siteID stoa.ID) (map[stoa.ID]Folder, error) {
	return s.dirs.Get(ctx, siteID.String()+" ever",
		func(ctx context.Context, l *cache.Load) (map[stoa.ID]Folder, error) {
			l.Scope("folder", siteID)
			return loadFoldersEver(ctx, s.opt.DB, siteID, "")
		})
}

// loadFoldersEver gives the folders of a site by id with those that are in the recycle bin, whose site is hidden.
func loadFoldersEver(ctx context.Context, q db.Queryer, siteID stoa.ID, lock string) (map[stoa.ID]Folder, error) {
	all, err := loadFolders(ctx, q, siteID, lock)
	if err != nil {
		return nil, err
	}
	hidden, err := loadFolders(ctx, q, siteID+asset.Hidden, lock)
	maps.Copy(all, hidden)
	return all, err
}

// way is the path from a folder up to the instance; 0 is the site itself. A folder that is gone, or is in itself, leads
// nowhere, so that nothing is allowed in it.
func way(all map[stoa.ID]Folder, id, siteID, instance stoa.ID) (access.Path, error) {
	var out access.Path
	for id != 0 {
		f, ok := all[id]
		if !ok || len(out) > maxFolders {
			return nil, stoa.NotFound("folder", id)
		}
		out = append(out, access.Resource{Kind: "folder", ID: id, Own: f.Restricted})
		id = f.Parent
	}
	return append(
		out,
		access.Resource{Kind: "site", ID: siteID},
		access.Resource{Kind: access.KindInstance, ID: instance},
	), nil
}

// Path is the way from the file through its folders up to its instance, for permission checks.
func (s *Service) Path(ctx context.Context, f File) (access.Path, error) {
	var all map[stoa.ID]Folder
	if f.Folder != 0 {
		var err error
		if all, err = s.folders(ctx, f.Site); err != nil {
			return nil, err
		}
	}
	above, err := way(all, f.Folder, f.Site, f.Instance)
	if err != nil {
		return nil, err
	}
	return append(access.Path{{Kind: "file", ID: f.ID, Own: f.Restricted}}, above...), nil
}

// may asks whether the actor may do something with a file.
func (s *Service) may(ctx context.Context, a access.Action, f File) error {
	p, err := s.Path(ctx, f)
	if err != nil {
		return err
	}
	return s.opt.Access.Check(ctx, a, p)
}

// mayChange asks whether the actor may change what visitors see of a file: it needs Publish, or Edit on one that the
// actor has brought.
func (s *Service) mayChange(ctx context.Context, f File) error {
	return s.may(ctx, needs(ctx, f), f)
}

// needs is what changing what visitors see of a file needs.
func needs(ctx context.Context, f File) access.Action {
	if actor := stoa.ActorFrom(ctx); actor.SignedIn() && actor.User == f.By {
		return access.Edit
	}
	return access.Publish
}

// FolderPath is the way from a folder of the site up to its instance, for permission checks; 0 is the site itself.
func (s *Service) FolderPath(ctx context.Context, st site.Site, id stoa.ID) (access.Path, error) {
	all, err := s.folders(ctx, st.ID)
	if err != nil {
		return nil, err
	}
	return way(all, id, st.ID, st.Instance)
}

// Folders gives the folders of the site that the actor may view, as a tree in order of names: each stands below the one
// it is in.
func (s *Service) Folders(ctx context.Context, st site.Site) ([]Folder, error) {
	if err := s.opt.Access.Check(ctx, access.View, st.Path()); err != nil {
		return nil, err
	}
	all, err := s.folders(ctx, st.ID)
	if err != nil {
		return nil, err
	}
	below := map[stoa.ID][]Folder{}
	for _, f := range all {
		below[f.Parent] = append(below[f.Parent], f)
	}
	var out []Folder
	var walk func(parent stoa.ID, depth int)
	walk = func(parent stoa.ID, depth int) {
		list := below[parent]
		slices.SortFunc(list, func(a, b Folder) int {
			if c := strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)); c != 0 {
				return c
			}
			return int(a.ID - b.ID)
		})
		for _, f := range list {
			p, err := way(all, f.ID, st.ID, st.Instance)
			if depth > maxFolders || err != nil {
				continue
			}
			if s.opt.Access.Can(ctx, access.View, p) {
				f.Depth = depth
				out = append(out, f)
			}
			walk(f.ID, depth+1)
		}
	}
	walk(0, 0)
	return out, nil
}

// Folder gives one folder of the site. The actor needs View on it.
func (s *Service) Folder(ctx context.Context, st site.Site, id stoa.ID) (Folder, error) {
	all, err := s.folders(ctx, st.ID)
	if err != nil {
		return Folder{}, err
	}
	p, err := way(all, id, st.ID, st.Instance)
	if err != nil || id == 0 {
		return Folder{}, stoa.NotFound("folder", id)
	}
	return all[id], s.opt.Access.Check(ctx, access.View, p)
}

// SaveFolder makes the folder f in the site when its ID is 0, or saves the name, place and restriction of the one with its
// ID and Version. It needs Edit on the folder and on the one it comes to lie in; Manage on it when more people could
// use what is in it at the new place, and with it a fresh sign-in when Restricted changes. A stale version is a
// Conflict, a place within itself Invalid.
func (s *Service) SaveFolder(ctx context.Context, st site.Site, f Folder) (Folder, error) {
	var err error
	if f.Name, err = chosenName(f.Name); err != nil {
		return Folder{}, err
	}
	f.Site = st.ID
	given := f
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		f = given // this may run again
		all, err := loadFolders(ctx, tx, st.ID, tx.Dialect().ForUpdate())
		if err != nil {
			return err
		}
		above, err := way(all, f.Parent, st.ID, st.Instance)
		if err != nil || len(above) > maxFolders {
			return stoa.Invalid("parent", "a folder of this site, at most %d deep, is expected", maxFolders)
		}
		if err := s.opt.Access.Check(ctx, access.Edit, above); err != nil {
			return err
		}
		if f.ID == 0 {
			return s.insertFolder(ctx, tx, st, &f, above)
		}
		return s.updateFolder(ctx, tx, st, &f, all, above)
	})
	if err != nil {
		return Folder{}, fmt.Errorf("save the folder %q: %w", f.Name, err)
	}
	return f, nil
}

func (s *Service) insertFolder(ctx context.Context, tx *db.Tx, st site.Site, f *Folder, above access.Path) (err error) {
	if f.Restricted {
		if err := s.opt.Access.Check(ctx, access.Manage, above); err != nil {
			return err
		}
	}
	if f.ID, err = tx.NewID(ctx); err != nil {
		return err
	}
	f.Version = 1
	tx.Changed("folder", f.ID, st.ID, 1)
	return tx.Insert(ctx, "document_folder", db.Row{"id": f.ID, "site": st.ID, "parent": f.Parent, "name": f.Name,
		"restricted": f.Restricted, "created": db.Micros(tx.Now()), "version": 1})
}

func (s *Service) updateFolder(
	ctx context.Context, tx *db.Tx, st site.Site, f *Folder, all map[stoa.ID]Folder, above access.Path,
) error {
	old, ok := all[f.ID]
	if !ok {
		return stoa.NotFound("folder", f.ID)
	}
	from, err := way(all, f.ID, st.ID, st.Instance)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(above, func(r access.Resource) bool { return r.Kind == "folder" && r.ID == f.ID }) {
		return stoa.Invalid("parent", "a folder cannot be put into itself")
	}
	need := access.Edit
	wider, err := s.opt.Access.Widens(
		ctx,
		from,
		append(access.Path{{Kind: "folder", ID: f.ID, Own: f.Restricted}}, above...),
	)
	if err != nil {
		return err
	}
	if wider {
		need = access.Manage
	}
	if err := s.opt.Access.Check(ctx, need, from); err != nil {
		return err
	}
	if f.Restricted != old.Restricted {
		if err := s.opt.Access.CheckGrants(ctx, from); err != nil {
			return err
		}
	}
	const place = "parent = ?, restricted = ?"
	n, err := tx.Affected(
		ctx,
		"UPDATE document_folder SET name = ?, "+place+", version = version + 1 WHERE id = ? AND version = ?",
		f.Name,
		f.Parent,
		f.Restricted,
		f.ID,
		f.Version,
	)
	if err != nil {
		return err
	}
	if n == 0 {
		return stoa.Conflict("this folder was changed by another person; load it again")
	}
	f.Version++
	tx.Changed("folder", f.ID, st.ID, f.Version)
	if f.Parent != old.Parent || f.Restricted != old.Restricted {
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
			n, err := tx.Affected(
				ctx,
				"UPDATE document_folder SET "+place+", version = version + 1 WHERE id = ? AND version < ?",
				f.Parent,
				f.Restricted,
				f.ID,
				f.Version,
			)
			if n > 0 {
				tx.Changed("folder", f.ID, st.ID, 0)
			}
			return err
		})
	}
	return nil
}

// DeleteFolder removes an empty folder with its grants for good, and not by way of the recycle bin: needs Publish on
// it, Manage when it is restricted. One that holds something is a Conflict. A file of it that is in the bin has no
// place any more: who manages the site can give it another.
func (s *Service) DeleteFolder(ctx context.Context, st site.Site, id stoa.ID) error {
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := loadFolders(ctx, tx, st.ID, tx.Dialect().ForUpdate())
		if err != nil {
			return err
		}
		p, err := way(all, id, st.ID, st.Instance)
		if err != nil || id == 0 {
			return stoa.NotFound("folder", id)
		}
		need := access.Publish
		if all[id].Restricted {
			need = access.Manage
		}
		if err := s.opt.Access.Check(ctx, need, p); err != nil {
			return err
		}
		var holds int
		if err := tx.QueryRow(ctx, "SELECT (SELECT count(*) FROM document_file WHERE folder = ? AND site = ?) + "+
			"(SELECT count(*) FROM document_folder WHERE parent = ? AND site = ?)", id, st.ID, id,
			st.ID).Scan(&holds); err != nil {
			return err
		}
		if holds > 0 {
			return stoa.Conflict("there are %d files and folders in this folder; move or delete them first", holds)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM document_folder WHERE id = ?", id); err != nil {
			return err
		}
		tx.Changed("folder", id, st.ID, 0)
		return s.opt.Access.Forget(ctx, tx, st.Instance, access.Resource{Kind: "folder", ID: id})
	})
}

// Move puts a file into a folder of its site (0: none) and says whether it has grants of its own. It needs Edit on the file
// and the folder; Manage on the file when more people could see it then, and with it a fresh sign-in when restricted
// changes. A stale version is a Conflict.
func (s *Service) Move(ctx context.Context, id, folder stoa.ID, restricted bool, version int64) (File, error) {
	have, err := s.read(ctx, s.opt.DB, id)
	if err != nil {
		return File{}, err
	}
	now := have
	now.Folder, now.Restricted, now.Version = folder, restricted, version+1
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.moveTx(ctx, tx, have, folder, restricted, version)
	})
	if err != nil {
		return File{}, err
	}
	return now, nil
}

// moveTx is Move of a file as it was read, which is not changed before it ends.
func (s *Service) moveTx(
	ctx context.Context, tx *db.Tx, have File, folder stoa.ID, restricted bool, version int64,
) error {
	id := have.ID
	all, err := loadFolders(ctx, tx, have.Site, tx.Dialect().ForUpdate()) // none of them goes until this is done
	if err != nil {
		return err
	}
	from, err := way(all, have.Folder, have.Site, have.Instance)
	if err != nil {
		return err
	}
	to, err := way(all, folder, have.Site, have.Instance)
	if err != nil {
		return stoa.Invalid("folder", "a folder of the site is expected")
	}
	if err := s.opt.Access.Check(ctx, access.Edit, to); err != nil {
		return err
	}
	from = append(access.Path{{Kind: "file", ID: id, Own: have.Restricted}}, from...)
	wider, err := s.opt.Access.Widens(ctx, from, append(access.Path{{Kind: "file", ID: id, Own: restricted}}, to...))
	if err != nil {
		return err
	}
	need := access.Edit
	if wider {
		need = access.Manage
	}
	if err := s.opt.Access.Check(ctx, need, from); err != nil {
		return err
	}
	if restricted != have.Restricted {
		if err := s.opt.Access.CheckGrants(ctx, from); err != nil {
			return err
		}
	}
	if version != have.Version { // what was asked for above is of another version than the one that is to be changed
		return stoa.Conflict("this file was changed by another person; load it again")
	}
	const place = "UPDATE document_file SET folder = ?, restricted = ?, version = version + 1 WHERE id = ?"
	n, err := tx.Affected(ctx, place+" AND version = ? AND folder = ?", folder, restricted, id, version, have.Folder)
	if err != nil {
		return err
	}
	if n == 0 {
		return stoa.Conflict("this file was changed by another person; load it again")
	}
	tx.Changed("file", id, have.Site, version+1)
	tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, place+" AND version <= ?", folder, restricted, id, version)
		if err != nil || n == 0 {
			return err
		}
		tx.Changed("file", id, have.Site, 0)
		return enter(ctx, tx, id)
	})
	return enter(ctx, tx, id)
}
