package server

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/cluster"
)

// levelOrder tells a node how much to log.
type levelOrder struct {
	Level slog.Level
	By    string // for the log
}

// SetLogLevel sets how much a node, or with writer 0 every node, writes to its log until it restarts. The
// error names the nodes that did not do so.
func (s *Server) SetLogLevel(ctx context.Context, writer int64, level slog.Level) (err error) {
	if err := stoa.ActorFrom(ctx).OperatesNow("set the log level"); err != nil {
		return err
	}
	which := "all nodes"
	for _, m := range s.Node.Members() {
		if m.Writer == writer {
			which = m.Name
		}
	}
	whole := ctx
	defer func() { s.noted(whole, err, audit.LogLevel, audit.Thing{Kind: "node", Title: which}, level.String()) }()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	answers := s.levels.Nodes(ctx, func(m cluster.Member) bool { return writer == 0 || m.Writer == writer }, levelOrder{level, stoa.ActorFrom(ctx).Name})
	if len(answers) == 0 {
		return stoa.Invalid("node", "this node is not there any more; choose another, or all")
	}
	var failed []string
	for _, a := range answers {
		if a.Err != nil {
			failed = append(failed, a.Member.Name+" ("+a.Err.Error()+")")
		}
	}
	if len(failed) > 0 {
		return stoa.Invalid("node", "it may be as before on %s; the other nodes have the new level", strings.Join(failed, ", "))
	}
	return nil
}

// takeLevel does on this node what SetLogLevel asks for.
func (s *Server) takeLevel(ctx context.Context, from cluster.Member, o levelOrder) (bool, error) {
	if s.level == nil {
		return false, stoa.Invalid("node", "the log level of this node cannot be changed while it runs")
	}
	before := s.level.Level()
	s.level.Set(o.Level)
	s.log.Log(ctx, max(o.Level, slog.LevelWarn), "the log level was changed", "from", before, "to", o.Level, "by", o.By, "on", from.Name)
	return true, nil
}
