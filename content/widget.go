package content

import (
	"context"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/widget"
)

// Widgets gives the widgets that show articles: Web Content Display and Content List.
func Widgets(s *Service) []widget.Widget {
	return []widget.Widget{
		display{s, template.Must(template.New("content").Parse(displayView))},
		lister{s, template.Must(template.New("content-list").Parse(listView))},
	}
}

// ImageOf gives the address and the text of an article's image, empty when there is none to show.
func (s *Service) ImageOf(ctx context.Context, st site.Site, key string, width int) (src, alt string) {
	switch {
	case key == "":
	case s.o.Image != nil:
		return s.o.Image(ctx, st, key, width)
	case strings.HasPrefix(key, "https://") || strings.HasPrefix(key, "/") && !strings.HasPrefix(key, "//"):
		return key, ""
	}
	return "", ""
}

// display shows one article.
type display struct {
	s    *Service
	view *template.Template
}

const displayView = `<article class="article"{{.Mark}}>{{if .Title}}<header class="article__header"><h2 class="article__title">{{if .Locked}}<a href="{{.URL}}">{{.Title}}</a>{{else}}{{.Title}}{{end}}</h2></header>{{end}}
{{- if .Image}}<figure class="article__image"><img src="{{.Image}}" alt="{{.Alt}}" loading="lazy"></figure>{{end}}
{{- if .Locked}}<p><a href="{{.URL}}">{{.Word "This page is protected"}}</a></p>{{else}}<div class="prose">{{.Body}}</div>{{end}}</article>`

type displayData struct {
	widget.Request
	Title, URL, Image, Alt string
	Mark                   template.HTMLAttr // when the text is in another language than that of the page
	Body                   template.HTML
	Locked                 bool
}

func (display) Type() widget.Type {
	return widget.Type{Name: "web-content", Title: "Web Content Display", Icon: "article", Description: "One article, as it is published.",
		Fields: []widget.Field{
			{Key: "article", Label: "Article", Kind: "article"},
			{Key: "heading", Label: "Show the title", Kind: "bool", Default: "true"},
			{Key: "image", Label: "Show the image", Kind: "bool", Default: "true"},
		}}
}

// Render shows nothing while the article is not visible: pages stay whole when an article expires.
func (w display) Render(ctx context.Context, r widget.Request) (widget.Result, error) {
	id, err := stoa.ParseID(r.Setting("article", ""))
	if err != nil {
		return widget.Result{}, nil
	}
	a, err := w.s.Live(ctx, id)
	if hidden(err) || err == nil && a.Site != r.Site.ID {
		return widget.Result{}, nil
	}
	if err != nil {
		return widget.Result{}, err
	}
	text, of := a.Find(r.Locale)
	d := displayData{Request: r, Mark: lang.Mark(lang.Other(of, r.Locale)), Locked: a.Locked, URL: link(r.Base, a.Slug),
		Body: template.HTML(text.Body)} // made safe when it was saved
	if r.Setting("heading", "true") == "true" {
		d.Title = text.Title
	}
	if r.Setting("image", "true") == "true" && !a.Locked {
		d.Image, d.Alt = w.s.ImageOf(ctx, r.Site, a.Image, 1280)
	}
	return execute(w.view, d)
}

// hidden reports errors that mean "not for this visitor".
func hidden(err error) bool {
	return stoa.Is(err, stoa.KindNotFound) || stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindUnauthorized)
}

// link is the address of an article as it is written into pages.
func link(base, slug string) string { return base + (&url.URL{Path: Address(slug)}).EscapedPath() }

// lister shows a list of articles.
type lister struct {
	s    *Service
	view *template.Template
}

const listView = `{{if not .Items}}<p class="meta">{{.Word "Nothing here yet."}}</p>{{else if eq .Style "cards"}}<div class="card-grid">{{range .Items}}<article class="card"{{.Mark}}>{{if .Image}}<div class="card__image"><img src="{{.Image}}" alt="{{.Alt}}" loading="lazy"></div>{{end}}<h3 class="card__title"><a href="{{.URL}}">{{.Title}}</a></h3>{{if .Teaser}}<p>{{.Teaser}}</p>{{end}}</article>{{end}}</div>
{{- else if eq .Style "titles"}}<ul class="link-list">{{range .Items}}<li><a href="{{.URL}}"{{.Mark}}>{{.Title}}</a></li>{{end}}</ul>
{{- else}}<div class="post-list">{{range .Items}}<article class="post-item{{if .Image}} post-item--image{{end}}"{{.Mark}}>{{if .Image}}<a class="post-item__image" href="{{.URL}}" tabindex="-1" aria-hidden="true"><img src="{{.Image}}" alt="" loading="lazy"></a>{{end}}<div class="post-item__body"><p class="meta"{{.Unmark}}>{{if .Date}}<time datetime="{{.Date}}">{{.Day}}</time>{{end}}{{if .Author}}<span>{{.Author}}</span>{{end}}</p><h3 class="post-item__title"><a href="{{.URL}}">{{.Title}}</a></h3>{{if .Teaser}}<p class="post-item__summary">{{.Teaser}}</p>{{end}}</div></article>{{end}}</div>{{end}}
{{- if or .Newer .Older}}<nav aria-label="{{.Word "Pages"}}"><ul class="pagination">{{if .Newer}}<li><a rel="prev" href="{{.Newer}}">{{.Word "Newer"}}</a></li>{{end}}<li><span aria-current="page">{{.Number}}</span></li>{{if .Older}}<li><a rel="next" href="{{.Older}}">{{.Word "Older"}}</a></li>{{end}}</ul></nav>{{end}}`

type listData struct {
	widget.Request
	Items        []listItem
	Style        string
	Newer, Older string
	Number       int
}

type listItem struct {
	Title, URL, Teaser, Image, Alt, Date, Day, Author string
	// Mark and Unmark are as for an article; Unmark is for what is in the page's language again.
	Mark, Unmark template.HTMLAttr
}

func (lister) Type() widget.Type {
	return widget.Type{Name: "content-list", Title: "Content List", Icon: "list", Description: "Articles by kind, category or tag, newest first.",
		Query: []string{"page"},
		Fields: []widget.Field{
			{Key: "title", Label: "Title", Kind: "text"},
			{Key: "kind", Label: "Shows", Kind: "select", Default: KindPost, Options: []widget.Option{
				{Value: KindPost, Label: "Posts"}, {Value: KindArticle, Label: "Articles"}, {Value: "all", Label: "Posts and articles"}}},
			{Key: "category", Label: "Category", Kind: "category"},
			{Key: "tag", Label: "Tag", Kind: "text"},
			{Key: "count", Label: "How many", Kind: "number", Default: "10", Help: "1 to 100 on a page."},
			{Key: "style", Label: "Looks like", Kind: "select", Default: "list", Options: []widget.Option{
				{Value: "list", Label: "List with teasers"}, {Value: "cards", Label: "Cards"}, {Value: "titles", Label: "Titles only"}}},
			{Key: "paging", Label: "Links to more pages", Kind: "bool", Default: "false"},
		}}
}

func (w lister) Render(ctx context.Context, r widget.Request) (widget.Result, error) {
	f := Filter{Kind: r.Setting("kind", KindPost), PerPage: 10, Page: 1}
	if f.Kind == "all" {
		f.Kind = ""
	}
	if n, err := strconv.Atoi(r.Setting("count", "10")); err == nil && n > 0 {
		f.PerPage = n
	}
	paging := r.Setting("paging", "false") == "true"
	if n, err := strconv.Atoi(r.Query.Get("page")); err == nil && paging {
		f.Page = n
	}
	d := listData{Request: r, Style: r.Setting("style", "list")}
	known, err := w.terms(ctx, r, &f)
	if err != nil {
		return widget.Result{}, err
	}
	if known {
		list, err := w.s.LiveList(ctx, r.Site, f)
		if hidden(err) {
			return widget.Result{}, nil
		}
		if err != nil {
			return widget.Result{}, err
		}
		for _, a := range list.Items {
			d.Items = append(d.Items, w.item(ctx, r, a))
		}
		if d.Number = list.Page; paging {
			if list.Page > 1 {
				d.Newer = pageLink(r, min(list.Page-1, list.Pages()))
			}
			if list.Page < list.Pages() {
				d.Older = pageLink(r, list.Page+1)
			}
		}
	}
	return execute(w.view, d)
}

// terms reads the category and the tag of the settings; a term that is gone has no articles.
func (w lister) terms(ctx context.Context, r widget.Request, f *Filter) (known bool, err error) {
	if v := r.Setting("category", ""); v != "" {
		c, err := w.s.o.Taxonomy.CategoryBySlug(ctx, r.Site.ID, v)
		f.Category = c.ID
		if stoa.Is(err, stoa.KindNotFound) {
			if f.Category, err = stoa.ParseID(v); err != nil {
				return false, nil
			}
		}
		if err != nil {
			return false, err
		}
	}
	if v := r.Setting("tag", ""); v != "" {
		t, err := w.s.o.Taxonomy.TagBySlug(ctx, r.Site.ID, v)
		if stoa.Is(err, stoa.KindNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		f.Tag = t.ID
	}
	return true, nil
}

func (w lister) item(ctx context.Context, r widget.Request, a Article) listItem {
	text, of := a.Find(r.Locale)
	it := listItem{Title: text.Title, Teaser: text.Teaser, URL: link(r.Base, a.Slug), Author: a.AuthorName}
	if it.Mark = lang.Mark(lang.Other(of, r.Locale)); it.Mark != "" {
		it.Unmark = lang.Mark(r.Locale)
	}
	if !a.Published.IsZero() {
		it.Date, it.Day = a.Published.UTC().Format(time.RFC3339), r.Day(a.Published)
	}
	if !a.Locked {
		it.Image, it.Alt = w.s.ImageOf(ctx, r.Site, a.Image, 640)
	}
	return it
}

func pageLink(r widget.Request, n int) string {
	path := r.Base + (&url.URL{Path: r.Page.Path}).EscapedPath()
	if n > 1 {
		path += "?page=" + strconv.Itoa(n)
	}
	return path
}

func execute(t *template.Template, data any) (widget.Result, error) {
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return widget.Result{}, fmt.Errorf("content: show a widget: %w", err)
	}
	return widget.Result{HTML: template.HTML(b.String())}, nil
}
