package richtext

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// Prepare makes sanitized HTML ready for a page. Wide tables and listings get a container that
// scrolls by itself and can be reached by keyboard, pictures and frames load when they come near,
// a picture alone in its paragraph that has a title becomes a figure with that title as caption,
// an address that stands alone in a paragraph or embed becomes a link, and a link around a picture without
// words gets the name of what it leads to. Preparing twice changes
// nothing more. Input that cannot be parsed comes back as it is.
func Prepare(src string) string {
	root, err := parseFragment(src)
	if err != nil {
		return src
	}
	prepare(root)
	return serialize(root, false)
}

func prepare(parent *html.Node) {
	for c := parent.FirstChild; c != nil; {
		next := c.NextSibling
		if c.Type == html.ElementNode {
			prepareElement(c)
		}
		c = next
	}
}

func prepareElement(n *html.Node) {
	switch n.Data {
	case "img":
		if attr(n, "loading") == "" {
			setAttr(n, "loading", "lazy")
		}
		if attr(n, "decoding") == "" {
			setAttr(n, "decoding", "async")
		}
		return
	case "table", "pre":
		prepare(n)
		if p := n.Parent; p != nil && slices.Contains(strings.Fields(attr(p, "class")), "rt-scroll") {
			return
		}
		box := element("div", "class", "rt-scroll", "tabindex", "0")
		replace(n, box)
		box.AppendChild(n)
		return
	case "a":
		nameLink(n)
	case "p":
		if fig := captioned(n); fig != nil {
			replace(n, fig)
			prepare(fig)
			return
		}
		linkBareAddress(n)
	case "div":
		if slices.Contains(strings.Fields(attr(n, "class")), "wp-block-embed__wrapper") {
			linkBareAddress(n)
		}
	}
	prepare(n)
}

// captioned returns the figure that p stands for: a picture with a title and nothing else, or
// such a picture in a link. It returns nil for every other paragraph.
func captioned(p *html.Node) *html.Node {
	inner := only(p)
	img := inner
	if inner != nil && inner.Data == "a" {
		img = only(inner)
	}
	if img == nil || img.Data != "img" || strings.TrimSpace(attr(img, "title")) == "" {
		return nil
	}
	fig := element("figure", "class", "wp-block-image")
	for _, c := range strings.Fields(attr(img, "class")) {
		if strings.HasPrefix(c, "align") {
			addClass(fig, c)
		}
	}
	caption := element("figcaption")
	caption.AppendChild(textNode(strings.TrimSpace(attr(img, "title"))))
	removeAttr(img, "title")
	p.RemoveChild(inner)
	fig.AppendChild(inner)
	fig.AppendChild(caption)
	return fig
}

// only returns the single element in n when there is nothing else but white space.
func only(n *html.Node) *html.Node {
	var found *html.Node
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type == html.TextNode && strings.TrimSpace(c.Data) == "":
		case c.Type == html.ElementNode && found == nil:
			found = c
		default:
			return nil
		}
	}
	return found
}

// nameLink gives a link that holds nothing which can be read aloud, such as a picture without words, the last
// part of its address as a name.
func nameLink(a *html.Node) {
	href := attr(a, "href")
	if href == "" || attr(a, "aria-label") != "" || attr(a, "title") != "" || textOf(serialize(a, false)) != "" {
		return
	}
	silent, pictures := true, 0
	walk(a, func(n *html.Node) {
		if n.Data == "img" {
			pictures++
			silent = silent && strings.TrimSpace(attr(n, "alt")) == ""
		}
	})
	u, err := url.Parse(href)
	if pictures == 0 || !silent || err != nil {
		return
	}
	name := path.Base(strings.TrimSuffix(u.Path, "/"))
	if name == "." || name == "/" {
		name = u.Hostname()
	}
	if name != "" {
		a.Attr = append([]html.Attribute{{Key: "aria-label", Val: name}}, a.Attr...) // where parsing puts it, so that preparing twice changes nothing
	}
}

func linkBareAddress(n *html.Node) {
	c := n.FirstChild
	if c == nil || c.NextSibling != nil || c.Type != html.TextNode {
		return
	}
	text := strings.TrimSpace(c.Data)
	if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") || strings.ContainsFunc(text, unicode.IsSpace) {
		return
	}
	href, ok := linkAddress(text, false)
	if !ok {
		return
	}
	a := element("a", "href", href, "rel", "noopener")
	a.AppendChild(textNode(text))
	replace(c, a)
}

// Heading is a line of a table of contents.
type Heading struct {
	Level int    // 1 to 6
	ID    string // the anchor, unique in the text
	Text  string
}

// TableOfContents returns src with an id on every heading that has words, and the headings in
// order. Ids that are there already stay; new ones are made of the words of the heading.
func TableOfContents(src string) (string, []Heading) {
	root, err := parseFragment(src)
	if err != nil {
		return src, nil
	}
	used := map[string]bool{}
	walk(root, func(n *html.Node) {
		if id := attr(n, "id"); id != "" {
			used[id] = true
		}
	})
	var out []Heading
	walk(root, func(n *html.Node) {
		if len(n.Data) != 2 || n.Data[0] != 'h' || n.Data[1] < '1' || n.Data[1] > '6' {
			return
		}
		text := textOf(serialize(n, false))
		if text == "" {
			return
		}
		id := attr(n, "id")
		if id == "" {
			base := anchor(text)
			id = base
			for i := 2; used[id]; i++ {
				id = base + "-" + strconv.Itoa(i)
			}
			used[id] = true
			setAttr(n, "id", id)
		}
		out = append(out, Heading{Level: int(n.Data[1] - '0'), ID: id, Text: text})
	})
	return serialize(root, false), out
}

func walk(n *html.Node, f func(*html.Node)) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode {
			f(c)
			walk(c, f)
		}
	}
}

// anchor makes an id of the words of a heading, in any script. It is not stoa.Slug, which has another rule for
// apostrophes: links to headings that people have saved would lead nowhere.
func anchor(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() > 60 {
			break
		}
	}
	id := strings.Trim(b.String(), "-")
	if !safeID(id) {
		id = "h-" + id
	}
	return strings.TrimRight(id, "-")
}
