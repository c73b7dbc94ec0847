package server

import (
	"context"
	"time"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
)

// tablesEvery is how often a node looks how the tables of the portal were made: a dump can be restored while it runs.
const tablesEvery = time.Minute

// watchTables looks now and from time to time; only MariaDB and MySQL have a character set for each table.
func (s *Server) watchTables(ctx context.Context) {
	if s.DB.Dialect() != db.MySQL || s.command {
		return
	}
	s.lookAtTables(ctx)
	s.every(tablesEvery, s.lookAtTables)
}

// lookAtTables keeps what is wrong with the tables for the status. A database that does not answer is another finding:
// what was known before stays.
func (s *Server) lookAtTables(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	found, err := dbcheck.Tables(ctx, s.DB)
	if err != nil {
		s.log.Debug("how the tables were made could not be looked at", "error", err)
		return
	}
	out := make([]cluster.Problem, 0, len(found))
	for _, f := range found {
		out = append(out, cluster.Problem{Requirement: "database", Code: cluster.CodeDatabaseTables, Message: f.Text,
			Mend: "with the nodes stopped, or while few people save, run in the database: " + f.Fix})
	}
	s.tables.Store(&out)
}

// wrongTables are what lookAtTables found last.
func (s *Server) wrongTables() []cluster.Problem {
	if p := s.tables.Load(); p != nil {
		return *p
	}
	return nil
}
