package remote

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"

	"github.com/stoa-portal/stoa/search"
)

// mostStops is how many words are remembered.
const mostStops = 20_000

// stops remembers which words say nothing in a language.
type stops struct {
	mu    sync.Mutex
	known map[string]bool // analyzer and word
}

func (s *stops) get(analyzer, word string) (filler, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	filler, known = s.known[analyzer+" "+word]
	return filler, known
}

func (s *stops) put(analyzer, word string, filler bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= mostStops {
		s.known = map[string]bool{}
	}
	s.known[analyzer+" "+word] = filler
}

// fillers marks the words that say nothing in the reader's language, such as "the": the server leaves them out of its
// stems. Where it does not tell, all words count.
func (e *Engine) fillers(ctx context.Context, q search.Query, asked []word) {
	var text strings.Builder
	units := 0 // of UTF-16, in which servers count
	at := map[int]int{}
	ask := map[int]string{} // by the place in asked
	for i, w := range asked {
		if w.stem == "" || !single(w.text) || w.last || len(w.text) > 20 || strings.IndexFunc(w.text, unicode.IsDigit) >= 0 {
			continue
		}
		key := strings.ToLower(w.text)
		if filler, known := e.stops.get(w.stem, key); known {
			asked[i].filler = filler
			continue
		}
		at[i], ask[i] = units, key
		text.WriteString(w.text + " \n ")
		units += len(utf16.Encode([]rune(w.text))) + 3
	}
	if len(ask) == 0 {
		return
	}
	stem := asked[0].stem
	a, err := e.client.do(ctx, request{
		method: http.MethodPost, path: "/" + e.alias(q.Instance) + "/_analyze?filter_path=tokens.start_offset",
		body: encode(object{"analyzer": stem, "text": text.String()}),
	})
	if err != nil || a.status != http.StatusOK {
		return
	}
	var got struct {
		Tokens []struct {
			Start int `json:"start_offset"`
		} `json:"tokens"`
	}
	if json.Unmarshal(a.body, &got) != nil {
		return
	}
	for i, key := range ask {
		from, to := at[i], at[i]+len(utf16.Encode([]rune(asked[i].text)))
		said := false
		for _, t := range got.Tokens {
			said = said || t.Start >= from && t.Start < to
		}
		e.stops.put(stem, key, !said)
		asked[i].filler = !said
	}
}

// checked is what a server answers when it is asked about words.
type checked struct {
	Suggest map[string][]struct {
		Options []struct {
			Text  string  `json:"text"`
			Score float64 `json:"score"`
		} `json:"options"`
	} `json:"suggest"`
	Aggregations map[string]struct {
		Count int `json:"doc_count"`
	} `json:"aggregations"`
}

// instead gives the question with other words for those that are in no document that may be seen. Where a hit has a
// word, nothing more is asked. A word that is offered is in a document that the person who asks may see.
func (e *Engine) instead(ctx context.Context, q search.Query, asked []word, got answered) (string, error) {
	missing := map[string]word{}
	for _, w := range asked {
		if !w.filler && !w.last && single(w.text) && search.Edits(w.text) > 0 {
			missing[w.name()] = w
		}
	}
	for _, h := range got.Hits.Hits {
		for _, name := range h.Matched {
			delete(missing, name)
		}
	}
	if len(missing) == 0 {
		return "", nil
	}
	seen := object{"bool": object{"filter": e.seen(q)}}
	exact := q
	exact.Exact, exact.Titles = true, false
	aggs, suggest := object{}, object{}
	for name, w := range missing {
		aggs[name] = object{"filter": clause(exact, w, 1)}
		suggest[name] = object{"text": strings.ToLower(w.text), "term": object{
			"field": fieldSpell, "suggest_mode": "always", "size": 20, "max_edits": search.Edits(w.text), "prefix_length": 1,
			"analyzer": "stoa_spell", "sort": "score", "shard_size": 40,
		}}
	}
	var one checked
	there, err := e.ask(ctx, q, object{"size": 0, "query": seen, "aggs": aggs, "suggest": suggest}, &one)
	if err != nil || !there {
		return "", err
	}
	aggs = object{}
	for name := range missing {
		if one.Aggregations[name].Count > 0 {
			continue
		}
		for _, s := range one.Suggest[name] {
			for i, o := range s.Options {
				aggs[name+"-"+strconv.Itoa(i)] = object{"filter": object{"term": object{fieldSpell: o.Text}}}
			}
		}
	}
	if len(aggs) == 0 {
		return "", nil
	}
	var two checked
	if there, err := e.ask(ctx, q, object{"size": 0, "query": seen, "aggs": aggs}, &two); err != nil || !there {
		return "", err
	}
	words := q.Words
	words.Terms = slices.Clone(words.Terms)
	other := false
	for name, w := range missing {
		best, most, score := "", 0, 0.0
		for _, s := range one.Suggest[name] {
			for i, o := range s.Options {
				n := two.Aggregations[name+"-"+strconv.Itoa(i)].Count
				if n > 0 && (best == "" || o.Score > score || o.Score == score && n > most) {
					best, most, score = o.Text, n, o.Score
				}
			}
		}
		if best != "" {
			words.Terms[w.index], other = best, true
		}
	}
	if !other {
		return "", nil
	}
	return words.String(), nil
}
