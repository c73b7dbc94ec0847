package document

import (
	"context"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/db"
)

const kindFile = "file"

// AssetType says what files are among all content; the media type is the form of the entry. When a file was changed is
// not kept, so that it counts as changed when it was brought.
func (s *Service) AssetType() asset.Type {
	return asset.Type{
		Kind: kindFile, Name: stoa.Phrase("asset.file"), Icon: "file",
		Table: "document_file", Read: readEntries, May: s.mayEntry,
		Rows: asset.Rows{Created: "e.created", Modified: "e.created", Form: "e.type", Owner: "e.created_by",
			Parent: "e.folder", Titles: "LOWER(e.name)", Status: map[asset.Status]string{asset.Live: "1 = 1"}},
		Screen: func(e asset.Entry) string { return "/files/" + e.ID.String() },
		Find:   findFiles, Restore: s.restoreTx, Purge: s.purgeTx,
		Places: s.places, Sites: true, Found: found(),
	}
}

// findFiles gives the files at the addresses, by the key that such an address ends with (URL). A file of another site
// has an address here, too.
func findFiles(ctx context.Context, q db.Queryer, _ stoa.ID, addresses []string) (map[string]stoa.ID, error) {
	out, byKey := map[string]stoa.ID{}, map[string][]string{}
	var keys []any
	for _, a := range addresses {
		parts := strings.Split(a, "/") // "", documents, site, name, key
		if len(parts) != 5 || parts[1] != "documents" {
			continue
		}
		out[a] = 0
		if byKey[parts[4]] == nil {
			keys = append(keys, parts[4])
		}
		byKey[parts[4]] = append(byKey[parts[4]], a)
	}
	for part := range slices.Chunk(keys, 500) {
		err := db.Each(ctx, q, func(r db.Scanner) error {
			var id stoa.ID
			var key string
			err := r.Scan(&id, &key)
			for _, a := range byKey[key] {
				out[a] = id
			}
			return err
		}, "SELECT id, file_key FROM document_file WHERE file_key IN "+db.In(len(part)), part...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// enter writes the entry of a file as its row stands in the transaction.
func enter(ctx context.Context, tx *db.Tx, id stoa.ID) error {
	return asset.Enter(ctx, tx, asset.Type{Kind: kindFile, Read: readEntries}, id)
}

func readEntries(ctx context.Context, q db.Queryer, ids []stoa.ID) ([]asset.Entry, error) {
	return db.All(ctx, q, func(r db.Scanner) (asset.Entry, error) {
		e := asset.Entry{Kind: kindFile, Status: asset.Live, Shown: true}
		var name string
		var created int64
		err := r.Scan(&e.ID, &e.Instance, &e.Site, &e.Parent, &e.Form, &e.Restricted, &e.Locale, &name, &e.Owner, &created,
			&e.Version)
		if e.Site >= asset.Hidden {
			e.Site, e.Status, e.Shown = e.Site-asset.Hidden, asset.Trashed, false
		}
		e.Created, e.Modified = db.Time(created), db.Time(created)
		e.Titles = map[stoa.Locale]string{e.Locale: name}
		return e, err
	}, `SELECT f.id, s.instance, f.site, f.folder, f.type, f.restricted, s.locale, f.name, f.created_by, f.created,
		f.version FROM document_file f JOIN site_site s
		ON s.id = CASE WHEN f.site < `+asset.HiddenSQL+` THEN f.site ELSE f.site - `+asset.HiddenSQL+` END
		WHERE f.id IN `+db.In(len(ids)), db.Args(ids)...)
}

func (s *Service) mayEntry(ctx context.Context, a access.Action, e asset.Entry) error {
	f := File{ID: e.ID, Site: e.Site, Instance: e.Instance, Folder: e.Parent, Restricted: e.Restricted}
	if e.Status == asset.Trashed {
		return s.mayTrashed(ctx, a, f)
	}
	return s.may(ctx, a, f)
}
