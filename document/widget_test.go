package document_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/widget"
)

// drawn gives what a widget of this package shows a visitor.
func drawn(t *testing.T, ctx context.Context, n *node, st site.Site, name string, edit bool,
	settings ...string) string {
	t.Helper()
	w, ok := widget.New(document.Widgets(n.Service)...).Get(name)
	if !ok {
		t.Fatalf("there is no widget %q", name)
	}
	r := widget.Request{Site: st, Locale: "en", Settings: map[string]string{}, Column: 6, Edit: edit}
	for i := 0; i < len(settings); i += 2 {
		r.Settings[settings[i]] = settings[i+1]
	}
	got, err := w.Render(ctx, r)
	must(t, err)
	return string(got.HTML)
}

func wants(t *testing.T, what, html string, has []string, lacks ...string) {
	t.Helper()
	for _, s := range has {
		if !strings.Contains(html, s) {
			t.Errorf("%s lacks %q:\n%s", what, s, html)
		}
	}
	for _, s := range lacks {
		if strings.Contains(html, s) {
			t.Errorf("%s has %q:\n%s", what, s, html)
		}
	}
}

func TestImageWidget_ShowsAPictureInTheWidthsThatDevicesNeed(t *testing.T) {
	n, st := lite(t, 0, 0)
	guest := n.guest(t, st)
	f := n.upload(t, st, "pier, old.png", pngOf(t, half(1000, 500)))
	at := document.URL(st.Slug, f)
	got := drawn(t, guest, n, st, "image", false, "image", at, "alt", `A "pier" <b>`, "caption", "<script>x</script>",
		"link", "javascript:alert(1)")
	wants(t, "a picture", got, []string{`?w=320 320w`, `?w=960 960w`, at + ` 1000w`, `sizes="(min-width: 76rem) 36.0rem`,
		`width="1000" height="500"`, `loading="lazy"`, `alt="A &#34;pier&#34; &lt;b&gt;"`, "&lt;script&gt;"},
		"1280w", "<a ", "<script>", "javascript")
	wants(t, "with a link", drawn(t, guest, n, st, "image", false, "image", at, "link", "/tides"),
		[]string{`<a href="/tides">`})
	wants(t, "with half a link", drawn(t, guest, n, st, "image", false, "image", at, "link", "https:tides"), nil, "<a ")

	f.Alt = "The old pier"
	_, err := n.Update(system(t), f)
	must(t, err)
	wants(t, "without words", drawn(t, guest, n, st, "image", false, "image", at), []string{`alt="The old pier"`})
	wants(t, "decoration", drawn(t, guest, n, st, "image", false, "image", at, "decoration", "true", "alt", "x"),
		[]string{`alt=""`})
	svg := n.upload(t, st, "a.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>`))
	wants(t, "a drawing", drawn(t, guest, n, st, "image", false, "image", document.URL(st.Slug, svg)),
		[]string{"<img"}, "srcset")
	text := n.upload(t, st, "a.txt", []byte("no picture"))
	for what, address := range map[string]string{"nothing": "", "no picture": document.URL(st.Slug, text),
		"what is gone": at + "x",
		"another host": "https://example.org/a.png", "another address": "/w/tides"} {
		if got := drawn(t, guest, n, st, "image", false, "image", address); got != "" {
			t.Errorf("%s gives %q", what, got)
		}
	}
}

func TestImageWidget_ThePageEditorAsksForTheDescription(t *testing.T) {
	n, st := lite(t, 0, 0)
	f := n.upload(t, st, "pier.png", pngOf(t, half(40, 20)))
	at := document.URL(st.Slug, f)
	wants(t, "while editing", drawn(t, system(t), n, st, "image", true, "image", at),
		[]string{"“pier.png” has no description"})
	wants(t, "for visitors", drawn(t, system(t), n, st, "image", false, "image", at), nil, "no description")
	wants(t, "decoration", drawn(t, system(t), n, st, "image", true, "image", at, "decoration", "true"), nil,
		"no description")
	wants(t, "in a gallery", drawn(t, system(t), n, st, "gallery", true, "pictures", `[{"file":"`+at+`"}]`),
		[]string{"has no description"})
}

func TestWidgets_ShowOnlyWhatTheVisitorMayView(t *testing.T) {
	n, st := lite(t, 0, 0)
	guest := n.guest(t, st)
	f := n.upload(t, st, "pier.png", pngOf(t, half(400, 20)))
	at := document.URL(st.Slug, f)
	list := `[{"file":"` + at + `"}]`
	show := func(ctx context.Context, st site.Site) string {
		return drawn(t, ctx, n, st, "image", false, "image", at) + drawn(t, ctx, n, st, "gallery", false, "pictures", list) +
			drawn(t, ctx, n, st, "video", false, "address", "https://www.youtube.com/watch?v=abc", "poster", at)
	}
	if got := strings.Count(show(guest, st), "<img"); got != 3 {
		t.Fatalf("%d of 3 pictures are shown", got)
	}
	// A site of another virtual instance does not show it to any person.
	foreign := st
	foreign.Instance += 1000
	wants(t, "another instance", show(system(t), foreign), nil, "<img")
	if _, err := n.Move(system(t), f.ID, 0, true, f.Version); err != nil {
		t.Fatal(err)
	}
	wants(t, "a guest", show(guest, st), nil, f.Key)
}

func TestGalleryWidget_KeepsToItsLimitsAndLeavesOutWhatIsGone(t *testing.T) {
	n, st := lite(t, 0, 0)
	guest := n.guest(t, st)
	f := n.upload(t, st, "pier.png", pngOf(t, half(1000, 500)))
	one := `{"file":"` + document.URL(st.Slug, f) + `","alt":"A pier","caption":"<i>"}`
	wants(t, "a gallery", drawn(t, guest, n, st, "gallery", false, "columns", "4", "pictures",
		"["+one+`,{"file":"/documents/a/b/gone"}]`),
		[]string{`class="gallery columns-4"`, "640w", "50vw", `alt="A pier"`, "&lt;i&gt;"}, "gone")
	if got := strings.Count(drawn(t, guest, n, st, "gallery", false, "pictures", "["+strings.Repeat(one+",", 300)+one+"]"),
		"<li>"); got != 100 {
		t.Errorf("%d pictures, want 100", got)
	}
	for _, bad := range []string{"", "[", `{"a":1}`, `"x"`, "[1]", "null"} {
		if got := drawn(t, guest, n, st, "gallery", false, "pictures", bad); got != "" {
			t.Errorf("the list %q gives %q", bad, got)
		}
	}
	wants(t, "odd columns", drawn(t, guest, n, st, "gallery", false, "columns", "99", "pictures", "["+one+"]"),
		[]string{"columns-3"})
}

func TestVideoWidget_LoadsNothingFromOthersBeforeAClick(t *testing.T) {
	n, st := lite(t, 0, 0)
	guest := n.guest(t, st)
	film := n.upload(t, st, "tide.webm", append([]byte("\x1a\x45\xdf\xa3"), make([]byte, 600)...))
	still := n.upload(t, st, "still.png", pngOf(t, half(2000, 500)))
	at, poster := document.URL(st.Slug, film), document.URL(st.Slug, still)
	wants(t, "a film of the site", drawn(t, guest, n, st, "video", false, "file", at, "poster", poster, "address",
		"https://vimeo.com/1"),
		[]string{`<video controls playsinline preload="none" poster="` + poster + `?w=1280"`, `<source src="` + at +
			`" type="video/webm">`},
		"https://", "<iframe")
	wants(t, "without a still", drawn(t, guest, n, st, "video", false, "file", at), []string{`preload="metadata"`},
		"poster=")

	got := drawn(t, guest, n, st, "video", false, "address", "https://www.youtube.com/watch?v=abc123", "poster", poster)
	before, rest, ok := strings.Cut(got, "<template>")
	frame, after, _ := strings.Cut(rest, "</template>")
	if !ok {
		t.Fatalf("the frame stands in no template:\n%s", got)
	}
	wants(t, "what waits", frame, []string{`src="https://www.youtube-nocookie.com/embed/abc123"`, "sandbox="})
	wants(t, "what is loaded at once", before+after, []string{"data-embed", poster, "www.youtube.com, which then " +
		"learns your address",
		`href="https://www.youtube.com/watch?v=abc123" rel="noopener noreferrer"`}, "<iframe", `src="https://`, "srcset")
	wants(t, "of an unknown host", drawn(t, guest, n, st, "video", false, "address", "https://films.example/x.mp4"),
		[]string{`href="https://films.example/x.mp4"`}, "<iframe", "<video", "data-embed", "src=")
	for _, bad := range []string{"javascript:alert(1)", "http://films.example/x", "//films.example", "x",
		"data:text/html,x"} {
		if got := drawn(t, guest, n, st, "video", false, "address", bad); got != "" {
			t.Errorf("the address %q gives %q", bad, got)
		}
	}
}

func TestKeyOf_ReadsAddressesOfFilesAlone(t *testing.T) {
	f := document.File{Name: "a b?c%/../d.png", Key: "abc"}
	for address, want := range map[string]string{document.URL("guest", f): "abc", "abc": "abc", "/documents/a/b/c/d": "",
		"https://x.example/documents/a/b/c": "", "//x/documents/a/b/c": "", "/w/a": "", "": "", "%zz": ""} {
		if got := document.KeyOf(address); got != want {
			t.Errorf("the key of %q is %q, want %q", address, got, want)
		}
	}
}
