// Package document keeps the files of a site: their bytes in a filestore.Store under random keys that
// never name other bytes, and what is known about them in the database. Pictures are handed out in
// a few fixed widths as well, each made once.
package document

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/site"
)

// File is what is known about a file of a site.
type File struct {
	ID       stoa.ID
	Site     stoa.ID
	Instance stoa.ID
	Key      string // random and public; names the same bytes for ever
	Name     string // as people see it: no path, no control characters
	Type     string // media type, found out from the bytes
	Size     int64  // bytes
	Width    int    // pixels as shown; 0 when it is no picture or its size is not known
	Height   int    // pixels as shown
	Alt      string // what the picture shows, for those who do not see it
	Hash     string // SHA-256 of the bytes, hexadecimal
	Source   string // address the file was brought from; empty for uploads
	Created  time.Time
	By       stoa.ID
	Version  int64

	Folder     stoa.ID // 0 when it is in none
	Restricted bool    // has grants of its own: those of its folders and its site do not reach it
}

// IsImage reports whether browsers show the file as a picture.
func (f File) IsImage() bool { return strings.HasPrefix(f.Type, "image/") }

// thing is the file as the audit log names it.
func (f File) thing() audit.Thing {
	return audit.Thing{Kind: "file", ID: f.ID, Instance: f.Instance, Title: f.Name}
}

// URL is the address of a file without scheme and host. Add ?w= and one of the Widths for a smaller
// picture. Only the key counts; site and name are there for people.
func URL(siteSlug string, f File) string {
	return "/documents/" + url.PathEscape(siteSlug) + "/" + url.PathEscape(f.Name) + "/" + f.Key
}

// Options are what the service needs.
type Options struct {
	DB        *db.DB
	Cache     *cache.Cache
	Access    *access.Service
	Store     filestore.Store
	MaxBytes  int64 // of a file; 0 means 100 MiB
	MaxPixels int64 // width times height; larger pictures are kept but not scaled; 0 means 50 million
	Unscaled  bool  // every width gives the original

	// Damaged, when not nil, is told of a file whose bytes in the store are not those that were uploaded. It may be told
	// each time that the file is read.
	Damaged func(f File, d *filestore.Damaged)

	// OrphanAge is how long bytes that no file refers to are kept after that was found; 0 means 7 days.
	OrphanAge time.Duration
	// Spare, when not nil, tells Sweep of backups: when the oldest that is kept was begun (zero when none is), and
	// whether a backup, a restore or a move of the store runs now.
	Spare func(ctx context.Context) (oldest time.Time, running bool, err error)
	// Incarnated, when not nil, tells Sweep when the newest incarnation of the database began (zero for the first).
	Incarnated func(ctx context.Context) (time.Time, error)

	// Moves, when not nil, says that the place of Store can change.
	Moves Moves
}

// Service keeps the files of sites. It is safe for concurrent use.
type Service struct {
	opt   Options
	files *cache.Region[File]
	dirs  *cache.Region[map[stoa.ID]Folder] // by site
	room  *semaphore.Weighted               // bytes that all pictures which are scaled may take
}

// New makes the service. It returns an error that names the option that is missing or wrong.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Cache == nil || o.Access == nil || o.Store == nil {
		return nil, errors.New("document: DB, Cache, Access and Store are required")
	}
	if o.MaxBytes < 0 || o.MaxPixels < 0 || o.OrphanAge < 0 {
		return nil, fmt.Errorf("document: MaxBytes %d, MaxPixels %d and OrphanAge %s must not be negative",
			o.MaxBytes, o.MaxPixels, o.OrphanAge)
	}
	if o.OrphanAge == 0 {
		o.OrphanAge = 7 * 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 100 << 20
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = 50_000_000
	}
	return &Service{
		opt: o,
		files: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "file", StaleForGuests: true}, func(f File) int {
			return 400 + len(f.Name) + len(f.Alt) + len(f.Source)
		}),
		dirs: cache.NewRegion(o.Cache, cache.RegionOptions{Name: "folder"}, func(m map[stoa.ID]Folder) int {
			return 48 + 160*len(m)
		}),
		room: semaphore.NewWeighted(o.budget()),
	}, nil
}

// Filter selects files of a list.
type Filter struct {
	Query  string  // part of the name, in any case
	Media  string  // the first part of the media type, such as "image"; empty: files of all types
	Folder stoa.ID // those in this folder alone; 0: wherever they are
	After  stoa.ID // the last file of the page before; 0 for the first page
	Limit  int     // 1 to 200; 0 means 50
}

// List gives files of a site that the actor may view, the newest first. The actor needs View on the site. A Filter.After that is no
// file of the site is NotFound.
func (s *Service) List(ctx context.Context, st site.Site, f Filter) ([]File, error) {
	if err := s.opt.Access.Check(ctx, access.View, st.Path()); err != nil {
		return nil, err
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	q, args := selectFile+" WHERE f.site = ?", []any{st.ID}
	if f.Query != "" {
		like := db.Like(
			strings.ToLower(stoa.CleanText(stoa.Clip(f.Query, 190))))
		q, args = q+" AND LOWER(f.name) LIKE ? ESCAPE '!'", append(args, "%"+like+"%")
	}
	if f.Media != "" {
		q, args = q+" AND f.type LIKE ? ESCAPE '!'", append(args, db.Like(f.Media)+"/%")
	}
	if f.After != 0 {
		last, err := db.One(ctx, s.opt.DB, scanFile, selectFile+" WHERE f.id = ? AND f.site = ?", f.After, st.ID)
		if db.IsNoRows(err) {
			return nil, stoa.NotFound("file", f.After)
		}
		if err != nil {
			return nil, err
		}
		at := db.Micros(last.Created)
		q, args = q+" AND (f.created < ? OR f.created = ? AND f.id < ?)", append(args, at, at, last.ID)
	}
	return s.listed(ctx, st, q, args, f)
}

// listed gives the files that a query finds and that the actor may view. Files in folders that are not for the actor are not
// asked for; files with grants of their own are looked at one by one, in as many rounds as it takes.
func (s *Service) listed(ctx context.Context, st site.Site, q string, args []any, f Filter) ([]File, error) {
	all, err := s.folders(ctx, st.ID)
	if err != nil {
		return nil, err
	}
	open, closed := []stoa.ID{0}, false
	for id := range all {
		p, err := way(all, id, st.ID, st.Instance)
		if err == nil && s.opt.Access.Can(ctx, access.View, p) {
			open = append(open, id)
		} else {
			closed = true
		}
	}
	switch {
	case f.Folder != 0:
		q, args = q+" AND f.folder = ?", append(args, f.Folder)
		if !slices.Contains(open, f.Folder) {
			return nil, stoa.NotFound("folder", f.Folder)
		}
	case closed: // a file of its own grants may be open in a folder that is not: it is found by its address
		q, args = q+" AND f.folder IN "+db.In(len(open)), append(args, db.Args(open)...)
	}
	limit := min(f.Limit, 200)
	var out []File
	from, after := q, args
	for {
		rows, err := db.All(
			ctx,
			s.opt.DB,
			scanFile,
			from+" ORDER BY f.created DESC, f.id DESC LIMIT "+strconv.Itoa(limit),
			after...)
		if err != nil {
			return nil, err
		}
		for _, x := range rows {
			if len(out) < limit && (!x.Restricted || s.may(ctx, access.View, x) == nil) {
				out = append(out, x)
			}
		}
		if len(out) == limit || len(rows) < limit {
			return out, nil
		}
		last := rows[len(rows)-1]
		at := db.Micros(last.Created)
		from = q + " AND (f.created < ? OR f.created = ? AND f.id < ?)"
		after = append(slices.Clone(args), at, at, last.ID)
	}
}

// Get gives a file by its id. The actor needs View on it.
func (s *Service) Get(ctx context.Context, id stoa.ID) (File, error) {
	f, err := s.read(ctx, s.opt.DB, id)
	if err != nil {
		return File{}, err
	}
	return f, s.may(ctx, access.View, f)
}

// ByKey gives a file by its public key, from cache. The actor needs View on it. One in the recycle bin is NotFound
// because of asset.ErrTrashed.
func (s *Service) ByKey(ctx context.Context, key string) (File, error) {
	if len(key) > maxKey || filestore.CheckKey(key) != nil || strings.ContainsAny(key, "/-") {
		return File{}, stoa.NotFound("file", stoa.Clip(key, 60))
	}
	f, err := s.files.Get(ctx, key, func(ctx context.Context, l *cache.Load) (File, error) {
		f, err := db.One(ctx, s.opt.DB, scanFile, selectFile+" WHERE f.file_key = ?", key)
		if db.IsNoRows(err) {
			if f, err = s.readTrashed(ctx, s.opt.DB, "f.file_key = ?", key); err == nil {
				f.Site += asset.Hidden
			}
		}
		if db.IsNoRows(err) {
			l.Scope("file", 0)
			return File{}, stoa.NotFound("file", key)
		}
		l.Thing("file", f.ID)
		return f, err
	})
	if err != nil {
		return File{}, err
	}
	if f.Site >= asset.Hidden { // in the recycle bin
		f.Site -= asset.Hidden
		if err := s.mayTrashed(ctx, access.View, f); err != nil {
			return File{}, err
		}
		gone := stoa.NotFound("file", key)
		gone.Err = asset.ErrTrashed
		return File{}, gone
	}
	return f, s.may(ctx, access.View, f)
}

// Image gives the address of the picture with a key, about as wide as width in pixels, and the words for
// those who do not see it. src is empty when there is no such picture that the actor may view.
func (s *Service) Image(ctx context.Context, st site.Site, key string, width int) (src, alt string) {
	f, err := s.ByKey(ctx, key)
	if err != nil || !f.IsImage() {
		return "", ""
	}
	return URL(st.Slug, f) + f.Query(width), f.Alt
}

// Query is what stands behind the address of a picture to get it at least as wide as width in pixels: "?w="
// and one of the Widths, or nothing for the original.
func (f File) Query(width int) string {
	if !scalable(f.Type) || width <= 0 {
		return ""
	}
	for _, w := range Widths() {
		if w >= width && w < f.Width {
			return "?w=" + strconv.Itoa(w)
		}
	}
	return ""
}

// Update saves Name and Alt of the file f.ID. The actor needs Publish on it, or Edit where he has brought it. f.Version must be the current
// one, else the answer is Conflict.
func (s *Service) Update(ctx context.Context, f File) (File, error) {
	have, err := s.read(ctx, s.opt.DB, f.ID)
	if err != nil {
		return File{}, err
	}
	if err := s.mayChange(ctx, have); err != nil {
		return File{}, err
	}
	if len(f.Alt) > maxAlt {
		return File{}, stoa.Invalid("alt", "the description is %d bytes long; at most %d are allowed", len(f.Alt), maxAlt)
	}
	if have.Name, err = chosenName(f.Name); err != nil {
		return File{}, err
	}
	have.Alt, have.Version = strings.TrimSpace(f.Alt), f.Version+1
	err = s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(
			ctx,
			"UPDATE document_file SET name = ?, alt = ?, version = ? WHERE id = ? AND version = ?",
			have.Name,
			have.Alt,
			have.Version,
			f.ID,
			f.Version,
		)
		if err != nil {
			return err
		}
		if n == 0 {
			return stoa.Conflict("this file was changed by another person; load it again")
		}
		tx.Changed("file", f.ID, have.Site, have.Version)
		audit.Note(tx, audit.Changed, have.thing())
		return enter(ctx, tx, f.ID)
	})
	if err != nil {
		return File{}, err
	}
	return have, nil
}

const (
	maxKey    = 64  // column file_key
	maxName   = 190 // column name
	maxAlt    = 500 // column alt
	maxSource = 700 // column source
)

const selectFrom = `SELECT f.id, f.site, s.instance, f.file_key, f.name, f.type, f.size, f.width, f.height, f.alt,
	f.hash, f.source, f.created, f.created_by, f.version, f.folder, f.restricted
	FROM document_file f`

const selectFile = selectFrom + ` JOIN site_site s ON s.id = f.site`

func scanFile(r db.Scanner) (f File, err error) {
	var created int64
	err = r.Scan(
		&f.ID,
		&f.Site,
		&f.Instance,
		&f.Key,
		&f.Name,
		&f.Type,
		&f.Size,
		&f.Width,
		&f.Height,
		&f.Alt,
		&f.Hash,
		&f.Source,
		&created,
		&f.By,
		&f.Version,
		&f.Folder,
		&f.Restricted,
	)
	f.Created = db.Time(created)
	return f, err
}

// read gives a file without asking who may see it.
func (s *Service) read(ctx context.Context, q db.Queryer, id stoa.ID) (File, error) {
	f, err := db.One(ctx, q, scanFile, selectFile+" WHERE f.id = ?", id)
	if db.IsNoRows(err) {
		return File{}, stoa.NotFound("file", id)
	}
	return f, err
}

// storeKey is the key of the bytes in the store, which files share with other kinds of bytes; width 0
// means the original.
func storeKey(key string, width int) string {
	if width == 0 {
		return "document/" + key
	}
	return "document/" + key + "-w" + strconv.Itoa(width)
}

// Lines gives the files with these ids, at most 200, in the order of the ids, without those that are not there and
// those that the actor may not view.
func (s *Service) Lines(ctx context.Context, ids []stoa.ID) ([]File, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > 200 {
		return nil, fmt.Errorf("document: at most 200 files are listed at once, not %d", len(ids))
	}
	out, err := db.All(ctx, db.Reader(ctx, s.opt.DB), scanFile, selectFile+" WHERE f.id IN "+db.In(len(ids)),
		db.Args(ids)...)
	if err != nil {
		return nil, fmt.Errorf("document: read the files of a list: %w", err)
	}
	var failed error
	out = slices.DeleteFunc(out, func(f File) bool {
		err := s.may(ctx, access.View, f)
		switch {
		case err == nil:
			return false
		case !stoa.Is(err, stoa.KindForbidden) && !stoa.Is(err, stoa.KindNotFound) && !stoa.Is(err, stoa.KindUnauthorized):
			failed = err
		}
		return true
	})
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID)) })
	return out, failed
}
