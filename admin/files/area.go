// Package files has the screens of files and their folders.
package files

import (
	"embed"
	"errors"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/document"
)

//go:embed templates/*.html
var templates embed.FS

// Options are what the area works on. Access, Assets, Files and Bulk are required.
type Options struct {
	Access    *access.Service
	Assets    *asset.Service
	Files     *document.Service
	Bulk      *bulk.Service
	Audit     *audit.Log // nil: refusals are not counted
	MaxUpload int64      // bytes that the files of one form may have together; 0 means 100 MiB
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Assets == nil || o.Files == nil || o.Bulk == nil {
		return errors.New("files: Options.Access, Assets, Files and Bulk are required")
	}
	if o.MaxUpload <= 0 {
		o.MaxUpload = 100 << 20
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Routes: func(r *admin.Routes) {
			h.mountFiles(r)
			h.mountFolders(r)
		},
		Rail: func(q *admin.Request) []admin.RailLink {
			if !h.o.Access.Can(q.Context(), access.Edit, q.Site.Path()) {
				return nil
			}
			return []admin.RailLink{
				{Group: admin.GroupContent, Order: 40, Title: q.Word("files.title"), URL: "/control/files", Icon: "file"},
			}
		},
		Find: []admin.Finder{{Title: stoa.Phrase("files.title"), Icon: "file", All: "/control/files", Look: h.findFiles,
			Link: h.linkFiles}},
	})
}

func (h *screens) findFiles(q *admin.Request, query string, _ func(...string) bool) (out []admin.Found, err error) {
	if !h.o.Access.Can(q.Context(), access.Edit, q.Site.Path()) {
		return nil, nil
	}
	list, err := h.o.Assets.List(q.Context(), q.Site,
		asset.Filter{Kinds: []string{"file"}, Words: query, Need: access.View, Limit: admin.FoundLimit})
	for _, e := range list.Items {
		out = append(out, admin.Found{Title: e.Title(q.Site.Locale), Note: e.Form, URL: "/control/files/" + e.ID.String()})
	}
	return out, err
}

// linkFiles gives the files that the actor may see by a part of their names.
func (h *screens) linkFiles(
	q *admin.Request, _, query string, _ func(...string) bool,
) (out []admin.Found, err error) {
	list, err := h.o.Files.List(q.Context(), q.Site, document.Filter{Query: query, Limit: admin.FoundLimit})
	for _, x := range list {
		out = append(out, admin.Found{Title: x.Name, Note: x.Type, URL: document.URL(q.Site.Slug, x)})
	}
	return out, err
}
