package richtext

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// Text returns the text of src without markup, every run of white space folded to one space.
// Scripts, styles and other parts that are not read are left out; entities are resolved.
func (p *Policy) Text(src string) string { return textOf(src) }

// Summary returns the first words of src as plain text, with an ellipsis when there is more. Text
// behind the teaser marker (MoreMark) never takes part. Languages that put no spaces between words
// count every third letter as a word, so that a summary has about the same length in each.
func Summary(src string, words int) string {
	teaser, rest, marked := cutMore(src)
	text := textOf(teaser)
	end, n, letters := len(text), 0, 0
	inWord := false
	for i, r := range text {
		if r == ' ' {
			inWord, letters = false, 0
			continue
		}
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer):
			if letters%3 == 0 {
				n++
			}
			letters++
			inWord = true
		case !inWord:
			n++
			inWord = true
		}
		if n > words {
			end = i
			break
		}
	}
	if end < len(text) {
		return ellipsis(text[:end])
	}
	if marked && textOf(rest) != "" {
		return ellipsis(text)
	}
	return text
}

func ellipsis(s string) string {
	return strings.TrimRightFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;:.–—-…", r) }) + "…"
}

// cutMore splits src at the teaser marker, in any spelling WordPress knows.
func cutMore(src string) (before, after string, found bool) {
	for from := 0; ; {
		i := strings.Index(src[from:], "<!--")
		if i < 0 {
			return src, "", false
		}
		i += from
		end := strings.Index(src[i:], "-->")
		if end < 0 {
			return src, "", false
		}
		if isMore(src[i+4 : i+end]) {
			return src[:i], src[i+end+3:], true
		}
		from = i + end
	}
}

// textOf walks the tokens, not the tree, so that no input is too deep for it.
func textOf(src string) string {
	z := html.NewTokenizer(strings.NewReader(src))
	var b strings.Builder
	space := false
	write := func(s string) {
		for _, r := range s {
			if unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u200b' || r == '\ufeff' {
				space = true
				continue
			}
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			b.WriteRune(r)
		}
	}
	skip, depth := "", 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if skip == "" {
				write(html.UnescapeString(string(z.Raw())))
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			tag := string(name)
			if !inlineElement(tag) && !silent(tag) {
				space = true
			}
			if skip == "" && unread(tag) {
				skip, depth = tag, 1
			} else if skip == tag {
				depth++
			}
		case html.SelfClosingTagToken:
			if name, _ := z.TagName(); !inlineElement(string(name)) {
				space = true
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			tag := string(name)
			if !inlineElement(tag) && !silent(tag) {
				space = true
			}
			if skip == tag {
				if depth--; depth == 0 {
					skip = ""
				}
			}
		}
	}
}

// unread lists the elements whose content is not text for people.
func unread(tag string) bool {
	switch tag {
	case "script", "style", "template", "noscript", "noembed", "noframes", "iframe", "object", "title", "svg", "math", "textarea", "select", "rp":
		return true
	}
	return false
}

// silent lists the elements that leave no trace in the text at all.
func silent(tag string) bool {
	return tag == "script" || tag == "style" || tag == "template" || tag == "rp"
}

// inlineElement lists the elements that do not part words.
func inlineElement(tag string) bool {
	switch tag {
	case "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark", "nobr", "q", "s",
		"samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr", "time", "ruby", "rt", "rb":
		return true
	}
	return false
}
