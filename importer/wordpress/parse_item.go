package wordpress

import (
	"cmp"
	"encoding/xml"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
)

// item reads one <item>.
func (p *parser) item(line int) error {
	it := Item{Line: line, Meta: map[string][]string{}}
	var pubDate, local, gmt, modLocal, modGMT, sticky string
	var order int64
	err := p.each(func(se xml.StartElement, at int) error {
		switch name(se.Name) {
		case "title":
			return p.words(&it.Title)
		case "link":
			return p.into(&it.Link)
		case "guid":
			return p.into(&it.GUID)
		case "pubDate":
			return p.into(&pubDate)
		case "dc:creator":
			return p.into(&it.Creator)
		case "content:encoded":
			return p.raw(&it.Content)
		case "excerpt:encoded":
			return p.raw(&it.Excerpt)
		case "wp:post_id":
			return p.number(&it.ID)
		case "wp:post_date":
			return p.into(&local)
		case "wp:post_date_gmt":
			return p.into(&gmt)
		case "wp:post_modified":
			return p.into(&modLocal)
		case "wp:post_modified_gmt":
			return p.into(&modGMT)
		case "wp:comment_status":
			return p.into(&it.CommentStatus)
		case "wp:ping_status":
			return p.into(&it.PingStatus)
		case "wp:post_name":
			return p.into(&it.Slug)
		case "wp:status":
			return p.into(&it.Status)
		case "wp:post_parent":
			return p.number(&it.Parent)
		case "wp:menu_order":
			return p.number(&order)
		case "wp:post_type":
			return p.into(&it.Type)
		case "wp:post_password":
			return p.raw(&it.Password)
		case "wp:is_sticky":
			return p.into(&sticky)
		case "wp:attachment_url":
			return p.into(&it.AttachmentURL)
		case "category":
			return p.reference(&it, se)
		case "wp:postmeta":
			return p.meta(&it)
		case "wp:comment":
			return p.comment(&it)
		}
		return p.skip()
	})
	if err != nil {
		return err
	}
	it.MenuOrder = int(order)
	it.Slug = decodeSlug(it.Slug)
	it.Sticky = sticky == "1"
	it.Local = parseTime(local)
	it.Date = p.moment(&it, gmt, local, pubDate)
	if it.Modified = parseTime(modGMT); it.Modified.IsZero() {
		it.Modified = parseTime(modLocal)
	}
	if it.Type == "" {
		it.Type = TypePost
		p.warn(line, it.ID, "the item %q says no type; it is taken for a post", stoa.Short(it.Title, 80))
	}
	if it.Status == "" {
		it.Status = StatusPublish
	}
	p.out.Items = append(p.out.Items, it)
	return nil
}

// raw takes a text as it stands, its white space with it.
func (p *parser) raw(dst *string) error {
	s, err := p.text()
	*dst = s
	return err
}

// moment is when the item was published: the GMT date, else the local one, else the feed's.
func (p *parser) moment(it *Item, gmt, local, pubDate string) time.Time {
	if t := parseTime(gmt); !t.IsZero() {
		return t
	}
	if t := parseTime(local); !t.IsZero() {
		return t
	}
	if t, err := time.Parse(time.RFC1123Z, pubDate); err == nil && t.Year() > 1 {
		return t.UTC()
	}
	if it.Status == StatusPublish && (it.Type == TypePost || it.Type == TypePage) {
		p.warn(it.Line, it.ID, "%q has no date that can be read (%q)", stoa.Short(it.Title, 80), stoa.Short(gmt, 40))
	}
	return time.Time{}
}

// parseTime reads WordPress's form of dates. Drafts have zeros there, which is no date.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.DateTime, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (p *parser) reference(it *Item, se xml.StartElement) error {
	r := TermRef{Taxonomy: "category"}
	for _, a := range se.Attr {
		switch a.Name.Local {
		case "domain":
			r.Taxonomy = a.Value
		case "nicename":
			r.Slug = decodeSlug(a.Value)
		}
	}
	if err := p.words(&r.Name); err != nil {
		return err
	}
	if r.Taxonomy == "tag" { // version 1.0
		r.Taxonomy = "post_tag"
	}
	if r.Slug == "" {
		return nil // version 1.0 repeats every term without its slug
	}
	for _, o := range it.Refs {
		if o.Taxonomy == r.Taxonomy && o.Slug == r.Slug {
			return nil
		}
	}
	if len(it.Refs) >= maxRefs {
		return stoa.TooLarge("the item on line %d has more than %d terms, the most an import takes", it.Line, maxRefs)
	}
	it.Refs = append(it.Refs, r)
	return nil
}

func (p *parser) meta(it *Item) error {
	var key, val string
	err := p.each(func(se xml.StartElement, _ int) error {
		switch name(se.Name) {
		case "wp:meta_key":
			return p.into(&key)
		case "wp:meta_value":
			return p.raw(&val)
		}
		return p.skip()
	})
	if err != nil || key == "" {
		return err
	}
	if len(it.Meta) >= p.limits.Metas || len(it.Meta[key]) >= p.limits.Metas {
		return stoa.TooLarge(
			"the item on line %d has more than %d meta values, the most an import takes",
			it.Line,
			p.limits.Metas,
		)
	}
	it.Meta[key] = append(it.Meta[key], val)
	return nil
}

func (p *parser) comment(it *Item) error {
	if len(it.Comments) >= p.limits.Notes {
		return stoa.TooLarge(
			"the item on line %d has more than %d comments, the most an import takes",
			it.Line,
			p.limits.Notes,
		)
	}
	var c Comment
	var local, gmt, approved string
	err := p.each(func(se xml.StartElement, _ int) error {
		switch name(se.Name) {
		case "wp:comment_id":
			return p.number(&c.ID)
		case "wp:comment_parent":
			return p.number(&c.Parent)
		case "wp:comment_author":
			return p.into(&c.Author)
		case "wp:comment_author_email":
			return p.into(&c.Email)
		case "wp:comment_author_url":
			return p.into(&c.URL)
		case "wp:comment_date":
			return p.into(&local)
		case "wp:comment_date_gmt":
			return p.into(&gmt)
		case "wp:comment_content":
			return p.raw(&c.Content)
		case "wp:comment_approved":
			return p.into(&approved)
		case "wp:comment_type":
			return p.into(&c.Type)
		}
		return p.skip()
	})
	if c.Date = parseTime(gmt); c.Date.IsZero() {
		c.Date = parseTime(local)
	}
	c.Approved = approved == "1"
	if c.Type == "" {
		c.Type = "comment"
	}
	it.Comments = append(it.Comments, c)
	return err
}

// finish settles what can only be settled when all is read: authors and the site's address.
func (p *parser) finish() {
	e := p.out
	if e.Site.BaseURL == "" {
		e.Site.BaseURL = e.Site.Link
	}
	e.Site.BaseURL = strings.TrimRight(e.Site.BaseURL, "/")
	if p.in.badUTF8 > 0 {
		p.warn(p.in.badUTF8, 0, "the file holds bytes that are not UTF-8, first on line %d; they show as �", p.in.badUTF8)
	}
	if p.in.control > 0 {
		p.warn(
			p.in.control,
			0,
			"the file holds control characters that XML forbids, first on line %d; they became spaces",
			p.in.control,
		)
	}
	for i := range e.Items {
		for _, ref := range e.Items[i].Refs { // an export of posts alone does not list its terms
			if _, listed := p.terms[ref.Taxonomy+"\x00"+ref.Slug]; !listed &&
				(ref.Taxonomy == "category" || ref.Taxonomy == "post_tag") {
				p.addTerm(Term{Taxonomy: ref.Taxonomy, Slug: ref.Slug, Name: cmp.Or(ref.Name, ref.Slug), Line: e.Items[i].Line})
			}
		}
	}
	exact := map[string]string{}
	loose := map[string]string{}
	for i, a := range e.Authors {
		if a.Login == "" {
			p.warn(a.Line, 0, "an author without a login is listed; nothing can belong to them")
			continue
		}
		if _, dup := exact[a.Login]; dup {
			p.warn(a.Line, 0, "the author %q is listed twice; the first counts", stoa.Short(a.Login, 60))
			continue
		}
		exact[a.Login] = a.Login
		for _, k := range []string{a.Login, a.Email, e.Authors[i].Name} {
			if k = plainLogin(k); k != "" && loose[k] == "" {
				loose[k] = a.Login
			}
		}
	}
	for i := range e.Items {
		it := &e.Items[i]
		switch {
		case it.Creator == "":
		case exact[it.Creator] != "":
			it.Author = it.Creator
		case loose[plainLogin(it.Creator)] != "":
			it.Author = loose[plainLogin(it.Creator)]
			p.warn(it.Line, it.ID, "the creator is written %q; taken for the author %q", stoa.Short(it.Creator, 60), it.Author)
		case plainLogin(it.Creator) == "":
			p.warn(it.Line, it.ID, "the creator %q is no login; the item has no author", stoa.Short(it.Creator, 60))
		default:
			a := Author{Login: it.Creator, Name: it.Creator, Implied: true, Line: it.Line}
			e.Authors = append(e.Authors, a)
			exact[a.Login], loose[plainLogin(a.Login)] = a.Login, a.Login
			it.Author = a.Login
			p.warn(it.Line, it.ID, "the creator %q is not among the listed authors; added", stoa.Short(it.Creator, 60))
		}
	}
}

// plainLogin reduces a login to what faulty exports leave of it: letters, digits and . _ - @, in
// lower case.
func plainLogin(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', strings.ContainsRune("._-@", r), r > 0x7f:
			return r
		}
		return -1
	}, s)
}

// decodeSlug resolves the percent encoding that WordPress gives to slugs beyond ASCII. It keeps 200 bytes of them, so
// that the last letter can be cut: what is left of it goes. What does not decode to text otherwise stays as it is.
func decodeSlug(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	for cut := 0; cut <= 8 && cut < len(s); cut++ { // a letter has at most four bytes, each written as three
		if cut > 0 && !cutLetter(s[len(s)-cut:]) {
			break
		}
		d, err := url.PathUnescape(s[:len(s)-cut])
		if err != nil || !utf8.ValidString(d) {
			continue
		}
		if strings.ContainsAny(d, "/\x00") {
			return s
		}
		return d
	}
	return s
}

// cutLetter reports whether s can be the end of what percent encoding made of a letter.
func cutLetter(s string) bool {
	return strings.Trim(s, "%0123456789abcdefABCDEF") == ""
}
