package document_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/site"
)

// node is what a node of the portal has, as far as files need it.
type node struct {
	*document.Service
	log   *change.Log
	acc   *access.Service
	sites *site.Service
	store *filestore.Dir
	d     *db.DB
}

// newNode makes a node that keeps its bytes in dir; limits of 0 are the defaults.
func newNode(t *testing.T, d *db.DB, dir string, maxBytes, maxPixels int64) *node {
	t.Helper()
	n := &node{d: d}
	c, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	must(t, err)
	t.Cleanup(c.Close)
	n.log, err = change.Open(t.Context(), change.Options{DB: d, Apply: func(rows []change.Row) {
		out := make([]cache.Change, len(rows))
		for i, r := range rows {
			out[i] = cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope)}
		}
		c.Invalidate(out, nil)
	}})
	must(t, err)
	t.Cleanup(func() { _ = n.log.Close(context.Background()) })
	n.acc, err = access.New(access.Options{DB: d, Cache: c, InstanceOf: site.InstanceOf})
	must(t, err)
	n.sites, err = site.New(site.Options{DB: d, Cache: c, Access: n.acc})
	must(t, err)
	n.store = filestoretest.Dir(t, dir)
	n.Service, err = document.New(document.Options{DB: d, Cache: c, Access: n.acc, Store: n.store, MaxBytes: maxBytes, MaxPixels: maxPixels})
	must(t, err)
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func system(t *testing.T) context.Context { return stoa.WithActor(t.Context(), stoa.SystemActor()) }

func (n *node) firstSite(t *testing.T) site.Site {
	t.Helper()
	_, st, _, err := n.sites.EnsureDefault(system(t), site.Defaults{WebID: "stoa.example", Name: "Stoa", SiteSlug: "guest", SiteName: "Guest", Locale: "en", TimeZone: "UTC"})
	must(t, err)
	return st
}

func (n *node) guest(t *testing.T, st site.Site) context.Context {
	t.Helper()
	a, err := n.acc.GuestActor(system(t), st.Instance)
	must(t, err)
	return stoa.WithActor(t.Context(), a)
}

func each(t *testing.T, fn func(t *testing.T, n *node, st site.Site)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, t.TempDir(), 0, 0)
		fn(t, n, n.firstSite(t))
	})
}

// lite is one node on SQLite with limits of its own, for what no database has a part in.
func lite(t *testing.T, maxBytes, maxPixels int64) (*node, site.Site) {
	t.Helper()
	n := newNode(t, dbtest.New(t), t.TempDir(), maxBytes, maxPixels)
	return n, n.firstSite(t)
}

func wantKind(t *testing.T, err error, k stoa.Kind, what string) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Fatalf("%s: got %v, want an error of kind %s", what, err, k)
	}
}

func (n *node) upload(t *testing.T, st site.Site, name string, body []byte) document.File {
	t.Helper()
	f, err := n.Upload(system(t), st, document.Upload{Name: name, Body: bytes.NewReader(body), Size: int64(len(body))})
	must(t, err)
	return f
}

// bytesOf opens a file and reads it to the end.
func (n *node) bytesOf(t *testing.T, ctx context.Context, key string, width int) ([]byte, document.File) {
	t.Helper()
	b, f, err := n.Open(ctx, key, width)
	must(t, err)
	defer b.Close()
	data, err := io.ReadAll(b)
	must(t, err)
	if int64(len(data)) != f.Size {
		t.Fatalf("%d bytes came, the file says %d", len(data), f.Size)
	}
	return data, f
}

// keys counts what is in the store.
func (n *node) keys(t *testing.T) int {
	t.Helper()
	count := 0
	must(t, n.store.List(t.Context(), "", func(filestore.Info) error { count++; return nil }))
	return count
}

// half is a picture whose left half is red and whose right half is blue.
func half(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: 255, A: 255}
			if x >= w/2 {
				c = color.NRGBA{B: 255, A: 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, img))
	return b.Bytes()
}

func jpegOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, img, nil))
	return b.Bytes()
}
