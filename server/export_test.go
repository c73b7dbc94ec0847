package server

import "context"

// LookAtTables is what a node does once a minute.
func (s *Server) LookAtTables(ctx context.Context) { s.lookAtTables(ctx) }

// MovePhase is the step of the move of the files, and what it waits for.
func (s *Server) MovePhase(ctx context.Context) (phase, trouble string, err error) {
	m, err := readMove(ctx, s.DB)
	return m.Phase, m.Trouble, err
}
