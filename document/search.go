package document

import (
	"context"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/search"
)

// found says how files are searched for: by their name and what a picture shows.
func found() *asset.Found {
	return &asset.Found{
		Documents: documents,
		Changes:   []string{kindFile, kindFolder, "grant", "site"},
		After:     searchAfter,
		Address: func(ctx context.Context, q db.Queryer, e asset.Entry) (string, error) {
			var f File
			var slug string
			err := q.QueryRow(ctx, "SELECT f.name, f.file_key, s.slug FROM document_file f JOIN site_site s ON s.id = f.site "+
				"WHERE f.id = ?", e.ID).Scan(&f.Name, &f.Key, &slug)
			return URL(slug, f), err
		},
	}
}

// documents gives files as the index has them.
func documents(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]search.Document, error) {
	type file struct {
		search.Document
		folder     stoa.ID
		restricted bool
	}
	list, err := db.All(ctx, q, func(r db.Scanner) (f file, err error) {
		var name, alt string
		var l stoa.Locale
		var created int64
		err = r.Scan(&f.ID, &f.Instance, &f.Site, &f.folder, &f.restricted, &l, &name, &alt, &f.Author, &created)
		f.Kind, f.Created, f.Modified = kindFile, db.Time(created), db.Time(created)
		f.Texts = map[stoa.Locale]search.Text{l: {Title: name, Body: alt}}
		return f, err
	}, `SELECT f.id, s.instance, f.site, f.folder, f.restricted, s.locale, f.name, f.alt, f.created_by, f.created
		FROM document_file f JOIN site_site s ON s.id = f.site WHERE f.site < `+asset.HiddenSQL+" AND f.id IN "+
		db.In(len(ids)), db.Args(ids)...)
	if err != nil {
		return nil, err
	}
	folders := map[stoa.ID]map[stoa.ID]Folder{}
	var paths []access.Path
	var out []search.Document
	for _, f := range list {
		if f.folder != 0 && folders[f.Site] == nil {
			if folders[f.Site], err = loadFolders(ctx, q, f.Site, ""); err != nil {
				return nil, err
			}
		}
		above, err := way(folders[f.Site], f.folder, f.Site, f.Instance)
		if stoa.Is(err, stoa.KindNotFound) {
			continue // in a folder that is gone: no actor may see it
		}
		if err != nil {
			return nil, err
		}
		paths = append(paths, append(access.Path{{Kind: kindFile, ID: f.ID, Own: f.restricted}}, above...))
		out = append(out, f.Document)
	}
	acls, err := access.ACLs(ctx, q, paths)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].ACL = acls[i]
	}
	return out, nil
}

// searchAfter gives the files that are found otherwise after changes of grants, of folders, with all in the folders
// below, or of sites, whose language names of files are in.
func searchAfter(ctx context.Context, q db.Queryer, change string, ids []stoa.ID) (out []stoa.ID, err error) {
	scan := func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) }
	switch change {
	case kindFile:
		return nil, nil
	case "site":
		return db.All(ctx, q, scan, "SELECT id FROM document_file WHERE site IN "+db.In(len(ids)), db.Args(ids)...)
	case "grant":
		out = slices.Clone(ids) // of files themselves
	}
	sites, err := db.All(ctx, q, scan, "SELECT DISTINCT site FROM document_folder WHERE id IN "+db.In(len(ids)),
		db.Args(ids)...)
	if err != nil {
		return nil, err
	}
	for _, site := range sites {
		all, err := loadFolders(ctx, q, site, "")
		if err != nil {
			return nil, err
		}
		var in []stoa.ID
		for f := range all {
			for up, depth := f, 0; up != 0 && depth <= maxFolders; up, depth = all[up].Parent, depth+1 {
				if slices.Contains(ids, up) {
					in = append(in, f)
					break
				}
			}
		}
		for part := range slices.Chunk(in, 500) {
			more, err := db.All(ctx, q, scan, "SELECT id FROM document_file WHERE folder IN "+db.In(len(part)), db.Args(part)...)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}
