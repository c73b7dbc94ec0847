package contents

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

// maxArticleForm is how large the form of an article may be: its longest text takes up to three bytes
// for each of its own when a browser sends it.
const maxArticleForm = 3*content.MaxBody + 1<<20

// articleForm gives the form of an article in one language, filled from a; the zero article is for a new one.
func (h *screens) articleForm(
	q *admin.Request,
	a content.Article,
	lang stoa.Locale,
	publishes bool,
) (*admin.Form, error) {
	zone := q.Zone()
	terms, err := h.termFields(q, a)
	if err != nil {
		return nil, err
	}
	t := a.Text[lang]
	slug := &admin.Field{
		Name:   "slug",
		Label:  q.Word("contents.form.address"),
		Kind:   "text",
		Value:  a.Slug,
		Prefix: "/w/",
		Help:   q.Word("contents.form.address-help"),
	}
	if a.ID == 0 {
		slug.SlugFrom, slug.Help, slug.Optional = "f-title", q.Word("contents.form.address-new"), true
	}
	kinds := []string{content.KindArticle, content.KindPost}
	if a.Kind == content.KindPage {
		kinds = []string{content.KindPage}
	}
	var options []admin.Option
	for _, k := range kinds {
		options = append(options, admin.Option{Value: k, Label: kindWord(q, k)})
	}
	f := &admin.Form{Version: a.Version, Fields: []*admin.Field{
		{Name: "title", Label: q.Word("contents.form.title"), Kind: "title", Value: t.Title},
		{
			Name:     "summary",
			Label:    q.Word("contents.form.summary"),
			Kind:     "textarea",
			Rows:     3,
			Value:    t.Summary,
			Optional: true,
			Help:     q.Word("contents.form.summary-help"),
		},
		{Name: "body", Label: q.Word("contents.form.text"), Kind: "editor", Value: t.Body},
		slug,
		{Name: "kind", Label: q.Word("contents.form.kind"), Kind: "select", Options: options, Value: a.Kind},
		{
			Name:     "image",
			Label:    q.Word("contents.form.image"),
			Kind:     "mono",
			Value:    a.Image,
			Optional: true,
			Help:     q.Word("contents.form.image-help"),
		},
		{
			Name:     "author",
			Label:    q.Word("contents.form.author"),
			Kind:     "text",
			Value:    a.AuthorName,
			Optional: true,
			Help:     q.Word("contents.form.author-help"),
		},
		{Name: "sticky", Label: q.Word("contents.form.sticky"), Kind: "check", Value: admin.Checked(a.Sticky)},
		{Name: "comment", Label: q.Word("contents.form.comment"), Kind: "text", Optional: true,
			Help: q.Word("contents.form.comment-help")},
		{
			Name:     "password",
			Label:    q.Word("contents.form.password"),
			Kind:     "password",
			Optional: true,
			Autofill: "new-password",
			Help:     q.Word("contents.form.password-help"),
		},
	}}
	f.Fields = slices.Insert(f.Fields, 5, terms...)
	if h.Pictures() {
		body := f.Field("body")
		body.UploadURL, body.ImagesURL = admin.PictureURLs(q.Site.ID)
		image := f.Field("image")
		image.Kind, image.UploadURL, image.ImagesURL = "image", body.UploadURL, body.ImagesURL
	}
	if a.Protected {
		f.Fields = append(f.Fields, &admin.Field{Name: "open", Label: q.Word("contents.form.open"), Kind: "check"})
	}
	if publishes {
		f.Fields = append(
			f.Fields,
			&admin.Field{
				Name:     "publish",
				Label:    q.Word("contents.form.publish"),
				Kind:     "datetime",
				Value:    admin.InputValue(a.Publish, zone),
				Optional: true,
				Help:     q.Word("contents.form.publish-help", zone.String()),
			},
			&admin.Field{
				Name:     "expire",
				Label:    q.Word("contents.form.expire"),
				Kind:     "datetime",
				Value:    admin.InputValue(a.Expire, zone),
				Optional: true,
				Help:     q.Word("contents.form.expire-help", zone.String()),
			},
		)
	}
	return f, nil
}

// draft turns the form into what is saved: the texts of the article's other languages stay.
func (h *screens) draft(
	ctx context.Context,
	st site.Site,
	f *admin.Form,
	a content.Article,
	lang stoa.Locale,
) (content.Draft, error) {
	d := content.Draft{
		Slug: f.Text("slug"), Kind: f.Text("kind"), Text: map[stoa.Locale]content.Text{}, Image: f.Text("image"),
		AuthorName: f.Text("author"), Sticky: f.On("sticky"), Comment: f.Text("comment"),
	}
	for l, t := range a.Text {
		d.Text[l] = t
	}
	d.Text[lang] = content.Text{Title: f.Text("title"), Summary: f.Text("summary"), Body: f.Text("body")}
	if a.ID == 0 {
		d.Default = lang
	}
	if p := f.Text("password"); p != "" {
		d.Password = &p
	} else if f.Has("open") && f.On("open") {
		d.Password = new(string)
	}
	return d, h.terms(ctx, st, f, a, &d)
}

// same reports whether saving d would change nothing of a, so that publishing what was saved before
// makes no further version.
func same(d content.Draft, a content.Article, lang stoa.Locale) bool {
	x, y := d.Text[lang], a.Text[lang]
	set := func(ids []stoa.ID) []stoa.ID { ids = slices.Clone(ids); slices.Sort(ids); return ids }
	return x.Title == y.Title && x.Summary == y.Summary && x.Body == y.Body && d.Slug == a.Slug && d.Kind == a.Kind &&
		d.Image == a.Image &&
		(d.AuthorName == a.AuthorName || d.AuthorName == "") && d.Sticky == a.Sticky &&
		d.Password == nil &&
		d.Comment == "" &&
		slices.Equal(set(d.Categories), set(a.Categories)) &&
		slices.Equal(set(d.Tags), set(a.Tags)) && len(d.NewTags) == 0
}

// inLanguage takes an error about a text in another language than l off the fields of the form, which shows l.
func inLanguage(err error, l stoa.Locale) error {
	var e *stoa.Error
	if !errors.As(err, &e) {
		return err
	}
	field, of, ok := strings.Cut(e.Field, ".")
	if !ok || of == string(l) || !slices.Contains([]string{"title", "summary", "body"}, field) {
		return err
	}
	other := *e
	other.Field = ""
	return &other
}

// tree gives the categories as options, children below their parents.
func tree(list []taxonomy.Category) []admin.Option {
	var out []admin.Option
	seen := map[stoa.ID]bool{}
	var add func(parent stoa.ID, depth int)
	add = func(parent stoa.ID, depth int) {
		for _, c := range list {
			if c.Parent == parent && !seen[c.ID] {
				seen[c.ID] = true
				out = append(out, admin.Option{Value: c.ID.String(), Label: strings.Repeat("– ", depth) + c.Name, Depth: depth})
				add(c.ID, depth+1)
			}
		}
	}
	add(0, 0)
	for _, c := range list { // those whose parent is gone
		if !seen[c.ID] {
			seen[c.ID] = true
			out = append(out, admin.Option{Value: c.ID.String(), Label: c.Name})
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
