package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

const (
	exactTotal = 10_000
	aclsAtOnce = 50_000 // servers take 65,536 values in one list
	titleAlone = 1.0

	// What a way to match weighs. They add up: what is there as it was typed matches in its stem as well.
	weightStem   = 1.0
	weightPlain  = 1.0
	weightCode   = 3.0
	weightPrefix = 0.3
	weightFuzzy  = 0.2

	// What is new weighs up to so much more; after half a year it is half of that.
	weightNew = 0.2
	newHalf   = 180 * 24 * 60 * 60

	// Servers take 1,024 clauses in a question; those of typing mistakes are the most.
	fuzzyClauses = 600

	// whole are the parameters that make an answer be of all that the index has, or an error.
	whole = "allow_partial_search_results=false"
)

// Search answers a question.
func (e *Engine) Search(ctx context.Context, q search.Query) (search.Result, error) {
	if err := ctx.Err(); err != nil {
		return search.Result{}, err
	}
	if e.client.life.Err() != nil {
		return search.Result{}, away(errClosed)
	}
	q.Size = min(max(q.Size, 0), search.MaxSize)
	after, err := readCursor(q)
	if err != nil {
		return search.Result{}, err
	}
	if q.ACLs = slices.DeleteFunc(slices.Clone(q.ACLs), func(acl string) bool { return acl == "" }); q.Instance <= 0 ||
		!q.All && len(q.ACLs) == 0 {
		return empty(q), nil
	}
	there, err := e.places.of(ctx, q.Instance)
	if err != nil {
		return search.Result{}, err
	}
	if !there {
		return empty(q), nil
	}
	asked := e.words(ctx, q)
	body := e.question(q, asked)
	switch before := seenBefore(q); {
	case after == nil:
	case q.Order == search.ByRelevance && before+q.Size <= mostWindow:
		// What was written since weighs words otherwise, so the score of the last hit is no place to go on from.
		body["from"] = before
	default:
		body["search_after"] = after
	}
	var got answered
	if there, err = e.ask(ctx, q, body, &got); err != nil || !there {
		return empty(q), err
	}
	r := got.result(q)
	if q.Size > 0 && after == nil {
		r.Instead, err = e.instead(ctx, q, asked, got)
	}
	return r, err
}

// empty is the answer to who may see nothing.
func empty(q search.Query) search.Result {
	r := search.Result{}
	if len(q.Facets) > 0 {
		r.Facets = map[search.Facet][]search.Count{}
		for _, f := range q.Facets {
			r.Facets[f] = nil
		}
	}
	return r
}

// ask sends a question and reads the answer; it reports whether there is an index.
func (e *Engine) ask(ctx context.Context, q search.Query, body object, into any) (bool, error) {
	path := fmt.Sprintf("/%s/_search?%s&preference=%s", e.alias(q.Instance), whole, likeness(q))
	a, err := e.client.do(ctx, request{method: http.MethodPost, path: path, body: encode(body)})
	if err != nil {
		return false, err
	}
	switch {
	case a.status == http.StatusNotFound:
		e.places.lost(q.Instance)
		return false, nil
	case a.status != http.StatusOK:
		return false, away(e.client.refused(a))
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return false, away(e.client.refused(a))
	}
	return true, nil
}

// likeness is the same for all pages of a question: copies of an index weigh a little differently, and the pages are
// to come from one.
func likeness(q search.Query) string {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, q.Words, q.Locale, q.Order)
	return strconv.FormatUint(h.Sum64(), 36)
}

// question is what is sent.
func (e *Engine) question(q search.Query, asked []word) object {
	filter := e.seen(q)
	if len(q.Sites) > 0 {
		filter = append(filter, object{"terms": object{"site": each(q.Sites, stoa.ID.String)}})
	}
	span := object{}
	if !q.Since.IsZero() {
		span["gte"] = ceil(q.Since.Unix(), q.Since.Nanosecond())
	}
	if !q.Until.IsZero() {
		span["lt"] = ceil(q.Until.Unix(), q.Until.Nanosecond())
	}
	if len(span) > 0 {
		filter = append(filter, object{"range": object{"modified": span}})
	}
	// What narrows a facet that is counted must not narrow its numbers: it applies to the hits and the other facets.
	own := map[search.Facet]object{}
	for f, values := range q.Narrow {
		if len(values) == 0 || field(f) == "" {
			continue
		}
		one := object{"terms": object{field(f): values}}
		if slices.Contains(q.Facets, f) {
			own[f] = one
		} else {
			filter = append(filter, one)
		}
	}
	boolean := object{"filter": filter}
	if must := matching(q, asked); len(must) > 0 {
		boolean["must"] = must
	}
	if not := excluded(q); len(not) > 0 {
		boolean["must_not"] = not
	}
	var query any = object{"bool": boolean}
	scored := q.Order == search.ByRelevance && !q.Words.Empty()
	if scored && !q.Now.IsZero() {
		query = object{"function_score": object{
			"query": query, "score_mode": "sum", "boost_mode": "multiply",
			"functions": []any{
				object{"weight": 1}, object{"weight": weightNew, "gauss": object{"modified": object{
					"origin": q.Now.Unix(), "scale": newHalf, "decay": 0.5,
				}}},
			},
		}}
	}
	body := object{
		"query": query, "size": q.Size, "track_total_hits": exactTotal + 1, "sort": sorting(q), "track_scores": scored,
	}
	if len(own) > 0 {
		body["post_filter"] = object{"bool": object{"filter": slices.Collect(maps.Values(own))}}
	}
	if len(q.Facets) > 0 {
		body["aggs"] = counted(q, own)
	}
	return body
}

// ceil is a moment to the second, as documents have it: what is at or after it stays so.
func ceil(unix int64, nano int) int64 {
	if nano > 0 {
		unix++
	}
	return unix
}

// seen are the filters that let only documents through which the person who asks may find.
func (e *Engine) seen(q search.Query) []any {
	filter := []any{object{"term": object{"gone": false}}}
	if q.All {
		return filter
	}
	var any []object
	for part := range slices.Chunk(q.ACLs, aclsAtOnce) {
		any = append(any, object{"terms": object{"acl": part}})
	}
	if len(any) == 1 {
		return append(filter, any[0])
	}
	return append(filter, object{"bool": object{"should": any, "minimum_should_match": 1}})
}

// field is where a facet is kept.
func field(f search.Facet) string {
	return map[search.Facet]string{
		search.FacetKind: "kind", search.FacetSite: "site", search.FacetCategory: "categories", search.FacetTag: "tags",
		search.FacetAuthor: "author", search.FacetMonth: "month",
	}[f]
}

// counted asks for the numbers of facets.
func counted(q search.Query, own map[search.Facet]object) object {
	all := object{}
	for _, f := range q.Facets {
		if field(f) == "" {
			continue
		}
		others := []any{object{"match_all": object{}}}
		for of, narrowing := range own {
			if of != f {
				others = append(others, narrowing)
			}
		}
		all[string(f)] = object{
			"filter": object{"bool": object{"filter": others}},
			"aggs": object{"values": object{"terms": object{
				"field": field(f), "size": search.MaxFacet, "shard_size": 40 * search.MaxFacet,
				"order": []any{object{"_count": "desc"}, object{"_key": "asc"}},
			}}},
		}
	}
	return all
}

// sorting is the order of hits; kind and id tell documents apart that are alike else.
func sorting(q search.Query) []any {
	last := []any{object{"kind": "asc"}, object{"id": "asc"}}
	switch {
	case q.Order == search.ByOldest:
		return append([]any{object{"modified": "asc"}}, last...)
	case q.Order == search.ByNewest || q.Words.Empty():
		return append([]any{object{"modified": "desc"}}, last...)
	}
	return append([]any{object{"_score": "desc"}, object{"modified": "desc"}}, last...)
}

// word is a word that is asked for.
type word struct {
	typed  string // as it stands in the question
	text   string // as it is looked for
	code   string // "" when it is none
	index  int    // among the terms of the question
	filler bool   // it says nothing in the language of the reader
	last   bool   // it is being typed
	stem   string // the analyzer of the reader's language, "" for none
}

// words are the terms of a question. One that has no letter is left out, and so are those beyond the limit.
func (e *Engine) words(ctx context.Context, q search.Query) []word {
	var all []word
	for i, term := range q.Words.Terms {
		if len(all) == search.MaxTerms {
			break
		}
		if text := lookedFor(term); text != "" {
			all = append(all, word{typed: term, text: text, code: code(stoa.CleanText(term)), index: i,
				stem: e.analyzerOf(q.Locale)})
		}
	}
	if n := len(all); n > 0 && q.Prefix {
		all[n-1].last = all[n-1].index == len(q.Words.Terms)-1
	}
	e.fillers(ctx, q, all)
	return all
}

// lookedFor is a text as the index has it, "" when there is no word in it.
func lookedFor(s string) string {
	s = strings.TrimSpace(apart(stoa.CleanText(s)))
	if strings.IndexFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) < 0 {
		return ""
	}
	return s
}

// single reports whether a text is one word for the server.
func single(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !alike(r) || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
	}) < 0
}

// fields are the places where a question looks, with their weights, of an analyzer or, "", of all languages as they
// are written.
func fields(q search.Query, analyzer string) []string {
	if analyzer != "" {
		analyzer += "."
	}
	if q.Titles {
		return []string{analyzer + fieldTitle}
	}
	var all []string
	weights := textFields()
	for _, f := range slices.Sorted(maps.Keys(weights)) {
		all = append(all, analyzer+f+"^"+strconv.FormatFloat(weights[f], 'f', -1, 64))
	}
	return all
}

// matching is what the words of a question must be.
func matching(q search.Query, asked []word) []any {
	var must []any
	needed := slices.DeleteFunc(slices.Clone(asked), func(w word) bool { return w.filler })
	optional := slices.DeleteFunc(slices.Clone(asked), func(w word) bool { return !w.filler })
	if len(needed) == 0 && len(q.Words.Phrases) == 0 {
		needed, optional = asked, nil // of "to be or not to be" the words are all there is
	}
	if len(needed) > 0 {
		var clauses []any
		for _, w := range needed {
			clauses = append(clauses, clause(q, w, len(asked)))
		}
		must = append(must, object{"bool": object{
			"should": clauses, "minimum_should_match": search.Needed(len(clauses)),
		}})
	}
	for i, p := range q.Words.Phrases {
		if text := lookedFor(p); text != "" && i < search.MaxTerms {
			must = append(must, phrase(q, text, "", weightPlain))
		}
	}
	if len(must) == 0 && !q.Words.Empty() {
		return []any{object{"match_none": object{}}}
	}
	if len(optional) > 0 { // they only weigh
		clauses := []any{object{"match_all": object{"boost": 0}}}
		for _, w := range optional {
			clauses = append(clauses, phrase(q, w.text, "", weightPlain))
		}
		must = append(must, object{"bool": object{"should": clauses, "minimum_should_match": 1}})
	}
	return must
}

// phrase matches words in their order; one word is a phrase of its own.
func phrase(q search.Query, text, analyzer string, weight float64) object {
	return object{"multi_match": object{
		"query": text, "type": "phrase", "fields": fields(q, analyzer), "tie_breaker": 0.2, "boost": weight,
	}}
}

// clause is what matches one word. Its parts have names where they match the word itself or a form of it.
func clause(q search.Query, w word, words int) object {
	clauses := []any{phrase(q, w.text, "", weightPlain)}
	if w.stem != "" {
		clauses = append(clauses, phrase(q, w.text, w.stem, weightStem))
	}
	if w.code != "" && !q.Titles {
		clauses = append(clauses, object{"term": object{fieldCodes: object{"value": w.code, "boost": weightCode}}})
	}
	if w.last {
		kind := "phrase_prefix"
		if single(w.text) {
			kind = "bool_prefix"
		}
		clauses = append(clauses, object{"multi_match": object{
			"query": w.text, "type": kind, "fields": fields(q, ""), "boost": weightPrefix, "max_expansions": 200,
		}})
	}
	exact := object{"bool": object{"should": clauses, "minimum_should_match": 1, "_name": w.name()}}
	edits := search.Edits(w.text)
	if q.Exact || edits == 0 || !single(w.text) {
		return exact
	}
	return object{"bool": object{"minimum_should_match": 1, "should": []any{exact, object{"multi_match": object{
		"query": w.text, "fields": fields(q, ""), "fuzziness": edits, "prefix_length": 1, "boost": weightFuzzy,
		"max_expansions": min(max(fuzzyClauses/(words*len(textFields())), 5), 50),
	}}}}}
}

func (w word) name() string { return "w" + strconv.Itoa(w.index) }

// excluded is what must not be there: as it is written.
func excluded(q search.Query) []any {
	var not []any
	for i, n := range q.Words.Not {
		if text := lookedFor(n); text != "" && i < search.MaxTerms {
			not = append(not, phrase(q, text, "", titleAlone))
		}
	}
	return not
}

// greatest orders counts as they are shown.
func greatest(a, b search.Count) int { return cmp.Or(b.N-a.N, cmp.Compare(a.Value, b.Value)) }
