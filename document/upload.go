package document

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/site"
)

// maxSVG is the size of an SVG picture at most, which is read into memory to be made safe.
const maxSVG = 4 << 20

// Upload is a file on its way in.
type Upload struct {
	Name      string // may hold a path, of which only the last part is kept
	Type      string // what the sender says; only believed where the bytes do not tell
	Body      io.Reader
	Size      int64 // bytes that Body gives; 0 or less when not known
	Alt       string
	Folder    stoa.ID // of the site; 0: in none
	SourceURL string  // where the file was brought from, or empty
	// Also, when not nil, runs in the transaction that writes the file down. It may run more than once.
	Also func(ctx context.Context, tx *db.Tx, f File) error
}

// Upload adds a file to a site: first its bytes, then the row by which they are found. The actor needs
// Edit on the folder, or on the site for none. It returns TooLarge for more bytes than Options.MaxBytes, Invalid for an empty
// file, a picture whose beginning is damaged and an SVG that is none; then nothing is kept.
func (s *Service) Upload(ctx context.Context, st site.Site, u Upload) (File, error) {
	into, err := s.FolderPath(ctx, st, u.Folder)
	if stoa.Is(err, stoa.KindNotFound) {
		err = stoa.Invalid("folder", "there is no folder %s in this site", u.Folder)
	}
	if err == nil {
		err = s.opt.Access.Check(ctx, access.Edit, into)
	}
	if err != nil {
		return File{}, err
	}
	if u.Body == nil {
		return File{}, stoa.Invalid("file", "no file was sent")
	}
	if len(u.Alt) > maxAlt {
		return File{}, stoa.Invalid("alt", "the description is %d bytes long; at most %d are allowed", len(u.Alt), maxAlt)
	}
	if u.Size > s.opt.MaxBytes {
		return File{}, s.tooLarge()
	}
	f := File{
		Site:     st.ID,
		Instance: st.Instance,
		Key:      filestore.NewKey(),
		Name:     CleanName(u.Name),
		Alt:      strings.TrimSpace(u.Alt),
		Folder:   u.Folder,
		Source:   stoa.Clip(u.SourceURL, maxSource),
		By:       stoa.ActorFrom(ctx).User,
		Version:  1,
	}
	head := bufio.NewReaderSize(&limited{r: u.Body, left: s.opt.MaxBytes, over: s.tooLarge}, 1024)
	first, err := head.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return File{}, fmt.Errorf("read the file %q: %w", f.Name, err)
	}
	if len(first) == 0 {
		return File{}, stoa.Invalid("file", "the file %q is empty", f.Name)
	}
	f.Type = sniff(first, f.Name, u.Type)
	var body io.Reader = head
	size := int64(-1)
	if u.Size > 0 {
		size = u.Size
	}
	if f.Type == typeSVG {
		clean, err := richtext.SanitizeSVG(head, min(maxSVG, s.opt.MaxBytes))
		if err != nil {
			return File{}, err
		}
		body, size = bytes.NewReader(clean), int64(len(clean))
	}
	history, epoch := s.opt.DB.Token(), s.epoch()
	info, err := s.opt.Store.Put(ctx, storeKey(f.Key, 0), body, size)
	if err != nil {
		return File{}, fmt.Errorf("keep the file %q: %w", f.Name, err)
	}
	f.Size, f.Hash = info.Size, info.SHA256
	err = s.register(ctx, &f, history, epoch, u.Also)
	for range moveTries {
		if !errors.Is(err, ErrMoved) {
			break
		}
		if epoch, err = s.opt.Moves.Bring(ctx, storeKey(f.Key, 0)); err == nil {
			err = s.register(ctx, &f, history, epoch, u.Also)
		}
	}
	if err != nil {
		if db.IsUnknownOutcome(err) {
			return File{}, err // the row may be there, and needs its bytes; without a row, Sweep finds them
		}
		// Bytes without a row are found by no address. The request may be over, its rubbish is not.
		if del := s.opt.Store.Delete(context.WithoutCancel(ctx), storeKey(f.Key, 0)); del != nil {
			err = errors.Join(err, fmt.Errorf("remove the bytes of file %s again: %w", f.Key, del))
		}
		return File{}, err
	}
	return f, nil
}

// register measures the kept bytes and writes the row. history is that of the database before the bytes were kept: in
// another one, bytes that the database keeps may be lost. epoch is that of the store to which the bytes went.
func (s *Service) register(ctx context.Context, f *File, history string, epoch int64,
	also func(context.Context, *db.Tx, File) error) error {
	if scalable(f.Type) || f.Type == "image/gif" {
		if err := s.measure(ctx, f); err != nil {
			return err
		}
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if s.opt.DB.Token() != history {
			b, err := s.opt.Store.Open(ctx, storeKey(f.Key, 0))
			if err != nil {
				return fmt.Errorf("the file %q was lost in a fail-over: %w", f.Name, err)
			}
			if err := b.Close(); err != nil {
				return err
			}
		}
		if f.ID, err = tx.NewID(ctx); err != nil {
			return err
		}
		if f.Folder != 0 { // it stays until the file is in it
			var id stoa.ID
			err := tx.QueryRow(ctx, "SELECT id FROM document_folder WHERE id = ? AND site = ?"+tx.Dialect().ForUpdate(),
				f.Folder, f.Site).
				Scan(&id)
			if db.IsNoRows(err) {
				return stoa.Invalid("folder", "the folder was deleted meanwhile: choose another one")
			}
			if err != nil {
				return err
			}
		}
		f.Created = db.Time(db.Micros(tx.Now())) // as it will be read
		if err := tx.Insert(ctx, "document_file", db.Row{"id": f.ID, "site": f.Site, "file_key": f.Key, "name": f.Name, "type": f.Type, "size": f.Size,
			"width": f.Width, "height": f.Height, "alt": f.Alt, "hash": f.Hash, "source": f.Source, "created": db.Micros(f.Created), "created_by": f.By, "version": f.Version,
			"folder": f.Folder, "restricted": f.Restricted}); err != nil {
			return err
		}
		if err := enter(ctx, tx, f.ID); err != nil {
			return err
		}
		tx.Changed("file", f.ID, f.Site, f.Version)
		audit.Note(tx, audit.Uploaded, f.thing())
		if also != nil {
			if err := also(ctx, tx, *f); err != nil {
				return err
			}
		}
		if s.opt.Moves != nil {
			return s.opt.Moves.Fence(ctx, tx, epoch)
		}
		return nil
	})
}

// Moves is what an upload needs to know of a file store whose place can change.
type Moves interface {
	// Epoch is raised whenever new bytes go to another place than before.
	Epoch() int64
	// Fence fails with ErrMoved when that has happened since the epoch, and keeps it from happening before tx ends.
	Fence(ctx context.Context, tx *db.Tx, epoch int64) error
	// Bring copies bytes that were put before to where new ones go now, and gives the epoch of that.
	Bring(ctx context.Context, key string) (epoch int64, err error)
}

// ErrMoved says that the bytes of a file are not where new ones go any more.
var ErrMoved = errors.New("the file store has another place by now")

// moveTries is how often bytes are brought to where new ones go, which seldom changes.
const moveTries = 3

func (s *Service) epoch() int64 {
	if s.opt.Moves == nil {
		return 0
	}
	return s.opt.Moves.Epoch()
}

func (s *Service) measure(ctx context.Context, f *File) error {
	b, err := s.opt.Store.Open(ctx, storeKey(f.Key, 0))
	if err != nil {
		return fmt.Errorf("measure the picture %q: %w", f.Name, err)
	}
	defer b.Close()
	c, turn, err := config(b, f.Type)
	if err != nil {
		return damaged(*f, err)
	}
	f.Width, f.Height = c.Width, c.Height
	if turn.swaps() {
		f.Width, f.Height = c.Height, c.Width
	}
	return nil
}

func (s *Service) tooLarge() error {
	return stoa.TooLarge(
		"the file is too large: at most %d bytes (%.1f MiB) are allowed",
		s.opt.MaxBytes,
		float64(s.opt.MaxBytes)/(1<<20),
	)
}

// limited reads at most left bytes and then fails, where io.LimitReader would cut in silence.
type limited struct {
	r    io.Reader
	left int64
	over func() error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.over()
	}
	if int64(len(p)) > l.left+1 { // one more than allowed shows that there is more
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, l.over()
	}
	return n, err
}

// CleanName makes a name for a file out of anything: the last part of a path without control
// characters, without those that turn the direction of writing, and without dots in front, 190 bytes at
// most, the ending kept. What leaves nothing becomes "file".
func CleanName(s string) string {
	s = stoa.CleanText(strings.ToValidUTF8(s, ""))
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return -1
		}
		return r
	}, s)
	s = strings.TrimRight(strings.TrimLeft(strings.TrimSpace(s), ". "), " ")
	if len(s) > maxName {
		ext := path.Ext(s)
		if len(ext) > 20 || !utf8.ValidString(ext) {
			ext = ""
		}
		s = stoa.Clip(s, maxName-len(ext)) + ext
	}
	if s == "" {
		return "file"
	}
	return s
}

// chosenName is CleanName for a name that a person has typed: one that leaves nothing or is cut off is refused.
func chosenName(s string) (string, error) {
	name := CleanName(s)
	if s = strings.TrimSpace(s); len(s) > maxName || name == "file" && s != name {
		return "", stoa.Invalid("name", "a name of 1 to %d bytes is expected", maxName)
	}
	return name, nil
}

const typeSVG = "image/svg+xml"

// sniff finds the type of a file from its first bytes. Where they leave it open, the ending of the name
// decides among types that are harmless: what the result names as a picture is one, and nothing is
// an SVG picture that has not been made safe.
func sniff(head []byte, name, said string) string {
	ext := strings.ToLower(path.Ext(name))
	said, _, _ = strings.Cut(strings.ToLower(said), ";")
	found, _, _ := strings.Cut(http.DetectContentType(head), ";")
	text := strings.HasPrefix(found, "text/")
	if text &&
		(ext == ".svg" || strings.TrimSpace(said) == typeSVG || bytes.HasPrefix(bytes.TrimSpace(head), []byte("<svg"))) {
		return typeSVG
	}
	switch found {
	case "audio/wave":
		return "audio/wav"
	case "application/ogg":
		if ext == ".ogv" {
			return "video/ogg"
		}
		return "audio/ogg"
	case "video/mp4":
		if ext == ".m4a" {
			return "audio/mp4"
		}
	case "application/octet-stream", "application/zip", "text/plain":
		if found == "application/octet-stream" && len(head) >= 12 && string(head[4:12]) == "ftypavif" {
			return "image/avif"
		}
		if t := office(ext, found); t != "" {
			return t
		}
	}
	return found
}

// office names the types that look like any archive or text.
func office(ext, found string) string {
	const ooxml, odf = "application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument."
	switch found {
	case "application/zip":
		switch ext {
		case ".docx":
			return ooxml + "wordprocessingml.document"
		case ".xlsx":
			return ooxml + "spreadsheetml.sheet"
		case ".pptx":
			return ooxml + "presentationml.presentation"
		case ".odt":
			return odf + "text"
		case ".ods":
			return odf + "spreadsheet"
		case ".odp":
			return odf + "presentation"
		case ".epub":
			return "application/epub+zip"
		}
	case "text/plain":
		switch ext {
		case ".csv":
			return "text/csv"
		case ".md":
			return "text/markdown"
		case ".json":
			return "application/json"
		}
	default:
		switch ext {
		case ".doc":
			return "application/msword"
		case ".xls":
			return "application/vnd.ms-excel"
		case ".ppt":
			return "application/vnd.ms-powerpoint"
		}
	}
	return ""
}
