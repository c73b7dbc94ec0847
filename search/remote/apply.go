package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

const (
	bulkBytes = 4 << 20 // of a request; servers that are hired take 10 MB, some less
	bulkMost  = 500     // documents
	longName  = 500     // bytes; servers take ids of 512
)

// item is a document as it is written in a bulk.
type item struct {
	search.Key
	lines []byte
}

// Apply writes the documents and then the token. Each document needs a version above 0: nothing else puts what several
// nodes write, and what is written twice, into an order.
func (e *Engine) Apply(ctx context.Context, docs []search.Document, token []byte, refresh bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	byInstance := map[stoa.ID][]item{}
	var instances []stoa.ID
	for _, d := range docs {
		if err := valid(d); err != nil {
			return err
		}
		if byInstance[d.Instance] == nil {
			instances = append(instances, d.Instance)
		}
		byInstance[d.Instance] = append(byInstance[d.Instance], item{Key: d.Key()})
	}
	for _, id := range instances { // before the documents are made: then it is known what analyzers there are
		if err := e.places.make(ctx, id); err != nil {
			return err
		}
	}
	at := map[stoa.ID]int{}
	for _, d := range docs {
		list := byInstance[d.Instance]
		list[at[d.Instance]].lines = e.lines(d)
		at[d.Instance]++
	}
	for _, id := range instances {
		for _, part := range parts(byInstance[id]) {
			if err := e.write(ctx, id, part); err != nil {
				return err
			}
		}
	}
	if refresh {
		for _, id := range instances {
			if err := e.refresh(ctx, id); err != nil {
				return err
			}
		}
	}
	if token == nil {
		return nil
	}
	return e.keepToken(ctx, token)
}

// valid refuses what cannot be meant.
func valid(d search.Document) error {
	switch {
	case d.Version <= 0:
		return stoa.Invalid("version", "%s %d has the version %d: a search server wants one above 0", d.Kind, d.ID, d.Version)
	case d.Kind == "" || d.ID <= 0 || d.Instance <= 0:
		return stoa.Invalid("document", "a document without kind, id or instance cannot be kept: %q, %d, %d",
			d.Kind, d.ID, d.Instance)
	case len(name(d.Key())) > longName:
		return stoa.Invalid("kind", "the kind of a document has %d bytes: 40 at most are expected", len(d.Kind))
	}
	return nil
}

// lines are what a bulk has of a document.
func (e *Engine) lines(d search.Document) []byte {
	var b bytes.Buffer
	b.Write(encode(object{"index": object{"_id": name(d.Key()), "version": d.Version, "version_type": "external"}}))
	b.WriteByte('\n')
	b.Write(encode(e.indexed(d)))
	b.WriteByte('\n')
	return b.Bytes()
}

// parts cuts a list into requests that a server takes.
func parts(items []item) (all [][]item) {
	size := 0
	for _, it := range items {
		if n := len(all); n > 0 && size+len(it.lines) <= bulkBytes && len(all[n-1]) < bulkMost {
			all[n-1] = append(all[n-1], it)
			size += len(it.lines)
			continue
		}
		all = append(all, []item{it})
		size = len(it.lines)
	}
	return all
}

// errNoIndex says that the index went away.
var errNoIndex = errors.New("there is no such index")

// write sends documents of one instance. An index that was taken away meanwhile is made again, once.
func (e *Engine) write(ctx context.Context, instance stoa.ID, items []item) error {
	err := e.bulk(ctx, instance, items)
	if !errors.Is(err, errNoIndex) {
		return err
	}
	e.o.Logger.Warn("the index of an instance is gone from the search server; it is made again, and what is not "+
		"written now comes with the next reindex", "index", e.alias(instance))
	e.places.lost(instance)
	if err := e.places.make(ctx, instance); err != nil {
		return err
	}
	if err = e.bulk(ctx, instance, items); errors.Is(err, errNoIndex) {
		err = away(err)
	}
	return err
}

func (e *Engine) bulk(ctx context.Context, instance stoa.ID, items []item) error {
	var body bytes.Buffer
	for _, it := range items {
		body.Write(it.lines)
	}
	a, err := e.client.do(ctx, request{
		method: http.MethodPost,
		path:   "/" + e.alias(instance) + "/_bulk?require_alias=true&filter_path=errors,items.*.status,items.*.error",
		body:   body.Bytes(), lines: true, write: true,
	})
	if err != nil {
		return err
	}
	switch {
	case a.status == http.StatusNotFound:
		return errNoIndex
	case a.status == http.StatusRequestEntityTooLarge && len(items) > 1:
		half := len(items) / 2
		if err := e.bulk(ctx, instance, items[:half]); err != nil {
			return err
		}
		return e.bulk(ctx, instance, items[half:])
	case a.status == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%s %d of instance %d is not in the index: %w", items[0].Kind, items[0].ID, instance,
			e.client.refused(a))
	case a.status != http.StatusOK:
		return away(e.client.refused(a))
	}
	return e.eachWritten(a, instance, items)
}

// eachWritten looks at what became of each document of a bulk.
func (e *Engine) eachWritten(a *answer, instance stoa.ID, items []item) error {
	var said struct {
		Errors *bool `json:"errors"`
		Items  []map[string]struct {
			Status int             `json:"status"`
			Error  json.RawMessage `json:"error"`
		} `json:"items"`
	}
	if err := json.Unmarshal(a.body, &said); err != nil || said.Errors == nil || len(said.Items) != len(items) {
		return away(&refusal{host: a.host, status: a.status, words: fmt.Sprintf("does not say of each of %d documents what "+
			"became of it: %s", len(items), tellPort)})
	}
	if !*said.Errors {
		return nil
	}
	var failed []error
	for i, one := range said.Items {
		for _, it := range one {
			if it.Status >= 200 && it.Status < 300 || it.Status == http.StatusConflict { // it has a newer one
				continue
			}
			part := &answer{a.host, it.Status, encode(object{"error": it.Error}), a.header}
			t := troubleOf(part.body)
			switch {
			case it.Status == http.StatusNotFound && t.Type == "index_not_found_exception":
				return errNoIndex
			case isBlock(part.body), it.Status == http.StatusTooManyRequests, it.Status >= 500,
				it.Status == http.StatusUnauthorized, it.Status == http.StatusForbidden:
				return away(e.client.refused(part)) // of the server and not of this document
			}
			failed = append(failed, fmt.Errorf("%s %d of instance %d is not in the index: %w",
				items[i].Kind, items[i].ID, instance, e.client.refused(part)))
		}
	}
	if len(failed) > 10 {
		failed = append(failed[:10], fmt.Errorf("and %d more", len(failed)-10))
	}
	return errors.Join(failed...)
}

// refresh makes searches see what was written.
func (e *Engine) refresh(ctx context.Context, instance stoa.ID) error {
	a, err := e.client.do(ctx, request{method: http.MethodPost, path: "/" + e.alias(instance) + "/_refresh", write: true})
	if err == nil && a.status != http.StatusOK && a.status != http.StatusNotFound {
		err = away(e.client.refused(a))
	}
	return err
}

// keepToken writes the token. It is a document of its own: what it stands for is in the index before.
func (e *Engine) keepToken(ctx context.Context, token []byte) error {
	if err := e.places.makeState(ctx); err != nil {
		return err
	}
	a, err := e.client.do(ctx, request{
		method: http.MethodPut, path: "/" + e.state() + "/_doc/token", body: encode(object{"token": token}), write: true,
	})
	if err != nil {
		return err
	}
	if !slices.Contains([]int{http.StatusOK, http.StatusCreated}, a.status) {
		e.places.lost(0)
		return away(e.client.refused(a))
	}
	return nil
}

// Token gives the token that was kept last.
func (e *Engine) Token(ctx context.Context) ([]byte, error) {
	a, err := e.client.do(ctx, request{method: http.MethodGet, path: "/" + e.state() + "/_doc/token"})
	if err != nil {
		return nil, err
	}
	var kept struct {
		Found  bool `json:"found"`
		Source struct {
			Token []byte `json:"token"`
		} `json:"_source"`
	}
	switch {
	case a.status == http.StatusNotFound:
		e.places.lost(0) // with what it is made with
		return nil, nil
	case a.status != http.StatusOK, json.Unmarshal(a.body, &kept) != nil, !kept.Found:
		return nil, away(e.client.refused(a))
	}
	return kept.Source.Token, nil
}
