// Package richtext handles the HTML that people and imports bring in: it makes it safe to store and
// to show (Sanitize, SanitizeSVG), takes text, summaries, images and links out of it, rewrites its
// addresses, and prepares it for a page (Prepare, TableOfContents). It knows no services and keeps
// no state; everything in it is safe for concurrent use.
package richtext

import (
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// MoreMark is the comment that separates the teaser of an entry from the rest. It is the only
// comment that Sanitize keeps, always in this spelling.
const MoreMark = "<!--more-->"

// maxRounds bounds how often Sanitize cleans its own output before it gives up on markup. Real
// documents are stable after the second round; only hostile nesting needs more.
const maxRounds = 8

// Policy decides which HTML is safe to store. It does not change after New and is safe for
// concurrent use.
type Policy struct {
	gate *bluemonday.Policy
}

// New returns the policy of the portal: text, headings, lists, tables, figures, pictures, audio and
// video, and frames of the few hosts that Embed knows. It allows no scripts, no styles, no forms.
func New() *Policy {
	return &Policy{gate: newGate()}
}

// Sanitize returns the safe part of src, a fragment of HTML of any origin, in a normal form:
// cleaning it again changes nothing. Useful inline styles become classes, frames of unknown hosts
// become links, unknown elements give way to what they hold. The markers of teasers (MoreMark)
// stay. Markup that nests deeper than a browser would follow is reduced to its text.
func (p *Policy) Sanitize(src string) string {
	cur := src
	for range maxRounds {
		next, ok := p.round(cur)
		if !ok {
			return plain(src)
		}
		if next == cur {
			return next
		}
		cur = next
	}
	return plain(src)
}

// round cleans once: our own rules on the parsed tree, then bluemonday on the text of the result,
// then the normal form. Because Sanitize repeats it until nothing changes, what is stored has been
// seen by both gates exactly as a browser will read it.
func (p *Policy) round(src string) (string, bool) {
	root, err := parseFragment(src)
	if err != nil {
		return "", false
	}
	cleanTree(root)
	gated := p.gate.Sanitize(serialize(root, true))
	root, err = parseFragment(gated)
	if err != nil {
		return "", false
	}
	return serialize(root, false), true
}

// plain is the last resort: the text alone, as one paragraph.
func plain(src string) string {
	t := textOf(src)
	if t == "" {
		return ""
	}
	return "<p>" + escapeText(t) + "</p>"
}

// parseFragment parses src the way a browser parses the inside of a div, scripts switched off. It
// returns a div that holds the result, or an error when src nests too deep.
func parseFragment(src string) (*html.Node, error) {
	ctx := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	nodes, err := html.ParseFragmentWithOptions(strings.NewReader(src), ctx, html.ParseOptionEnableScripting(false))
	if err != nil {
		return nil, err
	}
	root := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	for _, n := range nodes {
		root.AppendChild(n)
	}
	return root, nil
}
