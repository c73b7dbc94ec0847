package widget

import (
	"context"
	"html/template"
)

// searchBar is a field that leads to the search page.
type searchBar struct{ view *template.Template }

const searchBarView = `<form class="search__form" role="search" action="{{.Action}}">` +
	`<input class="input" type="search" name="q" maxlength="200" aria-label="{{.Label}}" placeholder="{{.Placeholder}}">` +
	`<button class="button">{{.Button}}</button></form>`

func (searchBar) Type() Type {
	return Type{Name: "search-bar", Title: "Search Bar", Icon: "search",
		Description: "A field that searches this site.",
		Fields: []Field{
			{Key: "title", Label: "Title", Kind: "text"},
			{Key: "placeholder", Label: "Words in the empty field", Kind: "text"},
		}}
}

func (w searchBar) Render(_ context.Context, r Request) (Result, error) {
	data := struct{ Action, Label, Placeholder, Button string }{
		Action: r.Base + "/search", Label: r.Word("Search"), Button: r.Word("Search"),
		Placeholder: r.Setting("placeholder", r.Word("search.placeholder")),
	}
	return render(w.view, data)
}
