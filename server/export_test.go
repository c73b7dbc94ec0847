package server

import "context"

// LookAtTables is what a node does once a minute.
func (s *Server) LookAtTables(ctx context.Context) { s.lookAtTables(ctx) }
