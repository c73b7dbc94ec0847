package embedded

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

// The fields of a document. Its texts are in fieldTitle to fieldBody as they are written, and in those with the name of
// an analyzer behind a dot by their stems.
const (
	fieldLive     = "live" // each document that can be found
	fieldInstance = "in"
	fieldACL      = "acl"
	fieldModified = "mod"
	fieldStored   = "st"

	fieldTitle    = "t"
	fieldHeadings = "h"
	fieldTerms    = "k"
	fieldBody     = "b"
)

// textField is a field of text: what it weighs, and how long it usually is, in words.
type textField struct {
	name   string
	weight float64
	usual  float64
	of     func(search.Text) string
}

// textFields are all of them, those that weigh most first.
func textFields() []textField {
	return []textField{
		{fieldTitle, 3, 8, func(t search.Text) string { return t.Title }},
		{fieldHeadings, 2, 30, func(t search.Text) string { return t.Headings }},
		{fieldTerms, 2, 8, func(t search.Text) string { return t.Terms }},
		{fieldBody, 1, 300, func(t search.Text) string { return t.Body }},
	}
}

// facetField is the field with the values of a facet.
func facetField(f search.Facet) string { return "f." + string(f) }

// stored is what the index gives back of a document.
type stored struct {
	ACL     string `json:"a,omitempty"`
	Digest  string `json:"d,omitempty"`
	Version int64  `json:"v,omitempty"`
	Gone    bool   `json:"g,omitempty"`
}

// idDigits are those of an id, so that names of documents sort as ids do.
const idDigits = 19

// name is the name of a document in the index.
func name(instance stoa.ID, k search.Key) string {
	return fmt.Sprintf("%d/%s/%0*d", instance, k.Kind, idDigits, k.ID)
}

// keyOf reads a name.
func keyOf(name string) (stoa.ID, search.Key, error) {
	instance, rest, ok := strings.Cut(name, "/")
	cut := len(rest) - idDigits - 1
	if !ok || cut < 0 || rest[cut] != '/' {
		return 0, search.Key{}, fmt.Errorf("the index has a document of the name %q", name)
	}
	in, err := strconv.ParseInt(instance, 10, 64)
	if err != nil {
		return 0, search.Key{}, fmt.Errorf("the index has a document of the name %q", name)
	}
	id, err := strconv.ParseInt(rest[cut+1:], 10, 64)
	if err != nil {
		return 0, search.Key{}, fmt.Errorf("the index has a document of the name %q", name)
	}
	return stoa.ID(in), search.Key{Kind: rest[:cut], ID: stoa.ID(id)}, nil
}

// aclTerm is an acl within its instance: the one names the other.
func aclTerm(instance stoa.ID, acl string) string {
	return instance.String() + "/" + stoa.CleanText(acl)
}

// epoch keeps moments before 1970 above zero, so that they sort.
const epoch = 1 << 40

func timeTerm(t time.Time) string { return fmt.Sprintf("%011x", max(0, t.Unix()+epoch)) }

func timeOf(term []byte) int64 {
	n, err := strconv.ParseInt(string(term), 16, 64)
	if err != nil {
		return 0
	}
	return n - epoch
}

const (
	keyword   = index.IndexField | index.SkipFreqNorm
	counted   = keyword | index.DocValues
	asWritten = index.IndexField | index.IncludeTermVectors
	asStems   = index.IndexField
)

// taken gives the tokens of a text when bleve asks for them, in one of its own goroutines.
type taken func() analysis.TokenStream

// Analyze implements analysis.Analyzer.
func (t taken) Analyze([]byte) analysis.TokenStream { return t() }

// made makes what bleve keeps of a document. Its mapping is not used: what a field is stands here.
func (ls *languages) made(d search.Document) (*document.Document, error) {
	doc := document.NewDocument(name(d.Instance, d.Key()))
	about, err := json.Marshal(stored{d.ACL, d.Digest, d.Version, d.Gone})
	if err != nil {
		return nil, err
	}
	doc.AddField(document.NewTextFieldCustom(fieldStored, nil, about, index.StoreField, nil))
	if d.Gone {
		return doc, nil
	}
	add := func(field, value string, options index.FieldIndexingOptions) {
		doc.AddField(document.NewTextFieldCustom(field, nil, []byte(value), options, nil))
	}
	add(fieldLive, "1", keyword)
	add(fieldInstance, d.Instance.String(), keyword)
	if d.ACL != "" {
		add(fieldACL, aclTerm(d.Instance, d.ACL), keyword)
	}
	add(fieldModified, timeTerm(d.Modified), counted)
	for f, values := range facetValues(d) {
		for _, v := range values {
			add(facetField(f), v, counted)
		}
	}
	ls.addTexts(doc, d.Texts)
	return doc, nil
}

// facetValues are the values of a document in each facet, each once.
func facetValues(d search.Document) map[search.Facet][]string {
	values := map[search.Facet][]string{
		search.FacetKind:  {d.Kind},
		search.FacetMonth: {month(d.Modified)},
	}
	if d.Site != 0 {
		values[search.FacetSite] = []string{d.Site.String()}
	}
	if d.Author != 0 {
		values[search.FacetAuthor] = []string{d.Author.String()}
	}
	for _, c := range d.Categories {
		values[search.FacetCategory] = append(values[search.FacetCategory], c.String())
	}
	for _, t := range d.Tags {
		if t = facetTerm(t); t != "" {
			values[search.FacetTag] = append(values[search.FacetTag], t)
		}
	}
	for f, v := range values {
		slices.Sort(v)
		values[f] = slices.Compact(v)
	}
	return values
}

func month(t time.Time) string { return t.UTC().Format("2006-01") }

// facetTerm is a value that bleve can keep: it separates values by a byte that is in no text.
func facetTerm(s string) string { return stoa.Clip(stoa.CleanText(s), 1000) }

func (ls *languages) addTexts(doc *document.Document, texts map[stoa.Locale]search.Text) {
	locales := slices.Sorted(maps.Keys(texts))
	for _, f := range textFields() {
		var all []string
		byAnalyzer := map[string][]stoa.Locale{}
		for _, l := range locales {
			text := f.of(texts[l])
			if text == "" {
				continue
			}
			all = append(all, text)
			if a := analyzerOf(l); a != "" {
				byAnalyzer[a] = append(byAnalyzer[a], l)
			}
		}
		if len(all) == 0 {
			continue
		}
		doc.AddField(document.NewTextFieldCustom(f.name, nil, nil, asWritten,
			taken(func() analysis.TokenStream { return written(all) })))
		for a, of := range byAnalyzer {
			doc.AddField(document.NewTextFieldCustom(f.name+"."+a, nil, nil, asStems,
				taken(func() analysis.TokenStream {
					var stream analysis.TokenStream
					for _, l := range of {
						stream = append(stream, ls.stemmed(l, f.of(texts[l]))...)
					}
					return stream
				})))
		}
	}
}
