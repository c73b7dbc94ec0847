package admin_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
)

// media is a picture and a video of the site, by their addresses.
func (w *world) media() (picture, video string) {
	w.t.Helper()
	var b bytes.Buffer
	must(w.t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 20))))
	p, err := w.files.Upload(as(w.admin), w.site, document.Upload{Name: "pier.png", Body: &b})
	must(w.t, err)
	film := append([]byte("\x1a\x45\xdf\xa3"), make([]byte, 600)...)
	v, err := w.files.Upload(as(w.admin), w.site, document.Upload{Name: "tide.webm", Body: bytes.NewReader(film)})
	must(w.t, err)
	return document.URL(w.site.Slug, p), document.URL(w.site.Slug, v)
}

func TestPageEditor_SettingsOfMediaAreChosenAndChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.draw(w.editor)
	picture, video := w.media()
	a, err := w.content.Create(as(w.editor), w.site, content.Draft{Slug: "tides", Kind: content.KindArticle,
		Text: map[stoa.Locale]content.Text{"en": {Title: "Tides <tonight>", Body: "<p>x</p>"}}})
	must(t, err)
	set := func(widget string, settings map[string]string) string {
		t.Helper()
		id := d.done(map[string]any{"op": "add", "widget": widget, "index": -1}).Selected
		d.done(map[string]any{"op": "configure", "id": id, "settings": settings})
		return id
	}
	one := set("image", map[string]string{"image": picture, "link": "/tides", "alt": "A pier"})
	film := set("video", map[string]string{"file": video})
	many := set("gallery", map[string]string{"pictures": `[{"file":"` + picture + `","alt":"One"}]`})
	text := set("web-content", map[string]string{"article": a.ID.String()})
	w.want("picture", w.get(d.who, d.at("/part?id="+one)), http.StatusOK, `data-pick="address"`, `src="`+picture,
		`value="A pier"`)
	w.want("video", w.get(d.who, d.at("/part?id="+film)), http.StatusOK, `data-pick="video"`, `value="`+video)
	w.want("gallery", w.get(d.who, d.at("/part?id="+many)), http.StatusOK, "data-gallery", "&#34;alt&#34;:&#34;One&#34;")
	chosen := w.get(d.who, d.at("/part?id="+text))
	w.want("article", chosen, http.StatusOK, `data-pick="article"`, `data-shown="Tides &lt;tonight&gt;"`,
		"kind=free-article")
	w.without("article", chosen, "<select")
	w.want("page", w.get(d.who, d.at("/canvas?preview=1")), http.StatusOK, `<a href="/tides"><img src="`+picture,
		`<source src="`+video, `class="gallery columns-3"`)

	refuse := func(what, id string, settings map[string]string, word string) {
		t.Helper()
		d.refused(what, http.StatusUnprocessableEntity, word,
			map[string]any{"op": "configure", "id": id, "settings": settings})
	}
	refuse("a script", one, map[string]string{"link": "javascript:alert(1)"}, "is a path such as /about")
	refuse("another host", one, map[string]string{"image": "https://example.org/a.png"}, "the address of a file")
	refuse("another host", film, map[string]string{"file": "//example.org/documents/a/b/c"}, "the address of a file")
	refuse("no list", many, map[string]string{"pictures": "{"}, "at most 100 pictures")
	refuse("too many", many, map[string]string{"pictures": "[" + strings.Repeat(`{"file":"`+picture+`"},`, 100) +
		`{"file":"` + picture + `"}]`},
		"at most 100 pictures")
	refuse("of another host", many, map[string]string{"pictures": `[{"file":"https://example.org/a.png"}]`},
		"the address of a file")
}

func TestPicker_ListsVideosAndArticlesOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.media()
	for kind, slug := range map[string]string{content.KindPage: "text-of-a-page", content.KindArticle: "an-article"} {
		_, err := w.content.Create(as(w.admin), w.site, content.Draft{Slug: slug, Kind: kind,
			Text: map[stoa.Locale]content.Text{"en": {Title: "Words " + slug, Body: "<p>x</p>"}}})
		must(t, err)
	}
	videos := w.get(w.editor, "/control/files/images?kind=video")
	w.want("videos", videos, http.StatusOK, "tide.webm")
	w.without("videos", videos, "pier.png")
	pictures := w.get(w.editor, "/control/files/images")
	w.want("pictures", pictures, http.StatusOK, "pier.png")
	w.without("pictures", pictures, "tide.webm")
	articles := w.get(w.editor, "/control/choose?kind=free-article")
	w.want("articles", articles, http.StatusOK, "Words an-article")
	w.without("articles", articles, "text-of-a-page")
	w.want("of a person who may not edit", w.get(w.member, "/control/files/images?kind=video"), http.StatusForbidden)
}
