package server

import (
	"context"
	"errors"

	"github.com/stoa-portal/stoa/admin"
	assetscreens "github.com/stoa-portal/stoa/admin/assets"
	"github.com/stoa-portal/stoa/admin/bulk"
	"github.com/stoa-portal/stoa/admin/contents"
	filescreens "github.com/stoa-portal/stoa/admin/files"
	"github.com/stoa-portal/stoa/admin/operate"
	"github.com/stoa-portal/stoa/admin/pages"
	"github.com/stoa-portal/stoa/admin/people"
	"github.com/stoa-portal/stoa/admin/sites"
	"github.com/stoa-portal/stoa/admin/trash"
	"github.com/stoa-portal/stoa/autosave"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/portal"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/widget"
)

// panel makes the control panel with its areas.
func (s *Server) panel(asks *portal.Portal, theme *render.Service, catalogue *widget.Catalogue, assets *look.Assets,
	maxUpload int64) (*admin.Panel, error) {
	p, err := admin.New(admin.Options{
		Access: s.Access, Sites: s.Sites, Assets: assets, Locks: s.Locks, Audit: s.Audit, SiteOf: asks.SiteOf,
		Picture: s.Files.Image, Typed: autosave.New(s.DB, nil), Snapshot: s.snapshot, Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	return p, errors.Join(
		contents.Add(p, contents.Options{Access: s.Access, Assets: s.Assets, Content: s.Content, Taxonomy: s.Taxonomy,
			Bulk: s.Bulk}),
		assetscreens.Add(p, assetscreens.Options{Access: s.Access, Assets: s.Assets}),
		trash.Add(p, trash.Options{Access: s.Access, Assets: s.Assets, Bulk: s.Bulk, Sites: s.Sites,
			Age: s.cfg.Trash.MaxAge}),
		bulk.Add(p, bulk.Options{Access: s.Access, Assets: s.Assets, Bulk: s.Bulk}),
		pages.Add(p, pages.Options{Access: s.Access, Entries: s.Assets, Pages: s.Pages, Bulk: s.Bulk, Content: s.Content,
			Taxonomy: s.Taxonomy, Render: theme, Catalogue: catalogue, Assets: assets, Audit: s.Audit}),
		filescreens.Add(p, filescreens.Options{Access: s.Access, Assets: s.Assets, Files: s.Files, Bulk: s.Bulk,
			Audit:     s.Audit,
			MaxUpload: maxUpload}),
		people.Add(p, people.Options{Access: s.Access, Sites: s.Sites, Users: s.Users}),
		sites.Add(p, sites.Options{Access: s.Access, Sites: s.Sites, Pages: s.Pages, Render: theme,
			CreateInstance: s.CreateInstance}),
		operate.Add(p, operate.Options{Sites: s.Sites, Jobs: s.Jobs, Locks: s.Locks, Log: s.Log, Audit: s.Audit, Nodes: s,
			NodeNames:  func(ctx context.Context) (map[int64]string, error) { return cluster.Names(ctx, s.DB) },
			Properties: s.properties, Caches: s.cacheStats, Search: s.searchScreen(), Move: s.FileMove}))
}
