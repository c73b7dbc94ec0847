package operate

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/cluster"
)

// logLevels are the levels that can be chosen, from the most to the fewest lines.
func logLevels(w speaker) []admin.Option {
	return []admin.Option{
		{Value: "debug", Label: w.Word("operate.log.debug")},
		{Value: "info", Label: w.Word("operate.log.info")},
		{Value: "warn", Label: w.Word("operate.log.warn")},
		{Value: "error", Label: w.Word("operate.log.error")},
	}
}

// logLevel shows how much the nodes write to their logs, and changes it until they end.
func (h *screens) logLevel(q *admin.Request) error {
	st, err := h.look(q)
	if err != nil {
		return err
	}
	type view struct {
		Form  *admin.Form
		Nodes []cluster.NodeStatus
	}
	where := &admin.Field{Name: "node", Label: q.Word("operate.node"), Kind: "select", Value: "0",
		Options: []admin.Option{{Value: "0", Label: q.Word("operate.log.all")}}}
	level := &admin.Field{Name: "level", Label: q.Word("operate.log.level"), Kind: "select", Value: "info",
		Options: logLevels(q), Help: q.Word("operate.log.help")}
	v := view{Form: &admin.Form{Fields: []*admin.Field{where, level}}}
	for _, n := range st.Nodes {
		if n.State != cluster.Live || n.Command {
			continue
		}
		v.Nodes = append(v.Nodes, n)
		where.Options = append(where.Options, admin.Option{Value: n.Writer, Label: n.Name})
		if n.Self && n.LogLevel != "" {
			level.Value = n.LogLevel
		}
	}
	if q.Method == http.MethodPost {
		v.Form.Read(q)
		err := h.setLogLevel(q, v.Form.Text("node"), v.Form.Text("level"))
		if err == nil {
			return q.Done("/control/log", "saved")
		}
		if !v.Form.Fail(err) {
			return err
		}
	}
	return h.Show(q, v.Form.Status(), "loglevel", admin.Screen{
		Title:   q.Word("operate.log"),
		Purpose: q.Word("operate.log.purpose"),
		Narrow:  true,
		Body:    v,
	})
}

func (h *screens) setLogLevel(q *admin.Request, node, name string) error {
	writer, err := strconv.ParseInt(node, 10, 64)
	if err != nil || writer < 0 {
		return stoa.Invalid("node", "%.30q is no node; choose one, or all", node)
	}
	for _, o := range logLevels(q) {
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
