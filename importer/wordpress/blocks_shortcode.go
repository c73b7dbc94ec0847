package wordpress

import (
	"html"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxShortcode bounds the length of the opening tag of a shortcode, in bytes.
const maxShortcode = 8 << 10

// shortcodes turns the shortcodes of WordPress itself into HTML. Those in listings stay, as do those
// of plugins, which are counted.
func (d *drawing) shortcodes(s string, depth int) string {
	if !strings.Contains(s, "[") {
		return s
	}
	var out strings.Builder
	closing := map[string]int{} // where the next "[/name]" is, -1 for nowhere
	for i := 0; i < len(s); {
		switch s[i] {
		case '<':
			n := skipTag(s[i:])
			out.WriteString(s[i : i+n])
			i += n
			continue
		case '[':
		default:
			n := strings.IndexAny(s[i:], "<[")
			if n < 0 {
				n = len(s) - i
			}
			out.WriteString(s[i : i+n])
			i += n
			continue
		}
		if literal, n := escapedShortcode(s[i:]); n > 0 {
			out.WriteString(literal)
			i += n
			continue
		}
		code, n := parseShortcode(s[i:])
		if n == 0 {
			out.WriteByte('[')
			i++
			continue
		}
		end := i + n
		closeTag := "[/" + code.name + "]"
		at, seen := closing[code.name]
		if !code.void && (!seen || at >= 0 && at < end) {
			if at = strings.Index(s[end:], closeTag); at >= 0 {
				at += end
			}
			closing[code.name] = at
		}
		if !code.void && at >= end {
			code.content, code.closed = s[end:at], true
		}
		if !ownShortcode(code.name) {
			if code.closed || len(code.attrs) > 0 {
				count(&d.report.Unknown, code.name, 1)
			}
			out.WriteString(s[i:end])
			i = end
			continue
		}
		// A gallery never has content; a later one's end belongs to that one.
		if code.closed && (code.name == "gallery" || code.name == "playlist" || strings.Contains(code.content, "["+code.name)) {
			code.content, code.closed = "", false
		}
		drawn, ok := d.draw(code, depth)
		if !ok {
			out.WriteString(s[i:end])
			i = end
			continue
		}
		count(&d.report.Shortcodes, code.name, 1)
		out.WriteString(drawn)
		i = end
		if code.closed {
			i = at + len(closeTag)
		}
	}
	return out.String()
}

// skipTag returns the length of the tag, comment or listing at the start of s.
func skipTag(s string) int {
	if strings.HasPrefix(s, "<!--") {
		if end := strings.Index(s, "-->"); end >= 0 {
			return end + 3
		}
		return len(s)
	}
	if len(s) < 2 || !(s[1] == '/' || s[1] >= 'a' && s[1] <= 'z' || s[1] >= 'A' && s[1] <= 'Z') {
		return 1
	}
	quote := byte(0)
	n := len(s)
	for i := 1; i < len(s); i++ {
		c := s[i]
		if quote != 0 {
			if c == quote {
				quote = 0
			}
		} else if (c == '"' || c == '\'') && s[i-1] == '=' {
			quote = c
		} else if c == '>' {
			n = i + 1
			break
		}
	}
	for _, raw := range []string{"pre", "code", "script", "style", "textarea"} {
		if len(s) > len(raw)+1 && strings.EqualFold(s[1:1+len(raw)], raw) && strings.IndexByte(" \t\n>", s[1+len(raw)]) >= 0 {
			if end := indexFold(s[n:], "</"+raw); end >= 0 {
				return n + end
			}
			return n
		}
	}
	return n
}

// indexFold finds an ASCII word whatever its case, without copying s.
func indexFold(s, word string) int {
	for i := 0; ; {
		j := strings.Index(s[i:], word[:2])
		if j < 0 || i+j+len(word) > len(s) {
			return -1
		}
		i += j
		if strings.EqualFold(s[i:i+len(word)], word) {
			return i
		}
		i += 2
	}
}

func ownShortcode(name string) bool {
	switch name {
	case "caption", "wp_caption", "gallery", "embed", "audio", "video", "playlist":
		return true
	}
	return false
}

// shortcode is one use of a shortcode.
type shortcode struct {
	name    string
	attrs   map[string]string
	values  []string // attributes without a name
	content string
	closed  bool
	void    bool
}

func (c shortcode) int(key string, def, low, high int) int {
	n, err := strconv.Atoi(strings.TrimSpace(c.attrs[key]))
	if err != nil {
		return def
	}
	return min(max(n, low), high)
}

// ids returns the attachment ids in an attribute.
func (c shortcode) ids(key string) []int64 {
	var out []int64
	for _, f := range strings.FieldsFunc(c.attrs[key], func(r rune) bool { return r == ',' || r == ' ' }) {
		if id, err := strconv.ParseInt(f, 10, 64); err == nil && id > 0 && len(out) < 1000 {
			out = append(out, id)
		}
	}
	return out
}

// escapedShortcode recognizes [[name …]], which stands for the text [name …].
func escapedShortcode(s string) (literal string, n int) {
	if !strings.HasPrefix(s, "[[") {
		return "", 0
	}
	if c, n := parseShortcode(s[1:]); n > 0 && ownShortcode(c.name) && strings.HasPrefix(s[1+n:], "]") {
		return s[1 : 1+n], n + 2
	}
	return "", 0
}

// parseShortcode reads the opening tag of a shortcode at the start of s; n is its length, 0 when
// there is none.
func parseShortcode(s string) (c shortcode, n int) {
	i := 1
	for i < len(s) && i < 64 && (s[i] >= 'a' && s[i] <= 'z' || i > 1 && (s[i] >= '0' && s[i] <= '9' || s[i] == '_' || s[i] == '-')) {
		i++
	}
	if i < 3 || i >= len(s) || strings.IndexByte(" \t\r\n]/", s[i]) < 0 && s[i] != 0xc2 {
		return c, 0
	}
	c.name = s[1:i]
	end, quote := -1, byte(0)
	for j := i; j < len(s) && j < maxShortcode; j++ {
		ch := s[j]
		if quote != 0 {
			if ch == quote {
				quote = 0
			}
			continue
		}
		switch {
		case (ch == '"' || ch == '\'') && s[j-1] == '=':
			quote = ch
		case ch == ']':
			end = j
		case ch == '[':
			return c, 0
		}
		if end >= 0 {
			break
		}
	}
	if end < 0 {
		return c, 0
	}
	body := strings.ReplaceAll(s[i:end], "\u00a0", " ")
	if rest, ok := strings.CutSuffix(strings.TrimSpace(body), "/"); ok && !strings.HasSuffix(rest, "/") && (rest == "" || strings.HasSuffix(rest, " ") || strings.HasSuffix(rest, `"`)) {
		c.void, body = true, rest
	}
	c.attrs, c.values = parseAttrs(body)
	return c, end + 1
}

// parseAttrs reads name="value", name='value', name=value and bare values.
func parseAttrs(s string) (attrs map[string]string, values []string) {
	attrs = map[string]string{}
	for len(attrs)+len(values) < 100 {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			break
		}
		name := ""
		if eq := strings.IndexAny(s, "= \t\r\n\"'"); eq > 0 && s[eq] == '=' {
			name, s = strings.ToLower(s[:eq]), s[eq+1:]
		}
		var val string
		if s != "" && (s[0] == '"' || s[0] == '\'') {
			if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
				val, s = s[1:1+end], s[end+2:]
			} else {
				val, s = s[1:], ""
			}
		} else {
			end := strings.IndexAny(s, " \t\r\n")
			if end < 0 {
				end = len(s)
			}
			val, s = s[:end], s[end:]
		}
		if name != "" {
			attrs[name] = val
		} else if val != "" {
			values = append(values, val)
		}
	}
	return attrs, values
}

// draw turns one shortcode into HTML; false leaves it in the text.
func (d *drawing) draw(c shortcode, depth int) (string, bool) {
	switch c.name {
	case "caption", "wp_caption":
		if !c.closed || depth > 4 {
			return "", false
		}
		return d.caption(c, depth)
	case "gallery":
		return d.gallery(c)
	case "playlist":
		return d.playlist(c)
	case "embed":
		address := strings.TrimSpace(html.UnescapeString(c.content))
		if address == "" {
			address = html.UnescapeString(c.attrs["src"])
		}
		if !bareAddress(address) {
			return "", false
		}
		return "\n\n" + d.embed(address) + "\n\n", true
	case "audio", "video":
		return d.player(c)
	}
	return "", false
}

// caption splits the picture, with the link around it, from the words under it.
func (d *drawing) caption(c shortcode, depth int) (string, bool) {
	inner := strings.TrimSpace(c.content)
	img := indexFold(inner, "<img")
	if img < 0 {
		return "", false
	}
	cut := img + skipTag(inner[img:])
	if lead := strings.TrimSpace(inner[:img]); len(lead) > 2 && strings.EqualFold(lead[:2], "<a") {
		if end := indexFold(inner[cut:], "</a>"); end >= 0 {
			cut += end + len("</a>")
		}
	}
	picture, words := inner[:cut], strings.TrimSpace(inner[cut:])
	if old := c.attrs["caption"]; old != "" {
		words = old
	}
	class := "wp-block-image wp-caption"
	switch a := c.attrs["align"]; a {
	case "alignleft", "alignright", "aligncenter", "alignnone":
		class += " " + a
	}
	s := "\n\n" + `<figure class="` + class + `">` + picture
	if words != "" {
		s += "<figcaption>" + d.shortcodes(words, depth+1) + "</figcaption>"
	}
	return s + "</figure>\n\n", true
}

// files looks up the files of a gallery or playlist; those the export lacks are reported.
func (d *drawing) files(c shortcode, kind string) []File {
	ids := append(c.ids("ids"), c.ids("include")...)
	if len(ids) == 0 && d.r.Attached != nil {
		not := c.ids("exclude")
		var out []File
		for _, f := range d.r.Attached() {
			if fileKind(f.URL) == kind && !slices.Contains(not, f.ID) {
				out = append(out, f)
			}
		}
		return out
	}
	var out []File
	for _, id := range ids {
		if d.r.File != nil {
			if f, ok := d.r.File(id); ok {
				if fileKind(f.URL) == kind {
					out = append(out, f)
				}
				continue
			}
		}
		d.report.MissingMedia = append(d.report.MissingMedia, id)
	}
	return out
}

// fileKind tells from its name whether a file is a picture, sound or film.
func fileKind(address string) string {
	address, _, _ = strings.Cut(address, "?")
	switch strings.ToLower(path.Ext(address)) {
	case ".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".bmp":
		return "image"
	case ".mp3", ".m4a", ".ogg", ".oga", ".wav", ".flac", ".aac", ".opus":
		return "audio"
	case ".mp4", ".m4v", ".webm", ".ogv", ".mov":
		return "video"
	}
	return ""
}

func (d *drawing) gallery(c shortcode) (string, bool) {
	files := d.files(c, "image")
	if len(files) == 0 {
		d.report.problem("a gallery shows none of its pictures: they are not in the export")
		return "", true
	}
	var b strings.Builder
	b.WriteString("\n\n" + `<figure class="wp-block-gallery gallery columns-` + strconv.Itoa(c.int("columns", 3, 1, 9)) + `">`)
	for _, f := range files {
		b.WriteString(`<figure class="wp-block-image">`)
		img := `<img src="` + html.EscapeString(f.URL) + `" alt="` + html.EscapeString(f.Alt) + `" class="wp-image-` + strconv.FormatInt(f.ID, 10) + `">`
		if c.attrs["link"] != "none" {
			img = `<a href="` + html.EscapeString(f.URL) + `">` + img + `</a>`
		}
		b.WriteString(img)
		if f.Caption != "" {
			b.WriteString("<figcaption>" + f.Caption + "</figcaption>")
		}
		b.WriteString("</figure>")
	}
	b.WriteString("</figure>\n\n")
	return b.String(), true
}

func (d *drawing) playlist(c shortcode) (string, bool) {
	kind := "audio"
	if c.attrs["type"] == "video" {
		kind = "video"
	}
	files := d.files(c, kind)
	if len(files) == 0 {
		d.report.problem("a playlist plays none of its files: they are not in the export")
		return "", true
	}
	var b strings.Builder
	for _, f := range files {
		b.WriteString("\n\n" + `<figure class="wp-block-` + kind + `"><` + kind + ` controls src="` + html.EscapeString(f.URL) + `"></` + kind + `>`)
		if f.Title != "" {
			b.WriteString("<figcaption>" + html.EscapeString(f.Title) + "</figcaption>")
		}
		b.WriteString("</figure>\n\n")
	}
	return b.String(), true
}

// player draws [audio] and [video]: the source stands in an attribute named src or after the kind of
// file, without a name, or between the tags; failing all, the first file attached is meant.
func (d *drawing) player(c shortcode) (string, bool) {
	src := ""
	for _, key := range []string{"src", "mp3", "m4a", "ogg", "oga", "wav", "flac", "mp4", "m4v", "webm", "ogv"} {
		if v := c.attrs[key]; v != "" && src == "" {
			src = v
		}
	}
	for _, v := range append(slices.Clone(c.values), strings.TrimSpace(c.content)) {
		if src == "" && bareAddress(v) {
			src = v
		}
	}
	if src == "" {
		if files := d.files(shortcode{}, c.name); len(files) > 0 {
			src = files[0].URL
		}
	}
	if src == "" {
		return "", false
	}
	src = html.UnescapeString(src)
	s := "\n\n" + `<figure class="wp-block-` + c.name + `"><` + c.name + ` controls src="` + html.EscapeString(src) + `"`
	if c.name == "video" {
		if p := html.UnescapeString(c.attrs["poster"]); p != "" {
			s += ` poster="` + html.EscapeString(p) + `"`
		}
		for _, k := range []string{"width", "height"} {
			if n := c.int(k, 0, 0, 9999); n > 0 {
				s += " " + k + `="` + strconv.Itoa(n) + `"`
			}
		}
	}
	return s + "></" + c.name + "></figure>\n\n", true
}
