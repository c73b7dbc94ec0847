package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

// answered is what a server answers a question.
type answered struct {
	Hits struct {
		Total struct {
			Value int `json:"value"`
		} `json:"total"`
		Hits []struct {
			Score   *float64          `json:"_score"`
			Source  source            `json:"_source"`
			Sort    []json.RawMessage `json:"sort"`
			Matched []string          `json:"matched_queries"`
		} `json:"hits"`
	} `json:"hits"`
	Aggregations map[string]struct {
		Values struct {
			Buckets []struct {
				Key   string `json:"key"`
				Count int    `json:"doc_count"`
			} `json:"buckets"`
		} `json:"values"`
	} `json:"aggregations"`
}

// result makes the answer of the engine of it.
func (a answered) result(q search.Query) search.Result {
	r := search.Result{Total: a.Hits.Total.Value}
	if r.Total > exactTotal {
		r.Total, r.More = exactTotal, true
	}
	for _, h := range a.Hits.Hits {
		hit := search.Hit{Key: search.Key{Kind: h.Source.Kind, ID: h.Source.ID}, ACL: h.Source.ACL}
		if h.Score != nil {
			hit.Score = *h.Score
		}
		r.Hits = append(r.Hits, hit)
	}
	if n := len(r.Hits); n > 0 && n == q.Size {
		if before := seenBefore(q); before+n < r.Total || r.More {
			r.Next = cursor{Before: before + n, Sort: a.Hits.Hits[n-1].Sort}.text(q)
		}
	}
	if len(q.Facets) > 0 {
		r.Facets = map[search.Facet][]search.Count{}
		for _, f := range q.Facets {
			counts := []search.Count{}
			for _, b := range a.Aggregations[string(f)].Values.Buckets {
				counts = append(counts, search.Count{Value: b.Key, N: b.Count})
			}
			slices.SortStableFunc(counts, greatest)
			r.Facets[f] = counts
		}
	}
	return r
}

// cursor is the place behind a hit.
type cursor struct {
	Before int               `json:"n"` // hits up to it
	Sort   []json.RawMessage `json:"s"`
}

const (
	cursorSum   = 8
	longestText = 1000
)

// text writes it so that it is known again, and only with the question that it is of.
func (c cursor) text(q search.Query) string {
	b := encode(c)
	return base64.RawURLEncoding.EncodeToString(append(sumOf(q, b), b...))
}

func sumOf(q search.Query, b []byte) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s\x00%v\x00%s", q.Instance, q.Words, q.Order, q.Titles, b))
	return sum[:cursorSum]
}

// parseCursor reads what text wrote.
func parseCursor(q search.Query) (c cursor, err error) {
	wrong := func() (cursor, error) {
		return c, stoa.Invalid("after", "this is not the end of a page of search results: start again from the first page")
	}
	if len(q.After) > longestText || strings.ContainsAny(q.After, "\r\n") {
		return wrong()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.After)
	if err != nil || len(b) < cursorSum || !bytes.Equal(b[:cursorSum], sumOf(q, b[cursorSum:])) {
		return wrong()
	}
	if err := json.Unmarshal(b[cursorSum:], &c); err != nil || len(c.Sort) != len(sorting(q)) {
		return wrong()
	}
	return c, nil
}

// readCursor gives the values that a page begins after, nil for the first one.
func readCursor(q search.Query) ([]json.RawMessage, error) {
	if q.After == "" {
		return nil, nil
	}
	c, err := parseCursor(q)
	return c.Sort, err
}

// seenBefore is how many hits were on the pages before.
func seenBefore(q search.Query) int {
	if q.After == "" {
		return 0
	}
	c, err := parseCursor(q)
	if err != nil {
		return 0
	}
	return c.Before
}
