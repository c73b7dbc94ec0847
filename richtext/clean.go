package richtext

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// cleanTree applies the policy to everything below root.
func cleanTree(root *html.Node) {
	for c := root.FirstChild; c != nil; {
		c = cleanNode(c)
	}
}

// cleanNode applies the policy to n and what it holds; it returns the node to look at next.
func cleanNode(n *html.Node) *html.Node {
	next := n.NextSibling
	switch n.Type {
	case html.TextNode:
		return next
	case html.CommentNode:
		if isMore(n.Data) {
			replace(n, element("hr", "class", moreClass))
		} else {
			n.Parent.RemoveChild(n)
		}
		return next
	case html.ElementNode:
	default:
		n.Parent.RemoveChild(n)
		return next
	}
	// Pictures and formulas of foreign namespaces are parsed by other rules than HTML, which is
	// where most tricks against sanitizers live. They go as a whole.
	if n.Namespace != "" || dropped(n.Data) {
		n.Parent.RemoveChild(n)
		return next
	}
	if first, done := convert(n); done {
		if first != nil {
			return first
		}
		return next
	}
	if !knownElement(n.Data) {
		return unwrap(n, next)
	}
	if !cleanAttrs(n) {
		n.Parent.RemoveChild(n)
		return next
	}
	if voidElement(n.Data) || n.Data == "iframe" {
		for n.FirstChild != nil {
			n.RemoveChild(n.FirstChild)
		}
		return next
	}
	cleanTree(n)
	return next
}

// dropped lists the elements that go with everything in them.
func dropped(tag string) bool {
	switch tag {
	case "script", "style", "template", "noscript", "noembed", "noframes", "object", "applet", "param", "title",
		"meta", "link", "base", "frame", "frameset", "textarea", "select", "option", "optgroup", "datalist", "input", "svg", "math":
		return true
	}
	return false
}

// convert turns elements of former days, or of hosts that may not be framed, into ones of today.
// When it replaced n, done is true and first is the node to go on with.
func convert(n *html.Node) (first *html.Node, done bool) {
	switch n.Data {
	case "acronym":
		rename(n, "abbr")
	case "strike":
		rename(n, "s")
	case "tt":
		rename(n, "code")
	case "font", "big", "nobr":
		if n.Data == "big" {
			addClass(n, "has-medium-font-size")
		}
		rename(n, "span")
	case "center":
		addClass(n, "has-text-align-center")
		rename(n, "div")
	case "header", "footer", "main", "nav", "hgroup":
		rename(n, "div")
	case "menu", "dir":
		rename(n, "ul")
	case "xmp", "listing", "plaintext":
		rename(n, "pre")
	case "embed":
		link := element("a", "href", attr(n, "src"))
		link.AppendChild(textNode(attr(n, "src")))
		replace(n, link)
		return link, true
	case "iframe":
		if _, ok := frameOf(attr(n, "src")); ok {
			return nil, false
		}
		src, ok := linkAddress(attr(n, "src"), false)
		if !ok || !strings.HasPrefix(src, "http") {
			next := n.NextSibling
			n.Parent.RemoveChild(n)
			return next, true
		}
		label := strings.TrimSpace(attr(n, "title"))
		if label == "" {
			label = src
		}
		link := element("a", "href", src)
		link.AppendChild(textNode(label))
		replace(n, link)
		return link, true
	case "audio", "video":
		return convertMedia(n)
	}
	return nil, false
}

// convertMedia keeps sound and film that have a source the policy allows. One that only has plain
// http sources becomes a link to the first, so that it is not lost.
func convertMedia(n *html.Node) (first *html.Node, done bool) {
	insecure, found := "", false
	look := func(raw string) {
		if _, plainHTTP, ok := mediaAddress(raw); ok {
			found = true
		} else if insecure == "" {
			insecure = plainHTTP
		}
	}
	look(attr(n, "src"))
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type == html.ElementNode && c.Data == "source" {
			look(attr(c, "src"))
		}
	}
	if found {
		return nil, false
	}
	if insecure == "" {
		next := n.NextSibling
		n.Parent.RemoveChild(n)
		return next, true
	}
	link := element("a", "href", insecure)
	link.AppendChild(textNode(insecure[strings.LastIndex(strings.TrimRight(insecure, "/"), "/")+1:]))
	replace(n, link)
	return link, true
}

// cleanAttrs replaces the attributes of a known element by those the policy keeps, in a fixed
// order. It returns false when the element is nothing without what it lost.
func cleanAttrs(n *html.Node) bool {
	old := &html.Node{Type: html.ElementNode, Data: n.Data, Attr: n.Attr}
	n.Attr = nil
	keep := true
	switch n.Data {
	case "a":
		cleanLink(n, old)
	case "img":
		keep = cleanImage(n, old)
	case "source":
		keep = cleanSource(n, old)
	case "audio", "video":
		cleanMedia(n, old)
	case "track":
		src, _, ok := mediaAddress(attr(old, "src"))
		keep = ok
		set(n, "src", src)
		set(n, "kind", oneOf(attr(old, "kind"), "captions", "subtitles", "descriptions", "chapters"))
		set(n, "srclang", lang(attr(old, "srclang")))
		set(n, "label", attr(old, "label"))
		setBool(n, old, "default")
	case "iframe":
		f, ok := frameOf(attr(old, "src"))
		if !ok {
			return false
		}
		set(n, "src", f.src)
		if strings.TrimSpace(attr(old, "title")) == "" {
			setAttr(old, "title", f.title)
		}
		copyNumber(n, old, "width", "height")
		set(n, "loading", "lazy")
		set(n, "allow", frameAllow)
		n.Attr = append(n.Attr, html.Attribute{Key: "allowfullscreen"})
		set(n, "referrerpolicy", frameReferrer)
		set(n, "sandbox", sandbox)
	case "td", "th":
		copyNumber(n, old, "colspan", "rowspan")
		if n.Data == "th" {
			set(n, "scope", oneOf(attr(old, "scope"), "row", "col", "rowgroup", "colgroup"))
		}
	case "col", "colgroup":
		copyNumber(n, old, "span")
	case "ol":
		set(n, "start", signed(attr(old, "start")))
		set(n, "type", listType(old))
		setBool(n, old, "reversed")
	case "li":
		set(n, "value", signed(attr(old, "value")))
	case "blockquote", "q":
		setAddress(n, "cite", attr(old, "cite"))
	case "ins", "del":
		setAddress(n, "cite", attr(old, "cite"))
		set(n, "datetime", datetime(attr(old, "datetime")))
	case "time":
		set(n, "datetime", datetime(attr(old, "datetime")))
	case "details":
		setBool(n, old, "open")
	}
	common(n, old)
	cover(n, old)
	return keep
}

// common copies the attributes that every element may have.
func common(n, old *html.Node) {
	if cs := classes(old); len(cs) > 0 {
		set(n, "class", strings.Join(cs, " "))
	}
	id := attr(old, "id")
	if id == "" && n.Data == "a" {
		id = attr(old, "name")
	}
	// A picture's id is reachable as document.<id>, so pictures have none.
	if safeID(id) && n.Data != "img" && n.Data != "iframe" {
		set(n, "id", id)
	}
	set(n, "title", attr(old, "title"))
	set(n, "lang", lang(attr(old, "lang")))
	set(n, "dir", oneOf(strings.ToLower(attr(old, "dir")), "ltr", "rtl", "auto"))
}

// cover keeps the picture of a WordPress cover block that has it as a background style only.
func cover(n, old *html.Node) {
	if n.Data != "div" && n.Data != "section" || !slices.Contains(strings.Fields(attr(old, "class")), "wp-block-cover") {
		return
	}
	if src, ok := linkAddress(backgroundImage(old), false); ok {
		n.InsertBefore(element("img", "src", src, "alt", "", "class", "wp-block-cover__image-background"), n.FirstChild)
	}
}

func cleanLink(n, old *html.Node) {
	setBool(n, old, "download")
	href, ok := linkAddress(attr(old, "href"), true)
	if !ok {
		n.Attr = nil
		return
	}
	set(n, "href", href)
	set(n, "hreflang", lang(attr(old, "hreflang")))
	blank := strings.EqualFold(attr(old, "target"), "_blank")
	if blank {
		set(n, "target", "_blank")
	}
	var rel []string
	for _, r := range strings.Fields(strings.ToLower(attr(old, "rel"))) {
		switch r {
		case "nofollow", "noopener", "noreferrer", "ugc", "sponsored", "tag", "author", "license", "me", "external", "help", "next", "prev", "bookmark":
			if !slices.Contains(rel, r) {
				rel = append(rel, r)
			}
		}
	}
	if (blank || strings.HasPrefix(href, "http")) && !slices.Contains(rel, "noopener") {
		rel = append(rel, "noopener")
	}
	set(n, "rel", strings.Join(rel, " "))
}

func cleanImage(n, old *html.Node) bool {
	src, ok := linkAddress(attr(old, "src"), false)
	if !ok {
		return false
	}
	set(n, "src", src)
	if ss := cleanSrcset(attr(old, "srcset")); ss != "" {
		set(n, "srcset", ss)
		set(n, "sizes", mediaQuery(attr(old, "sizes")))
	}
	n.Attr = append(n.Attr, html.Attribute{Key: "alt", Val: attr(old, "alt")})
	copyNumber(n, old, "width", "height")
	if attr(n, "width") == "" {
		for _, d := range declarations(attr(old, "style")) {
			if px, ok := strings.CutSuffix(d.value, "px"); ok && d.name == "width" {
				set(n, "width", number(px))
			}
		}
	}
	set(n, "loading", oneOf(attr(old, "loading"), "lazy", "eager"))
	set(n, "decoding", oneOf(attr(old, "decoding"), "async", "sync", "auto"))
	return true
}

func cleanSource(n, old *html.Node) bool {
	if src, _, ok := mediaAddress(attr(old, "src")); ok {
		set(n, "src", src)
	}
	set(n, "srcset", cleanSrcset(attr(old, "srcset")))
	if len(n.Attr) == 0 {
		return false
	}
	set(n, "sizes", mediaQuery(attr(old, "sizes")))
	set(n, "media", mediaQuery(attr(old, "media")))
	if t := strings.ToLower(attr(old, "type")); mimeType(t) {
		set(n, "type", t)
	}
	return true
}

// cleanMedia always shows controls and never plays by itself: a page that begins to speak or to
// move unasked keeps people out.
func cleanMedia(n, old *html.Node) {
	if src, _, ok := mediaAddress(attr(old, "src")); ok {
		set(n, "src", src)
	}
	n.Attr = append(n.Attr, html.Attribute{Key: "controls"})
	set(n, "preload", oneOf(attr(old, "preload"), "none", "metadata"))
	setBool(n, old, "loop", "muted")
	if n.Data == "video" {
		if poster, _, ok := mediaAddress(attr(old, "poster")); ok {
			set(n, "poster", poster)
		}
		copyNumber(n, old, "width", "height")
		setBool(n, old, "playsinline")
	}
}

// set adds an attribute unless the value is empty.
func set(n *html.Node, key, val string) {
	if val != "" {
		n.Attr = append(n.Attr, html.Attribute{Key: key, Val: val})
	}
}

func setBool(n, old *html.Node, keys ...string) {
	for _, k := range keys {
		if hasAttr(old, k) {
			n.Attr = append(n.Attr, html.Attribute{Key: k})
		}
	}
}

func setAddress(n *html.Node, key, raw string) {
	if u, ok := linkAddress(raw, false); ok {
		set(n, key, u)
	}
}

func copyNumber(n, old *html.Node, keys ...string) {
	for _, k := range keys {
		set(n, k, number(strings.TrimSuffix(strings.TrimSpace(attr(old, k)), "px")))
	}
}

// number returns s as a whole number from 1 to 9999, or nothing.
func number(s string) string {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 1 || f > 9999 {
		return ""
	}
	return strconv.Itoa(int(f))
}

func signed(s string) string {
	i, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || i > 99999 || i < -99999 {
		return ""
	}
	return strconv.Itoa(i)
}

func oneOf(s string, allowed ...string) string {
	s = strings.TrimSpace(s)
	if slices.Contains(allowed, s) {
		return s
	}
	return ""
}

func lang(s string) string {
	if token(s) && len(s) <= 32 {
		return s
	}
	return ""
}

func listType(old *html.Node) string {
	if t := oneOf(attr(old, "type"), "1", "a", "A", "i", "I"); t != "" {
		return t
	}
	for _, d := range declarations(attr(old, "style")) {
		if d.name == "list-style-type" || d.name == "list-style" {
			switch d.value {
			case "lower-alpha", "lower-latin":
				return "a"
			case "upper-alpha", "upper-latin":
				return "A"
			case "lower-roman":
				return "i"
			case "upper-roman":
				return "I"
			}
		}
	}
	return ""
}

func datetime(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 40 || strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ:.+ -") != "" {
		return ""
	}
	return s
}

func mimeType(s string) bool {
	major, minor, ok := strings.Cut(s, "/")
	return ok && (major == "image" || major == "audio" || major == "video") && minor != "" && len(minor) < 40 &&
		strings.Trim(minor, "abcdefghijklmnopqrstuvwxyz0123456789.+-") == ""
}

func mediaQuery(s string) string {
	if len(s) > 300 {
		return ""
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !token(string(c)) && !strings.ContainsRune(" ().,:%/*+<>=", rune(c)) || c == '_' {
			return ""
		}
	}
	return s
}

func element(tag string, attrs ...string) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: tag, DataAtom: atom.Lookup([]byte(tag))}
	for i := 0; i+1 < len(attrs); i += 2 {
		n.Attr = append(n.Attr, html.Attribute{Key: attrs[i], Val: attrs[i+1]})
	}
	return n
}

func textNode(s string) *html.Node { return &html.Node{Type: html.TextNode, Data: s} }

func rename(n *html.Node, tag string) {
	n.Data = tag
	n.DataAtom = atom.Lookup([]byte(tag))
}

func addClass(n *html.Node, c string) {
	setAttr(n, "class", strings.TrimSpace(attr(n, "class")+" "+c))
}

func replace(old, with *html.Node) {
	old.Parent.InsertBefore(with, old)
	old.Parent.RemoveChild(old)
}

// unwrap puts what n holds in its place and returns the first node of that, or next.
func unwrap(n, next *html.Node) *html.Node {
	first := n.FirstChild
	for c := n.FirstChild; c != nil; c = n.FirstChild {
		n.RemoveChild(c)
		n.Parent.InsertBefore(c, n)
	}
	n.Parent.RemoveChild(n)
	if first == nil {
		return next
	}
	return first
}
