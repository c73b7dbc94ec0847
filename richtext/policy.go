package richtext

import (
	"regexp"
	"slices"

	"github.com/microcosm-cc/bluemonday"
)

// elements lists what the policy keeps.
func elements() []string {
	return []string{
		"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "div", "span", "section", "article", "aside", "address",
		"blockquote", "cite", "q", "pre", "code", "kbd", "samp", "var",
		"strong", "b", "em", "i", "u", "s", "del", "ins", "small", "sub", "sup", "mark", "abbr", "dfn", "time",
		"bdi", "bdo", "wbr", "ruby", "rt", "rp",
		"ul", "ol", "li", "dl", "dt", "dd",
		"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td",
		"figure", "figcaption", "img", "picture", "source", "audio", "video", "track", "iframe",
		"a", "details", "summary",
	}
}

func knownElement(tag string) bool { return slices.Contains(elements(), tag) }

// newGate is the second gate: the same rules once more, as bluemonday states them. It is narrower
// than a tree walk can be in what it understands and independent of it in how it looks.
func newGate() *bluemonday.Policy {
	number := regexp.MustCompile(`^[0-9]{1,5}$`)
	signed := regexp.MustCompile(`^-?[0-9]{1,6}$`)
	word := regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	empty := regexp.MustCompile(`^$`)
	// What no address may hold in any spelling, for the attributes bluemonday does not look into.
	media := regexp.MustCompile(`^(?:[^:\s"<>\\]+|https://[^\s"<>\\]+)$`)
	pictures := regexp.MustCompile(`^(?:(?:[^:\s,"<>\\]+|https?://[^\s"<>\\]+)(?: [0-9.]{1,8}[wx])?(?:, )?)+$`)

	p := bluemonday.NewPolicy()
	p.AllowElements(elements()...)
	p.AllowNoAttrs().OnElements(elements()...)
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(true)
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	p.RequireNoFollowOnLinks(false)

	p.AllowAttrs("class").Matching(regexp.MustCompile(`^[A-Za-z0-9_ -]+$`)).Globally()
	p.AllowAttrs("id").Matching(regexp.MustCompile(`^[\p{L}][\p{L}\p{N}\p{M}_:.-]*$`)).Globally()
	p.AllowAttrs("title").Globally()
	p.AllowAttrs("lang").Matching(word).Globally()
	p.AllowAttrs("dir").Matching(regexp.MustCompile(`^(?:ltr|rtl|auto)$`)).Globally()

	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("hreflang").Matching(word).OnElements("a")
	p.AllowAttrs("target").Matching(regexp.MustCompile(`^_blank$`)).OnElements("a")
	p.AllowAttrs("rel").Matching(regexp.MustCompile(`^[a-z ]+$`)).OnElements("a")
	p.AllowAttrs("download").Matching(empty).OnElements("a")

	p.AllowAttrs("src", "alt").OnElements("img")
	p.AllowAttrs("srcset").Matching(pictures).OnElements("img", "source")
	p.AllowAttrs("sizes", "media").Matching(regexp.MustCompile(`^[A-Za-z0-9 ().,:%/*+<>=-]+$`)).OnElements("img", "source")
	p.AllowAttrs("width", "height").Matching(number).OnElements("img", "video", "iframe")
	p.AllowAttrs("loading").Matching(regexp.MustCompile(`^(?:lazy|eager)$`)).OnElements("img", "iframe")
	p.AllowAttrs("decoding").Matching(regexp.MustCompile(`^(?:async|sync|auto)$`)).OnElements("img")

	p.AllowAttrs("src").Matching(media).OnElements("audio", "video", "source", "track")
	p.AllowAttrs("poster").Matching(media).OnElements("video")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^[a-z]+/[A-Za-z0-9.+-]+$`)).OnElements("source")
	p.AllowAttrs("controls", "loop", "muted", "playsinline").Matching(empty).OnElements("audio", "video")
	p.AllowAttrs("preload").Matching(regexp.MustCompile(`^(?:none|metadata)$`)).OnElements("audio", "video")
	p.AllowAttrs("kind", "srclang", "label").OnElements("track")
	p.AllowAttrs("default").Matching(empty).OnElements("track")

	p.AllowAttrs("src").Matching(regexp.MustCompile(`^https://`)).OnElements("iframe")
	p.AllowAttrs("allow").Matching(regexp.MustCompile(`^[a-z; -]+$`)).OnElements("iframe")
	p.AllowAttrs("allowfullscreen").Matching(empty).OnElements("iframe")
	p.AllowAttrs("referrerpolicy").Matching(regexp.MustCompile(`^[a-z-]+$`)).OnElements("iframe")
	p.AllowIFrames(bluemonday.SandboxAllowScripts, bluemonday.SandboxAllowSameOrigin,
		bluemonday.SandboxAllowPopups, bluemonday.SandboxAllowPresentation)

	p.AllowAttrs("colspan", "rowspan").Matching(number).OnElements("td", "th")
	p.AllowAttrs("scope").Matching(regexp.MustCompile(`^(?:row|col|rowgroup|colgroup)$`)).OnElements("th")
	p.AllowAttrs("span").Matching(number).OnElements("col", "colgroup")
	p.AllowAttrs("start").Matching(signed).OnElements("ol")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^[1aAiI]$`)).OnElements("ol")
	p.AllowAttrs("reversed").Matching(empty).OnElements("ol")
	p.AllowAttrs("value").Matching(signed).OnElements("li")
	p.AllowAttrs("cite").OnElements("blockquote", "q", "ins", "del")
	p.AllowAttrs("datetime").Matching(regexp.MustCompile(`^[0-9A-Z:.+ -]{1,40}$`)).OnElements("time", "ins", "del")
	p.AllowAttrs("open").Matching(empty).OnElements("details")
	return p
}
