package wordpress

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
)

const (
	maxDepth = 32
	maxRefs  = 2000 // terms of one item
)

// Read reads an export whole and checks it. It returns an Invalid error that names line and column
// when the file is broken, a sentence that says what the file is when it is no WordPress export,
// and TooLarge when it is over a limit; nothing is returned then, so that nothing is imported by
// half. Odd things that can be made sense of are in Export.Warnings. Entities are never expanded
// beyond the fixed ones of XML and HTML, so the file cannot grow while it is read.
func Read(r io.Reader, limits Limits) (*Export, error) {
	limits = limits.withDefaults()
	in, err := newInput(r, limits.Bytes)
	if err != nil {
		return nil, wrapRead(err)
	}
	firstLine := in.line
	dec := xml.NewDecoder(in)
	dec.Entity = xml.HTMLEntity
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // input has decoded it
	p := &parser{dec: dec, in: in, limits: limits, lineOffset: firstLine - 1, out: &Export{}, terms: map[string]int{}}
	if err := p.document(); err != nil {
		return nil, wrapRead(err)
	}
	p.finish()
	return p.out, nil
}

func wrapRead(err error) error {
	var e *stoa.Error
	if errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("read WordPress export: %w", err)
}

type parser struct {
	dec        *xml.Decoder
	in         *input
	limits     Limits
	lineOffset int
	out        *Export
	sawWXR     bool
	channel    bool
	terms      map[string]int // place in its list of every term so far, by taxonomy and slug
}

// pos is where the next token begins.
func (p *parser) pos() (line, column int) {
	line, column = p.dec.InputPos()
	return line + p.lineOffset, column
}

func (p *parser) line() int {
	l, _ := p.pos()
	return l
}

// next returns the next token, errors of form turned into sentences with a place.
func (p *parser) next() (xml.Token, error) {
	tok, err := p.dec.Token()
	if err == nil {
		if d, ok := tok.(xml.Directive); ok && strings.Contains(strings.ToUpper(string(d)), "ENTITY") {
			return nil, p.invalid("the file declares entities of its own, which no WordPress export does; it is not read")
		}
		return tok, nil
	}
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	line, col := p.pos()
	var syn *xml.SyntaxError
	if errors.As(err, &syn) {
		what := syn.Msg
		if what == "unexpected EOF" {
			what = "the file ends in the middle; the download or copy was probably cut off"
		}
		return nil, &stoa.Error{Kind: stoa.KindInvalid, Field: "file", Err: err,
			Message: fmt.Sprintf("the file is broken at line %d, column %d: %s. Nothing was imported", line, col, what)}
	}
	return nil, err
}

func (p *parser) invalid(format string, args ...any) error {
	return stoa.Invalid("file", "%s (line %d)", fmt.Sprintf(format, args...), p.line())
}

func (p *parser) warn(line int, item int64, format string, args ...any) {
	p.out.Warnings = append(p.out.Warnings, Warning{Line: line, Item: item, Message: fmt.Sprintf(format, args...)})
}

// document reads <rss><channel>…</channel></rss> and everything after it to the end of the file.
func (p *parser) document() error {
	seen := false
	for {
		tok, err := p.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		se, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if seen {
			return p.invalid("there is a second document <%s> after the end of the export", stoa.Short(se.Name.Local, 40))
		}
		seen = true
		if err := p.root(se); err != nil {
			return err
		}
	}
	switch {
	case !seen:
		return stoa.Invalid("file", "the file holds no XML: a WordPress export (Tools → Export) is expected")
	case !p.channel:
		return stoa.Invalid("file", "this is not a WordPress export: it has no <channel>; use Tools → Export in WordPress")
	case !p.sawWXR:
		return stoa.Invalid("file", "this is an RSS feed, not a WordPress export: it has no <wp:wxr_version>; use Tools → Export in WordPress")
	}
	return nil
}

func (p *parser) root(se xml.StartElement) error {
	switch strings.ToLower(se.Name.Local) {
	case "rss":
	case "html":
		return stoa.Invalid("file", "this is a web page, not a WordPress export: use Tools → Export in WordPress and give the .xml file")
	case "feed":
		return stoa.Invalid("file", "this is an Atom feed, not a WordPress export: use Tools → Export in WordPress and give the .xml file")
	default:
		return stoa.Invalid("file", "this is not a WordPress export: its outermost element is <%s>, <rss> is expected",
			stoa.Short(se.Name.Local, 40))
	}
	return p.each(func(se xml.StartElement, line int) error {
		if se.Name.Local != "channel" {
			return p.skip()
		}
		p.channel = true
		return p.each(p.channelElement)
	})
}

// each calls f for every child element of the element just opened. f must read the child to its end.
func (p *parser) each(f func(se xml.StartElement, line int) error) error {
	for {
		line := p.line()
		tok, err := p.next()
		if err != nil {
			return eof(err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if err := f(t, line); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// skip reads to the end of the element just opened.
func (p *parser) skip() error {
	_, err := p.text()
	return err
}

// text returns the text of the element just opened and reads to its end. Elements inside, which a
// well-made export does not have there, give their text.
func (p *parser) text() (string, error) {
	var b strings.Builder
	for depth := 0; ; {
		tok, err := p.next()
		if err != nil {
			return "", eof(err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return "", p.invalid("elements nest deeper than %d", maxDepth)
			}
		case xml.EndElement:
			if depth == 0 {
				return b.String(), nil
			}
			depth--
		case xml.CharData:
			if b.Len()+len(t) > p.limits.Field {
				return "", stoa.TooLarge("a text near line %d is longer than %d bytes, the most an import takes", p.line(), p.limits.Field)
			}
			b.Write(t)
		}
	}
}

// name resolves the namespaces of all versions, in their http and https forms, to short names.
func name(n xml.Name) string {
	space := strings.TrimPrefix(strings.TrimPrefix(n.Space, "https://"), "http://")
	space = strings.TrimSuffix(strings.TrimPrefix(space, "www."), "/")
	switch {
	case space == "":
		return n.Local
	case strings.HasPrefix(space, "wordpress.org/export/"):
		if strings.HasSuffix(space, "/excerpt") {
			return "excerpt:" + n.Local
		}
		return "wp:" + n.Local
	case space == "purl.org/rss/1.0/modules/content":
		return "content:" + n.Local
	case space == "purl.org/dc/elements/1.1":
		return "dc:" + n.Local
	case space == "wp" || space == "excerpt" || space == "content" || space == "dc": // prefix not declared
		return space + ":" + n.Local
	}
	return "other:" + n.Local
}

func (p *parser) channelElement(se xml.StartElement, line int) error {
	e := p.out
	switch name(se.Name) {
	case "item":
		if len(e.Items) >= p.limits.Items {
			return stoa.TooLarge("the export has more than %d items, the most an import takes", p.limits.Items)
		}
		return p.item(line)
	case "title":
		return p.words(&e.Site.Title)
	case "link":
		return p.into(&e.Site.Link)
	case "description":
		return p.words(&e.Site.Description)
	case "language":
		return p.into(&e.Site.Language)
	case "generator":
		return p.into(&e.Generator)
	case "wp:wxr_version":
		p.sawWXR = true
		if err := p.into(&e.Version); err != nil {
			return err
		}
		if !strings.HasPrefix(e.Version, "1.") {
			return p.invalid("the export is of version %q; versions 1.0 to 1.2 can be read", stoa.Short(e.Version, 20))
		}
		return nil
	case "wp:base_blog_url":
		return p.into(&e.Site.BaseURL)
	case "wp:author":
		return p.author(line)
	case "wp:category":
		return p.term(line, "category")
	case "wp:tag":
		return p.term(line, "post_tag")
	case "wp:term":
		return p.term(line, "")
	}
	return p.skip()
}

// addTerm files a term under its taxonomy. Newer exports list categories and tags a second time as
// <wp:term>; the first counts, and takes from the second what it lacks.
func (p *parser) addTerm(t Term) {
	list := &p.out.Terms
	switch t.Taxonomy {
	case "category":
		list = &p.out.Categories
	case "post_tag":
		list = &p.out.Tags
	}
	key := t.Taxonomy + "\x00" + t.Slug
	if i, known := p.terms[key]; known && t.Slug != "" {
		first := &(*list)[i]
		first.ID = cmp.Or(first.ID, t.ID)
		first.Parent = cmp.Or(first.Parent, t.Parent)
		first.Description = cmp.Or(first.Description, t.Description)
		return
	}
	p.terms[key] = len(*list)
	*list = append(*list, t)
}

func (p *parser) into(dst *string) error {
	s, err := p.text()
	*dst = strings.TrimSpace(s)
	return err
}

// words takes a text that is HTML in the file and plain here: a name, a title, a description.
func (p *parser) words(dst *string) error {
	s, err := p.text()
	*dst = plain(s)
	return err
}

func (p *parser) number(dst *int64) error {
	s, err := p.text()
	if err != nil {
		return err
	}
	*dst, _ = strconv.ParseInt(strings.TrimSpace(s), 10, 64) // what is no number counts as none
	return nil
}

func (p *parser) author(line int) error {
	a := Author{Line: line}
	if len(p.out.Authors) >= p.limits.Terms {
		return stoa.TooLarge("the export has more than %d authors, the most an import takes", p.limits.Terms)
	}
	err := p.each(func(se xml.StartElement, _ int) error {
		switch name(se.Name) {
		case "wp:author_id":
			return p.number(&a.ID)
		case "wp:author_login":
			return p.into(&a.Login)
		case "wp:author_email":
			return p.into(&a.Email)
		case "wp:author_display_name":
			return p.words(&a.Name)
		case "wp:author_first_name":
			return p.words(&a.FirstName)
		case "wp:author_last_name":
			return p.words(&a.LastName)
		}
		return p.skip()
	})
	if a.Name == "" {
		a.Name = strings.TrimSpace(a.FirstName + " " + a.LastName)
	}
	if a.Name == "" {
		a.Name = a.Login
	}
	p.out.Authors = append(p.out.Authors, a)
	return err
}

func (p *parser) term(line int, taxonomy string) error {
	t := Term{Taxonomy: taxonomy, Line: line}
	if len(p.out.Categories)+len(p.out.Tags)+len(p.out.Terms) >= p.limits.Terms {
		return stoa.TooLarge("the export has more than %d terms, the most an import takes", p.limits.Terms)
	}
	err := p.each(func(se xml.StartElement, _ int) error {
		switch name(se.Name) {
		case "wp:term_id":
			return p.number(&t.ID)
		case "wp:term_taxonomy":
			return p.into(&t.Taxonomy)
		case "wp:category_nicename", "wp:tag_slug", "wp:term_slug":
			return p.into(&t.Slug)
		case "wp:category_parent", "wp:term_parent":
			return p.into(&t.Parent)
		case "wp:cat_name", "wp:tag_name", "wp:term_name":
			return p.words(&t.Name)
		case "wp:category_description", "wp:tag_description", "wp:term_description":
			return p.words(&t.Description)
		}
		return p.skip()
	})
	t.Slug, t.Parent = decodeSlug(t.Slug), decodeSlug(t.Parent)
	if t.Name == "" {
		t.Name = t.Slug
	}
	p.addTerm(t)
	return err
}
