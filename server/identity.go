package server

import (
	"context"
	"crypto/rand"

	"github.com/stoa-portal/stoa/cluster"
)

// identity gives the name of this installation: random, made by the first node that needs it, kept in the database and
// never changed. A copy of the database has the same.
func (s *Server) identity(ctx context.Context) (string, error) {
	name, err := cluster.KnownFact(ctx, s.DB, "identity")
	if err != nil || name != "" {
		return name, err
	}
	return cluster.Fact(ctx, s.DB, "identity", rand.Text())
}
