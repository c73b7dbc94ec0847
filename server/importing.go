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
		if st, err = s.importSite(ctx, inst, r, export); err != nil {
			return "", err
		}
	}
	w := wordpress.Writer{
		DB:       s.DB,
		Sites:    s.Sites,
		Pages:    s.Pages,
		Content:  s.Content,
		Taxonomy: s.Taxonomy,
		Files:    s.Files,
		Users:    s.Users,
	}
	report, err := w.Write(
		ctx,
		export,
		wordpress.WriteOptions{Site: st, HomePage: r.HomePage, MediaDir: r.Media, DryRun: r.DryRun, Progress: r.Progress},
	)
	if !r.DryRun {
		s.noted(ctx, err, audit.Imported, audit.Thing{Kind: "site", ID: st.ID, Instance: st.Instance, Title: st.Name},
			filepath.Base(r.File))
	}
	if err != nil {
		return "", err
	}
	if r.DryRun {
		return "This was a dry run: nothing was written. A run would report:\n" + report.Text(r.Verbose), nil
	}
	return report.Text(r.Verbose), nil
}

// importSite gives the site that an import writes to, and makes it when it is new: in the language of the export.
func (s *Server) importSite(
	ctx context.Context,
	inst site.Instance,
	r ControlRequest,
	e *wordpress.Export,
) (site.Site, error) {
	st, err := s.Sites.BySlug(ctx, inst.ID, r.Site)
	if !stoa.Is(err, stoa.KindNotFound) {
		return st, err
	}
	st = site.Site{Instance: inst.ID, Slug: r.Site, Name: r.Site, Locale: inst.Locale}
	if l, err := stoa.ParseLocale(e.Site.Language); err == nil {
		st.Locale = l
	}
	if r.DryRun {
		st.Locales = []stoa.Locale{st.Locale}
		return st, site.Check(st)
	}
	return s.Sites.CreateSite(ctx, st)
}
