package render

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/widget"
)

// section, column and part are the layout with what its widgets made.
type section struct {
	ID, Class string
	Columns   []column
}

type column struct {
	Class   string
	Address string // "section:number", for the page editor
	Parts   []part
}

type part struct {
	ID, Widget, Title, Name string
	HTML                    template.HTML
	Failed, Hidden          bool
}

// Empty reports that the part has nothing to show.
func (p part) Empty() bool { return p.HTML == "" && !p.Failed }

// spoken is a part with the words of its page.
type spoken struct {
	part
	view *view
}

// Word gives one of the theme's words in the language of the page.
func (s spoken) Word(english string) string { return s.view.Word(english) }

func worded(v *view, p part) spoken { return spoken{p, v} }

// grid renders the widgets of a layout, several at once. noStore says that one failed, was late or
// does not want to be kept.
func (s *Service) grid(ctx context.Context, in Input, v *view, l page.Layout) (out []section, noStore bool) {
	type slot struct {
		part *part
		done chan outcome
		stop context.CancelFunc
		ctx  context.Context
	}
	var slots []*slot
	places := make(chan struct{}, s.opt.Parallel)
	for _, sec := range l.Sections {
		row := section{ID: sec.ID, Class: "row"}
		switch sec.Style {
		case "":
		case "hero": // the style sheet's own name for a large beginning
			row.Class += " hero"
		default:
			row.Class += " row--" + sec.Style
		}
		for i, c := range sec.Columns {
			col := column{Class: columnClass(c.Width, len(sec.Columns)), Address: sec.ID + ":" + strconv.Itoa(i), Parts: make([]part, 0, len(c.Widgets))}
			for _, w := range c.Widgets {
				if w.Hidden && !in.Edit {
					continue
				}
				col.Parts = append(col.Parts, part{ID: w.ID, Widget: w.Widget, Title: w.Settings["title"], Name: w.Widget, Hidden: w.Hidden})
				p := &col.Parts[len(col.Parts)-1] // the capacity suffices: it does not move
				kind, ok := s.opt.Catalogue.Get(w.Widget)
				if !ok {
					s.log.WarnContext(ctx, "render: the page has a widget that is not in the catalogue", "page", v.pageID(), "widget", w.Widget)
					p.Failed, noStore = true, true
					continue
				}
				if p.Name = kind.Type().Title; in.Edit {
					p.Name = lang.From(ctx).Word(p.Name) // in the language of the person who edits
				}
				one := &slot{part: p, done: make(chan outcome, 1)}
				one.ctx, one.stop = context.WithTimeout(ctx, s.opt.Deadline)
				if !s.start(one.ctx, kind, v.request(in, w, shareOf(c.Width, len(sec.Columns))), places, one.done) {
					p.Failed, noStore = true, true
					one.stop()
					continue
				}
				slots = append(slots, one)
			}
			row.Columns = append(row.Columns, col)
		}
		out = append(out, row)
	}
	for _, one := range slots {
		var got outcome
		select {
		case got = <-one.done:
		case <-one.ctx.Done():
			select { // it may have been done long ago, while another one was waited for
			case got = <-one.done:
			default:
				got.err = context.Cause(one.ctx)
			}
		}
		one.stop()
		if got.err != nil {
			one.part.Failed, noStore = true, true
			s.log.WarnContext(ctx, "render: a widget failed", "page", v.pageID(), "widget", one.part.Widget, "id", one.part.ID, "error", got.err)
			continue
		}
		one.part.HTML = got.result.HTML
		noStore = noStore || got.result.NoStore
	}
	return out, noStore
}

// holds reports whether what one of the widgets made has one of the beginnings of an element in it.
func holds(sections []section, elements ...string) bool {
	for _, s := range sections {
		for _, c := range s.Columns {
			for _, p := range c.Parts {
				for _, e := range elements {
					if strings.Contains(string(p.HTML), e) {
						return true
					}
				}
			}
		}
	}
	return false
}

// shareOf is how wide a column is, of 12, when it shares what there is with others.
func shareOf(width, columns int) int {
	if width == 0 {
		return 12 / max(columns, 1)
	}
	return width
}

// columnClass names the width for the style sheet, which knows 3 to 9 of 12; others share or are full.
func columnClass(width, columns int) string {
	if width == 0 && columns > 1 {
		width = max(12/columns, 3)
	}
	if width >= 1 && width < 3 {
		width = 3
	}
	if width >= 3 && width <= 9 {
		return "col col--" + strconv.Itoa(width)
	}
	return "col"
}

type outcome struct {
	result widget.Result
	err    error
}

// start runs a widget in a goroutine that Close waits for. It reports false after Close.
func (s *Service) start(ctx context.Context, w widget.Widget, r widget.Request, places chan struct{}, done chan<- outcome) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(func() {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		case <-ctx.Done():
			done <- outcome{err: context.Cause(ctx)}
			return
		}
		done <- guarded(ctx, w, r)
	})
	return true
}

// guarded turns a panic of a widget into an error: one part must not take the page down.
func guarded(ctx context.Context, w widget.Widget, r widget.Request) (o outcome) {
	defer func() {
		if v := recover(); v != nil {
			o = outcome{err: errors.Join(fmt.Errorf("panic: %v", v), errors.New(string(debug.Stack())))}
		}
	}()
	o.result, o.err = w.Render(ctx, r)
	return o
}
