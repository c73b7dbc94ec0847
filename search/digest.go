package search

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
)

// Sign sets the digest of a document, and brings what has no order into one.
func (d *Document) Sign() {
	slices.Sort(d.Tags)
	d.Tags = slices.Compact(d.Tags)
	slices.Sort(d.Categories)
	d.Categories = slices.Compact(d.Categories)
	d.Created, d.Modified = d.Created.UTC().Truncate(time.Second), d.Modified.UTC().Truncate(time.Second)
	type text struct {
		Locale stoa.Locale
		Text
	}
	signed := struct {
		Form       int // of the index: raised when the same document is indexed in another way
		Kind, ACL  string
		ID         stoa.ID
		Instance   stoa.ID
		Site       stoa.ID
		Author     stoa.ID
		Tags       []string
		Categories []stoa.ID
		Times      [2]int64
		Texts      []text
	}{
		1, d.Kind, d.ACL, d.ID, d.Instance, d.Site, d.Author, d.Tags, d.Categories,
		[2]int64{d.Created.Unix(), d.Modified.Unix()}, nil,
	}
	for _, l := range slices.SortedFunc(maps.Keys(d.Texts), cmp.Compare[stoa.Locale]) {
		signed.Texts = append(signed.Texts, text{l, d.Texts[l]})
	}
	data, err := json.Marshal(signed)
	if err != nil { // strings and numbers alone
		panic(err)
	}
	sum := sha256.Sum256(data)
	d.Digest = base64.RawURLEncoding.EncodeToString(sum[:15])
}
