package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

const (
	knownAtOnce = 1000
	mostWalked  = 5000
	mostWindow  = 10_000 // index.max_result_window of an index whose settings say nothing of it
)

// source is what an index keeps of a document as it was sent.
type source struct {
	Kind   string  `json:"kind"`
	ID     stoa.ID `json:"id"`
	ACL    string  `json:"acl"`
	Digest string  `json:"digest"`
	Gone   bool    `json:"gone"`
}

func (s source) known() search.Known {
	return search.Known{Key: search.Key{Kind: s.Kind, ID: s.ID}, Digest: s.Digest, ACL: s.ACL}
}

// Known gives what the index has of the things named.
func (e *Engine) Known(ctx context.Context, instance stoa.ID, keys []search.Key) ([]search.Known, error) {
	var all []search.Known
	for part := range slices.Chunk(keys, knownAtOnce) {
		if there, err := e.places.of(ctx, instance); err != nil || !there {
			return nil, err
		}
		a, err := e.client.do(ctx, request{
			method: http.MethodPost,
			path: "/" + e.alias(instance) +
				"/_mget?filter_path=docs.found,docs.error,docs._source,docs._version",
			body: encode(object{"ids": each(part, name)}),
		})
		if err != nil {
			return nil, err
		}
		var got struct {
			Docs []struct {
				Found   bool            `json:"found"`
				Error   json.RawMessage `json:"error"`
				Source  source          `json:"_source"`
				Version int64           `json:"_version"`
			} `json:"docs"`
		}
		switch {
		case a.status == http.StatusNotFound:
			e.places.lost(instance)
			return nil, nil
		case a.status != http.StatusOK, json.Unmarshal(a.body, &got) != nil, len(got.Docs) != len(part):
			return nil, away(e.client.refused(a))
		}
		for _, d := range got.Docs {
			if d.Error != nil {
				return nil, away(e.client.refused(&answer{a.host, a.status, encode(object{"error": d.Error}), a.header}))
			}
			if d.Found && !d.Source.Gone {
				k := d.Source.known()
				k.Version = d.Version
				all = append(all, k)
			}
		}
	}
	return all, ctx.Err()
}

// Walk gives what the index has of a kind, in the order of ids.
func (e *Engine) Walk(ctx context.Context, instance stoa.ID, kind string, after stoa.ID, limit int) (
	[]search.Known, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	there, err := e.places.of(ctx, instance)
	if err != nil || !there {
		return nil, err
	}
	if err := e.refresh(ctx, instance); err != nil { // what was written a moment ago is no difference
		return nil, err
	}
	a, err := e.client.do(ctx, request{
		method: http.MethodPost, path: "/" + e.alias(instance) + "/_search?" + whole + "&filter_path=hits.hits._source",
		body: encode(object{
			"size": min(max(limit, 0), mostWalked), "track_total_hits": false, "sort": []any{object{"id": "asc"}},
			"query": object{"bool": object{"filter": []any{
				object{"term": object{"kind": kind}}, object{"term": object{"gone": false}},
				object{"range": object{"id": object{"gt": after}}},
			}}},
		}),
	})
	if err != nil {
		return nil, err
	}
	var got struct {
		Hits struct {
			Hits []struct {
				Source source `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	switch {
	case a.status == http.StatusNotFound:
		e.places.lost(instance)
		return nil, nil
	case a.status != http.StatusOK, json.Unmarshal(a.body, &got) != nil:
		return nil, away(e.client.refused(a))
	}
	var all []search.Known
	for _, h := range got.Hits.Hits {
		all = append(all, h.Source.known())
	}
	return all, nil
}

// Status tells how the server and the indexes are.
func (e *Engine) Status(ctx context.Context) (search.Status, error) {
	s := search.Status{Address: strings.Join(each(e.client.hosts, func(h *host) string { return h.address }), ", ")}
	product, err := e.product(ctx)
	if err != nil {
		return s, err
	}
	s.Engine = product
	pattern := fmt.Sprintf("%s*-m%d-*", e.o.Prefix, form)
	a, err := e.client.do(ctx, request{
		method: http.MethodPost, path: "/" + pattern + "/_count?ignore_unavailable=true&allow_no_indices=true",
		body: encode(object{"query": object{"term": object{"gone": false}}}),
	})
	if err != nil {
		return s, err
	}
	var count struct {
		Count  *int64 `json:"count"`
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &count) != nil || count.Count == nil {
		return s, away(e.client.refused(a))
	}
	s.Documents = *count.Count
	if count.Shards.Failed > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d parts of the index do not answer", count.Shards.Failed))
	}
	if s.Bytes, err = e.bytes(ctx, pattern); err != nil {
		return s, err
	}
	notes, err := e.health(ctx)
	if err != nil {
		return s, err
	}
	s.Notes = append(s.Notes, notes...)
	for _, h := range e.client.hosts {
		if err := h.down(); err != nil {
			s.Notes = append(s.Notes, err.Error())
		}
		if e.client.auth != "" && strings.HasPrefix(h.address, "http://") && !loopback(h.address) {
			s.Notes = append(s.Notes, "user and password, or the API key, go to "+h.address+" without TLS: write https://")
		}
	}
	if missing := e.about.lacking(); len(missing) > 0 {
		s.Notes = append(s.Notes, "the server lacks these analyzers, so words of their languages are found only as they are "+
			"written: "+strings.Join(missing, ", "))
	}
	return s, nil
}

// product says what the server is. Parts of Elasticsearch have no GET /, but their nodes have a version.
func (e *Engine) product(ctx context.Context) (string, error) {
	a, err := e.client.do(ctx, request{method: http.MethodGet, path: "/"})
	if err != nil {
		return "", err
	}
	var root struct {
		Version struct {
			Distribution string `json:"distribution"`
			Number       string `json:"number"`
		} `json:"version"`
	}
	if a.status == http.StatusOK && json.Unmarshal(a.body, &root) == nil && root.Version.Number != "" {
		if root.Version.Distribution == "opensearch" {
			return "OpenSearch " + root.Version.Number, nil
		}
		return "Elasticsearch " + root.Version.Number, nil
	}
	product := "a search server"
	if p := a.header.Get("X-Elastic-Product"); p == "Elasticsearch" {
		product = p
	}
	a, err = e.client.do(ctx, request{method: http.MethodGet, path: "/_nodes?filter_path=nodes.*.version"})
	if err != nil {
		return "", err
	}
	var nodes struct {
		Nodes map[string]struct {
			Version string `json:"version"`
		} `json:"nodes"`
	}
	if json.Unmarshal(a.body, &nodes) == nil {
		for _, n := range nodes.Nodes {
			return product + " " + n.Version, nil
		}
	}
	return product, nil
}

// bytes is how much room the indexes take, with their copies.
func (e *Engine) bytes(ctx context.Context, pattern string) (int64, error) {
	a, err := e.client.do(ctx, request{
		method: http.MethodGet, path: "/" + pattern + "/_stats/store?filter_path=_all.total.store.size_in_bytes",
	})
	if err != nil {
		return 0, err
	}
	var stats struct {
		All struct {
			Total struct {
				Store struct {
					Size int64 `json:"size_in_bytes"`
				} `json:"store"`
			} `json:"total"`
		} `json:"_all"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &stats) != nil {
		return 0, away(e.client.refused(a))
	}
	return stats.All.Total.Store.Size, nil
}

// health tells what of the indexes is not as it should be.
func (e *Engine) health(ctx context.Context) ([]string, error) {
	a, err := e.client.do(ctx, request{method: http.MethodGet, path: "/_cluster/health/" + e.o.Prefix + "*?timeout=1s"})
	if err != nil {
		return nil, err
	}
	var h struct {
		Status  string `json:"status"`
		Missing int    `json:"unassigned_shards"`
	}
	if json.Unmarshal(a.body, &h) != nil {
		return nil, away(e.client.refused(a))
	}
	switch h.Status {
	case "red":
		return []string{fmt.Sprintf("parts of the index are on no node of the server (red, %d are missing): start its nodes "+
			"that are away", h.Missing)}, nil
	case "yellow":
		return []string{fmt.Sprintf("copies of the index are on no node of the server (yellow, %d are missing): if a node "+
			"fails now, search is away", h.Missing)}, nil
	}
	return nil, nil
}

// loopback reports whether an address is of this machine.
func loopback(address string) bool {
	u, err := hostURL(address)
	return err == nil && (u.Hostname() == "localhost" || u.Hostname() == "::1" || strings.HasPrefix(u.Hostname(), "127."))
}

// ACLs implements search.Engine.
func (e *Engine) ACLs(ctx context.Context, instance stoa.ID) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	there, err := e.places.of(ctx, instance)
	if err != nil || !there {
		return nil, err
	}
	if err := e.refresh(ctx, instance); err != nil {
		return nil, err
	}
	var all []string
	for after := ""; ; {
		values := object{"size": mostWalked, "sources": []any{object{"acl": object{"terms": object{"field": "acl"}}}}}
		if after != "" {
			values["after"] = object{"acl": after}
		}
		a, err := e.client.do(ctx, request{
			method: http.MethodPost, path: "/" + e.alias(instance) + "/_search?" + whole + "&filter_path=aggregations",
			body: encode(object{
				"size": 0, "track_total_hits": false,
				"query": object{"bool": object{"filter": []any{object{"term": object{"gone": false}}}}},
				"aggs":  object{"acls": object{"composite": values}},
			}),
		})
		if err != nil {
			return nil, err
		}
		var got struct {
			Aggregations struct {
				ACLs struct {
					Buckets []struct {
						Key struct {
							ACL string `json:"acl"`
						} `json:"key"`
					} `json:"buckets"`
				} `json:"acls"`
			} `json:"aggregations"`
		}
		switch {
		case a.status == http.StatusNotFound:
			e.places.lost(instance)
			return nil, nil
		case a.status != http.StatusOK, json.Unmarshal(a.body, &got) != nil:
			return nil, away(e.client.refused(a))
		}
		for _, b := range got.Aggregations.ACLs.Buckets {
			all = append(all, b.Key.ACL)
		}
		if len(got.Aggregations.ACLs.Buckets) < mostWalked {
			return all, nil
		}
		after = all[len(all)-1]
	}
}
