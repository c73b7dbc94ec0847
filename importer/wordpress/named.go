package wordpress

import (
	"cmp"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// named gives a text to linked pictures that have none, and which screen readers would call by their address: that of
// the file, the caption, the title of the file, or its name.
func (p *Plan) named(src string) string {
	if !strings.Contains(src, "<img") {
		return src
	}
	z := html.NewTokenizer(strings.NewReader(src))
	var out strings.Builder
	link := -1 // where in out the link begins; -1 outside of links
	var picture html.Token
	start, end := -1, -1 // of the first picture without a text in it, in out
	words := false
	read := 0
	for {
		kind := z.Next()
		raw := string(z.Raw())
		read += len(raw)
		if kind == html.ErrorToken {
			out.WriteString(raw)
			return out.String()
		}
		at := out.Len()
		out.WriteString(raw)
		switch t := z.Token(); {
		case kind == html.StartTagToken && t.Data == "a":
			link, start, words = at, -1, labelled(t)
		case kind == html.EndTagToken && t.Data == "a":
			if link >= 0 && start >= 0 && !words {
				if text := p.words(picture, src[read:]); text != "" {
					done := out.String()
					out.Reset()
					out.WriteString(done[:start] + withAlt(picture, text) + done[end:])
				}
			}
			link = -1
		case link < 0:
		case kind == html.TextToken && strings.TrimSpace(t.Data) != "":
			words = true
		case t.Data == "img" && alt(t) != "":
			words = true
		case t.Data == "img" && start < 0:
			picture, start, end = t, at, out.Len()
		}
	}
}

func labelled(t html.Token) bool {
	for _, a := range t.Attr {
		if a.Key == "aria-label" && strings.TrimSpace(a.Val) != "" {
			return true
		}
	}
	return false
}

func alt(t html.Token) string {
	for _, a := range t.Attr {
		if a.Key == "alt" {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

// words finds a text for a picture; after is what stands behind its link.
func (p *Plan) words(t html.Token, after string) string {
	var f File
	address := ""
	for _, a := range t.Attr {
		switch a.Key {
		case "src":
			address = a.Val
		case "class":
			for _, c := range strings.Fields(a.Val) {
				id, err := strconv.ParseInt(strings.TrimPrefix(c, "wp-image-"), 10, 64)
				if it := p.byID[id]; err == nil && it != nil && it.Type == TypeAttachment {
					f = it.file()
				}
			}
		}
	}
	caption := ""
	figure, _, _ := strings.Cut(after, "</figure>")
	if _, rest, ok := strings.Cut(figure, "<figcaption"); ok && !strings.Contains(figure, "<img") {
		_, rest, _ = strings.Cut(rest, ">")
		rest, _, _ = strings.Cut(rest, "</figcaption>")
		caption = plain(rest)
	}
	return shorten(cmp.Or(f.Alt, caption, plain(f.Caption), f.Title, fileName(address)), 300)
}

// withAlt writes an img element with the text.
func withAlt(t html.Token, text string) string {
	attrs := []html.Attribute{{Key: "alt", Val: text}}
	for _, a := range t.Attr {
		if a.Key != "alt" {
			attrs = append(attrs, a)
		}
	}
	t.Attr = attrs
	return t.String()
}
