package richtext

import (
	"io"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/stoa-portal/stoa"
)

// The limits of a fragment that Check accepts. What people write stays far below: a long book chapter has some
// thousand elements, 20 deep.
const (
	MaxNodes = 100_000 // elements, pieces of text and comments
	MaxDepth = 256     // elements one inside the other
	// maxWork bounds what a parser makes of elements that are closed in the wrong order: each block that begins while n
	// words of emphasis are open can get n elements more.
	maxWork = 10 * MaxNodes
)

// Check refuses a fragment of HTML that would take more time and memory to clean than text is worth: with more than
// MaxNodes nodes or more than MaxDepth elements inside one another. It takes time in proportion to the length of src,
// whatever is in it. The error is TooLarge and names the limit.
func Check(src string) error {
	var open []atom.Atom
	nodes, work, emphasis := 0, 0, 0
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if z.Err() == io.EOF {
				return nil
			}
			return stoa.Invalid("", "the text is not HTML that can be read: %v", z.Err())
		}
		switch kind {
		case html.EndTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			// What is closed in the wrong order closes the nearest one of its kind; the look back is bounded by the depth.
			for i := len(open) - 1; i >= 0; i-- {
				if open[i] == a {
					for _, closed := range open[i:] {
						if formatting(closed) {
							emphasis--
						}
					}
					open = open[:i]
					break
				}
			}
			continue
		case html.StartTagToken:
			name, _ := z.TagName()
			if a := atom.Lookup(name); !impliedEnd(a) && !voidElement(string(name)) {
				if open = append(open, a); len(open) > MaxDepth {
					return stoa.TooLarge("the text nests elements more than %d deep: take out some of the elements around others",
						MaxDepth)
				}
				if formatting(a) {
					emphasis++
				}
			}
		}
		if nodes++; nodes > MaxNodes {
			return stoa.TooLarge("the text has more than %d elements and pieces of text: divide it into several", MaxNodes)
		}
		if work += 1 + emphasis; work > maxWork {
			return stoa.TooLarge(
				"the text has more than %d elements, counted with the emphasis around each: divide it into several",
				MaxNodes,
			)
		}
	}
}

// formatting names the elements that parsers open again in the next block when they were not closed.
func formatting(a atom.Atom) bool {
	switch a {
	case atom.A,
		atom.B,
		atom.Big,
		atom.Code,
		atom.Em,
		atom.Font,
		atom.I,
		atom.Nobr,
		atom.S,
		atom.Small,
		atom.Strike,
		atom.Strong,
		atom.Tt,
		atom.U:
		return true
	}
	return false
}

// impliedEnd names the elements that end by themselves where the next one of their kind begins, so that text of former
// days, which never closes them, does not count as deep.
func impliedEnd(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Li, atom.Dt, atom.Dd, atom.Option, atom.Tr, atom.Td, atom.Th, atom.Thead, atom.Tbody, atom.Tfoot,
		atom.Colgroup, atom.Html, atom.Head, atom.Body:
		return true
	}
	return false
}
