package wordpress

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
)

// A site may come in several files, in any order. So what a file says of an item or a term is kept in the table
// importer_source, and a file is read together with what earlier ones said.

// keptItem is what is kept of an item: all that others may need of it. Passwords are not kept.
type keptItem struct {
	ID            int64               `json:"id,omitempty"`
	Type          string              `json:"type"`
	Status        string              `json:"status"`
	Title         string              `json:"title,omitempty"`
	Slug          string              `json:"slug,omitempty"`
	Link          string              `json:"link,omitempty"`
	GUID          string              `json:"guid,omitempty"`
	Date          time.Time           `json:"date,omitzero"`
	Local         time.Time           `json:"local,omitzero"`
	Modified      time.Time           `json:"modified,omitzero"`
	Parent        int64               `json:"parent,omitempty"`
	MenuOrder     int                 `json:"order,omitempty"`
	Content       string              `json:"content,omitempty"`
	Excerpt       string              `json:"excerpt,omitempty"`
	Refs          []TermRef           `json:"refs,omitempty"`
	Meta          map[string][]string `json:"meta,omitempty"`
	AttachmentURL string              `json:"file,omitempty"`
}

// keptMeta names the meta values that this package reads; those of plugins can be large.
func keptMeta(key string) bool {
	return strings.HasPrefix(key, "_menu_item_") || slices.Contains([]string{"_thumbnail_id", "_wp_attached_file",
		"_wp_attachment_image_alt", "_wp_old_slug", "_wp_page_template"}, key)
}

func keep(it *Item) keptItem {
	k := keptItem{
		ID:            it.ID,
		Type:          it.Type,
		Status:        it.Status,
		Title:         it.Title,
		Slug:          it.Slug,
		Link:          it.Link,
		GUID:          it.GUID,
		Date:          it.Date,
		Local:         it.Local,
		Modified:      it.Modified,
		Parent:        it.Parent,
		MenuOrder:     it.MenuOrder,
		Content:       it.Content,
		Excerpt:       it.Excerpt,
		Refs:          it.Refs,
		AttachmentURL: it.AttachmentURL,
	}
	for key, v := range it.Meta {
		if keptMeta(key) {
			if k.Meta == nil {
				k.Meta = map[string][]string{}
			}
			k.Meta[key] = v
		}
	}
	return k
}

func (k keptItem) item() Item {
	return Item{
		ID:            k.ID,
		Type:          k.Type,
		Status:        k.Status,
		Title:         k.Title,
		Slug:          k.Slug,
		Link:          k.Link,
		GUID:          k.GUID,
		Date:          k.Date,
		Local:         k.Local,
		Modified:      k.Modified,
		Parent:        k.Parent,
		MenuOrder:     k.MenuOrder,
		Content:       k.Content,
		Excerpt:       k.Excerpt,
		Refs:          k.Refs,
		Meta:          k.Meta,
		AttachmentURL: k.AttachmentURL,
		past:          true,
	}
}

// worthKeeping reports whether a later file may need the item. A text that is too large for an article is not kept.
func worthKeeping(it *Item) bool {
	switch it.Type {
	case TypePost, TypePage, TypeAttachment, TypeMenuItem, TypeBlock, "wp_navigation":
		return it.Status != StatusTrash && it.Status != "auto-draft" && len(it.Content) <= content.MaxBody
	}
	return false
}

// keptKey names an item among those of its site: type and id. Entries of menus can share ids with those of other
// menus; items without an id are known by what they say.
func keptKey(it *Item) string {
	key := strconv.FormatInt(it.ID, 10)
	if it.ID == 0 {
		key = "x" + strconv.FormatInt(
			fingerprint(strings.Join([]string{it.Title, it.Slug, it.Link, it.GUID, it.Date.String()}, "\x00")),
			36,
		)
	}
	if it.Type == TypeMenuItem {
		key += "/" + firstRef(it, "nav_menu")
	}
	return key
}

// name gives every item of the file the key under which it is kept. Two without an id that say the same are counted.
func (e *Export) name() {
	seen := map[string]int{}
	for i := range e.Items {
		it := &e.Items[i]
		it.key = keptKey(it)
		if it.ID == 0 {
			full := it.Type + " " + it.key
			if seen[full]++; seen[full] > 1 {
				it.key += "-" + strconv.Itoa(seen[full])
			}
		}
		it.key = sourceKey(it.key)
	}
}

// kept is what earlier files said.
type kept struct {
	items map[string]Item   // by type and key
	known map[string]bool   // kind and key of all that is kept
	terms map[string]string // what is kept of terms, by key
}

func (r *run) remember(ctx context.Context) (kept, error) {
	k := kept{items: map[string]Item{}, known: map[string]bool{}, terms: map[string]string{}}
	err := db.Each(ctx, r.DB, func(row db.Scanner) error {
		var kind, key, body string
		if err := row.Scan(&kind, &key, &body); err != nil {
			return err
		}
		k.known[kind+" "+key] = true
		if kind == "term" {
			k.terms[key] = body
			return nil
		}
		var it keptItem
		if err := json.Unmarshal([]byte(body), &it); err != nil {
			return err
		}
		item := it.item()
		item.key = key
		k.items[kind+" "+key] = item
		return nil
	},
		"SELECT kind, source_key, body FROM importer_source WHERE site = ? AND source = ? ORDER BY kind, source_key",
		r.site.ID, r.source)
	if err != nil {
		return k, fmt.Errorf("read what earlier files said: %w", err)
	}
	return k, nil
}

// with gives the export together with what earlier files said. Of an item that both have, what was told first stands.
func (e *Export) with(k kept) (*Export, error) {
	out := *e
	out.Items = make([]Item, 0, len(e.Items)+len(k.items))
	here := map[string]bool{}
	for _, it := range e.Items {
		full := it.Type + " " + it.key
		if old, ok := k.items[full]; ok && !here[full] {
			old.past, old.Line, old.Author, old.Password, old.Sticky, old.Comments = false, it.Line, it.Author,
				it.Password, it.Sticky, it.Comments
			it = old
		}
		here[full] = true
		out.Items = append(out.Items, it)
	}
	for full, it := range k.items {
		if !here[full] {
			out.Items = append(out.Items, it)
		}
	}
	slices.SortStableFunc(out.Items[len(e.Items):], func(x, y Item) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.ID, y.ID), cmp.Compare(x.key, y.key))
	})
	out.Categories, out.Tags, out.Terms = slices.Clone(e.Categories), slices.Clone(e.Tags), slices.Clone(e.Terms)
	p := &parser{out: &out, terms: map[string]int{}}
	for _, list := range [][]Term{out.Categories, out.Tags, out.Terms} {
		for i, t := range list {
			if _, twice := p.terms[t.Taxonomy+"\x00"+t.Slug]; !twice {
				p.terms[t.Taxonomy+"\x00"+t.Slug] = i
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(k.terms)) {
		var t Term
		if err := json.Unmarshal([]byte(k.terms[key]), &t); err != nil {
			return nil, fmt.Errorf("read what earlier files said of the term %s: %w", key, err)
		}
		p.addTerm(t)
	}
	return &out, nil
}

// keepRow is the row that keeps something for files to come.
func (r *run) keepRow(kind, key string, what any) (db.Row, error) {
	body, err := json.Marshal(what)
	return db.Row{"site": r.site.ID, "source": r.source, "kind": kind, "source_key": key, "body": string(body)}, err
}

func (r *run) keepItem(ctx context.Context, tx *db.Tx, it *Item) error {
	if it.past || r.kept.known[it.Type+" "+it.key] || !worthKeeping(it) {
		return nil
	}
	row, err := r.keepRow(it.Type, it.key, keep(it))
	if err != nil {
		return err
	}
	_, err = tx.InsertIgnore(ctx, "importer_source", row)
	return err
}

// keepRest keeps the items that become no article, the terms, and the articles that an older program wrote.
func (r *run) keepRest(ctx context.Context) error {
	var rows []db.Row
	for i := range r.export.Items {
		it := &r.export.Items[i]
		article := it.Type == TypePost || it.Type == TypePage
		if it.past || r.kept.known[it.Type+" "+it.key] || !worthKeeping(it) || article && r.known[it.Type+"/"+it.key] == 0 {
			continue
		}
		row, err := r.keepRow(it.Type, it.key, keep(it))
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	for _, list := range [][]Term{r.export.Categories, r.export.Tags, r.export.Terms} {
		for _, t := range list {
			key := sourceKey(t.Taxonomy + "/" + t.Slug)
			t.Line = 0
			row, err := r.keepRow("term", key, t)
			if err != nil {
				return err
			}
			if t.Slug != "" && r.kept.terms[key] != row["body"] {
				rows = append(rows, row)
			}
		}
	}
	for chunk := range slices.Chunk(rows, 200) {
		err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			for _, row := range chunk {
				if row["kind"] == "term" { // a later file can tell more of it
					if err := tx.Upsert(ctx, "importer_source", []string{"site", "source", "kind", "source_key"}, row); err != nil {
						return err
					}
					continue
				}
				if _, err := tx.InsertIgnore(ctx, "importer_source", row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("keep what the file says: %w", err)
		}
	}
	return nil
}

// sameSource reports whether two addresses are of one site: with and without www., http and https.
func sameSource(a, b string) bool {
	plainSource := func(s string) string {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil {
			return s
		}
		return strings.TrimPrefix(strings.ToLower(u.Host), "www.") + strings.TrimRight(u.Path, "/")
	}
	return plainSource(a) == plainSource(b)
}
