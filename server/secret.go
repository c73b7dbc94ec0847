package server

import (
	"context"
	"slices"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/secret"
)

// keyFileSetting is the property whose file all nodes have to share.
const keyFileSetting = "secret.key.file"

// openSecrets makes the keeper of the keys.
func (s *Server) openSecrets() (*secret.Service, error) {
	if name := s.cfg.Secret.KeyFile; name != "" {
		f, err := secret.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s.keyFile = f
	}
	return secret.New(secret.Options{DB: s.DB, Cache: s.Cache, File: s.keyFile, Logger: s.log})
}

// settleKeys encrypts the keys in the database once every living node has the same key file: one that has not could
// read them no more.
func (s *Server) settleKeys(ctx context.Context, st cluster.Status) {
	if s.keyFile == nil || !s.Node.IsMaster() || slices.ContainsFunc(st.Nodes, func(n cluster.NodeStatus) bool {
		_, told := n.Settings[keyFileSetting]
		return n.State != cluster.Dead && !n.Command && (!n.Answered() || !told)
	}) || slices.ContainsFunc(st.Differ, func(d cluster.Difference) bool { return d.Property == keyFileSetting }) {
		return
	}
	if err := s.Secrets.Settle(ctx); err != nil {
		s.log.WarnContext(ctx, "the keys in the database could not be encrypted with the key file", "error", err)
	}
}
