package wordpress

import (
	"encoding/json"
	"strings"
)

// maxBlockDepth bounds how deep blocks nest; what is deeper is shown flat.
const maxBlockDepth = 64

// BlockReport counts what was found in the markup of an item, so that nothing is lost unseen.
type BlockReport struct {
	Blocks       map[string]int // every block by name, "core/" left out
	NoEquivalent map[string]int // those among them that WordPress fills when a page is shown and that left nothing here
	Inside       map[string]int // those among them that went with a block they were in
	Shortcodes   map[string]int // shortcodes that were turned into HTML
	Unknown      map[string]int // shortcodes of plugins, left in the text as they stand
	Embeds       map[string]int // addresses of other sites shown in a frame ("frame") or as a link ("link")
	MissingMedia []int64        // ids of attachments that a gallery or playlist names and the export lacks
	Problems     []string       // markup that could not be read as it should
	Classic      bool           // text of the classic editor, whose line breaks became paragraphs
}

// Add adds the counts of o, for a report about many items.
func (r *BlockReport) Add(o BlockReport) {
	for _, p := range []struct {
		dst *map[string]int
		src map[string]int
	}{{&r.Blocks, o.Blocks}, {&r.NoEquivalent, o.NoEquivalent}, {&r.Inside, o.Inside}, {&r.Shortcodes, o.Shortcodes}, {&r.Unknown, o.Unknown}, {&r.Embeds, o.Embeds}} {
		for k, n := range p.src {
			count(p.dst, k, n)
		}
	}
	r.MissingMedia = append(r.MissingMedia, o.MissingMedia...)
	r.Problems = append(r.Problems, o.Problems...)
	r.Classic = r.Classic || o.Classic
}

func count(m *map[string]int, key string, n int) {
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key] += n
}

// block is one block of an item, or, with an empty name, the HTML between blocks.
type block struct {
	name  string
	attrs map[string]any
	parts []part
}

// part is a piece of what a block saved: HTML, or a block inside it.
type part struct {
	html  string
	inner *block
}

// mark is one block comment.
type mark struct {
	start, end int
	name       string
	attrs      map[string]any
	close      bool // "/wp:name"
	void       bool // "wp:name /"
	broken     bool // the attributes are no JSON
}

// nextMark finds the next block comment at or behind from.
func nextMark(s string, from int) (mark, bool) {
	for {
		i := strings.Index(s[from:], "<!--")
		if i < 0 {
			return mark{}, false
		}
		i += from
		n := strings.Index(s[i+4:], "-->")
		if n < 0 {
			return mark{}, false
		}
		m := mark{start: i, end: i + 4 + n + 3}
		body := strings.TrimSpace(s[i+4 : i+4+n])
		if rest, ok := strings.CutPrefix(body, "/wp:"); ok {
			m.close, body = true, rest
		} else if rest, ok := strings.CutPrefix(body, "wp:"); ok {
			body = rest
		} else {
			from = i + 4
			continue
		}
		if rest, ok := strings.CutSuffix(body, "/"); ok && !m.close {
			m.void, body = true, strings.TrimSpace(rest)
		}
		name, attrs := body, ""
		if cut := strings.IndexAny(body, " \t\r\n{"); cut >= 0 {
			name, attrs = body[:cut], strings.TrimSpace(body[cut:])
		}
		if !blockName(name) {
			from = i + 4
			continue
		}
		m.name = strings.TrimPrefix(name, "core/")
		if attrs != "" && json.Unmarshal([]byte(attrs), &m.attrs) != nil {
			m.broken = true
		}
		return m, true
	}
}

func blockName(s string) bool {
	return s != "" && len(s) <= 100 && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_/") == ""
}

// parseBlocks reads the markup of an item. The root holds everything; blocks that are never closed
// end with the block around them, and closing marks without a beginning are reported and dropped.
func parseBlocks(content string, report *BlockReport) *block {
	root := &block{}
	stack := []*block{root}
	pos := 0
	add := func(p part) {
		top := stack[len(stack)-1]
		top.parts = append(top.parts, p)
	}
	for {
		m, ok := nextMark(content, pos)
		if !ok {
			break
		}
		if m.start > pos {
			add(part{html: content[pos:m.start]})
		}
		pos = m.end
		if m.close {
			at := len(stack) - 1
			for at > 0 && stack[at].name != m.name {
				at--
			}
			if at == 0 {
				report.problem("a block “%s” ends that never began", m.name)
				continue
			}
			for _, b := range stack[at+1:] {
				report.problem("the block “%s” is never closed", b.name)
			}
			stack = stack[:at]
			continue
		}
		if m.broken {
			report.problem("the settings of a block “%s” cannot be read", m.name)
		}
		count(&report.Blocks, m.name, 1)
		b := &block{name: m.name, attrs: m.attrs}
		add(part{inner: b})
		if !m.void && len(stack) <= maxBlockDepth {
			stack = append(stack, b)
		}
	}
	if pos < len(content) {
		add(part{html: content[pos:]})
	}
	for _, b := range stack[1:] {
		report.problem("the block “%s” is never closed", b.name)
	}
	return root
}

// empty reports whether the block saved nothing of its own and holds no blocks.
func (b *block) empty() bool {
	for _, p := range b.parts {
		if p.inner != nil || strings.TrimSpace(p.html) != "" {
			return false
		}
	}
	return true
}

// text returns a setting that is a string, or a number written as one.
func (b *block) text(key string) string {
	switch v := b.attrs[key].(type) {
	case string:
		return v
	case float64:
		return trimNumber(v)
	}
	return ""
}

// saved returns the HTML of the block without what the blocks inside it saved.
func (b *block) saved() string {
	var s strings.Builder
	for _, p := range b.parts {
		s.WriteString(p.html)
	}
	return s.String()
}
