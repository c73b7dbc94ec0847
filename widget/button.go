package widget

import (
	"context"
	"html/template"
)

// button is one thing to do, as a link that looks like a button.
type button struct{ view *template.Template }

const buttonView = `<p class="button-row{{if .Centre}} button-row--centre{{end}}">` +
	`<a class="button{{if .Main}} button--primary{{end}}"` +
	` href="{{.Link}}">{{.Label}}</a></p>`

func (button) Type() Type {
	return Type{Name: "button", Title: "Button", Icon: "button", Description: "One thing to do: a link that stands out.",
		Fields: []Field{
			{Key: "label", Label: "Words on the button", Kind: "text"},
			{Key: "link", Label: "Where the button leads", Kind: "link",
				Help: "A path such as /about, an address with https://, or one of mail: mailto:office@example.com."},
			{Key: "look", Label: "Looks like", Kind: "select", Default: "main", Options: []Option{
				{Value: "main", Label: "Filled"}, {Value: "plain", Label: "Outlined"}}},
			{Key: "place", Label: "Stands", Kind: "select", Options: []Option{
				{Value: "", Label: "At the beginning of the line"}, {Value: "centre", Label: "In the middle"}}},
		}}
}

// Render shows nothing without words, or when the button would lead nowhere safe.
func (w button) Render(_ context.Context, r Request) (Result, error) {
	data := struct {
		Label, Link  string
		Main, Centre bool
	}{Label: r.Setting("label", ""), Main: r.Setting("look", "main") == "main", Centre: r.Setting("place", "") == "centre"}
	var ok bool
	if data.Link, ok = r.Link(r.Settings["link"]); !ok || data.Label == "" {
		return Result{}, nil
	}
	return render(w.view, data)
}
