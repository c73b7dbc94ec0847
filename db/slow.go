package db

import (
	"strings"
	"time"
)

// slow logs a statement that took longer than the operator wants to know about. Arguments are not logged:
// they can be anything, such as what a person wrote.
func (d *DB) slow(start time.Time, query string, args []any) {
	if d.opt.Watch != nil {
		d.opt.Watch(query, args)
	}
	if d.opt.SlowStatement <= 0 {
		return
	}
	if took := time.Since(start); took > d.opt.SlowStatement {
		words := strings.Join(strings.Fields(query), " ")
		if r := []rune(words); len(r) > 500 {
			words = string(r[:500]) + "…"
		}
		d.log.Warn("a slow statement", "took", took.Round(time.Millisecond), "sql", words)
	}
}
