package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

// tokenKey is where the token is, in the same batch as the documents.
const tokenKey = "token"

// Apply implements search.Engine. What it has written is seen at once, whatever refresh says, and is on the disk.
func (x *Index) Apply(ctx context.Context, docs []search.Document, token []byte, _ bool) error {
	return x.use(ctx, func(ctx context.Context, p *place) error {
		p.write.Lock()
		defer p.write.Unlock()
		if err := ctx.Err(); err != nil { // while it waited
			return err
		}
		batch := index.NewBatch()
		r, err := p.reader()
		if err != nil {
			return err
		}
		defer r.Close()
		for _, d := range docs {
			if d.Version != 0 {
				have, there, err := about(r, name(d.Instance, d.Key()))
				if err != nil {
					return err
				}
				if there && have.Version >= d.Version {
					continue
				}
			} else if d.Gone {
				batch.Delete(name(d.Instance, d.Key()))
				continue
			}
			doc, err := x.languages.made(d)
			if err != nil {
				return fmt.Errorf("index %s %d: %w", d.Kind, d.ID, err)
			}
			batch.Update(doc)
		}
		if token != nil {
			batch.SetInternal([]byte(tokenKey), token)
		}
		if len(batch.IndexOps)+len(batch.InternalOps) == 0 {
			return nil
		}
		if err := p.bleve.Batch(batch); err != nil {
			return fmt.Errorf("write to the search index in %s: %w", p.path, err)
		}
		return nil
	})
}

// about reads what is stored of a document.
func about(r *scorch.IndexSnapshot, name string) (s stored, there bool, err error) {
	doc, err := r.Document(name)
	if err != nil || doc == nil {
		return s, false, err
	}
	doc.VisitFields(func(f index.Field) {
		if f.Name() == fieldStored {
			err = errors.Join(err, json.Unmarshal(f.Value(), &s))
		}
	})
	return s, true, err
}

// reading calls fn with the index as it is at one moment.
func (x *Index) reading(ctx context.Context, fn func(context.Context, *scorch.IndexSnapshot) error) error {
	return x.use(ctx, func(ctx context.Context, p *place) error {
		r, err := p.reader()
		if err != nil {
			return err
		}
		defer r.Close()
		return fn(ctx, r)
	})
}

// Token implements search.Engine.
func (x *Index) Token(ctx context.Context) (token []byte, err error) {
	err = x.reading(ctx, func(_ context.Context, r *scorch.IndexSnapshot) error {
		kept, err := r.GetInternal([]byte(tokenKey))
		if kept != nil {
			token = append([]byte{}, kept...)
		}
		return err
	})
	return token, err
}

// Known implements search.Engine.
func (x *Index) Known(ctx context.Context, instance stoa.ID, keys []search.Key) (list []search.Known, err error) {
	err = x.reading(ctx, func(ctx context.Context, r *scorch.IndexSnapshot) error {
		for _, k := range keys {
			if err := ctx.Err(); err != nil {
				return err
			}
			s, there, err := about(r, name(instance, k))
			if err != nil {
				return err
			}
			if there && !s.Gone {
				list = append(list, search.Known{Key: k, Digest: s.Digest, ACL: s.ACL})
			}
		}
		return nil
	})
	return list, err
}

// Walk implements search.Engine: names of documents sort as their ids do.
func (x *Index) Walk(ctx context.Context, instance stoa.ID, kind string, after stoa.ID, limit int,
) (list []search.Known, err error) {
	if after < 0 {
		after = 0
	}
	err = x.reading(ctx, func(ctx context.Context, r *scorch.IndexSnapshot) error {
		first := name(instance, search.Key{Kind: kind, ID: after})
		last := name(instance, search.Key{Kind: kind, ID: 1<<63 - 1})
		names, err := r.FieldDictRange("_id", []byte(first), []byte(last))
		if err != nil {
			return err
		}
		defer names.Close()
		for len(list) < limit {
			if err := ctx.Err(); err != nil {
				return err
			}
			e, err := names.Next()
			if err != nil || e == nil {
				return err
			}
			_, k, err := keyOf(e.Term)
			if err != nil {
				return err
			}
			if k.Kind != kind || k.ID == after {
				continue
			}
			s, there, err := about(r, e.Term)
			if err != nil {
				return err
			}
			if there && !s.Gone {
				list = append(list, search.Known{Key: k, Digest: s.Digest, ACL: s.ACL})
			}
		}
		return nil
	})
	return list, err
}

// Status implements search.Engine.
func (x *Index) Status(ctx context.Context) (s search.Status, err error) {
	s = search.Status{Engine: "embedded", Address: x.dir}
	err = x.use(ctx, func(ctx context.Context, p *place) error {
		r, err := p.reader()
		if err != nil {
			return err
		}
		defer r.Close()
		live, err := r.TermFieldReader(ctx, []byte("1"), fieldLive, false, false, false)
		if err != nil {
			return err
		}
		s.Documents = int64(live.Count())
		if err := live.Close(); err != nil {
			return err
		}
		s.Bytes, err = p.bytes()
		return err
	})
	return s, err
}
