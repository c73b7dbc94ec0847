package wordpress

import (
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa/richtext"
)

// File is a file of the library as galleries and players need it.
type File struct {
	ID      int64
	URL     string
	Alt     string
	Title   string
	Caption string // HTML
}

// Renderer turns the markup of items into HTML. Its functions look up what the markup only names;
// each may be nil, and what needs it is then reported as missing.
type Renderer struct {
	File     func(id int64) (File, bool)              // a file of the library by its id
	Attached func() []File                            // the files attached to the item, in their order
	Reusable func(id int64) (content string, ok bool) // the markup of a reusable block
}

// Blocks turns the markup of one item into HTML with the Renderer that knows no files.
func Blocks(content string) (string, BlockReport) { return Renderer{}.Blocks(content) }

// Blocks turns the markup of one item into HTML: block comments go and what the blocks saved stays,
// shortcodes of WordPress itself and addresses alone on a line are turned into figures, galleries,
// players and frames, text of the classic editor gets its paragraphs. The report counts every block
// and every shortcode. The HTML is as safe as the author was: it must pass richtext.Policy before
// it is shown.
func (r Renderer) Blocks(content string) (string, BlockReport) {
	d := &drawing{r: r}
	out := d.content(content)
	return strings.TrimSpace(out), d.report
}

// drawing is the work on one item.
type drawing struct {
	r      Renderer
	report BlockReport
	refs   []int64 // reusable blocks being drawn, so that none holds itself
}

func (r *BlockReport) problem(format string, args ...any) {
	if len(r.Problems) < 50 {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

func (d *drawing) content(content string) string {
	content = strings.ReplaceAll(content, "\r\n", "\n")
	root := parseBlocks(content, &d.report)
	var s pieces
	for _, p := range root.parts {
		if p.inner != nil {
			if drawn := d.block(p.inner); drawn != "" {
				s.add(p.inner, drawn+"\n")
			} else {
				s.add(p.inner, "")
			}
			continue
		}
		if strings.TrimSpace(p.html) == "" {
			continue
		}
		d.report.Classic = true
		s.add(nil, d.paragraphs(d.shortcodes(pageBreaks(p.html), 0))+"\n")
	}
	return s.join(d)
}

// pageBreaks turns the mark between the pages of a post into a rule: a post is one page here.
func pageBreaks(s string) string {
	return strings.ReplaceAll(s, "<!--nextpage-->", `<hr class="wp-block-nextpage">`)
}

// block draws one block and what is in it.
func (d *drawing) block(b *block) string {
	if filledLater(b.name) {
		d.leaveOut(b)
		return ""
	}
	if b.empty() {
		return d.emptyBlock(b)
	}
	switch b.name {
	case "more":
		return richtext.MoreMark
	case "nextpage":
		return pageBreaks("<!--nextpage-->")
	case "shortcode":
		return d.shortcodes(strings.TrimSpace(b.saved()), 0)
	case "embed":
		return d.embedBlock(b)
	case "gallery":
		return d.galleryBlock(b)
	case "social-links", "buttons":
		if s := d.parts(b); strings.Contains(s, "<a ") || strings.Contains(s, "<button") {
			return s
		}
		return ""
	case "code", "preformatted", "verse":
		return strings.TrimSpace(b.saved())
	}
	if strings.HasPrefix(b.name, "core-embed/") {
		return d.embedBlock(b)
	}
	return d.parts(b)
}

// parts joins what the block and the blocks in it saved.
func (d *drawing) parts(b *block) string {
	var s pieces
	for _, p := range b.parts {
		if p.inner != nil {
			s.add(p.inner, d.block(p.inner))
		} else {
			s.add(nil, d.shortcodes(p.html, 0))
		}
	}
	return strings.TrimSpace(s.join(d))
}

// pieces are the parts of a block as they are drawn, one after another.
type pieces []piece

type piece struct {
	html  string
	title bool // a heading
	lost  bool // a block that WordPress fills when a page is shown, and that left nothing
	space bool
}

func (s *pieces) add(b *block, html string) {
	empty := strings.TrimSpace(html) == ""
	*s = append(*s, piece{html: html, title: b != nil && b.name == "heading", space: empty && b == nil,
		lost: empty && b != nil && b.name != "more" && !savesContent(b.name)})
}

// join puts the parts together. A heading above nothing but blocks that were left out goes with them.
func (s pieces) join(d *drawing) string {
	var out strings.Builder
	for i, p := range s {
		if p.title && bare(s[i+1:]) {
			count(&d.report.Inside, "heading", 1)
			continue
		}
		out.WriteString(p.html)
	}
	return out.String()
}

// bare reports whether what follows a heading is one or more parts that were left out, up to the next heading or the
// end.
func bare(rest pieces) bool {
	lost := false
	for _, p := range rest {
		switch {
		case p.title:
			return lost
		case p.lost:
			lost = true
		case !p.space:
			return lost && onlyTags(p.html)
		}
	}
	return lost
}

// onlyTags reports whether a piece is the end of the block around it and nothing to read.
func onlyTags(s string) bool {
	s = strings.TrimSpace(s)
	return strings.HasPrefix(s, "</") && strings.Count(s, "<") == strings.Count(s, "</") && strings.HasSuffix(s, ">") &&
		strings.TrimSpace(new(richtext.Policy).Text(s)) == ""
}

// filledLater lists the blocks around others that WordPress fills when a page is shown: what is
// saved in them is a pattern for things of the old site, not content.
func filledLater(name string) bool {
	switch name {
	case "navigation",
		"navigation-submenu",
		"query",
		"post-template",
		"query-no-results",
		"query-pagination",
		"comments",
		"comments-query-loop",
		"comment-template",
		"comments-pagination",
		"post-comments",
		"post-content",
		"template-part",
		"terms-query",
		"term-template":
		return true
	}
	return false
}

// savesContent lists the blocks of WordPress that save their content; one that is empty says nothing
// and loses nothing.
func savesContent(name string) bool {
	switch name {
	case "paragraph",
		"heading",
		"list",
		"list-item",
		"image",
		"gallery",
		"quote",
		"pullquote",
		"code",
		"preformatted",
		"verse",
		"table",
		"columns",
		"column",
		"group",
		"buttons",
		"button",
		"cover",
		"media-text",
		"file",
		"audio",
		"video",
		"separator",
		"spacer",
		"html",
		"shortcode",
		"details",
		"freeform",
		"social-links",
		"missing",
		"text-columns",
		"subhead",
		"embed":
		return true
	}
	return strings.HasPrefix(name, "core-embed/")
}

// leaveOut counts a block that leaves nothing and everything in it.
func (d *drawing) leaveOut(b *block) {
	if filledLater(b.name) || b.empty() && !savesContent(b.name) {
		count(&d.report.NoEquivalent, b.name, 1)
	} else {
		count(&d.report.Inside, b.name, 1)
	}
	for _, p := range b.parts {
		if p.inner != nil {
			d.leaveOut(p.inner)
		}
	}
}

// emptyBlock draws a block that saved nothing, when its settings say enough.
func (d *drawing) emptyBlock(b *block) string {
	switch {
	case b.name == "more":
		return richtext.MoreMark
	case b.name == "nextpage":
		return pageBreaks("<!--nextpage-->")
	case b.name == "block":
		if s, ok := d.reusable(b); ok {
			return s
		}
	case b.name == "social-link":
		if u := b.text("url"); strings.HasPrefix(u, "http") || strings.HasPrefix(u, "mailto:") {
			label := b.text("label")
			if label == "" {
				label = strings.ToUpper(
					firstRune(b.text("service")),
				) + strings.TrimPrefix(
					b.text("service"),
					firstRune(b.text("service")),
				)
			}
			if label == "" {
				label = u
			}
			return `<li class="wp-block-social-link"><a href="` + html.EscapeString(
				u,
			) + `">` + html.EscapeString(
				label,
			) + `</a></li>`
		}
	case b.name == "embed" || strings.HasPrefix(b.name, "core-embed/"):
		if b.text("url") != "" {
			return d.embedBlock(b)
		}
	}
	if !savesContent(b.name) {
		count(&d.report.NoEquivalent, b.name, 1)
	}
	return ""
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

func trimNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// reusable draws the block that ref names, once inside itself at most.
func (d *drawing) reusable(b *block) (string, bool) {
	id, err := strconv.ParseInt(b.text("ref"), 10, 64)
	if err != nil || d.r.Reusable == nil || slices.Contains(d.refs, id) || len(d.refs) > 8 {
		return "", false
	}
	content, ok := d.r.Reusable(id)
	if !ok {
		return "", false
	}
	d.refs = append(d.refs, id)
	s := d.content(content)
	d.refs = d.refs[:len(d.refs)-1]
	return s, true
}

// embedBlock puts a frame or a link where the block saved the bare address; its caption stays.
func (d *drawing) embedBlock(b *block) string {
	saved := strings.TrimSpace(d.parts(b))
	address := b.text("url")
	start, end := -1, -1
	if i := strings.Index(saved, "wp-block-embed__wrapper"); i >= 0 {
		if j := strings.Index(saved[i:], ">"); j >= 0 {
			start = i + j + 1
			if k := strings.Index(saved[start:], "<"); k >= 0 {
				end = start + k
			}
		}
	}
	if end >= 0 {
		if t := html.UnescapeString(strings.TrimSpace(saved[start:end])); bareAddress(t) {
			address = t
		}
		if address == "" {
			return saved
		}
		return saved[:start] + d.frame(address) + saved[end:]
	}
	if address == "" || !bareAddress(address) {
		return saved
	}
	return d.embed(address)
}

// frame returns the frame of a known provider, or a link.
func (d *drawing) frame(address string) string {
	if f, ok := richtext.Embed(address); ok {
		count(&d.report.Embeds, "frame", 1)
		return f
	}
	count(&d.report.Embeds, "link", 1)
	return `<a href="` + html.EscapeString(address) + `">` + html.EscapeString(address) + `</a>`
}

// embed returns the figure for an address that stands for what is there.
func (d *drawing) embed(address string) string {
	return `<figure class="wp-block-embed"><div class="wp-block-embed__wrapper">` + d.frame(address) + `</div></figure>`
}

// bareAddress reports whether s is one web address and nothing else.
func bareAddress(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && len(s) > 10 && len(s) < 2000 &&
		!strings.ContainsAny(s, " \t\r\n<>\"")
}

// galleryBlock gives galleries of all ages one form: figures inside a figure. Older ones are lists.
func (d *drawing) galleryBlock(b *block) string {
	s := d.parts(b)
	if !strings.Contains(s, "<ul") {
		return s
	}
	var out strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			break
		}
		out.WriteString(s[:i])
		s = s[i:]
		j := strings.IndexByte(s, '>')
		if j < 0 {
			break
		}
		tag := s[:j+1]
		s = s[j+1:]
		switch {
		case strings.HasPrefix(tag, "<ul"), tag == "</ul>", strings.HasPrefix(tag, "<li"), tag == "</li>":
		case tag == "<figure>":
			out.WriteString(`<figure class="wp-block-image">`)
		default:
			out.WriteString(tag)
		}
	}
	out.WriteString(s)
	return out.String()
}
