package admin

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
)

func (h *Handler) mountLogLevel(get, post register) {
	get("/control/log", manageInstance, h.logLevel)
	post("/control/log", manageInstance, h.logLevel)
}

// logLevels are the levels that can be chosen, from the most to the fewest lines.
func logLevels() []option {
	return []option{{Value: "debug", Label: "Debug: everything, for finding a mistake"}, {Value: "info", Label: "Info: what happens"},
		{Value: "warn", Label: "Warn: what may need attention"}, {Value: "error", Label: "Error: only what went wrong"}}
}

// logLevel shows how much this node writes to its log, and changes it until the node ends.
func (h *Handler) logLevel(q *request) error {
	f := &form{Fields: []*field{{Name: "level", Label: "Level", Kind: "select", Options: logLevels(), Value: strings.ToLower(h.o.LogLevel.Level().String()),
		Help: "Holds at once and until this node restarts; the property log.level says how it starts."}}}
	if q.Method == http.MethodPost {
		f.read(q)
		err := h.setLogLevel(q, f.text("level"))
		if err == nil {
			return q.done("/control/log", "saved")
		}
		if !f.fail(err) {
			return err
		}
	}
	return h.show(q, f.Status(), "loglevel", frame{Title: "Log level", Purpose: "How much this node writes to its log. Other nodes keep theirs.", Narrow: true, Body: f})
}

func (h *Handler) setLogLevel(q *request, name string) error {
	for _, o := range logLevels() {
		if o.Value != name {
			continue
		}
		var l slog.Level
		if err := l.UnmarshalText([]byte(name)); err != nil {
			return err
		}
		before := h.o.LogLevel.Level()
		h.o.LogLevel.Set(l)
		h.log.Log(q.Context(), max(l, slog.LevelWarn), "the log level was changed", "from", before, "to", l, "by", q.actor.Name)
		return nil
	}
	return stoa.Invalid("level", "%.30q is no level: debug, info, warn or error is expected", name)
}
