package server

import (
	"cmp"
	"context"

	"github.com/stoa-portal/stoa/db/dbcheck"
)

// adviseDatabase logs what is worth a line about the database at the start of a node, and refuses one that would
// damage texts. stoa db check tells more.
func (s *Server) adviseDatabase(ctx context.Context) error {
	source := s.cfg.Database.Default
	if s.cfg.Database.Write.URL != "" {
		source = s.cfg.Database.Write
	}
	found, err := dbcheck.AtStart(ctx, s.DB, cmp.Or(source.MaximumPoolSize, 32), 1)
	if err != nil || s.command {
		return err
	}
	for _, f := range found {
		s.log.Warn(f.Text, "code", f.Code, "fix", f.Fix)
	}
	return nil
}
