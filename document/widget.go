package document

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/richtext"
	"github.com/stoa-portal/stoa/widget"
)

// maxPictures is how many pictures of a gallery are shown.
const maxPictures = 100

// Widgets gives the widgets that show files of the site: Image, Gallery and Video. What the visitor may not view, and
// what is gone, is left out.
func Widgets(s *Service) []widget.Widget {
	view := template.Must(template.New("media").Parse(mediaViews))
	return []widget.Widget{imageWidget{s, view}, galleryWidget{s, view}, videoWidget{s, view}}
}

const mediaViews = `{{define "picture"}}<img src="{{.Src}}"{{with .Srcset}} srcset="{{.}}"{{end}}{{with .Sizes}} sizes="{{.}}"{{end}}` +
	`{{if .Width}} width="{{.Width}}" height="{{.Height}}"{{end}} alt="{{.Alt}}" loading="lazy" decoding="async">{{end}}
{{define "missing"}}{{if .Undescribed}}<p class="canvas-note">{{.Undescribed}}</p>{{end}}{{end}}
{{define "image"}}<figure class="media{{with .Shape}} media--{{.}}{{end}}">` +
	`{{if .Link}}<a href="{{.Link}}">{{template "picture" .}}</a>{{else}}{{template "picture" .}}{{end}}` +
	`{{with .Caption}}<figcaption>{{.}}</figcaption>{{end}}</figure>{{template "missing" .}}{{end}}
{{define "gallery"}}<ul class="gallery columns-{{.Columns}}{{if .Whole}} gallery--whole{{end}}">` +
	`{{range .Pictures}}<li><figure><a href="{{.Link}}">{{template "picture" .}}</a>` +
	`{{with .Caption}}<figcaption>{{.}}</figcaption>{{end}}</figure></li>{{end}}</ul>{{template "missing" .}}{{end}}
{{define "video"}}<figure class="media">{{if .Src}}<video controls playsinline` +
	`{{if .Poster}} preload="none" poster="{{.Poster}}"{{else}} preload="metadata"{{end}}{{with .Label}} aria-label="{{.}}"{{end}}>` +
	`<source src="{{.Src}}" type="{{.Type}}"><a href="{{.Src}}">{{.Name}}</a></video>` +
	`{{else}}<div class="media-embed"{{if .Frame}} data-embed{{end}}>{{with .Frame}}<template>{{.}}</template>{{end}}` +
	`{{if .Poster}}<img src="{{.Poster}}" alt="" loading="lazy">{{end}}<div class="media-embed__ask">` +
	`{{with .Notice}}<p>{{.}}</p>{{end}}<a class="button" href="{{.Address}}" rel="noopener noreferrer">{{.Play}}</a></div></div>{{end}}` +
	`{{with .Caption}}<figcaption>{{.}}</figcaption>{{end}}</figure>{{end}}`

// picture is a file as it stands in a page.
type picture struct {
	Src, Alt, Caption, Link, Shape string
	Srcset                         template.Srcset
	Sizes                          string
	Width, Height                  int
	Undescribed                    string // what the page editor says of a picture without words
}

// KeyOf gives the key in the address of a file, "/documents/site/name/key", which may stand alone.
func KeyOf(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host != "" || u.Scheme != "" {
		return ""
	}
	path := u.EscapedPath() // a name may hold a slash
	if !strings.Contains(path, "/") {
		return u.Path
	}
	parts := strings.Split(path, "/") // "", documents, site, name, key
	if len(parts) != 5 || parts[0] != "" || parts[1] != "documents" {
		return ""
	}
	return parts[4]
}

// shown gives a file of the instance by its address, when the visitor may view it; false when there is none. Errors are
// those of the database.
func (s *Service) shown(ctx context.Context, r widget.Request, address string) (File, bool, error) {
	key := KeyOf(address)
	if key == "" {
		return File{}, false, nil
	}
	f, err := s.ByKey(ctx, key)
	if stoa.Is(err, stoa.KindNotFound) || stoa.Is(err, stoa.KindForbidden) || stoa.Is(err, stoa.KindUnauthorized) {
		return File{}, false, nil
	}
	return f, err == nil && f.Instance == r.Site.Instance, err
}

// Srcset gives the widths that a picture is handed out in, for the attribute of that name; empty for one that is not
// scaled. The original is among them only where it is no larger than the largest of the Widths.
func (f File) Srcset(siteSlug string) string {
	if !scalable(f.Type) || f.Width <= 0 || !shaped(f) {
		return ""
	}
	address := URL(siteSlug, f)
	var out []string
	most := 0
	for _, w := range Widths() {
		if most = w; w < f.Width {
			out = append(out, address+"?w="+strconv.Itoa(w)+" "+strconv.Itoa(w)+"w")
		}
	}
	if len(out) == 0 {
		return ""
	}
	if f.Width <= most {
		out = append(out, address+" "+strconv.Itoa(f.Width)+"w")
	}
	return strings.Join(out, ", ")
}

// sizes says how wide a picture is shown in a column of the theme, of 12, beside others.
func sizes(column, across int) string {
	if column <= 0 || column > 12 {
		column = 12
	}
	part := float64(column) / 12 / float64(across)
	phone := 100 / min(across, 2)
	return fmt.Sprintf("(min-width: 76rem) %.1frem, (min-width: 48.0625rem) %.0fvw, %dvw", 72*part, 100*part, phone)
}

// pictureOf fills in what a page needs of a file. Words of the widget stand before those of the file.
func pictureOf(ctx context.Context, r widget.Request, f File, alt string, decoration bool, across int) picture {
	p := picture{Src: URL(r.Site.Slug, f), Alt: strings.TrimSpace(alt), Width: f.Width, Height: f.Height}
	p.Src += f.Query(1280 / across)
	if p.Srcset = template.Srcset(f.Srcset(r.Site.Slug)); p.Srcset != "" {
		p.Sizes = sizes(r.Column, across)
	}
	switch {
	case decoration:
		p.Alt = ""
	case p.Alt == "":
		p.Alt = f.Alt
	}
	if p.Alt == "" && !decoration && r.Edit {
		p.Undescribed = lang.From(ctx).Word("layout.undescribed", f.Name)
	}
	return p
}

type imageWidget struct {
	s    *Service
	view *template.Template
}

func (imageWidget) Type() widget.Type {
	return widget.Type{Name: "image", Title: "Image", Icon: "image", Description: "A picture with a caption.",
		Fields: []widget.Field{
			{Key: "image", Label: "Picture", Kind: "image"},
			{Key: "alt", Label: "Description", Kind: "text",
				Help: "What the picture shows, for those who do not see it. Empty: the description of the file."},
			{Key: "decoration", Label: "Only decoration, without a description", Kind: "bool", Default: "false"},
			{Key: "caption", Label: "Caption", Kind: "text"},
			{Key: "shape", Label: "Shape", Kind: "select", Options: []widget.Option{
				{Value: "", Label: "As it is"}, {Value: "wide", Label: "Wide"}, {Value: "square", Label: "Square"}}},
			{Key: "link", Label: "Where it leads", Kind: "link"},
		}}
}

func (w imageWidget) Render(ctx context.Context, r widget.Request) (widget.Result, error) {
	f, ok, err := w.s.shown(ctx, r, r.Settings["image"])
	if err != nil || !ok || !f.IsImage() {
		return widget.Result{}, err
	}
	p := pictureOf(ctx, r, f, r.Settings["alt"], r.Setting("decoration", "false") == "true", 1)
	p.Caption = r.Setting("caption", "")
	if shape := r.Setting("shape", ""); shape == "wide" || shape == "square" {
		p.Shape = shape
	}
	if link, ok := r.Link(r.Settings["link"]); ok {
		p.Link = link
	}
	return w.execute("image", p)
}

func (w imageWidget) execute(name string, data any) (widget.Result, error) {
	var b strings.Builder
	if err := w.view.ExecuteTemplate(&b, name, data); err != nil {
		return widget.Result{}, fmt.Errorf("document: show the widget %s: %w", name, err)
	}
	return widget.Result{HTML: template.HTML(b.String())}, nil
}

type galleryWidget imageWidget

// Picture is one of a gallery, as its setting "pictures" has them in a list of JSON.
type Picture struct {
	File    string `json:"file"` // address of the file
	Alt     string `json:"alt,omitempty"`
	Caption string `json:"caption,omitempty"`
}

func (galleryWidget) Type() widget.Type {
	return widget.Type{Name: "gallery", Title: "Gallery", Icon: "gallery",
		Description: "Several pictures side by side; each opens large.",
		Fields: []widget.Field{
			{Key: "title", Label: "Title", Kind: "text"},
			{Key: "pictures", Label: "Pictures", Kind: "gallery"},
			{Key: "columns", Label: "Side by side", Kind: "number", Default: "3", Help: "2 to 5."},
			{Key: "whole", Label: "Show the pictures whole", Kind: "bool", Default: "false"},
		}}
}

func (w galleryWidget) Render(ctx context.Context, r widget.Request) (widget.Result, error) {
	var list []Picture
	if err := json.Unmarshal([]byte(r.Setting("pictures", "[]")), &list); err != nil {
		return widget.Result{}, nil // of an import or another version: what can be read is shown, and this cannot
	}
	columns, err := strconv.Atoi(r.Setting("columns", "3"))
	if err != nil || columns < 2 || columns > 5 {
		columns = 3
	}
	data := struct {
		Columns     int
		Whole       bool
		Pictures    []picture
		Undescribed string
	}{Columns: columns, Whole: r.Setting("whole", "false") == "true"}
	for _, x := range list[:min(len(list), maxPictures)] {
		f, ok, err := w.s.shown(ctx, r, x.File)
		if err != nil {
			return widget.Result{}, err
		}
		if !ok || !f.IsImage() {
			continue
		}
		p := pictureOf(ctx, r, f, x.Alt, false, columns)
		p.Caption, p.Link = strings.TrimSpace(x.Caption), URL(r.Site.Slug, f)+f.Query(1920)
		if p.Undescribed != "" && data.Undescribed == "" {
			data.Undescribed = p.Undescribed
		}
		if p.Alt == "" {
			p.Alt = f.Name // the picture is a link, which needs a name
		}
		data.Pictures = append(data.Pictures, p)
	}
	if len(data.Pictures) == 0 {
		return widget.Result{}, nil
	}
	return imageWidget(w).execute("gallery", data)
}

type videoWidget imageWidget

func (videoWidget) Type() widget.Type {
	return widget.Type{Name: "video", Title: "Video", Icon: "play",
		Description: "A video of the site’s files, or one of another host that is loaded after a click.",
		Fields: []widget.Field{
			{Key: "title", Label: "Title", Kind: "text"},
			{Key: "file", Label: "Video file", Kind: "video"},
			{Key: "address", Label: "Or an address elsewhere", Kind: "text",
				Help: "Such as https://www.youtube.com/watch?v=… Visitors are asked before anything is loaded from there."},
			{Key: "poster", Label: "Picture before it plays", Kind: "image"},
			{Key: "caption", Label: "Caption", Kind: "text"},
		}}
}

type videoView struct {
	Src, Type, Name, Poster, Label, Caption string
	Address, Notice, Play                   string
	Frame                                   template.HTML
}

func (w videoWidget) Render(ctx context.Context, r widget.Request) (widget.Result, error) {
	v := videoView{Caption: r.Setting("caption", ""), Label: r.Setting("title", "")}
	poster, ok, err := w.s.shown(ctx, r, r.Settings["poster"])
	if err != nil {
		return widget.Result{}, err
	}
	if ok && poster.IsImage() {
		v.Poster = URL(r.Site.Slug, poster) + poster.Query(1280)
	}
	f, ok, err := w.s.shown(ctx, r, r.Settings["file"])
	switch {
	case err != nil:
		return widget.Result{}, err
	case ok && strings.HasPrefix(f.Type, "video/"):
		v.Src, v.Type, v.Name = URL(r.Site.Slug, f), f.Type, f.Name
		if v.Label == "" {
			v.Label = v.Caption
		}
	case !w.elsewhere(r, &v):
		return widget.Result{}, nil
	}
	return imageWidget(w).execute("video", v)
}

// elsewhere fills in a video of another host. Its frame stands in the page as a template, which loads nothing, until
// the visitor asks for it.
func (videoWidget) elsewhere(r widget.Request, v *videoView) bool {
	address := r.Setting("address", "")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return false
	}
	words := lang.In(r.Locale)
	v.Address = u.String()
	if frame, ok := richtext.Embed(address); ok {
		v.Frame = template.HTML(frame)
		v.Notice = words.Word("layout.video.notice", u.Hostname())
	}
	v.Play = words.Word("layout.video.play", u.Hostname())
	return true
}
