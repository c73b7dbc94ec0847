package server

import (
	"context"

	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/importer/generate"
)

// Generate fills the default instance with what a seed gives and tells what was made.
func (s *Server) Generate(ctx context.Context, r ControlRequest) (string, error) {
	inst, _, err := s.Sites.Resolve(ctx, "")
	if err != nil {
		return "", err
	}
	w := generate.Writer{
		DB:       s.DB,
		Access:   s.Access,
		Sites:    s.Sites,
		Pages:    s.Pages,
		Content:  s.Content,
		Taxonomy: s.Taxonomy,
		Files:    s.Files,
		Users:    s.Users,
	}
	report, err := w.Write(ctx, generate.Options{Numbers: r.Generate, Instance: inst, Yes: r.Yes, Progress: r.Progress})
	s.noted(ctx, err, audit.Generated, audit.Thing{Instance: inst.ID})
	if err != nil {
		return "", err
	}
	return report.String(), nil
}
