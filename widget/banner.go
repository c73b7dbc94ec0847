package widget

import (
	"context"
	"html/template"
)

// banner is the large beginning of a page: a title, a few words and one thing to do.
type banner struct{ view *template.Template }

const bannerView = `<div class="hero"><h1 class="hero__title">{{.Title}}</h1>{{with .Text}}<p class="hero__lead">{{.}}</p>{{end}}{{if .Link}}<p class="hero__actions"><a class="button button--primary" href="{{.Link}}">{{.Label}}</a></p>{{end}}</div>`

func (banner) Type() Type {
	return Type{Name: "banner", Title: "Banner", Icon: "image", Description: "A large title with a few words and a button, for the beginning of a page.",
		Fields: []Field{
			{Key: "heading", Label: "Heading", Kind: "text"},
			{Key: "text", Label: "Text", Kind: "textarea"},
			{Key: "label", Label: "Words on the button", Kind: "text"},
			{Key: "link", Label: "Where the button leads", Kind: "link", Help: "A path such as /about, or an address with " +
				"https://. Empty: no button."},
		}}
}

// Render shows nothing without a heading; a button that leads nowhere safe is left out.
func (w banner) Render(_ context.Context, r Request) (Result, error) {
	data := struct{ Title, Text, Link, Label string }{Title: r.Settings["heading"], Text: r.Settings["text"], Label: r.Settings["label"]}
	if data.Title == "" {
		return Result{}, nil
	}
	if href, ok := r.Link(r.Settings["link"]); ok && data.Label != "" {
		data.Link = href
	}
	return render(w.view, data)
}
