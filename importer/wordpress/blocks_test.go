package wordpress

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/richtext"
)

func testRenderer() Renderer {
	files := map[int64]File{1: {1, "/a.jpg", "A", "Title a", "cap <em>a</em>"}, 2: {2, "/b.png", `B "q"`, "", ""}, 3: {3, "/s.mp3", "", "Song", ""}}
	return Renderer{
		File:     func(id int64) (File, bool) { f, ok := files[id]; return f, ok },
		Attached: func() []File { return []File{files[2], files[3]} },
		Reusable: func(id int64) (string, bool) {
			return map[int64]string{7: "<!-- wp:paragraph --><p>again</p><!-- /wp:paragraph -->", 8: `x <!-- wp:block {"ref":8} /-->`}[id], id == 7 || id == 8
		},
	}
}

func TestBlocks_Rendering(t *testing.T) {
	t.Parallel()
	frame, _ := richtext.Embed("https://youtu.be/abc")
	const imgA = `<figure class="wp-block-image"><a href="/a.jpg"><img src="/a.jpg" alt="A" class="wp-image-1"></a><figcaption>cap <em>a</em></figcaption></figure>`
	for _, tc := range []struct{ name, in, want string }{
		{"paragraph", "<!-- wp:paragraph {\"align\":\"center\"} -->\n<p>x</p>\n<!-- /wp:paragraph -->", "<p>x</p>"},
		{"nested", "<!-- wp:group -->\n<div class=\"g\"><!-- wp:paragraph -->\n<p>x</p>\n<!-- /wp:paragraph --></div>\n<!-- /wp:group -->", `<div class="g"><p>x</p></div>`},
		{"dynamic leaves nothing", "<!-- wp:latest-posts {\"a\":1} /--><!-- wp:core/archives /-->", ""},
		{"query leaves nothing", "<!-- wp:query --><div><!-- wp:query-no-results --><!-- wp:paragraph --><p>none</p><!-- /wp:paragraph --><!-- /wp:query-no-results --></div><!-- /wp:query -->", ""},
		{"more", "<!-- wp:more {\"customText\":\"Read\"} -->\n<!--more Read-->\n<!-- /wp:more -->", "<!--more-->"},
		{"page break", "<!-- wp:nextpage -->\n<!--nextpage-->\n<!-- /wp:nextpage -->", `<hr class="wp-block-nextpage">`},
		{"reusable", `<!-- wp:block {"ref":7} /-->`, "<p>again</p>"},
		{"reusable in itself", `<!-- wp:block {"ref":8} /-->`, "<p>x</p>"},
		{"plugin keeps what it saved", "<!-- wp:acme/box {\"n\":1} --><p>kept</p><!-- /wp:acme/box -->", "<p>kept</p>"},
		{"embed", "<!-- wp:embed {\"url\":\"https://youtu.be/abc\"} -->\n<figure class=\"wp-block-embed\"><div class=\"wp-block-embed__wrapper\">\nhttps://youtu.be/abc\n</div></figure>\n<!-- /wp:embed -->",
			`<figure class="wp-block-embed"><div class="wp-block-embed__wrapper">` + frame + `</div></figure>`},
		{"social link", `<!-- wp:social-links --><ul class="s"><!-- wp:social-link {"url":"https://example.org/me","service":"mastodon"} /--></ul><!-- /wp:social-links -->`,
			`<ul class="s"><li class="wp-block-social-link"><a href="https://example.org/me">Mastodon</a></li></ul>`},
		{"old gallery", `<!-- wp:gallery --><figure class="wp-block-gallery columns-2"><ul class="blocks-gallery-grid"><li class="blocks-gallery-item"><figure><img src="a.jpg"/></figure></li></ul></figure><!-- /wp:gallery -->`,
			`<figure class="wp-block-gallery columns-2"><figure class="wp-block-image"><img src="a.jpg"/></figure></figure>`},
		{"shortcode block", "<!-- wp:shortcode -->\n[gallery ids=\"1\" columns=2]\n<!-- /wp:shortcode -->", `<figure class="wp-block-gallery gallery columns-2">` + imgA + `</figure>`},
		{"code keeps shortcodes", "<!-- wp:code --><pre><code>[gallery]</code></pre><!-- /wp:code -->", "<pre><code>[gallery]</code></pre>"},
		{"never closed", "<!-- wp:group --><p>x</p>", "<p>x</p>"},
		{"never begun", "<p>x</p><!-- /wp:group -->", "<p>x</p>"},
		{"crlf", "a\r\nb\r\n\r\nc", "<p>a<br>\nb</p>\n<p>c</p>"},

		{"classic", "one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>"},
		{"classic inline", "a <em>b\nc</em>\n\n<img src=\"x.png\">", "<p>a <em>b<br>\nc</em></p>\n<p><img src=\"x.png\"></p>"},
		{"classic list", "x\n<ul>\n <li>a\nb</li>\n</ul>\ny", "<p>x</p>\n<ul>\n <li>a<br>\nb</li>\n</ul><p>y</p>"},
		{"classic pre", "<pre>a\n\nb</pre>\n\nc", "<pre>a\n\nb</pre><p>c</p>"},
		{"classic table", "<table>\n<tr>\n<td>a\nb</td>\n</tr>\n</table>", "<table>\n<tr>\n<td>a<br>\nb</td>\n</tr>\n</table>"},
		{"classic quote", "<blockquote>a\n\nb</blockquote>", "<blockquote><p>a</p>\n<p>b</p>\n</blockquote>"},
		{"classic p", "<p>a</p>\n\nb", "<p>a</p><p>b</p>"},
		{"classic br", "a<br />\nb", "<p>a<br />\nb</p>"},
		{"classic more", "a\n\n<!--more-->\n\nb", "<p>a</p>\n<!--more-->\n<p>b</p>"},
		{"classic next page", "a\n<!--nextpage-->\nb", "<p>a</p>\n<hr class=\"wp-block-nextpage\"><p>b</p>"},
		{"classic address", "a\nhttps://youtu.be/abc\nb", "<p>a</p>\n<figure class=\"wp-block-embed\"><div class=\"wp-block-embed__wrapper\">" + frame + "</div></figure>\n<p>b</p>"},
		{"classic other address", "https://example.org/x?a=1&b=2", `<figure class="wp-block-embed"><div class="wp-block-embed__wrapper"><a href="https://example.org/x?a=1&amp;b=2">https://example.org/x?a=1&amp;b=2</a></div></figure>`},
		{"classic tag over lines", "<a\nhref=x>y</a>", "<p><a\nhref=x>y</a></p>"},

		{"caption", `[caption id="attachment_1" align="alignleft" width="300"]<a href="/l"><img src="/a.jpg" /></a> Words <b>bold</b>[/caption]`,
			`<figure class="wp-block-image wp-caption alignleft"><a href="/l"><img src="/a.jpg" /></a><figcaption>Words <b>bold</b></figcaption></figure>`},
		{"old caption", `[caption align="aligncenter" caption="Old [x] words"]<img src="/a.jpg" />[/caption]`,
			`<figure class="wp-block-image wp-caption aligncenter"><img src="/a.jpg" /><figcaption>Old [x] words</figcaption></figure>`},
		{"gallery of the post", "[gallery link=none]", `<figure class="wp-block-gallery gallery columns-3"><figure class="wp-block-image"><img src="/b.png" alt="B &#34;q&#34;" class="wp-image-2"></figure></figure>`},
		{"audio", "[audio https://example.org/s.mp3]", `<figure class="wp-block-audio"><audio controls src="https://example.org/s.mp3"></audio></figure>`},
		{"audio of the post", "[audio]", `<figure class="wp-block-audio"><audio controls src="/s.mp3"></audio></figure>`},
		{"video", `[video width="640" mp4="https://example.org/v.mp4" poster="/p.jpg"][/video]`, `<figure class="wp-block-video"><video controls src="https://example.org/v.mp4" poster="/p.jpg" width="640"></video></figure>`},
		{"playlist", `[playlist ids="3"]`, `<figure class="wp-block-audio"><audio controls src="/s.mp3"></audio><figcaption>Song</figcaption></figure>`},
		{"embed shortcode", "[embed]https://youtu.be/abc[/embed]", `<figure class="wp-block-embed"><div class="wp-block-embed__wrapper">` + frame + `</div></figure>`},
		{"embed of evil", "[embed]javascript:alert(1)[/embed]", `<p>[embed]javascript:alert(1)[/embed]</p>`},
		{"escaped shortcode", "[[gallery ids=\"1\"]]", `<p>[gallery ids="1"]</p>`},
		{"unknown shortcode", `[form id="1"] and [simple] text`, `<p>[form id="1"] and [simple] text</p>`},
		{"shortcode in attribute", `<a title="[gallery]">x</a>`, `<p><a title="[gallery]">x</a></p>`},
		{"shortcode in code", `<code>[gallery]</code>`, `<p><code>[gallery]</code></p>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _ := testRenderer().Blocks(tc.in)
			if got != tc.want {
				t.Errorf("\n got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestBlocks_ReportCountsEverything(t *testing.T) {
	t.Parallel()
	in := `<!-- wp:query {"a":{"b":"--\u003e"}} --><div><!-- wp:post-template --><!-- wp:post-title /--><!-- /wp:post-template --><!-- wp:paragraph --><p>x</p><!-- /wp:paragraph --></div><!-- /wp:query -->
<!-- wp:core/paragraph --><p>y</p><!-- /wp:core/paragraph -->
<!-- wp:shortcode /--><!-- wp:acme/thing {"x":} /-->
[gallery ids="1,99"] [form id=1]
<!-- /wp:column -->`
	_, r := testRenderer().Blocks(in)
	want := BlockReport{
		Blocks:       map[string]int{"query": 1, "post-template": 1, "post-title": 1, "paragraph": 2, "shortcode": 1, "acme/thing": 1},
		NoEquivalent: map[string]int{"query": 1, "post-template": 1, "post-title": 1, "acme/thing": 1},
		Inside:       map[string]int{"paragraph": 1},
		Shortcodes:   map[string]int{"gallery": 1},
		Unknown:      map[string]int{"form": 1},
		MissingMedia: []int64{99},
		Problems:     []string{"the settings of a block “acme/thing” cannot be read", "a block “column” ends that never began"},
		Classic:      true,
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("\n got %+v\nwant %+v", r, want)
	}
	var sum BlockReport
	sum.Add(r)
	sum.Add(r)
	if sum.Blocks["paragraph"] != 4 || len(sum.MissingMedia) != 2 || !sum.Classic {
		t.Errorf("the sum is %+v", sum)
	}
}

func TestPlan_HTMLUsesTheExport(t *testing.T) {
	t.Parallel()
	e := readFile(t, "small.xml")
	p := e.Plan()
	h, r := p.HTML(findItem(t, e, 201))
	for _, want := range []string{"The harbour office is open", "youtube-nocookie.com/embed/abc123DEF_-", "<!--more-->"} {
		if !strings.Contains(h, want) {
			t.Errorf("%q is missing in %s", want, h)
		}
	}
	if r.NoEquivalent["latest-posts"] != 1 || r.Blocks["block"] != 1 || r.Blocks["paragraph"] != 2 || len(r.NoEquivalent) != 1 {
		t.Errorf("report is %+v", r)
	}
	h, r = p.HTML(findItem(t, e, 202))
	if strings.Count(h, "<img") != 4 || len(r.MissingMedia) != 0 || r.Unknown["contact-form-7"] != 1 || !strings.Contains(h, "player.vimeo.com/video/123456789") {
		t.Errorf("the walk is %s\n%+v", h, r)
	}
}

func TestRealExport_NoBlockIsLost(t *testing.T) {
	t.Parallel()
	e := realExport(t)
	p := e.Plan()
	policy := richtext.New()
	var all BlockReport
	marks := map[string]int{} // counted from the raw text, by other means than the parser's
	for _, s := range p.Steps {
		for _, piece := range strings.Split(s.Item.Content, "<!-- wp:")[1:] {
			name := piece[:strings.IndexAny(piece, " \n")]
			marks[name]++
		}
		if s.Action != Import {
			continue
		}
		h, r := p.HTML(s.Item)
		all.Add(r)
		if strings.Contains(h, "<!-- wp:") || strings.Contains(h, "<!-- /wp:") {
			t.Errorf("item %d still holds block marks", s.Item.ID)
		}
		clean := policy.Sanitize(h)
		if got, want := policy.Text(clean), policy.Text(h); got != want {
			t.Errorf("item %d loses text when it is cleaned", s.Item.ID)
		}
		if again := policy.Sanitize(clean); again != clean {
			t.Errorf("item %d is not stable", s.Item.ID)
		}
	}
	if !reflect.DeepEqual(all.Blocks, marks) {
		t.Errorf("blocks counted\n%v\nblocks in the text\n%v", all.Blocks, marks)
	}
	if len(all.Blocks) != 81 || all.Blocks["paragraph"] != 259 || all.Blocks["column"] != 40 {
		t.Errorf("%d kinds of block: %v", len(all.Blocks), all.Blocks)
	}
	if len(all.NoEquivalent) != 47 {
		t.Errorf("%d kinds have no equivalent: %v", len(all.NoEquivalent), all.NoEquivalent)
	}
	if !reflect.DeepEqual(all.Shortcodes, map[string]int{"caption": 12, "gallery": 12, "audio": 1}) || len(all.Unknown) != 0 || len(all.Problems) != 0 {
		t.Errorf("shortcodes %v, unknown %v, problems %v", all.Shortcodes, all.Unknown, all.Problems)
	}
	if !reflect.DeepEqual(all.MissingMedia, []int64{763}) || !reflect.DeepEqual(all.Embeds, map[string]int{"frame": 2, "link": 6}) {
		t.Errorf("missing %v, embeds %v", all.MissingMedia, all.Embeds)
	}
}

func FuzzBlocks(f *testing.F) {
	for _, s := range []string{"<!-- wp:group --><div><!-- wp:paragraph {\"a\":1} --><p>x</p><!-- /wp:paragraph --></div><!-- /wp:group -->", "a\n\n<ul><li>b\n</ul>[caption]<img>x[/caption]",
		"[gallery ids=\"1,2\"][[gallery]]", "<!-- wp:block {\"ref\":8} /--><!-- /wp:x --><!--more-->", "<pre>\n[audio]</pre>\nhttps://youtu.be/abc\n<!--", "[embed]https://x.example/\"><script>[/embed]",
		"[video src=\"javascript:alert(1)\" poster='\"><script>'][/video]<a <b>\n", "[caption caption='<script>alert(1)</script>']<img src=x onerror=alert(1)>[/caption]"} {
		f.Add(s)
	}
	policy := richtext.New()
	f.Fuzz(func(t *testing.T, in string) {
		out, r := testRenderer().Blocks(in)
		total := 0
		for _, n := range r.Blocks {
			total += n
		}
		lost := 0
		for _, m := range []map[string]int{r.NoEquivalent, r.Inside} {
			for name, n := range m {
				if lost += n; n > r.Blocks[name] {
					t.Fatalf("%q is counted %d times as left out and %d times at all", name, n, r.Blocks[name])
				}
			}
		}
		if lost > total {
			t.Fatalf("%d of %d blocks are left out", lost, total)
		}
		if clean := policy.Sanitize(out); strings.Contains(clean, "<script") || strings.Contains(clean, "onerror=\"") {
			t.Fatalf("in %q out %q clean %q", in, out, clean)
		}
	})
}
