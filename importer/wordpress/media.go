package wordpress

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
)

// maxMediaEntries is how many files a folder of media may hold; more is taken for a mistake.
const maxMediaEntries = 1_000_000

// uploads is where WordPress keeps its library.
const uploads = "wp-content/uploads/"

// library knows the files of the old site that the portal has.
type library struct {
	host  string                   // of the old site
	files map[string]document.File // by old address, see place
	items map[int64]document.File  // by id of the attachment
}

// folder finds files below the folder with the media of the old site.
type folder struct {
	root   *os.Root
	byPath map[string]bool
	byBase map[string][]string // lower-case last part of the path → paths
}

func openFolder(ctx context.Context, dir string) (*folder, error) {
	root, err := os.OpenRoot(dir) // no link in the folder leads out of it
	if err != nil {
		return nil, stoa.Invalid("media", "the folder of media %s cannot be opened: %v", dir, err)
	}
	f := &folder{root: root, byPath: map[string]bool{}, byBase: map[string][]string{}}
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return ctx.Err()
		}
		if len(f.byPath) == maxMediaEntries {
			return stoa.Invalid("media", "the folder of media %s holds more than %d files", dir, maxMediaEntries)
		}
		f.byPath[p] = true
		base := strings.ToLower(path.Base(p))
		f.byBase[base] = append(f.byBase[base], p)
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the folder of media: %w", err), root.Close())
	}
	return f, nil
}

// find gives the path of an attachment's file: by its place below wp-content/uploads, else by its name,
// when only one file has it. problem says why there is none.
func (f *folder) find(it *Item) (found, problem string) {
	var rels, bases []string
	if u, err := url.Parse(it.AttachmentURL); err == nil {
		if _, rel, ok := strings.Cut(u.Path, uploads); ok {
			rels = append(rels, rel)
		} else { // wordpress.com has the library of a site at the top of a host of its own
			rels = append(rels, strings.TrimPrefix(u.Path, "/"))
		}
		bases = append(bases, path.Base(u.Path))
	}
	if rel := it.MetaValue("_wp_attached_file"); rel != "" {
		rels, bases = append(rels, rel), append(bases, path.Base(rel))
	}
	for _, rel := range rels {
		for _, p := range []string{rel, "uploads/" + rel, uploads + rel} {
			if f.byPath[p] {
				return p, ""
			}
		}
	}
	for _, base := range bases {
		switch list := f.byBase[strings.ToLower(base)]; len(list) {
		case 0:
		case 1:
			return list[0], ""
		default:
			return "", fmt.Sprintf(
				"%d files in the folder of media are called %s, and none is in the place it had on the old site",
				len(list),
				base,
			)
		}
	}
	return "", "it is not in the folder of media"
}

// prepareMedia finds out which files of the library are here, and which this run can bring.
func (r *run) prepareMedia(ctx context.Context) error {
	r.lib = library{files: map[string]document.File{}, items: map[int64]document.File{}}
	if u, err := url.Parse(r.export.Site.BaseURL); err == nil {
		r.lib.host = u.Host
	}
	if r.Files == nil {
		if r.opt.MediaDir != "" {
			return errors.New("import: Writer.Files is required to bring media over")
		}
		return nil
	}
	if r.opt.MediaDir != "" {
		var err error
		if r.dir, err = openFolder(ctx, r.opt.MediaDir); err != nil {
			return err
		}
	}
	for _, it := range r.plan.Media {
		if err := r.look(ctx, it); err != nil {
			return fmt.Errorf("file %d in line %d (%s): %w", it.ID, it.Line, stoa.Clip(it.AttachmentURL, 200), err)
		}
	}
	return nil
}

// planned stands for a file that this run brings, until it has a key.
func planned(name string) document.File {
	return document.File{Name: document.CleanName(name), Key: "-"}
}

// look decides about the file of an attachment.
func (r *run) look(ctx context.Context, it *Item) error {
	if id := r.known["file/"+it.key]; id != 0 {
		f, err := r.Files.Get(ctx, id)
		if stoa.Is(err, stoa.KindNotFound) { // an editor deleted it since: it stays deleted
			return nil
		}
		if err != nil {
			return err
		}
		r.report.MediaFound++
		r.show(it, f)
		return nil
	}
	if r.dir == nil {
		return nil
	}
	found, problem := r.dir.find(it)
	if found != "" {
		err := r.checkFile(found)
		switch {
		case err == nil:
			r.report.MediaFound++
			r.report.MediaNew++
			r.bring = append(r.bring, bringing{it, found})
			r.show(it, planned(path.Base(found)))
			return nil
		case !refusal(err):
			return err
		}
		problem = sentence(err)
	}
	r.report.MediaMissing++
	r.warn(Missing, it, "the file %s was not brought over: %s", stoa.Clip(it.AttachmentURL, 200), problem)
	return nil
}

// bringing is a file that this run brings: the attachment and the path in the folder of media.
type bringing struct {
	item *Item
	path string
}

func (r *run) checkFile(name string) error {
	src, err := r.dir.root.Open(name)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	return r.Files.CheckUpload(path.Base(name), src, st.Size())
}

// show lets texts show the file of an attachment.
func (r *run) show(it *Item, f document.File) {
	r.lib.items[it.ID] = f
	for _, address := range []string{it.AttachmentURL, it.GUID} {
		if p := r.lib.place(address); namesFile(p) {
			r.lib.files[p] = f
		}
	}
}

// media brings the files over, before the posts that show them.
func (r *run) media(ctx context.Context) error {
	for _, b := range r.bring {
		f, err := r.upload(ctx, b)
		if refusal(err) {
			r.report.MediaFound--
			r.report.MediaNew--
			r.report.MediaMissing++
			r.warn(Missing, b.item, "the file %s was not brought over: %s", stoa.Clip(b.item.AttachmentURL, 200), sentence(err))
			r.forget(b.item)
		} else if err != nil {
			return fmt.Errorf("file %d in line %d (%s): %w", b.item.ID, b.item.Line, stoa.Clip(b.item.AttachmentURL, 200), err)
		} else {
			r.show(b.item, f)
		}
		r.progress()
	}
	return nil
}

// forget lets texts keep the old address of a file that did not come after all.
func (r *run) forget(it *Item) {
	delete(r.lib.items, it.ID)
	for _, address := range []string{it.AttachmentURL, it.GUID} {
		delete(r.lib.files, r.lib.place(address))
	}
}

func (r *run) upload(ctx context.Context, b bringing) (document.File, error) {
	src, err := r.dir.root.Open(b.path)
	if err != nil {
		return document.File{}, err
	}
	defer src.Close()
	return r.Files.Upload(
		ctx,
		r.site,
		document.Upload{Name: path.Base(b.path), Body: src, Alt: stoa.Clip(b.item.file().Alt, 500),
			SourceURL: b.item.AttachmentURL, Also: func(ctx context.Context, tx *db.Tx, f document.File) error {
				return r.note(ctx, tx, "file", b.item.key, f.ID)
			}},
	)
}

// namesFile reports whether a place is that of a file: the id of an item can also be an address such as /?p=7.
func namesFile(place string) bool {
	_, p, _ := strings.Cut(place, "/")
	return path.Ext(p) != ""
}

// place gives the form by which addresses are compared: host without www., decoded path, no scheme and
// query. An address without host is one of the old site. Empty means: an address of something else.
func (l *library) place(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	host := u.Host
	if host == "" {
		if !strings.HasPrefix(u.Path, "/") {
			return ""
		}
		host = l.host
	}
	return strings.TrimPrefix(strings.ToLower(host), "www.") + u.Path
}
