package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/stoa-portal/stoa"
)

// form is the version of the mapping below. An index says of which form it is; one of another form is read and
// written, and wants to be made anew.
const form = 1

// places knows which indexes are there.
type places struct {
	engine *Engine

	mu    sync.Mutex
	ready map[stoa.ID]bool // 0: the one of the state
}

// of reports whether the index of an instance is there, and is ours.
func (p *places) of(ctx context.Context, instance stoa.ID) (bool, error) {
	p.mu.Lock()
	ready := p.ready[instance]
	p.mu.Unlock()
	if ready {
		return true, nil
	}
	there, err := p.engine.ours(ctx, p.engine.alias(instance))
	if err != nil || !there {
		return there, err
	}
	// Another node may be making it just now: then it is there before its parts are, which makes it no worse than yellow
	// for the server. It is waited for once; a search says so when it is away for longer.
	a, err := p.engine.client.do(ctx, request{method: http.MethodGet, path: "/_cluster/health/" +
		p.engine.alias(instance) + "?wait_for_status=yellow&wait_for_active_shards=1&timeout=5s&filter_path=timed_out"})
	if err != nil {
		return false, err
	}
	if a.status == http.StatusOK || a.status == http.StatusRequestTimeout {
		p.found(instance)
	}
	return true, nil
}

func (p *places) found(instance stoa.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[instance] = true
}

// lost forgets that an index was there.
func (p *places) lost(instance stoa.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ready, instance)
}

// make sees to it that the index of an instance is there.
func (p *places) make(ctx context.Context, instance stoa.ID) error {
	there, err := p.of(ctx, instance)
	if err != nil || there {
		return err
	}
	// The name is the same for all nodes: of two that make it at once, one is told that it is there.
	alias := p.engine.alias(instance)
	name := fmt.Sprintf("%s-m%d-1", alias, form)
	if err := p.engine.create(ctx, name, alias); err != nil {
		return err
	}
	_, err = p.of(ctx, instance)
	return err
}

// ours reports whether there is an index behind an alias, and refuses one that another program made.
func (e *Engine) ours(ctx context.Context, alias string) (bool, error) {
	a, err := e.client.do(ctx, request{method: http.MethodGet, path: "/" + alias + "/_mapping"})
	if err != nil {
		return false, err
	}
	if a.status == http.StatusNotFound {
		return false, nil
	}
	if a.status != http.StatusOK {
		return false, away(e.client.refused(a))
	}
	var found map[string]struct {
		Mappings struct {
			Meta struct {
				Stoa *meta `json:"stoa"`
			} `json:"_meta"`
		} `json:"mappings"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return false, away(e.client.refused(a))
	}
	for name, index := range found {
		if index.Mappings.Meta.Stoa == nil {
			return false, away(&refusal{host: a.host, status: a.status, words: fmt.Sprintf("has an index %s that another "+
				"program made: set search.server.prefix to something of its own, such as stoa-", name)})
		}
		if missing := index.Mappings.Meta.Stoa.Missing; len(missing) > 0 {
			e.about.lacks(missing)
		}
	}
	return len(found) > 0, nil
}

// meta is what an index says of itself.
type meta struct {
	Form    int      `json:"form"`
	Missing []string `json:"missing,omitempty"` // analyzers that the server did not have
}

// create makes an index with an alias; one that is there already is as good.
func (e *Engine) create(ctx context.Context, name, alias string) error {
	missing := e.about.lacking()
	for range 2 {
		a, err := e.client.do(ctx, request{
			method: http.MethodPut, path: "/" + name, body: encode(e.definition(alias, missing)), write: true,
		})
		if err != nil {
			return err
		}
		t := troubleOf(a.body)
		switch {
		case a.status == http.StatusOK:
			return nil
		case t.Type == "resource_already_exists_exception", t.Type == "index_already_exists_exception":
			return e.adopt(ctx, name, alias)
		case t.Type == "invalid_alias_name_exception":
			return away(&refusal{host: a.host, status: a.status, words: fmt.Sprintf("has an index %s that another program "+
				"made: set search.server.prefix to something of its own, such as stoa-", alias)})
		case a.status != http.StatusBadRequest || missing != nil:
			return away(e.client.refused(a))
		}
		// It may lack what some texts are taken apart with.
		if missing, err = e.probe(ctx); err != nil {
			return err
		}
		if len(missing) == 0 {
			return away(e.client.refused(a))
		}
		e.o.Logger.Warn("the search server lacks analyzers: words of these languages are found as they are written, and "+
			"not in their other forms", "analyzers", strings.Join(missing, ", "))
		e.about.lacks(missing)
	}
	return nil
}

// adopt is for an index that was there when it was to be made: it has its alias, or gets it.
func (e *Engine) adopt(ctx context.Context, name, alias string) error {
	there, err := e.ours(ctx, alias)
	if err != nil || there {
		return err
	}
	if there, err = e.ours(ctx, name); err != nil || !there {
		return err
	}
	body := encode(object{"actions": []any{object{"add": object{"index": name, "alias": alias, "is_write_index": true}}}})
	a, err := e.client.do(ctx, request{method: http.MethodPost, path: "/_aliases", body: body, write: true})
	if err == nil && a.status != http.StatusOK {
		err = away(e.client.refused(a))
	}
	return err
}

// probe gives the names of analyzers and filters that the server does not have.
func (e *Engine) probe(ctx context.Context) ([]string, error) {
	missing := []string{}
	ask := func(name string, body object) error {
		a, err := e.client.do(ctx, request{method: http.MethodPost, path: "/_analyze", body: encode(body)})
		switch {
		case err != nil:
			return err
		case a.status == http.StatusBadRequest || a.status == http.StatusNotFound:
			missing = append(missing, name)
		case a.status != http.StatusOK:
			return away(e.client.refused(a))
		}
		return nil
	}
	if err := ask(folding, object{"tokenizer": "standard", "filter": []string{folding}, "text": "a"}); err != nil {
		return nil, err
	}
	for _, name := range analyzers() {
		if err := ask(name, object{"analyzer": name, "text": "a"}); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// folding is the filter that takes accents off.
const folding = "asciifolding"

// object is one of JSON.
type object map[string]any

// encode writes what can always be written.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // texts, numbers, lists and objects alone
		panic(err)
	}
	return b
}

// The names of fields. Those of texts are there once for all languages together, and once for each analyzer, below
// its name.
const (
	fieldTitle    = "title"
	fieldHeadings = "headings"
	fieldBody     = "body"
	fieldTerms    = "terms"
	fieldSpell    = "spell" // all of them with their accents, for words to offer
	fieldCodes    = "codes" // what has digits and signs, as it is written
)

// textFields are those that have texts, with their weights.
func textFields() map[string]float64 {
	return map[string]float64{fieldTitle: 4, fieldHeadings: 2, fieldTerms: 2, fieldBody: 1}
}

// definition is what an index is made with.
func (e *Engine) definition(alias string, missing []string) object {
	filters := []string{"lowercase"}
	if !slices.Contains(missing, folding) {
		filters = append(filters, folding)
	}
	keyword, number := object{"type": "keyword", "ignore_above": 1000}, object{"type": "long"}
	fields := object{
		"kind": keyword, "id": number, "site": keyword, "acl": keyword, "tags": keyword, "categories": keyword,
		"author": keyword, "month": keyword, "created": number, "modified": number, "gone": object{"type": "boolean"},
		"digest":   object{"type": "keyword", "index": false, "doc_values": false},
		fieldCodes: object{"type": "keyword", "ignore_above": 200, "doc_values": false},
		fieldSpell: object{"type": "text", "analyzer": "stoa_spell", "index_options": "docs", "norms": false},
	}
	for f := range textFields() {
		fields[f] = object{"type": "text", "analyzer": "stoa_plain", "copy_to": fieldSpell}
	}
	for _, name := range analyzers() {
		if slices.Contains(missing, name) {
			continue
		}
		parts := object{}
		for f := range textFields() {
			parts[f] = object{"type": "text", "analyzer": name}
		}
		fields[name] = object{"properties": parts}
	}
	return object{
		"settings": e.settings(object{
			"stoa_plain": object{"type": "custom", "tokenizer": "standard", "filter": filters},
			"stoa_spell": object{"type": "custom", "tokenizer": "standard", "filter": []string{"lowercase"}},
		}),
		"mappings": object{
			"_meta":      object{"stoa": meta{form, missing}},
			"dynamic":    false,
			"_source":    object{"includes": []string{"kind", "id", "acl", "digest", "gone"}},
			"properties": fields,
		},
		"aliases": object{alias: object{"is_write_index": true}},
	}
}

// settings are those of an index. Without a time of refresh a server makes new documents visible only while it is
// asked, which makes the first question after a pause a slow one.
func (e *Engine) settings(analysis object) object {
	index := object{"number_of_shards": e.o.Shards, "refresh_interval": "1s"}
	if n, err := strconv.Atoi(e.o.Replicas); err == nil {
		index["number_of_replicas"] = n
	} else {
		index["auto_expand_replicas"] = e.o.Replicas
	}
	if analysis != nil {
		index["analysis"] = object{"analyzer": analysis}
	}
	return object{"index": index}
}

// makeState makes the index of what belongs to no instance.
func (p *places) makeState(ctx context.Context) error {
	p.mu.Lock()
	ready := p.ready[0]
	p.mu.Unlock()
	if ready {
		return nil
	}
	e := p.engine
	there, err := e.ours(ctx, e.state())
	if err != nil {
		return err
	}
	if !there {
		s := e.settings(nil)
		s["index"].(object)["number_of_shards"] = 1
		a, err := e.client.do(ctx, request{method: http.MethodPut, path: "/" + e.state(), write: true, body: encode(object{
			"settings": s,
			"mappings": object{"_meta": object{"stoa": meta{Form: form}}, "dynamic": false},
		})})
		if err != nil {
			return err
		}
		if a.status != http.StatusOK && troubleOf(a.body).Type != "resource_already_exists_exception" {
			return away(e.client.refused(a))
		}
	}
	p.found(0)
	return nil
}

// analyzers are those that a language may have, in the order of their names.
func analyzers() []string {
	return slices.Compact(slices.Sorted(maps.Values(languages())))
}

// languages gives the analyzer of each language that servers have one for.
func languages() map[string]string {
	return map[string]string{
		"ar": "arabic", "bg": "bulgarian", "bn": "bengali", "ca": "catalan", "ckb": "sorani", "cs": "czech", "da": "danish",
		"de": "german", "el": "greek", "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian",
		"fi": "finnish", "fr": "french", "ga": "irish", "gl": "galician", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
		"id": "indonesian", "it": "italian", "ja": "cjk", "ko": "cjk", "lt": "lithuanian", "lv": "latvian", "nb": "norwegian",
		"nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
		"sv": "swedish", "th": "thai", "tr": "turkish", "zh": "cjk",
	}
}

// analyzerOf gives the analyzer of a locale, "" for none.
func (e *Engine) analyzerOf(l stoa.Locale) string {
	name := languages()[l.Language()]
	if slices.Contains(e.about.lacking(), name) {
		return ""
	}
	return name
}
