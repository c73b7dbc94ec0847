// Package wordpress brings a WordPress site in. It reads a WordPress export (WXR, the file of Tools →
// Export), whole and checked before anything else happens, works out what becomes of every item in
// it, and turns the markup of posts and pages into plain HTML.
package wordpress

import (
	"time"
)

// Export is the content of one export file, every item in the order of the file.
type Export struct {
	Version    string // of the format: "1.0", "1.1" or "1.2"
	Generator  string
	Site       Site
	Authors    []Author
	Categories []Term
	Tags       []Term
	Terms      []Term // terms of other taxonomies, menus among them (taxonomy nav_menu)
	Items      []Item
	Warnings   []Warning
}

// Site is what the export says about the site it came from.
type Site struct {
	Title       string
	Description string
	Link        string // address of the front page
	BaseURL     string // address the addresses of the items begin with
	Language    string // as written, such as "en-US"
}

// Author is a person whose login items name.
type Author struct {
	ID        int64
	Login     string
	Email     string
	Name      string // display name; the login when the file has none
	FirstName string
	LastName  string
	Implied   bool // not listed in the file; only named as creator of items
	Line      int
}

// Term is a category, a tag, a menu or a term of another taxonomy.
type Term struct {
	ID          int64
	Taxonomy    string // "category", "post_tag", "nav_menu", …
	Slug        string // percent encoding resolved
	Parent      string // slug of the parent, empty at the top
	Name        string
	Description string
	Line        int
}

// The types of items this package knows. Others keep the name the file gives them.
const (
	TypePost       = "post"
	TypePage       = "page"
	TypeAttachment = "attachment"
	TypeMenuItem   = "nav_menu_item"
	TypeBlock      = "wp_block"
)

// The states of items this package knows. Others keep the name the file gives them.
const (
	StatusPublish = "publish"
	StatusFuture  = "future"
	StatusDraft   = "draft"
	StatusPending = "pending"
	StatusPrivate = "private"
	StatusInherit = "inherit"
	StatusTrash   = "trash"
)

// Item is one item of the export: a post, a page, an attachment, an entry of a menu, or something of
// a plugin.
type Item struct {
	ID            int64
	Line          int // line of the file where the item begins
	Type          string
	Status        string
	Title         string
	Slug          string // percent encoding resolved; empty for drafts that never had one
	Link          string
	GUID          string
	Creator       string    // as written
	Author        string    // login of the author the creator stands for; empty when none does
	Date          time.Time // moment of publication, UTC; zero when the file names none
	Local         time.Time // the same as the site's clock showed it; only its figures mean something
	Modified      time.Time // UTC; zero when the file names none
	Parent        int64
	MenuOrder     int
	Password      string
	Sticky        bool
	Content       string
	Excerpt       string
	CommentStatus string
	PingStatus    string
	Refs          []TermRef
	Meta          map[string][]string
	AttachmentURL string
	Comments      []Comment

	key  string // under which what became of it is kept, beside its type
	past bool   // an earlier file told it, this one does not
}

// MetaValue returns the first value stored under key, empty when there is none.
func (i *Item) MetaValue(key string) string {
	if v := i.Meta[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Categories returns the slugs of the item's categories.
func (i *Item) Categories() []string { return i.refs("category") }

// Tags returns the slugs of the item's tags.
func (i *Item) Tags() []string { return i.refs("post_tag") }

// Format is the post format without its prefix, such as "gallery"; empty for a standard post.
func (i *Item) Format() string {
	for _, s := range i.refs("post_format") {
		if len(s) > len("post-format-") && s[:len("post-format-")] == "post-format-" {
			return s[len("post-format-"):]
		}
	}
	return ""
}

func (i *Item) refs(taxonomy string) []string {
	var out []string
	for _, r := range i.Refs {
		if r.Taxonomy == taxonomy {
			out = append(out, r.Slug)
		}
	}
	return out
}

// TermRef names a term an item belongs to.
type TermRef struct {
	Taxonomy string
	Slug     string
	Name     string
}

// Comment is a comment, pingback or trackback on an item.
type Comment struct {
	ID       int64
	Parent   int64
	Author   string
	Email    string
	URL      string
	Date     time.Time // UTC
	Content  string
	Approved bool
	Type     string // "comment", "pingback" or "trackback"
}

// Warning says what was odd in the file and what was made of it.
type Warning struct {
	Line    int // 0 when it is about no single line
	Item    int64
	Message string
	Weight  Weight
}

// Weight says how much a warning matters to the owner of the site.
type Weight int

// The weights, the heaviest last.
const (
	Odd     Weight = iota // in the file, and made sense of
	Changed               // arrived, but in another form or under another address
	Missing               // did not arrive
)

// Limits bounds what Read takes. A zero field means the default.
type Limits struct {
	Bytes int64 // size of the file; default 1 GiB
	Items int   // number of items; default 200 000
	Field int   // bytes of one text, such as the content of a post; default 16 MiB
	Terms int   // number of terms and authors; default 200 000
	Metas int   // number of meta values of one item; default 10 000
	Notes int   // number of comments of one item; default 100 000
}

func (l Limits) withDefaults() Limits {
	pick := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	if l.Bytes <= 0 {
		l.Bytes = 1 << 30
	}
	pick(&l.Items, 200_000)
	pick(&l.Field, 16<<20)
	pick(&l.Terms, 200_000)
	pick(&l.Metas, 10_000)
	pick(&l.Notes, 100_000)
	return l
}
