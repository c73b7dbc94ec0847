package server

import (
	"context"
	"os"
	"path/filepath"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/importer/wordpress"
	"github.com/stoa-portal/stoa/site"
)

// ImportWordPress brings a WordPress export into a site of the default instance and gives the report.
// The file is read and checked whole before anything is written.
func (s *Server) ImportWordPress(ctx context.Context, r ControlRequest) (string, error) {
	f, err := os.Open(r.File)
	if err != nil {
		return "", stoa.Invalid("file", "the export %s cannot be read: %v", r.File, err)
	}
	defer f.Close()
	export, err := wordpress.Read(f, wordpress.Limits{})
	if err != nil {
		return "", err
	}
	inst, st, err := s.Sites.Resolve(ctx, "")
	if err != nil {
		return "", err
	}
	if r.Site != "" {
		st, err = s.Sites.BySlug(ctx, inst.ID, r.Site)
		if stoa.Is(err, stoa.KindNotFound) && !r.DryRun {
			st, err = s.Sites.CreateSite(ctx, site.Site{Instance: inst.ID, Slug: r.Site, Name: r.Site, Locale: inst.Locale})
		}
		if err != nil {
			return "", err
		}
	}
	w := wordpress.Writer{DB: s.DB, Sites: s.Sites, Pages: s.Pages, Content: s.Content, Taxonomy: s.Taxonomy, Files: s.Files, Users: s.Users}
	report, err := w.Write(ctx, export, wordpress.WriteOptions{Site: st, HomePage: r.HomePage, MediaDir: r.Media, DryRun: r.DryRun, Progress: r.Progress})
	if !r.DryRun {
		s.noted(ctx, err, audit.Imported, audit.Thing{Kind: "site", ID: st.ID, Instance: st.Instance, Title: st.Name},
			filepath.Base(r.File))
	}
	if err != nil {
		return "", err
	}
	return report.String(), nil
}
