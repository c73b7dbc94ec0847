package page

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// Create makes a page: needs Edit on the parent (or site), Publish when New publishes it at once, Manage
// when it is restricted. A taken address is Conflict.
func (s *Service) Create(ctx context.Context, st site.Site, n NewPage) (Page, error) {
	var p Page
	var err error
	if n.hash, err = s.hashPassword(ctx, n.Password); err != nil { // takes long, and other writers would wait
		return Page{}, err
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		var err error
		p, err = s.CreateTx(ctx, tx, st, n)
		return err
	})
	return p, err
}

// CreateTx is Create inside a transaction of the caller.
func (s *Service) CreateTx(ctx context.Context, tx *db.Tx, st site.Site, n NewPage) (Page, error) {
	if err := s.lockTree(ctx, tx, st.ID); err != nil {
		return Page{}, err
	}
	above, err := s.above(ctx, tx, st, n.Parent)
	if err != nil {
		return Page{}, err
	}
	need := access.Edit
	if n.Publish {
		need = access.Publish
	}
	if n.Restricted {
		need = access.Manage
	}
	if err := s.access.Check(ctx, need, above.path); err != nil {
		return Page{}, err
	}
	p := Page{
		Site:         st.ID,
		Parent:       n.Parent,
		Slug:         n.Slug,
		Title:        n.Title,
		Hidden:       n.Hidden,
		HideTitle:    n.HideTitle,
		Type:         n.Type,
		Target:       n.Target,
		Published:    n.Publish,
		Restricted:   n.Restricted,
		SEO:          n.SEO,
		Template:     n.Template,
		Created:      n.Created,
		Modified:     tx.Now(),
		ModifiedBy:   stoa.ActorFrom(ctx).User,
		Version:      1,
		DraftVersion: 1,
	}
	if p.Created.IsZero() {
		p.Created = tx.Now()
	}
	if p.Type == "" {
		p.Type = TypeWidgets
	}
	if err := checkMeta(&p); err != nil {
		return Page{}, err
	}
	if err := s.mayShow(ctx, p); err != nil {
		return Page{}, err
	}
	if p.Slug, err = s.slugFor(ctx, tx, p, st, above.prefix); err != nil {
		return Page{}, err
	}
	p.Path = above.prefix + "/" + p.Slug
	if above.depth >= maxDepth || len(p.Path) > maxPath {
		return Page{}, stoa.Invalid("parent", "the page would be nested too deep: at most %d levels are possible", maxDepth)
	}
	layout, err := n.Layout.check()
	if err != nil {
		return Page{}, err
	}
	password := n.hash
	if password == "" {
		if password, err = s.hashPassword(ctx, n.Password); err != nil {
			return Page{}, err
		}
	}
	p.Protected = password != ""
	if p.Protected {
		p.Unlock = hashOf(password)
	}
	if p.ID, err = tx.NewID(ctx); err != nil {
		return Page{}, err
	}
	if p.Published {
		p.Layout, p.Number = layout, 1
	} else {
		p.Draft, p.HasDraft = &layout, true
	}
	siblings, err := siblings(ctx, tx, st.ID, n.Parent)
	if err != nil {
		return Page{}, err
	}
	p.Position = len(siblings)
	if n.Position >= 0 && n.Position < len(siblings) {
		p.Position = n.Position
		if err := s.renumber(ctx, tx, st.ID, slices.Insert(slices.Clone(siblings), n.Position, place{}), p.Position); err != nil {
			return Page{}, err
		}
	}
	if err := s.insert(ctx, tx, p, password, layout); err != nil {
		return Page{}, err
	}
	if err := s.dropRedirect(ctx, tx, st.ID, p.Path); err != nil {
		return Page{}, err
	}
	if err := s.enter(ctx, tx, p.ID); err != nil {
		return Page{}, err
	}
	tx.Changed(kindPage, p.ID, st.ID, p.Version)
	audit.Note(tx, audit.Made, p.thing())
	return p, nil
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, p Page, password string, layout Layout) error {
	raw, err := layout.encode()
	if err != nil {
		return err
	}
	title, err := json.Marshal(p.Title)
	if err != nil {
		return err
	}
	seo, err := json.Marshal(p.SEO)
	if err != nil {
		return err
	}
	live, draft := "", raw
	if p.Published {
		live, draft = raw, ""
	}
	err = tx.Insert(
		ctx,
		"page_page",
		db.Row{"id": p.ID, "site": p.Site, "parent": p.Parent, "slug": p.Slug, "path": p.Path, "path_hash": hashOf(p.Path),
			"title": string(
				title,
			), "place": p.Position, "hidden": p.Hidden, "page_type": p.Type, "target": p.Target, "layout": live, "draft": draft,
			"published": p.Published, "restricted": p.Restricted, "password": password, "seo": string(seo),
			"template": p.Template, "hide_title": p.HideTitle,
			"created": db.Micros(
				p.Created,
			), "modified": db.Micros(p.Modified), "modified_by": p.ModifiedBy, "live_number": p.Number, "version": p.Version,
			"draft_version": p.DraftVersion},
	)
	if db.IsDuplicate(err) {
		return taken(p.Path)
	}
	if err != nil || !p.Published {
		return err
	}
	return s.keepVersion(ctx, tx, p.ID, p.Number, raw, string(title))
}

func taken(path string) error {
	return stoa.AtField("slug", stoa.Conflict("there already is a page at %s; choose another address", path))
}

// Update saves what describes the page: Slug, Title, Hidden, HideTitle, Type, Target, Restricted, SEO, Template;
// not its place or layout. p.Version must be the current one, else Conflict. Needs Edit; Publish when visitors see
// what changes, which is at once on a published page; Manage and a fresh sign-in when Restricted changes. A new slug
// moves what is below and leaves redirects.
func (s *Service) Update(ctx context.Context, p Page) (Page, error) {
	old, err := s.Get(ctx, p.ID)
	if err != nil {
		return Page{}, err
	}
	p.Site, p.Parent = old.Site, old.Parent
	if err := checkMeta(&p); err != nil {
		return Page{}, err
	}
	st, err := s.sites.Site(ctx, old.Site)
	if err != nil {
		return Page{}, err
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.updateTx(ctx, tx, st, p) })
	if err != nil {
		return Page{}, err
	}
	return s.Get(ctx, p.ID)
}

// updateTx does what Update does.
func (s *Service) updateTx(ctx context.Context, tx *db.Tx, st site.Site, p Page) error {
	if err := s.lockTree(ctx, tx, st.ID); err != nil {
		return err
	}
	now, err := read(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	if now.Version != p.Version {
		return stale()
	}
	if p.Slug == "" {
		p.Slug = now.Slug
	}
	if err := s.mayChange(ctx, tx, st, now, p); err != nil {
		return err
	}
	above, err := s.above(ctx, tx, st, now.Parent)
	if err != nil {
		return err
	}
	if p.Slug != now.Slug {
		if p.Slug, err = s.slugFor(ctx, tx, p, st, above.prefix); err != nil {
			return err
		}
	}
	title, err := json.Marshal(p.Title)
	if err != nil {
		return err
	}
	seo, err := json.Marshal(p.SEO)
	if err != nil {
		return err
	}
	n, err := tx.Affected(
		ctx,
		"UPDATE page_page SET slug = ?, title = ?, hidden = ?, page_type = ?, target = ?, restricted = ?, seo = ?, "+
			"template = ?, hide_title = ?, modified = ?, modified_by = ?, version = version + 1 WHERE id = ? AND version = ?",
		p.Slug,
		string(title),
		p.Hidden,
		p.Type,
		p.Target,
		p.Restricted,
		string(seo),
		p.Template,
		p.HideTitle,
		db.Micros(tx.Now()),
		stoa.ActorFrom(ctx).User,
		p.ID,
		p.Version,
	)
	if err != nil {
		return err
	}
	if n == 0 {
		return stale()
	}
	if err := s.enter(ctx, tx, p.ID); err != nil {
		return err
	}
	tx.Changed(kindPage, p.ID, st.ID, p.Version+1)
	audit.Note(tx, audit.Changed, p.thing())
	if p.Restricted && !now.Restricted {
		audit.Note(tx, audit.OwnGrants, p.thing())
	} else if !p.Restricted && now.Restricted {
		audit.Note(tx, audit.Inherits, p.thing())
	}
	switch { // either way some people may have been let in by what counts no more
	case p.Restricted && !now.Restricted:
		withheld(tx, p, "restricted", true)
	case !p.Restricted && now.Restricted:
		tx.TakesAway(nil) // done again, it would let others in
	}
	return s.repath(ctx, tx, now, above.prefix+"/"+p.Slug, above.depth+1)
}

// mayChange asks for what it needs to save p over the page now, as the transaction reads it: for Publish when that
// changes what visitors see of the page or, by a new address, of one below.
func (s *Service) mayChange(ctx context.Context, tx *db.Tx, st site.Site, now, p Page) error {
	moves := p.Slug != now.Slug
	seen := moves || !maps.Equal(p.Title, now.Title) || p.Hidden != now.Hidden || p.Type != now.Type ||
		p.Target != now.Target || p.SEO != now.SEO || p.Template != now.Template || p.HideTitle != now.HideTitle
	if !seen && p.Restricted == now.Restricted {
		return nil
	}
	t, err := loadTree(ctx, tx, now.Site)
	if err != nil {
		return err
	}
	path := s.pathOf(t, t.nodes[now.ID], st.Path())
	if p.Restricted != now.Restricted {
		if err := s.access.CheckGrants(ctx, path); err != nil {
			return err
		}
	}
	if p.Type != now.Type || p.Target != now.Target {
		if err := s.mayShow(ctx, p); err != nil {
			return err
		}
	}
	if !seen {
		return nil
	}
	if !now.Published && !(moves && t.shown(now.ID, 0)) {
		return nil
	}
	err = s.access.Check(ctx, access.Publish, path)
	if stoa.Is(err, stoa.KindForbidden) {
		return refusal(err, stoa.Forbidden("visitors see at once what describes this page, so changing it needs "+
			"the right to publish; its layout can be saved as a draft"))
	}
	return err
}

// refusal says in other words that the actor may not do this. The cause stays, which tells the audit log what was
// refused.
func refusal(err error, e *stoa.Error) error {
	e.Err = err
	return e
}

func stale() error {
	return stoa.Conflict("another person has changed this page since you opened it; load it again and repeat your change")
}

// checkMeta refuses what a page cannot be and brings its text into the stored form.
func checkMeta(p *Page) error {
	titles := map[stoa.Locale]string{}
	for l, t := range p.Title {
		l, err := stoa.ParseLocale(string(l))
		if err != nil {
			return err
		}
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		if len(t) > maxTitle {
			return stoa.Invalid("title."+string(l), "the title in %s is longer than %d bytes", l, maxTitle)
		}
		titles[l] = t
	}
	if len(titles) == 0 {
		return stoa.Invalid("title", "the page needs a title in at least one language")
	}
	p.Title = titles
	switch p.Type {
	case TypeWidgets:
	case TypeLink:
		if !safeTarget(p.Target) {
			return stoa.Invalid(
				"target",
				"%q is not an address: a path such as /about or an address with https:// is expected",
				p.Target,
			)
		}
	case TypeArticle:
		if _, err := stoa.ParseID(p.Target); err != nil {
			return stoa.Invalid("target", "%q is not the id of an article", p.Target)
		}
	default:
		return stoa.Invalid(
			"type",
			"%q is not a type of page: %s, %s or %s is expected",
			p.Type,
			TypeWidgets,
			TypeLink,
			TypeArticle,
		)
	}
	if len(p.Target) > 2*maxPath || len(p.SEO.Title) > maxTitle || len(p.SEO.Description) > 2000 ||
		len(p.SEO.Image) > maxPath {
		return stoa.Invalid("seo", "a text for search engines is too long")
	}
	if p.SEO.Image != "" && !safeTarget(p.SEO.Image) {
		return stoa.Invalid("seo.image", "%q is not the address of an image", p.SEO.Image)
	}
	if !plainName(p.Template) {
		return stoa.Invalid("template", "%q is not the name of a page template", p.Template)
	}
	return nil
}

// maxMadeSlug is how long an address made from words is, in bytes; people may choose a longer one.
const maxMadeSlug = 120

// slugFor checks the wish, or makes a slug from the title that is free below prefix.
func (s *Service) slugFor(ctx context.Context, tx *db.Tx, p Page, st site.Site, prefix string) (string, error) {
	usable := func(slug string) bool {
		if prefix != "" {
			return true
		}
		for _, l := range st.Locales {
			if strings.EqualFold(string(l), slug) || strings.EqualFold(l.Language(), slug) {
				return false
			}
		}
		return !s.reserved[slug]
	}
	if p.Slug != "" {
		slug := strings.TrimSpace(p.Slug)
		if !validSlug(slug) {
			return "", stoa.Invalid(
				"slug",
				"%q cannot be part of an address: letters, digits, dashes, dots and underscores are expected, at most 190 bytes",
				slug,
			)
		}
		if !usable(slug) {
			return "", stoa.Invalid("slug", "/%s belongs to the portal itself; choose another address", slug)
		}
		return slug, nil
	}
	base := cmp.Or(stoa.Slug(pick(p.Title, st.Locale, ""), maxMadeSlug), "page")
	for i := 1; i < 1000; i++ {
		slug := base
		if i > 1 {
			slug += "-" + strconv.Itoa(i)
		}
		if !usable(slug) {
			continue
		}
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM page_page WHERE site = ? AND path_hash = ?", st.ID, hashOf(prefix+"/"+slug)).Scan(&n); err != nil {
			return "", err
		}
		if n == 0 {
			return slug, nil
		}
	}
	return "", taken(prefix + "/" + base)
}

// validSlug reports whether s can be one segment of an address, in any script.
func validSlug(s string) bool {
	return s != "" && len(s) <= 190 && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return r == unicode.ReplacementChar ||
			!unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune("-_.~", r)
	})
}
