package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

// maxArticleForm is how large the form of an article may be: its longest text takes up to three bytes
// for each of its own when a browser sends it.
const maxArticleForm = 3*content.MaxBody + 1<<20

// inputTime is how browsers send the time of a datetime-local input.
const inputTime = "2006-01-02T15:04"

// articleForm gives the form of an article in one language, filled from a; the zero article is for a new one.
func (h *Handler) articleForm(
	ctx context.Context,
	st site.Site,
	zone *time.Location,
	a content.Article,
	lang stoa.Locale,
	publishes bool,
) (*form, error) {
	terms, err := h.termFields(ctx, st, a)
	if err != nil {
		return nil, err
	}
	t := a.Text[lang]
	slug := &field{
		Name:   "slug",
		Label:  "Address",
		Kind:   "text",
		Value:  a.Slug,
		Prefix: "/w/",
		Help:   "Old addresses keep working.",
	}
	if a.ID == 0 {
		slug.SlugFrom, slug.Help, slug.Optional = "f-title", "Proposed from the title.", true
	}
	kinds := []option{{Value: content.KindArticle, Label: "Article"}, {Value: content.KindPost, Label: "Blog post"}}
	if a.Kind == content.KindPage {
		kinds = []option{{Value: content.KindPage, Label: "Text of a page"}}
	}
	f := &form{Version: a.Version, Fields: []*field{
		{Name: "title", Label: "Title", Kind: "title", Value: t.Title},
		{
			Name:     "summary",
			Label:    "Summary",
			Kind:     "textarea",
			Rows:     3,
			Value:    t.Summary,
			Optional: true,
			Help:     "Shown in lists; without one, the beginning of the text is.",
		},
		{Name: "body", Label: "Text", Kind: "editor", Value: t.Body},
		slug,
		{Name: "kind", Label: "Kind", Kind: "select", Options: kinds, Value: a.Kind},
		{
			Name:     "image",
			Label:    "Image",
			Kind:     "mono",
			Value:    a.Image,
			Optional: true,
			Help:     "Shown in lists and above the text.",
		},
		{
			Name:     "author",
			Label:    "Author",
			Kind:     "text",
			Value:    a.AuthorName,
			Optional: true,
			Help:     "The name that is shown; your own when left empty.",
		},
		{Name: "sticky", Label: "Before all others in lists", Kind: "check", Value: check(a.Sticky)},
		{Name: "comment", Label: "What was changed", Kind: "text", Optional: true, Help: "For the list of versions."},
		{
			Name:     "password",
			Label:    "Password for readers",
			Kind:     "password",
			Optional: true,
			Autofill: "new-password",
			Help:     "Empty leaves it as it is.",
		},
	}}
	f.Fields = slices.Insert(f.Fields, 5, terms...)
	if h.o.Files != nil {
		body := f.Field("body")
		body.UploadURL, body.ImagesURL = pictureURLs(st.ID)
		image := f.Field("image")
		image.Kind, image.UploadURL, image.ImagesURL = "image", body.UploadURL, body.ImagesURL
	}
	if a.Protected {
		f.Fields = append(f.Fields, &field{Name: "open", Label: "Readers need no password any more", Kind: "check"})
	}
	if publishes {
		f.Fields = append(
			f.Fields,
			&field{
				Name:     "publish",
				Label:    "Publish at",
				Kind:     "datetime",
				Value:    clock(a.Publish, zone),
				Optional: true,
				Help:     "Time in " + zone.String() + "; empty is at once. Of an hour that clocks run through twice, the first counts.",
			},
			&field{
				Name:     "expire",
				Label:    "Expires at",
				Kind:     "datetime",
				Value:    clock(a.Expire, zone),
				Optional: true,
				Help:     "Time in " + zone.String() + "; empty is never.",
			},
		)
	}
	return f, nil
}

// has reports whether the form asks for name.
func (f *form) has(name string) bool {
	return slices.ContainsFunc(f.Fields, func(x *field) bool { return x.Name == name })
}

// draft turns the form into what is saved: the texts of the article's other languages stay.
func (h *Handler) draft(
	ctx context.Context,
	st site.Site,
	f *form,
	a content.Article,
	lang stoa.Locale,
) (content.Draft, error) {
	d := content.Draft{
		Slug: f.text("slug"), Kind: f.text("kind"), Text: map[stoa.Locale]content.Text{}, Image: f.text("image"),
		AuthorName: f.text("author"), Sticky: f.on("sticky"), Comment: f.text("comment"),
	}
	for l, t := range a.Text {
		d.Text[l] = t
	}
	d.Text[lang] = content.Text{Title: f.text("title"), Summary: f.text("summary"), Body: f.text("body")}
	if a.ID == 0 {
		d.Default = lang
	}
	if p := f.text("password"); p != "" {
		d.Password = &p
	} else if f.has("open") && f.on("open") {
		d.Password = new(string)
	}
	return d, h.terms(ctx, st, f, a, &d)
}

// same reports whether saving d would change nothing of a, so that publishing what was saved before
// makes no further version.
func same(d content.Draft, a content.Article, lang stoa.Locale) bool {
	x, y := d.Text[lang], a.Text[lang]
	set := func(ids []stoa.ID) []stoa.ID { ids = slices.Clone(ids); slices.Sort(ids); return ids }
	return x.Title == y.Title && x.Summary == y.Summary && x.Body == y.Body && d.Slug == a.Slug && d.Kind == a.Kind && d.Image == a.Image &&
		(d.AuthorName == a.AuthorName || d.AuthorName == "") && d.Sticky == a.Sticky &&
		d.Password == nil &&
		d.Comment == "" &&
		slices.Equal(set(d.Categories), set(a.Categories)) &&
		slices.Equal(set(d.Tags), set(a.Tags))
}

// tree gives the categories as options, children below their parents.
func tree(list []taxonomy.Category) []option {
	var out []option
	seen := map[stoa.ID]bool{}
	var add func(parent stoa.ID, depth int)
	add = func(parent stoa.ID, depth int) {
		for _, c := range list {
			if c.Parent == parent && !seen[c.ID] {
				seen[c.ID] = true
				out = append(out, option{Value: c.ID.String(), Label: strings.Repeat("– ", depth) + c.Name, Depth: depth})
				add(c.ID, depth+1)
			}
		}
	}
	add(0, 0)
	for _, c := range list { // those whose parent is gone
		if !seen[c.ID] {
			seen[c.ID] = true
			out = append(out, option{Value: c.ID.String(), Label: c.Name})
		}
	}
	return out
}

// languages gives the site's languages and those that the article has besides.
func languages(st site.Site, a content.Article) []stoa.Locale {
	out := slices.Clone(st.Locales)
	if len(out) == 0 {
		out = []stoa.Locale{st.Locale}
	}
	var more []stoa.Locale
	for l := range a.Text {
		if !slices.Contains(out, l) {
			more = append(more, l)
		}
	}
	slices.Sort(more)
	return append(out, more...)
}

func (h *Handler) publishes(ctx context.Context, p access.Path) bool {
	return h.o.Access.Can(ctx, access.Publish, p)
}
