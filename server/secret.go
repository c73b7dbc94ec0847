package server

import (
	"context"
	"slices"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/secret"
)

// keyFileSetting is the property whose file all nodes have to share.
const keyFileSetting = "secret.key.file"

// readKeyFile gives nil where the settings name no key file.
func readKeyFile(c *config.Config) (*secret.File, error) {
	if c.Secret.KeyFile == "" {
		return nil, nil
	}
	return secret.ReadFile(c.Secret.KeyFile)
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

// settleRow writes what lets other nodes know this one in the form of this version, once no node of a version before,
// which would not know it, is beside.
func (s *Server) settleRow(ctx context.Context) {
	if s.link.settled == "" || s.olderNodes() {
		return
	}
	if err := s.Node.SetFingerprint(ctx, s.link.settled); err != nil {
		s.log.WarnContext(ctx, "the row of this node could not be brought into the form of this version", "error", err)
	}
}
