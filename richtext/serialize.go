package richtext

import (
	"strings"

	"golang.org/x/net/html"
)

// moreClass marks the rule that stands for MoreMark while bluemonday, which knows no comments,
// looks at the text.
const moreClass = "rt-more"

// serialize writes the children of root. With marks, the teaser marker is written as the rule that
// stands for it; without, as the comment it is. Elements that the policy does not know are not
// written at all, whatever put them into the tree.
func serialize(root *html.Node, marks bool) string {
	var b strings.Builder
	for c := root.FirstChild; c != nil; c = c.NextSibling {
		writeNode(&b, c, marks)
	}
	return b.String()
}

func writeNode(b *strings.Builder, n *html.Node, marks bool) {
	switch n.Type {
	case html.TextNode:
		b.WriteString(escapeText(n.Data))
	case html.CommentNode:
		if !marks && isMore(n.Data) {
			b.WriteString(MoreMark)
		}
	case html.ElementNode:
		if n.Namespace != "" || !knownElement(n.Data) {
			return
		}
		if !marks && n.Data == "hr" && attr(n, "class") == moreClass {
			b.WriteString(MoreMark)
			return
		}
		b.WriteString("<" + n.Data)
		for _, a := range n.Attr {
			if a.Namespace != "" {
				continue
			}
			b.WriteString(" " + a.Key)
			if a.Val != "" || !booleanAttr(a.Key) {
				b.WriteString(`="` + escapeAttr(a.Val) + `"`)
			}
		}
		b.WriteString(">")
		if voidElement(n.Data) {
			return
		}
		// The parser drops one newline after these start tags, so a real one needs another.
		if c := n.FirstChild; n.Data == "pre" && c != nil && c.Type == html.TextNode && strings.HasPrefix(c.Data, "\n") {
			b.WriteString("\n")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			writeNode(b, c, marks)
		}
		b.WriteString("</" + n.Data + ">")
	}
}

// The replacers are built once: a text has thousands of pieces.
var (
	inText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\u00a0", "&nbsp;", "\r", "&#13;")
	inAttr = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\u00a0", "&nbsp;", "\r", "&#13;")
)

func escapeText(s string) string { return inText.Replace(s) }

func escapeAttr(s string) string { return inAttr.Replace(s) }

func isMore(comment string) bool {
	c := strings.TrimSpace(comment)
	return c == "more" || strings.HasPrefix(c, "more ")
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key && a.Namespace == "" {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key && a.Namespace == "" {
			return true
		}
	}
	return false
}

func setAttr(n *html.Node, key, val string) {
	for i, a := range n.Attr {
		if a.Key == key && a.Namespace == "" {
			n.Attr[i].Val = val
			return
		}
	}
	n.Attr = append(n.Attr, html.Attribute{Key: key, Val: val})
}

func removeAttr(n *html.Node, key string) {
	keep := n.Attr[:0]
	for _, a := range n.Attr {
		if a.Key != key || a.Namespace != "" {
			keep = append(keep, a)
		}
	}
	n.Attr = keep
}

func booleanAttr(key string) bool {
	switch key {
	case "controls", "loop", "muted", "playsinline", "default", "open", "reversed", "allowfullscreen", "download":
		return true
	}
	return false
}

func voidElement(tag string) bool {
	switch tag {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr":
		return true
	}
	return false
}
