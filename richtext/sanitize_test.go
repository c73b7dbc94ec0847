package richtext

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestSanitize_KeepsWhatEditorsWrite(t *testing.T) {
	t.Parallel()
	p := New()
	for _, tc := range []struct{ name, in, want string }{
		{"text", `<p>It's "fine" &amp; <strong>bold</strong></p>`, `<p>It's "fine" &amp; <strong>bold</strong></p>`},
		{"greek", `<h2 id="επίπεδο-2">Ελληνικά</h2>`, `<h2 id="επίπεδο-2">Ελληνικά</h2>`},
		{"code", "<pre class=\"wp-block-code\"><code class=\"language-go evil\">a &lt; b</code></pre>",
			"<pre class=\"wp-block-code\"><code class=\"language-go\">a &lt; b</code></pre>"},
		{"pre newline", "<pre>\n\nx</pre>", "<pre>\n\nx</pre>"},
		{"table", `<table><thead><tr><th scope="col">A</th></tr></thead><tbody><tr><td colspan="2">b</td></tr></tbody></table>`,
			`<table><thead><tr><th scope="col">A</th></tr></thead><tbody><tr><td colspan="2">b</td></tr></tbody></table>`},
		{"figure", `<figure class="wp-block-image alignleft size-large"><img src="/a.jpg" alt="A" width="10" height="20"><figcaption>c</figcaption></figure>`,
			`<figure class="wp-block-image alignleft size-large"><img src="/a.jpg" alt="A" width="10" height="20"><figcaption>c</figcaption></figure>`},
		{"details", `<details open><summary>s</summary><p>x</p></details>`, `<details open><summary>s</summary><p>x</p></details>`},
		{"link outside", `<a href="https://example.org/x?a=1&amp;b=2">x</a>`, `<a href="https://example.org/x?a=1&amp;b=2" rel="noopener">x</a>`},
		{"link inside", `<a href="/about/#top" title="t">x</a>`, `<a href="/about/#top" title="t">x</a>`},
		{"link blank", `<a href="/a" target="_blank" rel="nofollow evil">x</a>`, `<a href="/a" rel="nofollow noopener" target="_blank">x</a>`},
		{"mail", `<a href="mailto:a@example.org">x</a>`, `<a href="mailto:a@example.org">x</a>`},
		{"video", `<video src="https://example.org/a.mp4" autoplay muted poster="p.jpg"></video>`,
			`<video src="https://example.org/a.mp4" controls muted poster="p.jpg"></video>`},
		{"audio http becomes link", `<audio controls src="http://example.org/m/a.mp3"></audio>`,
			`<a href="http://example.org/m/a.mp3" rel="noopener">a.mp3</a>`},
		{"srcset", `<img src="a.jpg" srcset="a.jpg 1x, /b.jpg 2x, javascript:x 3x">`, `<img src="a.jpg" srcset="a.jpg 1x, /b.jpg 2x" alt="">`},
		{"list", `<ol start="3" type="a"><li value="4">x</li></ol>`, `<ol start="3" type="a"><li value="4">x</li></ol>`},
		{"more", "<p>a</p><!-- more --><!-- other --><p>b</p>", "<p>a</p><!--more--><p>b</p>"},
		{"relative spaces", `<a href=" my file%.pdf ">x</a>`, `<a href="my%20file%25.pdf">x</a>`},
		{"old elements", `<center><font color=red>x</font> <strike>y</strike> <acronym title="z">Z</acronym></center>`,
			`<div class="has-text-align-center"><span>x</span> <s>y</s> <abbr title="z">Z</abbr></div>`},
		{"style to class", `<p style="text-align: center; color: red">x</p><div style="text-align:right !important">y</div>`,
			`<p class="has-text-align-center">x</p><div class="has-text-align-right">y</div>`},
		{"style size", `<p style="font-size:46px">x</p>`, `<p class="has-x-large-font-size">x</p>`},
		{"style float", `<img style="float:left;width:120px" src="a.png" alt="">`, `<img src="a.png" alt="" width="120" class="alignleft">`},
		{"style palette", `<p style="background-color:#cf2e2e">x</p>`, `<p class="has-vivid-red-background-color has-background">x</p>`},
		{"align", `<p align="right">x</p><img align=left src=a.png alt=b>`, `<p class="has-text-align-right">x</p><img src="a.png" alt="b" class="alignleft">`},
		{"cover", `<div class="wp-block-cover" style="background-image:url(https://example.org/a.jpg)"><p>x</p></div>`,
			`<div class="wp-block-cover"><img src="https://example.org/a.jpg" alt="" class="wp-block-cover__image-background"><p>x</p></div>`},
		{"youtube", `<iframe width="560" height="315" src="http://www.youtube.com/embed/abc_-1" onload=x></iframe>`,
			`<iframe src="https://www.youtube-nocookie.com/embed/abc_-1" width="560" height="315" loading="lazy" allow="` + frameAllow + `" allowfullscreen referrerpolicy="` + frameReferrer + `" sandbox="` + sandbox + `" title="YouTube"></iframe>`},
		{"unknown frame", `<iframe src="https://evil.example/x"></iframe>`, `<a href="https://evil.example/x" rel="noopener">https://evil.example/x</a>`},
		{"class of the theme", `<div class="modal-overlay wp-block-group">x</div>`, `<div class="wp-block-group">x</div>`},
		{"anchor", `<a name="part1"></a>`, `<a id="part1"></a>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := p.Sanitize(tc.in); got != tc.want {
				t.Errorf("Sanitize(%q)\n got %s\nwant %s", tc.in, got, tc.want)
			}
		})
	}
}

// hostile holds inputs that have got past one sanitizer or another.
func hostile() []string {
	return []string{
		`<script>alert(1)</script>`, `<SCRIPT SRC=//x.example/x.js></SCRIPT>`, `<scr<script>ipt>alert(1)</script>`,
		`<img src=x onerror=alert(1)>`, `<img src="javascript:alert(1)">`, `<img/src=x/onerror=alert(1)>`, `<img src=x onerror=alert(1)//`,
		`<a href="javascript:alert(1)">x</a>`, `<a href="java&#10;script:alert(1)">x</a>`, `<a href="&#1;javascript:alert(1)">x</a>`,
		`<a href="jav&#x09;ascript&colon;alert(1)">x</a>`, `<a href=" JaVaScRiPt:alert(1)">x</a>`, `<a href="data:text/html,<script>alert(1)</script>">x</a>`,
		`<a href="vbscript:x">x</a>`, `<a href="//evil.example\@good.example">x</a>`, `<a href="\\evil.example">x</a>`, `<a href="feed:javascript:alert(1)">x</a>`,
		`<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`,
		`<svg><style><img src=x onerror=alert(1)></style></svg>`, `<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">`,
		`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`,
		`<math><mi//xlink:href="data:x,<script>alert(1)</script>">`, `<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
		`<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>`, `<noembed><img title="</noembed><img src onerror=alert(1)>"></noembed>`,
		`<template><script>alert(1)</script></template>`, `<xmp><p title="</xmp><svg/onload=alert(1)>"></xmp>`, `<plaintext><img src=x onerror=alert(1)>`,
		`<textarea><img title="</textarea><img src=x onerror=alert(1)>"></textarea>`, `<select><style><!--</style><a rel="--></style></select><img src=x onerror=alert(1)>">`,
		`<style>@import "//evil.example/x.css";</style>`, `<style><img src="</style><img src=x onerror=alert(1)//">`,
		`<p style="background:url(javascript:alert(1))">x</p>`, `<p style="x:expression(alert(1))">x</p>`, `<div class="wp-block-cover" style="background-image:url('javascript:alert(1)')">`,
		`<iframe srcdoc="<script>alert(1)</script>"></iframe>`, `<iframe src="javascript:alert(1)"></iframe>`, `<iframe src="https://www.youtube.com.evil.example/embed/x"></iframe>`,
		`<iframe src="https://www.youtube.com@evil.example/embed/x"></iframe>`, `<iframe><img src=x onerror=alert(1)></iframe>`, `<object data="javascript:alert(1)"></object>`,
		`<embed src="javascript:alert(1)">`, `<form action="javascript:alert(1)"><button formaction="javascript:alert(1)">x</button><input type=image src=x onerror=alert(1)></form>`,
		`<base href="javascript:alert(1)//">`, `<meta http-equiv=refresh content="0;url=javascript:alert(1)">`, `<link rel=stylesheet href=//evil.example/x.css>`,
		`<details ontoggle=alert(1) open>x</details>`, `<video><source onerror=alert(1) src=x></video>`, `<audio src=x onerror=alert(1)>`, `<video poster="javascript:alert(1)" src="/a.mp4">`,
		`<img srcset="x onerror=alert(1), javascript:alert(1) 2x" src="/a.png">`, `<img src="data:image/svg+xml,<svg onload=alert(1)>">`, `<a href="/x" id="location" class="x" target="_top">x</a>`,
		`<!--><img src=x onerror=alert(1)>-->`, `<!--more--><img src=x onerror=alert(1)>`, `<!--more --!><img src=x onerror=alert(1)>-->`, `<!-- more --><script>-->`,
		`<table><td><a href=/x><table><a href="javascript:alert(1)">y</table></a>`, `<a href=/1><div><a href=/2><table><a href=/3></table></a></div></a>`,
		`<p title="<!--more--><script>alert(1)</script>">x</p>`, "<a href=\"java\x00script:alert(1)\">x</a>", `<b><p><b><p><b><p>x</b></b></b>`,
		`<<img src=x onerror=alert(1)>>`, `<img src="x` + "`" + ` onerror=alert(1)">`, `<a href="https://example.org/&quot; onmouseover=&quot;alert(1)">x</a>`,
		`<ruby><rt><rp><rt></ruby>`, `<li><ul><li></ol></dl><dd>x`, `<h1><h2><h3>x`, `<table>x<tr>y<td>z<caption>c<table>`, `<frameset><frame src="javascript:alert(1)"></frameset>`,
		`<picture><source srcset="javascript:alert(1)"><img src=/a.png></picture>`, `<track src="javascript:x">`, `<hr class="rt-more"><hr class="rt-more x">`,
		`<blockquote cite="javascript:alert(1)">x</blockquote>`, `<math href="javascript:alert(1)">x</math>`, `<custom-el onclick=alert(1)>x</custom-el>`, `<p></p onclick=alert(1)>`,
		strings.Repeat("<div>", 600) + "deep", strings.Repeat("<b><p>", 200) + "x", strings.Repeat("<a href=/x><table>", 60) + "x",
	}
}

func TestSanitize_HostileInputIsHarmlessAndStable(t *testing.T) {
	t.Parallel()
	p := New()
	for _, in := range hostile() {
		out := p.Sanitize(in)
		if bad := danger(out); bad != "" {
			t.Errorf("%s in output\n in  %.300q\n out %.300q", bad, in, out)
		}
		if again := p.Sanitize(out); again != out {
			t.Errorf("not stable\n in    %.300q\n once  %.300q\n twice %.300q", in, out, again)
		}
	}
}

// danger parses out as a browser with scripts would and names the first thing that must not be
// there. It shares no code with the policy.
func danger(out string) string {
	doc, err := html.Parse(strings.NewReader("<!doctype html><body><div>" + out + "</div>"))
	if err != nil {
		return "unparsable: " + err.Error()
	}
	bad := ""
	var visit func(*html.Node)
	visit = func(n *html.Node) {
		if n.Type == html.CommentNode && n.Data != "more" {
			bad = "comment"
		}
		if n.Type == html.ElementNode {
			switch n.Data {
			case "script", "style", "svg", "math", "object", "embed", "form", "input", "button", "select", "textarea", "template", "noscript",
				"base", "meta", "link", "frame", "frameset", "xmp", "plaintext", "applet", "foreignobject", "animate", "set":
				bad = "<" + n.Data + ">"
				if n.Data == "meta" || n.Data == "link" || n.Data == "base" {
					bad = "head element " + n.Data
				}
			case "iframe":
				host := ""
				for _, a := range n.Attr {
					if a.Key == "src" {
						host = a.Val
					}
				}
				if !strings.HasPrefix(host, "https://www.youtube-nocookie.com/") && !strings.HasPrefix(host, "https://player.vimeo.com/") && !strings.HasPrefix(host, "https://") {
					bad = "frame of " + host
				}
			}
			for _, a := range n.Attr {
				v := strings.ToLower(strings.Map(func(r rune) rune {
					if r <= ' ' {
						return -1
					}
					return r
				}, a.Val))
				switch {
				case strings.HasPrefix(a.Key, "on"):
					bad = "attribute " + a.Key
				case a.Key == "style" || a.Key == "srcdoc" || a.Key == "action" || a.Key == "formaction":
					bad = "attribute " + a.Key
				case a.Key != "title" && a.Key != "alt" && a.Key != "label" && (strings.HasPrefix(v, "javascript:") || strings.HasPrefix(v, "vbscript:") || strings.HasPrefix(v, "data:")):
					bad = a.Key + "=" + a.Val
				case a.Key == "href" && strings.ContainsAny(v, "\\"):
					bad = "backslash in href"
				case a.Key == "srcset" && (strings.Contains(v, "javascript:") || strings.Contains(v, "data:")):
					bad = "srcset " + a.Val
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			visit(c)
		}
	}
	visit(doc)
	return bad
}

func TestSanitize_IframeNeedsKnownHost(t *testing.T) {
	t.Parallel()
	p := New()
	for _, src := range []string{"https://www.youtube.com.evil.example/embed/x", "https://www.youtube.com@evil.example/embed/x", "https://www.youtube.com:444/embed/x",
		"https://www.youtube.com/watch?v=x", "https://player.vimeo.com/other/1", "//evil.example/embed/", "https://codepen.io/x/pen/y"} {
		if out := p.Sanitize(`<iframe src="` + src + `"></iframe>`); strings.Contains(out, "<iframe") {
			t.Errorf("%s is framed: %s", src, out)
		}
	}
}

func TestSanitize_ConcurrentUse(t *testing.T) {
	t.Parallel()
	p := New()
	want := p.Sanitize(`<p style="text-align:left">x<img src=a.png onerror=x></p>`)
	done := make(chan string)
	for range 8 {
		go func() { done <- p.Sanitize(`<p style="text-align:left">x<img src=a.png onerror=x></p>`) }()
	}
	for range 8 {
		if got := <-done; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	for _, h := range hostile() {
		if len(h) < 2000 {
			f.Add(h)
		}
	}
	p := New()
	f.Fuzz(func(t *testing.T, in string) {
		out := p.Sanitize(in)
		if bad := danger(out); bad != "" {
			t.Fatalf("%s\n in  %q\n out %q", bad, in, out)
		}
		if again := p.Sanitize(out); again != out {
			t.Fatalf("not stable\n in    %q\n once  %q\n twice %q", in, out, again)
		}
		ready := Prepare(out)
		if again := Prepare(ready); again != ready {
			t.Fatalf("Prepare is not stable\n in    %q\n once  %q\n twice %q", out, ready, again)
		}
	})
}
