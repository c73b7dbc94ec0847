package pages

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/widget"
)

// layoutOp is one change of a layout, as the page editor sends it.
type layoutOp struct {
	// Op is add, move, remove, configure, set, section-add, section-move, section-remove or section-style.
	Op           string            `json:"op"`
	DraftVersion int64             `json:"draftVersion"`
	Lock         string            `json:"lock"`     // the window that sends it
	ID           string            `json:"id"`       // of a placed widget, or of a section
	Widget       string            `json:"widget"`   // add: the kind
	Column       string            `json:"column"`   // add, move: "section:number"; empty: the last column of the page
	Index        int               `json:"index"`    // place among the others; negative: last
	Settings     map[string]string `json:"settings"` // configure
	Hidden       *bool             `json:"hidden"`   // configure; nil: as it is
	Widths       []int             `json:"widths"`   // section-add
	Style        string            `json:"style"`    // section-style
	Layout       *page.Layout      `json:"layout"`   // set
}

// layoutEditor applies operations to a copy of a layout.
type layoutEditor struct {
	layout    page.Layout
	catalogue *widget.Catalogue
	known     func(name string) bool // kinds of widget that may stand on the page although the catalogue lacks them
}

// copyLayout gives a layout that can be changed without touching the original.
func copyLayout(l page.Layout) page.Layout {
	out := page.Layout{Sections: slices.Clone(l.Sections)}
	for i := range out.Sections {
		out.Sections[i].Columns = slices.Clone(out.Sections[i].Columns)
		for j := range out.Sections[i].Columns {
			out.Sections[i].Columns[j].Widgets = slices.Clone(out.Sections[i].Columns[j].Widgets)
		}
	}
	return out
}

// newLayoutID names a widget or a section.
func newLayoutID() string { return strings.ToLower(rand.Text()[:10]) }

// apply makes the change and gives the id of what should be selected afterwards.
func (e *layoutEditor) apply(op layoutOp) (selected string, err error) {
	switch op.Op {
	case "add":
		return e.add(op)
	case "move":
		w, _, err := e.take(op.ID)
		if err != nil {
			return "", err
		}
		return w.ID, e.put(w, op.Column, op.Index)
	case "remove":
		_, next, err := e.take(op.ID)
		return next, err
	case "configure":
		return op.ID, e.configure(op)
	case "set":
		return op.ID, e.set(op)
	case "section-add":
		return e.addSection(op)
	case "section-remove", "section-move", "section-style":
		return e.section(op)
	}
	return "", stoa.Invalid("op", "%.40q is not something that can be done with a page", op.Op)
}

func (e *layoutEditor) add(op layoutOp) (string, error) {
	kind, ok := e.catalogue.Get(op.Widget)
	if !ok {
		return "", stoa.Invalid("widget", "there is no widget %.60q; choose one of the palette", op.Widget)
	}
	if len(e.layout.Sections) == 0 && op.Column == "" {
		e.layout = page.Single()
		e.layout.Sections[0].ID = newLayoutID()
	}
	w := page.Placed{ID: newLayoutID(), Widget: op.Widget, Settings: kind.Type().Default()}
	return w.ID, e.put(w, op.Column, op.Index)
}

// column finds the column of an address such as "a1b2:0".
func (e *layoutEditor) column(address string) (*page.Column, error) {
	if address == "" && len(e.layout.Sections) > 0 {
		last := &e.layout.Sections[len(e.layout.Sections)-1]
		return &last.Columns[0], nil
	}
	id, number, _ := strings.Cut(address, ":")
	n, err := strconv.Atoi(number)
	for i := range e.layout.Sections {
		if s := &e.layout.Sections[i]; s.ID == id && err == nil && n >= 0 && n < len(s.Columns) {
			return &s.Columns[n], nil
		}
	}
	return nil, stoa.Invalid("column", "the page has no column %.60q any more; load it again", address)
}

func (e *layoutEditor) put(w page.Placed, address string, index int) error {
	c, err := e.column(address)
	if err != nil {
		return err
	}
	if index < 0 || index > len(c.Widgets) {
		index = len(c.Widgets)
	}
	c.Widgets = slices.Insert(c.Widgets, index, w)
	return nil
}

// find gives a pointer to the placed widget.
func (e *layoutEditor) find(id string) (c *page.Column, at int, err error) {
	for i := range e.layout.Sections {
		for j := range e.layout.Sections[i].Columns {
			c := &e.layout.Sections[i].Columns[j]
			if k := slices.IndexFunc(c.Widgets, func(w page.Placed) bool { return w.ID == id }); k >= 0 {
				return c, k, nil
			}
		}
	}
	return nil, 0, stoa.NotFound("widget on this page with the id", id)
}

// take removes a widget and names the one that stands in its place afterwards, or before it.
func (e *layoutEditor) take(id string) (w page.Placed, next string, err error) {
	c, at, err := e.find(id)
	if err != nil {
		return w, "", err
	}
	w = c.Widgets[at]
	c.Widgets = slices.Delete(c.Widgets, at, at+1)
	if len(c.Widgets) > 0 {
		next = c.Widgets[min(at, len(c.Widgets)-1)].ID
	}
	return w, next, nil
}

// configure takes over the settings that the kind of widget has; others, such as those that an import
// brought, stay.
func (e *layoutEditor) configure(op layoutOp) error {
	c, at, err := e.find(op.ID)
	if err != nil {
		return err
	}
	w := &c.Widgets[at]
	settings := map[string]string{}
	for k, v := range w.Settings {
		settings[k] = v
	}
	if kind, ok := e.catalogue.Get(w.Widget); ok {
		for _, f := range kind.Type().Fields {
			sent, has := op.Settings[f.Key]
			if !has {
				continue
			}
			v, err := checkSetting(f, sent)
			if err != nil {
				return err
			}
			if settings[f.Key] = v; v == "" {
				delete(settings, f.Key)
			}
		}
	}
	w.Settings = settings
	if op.Hidden != nil {
		w.Hidden = *op.Hidden
	}
	return nil
}

// set replaces the layout by one that the page had before: that is how changes are undone.
func (e *layoutEditor) set(op layoutOp) error {
	if op.Layout == nil {
		return stoa.Invalid("layout", "the layout is missing")
	}
	var err error
	op.Layout.Each(func(w page.Placed) {
		if _, ok := e.catalogue.Get(w.Widget); err == nil && !ok && !e.known(w.Widget) {
			err = stoa.Invalid("widget", "there is no widget %.60q", w.Widget)
		}
		for k, v := range w.Settings {
			if err == nil && (len(k) > maxSettingName || len(v) > maxSettingText) {
				err = stoa.TooLarge("a setting of the widget %.60q is larger than %d kB", w.Widget, maxSettingText>>10)
			}
		}
	})
	if err == nil {
		e.layout = *op.Layout
	}
	return err
}

func (e *layoutEditor) addSection(op layoutOp) (string, error) {
	total := 0
	for _, w := range op.Widths {
		if w < 1 || w > 12 {
			return "", stoa.Invalid("widths", "a column is 1 to 12 wide, not %d", w)
		}
		total += w
	}
	if total != 12 {
		return "", stoa.Invalid("widths", "the columns of a section are 12 wide together, not %d", total)
	}
	s := page.Section{ID: newLayoutID()}
	for _, w := range op.Widths {
		s.Columns = append(s.Columns, page.Column{Width: w})
	}
	at := op.Index
	if at < 0 || at > len(e.layout.Sections) {
		at = len(e.layout.Sections)
	}
	e.layout.Sections = slices.Insert(e.layout.Sections, at, s)
	return s.ID, nil
}

// section changes a whole section.
func (e *layoutEditor) section(op layoutOp) (string, error) {
	at := slices.IndexFunc(e.layout.Sections, func(s page.Section) bool { return s.ID == op.ID })
	if at < 0 {
		return "", stoa.NotFound("section on this page with the id", op.ID)
	}
	s := e.layout.Sections[at]
	switch op.Op {
	case "section-style":
		if op.Style != "" && op.Style != styleHero {
			return "", stoa.Invalid("style", "the theme has no style %.40q", op.Style)
		}
		e.layout.Sections[at].Style = op.Style
		return s.ID, nil
	case "section-move":
		e.layout.Sections = slices.Delete(e.layout.Sections, at, at+1)
		e.layout.Sections = slices.Insert(e.layout.Sections, min(max(op.Index, 0), len(e.layout.Sections)), s)
		return s.ID, nil
	}
	e.layout.Sections = slices.Delete(e.layout.Sections, at, at+1)
	return "", nil
}
