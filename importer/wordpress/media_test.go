package wordpress

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// portal is what an import writes to.
type portal struct {
	Writer
	st     site.Site
	store  *filestore.Dir
	cache  *cache.Cache
	access *access.Service
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newPortal(t *testing.T) *portal {
	t.Helper()
	return newPortalOn(t, dbtest.New(t))
}

func newPortalOn(t *testing.T, d *db.DB) *portal {
	t.Helper()
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(t, err)
	t.Cleanup(c.Close)
	log, err := change.Open(t.Context(), change.Options{DB: d, Apply: func(rows []change.Row) {
		out := make([]cache.Change, len(rows))
		for i, r := range rows {
			out[i] = cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope)}
		}
		c.Invalidate(out, nil)
	}})
	must(t, err)
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	acc, err := access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	must(t, err)
	p := &portal{Writer: Writer{DB: d}, cache: c, access: acc}
	p.Sites, err = site.New(site.Options{DB: d, Cache: c, Access: acc})
	must(t, err)
	p.Taxonomy, err = taxonomy.New(taxonomy.Options{DB: d, Cache: c, Access: acc})
	must(t, err)
	p.Pages, err = page.New(page.Options{DB: d, Cache: c, Access: acc, Sites: p.Sites})
	must(t, err)
	p.Content, err = content.New(content.Options{DB: d, Cache: c, Access: acc, Taxonomy: p.Taxonomy})
	must(t, err)
	p.store = filestoretest.Dir(t, t.TempDir())
	p.Files, err = document.New(document.Options{DB: d, Cache: c, Access: acc, Store: p.store})
	must(t, err)
	_, p.st, _, err = p.Sites.EnsureDefault(system(t), site.Defaults{WebID: "stoa.example", Name: "Stoa", SiteSlug: "guest", SiteName: "Guest", Locale: "en", TimeZone: "UTC"})
	must(t, err)
	return p
}

func system(t *testing.T) context.Context { return stoa.WithActor(t.Context(), stoa.SystemActor()) }

// run brings the small export in, with media from dir.
func (p *portal) run(t *testing.T, dir string, dry bool) Report {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", "small.xml"))
	must(t, err)
	defer in.Close()
	e, err := Read(in, Limits{})
	must(t, err)
	report, err := p.Write(system(t), e, WriteOptions{Site: p.st, MediaDir: dir, DryRun: dry})
	must(t, err)
	return report
}

// bodies gives the newest text of every article.
func (p *portal) bodies(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	list, err := db.All(t.Context(), p.DB, func(r db.Scanner) (id stoa.ID, err error) { return id, r.Scan(&id) }, "SELECT id FROM content_article")
	must(t, err)
	for _, id := range list {
		a, err := p.Content.Get(system(t), id)
		must(t, err)
		out[a.Slug] = a.In("en").Body
	}
	return out
}

// thing is what became of an item.
func (p *portal) thing(t *testing.T, kind, key string) (id stoa.ID) {
	t.Helper()
	must(t, p.DB.QueryRow(t.Context(), "SELECT thing FROM importer_item WHERE kind = ? AND source_key = ?", kind, key).Scan(&id))
	return id
}

func (p *portal) keys(t *testing.T) int {
	t.Helper()
	n := 0
	must(t, p.store.List(t.Context(), "", func(filestore.Info) error { n++; return nil }))
	return n
}

func TestMedia_ComesOnceAndTextsShowIt(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	dir := filepath.Join("testdata", "media")
	dry := p.run(t, dir, true)
	if dry.MediaFound != 3 || dry.MediaNew != 3 || dry.MediaMissing != 1 || p.keys(t) != 0 {
		t.Fatalf("dry run: %d found, %d new, %d missing, %d keys", dry.MediaFound, dry.MediaNew, dry.MediaMissing, p.keys(t))
	}
	first := p.run(t, dir, false)
	if first.Media != 4 || first.MediaFound != 3 || first.MediaNew != 3 || first.MediaMissing != 1 || p.keys(t) != 3 {
		t.Fatalf("%d named, %d found, %d new, %d missing, %d keys", first.Media, first.MediaFound, first.MediaNew, first.MediaMissing, p.keys(t))
	}
	if !strings.Contains(first.String(), "lost.jpg was not brought over: it is not in the folder of media") {
		t.Errorf("the report does not name what is missing:\n%s", first)
	}
	files, err := p.Files.List(system(t), p.st, document.Filter{})
	must(t, err)
	byName := map[string]document.File{}
	for _, f := range files {
		byName[f.Name] = f
	}
	if f := byName["harbour.jpg"]; len(files) != 3 || f.Alt != "Boats at the quay in first light" || f.Width == 0 || f.Source != "https://harbour.example/wp-content/uploads/2024/05/harbour.jpg" {
		t.Fatalf("%+v", files)
	}
	before := p.bodies(t)
	shown := map[string]bool{}
	for slug, body := range before {
		for _, address := range append(richtext.Images(body), richtext.Links(body)...) {
			if strings.Contains(address, uploads) && !strings.Contains(address, "lost") {
				t.Errorf("%s still shows %s", slug, address)
			}
			for name, f := range byName {
				if strings.HasPrefix(address, document.URL("guest", f)) {
					shown[name] = true
				}
			}
		}
	}
	if len(shown) != 3 {
		t.Errorf("the texts show %v, want all three files", shown)
	}
	a, err := p.Content.Get(system(t), p.thing(t, "post", "201"))
	must(t, err)
	if a.Image != byName["harbour.jpg"].Key {
		t.Errorf("the image of %s is %q, want %q", a.Slug, a.Image, byName["harbour.jpg"].Key)
	}
	for _, again := range []string{dir, ""} {
		second := p.run(t, again, false)
		if second.New != 0 || second.MediaNew != 0 || second.MediaFound != 3 || p.keys(t) != 3 {
			t.Errorf("second run with the folder %q: %d posts and %d files are new, %d found, %d keys", again, second.New, second.MediaNew, second.MediaFound, p.keys(t))
		}
	}
	for slug, body := range p.bodies(t) {
		if before[slug] != body {
			t.Errorf("the second run changed %s", slug)
		}
	}
}

func TestMedia_FolderThatIsNotThere(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	in, err := os.Open(filepath.Join("testdata", "small.xml"))
	must(t, err)
	defer in.Close()
	e, err := Read(in, Limits{})
	must(t, err)
	_, err = p.Write(system(t), e, WriteOptions{Site: p.st, MediaDir: filepath.Join(t.TempDir(), "none")})
	if !stoa.Is(err, stoa.KindInvalid) || len(p.bodies(t)) != 0 {
		t.Fatalf("got %v and %d articles", err, len(p.bodies(t)))
	}
}

func TestFind_PlaceBeforeNameAndNeverOutside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, p := range []string{"2024/05/a.jpg", "2023/01/a.jpg", "wp-content/uploads/2024/06/b.jpg", "c.JPG", "2020/01/d.jpg", "2021/01/d.jpg"} {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(p)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, p), []byte(p), 0o600))
	}
	secret := filepath.Join(t.TempDir(), "secret.txt")
	must(t, os.WriteFile(secret, []byte("secret"), 0o600))
	must(t, os.Symlink(secret, filepath.Join(dir, "secret.txt")))
	f, err := openFolder(t.Context(), dir)
	must(t, err)
	defer f.root.Close()
	const base = "https://old.example/wp-content/uploads/"
	for address, want := range map[string]string{
		base + "2024/05/a.jpg": "2024/05/a.jpg", base + "2024/06/b.jpg": "wp-content/uploads/2024/06/b.jpg", base + "2022/02/c.jpg": "c.JPG",
		base + "2022/02/d.jpg": "", base + "2024/05/none.jpg": "", base + "../../../etc/passwd": "", base + "secret.txt": "", base + "%2e%2e/secret.txt": "", "": "", ":": "",
	} {
		got, problem := f.find(&Item{AttachmentURL: address})
		if got != want || (got == "") != (problem != "") {
			t.Errorf("%s: found %q (%s), want %q", address, got, problem, want)
		}
	}
	if got, _ := f.find(&Item{Meta: map[string][]string{"_wp_attached_file": {"2023/01/a.jpg"}}}); got != "2023/01/a.jpg" {
		t.Errorf("by the attached file: %q", got)
	}
}

func TestRewrite_AddressesOfEveryForm(t *testing.T) {
	t.Parallel()
	wide := document.File{Name: "a.jpg", Key: "aaaa", Type: "image/jpeg", Width: 2560, Height: 1440}
	cut := document.File{Name: "b-300x200.jpg", Key: "bbbb", Type: "image/jpeg", Width: 300, Height: 200}
	big := document.File{Name: "c-scaled.jpg", Key: "cccc", Type: "image/jpeg", Width: 2560, Height: 1440}
	r := &run{site: site.Site{Slug: "guest"}, export: &Export{}, lib: library{host: "old.example"}}
	r.lib.files = map[string]document.File{}
	for name, f := range map[string]document.File{"é a.jpg": wide, "b-300x200.jpg": cut, "c-scaled.jpg": big} {
		r.lib.files["old.example/wp-content/uploads/"+name] = f
	}
	for address, want := range map[string]string{
		"https://old.example/wp-content/uploads/%C3%A9%20a.jpg":         "/documents/guest/a.jpg/aaaa",
		"http://WWW.old.example/wp-content/uploads/é%20a.jpg?x=1#y":     "/documents/guest/a.jpg/aaaa",
		"//old.example/wp-content/uploads/é%20a.jpg":                    "/documents/guest/a.jpg/aaaa",
		"/wp-content/uploads/é%20a-1024x576.jpg":                        "/documents/guest/a.jpg/aaaa?w=1280",
		"/wp-content/uploads/é%20a-2048x1152.jpg":                       "/documents/guest/a.jpg/aaaa",
		"/wp-content/uploads/b-300x200.jpg":                             "/documents/guest/b-300x200.jpg/bbbb",
		"/wp-content/uploads/c-150x150.jpg":                             "/documents/guest/c-scaled.jpg/cccc?w=160",
		"https://elsewhere.example/wp-content/uploads/é%20a.jpg":        "https://elsewhere.example/wp-content/uploads/é%20a.jpg",
		"mailto:a@old.example":                                          "mailto:a@old.example",
		"wp-content/uploads/b-300x200.jpg":                              "wp-content/uploads/b-300x200.jpg",
		"https://old.example/wp-content/uploads/unknown-99999x9999.jpg": "https://old.example/wp-content/uploads/unknown-99999x9999.jpg",
	} {
		text, _, _ := r.rewrite(`<p><img src="` + address + `"></p>`)
		got := richtext.Images(text)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s became %v, want %s", address, got, want)
		}
	}
}

// TestMedia_BadFileIsReported brings a folder in which one file is not what it seems.
func TestMedia_BadFileIsReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var good bytes.Buffer
	must(t, jpeg.Encode(&good, image.NewGray(image.Rect(0, 0, 9, 9)), nil))
	must(t, os.WriteFile(filepath.Join(dir, "harbour.jpg"), good.Bytes(), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "chart.png"), []byte("\x89PNG\r\n\x1a\nbroken"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "lighthouse.png"), nil, 0o600))
	p := newPortal(t)
	r := p.run(t, dir, false)
	if r.MediaFound != 1 || r.MediaMissing != 3 || p.keys(t) != 1 {
		t.Fatalf("%d found, %d missing, %d keys", r.MediaFound, r.MediaMissing, p.keys(t))
	}
	if s := r.String(); !strings.Contains(s, "chart.png") || !strings.Contains(s, "damaged") || !strings.Contains(s, "is empty") {
		t.Errorf("the report:\n%s", s)
	}
}

// TestMedia_LaterRunShowsTheFilesItBrings leaves the folder out first, as people do.
func TestMedia_LaterRunShowsTheFilesItBrings(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	if first := p.run(t, "", false); first.New == 0 || first.MediaFound != 0 {
		t.Fatalf("%d posts and pages, %d files", first.New, first.MediaFound)
	}
	edited, err := p.Content.Get(system(t), p.thing(t, "post", "202"))
	must(t, err)
	edited, err = p.Content.Save(system(t), edited.ID, content.Draft{Text: edited.Text, Comment: "mine"}, edited.Version)
	must(t, err)
	before, err := p.Content.Get(system(t), p.thing(t, "post", "201"))
	must(t, err)
	later := p.run(t, filepath.Join("testdata", "media"), false)
	if later.New != 0 || later.MediaNew != 3 || later.Updated == 0 {
		t.Fatalf("%d posts, %d files, %d texts changed", later.New, later.MediaNew, later.Updated)
	}
	after, err := p.Content.Get(system(t), before.ID)
	must(t, err)
	if after.Image == "" || after.Number != 2 || after.Live != 2 || !after.Published.Equal(before.Published) || !after.Modified.Equal(before.Modified) || after.Status != content.StatusPublished {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	same, err := p.Content.Get(system(t), edited.ID)
	must(t, err)
	if same.Number != edited.Number {
		t.Error("a text that an editor changed since was written over")
	}
	if third := p.run(t, filepath.Join("testdata", "media"), false); third.Updated != 0 || third.MediaNew != 0 {
		t.Errorf("a third run changes %d texts and brings %d files", third.Updated, third.MediaNew)
	}
}

func TestNamesFile_LeavesOutAddressesOfItems(t *testing.T) {
	t.Parallel()
	for place, want := range map[string]bool{"old.example/wp-content/uploads/2024/a.jpg": true, "blog.files.example/2013/03/a.JPG": true,
		"old.example/": false, "old.example": false, "old.example/about": false, "": false} {
		if got := namesFile(place); got != want {
			t.Errorf("%q: %v", place, got)
		}
	}
}

func TestAuthors_GetLockedAccountsOnce(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	people, err := user.New(user.Options{DB: p.DB, Cache: p.cache, Access: p.access})
	must(t, err)
	t.Cleanup(func() { _ = people.Close() })
	p.Users = people
	have, err := people.Create(system(t), user.User{Instance: p.st.Instance, ScreenName: "somebody", Email: "ben@harbour.example"}, "")
	must(t, err)
	first := p.run(t, "", false)
	if first.Authors != 1 || !strings.Contains(first.String(), "1 new account for authors") {
		t.Errorf("%d accounts\n%s", first.Authors, first)
	}
	list, err := people.List(system(t), p.st.Instance, user.Filter{})
	must(t, err)
	byName := map[string]user.User{}
	for _, u := range list.Items {
		byName[u.ScreenName] = u
	}
	made, ok := byName["anna"]
	if len(byName) != 2 || !ok || made.Status != user.StatusLocked || made.Email != "anna@harbour.example" {
		t.Fatalf("accounts: %+v", list.Items)
	}
	authors, err := db.All(t.Context(), p.DB, func(r db.Scanner) (name string, err error) {
		var id stoa.ID
		err = r.Scan(&id, &name)
		if err == nil && (name == "Ben Okafor") != (id == have.ID) {
			t.Errorf("%s has the account %d", name, id)
		}
		return name, err
	}, "SELECT DISTINCT author, author_name FROM content_article")
	must(t, err)
	if !slices.Contains(authors, "Ben Okafor") {
		t.Errorf("articles name %q: display names are expected", authors)
	}
	if second := p.run(t, "", false); second.Authors != 0 {
		t.Errorf("a second run makes %d accounts", second.Authors)
	}
}
