package admin

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
)

// logLevels are the levels that can be chosen, from the most to the fewest lines.
func logLevels() []option {
	return []option{{Value: "debug", Label: "Debug: everything, for finding a mistake"}, {Value: "info", Label: "Info: what happens"},
		{Value: "warn", Label: "Warn: what may need attention"}, {Value: "error", Label: "Error: only what went wrong"}}
}

// logLevel shows how much the nodes write to their logs, and changes it until they end.
func (h *Handler) logLevel(q *request) error {
	st, err := h.look(q)
	if err != nil {
		return err
	}
	type view struct {
		Form  *form
		Nodes []cluster.NodeStatus
	}
	where := &field{Name: "node", Label: "Node", Kind: "select", Options: []option{{Value: "0", Label: "All nodes"}}, Value: "0"}
	level := &field{Name: "level", Label: "Level", Kind: "select", Options: logLevels(), Value: "info",
		Help: "Holds at once and until the node restarts; the property log.level says how it starts."}
	v := view{Form: &form{Fields: []*field{where, level}}}
	for _, n := range st.Nodes {
		if n.State != cluster.Live || n.Command {
			continue
		}
		v.Nodes = append(v.Nodes, n)
		where.Options = append(where.Options, option{Value: n.Writer, Label: n.Name})
		if n.Self && n.LogLevel != "" {
			level.Value = n.LogLevel
		}
	}
	if q.Method == http.MethodPost {
		v.Form.read(q)
		err := h.setLogLevel(q, v.Form.text("node"), v.Form.text("level"))
		if err == nil {
			return q.done("/control/log", "saved")
		}
		if !v.Form.fail(err) {
			return err
		}
	}
	return h.show(q, v.Form.Status(), "loglevel", frame{Title: "Log level", Purpose: "How much the nodes write to their logs.", Narrow: true, Body: v})
}

func (h *Handler) setLogLevel(q *request, node, name string) error {
	writer, err := strconv.ParseInt(node, 10, 64)
	if err != nil || writer < 0 {
		return stoa.Invalid("node", "%.30q is no node; choose one, or all", node)
	}
	for _, o := range logLevels() {
		if o.Value != name {
			continue
		}
		var l slog.Level
		if err := l.UnmarshalText([]byte(strings.ToUpper(name))); err != nil {
			return err
		}
		return h.o.Nodes.SetLogLevel(q.Context(), writer, l)
	}
	return stoa.Invalid("level", "%.30q is no level: debug, info, warn or error is expected", name)
}
