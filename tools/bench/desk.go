package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

// firstPage is the id of the first page that is measured; the others follow.
const firstPage = 1_000_000

// layoutBytes is how much text a page holds.
const layoutBytes = 2000

// desk is what an editor's save goes through in a node, without HTTP: the services of pages over the handle of the
// database with its history, the change log and its heartbeat, and the caches.
type desk struct {
	d       *db.DB
	pages   *page.Service
	editor  context.Context // of the actor who saves
	closing []func()
}

// openDesk makes a portal with n pages in a new database.
func openDesk(ctx context.Context, address, home string, n int) (k *desk, err error) {
	k = &desk{}
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	writer := change.NewWriter()
	if k.d, err = db.Open(ctx, db.Options{URL: address, Name: "bench", Writer: writer, Logger: log, Clock: change.Boottime,
		MemoryFile: home + "/history"}); err != nil {
		return nil, err
	}
	k.onClose(func() { _ = k.d.Close() })
	if err := k.d.Migrate(ctx); err != nil {
		return nil, err
	}
	node, err := cluster.Join(ctx, cluster.NodeOptions{DB: k.d, Writer: writer, Home: home, Name: "bench", Host: "bench",
		HostID: cluster.HostID(), Logger: log})
	if err != nil {
		return nil, err
	}
	k.onClose(func() { _ = node.Leave(context.WithoutCancel(ctx)) })
	var proof func() time.Duration
	caches, err := cache.New(cache.Options{Proof: func() time.Duration { return proof() }, Clock: change.Boottime,
		InTransaction: db.InWrite, Incarnation: k.d.Incarnation})
	if err != nil {
		return nil, err
	}
	k.onClose(caches.Close)
	changes, err := change.Open(ctx, change.Options{DB: k.d, Writer: writer, Beat: node.Beat, Logger: log,
		Apply: func(rows []change.Row) {
			drop := make([]cache.Change, 0, len(rows))
			for _, r := range rows {
				drop = append(drop, cache.Change{Kind: r.Kind, ID: int64(r.ID), Scope: int64(r.Scope), Writer: r.Writer, N: r.N})
			}
			caches.Invalidate(drop, nil)
		}})
	if err != nil {
		return nil, err
	}
	proof = changes.Proof
	k.onClose(func() { _ = changes.Close(context.WithoutCancel(ctx)) })
	run, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = changes.Run(run) }) // what fails there makes saves fail
	k.onClose(func() { end(); wg.Wait() })
	if err := changes.Poll(ctx); err != nil {
		return nil, err
	}
	return k, k.fill(ctx, caches, n)
}

func (k *desk) onClose(fn func()) { k.closing = append(k.closing, fn) }

// close ends the parts; a second call does nothing.
func (k *desk) close() {
	for i := len(k.closing) - 1; i >= 0; i-- {
		k.closing[i]()
	}
	k.closing = nil
}

// fill makes a site with n pages.
func (k *desk) fill(ctx context.Context, caches *cache.Cache, n int) error {
	may, err := access.New(access.Options{DB: k.d, Cache: caches, InstanceOf: site.InstanceOf})
	if err != nil {
		return err
	}
	sites, err := site.New(site.Options{DB: k.d, Cache: caches, Access: may})
	if err != nil {
		return err
	}
	if k.pages, err = page.New(page.Options{DB: k.d, Cache: caches, Access: may, Sites: sites}); err != nil {
		return err
	}
	_, st, _, err := sites.EnsureDefault(ctx, site.Defaults{WebID: "bench.example", Name: "Bench", SiteSlug: "guest",
		SiteName: "Guest", TimeZone: "UTC", Locale: "en", Locales: []stoa.Locale{"en"}})
	if err != nil {
		return err
	}
	roles, err := may.RoleIDs(ctx, st.Instance)
	if err != nil {
		return err
	}
	k.editor = stoa.WithActor(ctx, stoa.Actor{User: 900, Name: "Ed", Instance: st.Instance,
		Roles: []stoa.ID{roles[access.RoleEditor]}})
	p, err := k.pages.Create(k.editor, st, page.NewPage{Slug: "measured", Position: -1, Publish: true, Layout: layout(0),
		Title: map[stoa.Locale]string{"en": "A page that is measured"}})
	if err != nil {
		return err
	}
	return k.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for i := range n {
			path := fmt.Sprintf("/measured-%d", i)
			sum := sha256.Sum256([]byte(path))
			if _, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO page_page (id, site, parent, slug, path, path_hash, title, "+
				"place, hidden, page_type, target, layout, draft, published, restricted, password, seo, template, created, "+
				"modified, modified_by, live_number, version, draft_version) SELECT %d, site, parent, '%s', '%s', '%s', title, "+
				"%d, hidden, page_type, target, layout, draft, published, restricted, password, seo, template, created, "+
				"modified, modified_by, live_number, 1, 1 FROM page_page WHERE id = %d",
				firstPage+i, path[1:], path, hex.EncodeToString(sum[:]), i+2, p.ID)); err != nil {
				return err
			}
		}
		return nil
	})
}

// layout is that of a page; serial makes each another.
func layout(serial int) page.Layout {
	text := fmt.Sprintf("<p>Saved %d times.</p>", serial)
	text += "<p>" + strings.Repeat("The text of a page that is measured. ", (layoutBytes-len(text))/37) + "</p>"
	return page.Single(page.Placed{ID: "w1", Widget: "html", Settings: map[string]string{"html": text}})
}

// saved is what an editor knows of a page.
type saved struct {
	id             stoa.ID
	version, draft int64
	serial         int
}

// pagesOf gives what n editors know of their pages at first.
func pagesOf(n int) []saved {
	out := make([]saved, n)
	for i := range out {
		out[i] = saved{id: stoa.ID(firstPage + i), version: 1, draft: 1}
	}
	return out
}

// save keeps a draft.
func (k *desk) save(p *saved) (err error) {
	p.serial++
	p.draft, err = k.pages.SaveDraft(k.editor, p.id, layout(p.serial), p.draft)
	return err
}

// publish keeps a draft and shows it to visitors.
func (k *desk) publish(p *saved) error {
	if err := k.save(p); err != nil {
		return err
	}
	got, err := k.pages.Publish(k.editor, p.id, p.version)
	p.version, p.draft = got.Version, got.DraftVersion
	return err
}
