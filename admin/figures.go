package admin

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/lang"
)

// figures writes numbers, sizes, times and spans of time in one language.
type figures struct{ w *lang.Words }

func (q *Request) figures() figures { return figures{lang.From(q.Context())} }

// Count writes a whole number with what the language puts between the thousands.
func (q *Request) Count(v any) string { return q.figures().count(v) }

// Bytes writes a number of bytes for people.
func (q *Request) Bytes(n int64) string { return q.figures().bytes(n) }

// Day writes the day of t, in the zone of the person.
func (q *Request) Day(t time.Time) string {
	return lang.Date(lang.From(q.Context()).Locale(), t.In(q.Zone()))
}

// Minute writes t to the minute, in the zone of the person.
func (q *Request) Minute(t time.Time) string {
	return lang.Moment(lang.From(q.Context()).Locale(), t.In(q.Zone()))
}

// Bytes writes a number of bytes in English.
func Bytes(n int64) string { return figures{lang.In("en")}.bytes(n) }

// Count writes a whole number with commas between the thousands, as in English.
func Count(v any) string { return figures{lang.In("en")}.count(v) }

// timeTag writes a point in time; the script of the panel turns it into the viewer's own words.
func (f figures) timeTag(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" data-relative>` +
		lang.Moment(f.w.Locale(), t) + ` UTC</time>`)
}

// clockTag writes a time of the day to the second; the script of the panel turns it into the viewer's zone.
func (f figures) clockTag(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" data-clock>` +
		t.Format("15:04:05") + ` UTC</time>`)
}

// count writes a whole number; what is none stays as it is.
func (f figures) count(v any) string {
	s := fmt.Sprint(v)
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return s
	}
	return f.w.Word("%d", n)
}

// decimal writes a number with so many digits after the point.
func (f figures) decimal(x float64, digits int) string {
	return f.w.Word("%."+strconv.Itoa(digits)+"f", x)
}

func (f figures) list(names []string) string {
	if f.w.Locale() == "ja" {
		return strings.Join(names, "、")
	}
	return strings.Join(names, ", ")
}

// whole writes names, each of which stays in one line.
func (f figures) whole(names []string) template.HTML {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = `<span class="whole">` + template.HTMLEscapeString(name) + `</span>`
	}
	return template.HTML(f.list(out))
}

// short writes a span of time with about two digits, as 0.42 ms, 12 ms or 1.5 s.
func (f figures) short(d time.Duration) string {
	size, sign := d, ""
	if d < 0 {
		size, sign = -d, "−"
	}
	ms := float64(size) / float64(time.Millisecond)
	switch {
	case size == 0:
		return "0"
	case ms < 0.995:
		return sign + f.w.Word("panel.ms", f.decimal(ms, 2))
	case ms < 9.95:
		return sign + f.w.Word("panel.ms", f.decimal(ms, 1))
	case ms < 999.5:
		return sign + f.w.Word("panel.ms", f.decimal(ms, 0))
	case size < time.Minute:
		return sign + f.w.Word("panel.s", f.decimal(ms/1000, 1))
	}
	return sign + f.span(size)
}

// signed is short with a sign for spans that are longer than nothing, too.
func (f figures) signed(d time.Duration) string {
	if d > 0 {
		return "+" + f.short(d)
	}
	return f.short(d)
}

// parts writes a span of time in its units from the largest on, without those that are nothing. It gives at most so
// many units, counted from the first that is there.
func (f figures) parts(d, largest time.Duration, units int) string {
	var out []string
	for _, u := range []struct {
		size time.Duration
		key  string
	}{{24 * time.Hour, "panel.d"}, {time.Hour, "panel.h"}, {time.Minute, "panel.min"}, {time.Second, "panel.s"}} {
		n := d / u.size
		if u.size > largest || n == 0 && len(out) == 0 {
			continue
		}
		if units--; units < 0 {
			break
		}
		if n > 0 {
			out = append(out, f.w.Word(u.key, f.count(int64(n))))
		}
		d %= u.size
	}
	return strings.Join(out, " ")
}

// span writes how long something has lasted, in the two largest units.
func (f figures) span(d time.Duration) string {
	if d < time.Second {
		return f.w.Word("panel.s", "0")
	}
	return f.parts(d, 24*time.Hour, 2)
}

// bytes writes a number of bytes for people.
func (f figures) bytes(n int64) string {
	switch {
	case n < 1<<10:
		return f.w.Word("panel.bytes", f.count(n))
	case n < 1<<20:
		return f.w.Word("panel.kilobytes", f.decimal(float64(n)/(1<<10), 1))
	case n < 1<<30:
		return f.w.Word("panel.megabytes", f.decimal(float64(n)/(1<<20), 1))
	}
	return f.w.Word("panel.gigabytes", f.decimal(float64(n)/(1<<30), 1))
}

// took writes how long something lasted, for people.
func (f figures) took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return f.w.Word("panel.under-ms")
	case d < time.Second:
		return f.w.Word("panel.ms", f.count(d.Milliseconds()))
	case d < time.Minute:
		return f.w.Word("panel.s", f.decimal(d.Seconds(), 1))
	}
	return f.parts(d, 24*time.Hour, 2)
}

// schedule writes a schedule for people.
func (f figures) schedule(spec string) string {
	text, ok := strings.CutPrefix(spec, "@every ")
	d, err := time.ParseDuration(text)
	switch {
	case spec == "":
		return ""
	case !ok || err != nil:
		return spec + " UTC"
	}
	return f.w.Word("panel.every", f.parts(d, time.Hour, 3))
}
