package remote

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

const (
	mostCodes = 5000 // of a document
	longCode  = 100  // bytes
)

// name is the id of a document in its index.
func name(k search.Key) string { return k.Kind + ":" + strconv.FormatInt(int64(k.ID), 10) }

// indexed is a document as it is sent.
func (e *Engine) indexed(d search.Document) object {
	o := object{"kind": d.Kind, "id": d.ID, "gone": d.Gone}
	if d.Gone {
		return o
	}
	o["acl"], o["digest"] = d.ACL, d.Digest
	o["created"], o["modified"] = d.Created.Unix(), d.Modified.Unix()
	if !d.Modified.IsZero() {
		o["month"] = d.Modified.UTC().Format("2006-01")
	}
	if d.Site != 0 {
		o["site"] = d.Site.String()
	}
	if d.Author != 0 {
		o["author"] = d.Author.String()
	}
	if len(d.Tags) > 0 {
		o["tags"] = each(d.Tags, stoa.CleanText)
	}
	if len(d.Categories) > 0 {
		o["categories"] = each(d.Categories, stoa.ID.String)
	}
	texts := map[string]map[string][]string{}
	codes := map[string]bool{}
	for _, l := range slices.Sorted(maps.Keys(d.Texts)) {
		t := d.Texts[l]
		for field, text := range map[string]string{
			fieldTitle: t.Title, fieldHeadings: t.Headings, fieldBody: t.Body, fieldTerms: t.Terms,
		} {
			if text = stoa.CleanText(text); text == "" {
				continue
			}
			codesOf(text, codes)
			text = apart(text)
			for _, analyzer := range []string{"", e.analyzerOf(l)} {
				if texts[analyzer] == nil {
					texts[analyzer] = map[string][]string{}
				}
				texts[analyzer][field] = append(texts[analyzer][field], text)
				if e.analyzerOf(l) == "" {
					break
				}
			}
		}
	}
	for analyzer, fields := range texts {
		if analyzer != "" {
			o[analyzer] = fields
			continue
		}
		for field, all := range fields {
			o[field] = all
		}
	}
	if len(codes) > 0 {
		all := slices.Sorted(maps.Keys(codes))
		o[fieldCodes] = all[:min(len(all), mostCodes)]
	}
	return o
}

func each[T any](list []T, f func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

// apart takes words apart that the servers' rules, which are those of Unicode, leave together: names of files, which
// are joined with underscores and points, and a word before a colon and the next one. Numbers keep their points.
func apart(s string) string {
	if !strings.ContainsAny(s, "_.:") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	before := rune(0)
	for i, r := range s {
		out := r
		switch r {
		case '_':
			out = ' '
		case '.', ':':
			after, _ := utf8.DecodeRuneInString(s[i+1:])
			if unicode.IsLetter(before) && unicode.IsLetter(after) {
				out = ' '
			}
		}
		b.WriteRune(out)
		before = r
	}
	return b.String()
}

// codesOf adds the codes of a text, such as E-1042 and 12.4(b): words with digits and signs in them.
func codesOf(text string, into map[string]bool) {
	if strings.IndexFunc(text, unicode.IsDigit) < 0 {
		return
	}
	for word := range strings.FieldsSeq(text) {
		if len(into) >= mostCodes {
			return
		}
		if c := code(word); c != "" {
			into[c] = true
		}
	}
}

// code gives a word as a code, "" when it is none.
func code(word string) string {
	if len(word) > 2*longCode || strings.IndexFunc(word, unicode.IsDigit) < 0 {
		return ""
	}
	word = strings.TrimLeftFunc(word, func(r rune) bool { return !alike(r) })
	for word != "" {
		r, size := utf8.DecodeLastRuneInString(word)
		open := map[rune]string{')': "(", ']': "[", '}': "{"}[r]
		if alike(r) || open != "" && strings.Count(word, open) >= strings.Count(word, string(r)) {
			break
		}
		word = word[:len(word)-size]
	}
	if len(word) > longCode || strings.IndexFunc(word, func(r rune) bool { return !alike(r) }) < 0 {
		return ""
	}
	return stoa.Fold(word)
}

func alike(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }
