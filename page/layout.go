package page

import (
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
)

// Layout is what a page of widgets shows: sections one below the other.
type Layout struct {
	Sections []Section `json:"sections"`
}

// Section is a row of columns.
type Section struct {
	ID      string   `json:"id"`
	Columns []Column `json:"columns"`
	Style   string   `json:"style,omitempty"` // a name of the theme: "", "wide", "tinted"
}

// Column holds widgets one below the other.
type Column struct {
	Width   int      `json:"width"` // of 12; 0 shares what is left
	Widgets []Placed `json:"widgets"`
}

// Placed is a widget on a page with its settings.
type Placed struct {
	ID       string            `json:"id"`
	Widget   string            `json:"widget"` // name in the widget catalogue
	Settings map[string]string `json:"settings,omitempty"`
	Hidden   bool              `json:"hidden,omitempty"` // kept, but not shown to visitors
}

// Each calls fn for every widget in reading order.
func (l Layout) Each(fn func(Placed)) {
	for _, s := range l.Sections {
		for _, c := range s.Columns {
			for _, w := range c.Widgets {
				fn(w)
			}
		}
	}
}

// Widget gives the widget with the id.
func (l Layout) Widget(id string) (Placed, bool) {
	var found Placed
	ok := false
	l.Each(func(p Placed) {
		if p.ID == id {
			found, ok = p, true
		}
	})
	return found, ok
}

// Single gives a layout of one full column with the widgets.
func Single(widgets ...Placed) Layout {
	return Layout{Sections: []Section{{Columns: []Column{{Width: 12, Widgets: widgets}}}}}
}

// check returns the layout in its normal form with an id on everything, or Invalid.
func (l Layout) check() (Layout, error) {
	out := Layout{Sections: make([]Section, 0, len(l.Sections))}
	seen := map[string]bool{}
	count := 0
	if len(l.Sections) > 100 {
		return out, stoa.Invalid("layout", "the page has %d sections; at most 100 are possible", len(l.Sections))
	}
	for i, s := range l.Sections {
		s.ID = uniqueID(seen, s.ID)
		if !plainName(s.Style) {
			return out, stoa.Invalid("layout", "section %d has the style %q: a name of letters, digits and dashes is expected", i+1, s.Style)
		}
		if len(s.Columns) == 0 || len(s.Columns) > 12 {
			return out, stoa.Invalid("layout", "section %d has %d columns: 1 to 12 are expected", i+1, len(s.Columns))
		}
		columns := make([]Column, len(s.Columns))
		total := 0
		for j, c := range s.Columns {
			if c.Width < 0 || c.Width > 12 {
				return out, stoa.Invalid("layout", "column %d of section %d has the width %d: 1 to 12 is expected", j+1, i+1, c.Width)
			}
			total += c.Width
			widgets := make([]Placed, len(c.Widgets))
			for k, w := range c.Widgets {
				if w.Widget == "" || !plainName(w.Widget) {
					return out, stoa.Invalid("layout", "widget %d in column %d of section %d has no known kind: %q", k+1, j+1, i+1, w.Widget)
				}
				for key, v := range w.Settings {
					if err := richtext.Check(v); err != nil {
						return out, stoa.AtField(key, err)
					}
				}
				w.ID = uniqueID(seen, w.ID)
				widgets[k] = w
			}
			count += len(widgets)
			c.Widgets = widgets
			columns[j] = c
		}
		if total > 12 {
			return out, stoa.Invalid("layout", "the columns of section %d are %d wide together; they must share 12", i+1, total)
		}
		s.Columns = columns
		out.Sections = append(out.Sections, s)
	}
	if count > maxWidgets {
		return out, stoa.Invalid("layout", "the page has %d widgets; at most %d are possible", count, maxWidgets)
	}
	return out, nil
}

// uniqueID keeps an id that is well formed and new, and makes one otherwise.
func uniqueID(seen map[string]bool, id string) string {
	if id == "" || len(id) > 40 || !plainName(id) || seen[id] {
		id = strings.ToLower(rand.Text()[:10])
	}
	seen[id] = true
	return id
}

// plainName reports whether s can stand in a class name or an attribute as it is.
func plainName(s string) bool {
	return len(s) <= 60 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func (l Layout) encode() (string, error) {
	raw, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	if len(raw) > maxLayout {
		return "", stoa.TooLarge("the page is %d kB large; at most %d kB are possible", len(raw)>>10, maxLayout>>10)
	}
	return string(raw), nil
}

func decodeLayout(s string) (Layout, error) {
	var l Layout
	if s == "" {
		return l, nil
	}
	err := json.Unmarshal([]byte(s), &l)
	return l, err
}
