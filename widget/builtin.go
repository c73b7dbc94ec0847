package widget

import (
	"context"
	"html/template"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/richtext"
)

// Builtin gives the widgets of this package.
func Builtin(policy *richtext.Policy) []Widget {
	return []Widget{htmlWidget{policy}, languages{newView(languageView)}, signIn{newView(signInView)},
		banner{newView(bannerView)}, button{newView(buttonView)},
		searchBar{newView(searchBarView)}}
}

type htmlWidget struct{ policy *richtext.Policy }

func (htmlWidget) Type() Type {
	return Type{Name: "html", Title: "Text", Icon: "paragraph",
		Description: "Text with headings, lists, tables, links and pictures.",
		Fields: []Field{
			{Key: "title", Label: "Title", Kind: "text"},
			{Key: "html", Label: "Content", Kind: "html", Help: "Scripts, forms and styles are taken out."},
		}}
}

// Render cleans at every rendering, because layouts also come from imports and older versions.
func (w htmlWidget) Render(_ context.Context, r Request) (Result, error) {
	if err := richtext.Check(r.Settings["html"]); err != nil { // a layout from before there were limits
		return Result{}, err
	}
	clean := w.policy.Sanitize(r.Settings["html"])
	if strings.TrimSpace(clean) == "" {
		return Result{}, nil
	}
	return Result{HTML: template.HTML(`<div class="prose">` + richtext.Prepare(clean) + `</div>`)}, nil
}

type languages struct{ view *template.Template }

const languageView = `<ul class="link-list">{{range .Page.Alternates}}<li><a href="{{.URL}}" lang="{{.Locale}}" hreflang="{{.Locale}}"{{if .Current}} aria-current="true"{{end}}>{{.Name}}</a></li>{{end}}</ul>`

func (languages) Type() Type {
	return Type{Name: "language-selector", Title: "Language Selector", Icon: "language", Description: "Links to this page in the languages of the site.",
		Fields: []Field{{Key: "title", Label: "Title", Kind: "text"}}}
}

func (w languages) Render(_ context.Context, r Request) (Result, error) {
	if len(r.Page.Alternates) < 2 {
		return Result{}, nil
	}
	return render(w.view, r)
}

type signIn struct{ view *template.Template }

const signInView = `{{if .Actor.SignedIn}}<p>{{if .Account}}<a href="{{.Account}}">{{.Actor.Name}}</a>{{else}}{{.Actor.Name}}{{end}}</p>
{{if .SignOut}}<form method="post" action="{{.SignOut}}">{{.CSRF}}<button class="button button--small" type="submit">{{.Word "Sign out"}}</button></form>{{end}}
{{else}}<p><a class="button" href="{{.SignIn}}" rel="nofollow">{{.Word "Sign in"}}</a></p>{{end}}`

func (signIn) Type() Type {
	return Type{Name: "sign-in", Title: "Sign In", Icon: "user", PerUser: true, Description: "A link to sign in, or who is signed in.",
		Fields: []Field{{Key: "title", Label: "Title", Kind: "text"}}}
}

func (w signIn) Render(_ context.Context, r Request) (Result, error) {
	res, err := render(w.view, r)
	// What a guest sees is the same for every guest; the name of a person is only theirs.
	res.NoStore = r.Actor.SignedIn()
	return res, err
}

// Word translates the few words of the widgets here; English is the fallback.
func (r Request) Word(english string) string { return Word(r.Locale, english) }

// Word gives one of the portal's own words in the language of the locale, English when it has none.
func Word(l stoa.Locale, english string) string { return lang.In(l).Word(english) }

func newView(text string) *template.Template {
	return template.Must(template.New("view").Parse(text))
}

func render(t *template.Template, data any) (Result, error) {
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return Result{}, err
	}
	return Result{HTML: template.HTML(b.String())}, nil
}
