// Package search finds what visitors and editors look for. What can be found are documents that the owners of content
// make of their committed rows; an Engine keeps them in an index: embedded, of each node, or on a search server that
// all nodes share. The index holds what decides who may see a thing, so that hits, numbers and facets are those of the
// person who asks; owners are asked again before a hit is shown. It keeps no text that could be shown: what is shown of
// a hit is made of the rows as they are then.
package search

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
)

// Document is a thing as the index has it.
type Document struct {
	Kind     string // as of its asset: "article", "page", "file" …; 40 bytes at most
	ID       stoa.ID
	Instance stoa.ID
	Site     stoa.ID // 0: it belongs to the instance alone
	// Version orders what is written of a thing: an index takes nothing older than what it has. 0 where the order is
	// that of the calls: an embedded index has one writer.
	Version int64
	Gone    bool // it cannot be found any more; of such a document only the fields above count

	// ACL names the nearest thing above it, or itself, that has grants of its own: "page:42", "site:7". People who
	// may view that, and no others, find the document.
	ACL        string
	Texts      map[stoa.Locale]Text
	Tags       []string // slugs
	Categories []stoa.ID
	Author     stoa.ID   // 0: not known
	Created    time.Time // to the second
	Modified   time.Time // to the second
	// Digest is of all that the index has of the document: two documents with the same digest are found by the same
	// questions. The index gives it back, so that index and rows can be compared. Set by Sign.
	Digest string
}

// In gives the text in a language: the one asked for, another form of it, the fallback, or the first by name.
func (d Document) In(l, fallback stoa.Locale) Text {
	t, _ := d.Find(l, fallback)
	return t
}

// Find is In that also tells which language it found.
func (d Document) Find(l, fallback stoa.Locale) (Text, stoa.Locale) {
	if t, ok := d.Texts[l]; ok {
		return t, l
	}
	have := slices.Sorted(maps.Keys(d.Texts))
	for _, k := range have {
		if l != "" && k.Language() == l.Language() {
			return d.Texts[k], k
		}
	}
	if t, ok := d.Texts[fallback]; ok {
		return t, fallback
	}
	if len(have) == 0 {
		return Text{}, ""
	}
	return d.Texts[have[0]], have[0]
}

// Text is what can be found in one language.
type Text struct {
	Title    string
	Headings string
	Body     string // plain text, also of pictures' descriptions
	Terms    string // names of tags and categories
}

// Key is the name of the document in an index.
func (d Document) Key() Key { return Key{d.Kind, d.ID} }

// Key names a thing in an index.
type Key struct {
	Kind string
	ID   stoa.ID
}

// Known is what an index has of a thing.
type Known struct {
	Key
	Digest string
	ACL    string
	// Version is the one that it was written with; 0 where the engine does not say: Walk does not.
	Version int64
}

// Facet is a side of documents by which results can be counted and narrowed.
type Facet string

// The facets.
const (
	FacetKind     Facet = "kind"
	FacetSite     Facet = "site"
	FacetCategory Facet = "category"
	FacetTag      Facet = "tag"
	FacetAuthor   Facet = "author"
	FacetMonth    Facet = "month" // of Modified, "2026-11" in UTC
)

// Facets are all of them, in the order in which they are shown.
func Facets() []Facet {
	return []Facet{FacetKind, FacetSite, FacetCategory, FacetTag, FacetAuthor, FacetMonth}
}

// Order is how hits are sorted.
type Order string

// The orders.
const (
	ByRelevance Order = ""
	ByNewest    Order = "newest" // by Modified
	ByOldest    Order = "oldest"
)

// The limits of a question.
const (
	MaxWords = 200 // characters
	MaxTerms = 16  // words and phrases together; further ones are left out
	MaxSize  = 100 // hits of a page
	MaxFacet = 50  // values of a facet that are counted
)

// Query is a question to an engine. Its zero value finds nothing: without ACLs nothing may be seen.
type Query struct {
	Instance stoa.ID
	Sites    []stoa.ID // empty: the whole instance
	ACLs     []string  // what the person who asks may view
	All      bool      // instead of ACLs: that person may view everything of the instance
	Words    Words     // none: everything, for lists that are narrowed by facets
	Prefix   bool      // the last word is being typed: what begins with it matches as well
	Titles   bool      // look in titles alone, for suggestions
	Exact    bool      // no typing mistakes are forgiven
	Locale   stoa.Locale
	// Narrow leaves only documents that have one of the values of each facet named. The numbers of a facet are
	// counted without its own narrowing, so that another value can be chosen.
	Narrow map[Facet][]string
	Since  time.Time // Modified; zero: always
	Until  time.Time // exclusive
	Order  Order
	Facets []Facet // to be counted
	Size   int     // hits; 0: none, numbers alone
	After  string  // Result.Next of the page before
	Now    time.Time
}

// Result is an answer.
type Result struct {
	Hits   []Hit
	Total  int  // of all pages; exact up to 10,000
	More   bool // Total is 10,000 and there are more
	Facets map[Facet][]Count
	Next   string // Query.After of the next page; "" when this is the last one
	// Instead is the question with words that exist, when some of the words are in no document that may be seen, ""
	// otherwise.
	Instead string
}

// Hit is one document that was found.
type Hit struct {
	Key
	ACL   string
	Score float64
}

// Count is a value of a facet, and how many documents have it.
type Count struct {
	Value string
	N     int
}

// Engine keeps an index. Implementations are in embedded and remote, and searchtest says what all of them do. They
// are safe for concurrent use. An error of kind Unavailable says that the index cannot be reached or is not ready;
// Invalid, that a Query.After is of no result.
type Engine interface {
	// Apply makes the index have the documents, each of a Key at most once in an instance; what it has with a higher
	// Version stays. After it has returned nil, a Search that begins finds them where refresh is true, and soon
	// otherwise. token, where not nil, is kept in the same moment as the documents.
	Apply(ctx context.Context, docs []Document, token []byte, refresh bool) error
	// Token gives the token that was kept last, nil when there is none.
	Token(ctx context.Context) ([]byte, error)
	// Search answers a question.
	Search(ctx context.Context, q Query) (Result, error)
	// Known gives what the index has of the things named, in any order and without those that it has not.
	Known(ctx context.Context, instance stoa.ID, keys []Key) ([]Known, error)
	// Walk gives what the index has of a kind in the order of ids, from the one after, at most limit.
	Walk(ctx context.Context, instance stoa.ID, kind string, after stoa.ID, limit int) ([]Known, error)
	// ACLs gives those that documents of the instance have, in any order; some may be of none any more.
	ACLs(ctx context.Context, instance stoa.ID) ([]string, error)
	// Status tells how the index is.
	Status(ctx context.Context) (Status, error)
	// Close ends its use.
	Close() error
}

// Status is how an index is.
type Status struct {
	Engine    string // "embedded", or what the server says it is: "OpenSearch 2.19.6"
	Address   string // the folder, or the hosts
	Documents int64
	Bytes     int64
	Notes     []string // what is not as it should be, in words for who runs it
}
