package generate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// What a site has of each.
const (
	categoryCount = 20
	tagCount      = 50
)

// revised is which of the articles get a second version.
const revised = 20

// faraway is when scheduled articles would be published.
var faraway = time.Date(2099, 1, 1, 6, 0, 0, 0, time.UTC)

func (r *run) makeSites(ctx context.Context) error {
	for i := range r.opt.Sites {
		words := newWords(r.dice("site", i))
		slug := fmt.Sprintf("%s%d-%d", own, r.opt.Seed, i+1)
		st, err := r.Sites.BySlug(ctx, r.opt.Instance.ID, slug)
		made := stoa.Is(err, stoa.KindNotFound)
		if made {
			st, err = r.Sites.CreateSite(ctx, site.Site{
				Instance: r.opt.Instance.ID,
				Slug:     slug,
				Name:     words.title("en"),
				Tagline:  words.sentence("en"),
				Locale:   "en",
				Locales:  []stoa.Locale{"en", "de", "fr"},
				Home:     site.HomePosts,
			})
		}
		if err != nil {
			return err
		}
		if err := r.makeTerms(ctx, st, i); err != nil {
			return fmt.Errorf("site %s: %w", slug, err)
		}
		if made {
			r.report.Sites++
		} else {
			r.report.Before++
		}
		r.tell(1)
	}
	return nil
}

// makeTerms gives the site its categories, some of them below others, and its tags.
func (r *run) makeTerms(ctx context.Context, st site.Site, i int) error {
	h := home{Site: st}
	err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		h.categories, h.tags = nil, nil
		words := newWords(r.dice("terms", i))
		for n := range categoryCount {
			c := taxonomy.Category{Site: st.ID, Slug: fmt.Sprintf("category-%d", n+1), Name: words.title("en")}
			if n >= categoryCount/2 {
				c.Parent = h.categories[n-categoryCount/2]
			}
			id, err := r.Taxonomy.EnsureCategory(ctx, tx, c)
			if err != nil {
				return err
			}
			h.categories = append(h.categories, id)
		}
		for n := range tagCount {
			slug := fmt.Sprintf("tag-%d", n+1)
			id, err := r.Taxonomy.EnsureTag(ctx, tx, st.ID, fmt.Sprintf("%s %d", words.word("en"), n+1), slug)
			if err != nil {
				return err
			}
			h.tags = append(h.tags, id)
		}
		return nil
	})
	r.sites = append(r.sites, h)
	return err
}

// makePeople makes accounts without a password, one in ten of them an editor of the generated sites.
func (r *run) makePeople(ctx context.Context) error {
	if r.opt.People == 0 {
		return nil
	}
	role, err := r.editors(ctx)
	if err != nil {
		return err
	}
	r.people = make([]stoa.ID, r.opt.People)
	return r.batches(ctx, r.opt.People, func(ctx context.Context, from, to int) error {
		var todo []int
		var people []user.User
		for i := from; i < to; i++ {
			if r.people[i] = r.known[mark(0, "person", strconv.Itoa(i))]; r.people[i] == 0 {
				todo, people = append(todo, i), append(people, r.person(i, role))
			}
		}
		if len(todo) > 0 {
			var made []user.User
			err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
				if made, err = r.Users.CreateAll(ctx, tx, r.opt.Instance.ID, people); err != nil {
					return err
				}
				notes := make([]db.Row, len(todo))
				for n, i := range todo {
					notes[n] = r.noteRow(0, "person", strconv.Itoa(i), made[n].ID)
				}
				return tx.InsertAll(ctx, "importer_item", notes)
			})
			if err != nil {
				return err
			}
			for n, i := range todo {
				r.people[i] = made[n].ID
			}
			r.breathe(ctx)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.People += len(todo)
		r.report.Before += to - from - len(todo)
		r.tell(to - from)
		return nil
	})
}

// person is the account of a number.
func (r *run) person(i int, editors stoa.ID) user.User {
	words := newWords(r.dice("person", i))
	u := user.User{
		FirstName:  words.pick(firstNames),
		LastName:   words.pick(lastNames),
		ScreenName: fmt.Sprintf("%s%d.%d", own, r.opt.Seed, i+1),
		Locale:     languages()[words.IntN(3)],
	}
	u.Email = u.ScreenName + "@example.com"
	if words.IntN(10) == 0 {
		u.Roles = []stoa.ID{editors}
	}
	return u
}

// editors is the role that may publish on the generated sites and nowhere else.
func (r *run) editors(ctx context.Context) (stoa.ID, error) {
	name := fmt.Sprintf("Generated editors %d", r.opt.Seed)
	roles, err := r.Access.Roles(ctx, r.opt.Instance.ID)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(roles, func(have access.Role) bool { return have.Name == name })
	if i < 0 {
		made, err := r.Access.CreateRole(ctx,
			access.Role{Instance: r.opt.Instance.ID, Name: name, Description: "May publish on the generated sites."})
		if err != nil {
			return 0, err
		}
		roles, i = append(roles, made), len(roles)
	}
	id := roles[i].ID
	for _, h := range r.sites {
		here := h.Path()[0]
		grants, err := r.Access.Grants(ctx, here)
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(grants, func(g access.Grant) bool { return g.Role == id }) {
			continue
		}
		grants = append(grants, access.Grant{Role: id, Resource: here, Action: access.Publish})
		if err := r.Access.SetGrants(ctx, h.Path(), grants); err != nil {
			return 0, err
		}
	}
	return id, nil
}

func (r *run) makeArticles(ctx context.Context) error {
	begun := time.Now()
	defer func() { r.report.ArticleTime = time.Since(begun) }()
	second := map[int]stoa.ID{} // articles that get a second version
	err := r.batches(ctx, r.opt.Articles, func(ctx context.Context, from, to int) error {
		key := strconv.Itoa(from)
		if r.known[mark(0, "articles", key)] != 0 {
			r.mu.Lock()
			defer r.mu.Unlock()
			for i := (from + revised - 1) / revised * revised; i < to; i += revised {
				second[i] = r.known[mark(0, "article", strconv.Itoa(i))]
			}
			r.report.Before += to - from
			r.tell(to - from)
			return nil
		}
		bySite := map[int][]int{} // numbers, by the place of the site
		for i := from; i < to; i++ {
			bySite[i%len(r.sites)] = append(bySite[i%len(r.sites)], i)
		}
		drafts, err := r.drafts(ctx, from, to)
		if err != nil {
			return err
		}
		made := map[int]stoa.ID{}
		err = r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			notes := []db.Row{r.noteRow(0, "articles", key, 1)}
			for at, numbers := range bySite {
				list := make([]content.NewArticle, len(numbers))
				for n, i := range numbers {
					list[n] = drafts[i-from]
				}
				ids, err := r.Content.CreateAll(ctx, tx, r.sites[at].Site, list)
				if err != nil {
					return fmt.Errorf("articles %d to %d: %w", from+1, to, err)
				}
				for n, i := range numbers {
					if i%revised == 0 {
						made[i] = ids[n]
						notes = append(notes, r.noteRow(0, "article", strconv.Itoa(i), ids[n]))
					}
				}
			}
			return tx.InsertAll(ctx, "importer_item", notes)
		})
		if err != nil {
			return err
		}
		r.breathe(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, id := range made {
			second[i] = id
		}
		r.report.Articles += to - from
		r.tell(to - from)
		return nil
	})
	if err != nil {
		return err
	}
	return r.batches(ctx, (r.opt.Articles+revised-1)/revised, func(ctx context.Context, from, to int) error {
		for n := from; n < to; n++ {
			if err := r.revise(ctx, n*revised, second[n*revised]); err != nil {
				return fmt.Errorf("article %d: %w", n*revised+1, err)
			}
		}
		return nil
	})
}

// draft is the article of a number: most have one language, all of them a title in that of the site.
func (r *run) draft(i int, kind string) (content.Draft, words) {
	w := newWords(r.dice(kind, i))
	h := r.home(i)
	created := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.IntN(10*365*24*60)) * time.Minute)
	d := content.Draft{
		Kind:      content.KindPost,
		Slug:      fmt.Sprintf("%s-%d", w.slug(), i+1),
		Created:   created,
		Modified:  created.Add(time.Duration(w.IntN(30*24)) * time.Hour),
		Published: created,
		Sticky:    w.IntN(500) == 0,
		Text:      map[stoa.Locale]content.Text{},
	}
	if w.IntN(5) == 0 {
		d.Kind = content.KindArticle
	}
	for n, l := range languages() {
		if n == 0 || w.IntN(10) < 3 {
			d.Text[l] = w.text(l)
		}
	}
	for range w.IntN(4) {
		d.Categories = appendNew(d.Categories, h.categories[few(w.Rand, len(h.categories))])
	}
	for range w.IntN(6) {
		d.Tags = appendNew(d.Tags, h.tags[few(w.Rand, len(h.tags))])
	}
	if len(r.people) > 0 {
		n := few(w.Rand, len(r.people))
		d.Author = r.people[n]
		p := newWords(r.dice("person", n))
		d.AuthorName = p.pick(firstNames) + " " + p.pick(lastNames)
	}
	return d, w
}

func appendNew(list []stoa.ID, id stoa.ID) []stoa.ID {
	if slices.Contains(list, id) {
		return list
	}
	return append(list, id)
}

// few gives small numbers more often than great ones, as people use terms.
func few(r *rand.Rand, n int) int { return int(math.Pow(r.Float64(), 2) * float64(n)) }

// drafts gives the articles of some numbers, clean, so that no transaction waits for that: of a hundred, 80 are
// published, 3 scheduled, the rest are drafts.
func (r *run) drafts(ctx context.Context, from, to int) ([]content.NewArticle, error) {
	out := make([]content.NewArticle, 0, to-from)
	for i := from; i < to; i++ {
		d, w := r.draft(i, "article")
		d, err := r.Content.Prepare(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("article %d: %w", i+1, err)
		}
		n := w.IntN(100)
		a := content.NewArticle{Draft: d, Show: n < 83}
		if n >= 80 {
			a.At = faraway
		}
		out = append(out, a)
	}
	return out, nil
}

// revise gives an article a second version; half of them are shown. It does what an earlier run left to do.
func (r *run) revise(ctx context.Context, i int, id stoa.ID) error {
	a, err := r.Content.Get(ctx, id)
	if stoa.Is(err, stoa.KindNotFound) || err == nil && a.Number > 2 {
		return nil // people have been here since
	}
	if err != nil {
		return err
	}
	w := newWords(r.dice("revision", i))
	show := w.IntN(2) == 0 && a.Live > 0
	if a.Number == 1 {
		d := content.Draft{
			Text:       a.Text,
			Image:      a.Image,
			Sticky:     a.Sticky,
			Categories: a.Categories,
			Tags:       a.Tags,
			Author:     a.Author,
			AuthorName: a.AuthorName,
		}
		t := d.Text["en"]
		t.Body += "<p>" + w.sentence("en") + "</p>"
		d.Text["en"], d.Comment = t, w.sentence("en")
		if a, err = r.Content.Save(ctx, id, d, a.Version); err != nil {
			return err
		}
	}
	if show && a.Live == 1 {
		_, err = r.Content.Publish(ctx, id, a.Version, time.Time{})
	}
	return err
}

// makePages makes trees of pages three levels deep; each knows its parent by the number.
func (r *run) makePages(ctx context.Context) error {
	ids := make([]stoa.ID, r.opt.Pages)
	for from := 0; from < r.opt.Pages; from += pageBatch {
		to := min(from+pageBatch, r.opt.Pages)
		var todo []int
		for i := from; i < to; i++ {
			if ids[i] = r.known[mark(0, "page", strconv.Itoa(i))]; ids[i] == 0 {
				todo = append(todo, i)
			}
		}
		if len(todo) > 0 {
			if err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				for _, i := range todo {
					p, err := r.Pages.CreateTx(ctx, tx, r.home(i).Site, r.page(i, ids))
					if err != nil {
						return fmt.Errorf("page %d: %w", i+1, err)
					}
					ids[i] = p.ID
					if err := r.note(ctx, tx, 0, "page", strconv.Itoa(i), p.ID); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		r.report.Pages += len(todo)
		r.report.Before += to - from - len(todo)
		r.tell(to - from)
	}
	return nil
}

// topPages is how many pages a site has at the top before others go below them, ten to each.
const topPages = 8

func (r *run) page(i int, ids []stoa.ID) page.NewPage {
	w := newWords(r.dice("page", i))
	n := page.NewPage{
		Slug:     fmt.Sprintf("%s-%d", w.slug(), i+1),
		Title:    map[stoa.Locale]string{"en": w.title("en")},
		Position: -1,
		Publish:  w.IntN(10) != 0,
		Hidden:   w.IntN(15) == 0,
		Created: time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).
			Add(time.Duration(w.IntN(10*365*24)) * time.Hour),
		SEO: page.SEO{Description: w.sentence("en")},
	}
	for _, l := range languages()[1:] {
		if w.IntN(2) == 0 {
			n.Title[l] = w.title(l)
		}
	}
	if nth := i / len(r.sites); nth >= topPages { // of its site
		n.Parent = ids[(nth-topPages)/10*len(r.sites)+i%len(r.sites)]
	}
	rows := []page.Section{{
		ID: "text",
		Columns: []page.Column{
			{
				Width: 8,
				Widgets: []page.Placed{
					{ID: "words", Widget: "html", Settings: map[string]string{"html": w.body("en")}},
				},
			},
			{
				Width: 4,
				Widgets: []page.Placed{{
					ID:       "aside",
					Widget:   "html",
					Settings: map[string]string{"html": "<p>" + w.sentence("en") + "</p>"},
				}},
			},
		},
	}}
	if w.IntN(3) == 0 {
		rows = append(rows, page.Section{
			ID: "news",
			Columns: []page.Column{{Width: 12, Widgets: []page.Placed{{ID: "latest", Widget: "content-list",
				Settings: map[string]string{"kind": "post", "count": "5", "style": "list"}}}}},
		})
	}
	n.Layout = page.Layout{Sections: rows}
	return n
}

func (r *run) makeFiles(ctx context.Context) error {
	for i := range r.opt.Files {
		key := strconv.Itoa(i)
		if r.known[mark(0, "file", key)] != 0 {
			r.report.Before++
			r.tell(1)
			continue
		}
		name, body, err := r.file(i)
		if err != nil {
			return err
		}
		_, err = r.Files.Upload(ctx, r.home(i).Site,
			document.Upload{Name: name, Body: body, Alt: newWords(r.dice("alt", i)).title("en"),
				Also: func(ctx context.Context, tx *db.Tx, f document.File) error {
					return r.note(ctx, tx, 0, "file", key, f.ID)
				}})
		if err != nil {
			return fmt.Errorf("file %d: %w", i+1, err)
		}
		r.report.Files++
		r.tell(1)
	}
	return nil
}

// maxPicture is how large a generated picture gets: larger files are texts, which cost no memory.
const maxPicture = 4 << 20

// file gives name and bytes: every second one is a picture of noise, which no store makes smaller.
func (r *run) file(i int) (string, io.Reader, error) {
	w := newWords(r.dice("file", i))
	name := fmt.Sprintf("%s-%d", w.slug(), i+1)
	if i%2 == 1 && r.opt.Size <= maxPicture {
		side := max(1, int(math.Sqrt(float64(r.opt.Size)/3)))
		pic := image.NewNRGBA(image.Rect(0, 0, side, side))
		noise := rand.NewChaCha8(seedOf(w.Rand))
		if _, err := noise.Read(pic.Pix); err != nil {
			return "", nil, err
		}
		for p := 3; p < len(pic.Pix); p += 4 {
			pic.Pix[p] = 0xff
		}
		var b bytes.Buffer
		return name + ".png", &b, (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&b, pic)
	}
	return name + ".txt", io.LimitReader(&endless{w: w}, r.opt.Size), nil
}

func seedOf(r *rand.Rand) (seed [32]byte) {
	h := fnv.New128a()
	for i := range 2 {
		fmt.Fprint(h, r.Uint64())
		copy(seed[i*16:], h.Sum(nil))
	}
	return seed
}

// endless is a text that never ends.
type endless struct {
	w    words
	rest []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, errors.New("generate: no room to read into")
	}
	if len(e.rest) == 0 {
		e.rest = []byte(e.w.sentence("en") + "\n")
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}
