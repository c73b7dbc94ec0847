package richtext

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Images returns the addresses of the pictures in src, each once, in the order they appear: the
// sources of img elements, the candidates of srcset, the posters of films.
func Images(src string) []string {
	return collect(src, func(tag, attr string) bool {
		return tag == "img" || tag == "source" && attr == "srcset" || attr == "poster"
	})
}

// Links returns the addresses that the links of src point to, each once, in the order they appear.
func Links(src string) []string {
	return collect(src, func(tag, attr string) bool { return tag == "a" && attr == "href" })
}

func collect(src string, want func(tag, attr string) bool) []string {
	var out []string
	Rewrite(src, func(tag, attr, url string) string {
		if url != "" && want(tag, attr) && !slices.Contains(out, url) {
			out = append(out, url)
		}
		return url
	})
	return out
}

// Rewrite asks f for the new form of every address in src: links, pictures with all candidates of
// their srcset, sound and film with posters and tracks, frames, sources of quotations. f gets the
// element, the attribute and the address without white space around it, entities resolved; what it returns takes the
// address's place, and an empty answer removes it. Everything that f leaves alone stays as it is,
// byte for byte.
func Rewrite(src string, f func(tag, attr, url string) string) string {
	z := html.NewTokenizer(strings.NewReader(src))
	var b strings.Builder
	b.Grow(len(src))
	for {
		tt := z.Next()
		raw := string(z.Raw())
		if tt == html.ErrorToken {
			b.WriteString(raw)
			return b.String()
		}
		if tt != html.StartTagToken && tt != html.SelfClosingTagToken {
			b.WriteString(raw)
			continue
		}
		t := z.Token()
		if !rewriteToken(&t, f) {
			b.WriteString(raw)
			continue
		}
		b.WriteString("<" + t.Data)
		for _, a := range t.Attr {
			b.WriteString(" " + a.Key)
			if a.Val != "" || !booleanAttr(a.Key) {
				b.WriteString(`="` + escapeAttr(a.Val) + `"`)
			}
		}
		if tt == html.SelfClosingTagToken {
			b.WriteString(" /")
		}
		b.WriteString(">")
	}
}

// rewriteToken rewrites the addresses of one start tag and reports whether any changed.
func rewriteToken(t *html.Token, f func(tag, attr, url string) string) bool {
	changed := false
	keep := t.Attr[:0]
	for _, a := range t.Attr {
		switch {
		case a.Key == "srcset" && (t.Data == "img" || t.Data == "source"):
			cs, touched := parseSrcset(a.Val), false
			for i, c := range cs {
				cs[i].url = f(t.Data, a.Key, c.url)
				touched = touched || cs[i].url != c.url
			}
			if touched {
				changed = true
				if a.Val = joinSrcset(cs); a.Val == "" {
					continue
				}
			}
		case addressAttr(t.Data, a.Key):
			old := strings.TrimSpace(a.Val)
			if v := f(t.Data, a.Key, old); v != old {
				changed = true
				if a.Val = v; v == "" {
					continue
				}
			}
		}
		keep = append(keep, a)
	}
	t.Attr = keep
	return changed
}

func addressAttr(tag, key string) bool {
	switch key {
	case "src":
		return slices.Contains([]string{"img", "source", "audio", "video", "track", "iframe", "embed"}, tag)
	case "href":
		return tag == "a" || tag == "area"
	case "poster":
		return tag == "video"
	case "cite":
		return slices.Contains([]string{"blockquote", "q", "ins", "del"}, tag)
	}
	return false
}

// Addresses returns all addresses in src, each once, in the order they appear, at most limit.
func Addresses(src string, limit int) []string {
	var out []string
	seen := map[string]bool{}
	Rewrite(src, func(_, _, url string) string {
		if url != "" && !seen[url] && len(out) < limit {
			seen[url] = true
			out = append(out, url)
		}
		return url
	})
	return out
}
