package richtext

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
)

func TestText_FoldsAndLeavesOutScripts(t *testing.T) {
	t.Parallel()
	p := New()
	for in, want := range map[string]string{
		"<p>a</p><p>b</p>":                              "a b",
		"<p>a <b>b</b>c\n\n d</p>":                      "a bc d",
		"x<script>y</script>z<style>q</style>":          "xz",
		"a&nbsp;&amp;&lt;b&gt;":                         "a &<b>",
		"<h1>T</h1>t<br>u<!--more-->v":                  "T t uv",
		"<table><tr><td>1</td><td>2</td></tr></table>":  "1 2",
		"<iframe>no</iframe>yes":                        "yes",
		"unclosed <b":                                   "unclosed",
		"":                                              "",
		"<template><p>hidden</p></template><p>seen</p>": "seen",
	} {
		if got := p.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSummary_CutsAtWordsAndMore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in    string
		words int
		want  string
	}{
		{"<p>one two three four</p>", 2, "one two…"},
		{"<p>one two</p>", 2, "one two"},
		{"<p>one, two</p>", 1, "one…"},
		{"<p>teaser here.</p><!--more--><p>rest</p>", 50, "teaser here…"},
		{"<p>teaser here.</p><!--more-->", 50, "teaser here."},
		{"<p>a b c d</p><!--more Read on--><p>rest</p>", 2, "a b…"},
		{"<p>這是一個很長的句子</p>", 2, "這是一個很長…"},
		{"", 5, ""},
	} {
		if got := Summary(tc.in, tc.words); got != tc.want {
			t.Errorf("Summary(%q, %d) = %q, want %q", tc.in, tc.words, got, tc.want)
		}
	}
}

func TestRewrite_EveryAddressAndNothingElse(t *testing.T) {
	t.Parallel()
	in := `<p CLASS=x>a<A href="http://old.example/a?x=1&amp;y=2" class='q'>l</A><img src=http://old.example/i.png srcset="http://old.example/i.png 1x, http://old.example/j.png 2x"><video poster="http://old.example/p.jpg"><source src="http://old.example/v.mp4"></video><script>"<a href='http://old.example/s'>"</script><!-- <a href="http://old.example/c"> --></p>`
	out := Rewrite(in, func(tag, attr, url string) string { return strings.Replace(url, "http://old.example", "", 1) })
	want := `<p CLASS=x>a<a href="/a?x=1&amp;y=2" class="q">l</A><img src="/i.png" srcset="/i.png 1x, /j.png 2x"><video poster="/p.jpg"><source src="/v.mp4"></video><script>"<a href='http://old.example/s'>"</script><!-- <a href="http://old.example/c"> --></p>`
	if out != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	if same := Rewrite(in, func(_, _, url string) string { return url }); same != in {
		t.Errorf("identity changed the text: %s", same)
	}
	if got := Rewrite(`<img src="a"><a href="b">`, func(_, _, _ string) string { return "" }); got != `<img><a>` {
		t.Errorf("empty answers should remove the attributes: %s", got)
	}
}

func TestImagesAndLinks(t *testing.T) {
	t.Parallel()
	in := `<a href="/1"><img src="/a.png" srcset="/a.png 1x, /b.png 2x"></a><a href="/1">x</a><a href="#f">y</a><video poster="/p.jpg" src="/v.mp4"></video>`
	if got, want := Images(in), []string{"/a.png", "/b.png", "/p.jpg"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Images = %v, want %v", got, want)
	}
	if got, want := Links(in), []string{"/1", "#f"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Links = %v, want %v", got, want)
	}
}

func TestPrepare_ForThePage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{`<table><tbody><tr><td>x</td></tr></tbody></table>`, `<div class="rt-scroll" tabindex="0"><table><tbody><tr><td>x</td></tr></tbody></table></div>`},
		{`<pre>x</pre>`, `<div class="rt-scroll" tabindex="0"><pre>x</pre></div>`},
		{`<p><img src="a.png" alt="" loading="eager"></p>`, `<p><img src="a.png" alt="" loading="eager" decoding="async"></p>`},
		{`<p><img src="a.png" alt="A" title="Cap" class="alignleft"></p>`,
			`<figure class="wp-block-image alignleft"><img src="a.png" alt="A" class="alignleft" loading="lazy" decoding="async"><figcaption>Cap</figcaption></figure>`},
		{`<p>https://example.org/x</p>`, `<p><a href="https://example.org/x" rel="noopener">https://example.org/x</a></p>`},
		{"<div class=\"wp-block-embed__wrapper\">\nhttps://example.org/x\n</div>", `<div class="wp-block-embed__wrapper"><a href="https://example.org/x" rel="noopener">https://example.org/x</a></div>`},
		{`<p>see https://example.org/x</p>`, `<p>see https://example.org/x</p>`},
		{`<a href="/2014/pier%20east.jpg"><img src="a.png" alt=" "></a>`, `<a aria-label="pier east.jpg" href="/2014/pier%20east.jpg"><img src="a.png" alt=" " loading="lazy" decoding="async"></a>`},
		{`<a href="https://example.org/"><img src="a.png" alt=""></a>`, `<a aria-label="example.org" href="https://example.org/"><img src="a.png" alt="" loading="lazy" decoding="async"></a>`},
		{`<a href="/x"><img src="a.png" alt="Pier"></a>`, `<a href="/x"><img src="a.png" alt="Pier" loading="lazy" decoding="async"></a>`},
		{`<a href="/x"><img src="a.png" alt=""> Pier</a>`, `<a href="/x"><img src="a.png" alt="" loading="lazy" decoding="async"> Pier</a>`},
	} {
		got := Prepare(tc.in)
		if got != tc.want {
			t.Errorf("Prepare(%q)\n got %s\nwant %s", tc.in, got, tc.want)
		}
		if again := Prepare(got); again != got {
			t.Errorf("twice differs: %s", again)
		}
	}
}

func TestTableOfContents_UniqueAnchorsInAnyScript(t *testing.T) {
	t.Parallel()
	out, toc := TableOfContents(`<h2>Über uns!</h2><h3 id="x">A <em>b</em></h3><h2>Über uns</h2><h2></h2><h2>Επίπεδο 2</h2><h2>Location</h2>`)
	want := []Heading{{2, "über-uns", "Über uns!"}, {3, "x", "A b"}, {2, "über-uns-2", "Über uns"}, {2, "επίπεδο-2", "Επίπεδο 2"}, {2, "h-location", "Location"}}
	if !reflect.DeepEqual(toc, want) {
		t.Errorf("got %v", toc)
	}
	if !strings.Contains(out, `<h2 id="über-uns-2">Über uns</h2><h2></h2>`) {
		t.Errorf("ids are not on the headings: %s", out)
	}
}

func TestEmbed_KnownProviders(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://www.youtube.com/watch?v=SQEQr7c0-dw": "https://www.youtube-nocookie.com/embed/SQEQr7c0-dw",
		"https://youtu.be/ex8fMxXJDJw?t=10s":          "https://www.youtube-nocookie.com/embed/ex8fMxXJDJw?start=10",
		"https://vimeo.com/channels/x/12345":          "https://player.vimeo.com/video/12345",
		"http://www.youtube.com/embed/abc":            "https://www.youtube-nocookie.com/embed/abc",
		"https://open.spotify.com/track/4a":           "https://open.spotify.com/embed/track/4a",
	} {
		out, ok := Embed(in)
		if !ok || !strings.Contains(out, `src="`+want+`"`) {
			t.Errorf("Embed(%q) = %q, %v", in, out, ok)
		}
		if clean := New().Sanitize(out); clean != out {
			t.Errorf("the policy changes an embed:\n%s\n%s", out, clean)
		}
	}
	for _, in := range []string{"https://twitter.com/x/status/1", "javascript:alert(1)", "https://www.youtube.com/", "https://youtu.be/a\"b", "ftp://youtu.be/abc", ""} {
		if out, ok := Embed(in); ok {
			t.Errorf("Embed(%q) = %q, should not be known", in, out)
		}
	}
}

func TestSanitizeSVG_KeepsDrawings(t *testing.T) {
	t.Parallel()
	in := `<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"><!-- c -->
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10"><style>.a{fill:url(#g)}</style><defs><linearGradient id="g"><stop offset="0" stop-color="#fff"/></linearGradient><path id="p" d="M0 0L1 1"/></defs><rect class="a" width="10" height="10" fill="url(#g)" onclick="x()"/><use xlink:href="#p"/><text x="1">A &amp; B</text></svg>`
	out, err := SanitizeSVG(strings.NewReader(in), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">`, `<style>.a{fill:url(#g)}</style>`, `fill="url(#g)"`, `<use href="#p">`, `A &amp; B`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("missing %s in %s", want, out)
		}
	}
	if bytes.Contains(out, []byte("onclick")) {
		t.Errorf("event handler kept: %s", out)
	}
}

func hostileSVG() []string {
	const open = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">`
	return []string{
		open + `<script>alert(1)</script></svg>`, open + `<svg:script xmlns:svg="http://www.w3.org/2000/svg">alert(1)</svg:script></svg>`,
		open + `<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:alert(1)"/></foreignObject></svg>`,
		open + `<a xlink:href="javascript:alert(1)"><rect/></a></svg>`, open + `<image href="http://evil.example/x.png"/></svg>`,
		open + `<use href="http://evil.example/x.svg#a"/></svg>`, open + `<use href="data:image/svg+xml;base64,AA#x"/></svg>`,
		open + `<rect onload="alert(1)"/><set attributeName="href" to="javascript:alert(1)"/><animate attributeName="onclick"/></svg>`,
		open + `<rect style="fill:url(http://evil.example/x)"/><rect fill="url( 'http://evil.example')"/><rect fill="u\72l(http://evil.example)"/></svg>`,
		open + `<style>@import url(http://evil.example/x.css);</style></svg>`, open + `<style>a{background:url("http://evil.example")}</style></svg>`,
		open + `<style><![CDATA[</style><script>alert(1)</script>]]></style></svg>`, open + `<handler xmlns="http://www.w3.org/2001/xml-events">alert(1)</handler></svg>`,
		`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)" href="javascript:x"/>`, open + `<title><![CDATA[<script>alert(1)</script>]]></title></svg>`,
		open + `<mask id="a"><rect mask="url(#b)"/></mask><g id="c"><use href="#d"/></g></svg>`,
		open + `<filter id="f"><feImage href="http://evil.example"/></filter><textPath href="javascript:x">y</textPath></svg>`,
		open + `<rect xmlns:x="x" x:href="javascript:1" href="javascript:1"/></svg>`,
	}
}

func TestSanitizeSVG_HostilePicturesAreHarmless(t *testing.T) {
	t.Parallel()
	for _, in := range hostileSVG() {
		out, err := SanitizeSVG(strings.NewReader(in), 0)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if bad := svgDanger(out); bad != "" {
			t.Errorf("%s\n in  %s\n out %s", bad, in, out)
		}
		again, err := SanitizeSVG(bytes.NewReader(out), 0)
		if err != nil || !bytes.Equal(again, out) {
			t.Errorf("not stable: %v\n%s\n%s", err, out, again)
		}
	}
}

func TestSanitizeSVG_RefusesWithSentence(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`<!DOCTYPE svg [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><svg>&c;</svg>`: "declares entities",
		`<html><svg/></html>`:                    "not an SVG picture",
		`<svg><g></svg>`:                         "closes nothing",
		`<svg>&lol;</svg>`:                       "not well-formed at line 1",
		"":                                       "not an SVG picture",
		"<svg>\n<g>":                             "ends before",
		strings.Repeat("<svg>", 100):             "deeper than",
		"GIF89a":                                 "not an SVG picture",
		`<svg/><svg/>`:                           "must be one <svg>",
		`<?xml version="1.0" encoding="x"?><svg`: "not well-formed",
	} {
		_, err := SanitizeSVG(strings.NewReader(in), 0)
		if err == nil || stoa.KindOf(err) != stoa.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want a sentence with %q", in, err, want)
		}
	}
	if _, err := SanitizeSVG(strings.NewReader("<svg>"+strings.Repeat(" ", 100)+"</svg>"), 50); !stoa.Is(err, stoa.KindTooLarge) {
		t.Errorf("a large picture gave %v", err)
	}
}

// svgDanger reads out again, namespaces resolved, and names what must not be there.
func svgDanger(out []byte) string {
	d := xml.NewDecoder(bytes.NewReader(out))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		se, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch strings.ToLower(se.Name.Local) {
		case "script", "foreignobject", "iframe", "a", "image", "set", "animate", "handler", "feimage":
			return "<" + se.Name.Local + ">"
		}
		for _, a := range se.Attr {
			v := strings.ToLower(a.Value)
			if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") || strings.Contains(v, "javascript") || strings.Contains(v, "evil.example") ||
				a.Name.Local == "href" && !strings.HasPrefix(v, "#") {
				return a.Name.Local + "=" + a.Value
			}
		}
	}
}

func FuzzSanitizeSVG(f *testing.F) {
	for _, h := range hostileSVG() {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, err := SanitizeSVG(strings.NewReader(in), 0)
		if err != nil {
			return
		}
		d := xml.NewDecoder(bytes.NewReader(out))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("output is not well-formed: %v\n in  %q\n out %q", err, in, out)
			}
			if se, ok := tok.(xml.StartElement); ok {
				if !svgElement(se.Name.Local) || se.Name.Space != svgSpace {
					t.Fatalf("element %v\n in  %q\n out %q", se.Name, in, out)
				}
				for _, a := range se.Attr {
					if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") {
						t.Fatalf("attribute %v\n in %q", a.Name, in)
					}
				}
			}
		}
	})
}
