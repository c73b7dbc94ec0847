package page

import (
	"context"
	"html/template"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/widget"
)

// Widgets gives the widgets that show pages, navigation menu and breadcrumb, and those of package widget.
func Widgets(s *Service) []widget.Widget {
	return append(widget.Builtin(richtext.New()),
		navigation{s, template.Must(template.New("navigation").Parse(navigationView))},
		breadcrumb{template.Must(template.New("breadcrumb").Parse(breadcrumbView))},
	)
}

type navigation struct {
	pages *Service
	view  *template.Template
}

const navigationView = `{{define "items"}}<ul class="link-list">{{range .Links}}<li>{{if .URL}}<a href="{{.URL}}"{{if and .Page (eq .Page $.Here)}} aria-current="page"{{end}}{{.Mark}}>{{.Title}}</a>{{else}}<span{{.Mark}}>{{.Title}}</span>{{end}}{{if .Children}}{{template "items" $.Below .Children}}{{end}}</li>{{end}}</ul>{{end}}<nav aria-label="{{.Label}}">{{template "items" .}}</nav>`

type navigationData struct {
	Links []Link
	Here  stoa.ID
	Label string
}

// Below gives the same data for the entries one level down.
func (d navigationData) Below(links []Link) navigationData {
	d.Links = links
	return d
}

func (navigation) Type() widget.Type {
	return widget.Type{Name: "navigation", Title: "Navigation Menu", Icon: "menu", Description: "A menu, or the pages of the site as a tree.",
		Fields: []widget.Field{
			{Key: "title", Label: "Title", Kind: "text"},
			{Key: "source", Label: "Shows", Kind: "select", Default: "tree", Options: []widget.Option{
				{Value: "tree", Label: "All pages"}, {Value: "below", Label: "The pages below this one"}, {Value: "menu", Label: "A menu"}}},
			{Key: "menu", Label: "Menu", Kind: "menu", Help: "Used when a menu is shown."},
			{Key: "depth", Label: "Levels", Kind: "number", Default: "2"},
		}}
}

func (w navigation) Render(ctx context.Context, r widget.Request) (widget.Result, error) {
	depth, err := strconv.Atoi(r.Setting("depth", "2"))
	if err != nil || depth < 1 || depth > maxDepth {
		depth = 2
	}
	var links []Link
	if slug := r.Setting("menu", ""); r.Setting("source", "tree") == "menu" && slug != "" {
		m, err := w.pages.MenuBySlug(ctx, r.Site.ID, slug)
		if err != nil && !stoa.Is(err, stoa.KindNotFound) {
			return widget.Result{}, err
		}
		if err == nil {
			if links, err = w.pages.Links(ctx, m, r.Locale, r.Site.Locale, r.Base); err != nil {
				return widget.Result{}, err
			}
		}
	} else {
		nodes, err := w.pages.Visible(ctx, r.Site.ID)
		if err != nil {
			return widget.Result{}, err
		}
		if r.Setting("source", "tree") == "below" {
			nodes = find(nodes, r.Page.ID)
		}
		links = TreeLinks(nodes, r.Locale, r.Site.Locale, r.Base, depth)
	}
	if len(links) == 0 {
		return widget.Result{}, nil
	}
	links = Fit(links, Link{Title: r.Word("All pages"), URL: r.Base + AllPages})
	return execute(w.view, navigationData{Links: links, Here: r.Page.ID, Label: r.Setting("title", r.Word("Menu"))})
}

// find gives the children of the node with the id.
func find(nodes []Node, id stoa.ID) []Node {
	for _, n := range nodes {
		if n.ID == id {
			return n.Children
		}
		if found := find(n.Children, id); found != nil {
			return found
		}
	}
	return nil
}

type breadcrumb struct{ view *template.Template }

const breadcrumbView = `<nav class="breadcrumbs" aria-label="{{.Word "Breadcrumbs"}}"><ol>{{range .Page.Ancestors}}<li><a href="{{.URL}}"{{.Mark}}>{{.Title}}</a></li>{{end}}<li aria-current="page"{{.Page.Mark}}>{{.Page.Title}}</li></ol></nav>`

func (breadcrumb) Type() widget.Type {
	return widget.Type{Name: "breadcrumb", Title: "Breadcrumb", Icon: "chevron-right", Description: "The way from the top of the site to this page."}
}

func (w breadcrumb) Render(_ context.Context, r widget.Request) (widget.Result, error) {
	return execute(w.view, r)
}

func execute(t *template.Template, data any) (widget.Result, error) {
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return widget.Result{}, err
	}
	return widget.Result{HTML: template.HTML(b.String())}, nil
}
