package richtext

import (
	"strings"

	"golang.org/x/net/html"
)

// Reading is what there is to read in HTML.
type Reading struct {
	Text     string // all of it, with the descriptions of pictures at the end
	Headings string // what is in h1 to h6
}

// Read returns what there is to read in src.
func Read(src string) Reading {
	var headings, pictures []string
	z := html.NewTokenizer(strings.NewReader(src))
	level, from := "", 0
	for at := 0; ; {
		kind := z.Next()
		raw := len(z.Raw())
		if kind == html.ErrorToken {
			break
		}
		name, more := z.TagName()
		tag := string(name)
		switch {
		case kind == html.StartTagToken && level == "" && isHeading(tag):
			level, from = tag, at+raw
		case kind == html.EndTagToken && tag == level:
			headings, level = append(headings, textOf(src[from:at])), ""
		case tag == "img" && kind != html.EndTagToken:
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				if alt := strings.Join(strings.Fields(string(value)), " "); string(key) == "alt" && alt != "" {
					pictures = append(pictures, alt)
				}
			}
		}
		at += raw
	}
	text := textOf(src)
	if len(pictures) > 0 {
		text = strings.TrimSpace(text + " " + strings.Join(pictures, " "))
	}
	return Reading{Text: text, Headings: strings.Join(headings, " ")}
}

func isHeading(tag string) bool {
	return len(tag) == 2 && tag[0] == 'h' && tag[1] >= '1' && tag[1] <= '6'
}
