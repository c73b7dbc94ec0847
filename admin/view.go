package admin

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/look"
)

//go:embed templates/*.html
var files embed.FS

// parse gives one set of templates per screen: the frame and the shared parts with that screen's "main".
func parse(assets *look.Assets) (map[string]*template.Template, error) {
	funcs := template.FuncMap{
		"icon":  assets.Icon,
		"asset": assets.URL,
		"time":  timeTag,
		"bytes": byteCount,
		"count": count,
		"took":  took,
		"short": short,
		"span":  span,
		"signed": func(d time.Duration) string {
			if d > 0 {
				return "+" + short(d)
			}
			return short(d)
		},
		"clock": clockTag,
		"lately": func(t time.Time) template.HTML {
			if time.Since(t) < 12*time.Hour {
				return clockTag(t)
			}
			return timeTag(t)
		},
		"names": func(list []string) string { return strings.Join(list, ", ") },
		"say":   sentence,
		"word":  lang.Word,
		"dict":  dict,
		"lower": strings.ToLower,

		"auditWho":     whoOf,
		"auditOutcome": outcomeWord,

		"schedule":  schedule,
		"firstLine": firstLine,
	}
	shared, err := template.New("").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/list.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	out := map[string]*template.Template{}
	for _, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "templates/"), ".html")
		if name == "layout" || name == "parts" || name == "list" {
			continue
		}
		t, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if out[name], err = t.ParseFS(files, path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// timeTag writes a point in time; the script of the panel turns it into the viewer's own words.
func timeTag(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" data-relative>` + t.Format("2 January 2006, 15:04") + ` UTC</time>`)
}

// clockTag writes a time of the day to the second; the script of the panel turns it into the viewer's zone.
func clockTag(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `" data-clock>` + t.Format("15:04:05") + ` UTC</time>`)
}

// short writes a span of time with about two digits, as 0.42 ms, 12 ms or 1.5 s.
func short(d time.Duration) string {
	size, sign := d, ""
	if d < 0 {
		size, sign = -d, "−"
	}
	ms := float64(size) / float64(time.Millisecond)
	switch {
	case size == 0:
		return "0"
	case ms < 9.95:
		return sign + strconv.FormatFloat(ms, 'f', 2-digits(ms), 64) + " ms"
	case ms < 999.5:
		return sign + strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case size < time.Minute:
		return sign + strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	}
	return sign + span(size)
}

// digits is how many digits ms has before the point, as far as short cares.
func digits(ms float64) int {
	if ms < 0.995 {
		return 0
	}
	return 1
}

// span writes how long something has lasted, in the two largest units.
func span(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.size && i < len(units)-1 {
			continue
		}
		out := strconv.FormatInt(int64(d/u.size), 10) + " " + u.name
		if i+1 < len(units) && d%u.size >= units[i+1].size {
			out += " " + strconv.FormatInt(int64(d%u.size/units[i+1].size), 10) + " " + units[i+1].name
		}
		return out
	}
	return ""
}

// byteCount writes a number of bytes for people.
func byteCount(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}

// took writes how long something lasted, for people.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}

// count writes a whole number with commas between the thousands.
func count(v any) string {
	s := fmt.Sprint(v)
	if _, err := strconv.ParseUint(s, 10, 64); err != nil {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// dict makes a map for a part of a template from names and values that take turns.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments, an even number is expected", len(pairs))
	}
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is not a name", pairs[i])
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}
