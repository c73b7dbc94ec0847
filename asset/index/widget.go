package index

import (
	"context"
	"html/template"
	"strings"

	"github.com/stoa-portal/stoa/widget"
)

// Widgets gives the widget that searches the site.
func Widgets() []widget.Widget {
	return []widget.Widget{bar{template.Must(template.New("search-bar").Parse(barView))}}
}

// bar is a field that leads to the search page.
type bar struct{ view *template.Template }

const barView = `<form class="search__form" role="search" action="{{.Action}}">` +
	`<input class="input" type="search" name="q" maxlength="200" aria-label="{{.Label}}" placeholder="{{.Placeholder}}">` +
	`<button class="button">{{.Button}}</button></form>`

func (bar) Type() widget.Type {
	return widget.Type{Name: "search-bar", Title: "Search Bar", Icon: "search",
		Description: "A field that searches this site.",
		Fields: []widget.Field{
			{Key: "title", Label: "Title", Kind: "text"},
			{Key: "placeholder", Label: "Words in the empty field", Kind: "text"},
		}}
}

func (w bar) Render(_ context.Context, r widget.Request) (widget.Result, error) {
	data := struct{ Action, Label, Placeholder, Button string }{
		Action: r.Base + "/search", Label: r.Word("Search"), Button: r.Word("Search"),
		Placeholder: r.Setting("placeholder", r.Word("search.placeholder")),
	}
	var b strings.Builder
	if err := w.view.Execute(&b, data); err != nil {
		return widget.Result{}, err
	}
	return widget.Result{HTML: template.HTML(b.String())}, nil
}
