package wordpress

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/richtext"
)

// maxMediaEntries is how many files a folder of media may hold; more is taken for a mistake.
const maxMediaEntries = 1_000_000

// uploads is where WordPress keeps its library.
const uploads = "wp-content/uploads/"

// sizedName is the ending of the smaller pictures WordPress makes: harbour-1024x683.jpg.
var sizedName = regexp.MustCompile(`-(\d{1,5})x(\d{1,5})(\.[A-Za-z0-9]{2,5})$`)

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
			return "", fmt.Sprintf("%d files in the folder of media are called %s, and none is in the place it had on the old site", len(list), base)
		}
	}
	return "", "it is not in the folder of media"
}

// media brings the files of the library over, before the posts that show them.
func (r *run) media(ctx context.Context) error {
	r.lib = library{files: map[string]document.File{}, items: map[int64]document.File{}}
	if u, err := url.Parse(r.plan.export.Site.BaseURL); err == nil {
		r.lib.host = u.Host
	}
	if r.Files == nil {
		if r.opt.MediaDir != "" {
			return errors.New("import: Writer.Files is required to bring media over")
		}
		return nil
	}
	var dir *folder
	if r.opt.MediaDir != "" {
		var err error
		if dir, err = openFolder(ctx, r.opt.MediaDir); err != nil {
			return err
		}
		defer dir.root.Close()
	}
	for _, it := range r.plan.Media {
		f, err := r.bring(ctx, dir, it)
		if err != nil {
			return fmt.Errorf("file %d in line %d (%s): %w", it.ID, it.Line, cut(it.AttachmentURL, 200), err)
		}
		if dir != nil && !r.opt.DryRun {
			r.progress()
		}
		if f.ID == 0 {
			continue
		}
		r.lib.items[it.ID] = f
		for _, address := range []string{it.AttachmentURL, it.GUID} {
			if p := r.lib.place(address); namesFile(p) {
				r.lib.files[p] = f
			}
		}
	}
	return nil
}

// namesFile reports whether a place is that of a file: the id of an item can also be an address such as /?p=7.
func namesFile(place string) bool {
	_, p, _ := strings.Cut(place, "/")
	return path.Ext(p) != ""
}

// pictures lets the texts that an earlier run wrote, without these files, show them now. A text that somebody has
// changed since belongs to them and stays.
func (r *run) pictures(ctx context.Context, pages []*PageNode) error {
	if r.report.MediaNew == 0 {
		return nil
	}
	items := slices.Clone(r.plan.Posts)
	for _, n := range pages {
		items = append(items, n.Item)
	}
	for _, it := range items {
		id := r.known["post/"+key(it)]
		if id == 0 {
			id = r.known["page/"+key(it)]
		}
		if id == 0 {
			continue
		}
		if err := r.picture(ctx, id, it); err != nil {
			return fmt.Errorf("show the files of item %d in line %d: %w", it.ID, it.Line, err)
		}
	}
	return nil
}

func (r *run) picture(ctx context.Context, id stoa.ID, it *Item) error {
	a, err := r.Content.Get(ctx, id)
	if stoa.Is(err, stoa.KindNotFound) || err == nil && a.Number != 1 {
		return nil
	}
	if err != nil {
		return err
	}
	d := content.Draft{Image: a.Image, Sticky: a.Sticky, Categories: a.Categories, Tags: a.Tags, Modified: a.Modified, Comment: "Files brought over from WordPress", Text: map[stoa.Locale]content.Text{}}
	changed := false
	if pic := r.plan.Thumbnail(it); pic != nil && d.Image == "" {
		d.Image = r.lib.items[pic.ID].Key
		changed = d.Image != ""
	}
	for l, t := range a.Text {
		before := t.Body
		t.Body = r.rewrite(before)
		changed = changed || t.Body != before
		d.Text[l] = t
	}
	if !changed {
		return nil
	}
	saved, err := r.Content.Save(ctx, id, d, a.Version)
	if err != nil {
		return err
	}
	r.report.Pictured++
	if a.Live == 0 && a.Pending == 0 {
		return nil
	}
	_, err = r.Content.Publish(ctx, id, saved.Version, a.Publish)
	return err
}

// bring gives the file of an attachment, which an earlier run brought or this one does; none, and no
// error, when it cannot be had.
func (r *run) bring(ctx context.Context, dir *folder, it *Item) (document.File, error) {
	if id := r.known["file/"+key(it)]; id != 0 {
		f, err := r.Files.Get(ctx, id)
		if stoa.Is(err, stoa.KindNotFound) { // somebody deleted it since: it stays deleted
			return document.File{}, nil
		}
		r.report.MediaFound++
		return f, err
	}
	if dir == nil {
		return document.File{}, nil
	}
	found, problem := dir.find(it)
	if found != "" && r.opt.DryRun {
		r.report.MediaFound++
		return document.File{}, nil
	}
	var f document.File
	if found != "" {
		src, err := dir.root.Open(found)
		if err != nil {
			return document.File{}, err
		}
		defer src.Close()
		f, err = r.Files.Upload(ctx, r.opt.Site, document.Upload{Name: path.Base(found), Body: src, Alt: cut(it.MetaValue("_wp_attachment_image_alt"), 500),
			SourceURL: it.AttachmentURL, Also: func(ctx context.Context, tx *db.Tx, f document.File) error {
				return r.note(ctx, tx, "file", key(it), f.ID)
			}})
		switch {
		case err == nil:
			r.report.MediaFound++
			r.report.MediaNew++
			return f, nil
		case stoa.Is(err, stoa.KindInvalid), stoa.Is(err, stoa.KindTooLarge):
			problem = err.Error()
		default:
			return document.File{}, err
		}
	}
	r.report.MediaMissing++
	r.report.Warnings = append(r.report.Warnings, Warning{Line: it.Line, Item: it.ID, Message: fmt.Sprintf("the file %s was not brought over: %s", cut(it.AttachmentURL, 200), problem)})
	return document.File{}, nil
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

// rewrite lets the addresses in a text that name files of the library lead to the portal's copies.
func (r *run) rewrite(html string) string {
	if len(r.lib.files) == 0 {
		return html
	}
	return richtext.Rewrite(html, func(_, _, address string) string {
		p := r.lib.place(address)
		if p == "" {
			return address
		}
		if f, ok := r.lib.files[p]; ok {
			return document.URL(r.opt.Site.Slug, f)
		}
		m := sizedName.FindStringSubmatch(p)
		if m == nil {
			return address
		}
		f, ok := r.lib.files[strings.TrimSuffix(p, m[0])+m[3]]
		if !ok { // WordPress shrinks large originals to a file of their own, of which the smaller ones do not bear the name
			f, ok = r.lib.files[strings.TrimSuffix(p, m[0])+"-scaled"+m[3]]
		}
		if !ok {
			return address
		}
		width, _ := strconv.Atoi(m[1]) // at most five figures: cannot fail
		return document.URL(r.opt.Site.Slug, f) + f.Query(width)
	})
}
